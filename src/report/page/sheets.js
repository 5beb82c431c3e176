// What is told rather than drawn: notices, the findings of the check, the spec, where the page comes from.

function drawNotices() {
  const { counts } = data;
  const notices = [];
  if (!data.complete && !data.reloads) notices.push(["bad", `This sweep did not end (${data.status}); the same command resumes it.`]);
  if (counts.missing > 0 && !data.reloads) notices.push(["bad", `${count(counts.missing)} of the sweep's ${plural(counts.trials, "trial")} have no row yet: what is here is a part.`]);
  if (counts.lost > 0) notices.push(["bad", `${plural(counts.lost, "trial is", "trials are")} lost (${data.lost_text}): they have no verdict and are in no rate. The same command runs them again.`]);
  if (data.sampled) notices.push(["note", `A sample: this page holds ${count(data.rows)} of ${plural(data.sampled.of, "trial")}, chosen by the hash in their ids, so evenly over the grid. Counts here are counts of the sample; runs.csv and summary.csv have all.`]);
  byId("notices").replaceChildren(...notices.map(([kind, text]) => el("p", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : "note" }, text)));
}

function drawChecks() {
  const { checks } = data;
  if (!checks) return;
  byId("checks").hidden = byId("checks-link").hidden = false;
  const title = el("h2", { id: "checks-title" }, "Checks");
  if (checks.problem) {
    byId("checks").replaceChildren(title, el("p", { class: "notice note" }, checks.problem));
    return;
  }
  const failed = checks.cases.filter((found) => found.finding);
  const verdict = failed.length ? `gate FAILED: ${count(failed.length)} of ${plural(checks.cases.length, "check")}` : `gate passed: ${plural(checks.cases.length, "check")}`;
  const cells = (found) => [
    el("td", {}, el("span", { class: found.finding ? "badge fail" : "badge pass" }, found.finding ? "FAIL" : "PASS")),
    el("td", {}, found.name), el("td", {}, found.group), el("td", {}, el("code", {}, found.metric === found.name ? "" : found.metric)),
    el("td", { class: "number" }, found.measured), el("td", { class: "number" }, found.interval), el("td", { class: "number" }, found.n), el("td", {}, found.expected)];
  const rows = checks.cases.map((found) => el("tr", { class: found.finding ? "failed" : false }, cells(found)));
  const lines = () => [["result", "expectation", "group", "metric", "measured", "interval", "n", "expected", "finding"],
    ...checks.cases.map((found) => [found.finding ? "FAIL" : "PASS", found.name, found.group, found.metric, found.measured, found.interval, found.n, found.expected, found.finding])];
  const head = ["", "expectation", "group", "metric", "measured", "95% interval", "n", "expected"].map((text) => el("th", { scope: "col" }, text));
  byId("checks").replaceChildren(title,
    el("p", { class: failed.length ? "gate fail" : "gate pass", id: "gate" }, verdict),
    failed.length ? el("ul", { class: "findings" }, failed.map((found) => el("li", {}, el("code", {}, found.code), ` ${found.name === found.metric ? "" : `${found.name}: `}${found.finding}`))) : "",
    el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "checks" }, el("table", {}, el("thead", {}, el("tr", {}, head)), el("tbody", {}, rows))),
    csvButton("checks", () => [], lines, false));
}

/** The spec as it was written, tables and comments set apart. */
function drawSpec() {
  const line = (text) => {
    if (/^\s*\[/.test(text) && !text.includes("=")) return el("b", {}, text);
    const hash = text.match(/^((?:[^"#]|"(?:[^"\\]|\\.)*")*)(#.*)$/);
    return hash ? [hash[1], el("i", {}, hash[2])] : [text];
  };
  byId("spec-text").replaceChildren(...(data.spec ?? "").split("\n").flatMap((text, i) => [i ? "\n" : "", line(text)].flat()));
}

function drawFooter() {
  const parts = [`blowup ${data.version}`, ...data.fingerprints, data.status && `status: ${data.status}`];
  byId("footer").textContent = parts.filter((part) => part).join(" · ");
}
