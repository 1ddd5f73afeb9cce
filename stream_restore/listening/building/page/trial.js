"use strict";
/* One trial: the reference, the signals with their sliders, and the loop. */

const LETTERS = "ABCDEFGHIJKL";
const SHORTEST_LOOP_SECONDS = 0.5;

/** An element with attributes, event handlers (onclick, ...) and children. */
function make(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) element.setAttribute(key, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

class TrialView {
  /** `record` has order, scores, heard and seconds, and is changed; `changed` is called after a rating, `noted` when heard. */
  constructor(trial, record, player, changed, noted) {
    Object.assign(this, { trial, record, player, changed, noted });
    this.rate = trial.rate;
    this.began = performance.now() - 1000 * (record.seconds ?? 0);
    this.signals = record.order.map((token, index) => this.signal(token, LETTERS[index]));
    this.reference = this.button(trial.reference, say("reference"));
    this.playButton = make("button", { class: "primary", id: "play", onclick: () => this.toggle() }, say("play"));
    this.progress = make("progress", { max: trial.frames / this.rate, value: 0, "aria-hidden": "true" });
    this.element = make("div", {}, this.transport(), this.columns());
    this.mark();
    this.frame = requestAnimationFrame(() => this.tick());
  }

  transport() {
    const seconds = this.trial.frames / this.rate;
    const slider = (word, value) => {
      const input = make("input", { type: "range", min: 0, max: seconds, step: 0.01, value });
      const told = make("output");
      input.addEventListener("input", () => this.loopChanged(input));
      return { input, told, label: make("label", {}, say(word), input, told) };
    };
    this.from = slider("loopFrom", 0);
    this.to = slider("loopTo", seconds);
    const whole = make("button", { onclick: () => this.loopWhole() }, say("whole"));
    this.loopTold();
    return make("div", { class: "bar" }, this.playButton, this.reference, this.progress, this.from.label, this.to.label, whole);
  }

  columns() {
    const words = make("div", { class: "scale", "aria-hidden": "true" });
    words.append(...[...WORDS[language].labels].reverse().map((label) => make("span", {}, label)));
    return make("div", { class: "signals" }, words, ...this.signals.map(({ column }) => column));
  }

  button(token, text) {
    const button = make("button", { "aria-pressed": "false", onclick: () => this.hear(token) }, text);
    button.dataset.token = token;
    return button;
  }

  signal(token, letter) {
    const name = say("signal", { name: letter });
    const button = this.button(token, letter);
    button.setAttribute("aria-label", name);
    const score = this.record.scores[token];
    const input = make("input", { type: "range", min: 0, max: 100, step: 1, value: score ?? 50, "aria-label": say("score", { name: letter }) });
    const told = make("output", { "aria-hidden": "true" });
    const show = () => {
      const value = this.record.scores[token];
      const words = value === undefined ? say("unrated") : `${value} ${labelOf(value)}`;
      told.replaceChildren(...(value === undefined ? [words] : [String(value), make("br"), labelOf(value)]));
      input.setAttribute("aria-valuetext", words);
    };
    const rate = () => {
      this.record.scores[token] = Number(input.value);
      this.record.seconds = Math.round((performance.now() - this.began) / 100) / 10;
      show();
    };
    input.addEventListener("input", rate);
    // A slider that is left at its place says so by a click or by Enter.
    const settle = () => { rate(); this.changed(); };
    input.addEventListener("change", settle);
    input.addEventListener("click", settle);
    input.addEventListener("keydown", (event) => event.key === "Enter" && settle());
    show();
    return { token, letter, button, input, column: make("div", { class: "signal", role: "group", "aria-label": name }, button, input, told) };
  }

  /** All that can be heard: the reference, then the signals. */
  get buttons() {
    return [this.reference, ...this.signals.map(({ button }) => button)];
  }

  hear(token) {
    this.player.hear(token);
    if (!this.player.playing) this.play();
    else this.note();
    this.mark();
  }

  note() {
    if (this.record.heard.includes(this.player.heard)) return;
    this.record.heard.push(this.player.heard);
    this.noted();
  }

  play() {
    this.player.context.resume?.();
    this.player.play();
    this.note();
    this.mark();
  }

  toggle() {
    if (this.player.playing) this.player.pause();
    else this.play();
    this.mark();
  }

  mark() {
    this.playButton.textContent = say(this.player.playing ? "pause" : "play");
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", String(button.dataset.token === this.player.heard));
    }
  }

  tick() {
    this.progress.value = this.player.position;
    this.frame = requestAnimationFrame(() => this.tick());
  }

  loopChanged(moved) {
    const { from, to } = this;
    const least = Math.min(SHORTEST_LOOP_SECONDS, this.trial.frames / this.rate);
    if (Number(to.input.value) - Number(from.input.value) < least) {
      if (moved === from.input) from.input.value = Number(to.input.value) - least;
      else to.input.value = Number(from.input.value) + least;
      if (Number(to.input.value) - Number(from.input.value) < least - 0.005) return this.loopWhole();
    }
    const last = Math.min(this.trial.frames, Math.round(to.input.value * this.rate));
    this.player.setLoop(Math.round(from.input.value * this.rate), to.input.value === to.input.max ? this.trial.frames : last);
    this.loopTold();
    this.mark();
  }

  loopWhole() {
    this.from.input.value = 0;
    this.to.input.value = this.to.input.max;
    this.player.setLoop(0, this.trial.frames);
    this.loopTold();
  }

  loopTold() {
    for (const { input, told } of [this.from, this.to]) {
      const words = say("seconds", { value: Number(input.value).toFixed(1) });
      told.textContent = words;
      input.setAttribute("aria-valuetext", words);
    }
  }

  /** Set an end of the loop to where playback is. */
  loopHere(slider) {
    slider.input.value = this.player.position;
    this.loopChanged(slider.input);
  }

  key(event) {
    const letter = event.key.toUpperCase();
    const signal = this.signals.find((each) => each.letter === letter);
    if (event.key === " " && event.target.tagName !== "BUTTON") this.toggle();
    else if (letter === "R") this.hear(this.trial.reference);
    else if (signal) this.hear(signal.token);
    else if (event.key === "[") this.loopHere(this.from);
    else if (event.key === "]") this.loopHere(this.to);
    else if (event.key === "\\") this.loopWhole();
    else return false;
    return true;
  }

  /** What is still to do, in words; nothing if all is done. */
  missing() {
    const names = (signals) => signals.map(({ letter }) => letter).join(", ");
    const unheard = this.signals.filter(({ token }) => !this.record.heard.includes(token));
    if (unheard.length) return say("unheard", { names: names(unheard) });
    const unmoved = this.signals.filter(({ token }) => this.record.scores[token] === undefined);
    return unmoved.length ? say("unmoved", { names: names(unmoved) }) : "";
  }

  close() {
    cancelAnimationFrame(this.frame);
    this.player.close();
  }
}
