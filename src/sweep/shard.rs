//! Which shard this process trains, from `--shard` and from the environment that a scheduler has
//! set.

use crate::cli::ShardArg;
use blowup_core::failure::Failure;
use blowup_core::plan::Shard;

/// The shard that `--shard` means. `get` returns a variable of the environment.
///
/// # Errors
/// If a variable that is needed is not set, is no number, or is out of range.
pub fn resolve(arg: ShardArg, get: &dyn Fn(&str) -> Option<String>) -> Result<Shard, Failure> {
    let number = |name: &str, hint: &str| -> Result<u32, Failure> {
        let text = get(name).ok_or_else(|| Failure::new(format!("`{name}` is not set")).hint(hint))?;
        text.parse().map_err(|_| Failure::new(format!("`{name}={text}` is no number")))
    };
    match arg {
        ShardArg::Is(shard) => Ok(shard),
        ShardArg::Slurm(count) => {
            let number = |name| {
                number(name, "`--shard slurm` is for tasks of a job array: sbatch --array=1-N; name a shard with I/N")
            };
            let task = number("SLURM_ARRAY_TASK_ID")?;
            let Some(count) = count else {
                return slurm(task, number("SLURM_ARRAY_TASK_MIN")?, number("SLURM_ARRAY_TASK_MAX")?, number);
            };
            Shard::new(task, count.get()).ok_or_else(|| {
                Failure::new(format!("`SLURM_ARRAY_TASK_ID={task}` is no shard of {count}"))
                    .hint("with `--shard slurm/N` tasks are numbered from 1: sbatch --array=1-N")
            })
        }
        ShardArg::Kubernetes(count) => {
            let hint = "`--shard kubernetes/N` is for pods of a job with `completionMode: Indexed`";
            let index = number("JOB_COMPLETION_INDEX", hint)?;
            index.checked_add(1).and_then(|index| Shard::new(index, count.get())).ok_or_else(|| {
                Failure::new(format!("`JOB_COMPLETION_INDEX={index}` is no shard of {count}, counted from 0"))
                    .hint("the N of `--shard kubernetes/N` is the job's `completions`")
            })
        }
    }
}

/// The shard of one task of a job array. The array may begin at any number, but may have no gaps.
fn slurm(
    task: u32,
    min: u32,
    max: u32,
    number: impl Fn(&'static str) -> Result<u32, Failure>,
) -> Result<Shard, Failure> {
    let count = number("SLURM_ARRAY_TASK_COUNT")?;
    let whole = max.checked_sub(min).and_then(|last| last.checked_add(1)) == Some(count);
    let shard = task.checked_sub(min).and_then(|at| at.checked_add(1)).and_then(|at| Shard::new(at, count));
    shard.filter(|_| whole).ok_or_else(|| {
        let array = format!("task {task} of an array of {count} from {min} to {max}");
        Failure::new(format!("which shard {array} is cannot be told: the array has gaps"))
            .hint("`--shard slurm/N` says how many shards there are; its tasks are numbered from 1")
    })
}
