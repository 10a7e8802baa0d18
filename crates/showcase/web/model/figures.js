// Figures of the services: a window of them, asked for once, then a point more every few seconds.

import { get, sentence } from "../api.js";
import { changed, state, update } from "../store.js";

/** @import { Figures } from "../types.js" */

/** Kept for this long, in milliseconds. */
export const WINDOW = 15 * 60 * 1000;

export async function loadFigures() {
  try {
    update({ figures: await get("api/figures"), figuresError: "" });
  } catch (error) {
    update({ figuresError: sentence(error) });
  }
}

/** @param {Figures} came What was added. */
export function figuresCame(came) {
  const services = state.figures?.services;
  if (!services) return;
  for (const { name, up, points, exemplars } of came.services) {
    const service = services.find((one) => one.name === name);
    if (!service) return void loadFigures();
    service.up = up;
    const [first, last] = [points[0]?.time ?? Infinity, points.at(-1)?.time ?? 0];
    const kept = (/** @type {{ time: number }} */ { time }) => time > last - WINDOW;
    service.points = [...service.points.filter((point) => kept(point) && point.time < first), ...points];
    service.exemplars = [...service.exemplars.filter(kept), ...exemplars];
  }
  changed();
}
