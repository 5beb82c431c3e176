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
const MEDIANS = [...EPOCHS, ...data.measures.map((measure) => ({ ...measure, title: `${measure.name} (median)` }))];

/** How much the learning rate matters, if there is one and the losses are on the page. */
const SENSITIVITY = (() => {
  const axis = axisNamed("lr");
  const [initial, last] = ["loss_initial", "loss_final"].map((name) => data.measures.find((measure) => measure.name === name));
  return axis && initial && last ? [{ name: "lr_sensitivity", title: "learning-rate sensitivity", axis, initial, last }] : [];
})();

/** What the program chose, as it does for `blowup plot`. */
function defaults() {
  const few = causes.find((axis) => axis.levels.length <= 8);
  return { ...data.start, metric: "failure_rate", by: data.start.columns || (few?.name ?? "") };
}

const state = {
  ...defaults(),
  logEpochs: Math.max(0, ...new Set(data.budget)) > 20,
  /** By the name of an axis: the levels that are left out. */
  hidden: new Map(),
  /** By the name of an axis that the diagram does not show: the level at which the reader holds it, or null where it is pooled. */
  held: new Map(),
  /** The levels [axis, from, to] that the trials in the list share; null for no list. */
  chosen: null,
};

function readAddress() {
  const known = (name) => name === "" || axisNamed(name) !== null;
  for (const [key, value] of new URLSearchParams(location.hash.slice(1))) {
    if (["x", "y", "columns", "rows", "by"].includes(key) && known(value)) state[key] = value;
    if (key === "metric" && [...RATES, ...MEDIANS].some((metric) => metric.name === value)) state.metric = value;
    const axis = axisNamed(key.replace(/^(not|at)\./, ""));
    if (axis && key.startsWith("not.")) {
      const codes = value.split(".").map(Number).filter((code) => code < axis.levels.length);
      state.hidden.set(axis.name, new Set(codes));
    }
    if (axis && key.startsWith("at.")) {
      const code = value === "all" ? null : Number(value);
      if (code === null || code in axis.levels) state.held.set(axis.name, code);
    }
  }
}

function writeAddress() {
  const written = new URLSearchParams();
  const usual = defaults();
  for (const key of Object.keys(usual)) if (state[key] !== usual[key]) written.set(key, state[key]);
  for (const [name, codes] of state.hidden) if (codes.size > 0) written.set(`not.${name}`, [...codes].join("."));
  for (const [name, code] of state.held) written.set(`at.${name}`, code ?? "all");
  // An address without choices stays free for the links to sections.
  const text = written.toString();
  if (text || location.hash.includes("=")) history.replaceState(null, "", text ? `#${text}` : location.pathname);
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
const having = (rows, levels) => Array.from(rows).filter((row) => levels.every(([axis, from, to, isHeld]) =>
  (axis.codes[row] >= from && axis.codes[row] <= (to ?? from)) || (isHeld && axis.levels[axis.codes[row]] === "")));

/** The causes that a diagram of these axes does not show. */
const notShown = () => causes.filter((axis) => ![state.x, state.y, state.columns, state.rows].includes(axis.name) && axis !== metricNow().axis);

/** The level at which an axis is held: the reader's, or the usual one, or the first that the filters let through. Null if it is pooled. */
function heldAt(axis) {
  if (state.held.has(axis.name)) return state.held.get(axis.name);
  const hidden = state.hidden.get(axis.name) ?? new Set();
  if (!hidden.has(axis.usual)) return axis.usual;
  const first = axis.levels.findIndex((_, code) => !hidden.has(code));
  return first < 0 ? axis.usual : first;
}

/** What the diagram holds, as levels. */
const heldLevels = () => notShown().map((axis) => [axis, heldAt(axis)]).filter(([, code]) => code !== null).map(([axis, code]) => [axis, code, code, true]);
