// The filters: of each axis, which levels count. Few levels are buttons to press, many numbers a range.

const MOST_CHIPS = 12;

function drawFilters() {
  const follow = data.axes.filter((axis) => axis.follows);
  const list = causes.map(filterOf);
  const rest = [...data.axes.filter((axis) => axis.repeats), ...follow].map(filterOf);
  byId("filter-list").replaceChildren(
    ...list,
    rest.length ? el("details", { class: "more" }, el("summary", {}, plural(rest.length, "more column")), rest) : "",
    el("p", { class: "hint" }, "A click on a value shows it alone, and all values again; with Shift it leaves the value out or takes it in."),
    el("button", { type: "button", id: "reset", onclick: () => { state.hidden.clear(); drawFilters(); drawPickers(); update(); } }, "Reset filters"),
  );
  if (causes.length === 0) byId("filter-list").prepend(el("p", { class: "hint" }, "No axis of this grid varies."));
}

function filterOf(axis) {
  const many = axis.levels.length > MOST_CHIPS && axis.numeric;
  return el("fieldset", { class: "filter", "data-axis": axis.name }, el("legend", {}, axis.name), many ? range(axis) : chips(axis));
}

/** What is left out after a click on a level: it is shown alone, and all levels again; with Shift it is left out or taken in. */
function afterClick(axis, code, isShift) {
  const codes = new Set(state.hidden.get(axis.name) ?? []);
  const isAlone = axis.levels.length - codes.size === 1 && !codes.has(code);
  if (isShift) codes.delete(code) || codes.add(code);
  else if (isAlone) codes.clear();
  else axis.levels.forEach((_, other) => (other === code ? codes.delete(other) : codes.add(other)));
  return codes;
}

function chips(axis) {
  const isShown = (code) => !state.hidden.get(axis.name)?.has(code);
  const chip = (label, code) =>
    el("button", { type: "button", class: "chip", "aria-pressed": String(isShown(code)), title: axis.levels[code], onclick: (event) => {
      state.hidden.set(axis.name, afterClick(axis, code, event.shiftKey));
      [...event.target.parentNode.children].forEach((node, i) => node.setAttribute("aria-pressed", String(isShown(i))));
      drawPickers();
      update();
    } }, label);
  return el("div", { class: "chips" }, axis.labels.map(chip));
}

function range(axis) {
  const hidden = state.hidden.get(axis.name) ?? new Set();
  const shown = axis.levels.map((_, code) => code).filter((code) => !hidden.has(code));
  let [from, to] = [shown[0] ?? 0, shown[shown.length - 1] ?? axis.levels.length - 1];
  const end = (name, value, change) =>
    el("input", { type: "number", step: "any", "aria-label": `${axis.name} ${name}`, value: axis.levels[value], onchange: (event) => {
      change(Number(event.target.value));
      const codes = axis.levels.map((_, code) => code).filter((code) => code < from || code > to);
      state.hidden.set(axis.name, new Set(codes));
      drawPickers();
      update();
    } });
  const numbers = axis.levels.map((text) => (text === "" ? Infinity : Number(text)));
  return el("div", { class: "range" },
    end("from", from, (x) => { from = numbers.findIndex((number) => number >= x); if (from < 0) from = numbers.length; }),
    " to ",
    end("to", to, (x) => { to = numbers.findLastIndex((number) => number <= x); }));
}

function drawShown(rows) {
  const part = rows.length < data.rows ? `${count(rows.length)} of ` : "";
  byId("shown").textContent = `${part}${plural(data.rows, "trial")}`;
}
