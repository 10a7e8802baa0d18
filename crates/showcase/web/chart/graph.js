// Places for services: callers before those they call.

/** @import { Call, ServiceMap } from "../types.js" */

/** @typedef {{ name: string, x: number, y: number, w: number, h: number }} Place */
/** @typedef {{ call: Call, path: string, x: number, y: number }} Edge `x`, `y`: of its words. */

const NODE = { w: 232, h: 66 };

/** @param {ServiceMap} map @param {boolean} narrow From top to bottom instead of from left to right. */
export function layout(map, narrow) {
  const layers = layered(map);
  const gap = narrow ? { along: 96, across: 16 } : { along: 250, across: 40 };
  const size = narrow ? { along: NODE.h, across: NODE.w } : { along: NODE.w, across: NODE.h };
  const most = Math.max(...layers.map((layer) => layer.length));
  const breadth = most * (size.across + gap.across) - gap.across;
  const margin = narrow ? 60 : 40;
  /** @type {Map<string, Place>} */
  const nodes = new Map();
  layers.forEach((layer, level) => {
    const start = margin + (breadth - (layer.length * (size.across + gap.across) - gap.across)) / 2;
    layer.forEach((name, index) => {
      const along = 24 + level * (size.along + gap.along);
      const across = start + index * (size.across + gap.across);
      nodes.set(name, { name, x: narrow ? across : along, y: narrow ? along : across, ...NODE });
    });
  });
  const length = 48 + layers.length * (size.along + gap.along) - gap.along;
  const edges = map.calls.flatMap((call) => edge(call, nodes, narrow));
  const [width, height] = narrow ? [breadth + margin * 2, length] : [length, breadth + margin * 2];
  return { nodes: [...nodes.values()], edges, width: Math.max(width, 300), height };
}

/**
 * How far each is from a service that nobody calls; a circle is cut where it is met again.
 * @param {ServiceMap} map
 */
function layered({ services, calls }) {
  const level = new Map(services.map(({ name }) => [name, 0]));
  for (let round = 0; round < services.length; round += 1) {
    for (const { from, to } of calls) {
      const next = (level.get(from) ?? 0) + 1;
      if (from !== to && next < services.length && next > (level.get(to) ?? 0)) level.set(to, next);
    }
  }
  const used = [...new Set(level.values())].sort((a, b) => a - b);
  return used.map((one) =>
    [...level]
      .filter(([, at]) => at === one)
      .map(([name]) => name)
      .sort(),
  );
}

/** @param {Call} call @param {Map<string, Place>} nodes @param {boolean} narrow @returns {Edge[]} */
function edge(call, nodes, narrow) {
  const from = nodes.get(call.from);
  const to = nodes.get(call.to);
  if (!from || !to) return [];
  if (from === to) {
    const [x, y] = [from.x + from.w / 2, from.y];
    return [{ call, path: `M${x - 24} ${y}C${x - 40} ${y - 46} ${x + 40} ${y - 46} ${x + 24} ${y - 2}`, x, y: y - 40 }];
  }
  const [a, b] = narrow
    ? [
        { x: from.x + from.w / 2, y: from.y + from.h },
        { x: to.x + to.w / 2, y: to.y - 3 },
      ]
    : [
        { x: from.x + from.w, y: from.y + from.h / 2 },
        { x: to.x - 3, y: to.y + to.h / 2 },
      ];
  const bend = narrow ? { x: 0, y: (b.y - a.y) / 2 } : { x: (b.x - a.x) / 2, y: 0 };
  const path = `M${a.x} ${a.y}C${a.x + bend.x} ${a.y + bend.y} ${b.x - bend.x} ${b.y - bend.y} ${b.x} ${b.y}`;
  return [{ call, path, x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }];
}
