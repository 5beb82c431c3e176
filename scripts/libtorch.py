#!/usr/bin/env python3
"""Fetches libtorch into .libtorch/, once, from the pinned wheels of the Python package index; with
`cuda`, what a GPU takes into .libtorch/cuda/.

The torch wheel carries libtorch_cpu.so and the C++ headers; two small NVIDIA wheels carry the two
libraries that it links against even on a machine without a GPU. Only what the build and the program
need is unpacked (about 500 MB). Everything is written to a scratch folder first and renamed at the
end, so `.libtorch/` is complete or absent, and so is `.libtorch/cuda/`.

The CUDA half is not in lib/: the binding would link against it there. The program loads it at run
time, so a build stays as it is. It is what libtorch_cuda.so links against or loads by itself, at
the versions that the torch wheel asks for, in one folder, where these libraries find each other
(2.5 GB to fetch, 2.9 GB on disk).

A `LIBTORCH` or `LIBTORCH_CUDA` set by the user wins: nothing is fetched then.
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
CUDA = TARGET / "cuda"
TORCH = (
    "torch",
    VERSION,
    ["manylinux_2_28_x86_64"],
    "0f68f4ac6d95d12e896c3b7a912b5871619542ec54d3649cf48cc1edd4dd2756",
)

# name, version, the platform tags to ask pip for, sha256 of the wheel, what to unpack from it
# (prefix -> prefix)
WHEELS = [
    (
        *TORCH,
        {
            "torch/include/": "include/",
            "torch/lib/libtorch_cpu.so": "lib/libtorch_cpu.so",
            "torch/lib/libc10.so": "lib/libc10.so",
            "torch/lib/libgomp.so.1": "lib/libgomp.so.1",
            f"torch-{VERSION}.dist-info/licenses/": "licenses/torch/",
        },
    ),
    (
        "nvidia-cuda-runtime",
        "13.0.96",
        ["manylinux2014_x86_64", "manylinux_2_17_x86_64"],
        "7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548",
        {
            "nvidia/cu13/lib/libcudart.so.13": "lib/libcudart.so.13",
            "nvidia_cuda_runtime-13.0.96.dist-info/licenses/": "licenses/nvidia-cuda-runtime/",
        },
    ),
    (
        "nvidia-cuda-cupti",
        "13.0.85",
        ["manylinux_2_25_x86_64"],
        "4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8",
        {
            "nvidia/cu13/lib/libcupti.so.13": "lib/libcupti.so.13",
            "nvidia_cuda_cupti-13.0.85.dist-info/licenses/": "licenses/nvidia-cuda-cupti/",
        },
    ),
]


def nvidia(name, version, platform_tag, sha256, folder, *libraries):
    """A wheel of which these libraries are wanted."""
    wanted = {f"nvidia/{folder}/lib/{library}": library for library in libraries}
    licenses = f"{name.replace('-', '_')}-{version}.dist-info/licenses/"
    return (name, version, [platform_tag], sha256, wanted | {licenses: f"licenses/{name}/"})


CUDNN = ["", "_adv", "_cnn", "_engines_precompiled", "_engines_runtime_compiled", "_graph", "_heuristic", "_ops"]
CUDA_WHEELS = [
    (
        *TORCH,
        {
            f"torch/lib/{library}": library
            for library in [
                "libtorch_cuda.so",
                "libtorch_cuda_linalg.so",
                "libc10_cuda.so",
                "libtorch_nvshmem.so",
                "libcaffe2_nvrtc.so",
            ]
        },
    ),
    nvidia(
        "nvidia-cublas",
        "13.1.0.3",
        "manylinux_2_27_x86_64",
        "ee8722c1f0145ab246bccb9e452153b5e0515fd094c3678df50b2a0888b8b171",
        "cu13",
        "libcublas.so.13",
        "libcublasLt.so.13",
    ),
    nvidia(
        "nvidia-cuda-nvrtc",
        "13.0.88",
        "manylinux2010_x86_64",
        "ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575",
        "cu13",
        "libnvrtc.so.13",
        "libnvrtc-builtins.so.13.0",
    ),
    nvidia(
        "nvidia-cudnn-cu13",
        "9.19.0.56",
        "manylinux_2_27_x86_64",
        "d20e1734305e9d68889a96e3f35094d733ff1f83932ebe462753973e53a572bf",
        "cudnn",
        *(f"libcudnn{part}.so.9" for part in CUDNN),
    ),
    nvidia(
        "nvidia-cufft",
        "12.0.0.61",
        "manylinux2014_x86_64",
        "6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3",
        "cu13",
        "libcufft.so.12",
    ),
    nvidia(
        "nvidia-cufile",
        "1.15.1.6",
        "manylinux2014_x86_64",
        "08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44",
        "cu13",
        "libcufile.so.0",
    ),
    nvidia(
        "nvidia-curand",
        "10.4.0.35",
        "manylinux_2_27_x86_64",
        "1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc",
        "cu13",
        "libcurand.so.10",
    ),
    nvidia(
        "nvidia-cusolver",
        "12.0.4.66",
        "manylinux_2_27_x86_64",
        "0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112",
        "cu13",
        "libcusolver.so.12",
    ),
    nvidia(
        "nvidia-cusparse",
        "12.6.3.3",
        "manylinux2014_x86_64",
        "2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b",
        "cu13",
        "libcusparse.so.12",
    ),
    nvidia(
        "nvidia-cusparselt-cu13",
        "0.8.0",
        "manylinux2014_x86_64",
        "25e30a8a7323935d4ad0340b95a0b69926eee755767e8e0b1cf8dd85b197d3fd",
        "cusparselt",
        "libcusparseLt.so.0",
    ),
    nvidia(
        "nvidia-nccl-cu13",
        "2.28.9",
        "manylinux_2_18_x86_64",
        "e4553a30f34195f3fa1da02a6da3d6337d28f2003943aa0a3d247bbc25fefc42",
        "nccl",
        "libnccl.so.2",
    ),
    nvidia(
        "nvidia-nvjitlink",
        "13.0.88",
        "manylinux2010_x86_64",
        "13a74f429e23b921c1109976abefacc69835f2f433ebd323d3946e11d804e47b",
        "cu13",
        "libnvJitLink.so.13",
    ),
    nvidia(
        "nvidia-nvshmem-cu13",
        "3.4.5",
        "manylinux2014_x86_64",
        "290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80",
        "nvshmem",
        "libnvshmem_host.so.3",
    ),
]


def main():
    if sys.argv[1:] not in ([], ["cuda"]):
        sys.exit("usage: libtorch.py [cuda]")
    cuda = sys.argv[1:] == ["cuda"]
    if cuda and os.environ.get("LIBTORCH_CUDA"):
        print(f"libtorch: using LIBTORCH_CUDA={os.environ['LIBTORCH_CUDA']}")
        return
    if os.environ.get("LIBTORCH") and Path(os.environ["LIBTORCH"]).resolve() != TARGET:
        print(f"libtorch: using LIBTORCH={os.environ['LIBTORCH']}")
        if cuda:
            sys.exit(
                f"error: `LIBTORCH` is a libtorch of your own, so nothing was fetched\n"
                f"hint: blowup looks for libtorch_cuda.so {VERSION} in its cuda/ and lib/, or where `LIBTORCH_CUDA` says"
            )
        return
    if not (TARGET / "lib" / "libtorch.so").exists():
        check_platform()
        fetch_all(WHEELS, TARGET, finish_cpu)
    if cuda and not CUDA.exists():
        fetch_all(CUDA_WHEELS, CUDA, lambda folder: None)


def check_platform():
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        sys.exit(
            f"error: there is no pinned libtorch for {platform.system()} {platform.machine()}\n"
            f"hint: install libtorch {VERSION} yourself and set LIBTORCH to its folder (the one that holds lib/ and include/)"
        )


def finish_cpu(folder):
    # The binding links `-ltorch`; without the CUDA half that is the CPU library alone.
    (folder / "lib" / "libtorch.so").write_text("INPUT(-ltorch_cpu)\n")
    (folder / "build-version").write_text(VERSION + "\n")


def fetch_all(wheels, target, finish):
    """Whole or not at all."""
    scratch = Path(tempfile.mkdtemp(prefix=".libtorch-part-", dir=ROOT))
    try:
        for wheel in wheels:
            unpack(fetch(wheel, scratch / "wheels"), wheel[4], scratch / "libtorch")
        finish(scratch / "libtorch")
        if target.exists():
            shutil.rmtree(target)
        (scratch / "libtorch").rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"libtorch: {VERSION} is in {target}")


def fetch(wheel, folder):
    """Downloads one wheel with pip and checks its hash; returns its path."""
    name, version, platforms, sha256, _ = wheel
    print(f"libtorch: fetching {name} {version}", flush=True)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--no-cache-dir"]
    command += ["--implementation", "cp", "--python-version", "3.12", "--abi", "cp312", "--abi", "none"]
    for tag in platforms:
        command += ["--platform", tag]
    before = set(folder.glob("*.whl"))
    if subprocess.run([*command, "--dest", str(folder), f"{name}=={version}"], check=False).returncode != 0:
        sys.exit(
            f"error: pip could not download {name} {version}\n"
            f"hint: check the network and `{sys.executable} -m pip --version`, or set LIBTORCH to a libtorch {VERSION} of your own"
        )
    (path,) = set(folder.glob("*.whl")) - before
    found = sha256_of(path)
    if found != sha256:
        sys.exit(
            f"error: {path.name} has sha256 {found}, expected {sha256}\nhint: the download is damaged or was replaced; run again"
        )
    return path


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def unpack(path, wanted, target):
    """Copies the wanted members of a wheel into `target`; a wanted member that is missing is an
    error."""
    with zipfile.ZipFile(path) as wheel:
        for source, destination in wanted.items():
            members = [m for m in wheel.namelist() if m.startswith(source) and not m.endswith("/")]
            if not members and "licenses" not in source:
                sys.exit(f"error: {path.name} holds no {source}")
            for member in members:
                to = target / PurePosixPath(destination + member[len(source) :])
                to.parent.mkdir(parents=True, exist_ok=True)
                with wheel.open(member) as a, open(to, "wb") as b:
                    shutil.copyfileobj(a, b, 1 << 20)
    path.unlink()


if __name__ == "__main__":
    main()
