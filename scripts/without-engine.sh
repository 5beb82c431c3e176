#!/bin/sh
# Builds the program without its engine and tries what it then can do on the results of a sweep of
# the whole program. Nothing of it may need libtorch. In the end the whole program is built again.
set -eu
cd "$(dirname "$0")/.."
place=$(mktemp -d)
trap 'rm -rf "$place"; cargo build --release --quiet' EXIT
cargo build --release --quiet
for shard in 1 2; do
    target/release/blowup sweep experiments/smoke.toml --out "$place/shards" --shard $shard/2 --quiet > /dev/null
done
cargo build --release --quiet --no-default-features
blowup="env LIBTORCH=/nowhere target/release/blowup"
$blowup --version | grep -q "libtorch none"
$blowup merge "$place/run" "$place"/shards/shard-*-of-2 > /dev/null
$blowup check "$place/run" > /dev/null
$blowup plot "$place/run" --terminal > /dev/null
$blowup schema > /dev/null
$blowup sweep experiments/smoke.toml --dry-run > /dev/null
[ -s "$place/run/report.html" ]
if $blowup sweep experiments/smoke.toml --out "$place/none" --quiet 2> "$place/told"; then
    echo "error: a program without an engine has trained" >&2
    exit 1
fi
grep -q "built without its engine" "$place/told"
echo "without the engine: merge, check, plot, schema and the report work, and a sweep says what is missing"
