// What the server sends by itself, over one connection that mends itself.

import { state, update } from "../store.js";
import { figuresCame, loadFigures } from "./figures.js";
import { summariesMissed, summaryCame } from "./summaries.js";
import { refreshTrace } from "./trace.js";

/** Pause before another try where the browser has given up, in milliseconds. */
const AGAIN = 1000;

/** @param {() => void} connected Called at each connection. */
export function startLive(connected) {
  const source = new EventSource("api/live");
  source.addEventListener("open", () => {
    update({ connection: "open" });
    connected();
  });
  source.addEventListener("trace", (event) => {
    const summary = JSON.parse(event.data);
    summaryCame(summary);
    if (state.trace?.id === summary.id && state.trace?.trace?.spans.length !== summary.spans)
      void refreshTrace(summary.id);
  });
  source.addEventListener("figures", (event) => figuresCame(JSON.parse(event.data)));
  source.addEventListener("reset", () => {
    summariesMissed();
    void loadFigures();
  });
  source.addEventListener("error", () => {
    update({ connection: "lost" });
    if (source.readyState === EventSource.CLOSED) setTimeout(() => startLive(connected), AGAIN);
  });
}
