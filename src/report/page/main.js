// Puts the page together, and draws it again when something was chosen.

function update() {
  const rows = filtered();
  drawShown(rows);
  drawHeadline(rows);
  drawPhase(rows);
  drawTrials(rows);
  drawSurvival(rows);
  drawConfigurations(rows);
  writeAddress();
}

/** The figures again, for another width or another theme. */
function redraw() {
  const rows = filtered();
  drawPhase(rows);
  drawTrials(rows);
  drawSurvival(rows);
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
drawNotices();
drawFilters();
drawPickers();
drawSurvivalPickers();
drawChecks();
drawSpec();
drawFooter();
update();

byId("theme").addEventListener("click", () => { setTheme(isDark() ? "light" : "dark"); redraw(); });
darkSystem.addEventListener("change", () => { setTheme(null); redraw(); });
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return;
  width = innerWidth;
  requestAnimationFrame(redraw);
});
addEventListener("scroll", () => tip.hide(), { passive: true });
