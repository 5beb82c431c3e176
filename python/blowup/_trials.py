"""The trials of a sweep, one after the other, as lines of JSON on stdin and stdout."""

from __future__ import annotations

import json
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from typing import Any, TextIO

PROTOCOL = 1
# Characters of the message of an exception that are told.
_LONGEST = 2000


class Ended(Exception):
    """The verdict of the trial is final: its loss was NaN. ``trials`` catches it."""


class Trial:
    """One trial: the values of the axes that the spec sets, and how its training is told.

    Every axis is an attribute (``trial.lr``, ``trial.hidden``) and an item (``trial["lr"]``). An
    axis that the spec does not set is no attribute; ``trial.get("lr", 0.1)`` has a default.

    Attributes:
        id: the trial's name in the results, ``t`` and 12 hexadecimal digits.
        seed: the seed, an integer. Draw everything random from it.
        epochs: the number of epochs to train, or None where the spec counts in steps.
        steps: the number of steps to train, or None where the spec counts in epochs.
        label: the label of the trial's block in the spec.
        axes: the values of the axes by name.
    """

    def __init__(self, told: dict[str, Any], to: TextIO) -> None:
        self.id: str = told["trial"]
        self.seed: int = told["seed"]
        self.epochs: int | None = told.get("epochs")
        self.steps: int | None = told.get("steps")
        self.label: str = told.get("label", "")
        self.axes: dict[str, Any] = {name: _value(name, value) for name, value in told["axes"].items()}
        self._to = to
        self._ended = False
        self._over = False
        self._watch: Any = None
        self._located = False

    def __getattr__(self, name: str) -> Any:
        axes = self.__dict__.get("axes", {})
        if name in axes:
            return axes[name]
        known = ", ".join(sorted(axes)) or "none"
        raise AttributeError(f"the spec sets no axis `{name}` for this trial; it sets: {known}")

    def __getitem__(self, name: str) -> Any:
        return self.axes[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The value of an axis, or ``default`` where the spec sets none."""
        return self.axes.get(name, default)

    def start(self, loss: Any = None, loss_trivial: Any = None, weight_norm: Any = None) -> None:
        """Says what is known before the first step. Each may be left out.

        Args:
            loss: over all training data, before any update. Without it the loss of the first step
                stands in for it when the verdict is found.
            loss_trivial: of the best constant prediction, as the variance of the targets.
            weight_norm: the L2 norm over all parameters.
        """
        self._say("start", loss=loss, loss_trivial=loss_trivial, weight_norm=weight_norm)

    def step(
        self,
        loss: Any,
        grad_norm: Any = None,
        *,
        epoch: int | None = None,
        samples: int | None = None,
        clipped: bool | None = None,
        update_norm: Any = None,
        weight_norm: Any = None,
        lr: Any = None,
    ) -> None:
        """Says how one step went. What is left out stays empty in the results.

        Numbers may be Python numbers or tensors and arrays with one element.

        Args:
            loss: of the batch, before the update.
            grad_norm: the L2 norm of the gradient over all parameters, before clipping.
            epoch: the epoch of the step, from 0. Where no step says it, each counts as an epoch of
                its own.
            samples: the samples of the batch, which weigh the step in the loss of its epoch.
            clipped: whether the gradient was clipped.
            update_norm: the L2 norm of the update over all parameters.
            weight_norm: the L2 norm over all parameters after the update.
            lr: the learning rate of the update.

        Raises:
            Ended: if the loss is NaN, which ends the trial.
        """
        if self._ended:
            raise Ended
        loss = _number(loss)
        grad_norm = None if grad_norm is None else _number(grad_norm)
        module = source = None
        if self._watch is not None and not self._located and not _finite(loss, grad_norm):
            module, source = self._watch.first(math.isfinite(loss))
            self._located = module is not None
        self._say(
            "step",
            loss=loss,
            grad_norm=grad_norm,
            epoch=None if epoch is None else int(epoch),
            samples=None if samples is None else int(samples),
            clipped=None if clipped is None else bool(clipped),
            update_norm=update_norm,
            weight_norm=weight_norm,
            lr=lr,
            module=module,
            source=source,
        )
        if math.isnan(loss):
            self._ended = True
            raise Ended

    def watch(self, model: Any, save_to: str | None = "nonfinite") -> None:
        """Finds the first module of a ``torch.nn.Module`` whose values are not finite.

        Hooks keep what every module handed on, and the gradients that came back, until the next
        forward pass; nothing is computed with them until a step says a loss or a gradient norm that
        is not finite. Then the results name the first such module (column ``nonfinite_module``;
        ``derivative of`` it where only a gradient was not finite; ``loss`` where all modules were
        finite and the loss was not) and the line of the program that called it
        (``nonfinite_source``). It costs some microseconds per module, a look at the output of each
        pass, and the memory of one step's activations. A module whose output is changed in place
        later on, as by ``nn.ReLU(inplace=True)``, is seen as it is then.

        Args:
            model: what the program trains.
            save_to: the folder into which the batch of that step is saved, what ``model`` was
                called with, as ``<trial id>.pt`` for ``torch.load``. None saves nothing.
        """
        from blowup._watch import Watch

        self._watch = Watch(model, None if save_to is None else os.path.join(save_to, f"{self.id}.pt"))

    def _done(self, loss: Any) -> None:
        self._say("done", loss=loss)
        self._to.flush()
        self._over = True

    def _say(self, what: str, **said: Any) -> None:
        if self._over:
            raise RuntimeError(f"the trial {self.id} is over: what is said now would be taken for another one")
        cells = ", ".join(f'"{name}": {_text(value)}' for name, value in said.items() if value is not None)
        self._to.write(f'{{"{what}": {{{cells}}}}}\n')


def trials(train: Callable[[Trial], Any]) -> Callable[[Trial], Any]:
    """Trains every trial of a sweep by ``train``. A decorator; it returns when the sweep is over.

    ``train`` gets a `Trial`. What it returns, if it is a number, is the loss over all training data
    after the last update. An exception makes the trial a lost one (``lost.csv`` has its last line),
    never a divergence; the program goes on with the next trial.

    Run by hand and not by ``blowup sweep``, the program would wait for trials; so it says what it
    waits for if its stdin is a terminal.
    """
    if sys.stdin.isatty():
        sys.exit("this program is started by `blowup sweep SPEC`, which hands it its trials")
    to = _keep_stdout()
    to.write(f'{{"ready": {PROTOCOL}}}\n')
    to.flush()
    for line in _lines():
        trial = Trial(json.loads(line), to)
        to.write(f'{{"begin": "{trial.id}"}}\n')
        loss = None
        try:
            loss = train(trial)
        except Ended:
            pass
        except Exception as error:  # whatever it is, it is the trial's
            traceback.print_exc()
            said = "".join(traceback.format_exception_only(type(error), error)).strip()
            told = f"{said[:_LONGEST]} ({_place(error)})".encode("utf-8", "replace").decode()
            to.write(json.dumps({"error": told}) + "\n")
            to.flush()
            trial._over = True
            continue
        trial._done(loss if _is_number(loss) else None)
    return train


def grad_norm(model: Any) -> float:
    """The L2 norm of the gradient of a ``torch.nn.Module`` over all parameters that have one.

    In float64, so that it is finite wherever the gradient is. ``torch.nn.utils.clip_grad_norm_``
    returns the same in the dtype of the gradient: there, squares overflow from 1e19 on in float32.
    """
    return _norm([parameter.grad for parameter in model.parameters() if parameter.grad is not None])


def weight_norm(model: Any) -> float:
    """The L2 norm of the parameters of a ``torch.nn.Module``, in float64."""
    return _norm(list(model.parameters()))


def _norm(tensors: list[Any]) -> float:
    import torch

    norms = [torch.linalg.vector_norm(tensor.detach(), dtype=torch.float64) for tensor in tensors]
    return float(torch.linalg.vector_norm(torch.stack(norms))) if norms else 0.0


def _lines() -> Iterable[str]:
    while True:
        line = sys.stdin.readline()
        if not line:
            return
        yield line


def _keep_stdout() -> TextIO:
    """The pipe to blowup. What the program prints goes to stderr from here on."""
    kept = os.dup(1)
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    return os.fdopen(kept, "w", buffering=1 << 16)


def _value(name: str, value: Any) -> Any:
    # The one axis of numbers that may be infinite: no JSON number is.
    return math.inf if (name, value) == ("clip_threshold", "inf") else value


def _number(value: Any) -> float:
    return float(value.item()) if hasattr(value, "item") else float(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return True
    return hasattr(value, "item") and getattr(value, "size", None) is not None and _elements(value) == 1


def _elements(value: Any) -> int:
    count = value.numel() if hasattr(value, "numel") else value.size
    return int(count)


def _finite(loss: float, grad_norm: float | None) -> bool:
    return math.isfinite(loss) and (grad_norm is None or math.isfinite(grad_norm))


def _text(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) < 2**63:
        return str(value)
    try:
        number = _number(value)
    except OverflowError:
        number = math.inf if value > 0 else -math.inf
    return repr(number) if math.isfinite(number) else f'"{number!r}"'


def _place(error: BaseException) -> str:
    """Where an exception came from, in the program's own files."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if os.path.dirname(__file__) not in frame.filename] or frames
    return f"{os.path.basename(own[-1].filename)}:{own[-1].lineno}" if own else "nowhere"
