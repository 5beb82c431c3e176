// One panel of the phase diagram: where its cells lie, how they are painted, and what pointer and keys do in it.

function panelLevels({ cells }, { r, c }) {
  const [, , columns, rowsAxis] = cells.axes;
  const levels = [];
  if (columns) levels.push([columns, cells.dims[2].levels[c]]);
  if (rowsAxis) levels.push([rowsAxis, cells.dims[3].levels[r]]);
  return levels;
}

function buildPanel(panel, figure) {
  const levels = panelLevels(figure, panel);
  const title = levels.length > 0 && el("figcaption", {}, levels.map(([axis, code]) => el("span", { title: axis.name }, axis.labels[code])));
  if (!hasTrials(panel, figure.cells)) return el("figure", { class: "panel" }, title, el("p", { class: "muted" }, "no trials"));
  const canvas = el("canvas", { tabindex: "0", role: "application", "aria-label": `phase diagram${levels.length ? `, ${described(levels)}` : ""}: arrow keys move, Enter lists the trials` });
  const mark = el("div", { class: "mark", hidden: true });
  Object.assign(panel, { ...figure, canvas, mark, levels, active: null });
  layoutPanel(panel);
  paintPanel(panel, canvas.getContext("2d"));
  canvas.addEventListener("pointermove", (event) => point(panel, cellAt(panel, event), event.clientX, event.clientY));
  canvas.addEventListener("pointerleave", () => { tip.hide(); mark.hidden = true; });
  canvas.addEventListener("click", (event) => { const at = cellAt(panel, event); if (at) chooseCell(panel, at); });
  canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && moveTo(panel, panel.active ?? [0, panel.ny - 1]));
  canvas.addEventListener("blur", () => { tip.hide(); mark.hidden = true; });
  canvas.addEventListener("keydown", (event) => onKey(panel, event));
  return el("figure", { class: "panel" }, title, el("div", { class: "canvas" }, canvas, mark));
}

function hasTrials({ r, c }, { size, counts }) {
  const cells = size[0] * size[1] * VERDICTS;
  const at = (c + size[2] * r) * cells;
  return counts.subarray(at, at + cells).some((n) => n > 0);
}

/** Where everything of a panel stands, in CSS pixels. */
function layoutPanel(panel) {
  const { cells, width, ctxFont } = panel;
  const [x, y] = cells.axes;
  const [nx, ny] = cells.size;
  const context = panel.canvas.getContext("2d");
  context.font = ctxFont;
  const texts = (axis, dim) => (axis ? cells.dims[dim].levels.map((code) => axis.labels[code]) : [""]);
  const [xs, ys] = [texts(x, 0), texts(y, 1)];
  const widest = (list) => Math.max(0, ...list.slice(0, 400).map((text) => context.measureText(text).width));
  const left = y ? Math.min(Math.ceil(widest(ys)) + 8, 0.4 * width) : 4;
  const top = y ? 16 : 2;
  const cw = Math.min((width - left - 2) / nx, 64);
  const ch = Math.max(Math.min(30, 480 / ny), 1);
  const bottom = x ? 34 : 4;
  const height = Math.ceil(top + ny * ch + bottom);
  Object.assign(panel, { nx, ny, xs, ys, left, top, cw, ch, height, widestX: widest(xs) });
  const density = devicePixelRatio || 1;
  Object.assign(panel.canvas, { width: Math.round(width * density), height: Math.round(height * density) });
  panel.canvas.style.cssText = `width:${width}px;height:${height}px`;
  panel.canvas.dataset.cells = JSON.stringify({ left, top, cw, ch, nx, ny });
  context.setTransform(density, 0, 0, density, 0, 0);
}

/** On whole pixels, so that cells of less than a few do not blur into each other. */
function boxOf({ left, top, cw, ch, ny }, i, j, gap) {
  const [x, y] = [Math.round(left + i * cw), Math.round(top + (ny - 1 - j) * ch)];
  return { x, y, w: Math.max(Math.round(left + (i + 1) * cw) - x - gap, 1), h: Math.max(Math.round(top + (ny - j) * ch) - y - gap, 1) };
}

const cellIndex = (panel, i, j) => i + panel.nx * (j + panel.ny * (panel.c + panel.cells.size[2] * panel.r));

/** Paints on a canvas, or into an SVG. */
function paintPanel(panel, context) {
  const { nx, ny, left, top, cw, ch, values, cells, scale } = panel;
  const [paper, ink, muted, line] = ["surface", "ink", "muted", "line"].map(themed);
  const rate = isRate(panel.metric);
  const gap = cw > 8 && ch > 8 ? 1 : 0;
  context.font = panel.ctxFont;
  for (let i = 0; i < nx; i++) for (let j = 0; j < ny; j++) {
    const at = cellIndex(panel, i, j);
    const n = decided(cells.counts, at * VERDICTS);
    const gone = lostOf(cells.counts, at * VERDICTS);
    if (n + gone === 0) continue;
    // The first level of y is at the bottom, as on every plot.
    const box = boxOf(panel, i, j, gap);
    if (Number.isNaN(values[at])) paintEmpty(context, box, line);
    else paintCell(context, box, mix(scale.ramp, scale.share(values[at])), n < FEW && gap, rate ? rateText(values[at]) : short(values[at], 2));
    if (panel.mixed?.[at]) paintMixed(context, box, scale.ramp);
    if (gone > 0) paintLost(context, box, ink, paper);
  }
  paintTicks(context, panel, ink, muted);
}

function paintCell(context, box, colour, few, text) {
  context.fillStyle = css(colour);
  const inset = few ? Math.min(3, box.w / 5, box.h / 5) : 0;
  context.fillRect(box.x + inset, box.y + inset, box.w - 2 * inset, box.h - 2 * inset);
  if (box.h < 15 || context.measureText(text).width > box.w - 4) return;
  context.fillStyle = inkOn(colour);
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, box.x + box.w / 2, box.y + box.h / 2 + 0.5);
}

/** Corners in the colours of 0 and 1: no configuration of the cell has the rate that it shows. */
function paintMixed(context, { x, y, w, h }, ramp) {
  const corner = (colour, points) => {
    context.fillStyle = css(colour);
    context.beginPath();
    points.forEach(([px, py], i) => (i ? context.lineTo(px, py) : context.moveTo(px, py)));
    context.fill();
  };
  corner(mix(ramp, 0), [[x, y], [x + 0.6 * w, y], [x, y + 0.6 * h]]);
  corner(mix(ramp, 1), [[x + w, y + h], [x + 0.4 * w, y + h], [x + w, y + 0.4 * h]]);
}

/** Trials, but nothing to show of them. */
function paintEmpty(context, box, line) {
  context.strokeStyle = line;
  context.lineWidth = 1;
  context.strokeRect(box.x + 0.5, box.y + 0.5, Math.max(box.w - 1, 0), Math.max(box.h - 1, 0));
}

/** A corner that is missing: trials of this cell were lost. */
function paintLost(context, box, ink, paper) {
  const side = Math.min(8, box.w, box.h);
  const triangle = (size) => {
    context.beginPath();
    context.moveTo(box.x + box.w, box.y);
    context.lineTo(box.x + box.w - size, box.y);
    context.lineTo(box.x + box.w, box.y + size);
    context.fill();
  };
  context.fillStyle = paper;
  triangle(side + 2);
  context.fillStyle = ink;
  triangle(side);
}

function paintTicks(context, panel, ink, muted) {
  const { nx, ny, xs, ys, left, top, cw, ch, cells, widestX, width } = panel;
  const [x, y] = cells.axes;
  context.fillStyle = ink;
  context.textBaseline = "middle";
  context.textAlign = "right";
  const everyY = Math.ceil(14 / ch);
  if (y) for (let j = 0; j < ny; j += everyY) context.fillText(ys[j], left - 5, top + (ny - 0.5 - j) * ch, left - 6);
  context.textAlign = "center";
  context.textBaseline = "top";
  const everyX = Math.max(1, Math.ceil((widestX + 6) / cw));
  const end = top + ny * ch;
  if (x) for (let i = 0; i < nx; i += everyX) {
    const half = context.measureText(xs[i]).width / 2;
    context.fillText(xs[i], Math.min(Math.max(left + (i + 0.5) * cw, half), width - half), end + 4);
  }
  context.fillStyle = muted;
  context.textAlign = "left";
  if (x) context.fillText(`${x.name} →`, left, end + 19);
  if (y) context.fillText(`↑ ${y.name}`, 0, 1);
}

function cellAt(panel, event) {
  const box = panel.canvas.getBoundingClientRect();
  const i = Math.floor((event.clientX - box.left - panel.left) / panel.cw);
  const j = panel.ny - 1 - Math.floor((event.clientY - box.top - panel.top) / panel.ch);
  return i >= 0 && j >= 0 && i < panel.nx && j < panel.ny ? [i, j] : null;
}

function onKey(panel, event) {
  const [i, j] = panel.active ?? [0, panel.ny - 1];
  const moves = { ArrowLeft: [i - 1, j], ArrowRight: [i + 1, j], ArrowUp: [i, j + 1], ArrowDown: [i, j - 1], Home: [0, j], End: [panel.nx - 1, j] };
  if (event.key === "Enter" || event.key === " ") chooseCell(panel, [i, j]);
  else if (event.key in moves) moveTo(panel, moves[event.key].map((k, d) => Math.min(Math.max(k, 0), (d ? panel.ny : panel.nx) - 1)));
  else return;
  event.preventDefault();
}

function moveTo(panel, at) {
  panel.active = at;
  const box = panel.canvas.getBoundingClientRect();
  point(panel, at, box.left + panel.left + (at[0] + 1) * panel.cw, box.top + panel.top + (panel.ny - at[1]) * panel.ch);
  byId("phase-status").textContent = byId("tip").innerText.replace(/\s*\n\s*/g, "; ");
}

const levelsOfCell = (panel, [i, j]) => {
  const [x, y] = panel.cells.axes;
  const levels = [...panel.levels, ...panel.held];
  if (y) levels.unshift([y, panel.cells.dims[1].levels[j]]);
  if (x) levels.unshift([x, panel.cells.dims[0].levels[i]]);
  return levels;
};

/** Outlines a cell and tells what it holds. */
function point(panel, at, clientX, clientY) {
  if (at === null) { tip.hide(); panel.mark.hidden = true; return; }
  panel.active = at;
  const { left, top, cw, ch, ny, mark, cells, metric, values } = panel;
  mark.hidden = false;
  mark.style.cssText = `left:${left + at[0] * cw}px;top:${top + (ny - 1 - at[1]) * ch}px;width:${cw}px;height:${ch}px`;
  const index = cellIndex(panel, ...at);
  const counts = cells.counts.subarray(index * VERDICTS, (index + 1) * VERDICTS);
  const n = decided(counts);
  const title = described(levelsOfCell(panel, at)) || "all trials";
  const lines = [];
  if (panel.mixed?.[index]) lines.push("mixed: some configurations always, others never");
  if (n > 0) {
    const rate = isRate(metric) ? metric : RATES[0];
    const hits = rate.hits(counts, 0);
    const members = [];
    cells.cellOf.forEach((cell, i) => { if (cell === index) members.push(cells.rows[i]); });
    const [low, high] = seedInterval(members, rate.counts);
    lines.push(`${count(hits)} of ${count(n)} ${rate.unit}: ${percent(hits / n)}`, `95% interval ${low.toFixed(3)} to ${high.toFixed(3)}`);
    if (!isRate(metric)) lines.unshift(`${metric.title}: ${Number.isNaN(values[index]) ? "none" : short(values[index], 4)}`);
  } else lines.push(sum(counts, 0, VERDICTS) > 0 ? "no trial with a verdict" : "no trial here");
  tip.show(clientX, clientY, el("strong", {}, title), ...lines.map((text) => el("div", {}, text)), outcomeList(counts));
}

function chooseCell(panel, at) {
  const index = cellIndex(panel, ...at) * VERDICTS;
  if (sum(panel.cells.counts, index, index + VERDICTS) > 0) choose(levelsOfCell(panel, at));
}
