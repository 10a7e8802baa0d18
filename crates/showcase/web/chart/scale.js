// Round values for axes.

/**
 * At most about `count` steps of 1, 2 or 5 times a power of ten, from 0 up to at least `high`.
 * @param {number} high
 * @param {number} count
 */
export function ticks(high, count) {
  const step = roundStep(high / count);
  const values = [];
  for (let index = 0; index * step < high + step; index += 1) values.push(index * step);
  return values;
}

/** @param {number} rough */
export function roundStep(rough) {
  if (!(rough > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const factor = [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10;
  return factor * power;
}

/**
 * Powers of ten, or 1, 2, 5 of each where there is room, between `low` and `high`.
 * @param {number} low
 * @param {number} high
 * @param {number} count
 */
export function logTicks(low, high, count) {
  const from = Math.floor(Math.log10(low));
  const to = Math.ceil(Math.log10(high));
  for (const factors of [[1, 2, 5], [1, 3], [1]]) {
    const values = [];
    for (let power = from; power <= to; power += 1) for (const factor of factors) values.push(factor * 10 ** power);
    const inside = values.filter((value) => value >= low && value <= high);
    if (inside.length <= count || factors.length === 1) return inside;
  }
  return [];
}
