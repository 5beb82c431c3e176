//! The shell scripts of a job array: `shards.sh` is a task, `merge.sh` is the merge after all
//! tasks, and `submit.sh` submits both with sbatch.

use blowup_core::merge::ranges;
use std::fmt::Write as _;

/// A line in every script, which tells that blowup wrote it.
pub const WRITTEN_BY: &str = "Written by `blowup slurm`.";

/// What the scripts need to know. The paths are absolute, since a job may start in any folder.
pub struct Job<'a> {
    /// The name of the sweep.
    pub name: &'a str,
    pub program: &'a str,
    pub spec: &'a str,
    /// What `--set` gives, each as `AXIS=V`.
    pub sets: &'a [String],
    pub out: &'a str,
    pub shards: u32,
    /// The options for sbatch, as they were given.
    pub options: &'a [String],
}

/// The text, quoted as one word of the shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

impl Job<'_> {
    /// The script of a task. The number of its shard is the number of the task plus the argument of
    /// the script.
    pub fn task(&self) -> String {
        let Job { name, program, spec, sets, out, shards, .. } = self;
        let (program, spec, out) = (quoted(program), quoted(spec), quoted(out));
        let sets: String = sets.iter().map(|set| format!(" --set {}", quoted(set))).collect();
        format!(
            r#"#!/bin/sh
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --cpus-per-task=1
#SBATCH --signal=B:USR1@120
# One shard of the sweep {name}. {WRITTEN_BY}
set -u
count={shards}
out={out}
shard=$((SLURM_ARRAY_TASK_ID + ${{1:-0}}))
exec >>"$out/slurm/log/shard-$shard.log" 2>&1
ended="$out/slurm/exit/shard-$shard"
rm -f "$ended"
rows() {{ wc -l <"$out/shard-$shard-of-$count/runs.csv" 2>/dev/null || echo 0; }}
before=$(rows)

# The time limit is near: stop, and be queued again. Cancelled or preempted: stop; Slurm has told the sweep too, as a rule.
limit=
trap 'limit=yes; kill -TERM "$sweep"' USR1
trap 'sleep 3; kill -TERM "$sweep" 2>/dev/null' TERM INT
{program} sweep {spec}{sets} --out "$out" --shard "$shard/$count" --workers "${{SLURM_CPUS_PER_TASK:-1}}" --quiet &
sweep=$!
while :; do
    wait "$sweep"
    status=$?
    kill -0 "$sweep" 2>/dev/null || break
done
echo "$status" >"$ended.tmp" && mv "$ended.tmp" "$ended"

# Without a new row the limit is too short, and would be the next time.
if [ -n "$limit" ] && [ "$status" -eq 130 ] && [ "$(rows)" -gt "$before" ]; then
    scontrol requeue "$SLURM_JOB_ID" && sleep 120
fi
exit "$status"
"#
        )
    }

    /// The script of the merge. `blowup merge` refuses and says why if a shard is missing or not
    /// finished.
    pub fn merge(&self) -> String {
        let Job { name, program, spec, sets, out, shards, .. } = self;
        let (program, out) = (quoted(program), quoted(out));
        // With `--set` the shards keep the text that was swept, and no file has it.
        let spec = if sets.is_empty() { format!(" --spec {}", quoted(spec)) } else { String::new() };
        format!(
            r#"#!/bin/sh
#SBATCH --requeue
#SBATCH --open-mode=append
# The shards of the sweep {name}, put together. {WRITTEN_BY}
set -u
out={out}
exec >>"$out/slurm/log/merge.log" 2>&1
rm -f "$out/slurm/exit/merge"
{program} merge "$out"{spec} "$out"/shard-*-of-{shards}
status=$?
echo "$status" >"$out/slurm/exit/merge"
exit "$status"
"#
        )
    }

    /// The script that submits these shards, in arrays of at most `most` tasks, and the merge after
    /// them.
    pub fn submit(&self, shards: &[u32], most: u32) -> String {
        let Job { name, out, options, .. } = self;
        let options: String = options.iter().map(|option| format!(" {}", quoted(option))).collect();
        let word = quoted(&format!("blowup-{name}"));
        let mut text = format!(
            r#"#!/bin/sh
# Submits the shards of {name} that are not done, and the merge. {WRITTEN_BY}
set -eu
out={}
cd "$out/slurm"
after=
array() {{
    job=$(sbatch --parsable --job-name={word} --output="$out/slurm/log/%A.out"{options} --array="$1" shards.sh "$2")
    job=${{job%%;*}}
    echo "$job" >>jobs
    echo "array $job: shards $3"
    after="$after:$job"
}}
"#,
            quoted(out),
        );
        for JobArray { offset, tasks, shards } in arrays(shards, most) {
            let _ = writeln!(text, "array {tasks} {offset} {shards}");
        }
        // The merge starts when all tasks have ended, in whatever way. It tells itself what is
        // missing. If it depended on their success, it would wait forever after a failure.
        let _ = write!(
            text,
            r#"job=$(sbatch --parsable --job-name={word} --output="$out/slurm/log/%A.out"{options} --ntasks=1 --cpus-per-task=1 ${{after:+--dependency=afterany$after}} merge.sh)
job=${{job%%;*}}
echo "$job" >>jobs
echo "merge $job"
"#
        );
        text
    }
}

/// A job array. Its numbers are written as sbatch reads them: `1-5,7`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobArray {
    /// The number of a shard minus the number of its task.
    pub offset: u32,
    pub tasks: String,
    pub shards: String,
}

/// Divides shards, which are sorted, among arrays in which no task has a number above `most`.
pub fn arrays(shards: &[u32], most: u32) -> Vec<JobArray> {
    let block = |shard: &u32| (shard - 1) / most;
    let text = |numbers: &[u32]| ranges(numbers).replace(' ', "");
    let array = |shards: &[u32]| {
        let offset = block(&shards[0]) * most;
        let tasks: Vec<u32> = shards.iter().map(|shard| shard - offset).collect();
        JobArray { offset, tasks: text(&tasks), shards: text(shards) }
    };
    shards.chunk_by(|a, b| block(a) == block(b)).map(array).collect()
}
