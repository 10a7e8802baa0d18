// What the server sends by itself.

import { state, update } from "../store.js";
import { listen } from "./events.js";
import { figuresCame, loadFigures } from "./figures.js";
import { summariesMissed, summaryCame } from "./summaries.js";
import { refreshTrace } from "./trace.js";

/** @import { LiveEvent } from "../types.js" */

/** @param {() => void} connected Called at each connection. */
export function startLive(connected) {
  /** @param {LiveEvent} event */
  const take = (event) => came(event, connected);
  // Chrome on Android has none.
  if (!("SharedWorker" in window)) return listen(new URL("api/live", location.href), take);
  new BroadcastChannel("live").addEventListener("message", ({ data }) => take(data));
  const worker = new SharedWorker(new URL("../live-worker.js", import.meta.url), { type: "module" });
  worker.port.addEventListener("message", ({ data }) => take(data));
  worker.port.start();
}

/** @param {LiveEvent} event @param {() => void} connected */
function came({ name, data }, connected) {
  if (name === "open") {
    update({ connection: "open" });
    connected();
  } else if (name === "lost") {
    update({ connection: "lost" });
  } else if (name === "trace") {
    const summary = JSON.parse(data);
    summaryCame(summary);
    if (state.trace?.id === summary.id && state.trace?.trace?.spans.length !== summary.spans)
      void refreshTrace(summary.id);
  } else if (name === "figures") {
    figuresCame(JSON.parse(data));
  } else if (name === "reset") {
    summariesMissed();
    void loadFigures();
  }
}
