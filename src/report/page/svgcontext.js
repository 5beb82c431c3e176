// What the page paints on a canvas, as shapes of SVG, so that one function paints both.

const measuring = document.createElement("canvas").getContext("2d");

/** The part of a canvas' context that the page paints with. The shapes are in `root`. */
class SvgContext {
  constructor(font) {
    this.root = svg("g", { "font-family": font.replace(/^\S+ /, ""), "font-size": font.split(" ")[0] });
    Object.assign(this, { font, fillStyle: "#000", strokeStyle: "#000", lineWidth: 1, globalAlpha: 1, textAlign: "left", textBaseline: "alphabetic", path: "" });
  }

  measureText(text) {
    measuring.font = this.font;
    return measuring.measureText(text);
  }

  put(tag, attributes, ...children) {
    this.root.append(svg(tag, { ...attributes, opacity: this.globalAlpha < 1 && this.globalAlpha }, ...children));
  }

  fillRect(x, y, width, height) { this.put("rect", { x, y, width, height, fill: this.fillStyle }); }
  strokeRect(x, y, width, height) { this.put("rect", { x, y, width, height, fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth }); }
  beginPath() { this.path = ""; }
  moveTo(x, y) { this.path += `M${x.toFixed(1)} ${y.toFixed(1)}`; }
  lineTo(x, y) { this.path += `${this.path ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`; }
  fill() { this.put("path", { d: `${this.path}Z`, fill: this.fillStyle }); }
  stroke() { this.put("path", { d: this.path, fill: "none", stroke: this.strokeStyle, "stroke-width": this.lineWidth }); }

  fillText(text, x, y, most = Infinity) {
    const squeezed = this.measureText(text).width > most && { textLength: most, lengthAdjust: "spacingAndGlyphs" };
    const anchor = { left: "start", center: "middle", right: "end" }[this.textAlign];
    const baseline = { top: "hanging", middle: "central", alphabetic: "auto" }[this.textBaseline];
    this.put("text", { x, y, fill: this.fillStyle, "text-anchor": anchor, "dominant-baseline": baseline, ...squeezed }, text);
  }
}

/** What a style sheet gives to shapes, and what they have without one. */
const PLAIN = {
  fill: "rgb(0, 0, 0)", "fill-opacity": "1", stroke: "none", "stroke-width": "1px", "stroke-dasharray": "none", "stroke-linejoin": "miter", opacity: "1",
  "font-family": null, "font-size": null, "font-weight": "400",
};

/** A copy of a drawn SVG that needs no style sheet. */
function styled(node) {
  const copy = node.cloneNode(true);
  const [from, to] = [node, copy].map((root) => [root, ...root.querySelectorAll("*")]);
  from.forEach((live, i) => {
    const style = getComputedStyle(live);
    const isText = live.tagName === "text";
    for (const name of ["class", "tabindex", "role", "aria-label", "visibility"]) to[i].removeAttribute(name);
    for (const [name, plain] of Object.entries(PLAIN)) {
      const value = style.getPropertyValue(name);
      if (name.startsWith("font") ? isText : value !== plain) to[i].setAttribute(name, value);
    }
    if (style.visibility === "hidden" || style.display === "none") to[i].setAttribute("display", "none");
  });
  return copy;
}
