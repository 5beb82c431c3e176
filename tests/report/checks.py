"""checks.py CHECK RUN_DIR: what a person does with a report, and what must come of it. The results
are those of experiments/smoke.toml, unless a check says otherwise."""

import csv
import math
import pathlib
import re

from harness import (
    FAILED,
    NARROW,
    OUTCOMES,
    WIDE,
    chip,
    column,
    headline,
    heads,
    held,
    interval,
    main,
    number,
    opened,
    overflow,
    panels,
    pick,
    place,
    pool,
    rows,
    see,
    table,
    tally,
)


def opens_offline(run_dir):
    """In both themes and widths, with trials and every part open, and nothing wider than the
    window."""
    for size in (WIDE, NARROW):
        for scheme in ("light", "dark"):
            with opened(run_dir, size, scheme) as page:
                assert page.inner_text("#name") == "smoke" and "smoke" in page.title()
                assert overflow(page) == 0, (size, scheme, overflow(page))
                page.evaluate("document.querySelectorAll('details').forEach(found => (found.open = true))")
                page.click("#configurations-body tbody button >> nth=3")
                page.wait_for_selector("#trials .curve")
                assert overflow(page) == 0, (size, scheme, overflow(page))
                wide = page.evaluate("""() => [...document.querySelectorAll('body *')].filter(node => !node.closest('.scroll, pre, .visually-hidden, .skip')
                    && node.getBoundingClientRect().right > innerWidth + 1).map(node => node.outerHTML.slice(0, 120))""")
                assert wide == [], wide
    for missing in ("http:", "https:", "@import", "url("):
        text = pathlib.Path(run_dir, "report.html").read_text()
        assert missing not in text.replace("http://www.w3.org/2000/svg", ""), missing


def contrast(page, selector):
    found = page.eval_on_selector(
        selector,
        """node => {
        let back = node;
        while (getComputedStyle(back).backgroundColor === 'rgba(0, 0, 0, 0)') back = back.parentElement;
        return [getComputedStyle(node).color, getComputedStyle(back).backgroundColor];
    }""",
    )
    light = []
    for colour in found:
        channels = [int(x) / 255 for x in re.findall(r"\d+", colour)[:3]]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in channels]
        light.append(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
    return (max(light) + 0.05) / (min(light) + 0.05)


def themes(run_dir):
    """The system's, and the other one by a button; text is readable in both (WCAG AA), the figure
    is drawn anew."""
    background = "getComputedStyle(document.body).backgroundColor"
    seen = {}
    for scheme in ("light", "dark"):
        with opened(run_dir, scheme=scheme) as page:
            seen[scheme] = page.evaluate(background)
            for _ in range(2):
                for selector in (
                    "h1",
                    ".hint",
                    ".chip",
                    ".rate",
                    "#worst .muted",
                    "th button",
                    "a",
                    ".legend .key, .legend .title",
                    "footer",
                ):
                    assert contrast(page, selector) >= 4.5, (scheme, selector, contrast(page, selector))
                before = page.evaluate(background), panels(page)[0][1].evaluate("canvas => canvas.toDataURL()")
                page.click("#theme")
                after = page.evaluate(background), panels(page)[0][1].evaluate("canvas => canvas.toDataURL()")
                assert before[0] != after[0] and before[1] != after[1]
            assert page.evaluate(background) == seen[scheme]
    assert seen["light"] != seen["dark"]


def pickers(run_dir):
    """Every picker changes the figure; the panels are those of the chosen axes; the address brings
    the choice back."""
    with opened(run_dir) as page:
        figure = lambda: [canvas.evaluate("canvas => canvas.toDataURL()") for _, canvas, _ in panels(page)]
        before = figure()
        for name, value in [
            ("x", "depth"),
            ("y", "lr"),
            ("columns", "clip"),
            ("rows", "init"),
            ("rows", ""),
            ("metric", "nonfinite_rate"),
            ("metric", "loss_final"),
            ("metric", "epoch_diverged"),
        ]:
            pick(page, name, value)
            after = figure()
            assert before != after, (name, value)
            before = after
        assert [levels for levels, _, _ in panels(page)] == [["none"], ["norm(1.0)"]]
        cells = panels(page)[0][2]
        assert (cells["nx"], cells["ny"]) == (2, 3)
        fragment = page.evaluate("location.hash")
        pick(page, "columns", "")
        assert [levels for levels, _, _ in panels(page)] == [[]]
    with opened(run_dir, fragment=fragment) as page:
        assert figure() == before


def lr_sensitivity(run_dir):
    """The sensitivity of every cell is the one worked out here from runs.csv (Wortsman 2023).
    A cell of one learning rate has none."""
    all_rows = rows(run_dir)
    columns = list(all_rows[0])
    axes = [name for name in columns[1 : columns.index("outcome")] if name not in ("lr", "lr_output")]
    finite = lambda *losses: min(x for x in map(float, losses) if not math.isnan(x))
    with opened(run_dir) as page:
        for name, value in [("metric", "lr_sensitivity"), ("x", "depth"), ("y", "activation"), ("columns", "")]:
            pick(page, name, value)
        pick(page, "rows", "")
        pool(page)
        looked = 0
        [(_, canvas, geometry)] = panels(page)
        canvas.scroll_into_view_if_needed()
        for i, x in enumerate(sorted({int(row["depth"]) for row in all_rows})):
            for j, y in enumerate(dict.fromkeys(row["activation"] for row in all_rows)):
                curves = {}
                for row in all_rows:
                    if (int(row["depth"]), row["activation"]) == (x, y) and row["outcome"]:
                        key = tuple(row[name] for name in axes)
                        curves.setdefault(key, []).append(finite(row["loss_initial"], row["loss_final"]))
                curves = [losses for losses in curves.values() if len(losses) > 1]
                canvas.hover(position=place(geometry, i, j))
                text = page.inner_text("#tip")
                if not curves:
                    continue
                means = [sum(losses) / len(losses) - min(losses) for losses in curves]
                shown = float(re.search(r"learning-rate sensitivity: (\S+)", text)[1])
                assert math.isclose(shown, sum(means) / len(means), rel_tol=1e-3), (text, means)
                looked += 1
        assert looked > 2, looked
        pick(page, "x", "lr")
        pool(page)
        [(_, canvas, geometry)] = panels(page)
        canvas.scroll_into_view_if_needed()
        canvas.hover(position=place(geometry, 0, 0))
        assert "learning-rate sensitivity: none" in page.inner_text("#tip"), page.inner_text("#tip")


def filters(run_dir):
    """Counts follow the filters, and are those of runs.csv."""
    all_rows = rows(run_dir)
    with opened(run_dir) as page:
        assert headline(page) == tally(all_rows)
        out = []
        for axis, level in [("depth", "4"), ("activation", "tanh"), ("lr", "0.01"), ("batch", "33"), ("lr", "1000.0")]:
            chip(page, axis, level, ["Shift"])
            out.append((axis, level))
            some = [row for row in all_rows if all(row[a] != value for a, value in out)]
            assert headline(page) == tally(some), (out, headline(page), tally(some))
            shown = re.findall(r"[\d,]+", page.inner_text("#shown"))
            assert [number(n) for n in shown] == [len(some), len(all_rows)]
            items = [
                text.split()
                for text in page.eval_on_selector_all(
                    "#headline .outcomes li", "all => all.map(node => node.innerText)"
                )
            ]
            listed = {name: number(n) for n, name in items}
            assert listed == {name: n for name in OUTCOMES if (n := sum(row["outcome"] == name for row in some))}, (
                listed
            )
        chip(page, "activation", "tanh", ["Shift"])
        assert headline(page) == tally(
            [row for row in all_rows if all(row[a] != value for a, value in out if value != "tanh")]
        )
        fragment = page.evaluate("location.hash")
        for axis in ("depth", "activation", "lr"):
            for node in page.query_selector_all(f'[data-axis="{axis}"] .chip[aria-pressed="true"]'):
                node.click(modifiers=["Shift"])
        assert "no" in page.inner_text("#headline .big") and panels(page) == []
        page.click("#reset")
        assert headline(page) == tally(all_rows)
        for shown in ([row for row in all_rows if row["depth"] == "4"], all_rows):
            chip(page, "depth", "4")
            assert headline(page) == tally(shown)
    with opened(run_dir, fragment=fragment) as page:
        assert headline(page) == tally(
            [row for row in all_rows if all(row[a] != value for a, value in out if value != "tanh")]
        )


def cells(run_dir):
    """What is said of every cell, under the pointer, is what runs.csv and an interval worked out
    here say."""
    all_rows = rows(run_dir)
    xs, ys = sorted({float(row["lr"]) for row in all_rows}), sorted({int(row["depth"]) for row in all_rows})
    with opened(run_dir) as page:
        for name, value in [("x", "lr"), ("y", "depth"), ("columns", "activation"), ("rows", "")]:
            pick(page, name, value)
        pool(page)
        looked = 0
        for (activation,), canvas, geometry in panels(page):
            canvas.scroll_into_view_if_needed()
            for i, x in enumerate(xs):
                for j, y in enumerate(ys):
                    some = [
                        row
                        for row in all_rows
                        if (row["activation"], float(row["lr"]), int(row["depth"])) == (activation, x, y)
                    ]
                    canvas.hover(position=place(geometry, i, j))
                    text = page.inner_text("#tip")
                    n, hits = tally(some)
                    if n == 0:
                        assert "no trial here" in text, text
                        continue
                    looked += 1
                    low, high = interval(some)
                    assert f"{hits} of {n} failed" in text, (text, hits, n)
                    assert f"95% interval {low:.3f} to {high:.3f}" in text, (text, low, high)
                    assert f"activation {activation}" in text and f"depth {y}" in text
        assert looked > 12, looked


def decides(run_dir):
    """The axes that decide most are shown first, each other axis is held at a value that stands
    there, and what a cell counts are the trials with these values. The address brings it back."""
    all_rows = rows(run_dir)
    with opened(run_dir) as page:
        ranked = [text.rsplit(" ", 1) for text in page.inner_text("#decisive .shares").split("\n")]
        gains = [float(gain) for _, gain in ranked]
        assert gains[0] == max(gains) and 0 < sum(gains) <= 1, ranked
        shown = {name: page.input_value(f'[data-picker="{name}"]') for name in ("x", "y", "columns", "rows")}
        assert {axis for axis, _ in ranked[:2]} <= set(shown.values()), (ranked, shown)
        at = dict(held(page))
        assert at and not set(at) & set(shown.values()), (at, shown)
        for axis in list(at):
            values = list(dict.fromkeys(row[axis] for row in all_rows if row[axis] and row["network"] == "mlp"))
            page.select_option(f'#held [data-picker="{axis}"]', label=values[-1])
            at[axis] = values[-1]
        assert dict(held(page)) == at
        assert page.query_selector("#pooled") is None or page.inner_text("#pooled") == "pooled in a cell: seed"
        some = [row for row in all_rows if all(row[axis] in ("", value) for axis, value in at.items())]
        levels, canvas, geometry = panels(page)[0]
        counted = 0
        for i in range(geometry["nx"]):
            for j in range(geometry["ny"]):
                canvas.hover(position=place(geometry, i, j))
                found = re.search(r"of (\d+) failed", page.inner_text("#tip"))
                counted += int(found[1]) if found else 0
        here = [name for name in (shown["columns"], shown["rows"]) if name]
        named = lambda row, axis: f"{row[axis]}({row['init_scale']})" if row[axis] == "normal" else row[axis]
        assert counted == tally([row for row in some if [named(row, name) for name in here] == levels])[0] > 0
        fragment = page.evaluate("location.hash")
    with opened(run_dir, fragment=fragment) as page:
        assert dict(held(page)) == at


def mixed(run_dir):
    """Of handwritten results in which a cure saves every trial: pooled over it, every cell is
    mixed."""
    with opened(run_dir) as page:
        assert page.query_selector("#mixed") is None
        for name, value in [("x", "lr"), ("y", "depth"), ("columns", ""), ("rows", "")]:
            pick(page, name, value)
        assert dict(held(page)) == {"clip": "none", "init": "he"} and page.query_selector("#mixed") is None
        pool(page)
        assert "mixed" in page.inner_text("#mixed")
        [(_, canvas, geometry)] = panels(page)
        canvas.scroll_into_view_if_needed()
        canvas.hover(position=place(geometry, 0, 0))
        assert "mixed: some configurations always, others never" in page.inner_text("#tip")


def click_through(run_dir):
    """A click on a cell lists its trials with their curves; sorting and words work there too."""
    all_rows = rows(run_dir)
    with open(pathlib.Path(run_dir, "epochs.csv"), newline="") as file:
        epochs = list(csv.DictReader(file))
    with opened(run_dir) as page:
        for name, value in [("x", "lr"), ("y", "depth"), ("columns", "activation"), ("rows", "")]:
            pick(page, name, value)
        pool(page)
        levels, canvas, geometry = panels(page)[1]
        canvas.click(position=place(geometry, 1, 1))
        expected = [
            row
            for row in all_rows
            if (row["activation"], row["depth"]) == (levels[0], "4") and abs(float(row["lr"]) - 3.1623) < 1e-3
        ]
        assert len(expected) > 10
        assert page.inner_text("#trials-title").startswith(f"{len(expected)} trials:")
        assert column(page, "#trials", "trial") == [row["trial"] for row in expected]
        outcomes = column(page, "#trials", "outcome")
        assert outcomes == [row["outcome"] for row in expected]
        drawn = page.eval_on_selector_all(
            "#trials svg:first-of-type path.curve title", "titles => titles.map(title => title.textContent)"
        )
        assert sorted(set(drawn)) == sorted(f"{row['trial']}, {row['outcome']}" for row in expected)
        # A curve has a point for each epoch with a loss that can be drawn.
        first = page.eval_on_selector(
            "#trials svg path.curve", "path => [path.textContent, path.getAttribute('d').split(/[ML]/).length - 1]"
        )
        finite = [e for e in epochs if e["trial"] == first[0].split(",")[0] and 0 < float(e["loss"]) < float("inf")]
        assert first[1] == len(finite), (first, len(finite))
        page.click("#trials th button:text-is('loss_initial')")
        order = sorted((row for row in expected), key=lambda row: -float(row["loss_initial"]))
        assert [float(x) for x in column(page, "#trials", "loss_initial")] == sorted(
            [float(x) for x in column(page, "#trials", "loss_initial")], reverse=True
        )
        assert column(page, "#trials", "trial")[0] == order[0]["trial"]
        page.fill("#trials input", "nonfinite seed=1")
        assert set(column(page, "#trials", "trial")) == {
            row["trial"] for row in expected if row["outcome"] == "nonfinite" and row["seed"] == "1"
        }
        page.hover("#trials tbody tr")
        assert page.eval_on_selector_all("#trials .lit", "all => all.length") >= 1
        page.click("#trials button:text-is('Close')")
        assert page.is_hidden("#trials")


def configurations(run_dir):
    """The table is that of summary.csv; it sorts by any column and is filtered by words."""
    with open(pathlib.Path(run_dir, "summary.csv"), newline="") as file:
        summary = list(csv.DictReader(file))
    where = "#configurations-body"
    with opened(run_dir) as page:
        page.click(f"{where} button:text-is('show more')")
        assert len(table(page, where)) == len(summary)
        rates = column(page, where, "rate, 95%")
        assert [float(rate) for rate in rates] == [round(float(row["failure_rate"]), 2) for row in summary]
        assert column(page, where, "trials") == [f"{row['trials']} trials" for row in summary]
        assert [number(n) for n in column(page, where, "blew up")] == [
            int(row["diverged"]) + int(row["nonfinite"]) for row in summary
        ]
        page.click(f"{where} th button:text-is('lr')")
        page.click(f"{where} button:text-is('show more')")
        lrs = [float(x) for x in column(page, where, "lr")]
        assert lrs == sorted(lrs, reverse=True) and len(set(lrs)) > 2
        page.click(f"{where} th button:text-is('lr')")
        page.click(f"{where} button:text-is('show more')")
        assert [float(x) for x in column(page, where, "lr")] == sorted(lrs)
        assert page.get_attribute(f"{where} th:has(button:text-is('lr'))", "aria-sort") == "ascending"
        page.click(f"{where} th button:text-is('epoch')")
        epochs = column(page, where, "epoch")
        filled = [float(x) for x in epochs if x]
        assert filled == sorted(filled, reverse=True) and epochs[: len(filled)] == [x for x in epochs if x]
        page.fill(f"{where} input", "activation=gelu depth=4")
        assert set(column(page, where, "activation")) == {"gelu"} and set(column(page, where, "depth")) == {"4"}
        expected = sum(row["activation"] == "gelu" and row["depth"] == "4" for row in summary)
        assert page.inner_text(f"{where} [role=status]").startswith(f"{expected} configurations")


def survival(run_dir):
    """The share that never crossed, where all trials have the same number of epochs, is a plain
    share; between, that of the trials with a later crossing."""
    all_rows = [row for row in rows(run_dir) if row["outcome"]]
    with opened(run_dir) as page:
        pick(page, "by", "activation")
        without_interval = lambda text: re.sub(r" \(.*\)", "", text)
        found = {row[0]: list(map(without_interval, row[1:])) for row in table(page, "#survival")}
        for activation in {row["activation"] for row in all_rows}:
            some = [row for row in all_rows if row["activation"] == activation]
            never = sum(row["epoch_diverged"] == "" for row in some) / len(some)
            finite = sum(row["epoch_nonfinite"] == "" for row in some) / len(some)
            assert found[activation] == [str(len(some)), f"{100 * never + 1e-9:.0f}%", f"{100 * finite + 1e-9:.0f}%"], (
                activation,
                found[activation],
                never,
                finite,
            )
        page.focus("#survival svg")
        page.keyboard.press("ArrowLeft")
        text = page.inner_text("#tip")
        epoch = int(re.search(r"after epoch (\d+)", text)[1])
        for line in text.splitlines()[1:]:
            activation, diverged, _ = line.split()
            some = [row for row in all_rows if row["activation"] == activation]
            share = sum(row["epoch_diverged"] == "" or int(row["epoch_diverged"]) > epoch for row in some) / len(some)
            assert abs(share - float(diverged)) < 0.006, (line, share)
        before = page.eval_on_selector_all("#survival path", "paths => paths.map(path => path.getAttribute('d'))")
        page.check("#survival input[type=checkbox]")
        assert before != page.eval_on_selector_all(
            "#survival path", "paths => paths.map(path => path.getAttribute('d'))"
        )
        pick(page, "by", "")
        assert len(table(page, "#survival")) == 1


def out_of_sight(run_dir):
    """A click on a filter leaves a panel that is out of sight as it is. The panel is right once it
    is scrolled to, saved, focused or printed, and at once in a browser that cannot tell what is in
    sight."""
    decided, _ = tally([row for row in rows(run_dir) if row["activation"] == "tanh"])
    mark = "document.querySelector('#survival-figure svg').id = 'earlier'"
    is_earlier = lambda page: page.locator("#earlier").count() == 1
    drawn = lambda page: int(table(page, "#survival-figure")[0][1].replace(",", ""))

    def saves(page):
        with page.expect_download() as found:
            page.evaluate("document.querySelector('#survival [data-save=svg]').click()")
        assert f"{decided} trials" in pathlib.Path(found.value.path()).read_text()

    ways = (
        lambda page: see(page, "#survival-figure svg"),
        saves,
        lambda page: page.focus("#survival-figure svg"),
        lambda page: page.evaluate("dispatchEvent(new Event('beforeprint'))"),
    )
    with opened(run_dir) as page:
        pick(page, "by", "")
        for way in ways:
            see(page, "#name")
            top = page.evaluate("document.querySelector('#survival').getBoundingClientRect().top")
            assert top > 2 * WIDE[1], top
            page.evaluate(mark)
            chip(page, "activation", "tanh")
            see(page, "#name")
            assert headline(page)[0] == decided and is_earlier(page) and drawn(page) != decided
            way(page)
            assert not is_earlier(page) and drawn(page) == decided
            page.click("#reset")
            see(page, "#survival-figure svg")
            assert drawn(page) == tally(rows(run_dir))[0]
        page.add_init_script("delete window.IntersectionObserver")
        page.reload()
        page.evaluate(mark)
        chip(page, "activation", "tanh")
        assert not is_earlier(page) and drawn(page) == decided


def keyboard(run_dir):
    """Everything without a pointer: a filter, a cell and its trials, the order of a table."""
    all_rows = rows(run_dir)
    focused = "document.activeElement"
    with opened(run_dir) as page:

        def tab_to(test):
            for _ in range(300):
                page.keyboard.press("Tab")
                if page.evaluate(f"(node => {test})({focused})"):
                    return
            raise AssertionError(f"no tab stop: {test}")

        tab_to("node.classList.contains('skip')")
        tab_to("node.title === 'tanh' && node.classList.contains('chip')")
        page.keyboard.press("Space")
        assert headline(page) == tally([row for row in all_rows if row["activation"] == "tanh"])
        assert page.evaluate(f"{focused}.getAttribute('aria-pressed')") == "true"
        tab_to("node.tagName === 'CANVAS'")
        outline = page.evaluate(f"getComputedStyle({focused}).outlineStyle")
        assert outline != "none", "the focus cannot be seen"
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Home")
        first = page.inner_text("#phase-status")
        page.keyboard.press("ArrowRight")
        second = page.inner_text("#phase-status")
        assert first != second and "lr 3.16" in second and "95% interval" in second, (first, second)
        hits, n = re.search(r"(\d+) of (\d+) failed", second).groups()
        page.keyboard.press("Enter")
        assert page.evaluate(f"{focused}.id") == "trials-title"
        assert page.inner_text("#trials-title").startswith(f"{n} trial")
        outcomes = column(page, "#trials", "outcome")
        assert sum(outcome in FAILED for outcome in outcomes) == int(hits)
        tab_to("node.textContent === 'epoch diverged' && node.tagName === 'BUTTON'")
        page.keyboard.press("Enter")
        assert page.get_attribute("#trials th:has(button:text-is('epoch diverged'))", "aria-sort") == "descending"


def findings(run_dir):
    """As `blowup check` reports them."""
    with opened(run_dir) as page:
        assert page.inner_text("#gate") == "gate passed: 10 checks"
        assert [row[0] for row in table(page, "#checks")] == ["PASS"] * 10
        assert (
            "normal(1.0)" in page.inner_text("#spec-text")
            and page.inner_text("#spec-text").strip() == pathlib.Path(run_dir, "spec.toml").read_text().strip()
        )


def failed_gate(run_dir):
    """Of handwritten results: a failed expectation, a lost trial and a missing one."""
    with opened(run_dir) as page:
        alerts = page.eval_on_selector_all("[role=alert]", "all => all.map(node => node.innerText)")
        assert any("1 trial is lost (1 timeout)" in text for text in alerts), alerts
        assert "FAILED" in page.inner_text("#gate")
        codes = page.eval_on_selector_all(".findings code", "all => all.map(node => node.innerText)")
        assert codes == ["missing-trials", "lost-trials", "expectation-failed", "expectation-failed"], codes
        some = rows(run_dir)
        assert headline(page) == tally(some) and len(some) == tally(some)[0] + 1
        page.eval_on_selector("#phase-panels canvas", "canvas => canvas.focus()")
        assert "1 timeout" in page.inner_text("#headline .outcomes")


def part_of_a_grid(run_dir):
    """Swept with --where: what is missing is told."""
    with opened(run_dir) as page:
        alerts = " ".join(page.eval_on_selector_all("[role=alert]", "all => all.map(node => node.innerText)"))
        assert "24 of the sweep's 48 trials have no row yet" in alerts, alerts


def harmless(run_dir, text):
    """A label that is markup and script is text and nothing else."""
    with opened(run_dir) as page:
        assert page.evaluate("window.hacked") is None
        assert page.query_selector_all("b:text-is('bold'), #configurations img, #filters img, svg svg") == []
        page.click("#filters .more summary")
        assert text in page.inner_text("#filters")
        pick(page, "columns", "label")
        assert any(text in levels for levels, _, _ in panels(page)), [levels for levels, _, _ in panels(page)]
        pick(page, "by", "label")
        assert text in page.inner_text("#survival")
        _, canvas, geometry = next(panel for panel in panels(page) if text in panel[0])
        canvas.click(position=place(geometry, 0, 0))
        assert text in page.inner_text("#trials-title") and page.evaluate("window.hacked") is None
        assert overflow(page) == 0


def many(run_dir):
    """10^5 trials: right counts, and how long things take (printed, nothing is asked of it)."""
    all_rows = rows(run_dir)
    assert len(all_rows) == 100_000
    timed = """async act => {
        const start = performance.now();
        document.querySelector(act).click();
        document.body.offsetHeight;
        const script = performance.now() - start;
        await new Promise(next => requestAnimationFrame(() => requestAnimationFrame(next)));
        return [Math.round(script), Math.round(performance.now() - start)];
    }"""
    with opened(run_dir) as page:
        load = page.evaluate("Math.round(performance.getEntriesByType('navigation')[0].loadEventEnd)")
        print(f"load {load} ms")
        assert headline(page) == tally(all_rows)
        level = page.get_attribute('[data-axis="init_scale"] .chip', "title")
        times = page.evaluate(timed, f'[data-axis="init_scale"] .chip[title="{level}"]')
        print(f"filter {times[0]} ms, painted {times[1]} ms")
        assert headline(page) == tally([row for row in all_rows if row["init_scale"] == level])
        for title in ("rate, 95%", "lr"):
            at = heads(page, "#configurations-body").index(title) + 1
            times = page.evaluate(timed, f"#configurations-body th:nth-child({at}) button")
            print(f"sort by {title} {times[0]} ms, painted {times[1]} ms")
        times = page.evaluate(timed, "#worst button")
        print(f"trials of the worst corner {times[0]} ms, painted {times[1]} ms")
        (n,) = re.search(r"[\d,]+ of ([\d,]+) failed", page.inner_text("#worst")).groups()
        assert page.inner_text("#trials-title").startswith(f"{n} trials")
        pick(page, "metric", "loss_final")


def sampled(run_dir, trials):
    """More trials than a page holds: it says so."""
    with opened(run_dir) as page:
        note = page.inner_text("#notices")
        assert "A sample" in note and f"of {int(trials):,} trials" in note, note
        assert 32_000 < number(page.inner_text("#decided")) <= 65_536


if __name__ == "__main__":
    main({name: value for name, value in globals().items() if callable(value)})
