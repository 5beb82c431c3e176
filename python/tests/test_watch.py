"""`trial.watch` names the module and the line where a model breaks."""

import contextlib
import inspect
import io

import pytest

torch = pytest.importorskip("torch")

from blowup._trials import Trial  # noqa: E402


class Block(torch.nn.Module):
    def __init__(self, fault):
        super().__init__()
        self.inner = torch.nn.Linear(4, 4)
        self.fault = fault

    def forward(self, x):
        y = self.inner(x)
        if self.fault == "log":
            return torch.log(y * 0)
        if self.fault == "sqrt":
            return torch.sqrt(y * 0)
        return torch.tanh(y)


class Net(torch.nn.Module):
    def __init__(self, faults):
        super().__init__()
        self.blocks = torch.nn.ModuleList([Block(fault) for fault in faults])

    def forward(self, x):
        for block in self.blocks:
            x = block(x)  # the line that is told
        return x


def told_of(faults, tmp_path):
    torch.manual_seed(0)
    to = io.StringIO()
    trial = Trial({"trial": "t000000000001", "seed": 0, "epochs": 1, "axes": {}}, to)
    net = Net(faults)
    trial.watch(net, save_to=str(tmp_path))
    x = torch.randn(3, 4, requires_grad=True)
    loss = net(x).sum()
    loss.backward()
    norms = [parameter.grad.norm() for parameter in net.parameters()]
    # A NaN ends the trial.
    with contextlib.suppress(Exception):
        trial.step(loss, torch.stack(norms).norm())
    return to.getvalue(), x


def line_of_the_call():
    lines, start = inspect.getsourcelines(Net)
    return start + next(i for i, line in enumerate(lines) if "the line that is told" in line)


def test_a_value_is_found_with_its_line_and_its_batch(tmp_path):
    said, x = told_of([None, "log", None], tmp_path)
    assert '"module": "blocks.1"' in said
    assert f'"source": "test_watch.py:{line_of_the_call()}"' in said
    saved = torch.load(tmp_path / "t000000000001.pt")
    assert torch.equal(saved["args"][0], x)


def test_a_derivative_is_told_apart(tmp_path):
    said, _ = told_of([None, "sqrt", None], tmp_path)
    assert '"module": "derivative of blocks.1"' in said


def test_a_healthy_step_says_nothing(tmp_path):
    said, _ = told_of([None, None], tmp_path)
    assert "module" not in said and not list(tmp_path.iterdir())
