"use strict";
/* What lies under the spectrograms: where repairs acted, SDR over time, and the ruler of the time axis. */

const CURVE = 130, RULER = 30, MARKS = 16;
const SERIES = ["#e0637a", "#3d9be0", "#e0a030", "#49b06a", "#9a6ae0"];

function curvePanel() {
  const made = addPanel("plain", "SDR (dB)");
  data.sdr.forEach((series, index) => {
    const swatch = document.createElement("i");
    swatch.style.color = SERIES[index % SERIES.length];
    made.box.querySelector("h2").append(swatch, series.label);
  });
  return made;
}

/** SDR over time. Where a pixel has many values, the lowest and the highest are drawn. */
function drawCurve(colours) {
  const { context, box } = prepared(curve.canvas, CURVE);
  const curves = data.sdr.map(inView), shown = curves.flat().map(([, value]) => limited(value));
  const low = Math.floor(Math.min(0, ...shown) / 10) * 10, high = Math.ceil(Math.max(10, ...shown) / 10) * 10;
  const y = (value) => box.height - 8 - ((value - low) / (high - low)) * (box.height - 40);
  context.textAlign = "right";
  context.textBaseline = "middle";
  const step = high - low > 40 ? 20 : 10;
  for (let mark = low; mark <= high; mark += step) {
    context.fillStyle = colours.line;
    context.fillRect(box.left, y(mark), box.width, 1);
    context.fillStyle = colours.ink;
    context.fillText(String(mark), LEFT - 6, y(mark));
  }
  curves.forEach((points, index) => {
    context.strokeStyle = SERIES[index % SERIES.length];
    context.lineWidth = 2;
    context.beginPath();
    for (const [time, value] of points) context.lineTo(xOf(time, box), y(limited(value)));
    context.stroke();
  });
  drawCursor(context, box, colours);
}

/** Silence and identity have figures without end; the curve shows what one can hear. */
function limited(value) {
  return Math.min(Math.max(value, -20), 60);
}

/** [time, value] of the finite segments in view; at most two for every two pixels. */
function inView(series) {
  const every = series.every_seconds, first = Math.max(0, Math.floor(view.start / every) - 1);
  const last = Math.min(series.values.length, Math.ceil((view.start + view.span) / every) + 1);
  const pack = Math.max(1, Math.floor((last - first) / (view.width / 2)));
  const points = [];
  for (let at = first - (first % pack); at < last; at += pack) {
    const stop = Math.min(at + pack, series.values.length);
    let low = Infinity, high = -Infinity;
    for (let each = at; each < stop; each += 1) {
      const value = series.values[each];
      if (value === null) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    if (low > high) continue;
    const time = ((at + stop) / 2) * every;
    points.push([time, low]);
    if (pack > 1) points.push([time, high]);
  }
  return points;
}

/** A row for each repair that changed something, under the spectrogram of what it gave; null if none did. */
function marksPanel(box, track) {
  if (!Object.keys(track.acted).length) return null;
  const canvas = box.appendChild(document.createElement("canvas"));
  canvas.className = "marks";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Where repairs acted: ${Object.keys(track.acted).join(", ")}`);
  return { canvas, acted: Object.entries(track.acted) };
}

/** A stroke for each pixel in which a repair changed something, stronger where it changed more. */
function drawMarks({ canvas, acted }, colours) {
  const { context, box } = prepared(canvas, MARKS * acted.length);
  context.textAlign = "right";
  context.textBaseline = "middle";
  acted.forEach(([name, { slot_seconds: slot, shares }], row) => {
    context.fillStyle = colours.ink;
    context.fillText(name, LEFT - 6, (row + 0.5) * MARKS);
    context.fillStyle = SERIES[row % SERIES.length];
    const last = Math.min(shares.length, Math.ceil((view.start + view.span) / slot));
    for (let at = Math.max(0, Math.floor(view.start / slot)); at < last; at += 1) {
      if (!shares[at]) continue;
      const left = Math.max(box.left, xOf(at * slot, box)), right = xOf((at + 1) * slot, box);
      context.globalAlpha = 0.35 + 0.65 * Math.min(1, 20 * shares[at]);
      context.fillRect(left, row * MARKS + 2, Math.max(1, right - left), MARKS - 4);
    }
    context.globalAlpha = 1;
  });
  drawCursor(context, box, colours);
}

function drawRuler(colours) {
  const { context, box } = prepared(ruler.canvas, RULER);
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400]
    .find((each) => (each / view.span) * box.width > 84) || 36000;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let mark = Math.ceil(view.start / step) * step; mark <= view.start + view.span; mark += step) {
    const x = xOf(mark, box);
    context.fillStyle = colours.line;
    context.fillRect(x, 0, 1, 6);
    context.fillStyle = colours.ink;
    const text = clock(mark, step), half = context.measureText(text).width / 2;
    context.fillText(text, Math.min(Math.max(x, LEFT + half), LEFT + box.width - half - 4), 18);
  }
}

function xOf(time, box) {
  return box.left + ((time - view.start) / view.span) * box.width;
}

/** h:mm:ss, with as many decimals as marks of this distance need. */
function clock(time, step = 0.001) {
  const decimals = Math.max(0, Math.min(3, Math.ceil(-Math.log10(step) - 1e-9)));
  const whole = Number(time.toFixed(decimals));
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  const rest = (whole % 60).toFixed(decimals).padStart(decimals ? 3 + decimals : 2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${minutes}:${rest}`;
}
