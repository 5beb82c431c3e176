// A picture as a file of its own: on white, with its title, what shaped it, and its legend.

const SHEET = { edge: 16, gap: 16, title: 15, text: 11, line: 15 };

/** Words in lines of at most `width` pixels. */
function wrapped(text, width, font) {
  measuring.font = font;
  const lines = [""];
  for (const word of text.split(" ")) {
    const longer = lines[lines.length - 1] ? `${lines[lines.length - 1]} ${word}` : word;
    if (measuring.measureText(longer).width <= width || longer === word) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

/** What shaped every picture: the filter and the trials, where it goes by `rows`; the sweep and the build. */
function provenance(rows) {
  const builds = data.fingerprints.map((text) => /build [^,]+/.exec(text)?.[0] ?? text);
  const source = [`Sweep ${data.name}`, `blowup ${data.version}`, ...builds].join(" · ");
  if (rows === null) return [source];
  const seed = data.axes.find((axis) => axis.repeats);
  const seeds = seed ? new Set(Array.from(rows, (row) => seed.codes[row])).size : 1;
  const filter = filterText();
  return [
    `${filter ? `Filter: ${filter}. ` : ""}${plural(rows.length, "trial")}, ${plural(seeds, "seed")}${data.sampled ? `, a sample of ${plural(data.sampled.of, "trial")}` : ""}.`,
    source,
  ];
}

/** The filters in words: `clip none; lr 0.1 to 10`. Empty without any. */
function filterText() {
  const texts = [...state.hidden].filter(([, codes]) => codes.size > 0).map(([name, hidden]) => {
    const axis = axisNamed(name);
    const kept = axis.levels.map((_, code) => code).filter((code) => !hidden.has(code));
    const isRun = axis.numeric && kept.length > 2 && kept[kept.length - 1] - kept[0] === kept.length - 1;
    if (isRun) return `${name} ${span(axis, kept[0], kept[kept.length - 1])}`;
    const isFew = kept.length > 0 && kept.length <= hidden.size;
    return isFew ? `${name} ${kept.map((code) => axis.labels[code]).join(", ")}` : `${name} not ${[...hidden].map((code) => axis.labels[code]).join(", ")}`;
  });
  return texts.join("; ");
}

/**
 * The SVG of a picture {title, about, parts, across, legend, ramp, rows}: `parts` are {node or paint(context), width, height, title},
 * `across` of them side by side; `legend` has {text, colour, isDashed}; `ramp` {title, ends, colours} is a scale of colours.
 */
function sheetOf({ title, about, parts, across = 1, legend = [], ramp = null, rows }) {
  const font = getComputedStyle(document.body).fontFamily;
  const { edge, gap, line } = SHEET;
  const columns = Math.min(across, parts.length);
  const inner = Math.max(420, columns * (parts[0].width + gap) - gap);
  const root = svg("svg", { xmlns: "http://www.w3.org/2000/svg", "font-family": font });
  let y = edge;
  const write = (text, size, weight = 400, fill = "#1c1e22") => {
    for (const part of wrapped(text, inner, `${weight} ${size}px ${font}`)) {
      root.append(svg("text", { x: edge, y: y + size, "font-size": size, "font-weight": weight, fill }, part));
      y += size === SHEET.title ? 20 : line;
    }
  };
  write(title, SHEET.title, 650);
  for (const text of [...about.filter((text) => text), ...provenance(rows)]) write(text, SHEET.text, 400, "#5c636d");
  y += 8;
  for (let at = 0; at < parts.length; at += columns) {
    const row = parts.slice(at, at + columns);
    const hasTitle = row.some((part) => part.title);
    row.forEach((part, i) => {
      const x = edge + i * (part.width + gap);
      if (part.title) root.append(svg("text", { x, y: y + 12, "font-size": 12, "font-weight": 600, fill: "#1c1e22" }, part.title));
      root.append(svg("g", { transform: `translate(${x} ${y + (hasTitle ? 18 : 0)})` }, drawnPart(part, `11px ${font}`)));
    });
    y += Math.max(...row.map((part) => part.height)) + (hasTitle ? 18 : 0) + 10;
  }
  y = writeLegend(root, legend, inner, y, font);
  if (ramp) y = writeRamp(root, ramp, y);
  const [width, height] = [Math.ceil(inner + 2 * edge), Math.ceil(y + edge / 2)];
  for (const [name, value] of Object.entries({ width, height, viewBox: `0 0 ${width} ${height}` })) root.setAttribute(name, value);
  root.prepend(svg("title", {}, title), svg("rect", { width, height, fill: "#fff" }));
  return root;
}

function drawnPart({ node, paint }, font) {
  if (node) return styled(node);
  const context = new SvgContext(font);
  paint(context);
  return context.root;
}

function writeLegend(root, legend, inner, from, font) {
  let [x, y] = [SHEET.edge, from];
  measuring.font = `${SHEET.text}px ${font}`;
  for (const { text, colour, isDashed } of legend) {
    const width = measuring.measureText(text).width + 46;
    if (x > SHEET.edge && x + width > SHEET.edge + inner) [x, y] = [SHEET.edge, y + SHEET.line];
    root.append(svg("line", { x1: x, x2: x + 22, y1: y + 7, y2: y + 7, stroke: colour, "stroke-width": 2, "stroke-dasharray": isDashed && "4 3" }),
      svg("text", { x: x + 27, y: y + 11, "font-size": SHEET.text, fill: "#1c1e22" }, text));
    x += width;
  }
  return legend.length ? y + SHEET.line + 4 : y;
}

function writeRamp(root, { title, ends, colours }, y) {
  const [steps, width] = [48, 240];
  root.append(svg("text", { x: SHEET.edge, y: y + 11, "font-size": SHEET.text, fill: "#1c1e22" }, title));
  for (let i = 0; i < steps; i++)
    root.append(svg("rect", { x: SHEET.edge + (i * width) / steps, y: y + 16, width: width / steps + 0.5, height: 10, fill: css(mix(colours, i / (steps - 1))) }));
  ends.forEach((text, i) => root.append(svg("text", { x: SHEET.edge + (i * width) / (ends.length - 1), y: y + 38, "font-size": SHEET.text, fill: "#5c636d",
    "text-anchor": ["start", "middle", "end"][i] }, text)));
  return y + 44;
}
