// The showcase's HTTP API, same origin.

/** What went wrong, as a sentence. */
export class Failure extends Error {
  /** @param {string} message @param {number} status 0: no answer. */
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/** @param {string} path @param {RequestInit} [request] @returns {Promise<any>} JSON of the answer. */
async function ask(path, request) {
  let answer;
  try {
    answer = await fetch(path, request);
  } catch {
    throw new Failure("The showcase does not answer.", 0);
  }
  const body = await answer.json().catch(() => null);
  if (answer.ok && body !== null) return body;
  const message = typeof body?.error === "string" ? body.error : `The showcase answered ${answer.status}.`;
  throw new Failure(message, answer.status);
}

/** @param {string} path */
export const get = (path) => ask(path);

/** @param {string} path @param {unknown} body JSON, as it is if it is a file's. */
export function post(path, body) {
  const json = body instanceof Blob ? body : JSON.stringify(body);
  return ask(path, { method: "POST", headers: { "content-type": "application/json" }, body: json });
}

/** The sentence of whatever was thrown. @param {unknown} error */
export function sentence(error) {
  return error instanceof Error ? error.message : String(error);
}
