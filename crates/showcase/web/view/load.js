// A file is chosen or dropped, and what came of it.

import { h } from "../dom.js";
import { dismiss, load, upload } from "../model/load.js";

/** The button, which opens the system's dialog for files. */
export function loadButton() {
  return h(
    "span",
    { class: "load" },
    h(
      "button",
      {
        class: "small",
        disabled: upload.file !== "",
        title:
          "Traces, logs and metrics that were saved here or by Jaeger, or OTLP's JSON. A file can be dropped here, too",
        onclick: (/** @type {Event} */ event) => {
          const button = /** @type {HTMLElement} */ (event.currentTarget);
          /** @type {HTMLInputElement} */ (button.nextElementSibling).click();
        },
      },
      "Load…",
    ),
    h("input", {
      type: "file",
      multiple: true,
      hidden: true,
      accept: ".json,.jsonl,.ndjson,application/json",
      "aria-label": "Files to load",
      onchange: (/** @type {Event} */ event) => {
        const input = /** @type {HTMLInputElement} */ (event.currentTarget);
        void load([...(input.files ?? [])]);
        input.value = ""; // the same file can be chosen again
      },
    }),
  );
}

/** For an element on which files can be dropped. */
export const droppable = {
  ondragover: (/** @type {DragEvent} */ event) => {
    if (event.dataTransfer?.types.includes("Files")) event.preventDefault();
  },
  ondrop: (/** @type {DragEvent} */ event) => {
    const files = [...(event.dataTransfer?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    void load(files);
  },
};

/** How far it is, or what came of it. */
export function loadStatus() {
  const { file, share, said } = upload;
  if (!file && said.length === 0) return null;
  return h(
    "div",
    { class: "card loaded", role: "status" },
    said.map(({ text, bad }) => h("p", { class: bad ? "error-text" : "" }, text)),
    file && h("p", null, `Loading ${file}, ${Math.floor(share * 100)} %`),
    !file && h("button", { class: "small", onclick: dismiss }, "Dismiss"),
  );
}
