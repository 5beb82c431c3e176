"""Writes a spec that is a dictionary as TOML."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any


def spec(table: Mapping[str, Any]) -> str:
    """The text of a spec.

    Args:
        table: what the spec says, as ``tomllib`` would read it: strings, booleans, numbers, lists
            and dictionaries of them. NumPy's numbers and arrays are taken, too.

    Returns:
        TOML, with a line for each key of ``table``.

    Raises:
        TypeError: if there is a value that no spec can have. The message names its key.
    """
    return "".join(f"{_key(key)} = {_value(value, str(key))}\n" for key, value in table.items())


def _value(value: Any, where: str) -> str:
    if hasattr(value, "tolist"):  # of NumPy
        value = value.tolist()
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else str(value)
    if isinstance(value, Mapping):
        pairs = (f"{_key(key)} = {_value(inner, f'{where}.{key}')}" for key, inner in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return "[" + ", ".join(_value(item, f"{where}[{i}]") for i, item in enumerate(value)) + "]"
    raise TypeError(f"`{where}` is a {type(value).__name__}, which no spec can hold")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"the key {key!r} is no string")
    plain = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if plain else _text(key)


def _text(text: str) -> str:
    # What JSON escapes TOML escapes, too; and one more character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
