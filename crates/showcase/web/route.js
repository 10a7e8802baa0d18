// Where one is: the part of the address after `#`, which can be shared.

import { state, update } from "./store.js";

/** @import { Route } from "./types.js" */

/** The list of traces, where no other view led to a trace. */
const LIST = "#/traces";

/** @param {string} hash @returns {Route} */
export function parse(hash) {
  const [path = "", query] = hash.replace(/^#?\/?/, "").split("?");
  const [view = "", ...rest] = path.split("/").map(decode);
  const from = typeof history.state?.from === "string" ? history.state.from : LIST;
  return { view: view || "overview", path: rest, query: new URLSearchParams(query ?? ""), from };
}

/** The list of traces with the search that led here, if one did. */
export const listAddress = () => (state.route.from.startsWith(LIST) ? state.route.from : LIST);

/** Anybody can write an address. @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** @param {string} id @param {string} [span] */
export function traceAddress(id, span) {
  return `#/trace/${encodeURIComponent(id)}${span ? `/${encodeURIComponent(span)}` : ""}`;
}

/** @param {string} address Such as `#/traces`. */
export function go(address) {
  location.hash = address;
}

/** Without a step for the Back button. @param {string} address */
export function replace(address) {
  if (location.hash === address) return;
  history.replaceState(history.state, "", address);
  update({ route: parse(address) });
}

/** Follows the address. @param {(route: Route) => void} entered Called at each change. */
export function followAddress(entered) {
  const follow = () => {
    update({ route: parse(location.hash), typed: null });
    entered(state.route);
  };
  addEventListener("hashchange", ({ oldURL }) => {
    const before = new URL(oldURL).hash || "#/";
    // Kept with this step of the history: it is there after a reload, and when one comes back to it.
    if (!history.state) {
      const from = parse(before).view === "trace" ? state.route.from : before;
      history.replaceState({ from }, "");
    }
    follow();
  });
  follow();
}
