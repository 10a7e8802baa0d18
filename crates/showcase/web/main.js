// Starts the page.

import { render } from "./dom.js";
import { startKeys } from "./keys.js";
import { loadCompared } from "./model/compare.js";
import { loadFigures } from "./model/figures.js";
import { loadFlame } from "./model/flame.js";
import { startLive } from "./model/live.js";
import { loadLogTable } from "./model/logs.js";
import { loadMap } from "./model/map.js";
import { loadMetrics } from "./model/metrics.js";
import { loadRed } from "./model/red.js";
import { loadOperations, loadServices } from "./model/services.js";
import { openEditor } from "./model/sql.js";
import { loadStatus } from "./model/status.js";
import { loadSummaries, pause } from "./model/summaries.js";
import { loadLogs, openTrace } from "./model/trace.js";
import { loadTry } from "./model/try.js";
import { followAddress } from "./route.js";
import { state, subscribe, update } from "./store.js";
import { startTheme } from "./theme.js";
import { app, title, viewOf } from "./view/app.js";

/** @import { Route } from "./types.js" */

/** What is not sent by the server is asked for again after so long, in milliseconds. */
const AGAIN = 3000;
/** As in the style sheets, in pixels. */
const NARROW = 760;

/** What a view needs when it is entered. @param {Route} route */
function entered({ view, path, query }) {
  const current = viewOf(view);
  if (current === "traces" || current === "compare") void loadSummaries();
  if (current === "traces") {
    void loadServices();
    void loadOperations(query.get("service") ?? "");
    pause(state.traces.scroll > 0 || state.traces.cursor !== "");
  }
  if (current === "trace") void openTrace(path[0] ?? "", path[1] ?? "");
  if (current === "services") void loadRed(path[0] ?? "", true);
  if (current === "logs") void loadLogTable(true);
  if (current === "metrics") void loadMetrics(true);
  if (current === "sql") openEditor(query);
  if (current === "flame") void loadFlame(path[0] ?? "");
  if (current === "compare") void loadCompared(path.slice(0, 2));
  if (current === "overview" && !state.figures) void loadFigures();
  poll();
}

/** For views whose data the server does not send. */
function poll() {
  if (document.hidden) return;
  const current = viewOf(state.route.view);
  if (current === "map") void loadMap();
  if (current === "status") void loadStatus();
  if (current === "services") void loadRed(state.route.path[0] ?? "");
  if (current === "logs") void loadLogTable();
  if (current === "metrics") void loadMetrics();
  void loadTry(); // on every view: a service that has ended is said wherever one looks
  if (current === "trace") void loadLogs();
}

function measure() {
  update({ width: innerWidth, narrow: innerWidth <= NARROW });
}

const root = /** @type {Element} */ (document.getElementById("app"));
subscribe(() => {
  render(root, app());
  document.title = title();
});
startTheme();
measure();
addEventListener("resize", measure);
startKeys();
void loadServices();
followAddress(entered);
startLive(() => {
  if (!state.figures) void loadFigures();
  if (state.trace?.error) state.trace = null;
  entered(state.route);
});
setInterval(poll, AGAIN);
