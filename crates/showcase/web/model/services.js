// Names to choose from in the search.

import { get } from "../api.js";
import { state, update } from "../store.js";

/** Pause before they are asked for again, in milliseconds. */
const AGAIN = 1000;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let again;

export async function loadServices() {
  const { data } = await get("api/services").catch(() => ({ data: null }));
  // The same list is the same value: colours, and rows that show them, follow from it.
  if (data && data.join("\n") !== state.services.join("\n")) update({ services: data });
}

/** There is one of which nothing was known. */
export function servicesCame() {
  again ??= setTimeout(() => ((again = undefined), void loadServices()), AGAIN);
}

/** @param {string} service Empty: of none. */
export async function loadOperations(service) {
  const path = `api/services/${encodeURIComponent(service)}/operations`;
  const answer = service ? await get(path).catch(() => ({ data: [] })) : { data: [] };
  if ((state.route.query.get("service") ?? "") === service) update({ operations: answer.data ?? [] });
}
