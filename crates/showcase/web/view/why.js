// "Why slow?": what the selected traces have and the others have not. A row filters the list.

import { h } from "../dom.js";
import { plural } from "../format.js";
import { askFailed, askSlow, forget } from "../model/why.js";
import { loadSummaries } from "../model/summaries.js";
import { loadOperations } from "../model/services.js";
import { replace } from "../route.js";
import { state } from "../store.js";
import { service, tableOf, unseen } from "./parts.js";

/** @import { Difference, Why } from "../types.js" */

export function why() {
  const { list } = state.traces;
  const failed = list.some(({ errors }) => errors > 0) && list.some(({ errors }) => errors === 0);
  return h(
    "section",
    { class: "reasons", "aria-label": "Why slow?" },
    h(
      "div",
      { class: "row reasons-ask" },
      h("span", { class: "muted" }, "Why slow? Drag over dots, or compare with the others:"),
      h("button", { class: "small", disabled: list.length < 10, onclick: askSlow }, "The slowest tenth"),
      h("button", { class: "small", disabled: !failed, onclick: askFailed }, "Those with errors"),
    ),
    state.why && answer(state.why),
  );
}

/** @param {Why} why */
function answer(why) {
  const { selected, others } = why;
  return h(
    "div",
    { class: "card reasons-answer", role: "status" },
    h(
      "div",
      { class: "row" },
      h("h2", null, why.title),
      h(
        "span",
        { class: "muted" },
        `${plural(selected.size, "trace")}, compared with ${others.toLocaleString("en")} others`,
      ),
      h("span", { class: "grow" }),
      h("button", { class: "small", onclick: forget }, "Close"),
    ),
    why.loading
      ? h("p", { class: "muted" }, "Looking into their spans …")
      : why.error
        ? h("p", { class: "bad" }, why.error)
        : why.answer && rows(why.answer),
  );
}

/** @param {NonNullable<Why["answer"]>} answer */
function rows(answer) {
  const { differences } = answer;
  if (differences.length === 0) {
    return h("p", null, "They have nothing that the others have not: no attribute and no operation tells them apart.");
  }
  return tableOf(
    ["What they have", "Of these", "Of the others"],
    (index) => index > 0,
    differences.map((difference) =>
      h(
        "tr",
        { key: JSON.stringify(name(difference)) },
        h("td", null, h("button", { class: "link mono", onclick: () => filter(difference) }, shown(difference))),
        share(difference.selected, answer.selected, "bad"),
        share(difference.others, answer.others, ""),
      ),
    ),
  );
}

/** @param {Difference} difference */
const name = (difference) =>
  "key" in difference ? [difference.key, difference.value] : [difference.service, difference.operation];

/** @param {Difference} difference */
function shown(difference) {
  if ("key" in difference) return [difference.key, " = ", difference.value === "" ? '""' : difference.value];
  return [service(difference.service), " ", difference.operation];
}

/** @param {number} count @param {number} all @param {string} kind */
function share(count, all, kind) {
  const part = all > 0 ? (count / all) * 100 : 0;
  return h(
    "td",
    { class: "number" },
    h("span", { class: "bar" }, h("span", { class: kind, style: { width: `${part}%` } })),
    `${part > 0 && part < 1 ? "<1" : Math.round(part)} %`,
    h("span", { class: "muted count" }, count.toLocaleString("en")),
    unseen(" traces"),
  );
}

/** Adds it to the search. @param {Difference} difference */
function filter(difference) {
  const query = new URLSearchParams(state.route.query);
  if ("key" in difference) {
    query.append("attribute", `${difference.key}=${difference.value}`);
  } else {
    query.set("service", difference.service);
    query.set("operation", difference.operation);
    void loadOperations(difference.service);
  }
  replace(`#/traces?${query}`);
  state.typed = null;
  forget();
  void loadSummaries();
}
