"use strict";
/* Plays several recordings at one time, and lets one of them be heard. All run together, so that switching is instant. */

const DRIFT_SECONDS = 0.025;

class Player {
  constructor(tracks, changed) {
    this.changed = changed;
    this.tracks = tracks;
    this.heard = 0;
    this.matched = true;
    this.playing = false;
    this.time = 0;
    this.elements = tracks.map((track) => this.element(track));
    this.mix();
  }

  element(track) {
    const audio = document.createElement("audio");
    audio.preload = "metadata"; // sound is streamed from disk, never decoded whole
    audio.src = track.audio;
    audio.addEventListener("ended", () => audio === this.elements[this.heard] && this.pause());
    audio.addEventListener("error", () => console.error(`${track.audio} cannot be played`));
    return audio;
  }

  /** Only one is heard, at its own level or at that of the quietest. */
  mix() {
    this.elements.forEach((audio, index) => {
      audio.muted = index !== this.heard;
      audio.volume = this.matched ? Math.min(1, 10 ** (this.tracks[index].gain_db / 20)) : 1;
    });
  }

  now() {
    return this.playing ? this.elements[this.heard].currentTime : this.time;
  }

  switchTo(index) {
    const time = this.now();
    this.heard = index;
    const audio = this.elements[index];
    if (Math.abs(audio.currentTime - time) > DRIFT_SECONDS) audio.currentTime = time;
    this.mix();
    if (this.playing && audio.paused) audio.play().catch(() => this.pause());
    this.changed();
  }

  match(matched) {
    this.matched = matched;
    this.mix();
  }

  seek(time) {
    this.time = time;
    if (this.playing) for (const audio of this.elements) audio.currentTime = time;
    this.changed();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
  }

  play() {
    if (this.time >= this.elements[this.heard].duration - 0.02) this.time = 0; // from its end, begin again
    this.playing = true;
    for (const audio of this.elements) {
      audio.currentTime = this.time;
      audio.play().catch(() => audio === this.elements[this.heard] && this.pause());
    }
    this.changed();
  }

  pause() {
    this.time = this.elements[this.heard].currentTime;
    this.playing = false;
    for (const audio of this.elements) audio.pause();
    this.changed();
  }

  /** Bring those that are not heard back to the one that is; called now and then while playing. */
  align() {
    const time = this.now();
    this.elements.forEach((audio, index) => {
      if (index === this.heard || audio.seeking || time > audio.duration - 0.1) return;
      if (Math.abs(audio.currentTime - time) > DRIFT_SECONDS) audio.currentTime = time;
    });
  }
}
