#!/bin/sh
# The literature as a test suite: sweeps every spec of experiments/literature/ anew, holds each
# against its [[expect]] entries, runs the library tests that measure what no sweep can, and writes
# docs/literature.md from what was measured. Goes on after a failure; exits with 1 if anything
# failed.
set -u
cd "$(dirname "$0")/.." || exit
blowup=target/release/blowup
out=results/literature
failed=""
rm -rf "$out"
mkdir -p "$out"
for spec in experiments/literature/*.toml; do
    name=$(basename "$spec" .toml)
    # Maps have no expectations: docs/fractal.md has their numbers.
    case $name in fractal-*) continue ;; esac
    start=$(date +%s)
    if "$blowup" sweep "$spec" --out "$out/$name" --quiet > "$out/$name.log" 2>&1; then
        "$blowup" check "$out/$name" --junit "$out/$name/junit.xml" >> "$out/$name.log" 2>&1
        status=$?
    else
        status=2
    fi
    if [ $status -ne 0 ]; then
        failed="$failed $name"
        cat "$out/$name.log"
    fi
    echo "$name: exit status $status, $(($(date +%s) - start)) s"
done
BLOWUP_LITERATURE="$PWD/$out/library.tsv" \
    cargo test --release --quiet --test it -- literature:: gated_cells muon:: || failed="$failed library"
python3 scripts/literature.py || failed="$failed table"
if [ -n "$failed" ]; then
    echo "failed:$failed"
    exit 1
fi
echo "every expectation holds; docs/literature.md has the table"
