// Attributes as they are written in the search: `key=value`, `key="a value"`, as many as are wanted.

/** A key, and a value with or without quotation marks; what cannot be read as that is `rest`. */
const PAIR = /\s*(?:(?<key>[^\s="]+)=(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<plain>[^\s"]+))(?=\s|$)|(?<rest>\S.*))/gsy;

/**
 * @param {string} text
 * @returns {{ pairs: string[], wrong: string }} `pairs` as the API takes them; `wrong`, if not empty, says what cannot be
 *   read, and how it is written.
 */
export function readAttributes(text) {
  const pairs = [];
  for (const { groups } of text.matchAll(PAIR)) {
    const { key = "", quoted, plain = "", rest } = /** @type {Record<string, string | undefined>} */ (groups);
    if (rest !== undefined) return { pairs, wrong: mistake(rest, pairs.at(-1)) };
    pairs.push(`${key}=${quoted?.replace(/\\(.)/gs, "$1") ?? plain}`);
  }
  return { pairs, wrong: "" };
}

/** @param {string} rest @param {string | undefined} before The pair before it. */
function mistake(rest, before) {
  const [word = ""] = rest.split(/\s/);
  const [key = "", value] = word.split("=");
  if (!key) return `There is no key before ${word}: write key=value`;
  if (key.includes('"')) return `The key of ${word} has a quotation mark: only a value can have one`;
  if (value === "") return `${key}= has no value: write ${key}=value, or ${key}="" for an empty one`;
  if (value?.startsWith('"')) return `The value of ${key} has no closing quotation mark, or something follows it`;
  if (value !== undefined) return `The value of ${key} has a quotation mark: write ${key}="…", with \\" inside`;
  if (before)
    return `${word} has no value. If it belongs to the value before: ${writeAttributes([`${before} ${word}`])}`;
  return `${word} has no value: write ${word}=value`;
}

/** @param {string[]} pairs As the API takes them. */
export function writeAttributes(pairs) {
  return pairs
    .map((pair) => {
      const equals = pair.indexOf("=");
      const [key, value] = [pair.slice(0, equals), pair.slice(equals + 1)];
      if (equals < 0 || (value && !/[\s"]/.test(value))) return pair;
      return `${key}="${value.replace(/[\\"]/g, "\\$&")}"`;
    })
    .join(" ");
}
