// Traces that are compared.

import { sentence } from "../api.js";
import { changed, state, update } from "../store.js";
import { fetchTrace } from "./trace.js";

/** Ticks a trace of the list, or takes its tick away; the oldest of three ticks goes. @param {string} id */
export function tick(id) {
  const { ticked } = state;
  update({ ticked: ticked.includes(id) ? ticked.filter((other) => other !== id) : [...ticked, id].slice(-2) });
}

/** @param {string[]} ids Those that are wanted; others are forgotten. */
export async function loadCompared(ids) {
  const known = state.compare;
  state.compare = new Map();
  for (const id of ids) {
    const trace = known.get(id);
    if (typeof trace === "object") state.compare.set(id, trace);
  }
  for (const id of ids.filter((id) => id && !state.compare.has(id))) {
    const compared = state.compare;
    compared.set(id, await fetchTrace(id).then(({ trace }) => trace, sentence));
    changed();
  }
}
