// Numbers as people read them: three digits and a unit.

/** @param {number} value */
function digits(value) {
  const size = Math.abs(value);
  return value.toFixed(size >= 99.95 || size === 0 ? 0 : size >= 9.995 ? 1 : 2);
}

/** @param {number | null | undefined} ms */
export function duration(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms === 0) return "0 ms";
  if (Math.abs(ms) < 0.0009995) return `${Math.round(ms * 1e6)} ns`;
  if (Math.abs(ms) < 0.9995) return `${digits(ms * 1000)} µs`;
  if (Math.abs(ms) < 999.5) return `${digits(ms)} ms`;
  if (Math.abs(ms) < 59_950) return `${digits(ms / 1000)} s`;
  return `${ms < 0 ? "−" : ""}${long(Math.round(Math.abs(ms) / 1000))}`;
}

/** @param {number} seconds A minute or more. */
function long(seconds) {
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  if (hours >= 100) return `${hours.toLocaleString("en")} h`;
  const [whole, rest] = hours > 0 ? [`${hours} h`, `${minutes % 60} min`] : [`${minutes} min`, `${seconds % 60} s`];
  return rest.startsWith("0 ") ? whole : `${whole} ${rest}`;
}

/** @param {number | null | undefined} value @param {string} [unit] */
export function number(value, unit = "") {
  if (value === null || value === undefined) return "–";
  value += 0; // there is a -0
  if (Math.abs(value) >= 99_950) return `${digits(value / 1000)}k${unit}`;
  if (Number.isInteger(value)) return value.toLocaleString("en") + unit;
  return (Math.abs(value) >= 999.5 ? Math.round(value).toLocaleString("en") : digits(value)) + unit;
}

/** @param {number | null | undefined} ratio */
export function percent(ratio) {
  return ratio === null || ratio === undefined || Number.isNaN(ratio) ? "–" : `${digits(ratio * 100)} %`;
}

/** @param {number | null | undefined} value */
export function bytes(value) {
  if (value === null || value === undefined) return "–";
  const units = ["B", "KiB", "MiB", "GiB"];
  let unit = 0;
  while (Math.abs(value) >= 1023.5 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${unit ? digits(value) : value} ${units[unit]}`;
}

/** Time of day in UTC, as on the terminal; with the date where that is not today's. @param {number} ms */
export const clock = (ms) => moment(ms, "12:04:31".length);

/** With milliseconds. @param {number} ms */
export const exactClock = (ms) => moment(ms, "12:04:31.250".length);

/** @param {number} ms @param {number} length Of the time of day. */
function moment(ms, length) {
  if (!(Math.abs(ms) <= 8.64e15)) return "–"; // no date is later
  const [date, time = ""] = new Date(ms).toISOString().split("T");
  const [today] = new Date().toISOString().split("T");
  return `${date === today ? "" : `${date} `}${time.slice(0, length)}`;
}

/** How long ago, roughly. @param {number} ms @param {number} now */
export function ago(ms, now) {
  const seconds = Math.max(0, Math.round((now - ms) / 1000));
  if (seconds < 60) return `${seconds} s ago`;
  if (seconds < 3600) return `${Math.round(seconds / 60)} min ago`;
  return seconds < 86_400 ? `${Math.round(seconds / 3600)} h ago` : clock(ms);
}

/** @param {number | null | undefined} count @param {string} one */
export function plural(count, one) {
  if (count === null || count === undefined) return `– ${one}s`;
  return `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;
}

/** Without zeros that say nothing: for axes. @param {string} text */
export function rounded(text) {
  return text.replace(/\.0+(?=\D|$)/, "").replace(/(\.\d*?[1-9])0+(?=\D|$)/, "$1");
}

/** A value of JSON, for reading. @param {unknown} value */
export const readable = (value) => (typeof value === "string" ? value : JSON.stringify(value));
