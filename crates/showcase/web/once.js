// What is made of something once, and not with each frame.

/**
 * @template {object} From
 * @template Made
 * @param {(from: From) => Made} make
 * @returns {(from: From) => Made} The same for the same value.
 */
export function once(make) {
  /** @type {WeakMap<From, Made>} */
  const known = new WeakMap();
  return (from) => {
    if (!known.has(from)) known.set(from, make(from));
    return /** @type {Made} */ (known.get(from));
  };
}
