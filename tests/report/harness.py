"""A real headless Chromium with a report in it, and the rows of runs.csv counted without blowup."""

import contextlib
import csv
import json
import math
import os
import pathlib
import shutil
import sys

from playwright.sync_api import sync_playwright

OUTCOMES = ("converged", "stalled", "unsettled", "untrained", "ruined", "relapsed", "diverged", "nonfinite")
FAILED = ("diverged", "nonfinite", "relapsed", "ruined")
# The 97.5% quantiles of Student's distribution, by its degrees of freedom, from a printed table.
STUDENT = {1: 12.7062, 2: 4.30265, 3: 3.18245, 4: 2.77645, 5: 2.57058}
WIDE, NARROW = (1280, 900), (390, 844)

# The sandbox needs privileges that root in a container does not have; the rest keeps the browser
# from calling home.
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium():
    return os.environ.get("BLOWUP_TEST_CHROMIUM") or shutil.which("chromium")


@contextlib.contextmanager
def opened(run_dir, size=WIDE, scheme="light", fragment="", clock=False):
    """The report as a page. Fails if it says anything on the console or asks for anything but
    itself. With `clock` its time stands still until the check lets it pass."""
    url = pathlib.Path(run_dir, "report.html").resolve().as_uri()
    said, asked = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
        )
        page.set_default_timeout(20_000)
        if clock:
            page.clock.install()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url + fragment)
        yield page
        browser.close()
    assert said == [], said
    others = [other for other in asked if other.split("#")[0] != url and not other.startswith(("data:", "blob:"))]
    assert others == [], others


def rows(run_dir):
    with open(pathlib.Path(run_dir, "runs.csv"), newline="") as file:
        return list(csv.DictReader(file))


def tally(some):
    """How many have a verdict, and how many of those failed."""
    decided = [row for row in some if row["outcome"]]
    return len(decided), sum(row["outcome"] in FAILED for row in decided)


def interval(some):
    """The 95% interval of the share of failed rows among those with a verdict: by seeds."""
    z = 1.959963984540054
    seeds = {}
    for row in some:
        if row["outcome"]:
            seeds.setdefault(row["seed"], []).append(row["outcome"] in FAILED)
    n, k = sum(map(len, seeds.values())), len(seeds)
    p = sum(map(sum, seeds.values())) / n
    draws = k
    if k > 1 and 0 < p < 1:
        spread = sum((sum(of) - p * len(of)) ** 2 for of in seeds.values())
        variance = k / (k - 1) * spread / n**2
        draws = min(max(p * (1 - p) / variance * (z / STUDENT[k - 1]) ** 2, k), n) if variance else n
    centre, half = p + z * z / 2 / draws, z * math.sqrt(p * (1 - p) / draws + (z / 2 / draws) ** 2)
    return (centre - half) / (1 + z * z / draws), (centre + half) / (1 + z * z / draws)


def see(page, selector):
    """Scrolls there, as a person must. What waited to come into sight is drawn by the next
    frame."""
    page.locator(selector).first.scroll_into_view_if_needed()
    page.evaluate("new Promise(next => requestAnimationFrame(() => requestAnimationFrame(next)))")


def saved(page, where, ending):
    """The name and the bytes of the file that a button saves."""
    see(page, f'{where} [data-save="{ending}"]')
    with page.expect_download() as found:
        page.click(f'{where} [data-save="{ending}"]')
    return found.value.suggested_filename, pathlib.Path(found.value.path()).read_bytes()


def saved_rows(page, where):
    """The rows of a table that is saved as CSV."""
    _, text = saved(page, where, "csv")
    return list(csv.DictReader(text.decode().splitlines()))


def number(text):
    """What the page shows: 1,234"""
    return int(text.replace(",", ""))


def headline(page):
    return number(page.inner_text("#decided")), number(page.inner_text("#failed"))


def pick(page, name, value):
    see(page, f'[data-picker="{name}"]')
    page.select_option(f'[data-picker="{name}"]', value)


def chip(page, axis, level, modifiers=()):
    """Clicks a value of a filter: it is shown alone. With Shift it is left out or taken in."""
    page.click(f'[data-axis="{axis}"] .chip[title="{level}"]', modifiers=list(modifiers))


def held(page):
    """The axes that the diagram does not show, and the value at which each is held."""
    return page.eval_on_selector_all(
        "#held select", "all => all.map(node => [node.dataset.picker, node.selectedOptions[0].textContent])"
    )


def pool(page):
    """Pools the trials over all axes that the diagram does not show."""
    for axis, _ in held(page):
        page.select_option(f'#held [data-picker="{axis}"]', "all")


def panels(page):
    """The canvases of the phase diagram with what they stand for: {columns' level} · {rows'
    level}."""
    found = []
    for figure in page.query_selector_all("#phase-panels figure"):
        canvas = figure.query_selector("canvas")
        caption = figure.query_selector("figcaption")
        levels = (
            [span.inner_text().removeprefix("· ") for span in caption.query_selector_all("span")] if caption else []
        )
        if canvas:
            found.append((levels, canvas, json.loads(canvas.get_attribute("data-cells"))))
    return found


def place(cells, i, j):
    """The middle of a cell in its canvas; the first level of y is at the bottom."""
    return {"x": cells["left"] + (i + 0.5) * cells["cw"], "y": cells["top"] + (cells["ny"] - j - 0.5) * cells["ch"]}


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")


def table(page, selector):
    """The rows of a table as lists of the texts of their cells."""
    return page.eval_on_selector_all(
        f"{selector} tbody tr", "rows => rows.map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    )


def heads(page, selector):
    return [
        text.strip()
        for text in page.eval_on_selector_all(f"{selector} thead th", "cells => cells.map(cell => cell.textContent)")
    ]


def column(page, selector, title):
    at = heads(page, selector).index(title)
    return [row[at] for row in table(page, selector)]


def main(checks):
    name, arguments = sys.argv[1], sys.argv[2:]
    checks[name](*arguments)
