// The keys.

import { h } from "../dom.js";
import { state, update } from "../store.js";

/** @type {[string[], string][]} */
const KEYS = [
  [["/"], "Search the traces"],
  [["↑", "↓"], "The trace, span or log record before, after"],
  [["←", "→"], "Fold, unfold the span"],
  [["Enter"], "Open the trace; the span's details"],
  [["z"], "Show only the time of the span"],
  [["Esc"], "Close; the whole trace; back to where you came from"],
  [["g", "o / s / t / l / i / m"], "Go to Overview, Services, Traces, Logs, Metrics (instruments), Map"],
  [["g", "q / c / y / n"], "Go to SQL, Compare, Try it, Connect"],
  [["?"], "This"],
];

export function help() {
  return h(
    "dialog",
    { "aria-labelledby": "keys", drawn: show, onclose: () => update({ help: false }) },
    h("h2", { id: "keys" }, "Keyboard"),
    h(
      "dl",
      null,
      KEYS.map(([keys, what]) => [
        h(
          "dt",
          null,
          keys.map((key) => [h("kbd", null, key), " "]),
        ),
        h("dd", null, what),
      ]),
    ),
    h("button", { onclick: () => update({ help: false }) }, "Close"),
  );
}

/**
 * As a modal dialog: the browser keeps the focus in it and gives it back.
 * @param {HTMLDialogElement} dialog
 */
function show(dialog) {
  if (state.help && !dialog.open) dialog.showModal();
  else if (!state.help && dialog.open) dialog.close();
}
