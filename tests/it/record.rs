//! Rows as text: which columns there are, what cells look like, and how rows are found in a damaged
//! file.

use crate::plan::trial;
use blowup_core::axis::TABLE;
use blowup_core::record::{self, Lost, Piece};
use blowup_core::trial::{Trial, Value};
use blowup_core::verdict::{EpochRow, Finished, LayerRow, Measured, Outcome, Site, StepRow, Tensor, When};
use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;
use std::collections::BTreeMap;

pub fn measured() -> Measured {
    Measured {
        outcome: Outcome::Nonfinite,
        diverged: Some(When { epoch: 1, step: 0 }),
        nonfinite: Some(When { epoch: 2, step: 5 }),
        site: Some(Site { tensor: Tensor::BackpropSignal, layer: Some(3), time: None, head: None, sample: Some(17) }),
        nan: None,
        epochs_run: 2,
        steps_run: 6,
        loss_initial: Some(1e16),
        loss_final: Some(f64::NAN),
        loss_trivial: Some(1.0),
        loss_min: Some(1e-7),
        loss_max: Some(f64::INFINITY),
        epoch_loss_max: Some(2),
        loss_jump_max: Some(f64::NEG_INFINITY),
        grad_norm_initial: Some(123456789.125),
        grad_norm_max: None,
        epoch_grad_norm_max: None,
        clipped_fraction: Some(0.0),
        update_norm_max: Some(0.1 + 0.2),
        weight_norm_initial: Some(-0.0),
        weight_norm_max: None,
        backprop_ratio: None,
        activation_ratio: Some(f64::MIN_POSITIVE),
        sharpness_initial: None,
        sharpness_final: Some(f64::NAN),
        origin: None,
        born_large: true,
        rising: Some(false),
        loss_best: Some(1e-7),
        epoch_best: Some(1),
        relapse: None,
        spikes: Some(2),
        spike_recovery: None,
        grad_norm_final: Some(0.5),
        update_ratio_max: Some(f64::INFINITY),
        silent_layers: Some(0),
        vanished: None,
        dead_share: Some(0.25),
        moved_share: Some(1.0),
        skipped_fraction: Some(0.25),
        first_skip: Some(0),
        clip_silenced: None,
        loss_scale_final: Some(65536.0),
        steps_skipped: Some(3),
        underflow_fraction: Some(0.125),
        attention_logit_max: Some(2.5),
        attention_entropy_min: None,
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_headers_are_those_of_the_contract() {
    insta::assert_snapshot!("header_of_runs", record::runs().join("\n"));
    assert_eq!(text(&record::line(record::runs())), record::runs().join(",") + "\n");
    insta::assert_snapshot!(record::EPOCHS.join(","), @"trial,epoch,steps,loss,loss_max,grad_norm_max,clipped_fraction,lr,weight_norm,update_norm_max");
    insta::assert_snapshot!(record::LAYERS.join(","), @"trial,epoch,layer,time,activation_rms,backprop_norm,weight_grad_norm,weight_norm,activation_change,attention_logit_max,attention_entropy_min,token_similarity");
    insta::assert_snapshot!(record::STEPS.join(","), @"trial,step,loss,grad_norm,clipped,update_norm,loss_scale");
}

#[test]
fn a_row_has_every_column_and_exact_floats() {
    let row = record::run_row(&trial(3, 7, 0), &measured());
    let row = text(&row).strip_suffix('\n').unwrap();
    let cells: Vec<&str> = row.split(',').collect();
    assert_eq!(cells.len(), record::runs().len());
    assert_eq!(
        cells[record::OUTCOME..].join(","),
        "nonfinite,,1,0,2,5,backprop signal,3,,,,2,6,1e16,NaN,1.0,1e-7,inf,2,-inf,123456789.125,,,0.0,0.30000000000000004,-0.0,,,2.2250738585072014e-308,,NaN,,,17,true,false,1e-7,1,,2,,0.5,inf,0,,0.25,1.0,0.25,0,,65536.0,3,0.125,,2.5,"
    );
    assert_eq!(cells[record::column("clip_threshold")], "inf");
    assert_eq!(cells[record::column("nesterov")], "false");
    assert_eq!(cells[record::column("sequence_length")], "");
}

#[test]
fn a_lost_row_has_its_configuration_and_its_reason_only() {
    let row = record::lost_row(&trial(3, 7, 0), Lost::Crashed);
    let fields = record::fields(&row[..row.len() - 1]);
    assert_eq!(fields.len(), record::runs().len());
    assert_eq!(&*fields[record::OUTCOME + 1], b"crashed");
    assert!(fields[record::OUTCOME + 2..].iter().all(|f| f.is_empty()) && fields[record::OUTCOME].is_empty());
}

/// The pieces of a file as one letter each: row, damaged, torn.
fn pieces(file: &[u8]) -> String {
    let mut letters = String::new();
    record::scan::<std::io::Error>(file, 0, 4, &mut |offset, piece| {
        let (letter, text) = match piece {
            Piece::Row { text, .. } => ('r', text),
            Piece::Damaged { text, .. } => ('d', text),
            Piece::Torn { text } => ('t', text),
        };
        assert_eq!(&file[offset as usize..][..text.len()], text);
        letters.push(letter);
        Ok(())
    })
    .unwrap();
    letters
}

#[test]
fn damage_stays_in_its_row() {
    let check = |file: &str, expected: &str| assert_eq!(pieces(file.as_bytes()), expected, "{file}");
    let row = "t0123456789ab,a,b,c\n";
    check("", "");
    check(&row.repeat(3), "rrr");
    check(&format!("{row}t0123456789ab,a"), "rt");
    check(&format!("{row}t0123456789ab,a\n{row}"), "rdr");
    check(&format!("{row}x0123456789ab,a,b,c\n{row}"), "rdr");
    check(&format!("{row}\n{row}"), "rdr");
    check("t0123456789ab,\"a, \"\"b\"\"\nand c\",b,c\n", "r");
    check(&format!("t0123456789ab,\"a,b,c\n{row}"), "dr");
    check(&format!("{row}t0123456789ab,\"a,b,c\n"), "rd");
    check(&format!("{row}t0123456789ab,\"a,b"), "rt");
}

/// The cells of a line by the names in the header of its file.
fn by_name(header: &[&'static str], line: &[u8]) -> BTreeMap<&'static str, String> {
    let fields = record::fields(line.strip_suffix(b"\n").unwrap());
    assert_eq!(fields.len(), header.len());
    header.iter().zip(fields).map(|(name, field)| (*name, text(&field).to_owned())).collect()
}

/// The text of each field of a row by the name of the field. A field that is `None` is left out.
fn by_field(row: &impl Serialize) -> BTreeMap<String, String> {
    let fields = toml::Table::try_from(row).unwrap();
    let cell = |value: toml::Value| match value {
        toml::Value::String(text) => text.to_lowercase(),
        toml::Value::Integer(n) => n.to_string(),
        toml::Value::Float(x) => format!("{x:?}"),
        toml::Value::Boolean(b) => b.to_string(),
        toml::Value::Datetime(_) | toml::Value::Array(_) | toml::Value::Table(_) => panic!("no cell holds {value}"),
    };
    let plain = fields.into_iter().filter(|(_, value)| !value.is_table());
    plain.map(|(name, value)| (name, cell(value))).collect()
}

/// Compares the cells of a row with the fields that it was made of. `beside` has the cells of the
/// columns that no field is named after.
fn meets(cells: &BTreeMap<&'static str, String>, fields: &BTreeMap<String, String>, beside: &[(&str, Option<String>)]) {
    for (name, cell) in cells {
        let known = beside.iter().find(|(known, _)| known == name).map(|(_, cell)| cell.clone().unwrap_or_default());
        let expected = known.or_else(|| fields.get(*name).cloned()).unwrap_or_default();
        assert_eq!(*cell, expected, "{name}");
    }
    for name in fields.keys() {
        assert!(cells.contains_key(&**name), "the field `{name}` has no column");
    }
}

/// Numbers of all kinds, drawn one after the other.
struct Draws(ChaCha8Rng);

impl Draws {
    fn float(&mut self) -> f64 {
        match self.0.random_range(0..4) {
            0 => f64::from_bits(self.0.random()),
            1 => f64::from(self.0.random_range(-9i32..9)),
            2 => [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0][self.0.random_range(0..4)],
            _ => self.0.random(),
        }
    }

    /// TOML has no larger integers.
    fn integer(&mut self) -> u64 {
        self.0.random_range(0..i64::MAX as u64) >> self.0.random_range(0..63)
    }

    fn maybe<T>(&mut self, of: fn(&mut Draws) -> T) -> Option<T> {
        if self.0.random() { Some(of(self)) } else { None }
    }

    fn when(&mut self) -> When {
        When { epoch: self.integer(), step: self.integer() }
    }

    fn size(&mut self) -> usize {
        self.integer() as usize
    }

    fn site(&mut self) -> Site {
        let tensors =
            [Tensor::Weight, Tensor::AttentionLogits, Tensor::Activation, Tensor::Loss, Tensor::BackpropSignal];
        let tensor = tensors[self.0.random_range(0..tensors.len())];
        let size = |draws: &mut Self| draws.maybe(Draws::size);
        Site { tensor, layer: size(self), time: size(self), head: size(self), sample: size(self).map(|n| n as u64) }
    }

    fn measured(&mut self) -> Measured {
        Measured {
            outcome: Outcome::ALL[self.0.random_range(0..Outcome::ALL.len())],
            diverged: self.maybe(Draws::when),
            nonfinite: self.maybe(Draws::when),
            site: self.maybe(Draws::site),
            nan: self.maybe(Draws::when),
            epochs_run: self.integer(),
            steps_run: self.integer(),
            loss_initial: self.maybe(Draws::float),
            loss_final: self.maybe(Draws::float),
            loss_trivial: self.maybe(Draws::float),
            loss_min: self.maybe(Draws::float),
            loss_max: self.maybe(Draws::float),
            epoch_loss_max: self.maybe(Draws::integer),
            loss_jump_max: self.maybe(Draws::float),
            grad_norm_initial: self.maybe(Draws::float),
            grad_norm_max: self.maybe(Draws::float),
            epoch_grad_norm_max: self.maybe(Draws::integer),
            clipped_fraction: self.maybe(Draws::float),
            update_norm_max: self.maybe(Draws::float),
            weight_norm_initial: self.maybe(Draws::float),
            weight_norm_max: self.maybe(Draws::float),
            backprop_ratio: self.maybe(Draws::float),
            activation_ratio: self.maybe(Draws::float),
            sharpness_initial: self.maybe(Draws::float),
            sharpness_final: self.maybe(Draws::float),
            origin: None,
            born_large: self.0.random(),
            rising: self.maybe(|draws| draws.0.random()),
            loss_best: self.maybe(Draws::float),
            epoch_best: self.maybe(Draws::integer),
            relapse: self.maybe(Draws::float),
            spikes: self.maybe(Draws::integer),
            spike_recovery: self.maybe(Draws::integer),
            grad_norm_final: self.maybe(Draws::float),
            update_ratio_max: self.maybe(Draws::float),
            silent_layers: self.maybe(Draws::integer),
            vanished: self.maybe(|draws| draws.0.random()),
            dead_share: self.maybe(Draws::float),
            moved_share: self.maybe(Draws::float),
            skipped_fraction: self.maybe(Draws::float),
            first_skip: self.maybe(Draws::integer),
            clip_silenced: self.maybe(Draws::float),
            loss_scale_final: self.maybe(Draws::float),
            steps_skipped: self.maybe(Draws::integer),
            underflow_fraction: self.maybe(Draws::float),
            attention_logit_max: self.maybe(Draws::float),
            attention_entropy_min: self.maybe(Draws::float),
        }
    }

    fn epoch(&mut self) -> EpochRow {
        EpochRow {
            epoch: self.integer(),
            steps: self.integer(),
            loss: self.float(),
            loss_max: self.maybe(Draws::float),
            grad_norm_max: self.maybe(Draws::float),
            clipped_fraction: self.maybe(Draws::float),
            lr: self.maybe(Draws::float),
            weight_norm: self.maybe(Draws::float),
            update_norm_max: self.maybe(Draws::float),
        }
    }

    fn layer(&mut self) -> LayerRow {
        LayerRow {
            epoch: self.integer(),
            layer: self.size(),
            time: self.maybe(Draws::size),
            activation_rms: self.float(),
            backprop_norm: self.float(),
            weight_grad_norm: self.float(),
            weight_norm: self.float(),
            activation_change: self.maybe(Draws::float),
            attention_logit_max: self.maybe(Draws::float),
            attention_entropy_min: self.maybe(Draws::float),
            token_similarity: self.maybe(Draws::float),
        }
    }

    fn step(&mut self) -> StepRow {
        StepRow {
            step: self.integer(),
            loss: self.float(),
            grad_norm: self.maybe(Draws::float),
            clipped: self.maybe(|draws| draws.0.random()),
            update_norm: self.maybe(Draws::float),
            loss_scale: self.maybe(Draws::float),
        }
    }
}

/// Compares the configuration in a row of `runs.csv` with the trial of which the row was made.
fn configuration_meets(cells: &BTreeMap<&'static str, String>, trial: &Trial) {
    let integer = |n: usize| n.to_string();
    let front = [
        ("trial", trial.id().to_string()),
        ("label", trial.label.clone()),
        ("task", trial.task.kind.name().to_owned()),
        ("inputs", integer(trial.task.inputs)),
        ("samples", integer(trial.task.samples)),
        ("epochs", trial.epochs().to_string()),
    ];
    let axes = TABLE.iter().map(|axis| {
        let mut cell = Vec::new();
        axis.id.of(trial).into_iter().for_each(|value| value.put(&mut cell));
        (axis.name, text(&cell).to_owned())
    });
    for (name, expected) in front.into_iter().chain(axes) {
        assert_eq!(cells[name], expected, "{name}");
    }
}

proptest! {
    /// Every field of what was measured stands in the cell under its own name, and every other cell
    /// is empty.
    #[test]
    fn every_cell_stands_under_its_name(seed in any::<u64>(), label in "[a-z,\" ]{0,9}") {
        let mut draws = Draws(ChaCha8Rng::seed_from_u64(seed));
        let trial = Trial { label, ..trial(3, 7, 0) };
        let measured = draws.measured();
        let cells = by_name(&record::runs(), &record::run_row(&trial, &measured));
        configuration_meets(&cells, &trial);
        let part = |when: Option<When>, of: fn(When) -> u64| when.map(|when| of(when).to_string());
        let of_site = |of: fn(Site) -> Option<usize>| measured.site.and_then(of).map(|n| n.to_string());
        let nested = [
            ("lost", None),
            ("nonfinite_head", of_site(|site| site.head)),
            ("epoch_diverged", part(measured.diverged, |when| when.epoch)),
            ("step_diverged", part(measured.diverged, |when| when.step)),
            ("epoch_nonfinite", part(measured.nonfinite, |when| when.epoch)),
            ("step_nonfinite", part(measured.nonfinite, |when| when.step)),
            ("epoch_nan", part(measured.nan, |when| when.epoch)),
            ("step_nan", part(measured.nan, |when| when.step)),
            ("nonfinite_site", measured.site.map(|site| site.tensor.name().to_owned())),
            ("nonfinite_layer", of_site(|site| site.layer)),
            ("nonfinite_time", of_site(|site| site.time)),
            ("nonfinite_sample", of_site(|site| site.sample.map(|sample| sample as usize))),
        ];
        let behind = cells.into_iter().filter(|(name, _)| record::column(name) >= record::OUTCOME).collect();
        meets(&behind, &by_field(&measured), &nested);

        let rows = Finished { measured, epochs: vec![draws.epoch()], layers: vec![draws.layer()], steps: vec![draws.step()] };
        let [epochs, layers, steps] = record::side_rows(&trial, &rows);
        let id = [("trial", Some(trial.id().to_string()))];
        meets(&by_name(&record::EPOCHS, &epochs), &by_field(&rows.epochs[0]), &id);
        meets(&by_name(&record::LAYERS, &layers), &by_field(&rows.layers[0]), &id);
        meets(&by_name(&record::STEPS, &steps), &by_field(&rows.steps[0]), &id);
    }

    #[test]
    fn a_float_is_written_as_rust_writes_it(bits in any::<u64>(), decimals in 0..20, digits in -1_000_000i64..1_000_000) {
        let check = |x: f64| {
            let mut written = Vec::new();
            Value::Float(x).put(&mut written);
            assert_eq!(text(&written), format!("{x:?}"));
        };
        check(f64::from_bits(bits));
        check(f64::from(f32::from_bits(bits as u32)));
        check(digits as f64 * 10f64.powi(10 - decimals));
    }

    #[test]
    fn any_label_comes_back(label in "(?s).{0,40}") {
        let mut trial = Trial { label: label.clone(), ..trial(1, 2, 3) };
        let row = record::run_row(&trial, &measured());
        let mut found = Vec::new();
        record::scan::<std::io::Error>(&row[..], 0, record::runs().len(), &mut |_, piece| {
            if let Piece::Row { trial, text, .. } = piece {
                let fields = record::fields(&text[..text.len() - 1]);
                found.push((trial, fields[record::LABEL].to_vec()));
            }
            Ok(())
        }).unwrap();
        trial.label.clear();
        prop_assert_eq!(found, vec![(trial.id(), label.into_bytes())]);
    }

    #[test]
    fn any_bytes_can_be_scanned(bytes in proptest::collection::vec(prop::sample::select(b"t0123456789ab,\"\n\xff".to_vec()), 0..400)) {
        pieces(&bytes);
    }
}
