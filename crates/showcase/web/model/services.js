// Names to choose from in the search.

import { get } from "../api.js";
import { state, update } from "../store.js";

export async function loadServices() {
  const answer = await get("api/services").catch(() => ({ data: [] }));
  update({ services: answer.data ?? [] });
}

/** @param {string} service Empty: of none. */
export async function loadOperations(service) {
  const path = `api/services/${encodeURIComponent(service)}/operations`;
  const answer = service ? await get(path).catch(() => ({ data: [] })) : { data: [] };
  if ((state.route.query.get("service") ?? "") === service) update({ operations: answer.data ?? [] });
}
