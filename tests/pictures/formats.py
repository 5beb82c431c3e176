"""The formats of a figure show the same, at the size that was asked for.

usage: formats.py FOLDER NAME WIDTH [HEIGHT]     in points
"""

import html
import re
import sys
from pathlib import Path

import pypdfium2
from PIL import Image

import compare


def main():
    folder, name, *size = sys.argv[1:]
    width, height = [float(side) for side in size] + [None] * (2 - len(size))
    path = Path(folder)
    page = pypdfium2.PdfDocument(path / f"{name}.pdf")[0]
    png = Image.open(path / f"{name}.png")
    svg = (path / f"{name}.svg").read_text()
    # A point is 1/72 of an inch. A picture ends at a whole pixel of 0.7 points.
    dots = [side / dpi * 72 for side, dpi in zip(png.size, png.info["dpi"], strict=True)]
    written = [float(side) for side in re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', svg).groups()]
    for found in (page.get_size(), dots, written):
        assert abs(found[0] - width) < 0.8, (found, width)
        assert height is None or abs(found[1] - height) < 0.8, (found, height)
        assert abs(found[1] - written[1]) < 0.8, (found, written)
    assert abs(png.info["dpi"][0] - 600) < 0.01, png.info
    # Every text of the SVG is a text of the PDF, and none is smaller than 7 points.
    text = re.sub(r"\s+", "", page.get_textpage().get_text_bounded())
    texts = re.findall(r'<text [^>]*font-size="([\d.]+)"[^>]*>([^<]*)</text>', svg)
    assert len(texts) > 10, texts
    for pixels, words in texts:
        assert float(pixels) * 0.7 >= 7, (pixels, words)
        assert re.sub(r"\s+", "", html.unescape(words)) in text, (words, text)
    rendered = page.render(scale=600 / 72).to_pil().convert("RGB")
    both = []
    for image in (rendered, png.convert("RGB")):
        size = (compare.WIDTH, round(image.height * compare.WIDTH / image.width))
        both.append(image.resize(size, Image.Resampling.LANCZOS))
    found = compare.difference(*both)
    assert found < 4, found
    print(f"{name}: PDF and PNG differ by {found:.1f}")


if __name__ == "__main__":
    main()
