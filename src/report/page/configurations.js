// The table of configurations: a row for every point of the grid, its trials counted.

let configurations = null;
let configurationTable = null;
let tallied = null;

/** The filtered rows by configuration, counted once for all that draws them. */
function tallyConfigurations(rows) {
  if (tallied?.rows === rows) return tallied;
  let n = 0;
  for (const id of data.configuration) n = Math.max(n, id + 1);
  const counts = new Uint32Array(n * VERDICTS);
  const groupOf = new Uint32Array(rows.length);
  rows.forEach((row, i) => {
    groupOf[i] = data.configuration[row];
    counts[groupOf[i] * VERDICTS + data.verdict[row]]++;
  });
  const members = grouped(rows, groupOf, n);
  const of = (id) => counts.subarray(id * VERDICTS, (id + 1) * VERDICTS);
  tallied = {
    rows,
    ids: Array.from({ length: n }, (_, id) => id).filter((id) => members(id).length > 0),
    counts: of,
    /** A trial of it, which stands for its axes. */
    first: (id) => members(id)[0],
    trials: (id) => members(id).length,
    rate: (id) => { const n = decided(counts, id * VERDICTS); return n ? failedOf(counts, id * VERDICTS) / n : null; },
    epoch: (id) => median(gathered(members(id), data.diverged).filter((epoch) => epoch > 0).sort()),
  };
  return tallied;
}

function drawConfigurations(rows) {
  configurations = tallyConfigurations(rows);
  configurationTable ??= buildConfigurations();
  configurationTable.set(configurations.ids);
}

function rateCell(id) {
  const counts = configurations.counts(id);
  const n = decided(counts);
  if (n === 0) return "";
  // The trials of a configuration have a seed each.
  const [low, high] = wilson(failedOf(counts), n);
  const rate = failedOf(counts) / n;
  return el("span", { class: "rate-cell", title: `95% interval ${low.toFixed(3)} to ${high.toFixed(3)}` },
    el("span", { class: "whisker" }, el("span", { class: "span", style: `left:${100 * low}%;width:${100 * (high - low)}%` }), el("span", { class: "at", style: `left:${100 * rate}%` })),
    rateText(rate));
}

function buildConfigurations() {
  const now = () => configurations;
  const first = (id) => now().first(id);
  const number = (title, key, cell = (id) => key(id) ?? "") => ({ title, numeric: true, key, cell });
  const interval = (id) => { const counts = now().counts(id); return decided(counts) ? wilson(failedOf(counts), decided(counts)) : [null, null]; };
  const columns = [
    { title: "pair", csv: [], key: (id) => sideOf(levelsOf(first(id))), cell: (id) => sideButton(levelsOf(first(id))) },
    number("trials", (id) => now().trials(id), (id) => el("button", { type: "button", class: "link", onclick: () => choose(levelsOf(first(id))) }, plural(now().trials(id), "trial"))),
    number("failed", (id) => failedOf(now().counts(id)), (id) => count(failedOf(now().counts(id)))),
    { ...number("rate, 95%", (id) => now().rate(id), rateCell), csv: [["rate", (id) => now().rate(id)], ["low", (id) => interval(id)[0]], ["high", (id) => interval(id)[1]]] },
    number("blew up", (id) => blownOf(now().counts(id)), (id) => count(blownOf(now().counts(id)))),
    number("epoch", (id) => now().epoch(id)),
    { title: "outcomes", csv: data.verdicts.map((name, i) => [name, (id) => now().counts(id)[i]]), key: (id) => outcomeKey(now().counts(id)), cell: (id) => outcomeBar(now().counts(id), true) },
    ...(data.counts.lost > 0 ? [number("lost", (id) => lostOf(now().counts(id)) || null)] : []),
    ...causes.map((axis) => axisColumn(axis, first)),
  ];
  const texts = new Map();
  const text = (id) => data.axes.filter((axis) => !axis.repeats).map((axis) => `${axis.name}=${axis.levels[axis.codes[first(id)]]}`).join(" ").toLowerCase();
  const words = (id) => texts.get(id) ?? (texts.set(id, text(id)), texts.get(id));
  const table = makeTable({ columns, words, placeholder: "Words to find, as in: relu init=he", rowName: "configuration", kind: "configurations" });
  byId("configurations-body").replaceChildren(table.root,
    el("p", { class: "hint" }, "rate: share of the trials with a verdict that failed, with its Wilson interval; epoch: median first crossing of those that crossed. `compare` in two rows puts the two side by side."));
  return table;
}

/** Sorts by the share of the mildest outcome, then of the next. */
const outcomeKey = (counts) => Array.from(counts, (n) => (n / sum(counts, 0, VERDICTS)).toFixed(4)).join(" ");

/** What tells the configuration of a trial from every other. */
const levelsOf = (row) => causes.map((axis) => [axis, axis.codes[row]]);
