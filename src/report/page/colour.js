// Colours: those of outcomes are read from the style sheet, after Okabe and Ito (2008), and those of cells and of lines are those of
// `blowup plot`. All are told apart with the common kinds of colour blindness.

const { cells: CELLS, ordered: ORDERED, named: NAMED } = data.colours;

const darkSystem = matchMedia("(prefers-color-scheme: dark)");
const isDark = () => (document.documentElement.dataset.theme ?? (darkSystem.matches ? "dark" : "light")) === "dark";

/** What `var(--name)` is now, as rgb(...). */
function themed(name) {
  const probe = byId("tip");
  probe.style.color = `var(--${name})`;
  const found = getComputedStyle(probe).color;
  probe.style.color = "";
  return found;
}

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
/** The colour at `share` of a ramp, as [red, green, blue]. */
function mix(ramp, share) {
  const place = Math.min(Math.max(share, 0), 1) * (ramp.length - 1);
  const at = Math.min(Math.floor(place), ramp.length - 2);
  const [from, to] = [channels(ramp[at]), channels(ramp[at + 1])];
  return from.map((x, i) => Math.round(x + (to[i] - x) * (place - at)));
}
const css = ([r, g, b]) => `rgb(${r} ${g} ${b})`;
/** Black or white, whichever is easier to read on it. */
const inkOn = ([r, g, b]) => (0.299 * r + 0.587 * g + 0.114 * b > 140 ? "#111" : "#fff");

/** Colours of the lines of `n` groups: in order for numbers, apart for names. */
function lineColours(n, numeric) {
  const apart = isDark()
    ? ["#4aa5e0", "#ff8149", "#2fc296", "#e394c3", "#f0b638", "#9fd6f7", "#b79fdb", "#a3a3a3"]
    : NAMED;
  if (!numeric && n <= apart.length) return apart.slice(0, n);
  // Not the pale end of viridis on white, nor the dark end on black.
  const [from, to] = isDark() ? [0.28, 1] : [0, 0.92];
  return Array.from({ length: n }, (_, i) => css(mix(ORDERED, from + ((to - from) * i) / Math.max(n - 1, 1))));
}
