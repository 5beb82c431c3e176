// The phase diagram: a metric over two axes, in panels by up to two more. Cells are drawn on canvas, so that 512 x 512 of them are no burden.

const FEW = 5;
const MOST_PANELS = 120;
let panels = [];


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
  const held = heldLevels(notShown());
  const rows = having(passed, held);
  const cells = phaseCells(rows);
  const pooled = pooledIn(cells, rows);
  const isPooled = causes.some((axis) => pooled.includes(axis.name));
  const mixed = isRate(metric) && isPooled ? mixedCells(cells, metric) : null;
  const values = phaseValues(cells, rows, metric);
  const scale = phaseScale(values, metric);
  const [, , nc, nr] = cells.size;
  const room = rooms.get("phase-panels");
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
  phaseFigure = panels.some((panel) => panel.canvas) ? phaseSheet(metric, scale, cells, pooled, mixed, across) : null;
}

/** What is drawn, for the files that are saved. */
let phaseFigure = null;

function phaseSheet(metric, scale, cells, pooled, mixed, across) {
  const [x, y, columns, rows] = cells.axes.map((axis) => axis?.name);
  const shown = panels.filter((panel) => panel.canvas);
  return {
    kind: metric.name === "failure_rate" ? "phase" : `phase-${metric.name}`,
    axes: [x, y, (columns || rows) && "by", columns, rows].filter((word) => word),
    title: `${metric.title} over ${[x, y].filter((name) => name).join(" and ") || "all trials"}`,
    about: [heldText(shown[0].held), pooled.length ? `Pooled in a cell: ${pooled.join(", ")}.` : null,
      mixed?.includes(1) ? "Cells with corners of both ends are mixed: some configurations always, others never." : null,
      `Smaller cells are of fewer than ${FEW} trials; a dark corner says that trials were lost.`],
    parts: shown.map((panel) => ({ title: described(panel.levels), width: panel.width, height: panel.height, paint: (context) => paintPanel(panel, context) })),
    across, ramp: { title: rampTitle(metric, scale), ends: rampEnds(scale), colours: scale.ramp }, rows: cells.rows,
  };
}

/** What varies within the cells: causes that are neither an axis nor a facet, and seeds. */
function pooledIn(cells, rows) {
  return data.axes.filter((axis) => !cells.axes.includes(axis) && !axis.follows && varies(axis, rows)).map((axis) => axis.name);
}

const mixedSample = ({ ramp }) => `linear-gradient(135deg, ${css(mix(ramp, 0))} 35%, ${css(mix(ramp, 0.5))} 35% 65%, ${css(mix(ramp, 1))} 65%)`;

const rampTitle = (metric, scale) => metric.title + (scale.log ? ", log scale" : "");
function rampEnds({ low, high, log }) {
  return [low, log ? Math.sqrt(low * high) : (low + high) / 2, high].map((x) => short(x, 2));
}

/** A scale of colours with its title and the numbers below it. */
const rampKey = (colours, title, ends) => el("span", { class: "ramp" }, el("span", { class: "title" }, title),
  el("span", { class: "strip", style: `background:linear-gradient(to right in srgb, ${colours.join(", ")})` }), el("span", { class: "ends" }, ends.map((text) => el("span", {}, text))));

function drawLegend(metric, scale, cells, pooled, mixed) {
  const ends = rampEnds(scale);
  const facets = [["columns", cells.axes[2]], ["rows", cells.axes[3]]].filter(([, axis]) => axis).map(([name, axis]) => `${name}: ${axis.name}`);
  const n = cells.counts.length / VERDICTS;
  let [few, lost] = [false, false];
  for (let cell = 0; cell < n; cell++) {
    const verdicts = decided(cells.counts, cell * VERDICTS);
    few ||= verdicts > 0 && verdicts < FEW;
    lost ||= lostOf(cells.counts, cell * VERDICTS) > 0;
  }
  byId("phase-legend").replaceChildren(
    rampKey(scale.ramp, rampTitle(metric, scale), ends),
    facets.length ? el("span", { class: "key" }, facets.join(" · ")) : "",
    printed(heldText(heldLevels(notShown()))) ?? "",
    pooled.length ? el("span", { class: "key", id: "pooled" }, `pooled in a cell: ${pooled.join(", ")}`) : "",
    mixed?.includes(1) ? el("span", { class: "key", id: "mixed" }, el("span", { class: "sample", style: `background:${mixedSample(scale)}` }), "mixed: some configurations always, others never") : "",
    few ? el("span", { class: "key" }, el("span", { class: "sample few" }), `fewer than ${FEW} trials`) : "",
    lost ? el("span", { class: "key" }, el("span", { class: "sample lost-corner" }), "lost trials, not in the rate") : "",
  );
}
