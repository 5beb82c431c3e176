// Survival curves: the share of trials that have not crossed the threshold (solid, with its band) and are still finite (dashed), by the
// levels of an axis.

function drawSurvivalPickers() {
  const options = [["", "all together"], ...data.axes.map((axis) => [axis.name, axis.name])];
  byId("survival-pickers").replaceChildren(
    picker("by", options, state.by, (value) => { state.by = value; update(); }),
    el("label", { class: "check" }, el("input", { type: "checkbox", checked: state.logEpochs, onchange: (event) => { state.logEpochs = event.target.checked; update(); } }), "log scale of epochs"));
}

/** What is drawn, for the files that are saved. */
let survivalFigure = null;

function drawSurvival(rows) {
  const axis = axisNamed(state.by);
  const levels = drawnLevels(axis, rows);
  const colours = lineColours(levels.groups.length, axis?.numeric ?? false);
  const curves = levels.groups.map((group, i) => ({
    ...group,
    colour: colours[i],
    diverged: survival(group.rows, data.diverged),
    nonfinite: survival(group.rows, data.nonfinite),
  })).filter((group) => group.diverged.trials > 0);
  nameEqual(curves);
  const host = byId("survival-figure");
  const chooser = levelChooser(axis, levels, curves);
  const end = Math.max(0, ...curves.map((curve) => Math.max(curve.diverged.end, curve.nonfinite.end)));
  survivalFigure = null;
  if (curves.length === 0 || end === 0) {
    const none = levels.all.length > 0 ? "No value is chosen." : "No trial with a verdict passes the filters.";
    host.replaceChildren(chooser, el("p", { class: "hint" }, curves.length ? "No trial was trained: there are no epochs to survive." : none));
    return;
  }
  const width = Math.max(280, Math.min(rooms.get("survival-figure"), 900));
  const low = state.logEpochs ? 0.8 : 0;
  const chart = frame({
    width, height: 300,
    x: { domain: [low, end], log: state.logEpochs, label: "epoch" },
    y: { domain: [0, 1], log: false, label: "share of trials" },
    label: `survival by ${axis?.name ?? "epoch"}`,
  });
  // Equal bands on top of each other would look like a narrower one.
  const bands = new Set();
  for (const curve of curves) {
    const d = bandOf(curve.diverged, chart, low);
    if (!bands.has(d)) chart.lines.append(svg("path", { class: "band", d, style: `fill:${curve.colour}`, "data-group": curve.label }));
    bands.add(d);
  }
  for (const curve of curves) for (const kind of ["nonfinite", "diverged"])
    chart.lines.append(svg("path", { class: `step ${kind}`, d: pathOf(steps(curve[kind], chart, low)), stroke: curve.colour, "data-group": curve.label }));
  addReader(chart, curves, low, end);
  host.replaceChildren(chart.root, chooser, survivalKey(axis, curves));
  survivalFigure = {
    kind: "survival", axes: axis ? ["by", axis.name] : [],
    title: `Survival${axis ? ` by ${axis.name}` : ""}: solid, not yet above the threshold, with its 95% band; dashed, still finite`,
    about: [BAND_SOURCE, drawnText(axis, levels)],
    parts: [{ node: chart.root, width, height: 300 }],
    legend: curves.map((curve) => ({ text: legendText(curve), colour: curve.colour })),
    rows,
  };
}

const BAND_SOURCE = "Kaplan-Meier; lost trials are left out, others censored at their last epoch. Band: the 95% interval at each epoch, which goes by seeds.";

const drawnText = (axis, { all, codes }) => (axis && codes.length < all.length ? `${codes.length} of the ${all.length} values of ${axis.name} are drawn.` : null);

/** A curve that lies on an earlier one says which. */
function nameEqual(curves) {
  const seen = new Map();
  for (const curve of curves) {
    const course = `${courseOf(curve.diverged)}|${courseOf(curve.nonfinite)}|${curve.diverged.end}`;
    curve.equal = seen.get(course) ?? null;
    if (curve.equal === null) seen.set(course, curve.label);
  }
}
const legendText = (curve) => `${curve.label}${equalText(curve)}: ${percent(survivalAt(curve.diverged, Infinity).share)} of ${count(curve.diverged.trials)}`;

function steps(curve, { toX, toY }, low) {
  const points = [[toX(low), toY(1)]];
  let share = 1;
  for (const point of curve.points) {
    const x = toX(Math.max(point.epoch, low));
    points.push([x, toY(share)], [x, toY(point.share)]);
    share = point.share;
  }
  points.push([toX(Math.max(curve.end, low)), toY(share)]);
  return points;
}

/** The band of a curve, from the end of the first epoch, before which nothing is known. */
function bandOf(curve, { toX, toY }, low) {
  const [upper, lower] = [[], []];
  const points = curve.points[0]?.epoch > 1 || !curve.points.length ? [{ epoch: 1, ...curve.start }, ...curve.points] : curve.points;
  points.forEach((point, i) => {
    const next = points[i + 1] ?? { epoch: curve.end };
    for (const epoch of [point.epoch, next.epoch]) {
      upper.push([toX(Math.max(epoch, low)), toY(point.high)]);
      lower.unshift([toX(Math.max(epoch, low)), toY(point.low)]);
    }
  });
  return `${pathOf([...upper, ...lower])}Z`;
}

/** A vertical line that reads all curves at an epoch; follows the pointer, or the arrow keys. */
function addReader(chart, curves, low, end) {
  const { root, toX, margin } = chart;
  const line = svg("line", { class: "reader", y1: margin.top, y2: 300 - margin.bottom, visibility: "hidden" });
  root.append(line);
  root.setAttribute("tabindex", "0");
  let epoch = Math.max(1, Math.round(end / 2));
  const read = () => {
    const x = toX(Math.max(epoch, low));
    line.setAttribute("x1", x);
    line.setAttribute("x2", x);
    line.setAttribute("visibility", "visible");
    const box = root.getBoundingClientRect();
    const rows = curves.slice(0, 12).map((curve) => el("tr", {},
      el("td", {}, el("span", { class: "dot", style: `background:${curve.colour}` }), ` ${curve.label}`),
      el("td", {}, survivalAt(curve.diverged, epoch).share.toFixed(2)), el("td", {}, survivalAt(curve.nonfinite, epoch).share.toFixed(2))));
    const head = el("tr", {}, el("th", {}, `after epoch ${epoch}`), el("th", {}, "not diverged"), el("th", {}, "finite"));
    tip.show(box.left + x, box.top + 60, el("table", {}, head, rows), curves.length > 12 ? `and ${curves.length - 12} more` : "");
    root.setAttribute("aria-label", byId("tip").innerText.replace(/\s+/g, " "));
  };
  const stop = () => { line.setAttribute("visibility", "hidden"); tip.hide(); };
  root.addEventListener("pointermove", (event) => {
    epoch = Math.min(Math.max(Math.round(toX.invert(event.clientX - root.getBoundingClientRect().left)), 0), end);
    read();
  });
  root.addEventListener("pointerleave", stop);
  root.addEventListener("blur", stop);
  root.addEventListener("focus", () => root.matches(":focus-visible") && read());
  root.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
    if (!by) return;
    epoch = Math.min(Math.max(epoch + by, 0), end);
    read();
    event.preventDefault();
  });
}

/** `44% (40% to 48%)`. */
const shareText = ({ share, low, high }) => `${percent(share)} (${percent(low)} to ${percent(high)})`;

function survivalKey(axis, curves) {
  const ends = (curve) => [curve.diverged, curve.nonfinite].map((kind) => survivalAt(kind, Infinity));
  const rows = curves.map((curve) => el("tr", {},
    el("td", {}, el("span", { class: "dot", style: `background:${curve.colour}` }), ` ${curve.label}`, el("span", { class: "muted" }, equalText(curve))),
    el("td", {}, count(curve.diverged.trials)), ends(curve).map((end) => el("td", {}, shareText(end)))));
  const head = [axis?.name ?? "", "trials", "never crossed (95%)", "stayed finite (95%)"].map((text) => el("th", { scope: "col" }, text));
  const kinds = [["not_crossed", "diverged"], ["finite", "nonfinite"]];
  const lines = () => [
    [axis?.name ?? "axis", "trials", "event", "epoch", "at_risk", "events", "share", "low", "high"],
    ...curves.flatMap((curve) => kinds.flatMap(([name, kind]) => curve[kind].points.map((point) =>
      [curve.code === null ? "" : axis.levels[curve.code], curve[kind].trials, name, point.epoch, point.atRisk, point.events, point.share, point.low, point.high]))),
  ];
  return el("div", {},
    el("div", { class: "scroll" }, el("table", { class: "key-table" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows))),
    csvButton("survival", () => (axis ? ["by", axis.name] : []), lines),
    el("p", { class: "hint" }, el("span", { class: "line-sample solid" }), " no step loss above the threshold so far ",
      el("span", { class: "line-sample dashed" }), ` loss and gradients finite so far. ${BAND_SOURCE}`));
}
