"""Where in a model of PyTorch the first value that is not finite was."""

from __future__ import annotations

import os
import sys
from typing import Any

import torch


class Watch:
    """Keeps what the modules of a model handed on in its last pass, forward and backward."""

    def __init__(self, model: torch.nn.Module, save_as: str | None) -> None:
        """Hooks every module of ``model``. ``save_as``: the file that the bad batch goes to."""
        self._save_as = save_as
        self._inputs: Any = None
        self._forward: list[tuple[str, Any, str]] = []
        self._backward: list[tuple[str, Any, Any]] = []
        self._lines: dict[str, str] = {}
        model.register_forward_pre_hook(self._begin, with_kwargs=True)
        for name, module in model.named_modules():
            module.register_forward_hook(self._handed_on(name or type(module).__name__))
            module.register_full_backward_hook(self._came_back(name or type(module).__name__))

    def first(self) -> tuple[str | None, str | None]:
        """The first module with a value that is not finite, and the line that called it.

        Inner modules end before those that they are a part of, so the first in the order of their
        ends is the innermost. Saves the batch.
        """
        self._save()
        for name, output, line in self._forward:
            if not _finite(output):
                return name, line
        for name, grad_input, grad_output in self._backward:
            if _finite(grad_output) and not _finite(grad_input):
                return f"derivative of {name}", self._lines.get(name)
        return None, None

    def _begin(self, module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        self._inputs = (args, kwargs)
        self._forward.clear()
        self._backward.clear()

    def _handed_on(self, name: str) -> Any:
        def hook(module: torch.nn.Module, inputs: Any, output: Any) -> None:
            line = _caller()
            self._lines[name] = line
            self._forward.append((name, _detached(output), line))

        return hook

    def _came_back(self, name: str) -> Any:
        def hook(module: torch.nn.Module, grad_input: Any, grad_output: Any) -> None:
            self._backward.append((name, _detached(grad_input), _detached(grad_output)))

        return hook

    def _save(self) -> None:
        if self._save_as is None or self._inputs is None:
            return
        os.makedirs(os.path.dirname(self._save_as) or ".", exist_ok=True)
        args, kwargs = self._inputs
        torch.save({"args": args, "kwargs": kwargs}, self._save_as)


def _caller() -> str:
    """The line of the program's own code that is being run, as ``model.py:42``."""
    own, torchs = os.path.dirname(__file__), os.path.dirname(torch.__file__)
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((own, torchs)):
            return f"{os.path.basename(name)}:{frame.f_lineno}"
        frame = frame.f_back
    return ""


def _tensors(value: Any) -> list[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        return [tensor for inner in value for tensor in _tensors(inner)]
    return []


def _detached(value: Any) -> list[torch.Tensor]:
    return [tensor.detach() for tensor in _tensors(value)]


def _finite(tensors: list[torch.Tensor]) -> bool:
    return all(not tensor.is_floating_point() or bool(torch.isfinite(tensor).all()) for tensor in tensors)
