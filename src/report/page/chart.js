// Line charts as SVG: two scales, ticks, lines. Knows nothing of trials.

/** Linear or logarithmic, from a domain to pixels. */
function scaleOf([low, high], [from, to], log) {
  const at = log ? Math.log10 : (x) => x;
  const [a, b] = [at(low), at(high)];
  const span = b - a || 1;
  return Object.assign((x) => from + ((at(x) - a) / span) * (to - from), {
    ticks: (most) => (log ? logTicks(a, b, most) : linearTicks(low, high, most)),
    invert: (pixel) => {
      const value = a + ((pixel - from) / (to - from)) * span;
      return log ? 10 ** value : value;
    },
  });
}

function linearTicks(low, high, most) {
  const rough = (high - low) / most || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((k) => k * power).find((size) => size >= rough);
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high * (1 + 1e-9); i++) ticks.push(Number((i * step).toPrecision(12)));
  return ticks;
}

function logTicks(a, b, most) {
  const decades = Math.floor(b + 1e-9) - Math.ceil(a - 1e-9) + 1;
  const every = Math.max(1, Math.ceil(decades / most));
  const ticks = [];
  for (let power = Math.ceil(a - 1e-9); power <= b + 1e-9; power++) if (power % every === 0) ticks.push(10 ** power);
  if (ticks.length < 3 && b - a < 3) return linearOfLog(a, b);
  return ticks;
}
const linearOfLog = (a, b) =>
  [1, 2, 5].flatMap((k) => Array.from({ length: Math.ceil(b) - Math.floor(a) + 1 }, (_, i) => Number((k * 10 ** (Math.floor(a) + i)).toPrecision(3))))
    .filter((x) => Math.log10(x) >= a - 1e-9 && Math.log10(x) <= b + 1e-9).sort((x, y) => x - y);

/**
 * A frame with axes. `x` and `y`: {domain, log, label}; `x.ticks`, if there, are the ticks as pairs of a value and a text. Returns the
 * svg, the scales and the group for lines.
 */
function frame({ width, height, x, y, label }) {
  const margin = { left: 52, right: 10, top: 20, bottom: 36 };
  const toX = scaleOf(x.domain, [margin.left, width - margin.right], x.log);
  const toY = scaleOf(y.domain, [height - margin.bottom, margin.top], y.log);
  const text = (value, log) => (log && value >= 1e4 ? value.toExponential().replace("+", "") : short(value, 3));
  const xs = x.ticks ?? toX.ticks(Math.max(2, Math.floor(width / 70))).map((value) => [value, text(value, x.log)]);
  const ys = toY.ticks(5);
  const lines = svg("g", { class: "lines" });
  const root = svg("svg", { class: "chart", width, height, viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    ys.map((value) => svg("g", {},
      svg("line", { class: "grid", x1: margin.left, x2: width - margin.right, y1: toY(value), y2: toY(value) }),
      svg("text", { class: "tick", x: margin.left - 6, y: toY(value), "text-anchor": "end", "dominant-baseline": "middle" }, text(value, y.log)))),
    xs.map(([value, shown]) => svg("text", { class: "tick", x: toX(value), y: height - margin.bottom + 14, "text-anchor": "middle" }, shown)),
    svg("line", { class: "axis", x1: margin.left, x2: width - margin.right, y1: height - margin.bottom, y2: height - margin.bottom }),
    svg("text", { class: "label", x: width - margin.right, y: height - 4, "text-anchor": "end" }, x.label),
    svg("text", { class: "label", x: 0, y: 11 }, y.label),
    lines);
  return { root, lines, toX, toY, margin };
}

/** `M x y L x y ...`, broken where a point is null. */
function pathOf(points) {
  let [text, pen] = ["", "M"];
  for (const point of points) {
    if (point === null) pen = "M";
    else {
      text += `${pen}${point[0].toFixed(1)} ${point[1].toFixed(1)}`;
      pen = "L";
    }
  }
  return text;
}
