// Places for services and their calls, in layers: callers before those they call, and no line behind a service.

/** @import { Call, ServiceMap } from "../types.js" */

/** @typedef {{ name: string, x: number, y: number, w: number, h: number }} Place */
/** @typedef {{ call: Call, path: string, x: number, y: number }} Edge `x`, `y`: the middle of its words. */
/**
 * @typedef {object} Item A service in its layer, or the passage of a line that goes further.
 * @property {string} name Empty: a passage.
 * @property {number} layer
 * @property {number} size Across the layers, as its middle.
 * @property {number} middle
 * @property {Item[]} near Those in other layers that a line leads to.
 */
/** @typedef {{ call: Call, items: Item[] }} Line From layer to layer; a call that leads back is drawn the other way round. */

const NODE = { w: 200, h: 64 };
const PASSAGE = 12;
const MARGIN = 28;
/** Room for the words of a call. */
const WORDS = { w: 240, h: 20 };
/** How often the order within the layers, and the places, are made better. */
const ROUNDS = 12;

/** @param {ServiceMap} map @param {boolean} narrow From top to bottom instead of from left to right. */
export function layout(map, narrow) {
  const long = narrow ? NODE.h : NODE.w;
  const { layers, lines } = layered(map, narrow ? NODE.w : NODE.h);
  order(layers);
  const gap = narrow ? 20 : 34;
  layers.forEach((layer) =>
    settle(
      layer,
      layer.map(() => 0),
      gap,
    ),
  );
  for (let round = 0; round < ROUNDS; round += 1)
    layers.forEach((layer) =>
      settle(
        layer,
        layer.map((item) => mean(item.near.map(({ middle }) => middle)) ?? item.middle),
        gap,
      ),
    );
  const least = Math.min(...layers.flat().map(({ middle, size }) => middle - size / 2), 0);
  for (const item of layers.flat()) item.middle += MARGIN - least;

  // Between two layers there is room for the words of all calls that pass, if they must stand in rows.
  const passing = layers.map((_, layer) => lines.filter((line) => gapOfWords(line) === layer).length);
  const starts = [MARGIN];
  layers.forEach((_, layer) => {
    const room = narrow ? 50 + Math.min(passing[layer] ?? 0, 6) * WORDS.h : WORDS.w + 20;
    starts.push((starts[layer] ?? 0) + long + (layer + 1 < layers.length ? room : MARGIN));
  });
  const at = (/** @type {number} */ along, /** @type {number} */ across) =>
    narrow ? [across, along] : [along, across];
  const start = ({ layer } = /** @type {Item} */ ({ layer: 0 })) => starts[layer] ?? 0;

  const nodes = layers
    .flat()
    .filter(({ name }) => name)
    .map((item) => {
      const [x = 0, y = 0] = at(start(item), item.middle - item.size / 2);
      return { name: item.name, x, y, ...NODE };
    });
  const ports = portsOf(lines);
  const edges = lines.map((line) => {
    const points = line.items.flatMap((item, index) => {
      const [first, last] = [index === 0, index === line.items.length - 1];
      const across = item.middle + (ports.get(line)?.[first ? 0 : 1] ?? 0) * (first || last ? 1 : 0);
      return [...(first ? [] : [[start(item), across]]), ...(last ? [] : [[start(item) + long, across]])];
    });
    const back = line.items[0]?.name !== line.call.from;
    const way = (back ? points.toReversed() : points).map(([along = 0, across = 0]) => at(along, across));
    // The two points between which the words stand.
    const [[a = 0, b = 0] = [], [c = 0, d = 0] = []] = points.slice(2 * half(line) - 2);
    const [x = 0, y = 0] = at((a + c) / 2, (b + d) / 2);
    return { call: line.call, path: curve(way, narrow), x, y, gap: gapOfWords(line) };
  });
  layers.forEach((_, layer) =>
    apart(
      edges.filter((edge) => edge.gap === layer),
      narrow,
    ),
  );
  const loops = map.calls.filter(({ from, to }) => from === to).flatMap((call) => loop(call, nodes));

  const breadth = Math.max(...layers.flat().map(({ middle, size }) => middle + size / 2), 0) + MARGIN;
  const [width = 0, height = 0] = at(starts.at(-1) ?? 0, breadth);
  const words = [...edges, ...loops];
  return {
    nodes,
    edges: words,
    width: Math.max(width, 300, ...words.map(({ x }) => x + WORDS.w / 2)),
    height: Math.max(height, ...words.map(({ y }) => y + WORDS.h)),
  };
}

/** Of the steps of a line the one in the middle, from 1 on: its words stand there. @param {Line} line */
const half = ({ items }) => Math.ceil((items.length - 1) / 2);
/** The layer behind which that is. @param {Line} line */
const gapOfWords = (line) => (line.items[0]?.layer ?? 0) + half(line) - 1;

/** @param {number[]} values */
const mean = (values) =>
  values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : undefined;

/** @param {ServiceMap} map @param {number} size Of a service, across the layers. @returns {{ layers: Item[][], lines: Line[] }} */
function layered({ services, calls }, size) {
  const names = services.map(({ name }) => name).sort();
  const known = new Set(names);
  const steps = withoutCircles(
    names,
    calls.filter(({ from, to }) => from !== to && known.has(from) && known.has(to)),
  );
  const levels = levelsOf(names, steps);
  /** @type {Item[][]} */
  const layers = [];
  const add = (/** @type {string} */ name, /** @type {number} */ layer) => {
    const item = { name, layer, size: name ? size : PASSAGE, middle: 0, near: [] };
    (layers[layer] ??= []).push(item);
    return item;
  };
  const items = new Map(names.map((name) => [name, add(name, levels.get(name) ?? 0)]));
  const lines = steps.map(({ call, from, to }) => {
    const [first, last] = [items.get(from), items.get(to)];
    if (!first || !last) return { call, items: [] };
    /** @type {Item[]} */
    const way = [first];
    for (let layer = first.layer + 1; layer < last.layer; layer += 1) way.push(add("", layer));
    way.push(last);
    way.forEach((item, index) =>
      item.near.push(...way.slice(Math.max(0, index - 1), index), ...way.slice(index + 1, index + 2)),
    );
    return { call, items: way };
  });
  return { layers, lines };
}

/**
 * The calls as steps that never lead back to where they came from: one that would is turned round.
 * @param {string[]} names @param {Call[]} calls
 */
function withoutCircles(names, calls) {
  const called = new Set(calls.map(({ to }) => to));
  const state = new Map();
  const back = new Set();
  const visit = (/** @type {string} */ name) => {
    state.set(name, "open");
    for (const call of calls) {
      if (call.from !== name) continue;
      if (state.get(call.to) === "open") back.add(call);
      else if (!state.has(call.to)) visit(call.to);
    }
    state.set(name, "closed");
  };
  // Those that nobody calls first: what they lead to is the natural direction.
  for (const name of [...names.filter((name) => !called.has(name)), ...names]) if (!state.has(name)) visit(name);
  return calls.map((call) =>
    back.has(call) ? { call, from: call.to, to: call.from } : { call, from: call.from, to: call.to },
  );
}

/** @param {string[]} names @param {{ from: string, to: string }[]} steps */
function levelsOf(names, steps) {
  /** @type {Map<string, number>} */
  const levels = new Map();
  const level = (/** @type {string} */ name) => {
    const known = levels.get(name);
    if (known !== undefined) return known;
    const found = Math.max(0, ...steps.filter(({ to }) => to === name).map(({ from }) => level(from) + 1));
    levels.set(name, found);
    return found;
  };
  names.forEach(level);
  // What nobody calls stands right before what it calls.
  for (const name of names) {
    const next = steps.filter(({ from }) => from === name).map(({ to }) => levels.get(to) ?? 1);
    if (next.length > 0 && !steps.some(({ to }) => to === name)) levels.set(name, Math.min(...next) - 1);
  }
  return levels;
}

/** Sorts each layer by where the lines of its items lead, to and fro, so that few of them cross. @param {Item[][]} layers */
function order(layers) {
  const number = () => layers.forEach((layer) => layer.forEach((item, index) => (item.middle = index)));
  number();
  for (let round = 0; round < ROUNDS; round += 1) {
    const down = round % 2 === 0;
    for (const layer of down ? layers : layers.toReversed()) {
      const wanted = new Map(
        layer.map((item) => [
          item,
          mean(item.near.filter((other) => other.layer < item.layer === down).map(({ middle }) => middle)) ??
            item.middle,
        ]),
      );
      layer.sort((a, b) => (wanted.get(a) ?? 0) - (wanted.get(b) ?? 0));
      layer.forEach((item, index) => (item.middle = index));
    }
  }
}

/**
 * Puts things in a row, as near to where they are wanted as their sizes allow: those that would overlap share what they
 * have to give way.
 * @template {{ size: number, middle: number }} T
 * @param {T[]} row @param {number[]} wanted @param {number} gap
 */
function settle(row, wanted, gap) {
  /** @type {{ sum: number, things: { thing: T, offset: number }[] }[]} */
  const blocks = [];
  let offset = 0;
  row.forEach((thing, index) => {
    const before = row[index - 1];
    if (before) offset += (before.size + thing.size) / 2 + gap;
    let block = { sum: (wanted[index] ?? 0) - offset, things: [{ thing, offset }] };
    for (
      let last = blocks.at(-1);
      last && last.sum / last.things.length >= block.sum / block.things.length;
      last = blocks.at(-1)
    ) {
      blocks.pop();
      block = { sum: last.sum + block.sum, things: [...last.things, ...block.things] };
    }
    blocks.push(block);
  });
  for (const { sum, things } of blocks)
    for (const { thing, offset } of things) thing.middle = sum / things.length + offset;
}

/** Where each line leaves its first service and meets its last, from the middle: side by side. @param {Line[]} lines @returns {Map<Line, [number, number]>} */
function portsOf(lines) {
  /** @type {Map<Line, [number, number]>} */
  const ports = new Map(lines.map((line) => [line, [0, 0]]));
  for (const side of /** @type {const} */ ([0, 1])) {
    const end = ({ items } = /** @type {Line} */ ({})) => (side === 0 ? items[0] : items.at(-1));
    const next = (/** @type {Line} */ { items }) => (side === 0 ? items[1] : items.at(-2))?.middle ?? 0;
    for (const item of new Set(lines.map(end))) {
      const here = lines.filter((line) => end(line) === item).sort((a, b) => next(a) - next(b));
      const step = Math.min(18, ((item?.size ?? 0) - 16) / here.length);
      here.forEach((line, index) => {
        const port = ports.get(line);
        if (port) port[side] = (index - (here.length - 1) / 2) * step;
      });
    }
  }
  return ports;
}

/** @param {number[][]} points @param {boolean} narrow */
function curve(points, narrow) {
  let path = "";
  points.forEach(([x = 0, y = 0], index) => {
    const [a = 0, b = 0] = points[index - 1] ?? [];
    if (index === 0) path = `M${x} ${y}`;
    else if (narrow) path += `C${a} ${(b + y) / 2} ${x} ${(b + y) / 2} ${x} ${y}`;
    else path += `C${(a + x) / 2} ${b} ${(a + x) / 2} ${y} ${x} ${y}`;
  });
  return path;
}

/** Moves words that stand between the same layers apart. @param {Edge[]} edges @param {boolean} narrow */
function apart(edges, narrow) {
  edges.sort((a, b) => (narrow ? a.x - b.x : a.y - b.y));
  if (!narrow) {
    const row = edges.map(({ y }) => ({ size: WORDS.h, middle: y }));
    settle(
      row,
      edges.map(({ y }) => y),
      0,
    );
    edges.forEach((edge, index) => (edge.y = row[index]?.middle ?? edge.y));
    return;
  }
  /** @type {number[]} Where each row of words ends. */
  const ends = [];
  const rows = edges.map(({ x }) => {
    const free = ends.findIndex((end) => end <= x - WORDS.w / 2);
    const row = free < 0 ? ends.length : free;
    ends[row] = x + WORDS.w / 2;
    return row;
  });
  edges.forEach((edge, index) => (edge.y += ((rows[index] ?? 0) - (ends.length - 1) / 2) * WORDS.h));
}

/** A service that calls itself. @param {Call} call @param {Place[]} nodes @returns {Edge[]} */
function loop(call, nodes) {
  const node = nodes.find(({ name }) => name === call.from);
  if (!node) return [];
  const [x, y] = [node.x + node.w / 2, node.y];
  return [{ call, path: `M${x - 24} ${y}C${x - 34} ${y - 22} ${x + 34} ${y - 22} ${x + 24} ${y - 2}`, x, y: y - 18 }];
}
