// The first thing to read: how many trials failed, in which corner most and in which least, and how soon.

function drawHeadline(rows) {
  const counts = tally(rows);
  const [n, failed, blown] = [decided(counts), failedOf(counts), blownOf(counts)];
  const { worst, safest } = corners(rows);
  const part = rows.length < data.rows ? "filtered " : data.sampled ? "sampled " : "";
  const none = n === 0 ? `no ${part}trial has a verdict` : null;
  byId("headline").replaceChildren(
    el("div", { class: "lead" },
      el("p", { class: "big" }, none ?? [el("strong", { id: "failed" }, count(failed)), ` of `, el("strong", { id: "decided" }, count(n)), ` ${part}trials failed`]),
      none ? "" : el("p", { class: "rate" }, `${percent(failed / n)}; `, el("span", { id: "blown" }, count(blown)), ` blew up (${percent(blown / n)} diverged or became non-finite)`),
      outcomeBar(counts),
      outcomeList(counts)),
    corner("Worst corner", worst, "worst"),
    corner("Safest corner", safest, "safest"),
    soonest(rows),
    decisive(),
  );
}

function corner(title, found, id) {
  const text = found
    ? [el("p", { class: "corner" }, described(found.levels)),
       el("p", {}, `${count(found.hits)} of ${count(found.n)} failed `, el("span", { class: "muted" }, `(95%: ${bound(found.low)} to ${bound(found.high)})`))]
    : [el("p", { class: "muted" }, "no axis varies")];
  const show = found && el("button", { type: "button", class: "link", onclick: () => choose(found.levels) }, "its trials");
  return el("div", { class: "card", id }, el("h2", {}, title), text, show);
}

/** Which axis matters most, of all trials: what each explains beyond those before it. */
function decisive() {
  const some = data.influences.filter((influence) => influence.gain > 0);
  const together = some.reduce((sum, influence) => sum + influence.gain, 0);
  const line = ({ axis, gain, alone }) => el("li", { title: `alone ${alone.toFixed(2)}` },
    el("span", { class: "share", style: `width:${Math.max(1, 100 * gain)}%` }), el("span", {}, `${axis} ${gain.toFixed(2)}`));
  const text = some.length
    ? [el("ul", { class: "shares" }, some.slice(0, 5).map(line)),
       el("p", { class: "muted" }, `of 1, together ${together.toFixed(2)}: how well the axis tells which trials fail, beyond those above it`)]
    : [el("p", { class: "muted" }, "no axis tells which trials fail")];
  return el("div", { class: "card", id: "decisive" }, el("h2", {}, data.sampled ? "What decides, in the sample" : "What decides, in all trials"), text);
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
