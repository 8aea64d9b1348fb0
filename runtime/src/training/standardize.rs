//! Where Gaussian units start that nobody gave numbers: on the scale of the data.
//!
//! A random start has standard normal means and the variance 1. They become `m' = M + S m` and `v' = S^2 v`, where `M` and `S^2` are the
//! mean and the variance of all numbers that the training data have of the variables which the parameter is about.

use crate::data::{DataError, Rows};
use crate::parameters::Parameters;
use danaus_artifact::plan::{Kernel, Launch, Plan, Step};
use danaus_artifact::signature::{Init, ParameterShape};
use std::collections::{BTreeMap, BTreeSet};

/// Rows that are read at a time.
const ROWS: usize = 256;

/// How many numbers there are, their mean, and the sum of the squares of their distances from it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Moments {
    count: f64,
    mean: f64,
    square: f64,
}

impl Moments {
    fn add(&mut self, number: f64) {
        *self = self.with(&Moments { count: 1.0, mean: number, square: 0.0 });
    }

    /// Those of both together (T. Chan, G. Golub, R. LeVeque, 1983).
    fn with(&self, other: &Moments) -> Moments {
        let count = self.count + other.count;
        if count == 0.0 {
            return *self;
        }
        let apart = other.mean - self.mean;
        let mean = self.mean + apart * other.count / count;
        let square = self.square + other.square + apart * apart * self.count * other.count / count;
        Moments { count, mean, square }
    }
}

/// Moves Gaussian units with a random start to where the data are. Rows have the plan's variables.
pub fn standardize(plan: &Plan, parameters: Parameters, rows: &dyn Rows) -> Result<Parameters, DataError> {
    let read: BTreeMap<usize, BTreeSet<usize>> = read(plan);
    if read.is_empty() {
        return Ok(parameters);
    }
    let columns: Vec<Moments> = moments(rows)?;
    let mut values = parameters.into_values();
    for (parameter, variables) in read {
        let ParameterShape::Gaussian { floor, .. } = plan.parameters[parameter].shape else { continue };
        let all = variables.iter().fold(Moments::default(), |all, &variable| all.with(&columns[variable]));
        let variance = if all.count > 0.0 { all.square / all.count } else { 1.0 };
        for unit in values[parameter].chunks_exact_mut(2) {
            unit[0] = (all.mean + variance.sqrt() * f64::from(unit[0])) as f32;
            unit[1] = (variance * f64::from(unit[1])).max(floor.0) as f32;
        }
    }
    Ok(Parameters::new(values))
}

/// The variables that each Gaussian parameter with a random start is about.
fn read(plan: &Plan) -> BTreeMap<usize, BTreeSet<usize>> {
    let mut read: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for step in &plan.steps {
        let (launches, iterations) = match step {
            Step::Launch(launch) => (std::slice::from_ref(launch), 1),
            Step::Loop(body) => (&body.body[..], body.steps),
        };
        for launch in launches.iter().filter(|launch| is_gaussian(plan, launch)) {
            for iteration in 0..iterations {
                for [variable, offset] in inputs(plan, launch, iteration) {
                    let pack = plan.packs.iter().find(|pack| pack.offset == offset);
                    let parameter = pack.expect("a checked plan packs what it reads").parameter as usize;
                    if plan.parameters[parameter].init == Init::Random {
                        read.entry(parameter).or_default().insert(variable as usize);
                    }
                }
            }
        }
    }
    read
}

fn is_gaussian(plan: &Plan, launch: &Launch) -> bool {
    matches!(plan.kernels[launch.kernel as usize], Kernel::Gaussian { .. })
}

/// The variable and the offset of the units of each member, in an iteration.
fn inputs(plan: &Plan, launch: &Launch, iteration: u32) -> impl Iterator<Item = [u32; 2]> {
    let length = plan.kernels[launch.kernel as usize].record_len();
    let records = &plan.tables[launch.table[iteration as usize % 2] as usize..][..length * launch.members as usize];
    records
        .chunks_exact(length)
        .map(move |record| [record[2].wrapping_add(iteration.wrapping_mul(record[3])), record[4]])
}

/// The moments of the real columns; of the others there is nothing.
fn moments(rows: &dyn Rows) -> Result<Vec<Moments>, DataError> {
    let columns = rows.columns();
    let mut all = vec![Moments::default(); columns.len()];
    let mut evidence = vec![0; columns.len() * ROWS.min(rows.len())];
    for first in (0..rows.len()).step_by(ROWS) {
        let range = first..rows.len().min(first + ROWS);
        let count = range.len();
        let part = &mut evidence[..columns.len() * count];
        rows.fill(range, part)?;
        for (column, (moments, values)) in all.iter_mut().zip(part.chunks_exact(count)).enumerate() {
            values
                .iter()
                .filter_map(|&value| columns.real(column, value))
                .for_each(|number| moments.add(number.into()));
        }
    }
    Ok(all)
}
