// Elements, and numbers as text. Text enters the page as text nodes and attributes only, so nothing in a label or a spec is ever markup.

const byId = (id) => document.getElementById(id);

/** An element; attributes that start with `on` are listeners, `false` and `null` ones are left out. */
function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}
const el = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

/** 1234567 -> 1,234,567 */
const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ",");
const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** Three digits, short: 0.00316, 1e-5, inf. */
function short(x, digits = 3) {
  if (Number.isNaN(x)) return "NaN";
  if (!Number.isFinite(x)) return x > 0 ? "inf" : "-inf";
  if (x === 0) return "0";
  const size = Math.abs(x);
  if (size >= 1e-3 && size < 1e5) return Number.isInteger(x) ? String(x) : String(Number(x.toPrecision(digits)));
  return x.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e");
}

/** 0.4444 -> 44%; the ends only where they are exact. */
function percent(share) {
  if (share > 0 && share < 0.01) return "<1%";
  if (share < 1 && share > 0.99) return ">99%";
  return `${Math.round(100 * share)}%`;
}
const rateText = (share) => (share === 0 || share === 1 ? String(share) : share.toFixed(2).replace(/^0/, ""));

/** An end of an interval: more digits where it is near 0 or 1. */
const bound = (share) => (share === 0 || share === 1 ? String(share) : share.toFixed(share < 0.01 || share > 0.99 ? 4 : 2));

/** The way to an element from the nearest one with an id: numbers of children. */
function wayTo(node) {
  const way = [];
  for (let at = node; at && at !== document.body; at = at.parentNode) {
    if (at.id) return [at.id, way];
    way.unshift([...at.parentNode.children].indexOf(at));
  }
  return ["", way];
}
const atWay = ([id, way]) => way.reduce((node, i) => node?.children[i] ?? null, id ? byId(id) : document.body);

/** How wide the hosts of pictures are, measured before anything is drawn: to ask in between would lay the page out each time. */
const rooms = new Map();
function measureRooms() {
  for (const id of ["phase-panels", "boundary-figure", "parallel-figure", "survival-figure", "edges-body"]) rooms.set(id, byId(id).clientWidth);
}

/** Draws, and gives the focus to what stands where it was if that was drawn anew. */
function keepingFocus(draw) {
  const held = document.activeElement;
  const way = wayTo(held);
  draw();
  if (held !== document.body && document.activeElement === document.body) atWay(way)?.focus({ preventScroll: true });
}

/** A labelled `select` of [value, text] pairs, or of groups {group, options}. */
function picker(label, options, value, change) {
  const option = ([key, text]) => el("option", { value: key, selected: String(key) === String(value) }, text);
  const nodes = options.map((o) => (o.group ? el("optgroup", { label: o.group }, o.options.map(option)) : option(o)));
  const select = el("select", { onchange: (event) => change(event.target.value), "data-picker": label }, nodes);
  return el("label", { class: "picker" }, el("span", {}, label), select);
}

/** The one tooltip of the page, beside a place on the screen. */
const tip = {
  show(x, y, ...children) {
    const box = byId("tip");
    box.replaceChildren(...children);
    box.hidden = false;
    const { width, height } = box.getBoundingClientRect();
    const right = x + 14 + width > document.documentElement.clientWidth - 4;
    box.style.left = `${Math.max(4, right ? x - width - 14 : x + 14)}px`;
    box.style.top = `${Math.max(4, y + 14 + height > innerHeight ? y - height - 14 : y + 14)}px`;
  },
  hide() {
    byId("tip").hidden = true;
  },
};
