use super::*;
use crate::data::memory::MemoryRows;
use crate::parameters::init;
use crate::samples;

/// The textbook forward algorithm, backwards in time, in double precision.
fn textbook(plan: &Plan, parameters: &Parameters, row: &[Option<i64>]) -> f64 {
    let values = parameters.values64(plan);
    let (emission, transition, initial) = (&values["emission"], &values["transition"], &values["initial"]);
    let states = initial.len();
    let kinds = emission.len() / states;
    let mut message = vec![1.0; states];
    for (position, value) in row.iter().enumerate().rev() {
        if position + 1 < row.len() {
            let step = |to: &[f64]| to.iter().zip(&message).map(|(w, m)| w * m).sum::<f64>();
            message = transition.chunks(states).map(step).collect();
        }
        for (state, message) in message.iter_mut().enumerate() {
            *message *= value.map_or(1.0, |value| emission[state * kinds + value as usize].exp());
        }
    }
    initial.iter().zip(&message).map(|(w, m)| w * m).sum::<f64>().ln()
}

fn rows(count: usize, length: usize, values: i64) -> Vec<Vec<Option<i64>>> {
    let value = |row: usize, column: usize| {
        let number = (row * 31 + column * 17 + row * column) as i64 % (values + 1);
        (number < values).then_some(number)
    };
    (0..count).map(|row| (0..length).map(|column| value(row, column)).collect()).collect()
}

fn collect(session: &mut Session, rows: &dyn Rows, batch: usize) -> Vec<f64> {
    let mut all = Vec::new();
    session
        .log_likelihoods(rows, batch, &mut |first, values| {
            assert_eq!(first, all.len());
            all.extend_from_slice(values);
            ControlFlow::Continue(())
        })
        .unwrap();
    all
}

#[test]
fn every_batch_size_gives_the_textbook_value() {
    for length in [2, 5, 8] {
        let plan = samples::hmm(length, 3, 4);
        let parameters = init(&plan, 1, None).unwrap().parameters;
        let table = rows(37, length as usize, 4);
        let data = MemoryRows::new(&plan.variables, &table).unwrap();
        let expected: Vec<f64> = table.iter().map(|row| textbook(&plan, &parameters, row)).collect();
        let mut session = Session::open(plan, &parameters).unwrap();
        for batch in [1, 10, 37, 64] {
            let found = collect(&mut session, &data, batch);
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5, "{length} {batch}: {found} {expected}");
            }
            let evaluation = session.evaluate(&data, batch).unwrap();
            let observed = table.iter().flatten().flatten().count();
            let mean = expected.iter().sum::<f64>() / 37.0;
            assert_eq!((evaluation.rows, evaluation.observed, evaluation.impossible), (37, observed as u64, 0));
            assert!((evaluation.mean_log_likelihood - mean).abs() < 1e-5);
            let bits = -mean * 37.0 / observed as f64 / std::f64::consts::LN_2;
            assert!((evaluation.bits_per_dimension - bits).abs() < 1e-5);
        }
    }
}

#[test]
fn a_query_can_be_stopped() {
    let plan = samples::hmm(4, 2, 3);
    let parameters = init(&plan, 1, None).unwrap().parameters;
    let data = MemoryRows::new(&plan.variables, &rows(30, 4, 3)).unwrap();
    let mut session = Session::open(plan, &parameters).unwrap();
    let mut calls = 0;
    let mut stop = |_: usize, _: &[f64]| {
        calls += 1;
        ControlFlow::Break(())
    };
    session.log_likelihoods(&data, 10, &mut stop).unwrap();
    assert_eq!(calls, 1);
}

#[test]
fn data_of_another_circuit_is_refused() {
    let plan = samples::hmm(4, 2, 3);
    let parameters = init(&plan, 1, None).unwrap().parameters;
    let other = MemoryRows::new(&samples::hmm(5, 2, 3).variables, &rows(3, 5, 3)).unwrap();
    let mut session = Session::open(plan, &parameters).unwrap();
    let error = session.evaluate(&other, 2).unwrap_err().to_string();
    assert_eq!(error, "the data has 5 variables, but circuit `hmm` has 4");
}

/// A sequence in memory.
struct Values(Vec<u32>, u32);

impl Sequence for Values {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn missing(&self) -> u32 {
        self.1
    }

    fn fill(&self, range: Range<usize>) -> Result<Vec<u32>, DataError> {
        Ok(self.0[range].to_vec())
    }
}

#[test]
fn a_long_sequence_has_the_textbook_value() {
    let plan = samples::hmm(5, 3, 4);
    let parameters = init(&plan, 1, None).unwrap().parameters;
    let mut session = Session::open(plan.clone(), &parameters).unwrap();
    for length in [1, 2, 5, 64, 400] {
        let row = rows(3, length, 4).remove(2);
        let sequence = Values(row.iter().map(|value| value.map_or(4, |value| value as u32)).collect(), 4);
        let (found, expected) = (session.stream(&sequence).unwrap(), textbook(&plan, &parameters, &row));
        assert!((found.log_likelihood / expected - 1.0).abs() < 1e-5, "{length}: {found:?} {expected}");
        assert_eq!((found.rows, found.observed), (1, row.iter().flatten().count() as u64));
    }
    let long = Values((0..9_000).map(|position| position * position % 5 % 4).collect(), 4);
    let mut told = Vec::new();
    let found = session.stream_with(&long, &mut |read| told.push(read)).unwrap();
    assert!(found.bits_per_dimension > 0.5 && found.bits_per_dimension < 4.0, "{found:?}");
    assert_eq!((told.last(), told.len() > 2), (Some(&9_000), true));
}
