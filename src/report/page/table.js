// A table that sorts by any column, filters by words and shows a page at a time, however many rows there are.

const PAGE = 100;

/** By the kind of a table: its words, its order, and how many of its rows are shown. */
const tableStates = new Map();

/** What a column is in a saved file. */
const cellsOf = (column) => column.csv ?? [[column.title, column.key]];

/**
 * columns: {title, key(row) -> number, string or null, cell(row) -> text or node, numeric}, and `csv`, pairs of a title and a function of
 * the row, where a saved file has other cells than the key. `words(row)`: the text that the filter looks through. `kind` and `file()` are
 * the words of the name of a saved file; under `kind` the table's order and words are kept while the page is open.
 */
function makeTable({ columns, words, placeholder, rowName, many = `${rowName}s`, hover, kind, file = () => [], isFiltered = true }) {
  let rows = [];
  let found = [];
  let { asked: text, order, shown } = tableStates.get(kind) ?? { asked: "", order: null, shown: PAGE };
  if (order && order.column >= columns.length) order = null;
  const keep = () => tableStates.set(kind, { asked: input?.value ?? "", order, shown });
  const body = el("tbody");
  const note = el("p", { class: "hint", role: "status" });
  const more = el("button", { type: "button", class: "link", onclick: () => { shown += 10 * PAGE; keep(); fill(); } }, "show more");
  const input = words && el("input", { type: "search", placeholder, "aria-label": placeholder, value: text, oninput: () => { keep(); refresh(); } });
  const heads = columns.map((column, i) =>
    el("th", { scope: "col", class: column.numeric ? "number" : false }, el("button", { type: "button", onclick: () => sortBy(i) }, column.title)));
  const root = el("div", { class: "table" }, input && el("div", { class: "find" }, input),
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "table" }, el("table", {}, el("thead", {}, el("tr", {}, heads)), body)), note, more,
    csvButton(kind, file, () => [columns.flatMap((column) => cellsOf(column).map(([title]) => title)), ...found.map((row) => columns.flatMap((column) => cellsOf(column).map(([, cell]) => cell(row))))], isFiltered));

  function sortBy(i) {
    order = order?.column === i ? { column: i, down: !order.down } : { column: i, down: columns[i].numeric ?? false };
    shown = PAGE;
    keep();
    refresh();
  }

  function refresh() {
    const asked = (input?.value ?? "").toLowerCase().split(/\s+/).filter((word) => word);
    found = asked.length ? rows.filter((row) => { const text = words(row); return asked.every((word) => text.includes(word)); }) : [...rows];
    if (order) {
      const { key } = columns[order.column];
      const keys = new Map(found.map((row) => [row, key(row)]));
      found.sort((a, b) => compare(keys.get(a), keys.get(b), order.down));
    }
    heads.forEach((head, i) => head.setAttribute("aria-sort", order?.column === i ? (order.down ? "descending" : "ascending") : "none"));
    fill();
  }

  function fill() {
    const page = found.slice(0, shown);
    body.replaceChildren(...page.map((row) => {
      const cells = columns.map((column) => el("td", { class: column.numeric ? "number" : false }, column.cell(row)));
      return el("tr", { "data-row": row, onpointerenter: hover && (() => hover(row)), onpointerleave: hover && (() => hover(null)),
        onfocusin: hover && (() => hover(row)), onfocusout: hover && (() => hover(null)) }, cells);
    }));
    const part = page.length < found.length ? `${count(page.length)} of ` : "";
    note.textContent = `${part}${plural(found.length, rowName, many)}${found.length < rows.length ? `, ${count(rows.length)} without the words` : ""}`;
    more.hidden = page.length === found.length;
  }

  return { root, set(next) { rows = next; refresh(); } };
}

/** Absent values last in either direction; a NaN is the largest number. */
function compare(a, b, down) {
  if (a === null || b === null) return (a === null) - (b === null);
  let sign;
  if (typeof a === "string") sign = a < b ? -1 : a > b ? 1 : 0;
  else {
    const [x, y] = [a, b].map((number) => (Number.isNaN(number) ? Infinity : number));
    sign = x < y ? -1 : x > y ? 1 : Number.isNaN(a) - Number.isNaN(b);
  }
  return down ? -sign : sign;
}

/** A column of the table for an axis. `rowOf`: the trial that stands for a row of the table. */
const axisColumn = (axis, rowOf) => {
  const numbers = axis.levels.map((text, code) => (text === "" ? null : axis.numeric ? axis.numbers[code] : text));
  return {
    title: axis.name,
    numeric: axis.numeric,
    csv: [[axis.name, (row) => axis.levels[axis.codes[rowOf(row)]]]],
    key: (row) => numbers[axis.codes[rowOf(row)]],
    cell: (row) => { const code = axis.codes[rowOf(row)]; return axis.levels[code] === "" ? "" : axis.labels[code]; },
  };
};
