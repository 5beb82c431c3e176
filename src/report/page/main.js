// Puts the page together, and draws it again when something was chosen. A panel that is out of sight waits until it comes into sight.

function update() {
  keepingFocus(drawAll);
  writeAddress();
}

function drawAll() {
  measureRooms();
  const rows = filtered();
  drawShown(rows);
  drawHeadline(rows);
  drawTrials(rows);
  drawInSight(Object.keys(PANELS), rows);
  drawCompare(rows);
}

/** What draws the panel of each of these sections. */
const PANELS = { phase: drawPhase, boundary: drawBoundary, parallel: drawParallel, survival: drawSurvival, configurations: drawConfigurations };

/** The panels that are farther than a screen from the window, as far as the browser has told; those of them that are to be drawn anew. */
const outOfSight = new Set();
const waiting = new Set();

/** Draws those of these panels that are in sight or hold the focus; the others wait. */
function drawInSight(ids, rows) {
  for (const id of ids) {
    if (outOfSight.has(id) && !byId(id).contains(document.activeElement)) { waiting.add(id); continue; }
    waiting.delete(id);
    PANELS[id](rows);
  }
}

/** Draws those of these panels that wait. */
function drawWaiting(ids = Object.keys(PANELS)) {
  const due = ids.filter((id) => waiting.delete(id));
  if (due.length > 0) keepingFocus(() => { const rows = filtered(); due.forEach((id) => PANELS[id](rows)); });
}

/** Tells which panels are in sight. Without it all panels are, and none waits. */
function watchSight() {
  if (!window.IntersectionObserver) return;
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) isIntersecting ? outOfSight.delete(target.id) : outOfSight.add(target.id);
    drawWaiting(Object.keys(PANELS).filter((id) => !outOfSight.has(id)));
  }, { rootMargin: "100% 0px" });
  for (const id of Object.keys(PANELS)) {
    observer.observe(byId(id));
    byId(id).addEventListener("focusin", () => drawWaiting([id]));
  }
  addEventListener("beforeprint", () => drawWaiting());
}

/** The figures again, for another width or another theme. */
function redraw() {
  measureRooms();
  const rows = filtered();
  drawTrials(rows);
  drawInSight(Object.keys(PANELS).filter((id) => id !== "configurations"), rows);
  edgeDraws.forEach((draw) => draw());
  drawCompare(rows);
}

function setTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
  byId("theme").textContent = isDark() ? "Light" : "Dark";
  byId("theme").setAttribute("aria-label", `Switch to ${isDark() ? "light" : "dark"} colours`);
}

document.title = `${data.name} · blowup report`;
byId("name").textContent = data.name;
if (innerWidth < 1000) byId("filters").open = false;
readAddress();
setTheme(null);
if (left) state.logEpochs = left.logEpochs;
drawNotices();
drawFilters();
drawPickers();
drawBoundaryPickers();
drawSurvivalPickers();
drawEdges();
drawChecks();
drawSpec();
drawFooter();
for (const [id, figure] of [["phase", () => phaseFigure], ["boundary", () => boundaryFigure], ["parallel", parallelFigure], ["survival", () => survivalFigure]])
  byId(`${id}-title`).after(saver(() => { drawWaiting([id]); return figure(); }, () => PANELS[id](filtered())));
update();
edgeDraws.forEach((draw) => draw());
follow();
restore();
watchSight();

byId("theme").addEventListener("click", () => { setTheme(isDark() ? "light" : "dark"); redraw(); });
darkSystem.addEventListener("change", () => { setTheme(null); redraw(); });
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  requestAnimationFrame(redraw);
});
addEventListener("scroll", () => tip.hide(), { passive: true });
