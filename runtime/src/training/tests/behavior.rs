//! What a run does, seen from outside.

use super::double::{Case, FLOPS, Failed, Listener, Mixture, plan, rows, start, timeless};
use crate::data::memory::MemoryRows;
use crate::training::error::TrainError;
use crate::training::record::{Event, Record};
use crate::training::run::check_trainable;
use crate::training::state::Ending;
use danaus_artifact::signature::Init;

const ALL: [&str; 4] = ["em", "em-average", "anemone", "adam"];

fn epochs(case: &Case) -> Vec<Record> {
    let records = case.finish().state.records;
    records.into_iter().filter(|record| record.event == Event::Epoch).collect()
}

fn log_likelihoods(records: &[Record]) -> Vec<f64> {
    records.iter().map(|record| record.train.unwrap().log_likelihood).collect()
}

#[test]
fn full_batch_em_never_lowers_the_likelihood() {
    // COVERS: training.optimizer.em
    for seed in 0..20 {
        let mut case = Case::new("epochs = 30", 40);
        case.start = start(&plan(4, 3), seed);
        case.train = rows(4, 40, seed + 100);
        let found = log_likelihoods(&epochs(&case));
        assert!(found.windows(2).all(|pair| pair[1] >= pair[0] - 1e-6), "seed {seed}: {found:?}");
        assert!(found[29] > found[0] + 0.1, "seed {seed}: {found:?}");
    }
}

#[test]
fn every_optimizer_learns_from_batches() {
    for optimizer in ALL {
        let settings = format!("optimizer = '{optimizer}'\nbatch = 8\nepochs = 12\nschedule = '0.4->0.0'");
        let mut case = Case::new(&settings, 200);
        case.valid = Some(rows(4, 200, 9));
        let records = case.finish().state.records;
        let first = records[0].train.unwrap().bits_per_dimension;
        let last = records.last().unwrap().valid.unwrap().bits_per_dimension;
        assert!(first > 1.5 && last < 0.95, "{optimizer}: from {first} to {last}");
    }
}

#[test]
fn rows_stay_normalized_and_indicators_stay() {
    // COVERS: training.optimizer
    for optimizer in ALL {
        let case = Case::new(&format!("optimizer = '{optimizer}'\nbatch = 8\nepochs = 3\npseudocount = 0.01"), 50);
        let values = case.finish().state.values;
        assert_eq!(values[5], case.start[5]);
        for (name, values) in ["mix", "t0", "t1", "t2", "t3"].iter().zip(&values) {
            let columns = if *name == "mix" { 3 } else { super::double::VALUES };
            for row in values.chunks_exact(columns) {
                let linear = |value: &f32| if *name == "mix" { f64::from(*value) } else { f64::from(*value).exp() };
                let sum: f64 = row.iter().map(linear).sum();
                assert!((sum - 1.0).abs() < 1e-6, "{optimizer}, {name}: {row:?}");
            }
        }
    }
}

#[test]
fn accumulated_batches_are_one_update() {
    // COVERS: training.loop
    let mut large = Case::new("batch = 24\nepochs = 2", 100);
    let mut small = Case::new("batch = 8\naccumulate = 3\nepochs = 2", 100);
    let (large_state, small_state) = (timeless(&large.finish()), timeless(&small.finish()));
    assert_eq!(large_state, small_state);
    // The last batch of an epoch is an update too: 100 rows are 5 updates of at most 24.
    assert_eq!(large_state.progress.updates, 10);
    (large.chunk, small.chunk) = (3, 24);
    let (by_three, at_once) = (large.finish().state, small.finish().state);
    for (a, b) in by_three.values.iter().flatten().zip(at_once.values.iter().flatten()) {
        assert!(a == b || (a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn every_row_is_seen_once_in_an_epoch() {
    let case = Case::new("batch = 7\nepochs = 3", 50);
    let records = case.finish().state.records;
    let updates: Vec<(u64, u64)> =
        records.iter().filter(|r| r.event == Event::Update).map(|r| (r.update, r.rows)).collect();
    assert_eq!(updates[..9], [(1, 7), (2, 14), (3, 21), (4, 28), (5, 35), (6, 42), (7, 49), (8, 50), (9, 57)]);
    let last = records.last().unwrap();
    assert_eq!((last.event, last.epoch, last.rows, last.flops), (Event::Epoch, 3, 150, 3.0 * FLOPS * 150.0));
}

#[test]
fn step_sizes_are_those_of_the_schedule() {
    let case = Case::new("batch = 10\nepochs = 2\nschedule = '1.0->0.0'", 30);
    let records = case.finish().state.records;
    let steps: Vec<f64> = records.iter().filter(|r| r.event == Event::Update).map(|r| r.step).collect();
    let expected = [1.0, 0.8, 0.6, 0.4, 0.2, 0.0];
    assert!(steps.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{steps:?}");
}

#[test]
fn a_seed_decides_about_the_order() {
    let case = |seed| Case::new(&format!("batch = 8\nepochs = 2\nseed = {seed}"), 60).finish();
    assert_eq!(timeless(&case(1)), timeless(&case(1)));
    assert_ne!(case(1).state.values, case(2).state.values);
}

#[test]
fn a_run_that_no_longer_improves_ends_and_the_best_is_kept() {
    // COVERS: training.stopping, training.best
    let mut case = Case::new("batch = 4\nepochs = 200\npatience = 3\nschedule = 1.0", 12);
    case.valid = Some(rows(4, 100, 77));
    let outcome = case.finish();
    assert_eq!(outcome.ending, Some(Ending::Early));
    let valid: Vec<f64> = outcome
        .state
        .records
        .iter()
        .filter_map(|record| Some(record.valid?).filter(|m| m.impossible == 0)?.bits_per_dimension.into())
        .collect();
    let best = outcome.state.best.as_ref().unwrap();
    if best.measure.impossible == 0 {
        assert_eq!(valid.iter().copied().fold(f64::INFINITY, f64::min), best.measure.bits_per_dimension);
    }
    assert!(outcome.state.progress.epoch < 200 && outcome.state.progress.epoch >= best.epoch + 2);
    assert_eq!(outcome.state.chosen(), best.values);
}

#[test]
fn evaluation_can_follow_updates() {
    let case = Case::new("batch = 10\nepochs = 2\nevaluate = '2u'", 50);
    let records = case.finish().state.records;
    let evaluated: Vec<(Event, u64)> =
        records.iter().filter(|r| r.valid.is_some()).map(|r| (r.event, r.update)).collect();
    assert_eq!(
        evaluated,
        [(Event::Update, 2), (Event::Update, 4), (Event::Update, 6), (Event::Update, 8), (Event::Epoch, 10)]
    );
}

#[test]
fn impossible_rows_are_named_and_take_no_part() {
    // COVERS: training.impossible
    let possible: Vec<Vec<Option<i64>>> = (0..6).map(|r| vec![Some(r % 2); 4]).collect();
    let mut with = possible.clone();
    with.insert(2, vec![Some(2); 4]);
    with.push(vec![Some(2); 4]);
    let run = |rows: &[Vec<Option<i64>>]| {
        let mut case = Case::new("epochs = 2", 1);
        case.train = MemoryRows::new(&plan(4, 3).variables, rows).unwrap();
        case.chunk = 100;
        // No unit can have the value 2.
        for table in &mut case.start[1..5] {
            table.copy_from_slice(&[0.5f32.ln(), 0.5f32.ln(), f32::NEG_INFINITY].repeat(3));
        }
        let mut listener = Listener::default();
        let outcome = case.run(&mut listener).unwrap();
        (outcome.state, listener.notices)
    };
    let ((without, silent), (with, notices)) = (run(&possible), run(&with));
    assert_eq!((&with.values, silent), (&without.values, vec![]));
    assert_eq!(
        notices[0],
        "epoch 1: 2 rows of the training data have probability 0 and have no part in the update or the mean \
         (rows 2, 7, counted from 0)"
    );
    assert_eq!(notices.len(), 2);
    let (a, b) = (with.records[0].train.unwrap(), without.records[0].train.unwrap());
    assert_eq!((a.log_likelihood, a.impossible, b.impossible), (b.log_likelihood, 2, 0));
    assert!(with.values.iter().flatten().all(|value| !value.is_nan()));
}

#[test]
fn nothing_but_impossible_rows_is_an_error() {
    let mut case = Case::new("epochs = 2", 4);
    case.start[0] = vec![0.0; 3];
    let error: Failed = case.run(&mut Listener::default()).unwrap_err();
    assert!(matches!(error, TrainError::Impossible { epoch: 1 }), "{error}");
    case.train = MemoryRows::new(&plan(4, 3).variables, &[]).unwrap();
    assert!(matches!(case.run(&mut Listener::default()), Err(TrainError::NoRows)));
}

#[test]
fn exact_products_are_refused() {
    // COVERS: training.trainable
    let mut product = plan(2, 2);
    assert_eq!(check_trainable(&product), Ok(()));
    product.parameters[1].init = Init::TableProduct { sources: vec![], normalize: false };
    let message = check_trainable(&product).unwrap_err();
    assert!(message.starts_with("circuit `mixture` is an exact product of circuits") && message.contains("`untied`"));
    product.parameters.retain(|parameter| matches!(parameter.init, Init::Indicator { .. }));
    assert_eq!(check_trainable(&product).unwrap_err(), "circuit `mixture` has no parameters to train");
}

#[test]
fn the_double_gives_flows() {
    // Flows are derivatives with respect to logarithms: compared with differences, all values observed or missing.
    use crate::training::flows::FlowSource;
    let mut mixture = Mixture::new(2, 2);
    let values = start(&plan(2, 2), 3);
    for evidence in [[0, 1], [2, 3], [3, 3]] {
        mixture.set_parameters(&values).unwrap();
        mixture.gather(&evidence, 1).unwrap();
        let flows = mixture.take().unwrap().all(&values);
        for entry in 0..6 {
            let mut at = |delta: f32| {
                let mut moved = values.clone();
                moved[1][entry] += delta;
                mixture.set_parameters(&moved).unwrap();
                let found = mixture.gather(&evidence, 1).unwrap()[0];
                mixture.take().unwrap();
                found
            };
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((slope - flows[1][entry]).abs() < 1e-3, "{evidence:?} {entry}: {slope} {}", flows[1][entry]);
        }
    }
}
