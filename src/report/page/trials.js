// The trials that were chosen, in a cell or a configuration: their curves, and a row for each.

/** Scrolls to a section and puts the focus on its title. */
function showSection(id) {
  byId(id).scrollIntoView({ block: "start", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  byId(`${id}-title`).focus({ preventScroll: true });
}

/** Shows the trials that have these levels. */
function choose(levels) {
  state.chosen = levels;
  tableStates.delete("trials");
  drawTrials(filtered());
  writeAddress();
  showSection("trials");
}

function drawTrials(rows) {
  const host = byId("trials");
  host.hidden = state.chosen === null;
  if (host.hidden) return;
  const chosen = Array.from(having(rows, state.chosen));
  const close = () => { state.chosen = null; host.hidden = true; writeAddress(); byId("phase-title").scrollIntoView({ block: "nearest" }); };
  const name = described(state.chosen) || "all";
  const curves = drawCurves(chosen, {
    look: (row) => ({ class: `stroke-${data.verdicts[data.verdict[row]]}` }),
    name: () => "",
    figure: () => ({ kind: "trials", axes: [name], title: `Courses of ${plural(chosen.length, "trial")}: ${name}`, about: [], legend: outcomeLegend(chosen) }),
  });
  const table = trialTable(new Set(state.chosen.filter(([, from, to]) => (to ?? from) === from).map(([axis]) => axis)), curves.highlight, name);
  host.replaceChildren(
    el("div", { class: "title-row" },
      el("h2", { id: "trials-title", tabindex: "-1" }, `${plural(chosen.length, "trial")}: ${name}`),
      el("span", { class: "savers" }, curves.saver ?? "", sideButton(state.chosen), el("button", { type: "button", class: "quiet", onclick: close }, "Close"))),
    outcomeList(tally(chosen)), curves.root, table.root,
    el("p", { class: "hint" }, "`copy` takes the command that trains the trial again and shows where it broke: blowup replay RUN_DIR TRIAL. ",
      RUN_DIR === "RUN_DIR" ? "RUN_DIR is the folder of the results." : "It names the folder in which this page lies."));
  table.set(chosen);
  curves.draw();
}

const outcomeLegend = (chosen) => [...new Set(chosen.map((row) => data.verdicts[data.verdict[row]]))].map((name) => ({ text: name, colour: themed(data.verdicts.indexOf(name) < LOST ? name : "lost") }));

function trialTable(fixed, hover, name) {
  const own = data.axes.filter((axis) => axis.repeats || (!axis.follows && !fixed.has(axis)));
  const self = (row) => row;
  const epochs = (title, values) => ({ title, numeric: true, csv: [[title.replace(/ |-/g, "_").replace("non_", "non"), (row) => values[row] || null]], key: (row) => values[row] || null, cell: (row) => values[row] || "" });
  const measure = (found) => {
    const key = (row) => (isEmpty(found.empty, row) ? null : found.values[row]);
    // A page has seven digits of most numbers.
    const written = (x) => (x === null || !Number.isFinite(x) || found.values instanceof Float64Array ? x : Number(x.toPrecision(7)));
    return { title: found.name, numeric: true, csv: [[found.name, (row) => written(key(row))]], key, cell: (row) => (key(row) === null ? "" : short(key(row), 4)) };
  };
  const verdict = (row) => data.verdicts[data.verdict[row]];
  const columns = [
    { title: "trial", key: trialName, cell: (row) => el("code", { tabindex: "0" }, trialName(row)) },
    { title: "replay", csv: [], key: trialName, cell: replayButton },
    ...own.map((axis) => axisColumn(axis, self)),
    { title: "outcome", csv: [["outcome", (row) => (data.verdict[row] < LOST ? verdict(row) : "")], ["lost", (row) => (data.verdict[row] < LOST ? "" : verdict(row))]],
      key: verdict, cell: (row) => [el("span", { class: `dot ${verdict(row)}` }), data.verdict[row] < LOST ? ` ${verdict(row)}` : ` lost: ${verdict(row)}`] },
    epochs("epoch diverged", data.diverged),
    epochs("epoch non-finite", data.nonfinite),
    ...data.measures.map(measure),
  ];
  const words = (row) => `${trialName(row)} ${verdict(row)} ${own.map((axis) => `${axis.name}=${axis.levels[axis.codes[row]]}`).join(" ")}`.toLowerCase();
  return makeTable({ columns, words, placeholder: "Words to find, as in: nonfinite seed=2", rowName: "trial", hover, kind: "trials", file: () => [name] });
}

/** The folder of the results, for a command: that of this page where it was opened from a disk. */
const RUN_DIR = (() => {
  const folder = decodeURIComponent(location.pathname).replace(/\/[^/]*$/, "");
  if (location.protocol !== "file:" || folder === "") return "RUN_DIR";
  return /^[\w./+-]+$/.test(folder) ? folder : `'${folder.replaceAll("'", "'\\''")}'`;
})();

const replayCommand = (row) => `blowup replay ${RUN_DIR} ${trialName(row)}`;

/** Copies the command that trains a trial again. Where the browser forbids that, the command is selected in a field. */
function replayButton(row) {
  const told = (button, text) => { button.textContent = text; setTimeout(() => (button.textContent = "copy"), 2000); };
  return el("button", { type: "button", class: "link copy", title: replayCommand(row), "aria-label": `copy the command: ${replayCommand(row)}`, onclick: async ({ target }) => {
    try {
      await navigator.clipboard.writeText(replayCommand(row));
      told(target, "copied");
    } catch {
      const field = el("input", { readonly: true, value: replayCommand(row), size: 48, "aria-label": "the command" });
      target.replaceWith(field);
      field.select();
    }
  } }, "copy");
}
