//! `blowup check`: spec -> roster -> rows -> gate -> the table.

use super::sweep::{parse, print};
use crate::check::judge::judge;
use crate::check::roster::Roster;
use crate::check::run::Run;
use crate::check::text::text;
use crate::cli::Check;
use crate::failure::{Exit, Failure};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

pub fn run(args: &Check) -> Result<Exit, Failure> {
    let runs = args.dir.join("runs.csv");
    if !args.dir.is_dir() {
        let hint = "it is the folder that `blowup sweep` wrote, for example results/grid";
        return Err(Failure::new(format!("there is no folder `{}`", args.dir.display())).hint(hint));
    }
    let file = args.spec.clone().unwrap_or_else(|| args.dir.join("spec.toml"));
    let written = std::fs::read_to_string(&file).map_err(|error| Failure::io("read the spec", &file, &error))?;
    let spec = parse(&written, &file, &file)?;
    if spec.expects.is_empty() {
        return Err(Failure::new(format!("`{}` expects nothing: it has no [[expect]]", file.display()))
            .hint("add expectations to it, or name another spec with `--spec`"));
    }
    let name = file.display().to_string();
    let roster = Roster::new(&spec);
    roster.check_filters(&spec, &written, &name).map_err(|report| Failure::new(report.to_string()))?;
    let columns: Vec<_> = spec.expects.iter().flat_map(|expect| expect.metric.columns()).copied().collect();
    let run = Run::read(&runs, open(&runs)?, &roster, &columns)?;
    let gate = judge(&spec, &roster, &run);
    print(&text(&gate, &name, &|byte| written[..byte].matches('\n').count() + 1));
    Ok(if gate.passed() { Exit::Done } else { Exit::Failed })
}

fn open(path: &Path) -> Result<BufReader<File>, Failure> {
    let file = File::open(path).map_err(|error| Failure::io("read", path, &error))?;
    Ok(BufReader::with_capacity(1 << 18, file))
}
