"use strict";
/* In which order a listener gets trials and stimuli: a function of seed and listener, which the analysis can repeat. */

function hash(text) {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

function ordered(seed, listener, tokens) {
  const key = new Map(tokens.map((token) => [token, hash(`${seed}:${listener}:${token}`)]));
  return [...tokens].sort((a, b) => key.get(a) - key.get(b) || (a < b ? -1 : 1));
}
