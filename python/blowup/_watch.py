"""Where in a model of PyTorch the first value that is not finite was."""

from __future__ import annotations

import os
import sys
from typing import Any

import torch


class Watch:
    """Keeps what the modules of a model handed on in a pass, and the gradients that came back.

    A pass whose output was not finite is kept until it was looked at, also where other passes
    follow before the step, as those of gradient accumulation. Passes without gradients, as of an
    evaluation, are not looked at.
    """

    def __init__(self, model: torch.nn.Module, save_as: str | None) -> None:
        """Hooks every module of ``model``. ``save_as``: the file that the bad batch goes to."""
        self._save_as = save_as
        self._inputs: Any = None
        self._output: list[torch.Tensor] = []
        self._frozen = False
        self._forward: list[tuple[str, list[torch.Tensor], str]] = []
        self._gradients: list[tuple[str, str, torch.Tensor]] = []
        self._lines: dict[str, str] = {}
        model.register_forward_pre_hook(self._begin, with_kwargs=True)
        for name, module in model.named_modules():
            called = name or type(module).__name__
            module.register_forward_pre_hook(self._was_given(called))
            module.register_forward_hook(self._handed_on(called))
        model.register_forward_hook(self._end)

    def first(self, loss_is_finite: bool) -> tuple[str | None, str | None]:
        """The first module with a value that is not finite, and the line that called it.

        Inner modules end before those that they are a part of, so the first in the order of their
        ends is the innermost. It is ``loss`` where all modules are finite and the loss is not.
        Saves the batch where something was found.
        """
        found = self._find(loss_is_finite)
        if found[0] is not None:
            self._save()
        self._frozen = False
        return found

    def _find(self, loss_is_finite: bool) -> tuple[str | None, str | None]:
        for name, output, line in self._forward:
            if not _finite(output):
                return name, line
        if not loss_is_finite:
            return "loss", None
        # Gradients come back in the order of the backward pass. What a module was given has the
        # derivative of that module in its gradient, so the innermost of those at the first bad one.
        back: dict[str, bool] = {}
        for side, name, gradient in self._gradients:
            finite = _finite([gradient])
            if side == "output":
                back[name] = back.get(name, True) and finite
            elif not finite and back.get(name, True):
                same = [
                    other
                    for at, other, value in self._gradients
                    if at == "input" and value is gradient and back.get(other, True)
                ]
                inner = max(same or [name], key=lambda other: other.count("."))
                return f"derivative of {inner}", self._lines.get(inner)
        return None, None

    def _begin(self, module: torch.nn.Module, args: Any, kwargs: Any) -> None:
        if not torch.is_grad_enabled() or self._frozen:
            return
        if self._forward and not _finite(self._output):
            self._frozen = True
            return
        self._inputs = (args, kwargs)
        self._forward.clear()
        self._gradients.clear()

    def _end(self, module: torch.nn.Module, inputs: Any, output: Any) -> None:
        if torch.is_grad_enabled() and not self._frozen:
            self._output = [tensor.detach() for tensor in _tensors(output)]

    def _was_given(self, name: str) -> Any:
        def hook(module: torch.nn.Module, inputs: Any) -> None:
            self._listen("input", name, inputs)

        return hook

    def _handed_on(self, name: str) -> Any:
        def hook(module: torch.nn.Module, inputs: Any, output: Any) -> None:
            if not torch.is_grad_enabled() or self._frozen:
                return
            line = _caller()
            self._lines[name] = line
            self._forward.append((name, [tensor.detach() for tensor in _tensors(output)], line))
            self._listen("output", name, output)

        return hook

    def _listen(self, side: str, name: str, values: Any) -> None:
        """Keeps the gradients of tensors when they come. Hooks of tensors leave a module free to
        change its input in place, which those of modules do not."""
        if not torch.is_grad_enabled() or self._frozen:
            return
        for tensor in _tensors(values):
            if tensor.requires_grad:
                tensor.register_hook(lambda gradient: self._gradients.append((side, name, gradient)))

    def _save(self) -> None:
        if self._save_as is None or self._inputs is None:
            return
        os.makedirs(os.path.dirname(self._save_as) or ".", exist_ok=True)
        args, kwargs = self._inputs
        torch.save({"args": _detached(args), "kwargs": _detached(kwargs)}, self._save_as)


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


def _detached(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, dict):
        return {key: _detached(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_detached(inner) for inner in value]
    return value


def _finite(tensors: list[torch.Tensor]) -> bool:
    return all(not tensor.is_floating_point() or bool(torch.isfinite(tensor).all()) for tensor in tensors)
