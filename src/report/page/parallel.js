// Parallel coordinates: a line for each configuration over the axes that vary, to its failure rate. Lines are painted on canvas, some in
// each frame, so that a hundred thousand trials do not hold the page up.

const LINES_A_FRAME = 300;
const PARALLEL = { top: 34, height: 260, bottom: 26, spread: 0.8, least: 92 };

/** The axes in the order of what they decide. */
const parallelAxes = () => {
  const ranked = data.influences.map((influence) => influence.axis);
  const place = (axis) => (ranked.includes(axis.name) ? ranked.indexOf(axis.name) : ranked.length);
  return [...causes].sort((a, b) => place(a) - place(b));
};

/** The colours from 0 to 1, without those that are too near to the ground to be seen as a thin line. */
const lineRamp = () => (isDark() ? CELLS.slice(1, 7) : CELLS.slice(3));

let parallelNow = null;

function drawParallel(rows) {
  const host = byId("parallel-figure");
  if (parallelNow) cancelAnimationFrame(parallelNow.frame);
  parallelNow = null;
  if (causes.length === 0) { host.replaceChildren(el("p", { class: "hint" }, "No axis of this grid varies.")); return; }
  const axes = parallelAxes();
  const width = Math.max(rooms.get("parallel-figure"), PARALLEL.least * (axes.length + 1));
  const canvas = el("canvas", { tabindex: "0", role: "application", "aria-label": "parallel coordinates: left and right choose an axis, up and down a value, Enter shows it alone, Shift and Enter leaves it out" });
  const under = el("canvas", { class: "under", "aria-hidden": "true" });
  const mark = el("div", { class: "mark", hidden: true });
  const drawing = { ...layoutParallel(axes, rows, width), canvas, mark, active: [0, 0], frame: 0 };
  parallelNow = drawing;
  const [lines, labels] = [under, canvas].map((one) => contextOf(one, width, drawing.height));
  paintAxes(labels, drawing);
  paintLines(lines, drawing, 0);
  listenParallel(drawing);
  canvas.dataset.geometry = JSON.stringify({ lines: drawing.lines.length, axes: drawing.places.map(({ axis, x, slot }) => ({ name: axis.name, x, slot })), top: PARALLEL.top, height: PARALLEL.height });
  host.replaceChildren(el("div", { class: "scroll plain" }, el("div", { class: "canvas wide" }, under, canvas, mark)),
    el("div", { class: "legend" }, rampKey(lineRamp(), "failure rate of the configuration", ["0", "0.5", "1"]), el("span", { class: "key" }, `${plural(drawing.lines.length, "configuration")}, a line each`)));
}

/** A canvas of this size in CSS pixels, made ready. */
function contextOf(canvas, width, height) {
  const density = devicePixelRatio || 1;
  Object.assign(canvas, { width: Math.round(width * density), height: Math.round(height * density) });
  canvas.style.cssText = `width:${width}px;height:${height}px`;
  const context = canvas.getContext("2d");
  context.setTransform(density, 0, 0, density, 0, 0);
  context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
  return context;
}

/** Where axes, values and lines stand. The lines at a value lie side by side in the order of their rates. */
function layoutParallel(axes, rows, width) {
  const { top, height, spread } = PARALLEL;
  const [left, right] = [60, 46];
  const found = tallyConfigurations(rows);
  const lines = found.ids.map((id) => ({ first: found.first(id), rate: found.rate(id), ys: [] })).filter((line) => line.rate !== null);
  lines.sort((a, b) => a.rate - b.rate);
  const across = (width - left - right) / axes.length;
  const within = (codeOf, n, middleOf, room) => {
    const [members, seen] = [new Uint32Array(n), new Uint32Array(n)];
    for (const line of lines) members[codeOf(line)]++;
    for (const line of lines) { const code = codeOf(line); line.ys.push(middleOf(line, code) - ((seen[code]++ + 0.5) / members[code] - 0.5) * room); }
  };
  const places = axes.map((axis, i) => {
    const slot = height / axis.levels.length;
    within((line) => axis.codes[line.first], axis.levels.length, (_, code) => top + height - (code + 0.5) * slot, spread * slot);
    return { axis, x: left + i * across, slot };
  });
  within((line) => (line.rate === 0 ? 0 : line.rate === 1 ? 2 : 1), 3, (line) => top + 8 + (height - 16) * (1 - line.rate), 0);
  return { lines, rows, places, end: width - right, width, height: top + height + PARALLEL.bottom };
}

/** The axes, a stroke for each value, and their texts on a ground of their own, since they lie on the lines. */
function paintAxes(context, { places, end }) {
  const { top, height, spread } = PARALLEL;
  const [ink, muted, line, ground] = ["ink", "muted", "line", "surface"].map(themed);
  const stroke = (x, from, to) => { context.beginPath(); context.moveTo(x, from); context.lineTo(x, to); context.stroke(); };
  const write = (text, x, y, colour) => {
    const width = Math.min(context.measureText(text).width, 54);
    Object.assign(context, { fillStyle: ground, globalAlpha: 0.85 });
    context.fillRect(x - width - 2, y - 7, width + 4, 14);
    Object.assign(context, { fillStyle: colour, globalAlpha: 1 });
    context.fillText(text, x, y, 54);
  };
  for (const { axis, x, slot } of places) {
    const hidden = state.hidden.get(axis.name);
    Object.assign(context, { textAlign: "center", textBaseline: "alphabetic", fillStyle: ink });
    context.fillText(axis.name, x, top - 12, PARALLEL.least - 6);
    Object.assign(context, { textAlign: "right", textBaseline: "middle", lineWidth: 2 });
    const every = Math.ceil(15 / slot);
    axis.levels.forEach((_, code) => {
      const middle = top + height - (code + 0.5) * slot;
      context.strokeStyle = hidden?.has(code) ? line : muted;
      stroke(x, middle - (spread * slot) / 2, middle + (spread * slot) / 2);
      if (code % every === 0) write(axis.labels[code], x - 5, middle, hidden?.has(code) ? line : ink);
    });
  }
  Object.assign(context, { strokeStyle: muted, lineWidth: 1, fillStyle: ink, textAlign: "right", textBaseline: "alphabetic" });
  stroke(end, top, top + height);
  context.fillText("failure rate", end + 42, top - 12);
  Object.assign(context, { fillStyle: muted, textAlign: "left", textBaseline: "middle" });
  for (const rate of [0, 0.5, 1]) context.fillText(String(rate), end + 6, top + 8 + (height - 16) * (1 - rate));
}

/** Paints the lines from number `from` on; what is left waits for the next frame. */
function paintLines(context, drawing, from) {
  const { lines } = drawing;
  // Lines of all rates in turn, so that none covers the others.
  const stride = strideOf(lines.length);
  const ramp = lineRamp();
  const colours = Array.from({ length: 33 }, (_, i) => css(mix(ramp, i / 32)));
  Object.assign(context, { lineWidth: 1.2, globalAlpha: Math.min(Math.max(24 / Math.sqrt(lines.length + 1), 0.12), 0.9) });
  const to = Math.min(from + LINES_A_FRAME, lines.length);
  for (let i = from; i < to; i++) paintLine(context, drawing, lines[(i * stride) % lines.length], colours);
  context.globalAlpha = 1;
  if (to < lines.length) drawing.frame = requestAnimationFrame(() => paintLines(context, drawing, to));
}

function paintLine(context, { places, end }, line, colours) {
  context.strokeStyle = colours[Math.round(line.rate * 32)];
  context.beginPath();
  context.moveTo(places[0].x, line.ys[0]);
  for (let i = 1; i < places.length; i++) context.lineTo(places[i].x, line.ys[i]);
  context.lineTo(end, line.ys[places.length]);
  context.stroke();
}

/** A step that reaches every one of `n` lines, near to the golden section. */
function strideOf(n) {
  const divisor = (a, b) => (b === 0 ? a : divisor(b, a % b));
  let stride = Math.max(1, Math.round(0.618 * n));
  while (n > 1 && divisor(n, stride) !== 1) stride++;
  return stride;
}

/** The axis and the level under a place on the canvas, if any. */
function valueAt({ canvas, places }, event) {
  const box = canvas.getBoundingClientRect();
  const [x, y] = [event.clientX - box.left, event.clientY - box.top];
  const at = places.findIndex((place) => x > place.x - 58 && x < place.x + 14);
  if (at < 0) return null;
  const { axis, slot } = places[at];
  const code = Math.floor((PARALLEL.top + PARALLEL.height - y) / slot);
  return [at, Math.min(Math.max(code, 0), axis.levels.length - 1)];
}

function listenParallel(drawing) {
  const { canvas, places, mark } = drawing;
  let from = null;
  const show = (at, low, high) => {
    const { x, slot } = places[at];
    mark.hidden = false;
    mark.style.cssText = `left:${x - 56}px;width:66px;top:${PARALLEL.top + PARALLEL.height - (high + 1) * slot}px;height:${(high + 1 - low) * slot}px`;
  };
  canvas.addEventListener("pointerdown", (event) => { from = valueAt(drawing, event); if (from) canvas.setPointerCapture(event.pointerId); });
  canvas.addEventListener("pointermove", (event) => {
    const now = valueAt(drawing, event);
    if (from) { const [low, high] = brushed(drawing, from, event); show(from[0], low, high); }
    else if (now) { show(now[0], now[1], now[1]); tellValue(drawing, now, event.clientX, event.clientY); }
    else { mark.hidden = true; tip.hide(); }
  });
  canvas.addEventListener("pointerup", (event) => {
    if (!from) return;
    const [low, high] = brushed(drawing, from, event);
    const { axis } = places[from[0]];
    from = null;
    filterTo(axis, low === high ? afterClick(axis, low, event.shiftKey) : new Set(axis.levels.map((_, code) => code).filter((code) => code < low || code > high)));
  });
  const stop = () => { from = null; mark.hidden = true; tip.hide(); };
  for (const kind of ["pointercancel", "pointerleave", "blur"]) canvas.addEventListener(kind, stop);
  canvas.addEventListener("keydown", (event) => onParallelKey(drawing, event, show));
}

/** The levels between where the pointer went down and where it is, lowest first. */
function brushed({ canvas, places }, [at, code], event) {
  const { axis, slot } = places[at];
  const y = event.clientY - canvas.getBoundingClientRect().top;
  const now = Math.min(Math.max(Math.floor((PARALLEL.top + PARALLEL.height - y) / slot), 0), axis.levels.length - 1);
  return [Math.min(code, now), Math.max(code, now)];
}

/** The filter of an axis, as its chips set it. */
function filterTo(axis, codes) {
  tip.hide();
  state.hidden.set(axis.name, codes);
  drawFilters();
  drawPickers();
  update();
}

function onParallelKey(drawing, event, show) {
  const { places, canvas } = drawing;
  const [at, code] = drawing.active;
  const moves = { ArrowLeft: [at - 1, code], ArrowRight: [at + 1, code], ArrowUp: [at, code + 1], ArrowDown: [at, code - 1] };
  const { axis } = places[at];
  if (event.key === "Enter" || event.key === " ") {
    filterTo(axis, afterClick(axis, code, event.shiftKey));
    parallelNow.active = [at, code];
    parallelNow.canvas.focus();
  } else if (event.key in moves) {
    const to = Math.min(Math.max(moves[event.key][0], 0), places.length - 1);
    drawing.active = [to, Math.min(Math.max(moves[event.key][1], 0), places[to].axis.levels.length - 1)];
    const box = canvas.getBoundingClientRect();
    show(drawing.active[0], drawing.active[1], drawing.active[1]);
    tellValue(drawing, drawing.active, box.left + places[to].x, box.top + PARALLEL.top + PARALLEL.height - drawing.active[1] * places[to].slot);
    byId("phase-status").textContent = byId("tip").innerText.replace(/\s*\n\s*/g, "; ");
  } else return;
  event.preventDefault();
}

/** How the trials with a value end. */
function tellValue({ places, rows }, [at, code], x, y) {
  const { axis } = places[at];
  const counts = new Uint32Array(VERDICTS);
  for (const row of rows) if (axis.codes[row] === code) counts[data.verdict[row]]++;
  const n = decided(counts);
  const rate = n > 0 ? `${count(failedOf(counts))} of ${count(n)} failed: ${percent(failedOf(counts) / n)}` : "no trial with a verdict passes the filters";
  tip.show(x, y, el("strong", {}, `${axis.name} ${axis.labels[code]}`), el("div", {}, rate), outcomeList(counts));
}

/** For the files that are saved. */
const parallelFigure = () => parallelNow && {
  kind: "parallel", axes: [], title: "Configurations: a line each, over the axes in the order of what they decide, to its failure rate",
  about: [`${plural(parallelNow.lines.length, "configuration")}. The lines at a value lie side by side in the order of their rates. Values that the filter leaves out are pale.`],
  parts: [{ width: parallelNow.width, height: parallelNow.height, paint: (context) => {
    const colours = Array.from({ length: 33 }, (_, i) => css(mix(lineRamp(), i / 32)));
    Object.assign(context, { lineWidth: 1, globalAlpha: Math.min(Math.max(24 / Math.sqrt(parallelNow.lines.length + 1), 0.12), 0.9) });
    for (const line of parallelNow.lines) paintLine(context, parallelNow, line, colours);
    context.globalAlpha = 1;
    paintAxes(context, parallelNow);
  } }],
  ramp: { title: "failure rate of the configuration", ends: ["0", "0.5", "1"], colours: lineRamp() }, rows: parallelNow.rows,
};
