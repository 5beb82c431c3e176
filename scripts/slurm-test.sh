#!/bin/sh
# A sweep as a job array on a real Slurm of one node: 8 shards, one cancelled, one requeued and one
# stopped as by its time limit in the middle, finished by the same command again, and merged to the
# same bytes as the sweep in one piece. Needs the built program, and root.
set -eu
cd "$(dirname "$0")/.."
program=$PWD/target/release/blowup
scripts=$PWD/scripts

fail() {
    echo "FAILED: $*" >&2
    exit 1
}

# Debian's packages, whose own services stay off.
install() {
    [ "$(id -u)" = 0 ] || fail "Slurm is not here; as root this installs slurm-wlm and munge"
    command -v apt-get >/dev/null || fail "Slurm is not here, and no apt-get: install slurmctld, slurmd, sbatch and munged"
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        printf '#!/bin/sh\nexit 101\n' >$policy
        chmod +x $policy
        trap 'rm -f $policy' EXIT
    fi
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends slurm-wlm munge; } >/dev/null
    rm -f $policy
    trap - EXIT
}

for needed in slurmctld slurmd sbatch munged; do
    command -v $needed >/dev/null || { install; break; }
done
[ "$(id -u)" = 0 ] || fail "slurmd needs root"

place=$(mktemp -d /tmp/blowup-slurm.XXXXXX)
export SLURM_CONF="$place/slurm/slurm.conf"
cleanup() {
    status=$?
    trap - EXIT INT TERM
    [ $status = 0 ] || tail -n 20 "$place"/slurm/log/slurm*.log "$place"/*/sweep/slurm/log/* >&2 || true
    "$scripts/slurm-local.sh" stop "$place/slurm" || true
    rm -rf "$place"
    exit $status
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# Waits until a command succeeds.
wait_for() {
    what=$1
    shift
    for _ in $(seq 600); do
        "$@" && return
        sleep 0.2
    done
    squeue >&2 || true
    fail "waited in vain for $what"
}

mkdir "$place/with a space"
cd "$place/with a space"
cat >spec.toml <<'SPEC'
name   = "slurm"
epochs = 5
seeds  = 3

[task]
kind    = "teacher"
inputs  = 5
samples = 33

[record]
epochs = true
layers = [0, 2]
steps  = 3

[[grid]]
depth      = [1, 3]
width      = 9
batch      = [7, 33]
init       = ["normal(1.0)", "he"]
lr         = { log = [1e-2, 1e3], points = 3 }
clip       = ["none", "norm(1.0)"]
SPEC
"$program" sweep spec.toml --out local --quiet >/dev/null
"$scripts/slurm-local.sh" start "$place/slurm"

# Every worker waits after four trials, so that there is a middle.
export BLOWUP_TEST_WAIT="4,$place/go"
submit() {
    "$program" slurm spec.toml --shards 8 --out sweep --submit -- --partition=main --time=10 --mem=0
}
rows() {
    [ "$(wc -l 2>/dev/null <"sweep/shard-$1-of-8/runs.csv" || echo 0)" -gt 3 ]
}
idle() {
    [ -z "$(squeue --noheader)" ]
}
says() {
    "$program" slurm --status sweep | grep -q "$1" || { "$program" slurm --status sweep >&2; fail "the status does not say: $1"; }
}

submit
# MaxArraySize is 6: shards 1 to 5 and 6 to 8 are arrays of their own.
array=$(head -n 1 sweep/slurm/jobs)
[ "$(wc -l <sweep/slurm/jobs)" = 3 ] || fail "8 shards in arrays below 6 are two arrays and a merge"
if submit 2>again; then fail "the same jobs were submitted twice"; fi
grep -q "still in the queue" again || fail "the refusal does not say why: $(cat again)"

wait_for "rows of shard 2" rows 2
scancel "${array}_2"
wait_for "rows of shard 3" rows 3
scontrol requeue "${array}_3"
wait_for "rows of shard 4" rows 4
scancel --batch --signal=USR1 "${array}_4"
says "running"
touch "$place/go"
wait_for "the end of all jobs" idle

for task in 3 4; do
    scontrol show job "${array}_$task" | grep -q "Restarts=[1-9]" || fail "task $task was not requeued"
done
says "^sweep: 8 shards: 7 done, 0 running, 1 failed, 0 missing; not merged"
[ "$(cat sweep/slurm/exit/merge)" = 2 ] || fail "the merge did not refuse an unfinished shard"
grep -q "shard 2/8 in .* is not finished" sweep/slurm/log/merge.log || fail "the merge does not say what is wanting"
[ ! -e sweep/runs.csv ] || fail "the merge wrote rows of an unfinished sweep"

submit
wait_for "the end of all jobs" idle
says "^sweep: 8 shards: 8 done, 0 running, 0 failed, 0 missing; merged"
for file in runs summary epochs layers steps; do
    cmp "sweep/$file.csv" "local/$file.csv" || fail "$file.csv differs"
done
echo "8 shards, one cancelled, one requeued, one stopped by its limit: merged to the bytes of the sweep in one piece"
