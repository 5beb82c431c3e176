"""pictures.py CHECK RUN_DIR: the boundary, survival with its bands, edges and parallel coordinates
of a report, against numbers that are worked out here from the CSV files."""

import csv
import json
import math
import pathlib
import re

import numpy
from scipy import stats

from harness import FAILED, headline, main, opened, pick, rows, saved_rows, tally

BLOWN = ("diverged", "nonfinite")


def scale(page, where, across):
    """From a place in a drawn chart to the value there, by its ticks, whose distances tell whether
    the axis is logarithmic."""
    ticks = page.eval_on_selector_all(
        f"{where} svg.chart .tick",
        "all => all.map(node => [node.textContent, +node.getAttribute('x'), +node.getAttribute('y'), node.getAttribute('text-anchor')])",
    )
    values = [(float(text), x if across else y) for text, x, y, anchor in ticks if (anchor == "middle") == across]
    (a, at_a), (b, at_b) = values[0], values[-1]
    (c, at_c) = values[1]
    linear = math.isclose((c - a) / (b - a), (at_c - at_a) / (at_b - at_a), abs_tol=1e-3)
    read = (lambda x: x) if linear else math.log10
    write = (lambda x: x) if linear else (lambda x: 10**x)
    return lambda at: write(read(a) + (at - at_a) / (at_b - at_a) * (read(b) - read(a)))


def surviving(ends, happened, weights, at):
    """Kaplan and Meier's share that survives an epoch, of trials with weights."""
    share = 1.0
    for epoch in sorted({end for end in ends[happened] if end <= at}):
        share *= 1 - weights[(ends == epoch) & happened].sum() / weights[ends >= epoch].sum()
    return share


def interval(share, rises, trials):
    """The 95% interval of a share by the rule of docs/results.md."""
    k = len(rises)
    draws = k
    if k > 1 and 0 < share < 1:
        variance = k / (k - 1) * sum(rise**2 for rise in rises)
        ratio = stats.norm.ppf(0.975) / stats.t.ppf(0.975, k - 1)
        draws = min(max(share * (1 - share) / variance * ratio**2, k), trials) if variance > 0 else trials
    z = stats.norm.ppf(0.975)
    # The ends of Wilson's interval are where the share is z deviations away.
    a, b, c = 1 + z * z / draws, -2 * share - z * z / draws, share * share
    root = math.sqrt(max(b * b - 4 * a * c, 0))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def survival(run_dir):
    """Shares and bands of every curve are those of the estimator of Kaplan and Meier and of the
    rule of docs/results.md for intervals, in the saved numbers and in the drawn band."""
    every = [row for row in rows(run_dir) if row["outcome"]]
    with opened(run_dir) as page:
        pick(page, "by", "clip")
        levels = dict.fromkeys(
            row["clip"] + (f"({row['clip_threshold']})" if row["clip"] == "norm" else "") for row in every
        )
        found = saved_rows(page, "#survival-figure")
        looked = 0
        for level in levels:
            some = [row for row in every if row["clip"] == level.split("(")[0]]
            for event, column in (("not_crossed", "epoch_diverged"), ("finite", "epoch_nonfinite")):
                ends = numpy.array([float(row[column] or row["epochs"]) for row in some])
                happened = numpy.array([row[column] != "" for row in some])
                seeds = numpy.array([row["seed"] for row in some])
                here = [row for row in found if (row["clip"], row["event"]) == (level, event)]
                assert {int(row["epoch"]) for row in here} == set(ends[happened]), (level, event)
                for row in here:
                    at, share = int(row["epoch"]), float(row["share"])
                    assert int(row["trials"]) == len(some) and int(row["at_risk"]) == sum(ends >= at)
                    assert int(row["events"]) == sum((ends == at) & happened)
                    left = lambda weights, at=at, ends=ends, happened=happened: surviving(ends, happened, weights, at)
                    assert math.isclose(share, left(numpy.ones(len(some))), rel_tol=1e-9)
                    # By how much the trials of each seed raise the share, by differences.
                    rises = [
                        (left(1 + 1e-5 * (seeds == seed)) - left(1 - 1e-5 * (seeds == seed))) / 2e-5
                        for seed in set(seeds)
                    ]
                    low, high = interval(share, rises, len(some))
                    assert math.isclose(float(row["low"]), low, rel_tol=1e-6, abs_tol=1e-9), (row, low)
                    assert math.isclose(float(row["high"]), high, rel_tol=1e-6), (row, high)
                    looked += 1
        assert looked > 8, looked
        to_share = scale(page, "#survival-figure", across=False)
        for level in levels:
            last = [row for row in found if (row["clip"], row["event"]) == (level, "not_crossed")][-1]
            path = page.get_attribute(f'#survival .band[data-group="{level}"]', "d")
            ys = [float(pair.split()[1]) for pair in re.findall(r"[\d.]+ [\d.]+", path)]
            at_end = [to_share(y) for y in (ys[len(ys) // 2 - 1], ys[len(ys) // 2])]
            assert numpy.allclose(at_end, [float(last["high"]), float(last["low"])], atol=0.003), (at_end, last)
        text = page.inner_text("#survival")
        assert "which goes by seeds" in text, text


def coincide(run_dir, bands):
    """Of handwritten results in which only the cure matters: a curve that lies on another one says
    so, and no other does. Bands of both are drawn where they differ."""
    with opened(run_dir) as page:
        pick(page, "by", "lr")
        legend = page.inner_text("#survival-figure .key-table")
        assert "equal to 0.1" in legend and legend.count("equal to") == 1, legend
        assert page.locator("#survival-figure .band").count() == int(bands)
        pick(page, "by", "clip")
        assert "equal to" not in page.inner_text("#survival-figure .key-table")


def all_values(run_dir):
    """Of ten learning rates eight have curves, which is told, and every other one can be chosen."""
    labels = lambda page: page.eval_on_selector_all(
        "#survival-figure .key-table tbody tr",
        "all => all.map(row => row.cells[0].innerText.trim().split(' equal to')[0])",
    )
    with opened(run_dir) as page:
        pick(page, "by", "lr")
        chips = "#survival-figure .drawn .chip"
        assert len(labels(page)) == 8 and page.locator(chips).count() == 10
        assert "8 of the 10 values of lr are drawn" in page.inner_text("#survival-figure .drawn")
        left_out = page.locator(f'{chips}[aria-pressed="false"]').all_inner_texts()
        for text in left_out:
            page.click(f'{chips}:text-is("{text}")')
        assert len(labels(page)) == 10 and set(left_out) < set(labels(page))
        fragment = page.evaluate("location.hash")
        page.click(f'{chips}:text-is("{left_out[0]}")')
        assert left_out[0] not in labels(page)
    with opened(run_dir, fragment=fragment) as page:
        assert len(labels(page)) == 10


def crossing(some, over, counted):
    """What docs/edges.md says of the trials along an axis: safe up to, half, dead from, and
    whether it is re-entrant."""
    values = sorted({float(row[over]) for row in some})
    columns = list(some[0])
    # A value that only follows the axis is no difference of two trials.
    skipped = {"trial", over, "lr_output" if over == "lr" else over}
    causes = [name for name in columns[: columns.index("outcome")] if name not in skipped]
    at = {value: {} for value in values}
    for row in some:
        at[float(row[over])][tuple(row[name] for name in causes)] = row["outcome"] in counted
    hits = {value: sum(at[value].values()) for value in values}
    n = {value: len(at[value]) for value in values}
    safe = dead = below = None
    for i in range(len(values) + 1):
        before, after = values[:i], values[i:]
        if all(hits[value] == 0 for value in before):
            safe = before[-1] if before else -math.inf
        if dead is None and all(hits[value] == n[value] for value in after):
            dead = after[0] if after else math.inf
        if all(2 * hits[value] < n[value] for value in before):
            below = i
    if below == 0:
        half = -math.inf
    elif below == len(values):
        half = math.inf
    else:
        low, high = values[below - 1], values[below]
        half = math.sqrt(low * high) if low > 0 else (low + high) / 2
    pairs = [(a, b) for a in values for b in values if a < b]
    returns = any(10 * hits[a] >= 9 * n[a] and 10 * hits[b] <= n[b] for a, b in pairs)

    def falls(a, b):
        if set(at[a]) != set(at[b]) or hits[a] <= hits[b]:
            return False
        down = sum(at[a][key] and not at[b][key] for key in at[a])
        up = sum(at[b][key] and not at[a][key] for key in at[a])
        return len(pairs) * stats.binomtest(down, down + up, alternative="greater").pvalue <= 0.05

    return safe, half, dead, returns or any(falls(a, b) for a, b in pairs)


def boundary(run_dir, against, line):
    """The boundary along lr, pooled over all other axes and with each at its value, is the one
    worked out here; its dots, strokes and crosses stand where it says."""
    every = [row for row in rows(run_dir) if row["outcome"] and row[against]]
    reentrant = 0
    with opened(run_dir) as page:
        for name, value in (("over", "lr"), ("against", ""), ("line", ""), ("against", against), ("line", line)):
            pick(page, name, value)
        for select in page.query_selector_all('#boundary-pickers [data-picker$="held at"]'):
            name = select.get_attribute("data-picker")
            page.select_option(f'#boundary-pickers [data-picker="{name}"]', "all")
        for event, counted in (("failure_rate", FAILED), ("divergence_rate", BLOWN)):
            pick(page, "event", event)
            page.evaluate("document.querySelector('#boundary-figure details').open = true")
            found = saved_rows(page, "#boundary-figure")
            groups = {(row[line], row[against]) for row in every}
            assert len(found) == len(groups), (len(found), len(groups))
            to_lr = scale(page, "#boundary-figure", across=False)
            for row in found:
                some = [of for of in every if (of[line], float(of[against])) == (row[line], float(row[against]))]
                safe, half, dead, is_reentrant = crossing(some, "lr", counted)
                numbers = [float(row[name]) for name in ("safe_up_to", "half", "dead_from")]
                assert numpy.allclose(numbers, [safe, half, dead], rtol=1e-6), (row, safe, half, dead)
                assert (row["reentrant"] == "true") == is_reentrant, (row, is_reentrant)
                assert int(row["trials"]) == len(some)
                reentrant += is_reentrant
            halves = [float(row["half"]) for row in found]
            dots = page.eval_on_selector_all(
                "#boundary-figure circle.dot-mark", "all => all.map(node => +node.getAttribute('cy'))"
            )
            straight = [half for half, row in zip(halves, found) if row["reentrant"] == "false"]
            assert len(dots) == len(straight)
            assert page.locator("#boundary-figure path.cross").count() == len(found) - len(straight)
            for y, half in zip(dots, straight):
                assert not math.isfinite(half) or math.isclose(to_lr(y), half, rel_tol=0.02), (to_lr(y), half)
            strokes = page.eval_on_selector_all(
                "#boundary-figure line.stroke",
                "all => all.map(node => [+node.getAttribute('y1'), +node.getAttribute('y2')])",
            )
            open_ones = [row for row in found if float(row["safe_up_to"]) < float(row["dead_from"])]
            assert len(strokes) == len(open_ones)
            for ys, row in zip(strokes, open_ones):
                for y, end in zip(ys, (float(row["safe_up_to"]), float(row["dead_from"]))):
                    assert not math.isfinite(end) or math.isclose(to_lr(y), end, rel_tol=0.02), (to_lr(y), end)
        assert page.input_value('#boundary-pickers [data-picker="over"]') == "lr"
        fragment = page.evaluate("location.hash")
    with opened(run_dir, fragment=fragment) as page:
        page.evaluate("document.querySelector('#boundary-figure details').open = true")
        assert saved_rows(page, "#boundary-figure") == found
    return reentrant


def reentrant(run_dir):
    """Of handwritten results: the rate falls again by either rule, and not by chance."""
    assert boundary(run_dir, "depth", "init") == 4


def edges(run_dir):
    """The table is edges.csv; each dot and each stroke stands where the file says."""
    with open(pathlib.Path(run_dir, "edges.csv"), newline="") as file:
        every = list(csv.DictReader(file))
    with opened(run_dir) as page:
        assert saved_rows(page, "#edges-body > .table") == every
        names = list(dict.fromkeys(row["edge"] for row in every))
        assert page.locator("#edges h3").all_inner_texts() == names
        for i, name in enumerate(names):
            some = [row for row in every if row["edge"] == name]
            where = f"#edges .edge >> nth={i}"
            dots, strokes, crosses = (
                page.locator(f"{where} >> {mark}") for mark in ("circle.dot-mark", "line.stroke", "path.cross")
            )
            returning = sum(row["reentrant"] == "true" for row in some)
            assert (crosses.count(), dots.count()) == (returning, len(some) - returning), name
            assert strokes.count() == sum(float(row["safe_up_to"]) < float(row["dead_from"]) for row in some)
        first = [row for row in every if row["edge"] == names[0]]
        to_lr = scale(page, "#edges .edge:first-child", across=False)
        heights = page.eval_on_selector_all(
            "#edges .edge:first-child circle", "all => all.map(node => +node.getAttribute('cy'))"
        )
        halves = sorted(math.sqrt(float(row["low_0.5"]) * float(row["high_0.5"])) for row in first)
        assert numpy.allclose(sorted(map(to_lr, heights)), halves, rtol=0.02), (heights, halves)
        page.click("#filter-list .chip")
        assert saved_rows(page, "#edges-body > .table") == every, "the filters do not reach this section"


def parallel(run_dir):
    """A line for each configuration; a value and a stretch of an axis filter as its chips do."""
    every = rows(run_dir)
    with opened(run_dir) as page:
        canvas = page.locator("#parallel canvas:not(.under)")
        geometry = lambda: json.loads(canvas.get_attribute("data-geometry"))
        columns = list(every[0])
        axes = [name for name in columns[1 : columns.index("outcome")] if name != "seed" and name != "data_seed"]
        configurations = lambda some: len({tuple(row[name] for name in axes) for row in some})
        assert geometry()["lines"] == configurations(every)
        ranked = [text.rsplit(" ", 1)[0] for text in page.inner_text("#decisive .shares").split("\n")]
        assert [axis["name"] for axis in geometry()["axes"]][: len(ranked)] == ranked
        lrs = sorted({float(row["lr"]) for row in every})
        lr = next(axis for axis in geometry()["axes"] if axis["name"] == "lr")

        def at(code):
            bottom = geometry()["top"] + geometry()["height"]
            return {"x": lr["x"] - 4, "y": bottom - (code + 0.5) * lr["slot"]}

        canvas.scroll_into_view_if_needed()
        canvas.hover(position=at(1))
        some = [row for row in every if float(row["lr"]) == lrs[1]]
        n, failed = tally(some)
        assert f"{failed} of {n} failed" in page.inner_text("#tip"), page.inner_text("#tip")
        canvas.click(position=at(1))
        assert headline(page) == tally(some) and geometry()["lines"] == configurations(some)
        pressed = page.locator('[data-axis="lr"] .chip[aria-pressed="true"]').all_inner_texts()
        assert len(pressed) == 1, pressed
        canvas.click(position=at(1))
        assert headline(page) == tally(every)
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        page.mouse.move(box["x"] + at(0)["x"], box["y"] + at(0)["y"])
        page.mouse.down()
        page.mouse.move(box["x"] + at(1)["x"], box["y"] + at(1)["y"])
        page.mouse.up()
        some = [row for row in every if float(row["lr"]) in lrs[:2]]
        assert headline(page) == tally(some) and geometry()["lines"] == configurations(some)
        page.click("#reset")
        canvas.focus()
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Enter")
        first = geometry()["axes"][0]["name"]
        assert first == "lr" and headline(page) == tally([row for row in every if float(row["lr"]) == lrs[1]])


if __name__ == "__main__":
    main({name: value for name, value in globals().items() if callable(value)})
