// Counts, rates, intervals. The same definitions as in the table of a sweep: rates are shares of the trials with a verdict.

const Z = 1.959963984540054;

/** The 95% score interval of Wilson (1927) for a share `p` in `n` draws, which need be no whole number. */
function score(p, n) {
  const centre = (p + (Z * Z) / (2 * n)) / (1 + (Z * Z) / n);
  const half = (Z / (1 + (Z * Z) / n)) * Math.sqrt((p * (1 - p)) / n + (Z * Z) / (4 * n * n));
  return [p === 0 ? 0 : centre - half, p === 1 ? 1 : centre + half];
}
const wilson = (hits, n) => score(hits / n, n);

/** The 95% interval of the share of these rows with a verdict for which `isHit(verdict)` holds. It goes by seeds: see docs/results.md. */
function seedInterval(rows, isHit) {
  const seed = data.axes.find((axis) => axis.repeats);
  const clusters = new Map();
  let [hits, n] = [0, 0];
  for (const row of rows) {
    const verdict = data.verdict[row];
    if (verdict >= LOST) continue;
    const at = seed ? seed.codes[row] % MOST_SEEDS : 0;
    const cluster = clusters.get(at) ?? [0, 0];
    if (isHit(verdict)) { cluster[0]++; hits++; }
    cluster[1]++;
    n++;
    clusters.set(at, cluster);
  }
  const p = hits / n;
  return shareInterval(p, [...clusters.values()].map(([some, all]) => (some - p * all) / n), n);
}

/**
 * The 95% interval of a share that is estimated from so many trials. `influences` has for each seed by how much its trials raise the share:
 * its derivative by their weight. See docs/results.md.
 */
function shareInterval(share, influences, trials) {
  const k = influences.length;
  if (k < 2 || share === 0 || share === 1) return score(share, k);
  const variance = (k / (k - 1)) * influences.reduce((all, influence) => all + influence * influence, 0);
  const draws = ((share * (1 - share)) / variance) * (Z / data.student[k - 2]) ** 2;
  return score(share, Math.min(Math.max(draws, k), trials));
}

/** How many rows have each verdict. */
function tally(rows) {
  const counts = new Uint32Array(VERDICTS);
  for (const row of rows) counts[data.verdict[row]]++;
  return counts;
}
const sum = (counts, from, to) => {
  let all = 0;
  for (let i = from; i < to; i++) all += counts[i];
  return all;
};
const decided = (counts, at = 0) => sum(counts, at, at + LOST);
const lostOf = (counts, at = 0) => sum(counts, at + LOST, at + VERDICTS);
const among = (kinds) => (counts, at = 0) => kinds.reduce((all, holds, i) => all + (holds ? counts[at + i] : 0), 0);
const failedOf = among(data.failed);
const blownOf = among(data.blown);

/** The values of these rows. */
function gathered(rows, values) {
  const found = new Uint32Array(rows.length);
  for (let i = 0; i < rows.length; i++) found[i] = values[rows[i]];
  return found;
}

/** Rows by their group, one of `n`: those of group g are `sorted.subarray(starts[g], starts[g + 1])`. */
function grouped(rows, groupOf, n) {
  const starts = new Uint32Array(n + 1);
  for (const group of groupOf) starts[group + 1]++;
  for (let group = 0; group < n; group++) starts[group + 1] += starts[group];
  const [next, sorted] = [starts.slice(), new Uint32Array(rows.length)];
  for (let i = 0; i < rows.length; i++) sorted[next[groupOf[i]]++] = rows[i];
  return (group) => sorted.subarray(starts[group], starts[group + 1]);
}

/** Sorted ascending; a NaN counts as infinite. */
function sortedValues(measure, rows) {
  const values = new Float64Array(rows.length);
  let n = 0;
  for (const row of rows) {
    if (isEmpty(measure.empty, row)) continue;
    const x = measure.values[row];
    values[n++] = Number.isNaN(x) ? Infinity : x;
  }
  return values.subarray(0, n).sort();
}
function median(sorted) {
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return null;
  return sorted.length % 2 ? sorted[middle] : sorted[middle - 1] / 2 + sorted[middle] / 2;
}

/** How much the learning rate matters (Wortsman et al. 2023): of the rows that differ in it alone, the mean of the smaller of the final and
 * the initial loss, less the best of them; then the mean over such curves. NaN if no curve has two learning
 * rates and all its losses. */
function sensitivity(metric, rows) {
  const others = data.axes.filter((axis) => axis !== metric.axis && !axis.follows);
  const curves = new Map();
  const loss = (measure, row) => (isEmpty(measure.empty, row) ? NaN : measure.values[row]);
  const unknown = new Set();
  for (const row of rows) {
    if (data.verdict[row] >= LOST) continue;
    const key = others.map((axis) => axis.codes[row]).join();
    const both = [loss(metric.initial, row), loss(metric.last, row)].filter((x) => !Number.isNaN(x));
    if (!curves.has(key)) curves.set(key, new Map());
    if (isEmpty(metric.last.empty, row)) unknown.add(key);
    curves.get(key).set(metric.axis.codes[row], both.length ? Math.min(...both) : NaN);
  }
  const means = [];
  for (const [key, curve] of curves) {
    if (curve.size < 2 || unknown.has(key)) continue;
    const losses = [...curve.values()];
    const best = Math.min(...losses.filter((x) => !Number.isNaN(x)));
    means.push(losses.reduce((sum, x) => sum + (x - best), 0) / losses.length);
  }
  return means.length ? means.reduce((sum, x) => sum + x, 0) / means.length : NaN;
}

/** The chance of `k` or more heads in `n` throws of a fair coin. */
function atLeast(k, n) {
  if (k <= 0) return 1;
  // The logarithm of n over k, over 2^n.
  let log = -n * Math.LN2;
  for (let i = 1; i <= k; i++) log += Math.log((n - k + i) / i);
  let all = 0;
  for (let i = k; i <= n; i++) {
    all += Math.exp(log);
    log += Math.log((n - i) / (i + 1));
  }
  return Math.min(all, 1);
}
/** The p-value of the exact two-sided test of McNemar (1947): of so many pairs that differ, so many differ in one direction. */
const mcnemar = (one, other) => Math.min(2 * atLeast(Math.max(one, other), one + other), 1);
