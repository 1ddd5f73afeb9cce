"use strict";
/* What a listener did is kept in the browser at every step, and sent to the server, if there is one, until it arrives. */

const RETRY_MILLISECONDS = 3000;

class Saving {
  constructor(test, tell) {
    this.test = test;
    this.tell = tell;
    this.place = `mushra:${test.id}`;
    this.server = false;
    this.sending = false;
    this.keeps = true;
    this.state = this.read() ?? this.blank();
    addEventListener("online", () => this.send());
  }

  blank() {
    return { listener: "", session: null, language: null, page: 0, volume: 0.5, step: 0, trials: {}, unsent: [], finished: false };
  }

  read() {
    try {
      const state = JSON.parse(localStorage.getItem(this.place));
      return state && typeof state.trials === "object" ? { ...this.blank(), ...state } : null;
    } catch {
      return null;
    }
  }

  keep() {
    try {
      localStorage.setItem(this.place, JSON.stringify(this.state));
    } catch {
      this.keeps = false;
      this.tell("forgotten");
    }
  }

  clear() {
    this.state = { ...this.blank(), language: this.state.language };
    this.keep();
  }

  /** Whether this page came from `mushra serve`. */
  async find() {
    if (!location.protocol.startsWith("http")) return;
    try {
      const answer = await fetch("api/test", { cache: "no-store" });
      this.server = answer.ok && (await answer.json()).id === this.test.id;
    } catch {
      this.server = false;
    }
    if (this.server) this.send();
  }

  /** Keep what was done in a trial, and send it. */
  rated(trial) {
    this.state.step += 1;
    this.state.trials[trial.id] = { ...trial, scores: { ...trial.scores }, heard: [...trial.heard], step: this.state.step };
    if (!this.state.unsent.includes(trial.id)) this.state.unsent.push(trial.id);
    this.keep();
    this.send();
  }

  /** Keep what was heard; nobody needs to be told. */
  noted(trial) {
    const step = this.state.trials[trial.id]?.step ?? 0;
    this.state.trials[trial.id] = { ...trial, scores: { ...trial.scores }, heard: [...trial.heard], step };
    this.keep();
  }

  finish() {
    this.state.finished = true;
    if (!this.state.unsent.includes("finish")) this.state.unsent.push("finish");
    this.keep();
    this.send();
  }

  get waiting() {
    return this.state.unsent.length > 0;
  }

  async send() {
    if (!this.server) return this.keeps && this.waiting && this.tell("kept");
    if (this.sending || !this.waiting || !this.state.listener) return;
    this.sending = true;
    const state = this.state;
    try {
      while (state.unsent.length) await this.sendOne(state, state.unsent[0]);
      this.tell("saved");
    } catch (error) {
      this.tell(error.reason ? "refused" : "lost", { reason: error.reason });
      if (!error.reason) setTimeout(() => this.send(), RETRY_MILLISECONDS);
    }
    this.sending = false;
  }

  async sendOne(state, what) {
    if (!state.session) {
      const begun = { test: this.test.id, listener: state.listener, language };
      state.session = (await this.post("api/session", begun)).session;
      this.keep();
    }
    const { session } = state;
    const trial = state.trials[what];
    try {
      if (what === "finish") await this.post("api/finish", { session });
      else await this.post("api/ratings", { session, ...trial });
    } catch (error) {
      if (error.status !== 404) throw error;
      // A server that lost its file: begin again, with all that is kept here.
      state.session = null;
      state.unsent = [...Object.keys(state.trials), ...(state.finished ? ["finish"] : [])];
      this.keep();
      return;
    }
    // What changed in the meantime is sent again.
    if (what === "finish" || state.trials[what].step === trial.step) state.unsent = state.unsent.filter((each) => each !== what);
    this.keep();
  }

  async post(path, body) {
    const answer = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), keepalive: true,
    });
    const told = await answer.json();
    if (answer.ok) return told;
    const error = new Error(told.error);
    error.status = answer.status;
    if (answer.status < 500 && answer.status !== 404) error.reason = told.error;
    throw error;
  }

  /** One row for each rating. */
  rows() {
    const { listener, trials } = this.state;
    return Object.values(trials).flatMap((trial) => trial.order
      .filter((token) => token in trial.scores)
      .map((token, place) => ({ listener, trial: trial.id, stimulus: token, score: trial.scores[token], seconds: trial.seconds, place })));
  }

  json() {
    const { listener, session, volume, finished } = this.state;
    return JSON.stringify({ test: this.test.id, listener, session, volume, finished, ratings: this.rows() }, null, 1);
  }

  csv() {
    const columns = ["test", "listener", "trial", "stimulus", "score", "seconds", "place"];
    const quoted = (value) => (/^[\w.-]*$/.test(value) ? value : `"${String(value).replaceAll('"', '""')}"`);
    const lines = this.rows().map((row) => columns.map((name) => quoted(name === "test" ? this.test.id : row[name])).join(","));
    return [columns.join(","), ...lines, ""].join("\r\n");
  }
}
