//! What goes through the pipes arrives unchanged, and garbage is an error.

use crate::plan::trial;
use blowup_core::map::Reading;
use blowup_core::protocol::{Order, Pixel, Report, Row, Rows, Wanted, frame, receive, send};
use blowup_core::record::Lost;
use blowup_core::trial::{CsvFile, Source, Trial};
use blowup_core::verdict::{Layers, Outcome, Record};
use proptest::prelude::*;
use std::io::ErrorKind;

#[test]
fn an_order_comes_back_with_the_bits_of_its_floats() {
    let odd = [f64::INFINITY, f64::MIN_POSITIVE / 3.0, 0.1 + 0.2, -0.0];
    let trials: Vec<Trial> = odd.into_iter().map(|lr| Trial { lr, ..trial(2, 3, 4) }).collect();
    let record = Record { epochs: true, layers: Layers::At(vec![0, 10]), steps: 20, sharpness: true };
    let order = Order::train(7, Wanted::Rows(record), trials);
    let mut pipe = Vec::new();
    send(&mut pipe, &order).unwrap();
    let Order::Train { trials, wanted: Wanted::Rows(_), .. } = receive(&mut &pipe[..]).unwrap().unwrap() else {
        unreachable!()
    };
    for (sent, trial) in odd.into_iter().zip(trials) {
        assert_eq!(trial.lr.to_bits(), sent.to_bits());
    }
}

#[test]
fn the_names_of_many_columns_stand_in_an_order_once() {
    let csv = CsvFile {
        path: "data.csv".to_owned(),
        sha256: "0".repeat(64),
        target: "y".to_owned(),
        features: (0..1500).map(|column| format!("gene_expression_{column:05}")).collect(),
        standardize: true,
        separator: ',',
    };
    let mut one = trial(2, 3, 4);
    one.task.source = Source::Csv(Box::new(csv));
    let source = one.task.source.clone();
    let order = Order::train(7, Wanted::Rows(Record::default()), vec![one; 300]);
    let bytes = frame(&order).unwrap();
    assert!(bytes.len() < 120_000, "{} bytes", bytes.len());
    let Order::Train { source: found, trials, .. } = receive(&mut &bytes[..]).unwrap().unwrap() else { unreachable!() };
    assert_eq!((found, trials.len()), (source, 300));
}

#[test]
fn frames_follow_each_other_until_the_stream_ends() {
    let reports = [
        Report::Hello { version: 1, fingerprint: "libtorch 2.11.0, AVX2".to_owned() },
        Report::Rows {
            chunk: 1,
            rows: Rows {
                trials: vec![Row { index: 0, outcome: Outcome::Nonfinite, runs: 4, sides: [0, 2, 0] }],
                runs: b"NaN\n".to_vec().into(),
                ..Rows::default()
            },
        },
        Report::Pixels {
            chunk: 1,
            pixels: vec![
                Pixel { index: 0, reading: Reading::Trainability { converged: false, value: f64::INFINITY } },
                Pixel { index: 1, reading: Reading::Outcome(Outcome::Ruined) },
            ],
        },
        Report::Failed { chunk: 1, lost: Lost::Memory, message: "no".to_owned() },
        Report::Bug { chunk: 1, message: "assertion failed".to_owned() },
    ];
    let mut pipe = Vec::new();
    for report in &reports {
        send(&mut pipe, report).unwrap();
    }
    let mut from = &pipe[..];
    for report in reports {
        assert_eq!(receive::<Report>(&mut from).unwrap(), Some(report));
    }
    assert_eq!(receive::<Report>(&mut from).unwrap(), None);
}

#[test]
fn a_frame_that_ends_early_is_an_error() {
    let mut pipe = Vec::new();
    send(&mut pipe, &Report::Done { chunk: 300 }).unwrap();
    for end in 1..pipe.len() {
        let error = receive::<Report>(&mut &pipe[..end]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "cut at {end}");
    }
}

#[test]
fn a_length_beyond_reason_is_an_error_and_allocates_nothing() {
    let error = receive::<Report>(&mut &[0xff; 64][..]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    // The length is allowed, but the bytes are not there.
    assert!(receive::<Report>(&mut &[0, 0, 0, 0x0f, 1, 2, 3][..]).is_err());
}

#[test]
fn a_message_beyond_the_longest_frame_is_refused_before_a_byte_is_written() {
    let rows = Rows { runs: vec![b'x'; 1 << 28].into(), ..Rows::default() };
    let mut pipe = Vec::new();
    let error = send(&mut pipe, &Report::Rows { chunk: 1, rows }).unwrap_err();
    assert_eq!((error.kind(), pipe.len()), (ErrorKind::InvalidInput, 0));
}

proptest! {
    #[test]
    fn garbage_is_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut framed = (bytes.len() as u32).to_le_bytes().to_vec();
        framed.extend(&bytes);
        let _ = receive::<Report>(&mut &framed[..]);
        let _ = receive::<Order>(&mut &framed[..]);
        let _ = receive::<Report>(&mut &bytes[..]);
    }
}
