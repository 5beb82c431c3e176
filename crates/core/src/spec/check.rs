//! Checks whether the dials of a block make sense together: axes that apply nowhere, networks
//! without a task that fits, divisions by zero. It looks at the values that each axis can have, and
//! never at the points, so it costs the same for a billion points.

use super::block::{Axes, AxisKey, AxisSetting};
use super::bundle::{self, KnownBundle};
use super::dial::{self, Cell, Dial};
use super::held;
use super::pairs;
use super::report::Problems;
use super::source::Span;
use super::task::TaskDraft;
use super::transformer;
use super::value;
use crate::axis::{Default, Effect, Id, Kind, Merges, Need};
use crate::trial::Value;
use crate::trial::{Budget, Loss, Network, TaskKind};

/// A block with what it takes from `[base]`.
pub struct View<'a> {
    pub axes: &'a Axes,
    pub task: Option<&'a TaskDraft>,
    /// The samples of the task; `None` after a mistake in it.
    pub samples: Option<usize>,
    /// The place of the block's header.
    pub span: &'a Span,
    /// Whether a program trains the block's trials. Then no axis has a default, and none needs
    /// another one.
    pub of_program: bool,
    /// Whether the block says which parameters of its bundles `init` is for.
    pub names_parameters: bool,
}

impl View<'_> {
    /// The values that `id` can have in the block. Of a range they are its ends, and there are none
    /// if the axis has no default. The result is `None` if they are not known, because of a mistake
    /// or a division.
    pub fn values(&self, id: Id) -> Option<Vec<Value>> {
        if self.axes.broken.contains(&id) {
            return None;
        }
        let Some(given) = self.given(id) else { return self.default(id) };
        let mut values = Vec::new();
        for cell in given.dial.cells(id) {
            match cell {
                Some(Cell { per: Some(_), .. }) => return None,
                Some(Cell { value, per: None }) => values.push(value),
                None => values.extend(self.default(id)?),
            }
        }
        Some(values)
    }

    pub fn default(&self, id: Id) -> Option<Vec<Value>> {
        match id.axis().default {
            _ if self.of_program => Some(Vec::new()),
            Default::Is(value) => Some(vec![value]),
            Default::OfTask => {
                let loss = self.task.map_or(Loss::Mse, |plan| plan.kind.default_loss());
                Some(vec![Value::Text(loss.name())])
            }
            Default::OfNetwork(default) => {
                let networks = self.values(Id::Network)?;
                let networks = networks.into_iter().map(network);
                Some(networks.map(default).collect())
            }
            Default::OfTaker(other, of) => {
                let takers = self.values(other)?;
                let names =
                    takers.iter().filter_map(|taker| if let Value::Text(name) = taker { Some(name) } else { None });
                Some(names.filter_map(|name| of(name, id.name())).collect())
            }
            Default::Required | Default::Follows(_) | Default::OfInit => Some(Vec::new()),
        }
    }

    /// Whether a network of the block is a bundle.
    pub fn trains_bundles(&self) -> bool {
        !bundle::named(self).is_empty()
    }

    /// What the block gives for `id`.
    pub fn given(&self, id: Id) -> Option<&AxisSetting> {
        self.axes.given.iter().find(|given| given.dial.axes().contains(&id))
    }

    /// The place to point at when `id` is wrong.
    pub fn place(&self, id: Id) -> &Span {
        let keys = self.given(id).map(|given| &given.keys);
        let key = keys.and_then(|keys| keys.iter().find(|key| key.axis.id == id).or(keys.first()));
        key.map_or(self.span, |key| &key.span)
    }

    /// Whether a value of `id` is this text; `false` if that is not known.
    pub fn can_be(&self, id: Id, name: &'static str) -> bool {
        self.values(id).is_some_and(|values| values.contains(&Value::Text(name)))
    }

    /// The losses that the block uses.
    pub fn losses(&self) -> Vec<Loss> {
        let all = [Loss::Mse, Loss::CrossEntropy];
        all.into_iter().filter(|loss| self.can_be(Id::Loss, loss.name())).collect()
    }

    /// What an axis lacks to apply anywhere in the block.
    pub fn lacks(&self, id: Id) -> Option<String> {
        if self.of_program {
            return None;
        }
        let never = |need: &&Need| self.values(need.axis).is_some_and(|v| !v.iter().any(|&value| need.holds(value)));
        let needs = id.axis().needs;
        if let Some(need) = needs.iter().find(never) {
            return Some(need.to_string());
        }
        if !self.axes.given.iter().all(|given| self.hold_together(given, needs)) {
            let all: Vec<String> = needs.iter().map(Need::to_string).collect();
            return Some(format!("{} at once", all.join(" and ")));
        }
        // A switch that is off says only what holds anyway.
        let is_on = || self.values(id).is_some_and(|values| values.contains(&Value::Boolean(true)));
        if matches!(id.axis().kind, Kind::Boolean) && !is_on() {
            return None;
        }
        self.lacks_for(id.axis().effect)
    }

    /// What the block lacks so that an axis of this effect changes anything.
    fn lacks_for(&self, effect: Effect) -> Option<String> {
        match effect {
            Effect::Always => None,
            Effect::OnNamedParameters => (self.trains_bundles() && !self.names_parameters)
                .then(|| "`init_parameters`, the parameters of the bundle that it is for".to_owned()),
            Effect::WithMomentum => {
                let momentum = self.values(Id::Momentum)?;
                let none = !momentum.iter().any(|value| matches!(value, Value::Float(x) if *x > 0.0));
                none.then(|| "`momentum` above 0".to_owned())
            }
            Effect::WithBranches => self.lacks_branches(),
            Effect::WithSmallBatch => {
                let (samples, batches) = (self.samples?, self.values(Id::Batch)?);
                let none = !batches.iter().any(|batch| matches!(batch, Value::Integer(n) if *n < samples as u64));
                none.then(|| format!("a `batch` below {samples}, the samples of the task"))
            }
            Effect::WithDrawnData => (!self.task?.kind.is_drawn()).then(|| "a task that draws its data".to_owned()),
        }
    }

    /// What residual layers lack. The first layer of an mlp has nothing to add its input to.
    fn lacks_branches(&self) -> Option<String> {
        if self.can_be(Id::Network, "transformer") {
            return None;
        }
        let depths = self.values(Id::Depth)?;
        let none = !depths.iter().any(|depth| matches!(depth, Value::Integer(depth) if *depth > 1));
        none.then(|| "`depth` 2 or more".to_owned())
    }

    /// Whether some row of a dial fulfils all those of these needs that the dial is about.
    fn hold_together(&self, given: &AxisSetting, needs: &[Need]) -> bool {
        let Dial::Rows { axes, rows } = &given.dial else { return true };
        let here = |need: &&Need| axes.contains(&need.axis);
        let holds = |row: &Vec<Option<Cell>>, need: &Need| {
            let cell = axes.iter().position(|&axis| axis == need.axis).and_then(|at| row[at]);
            match cell {
                Some(Cell { value, per }) => per.is_some() || need.holds(value),
                None => self.default(need.axis).is_none_or(|values| values.iter().any(|&value| need.holds(value))),
            }
        };
        let here: Vec<&Need> = needs.iter().filter(here).collect();
        here.len() < 2 || rows.iter().any(|row| here.iter().all(|need| holds(row, need)))
    }

    /// The epochs of the longest trial; `None` if that is not known.
    pub fn epochs(&self, budget: Budget) -> Option<u64> {
        match budget {
            Budget::Epochs(epochs) => Some(epochs),
            Budget::Steps(steps) => {
                let (samples, batches) = (self.samples? as u64, self.values(Id::Batch)?);
                let sizes =
                    batches.iter().filter_map(|batch| if let Value::Integer(n) = batch { Some(*n) } else { None });
                let batches = samples.div_ceil(sizes.max()?.min(samples));
                let accumulated = self.values(Id::Accumulate)?;
                let most = accumulated.iter().filter_map(|of| if let Value::Integer(n) = of { Some(*n) } else { None });
                Some(steps.div_ceil(batches.div_ceil(most.max()?.min(batches))))
            }
        }
    }

    /// The place to point at when the batches are wrong under a norm.
    pub fn place_of_batch(&self) -> &Span {
        if self.given(Id::Batch).is_some() { self.place(Id::Batch) } else { self.place(Id::Norm) }
    }

    /// Whether a threshold of the block may be infinity, which means no clipping.
    fn may_not_clip(&self) -> bool {
        match self.given(Id::ClipThreshold) {
            // A cell is empty where the clip of its row has no threshold.
            Some(given) => given
                .dial
                .cells(Id::ClipThreshold)
                .iter()
                .flatten()
                .any(|cell| cell.per.is_some() || cell.value == Value::Float(f64::INFINITY)),
            None => true,
        }
    }

    /// Whether the axis applies at every point.
    fn applies_everywhere(&self, id: Id) -> bool {
        id.axis().needs.iter().all(|need| {
            let same_row = self.given(id).is_some_and(|given| given.dial.axes().contains(&need.axis));
            let always = || self.values(need.axis).is_some_and(|v| v.iter().all(|&value| need.holds(value)));
            // In a dial, the cells that cannot apply are empty already.
            same_row || always()
        })
    }

    /// Whether no two points can be the same trial of a task with this many samples.
    pub fn is_distinct(&self, samples: usize) -> bool {
        let varied = self.axes.given.iter().filter(|given| given.dial.len() > 1);
        varied.into_iter().all(|given| {
            let sound = match &given.dial {
                Dial::Range { divided, .. } => divided.range.is_distinct(),
                // Quotients may be equal to each other or to plain values, and whole numbers may be
                // equal after rounding.
                Dial::Rows { rows, .. } => !rows.iter().flatten().flatten().any(|cell| cell.per.is_some()),
            };
            sound && given.dial.axes().iter().all(|&id| self.applies_everywhere(id) && !self.may_coincide(id, samples))
        })
    }

    /// Whether different values of the axis can mean the same, apart from where it does not apply.
    fn may_coincide(&self, id: Id, samples: usize) -> bool {
        let axis = id.axis();
        let any = |is: &dyn Fn(&Value) -> bool, least: usize| {
            self.values(id).is_none_or(|values| values.iter().filter(|value| is(value)).count() >= least)
        };
        if !axis.named().is_empty() && any(&|value| axis.named_number(*value).is_some(), 1) {
            return true;
        }
        match axis.merges {
            Merges::Never => false,
            Merges::Beside => true,
            Merges::FromAllSamples => any(&|size| matches!(size, Value::Integer(size) if *size >= samples as u64), 2),
            Merges::WithoutThreshold => self.may_not_clip(),
        }
    }
}

/// The network that a value of the axis names.
fn network(value: Value) -> Network {
    let Value::Text(name) = value else { unreachable!("a network is a name, not {value:?}") };
    Network::of_name(name)
}

/// Reports what is wrong with a block as a whole.
pub fn check(view: &View, bundles: &[KnownBundle], problems: &mut Problems) {
    needed(view, problems);
    stored(view, problems);
    task(view, problems);
    recurrent(view, problems);
    transformer::check(view, problems);
    scale(view, problems);
    held::check(view, bundles, problems);
    mixed(view, problems);
    threshold(view, problems);
    pairs::check(view, problems);
    divided(view, problems);
}

/// Reports what is wrong with a block that a program trains: names of numbers, which blowup knows
/// of its own networks alone, and wrong divisions.
pub fn of_program(view: &View, problems: &mut Problems) {
    for given in &view.axes.given {
        for &id in given.dial.axes() {
            let mut cells = given.dial.cells(id).into_iter().flatten();
            if let Some(named) = cells.find_map(|cell| id.axis().named_number(cell.value)) {
                let message =
                    format!("`{}` is a number of built-in networks, and a program trains this block", named.name);
                problems.add(
                    view.place(id),
                    message,
                    format!("write the number that the program is to get: {} = 0.5", id.name()),
                );
            }
        }
    }
    divided(view, problems);
}

/// Reports the divisions that have no quotient, or none that the axis takes.
fn divided(view: &View, problems: &mut Problems) {
    for given in &view.axes.given {
        for &id in given.dial.axes() {
            divisions(view, given, id, problems);
        }
    }
}

/// Reports the keys of a table that apply in none of these blocks.
pub fn applies(keys: &[&AxisKey], views: &[View], place: &str, problems: &mut Problems) {
    for key in keys {
        let lacks: Vec<Option<String>> = views.iter().map(|view| view.lacks(key.axis.id)).collect();
        if let Some(Some(lack)) = lacks.first()
            && lacks.iter().all(Option::is_some)
        {
            let message = format!("`{}` applies nowhere in {place}", key.axis.name);
            problems.add(&key.key_span, message, format!("it needs {lack}"));
        }
    }
}

fn needed(view: &View, problems: &mut Problems) {
    if view.values(Id::Lr).is_some_and(|values| values.is_empty()) {
        problems.add(view.span, "this block has no `lr`", "there is no default: for example lr = [1e-3, 1e-2]");
    }
    for (id, hint) in [
        (Id::Warmup, "updates until the full rate: warmup = 100"),
        (Id::Cooldown, "updates of the decay at the end: cooldown = 100"),
    ] {
        let can_hold =
            |need: &Need| view.values(need.axis).is_some_and(|all| all.iter().any(|value| need.holds(*value)));
        if id.axis().needs.iter().all(can_hold) && view.values(id).is_some_and(|values| values.is_empty()) {
            problems.add(view.place(Id::Schedule), format!("this schedule has no `{}`", id.name()), hint);
        }
    }
    if let Some(network) = Network::SEQUENTIAL.iter().copied().find(|network| view.can_be(Id::Network, network))
        && view.values(Id::SequenceLength).is_some_and(|values| values.is_empty())
    {
        let message = format!("this {network} has no `sequence_length`");
        problems.add(view.span, message, "for example sequence_length = [16, 64]");
    }
}

/// Reports what only a block of bundles can say.
fn stored(view: &View, problems: &mut Problems) {
    if view.trains_bundles() {
        return;
    }
    if view.can_be(Id::Init, "stored") {
        let message = "`stored` keeps the weights of a bundle, and a built-in net has none";
        problems.add(view.place(Id::Init), message, "the default of a built-in net is init = \"pytorch\"");
    }
    if view.names_parameters {
        let message = "`init_parameters` names parameters of a bundle, and this block trains none";
        problems.add(view.span, message, "leave it out: in a built-in net `init` is for all weights");
    }
}

/// Reports mixed precision that is not built, as where `torch.autocast` mixes float32 into the
/// 16-bit passes themselves.
fn mixed(view: &View, problems: &mut Problems) {
    let Some(&autocast) = ["amp_float16", "amp_bfloat16"].iter().find(|name| view.can_be(Id::Precision, name)) else {
        return;
    };
    let is_true = |id: Id| view.values(id).is_some_and(|values| values.contains(&Value::Boolean(true)));
    let whats = [
        (view.can_be(Id::Network, "gru"), "network = \"gru\"", "the state of a gru"),
        (view.can_be(Id::Network, "transformer"), "network = \"transformer\"", "the residual stream of a transformer"),
        (
            is_true(Id::Residual) && is_true(Id::Rezero),
            "rezero = true",
            "the sums of residual layers with a learned scalar",
        ),
    ];
    for (_, what, keeps) in whats.into_iter().filter(|(given, ..)| *given) {
        let message = format!("precision = \"{autocast}\" is not built for {what}");
        let hint = format!(
            "PyTorch's autocast keeps {keeps} in float32 on a CPU; take bfloat16_master, or a block of its own"
        );
        problems.add(view.place(Id::Precision), message, hint);
    }
}

fn task(view: &View, problems: &mut Problems) {
    let Some(plan) = view.task else { return };
    let name = plan.kind.name();
    for network in Network::NAMES.iter().copied() {
        let learns = |kind: TaskKind| Network::of_name(network).learns(kind);
        if view.can_be(Id::Network, network) && !learns(plan.kind) {
            let kinds = TaskKind::ALL.iter().filter(|kind| learns(**kind)).map(|kind| kind.name());
            let message = format!("the network `{network}` cannot learn the task `{name}`");
            let kinds = kinds.collect::<Vec<_>>().join(", ");
            let hint = match (plan.is_of_arrays(), plan.time()) {
                (true, Some(_)) => "the inputs are [samples, time, features]: take rnn, lstm, gru or transformer, or flatten them with x.reshape(len(x), -1)".to_owned(),
                (true, None) => "the inputs are [samples, features]: a network that reads sequences takes [samples, time, features]".to_owned(),
                (false, _) => format!("{network} takes: {kinds}"),
            };
            problems.add(view.place(Id::Network), message, hint);
        }
    }
    for loss in view.losses().into_iter().filter(|&loss| !plan.takes(loss)) {
        let message = format!("the task `{name}` has no targets for the loss `{}`", loss.name());
        let hint = match plan.is_of_arrays() {
            _ if plan.text().is_some() => "it takes cross_entropy",
            true => "it takes mse; classes are whole numbers from 0, one for each sample: labels from 1 need y - 1",
            false => "it takes mse",
        };
        problems.add(view.place(Id::Loss), message, hint);
    }
    if let Some(time) = plan.time()
        && view
            .values(Id::SequenceLength)
            .is_some_and(|all| all.iter().any(|value| *value != Value::Integer(time as u64)))
    {
        let message = format!("the sequences of the task `{name}` have {time} time steps");
        problems.add(view.place(Id::SequenceLength), message, format!("sequence_length = {time}"));
    }
    let short = |value: &Value| matches!(value, Value::Integer(0 | 1));
    if let Some(why) = plan.kind.needs_two_steps()
        && view.values(Id::SequenceLength).is_some_and(|v| v.iter().any(short))
    {
        let message = format!("the task `{name}` needs a `sequence_length` of 2 or more");
        problems.add(view.place(Id::SequenceLength), message, why);
    }
}

fn recurrent(view: &View, problems: &mut Problems) {
    let Some(network) = Network::RECURRENT.iter().copied().find(|network| view.can_be(Id::Network, network)) else {
        return;
    };
    if view.can_be(Id::Network, "rnn") && view.can_be(Id::Norm, "batch") {
        let message = "an rnn cannot have norm = \"batch\"";
        problems.add(view.place(Id::Norm), message, "its statistics would differ at every time step; take \"layer\"");
    }
    if view.values(Id::Depth).is_some_and(|depths| depths.contains(&Value::Integer(0))) {
        problems.add(
            view.place(Id::Depth),
            format!("a recurrent net ({network}) cannot have depth 0"),
            "depth 0 is a linear model, of network mlp only",
        );
    }
}

fn threshold(view: &View, problems: &mut Problems) {
    let clips = |given: &AxisSetting| given.dial.cells(Id::Clip).into_iter().any(dial::clips);
    // The items of a list with short forms were checked one by one.
    let somewhere = view.axes.broken.contains(&Id::ClipThreshold) || view.given(Id::ClipThreshold).is_some();
    if !somewhere && view.given(Id::Clip).is_some_and(clips) {
        dial::clips_nothing(view.place(Id::Clip), problems);
    }
    // Short forms were checked one by one.
    let alone = view.given(Id::ClipThreshold).is_some_and(|given| given.keys[0].axis.id == Id::ClipThreshold);
    let beyond = |value: &Value| matches!(value, Value::Float(x) if dial::is_no_percentile(*x));
    if alone
        && view.can_be(Id::Clip, "autoclip")
        && view.values(Id::ClipThreshold).is_some_and(|v| v.iter().any(beyond))
    {
        problems.push(view.place(Id::ClipThreshold), dial::no_percentile());
    }
}

fn scale(view: &View, problems: &mut Problems) {
    // Short forms were checked one by one.
    if view.given(Id::InitScale).is_none_or(|given| given.keys[0].axis.id != Id::InitScale && given.keys.len() == 1) {
        return;
    }
    let negative = |value: &Value| matches!(value, Value::Float(x) if *x < 0.0);
    let only_constant =
        view.values(Id::Init).is_none_or(|inits| inits.iter().all(|init| *init == Value::Text("constant")));
    if !only_constant && view.values(Id::InitScale).is_some_and(|scales| scales.iter().any(negative)) {
        problems.push(view.place(Id::InitScale), dial::negative_scale());
    }
}

/// Checks the values of `id` that are divided by those of another axis.
fn divisions(view: &View, given: &AxisSetting, id: Id, problems: &mut Problems) {
    let cells = given.dial.cells(id);
    let mut divisors: Vec<Id> = cells.iter().flatten().filter_map(|cell| cell.per).collect();
    divisors.sort_unstable();
    divisors.dedup();
    for per in divisors {
        let (name, other) = (id.name(), per.name());
        let place = view.place(id);
        let known = match view.given(per).map(|given| given.dial.cells(per)) {
            Some(cells) if cells.iter().flatten().any(|cell| cell.per.is_some()) => {
                let message = format!("`{name}` is divided by `{other}`, which is itself divided");
                problems.add(place, message, "divide by an axis that has plain values");
                continue;
            }
            _ => view.values(per),
        };
        let Some(values) = known else { continue };
        if let (_, Some(lack)) = (values.is_empty(), view.lacks(per)) {
            problems.add(
                place,
                format!("`{name}` is divided by `{other}`, which does not apply"),
                format!("it needs {lack}"),
            );
            continue;
        }
        let numbers: Vec<f64> = values.iter().filter_map(as_number).collect();
        if numbers.is_empty() {
            problems.add(
                place,
                format!("`{name}` is divided by `{other}`, which has no value"),
                format!("set `{other}`"),
            );
        } else if numbers.iter().any(|x| !x.is_finite() || *x <= 0.0) {
            let message = format!("`{name}` is divided by `{other}`, which is not above 0 everywhere");
            problems.add(place, message, format!("give `{other}` positive values only"));
        } else {
            let divided = cells.iter().flatten().filter(|cell| cell.per == Some(per));
            let divided: Vec<f64> = divided.filter_map(|cell| as_number(&cell.value)).collect();
            // The values that an axis takes are an interval, so the other quotients lie between
            // these.
            for quotient in ends(&divided).flat_map(|x| ends(&numbers).map(move |n| x / n)) {
                let value = match id.axis().kind {
                    Kind::Integer { .. } => Value::Integer(quotient.round() as u64),
                    Kind::Float { .. } | Kind::Choice { .. } | Kind::Boolean | Kind::Text => Value::Float(quotient),
                };
                let is_sequential = || Network::SEQUENTIAL.iter().any(|network| view.can_be(Id::Network, network));
                let needs_two_steps = || view.task.is_some_and(|plan| plan.kind.needs_two_steps().is_some());
                let least = if id == Id::Depth && is_sequential() {
                    1
                } else if id == Id::SequenceLength && needs_two_steps() {
                    2
                } else {
                    0
                };
                if matches!(value, Value::Integer(i) if i < least) {
                    let message = format!("`{name}` divided by `{other}` is below {least}");
                    problems.add(place, message, format!("here it must be {least} or more"));
                }
                problems.keep(place, value::allowed(id.axis(), value));
            }
        }
    }
}

/// The smallest and the largest number. Of no numbers there is neither.
fn ends(numbers: &[f64]) -> impl Iterator<Item = f64> + use<> {
    let least = numbers.iter().copied().reduce(f64::min);
    least.into_iter().chain(numbers.iter().copied().reduce(f64::max))
}

fn as_number(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(i) => Some(*i as f64),
        Value::Float(x) => Some(*x),
        Value::Text(_) | Value::Boolean(_) => None,
    }
}
