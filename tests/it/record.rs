//! Rows as text: which columns, how cells look, and how rows are found in a damaged file.

use crate::plan::trial;
use blowup_core::record::{self, Lost, Piece};
use blowup_core::trial::{Trial, Value};
use blowup_core::verdict::{Measured, Outcome, Site, Tensor, When};
use proptest::prelude::*;

pub fn measured() -> Measured {
    Measured {
        outcome: Outcome::Nonfinite,
        diverged: Some(When { epoch: 1, step: 0 }),
        nonfinite: Some(When { epoch: 2, step: 5 }),
        site: Some(Site { tensor: Tensor::BackpropSignal, layer: Some(3), time: None }),
        nan: None,
        epochs_run: 2,
        steps_run: 6,
        loss_initial: 1e16,
        loss_final: f64::NAN,
        loss_trivial: 1.0,
        loss_min: Some(1e-7),
        loss_max: Some(f64::INFINITY),
        epoch_loss_max: Some(2),
        loss_jump_max: Some(f64::NEG_INFINITY),
        grad_norm_initial: 123456789.125,
        grad_norm_max: None,
        epoch_grad_norm_max: None,
        clipped_fraction: Some(0.0),
        update_norm_max: Some(0.1 + 0.2),
        weight_norm_initial: -0.0,
        weight_norm_max: None,
        backprop_ratio: None,
        activation_ratio: Some(f64::MIN_POSITIVE),
        sharpness_initial: None,
        sharpness_final: Some(f64::NAN),
    }
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_headers_are_those_of_the_contract() {
    insta::assert_snapshot!(text(&record::line(record::runs())), @"trial,label,task,inputs,samples,epochs,network,depth,width,activation,negative_slope,init,init_scale,init_offset,recurrent_init,recurrent_init_scale,forget_bias,bias,bias_std,norm,norm_position,residual,parametrization,loss,optimizer,momentum,nesterov,beta1,beta2,eps,alpha,lr,lr_output,schedule,warmup,clip,clip_threshold,weight_decay,batch,sampling,sequence_length,dtype,seed,data_seed,outcome,lost,epoch_diverged,step_diverged,epoch_nonfinite,step_nonfinite,nonfinite_site,nonfinite_layer,nonfinite_time,epoch_nan,step_nan,epochs_run,steps_run,loss_initial,loss_final,loss_trivial,loss_min,loss_max,epoch_loss_max,loss_jump_max,grad_norm_initial,grad_norm_max,epoch_grad_norm_max,clipped_fraction,update_norm_max,weight_norm_initial,weight_norm_max,backprop_ratio,activation_ratio,sharpness_initial,sharpness_final");
    insta::assert_snapshot!(record::EPOCHS.join(","), @"trial,epoch,steps,loss,loss_max,grad_norm_max,clipped_fraction,lr,weight_norm,update_norm_max");
    insta::assert_snapshot!(record::STEPS.join(","), @"trial,step,loss,grad_norm,clipped,update_norm");
}

#[test]
fn a_row_has_every_column_and_exact_floats() {
    let row = record::run_row(&trial(3, 7, 0), &measured());
    let row = text(&row).strip_suffix('\n').unwrap();
    let cells: Vec<&str> = row.split(',').collect();
    assert_eq!(cells.len(), record::runs().len());
    assert_eq!(
        cells[record::OUTCOME..].join(","),
        "nonfinite,,1,0,2,5,backprop signal,3,,,,2,6,1e16,NaN,1.0,1e-7,inf,2,-inf,123456789.125,,,0.0,0.30000000000000004,-0.0,,,2.2250738585072014e-308,,NaN"
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

/// The file's pieces as one letter each: row, damaged, torn.
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

proptest! {
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
