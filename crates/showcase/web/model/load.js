// Saved files, put to what is kept: what this page saves, the Collector's file exporter, or Jaeger's page.

import { Failure, post, sentence } from "../api.js";
import { plural } from "../format.js";
import { changed } from "../store.js";
import { loadSummaries } from "./summaries.js";

/** @typedef {{ spans: number, logs: number, points: number, faulty_lines: number, faults: { line: number, message: string }[] }} Loaded */

/** Bytes that are sent at once, unless one line has more; and the most that is taken at once. */
const PIECE = 4 << 20;
const MOST = 16 << 20;

/** Faults of a file that are told; the rest is counted. */
const TOLD = 3;

/** The file that is being loaded, and what came of those before. */
export const upload = {
  /** Empty: none is being loaded. */
  file: "",
  /** Share of its bytes that were sent. */
  share: 0,
  /** A line for each file, and for what is wrong with it. */
  said: /** @type {{ text: string, bad: boolean }[]} */ ([]),
};

/** One after the other. @param {Iterable<File>} files */
export async function load(files) {
  if (upload.file) return;
  upload.said = [];
  for (const file of files) {
    Object.assign(upload, { file: file.name, share: 0 });
    changed();
    const total = { spans: 0, logs: 0, points: 0, faulty_lines: 0, faults: [] };
    let failure = "";
    try {
      await send(file, total);
    } catch (thrown) {
      failure = sentence(thrown);
    }
    tell(file.name, total, failure);
  }
  upload.file = "";
  await loadSummaries(true);
}

/** @param {File} file @param {Loaded} total */
async function send(file, total) {
  let lines = 0;
  for await (const bytes of pieces(file)) {
    /** @type {Loaded} */
    const { spans, logs, points, faulty_lines, faults } = await post("api/load", new Blob([bytes]));
    total.spans += spans;
    total.logs += logs;
    total.points += points;
    total.faulty_lines += faulty_lines;
    total.faults.push(...faults.map(({ line, message }) => ({ line: line + lines, message })));
    lines += bytes.reduce((count, byte) => count + (byte === NEWLINE ? 1 : 0), 0);
    upload.share += bytes.length / file.size;
    changed();
  }
}

const NEWLINE = 10;

/** Whole lines, some million bytes at a time; a file of one document on many lines in one. @param {File} file */
async function* pieces(file) {
  const isDocument = /^\ufeff?\s*{\s*\n/.test(await file.slice(0, 100).text());
  for (let start = 0; start < file.size;) {
    const bytes = await linesFrom(file, start, isDocument ? file.size : PIECE);
    yield bytes;
    start += bytes.length;
  }
}

/**
 * The whole lines among the next bytes of a file, or the first one if it is longer.
 * @param {File} file
 * @param {number} start
 * @param {number} length
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
async function linesFrom(file, start, length) {
  const left = file.size - start;
  if (Math.min(length, left) > MOST) {
    throw new Failure(`More than ${MOST >> 20} MiB belong together. cargo run -- --load takes that.`, 0);
  }
  const bytes = new Uint8Array(await file.slice(start, start + length).arrayBuffer());
  const end = length < left ? bytes.lastIndexOf(NEWLINE) + 1 : bytes.length;
  return end > 0 ? bytes.subarray(0, end) : linesFrom(file, start, 2 * length);
}

/** @param {string} name @param {Loaded} total @param {string} failure Why the rest was not sent; empty: all was. */
function tell(name, { spans, logs, points, faulty_lines, faults }, failure) {
  const said = [plural(spans, "span"), plural(logs, "log record"), plural(points, "metric point")];
  const isNothing = spans + logs + points === 0;
  upload.said.push({
    text: isNothing ? `${name}: nothing in it is OTLP's JSON` : `${name}: ${said.join(", ")} loaded`,
    bad: isNothing,
  });
  const wrong = faults.slice(0, TOLD).map(({ line, message }) => `Line ${line}: ${message}`);
  if (faulty_lines > TOLD) wrong.push(`${plural(faulty_lines - TOLD, "more line")} not as they should be`);
  if (failure) wrong.push(failure);
  upload.said.push(...wrong.map((text) => ({ text, bad: true })));
}

/** Of what was said. */
export function dismiss() {
  upload.said = [];
  changed();
}
