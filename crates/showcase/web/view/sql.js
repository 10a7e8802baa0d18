// An editor for questions in SQL, and their answers.

import { lineChart } from "../chart/line.js";
import { h } from "../dom.js";
import { duration, number, plural } from "../format.js";
import { courses } from "../model/course.js";
import { QUERIES } from "../model/queries.js";
import { editor, run, saveCsv } from "../model/sql.js";
import { once } from "../once.js";
import { changed } from "../store.js";
import { empty, loading } from "./parts.js";
import { table } from "./table.js";

/** @import { Table } from "../model/sql.js" */

export function sqlView() {
  return h(
    "div",
    { class: "sql" },
    h(
      "div",
      { class: "title" },
      h("h1", null, "SQL"),
      h(
        "span",
        { class: "muted" },
        "Everything that is kept, asked with one select: SQLite's, with its functions for JSON",
      ),
    ),
    h("div", { class: "sql-ask" }, form(), ready()),
    answer(),
  );
}

function form() {
  return h(
    "form",
    {
      class: "card sql-editor",
      onsubmit: (/** @type {Event} */ event) => {
        event.preventDefault();
        void run();
      },
    },
    h(
      "label",
      { class: "field" },
      "Select",
      h("textarea", {
        id: "sql",
        class: "mono",
        rows: "10",
        spellcheck: "false",
        autocomplete: "off",
        autocapitalize: "off",
        "aria-describedby": "sql-said",
        "aria-invalid": editor.error ? "true" : null,
        value: editor.text,
        oninput: (/** @type {Event} */ event) => {
          editor.text = /** @type {HTMLTextAreaElement} */ (event.currentTarget).value;
          changed();
        },
        onkeydown: (/** @type {KeyboardEvent} */ event) => {
          if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
          event.preventDefault();
          void run();
        },
      }),
    ),
    h(
      "div",
      { class: "row" },
      h("button", { class: "primary", type: "submit", title: "Ctrl+Enter" }, "Run"),
      h("kbd", null, "Ctrl Enter"),
      h("p", { id: "sql-said", class: editor.error ? "error-text" : "muted", role: "status" }, said()),
    ),
  );
}

function said() {
  const { busy, error, table, took } = editor;
  if (busy) return "Asking …";
  if (error) return error;
  if (!table) return "";
  const rows = plural(table.rows.length, "row");
  return `${table.truncated ? `The first ${rows}: Save CSV has up to 100,000` : rows}, in ${duration(took)}`;
}

/** What can be asked. */
function ready() {
  return h(
    "div",
    { class: "card sql-ready" },
    h("h2", null, "Ready to ask"),
    h(
      "ul",
      null,
      QUERIES.map(({ name, sql }) =>
        h(
          "li",
          { key: name },
          h(
            "button",
            {
              class: "quiet small",
              "aria-pressed": String(sql === editor.asked),
              onclick: () => {
                editor.text = sql;
                void run();
              },
            },
            name,
          ),
        ),
      ),
    ),
    h(
      "details",
      null,
      h("summary", null, "Views and their columns"),
      h(
        "dl",
        null,
        editor.views.map(([view, columns]) => [
          h("dt", { class: "mono" }, view),
          h("dd", { class: "mono muted" }, columns.join(", ")),
        ]),
      ),
    ),
  );
}

function answer() {
  const { table: found, busy, error } = editor;
  if (busy && !found) return loading(320);
  if (!found || error) {
    return h(
      "div",
      { class: "card" },
      error
        ? empty("This was not answered", error)
        : empty("No question yet", "Choose one that is ready, or write your own, then Run."),
    );
  }
  if (found.rows.length === 0) {
    return h("div", { class: "card" }, empty("No rows", "What is kept has nothing that this select asks for."));
  }
  return [
    charts(found),
    h(
      "section",
      { class: "card", "aria-label": "Answer" },
      h(
        "div",
        { class: "row sql-answer" },
        h("h2", null, "Answer"),
        h("span", { class: "grow" }),
        h("button", { class: "small", onclick: saveCsv }, "Save CSV"),
      ),
      table(found),
    ),
  ];
}

const coursesOf = once(courses);

/** @param {Table} table */
function charts(table) {
  const known = coursesOf(table);
  if (known.length === 0) return null;
  return h(
    "div",
    { class: "card sql-charts" },
    known.map(({ title, times, series, left }) =>
      lineChart({
        title,
        times,
        series,
        range: rangeOf(times),
        format: number,
        least: 0,
        aside: left > 0 && h("span", { class: "muted" }, `and ${left} more, in the table`),
      }),
    ),
  );
}

/** Around a single time there is some room. @param {number[]} times @returns {[number, number]} */
function rangeOf(times) {
  const [first, last] = [/** @type {number} */ (times[0]), /** @type {number} */ (times.at(-1))];
  return first === last ? [first - 30_000, last + 30_000] : [first, last];
}
