// A colour a service. It follows from the names of all services alone, so that it is the same after a reload.

import { state } from "./store.js";

const COLOURS = 12; // `--service-0` … in style/tokens.css

/** @type {{ names: string[], colours: Map<string, number> }} Those of `names`. */
let given = { names: [], colours: new Map() };

/** The CSS value of a service's colour. @param {string} service */
export function colourOf(service) {
  if (given.names !== state.services) given = { names: state.services, colours: give(state.services) };
  return `var(--service-${given.colours.get(service) ?? hash(service) % COLOURS})`;
}

/** To each the colour that its hash says, or the next one that no name before it has, while there are enough. @param {string[]} names */
function give(names) {
  const colours = new Map();
  const taken = new Set();
  for (const name of [...names].sort()) {
    if (taken.size === COLOURS) taken.clear();
    let colour = hash(name) % COLOURS;
    while (taken.has(colour)) colour = (colour + 1) % COLOURS;
    taken.add(colour);
    colours.set(name, colour);
  }
  return colours;
}

/** The better half of FNV-1a, as for the colours on the terminal. @param {string} text */
function hash(text) {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value >>> 16;
}

/** The same for a canvas, which knows no variables. @param {string} value Such as `var(--error)`. */
export function resolve(value) {
  const name = value.slice(4, -1);
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
