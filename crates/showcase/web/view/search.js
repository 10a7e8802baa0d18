// The search above the list. What is looked for is in the address, so that it can be shared.

import { h } from "../dom.js";
import { replace } from "../route.js";
import { state, update } from "../store.js";
import { loadSummaries } from "../model/summaries.js";
import { loadOperations } from "../model/services.js";
import { readAttributes, writeAttributes } from "../model/attributes.js";
import { attributesField, checked, field, textField, valueOf } from "./field.js";

/** Pause after the last key, in milliseconds. */
const TYPED = 250;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing;

/** @param {string} name @param {string[]} values */
function set(name, values) {
  const query = new URLSearchParams(state.route.query);
  query.delete(name);
  for (const value of values) if (value) query.append(name, value);
  if (name === "service") query.delete("operation");
  replace(`#/traces${query.size > 0 ? `?${query}` : ""}`);
  if (name === "service") void loadOperations(query.get("service") ?? "");
  clearTimeout(typing);
  typing = setTimeout(loadSummaries, TYPED);
}

const get = (/** @type {string} */ name) => state.route.query.get(name) ?? "";

/** The attributes as they are typed: only what can be read goes into the search. @param {string} typed */
function setAttributes(typed) {
  update({ typed });
  const { pairs, wrong } = readAttributes(typed);
  if (!wrong) set("attribute", pairs);
}

/** Where there is little room, the rest of the search is folded away until it is wanted. */
export function search() {
  const attributes = state.typed ?? writeAttributes(state.route.query.getAll("attribute"));
  const negative = Number(get("minDuration")) < 0 ? "A duration is not negative" : "";
  return h(
    "form",
    {
      class: `search card${state.filters ? " unfolded" : ""}`,
      role: "search",
      onsubmit: (/** @type {Event} */ event) => event.preventDefault(),
    },
    field(
      "Text",
      textField("Name, value or trace id   /", get("text"), (typed) => set("text", [typed])),
    ),
    h(
      "button",
      {
        class: "unfold",
        type: "button",
        "aria-expanded": String(state.filters),
        onclick: () => update({ filters: !state.filters }),
      },
      "More",
    ),
    field("Service", choice("service", "All services", state.services)),
    field("Operation", choice("operation", "All operations", state.operations, !get("service"))),
    attributesField(attributes, setAttributes),
    checked("at-least", "At least, ms", negative, {
      type: "number",
      min: "0",
      step: "any",
      placeholder: "0",
      value: get("minDuration"),
      oninput: (/** @type {Event} */ event) => set("minDuration", [valueOf(event)]),
    }),
    h(
      "label",
      { class: "check" },
      h("input", {
        type: "checkbox",
        checked: get("errors") === "true",
        onchange: (/** @type {Event} */ event) =>
          set("errors", [/** @type {HTMLInputElement} */ (event.currentTarget).checked ? "true" : ""]),
      }),
      "Errors only",
    ),
  );
}

/** @param {string} name @param {string} all @param {string[]} values @param {boolean} [disabled] */
function choice(name, all, values, disabled = false) {
  const now = get(name);
  const options = now && !values.includes(now) ? [now, ...values] : values;
  return h(
    "select",
    { value: now, disabled, onchange: (/** @type {Event} */ event) => set(name, [valueOf(event)]) },
    h("option", { value: "" }, all),
    options.map((option) => h("option", { key: option, value: option }, option)),
  );
}
