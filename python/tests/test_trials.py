"""The helper for programs, driven as a sweep drives it. It needs no torch."""

import json
import subprocess
import sys
from pathlib import Path

PACKAGE = str(Path(__file__).resolve().parents[1])


def run(body, *trials):
    """What a program with this body of `train` says when it is handed these trials."""
    program = "import sys, math\nimport blowup\n@blowup.trials\ndef train(trial):\n" + "".join(
        f"    {line}\n" for line in body.splitlines()
    )
    told = "".join(json.dumps(trial) + "\n" for trial in trials)
    done = subprocess.run(
        [sys.executable, "-c", program],
        input=told,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": PACKAGE, "PATH": "/usr/bin:/bin"},
        check=False,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    begun = [line for line in lines if "begin" in line]
    assert begun == [{"begin": told["trial"]} for told in trials]
    return [line for line in lines if "begin" not in line], done


def trial(**axes):
    return {"trial": "t000000000001", "label": "", "seed": 3, "epochs": 2, "axes": axes}


def test_every_step_is_a_line_and_prints_go_elsewhere():
    lines, done = run(
        "print('hello')\nfor epoch in range(trial.epochs): trial.step(trial.lr, 2, epoch=epoch)\nreturn 0.25",
        trial(lr=0.5),
    )
    assert lines == [
        {"ready": 1},
        {"step": {"loss": 0.5, "grad_norm": 2.0, "epoch": 0}},
        {"step": {"loss": 0.5, "grad_norm": 2.0, "epoch": 1}},
        {"done": {"loss": 0.25}},
    ]
    assert "hello" in done.stderr and done.returncode == 0


def test_a_nan_ends_the_trial_and_travels_as_text():
    lines, _ = run("trial.step(math.inf)\ntrial.step(math.nan)\ntrial.step(1.0)", trial(), trial())
    assert [line.get("step", {}).get("loss") for line in lines if "step" in line] == ["inf", "nan"] * 2
    assert lines.count({"done": {}}) == 2


def test_an_exception_is_an_error_of_its_trial_alone():
    lines, done = run("if trial.lr > 1: raise ValueError('too large')\ntrial.step(1.0)", trial(lr=2.0), trial(lr=0.5))
    assert lines[1]["error"].startswith("ValueError: too large (")
    assert lines[2:] == [{"step": {"loss": 1.0}}, {"done": {}}]
    assert "Traceback" in done.stderr


def test_axes_are_attributes_items_and_have_defaults():
    body = (
        "said = [trial.hidden, trial['clip_threshold'], trial.kind, trial.get('none', 7), trial.seed, trial.id]\n"
        "trial.step(float(said == [64, math.inf, 'inf', 7, 3, 't000000000001']), epoch=True)"
    )
    lines, _ = run(body, trial(hidden=64, clip_threshold="inf", kind="inf"))
    assert lines[1] == {"step": {"loss": 1.0, "epoch": 1}}
    lines, _ = run("trial.hiden", trial(hidden=64))
    assert "the spec sets no axis `hiden` for this trial; it sets: hidden" in lines[1]["error"]


def test_all_that_may_be_said_is_said():
    body = (
        "trial.start(loss=2, loss_trivial=1, weight_norm=3)\n"
        "trial.step(1.0, samples=8, clipped=True, update_norm=0.5, weight_norm=4, lr=0.1)"
    )
    lines, _ = run(body, trial())
    assert lines[1] == {"start": {"loss": 2, "loss_trivial": 1, "weight_norm": 3}}
    assert lines[2] == {
        "step": {"loss": 1.0, "samples": 8, "clipped": True, "update_norm": 0.5, "weight_norm": 4, "lr": 0.1}
    }


def test_what_a_trial_says_after_its_end_is_refused():
    body = "kept = globals().setdefault('kept', [])\nif kept: kept[0].step(1.0)\nkept.append(trial)\ntrial.step(0.5)"
    lines, _ = run(body, trial(), trial())
    assert lines[1:3] == [{"step": {"loss": 0.5}}, {"done": {}}]
    assert "is over" in lines[3]["error"]
