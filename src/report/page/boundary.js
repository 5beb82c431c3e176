// The boundary: the value of an axis at which half of the trials fail, against a second axis, with a line for each value of a third.

function drawBoundaryPickers() {
  const name = (axis) => [axis.name, axis.name];
  const set = (key) => (value) => { state[key] = value; drawBoundaryPickers(); update(); };
  const but = (...taken) => causes.filter((axis) => !taken.includes(axis.name));
  const hold = (axis) => (value) => { state.held.set(axis.name, value === "all" ? null : Number(value)); drawPickers(); drawBoundaryPickers(); update(); };
  const rest = boundaryRest();
  byId("boundary-pickers").replaceChildren(
    picker("over", OVERS.map(name), state.over, set("over")),
    picker("against", [["", "none"], ...but(state.over, state.line).filter((axis) => axis.numeric).map(name)], state.against, set("against")),
    picker("line", [["", "none"], ...but(state.over, state.against).map(name)], state.line, set("line")),
    picker("event", BOUNDARY_RATES.map((rate) => [rate.name, rate.title]), state.event, set("event")),
    ...rest.map((axis) => picker(`${axis.name} held at`, [["all", "all, pooled"], ...axis.labels.map((label, code) => [code, label])], heldAt(axis) ?? "all", hold(axis))));
}

const boundaryRest = () => causes.filter((axis) => ![state.over, state.against, state.line].includes(axis.name));

/** What is drawn, for the files that are saved. */
let boundaryFigure = null;

function drawBoundary(passed) {
  const host = byId("boundary-figure");
  boundaryFigure = null;
  const over = axisNamed(state.over);
  byId("boundary-pickers").hidden = over === null;
  if (over === null) { host.replaceChildren(el("p", { class: "hint" }, "No axis of this grid has three numbers, so no boundary lies along one.")); return; }
  const [against, line, rate] = [axisNamed(state.against), axisNamed(state.line), BOUNDARY_RATES.find((one) => one.name === state.event)];
  const held = heldLevels(boundaryRest());
  const rows = having(passed, held);
  const levels = drawnLevels(line, rows);
  const colours = lineColours(levels.groups.length, line?.numeric ?? false);
  const lines = levels.groups.map((group, i) => ({ label: group.label, code: group.code, colour: colours[i], marks: boundaryMarks(group.rows, over, against, rate) }))
    .filter((found) => found.marks.length > 0);
  if (lines.length === 0) { host.replaceChildren(levelChooser(line, levels, []), el("p", { class: "hint" }, "No trial with a verdict has these values.")); return; }
  nameEqualMarks(lines);
  const chooser = levelChooser(line, levels, lines);
  const values = [...new Set(Array.from(rows, (row) => over.numbers[over.codes[row]]))];
  const width = Math.max(280, Math.min(rooms.get("boundary-figure"), 900));
  const drawing = { width, height: 320, over: over.name, against: against?.name ?? line?.name ?? "", values, lines, label: `boundary of ${rate.title} along ${over.name}` };
  const chart = boundaryChart(drawing, against !== null);
  const pooled = data.axes.filter((axis) => !axis.follows && ![over, against, line].includes(axis) && varies(axis, rows)).map((axis) => axis.name);
  const shaped = [heldText(held), pooled.length ? `Pooled: ${pooled.join(", ")}.` : null, drawnText(line, levels)];
  const words = [over.name, against?.name, line && "by", line?.name].filter((word) => word);
  host.replaceChildren(chart, chooser, boundaryTable(lines, over, against, line, words),
    el("p", { class: "hint" }, boundaryCaption(rate.name === "failure_rate" ? "fail" : "blow up"), pooled.length ? ` Pooled: ${pooled.join(", ")}.` : "", printed(heldText(held))));
  boundaryFigure = {
    kind: `boundary${rate.name === "failure_rate" ? "" : "-divergence"}`, axes: words,
    title: `Boundary: the ${over.name} at which half of the trials ${rate.name === "failure_rate" ? "fail" : "blow up"}${against ? `, against ${against.name}` : ""}${line ? `, by ${line.name}` : ""}`,
    about: [boundaryCaption(rate.name === "failure_rate" ? "fail" : "blow up"), ...shaped],
    parts: [{ node: chart, width, height: 320 }],
    legend: lines.map((found) => ({ text: `${found.label}${equalText(found)}`, colour: found.colour })),
    rows,
  };
}

/** What only a printed page says, where the fields that say it are left out. */
const printed = (text) => text && el("span", { class: "printed" }, ` ${text}`);
const heldText = (held) => (held.length ? `Held: ${described(held)}.` : null);

const boundaryCaption = (fail) => `Lines and dots: where half of the trials ${fail}. Upright strokes: from the largest value up to which none does to the smallest from which on all do. ` +
  "Crosses: re-entrant, the rate falls again above the dot. What stands at the lower or upper end lies beyond the grid.";

/** A crossing for each number of `against` that these rows have. */
function boundaryMarks(rows, over, against, rate) {
  const others = data.axes.filter((axis) => axis !== over && axis !== against && !axis.follows);
  const keyOf = keyOver(others);
  const groups = new Map();
  for (const row of rows) {
    const at = against ? against.numbers[against.codes[row]] : 0;
    if (!Number.isFinite(at)) continue;
    if (!groups.has(at)) groups.set(at, []);
    groups.get(at).push(row);
  }
  return [...groups].sort((a, b) => a[0] - b[0]).map(([at, members]) => ({ at, tried: triedValues(members, over, rate.counts) }))
    .filter(({ tried }) => tried.length > 0).map(({ at, tried }) => ({ at, ...crossingOf(tried, keyOf, rate.counts) }));
}

/** A line whose dots lie on those of an earlier one says which. */
function nameEqualMarks(lines) {
  const seen = new Map();
  for (const line of lines) {
    const course = line.marks.map(({ at, half }) => `${at} ${half}`).join();
    line.equal = seen.get(course) ?? null;
    if (line.equal === null) seen.set(course, line.label);
  }
}

/** A domain around numbers, logarithmic where they are above 0 and span more than a factor of 20. A zero before those stands at the lower end. */
function domainOf(values, room) {
  const finite = values.filter(Number.isFinite).sort((a, b) => a - b);
  const above = finite.filter((value) => value > 0);
  const log = above.length > 1 && finite[0] >= 0 && above[above.length - 1] / above[0] > 20;
  let [low, high] = log ? [above[0], above[above.length - 1]] : [finite[0] ?? 0, finite[finite.length - 1] ?? 1];
  if (low === high) [low, high] = [low - 1, high + 1];
  const [a, b] = log ? [Math.log(low), Math.log(high)] : [low, high];
  const [from, to] = [a - room * (b - a), b + room * (b - a)];
  return { domain: log ? [Math.exp(from), Math.exp(to)] : [from, to], log };
}

/** With ticks at the numbers that have marks, as far as their texts do not touch. */
function placedTicks(x, places, width) {
  const toX = scaleOf(x.domain, [0, width], x.log);
  const ticks = [];
  for (const at of [...new Set(places)].sort((a, b) => a - b)) if (ticks.length === 0 || toX(at) - toX(ticks[ticks.length - 1][0]) > 34) ticks.push([at, short(at)]);
  return { ...x, ticks };
}

/** `lines`: {label, colour, marks: {at, safe, half, dead, reentrant}}; without `isAlong` a mark stands at the place of its line. */
function boundaryChart({ width, height, over, against, values, lines, label }, isAlong) {
  const places = lines.flatMap((line) => line.marks.map((mark) => mark.at));
  const x = isAlong ? placedTicks(domainOf(places, 0.08), places, width) : { domain: [-0.5, lines.length - 0.5], log: false, ticks: lines.map((line, i) => [i, line.label]) };
  const y = domainOf(values, 0.06);
  const chart = frame({ width, height, x: { ...x, label: against }, y: { ...y, label: over }, label });
  const toY = (value) => chart.toY(Math.min(Math.max(value, y.domain[0]), y.domain[1]));
  lines.forEach((line, i) => {
    // The strokes of several lines stand side by side.
    const aside = isAlong ? Math.min(7, 60 / lines.length) * (i - (lines.length - 1) / 2) : 0;
    const toX = (mark) => (isAlong ? chart.toX(mark.at) : chart.toX(i)) + aside;
    const part = (tag, name, attributes, ...children) => chart.lines.append(svg(tag, { class: name, stroke: line.colour, "data-group": line.label, ...attributes }, ...children));
    for (const mark of line.marks) if (mark.safe < mark.dead) part("line", "stroke", { x1: toX(mark), x2: toX(mark), y1: toY(mark.safe), y2: toY(mark.dead) });
    const halves = line.marks.filter((mark) => mark.half !== null);
    if (isAlong) part("path", "half", { d: pathOf(halves.map((mark) => [toX(mark), toY(mark.half)])) });
    for (const mark of halves) {
      const title = svg("title", {}, `${line.label}${isAlong ? `, ${against} ${short(mark.at)}` : ""}: half at ${short(mark.half)}, safe up to ${short(mark.safe)}, dead from ${short(mark.dead)}${mark.reentrant ? ", re-entrant" : ""}`);
      const [cx, cy] = [toX(mark), toY(mark.half)];
      if (mark.reentrant) part("path", "cross", { d: `M${cx - 5} ${cy - 5}L${cx + 5} ${cy + 5}M${cx - 5} ${cy + 5}L${cx + 5} ${cy - 5}` }, title);
      else part("circle", "dot-mark", { cx, cy, r: 3, style: `fill:${line.colour}` }, title);
    }
  });
  return chart.root;
}

let areNumbersOpen = false;

/** The numbers of the picture, folded. */
function boundaryTable(lines, over, against, line, words) {
  const all = lines.flatMap((found) => found.marks.map((mark) => ({ ...mark, found })));
  const level = ({ found }) => (found.code === null ? "" : line.levels[found.code]);
  const number = (title, key) => ({ title, numeric: true, key: (i) => key(all[i]), cell: (i) => short(key(all[i]), 4) });
  const columns = [
    ...(line ? [{ title: line.name, key: (i) => level(all[i]), cell: (i) => all[i].found.label }] : []),
    ...(against ? [number(against.name, (mark) => mark.at)] : []),
    number("safe_up_to", (mark) => mark.safe), number("half", (mark) => mark.half), number("dead_from", (mark) => mark.dead),
    { title: "reentrant", key: (i) => String(all[i].reentrant), cell: (i) => (all[i].reentrant ? "re-entrant" : "") },
    number("trials", (mark) => mark.trials),
  ];
  const table = makeTable({ columns, rowName: "mark", kind: "boundary", file: () => words });
  table.set(all.map((_, i) => i));
  return el("details", { class: "numbers", open: areNumbersOpen, ontoggle: (event) => (areNumbersOpen = event.target.open) }, el("summary", {}, "Numbers"), table.root);
}
