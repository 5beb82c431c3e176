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

OUTCOMES = ("converged", "stalled", "unsettled", "diverged", "nonfinite")
BLOWN = ("diverged", "nonfinite")
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
def opened(run_dir, size=WIDE, scheme="light", fragment=""):
    """The report as a page. Fails if it says anything on the console or asks for anything but
    itself."""
    url = pathlib.Path(run_dir, "report.html").resolve().as_uri()
    said, asked = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        page = browser.new_page(
            viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, reduced_motion="reduce"
        )
        page.set_default_timeout(20_000)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(url + fragment)
        yield page
        browser.close()
    assert said == [], said
    others = [other for other in asked if other.split("#")[0] != url and not other.startswith("data:")]
    assert others == [], others


def rows(run_dir):
    with open(pathlib.Path(run_dir, "runs.csv"), newline="") as file:
        return list(csv.DictReader(file))


def tally(some):
    """How many have a verdict, and how many of those blew up."""
    decided = [row for row in some if row["outcome"]]
    return len(decided), sum(row["outcome"] in BLOWN for row in decided)


def wilson(hits, n):
    z = 1.959963984540054
    centre, half = hits + z * z / 2, z * math.sqrt(hits * (n - hits) / n + z * z / 4)
    return (centre - half) / (n + z * z), (centre + half) / (n + z * z)


def number(text):
    """What the page shows: 1,234"""
    return int(text.replace(",", ""))


def headline(page):
    return number(page.inner_text("#decided")), number(page.inner_text("#blown"))


def pick(page, name, value):
    page.select_option(f'[data-picker="{name}"]', value)


def chip(page, axis, level):
    page.click(f'[data-axis="{axis}"] .chip[title="{level}"]')


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
