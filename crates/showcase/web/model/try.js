// What can be tried: each is an HTTP call to the showcase, or a restart of a service with other settings.

import { get, post, sentence } from "../api.js";
import { changed, state } from "../store.js";

/** @import { TrySettings } from "../types.js" */

/** @param {TrySettings} settings */
function took(settings) {
  Object.assign(state.try, { settings, error: "" });
}

export async function loadTry() {
  try {
    took(await get("api/try"));
  } catch (error) {
    state.try.error = sentence(error);
  }
  changed();
}

/**
 * Does it, and keeps what came of it, to be shown beside the button.
 * @param {string} name Of the card.
 * @param {string} path
 * @param {unknown} body
 * @param {(answer: any) => string} said
 */
export async function act(name, path, body, said) {
  state.try.busy = name;
  changed();
  try {
    const answer = await post(`api/try/${path}`, body);
    state.try.said[name] = said(answer);
    await loadTry();
  } catch (error) {
    state.try.said[name] = sentence(error);
  }
  state.try.busy = "";
  changed();
}

/** @param {number} count */
export function sendPings(count) {
  return act("ping", "ping", { count }, ({ sent, statuses }) => {
    const parts = Object.entries(statuses).map(([status, times]) => `${times} × ${status}`);
    return `${sent} sent: ${parts.join(", ") || "no answer"}`;
  });
}
