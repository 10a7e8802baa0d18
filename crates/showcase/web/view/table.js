// A table of whatever was asked for.

import { h } from "../dom.js";
import { exactClock } from "../format.js";
import { asTime, isTime } from "../model/course.js";
import { once } from "../once.js";
import { traceAddress } from "../route.js";
import { tableOf } from "./parts.js";

/** @import { Cell, Table } from "../model/sql.js" */

/** Each table is made once: thousands of cells are not looked at again with each figure that arrives. */
export const table = once(make);

/** @param {Table} table */
function make(table) {
  const { columns, rows } = table;
  const times = columns.map((_, index) => isTime(table, index));
  const numbers = columns.map((_, index) => !times[index] && rows.some((row) => typeof row[index] === "number"));
  const trace = columns.indexOf("trace_id");
  const span = columns.indexOf("span_id");
  /** @param {Cell[]} row @param {number} index */
  const cell = (row, index) => {
    const value = row[index] ?? null;
    if (value === null) return h("span", { class: "muted" }, "–");
    const at = times[index] ? asTime(value) : null;
    if (at !== null) return h("time", { title: String(value) }, exactClock(at));
    if (index === trace && value) return h("a", { href: traceAddress(String(value)) }, String(value));
    if (index === span && row[trace]) {
      return h("a", { href: traceAddress(String(row[trace]), String(value)) }, String(value));
    }
    return typeof value === "number" ? figure(value) : value;
  };
  return h(
    "div",
    { class: "answer-table", tabindex: "0", role: "region", "aria-label": "Rows" },
    tableOf(
      columns,
      (index) => numbers[index] === true,
      rows.map((row) =>
        h(
          "tr",
          null,
          columns.map((_, index) => h("td", { class: `mono${numbers[index] ? " number" : ""}` }, cell(row, index))),
        ),
      ),
    ),
  );
}

/** @param {number} value */
function figure(value) {
  return Number.isInteger(value) ? value.toLocaleString("en") : String(Number(value.toPrecision(6)));
}
