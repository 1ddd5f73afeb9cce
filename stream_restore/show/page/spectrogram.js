"use strict";
/* Draws spectrograms from tiles. Only tiles that are visible, and their neighbours, are loaded; until they are there, coarser ones stand in. */

const KEPT_PIXELS = 20e6; // of four bytes; a tile has 512 columns

class TileStore {
  constructor(changed) {
    this.changed = changed;
    this.most = KEPT_PIXELS;
    this.tiles = new Map(); // by address, the one used longest ago first
    this.pixels = 0;
    this.frame = 0;
  }

  /** The picture at an address if it is there; if not, it is on its way unless `only` those at hand are wanted. */
  get(address, only = false) {
    const tile = this.tiles.get(address) || (only ? null : this.load(address));
    if (!tile) return null;
    this.tiles.delete(address);
    this.tiles.set(address, tile);
    tile.used = this.frame;
    return tile.picture;
  }

  /** A tile is decoded once, in a task of its own: while a frame is drawn there is no time for that. */
  load(address) {
    const tile = { picture: null, used: this.frame }, image = new Image();
    image.onload = async () => {
      const picture = await createImageBitmap(image);
      if (this.tiles.get(address) !== tile) return picture.close(); // nobody waits for it any more
      tile.picture = picture;
      this.pixels += picture.width * picture.height;
      this.changed();
    };
    image.src = address;
    return tile;
  }

  /** At the end of a frame: forget what was used longest ago, but nothing that this frame shows. */
  trim() {
    for (const [address, { picture, used }] of this.tiles) {
      if (this.pixels <= this.most || used === this.frame) break;
      this.tiles.delete(address);
      if (picture) this.pixels -= picture.width * picture.height;
      if (picture) picture.close();
    }
    this.frame += 1;
  }
}

class Spectrogram {
  constructor(track, store) {
    this.track = track;
    this.store = store;
  }

  /** The coarsest level that still has a column for every pixel. */
  level(secondsPerPixel) {
    const wanted = Math.floor(Math.log2(secondsPerPixel / this.track.column_seconds));
    return Math.min(Math.max(0, wanted), this.track.levels.length - 1);
  }

  /** Draw the times [start, start + span) into a box; returns how many tiles of the best level are drawn, of how many. */
  draw(context, box, start, span) {
    const level = this.level(span / box.width);
    context.save();
    context.beginPath();
    context.rect(box.left, box.top, box.width, box.height);
    context.clip();
    context.imageSmoothingEnabled = true;
    const counts = { level, drawn: 0, visible: 0 };
    for (const number of this.visible(level, start, span)) {
      counts.visible += 1;
      const image = this.store.get(this.address(level, number));
      if (!image) {
        this.standIn(context, box, start, span, level, number);
        continue;
      }
      counts.drawn += 1;
      this.paint(context, box, start, span, level, number, image, 0, image.width);
    }
    context.restore();
    if (counts.drawn === counts.visible) this.fetchBeside(level, start, span);
    return counts;
  }

  /** The numbers of a level's tiles that show some of [start, start + span). */
  visible(level, start, span) {
    const seconds = this.tileSeconds(level), half = this.track.column_seconds / 2;
    const first = Math.max(0, Math.floor((start + half) / seconds));
    const last = Math.min(this.track.levels[level].tiles - 1, Math.floor((start + span + half) / seconds));
    return Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
  }

  /** Have the neighbours of the visible tiles loaded, which come into view next. */
  fetchBeside(level, start, span) {
    const shown = this.visible(level, start, span), tiles = this.track.levels[level].tiles;
    for (const number of [shown[0] - 1, shown[shown.length - 1] + 1])
      if (number >= 0 && number < tiles) this.store.get(this.address(level, number));
  }

  tileSeconds(level) {
    return this.track.tile_columns * this.track.column_seconds * 2 ** level;
  }

  address(level, number) {
    return `${this.track.tiles}/${level}/${number}.png`;
  }

  /** Paint a part of a coarser tile, where one is at hand. */
  standIn(context, box, start, span, level, number) {
    for (let up = 1; level + up < this.track.levels.length; up += 1) {
      const image = this.store.get(this.address(level + up, number >> up), true);
      if (!image) continue;
      const width = this.track.tile_columns / 2 ** up;
      const from = (number % 2 ** up) * width;
      const taken = Math.min(width, image.width - from);
      if (taken > 0) this.paint(context, box, start, span, level, number, image, from, taken, 2 ** up);
      return;
    }
    this.store.get(this.address(this.track.levels.length - 1, 0)); // the whole recording, for the next time
  }

  /** Paint columns [from, from + taken) of an image at a tile's place. Column k is centred at k * column_seconds. */
  paint(context, box, start, span, level, number, image, from, taken, stretch = 1) {
    const scale = box.width / span;
    const column = this.track.column_seconds * 2 ** level;
    const time = number * this.tileSeconds(level) - this.track.column_seconds / 2;
    const left = box.left + (time - start) * scale;
    const width = taken * stretch * column * scale;
    context.drawImage(image, from, 0, taken, image.height, left, box.top, width + 0.5, box.height);
  }

  /** Height of a frequency in the box, from 0 below to 1 above. */
  place(hertz) {
    const edges = this.track.row_edges_hz;
    let low = 0, high = edges.length - 1;
    if (hertz <= edges[0]) return 0;
    if (hertz >= edges[high]) return 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (edges[middle] <= hertz) low = middle;
      else high = middle;
    }
    return (low + (hertz - edges[low]) / (edges[high] - edges[low])) / (edges.length - 1);
  }

  /** The frequency at a height from 0 to 1. */
  frequency(height) {
    const edges = this.track.row_edges_hz;
    const at = Math.min(Math.max(height, 0), 1) * (edges.length - 1);
    const low = Math.min(Math.floor(at), edges.length - 2);
    return edges[low] + (at - low) * (edges[low + 1] - edges[low]);
  }
}
