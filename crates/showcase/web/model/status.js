// What is in effect: receivers, the store, and what each service says of itself.

import { get, sentence } from "../api.js";
import { update } from "../store.js";

export async function loadStatus() {
  try {
    update({ status: await get("api/status"), statusError: "" });
  } catch (error) {
    update({ statusError: sentence(error) });
  }
}
