// Files that the reader saves: pictures as SVG and PNG, tables as CSV. Their names say what shaped them.

/** Lowercase letters, digits and dots, with dashes between the words. */
const slug = (words) => words.join("-").toLowerCase().replace(/[^a-z0-9.]+/g, "-").replace(/^-+|-+$/g, "");

/** Eight digits of the FNV-1a hash of a text. */
function hashOf(text) {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}

/** `smoke-survival-by-clip-where-lr-0.1-to-10.svg`. What is long, or loses something of its filter in these letters, ends in eight digits of its hash. */
function fileName(kind, words, ending, filter) {
  const all = [data.name, kind, ...words, ...(filter ? ["where", filter] : [])];
  const name = slug(all);
  const isWhole = name.length <= 120 && /^[\w .,;()-]*$/.test(filter);
  return `${isWhole ? name : `${name.slice(0, 110)}-${hashOf(all.join(" "))}`}.${ending}`;
}

function saveFile(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** Files are on white, so they are drawn in the light theme, which `redraw` puts on and off again. */
function inLight(redraw, make) {
  const theme = document.documentElement.dataset.theme;
  if (!isDark()) return make();
  document.documentElement.dataset.theme = "light";
  redraw();
  const made = make();
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  redraw();
  return made;
}

const svgText = (root) => `<?xml version="1.0" encoding="UTF-8"?>\n${new XMLSerializer().serializeToString(root)}\n`;

/** Twice as many pixels as the SVG has, so that it is sharp in print. */
async function pngOf(root) {
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svgText(root))}`;
  await image.decode();
  const canvas = el("canvas", { width: 2 * root.getAttribute("width"), height: 2 * root.getAttribute("height") });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

/** Buttons that save the picture that `figure()` describes; null where there is none now. */
function saver(figure, redraw) {
  const sheet = () => inLight(redraw, () => { const now = figure(); return now && { root: sheetOf(now), now }; });
  const button = (ending, blobOf) => el("button", { type: "button", class: "save", "data-save": ending, title: `Save this picture as ${ending.toUpperCase()}`, onclick: async () => {
    const made = sheet();
    if (made) saveFile(fileName(made.now.kind, made.now.axes, ending, made.now.rows ? filterText() : ""), await blobOf(made.root));
  } }, ending.toUpperCase());
  return el("span", { class: "savers" }, button("svg", (root) => new Blob([svgText(root)], { type: "image/svg+xml" })), button("png", pngOf));
}

/** RFC 4180. An absent value is an empty cell. */
function csvText(lines) {
  const cell = (value) => {
    if (value === null || value === undefined) return "";
    const text = typeof value === "number" && !Number.isFinite(value) ? short(value) : String(value);
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return lines.map((line) => `${line.map(cell).join(",")}\n`).join("");
}

/** A button that saves the lines of a table, the first of which are its columns; `words()` are words of the name of the file. */
const csvButton = (kind, words, lines, isFiltered = true) => el("button", { type: "button", class: "save", "data-save": "csv", title: "Save this table as CSV",
  onclick: () => saveFile(fileName(kind, words(), "csv", isFiltered ? filterText() : ""), new Blob([csvText(lines())], { type: "text/csv" })) }, "CSV");
