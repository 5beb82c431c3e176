"""Times whole processes and watches their memory; runs contenders in turn, round by round; medians
and spread."""

import os
import statistics
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BLOWUP = ROOT / "target/release/blowup"
SCRATCH = ROOT / "target/bench"
STARTED = time.monotonic()


def say(text):
    minutes, seconds = divmod(int(time.monotonic() - STARTED), 60)
    print(f"[{minutes:3}:{seconds:02}] {text}", file=sys.stderr, flush=True)


def run(*command):
    """Runs a program to its end: wall seconds and, in MB, the largest resident memory of it and of
    one of its children."""
    log = SCRATCH / "log"
    with open(log, "w") as out:
        start = time.perf_counter()
        process = subprocess.Popen([*map(str, command)], stdout=out, stderr=out, cwd=ROOT)
        memory = Memory(process.pid)
        status = process.wait()
        seconds = time.perf_counter() - start
    memory.stop()
    if status != 0:
        raise SystemExit(f"{' '.join(map(str, command))} failed ({status}):\n{log.read_text()[-3000:]}")
    return {"seconds": seconds, "memory": memory.own / 1024, "memory_child": memory.child / 1024}


class Memory(threading.Thread):
    """Reads the high-water marks of a process and of its children, a hundred times a second; the
    kernel keeps the marks themselves."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.own, self.child, self.ended = pid, 0, 0, threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(0.01):
            self.own = max(self.own, peak(self.pid))
            with suppress(OSError):
                children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
                self.child = max([self.child, *map(peak, children)])

    def stop(self):
        self.ended.set()
        self.join()


def peak(pid):
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1])
    return 0


class Service:
    """A process that answers each line with a number; on the first core."""

    def __init__(self, *command):
        core = min(os.sched_getaffinity(0))
        self.process = subprocess.Popen(
            [*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}),  # noqa: PLW1509, it takes no lock
        )  # fmt: skip

    def ask(self, line):
        print(line, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"no answer to: {line}")
        return float(answer)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def interleaved(contenders, rounds):
    """`contenders`: name -> (function, most rounds). One round calls each once, every other round
    backwards; name -> what it returned."""
    results = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders)
        for name in names if number % 2 == 0 else reversed(names):
            function, most = contenders[name]
            if number < most:
                results[name].append(function())
                say(f"  round {number + 1} of {min(rounds, most)}: {name}: {shown(results[name][-1])}")
    return results


def shown(result):
    return f"{result['seconds']:.2f} s" if isinstance(result, dict) else f"{result:.1f} us"


def median(values):
    return statistics.median(values)


def seconds(results):
    return [result["seconds"] for result in results]
