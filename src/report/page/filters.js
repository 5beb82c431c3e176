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

function chips(axis) {
  const hidden = () => state.hidden.get(axis.name) ?? new Set();
  const chip = (label, code) =>
    el("button", { type: "button", class: "chip", "aria-pressed": String(!hidden().has(code)), title: axis.levels[code], onclick: (event) => {
      const codes = new Set(hidden());
      const isAlone = axis.levels.length - codes.size === 1 && !codes.has(code);
      if (event.shiftKey) codes.delete(code) || codes.add(code);
      else if (isAlone) codes.clear();
      else axis.levels.forEach((_, other) => (other === code ? codes.delete(other) : codes.add(other)));
      state.hidden.set(axis.name, codes);
      [...event.target.parentNode.children].forEach((node, i) => node.setAttribute("aria-pressed", String(!codes.has(i))));
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
