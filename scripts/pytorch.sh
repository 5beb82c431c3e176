#!/bin/sh
# Trains the same trials in blowup and in PyTorch and compares them step by step, and once more as
# bundles of the PyTorch models; in a virtual environment of its own (PyTorch, about 5 GB). With the
# label of some trials of tests/pytorch/trials.toml, or the beginning of it, as its argument it
# compares these step by step, and nothing else.
set -eu
label=${1-}
cd "$(dirname "$0")/.."
. scripts/pytorch-venv.sh
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export scratch
# A worker's environment: without it every replay would load libtorch, see that it lacks it, and
# start over.
export OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 MKL_CBWR=AUTO
specs="tests/pytorch/trials.toml tests/pytorch/blowups.toml tests/pytorch/halves.toml tests/pytorch/mixed.toml"
[ -z "$label" ] || specs=tests/pytorch/trials.toml
for spec in $specs; do
    name=$(basename "$spec" .toml)
    export spec run="$scratch/$name" traces="$scratch/traces/$name"
    mkdir -p "$traces"
    target/release/blowup sweep "$spec" --out "$run" --quiet > "$scratch/out" || { cat "$scratch/out"; exit 1; }
    echo "$spec: $(grep -A 1 ' trials:' "$scratch/out" | tr -s '\n ' ' ')"
    # A replay that does not give its row ends everything. The inner shell has what is exported.
    # shellcheck disable=SC2016
    tail -n +2 "$run/runs.csv" | grep -E "^[^,]*,\"?$label" | cut -d , -f 1 | xargs -P "$(nproc)" -I TRIAL sh -c \
        'target/release/blowup replay "$run" TRIAL --spec "$spec" --trace "$traces/TRIAL" > "$scratch/TRIAL" || { cat "$scratch/TRIAL"; exit 255; }'
done
# The same kernels on both sides, where MKL would choose others for PyTorch: what is compared is the
# rules, not the order of additions.
cc -shared -fPIC -O2 -o "$scratch/mkl.so" tests/pytorch/mkl.c
python() { LD_PRELOAD="$scratch/mkl.so" "$venv/bin/python" "$@"; }
status=0
if [ -n "$label" ]; then
    python tests/pytorch/compare.py "$scratch/traces/trials" "$label"
    exit
fi
python tests/pytorch/compare.py "$scratch/traces/trials" || status=1
python tests/pytorch/blowups.py "$scratch/traces/blowups" "$scratch/traces/halves" || status=1
python tests/pytorch/mixed.py "$scratch/traces/mixed" || status=1
twins="$scratch/twins"
python tests/pytorch/twins.py export "$scratch/traces/trials" "$twins"
target/release/blowup sweep "$twins/spec.toml" --out "$twins/run" --quiet > "$scratch/out" || { cat "$scratch/out"; exit 1; }
python tests/pytorch/twins.py compare "$scratch/traces/trials" "$twins" "$twins/run" || status=1
python tests/pytorch/maps.py target/release/blowup "$scratch/maps" || status=1
exit $status
