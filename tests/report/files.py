"""files.py CHECK RUN_DIR: what a report saves: pictures that stand alone, and tables that Python's
csv reads."""

import base64
import csv
import pathlib
import re
import struct
import xml.etree.ElementTree as ElementTree

from harness import chip, main, opened, pick, rows, saved, see, table, tally

SECTIONS = ("#phase", "#boundary", "#parallel", "#survival", "#trials")


def words(svg):
    return " ".join(node.text or "" for node in ElementTree.fromstring(svg).iter() if node.tag.endswith("text"))


def pictures(run_dir):
    """Each picture is saved with its title, the filter, what is held, the sweep and its build, on
    white and without a style sheet, in the same bytes in either theme; the PNG is the SVG."""
    build = re.search(r"build [0-9a-f]+", pathlib.Path(run_dir, "manifest.toml").read_text())[0]
    all_rows = rows(run_dir)
    some = [row for row in all_rows if row["clip"] == "none" and row["lr"] != "0.01"]
    files = {}
    for scheme in ("light", "dark"):
        with opened(run_dir, scheme=scheme) as page:
            chip(page, "clip", "none")
            chip(page, "lr", "0.01", ["Shift"])
            see(page, "#configurations-body tbody")
            page.click("#configurations-body tbody tr:nth-child(3) td:nth-child(2) button")
            for section in SECTIONS:
                name, svg = saved(page, section, "svg")
                assert files.setdefault(section, (name, svg)) == (name, svg), (section, "differs between the themes")
                root = ElementTree.fromstring(svg)
                text = words(svg)
                for part in (
                    "Filter: ",
                    "clip none",
                    "lr 3.16 to 1000",
                    f"Sweep {root_name(run_dir)}",
                    "blowup 0.1.0",
                    build,
                ):
                    assert part in text, (section, part, text)
                for foreign in (b"var(", b"url(", b"class=", b"href", b"<style", b"<script"):
                    assert foreign not in svg, (section, foreign)
                for node in root.iter():
                    kind = node.tag.split("}")[1]
                    assert kind not in ("line", "path") or node.get("stroke") or node.get("fill"), (
                        section,
                        node.attrib,
                    )
                    assert kind != "text" or node.get("fill"), (section, node.attrib)
                lines = page.locator(f"{section} .lines path:not(.band)").count()
                open_paths = [node for node in root.iter() if node.tag.endswith("path") and node.get("fill") == "none"]
                assert len(open_paths) >= lines and all(node.get("stroke-width") for node in open_paths), section
                ground = next(node for node in root if node.tag.endswith("rect"))
                assert (ground.get("fill"), ground.get("width")) == ("#fff", root.get("width"))
                assert (
                    name.startswith(f"{root_name(run_dir)}-{section[1:]}")
                    and "-where-" in name
                    and name.endswith(".svg")
                )
                png_name, png = saved(page, section, "png")
                size = struct.unpack(">II", png[16:24])
                assert png_name == name.replace(".svg", ".png") and png[:8] == b"\x89PNG\r\n\x1a\n"
                assert size == (2 * int(root.get("width")), 2 * int(root.get("height"))), (section, size)
                corner, inked = pixels(page, png)
                assert corner == [255, 255, 255, 255] and 0.004 < inked < 0.7, (section, corner, inked)
            held = dict(re.findall(r"(\w+) held at\n?([^\n]*)", page.inner_text("#boundary-pickers")))
            assert "Held: " in words(files["#phase"][1]) and "Held: " in words(files["#boundary"][1]), held
            assert f"{tally(some)[0]} trials, 2 seeds" in words(files["#survival"][1])
    assert len({name for name, _ in files.values()}) == len(files)


def root_name(run_dir):
    return re.search(r'(?m)^name\s*=\s*"(\w+)"', pathlib.Path(run_dir, "spec.toml").read_text())[1]


def pixels(page, png):
    """The pixel in a corner, and the share of pixels that are not white."""
    return page.evaluate(
        """async (text) => {
            const image = new Image();
            image.src = `data:image/png;base64,${text}`;
            await image.decode();
            const canvas = document.createElement("canvas");
            [canvas.width, canvas.height] = [image.width, image.height];
            const context = canvas.getContext("2d");
            context.drawImage(image, 0, 0);
            const { data } = context.getImageData(0, 0, image.width, image.height);
            let inked = 0;
            for (let at = 0; at < data.length; at += 4) if (data[at] + data[at + 1] + data[at + 2] < 765) inked++;
            return [[...data.slice(0, 4)], inked / (data.length / 4)];
        }""",
        base64.b64encode(png).decode(),
    )


def phase_cells(run_dir):
    """The saved phase diagram has a coloured cell for each cell with trials, with its rate."""
    all_rows = [row for row in rows(run_dir) if row["outcome"]]
    with opened(run_dir) as page:
        for name, value in [("x", "lr"), ("y", "depth"), ("columns", "activation"), ("rows", "")]:
            pick(page, name, value)
        for select in page.query_selector_all("#held select"):
            page.select_option(f'#held [data-picker="{select.get_attribute("data-picker")}"]', "all")
        name, svg = saved(page, "#phase", "svg")
    assert name == f"{root_name(run_dir)}-phase-lr-depth-by-activation.svg", name
    cells = {}
    for row in all_rows:
        cells.setdefault((row["activation"], float(row["lr"]), row["depth"]), []).append(row)
    rates = sorted(hits / n for n, hits in map(tally, cells.values()))
    # The inks that stand on a cell; the ticks have others.
    shown = re.findall(r'fill="#(?:111|fff)"[^>]*>(0|1|\.\d\d)</text>', svg.decode())
    assert sorted(map(float, shown)) == [round(rate + 1e-9, 2) for rate in rates], (sorted(shown), rates)
    assert "Pooled in a cell: " in words(svg)


def tables(run_dir):
    """The tables of trials and of configurations are what runs.csv and summary.csv say; what the
    words find is saved, in its order."""
    read = lambda text: list(csv.DictReader(text.decode().splitlines()))
    with open(pathlib.Path(run_dir, "summary.csv"), newline="") as file:
        summary = list(csv.DictReader(file))
    by_id = {row["trial"]: row for row in rows(run_dir)}
    with opened(run_dir) as page:
        name, text = saved(page, "#configurations", "csv")
        assert name == f"{root_name(run_dir)}-configurations.csv"
        found = read(text)
        assert len(found) == len(summary)
        for here, there in zip(found, summary):
            for mine, other in (
                ("trials", "trials"),
                ("diverged", "diverged"),
                ("converged", "converged"),
                ("lr", "lr"),
                ("depth", "depth"),
            ):
                assert here[mine] == there[other], (mine, here, there)
            for mine, other in (("rate", "failure_rate"), ("low", "failure_low"), ("high", "failure_high")):
                assert abs(float(here[mine]) - float(there[other])) < 1e-9, (mine, here, there)
        chip(page, "activation", "tanh")
        page.click("#worst button")
        page.fill("#trials input", "nonfinite")
        page.click("#trials th button:text-is('loss_initial')")
        name, text = saved(page, "#trials", "csv")
        found = read(text)
        assert "where-activation-tanh" in name and len(found) > 5
        assert [row["trial"] for row in found][: len(table(page, "#trials"))] == [
            row[0].split()[0] for row in table(page, "#trials")
        ]
        losses = [float(row["loss_initial"]) for row in found]
        assert losses == sorted(losses, reverse=True)
        for row in found:
            recorded = by_id[row["trial"]]
            for column in ("seed", "outcome", "lost", "epoch_diverged", "epoch_nonfinite"):
                assert row[column] == recorded[column], (column, row, recorded)
            for column in ("loss_initial", "loss_final", "grad_norm_max"):
                if recorded[column] in ("", "NaN", "inf"):
                    assert row[column] == recorded[column], (column, row[column], recorded[column])
                else:
                    assert abs(float(row[column]) / float(recorded[column]) - 1) < 1e-6
        _, text = saved(page, "#checks", "csv")
        assert [row["result"] for row in read(text)] == [row[0] for row in table(page, "#checks")]


if __name__ == "__main__":
    main({name: value for name, value in globals().items() if callable(value)})
