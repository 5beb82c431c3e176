// The first thing to read: how many trials blew up, in which corner most and in which least, and how soon.

/** The stretches of an axis that a corner may span: each level, and of numbers also all up to one and all from one on. */
function stretches(axis) {
  const parts = bins(axis, 16);
  const last = parts.filter((part) => axis.levels[part.to] !== "").length - 1;
  const found = parts.map((_, i) => [i, i]);
  if (axis.numeric) for (let i = 1; i < last; i++) found.push([0, i], [i, last]);
  return { parts, found };
}

/** Trials with a verdict and those that blew up, summed over the rectangle before each pair of stretches' parts. */
function sums(rows, a, b) {
  const [n, m] = [a.parts.length + 1, b.parts.length + 1];
  const all = new Uint32Array(n * m);
  const blown = new Uint32Array(n * m);
  for (const row of rows) {
    const verdict = data.verdict[row];
    if (verdict >= LOST) continue;
    const at = (a.partOf[a.codes[row]] + 1) * m + b.partOf[b.codes[row]] + 1;
    all[at]++;
    if (verdict === DIVERGED || verdict === NONFINITE) blown[at]++;
  }
  for (const table of [all, blown])
    for (let i = 1; i < n; i++) for (let j = 1; j < m; j++) table[i * m + j] += table[(i - 1) * m + j] + table[i * m + j - 1] - table[(i - 1) * m + j - 1];
  const within = (table, [p, q], [r, s]) => table[(q + 1) * m + s + 1] - table[p * m + s + 1] - table[(q + 1) * m + r] + table[p * m + r];
  return { all: (one, other) => within(all, one, other), blown: (one, other) => within(blown, one, other) };
}

/** Of all stretches of an axis and of two: the one whose 95% interval starts highest, and the one whose interval ends lowest. */
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
      const hits = counts.blown(one, other);
      const [low, high] = wilson(hits, n);
      const corner = () => ({ levels: [...level(a, one), ...level(b, other)], n, hits, low, high });
      if (worst === null || low > worst.low) worst = corner();
      if (safest === null || high < safest.high) safest = corner();
    }
  };
  for (const side of sides) consider(side, all);
  sides.forEach((a, i) => sides.slice(i + 1).forEach((b) => consider(a, b)));
  return { worst, safest };
}

function drawHeadline(rows) {
  const counts = tally(rows);
  const [n, blown] = [decided(counts), blownOf(counts)];
  const { worst, safest } = corners(rows);
  const part = rows.length < data.rows ? "filtered " : data.sampled ? "sampled " : "";
  const none = n === 0 ? `no ${part}trial has a verdict` : null;
  byId("headline").replaceChildren(
    el("div", { class: "lead" },
      el("p", { class: "big" }, none ?? [el("strong", { id: "blown" }, count(blown)), ` of `, el("strong", { id: "decided" }, count(n)), ` ${part}trials blew up`]),
      none ? "" : el("p", { class: "rate" }, `${percent(blown / n)} diverged or became non-finite`),
      outcomeBar(counts),
      outcomeList(counts)),
    corner("Worst corner", worst, "worst"),
    corner("Safest corner", safest, "safest"),
    soonest(rows),
  );
}

function corner(title, found, id) {
  const text = found
    ? [el("p", { class: "corner" }, described(found.levels)),
       el("p", {}, `${count(found.hits)} of ${count(found.n)} blew up `, el("span", { class: "muted" }, `(95%: ${bound(found.low)} to ${bound(found.high)})`))]
    : [el("p", { class: "muted" }, "no axis varies")];
  const show = found && el("button", { type: "button", class: "link", onclick: () => choose(found.levels) }, "its trials");
  return el("div", { class: "card", id }, el("h2", {}, title), text, show);
}

function soonest(rows) {
  const events = gathered(rows, data.diverged).filter((epoch) => epoch > 0);
  const middle = median(events.sort());
  const text = middle === null
    ? el("p", { class: "muted" }, "no trial crossed the threshold")
    : [el("p", { class: "corner" }, `epoch ${short(middle)}`),
       el("p", {}, `median first crossing, ${plural(events.length, "trial")} `, el("span", { class: "muted" }, "(some recover)"))];
  return el("div", { class: "card" }, el("h2", {}, "How soon"), text);
}

/** The share of each verdict, as one bar. */
function outcomeBar(counts, small = false) {
  const all = sum(counts, 0, VERDICTS);
  const parts = data.verdicts.map((name, i) => [name, counts[i]]).filter(([, n]) => n > 0);
  const label = parts.map(([name, n]) => `${count(n)} ${name}`).join(", ");
  return el("div", { class: small ? "bar small" : "bar", role: "img", "aria-label": label, title: label },
    parts.map(([name, n]) => el("span", { class: `fill ${name}`, style: `flex-grow:${n / all}` })));
}

function outcomeList(counts) {
  const item = (name, i) => counts[i] > 0 && el("li", {}, el("span", { class: `dot ${name}` }), ` ${count(counts[i])} ${name}`);
  return el("ul", { class: "outcomes" }, data.verdicts.map((name, i) => item(name, i) || null));
}
