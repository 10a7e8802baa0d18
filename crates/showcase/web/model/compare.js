// Traces that are compared.

import { sentence } from "../api.js";
import { changed, state } from "../store.js";
import { fetchTrace } from "./trace.js";

/** @param {string[]} ids Those that are wanted; others are forgotten. */
export async function loadCompared(ids) {
  const known = state.compare;
  state.compare = {};
  for (const id of ids) {
    const trace = known[id];
    if (trace !== undefined && typeof trace !== "string") state.compare[id] = trace;
  }
  for (const id of ids.filter((id) => id && !state.compare[id])) {
    try {
      state.compare[id] = (await fetchTrace(id)).trace;
    } catch (error) {
      state.compare[id] = sentence(error);
    }
    changed();
  }
}
