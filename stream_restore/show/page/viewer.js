"use strict";
/* The page: one time axis over all tracks, a shared cursor, keys, mouse, touch. Data come from recording.js. */

const data = window.STREAM_RESTORE;
const LEFT = 56, PANEL = 190, BLINK = 420, SHORTEST = 0.05;
const find = (id) => document.getElementById(id);
const stage = find("stage");
const seconds = Math.max(...data.tracks.map((track) => track.seconds), SHORTEST);
const view = { start: 0, span: seconds, mode: "stacked", pointer: null, width: stage.clientWidth };
const store = new TileStore(() => redraw());
const player = new Player(data.tracks, () => changed());
const panels = data.tracks.map((track, index) => panel(track, index));
const curve = data.sdr.length ? curvePanel() : null;
const ruler = addPanel("ruler");
let due = false, colours = null;

function addPanel(name, title) {
  const box = document.createElement("section");
  box.className = `panel ${name}`;
  const canvas = box.appendChild(document.createElement("canvas"));
  canvas.setAttribute("aria-hidden", "true");
  if (title) box.appendChild(document.createElement("h2")).textContent = title;
  stage.appendChild(box);
  return { box, canvas };
}

function panel(track, index) {
  const made = addPanel("sound", track.label);
  const label = document.createElement("label");
  label.title = String(index + 1);
  const radio = label.appendChild(document.createElement("input"));
  Object.assign(radio, { type: "radio", name: "track", value: String(index), checked: index === 0 });
  radio.addEventListener("change", () => player.switchTo(index));
  const text = label.appendChild(document.createElement("span"));
  text.appendChild(document.createElement("kbd")).textContent = String(index + 1);
  text.append(track.label);
  find("tracks").appendChild(label);
  return { ...made, radio, marks: marksPanel(made.box, track), spectrogram: new Spectrogram(track, store) };
}

/* Drawing */

function redraw() {
  if (!due) requestAnimationFrame(draw);
  due = true;
}

function draw() {
  due = false;
  if (player.playing) follow();
  panels.forEach((each, index) => {
    each.box.hidden = view.mode === "blink" && index !== player.heard;
    each.box.classList.toggle("heard", index === player.heard);
    if (!each.box.hidden) drawSound(each, colours);
    if (!each.box.hidden && each.marks) drawMarks(each.marks, colours);
  });
  if (curve) drawCurve(colours);
  drawRuler(colours);
  store.trim();
  readout();
  if (player.playing) redraw();
}

/** A canvas made as large as its place in device pixels, cleared, and the box that time spans. */
function prepared(canvas, height) {
  const width = view.width, ratio = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "12px system-ui, 'DejaVu Sans', sans-serif";
  return { context, box: { left: LEFT, top: 0, width: Math.max(1, width - LEFT), height } };
}

function light(theme) {
  document.documentElement.dataset.theme = theme;
  const style = getComputedStyle(document.documentElement);
  colours = { ink: style.getPropertyValue("--soft"), line: style.getPropertyValue("--line"), cursor: style.getPropertyValue("--cursor") };
  redraw();
}

function drawSound(each, colours) {
  const { context, box } = prepared(each.canvas, view.mode === "blink" ? BLINK : PANEL);
  context.fillStyle = data.palette[0];
  context.fillRect(box.left, 0, box.width, box.height);
  const counts = each.spectrogram.draw(context, box, view.start, view.span);
  Object.assign(each.canvas.dataset, counts);
  context.fillStyle = colours.ink;
  context.textAlign = "right";
  context.textBaseline = "middle";
  let last = Infinity;
  for (const hertz of [0, 200, 500, 1000, 2000, 4000, 8000, 16000, 32000]) {
    const y = box.height * (1 - each.spectrogram.place(hertz));
    if (hertz > each.spectrogram.track.sample_rate / 2 || last - y < 16) continue;
    context.fillText(hertz < 1000 ? `${hertz} Hz` : `${hertz / 1000} kHz`, LEFT - 6, Math.min(Math.max(y, 8), box.height - 8));
    last = y;
  }
  drawCursor(context, box, colours);
}

function drawCursor(context, box, colours) {
  const x = box.left + ((player.now() - view.start) / view.span) * box.width;
  if (x >= box.left) {
    context.fillStyle = colours.cursor;
    context.fillRect(x - 0.75, 0, 1.5, box.height);
  }
  if (view.pointer && view.pointer.x >= box.left) {
    context.fillStyle = colours.cursor;
    context.globalAlpha = 0.45;
    context.fillRect(view.pointer.x, 0, 1, box.height);
    context.globalAlpha = 1;
  }
}

/* Changes */

function changed() {
  const time = player.now();
  find("play").textContent = player.playing ? "Pause" : "Play";
  find("play").setAttribute("aria-pressed", String(player.playing));
  panels[player.heard].radio.checked = true;
  stage.setAttribute("aria-valuenow", time.toFixed(2));
  stage.setAttribute("aria-valuetext", `${clock(time, 0.1)}, hearing ${data.tracks[player.heard].label}`);
  find("said").textContent = `Hearing ${data.tracks[player.heard].label}`;
  redraw();
}

/** Show `span` seconds, with what is at `time` staying at `share` of the width. */
function zoom(factor, time = player.now(), share = (time - view.start) / view.span) {
  if (share < 0 || share > 1) share = 0.5;
  view.span = Math.min(seconds, Math.max(SHORTEST, view.span * factor));
  move(time - share * view.span);
}

function move(start) {
  view.start = Math.min(Math.max(0, start), seconds - view.span);
  redraw();
}

/** Turn the page when the cursor leaves it. */
function follow() {
  const time = player.now();
  if (time < view.start || time > view.start + view.span) view.start = Math.min(Math.max(0, time - view.span * 0.05), seconds - view.span);
  stage.setAttribute("aria-valuenow", time.toFixed(2));
}

function readout() {
  const pointer = view.pointer, time = pointer ? timeAt(pointer.x) : player.now();
  let text = clock(time, 0.001);
  if (pointer && pointer.hertz !== null) text += ` · ${pointer.hertz < 1000 ? pointer.hertz.toFixed(0) + " Hz" : (pointer.hertz / 1000).toFixed(2) + " kHz"}`;
  for (const series of data.sdr) {
    const value = series.values[Math.floor(time / series.every_seconds)];
    if (value !== undefined && value !== null) text += ` · ${series.label} ${value.toFixed(1)} dB`;
  }
  find("readout").textContent = text;
}

function seek(time) {
  const inside = Math.min(Math.max(0, time), seconds);
  player.seek(inside);
  if (inside < view.start || inside > view.start + view.span) move(inside - view.span / 2);
}

function setMode(mode) {
  view.mode = mode;
  document.querySelector(`input[name=mode][value=${mode}]`).checked = true;
  redraw();
}

function turnLights() {
  light(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
}

/* Input */

function timeAt(x) {
  return Math.min(Math.max(0, view.start + ((x - LEFT) / (view.width - LEFT)) * view.span), seconds);
}

function at(event) {
  const x = event.clientX - stage.getBoundingClientRect().left;
  for (const { box, spectrogram } of panels) {
    const { top, bottom, height } = box.getBoundingClientRect(); // while the pointer is captured, events do not name it
    if (event.clientY >= top && event.clientY < bottom) return { x, hertz: spectrogram.frequency((bottom - event.clientY) / height) };
  }
  return { x, hertz: null };
}

const fingers = new Map();
let press = null;

stage.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  stage.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, event.clientX);
  press = { x: event.clientX, start: view.start, moved: fingers.size > 1 };
});

stage.addEventListener("pointermove", (event) => {
  const before = [...fingers.values()];
  if (fingers.has(event.pointerId)) fingers.set(event.pointerId, event.clientX);
  const left = stage.getBoundingClientRect().left;
  if (fingers.size === 2) {
    const [a, b] = before, [c, d] = [...fingers.values()];
    const middle = (c + d) / 2 - left;
    zoom(Math.max(1, Math.abs(a - b)) / Math.max(1, Math.abs(c - d)), timeAt((a + b) / 2 - left), (middle - LEFT) / (view.width - LEFT));
    press = { x: event.clientX, start: view.start, moved: true };
  } else if (fingers.size === 1 && press) {
    press.moved ||= Math.abs(event.clientX - press.x) > 4;
    if (press.moved) {
      stage.classList.add("dragging");
      move(press.start - ((event.clientX - press.x) / (view.width - LEFT)) * view.span);
    }
  }
  view.pointer = event.pointerType === "mouse" ? at(event) : null;
  redraw();
});

for (const name of ["pointerup", "pointercancel"]) {
  stage.addEventListener(name, (event) => {
    if (name === "pointerup" && press && !press.moved) seek(timeAt(event.clientX - stage.getBoundingClientRect().left));
    fingers.delete(event.pointerId);
    press = fingers.size ? { x: [...fingers.values()][0], start: view.start, moved: true } : null;
    stage.classList.remove("dragging");
  });
}

stage.addEventListener("pointerleave", () => {
  view.pointer = null;
  redraw();
});

stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const x = event.clientX - stage.getBoundingClientRect().left;
  const along = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
  if (Math.abs(along) > Math.abs(event.deltaY) || event.shiftKey) move(view.start + (along / view.width) * view.span);
  else zoom(Math.exp(Math.min(Math.max(event.deltaY, -200), 200) / 300), timeAt(x), (x - LEFT) / (view.width - LEFT));
}, { passive: false });

const KEYS = {
  " ": () => player.toggle(),
  ArrowLeft: (event) => seek(player.now() - (view.span / 100) * (event.shiftKey ? 10 : 1)),
  ArrowRight: (event) => seek(player.now() + (view.span / 100) * (event.shiftKey ? 10 : 1)),
  ArrowUp: () => player.switchTo((player.heard + data.tracks.length - 1) % data.tracks.length),
  ArrowDown: () => player.switchTo((player.heard + 1) % data.tracks.length),
  Home: () => seek(0),
  End: () => seek(seconds),
  "+": () => zoom(0.5),
  "=": () => zoom(0.5),
  "-": () => zoom(2),
  0: () => zoom(Infinity),
  b: () => setMode(view.mode === "blink" ? "stacked" : "blink"),
  t: () => turnLights(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const control = event.target.closest && event.target.closest("button, input, summary");
  const arrows = event.key.startsWith("Arrow") || event.key === " ";
  if (control && arrows) return; // theirs
  const number = Number(event.key);
  if (number >= 1 && number <= data.tracks.length) player.switchTo(number - 1);
  else if (KEYS[event.key]) KEYS[event.key](event);
  else return;
  event.preventDefault();
});

find("play").addEventListener("click", () => player.toggle());
find("in").addEventListener("click", () => zoom(0.5));
find("out").addEventListener("click", () => zoom(2));
find("fit").addEventListener("click", () => zoom(Infinity));
find("theme").addEventListener("click", turnLights);
find("matched").addEventListener("change", (event) => player.match(event.target.checked));
for (const radio of document.querySelectorAll("input[name=mode]")) radio.addEventListener("change", () => setMode(radio.value));
new ResizeObserver(() => {
  view.width = stage.clientWidth;
  redraw();
}).observe(stage);
setInterval(() => player.playing && player.align(), 500);

/* Beginning */

light(window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
document.title = data.title;
find("title").textContent = data.title;
find("facts").textContent = `${clock(seconds, 1)} · ${data.tracks[0].sample_rate / 1000} kHz · ${data.tracks[0].channels === 1 ? "mono" : data.tracks[0].channels + " channels"}`;
find("colours").style.background = `linear-gradient(90deg, ${data.palette.join(", ")})`;
find("quiet").textContent = `${data.tracks[0].axes.quietest_db} dB`;
find("loud").textContent = `${data.tracks[0].axes.loudest_db} dB`;
stage.setAttribute("aria-valuemax", seconds.toFixed(2));
changed();
