// Which values of an axis have lines: all of them, or as many as can be told apart, or those that the reader chooses.

const MOST_DRAWN = 8;

/** The levels of an axis that these rows have and that are drawn, with their rows; and all that could be. */
function drawnLevels(axis, rows) {
  if (axis === null) return { groups: [{ label: "all trials", code: null, rows }], all: [], own: false };
  const members = axis.levels.map(() => []);
  for (const row of rows) if (data.verdict[row] < LOST) members[axis.codes[row]].push(row);
  const all = axis.levels.map((_, code) => code).filter((code) => members[code].length > 0);
  const own = state.drawn.get(axis.name);
  const shown = Math.min(all.length, MOST_DRAWN);
  const even = Array.from({ length: shown }, (_, i) => all[Math.round((i * (all.length - 1)) / Math.max(shown - 1, 1))]);
  const codes = own ? all.filter((code) => own.has(code)) : even;
  return { groups: codes.map((code) => ({ label: axis.labels[code], code, rows: members[code] })), all, codes, own: own !== undefined };
}

/** A line that lies on an earlier one says on which. */
const equalText = ({ equal }) => (equal === null ? "" : ` equal to ${equal}`);

/** Buttons for the levels of an axis, pressed where they are drawn, with the colours of their `lines`. */
function levelChooser(axis, { all, codes, own }, lines) {
  if (axis === null) return "";
  const toggle = (code) => {
    const next = new Set(codes);
    next.delete(code) || next.add(code);
    state.drawn.set(axis.name, next);
    update();
  };
  const chip = (code) => el("button", { type: "button", class: "chip", title: axis.levels[code], "aria-pressed": String(codes.includes(code)), onclick: () => toggle(code) },
    dotOf(code), axis.labels[code], el("span", { class: "muted" }, equalText(lines.find((line) => line.code === code) ?? { equal: null })));
  const dotOf = (code) => { const line = lines.find((one) => one.code === code); return line && el("span", { class: "dot", style: `background:${line.colour}` }); };
  const some = codes.length < all.length;
  const usual = all.length > MOST_DRAWN ? `${MOST_DRAWN}, evenly chosen` : "all";
  return el("div", { class: "drawn", role: "group", "aria-label": `values of ${axis.name} that are drawn` },
    el("span", { class: "muted" }, some ? `${codes.length} of the ${all.length} values of ${axis.name} are drawn: ` : `${axis.name}: `),
    el("span", { class: "chips" }, all.map(chip)),
    own && el("button", { type: "button", class: "link", onclick: () => { state.drawn.delete(axis.name); update(); } }, usual));
}
