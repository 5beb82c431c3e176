// The trials that were chosen, in a cell or a configuration: their curves, and a row for each.

const MOST_LINES = 60;

/** Shows the trials that have these levels. */
function choose(levels) {
  state.chosen = levels;
  drawTrials(filtered());
  byId("trials").scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  byId("trials-title").focus({ preventScroll: true });
}

function drawTrials(rows) {
  const host = byId("trials");
  host.hidden = state.chosen === null;
  if (host.hidden) return;
  const chosen = having(rows, state.chosen);
  const close = () => { state.chosen = null; host.hidden = true; byId("phase-title").scrollIntoView({ block: "nearest" }); };
  const curves = drawCurves(chosen);
  const table = trialTable(new Set(state.chosen.filter(([, from, to]) => (to ?? from) === from).map(([axis]) => axis)), curves.highlight);
  host.replaceChildren(
    el("div", { class: "title-row" },
      el("h2", { id: "trials-title", tabindex: "-1" }, `${plural(chosen.length, "trial")}: ${described(state.chosen) || "all"}`),
      el("button", { type: "button", class: "quiet", onclick: close }, "Close")),
    outcomeList(tally(chosen)), curves.root, table.root,
    el("p", { class: "hint" }, "blowup replay RUN_DIR TRIAL trains one of them again and shows where it broke."));
  table.set(chosen);
  curves.draw();
}

function trialTable(fixed, hover) {
  const own = data.axes.filter((axis) => axis.repeats || (!axis.follows && !fixed.has(axis)));
  const self = (row) => row;
  const epochs = (title, values) => ({ title, numeric: true, key: (row) => values[row] || null, cell: (row) => values[row] || "" });
  const measure = (found) => ({
    title: found.name, numeric: true,
    key: (row) => (isEmpty(found.empty, row) ? null : found.values[row]),
    cell: (row) => (isEmpty(found.empty, row) ? "" : short(found.values[row], 4)),
  });
  const verdict = (row) => data.verdicts[data.verdict[row]];
  const columns = [
    { title: "trial", key: trialName, cell: (row) => el("code", { tabindex: "0" }, trialName(row)) },
    ...own.map((axis) => axisColumn(axis, self)),
    { title: "outcome", key: verdict, cell: (row) => [el("span", { class: `dot ${verdict(row)}` }), data.verdict[row] < LOST ? ` ${verdict(row)}` : ` lost: ${verdict(row)}`] },
    epochs("epoch diverged", data.diverged),
    epochs("epoch non-finite", data.nonfinite),
    ...data.measures.map(measure),
  ];
  const words = (row) => `${trialName(row)} ${verdict(row)} ${own.map((axis) => `${axis.name}=${axis.levels[axis.codes[row]]}`).join(" ")}`.toLowerCase();
  return makeTable({ columns, words, placeholder: "Words to find, as in: nonfinite seed=2", rowName: "trial", hover });
}

/** Loss and gradient norm by epoch of those of these trials that have curves in the page. */
function drawCurves(chosen) {
  const all = data.curves;
  if (!all) return { root: el("p", { class: "hint" }, "No curves: epochs.csv was not recorded. [record] epochs = true in the spec records it."), highlight: null, draw() {} };
  const at = curvesOf();
  const there = chosen.filter((row) => at.has(row));
  const lines = Math.min(there.length, MOST_LINES);
  const drawn = Array.from({ length: lines }, (_, i) => there[Math.floor((i * there.length) / lines)]);
  const root = el("div", { class: "curves" });
  const note = [`${count(drawn.length)} of ${plural(chosen.length, "trial")} drawn`];
  if (there.length > drawn.length) note.push(`${count(there.length - drawn.length)} left out to stay readable, evenly`);
  if (there.length < chosen.length) note.push(`${count(chosen.length - there.length)} whose curves are only in epochs.csv, not in this page`);
  if (all.thinned) note.push("long curves are thinned: every k-th epoch, the first crossing and the last one");
  note.push("a dot marks where a curve stops being finite");
  const draw = () => {
    const width = Math.max(280, Math.min(560, Math.floor(root.clientWidth / (root.clientWidth > 620 ? 2 : 1)) - 8));
    root.replaceChildren(...(drawn.length ? [["loss", all.loss], ["largest gradient norm", all.gradient]].map(([title, values]) => curveChart(title, values, drawn, at, width)) : []),
      el("p", { class: "hint" }, `${note.join("; ")}.`));
  };
  const highlight = (row) => {
    root.querySelectorAll(".curve").forEach((path) => path.classList.toggle("lit", row !== null && path.dataset.row === String(row)));
    root.classList.toggle("dimmed", row !== null && at.has(row));
  };
  return { root, highlight, draw };
}

let curveIndex = null;
const curvesOf = () => (curveIndex ??= new Map(Array.from(data.curves.rows, (row, i) => [row, i])));

function curveChart(title, values, drawn, at, width) {
  const { starts, epoch } = data.curves;
  let [low, high, end] = [Infinity, -Infinity, 1];
  const each = (row, visit) => { const i = at.get(row); for (let k = starts[i]; k < starts[i + 1]; k++) visit(epoch[k], values[k]); };
  for (const row of drawn) each(row, (e, x) => {
    end = Math.max(end, e);
    if (x > 0 && Number.isFinite(x)) [low, high] = [Math.min(low, x), Math.max(high, x)];
  });
  if (high < low) [low, high] = [0.1, 1];
  if (high / low < 10) [low, high] = [low / 2, high * 2];
  const chart = frame({ width, height: 230, x: { domain: [0, end], label: "epoch" }, y: { domain: [low, high], log: true, label: title }, label: `${title} by epoch` });
  for (const row of drawn) {
    const points = [];
    let broken = null;
    each(row, (e, x) => {
      const inside = x > 0 && Number.isFinite(x);
      if (inside) points.push([chart.toX(e), chart.toY(x)]);
      else if (points.length && points[points.length - 1] !== null) {
        if (!Number.isFinite(x)) broken ??= points[points.length - 1];
        points.push(null);
      }
    });
    const name = data.verdicts[data.verdict[row]];
    chart.lines.append(svg("path", { class: `curve stroke-${name}`, d: pathOf(points), "data-row": row }, svg("title", {}, `${trialName(row)}, ${name}`)));
    if (broken) chart.lines.append(svg("circle", { class: `curve end stroke-${name}`, cx: broken[0], cy: broken[1], r: 3, "data-row": row }));
  }
  return chart.root;
}
