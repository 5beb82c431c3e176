// Survival curves: the share of trials that have not diverged (solid) and are still finite (dashed), by the levels of an axis.

const MOST_GROUPS = 12;

function drawSurvivalPickers() {
  const options = [["", "all together"], ...data.axes.map((axis) => [axis.name, axis.name])];
  byId("survival-pickers").replaceChildren(
    picker("by", options, state.by, (value) => { state.by = value; update(); }),
    el("label", { class: "check" }, el("input", { type: "checkbox", checked: state.logEpochs, onchange: (event) => { state.logEpochs = event.target.checked; update(); } }), "log scale of epochs"));
}

/** The rows by the level of an axis (or a stretch of levels), those that have rows. */
function groupsBy(axis, rows) {
  if (axis === null) return [{ label: "all trials", rows }];
  const parts = bins(axis, MOST_GROUPS);
  const partOf = axis.levels.map((_, code) => parts.findIndex((part) => code <= part.to));
  const members = parts.map(() => []);
  for (const row of rows) members[partOf[axis.codes[row]]].push(row);
  return members.map((group, i) => ({ label: parts[i].label, rows: group })).filter((group) => group.rows.length > 0);
}

function drawSurvival(rows) {
  const axis = axisNamed(state.by);
  const all = groupsBy(axis, rows);
  const groups = all.slice(0, MOST_GROUPS);
  const colours = lineColours(groups.length, axis?.numeric ?? false);
  const curves = groups.map((group, i) => ({
    ...group,
    colour: colours[i],
    diverged: survival(group.rows, data.diverged),
    nonfinite: survival(group.rows, data.nonfinite),
  })).filter((group) => group.diverged.trials > 0);
  const host = byId("survival-figure");
  const end = Math.max(0, ...curves.map((curve) => Math.max(curve.diverged.end, curve.nonfinite.end)));
  if (curves.length === 0 || end === 0) {
    host.replaceChildren(el("p", { class: "hint" }, curves.length ? "No trial was trained: there are no epochs to survive." : "No trial with a verdict passes the filters."));
    return;
  }
  const width = Math.max(280, Math.min(host.clientWidth, 900));
  const low = state.logEpochs ? 0.8 : 0;
  const chart = frame({
    width, height: 300,
    x: { domain: [low, end], log: state.logEpochs, label: "epoch" },
    y: { domain: [0, 1], log: false, label: "share of trials" },
    label: `survival by ${axis?.name ?? "epoch"}`,
  });
  for (const curve of curves) for (const kind of ["nonfinite", "diverged"])
    chart.lines.append(svg("path", { class: `step ${kind}`, d: pathOf(steps(curve[kind], chart, low, end)), stroke: curve.colour, "data-group": curve.label }));
  addReader(chart, curves, low, end);
  host.replaceChildren(chart.root, survivalKey(axis, curves, all.length - groups.length));
}

function steps(curve, { toX, toY }, low, end) {
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
      el("td", {}, survivalAt(curve.diverged, epoch).toFixed(2)), el("td", {}, survivalAt(curve.nonfinite, epoch).toFixed(2))));
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

function survivalKey(axis, curves, left) {
  const rows = curves.map((curve) => {
    const [diverged, nonfinite] = [curve.diverged, curve.nonfinite].map((kind) => survivalAt(kind, Infinity));
    return el("tr", {}, el("td", {}, el("span", { class: "dot", style: `background:${curve.colour}` }), ` ${curve.label}`),
      el("td", {}, count(curve.diverged.trials)), el("td", {}, percent(diverged)), el("td", {}, percent(nonfinite)));
  });
  const head = [axis?.name ?? "", "trials", "never crossed", "stayed finite"].map((text) => el("th", { scope: "col" }, text));
  return el("div", {},
    el("div", { class: "scroll" }, el("table", { class: "key-table" }, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows))),
    el("p", { class: "hint" }, el("span", { class: "line-sample solid" }), " no step loss above the threshold so far ",
      el("span", { class: "line-sample dashed" }), " loss and gradients finite so far. Kaplan-Meier; trials that end are censored at their last epoch, lost ones left out.",
      left > 0 ? ` ${plural(left, "more level")} of ${axis.name} left out.` : ""));
}
