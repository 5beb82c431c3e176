// The filters: of each axis, which levels count. Few levels are buttons to press, many numbers a range.

const MOST_CHIPS = 12;

function drawFilters() {
  const follow = data.axes.filter((axis) => axis.follows);
  const list = causes.map(filterOf);
  const rest = [...data.axes.filter((axis) => axis.repeats), ...follow].map(filterOf);
  byId("filter-list").replaceChildren(
    ...list,
    rest.length ? el("details", { class: "more" }, el("summary", {}, plural(rest.length, "more column")), rest) : "",
    el("button", { type: "button", id: "reset", onclick: () => { state.hidden.clear(); drawFilters(); update(); } }, "Reset filters"),
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
      const alone = (event.shiftKey || event.altKey) && axis.levels.length - codes.size > 1;
      if (alone) axis.levels.forEach((_, other) => other !== code && codes.add(other)), codes.delete(code);
      else if (!codes.delete(code)) codes.add(code);
      state.hidden.set(axis.name, codes);
      [...event.target.parentNode.children].forEach((node, i) => node.setAttribute("aria-pressed", String(!codes.has(i))));
      update();
    } }, label);
  return el("div", { class: "chips", title: "Shift-click shows one value alone" }, axis.labels.map(chip));
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
