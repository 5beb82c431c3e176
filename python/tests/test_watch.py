"""`trial.watch` names the module and the line where a model breaks."""

import contextlib
import inspect
import io

import pytest

torch = pytest.importorskip("torch")

import blowup  # noqa: E402
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


class InPlace(torch.nn.Module):
    """As the authors of many nets write it."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(4, 4)
        self.act = torch.nn.ReLU(inplace=True)
        self.last = torch.nn.Linear(4, 1)

    def forward(self, x):
        h = self.first(x)
        h += x
        return self.last(self.act(h))


def watched(net, tmp_path):
    to = io.StringIO()
    trial = Trial({"trial": "t000000000001", "seed": 0, "epochs": 1, "axes": {}}, to)
    trial.watch(net, save_to=str(tmp_path))
    return trial, to


def test_modules_may_work_in_place(tmp_path):
    torch.manual_seed(0)
    net, plain = InPlace(), InPlace()
    plain.load_state_dict(net.state_dict())
    trial, to = watched(net, tmp_path)
    gradients = []
    for model in (net, plain):
        torch.manual_seed(1)
        loss = model(torch.ones(3, 4)).sum()
        loss.backward()
        gradients.append(torch.cat([parameter.grad.flatten() for parameter in model.parameters()]))
    trial.step(loss, blowup.grad_norm(net))
    assert torch.equal(*gradients) and "module" not in to.getvalue()


def test_a_finite_gradient_has_a_finite_norm(tmp_path):
    net = torch.nn.Linear(2, 1)
    net.weight.grad = torch.tensor([[3e25, 4e25]])
    assert blowup.grad_norm(net) == pytest.approx(5e25)


def test_the_first_of_several_batches_is_remembered(tmp_path):
    net = Net([None, "log"])
    trial, to = watched(net, tmp_path)
    bad, good = torch.full((1, 4), 2.0), torch.ones(1, 4)
    net.blocks[1].fault = "log"
    loss = net(bad).sum()
    loss.backward()
    net.blocks[1].fault = None
    (net(good).sum()).backward()
    with torch.no_grad():
        net(good)
    with pytest.raises(blowup.Ended):
        trial.step(float("nan"))
    assert '"module": "blocks.1"' in to.getvalue()
    assert torch.equal(torch.load(tmp_path / "t000000000001.pt")["args"][0], bad)


def test_a_loss_that_overflows_by_itself_is_told(tmp_path):
    net = torch.nn.Sequential(torch.nn.Linear(2, 1))
    trial, to = watched(net, tmp_path)
    loss = (net(torch.full((1, 2), 1e30)) ** 2).mean()
    loss.backward()
    trial.step(loss, 1.0)
    assert '"module": "loss"' in to.getvalue()
