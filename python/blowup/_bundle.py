"""A bundle: one file that holds a model's training step, its data and its initial weights.

The file is a safetensors file: named tensors behind a JSON header. One of the tensors, ``program``,
is the text of a JSON document; all others are the numbers that it names. Nothing in it is code.
``docs/bundle.md`` of the project describes both for readers in other languages.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import tempfile
from dataclasses import dataclass
from typing import Any

import torch

FORMAT = "blowup-bundle"
VERSION = 1

DTYPES: dict[str, torch.dtype] = {
    "BOOL": torch.bool,
    "U8": torch.uint8,
    "I8": torch.int8,
    "I16": torch.int16,
    "I32": torch.int32,
    "I64": torch.int64,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "C64": torch.complex64,
    "C128": torch.complex128,
}
NAMES: dict[torch.dtype, str] = {dtype: name for name, dtype in DTYPES.items()}


class Damaged(Exception):
    """A file that is no bundle of a version that this package reads."""


@dataclass
class Bundle:
    """A bundle in memory.

    Attributes:
        program: the JSON document.
        tensors: the tensors that it names.
    """

    program: dict[str, Any]
    tensors: dict[str, torch.Tensor]

    def to_bytes(self) -> bytes:
        """The file. Equal bundles give equal bytes."""
        text = json.dumps(self.program, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode()
        program = torch.frombuffer(bytearray(text), dtype=torch.uint8)
        # Wide elements stand first, so that each tensor starts at a multiple of its element's size.
        named = sorted(self.tensors.items(), key=lambda item: (-item[1].element_size(), item[0]))
        header: dict[str, Any] = {"__metadata__": {"format": FORMAT, "version": str(VERSION)}}
        bodies, end = [], 0
        for name, tensor in [*named, ("program", program)]:
            body = _bytes_of(tensor)
            header[name] = {
                "dtype": NAMES[tensor.dtype],
                "shape": list(tensor.shape),
                "data_offsets": [end, end + len(body)],
            }
            bodies.append(body)
            end += len(body)
        head = json.dumps(header, separators=(",", ":")).encode()
        head += b" " * (-len(head) % 8)
        return b"".join([struct.pack("<Q", len(head)), head, *bodies])

    @classmethod
    def from_bytes(cls, raw: bytes) -> Bundle:
        """Reads a file.

        Raises:
            Damaged: if it is none, or of another version.
        """
        try:
            (length,) = struct.unpack_from("<Q", raw)
            header = json.loads(raw[8 : 8 + length])
            said = header.pop("__metadata__", {})
        except (struct.error, ValueError, AttributeError) as error:
            raise Damaged(f"not a bundle: {error}") from error
        if said.get("format") != FORMAT:
            raise Damaged("not a bundle: a safetensors file without its mark")
        if said.get("version") != str(VERSION):
            raise Damaged(f"a bundle of version {said.get('version')}; this package reads version {VERSION}")
        body = memoryview(raw)[8 + length :]
        tensors: dict[str, torch.Tensor] = {}
        for name, of in header.items():
            start, end = of["data_offsets"]
            count = end - start
            if not 0 <= start <= end <= len(body):
                raise Damaged(f"the tensor `{name}` ends beyond the file")
            flat = torch.frombuffer(bytearray(body[start:end]), dtype=torch.uint8) if count else torch.empty(0)
            dtype = DTYPES[of["dtype"]]
            tensors[name] = (flat.view(dtype) if count else flat.to(dtype)).reshape(of["shape"])
        program = json.loads(bytes(_bytes_of(tensors.pop("program"))))
        return cls(program, tensors)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the file whole or not at all."""
        path = os.fspath(path)
        handle, part = tempfile.mkstemp(dir=os.path.dirname(path) or ".", prefix=os.path.basename(path) + ".")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(self.to_bytes())
            os.chmod(part, 0o644)
            os.replace(part, path)
        except BaseException:
            os.unlink(part)
            raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Bundle:
        """Reads a file; see `from_bytes`."""
        with open(path, "rb") as file:
            return cls.from_bytes(file.read())


def number(value: float) -> float | str:
    """A float as JSON has it; what JSON has no number for is a text: ``inf``, ``-inf``, ``nan``."""
    return value if value == value and abs(value) != float("inf") else repr(value)


def _bytes_of(tensor: torch.Tensor) -> bytes:
    tensor = tensor.detach().contiguous()
    return ctypes.string_at(tensor.data_ptr(), tensor.numel() * tensor.element_size()) if tensor.numel() else b""
