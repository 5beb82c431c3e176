// A page of a sweep that still trains loads itself anew every few seconds and stays as its reader left it. What is not in the address
// goes through the state of the history entry, which a reload keeps.

const RELOAD_MS = 5000;
/** The page waits so long after the reader's last move. */
const QUIET_MS = 3000;

/** What the page before a reload left behind. */
const left = history.state?.live ?? null;

/** What the program chose then: it stays, though later rows could change it. */
if (left) {
  pinned = left.defaults;
  Object.assign(state, pinned);
  for (const [name, text] of left.usual) {
    const axis = axisNamed(name);
    if (axis && axis.levels.includes(text)) axis.usual = axis.levels.indexOf(text);
  }
  left.tables.forEach(([kind, table]) => tableStates.set(kind, table));
  if (left.theme) document.documentElement.dataset.theme = left.theme;
}

const scrollers = () => [...document.querySelectorAll(".scroll, .chips, aside, pre")];

/** The first section in sight, and where its top stands in the window: what is above it may grow. */
function placeNow() {
  const node = [...document.querySelectorAll("section, header")].find((section) => section.getBoundingClientRect().bottom > 0);
  return [wayTo(node), node.getBoundingClientRect().top];
}

function snapshot() {
  drawWaiting();
  const active = document.activeElement;
  return {
    // What there was nothing to choose from may be chosen later.
    defaults: Object.fromEntries(Object.entries(defaults()).filter(([, value]) => value !== "")), usual: causes.map((axis) => [axis.name, axis.levels[axis.usual]]), tables: [...tableStates], theme: document.documentElement.dataset.theme ?? null,
    place: placeNow(), inner: scrollers().map((node) => [node.scrollLeft, node.scrollTop]), open: [...document.querySelectorAll("details")].map((node) => node.open),
    logEpochs: state.logEpochs, focus: active && active !== document.body ? wayTo(active) : null, title: active?.title ?? "",
    active: parallelNow?.active ?? null,
  };
}

/** Puts back what is not drawn from the state of the page. */
function restore() {
  if (!left) return;
  document.querySelectorAll("details").forEach((node, i) => (node.open = left.open[i] ?? node.open));
  if (left.active && parallelNow && left.active[0] < parallelNow.places.length) parallelNow.active = left.active;
  const node = left.focus && atWay(left.focus);
  // Where new values have come the same place may be another button.
  const same = node && (node.title ?? "") !== left.title ? [...node.parentNode.children].find((other) => other.title === left.title) : node;
  same?.focus({ preventScroll: true });
  scrollers().forEach((scroller, i) => left.inner[i] && ([scroller.scrollLeft, scroller.scrollTop] = left.inner[i]));
  const [way, top] = left.place;
  scrollBy({ top: (atWay(way)?.getBoundingClientRect().top ?? top) - top, behavior: "instant" });
  history.replaceState(null, "");
  history.scrollRestoration = "auto";
}

/** Loads the page anew every few seconds, unless it is of a sweep that has ended, or the reader pauses it. */
function follow() {
  if (!data.reloads) return;
  let [touched, isPaused] = [-Infinity, false];
  for (const kind of ["pointerdown", "pointermove", "keydown", "wheel", "input"]) addEventListener(kind, () => (touched = performance.now()), { capture: true, passive: true });
  const pause = el("button", { type: "button", class: "link", id: "pause", "aria-pressed": "false", onclick: () => {
    isPaused = !isPaused;
    pause.textContent = isPaused ? "go on" : "pause";
    pause.setAttribute("aria-pressed", String(isPaused));
  } }, "pause");
  const { trials, missing } = data.counts;
  byId("notices").prepend(el("p", { class: "notice note", id: "live" }, `The sweep trains: ${count(trials - missing)} of ${plural(trials, "trial")} so far. This page loads itself anew every ${RELOAD_MS / 1000} seconds. `, pause));
  setInterval(() => {
    if (isPaused || document.hidden || performance.now() - touched < QUIET_MS) return;
    history.scrollRestoration = "manual";
    history.replaceState({ live: snapshot() }, "");
    location.reload();
  }, RELOAD_MS);
}
