// A colour a service: given in the order in which services are met, so that it stays.

import { state } from "./store.js";

const COLOURS = 8; // `--service-0` … in style/tokens.css

/** The CSS value of a service's colour. @param {string} service */
export function colourOf(service) {
  const index = state.colours.get(service) ?? state.colours.size;
  state.colours.set(service, index);
  return `var(--service-${index % COLOURS})`;
}

/** The same for a canvas, which knows no variables. @param {string} value Such as `var(--error)`. */
export function resolve(value) {
  const name = value.slice(4, -1);
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
