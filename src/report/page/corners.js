// The corners of a grid that are worth a headline. Ranges of numbers are looked at too, so that `lr 1 to 10` is found, not `lr 3.16`.

/** The stretches of an axis that a corner may span: each level, and of numbers also all up to one and all from one on. */
function stretches(axis) {
  const parts = bins(axis, 16);
  const last = parts.filter((part) => axis.levels[part.to] !== "").length - 1;
  const found = parts.map((_, i) => [i, i]);
  if (axis.numeric) for (let i = 1; i < last; i++) found.push([0, i], [i, last]);
  return { parts, found };
}

/** Trials with a verdict and those that failed, summed over the rectangle before each pair of stretches' parts. */
function sums(rows, a, b) {
  const [n, m] = [a.parts.length + 1, b.parts.length + 1];
  const all = new Uint32Array(n * m);
  const failed = new Uint32Array(n * m);
  for (const row of rows) {
    const verdict = data.verdict[row];
    if (verdict >= LOST) continue;
    const at = (a.partOf[a.codes[row]] + 1) * m + b.partOf[b.codes[row]] + 1;
    all[at]++;
    if (data.failed[verdict]) failed[at]++;
  }
  for (const table of [all, failed])
    for (let i = 1; i < n; i++) for (let j = 1; j < m; j++) table[i * m + j] += table[(i - 1) * m + j] + table[i * m + j - 1] - table[(i - 1) * m + j - 1];
  const within = (table, [p, q], [r, s]) => table[(q + 1) * m + s + 1] - table[p * m + s + 1] - table[(q + 1) * m + r] + table[p * m + r];
  return { all: (one, other) => within(all, one, other), failed: (one, other) => within(failed, one, other) };
}

/**
 * Of all stretches of an axis and of two: the one whose score interval over its trials starts highest, and the one whose interval ends
 * lowest. That weighs rates by how many trials they are of; the interval that is shown goes by seeds.
 */
function corners(rows) {
  let [worst, safest] = [null, null];
  const all = { parts: [{}], found: [[0, 0]], partOf: [0], codes: new Uint8Array(data.rows) };
  const sides = causes.map((axis) => {
    const { parts, found } = stretches(axis);
    const partOf = axis.levels.map((_, code) => parts.findIndex((part) => code <= part.to));
    return { axis, parts, found, partOf, codes: axis.codes };
  });
  const level = ({ axis, parts }, [from, to]) => (axis ? [[axis, parts[from].from, parts[to].to]] : []);
  const consider = (a, b) => {
    const counts = sums(rows, a, b);
    for (const one of a.found) for (const other of b.found) {
      const n = counts.all(one, other);
      if (n === 0) continue;
      const hits = counts.failed(one, other);
      const [low, high] = wilson(hits, n);
      const corner = () => ({ levels: [...level(a, one), ...level(b, other)], n, hits, low, high });
      if (worst === null || low > worst.low) worst = corner();
      if (safest === null || high < safest.high) safest = corner();
    }
  };
  for (const side of sides) consider(side, all);
  sides.forEach((a, i) => sides.slice(i + 1).forEach((b) => consider(a, b)));
  for (const corner of [worst, safest].filter((some) => some !== null))
    [corner.low, corner.high] = seedInterval(having(rows, corner.levels), (verdict) => data.failed[verdict]);
  return { worst, safest };
}
