// Figures of the services: a window of them, asked for once, then a point more every few seconds.

import { get, sentence } from "../api.js";
import { changed, state, update } from "../store.js";

/** @import { Exemplar, Point } from "../types.js" */

/** Kept for this long, in milliseconds. */
export const WINDOW = 15 * 60 * 1000;

export async function loadFigures() {
  try {
    update({ figures: await get("api/figures"), figuresError: "" });
  } catch (error) {
    update({ figuresError: sentence(error) });
  }
}

/** @param {{ services: { name: string, url: string, up: boolean, point: Point, exemplars?: Exemplar[] }[] }} came */
export function figuresCame(came) {
  const services = state.figures?.services;
  if (!services) return;
  for (const { name, up, point, exemplars } of came.services) {
    const service = services.find((one) => one.name === name);
    if (!service) return void loadFigures();
    service.up = up;
    const oldest = point.time - WINDOW;
    service.points = [...service.points.filter(({ time }) => time > oldest && time < point.time), point];
    if (exemplars) service.exemplars = exemplars;
  }
  changed();
}
