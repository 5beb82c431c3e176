//! `[[variant]]`: what every block of a grid is tried with.

use crate::mistakes::mistakes;
use crate::spec::open;
use blowup_core::record::float;
use blowup_core::spec::Spec;
use blowup_core::trial::Trial;

const TOP: &str = "name = \"t\"\nepochs = 9\nseeds = 2\n[task]\nkind = \"noise\"\n";

fn trials(rest: &str) -> Vec<Trial> {
    let spec = Spec::parse(&format!("{TOP}{rest}"), "t.toml", &open).unwrap_or_else(|report| panic!("{report}"));
    let grid = spec.grid();
    grid.trials().collect()
}

/// The trials of one spec, by their ids, are those of the other in the same order, with the same
/// labels.
fn same(a: &str, b: &str) {
    let of = |text: &str| -> Vec<_> { trials(text).into_iter().map(|trial| (trial.id(), trial.label)).collect() };
    assert_eq!(of(a), of(b), "{a}\n{b}");
}

#[test]
fn a_variant_is_each_block_with_what_it_changes() {
    same(
        "[[grid]]\nlabel='deep'\ndepth=[4,8]\nlr=[0.1,1.0]\n[[grid]]\nlr=0.5\n\
         [[variant]]\nlabel='clip'\nclip='norm(1.0)'\n[[variant]]\nlabel='small'\nlr=[0.01,0.1]\nmomentum=0.9\n",
        "[[grid]]\nlabel='deep'\ndepth=[4,8]\nlr=[0.1,1.0]\n\
         [[grid]]\nlabel='deep, clip'\ndepth=[4,8]\nlr=[0.1,1.0]\nclip='norm(1.0)'\n\
         [[grid]]\nlabel='deep, small'\ndepth=[4,8]\nlr=[0.01,0.1]\nmomentum=0.9\n\
         [[grid]]\nlr=0.5\n\
         [[grid]]\nlabel='clip'\nlr=0.5\nclip='norm(1.0)'\n\
         [[grid]]\nlabel='small'\nlr=[0.01,0.1]\nmomentum=0.9\n",
    );
    // Everything that a block may say, a variant may change: seeds, epochs in steps, a task.
    same(
        "[[grid]]\nlabel='a'\nlr=0.1\nepochs=3\ntask={kind='teacher',samples=64}\n\
         [[variant]]\nlabel='b'\nsteps=7\nseeds=[5]\ntask={kind='noise',samples=32}\n",
        "[[grid]]\nlabel='a'\nlr=0.1\nepochs=3\ntask={kind='teacher',samples=64}\n\
         [[grid]]\nlabel='a, b'\nlr=0.1\nsteps=7\nseeds=[5]\ntask={kind='noise',samples=32}\n",
    );
}

#[test]
fn a_variant_is_for_the_blocks_that_it_names() {
    let text = "[[grid]]\nlabel='a'\nlr=0.1\n[[grid]]\nlabel='b'\nlr=0.2\n\
                [[variant]]\nlabel='clip'\nblocks=['b']\nclip='norm(1.0)'\n";
    let told: Vec<String> =
        trials(text).iter().filter(|t| t.seed == 0).map(|t| format!("{} {}", t.label, float(t.lr))).collect();
    assert_eq!(told, ["a 0.1", "b 0.2", "b, clip 0.2"]);
}

#[test]
fn a_variant_that_changes_nothing_is_the_same_trials() {
    // Equal trials are merged, as those of two blocks are; the first label stays.
    let all = trials("[[grid]]\nlabel='a'\nlr=0.1\n[[variant]]\nlabel='b'\nlr=0.1\n");
    assert_eq!(all.iter().map(|trial| trial.label.as_str()).collect::<Vec<_>>(), ["a", "a"]);
}

#[test]
fn mistakes_have_their_place() {
    let check = |rest: &str, expected: &[&str]| assert_eq!(mistakes(&format!("{TOP}{rest}")), expected, "{rest}");
    check(
        "[[grid]]\nlr=0.1\n[[variant]]\nclip='norm(1.0)'\n",
        &["8:1 this [[variant]] has no `label` / it is put behind the label of each block"],
    );
    check(
        "[[grid]]\nlabel='a'\nlr=0.1\n[[variant]]\nlabel='b'\nblocks=['A']\nlr=0.2\n",
        &["11:9 no block has the label `A` / there are `a`"],
    );
    check(
        "[[grid]]\nlr=0.1\n[[variant]]\nlabel='b'\nblocks='a'\nlr=0.2\n",
        &["10:8 `blocks` is a string, not a list of labels / for example blocks = [\"mlp\"]"],
    );
    // What is wrong with a block that a variant makes is told once, at the key of the variant.
    check(
        "[[grid]]\nlr=0.1\n[[grid]]\nlr=0.2\n[[variant]]\nlabel='b'\ninti='he'\n",
        &["12:1 unknown key `inti` / did you mean `init`?"],
    );
    let list = mistakes(&format!("variant = 3\n{TOP}[[grid]]\nlr=0.1\n"));
    assert_eq!(list, ["1:11 `variant` is an integer, not a list of tables / write [[variant]]"]);
}
