// Where one is: the part of the address after `#`, which can be shared.

import { state, update } from "./store.js";

/** @import { Route } from "./types.js" */

/** @param {string} hash @returns {Route} */
export function parse(hash) {
  const [path = "", query] = hash.replace(/^#?\/?/, "").split("?");
  const [view = "", ...rest] = path.split("/").map(decode);
  return { view: view || "overview", path: rest, query: new URLSearchParams(query ?? "") };
}

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
  history.replaceState(null, "", address);
  update({ route: parse(address) });
}

/** Follows the address. @param {(route: Route) => void} entered Called at each change. */
export function followAddress(entered) {
  const follow = () => {
    update({ route: parse(location.hash) });
    entered(state.route);
  };
  addEventListener("hashchange", follow);
  follow();
}
