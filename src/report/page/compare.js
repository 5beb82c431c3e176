// Two sets of trials side by side: two configurations, or two cells of the phase diagram.

const SIDES = ["A", "B"];
const isSame = (one, other) => one !== null && other !== null && levelsToText(one) === levelsToText(other);
/** Which side these levels are: 0, 1 or -1. */
const sideOf = (levels) => state.pair.findIndex((side) => isSame(side, levels));

/** Takes levels as the first side that is free, or as the second one; a side that is taken already is given up. */
function addSide(levels) {
  const at = sideOf(levels);
  if (at >= 0) state.pair[at] = null;
  else state.pair[state.pair[0] === null ? 0 : 1] = levels;
  drawSides();
  if (at < 0 && !state.pair.includes(null)) showSection("compare");
}

/** A button that takes levels as a side. */
function sideButton(levels) {
  const at = sideOf(levels);
  const [first] = state.pair;
  const text = at >= 0 ? SIDES[at] : "compare";
  const title = at >= 0 ? "Take it out of the comparison" : first === null ? "Compare it with a second one" : `Compare it with A: ${described(first)}`;
  return el("button", { type: "button", class: at >= 0 ? `side side-${SIDES[at]}` : "link", "aria-pressed": String(at >= 0), title, onclick: () => addSide(levels) }, text);
}

function drawCompare(rows) {
  const host = byId("compare");
  host.hidden = state.pair.every((side) => side === null);
  byId("compare-link").hidden = host.hidden;
  if (host.hidden) return;
  const close = () => { state.pair = [null, null]; drawSides(); };
  const head = el("div", { class: "title-row" }, el("h2", { id: "compare-title", tabindex: "-1" }, "Side by side"), el("button", { type: "button", class: "quiet", onclick: close }, "Close"));
  const lone = state.pair.findIndex((side) => side !== null);
  if (state.pair.includes(null)) {
    host.replaceChildren(head, el("p", {}, el("b", { class: `side side-${SIDES[lone]}` }, SIDES[lone]), ` ${described(state.pair[lone]) || "all trials"}`),
      el("p", { class: "hint" }, "Choose a second one: `compare` in the table of configurations, or in the list of trials that a cell of the phase diagram opens."));
    return;
  }
  const sides = state.pair.map((levels) => Array.from(having(rows, levels)));
  const pairing = pairsOf(sides);
  const curves = compareCurves(sides);
  host.replaceChildren(head, compareTable(sides), pairing.root, el("div", { class: "title-row" }, el("h3", {}, "Courses"), curves.saver ?? ""), curves.root);
  curves.draw();
}

/** What shows the sides. */
function drawSides() {
  keepingFocus(() => {
    const rows = filtered();
    drawTrials(rows);
    drawCompare(rows);
    configurationTable?.set(configurations.ids);
  });
  writeAddress();
}

/** The share of the trials with a verdict that `holds` counts: of one configuration with the interval of its table, else by seeds. */
function rateOf(rows, holds) {
  const counted = rows.filter((row) => data.verdict[row] < LOST);
  if (counted.length === 0) return null;
  const hits = counted.filter((row) => holds(data.verdict[row])).length;
  const isOne = counted.every((row) => data.configuration[row] === data.configuration[counted[0]]);
  const [low, high] = isOne ? wilson(hits, counted.length) : seedInterval(counted, holds);
  return { hits, n: counted.length, low, high };
}

/** What differs between the sides, and how they end. */
function compareTable(sides) {
  const axes = [...new Set(state.pair.flat().map(([axis]) => axis))];
  const level = (side, axis) => { const found = state.pair[side].find((one) => one[0] === axis); return found ? span(axis, found[1], found[2] ?? found[1]) : "all"; };
  const differ = axes.filter((axis) => level(0, axis) !== level(1, axis));
  const rates = [["failed", (verdict) => data.failed[verdict]], ["blew up", (verdict) => data.blown[verdict]]];
  const found = rates.map(([name, holds]) => [name, sides.map((rows) => rateOf(rows, holds))]);
  const text = (rate) => (rate ? `${count(rate.hits)} of ${count(rate.n)}: ${percent(rate.hits / rate.n)} (95%: ${bound(rate.low)} to ${bound(rate.high)})` : "no verdict");
  const line = (name, cells) => el("tr", {}, el("th", { scope: "row" }, name), cells.map((cell) => el("td", {}, cell)));
  const number = (rate, key) => (rate ? rate[key] : null);
  const lines = () => [["what", ...SIDES], ...differ.map((axis) => [axis.name, level(0, axis), level(1, axis)]), ["trials", ...sides.map((rows) => rows.length)],
    ...found.flatMap(([name, pair]) => ["hits", "n", "low", "high"].map((key) => [`${name} ${key}`, ...pair.map((rate) => number(rate, key))]))];
  const same = axes.filter((axis) => !differ.includes(axis)).map((axis) => `${axis.name} ${level(0, axis)}`);
  return el("div", { class: "table" },
    el("div", { class: "scroll plain" }, el("table", { id: "compare-table" },
      el("thead", {}, el("tr", {}, el("th", {}), SIDES.map((side) => el("th", { scope: "col" }, el("b", { class: `side side-${side}` }, side))))),
      el("tbody", {}, differ.map((axis) => line(axis.name, [level(0, axis), level(1, axis)])), line("trials", sides.map((rows) => count(rows.length))),
        line("outcomes", sides.map((rows) => outcomeList(tally(rows)))), found.map(([name, pair]) => line(name, pair.map(text)))))),
    same.length ? el("p", { class: "hint" }, `In both: ${same.join(", ")}.`) : "", csvButton("compare", compareWords, lines));
}

/** Words of file names: the axes that differ, with both values. */
const compareWords = () => state.pair.map((levels) => levels.filter(([axis, from, to]) => !state.pair.every((side) => side.some((one) => one[0] === axis && one[1] === from && one[2] === to)))
  .map(([axis, from, to]) => `${axis.name} ${span(axis, from, to ?? from)}`).join(" ")).join(" vs ").split(" ");

/** The trials that belong together, which differ only in what the sides hold, and those of them that end differently. */
function pairsOf(sides) {
  const held = new Set(state.pair.flat().map(([axis]) => axis));
  const others = data.axes.filter((axis) => !axis.follows && !held.has(axis));
  const keyOf = keyOver(others);
  const maps = sides.map((rows) => new Map(rows.map((row) => [keyOf(row), row])));
  const isUnique = maps.every((map, i) => map.size === sides[i].length);
  if (!isUnique) return { root: el("p", { class: "hint" }, "The trials are not paired: a side holds several that differ only in axes that it pools.") };
  const pairs = [...maps[0]].filter(([key]) => maps[1].has(key)).map(([key, row]) => [row, maps[1].get(key)])
    .filter((pair) => pair.every((row) => data.verdict[row] < LOST));
  const fails = (row) => data.failed[data.verdict[row]];
  const [onlyA, onlyB] = [pairs.filter(([a, b]) => fails(a) && !fails(b)).length, pairs.filter(([a, b]) => !fails(a) && fails(b)).length];
  const different = pairs.filter(([a, b]) => data.verdict[a] !== data.verdict[b]);
  const text = pairs.length === 0 ? "No trial of one side belongs to one of the other: they share no seed with a verdict." :
    `Of ${plural(pairs.length, "pair")} with the same ${others.filter((axis) => axis.repeats || varies(axis, sides.flat())).map((axis) => axis.name).join(", ") || "seed"}, ` +
    `${count(different.length)} end differently; ${count(onlyA)} fail in A alone, ${count(onlyB)} in B alone (exact test of McNemar: p = ${short(mcnemar(onlyA, onlyB), 2)}).`;
  if (different.length === 0) return { root: el("p", { id: "paired" }, text) };
  const verdict = (row) => data.verdicts[data.verdict[row]];
  const own = others.filter((axis) => axis.repeats || varies(axis, sides.flat()));
  const side = (i) => [
    { title: `trial ${SIDES[i]}`, key: (at) => trialName(different[at][i]), cell: (at) => el("code", {}, trialName(different[at][i])) },
    { title: `outcome ${SIDES[i]}`, key: (at) => verdict(different[at][i]), cell: (at) => [el("span", { class: `dot ${verdict(different[at][i])}` }), ` ${verdict(different[at][i])}`] },
  ];
  const table = makeTable({ columns: [...own.map((axis) => axisColumn(axis, (at) => different[at][0])), ...side(0), ...side(1)], rowName: "pair that ends differently", many: "pairs that end differently", kind: "pairs", file: compareWords });
  table.set(different.map((_, i) => i));
  return { root: el("div", {}, el("p", { id: "paired" }, text), table.root) };
}

/** The curves of both sides in one picture for the loss and one for the gradient norm. */
function compareCurves(sides) {
  const colours = () => lineColours(2, false);
  const sideAt = new Map(sides.flatMap((rows, i) => rows.map((row) => [row, i])));
  return drawCurves(sides.flat(), {
    look: (row) => { const colour = colours()[sideAt.get(row)]; return { class: "", style: `stroke:${colour};color:${colour}` }; },
    name: (row) => `${SIDES[sideAt.get(row)]}, `,
    figure: () => ({ kind: "compare", axes: compareWords(), title: "Courses of A and B", about: state.pair.map((levels, i) => `${SIDES[i]}: ${described(levels)}.`),
      legend: SIDES.map((text, i) => ({ text, colour: colours()[i] })) }),
  });
}
