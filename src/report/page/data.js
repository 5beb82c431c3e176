// What the program embedded: columns as typed arrays. A row of the page is a trial.

const KINDS = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, f32: Float32Array, f64: Float64Array };

function bytesOf(base64) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(base64);
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}
const column = ({ kind, data }) => new KINDS[kind](bytesOf(data).buffer);

/** The bits of `mask` are the rows whose cell is empty. */
const isEmpty = (mask, row) => mask !== null && (mask[row >> 3] >> (row & 7)) & 1;

/** A number as a result file has it; NaN for any other text. */
const numberOf = (text) => ({ inf: Infinity, "-inf": -Infinity, "": NaN })[text] ?? Number(text);

const data = (() => {
  const raw = JSON.parse(byId("data").textContent);
  byId("data").remove();
  const axes = raw.axes.map((axis) => ({ ...axis, codes: column(axis.codes), labels: labels(axis), numbers: axis.levels.map(numberOf) }));
  const measures = raw.measures.map((measure) => ({
    name: measure.name,
    values: column(measure.values),
    empty: measure.empty ? bytesOf(measure.empty) : null,
  }));
  const curves = raw.curves && {
    ...raw.curves,
    rows: column(raw.curves.rows),
    starts: column(raw.curves.starts),
    epoch: column(raw.curves.epoch),
    loss: column(raw.curves.loss),
    gradient: column(raw.curves.gradient),
  };
  const rows = column(raw.verdict).length;
  return {
    ...raw,
    rows,
    axes,
    measures,
    curves,
    trial: bytesOf(raw.trial),
    verdict: column(raw.verdict),
    configuration: column(raw.configuration),
    budget: column(raw.budget),
    diverged: column(raw.diverged),
    nonfinite: column(raw.nonfinite),
  };
})();

/** Levels as they are shown: numbers with three digits, unless two would look alike. */
function labels(axis) {
  const shown = axis.levels.map((text) => {
    const number = Number(text);
    if (text === "") return "n/a";
    return axis.numeric && Number.isFinite(number) ? short(number) : text;
  });
  return new Set(shown).size === shown.length ? shown : axis.levels.map((text) => text || "n/a");
}

/** Where the verdicts stand in `counts`: outcomes first, then the reasons for which a trial is lost. */
const LOST = data.outcomes;
const VERDICTS = data.verdicts.length;
/** The seeds that an interval tells apart; further ones share these clusters. */
const MOST_SEEDS = 1024;

/** Axes that are causes of their own; the others follow one of these. Seeds only repeat. */
const causes = data.axes.filter((axis) => !axis.follows && !axis.repeats);
const axisNamed = (name) => data.axes.find((axis) => axis.name === name) ?? null;

function trialName(row) {
  let name = "t";
  for (let i = 0; i < 6; i++) name += data.trial[6 * row + i].toString(16).padStart(2, "0");
  return name;
}
