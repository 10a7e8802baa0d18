// A choice of the time that a view looks at.

import { h } from "../dom.js";
import { clock } from "../format.js";
import { chooseWindow, minutes, WINDOWS } from "../model/window.js";

/** Ends that are younger than this are now, in milliseconds. */
const NOW = 60_000;

/** @param {() => unknown} changed Called when another one is chosen. @param {number} to Its end; 0 if it is not known yet. */
export function windowChoice(changed, to) {
  return h(
    "label",
    { class: "window-choice" },
    h("span", { class: "muted" }, to && to < Date.now() - NOW ? `up to ${clock(to)}` : "up to now"),
    h(
      "select",
      {
        "aria-label": "Time",
        value: String(minutes()),
        onchange: (/** @type {Event} */ event) => {
          chooseWindow(/** @type {HTMLSelectElement} */ (event.currentTarget).value);
          void changed();
        },
      },
      WINDOWS.map(({ minutes, name }) => h("option", { key: name, value: String(minutes) }, name)),
    ),
  );
}
