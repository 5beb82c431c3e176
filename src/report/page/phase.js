// The phase diagram: a metric over two axes, in panels by up to two more. Cells are drawn on canvas, so that 512 x 512 of them are no burden.

const FEW = 5;
const MOST_PANELS = 120;
let panels = [];

const metricNow = () => [...RATES, ...MEDIANS, ...SENSITIVITY].find((m) => m.name === state.metric);
const isRate = (metric) => metric.hits !== undefined;

function drawPickers() {
  const title = (axis) => [axis.name, axis.name];
  const all = [...causes.map(title)];
  const others = data.axes.filter((axis) => axis.follows || axis.repeats).map(title);
  if (others.length) all.push({ group: "columns that follow others", options: others });
  const none = [["", "none"], ...all];
  const set = (key) => (value) => { state[key] = value; drawPickers(); update(); };
  const metrics = [
    { group: "shares", options: RATES.map((m) => [m.name, m.title]) },
    { group: "medians", options: MEDIANS.map((m) => [m.name, m.title]) },
    ...(SENSITIVITY.length ? [{ group: "others", options: SENSITIVITY.map((m) => [m.name, m.title]) }] : []),
  ];
  byId("phase-pickers").replaceChildren(
    picker("x", none, state.x, set("x")),
    picker("y", none, state.y, set("y")),
    picker("columns", none, state.columns, set("columns")),
    picker("rows", none, state.rows, set("rows")),
    picker("metric", metrics, state.metric, set("metric")),
  );
  const hold = (axis) => (value) => { state.held.set(axis.name, value === "all" ? null : Number(value)); drawPickers(); update(); };
  const levels = (axis) => [["all", "all, pooled"], ...axis.labels.map((label, code) => [code, label])];
  const rest = notShown();
  byId("held").replaceChildren(
    rest.length ? el("p", { class: "muted" }, "Not shown, and held at") : "",
    ...rest.map((axis) => picker(axis.name, levels(axis), heldAt(axis) ?? "all", hold(axis))),
  );
}

/** The levels of an axis that these rows have, and the place of each among them. */
function present(axis, rows) {
  if (axis === null) return { levels: [0], place: null };
  const seen = new Uint8Array(axis.levels.length);
  for (const row of rows) seen[axis.codes[row]] = 1;
  const levels = axis.levels.map((_, code) => code).filter((code) => seen[code]);
  const place = new Int32Array(axis.levels.length);
  levels.forEach((code, i) => (place[code] = i));
  return { levels, place };
}

/** Counts the rows of every cell. */
function phaseCells(rows) {
  const axes = [state.x, state.y, state.columns, state.rows].map(axisNamed);
  const dims = axes.map((axis) => present(axis, rows));
  const size = dims.map((dim) => dim.levels.length);
  const cellOf = new Uint32Array(rows.length);
  const counts = new Uint32Array(size.reduce((a, b) => a * b, 1) * VERDICTS);
  for (let i = 0; i < rows.length; i++) {
    let cell = 0;
    for (let d = 3; d >= 0; d--) cell = cell * size[d] + (axes[d] ? dims[d].place[axes[d].codes[rows[i]]] : 0);
    cellOf[i] = cell;
    counts[cell * VERDICTS + data.verdict[rows[i]]]++;
  }
  return { axes, dims, size, cellOf, counts, rows };
}

/** Which cells are mixed: of their configurations some always end in what the rate counts, and others never do. */
function mixedCells(cells, metric) {
  const [hits, all] = [new Map(), new Map()];
  cells.rows.forEach((row, i) => {
    const verdict = data.verdict[row];
    if (verdict >= LOST) return;
    const key = cells.cellOf[i] * data.rows + data.configuration[row];
    all.set(key, (all.get(key) ?? 0) + 1);
    if (metric.counts(verdict)) hits.set(key, (hits.get(key) ?? 0) + 1);
  });
  const seen = new Uint8Array(cells.counts.length / VERDICTS);
  for (const [key, n] of all) {
    const k = hits.get(key) ?? 0;
    seen[Math.floor(key / data.rows)] |= (k === 0 ? 1 : 0) | (k === n ? 2 : 0);
  }
  return seen.map((ends) => (ends === 3 ? 1 : 0));
}

/** A value for every cell; NaN where there is none. */
function phaseValues(cells, rows, metric) {
  const n = cells.counts.length / VERDICTS;
  const values = new Float64Array(n).fill(NaN);
  if (isRate(metric)) {
    for (let cell = 0; cell < n; cell++) {
      const all = decided(cells.counts, cell * VERDICTS);
      if (all > 0) values[cell] = metric.hits(cells.counts, cell * VERDICTS) / all;
    }
    return values;
  }
  const members = grouped(rows, cells.cellOf, n);
  if (metric.axis) {
    for (let cell = 0; cell < n; cell++) values[cell] = sensitivity(metric, members(cell));
    return values;
  }
  for (let cell = 0; cell < n; cell++) {
    const counted = members(cell).filter((row) => data.verdict[row] < LOST && !(metric.zeroIsEmpty && metric.values[row] === 0));
    values[cell] = median(sortedValues(metric, counted)) ?? NaN;
  }
  return values;
}

/** From a value to a share of the ramp. */
function phaseScale(values, metric) {
  if (isRate(metric)) return { ramp: CELLS, share: (x) => x, low: 0, high: 1, log: false };
  const finite = values.filter(Number.isFinite).sort();
  const [low, high] = [finite[0] ?? 0, finite[finite.length - 1] ?? 1];
  const log = low > 0 && high / low > 100;
  const at = log ? Math.log : (x) => x;
  const span = at(high) - at(low) || 1;
  return { ramp: CELLS, share: (x) => (x === Infinity ? 1 : (at(x) - at(low)) / span), low, high, log };
}

function drawPhase(passed) {
  const metric = metricNow();
  const held = heldLevels();
  const rows = having(passed, held);
  const cells = phaseCells(rows);
  const pooled = pooledIn(cells, rows);
  const isPooled = causes.some((axis) => pooled.includes(axis.name));
  const mixed = isRate(metric) && isPooled ? mixedCells(cells, metric) : null;
  const values = phaseValues(cells, rows, metric);
  const scale = phaseScale(values, metric);
  const [, , nc, nr] = cells.size;
  const room = byId("phase-panels").clientWidth;
  // Panels keep their matrix while they are wide enough to be read.
  const across = Math.max(1, Math.min(nc, Math.floor((room + 16) / 176)));
  const host = byId("phase-panels");
  host.style.setProperty("--across", across);
  const width = Math.floor((room - 16 * (across - 1)) / across);
  panels = [];
  for (let r = 0; r < nr; r++) for (let c = 0; c < nc; c++) panels.push({ r, c });
  const left = Math.max(0, panels.length - MOST_PANELS);
  panels = panels.slice(0, MOST_PANELS);
  const ctxFont = `11px ${getComputedStyle(document.body).fontFamily}`;
  host.replaceChildren(...panels.map((panel) => buildPanel(panel, { cells, values, mixed, held, scale, metric, width, ctxFont })));
  if (left > 0) host.append(el("p", { class: "hint" }, `${plural(left, "more panel")} left out: choose other facets or filter.`));
  const none = passed.length === 0 ? "No trial passes the filters." : "No trial has all the values at which axes are held: choose others above.";
  if (rows.length === 0) host.replaceChildren(el("p", { class: "hint" }, none));
  drawLegend(metric, scale, cells, pooled, mixed);
}

/** What varies within the cells: causes that are neither an axis nor a facet, and seeds. */
function pooledIn(cells, rows) {
  const varies = (axis) => !cells.axes.includes(axis) && !axis.follows && rows.some((row) => axis.codes[row] !== axis.codes[rows[0]]);
  return data.axes.filter(varies).map((axis) => axis.name);
}

const mixedSample = ({ ramp }) => `linear-gradient(135deg, ${css(mix(ramp, 0))} 35%, ${css(mix(ramp, 0.5))} 35% 65%, ${css(mix(ramp, 1))} 65%)`;

function drawLegend(metric, scale, cells, pooled, mixed) {
  const stops = scale.ramp.join(", ");
  const middle = scale.log ? Math.sqrt(scale.low * scale.high) : (scale.low + scale.high) / 2;
  const ends = [scale.low, middle, scale.high].map((x) => el("span", {}, short(x, 2)));
  const facets = [["columns", cells.axes[2]], ["rows", cells.axes[3]]].filter(([, axis]) => axis).map(([name, axis]) => `${name}: ${axis.name}`);
  const n = cells.counts.length / VERDICTS;
  let [few, lost] = [false, false];
  for (let cell = 0; cell < n; cell++) {
    const verdicts = decided(cells.counts, cell * VERDICTS);
    few ||= verdicts > 0 && verdicts < FEW;
    lost ||= lostOf(cells.counts, cell * VERDICTS) > 0;
  }
  byId("phase-legend").replaceChildren(
    el("span", { class: "ramp" }, el("span", { class: "title" }, metric.title + (scale.log ? ", log scale" : "")),
      el("span", { class: "strip", style: `background:linear-gradient(to right in srgb, ${stops})` }), el("span", { class: "ends" }, ends)),
    facets.length ? el("span", { class: "key" }, facets.join(" · ")) : "",
    pooled.length ? el("span", { class: "key", id: "pooled" }, `pooled in a cell: ${pooled.join(", ")}`) : "",
    mixed?.includes(1) ? el("span", { class: "key", id: "mixed" }, el("span", { class: "sample", style: `background:${mixedSample(scale)}` }), "mixed: some configurations always, others never") : "",
    few ? el("span", { class: "key" }, el("span", { class: "sample few" }), `fewer than ${FEW} trials`) : "",
    lost ? el("span", { class: "key" }, el("span", { class: "sample lost-corner" }), "lost trials, not in the rate") : "",
  );
}
