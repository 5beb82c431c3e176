// Counts, rates, intervals, survival. The same definitions as summary.csv: rates are shares of the trials with a verdict.

/** The 95% score interval of Wilson (1927). */
function wilson(hits, n) {
  const z = 1.959963984540054;
  const p = hits / n;
  const centre = (p + (z * z) / (2 * n)) / (1 + (z * z) / n);
  const half = (z / (1 + (z * z) / n)) * Math.sqrt((p * (1 - p)) / n + (z * z) / (4 * n * n));
  return [hits === 0 ? 0 : centre - half, hits === n ? 1 : centre + half];
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
const blownOf = (counts, at = 0) => counts[at + DIVERGED] + counts[at + NONFINITE];

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

/** Kaplan and Meier (1958): the share without the event up to each epoch with one; trials without it are censored at their last epoch. */
function survival(rows, events) {
  let end = 0;
  for (const row of rows) end = Math.max(end, events[row], data.budget[row]);
  const happened = new Uint32Array(end + 1);
  const censored = new Uint32Array(end + 1);
  let atRisk = 0;
  for (const row of rows) {
    if (data.verdict[row] >= LOST) continue;
    atRisk++;
    if (events[row]) happened[events[row]]++;
    else censored[data.budget[row]]++;
  }
  const trials = atRisk;
  const points = [];
  let share = 1;
  for (let epoch = 0; epoch <= end; epoch++) {
    if (happened[epoch]) {
      share *= 1 - happened[epoch] / atRisk;
      points.push({ epoch, share, atRisk, events: happened[epoch] });
    }
    atRisk -= happened[epoch] + censored[epoch];
  }
  return { trials, points, end };
}
function survivalAt(curve, epoch) {
  let share = 1;
  for (const point of curve.points) {
    if (point.epoch > epoch) break;
    share = point.share;
  }
  return share;
}
