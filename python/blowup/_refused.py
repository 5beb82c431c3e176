"""Why a model could not be exported, and where in the user's file that stands."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class Place:
    """Where an operation comes from.

    Attributes:
        module: the path of the module whose forward pass made the call, as ``named_modules`` has
            it; empty for the model itself and for the loss.
        file: the file of the call, absolute while a model is traced. In a bundle it is relative to
            the folder on ``sys.path`` that holds it.
        line: the line in the file, from 1.
        function: the name of the function, with its class.
        text: the expression as it stands in the file.
        derivative: the name of autograd's node if the operation belongs to the derivative of the
            expression, else empty.
    """

    module: str
    file: str
    line: int
    function: str
    text: str
    derivative: str = ""

    def __str__(self) -> str:
        of = f"the derivative ({self.derivative}) of " if self.derivative else ""
        within = f", module `{self.module}`" if self.module else ""
        return f"{of}`{self.text}` at {os.path.basename(self.file)}:{self.line} in {self.function}{within}"


class Refused(Exception):
    """A model that cannot become a bundle. Nothing was written.

    Attributes:
        why: the reason, without the place.
        place: where in the user's program the reason stands, or None where it has no one line.
    """

    def __init__(self, why: str, place: Place | None = None) -> None:
        super().__init__(f"{why}: {place}" if place else why)
        self.why = why
        self.place = place
