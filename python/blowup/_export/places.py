"""Where an operation comes from: the module, and the line and expression in the user's file.

Nothing here changes what is computed. `Recorder` sees every ATen call of a step and writes its
place into the metadata of the traced node. A call of the backward pass gets the place of the
forward call whose derivative it is; autograd numbers both alike.
"""

from __future__ import annotations

import linecache
import os
import sys
import sysconfig
import traceback
from dataclasses import replace
from types import CodeType, FrameType, TracebackType
from typing import Any

import torch
import torch.fx.traceback as node_metadata
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from blowup import _operators
from blowup._export import draws
from blowup._refused import Place, Refused

_OWN = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_LIBRARIES = tuple(
    path + os.sep for path in (os.path.dirname(torch.__file__), sysconfig.get_path("stdlib")) if path is not None
)
_PACKAGES = tuple({sysconfig.get_path("purelib") + os.sep, sysconfig.get_path("platlib") + os.sep})
_MACHINERY = tuple(folder + name + os.sep for folder in _PACKAGES for name in ("torch", "sympy", "mpmath", "numpy"))


class Modules:
    """The modules whose forward pass runs, the innermost last. A context manager."""

    def __init__(self, model: nn.Module) -> None:
        self._names: dict[int, str] = {}
        for name, module in model.named_modules():
            self._names.setdefault(id(module), name)
        self._stack: list[str] = []
        self._failed: list[tuple[BaseException, str]] = []
        self._hooks: list[Any] = []

    def __enter__(self) -> Modules:
        everywhere = nn.modules.module

        def enters(module: nn.Module, _: Any) -> None:
            self._stack.append(self._names.get(id(module), type(module).__name__))

        def leaves(*_: Any) -> None:
            if self._stack:
                error = sys.exc_info()[1]
                if error is not None and all(error is not known for known, _ in self._failed):
                    self._failed.append((error, self._stack[-1]))
                self._stack.pop()

        self._hooks = [
            everywhere.register_module_forward_pre_hook(enters),
            everywhere.register_module_forward_hook(leaves, always_call=True),
        ]
        return self

    def __exit__(self, *_: Any) -> None:
        for hook in self._hooks:
            hook.remove()

    def path(self) -> str:
        return self._stack[-1] if self._stack else ""

    def path_of(self, error: BaseException) -> str:
        """The innermost module whose forward pass an error ended."""
        return next((path for known, path in self._failed if known is error), self.path())


class Recorder(TorchDispatchMode):
    """Writes down the place of every call, numbers the draws, and refuses what no bundle can hold.

    Args:
        modules: the modules whose forward pass runs.
        parameters: the tensors that stand for the parameters. No call may change them.
    """

    def __init__(self, modules: Modules, parameters: list[torch.Tensor]) -> None:
        super().__init__()
        self._modules = modules
        self._parameters = {parameter.untyped_storage()._cdata for parameter in parameters}
        self._forward: dict[int, Place | None] = {}
        self._drawn = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        node = torch._C._current_autograd_node()
        if node is None:
            place = self.here()
        else:
            of = self._forward.get(node._sequence_nr())
            place = replace(of, derivative=node.name()) if of else None
        # Autograd has given a number to the forward call that is about to run.
        self._forward.setdefault(torch.autograd._get_sequence_nr() - 1, place)
        name = func._schema.name
        reason = _operators.refusal(name)
        if reason is None and name in ("aten::index", "aten::index_put", "aten::index_put_"):
            reason = _by_mask(args)
        if reason is None and node is not None and draws.is_draw(func):
            reason = "a random draw in the backward pass, as of `checkpoint` around dropout, has no stream"
        if reason is None and draws.is_draw(func) and not draws.is_known(func):
            reason = f"`{name}` draws random numbers in a way that has no named stream"
        if reason is None and self._changes_parameter(func, args):
            reason = f"`{name}` changes a parameter in the forward pass"
        if reason is not None:
            raise Refused(reason, self.here() or place)
        known: dict[str, Any] = {"place": place}
        if draws.is_draw(func):
            known["draw"] = self._drawn
            self._drawn += 1
            # Whichever generator the program draws from, the bundle has a stream instead.
            kwargs = {name: None if name == "generator" else value for name, value in (kwargs or {}).items()}
        node_metadata.current_meta = {"custom": known}
        return func(*args, **(kwargs or {}))

    def here(self) -> Place | None:
        """The line of the user's program that runs now, or None inside of autograd's engine."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_code.co_filename.startswith(_OWN):
            frame = frame.f_back
        while frame is not None and not frame.f_code.co_filename.startswith(_OWN):
            if _is_users(frame.f_code.co_filename):
                return _place(frame.f_code, frame.f_lasti, frame.f_lineno, self._modules.path())
            frame = frame.f_back
        return None

    def _changes_parameter(self, func: Any, args: Any) -> bool:
        if not func._schema.is_mutable:
            return False
        return any(
            argument.alias_info is not None
            and argument.alias_info.is_write
            and isinstance(value, torch.Tensor)
            and value.untyped_storage()._cdata in self._parameters
            for argument, value in zip(func._schema.arguments, args)
        )


def of_error(error: BaseException, modules: Modules) -> Place | None:
    """The innermost line of the user's program that an error passed through."""
    found: TracebackType | None = None
    walked = error.__traceback__
    while walked is not None:
        if _is_users(walked.tb_frame.f_code.co_filename):
            found = walked
        walked = walked.tb_next
    if found is None:
        return None
    return _place(found.tb_frame.f_code, found.tb_lasti, found.tb_lineno, modules.path_of(error))


def of_node(node: torch.fx.Node) -> Place | None:
    """The place that `Recorder` wrote into a traced node, which every later pass carries along."""
    return (node.meta.get("custom") or {}).get("place")


def order_of(node: torch.fx.Node) -> int:
    """Which of the program's random draws a traced node is, counted from 0."""
    return int(node.meta["custom"]["draw"])


def relative(file: str) -> str:
    """A file's path from the longest folder of ``sys.path`` that holds it, else its name."""
    file = os.path.abspath(file)
    folders = [os.path.abspath(folder) + os.sep for folder in sys.path]
    holding = max((folder for folder in folders if file.startswith(folder)), key=len, default=None)
    return file[len(holding) :].replace(os.sep, "/") if holding else os.path.basename(file)


def of_function(function: Any) -> Place | None:
    """The first line of a function of the user's."""
    code = getattr(function, "__code__", None) or getattr(type(function).__call__, "__code__", None)
    if code is None:
        return None
    line = code.co_firstlineno
    text = linecache.getline(code.co_filename, line).strip()
    return Place("", code.co_filename, line, getattr(code, "co_qualname", code.co_name), text)


def last_line(error: BaseException) -> str:
    """What an error says, in one line."""
    said = "".join(traceback.format_exception_only(type(error), error)).split("While executing")[0]
    return " ".join(said.split())


def _is_users(file: str) -> bool:
    if file.startswith(("<", _OWN, *_MACHINERY)):
        return False
    return file.startswith(_PACKAGES) or not file.startswith(_LIBRARIES)


def _place(code: CodeType, instruction: int, line: int, module: str) -> Place:
    text = linecache.getline(code.co_filename, line).strip()
    if hasattr(code, "co_positions"):  # Python 3.11
        positions = list(code.co_positions())[instruction // 2 : instruction // 2 + 1]
        for first, last, start, end in positions:
            if first is not None and start is not None and end is not None:
                line = first
                lines = [linecache.getline(code.co_filename, at).encode() for at in range(first, (last or first) + 1)]
                lines[-1] = lines[-1][:end]
                lines[0] = lines[0][start:]
                text = " ".join(b"".join(lines).decode(errors="replace").split())
    return Place(module, code.co_filename, line, getattr(code, "co_qualname", code.co_name), text)


def _by_mask(args: Any) -> str | None:
    """Why an index by a mask is refused. To write one number through a mask is a choice."""
    masks = [index for index in args[1] if index is not None and index.dtype in (torch.bool, torch.uint8)]
    if not masks or (len(args) > 2 and len(masks) == len(args[1]) == 1 and args[2].numel() == 1):
        return None
    return "indexing by a mask gives as many elements as the data decides; use `torch.where` or weights of 0"
