"use strict";
/* All signals of a trial run together, sample by sample, in one loop; one of them is heard.
 *
 * A switch is a short cross-fade, by exponentials: they begin wherever the gains are, so that no number of switches in
 * whatever time makes a jump. A loop is faded at both ends by an envelope that loops with it.
 */

const SWITCH_SECONDS = 0.004;
const SETTLED = 12; // time constants, until -104 dB are left
const EDGE_SECONDS = 0.005;
const SOON_SECONDS = 0.03;

const arriving = new Map();

/** Called by the scripts that hold sound: 16-bit samples of all channels in turn, in base64. */
function stimulus(token, words) {
  arriving.get(token)?.(words);
}

/** Load the script that holds a sound; what comes from disk can be loaded in no other way. */
function fetched(token) {
  return new Promise((done, failed) => {
    const script = document.createElement("script");
    arriving.set(token, done);
    script.src = `audio/${token}.js`;
    script.onerror = () => failed(new Error(token));
    script.onload = () => failed(new Error(token)); // without effect if the sound arrived
    document.head.append(script);
  }).finally(() => {
    arriving.delete(token);
    document.head.querySelector(`script[src="audio/${token}.js"]`)?.remove();
  });
}

function decoded(context, words, channels) {
  const bytes = Uint8Array.from(atob(words), (letter) => letter.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  const frames = bytes.length / 2 / channels;
  const buffer = context.createBuffer(channels, frames, context.sampleRate);
  for (let channel = 0; channel < channels; channel++) {
    const samples = buffer.getChannelData(channel);
    for (let at = 0; at < frames; at++) samples[at] = view.getInt16(2 * (at * channels + channel), true) / 32768;
  }
  return buffer;
}

class Player {
  constructor(context, volume) {
    this.context = context;
    this.volume = context.createGain();
    this.volume.gain.value = volume;
    this.volume.connect(context.destination);
    this.buffers = new Map();
    this.heard = null;
    this.running = null;
    this.offset = 0;
  }

  async load(tokens, channels) {
    await Promise.all(tokens.map(async (token) => {
      if (!this.buffers.has(token)) this.buffers.set(token, decoded(this.context, await fetched(token), channels));
    }));
    this.frames = this.buffers.get(tokens[0]).length;
    this.loop = [0, this.frames];
    this.heard = tokens[0];
  }

  get playing() {
    return this.running !== null;
  }

  /** Seconds from the start of the excerpt. */
  get position() {
    if (!this.playing) return this.offset;
    const [first, last] = this.loop.map((frame) => frame / this.context.sampleRate);
    const at = this.offset + Math.max(0, this.context.currentTime - this.running.when);
    return at < last ? at : first + ((at - first) % (last - first));
  }

  play(when = this.context.currentTime + SOON_SECONDS) {
    if (this.playing) return;
    const { context } = this;
    const [first, last] = this.loop.map((frame) => frame / context.sampleRate);
    if (this.offset < first || this.offset >= last - EDGE_SECONDS) this.offset = first;
    const fade = context.createGain();
    fade.gain.value = 0;
    fade.gain.setTargetAtTime(1, when, SWITCH_SECONDS);
    fade.connect(this.volume);
    const edges = context.createGain();
    edges.gain.value = 0; // the envelope is added to it
    edges.connect(fade);
    const sources = [this.source(this.envelope(), edges.gain, when)];
    const gains = new Map();
    for (const [token, buffer] of this.buffers) {
      const gain = context.createGain();
      gain.gain.value = token === this.heard ? 1 : 0;
      gain.connect(edges);
      gains.set(token, gain.gain);
      sources.push(this.source(buffer, gain, when));
    }
    this.running = { when, fade, sources, gains };
  }

  source(buffer, target, when) {
    const source = this.context.createBufferSource();
    source.buffer = buffer;
    source.loop = true;
    [source.loopStart, source.loopEnd] = this.loop.map((frame) => frame / this.context.sampleRate);
    source.connect(target);
    source.start(when, this.offset);
    return source;
  }

  /** 1 within the loop, and half a raised cosine at either end. */
  envelope() {
    const [first, last] = this.loop;
    const buffer = this.context.createBuffer(1, this.frames, this.context.sampleRate);
    const samples = buffer.getChannelData(0).fill(1);
    const edge = Math.min(Math.round(EDGE_SECONDS * this.context.sampleRate), (last - first) >> 1);
    for (let at = 0; at < edge; at++) {
      const rise = 0.5 - 0.5 * Math.cos((Math.PI * (at + 0.5)) / edge);
      samples[first + at] = samples[last - 1 - at] = rise;
    }
    return buffer;
  }

  pause() {
    if (!this.playing) return;
    const { fade, sources } = this.running;
    this.offset = this.position;
    this.running = null;
    const now = this.context.currentTime;
    fade.gain.setTargetAtTime(0, now, SWITCH_SECONDS);
    for (const source of sources) source.stop(now + SETTLED * SWITCH_SECONDS);
    sources[0].onended = () => fade.disconnect();
  }

  hear(token) {
    this.heard = token;
    if (!this.playing) return;
    for (const [each, gain] of this.running.gains) {
      gain.setTargetAtTime(each === token ? 1 : 0, this.context.currentTime, SWITCH_SECONDS);
    }
  }

  /** Loop over frames [first, last). */
  setLoop(first, last) {
    const playing = this.playing;
    this.pause();
    this.loop = [first, last];
    if (playing) {
      this.offset = first / this.context.sampleRate;
      this.play(this.context.currentTime + SOON_SECONDS);
    }
  }

  close() {
    this.pause();
    this.buffers.clear();
    this.volume.disconnect();
  }
}
