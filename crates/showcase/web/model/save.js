// A trace as a file: OTLP's JSON, as other programs read it.

/** @import { OpenTrace } from "../types.js" */

/** @param {OpenTrace} open */
export function save(open) {
  const json = /** @type {any} */ (open.json);
  const url = URL.createObjectURL(
    new Blob([JSON.stringify(json?.result ?? json, null, 2)], { type: "application/json" }),
  );
  const link = document.createElement("a");
  link.href = url;
  link.download = `trace-${open.id}.json`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}
