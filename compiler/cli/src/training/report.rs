//! What came of a run, in the units of the data.

use crate::failure::Failure;
use crate::messages::counted;
use crate::table::{Align, flops, grouped, table};
use danaus_runtime::data::Rows;
use danaus_runtime::evaluation::Evaluation;
use danaus_runtime::training::record::Record;
use danaus_runtime::training::state::Ending;
use danaus_runtime::training::{Likelihood, Outcome};
use serde_json::{Value, json};

/// The data by name, and how likely they are.
pub type Found = Vec<(String, Evaluation)>;

/// Evaluates parameters on all data.
pub fn evaluate<L: Likelihood>(
    judge: &mut L,
    failure: fn(L::Error) -> Failure,
    values: &[Vec<f32>],
    data: &[(&str, &dyn Rows)],
) -> Result<Found, Failure> {
    let evaluate = |(name, rows): &(&str, &dyn Rows)| {
        let found = judge.evaluate(values, *rows, &mut || false).map_err(failure)?;
        Ok((name.to_string(), found.expect("nothing says that it is enough")))
    };
    data.iter().map(evaluate).collect()
}

/// For people. Densities have no bits per dimension.
pub fn text(outcome: &Outcome, found: &Found, is_density: bool) -> String {
    let header = ["", "rows", "nats per row", "bits per dimension", "perplexity", "impossible rows"];
    let mut rows = vec![header.map(str::to_string).to_vec()];
    for (name, evaluation) in found {
        rows.push(vec![
            name.clone(),
            grouped(evaluation.rows as u64),
            format!("{:.6}", evaluation.mean_log_likelihood),
            format!("{:.6}", evaluation.bits_per_dimension),
            format!("{:.6}", evaluation.perplexity),
            grouped(evaluation.impossible as u64),
        ]);
    }
    if is_density {
        rows.iter_mut().for_each(|row| drop(row.drain(3..5)));
    }
    let mut align = vec![Align::Right; rows[0].len()];
    align[0] = Align::Left;
    format!("{}\n{}", table("", &align, &rows), summary(outcome))
}

/// `20 epochs, 1240 updates, 3.2 PFLOP, time 12.3 s; best in epoch 17`
fn summary(outcome: &Outcome) -> String {
    let state = &outcome.state;
    let spent = state.records.last().map_or(0.0, |record| record.flops);
    let best = match (&state.best, outcome.ending) {
        (Some(best), Some(Ending::Early)) => format!("; ended early, best in epoch {}", best.epoch),
        (Some(best), _) => format!("; best in epoch {}", best.epoch),
        (None, _) => String::new(),
    };
    format!(
        "{}, {}, {}, time {:.1} s{best}\n",
        counted(state.progress.epoch as usize, "epoch"),
        counted(state.progress.updates as usize, "update"),
        flops(spent),
        state.progress.seconds
    )
}

/// For programs.
pub fn json(outcome: &Outcome, found: &Found) -> String {
    let state = &outcome.state;
    let evaluation = |name: &str| -> Value {
        let found = found.iter().find(|(other, _)| other == name);
        found.map_or(Value::Null, |(_, found)| serde_json::to_value(found).expect("numbers are plain data"))
    };
    let ending = match outcome.ending {
        Some(Ending::Done) => "done",
        Some(Ending::Early) => "early",
        None => "stopped",
    };
    let best = state.best.as_ref().map(|best| json!({ "epoch": best.epoch, "update": best.update }));
    let object = json!({
        "ending": ending,
        "epochs": state.progress.epoch,
        "updates": state.progress.updates,
        "seconds": state.progress.seconds,
        "flops": state.records.last().map_or(0.0, |record: &Record| record.flops),
        "best": best,
        "train": evaluation("train"),
        "valid": evaluation("valid"),
        "test": evaluation("test"),
    });
    format!("{object}\n")
}
