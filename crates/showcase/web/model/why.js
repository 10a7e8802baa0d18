// Why some traces are as they are: what they have and the others in the list have not.

import { post, sentence } from "../api.js";
import { changed, state } from "../store.js";

/** @import { Summary, Why } from "../types.js" */

/** Traces of each kind that are looked at: so many are enough to tell. */
const TRACES = 1000;
/** The part of the traces that are slow. */
const SLOW = 0.1;

/**
 * Compares some traces of the list with the others.
 * @param {string} title What they are called.
 * @param {(summary: Summary) => boolean} chosen
 */
export async function ask(title, chosen) {
  const { list } = state.traces;
  const selected = list.filter(chosen);
  const others = list.filter((summary) => !chosen(summary));
  /** @type {Why} */
  const why = {
    title,
    selected: new Set(selected.map(({ id }) => id)),
    others: others.length,
    loading: true,
    error: "",
    answer: null,
  };
  state.why = why;
  changed();
  if (selected.length === 0 || others.length === 0) {
    why.error = selected.length === 0 ? "No trace is among them." : "There is no other trace to compare with.";
  } else {
    try {
      const question = { selected: some(selected), others: some(others) };
      why.answer = await post("api/differences", question);
    } catch (error) {
      why.error = sentence(error);
    }
  }
  why.loading = false;
  changed();
}

export function forget() {
  state.why = null;
  changed();
}

/** The slowest tenth of the list. */
export function askSlow() {
  const lengths = state.traces.list.map(({ duration }) => duration).sort((a, b) => b - a);
  const least = lengths[Math.floor(lengths.length * SLOW)] ?? Infinity;
  return ask("The slowest tenth", ({ duration }) => duration > least);
}

export const askFailed = () => ask("Those with errors", ({ errors }) => errors > 0);

/** Ids of some, spread evenly. @param {Summary[]} list */
function some(list) {
  const step = Math.max(1, list.length / TRACES);
  const count = Math.min(list.length, TRACES);
  return Array.from({ length: count }, (_, index) => /** @type {Summary} */ (list[Math.floor(index * step)]).id);
}
