// Shares that survive, by epoch.

/**
 * Kaplan and Meier (1958): the share without the event up to each epoch with one; trials without it are censored at their last epoch.
 * `low` and `high` are the 95% interval of each share, which goes by seeds as those of rates do.
 */
function survival(rows, events) {
  const verdicts = rows.filter((row) => data.verdict[row] < LOST);
  const trials = verdicts.length;
  const lastOf = (row) => events[row] || data.budget[row];
  const end = verdicts.reduce((most, row) => Math.max(most, lastOf(row)), 0);
  const seed = data.axes.find((axis) => axis.repeats);
  const seedOf = (row) => (seed ? seed.codes[row] % MOST_SEEDS : 0);
  const places = new Map();
  for (const row of verdicts) if (!places.has(seedOf(row))) places.set(seedOf(row), places.size);
  // Of each seed: its trials at risk, its events of the epoch, and the derivative of the share by the weight of its trials.
  const [atRiskOf, eventsOf, influences] = [Uint32Array, Uint32Array, Float64Array].map((Kind) => new Kind(places.size));
  for (const row of verdicts) atRiskOf[places.get(seedOf(row))]++;
  const ending = grouped(verdicts, verdicts.map(lastOf), end + 1);
  const points = [];
  // Before the first event.
  const [low, high] = trials ? shareInterval(1, influences, trials) : [1, 1];
  const start = { share: 1, low, high };
  let [share, atRisk] = [1, trials];
  for (let epoch = 0; epoch <= end; epoch++) {
    const gone = ending(epoch);
    const happened = gone.reduce((all, row) => all + (events[row] ? 1 : 0), 0);
    if (happened) {
      const hazard = happened / atRisk;
      eventsOf.fill(0);
      for (const row of gone) if (events[row]) eventsOf[places.get(seedOf(row))]++;
      for (let i = 0; i < influences.length; i++)
        influences[i] = influences[i] * (1 - hazard) - (share * (eventsOf[i] - atRiskOf[i] * hazard)) / atRisk;
      share *= 1 - hazard;
      const [low, high] = shareInterval(share, influences, trials);
      points.push({ epoch, share, atRisk, events: happened, low, high });
    }
    for (const row of gone) atRiskOf[places.get(seedOf(row))]--;
    atRisk -= gone.length;
  }
  return { trials, start, points, end };
}

/** The last point up to an epoch; before the first one all survive. */
function survivalAt(curve, epoch) {
  let last = curve.start;
  for (const point of curve.points) {
    if (point.epoch > epoch) break;
    last = point;
  }
  return last;
}

/** What two curves have in common that lie on each other. */
const courseOf = (curve) => curve.points.map((point) => `${point.epoch} ${point.share.toPrecision(12)}`).join();
