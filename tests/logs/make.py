"""Writes the logs of this folder with the tools themselves: python make.py FOLDER

Each tool trains the same two runs of a line through points, one with a sound learning rate and one
with a learning rate that ends in NaN. It needs transformers, accelerate, lightning, tensorboard,
keras and torch; `blowup read` and its tests need none of them.
"""

import os
import shutil
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"
os.environ["CUDA_VISIBLE_DEVICES"] = ""

import keras
import lightning
import torch
import transformers
from torch.utils.tensorboard import SummaryWriter

RATES = {"sound": 0.1, "diverging": 1e6}
STEPS = 30


def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 3, generator=generator)
    return x, x.sum(1, keepdim=True)


class Points(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, at):
        x, y = data()
        return {"x": x[at], "labels": y[at]}


class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(3, 1)

    def forward(self, x, labels):
        return {"loss": ((self.layer(x) - labels) ** 2).mean()}


def trainer(folder, lr):
    arguments = transformers.TrainingArguments(
        output_dir=str(folder / "out"),
        max_steps=STEPS,
        per_device_train_batch_size=8,
        learning_rate=lr,
        lr_scheduler_type="constant",
        optim="sgd",
        max_grad_norm=1e30,
        logging_steps=1,
        logging_nan_inf_filter=False,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    )
    running = transformers.Trainer(model=Line(), args=arguments, train_dataset=Points())
    running.train()
    running.save_state()
    shutil.copy(folder / "out" / "trainer_state.json", folder / "trainer_state.json")
    shutil.rmtree(folder / "out")


class Module(lightning.LightningModule):
    def __init__(self, lr):
        super().__init__()
        self.model, self.lr = Line(), lr

    def training_step(self, batch, _):
        loss = self.model(**batch)["loss"]
        self.log("train_loss", loss)
        return loss

    def on_before_optimizer_step(self, _):
        self.log_dict(lightning.pytorch.utilities.grad_norm(self.model, norm_type=2))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=self.lr)


def pytorch_lightning(folder, lr):
    logger = lightning.pytorch.loggers.CSVLogger(folder, name="", version="")
    running = lightning.Trainer(
        max_steps=STEPS,
        accelerator="cpu",
        logger=logger,
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    running.fit(Module(lr), torch.utils.data.DataLoader(Points(), batch_size=8))
    (folder / "hparams.yaml").unlink(missing_ok=True)


def keras_csv(folder, lr):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer=keras.optimizers.SGD(lr), loss="mse")
    x, y = (part.numpy() for part in data())
    folder.mkdir(parents=True)
    logger = keras.callbacks.CSVLogger(str(folder / "training.csv"))
    model.fit(x, y, batch_size=8, epochs=STEPS, verbose=0, callbacks=[logger], validation_data=(x, y))


def tensorboard(folder, lr):
    writer = SummaryWriter(folder)
    model = Line()
    optimizer = torch.optim.SGD(model.parameters(), lr)
    x, labels = data()
    for step in range(STEPS):
        loss = model(x, labels)["loss"]
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), float("inf"))
        writer.add_scalar("Loss/train", loss.item(), step)
        writer.add_scalar("grad_norm", norm.item(), step)
        writer.add_histogram("weights", model.layer.weight.nan_to_num(0, 0, 0), step)
        optimizer.step()
    writer.close()
    (events,) = Path(folder).glob("events*")
    events.rename(Path(folder) / "events.out.tfevents.0")


if __name__ == "__main__":
    base = Path(sys.argv[1])
    tools = {"huggingface": trainer, "lightning": pytorch_lightning, "keras": keras_csv, "tensorboard": tensorboard}
    for tool, run in tools.items():
        for name, rate in RATES.items():
            shutil.rmtree(base / tool / name, ignore_errors=True)
            (base / tool).mkdir(parents=True, exist_ok=True)
            if tool != "keras":
                (base / tool / name).mkdir()
            run(base / tool / name, rate)
