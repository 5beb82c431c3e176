"""Writes the bundles of tests/bundles/, which are models of python/tests/zoo.py, most of them in
float32, and what plain PyTorch says of one of them. Run it by .venv-pytorch/bin/python, where
`make python` has put PyTorch.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "python"), str(ROOT / "python" / "tests")]
import blowup  # noqa: E402
import torch  # noqa: E402

from zoo import ZOO  # noqa: E402

FOLDER = ROOT / "tests" / "bundles"
SINGLE = {
    "transformer": "transformer, fused attention, dropout",
    "resnet": "resnet, batch norm",
    "experts": "mixture of experts",
    "autoencoder": "autoencoder",
}
STEPS, RATE, SEED = 20, 0.01, 1


def single(value: torch.Tensor) -> torch.Tensor:
    return value.float() if value.is_floating_point() else value


FOLDER.mkdir(exist_ok=True)
for name, of in SINGLE.items():
    example = ZOO[of]
    batch, data = (tuple(single(x) for x in values) for values in (example.batch, example.data))
    blowup.export(
        FOLDER / f"{name}.blowup",
        model=lambda example=example: example.model().float(),
        loss=example.loss,
        batch=batch,
        data=data,
        seeds=3,
    )

pinn = ZOO["pinn"]
blowup.export(FOLDER / "pinn.blowup", model=pinn.model, loss=pinn.loss, batch=pinn.batch, seeds=3)
torch.manual_seed(SEED)
model = pinn.model()
optimizer = torch.optim.Adam(model.parameters(), RATE)
told = []
for _ in range(STEPS):
    optimizer.zero_grad()
    loss = pinn.loss(model, pinn.batch)
    loss.backward()
    told.append([loss.item(), torch.nn.utils.clip_grad_norm_(model.parameters(), 0.1).item()])
    optimizer.step()
(FOLDER / "pinn.json").write_text(json.dumps(told, indent=1) + "\n")
