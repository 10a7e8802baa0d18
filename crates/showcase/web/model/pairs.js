// Attributes as somebody types them: key=value, several of them, and key="a b" for a value with spaces.

const PAIR = /\s*([^\s="]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s"]*))(?=\s|$)/y;

/** @param {string} text @returns {{ pairs: string[], wrong: string }} `wrong`: what is not understood; empty: nothing. */
export function parsePairs(text) {
  /** @type {string[]} */
  const pairs = [];
  let at = 0;
  while (text.slice(at).trim()) {
    PAIR.lastIndex = at;
    const found = PAIR.exec(text);
    if (!found) return { pairs, wrong: text.slice(at).trim() };
    pairs.push(`${found[1]}=${found[2]?.replace(/\\(.)/g, "$1") ?? found[3]}`);
    at = PAIR.lastIndex;
  }
  return { pairs, wrong: "" };
}

/** The other way round. @param {string[]} pairs Each `key=value`. */
export function writePairs(pairs) {
  const write = (/** @type {string} */ pair) => {
    const [key, value] = [pair.slice(0, pair.indexOf("=")), pair.slice(pair.indexOf("=") + 1)];
    return /^[^\s"]*$/.test(value) ? pair : `${key}="${value.replace(/["\\]/g, "\\$&")}"`;
  };
  return pairs.map(write).join(" ");
}
