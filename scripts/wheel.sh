#!/bin/sh
# Builds the wheel into target/wheels/ and tries it in a bare virtual environment: without torch
# what trains nothing works, a torch of another version is refused, and with that of this version,
# whose folder has the libraries of .libtorch/ here, a sweep trains. maturin lies in .venv-wheel/.
set -eu
cd "$(dirname "$0")/.."
venv=.venv-wheel
maturin=$(sed -n 's/^requires = \["\(maturin==.*\)"\]$/\1/p' pyproject.toml)
if [ "$(cat "$venv/complete" 2> /dev/null)" != "$maturin" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$maturin"
    echo "$maturin" > "$venv/complete"
fi
rm -rf target/wheels
"$venv/bin/maturin" build --release --locked --quiet --out target/wheels
wheel=$(echo target/wheels/*.whl)

place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/bare"
"$place/bare/bin/python" -m pip install --quiet --disable-pip-version-check --no-index "$wheel"
packages=$("$place/bare/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
libraries=$LIBTORCH/lib
unset LIBTORCH
PATH=$place/bare/bin:/usr/bin:/bin
cp experiments/smoke.toml "$place"
cd "$place"
[ "$(command -v blowup)" = "$place/bare/bin/blowup" ]
blowup schema > schema.json
blowup sweep smoke.toml --dry-run > plan
python -c 'import blowup; assert blowup.trials and blowup.sweep'

# The package torch, as far as the program sees it.
mkdir -p "$packages/torch"
ln -s "$libraries" "$packages/torch/lib"
echo "__version__ = '2.10.0+cu128'" > "$packages/torch/version.py"
if blowup sweep smoke.toml --out other --quiet 2> told; then
    echo "error: it has trained with a torch of another version" >&2
    exit 1
fi
grep -q "the torch in \`$packages/torch\` is 2.10.0, not " told
echo "__version__ = '2.11.0+cu130'" > "$packages/torch/version.py"
python -c '
import blowup
swept = blowup.sweep("smoke.toml", out="run", set={"seeds": 1})
assert swept.document["status"] == "complete" and swept.counts["trials"] > 100, swept
'
blowup check run > gate || [ $? -eq 1 ]
echo "target/wheels/$(basename "$wheel"): installed, checked and swept with in a bare virtual environment"
