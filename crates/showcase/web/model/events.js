// The server's events, over one connection that mends itself.

/** @import { LiveEvent } from "../types.js" */

/** Pause before another try where the browser has given up, in milliseconds. */
const AGAIN = 1000;

/** @param {URL} address @param {(event: LiveEvent) => void} tell Called with each event. */
export function listen(address, tell) {
  const source = new EventSource(address);
  for (const name of ["trace", "figures", "reset"])
    source.addEventListener(name, (event) => tell({ name, data: event.data }));
  source.addEventListener("open", () => tell({ name: "open", data: "" }));
  source.addEventListener("error", () => {
    tell({ name: "lost", data: "" });
    if (source.readyState === EventSource.CLOSED) setTimeout(() => listen(address, tell), AGAIN);
  });
}
