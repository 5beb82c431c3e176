"""Writes the operators that a bundle may call for its readers: into docs/bundle.md and into the
text that the program reads. --check only compares.
"""

import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "python"))
from blowup._operators import ALLOWED  # noqa: E402

BEGIN, END = "<!-- operators -->\n", "<!-- end of operators -->"

document = ROOT / "docs" / "bundle.md"
text = document.read_text()
before, rest = text.split(BEGIN)
after = rest.split(END)[1]
names = " ".join(f"`{name}`" for name in sorted(ALLOWED))
written = {
    document: before + BEGIN + "\n" + textwrap.fill(names, 100, break_on_hyphens=False) + "\n\n" + END + after,
    ROOT / "crates" / "core" / "src" / "bundle" / "operators.txt": "".join(f"{name}\n" for name in sorted(ALLOWED)),
}
if "--check" in sys.argv:
    stale = [str(path.relative_to(ROOT)) for path, text in written.items() if path.read_text() != text]
    sys.exit(f"{', '.join(stale)}: run `python3 scripts/operators.py`" if stale else 0)
for path, text in written.items():
    path.write_text(text)
