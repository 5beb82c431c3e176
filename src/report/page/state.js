// What the reader has chosen, kept in the address after `#` so that a reload or a copied link shows the same.

const RATES = [
  { name: "failure_rate", title: "failure rate", unit: "failed", hits: failedOf, counts: (verdict) => data.failed[verdict] },
  { name: "divergence_rate", title: "divergence rate", unit: "blew up (diverged or non-finite)", hits: blownOf, counts: (verdict) => data.blown[verdict] },
  ...data.verdicts.slice(0, LOST).map((name, i) => ({
    name: `${name}_rate`,
    title: `share ${name}`,
    unit: `ended ${name}`,
    hits: (c, at = 0) => c[at + i],
    counts: (verdict) => verdict === i,
  })),
];
const EPOCHS = [
  { name: "epoch_diverged", title: "epoch diverged (median)", values: data.diverged, empty: null, zeroIsEmpty: true },
  { name: "epoch_nonfinite", title: "epoch non-finite (median)", values: data.nonfinite, empty: null, zeroIsEmpty: true },
];
/** The rates that grow from safe values to others, so that a boundary can be drawn. */
const BOUNDARY_RATES = RATES.slice(0, 2);
const MEDIANS = [...EPOCHS, ...data.measures.map((measure) => ({ ...measure, title: `${measure.name} (median)` }))];

/** How much the learning rate matters, if there is one and the losses are on the page. */
const SENSITIVITY = (() => {
  const axis = axisNamed("lr");
  const [initial, last] = ["loss_initial", "loss_final"].map((name) => data.measures.find((measure) => measure.name === name));
  return axis && initial && last ? [{ name: "lr_sensitivity", title: "learning-rate sensitivity", axis, initial, last }] : [];
})();

const metricNamed = (name) => [...RATES, ...MEDIANS, ...SENSITIVITY].find((metric) => metric.name === name);
const metricNow = () => metricNamed(state.metric);
const isRate = (metric) => metric.hits !== undefined;

/** The numeric causes of which three or more values are finite: along these a boundary can lie. */
const OVERS = causes.filter((axis) => axis.numeric && axis.numbers.filter(Number.isFinite).length >= 3);

/** What an earlier page of the same sweep chose, which stays. */
let pinned = {};

/** What the program chose, as it does for `blowup plot`. */
function defaults() {
  const few = causes.find((axis) => axis.levels.length <= 8);
  const ranked = data.influences.map((influence) => axisNamed(influence.axis)).filter((axis) => axis !== null);
  const first = (holds) => ranked.find(holds)?.name ?? "";
  const over = OVERS.find((axis) => axis.name === "lr")?.name ?? first((axis) => OVERS.includes(axis));
  const against = first((axis) => axis.numeric && axis.name !== over);
  const line = first((axis) => axis.name !== over && axis.name !== against);
  return { ...data.start, metric: "failure_rate", by: data.start.columns || (few?.name ?? ""), over, against, line, event: "failure_rate", ...pinned };
}

const state = {
  ...defaults(),
  logEpochs: Math.max(0, ...new Set(data.budget)) > 20,
  /** By the name of an axis: the levels that are left out. */
  hidden: new Map(),
  /** By the name of an axis that a picture does not show: the level at which the reader holds it, or null where it is pooled. */
  held: new Map(),
  /** By the name of an axis: the levels that the reader chose to have lines. */
  drawn: new Map(),
  /** The levels [axis, from, to, isHeld] that the trials in the list share; null for no list. */
  chosen: null,
  /** The two sets of trials that are compared, as levels each; null while there is none. */
  pair: [null, null],
};

// In an address a level is its text, which stays the same where later trials bring new levels.

const levelsToText = (levels) => JSON.stringify(levels.map(([axis, from, to, isHeld]) => [axis.name, axis.levels[from], axis.levels[to ?? from], isHeld ? 1 : 0]));

/** Null where an axis or a level is unknown. */
function levelsFromText(text) {
  try {
    const found = JSON.parse(text).map(([name, from, to, isHeld]) => {
      const axis = axisNamed(name);
      return [axis, axis.levels.indexOf(from), axis.levels.indexOf(to), isHeld === 1];
    });
    return found.every(([, from, to]) => from >= 0 && to >= 0) ? found : null;
  } catch {
    return null;
  }
}

function readAddress() {
  const known = (name) => name === "" || axisNamed(name) !== null;
  const kept = new Map();
  const put = (map, axis, code) => map.set(axis.name, (map.get(axis.name) ?? new Set()).add(code));
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    if (["x", "y", "columns", "rows", "by", "over", "against", "line"].includes(key) && known(value)) state[key] = value;
    if (key === "metric" && metricNamed(value)) state.metric = value;
    if (key === "event" && BOUNDARY_RATES.some((rate) => rate.name === value)) state.event = value;
    if (key === "trials") state.chosen = levelsFromText(value);
    if (key === "a" || key === "b") state.pair[key === "a" ? 0 : 1] = levelsFromText(value);
    if (key === "pool" && axisNamed(value)) state.held.set(value, null);
    const axis = axisNamed(key.slice(key.indexOf(".") + 1));
    const code = axis ? axis.levels.indexOf(value) : -1;
    if (code < 0) continue;
    if (key.startsWith("not.")) put(state.hidden, axis, code);
    if (key.startsWith("only.")) put(kept, axis, code);
    if (key.startsWith("at.")) state.held.set(axis.name, code);
    if (key.startsWith("line.")) put(state.drawn, axis, code);
  }
  for (const [name, codes] of kept) state.hidden.set(name, new Set(axisNamed(name).levels.map((_, code) => code).filter((code) => !codes.has(code))));
}

function writeAddress() {
  const written = new URLSearchParams();
  const usual = defaults();
  for (const key of Object.keys(usual)) if (state[key] !== usual[key]) written.set(key, state[key]);
  const append = (key, axis, codes) => codes.forEach((code) => written.append(`${key}.${axis.name}`, axis.levels[code]));
  for (const [name, hidden] of state.hidden) {
    const axis = axisNamed(name);
    const kept = axis.levels.map((_, code) => code).filter((code) => !hidden.has(code));
    if (kept.length > 0 && kept.length < hidden.size) append("only", axis, kept);
    else append("not", axis, [...hidden]);
  }
  for (const [name, code] of state.held) if (code === null) written.append("pool", name); else append("at", axisNamed(name), [code]);
  for (const [name, codes] of state.drawn) append("line", axisNamed(name), [...codes]);
  if (state.chosen) written.set("trials", levelsToText(state.chosen));
  state.pair.forEach((levels, i) => levels && written.set("ab"[i], levelsToText(levels)));
  // An address without choices stays free for the links to sections.
  const text = written.toString();
  if (text || location.hash.includes("=")) history.replaceState(history.state, "", text ? `#${text}` : location.pathname);
}

/** The rows that the filters let through. */
function filtered() {
  const tests = [...state.hidden].filter(([, codes]) => codes.size > 0).map(([name, hidden]) => {
    const { codes, levels } = axisNamed(name);
    return { codes, keep: levels.map((_, code) => !hidden.has(code)) };
  });
  const rows = new Uint32Array(data.rows);
  let n = 0;
  for (let row = 0; row < data.rows; row++) {
    let kept = true;
    for (const { codes, keep } of tests) kept &&= keep[codes[row]];
    if (kept) rows[n++] = row;
  }
  return rows.subarray(0, n);
}

/** The levels of an axis, adjacent ones joined where there are more than `most`. */
function bins(axis, most) {
  const values = axis.levels.filter((text) => text !== "").length;
  const joined = axis.numeric && axis.levels.length > most ? Math.ceil(values / most) : 1;
  const parts = [];
  for (let from = 0; from < values; from += joined) parts.push({ from, to: Math.min(from + joined, values) - 1 });
  if (values < axis.levels.length) parts.push({ from: values, to: values });
  return parts.map((part) => ({ ...part, label: span(axis, part.from, part.to) }));
}

/** `4`, `0.1 to 10` */
const span = (axis, from, to) => (from === to ? axis.labels[from] : `${axis.labels[from]} to ${axis.labels[to]}`);

/** `depth 4, lr 0.1 to 10` */
const described = (levels) => levels.map(([axis, from, to]) => `${axis.name} ${span(axis, from, to ?? from)}`).join(", ");

/** The rows that have levels. Those to which an axis does not apply have the level at which it is held, too. */
function having(rows, levels) {
  const tests = levels.map(([axis, from, to, isHeld]) => {
    const passes = axis.levels.map((text, code) => (code >= from && code <= (to ?? from)) || (isHeld && text === ""));
    return { codes: axis.codes, passes };
  });
  const found = new Uint32Array(rows.length);
  let n = 0;
  for (const row of rows) {
    let has = true;
    for (const { codes, passes } of tests) has &&= passes[codes[row]];
    if (has) found[n++] = row;
  }
  return found.subarray(0, n);
}

/** Whether these rows differ in an axis. */
const varies = (axis, rows) => rows.some((row) => axis.codes[row] !== axis.codes[rows[0]]);

/** A function that is equal for rows with the same levels of these axes. */
function keyOver(axes) {
  const size = axes.reduce((all, axis) => all * axis.levels.length, 1);
  if (size > Number.MAX_SAFE_INTEGER) return (row) => axes.map((axis) => axis.codes[row]).join();
  return (row) => { let key = 0; for (const axis of axes) key = key * axis.levels.length + axis.codes[row]; return key; };
}

/** The causes that the phase diagram does not show. */
const notShown = () => causes.filter((axis) => ![state.x, state.y, state.columns, state.rows].includes(axis.name) && axis !== metricNow().axis);

/** The level at which an axis is held: the reader's, or the usual one, or the first that the filters let through. Null if it is pooled. */
function heldAt(axis) {
  if (state.held.has(axis.name)) return state.held.get(axis.name);
  const hidden = state.hidden.get(axis.name) ?? new Set();
  if (!hidden.has(axis.usual)) return axis.usual;
  const first = axis.levels.findIndex((_, code) => !hidden.has(code));
  return first < 0 ? axis.usual : first;
}

/** What a picture that does not show these axes holds, as levels. */
const heldLevels = (axes) => axes.map((axis) => [axis, heldAt(axis)]).filter(([, code]) => code !== null).map(([axis, code]) => [axis, code, code, true]);
