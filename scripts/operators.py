"""Writes the operators that a bundle may call into docs/bundle.md; --check only compares."""

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
written = before + BEGIN + "\n" + textwrap.fill(names, 100, break_on_hyphens=False) + "\n\n" + END + after
if "--check" in sys.argv:
    sys.exit(0 if written == text else "docs/bundle.md: run `python3 scripts/operators.py`")
document.write_text(written)
