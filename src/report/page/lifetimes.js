// Shares that survive, by epoch.

/**
 * Kaplan and Meier (1958): the share without the event up to each epoch with one; trials without it are censored at their last epoch.
 * `low` and `high` are the 95% interval of each share by Greenwood's variance of log(-log share) (Kalbfleisch and Prentice 1980), which
 * takes the trials as independent. They are null where the share is 0 or 1, of which that variance says nothing.
 */
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
  let [share, greenwood] = [1, 0];
  for (let epoch = 0; epoch <= end; epoch++) {
    if (happened[epoch]) {
      share *= 1 - happened[epoch] / atRisk;
      greenwood += happened[epoch] / (atRisk * (atRisk - happened[epoch]));
      const [low, high] = logLogInterval(share, greenwood);
      points.push({ epoch, share, atRisk, events: happened[epoch], low, high });
    }
    atRisk -= happened[epoch] + censored[epoch];
  }
  return { trials, points, end };
}

function logLogInterval(share, greenwood) {
  if (share <= 0 || share >= 1) return [null, null];
  const middle = Math.log(-Math.log(share));
  const half = (Z * Math.sqrt(greenwood)) / Math.abs(Math.log(share));
  return [Math.exp(-Math.exp(middle + half)), Math.exp(-Math.exp(middle - half))];
}

/** The last point up to an epoch; before the first one all survive. */
function survivalAt(curve, epoch) {
  let last = { share: 1, low: null, high: null };
  for (const point of curve.points) {
    if (point.epoch > epoch) break;
    last = point;
  }
  return last;
}

/** What two curves have in common that lie on each other. */
const courseOf = (curve) => curve.points.map((point) => `${point.epoch} ${point.share.toPrecision(12)}`).join();
