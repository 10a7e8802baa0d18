// Traces that are compared.

import { sentence } from "../api.js";
import { changed, state } from "../store.js";
import { fetchTrace } from "./trace.js";

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
