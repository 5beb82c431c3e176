"""`make drill`: a real sweep under every fault that a machine can have. After each the same command
resumes, and `runs.csv` must be byte-identical to that of an undisturbed sweep, or name exactly the
trials that had to be lost. Prints a table; ends with 1 if anything is wrong.

    python3 scripts/drill.py [--quick] [--seed N] [--only NAME]...

Uses the standard library alone. Some faults need a file system of their own: one that is full and
one that turns read-only are mounted as root or in a user namespace, one whose power is cut (ext4 in
a loop device) as root; they are said to be skipped where that is not allowed.
"""

import argparse
import fcntl
import os
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BLOWUP = Path(os.environ.get("BLOWUP", ROOT / "target/release/blowup"))
SPEC = ROOT / "scripts/drill.toml"
SIDES = ["epochs.csv", "layers.csv", "steps.csv"]
FILES = ["runs.csv", "runs.crc32", *SIDES, "summary.csv"]


class Wrong(Exception):
    pass


def check(holds, what):
    if not holds:
        raise Wrong(what)


def trial(row):
    return row[:13].decode()


class Drill:
    def __init__(self, scratch, seed, quick):
        self.scratch, self.random, self.quick = Path(scratch), random.Random(seed), quick
        self.changed = 0
        began = time.monotonic()
        self.expected = self.sweep("undisturbed")
        self.seconds = time.monotonic() - began
        self.rows = self.expected["runs.csv"].splitlines(keepends=True)
        self.by_trial = {trial(row): row for row in self.rows[1:]}
        self.guilty = [trial(row) for row in self.random.sample(self.rows[1:], 3)]

    def command(self, out, *args):
        return [BLOWUP, "sweep", SPEC, "--out", self.scratch / out, "--workers", "2", *args]

    def start(self, out, *args, faults=None, log="log", **more):
        """A sweep in the background; stdout and stderr go to a file."""
        return self.start_command(self.command(out, *args), faults or {}, log, **more)

    def start_command(self, command, faults, log="log", **more):
        log = open(self.scratch / log, "w+b")  # noqa: SIM115, it is read when the sweep has ended
        env = {name: text for name, text in os.environ.items() if not name.startswith("BLOWUP_TEST_")}
        process = subprocess.Popen(command, stdout=log, stderr=log, env=env | faults, **more)
        process.log = log
        return process

    def end(self, process, status):
        """Waits for the end; what the sweep said."""
        try:
            code = process.wait(timeout=600)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Wrong("the sweep did not end") from None
        process.log.seek(0)
        said = process.log.read().decode()
        process.log.close()
        check(code == status, f"exit status {code}, not {status}: {said[-600:]}")
        check("panicked" not in said, said)
        return said

    def run(self, out, *args, status=0, **more):
        return self.end(self.start(out, *args, **more), status)

    def sweep(self, out, **more):
        self.run(out, **more)
        return {name: (self.scratch / out / name).read_bytes() for name in FILES}

    def same(self, out):
        """Resumes, to the same bytes in every file."""
        found = self.sweep(out)
        self.compare(found["runs.csv"])
        check(found == self.expected, f"other bytes: {[n for n in FILES if found[n] != self.expected[n]]}")
        shutil.rmtree(self.scratch / out)

    def compare(self, runs):
        rows = runs.splitlines(keepends=True)
        self.changed += sum(a != b for a, b in zip(rows, self.rows)) + abs(len(rows) - len(self.rows))
        check(runs == self.expected["runs.csv"], f"{self.changed} rows are not those of the undisturbed sweep")

    def until_rows(self, out, process, least=50):
        path, began = self.scratch / out / "runs.csv", time.monotonic()
        before = path.stat().st_size if path.exists() else 0
        while process.poll() is None and (not path.exists() or path.stat().st_size < before + 300 * least):
            check(time.monotonic() - began < 120, "no rows came")
            time.sleep(0.005)

    def lost(self, out, reason):
        """The sweep lost exactly the guilty, for this reason; every other row is as it should
        be."""
        rows = (self.scratch / out / "runs.csv").read_bytes().splitlines(keepends=True)
        check(len(rows) == len(self.rows), f"{len(rows)} rows, not {len(self.rows)}")
        changed = [trial(row) for row in rows[1:] if row != self.by_trial.get(trial(row))]
        check(sorted(changed) == sorted(self.guilty), f"changed {changed}, guilty {self.guilty}")
        named = [trial(row) for row in rows if f",,{reason},,".encode() in row]
        check(sorted(named) == sorted(self.guilty), f"`{reason}` of {named}, guilty {self.guilty}")
        return len(named)


def children(parent):
    try:
        return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:
        return []


def state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1][0]
    except (OSError, IndexError):
        return "X"


def running(pid):
    return state(pid) not in "ZX"


def until(holds, what):
    began = time.monotonic()
    while not holds():
        check(time.monotonic() - began < 120, what)
        time.sleep(0.005)


def no_orphans(pids):
    began = time.monotonic()
    while any(running(pid) for pid in pids):
        check(time.monotonic() - began < 20, "workers outlived their parent")
        time.sleep(0.01)


# Each fault returns how often it struck and how many rows were lost on the way.


def parent_killed(d):
    times, out, cycles = 20 if d.quick else 200, "parent", 0
    for _ in range(times):
        process = d.start(out)
        try:
            process.wait(timeout=d.random.uniform(0.02, 0.5 * d.seconds))
        except subprocess.TimeoutExpired:
            workers = children(process.pid)
            process.kill()
            process.wait()
            no_orphans(workers)
        else:
            # It was done before its moment came: once more from the start.
            d.same(out)
            cycles += 1
        process.log.close()
    d.same(out)
    return times, 0


def workers_killed(d):
    times = 4 if d.quick else 30
    struck, process, out = 0, None, "workers"
    while struck < times:
        if process is None or process.poll() is not None:
            if process is not None:
                d.end(process, 0)
                d.same(out)
            process = d.start(out, faults={"BLOWUP_TEST_SLOW": "10"})
            d.until_rows(out, process)
        workers = children(process.pid)
        if workers:
            os.kill(d.random.choice(workers), signal.SIGKILL)
            struck += 1
        # A trial alone has two lives: who kills faster than anything is trained takes them.
        d.until_rows(out, process)
        time.sleep(d.random.uniform(0.0, 0.5))
    d.end(process, 0)
    d.same(out)
    return struck, 0


def guilty(name, reason, *args):
    def fault(d):
        said = d.run("guilty", *args, status=1, faults={f"BLOWUP_TEST_{name}": ",".join(d.guilty)})
        lost = d.lost("guilty", reason)
        check(all(f"trial {t} is lost ({reason})" in said for t in d.guilty), said)
        d.same("guilty")
        return len(d.guilty), lost

    return fault


def bug(d):
    """A panic of our own code ends the sweep with its message: no trial is lost, and what was
    written stays."""
    for guilty in d.guilty:
        said = d.run("bug", status=2, faults={"BLOWUP_TEST_PANIC": guilty})
        check(
            "a bug of blowup stopped the sweep over trial" in said
            and "a drill (" in said
            and "please report it" in said,
            said,
        )
        check(not (d.scratch / "bug/lost.csv").exists(), "a trial was booked as lost")
        rows = (d.scratch / "bug/runs.csv").read_bytes().splitlines(keepends=True)[1:]
        check(all(row == d.by_trial.get(trial(row)) for row in rows), "a row is another")
        d.same("bug")
    return len(d.guilty), 0


def given_up(d):
    faults = {"BLOWUP_TEST_ABORT": d.guilty[0]}
    for _ in range(3):
        d.run("up", status=1, faults=faults)
    said = d.run("up", status=1)
    check("1 trial was lost in 3 sweeps: not run again" in said, said)
    d.run("up", "--retry-lost")
    d.same("up")
    return 3, 1


def hopeless(d):
    said = d.run("hopeless", "--max-lost", "0", status=1, faults={"BLOWUP_TEST_ABORT": ",".join(d.guilty)})
    check("stopped: 1 trial was lost" in said, said)
    d.same("hopeless")
    return 1, 1


def stopped_worker(d):
    """SIGSTOP: it neither works nor ends."""
    process = d.start("stopped", "--timeout", "2", faults={"BLOWUP_TEST_SLOW": "2"})
    d.until_rows("stopped", process)
    pid = d.random.choice(children(process.pid))
    os.kill(pid, signal.SIGSTOP)
    d.end(process, 0)
    no_orphans([pid])
    d.same("stopped")
    return 1, 0


def stopped_with_large_order(d):
    """Stopped before it reads an order that is longer than a pipe holds: the sweep must neither
    hang in handing it over nor ignore a signal."""
    spec, out = d.scratch / "large.toml", d.scratch / "large"
    spec.write_text(
        f'name = "large"\nepochs = 1\nseeds = 200\n[task]\nkind = "scalar"\n[[grid]]\nlabel = "{"l" * 1000}"\ndepth = 0\nlr = 0.1\n'
    )
    runs = []
    for args, faults in [([], {}), (["--timeout", "5"], {"BLOWUP_TEST_STOP": str(d.scratch / "large.stopped")})]:
        process = d.start_command(
            [BLOWUP, "sweep", spec, "--out", out, "--workers", "1", "--chunk", "200", *args], faults
        )
        d.end(process, 0)
        runs.append((out / "runs.csv").read_bytes())
        shutil.rmtree(out)
    check(runs[0] == runs[1], "other rows than without the stop")
    (d.scratch / "large.stopped").unlink()
    process = d.start_command(
        [BLOWUP, "sweep", spec, "--out", out, "--workers", "1", "--chunk", "200"],
        {"BLOWUP_TEST_STOP": str(d.scratch / "large.stopped")},
    )
    until(
        lambda: (out / "manifest.toml").exists() and any(state(pid) == "T" for pid in children(process.pid)),
        "the worker did not stop",
    )
    process.send_signal(signal.SIGTERM)
    d.end(process, 130)
    for left in (spec, d.scratch / "large.stopped"):
        left.unlink()
    return 2, 0


def replaced(d):
    """The program's file is removed, or another takes its place; then a worker dies."""
    program, times = d.scratch / "program", 0
    for other in (None, "/bin/true"):
        shutil.copy(BLOWUP, program)
        library = Path(os.environ.get("LIBTORCH", ROOT / ".libtorch")) / "lib"
        faults = {"BLOWUP_TEST_SLOW": "10", "LD_LIBRARY_PATH": str(library)}
        process = d.start_command([program, *d.command("replaced")[1:]], faults)
        d.until_rows("replaced", process)
        program.unlink()
        if other is not None:
            shutil.copy(other, program)
        os.kill(d.random.choice(children(process.pid)), signal.SIGKILL)
        d.end(process, 0)
        d.same("replaced")
        program.unlink(missing_ok=True)
        times += 1
    return times, 0


def signalled(name):
    def fault(d):
        for _ in range(2 if d.quick else 10):
            process = d.start("signal", faults={"BLOWUP_TEST_SLOW": "5"})
            d.until_rows("signal", process)
            time.sleep(d.random.uniform(0, 0.5))
            workers = children(process.pid)
            process.send_signal(name)
            said = d.end(process, 130)
            check("the same command resumes" in said, said)
            no_orphans(workers)
        d.same("signal")
        return 2 if d.quick else 10, 0

    return fault


def second_sweep(d):
    process = d.start("second", faults={"BLOWUP_TEST_SLOW": "5"})
    d.until_rows("second", process)
    log = process.log
    check("another sweep is running in" in d.run("second", status=2), "a second sweep was let in")
    process.kill()
    process.wait()
    log.close()
    d.same("second")
    return 1, 0


def damaged(change):
    def fault(d):
        times = 2 if d.quick else 10
        for _ in range(times):
            d.sweep("damaged")
            path = d.scratch / "damaged/runs.csv"
            path.write_bytes(change(d, path.read_bytes()))
            d.same("damaged")
        return times, 0

    return fault


def truncated(d, text):
    return text[: d.random.randrange(len(text))]


def flipped(d, text):
    header = text.index(b"\n") + 1
    at = d.random.randrange(header, len(text))
    return text[:at] + bytes([text[at] ^ (1 << d.random.randrange(8))]) + text[at + 1 :]


def duplicated(d, text):
    rows = text.splitlines(keepends=True)
    rows.insert(d.random.randrange(1, len(rows)), rows[d.random.randrange(1, len(rows))])
    return b"".join(rows)


class Mounted:
    """A small file system at a folder, if this user may mount one."""

    def __init__(self, folder, size):
        self.folder = folder
        folder.mkdir()
        self.there = mount("-t", "tmpfs", "-o", f"size={size}", "none", folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.there:
            subprocess.run(["umount", self.folder], check=True)


def mount(*args):
    return subprocess.run(["mount", *args], stderr=subprocess.DEVNULL, check=False).returncode == 0


def damaged_side(change):
    """`change` of each file beside runs.csv: its new bytes, or none to remove it."""

    def fault(d):
        for name in SIDES:
            d.sweep("side")
            path = d.scratch / "side" / name
            found = change(d, path.read_bytes())
            path.unlink() if found is None else path.write_bytes(found)
            d.same("side")
        return len(SIDES), 0

    return fault


def removed(d, text):
    return None


def without_rows(d, text):
    """All rows of some trials are gone."""
    rows = text.splitlines(keepends=True)
    gone = {trial(row) for row in d.random.sample(rows[1:], 5)}
    return b"".join(row for row in rows if trial(row) not in gone)


def zeros(d, text):
    at = d.random.randrange(len(text))
    return text[:at] + bytes(len(text) - at)


def swept_anew(take_away):
    """A sweep whose folder is taken away and swept anew under the same name: it ends with an error
    and leaves the new one's files alone."""

    def fault(d):
        times = 1 if d.quick else 3
        for _ in range(times):
            first = d.start("anew", faults={"BLOWUP_TEST_SLOW": "5"})
            d.until_rows("anew", first)
            first.send_signal(signal.SIGSTOP)
            take_away(d.scratch / "anew", d.scratch / "taken")
            found = d.sweep("anew", log="log2")
            first.send_signal(signal.SIGCONT)
            said = d.end(first, 2)
            check("is no longer the folder that this sweep locked" in said, said)
            check(found == d.expected, "the second sweep was disturbed")
            d.same("anew")
            if (d.scratch / "taken").exists():
                d.same("taken")
        return times, 0

    return fault


def lock_removed(d):
    """`rm .lock`, as people do with what looks stale: the second sweep is let in no more than
    before, and the first goes on."""
    times = 1 if d.quick else 3
    for _ in range(times):
        first = d.start("lock", faults={"BLOWUP_TEST_SLOW": "5"})
        d.until_rows("lock", first)
        (d.scratch / "lock/.lock").unlink()
        said = d.run("lock", status=2, log="log2")
        check("another sweep is running in" in said, said)
        d.end(first, 0)
        d.same("lock")
    return times, 0


def power_cut(d):
    """An ext4 file system that is shut down without a flush, and mounted again. Half of the times
    the kernel had written back runs.csv and its checksums by itself, and the files beside them
    not."""
    image, disk = d.scratch / "image", d.scratch / "disk"
    times = 2 if d.quick else 10
    with open(image, "wb") as file:
        file.truncate(64 << 20)
    made = (
        subprocess.run(["mkfs.ext4", "-q", "-F", image], stderr=subprocess.DEVNULL, check=False).returncode == 0
        if shutil.which("mkfs.ext4")
        else False
    )
    disk.mkdir()
    if not made or not mount("-o", "loop", image, disk):
        return None
    try:
        for n in range(times):
            process = d.start("disk/r", faults={"BLOWUP_TEST_SLOW": "2"})
            d.until_rows("disk/r", process)
            time.sleep(d.random.uniform(0, 2))
            if n % 2:
                for name in ["runs.crc32", "runs.csv"]:
                    with open(disk / "r" / name, "rb") as file:
                        os.fdatasync(file.fileno())
            if not shut_down(disk):
                process.kill()
                process.wait()
                process.log.close()
                return None
            process.kill()
            process.wait()
            process.log.close()
            unmount(disk)
            check(mount("-o", "loop", image, disk), "cannot mount the disk again")
            d.same("disk/r")
    finally:
        unmount(disk)
    return times, 0


def shut_down(folder):
    """EXT4_IOC_SHUTDOWN, with neither data nor journal flushed. Whether the kernel let us."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        fcntl.ioctl(fd, 0x8004587D, struct.pack("I", 2))
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


def unmount(folder):
    began = time.monotonic()
    while subprocess.run(["umount", folder], stderr=subprocess.DEVNULL, check=False).returncode and os.path.ismount(
        folder
    ):
        check(time.monotonic() - began < 60, "cannot unmount the disk")
        time.sleep(0.05)


def disk_full(d):
    sizes = [len(d.expected["runs.csv"]) * share // 100 for share in ([40] if d.quick else [3, 20, 40, 60, 80])]
    for size in sizes:
        with Mounted(d.scratch / "disk", size) as disk:
            if not disk.there:
                return None
            said = d.run("disk/r", status=2)
            check("cannot write" in said and "no space left on device" in said, said)
            kept = (d.scratch / "disk/r/runs.csv").read_bytes() if (d.scratch / "disk/r/runs.csv").exists() else b""
            check(mount("-o", "remount,size=1g", disk.folder), "cannot make the disk larger")
            said = d.run("disk/r", status=0)
            done = re.search(r"\((\d+) of", said)
            whole = max(kept.count(b"\n") - 1, 0)
            check(done and int(done[1]) == whole, f"{whole} rows were whole, resumed with {said}")
            d.compare((d.scratch / "disk/r/runs.csv").read_bytes())
        (d.scratch / "disk").rmdir()
    return len(sizes), 0


def disk_read_only(d):
    times = 1 if d.quick else 3
    for _ in range(times):
        with Mounted(d.scratch / "disk", "1g") as disk:
            if not disk.there:
                return None
            process = d.start("disk/r", faults={"BLOWUP_TEST_SLOW": "5"})
            d.until_rows("disk/r", process)
            # The kernel keeps a disk writable while a file on it is open for writing.
            process.kill()
            process.wait()
            process.log.close()
            check(mount("-o", "remount,ro", disk.folder), "cannot make the disk read-only")
            check("read-only file system" in d.run("disk/r", status=2), "no message")
            check(mount("-o", "remount,rw", disk.folder), "cannot make the disk writable")
            d.run("disk/r")
            d.compare((d.scratch / "disk/r/runs.csv").read_bytes())
        (d.scratch / "disk").rmdir()
    return times, 0


def folder_read_only(d):
    """In the middle of a sweep: open files can still be appended to, but none can be made or
    replaced."""
    times = 1 if d.quick else 3
    for _ in range(times):
        process = d.start("folder", faults={"BLOWUP_TEST_SLOW": "5"})
        d.until_rows("folder", process)
        if not writable(d.scratch / "folder", False):
            process.kill()
            process.wait()
            return None
        try:
            said = d.end(process, 2)
            check(("cannot write" in said and "denied" in said) or "not permitted" in said, said)
        finally:
            writable(d.scratch / "folder", True)
        d.same("folder")
    return times, 0


def writable(folder, yes):
    """Whether that worked. Permissions do not bind root, attributes do."""
    if os.geteuid() != 0:
        folder.chmod(0o755 if yes else 0o555)
        return True
    return (
        subprocess.run(["chattr", "-i" if yes else "+i", folder], stderr=subprocess.DEVNULL, check=False).returncode
        == 0
    )


FAULTS = {
    "SIGKILL of the sweep at random moments": parent_killed,
    "SIGKILL of random workers": workers_killed,
    "a worker that hangs": guilty("HANG", "timeout", "--timeout", "2"),
    "a worker that is stopped (SIGSTOP)": stopped_worker,
    "a worker stopped before a large order": stopped_with_large_order,
    "the program removed, then replaced": replaced,
    "a worker that writes garbage": guilty("GARBAGE", "crashed"),
    "a worker that exits in the middle of a row": guilty("TORN", "crashed"),
    "a worker that aborts": guilty("ABORT", "crashed"),
    "a bug (a trial that panics)": bug,
    "a worker that allocates without bound": guilty("MEMORY", "memory", "--memory", "500M"),
    "a trial that is lost in three sweeps": given_up,
    "--max-lost 0": hopeless,
    "SIGINT": signalled(signal.SIGINT),
    "SIGTERM": signalled(signal.SIGTERM),
    "a full disk": disk_full,
    "a folder that turns read-only": folder_read_only,
    "a disk that turns read-only": disk_read_only,
    "a second sweep on the folder": second_sweep,
    "runs.csv truncated": damaged(truncated),
    "a bit of runs.csv flipped": damaged(flipped),
    "a row of runs.csv duplicated": damaged(duplicated),
    "a file beside runs.csv truncated": damaged_side(truncated),
    "a bit of a file beside runs.csv flipped": damaged_side(flipped),
    "a row of a file beside runs.csv duplicated": damaged_side(duplicated),
    "rows of a file beside runs.csv missing": damaged_side(without_rows),
    "zeros at the end of a file beside runs.csv": damaged_side(zeros),
    "a file beside runs.csv removed": damaged_side(removed),
    "the folder moved and swept anew": swept_anew(lambda folder, to: folder.rename(to)),
    "the folder removed and swept anew": swept_anew(lambda folder, to: shutil.rmtree(folder)),
    "the lock file removed": lock_removed,
    "a power cut": power_cut,
}


def enter_namespace():
    """Where this user may not mount, a namespace of its own may allow it."""
    if os.geteuid() == 0 or "BLOWUP_DRILL" in os.environ:
        return
    if subprocess.run(["unshare", "-rm", "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0:
        os.execvpe("unshare", ["unshare", "-rm", sys.executable, *sys.argv], os.environ | {"BLOWUP_DRILL": "1"})


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer times")
    parser.add_argument("--seed", type=int, default=0, help="of the random moments")
    parser.add_argument("--only", action="append", default=[], help="faults whose name contains this")
    args = parser.parse_args()
    enter_namespace()
    wrong = []
    with tempfile.TemporaryDirectory(prefix="drill") as scratch:
        drill = Drill(scratch, args.seed, args.quick)
        print(
            f"{len(drill.rows) - 1} trials, {drill.seconds:.1f} s undisturbed; after each fault the same command resumes\n"
        )
        print(
            f"| {'fault':42} | times | rows lost | rows changed | seconds |\n|{'-' * 44}|------:|----------:|-------------:|--------:|",
            flush=True,
        )
        for name, fault in FAULTS.items():
            if args.only and not any(part in name for part in args.only):
                continue
            began = time.monotonic()
            drill.changed = 0
            try:
                found = fault(drill)
                cells = ("skipped", "", "") if found is None else (*found, drill.changed)
            except Wrong as error:
                cells = ("wrong", "", drill.changed)
                wrong.append(f"{name}: {error}")
            for left in Path(scratch).iterdir():
                if left.name not in ("undisturbed", "log"):
                    shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink()
            times, lost, changed = cells
            print(
                f"| {name:42} | {times:>5} | {lost:>9} | {changed:>12} | {time.monotonic() - began:>7.0f} |", flush=True
            )
    print(
        "\nrows lost: in the disturbed sweep, each named in runs.csv with its reason; rows changed: after the resume, against the undisturbed sweep"
    )
    for text in wrong:
        print(f"wrong: {text}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
