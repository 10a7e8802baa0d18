// The fields of a search.

import { h } from "../dom.js";
import { readAttributes } from "../model/attributes.js";
import { state } from "../store.js";

/** @import { Child, Props } from "../dom.js" */

/** What is in the field of an event. @param {Event} event */
export const valueOf = (event) => /** @type {HTMLInputElement} */ (event.currentTarget).value;

/** @param {string} name @param {Child} control */
export const field = (name, control) => h("label", { class: "field" }, name, control);

/** The first one of the page, for `/`. @param {string} placeholder @param {string} value @param {(typed: string) => void} typed */
export function textField(placeholder, value, typed) {
  return h("input", {
    id: "search",
    type: "search",
    placeholder,
    autocomplete: "off",
    spellcheck: "false",
    value,
    drawn: focusIfWanted,
    oninput: (/** @type {Event} */ event) => typed(valueOf(event)),
  });
}

/** Puts the cursor into it if that is wanted. @param {HTMLInputElement} input */
function focusIfWanted(input) {
  if (!state.searching) return;
  state.searching = false;
  input.select();
}

/**
 * A field that can hold what is not understood: that is said below it.
 * @param {string} id @param {string} name @param {string} wrong @param {Props} props
 */
export function checked(id, name, wrong, props) {
  const note = `${id}-wrong`;
  return h(
    "div",
    { class: "checked" },
    field(name, h("input", { ...props, id, "aria-invalid": wrong ? "true" : null, "aria-describedby": note })),
    h("p", { id: note, class: "wrong", role: "status" }, wrong),
  );
}

/** @param {string} value As it is typed. @param {(typed: string) => void} typed */
export function attributesField(value, typed) {
  return checked("attributes", "Attributes", readAttributes(value).wrong, {
    placeholder: 'key=value key="a value"',
    autocomplete: "off",
    spellcheck: "false",
    value,
    oninput: (/** @type {Event} */ event) => typed(valueOf(event)),
  });
}
