// Questions in SQL: those of the page itself, and the one that somebody types.

import { Failure, post, sentence } from "../api.js";
import { replace } from "../route.js";
import { changed, state } from "../store.js";
import { QUERIES } from "./queries.js";

/** @typedef {string | number | null} Cell */
/** @typedef {{ columns: string[], rows: Cell[][], truncated: boolean }} Table */

/**
 * Rows as objects.
 * @param {string} sql
 * @param {Cell[]} [parameters] For `?1`, `?2`, …
 * @param {number} [limit]
 * @returns {Promise<any[]>}
 */
export async function ask(sql, parameters = [], limit = 10_000) {
  /** @type {Table} */
  const { columns, rows } = await post("api/sql", { sql, parameters, limit });
  return rows.map((row) => Object.fromEntries(columns.map((column, index) => [column, row[index]])));
}

/** What is typed, and what was last answered. */
export const editor = {
  text: /** @type {{ sql: string }} */ (QUERIES[0]).sql,
  /** What the table answers. */
  asked: "",
  table: /** @type {Table | null} */ (null),
  error: "",
  busy: false,
  /** Of the answer, in milliseconds. */
  took: 0,
  /** Columns by view. */
  views: /** @type {[string, string[]][]} */ ([]),
};

const VIEWS = ["spans", "events", "links", "logs", "metrics", "resources"];

/** An address may hold a question. @param {URLSearchParams} query */
export function openEditor(query) {
  if (editor.views.length === 0) void loadViews();
  const text = query.get("q");
  if (!text || text === editor.asked) return;
  editor.text = text;
  void run();
}

async function loadViews() {
  const columns = VIEWS.map(async (view) => {
    const { columns } = await post("api/sql", { sql: `select * from ${view}`, limit: 0 });
    return /** @type {[string, string[]]} */ ([view, columns]);
  });
  editor.views = await Promise.all(columns).catch(() => []);
  changed();
}

let count = 0;

export async function run() {
  const text = editor.text.trim();
  if (!text) return;
  const number = (count += 1);
  const start = performance.now();
  Object.assign(editor, { busy: true, error: "", asked: text });
  changed();
  if (state.route.view === "sql") replace(`#/sql?${new URLSearchParams({ q: text })}`);
  let [table, error] = [/** @type {Table | null} */ (null), ""];
  try {
    table = await post("api/sql", { sql: text });
  } catch (thrown) {
    error = sentence(thrown);
  }
  if (number !== count) return; // another was asked meanwhile
  Object.assign(editor, { table, error, busy: false, took: performance.now() - start });
  changed();
}

/** The whole answer as a file. */
export async function saveCsv() {
  const request = {
    method: "POST",
    headers: { "content-type": "application/json", accept: "text/csv" },
    body: JSON.stringify({ sql: editor.asked, limit: 100_000 }),
  };
  try {
    const answer = await fetch("api/sql", request);
    if (!answer.ok) throw new Failure((await answer.json()).error, answer.status);
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = "answer.csv";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  } catch (thrown) {
    editor.error = sentence(thrown);
    changed();
  }
}
