// Holds the connection for the server's events, for all tabs: a browser has only six connections to a server.

import { listen } from "./model/events.js";

/** @import { LiveEvent } from "./types.js" */

const tabs = new BroadcastChannel("live");
/** @type {LiveEvent | null} The last one that says how the connection is. */
let connection = null;

listen(new URL("../api/live", import.meta.url), (event) => {
  if (event.name === "open" || event.name === "lost") connection = event;
  tabs.postMessage(event);
});

// A tab that comes later has missed that.
addEventListener("connect", (event) => {
  const [tab] = /** @type {MessageEvent} */ (event).ports;
  if (connection) tab?.postMessage(connection);
});
