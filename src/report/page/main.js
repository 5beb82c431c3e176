// Puts the page together, and draws it again when something was chosen.

function update() {
  keepingFocus(drawAll);
  writeAddress();
}

function drawAll() {
  measureRooms();
  const rows = filtered();
  drawShown(rows);
  drawHeadline(rows);
  drawPhase(rows);
  drawTrials(rows);
  drawBoundary(rows);
  drawSurvival(rows);
  drawConfigurations(rows);
  drawParallel(rows);
  drawCompare(rows);
}

/** The figures again, for another width or another theme. */
function redraw() {
  measureRooms();
  const rows = filtered();
  drawPhase(rows);
  drawTrials(rows);
  drawBoundary(rows);
  edgeDraws.forEach((draw) => draw());
  drawParallel(rows);
  drawSurvival(rows);
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
for (const [id, figure, draw] of [
  ["phase", () => phaseFigure, drawPhase], ["boundary", () => boundaryFigure, drawBoundary], ["parallel", parallelFigure, drawParallel], ["survival", () => survivalFigure, drawSurvival],
]) byId(`${id}-title`).after(saver(figure, () => draw(filtered())));
update();
edgeDraws.forEach((draw) => draw());
follow();
restore();

byId("theme").addEventListener("click", () => { setTheme(isDark() ? "light" : "dark"); redraw(); });
darkSystem.addEventListener("change", () => { setTheme(null); redraw(); });
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  requestAnimationFrame(redraw);
});
addEventListener("scroll", () => tip.hide(), { passive: true });
