"""Compares pictures with stored ones as an eye does.

usage: compare.py FIGURES NAME [--write]

All PNG files of the folder FIGURES, one below the other, are held against
tests/pictures/stored/NAME.webp. What differs is measured in blocks of 10 x 10 pixels, on pictures
that are 480 pixels wide and blurred, in units of CIE L*a*b*: 2.3 is the difference that people just
notice (Mahy et al. 1994). A block that differs by more than 12, or another size, is a change. The
new picture then goes to
target/pictures/NAME.png; somebody looks at it and, if it is right, stores it with --write.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

HERE = Path(__file__).resolve().parent
WIDTH, BLOCK, MOST = 480, 10, 12.0


def sheet(folder):
    """All pictures of a folder in one, each as wide as the sheet at most."""
    images = []
    for path in sorted(Path(folder).glob("*.png")):
        image = Image.open(path).convert("RGB")
        scale = min(1.0, WIDTH / image.width)
        size = (round(image.width * scale), round(image.height * scale))
        images.append(image.resize(size, Image.Resampling.LANCZOS))
    assert images, f"{folder} has no pictures"
    whole = Image.new("RGB", (WIDTH, sum(image.height for image in images)), "white")
    top = 0
    for image in images:
        whole.paste(image, (0, top))
        top += image.height
    return whole


def lab(image):
    """CIE L*a*b* of a blurred picture in sRGB, for the white of daylight (D65)."""
    rgb = np.asarray(image.filter(ImageFilter.GaussianBlur(2)), dtype=float) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = linear @ np.array(matrix).T / [0.9505, 1.0, 1.089]
    cube = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(cube, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def difference(a, b):
    """The largest root mean square difference of colour over the blocks of two pictures; infinite
    if their heights differ by more than a line of text."""
    if abs(a.height - b.height) > 8:
        return float("inf")
    height = min(a.height, b.height)
    a, b = (lab(image.crop((0, 0, WIDTH, height))) for image in (a, b))
    squares = ((a - b) ** 2).sum(axis=-1)
    rows, columns = height // BLOCK, WIDTH // BLOCK
    blocks = squares[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return float(np.sqrt(blocks.mean(axis=(1, 3)).max()))


def main():
    folder, name = sys.argv[1:3]
    stored, new = HERE / "stored" / f"{name}.webp", sheet(folder)
    if "--write" in sys.argv:
        new.save(stored, quality=85, method=6)
        return
    assert stored.exists(), f"there is no {stored}; look at the picture and store it with --write"
    old = Image.open(stored).convert("RGB")
    # The measure sees a change of this size: a cell of 12 pixels that turns from orange to red.
    changed = old.copy()
    changed.paste((227, 26, 28), (300, 60, 312, 72))
    assert difference(old, changed) > MOST, difference(old, changed)
    found = difference(old, new)
    if found > MOST:
        place = HERE.parent.parent / "target" / "pictures" / f"{name}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        new.save(place)
        sys.exit(f"{name} has changed by {found:.1f}: look at {place}; if it is right, --write stores it")
    print(f"{name}: {found:.1f}")


if __name__ == "__main__":
    main()
