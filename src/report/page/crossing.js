// Where a rate goes from 0 to 1 along an axis, by the rules of the edges of a spec: docs/edges.md.

/** The chance of calling a boundary re-entrant by the second rule below though its rate never falls. */
const ALPHA = 0.05;

/** The trials with a verdict at each value of an axis, ascending: {value, n, hits, rows}. */
function triedValues(rows, axis, isHit) {
  const at = axis.levels.map((_, code) => ({ value: axis.numbers[code], n: 0, hits: 0, rows: [] }));
  for (const row of rows) {
    const verdict = data.verdict[row];
    if (verdict >= LOST) continue;
    const tried = at[axis.codes[row]];
    tried.n++;
    if (isHit(verdict)) tried.hits++;
    tried.rows.push(row);
  }
  return at.filter(({ n, value }) => n > 0 && !Number.isNaN(value)).sort((a, b) => a.value - b.value);
}

/**
 * What tried values say. `safe`: the largest up to which no trial has the event; `dead`: the smallest from which on all have it; `half`:
 * the geometric middle (the arithmetic one where a value is not above 0) of the last value up to which fewer than half have it and the
 * next one. What lies beyond the tried values is infinite.
 */
function crossingOf(tried, keyOf, isHit) {
  const lastWithout = (reaches) => {
    const first = tried.findIndex(reaches);
    return first < 0 ? tried.length - 1 : first - 1;
  };
  const valueAt = (i) => (i < 0 ? -Infinity : tried[i].value);
  const lastAlive = tried.findLastIndex(({ hits, n }) => hits < n);
  const below = lastWithout(({ hits, n }) => hits >= Math.max(Math.ceil(0.5 * n - 1e-9), 1));
  const [low, high] = [valueAt(below), below + 1 < tried.length ? tried[below + 1].value : Infinity];
  return {
    safe: valueAt(lastWithout(({ hits }) => hits > 0)),
    half: middleOf(low, high),
    dead: lastAlive + 1 < tried.length ? tried[lastAlive + 1].value : Infinity,
    reentrant: isReentrant(tried, keyOf, isHit),
    trials: tried.reduce((all, { n }) => all + n, 0),
  };
}

function middleOf(low, high) {
  if (low === -Infinity) return -Infinity;
  if (high === Infinity) return Infinity;
  return low > 0 ? Math.sqrt(low * high) : (low + high) / 2;
}

/**
 * Whether the rate falls again. Either the event returns: at least nine tenths of the trials have it at a value and at most one tenth at a
 * larger one. Or the rate falls by more than chance: an exact sign test over the trials in which two values differ, corrected for the
 * number of pairs of values (Bonferroni). `keyOf(row)` is the same for the trials of two values that belong together.
 */
function isReentrant(tried, keyOf, isHit) {
  const pairs = (tried.length * (tried.length - 1)) / 2;
  for (const [i, a] of tried.entries()) for (const b of tried.slice(i + 1)) {
    if (10 * a.hits >= 9 * a.n && 10 * b.hits <= b.n) return true;
    if (a.hits <= b.hits || a.n !== b.n) continue;
    let [rises, falls, isSame] = [0, 0, true];
    const others = new Map(b.rows.map((row) => [keyOf(row), isHit(data.verdict[row])]));
    for (const row of a.rows) {
      const [hit, other] = [isHit(data.verdict[row]), others.get(keyOf(row))];
      isSame &&= other !== undefined;
      if (hit && !other) falls++;
      if (!hit && other) rises++;
    }
    if (isSame && pairs * atLeast(falls, rises + falls) <= ALPHA) return true;
  }
  return false;
}
