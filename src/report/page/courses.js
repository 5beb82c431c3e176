// Loss and gradient norm of single trials, by epoch.

const MOST_LINES = 60;

/**
 * The curves of those of these trials that have some in the page. `look(row)`: the attributes of its line; `name(row)`: what its tooltip
 * begins with; `figure()`: what the file of the picture says of it.
 */
function drawCurves(chosen, { look, name, figure }) {
  const all = data.curves;
  if (!all) return { root: el("p", { class: "hint" }, "No curves: epochs.csv was not recorded. [record] epochs = true in the spec records it."), highlight: null, saver: null, draw() {} };
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
  let parts = [];
  const draw = () => {
    const width = Math.max(280, Math.min(560, Math.floor(root.clientWidth / (root.clientWidth > 620 ? 2 : 1)) - 8));
    const kinds = drawn.length ? [["loss", all.loss], ["largest gradient norm", all.gradient]] : [];
    parts = kinds.map(([title, values]) => ({ node: curveChart(title, values, drawn, at, width, look, name), width, height: 230 }));
    root.replaceChildren(...parts.map((part) => part.node), el("p", { class: "hint" }, `${note.join("; ")}.`));
  };
  const highlight = (row) => {
    root.querySelectorAll(".curve").forEach((path) => path.classList.toggle("lit", row !== null && path.dataset.row === String(row)));
    root.classList.toggle("dimmed", row !== null && at.has(row));
  };
  const described = () => { const now = figure(); return { ...now, about: [...now.about, `${note.join("; ")}.`], parts, across: 2, rows: chosen }; };
  return { root, highlight, draw, saver: drawn.length ? saver(described, draw) : null };
}

let curveIndex = null;
const curvesOf = () => (curveIndex ??= new Map(Array.from(data.curves.rows, (row, i) => [row, i])));

function curveChart(title, values, drawn, at, width, look, nameOf) {
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
    const { class: kind, ...rest } = look(row);
    const name = `${nameOf(row)}${trialName(row)}, ${data.verdicts[data.verdict[row]]}`;
    chart.lines.append(svg("path", { class: `curve ${kind}`, ...rest, d: pathOf(points), "data-row": row }, svg("title", {}, name)));
    if (broken) chart.lines.append(svg("circle", { class: `curve end ${kind}`, ...rest, cx: broken[0], cy: broken[1], r: 3, "data-row": row }));
  }
  return chart.root;
}
