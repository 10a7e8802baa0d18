// Elements as values: a view returns what should be there, `render` changes what is not.
// Text is only ever text: nothing here parses markup.
//
// What a person does to an element is theirs until the page wants something else: a field is only given a value when
// its description changes, an element is known again by its place however many others come and go around it, and a list
// of choices that may be open stays as it is.

/**
 * @typedef {object} Node_ Description of an element, or of text if `tag` is empty.
 * @property {string} tag
 * @property {string | number | undefined} key Tells children of one parent apart when they move.
 * @property {string} place Where it stands among what the view has returned: as the key does, if there is none.
 * @property {Props} props
 * @property {Node_[]} children
 * @property {string} text
 * @property {Element | Text | undefined} element What it has become.
 */
/** @typedef {Node_ | string | number | null | undefined | false | Child[]} Child */
/**
 * @typedef {Record<string, any>} Props Attributes; `on…`: handlers; `style`: an object of CSS properties; `focus: true`:
 * takes the focus when that is new, but never from a field; `drawn`: called with the element after each change.
 */

const SVG = "http://www.w3.org/2000/svg";
const HTML = "http://www.w3.org/1999/xhtml";
/** Where somebody types or chooses. */
export const FIELDS = "input, select, textarea";
/** Set as properties: as attributes they would only be defaults. */
const PROPERTIES = new Set(["value", "checked"]);

/** @param {string} tag @param {Props | null} [props] @param {Child[]} children @returns {Node_} */
export function h(tag, props, ...children) {
  const { key, ...rest } = props ?? {};
  return { tag, key, place: "", props: rest, children: collect(children), text: "", element: undefined };
}

/** @param {Child[]} children @param {Node_[]} into @param {string} place @returns {Node_[]} */
function collect(children, into = [], place = "") {
  children.forEach((child, index) => {
    if (child === null || child === undefined || child === false) return;
    const at = `${place}.${index}`;
    if (Array.isArray(child)) return void collect(child, into, at);
    const node =
      typeof child === "object"
        ? child
        : { tag: "", key: undefined, place: "", props: {}, children: [], text: String(child), element: undefined };
    node.place = node.key === undefined ? at : `=${node.key}`;
    into.push(node);
  });
  return into;
}

/** @type {WeakMap<Element, Node_[]>} */
const rendered = new WeakMap();
/** @type {(() => void)[]} */
let afterwards = [];

/** Makes `children` the only children of `parent`. @param {Element} parent @param {Child[]} children */
export function render(parent, ...children) {
  const next = collect(children);
  patchChildren(parent, rendered.get(parent) ?? [], next);
  rendered.set(parent, next);
  const calls = afterwards;
  afterwards = [];
  for (const call of calls) call();
}

/** @param {Node_} a @param {Node_ | undefined} b */
const isSame = (a, b) => a.place === b?.place && a.tag === b.tag;

/** @param {Element} parent @param {Node_[]} old @param {Node_[]} next */
function patchChildren(parent, old, next) {
  if (old === next) return;
  const same = old.length === next.length && next.every((node, index) => isSame(node, old[index]));
  if (same) {
    next.forEach((node, index) => patch(/** @type {Node_} */ (old[index]), node));
    return;
  }
  const known = new Map(old.map((node) => [node.place, node]));
  const stale = new Set(old);
  const matches = next.map((node) => {
    const match = known.get(node.place);
    return match?.tag === node.tag && stale.delete(match) ? match : undefined;
  });
  for (const node of stale) node.element?.remove();
  let at = parent.firstChild;
  next.forEach((node, index) => {
    const match = matches[index];
    const element = match ? patch(match, node) : create(node, parent);
    if (element === at) at = at.nextSibling;
    else if (match && "moveBefore" in parent) parent.moveBefore(element, at);
    else parent.insertBefore(element, at);
  });
}

/** @param {Node_} node @param {Element} parent @returns {Element | Text} */
function create(node, parent) {
  if (node.tag === "") return (node.element = document.createTextNode(node.text));
  const space = node.tag === "svg" ? SVG : parent.tagName === "foreignObject" ? HTML : parent.namespaceURI;
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
    if (mayBeOpen(element, old, next)) next.children = old.children;
    else patchChildren(element, old.children, next.children);
    setProps(element, old.props, next.props);
  } else if (old.text !== next.text) {
    element.data = next.text;
  }
  return element;
}

/**
 * A list of choices that somebody has in hand: new ones would close it, or move under the pointer. They come once it is
 * left, or when something is chosen.
 * @param {Element} element @param {Node_} old @param {Node_} next
 */
function mayBeOpen(element, old, next) {
  return element.tagName === "SELECT" && element === document.activeElement && old.props.value === next.props.value;
}

/** @param {Element} element @param {Props} old @param {Props} next */
function setProps(element, old, next) {
  for (const name in old) if (!(name in next)) setProp(element, name, old[name], undefined);
  for (const name in next) {
    // A browser chooses another option when those of a select come and go.
    const asserted = name === "value" && element.tagName === "SELECT" && element !== document.activeElement;
    if (asserted || next[name] !== old[name]) setProp(element, name, old[name], next[name]);
  }
  const { drawn } = next;
  if (drawn) afterwards.push(() => drawn(element));
}

/** @param {any} element @param {string} name @param {any} old @param {any} value */
function setProp(element, name, old, value) {
  if (name === "drawn") return;
  if (name === "focus") {
    if (value && !old)
      afterwards.push(() => document.activeElement?.matches(FIELDS) || element.focus({ preventScroll: true }));
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
