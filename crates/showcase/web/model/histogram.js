// Histograms with given buckets and with exponential ones, as one shape: counts between two bounds.

/** @typedef {{ low: number, high: number, count: number }} Bucket `high` may be infinite, `low` too. */

/** @param {{ le: number | null, count: number }[]} buckets As the view `metrics` has them. @param {number | null} least */
function explicit(buckets, least) {
  // What is measured is hardly ever negative: the first bucket begins at 0 unless something was below that.
  let low = least !== null && least < 0 ? -Infinity : 0;
  return buckets.map(({ le, count }) => {
    const bucket = { low, high: le ?? Infinity, count };
    low = bucket.high;
    return bucket;
  });
}

/**
 * @typedef {{ scale: number, zero_count: number, zero_threshold: number, positive: Side, negative: Side }} Exponential
 * @typedef {{ offset: number, counts: number[] }} Side
 */

/** @param {Exponential} from @param {number} scale At most its own: neighbours are put together. */
function exponential({ scale: own, zero_count, zero_threshold, positive, negative }, scale) {
  const base = 2 ** (2 ** -scale);
  const side = (/** @type {Side} */ { offset, counts }) => {
    /** @type {Map<number, number>} */
    const merged = new Map();
    counts.forEach((count, index) => {
      const place = (offset + index) >> (own - scale);
      if (count > 0) merged.set(place, (merged.get(place) ?? 0) + count);
    });
    return [...merged].map(([place, count]) => ({ low: base ** place, high: base ** (place + 1), count }));
  };
  return [
    ...side(negative).map(({ low, high, count }) => ({ low: -high, high: -low, count })),
    ...(zero_count > 0 ? [{ low: -zero_threshold, high: zero_threshold, count: zero_count }] : []),
    ...side(positive),
  ];
}

/** Eight buckets for a factor of two: finer ones are put together. */
const FINEST = 3;

/** A scale for all points: bounds of one are then bounds of the other, and counts can be subtracted. @param {any[]} all */
export const commonScale = (all) => all.reduce((scale, buckets) => Math.min(scale, buckets?.scale ?? FINEST), FINEST);

/**
 * @param {any} buckets JSON of the view `metrics`.
 * @param {number | null} least
 * @param {number} scale
 * @returns {Bucket[]}
 */
export function bucketsOf(buckets, least, scale) {
  if (Array.isArray(buckets)) return explicit(buckets, least);
  return buckets ? exponential(buckets, scale) : [];
}

const keyOf = (/** @type {Bucket} */ { low, high }) => `${low} ${high}`;

/** What `later` has more. @param {Bucket[]} later @param {Bucket[]} earlier */
export function difference(later, earlier) {
  const before = new Map(earlier.map((bucket) => [keyOf(bucket), bucket.count]));
  return later.map((bucket) => ({ ...bucket, count: bucket.count - (before.get(keyOf(bucket)) ?? 0) }));
}

/** All of them together, in order. @param {Bucket[][]} all */
export function sum(all) {
  /** @type {Map<string, Bucket>} */
  const merged = new Map();
  for (const bucket of all.flat()) {
    const known = merged.get(keyOf(bucket));
    if (known) known.count += bucket.count;
    else merged.set(keyOf(bucket), { ...bucket });
  }
  return [...merged.values()].filter(({ count }) => count > 0).sort((a, b) => a.low - b.low || a.high - b.high);
}

/**
 * The value that this share of them does not exceed, as if they were spread evenly in each bucket. In the last, which has
 * no end, where it begins.
 * @param {Bucket[]} buckets In order. @param {number} share 0 to 1.
 */
export function quantile(buckets, share) {
  const wanted = buckets.reduce((all, { count }) => all + count, 0) * share;
  let seen = 0;
  for (const { low, high, count } of buckets) {
    seen += count;
    if (seen < wanted || count === 0) continue;
    if (!Number.isFinite(high)) return low;
    if (!Number.isFinite(low)) return high;
    return low + (high - low) * (1 - (seen - wanted) / count);
  }
  return null;
}
