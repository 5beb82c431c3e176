// The edges of the spec, as edges.csv has them: a picture for each, and their table.

function drawEdges() {
  if (!data.edges) return;
  byId("edges").hidden = byId("edges-link").hidden = false;
  const { columns, axes, rows } = data.edges;
  const at = (name) => columns.indexOf(name);
  const names = [...new Set(rows.map((row) => row[at("edge")]))];
  const isNumber = columns.map((_, i) => rows.every((row) => row[i] === "" || !Number.isNaN(numberOf(row[i]))));
  const shown = columns.map((title, i) => ({
    title, numeric: isNumber[i],
    csv: [[title, (row) => rows[row][i]]],
    key: (row) => (rows[row][i] === "" ? null : isNumber[i] ? numberOf(rows[row][i]) : rows[row][i]),
    cell: (row) => (isNumber[i] && rows[row][i] !== "" ? short(numberOf(rows[row][i]), 4) : rows[row][i]),
  }));
  const words = (row) => columns.map((name, i) => `${name}=${rows[row][i]}`).join(" ").toLowerCase();
  const table = makeTable({ columns: shown, words, placeholder: "Words to find, as in: depth=4", rowName: "line", kind: "edges", isFiltered: false });
  table.set(rows.map((_, i) => i));
  const figures = names.map((name) => edgeFigure(name, columns.slice(0, axes), rows.filter((row) => row[at("edge")] === name), at));
  byId("edges-body").replaceChildren(...figures, table.root,
    el("p", { class: "hint" }, "From edges.csv, of all trials: the filters do not reach this section. Dots: the middle of the bracket of the share 0.5, where the edge has one. " +
      "Upright strokes: from the largest value up to which no trial has the event to the smallest from which on all have it. Crosses: re-entrant. What stands at the lower or upper end lies beyond the values that were tried."));
}

/** A picture of one edge; it is drawn anew for another width or theme. */
function edgeFigure(name, by, rows, at) {
  const number = (row, column) => (at(column) < 0 || row[at(column)] === "" ? null : numberOf(row[at(column)]));
  const answered = rows.filter((row) => row[at("safe_up_to")] !== "");
  const over = rows[0][at("over")];
  const varying = by.map((_, i) => i).filter((i) => rows.some((row) => row[i] !== rows[0][i]));
  const x = varying.find((i) => rows.every((row) => !Number.isNaN(numberOf(row[i])))) ?? null;
  const [colour = null, ...apart] = varying.filter((i) => i !== x);
  const text = (row, columns) => columns.map((i) => `${by[i]} ${row[i]}`).join(", ");
  // Without a number to go to the right, every line of the file has a place of its own.
  const panelOf = (row) => (x === null ? "" : text(row, apart));
  const lineOf = (row) => (x === null ? text(row, varying) : colour === null ? "" : row[colour]) || name;
  const half = (row) => { const [low, high] = [number(row, "low_0.5"), number(row, "high_0.5")]; return low === null ? null : middleOf(low, high); };
  const markOf = (row) => ({ at: x === null ? 0 : numberOf(row[x]), safe: number(row, "safe_up_to"), half: half(row), dead: number(row, "dead_from"), reentrant: row[at("reentrant")] === "true" });
  const ends = ["safe_up_to", "dead_from", "low_0.5", "high_0.5"];
  const values = answered.flatMap((row) => ends.map((end) => number(row, end))).filter((value) => value !== null);
  const groups = (list, of) => [...new Set(list.map(of))].map((label) => ({ label, rows: list.filter((row) => of(row) === label) }));
  const host = el("div", { class: "edge-panels" });
  let figure = null;
  const draw = () => {
    const panels = groups(answered, panelOf);
    const width = Math.max(280, Math.min(panels.length > 1 ? 440 : 760, rooms.get("edges-body")));
    const lines = [...new Set(answered.map(lineOf))];
    const colours = lineColours(lines.length, false);
    const parts = panels.map((panel) => {
      const drawn = groups(panel.rows, lineOf).map((line) => ({ label: line.label, colour: colours[lines.indexOf(line.label)], marks: line.rows.map(markOf).sort((a, b) => a.at - b.at) }));
      const node = boundaryChart({ width, height: 280, over, against: x === null ? "" : by[x], values, lines: drawn, label: `edge ${name}` }, x !== null);
      return { title: panel.label, node, width, height: 280 };
    });
    host.replaceChildren(...parts.map((part) => el("figure", {}, part.title && el("figcaption", {}, part.title), part.node)));
    if (lines.length > 1 && x !== null) host.append(lineKey(by[colour], lines.map((label, i) => ({ label, colour: colours[i] }))));
    if (parts.length === 0) host.append(el("p", { class: "hint" }, "No line of this edge has an answer yet."));
    figure = parts.length === 0 ? null : {
      kind: "edge", axes: [name], title: `Edge ${name}: where the event begins along ${over}`,
      about: ["Dots: the middle of the bracket of the share 0.5. Upright strokes: from the largest value up to which no trial has the event to the smallest from which on all have it. Crosses: re-entrant. What stands at an end lies beyond the values that were tried."],
      parts, across: 2, legend: x === null ? [] : lines.map((label, i) => ({ text: label, colour: colours[i] })), rows: null,
    };
  };
  edgeDraws.push(draw);
  const waiting = rows.length - answered.length;
  return el("div", { class: "edge" }, el("div", { class: "title-row" }, el("h3", {}, name), saver(() => figure, draw)), host,
    waiting > 0 && el("p", { class: "hint" }, `${plural(waiting, "line waits", "lines wait")} for trials and ${waiting === 1 ? "is" : "are"} not drawn.`));
}

const lineKey = (title, lines) => el("ul", { class: "keys" }, el("li", { class: "muted" }, `${title}:`), lines.map((line) =>
  el("li", {}, el("span", { class: "dot", style: `background:${line.colour}` }), ` ${line.label}`)));

/** What draws the pictures of the edges. */
const edgeDraws = [];
