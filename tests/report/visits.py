"""visits.py CHECK RUN_DIR ...: two configurations side by side, a trial replayed, and a page that
follows its sweep."""

import math
import pathlib
import re
import shutil
import subprocess

from scipy import stats

from harness import (
    FAILED,
    chip,
    column,
    headline,
    main,
    number,
    opened,
    panels,
    pick,
    place,
    pool,
    rows,
    saved_rows,
    see,
    table,
    tally,
)


def wilson(k, n):
    z = 1.959963984540054
    centre, half = k / n + z * z / 2 / n, z * math.sqrt(k / n * (1 - k / n) / n + (z / 2 / n) ** 2)
    return (centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)


def compared(page, sides, key):
    """Holds the section against the rows of two sides, of which those with the same key are a
    pair."""
    found = {row["what"]: (row["A"], row["B"]) for row in saved_rows(page, "#compare > .table")}
    for i, some in enumerate(sides):
        n, failed = tally(some)
        assert [int(found[f"failed {name}"][i]) for name in ("hits", "n")] == [failed, n]
        assert int(found["trials"][i]) == len(some)
        blown = sum(row["outcome"] in ("diverged", "nonfinite") for row in some)
        assert int(found["blew up hits"][i]) == blown
    maps = [{key(row): row for row in some} for some in sides]
    pairs = [(maps[0][at], maps[1][at]) for at in maps[0] if at in maps[1]]
    fails = lambda row: row["outcome"] in FAILED
    only = [sum(fails(a) and not fails(b) for a, b in pairs), sum(fails(b) and not fails(a) for a, b in pairs)]
    different = [(a, b) for a, b in pairs if a["outcome"] != b["outcome"]]
    text = page.inner_text("#paired")
    assert f"Of {len(pairs)} pair" in text and f"{len(different)} end differently" in text, (
        text,
        len(pairs),
        different,
    )
    assert f"{only[0]} fail in A alone, {only[1]} in B alone" in text, (text, only)
    p = stats.binomtest(only[0], sum(only)).pvalue if sum(only) else 1
    shown = float(re.search(r"p = (\S+?)\)", text)[1])
    assert math.isclose(shown, p, rel_tol=0.06), (shown, p)
    if different:
        listed = [
            (row["trial A"], row["outcome A"], row["trial B"], row["outcome B"])
            for row in saved_rows(page, "#compare .table:has(th button:text-is('trial A'))")
        ]
        assert listed == [(a["trial"], a["outcome"], b["trial"], b["outcome"]) for a, b in different], listed
    return found, len(different)


def compare(run_dir):
    """Two rows of the table of configurations, then two cells of the phase diagram."""
    every = rows(run_dir)
    named = lambda row: (row["depth"], row["activation"], row["init"], float(row["lr"]), row["clip"], row["batch"])
    with opened(run_dir) as page:
        where = "#configurations-body tbody tr"
        page.fill("#configurations-body input", "depth=4 activation=tanh init=he clip=norm batch=7")
        page.click("#configurations-body th button:text-is('lr')")
        lrs = column(page, "#configurations-body", "lr")
        assert len(lrs) == 3
        page.click(f"{where}:nth-child(2) button:text-is('compare')")
        assert page.inner_text("#compare") and page.locator("#compare svg").count() == 0
        page.click(f"{where}:nth-child(3) button:text-is('compare')")
        assert page.evaluate("document.activeElement.id") == "compare-title"
        sides = [
            [
                row
                for row in every
                if named(row)[:3] == ("4", "tanh", "he")
                and named(row)[4:] == ("norm", "7")
                and math.isclose(float(row["lr"]), lr, rel_tol=1e-3)
            ]
            for lr in (3.1623, 0.01)
        ]
        assert [len(some) for some in sides] == [2, 2], [len(some) for some in sides]
        found, _ = compared(page, sides, lambda row: row["seed"])
        assert set(found) == {"lr", "trials"} | {
            f"{rate} {key}" for rate in ("failed", "blew up") for key in ("hits", "n", "low", "high")
        }
        for i, some in enumerate(sides):
            n, failed = tally(some)
            ends = [float(found[f"failed {end}"][i]) for end in ("low", "high")]
            expected = wilson(failed, n)
            assert all(math.isclose(a, b, abs_tol=1e-9) for a, b in zip(ends, expected)), (ends, expected)
        titles = page.locator("#compare svg path.curve title").all_text_contents()
        listed = {(side, row["trial"]) for side, some in zip("AB", sides) for row in some}
        assert {tuple(text.split(", ")[:2]) for text in titles} == listed and len(titles) == 2 * len(listed)
        colours = {side: set() for side in "AB"}
        for text, style in zip(
            titles,
            page.eval_on_selector_all(
                "#compare svg path.curve", "all => all.map(node => getComputedStyle(node).stroke)"
            ),
        ):
            colours[text[0]].add(style)
        assert len(colours["A"]) == len(colours["B"]) == 1 and colours["A"] != colours["B"]
        fragment = page.evaluate("location.hash")
    with opened(run_dir, fragment=fragment) as page:
        compared(page, sides, lambda row: row["seed"])
        page.click("#compare button:text-is('Close')")
        assert page.is_hidden("#compare") and "a=" not in page.evaluate("location.hash")
        for name, value in [("x", "lr"), ("y", "depth"), ("columns", "activation"), ("rows", "")]:
            pick(page, name, value)
        pool(page)
        chip(page, "batch", "7")
        for j in (0, 1):
            levels, canvas, geometry = panels(page)[1]
            canvas.click(position=place(geometry, 1, j))
            page.click("#trials button:text-is('compare')")
        sides = [
            [
                row
                for row in every
                if (row["activation"], row["depth"], row["batch"]) == (levels[0], depth, "7")
                and 3 < float(row["lr"]) < 4
            ]
            for depth in ("1", "4")
        ]
        key = lambda row: tuple(row[name] for name in ("init", "init_scale", "clip", "seed"))
        _, different = compared(page, sides, key)
        assert different > 0
        page.click("#trials button:text-is('B')")
        assert "Choose a second one" in page.inner_text("#compare")


def replay(run_dir, blowup):
    """The command that is copied trains that trial again."""
    with opened(run_dir) as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.click("#safest button")
        trial = table(page, "#trials")[1][0].split()[0]
        page.click("#trials tbody tr:nth-child(2) button.copy")
        page.wait_for_selector("#trials button.copy:text-is('copied')")
        command = page.evaluate("navigator.clipboard.readText()")
        assert command == f"blowup replay {pathlib.Path(run_dir).resolve()} {trial}", command
    output = subprocess.run([blowup, *command.split()[1:]], check=False, capture_output=True, text=True)
    assert output.returncode == 0 and trial in output.stdout, output.stderr


def live(run_dir):
    """Pages of a sweep that trains, in the order of their writing: the browser shows each a moment
    later, as its reader left it, and the last one for good. No real time passes."""

    def show(n):
        text = pathlib.Path(run_dir, f"page{n}.html").read_text()
        if n == 2:
            # What the program would choose now that more rows are there.
            text, count = re.subn(r'"columns":"(\w*)","rows":"(\w*)"', r'"columns":"\2","rows":"\1"', text, count=1)
            assert count == 1
        pathlib.Path(run_dir, "report.html").write_text(text)

    started = lambda page: page.evaluate("window.mark ?? null")
    shown = lambda page: number(re.findall(r"[\d,]+", page.inner_text("#shown"))[-1])
    show(1)
    with opened(run_dir, clock=True) as page:
        assert "so far" in page.inner_text("#live")
        before = shown(page)
        page.evaluate("window.mark = 1")
        page.click("#pause")
        page.clock.run_for(30_000)
        assert started(page) == 1, "a pause holds it"
        page.click("#pause")
        page.clock.run_for(1_000)
        assert started(page) == 1, "nothing happens under the reader's hands"
        chip(page, "clip", "none")
        pick(page, "x", "depth")
        pick(page, "by", "lr")
        see(page, "#configurations-body tbody")
        page.click("#configurations-body tbody tr:nth-child(2) td:nth-child(2) button")
        page.fill("#configurations-body input", "depth=2")
        page.evaluate("document.querySelector('.more').open = true")
        page.click("#configurations-body th button:text-is('lr')")
        page.focus("#configurations-body input")
        page.evaluate("document.querySelector('#survival').scrollIntoView(); scrollBy(0, -90)")
        left = lambda: page.evaluate(
            """() => [location.hash, Math.round(document.querySelector('#survival').getBoundingClientRect().top), document.activeElement.value, document.querySelector('.more').open,
            document.querySelector('#trials-title').textContent.replace(/^\\d+ trials?/, ''),
            document.querySelector('#configurations-body th[aria-sort=descending]').textContent,
            ...[...document.querySelectorAll('#phase-pickers select, #held select, #survival-pickers select')].map((node) => `${node.dataset.picker} ${node.selectedOptions[0]?.text}`)]"""
        )
        state = left()
        assert 80 < state[1] < 120 and state[2] == "depth=2", state
        for n, is_last in ((2, False), (3, True)):
            show(n)
            page.evaluate("window.mark = 1")
            with page.expect_navigation():
                page.clock.run_for(10_000)
            page.wait_for_function("window.mark === undefined && document.querySelector('#shown').textContent")
            now = left()
            # A height above may be no whole number of pixels.
            assert abs(now[1] - state[1]) <= 2 and now[:1] + now[2:] == state[:1] + state[2:], (now, state)
            assert shown(page) > before
            before = shown(page)
            assert (page.locator("#live").count() == 0) == is_last
        page.evaluate("window.mark = 1")
        page.clock.run_for(60_000)
        assert started(page) == 1, "a page of a sweep that has ended stays"
        assert headline(page) == tally([row for row in rows(run_dir) if row["clip"] == "none"])


def empty(run_dir):
    """A page before the first row says how far the sweep is, and nothing goes wrong in it."""
    shutil.copy(pathlib.Path(run_dir, "page0.html"), pathlib.Path(run_dir, "report.html"))
    with opened(run_dir, clock=True) as page:
        assert "0 of 48 trials so far" in page.inner_text("#live")
        page.click("#theme")


if __name__ == "__main__":
    main({name: value for name, value in globals().items() if callable(value)})
