"use strict";
/* The pages of a test, one after the other: welcome, volume, training, the trials, the end. */

const main = document.getElementById("main");
const statusLine = document.getElementById("status");
const WELCOME = 0, VOLUME = 1, TRAINING = 2, FIRST = 3;
const MINUTES_A_TRIAL = 3;

let view = null;
let context = null;

const saving = new Saving(TEST, (word, gaps) => {
  document.getElementById("saved").textContent = say(word, gaps);
});

function tell(text) {
  statusLine.textContent = text;
}

/** Trials in the order of this listener. */
function trials() {
  const order = ordered(TEST.seed, saving.state.listener, TEST.trials.map((trial) => trial.id));
  return order.map((id) => TEST.trials.find((trial) => trial.id === id));
}

function recordOf(trial) {
  const kept = saving.state.trials[trial.id];
  if (kept) return { ...kept, scores: { ...kept.scores }, heard: [...kept.heard] };
  return { id: trial.id, order: ordered(TEST.seed, saving.state.listener, trial.stimuli), scores: {}, heard: [], seconds: 0, done: false };
}

function go(page) {
  saving.state.page = page;
  saving.keep();
  show();
}

function setLanguage(chosen) {
  language = chosen in WORDS ? chosen : "en";
  document.documentElement.lang = language;
  document.getElementById("language").value = language;
  document.getElementById("language-word").textContent = say("language");
}

function show() {
  view?.close();
  view = null;
  tell("");
  const { page } = saving.state;
  const shown = trials();
  if (page === WELCOME || !saving.state.listener) welcome();
  else if (page === VOLUME) volume(shown[0]);
  else if (page === TRAINING) trial(shown[0], true);
  else if (page < FIRST + shown.length) trial(shown[page - FIRST], false);
  else end();
  main.focus();
}

function heading(text) {
  return make("h2", {}, text);
}

function welcome() {
  const input = make("input", { type: "text", id: "name", maxlength: 64, autocomplete: "off", required: true });
  input.value = saving.state.listener;
  const begin = (event) => {
    event.preventDefault();
    const name = input.value.trim();
    if (!name) return tell(say("nameless"));
    saving.state.listener = name;
    go(VOLUME);
  };
  const minutes = MINUTES_A_TRIAL * (TEST.trials.length + 1);
  main.replaceChildren(
    heading(say("welcome")),
    make("p", {}, say("about", { minutes })),
    make("form", { class: "bar", onsubmit: begin },
      make("label", { for: "name" }, say("name")), input, make("button", { class: "primary" }, say("begin"))),
  );
}

/** A player with these sounds, on a context of their rate: nothing is resampled by the page. */
async function loaded(trial, tokens) {
  if (context && context.sampleRate !== trial.rate) {
    context.close();
    context = null;
  }
  context ??= new AudioContext({ sampleRate: trial.rate, latencyHint: "interactive" });
  const player = new Player(context, saving.state.volume ** 2);
  await player.load(tokens, trial.channels);
  return player;
}

/** Show `build(player)` when the sounds are there, unless the listener went elsewhere. */
async function withSounds(trial, tokens, build) {
  const { page } = saving.state;
  main.replaceChildren(make("p", { role: "status" }, say("loading")));
  try {
    const player = await loaded(trial, tokens);
    if (page === saving.state.page && !view) build(player);
    else player.close();
  } catch (error) {
    if (!(error instanceof Error) || page !== saving.state.page) throw error;
    main.replaceChildren(make("p", { role: "alert" }, say("failed")), make("button", { onclick: show }, say("again")));
  }
}

function volume(first) {
  return withSounds(first, [first.reference], (player) => {
    const button = make("button", { id: "play", class: "primary" }, say("play"));
    const toggle = () => {
      context.resume();
      if (player.playing) player.pause();
      else player.play();
      button.textContent = say(player.playing ? "pause" : "play");
    };
    button.addEventListener("click", toggle);
    const input = make("input", { type: "range", min: 0, max: 1, step: 0.01, value: saving.state.volume, "aria-label": say("volume") });
    input.addEventListener("input", () => {
      saving.state.volume = Number(input.value);
      player.volume.gain.setTargetAtTime(saving.state.volume ** 2, context.currentTime, SWITCH_SECONDS);
      saving.keep();
    });
    view = { close: () => player.close(), key: (event) => event.key === " " && event.target !== button && (toggle(), true) };
    main.replaceChildren(
      heading(say("volume")),
      make("p", {}, say("volumeAbout")),
      make("div", { class: "bar" }, button, input),
      make("button", { id: "next", onclick: () => go(TRAINING) }, say("next")),
    );
  });
}

function trial(shown, training) {
  const { page } = saving.state;
  return withSounds(shown, [shown.reference, ...shown.stimuli], (player) => {
    const record = training ? { order: ordered(TEST.seed, `training of ${saving.state.listener}`, shown.stimuli), scores: {}, heard: [] } : recordOf(shown);
    const keep = () => {
      if (!training) saving.rated(record);
      mark();
    };
    view = new TrialView(shown, record, player, keep, () => training || saving.noted(record));
    const next = make("button", { id: "next", class: "primary" }, say("next"));
    const mark = () => next.setAttribute("aria-disabled", String(!training && view.missing() !== ""));
    next.addEventListener("click", () => {
      const missing = training ? "" : view.missing();
      if (missing) return tell(missing);
      if (!training) {
        record.done = true;
        saving.rated(record);
      }
      if (page + 1 === FIRST + TEST.trials.length) saving.finish();
      go(page + 1);
    });
    const back = make("button", { id: "previous", onclick: () => go(page - 1) }, say("previous"));
    const title = training ? say("training") : say("trial", { number: page - FIRST + 1, count: TEST.trials.length });
    main.replaceChildren(
      heading(title),
      ...(training ? [make("p", {}, say("trainingAbout"))] : [make("progress", { max: TEST.trials.length, value: page - FIRST, "aria-label": title })]),
      make("p", {}, say("question")),
      view.element,
      make("div", { class: "bar" }, ...(page === TRAINING || page === FIRST ? [] : [back]), next),
      make("p", {}, say("keys")),
    );
    mark();
  });
}

function download(name, type, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function end() {
  const told = make("p", { id: "told" });
  const tellEnd = () => {
    told.textContent = say(saving.server && !saving.waiting ? "endSent" : saving.server ? "lost" : "endDisk");
  };
  const timer = setInterval(tellEnd, 500);
  view = { close: () => clearInterval(timer), key: () => false };
  const name = `ratings-${TEST.id}-${saving.state.listener.replace(/[^\w-]+/g, "_")}`;
  const another = () => {
    if (!confirm(say("sure"))) return;
    saving.clear();
    show();
  };
  tellEnd();
  main.replaceChildren(
    heading(say("end")),
    make("p", {}, say("endAbout")),
    told,
    make("div", { class: "bar" },
      make("button", { id: "json", onclick: () => download(`${name}.json`, "application/json", saving.json()) }, say("json")),
      make("button", { id: "csv", onclick: () => download(`${name}.csv`, "text/csv", saving.csv()) }, say("csv")),
      make("button", { id: "another", onclick: another }, say("another"))),
  );
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input[type=text], select");
  if (typing || event.ctrlKey || event.metaKey || event.altKey || !view?.key) return;
  if (view.key(event)) event.preventDefault();
});

document.getElementById("language").addEventListener("change", (event) => {
  setLanguage(event.target.value);
  saving.state.language = language;
  saving.keep();
  show();
});

document.title = TEST.title;
document.getElementById("title").textContent = TEST.title;
setLanguage(saving.state.language ?? navigator.language.slice(0, 2));
saving.find().finally(show);
