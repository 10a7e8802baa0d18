// The state of the page, in one place. Views are functions of it; models change it.

/** @import { State } from "./types.js" */

/** @type {(() => void)[]} */
const listeners = [];
let scheduled = false;

/** @type {State} */
export const state = {
  route: { view: "overview", path: [], query: new URLSearchParams(), from: "#/traces" },
  theme: "system",
  dark: false,
  narrow: false,
  width: 0,
  help: false,
  notice: "",
  connection: "connecting",
  now: Date.now(),
  typed: null,
  searching: false,
  services: [],
  operations: [],
  filters: false,
  traces: {
    list: [],
    kept: 0,
    loading: true,
    error: "",
    waiting: [],
    missed: false,
    paused: false,
    cursor: "",
    scroll: 0,
    height: 600,
    moved: false,
  },
  why: null,
  trace: null,
  figures: null,
  figuresError: "",
  shownRoutes: {},
  hover: null,
  map: null,
  mapError: "",
  zoom: 0,
  ticked: [],
  compare: new Map(),
  try: { settings: null, busy: "", error: "", said: {} },
  status: null,
  statusError: "",
  language: "Python",
};

/** Changes the state; the page follows with the next frame. @param {Partial<State>} change */
export function update(change) {
  Object.assign(state, change);
  changed();
}

/** For changes within a part of the state. */
export function changed() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    for (const listener of listeners) listener();
  });
}

/** Calls `listener` at most once a frame after changes. @param {() => void} listener */
export function subscribe(listener) {
  listeners.push(listener);
}
