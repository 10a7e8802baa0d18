// Services and their calls, from the traces of the last minutes.

import { get, sentence } from "../api.js";
import { update } from "../store.js";

export async function loadMap() {
  try {
    update({ map: await get("api/map"), mapError: "" });
  } catch (error) {
    update({ mapError: sentence(error) });
  }
}
