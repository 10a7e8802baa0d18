// Elements as values: a view returns what should be there, `render` changes what is not.
// Text is only ever text: nothing here parses markup.

/**
 * @typedef {object} Node_ Description of an element, or of text if `tag` is empty.
 * @property {string} tag
 * @property {string | number | undefined} key Tells children of one parent apart when they move.
 * @property {Props} props
 * @property {Node_[]} children
 * @property {string} text
 * @property {Element | Text | undefined} element What it has become.
 */
/** @typedef {Node_ | string | number | null | undefined | false | Child[]} Child */
/**
 * @typedef {Record<string, any>} Props Attributes; `on…`: handlers; `style`: an object of CSS properties; `focus: true`:
 * takes the focus when that is new; `drawn`: called with the element after each change.
 */

const SVG = "http://www.w3.org/2000/svg";
/** Set as properties: as attributes they would only be defaults. */
const PROPERTIES = new Set(["value", "checked"]);

/** @param {string} tag @param {Props | null} [props] @param {Child[]} children @returns {Node_} */
export function h(tag, props, ...children) {
  const { key, ...rest } = props ?? {};
  /** @type {Node_[]} */
  const nodes = [];
  collect(children, nodes);
  return { tag, key, props: rest, children: nodes, text: "", element: undefined };
}

/** @param {Child[]} children @param {Node_[]} into */
function collect(children, into) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    if (Array.isArray(child)) collect(child, into);
    else if (typeof child === "object") into.push(child);
    else into.push({ tag: "", key: undefined, props: {}, children: [], text: String(child), element: undefined });
  }
}

/** @type {WeakMap<Element, Node_[]>} */
const rendered = new WeakMap();
/** @type {(() => void)[]} */
let afterwards = [];

/** Makes `children` the only children of `parent`. @param {Element} parent @param {Child[]} children */
export function render(parent, ...children) {
  /** @type {Node_[]} */
  const next = [];
  collect(children, next);
  patchChildren(parent, rendered.get(parent) ?? [], next);
  rendered.set(parent, next);
  const calls = afterwards;
  afterwards = [];
  for (const call of calls) call();
}

/** @param {Element} parent @param {Node_[]} old @param {Node_[]} next */
function patchChildren(parent, old, next) {
  if (old === next) return;
  const keyed = new Map();
  /** @type {Node_[]} */
  const others = [];
  for (const node of old) {
    if (node.key === undefined) others.push(node);
    else keyed.set(node.key, node);
  }
  const stale = new Set(old);
  let other = 0;
  const matches = next.map((node) => {
    const match = node.key === undefined ? others[other++] : keyed.get(node.key);
    if (match?.tag !== node.tag || !stale.delete(match)) return undefined;
    return match;
  });
  for (const node of stale) node.element?.remove();
  let at = parent.firstChild;
  next.forEach((node, index) => {
    const match = matches[index];
    const element = match ? patch(match, node) : create(node, parent);
    if (element === at) at = at.nextSibling;
    else parent.insertBefore(element, at);
  });
}

/** @param {Node_} node @param {Element} parent @returns {Element | Text} */
function create(node, parent) {
  if (node.tag === "") return (node.element = document.createTextNode(node.text));
  const space = node.tag === "svg" ? SVG : parent.namespaceURI;
  const element = document.createElementNS(space, node.tag);
  node.element = element;
  patchChildren(element, [], node.children); // first: a select's value needs its options
  setProps(element, {}, node.props);
  return element;
}

/** @param {Node_} old @param {Node_} next @returns {Element | Text} */
function patch(old, next) {
  const element = /** @type {Element | Text} */ (old.element);
  if (old === next) return element;
  next.element = element;
  if (element instanceof Element) {
    patchChildren(element, old.children, next.children);
    setProps(element, old.props, next.props);
  } else if (old.text !== next.text) {
    element.data = next.text;
  }
  return element;
}

/** @param {Element} element @param {Props} old @param {Props} next */
function setProps(element, old, next) {
  for (const name in old) if (!(name in next)) setProp(element, name, old[name], undefined);
  for (const name in next) {
    if (PROPERTIES.has(name) || next[name] !== old[name]) setProp(element, name, old[name], next[name]);
  }
  const { drawn } = next;
  if (drawn) afterwards.push(() => drawn(element));
}

/** @param {any} element @param {string} name @param {any} old @param {any} value */
function setProp(element, name, old, value) {
  if (name === "drawn") return;
  if (name === "focus") {
    if (value && !old) afterwards.push(() => element.focus({ preventScroll: true }));
  } else if (name.startsWith("on")) {
    element[name] = value ?? null;
  } else if (name === "style") {
    for (const property in old) if (!(value && property in value)) element.style.removeProperty(property);
    for (const property in value) {
      if (value[property] !== old?.[property]) element.style.setProperty(property, String(value[property]));
    }
  } else if (PROPERTIES.has(name)) {
    if (value !== undefined && element[name] !== value) element[name] = value;
  } else if (value === undefined || value === null || value === false) {
    element.removeAttribute(name);
  } else {
    element.setAttribute(name, value === true ? "" : String(value));
  }
}
