//! Folders of results that were moved away: without their data, without their spec, in another
//! place.

use crate::sweep::{Place, stderr};
use std::process::Output;

/// A project with a spec in `exp`, its data in `data`, and a sweep of it in `results/c`.
fn project() -> Place {
    let place = Place::new("");
    for folder in ["exp", "data"] {
        std::fs::create_dir(place.path(folder)).unwrap();
    }
    let rows: String = (0..12).map(|i| format!("{},{},{}\n", i, i * i % 7, ["cat", "dog", "bird"][i % 3])).collect();
    place.write("data/d.csv", &format!("a,b,y\n{rows}"));
    place.write(
        "exp/c.toml",
        "name='c'\nepochs=1\nseeds=2\n[task]\nkind='csv'\npath='../data/d.csv'\ntarget='y'\n[[grid]]\nloss='cross_entropy'\nlr=[0.1,1.0]\n\
         [[expect]]\nmetric='divergence_rate'\nmax=-1\n",
    );
    place.ok("sweep exp/c.toml --quiet");
    place
}

fn trial(place: &Place) -> String {
    place.read("results/c/runs.csv").lines().last().unwrap().split(',').next().unwrap().to_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The place at which the gate's only finding is annotated.
fn annotated(place: &Place, arguments: &str) -> String {
    let output = place.command(arguments).env_remove("GITHUB_WORKSPACE").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let text = stdout(&output);
    let line = text.lines().find_map(|line| line.strip_prefix("::error file=")).unwrap_or_else(|| panic!("{text}"));
    line.split(',').next().unwrap().to_owned()
}

#[test]
fn results_are_checked_and_plotted_without_their_data() {
    let place = project();
    let gate = stdout(&place.run("check results/c"));
    assert!(gate.contains("divergence_rate is 0 (n = 4, 2 seeds), expected <= -1"), "{gate}");
    std::fs::remove_dir_all(place.path("data")).unwrap();
    std::fs::remove_dir_all(place.path("exp")).unwrap();
    std::fs::rename(place.path("results/c"), place.path("away")).unwrap();
    assert_eq!(stdout(&place.run("check away")), gate.replace("results/c", "away"));
    place.ok("plot away");
    let report = place.read("away/report.html");
    assert!(report.contains("divergence_rate is 0 (n = 4, 2 seeds)") && !report.contains("was not read"));
}

#[test]
fn a_spec_that_is_named_need_not_lie_beside_its_data() {
    let place = project();
    std::fs::remove_dir_all(place.path("data")).unwrap();
    assert_eq!(place.run("check results/c --spec exp/c.toml").status.code(), Some(1));
    // If data is there, it counts as it is.
    std::fs::create_dir(place.path("data")).unwrap();
    place.write("data/d.csv", "a,b,y\n1,2,cat\n3,4,dog\n");
    assert!(stdout(&place.run("check results/c --spec exp/c.toml")).contains("foreign-trials"));
    assert!(!stdout(&place.run("check results/c")).contains("foreign-trials"));
}

#[test]
fn replay_finds_the_data_where_they_were_or_says_where_it_looked() {
    let place = project();
    let trial = trial(&place);
    std::fs::rename(place.path("results/c"), place.path("away")).unwrap();
    let same = "the whole row has the same bytes";
    assert!(place.ok(&format!("replay away {trial}")).contains(same));
    std::fs::rename(place.path("data"), place.path("moved")).unwrap();
    let error = place.refused(&format!("replay away {trial}"));
    let first = place.path("data/d.csv");
    assert!(
        error.contains("the data of the trial are not found: ")
            && error.contains(&format!("{}` is not there", first.display())),
        "{error}"
    );
    assert!(error.contains("hint: name the spec that lies beside them with `--spec`"), "{error}");
    place.write("moved/c.toml", &place.read("away/spec.toml").replace("../data/d.csv", "d.csv"));
    assert!(place.ok(&format!("replay away {trial} --spec moved/c.toml")).contains(same));
    std::fs::create_dir(place.path("data")).unwrap();
    place.write("data/d.csv", "a,b,y\n1,2,cat\n3,4,dog\n");
    let error = place.refused(&format!("replay away {trial}"));
    assert!(error.contains("d.csv` is another file than the sweep's"), "{error}");
}

#[test]
fn annotations_stand_at_the_spec_in_the_repository() {
    let place = project();
    assert_eq!(annotated(&place, "check results/c --github"), "exp/c.toml");
    assert_eq!(annotated(&place, "check results/c --github --spec exp/c.toml"), "exp/c.toml");
    // The command runs in a folder below the root of the repository.
    let root = place.dir.path().canonicalize().unwrap();
    let output = place
        .command("check ../results/c --github")
        .env("GITHUB_WORKSPACE", &root)
        .current_dir(place.path("exp"))
        .output()
        .unwrap();
    let text = stdout(&output);
    let told = text.contains("::error file=exp/c.toml,line=11,");
    assert!(told || root != place.dir.path(), "{text}");
    // It was swept elsewhere, and this checkout has the same spec.
    let other = Place::new("");
    for folder in ["exp", "results"] {
        std::fs::create_dir(other.path(folder)).unwrap();
    }
    other.write("exp/c.toml", &place.read("exp/c.toml"));
    std::fs::rename(place.path("results/c"), other.path("results/c")).unwrap();
    std::fs::remove_dir_all(place.path("exp")).unwrap();
    assert_eq!(annotated(&other, "check results/c --github"), "exp/c.toml");
    other.write("exp/c.toml", "another\n");
    assert_eq!(annotated(&other, "check results/c --github"), "results/c/spec.toml");
}

#[test]
fn shards_and_their_merge_know_their_origin_too() {
    let place = project();
    for index in [1, 2] {
        place.ok(&format!("sweep exp/c.toml --out s --shard {index}/2 --quiet"));
    }
    std::fs::remove_dir_all(place.path("data")).unwrap();
    place.ok("merge m s/shard-1-of-2 s/shard-2-of-2");
    assert_eq!(place.read("m/runs.csv"), place.read("results/c/runs.csv"));
    assert_eq!(annotated(&place, "check m --github"), "exp/c.toml");
    assert!(place.read("m/manifest.toml").contains("[[data]]"));
}

#[test]
fn a_folder_of_an_older_version_reads_its_data_from_where_they_are() {
    let place = project();
    let manifest = place.read("results/c/manifest.toml");
    let old = manifest.split("\n[[data]]").next().unwrap();
    place.write(
        "results/c/manifest.toml",
        &format!("{}\n", old.lines().filter(|line| !line.starts_with("spec = ")).collect::<Vec<_>>().join("\n")),
    );
    let error = place.refused("check results/c");
    assert!(error.contains("cannot read `../data/d.csv`") && error.contains("`--spec`"), "{error}");
    assert_eq!(place.run("check results/c --spec exp/c.toml").status.code(), Some(1));
    place.ok("sweep exp/c.toml --quiet");
}
