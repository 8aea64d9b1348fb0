//! Structures that are learnt from data.

use super::arguments::Arguments;
use super::{Context, Origin};
use crate::ast::Builder;
use crate::circuit::VariableArray;
use crate::diagnostic::Diagnostic;
use crate::model::Observations;
use crate::structure::Structure;
use crate::structure::chow_liu::{Column, MISSING, chow_liu};
use danaus_artifact::signature::REAL_MISSING;

/// The largest domain of which every value counts for itself, if nothing else is asked for.
const SMALL: usize = 64;

/// Into how many bins a larger one is divided, at least and at most.
const BINS: [usize; 2] = [4, 32];

/// Rows that a cell of a joint table of two such variables should have on average: with fewer, chance looks like information.
const ROWS_PER_CELL: usize = 16;

/// The most variables that a tree is learnt over: the time grows with the square.
const VARIABLES: u32 = 1 << 14;

impl Context<'_> {
    /// The tree of Chow and Liu, and the data that it was learnt from.
    pub(super) fn learnt(&mut self, builder: &Builder, arguments: &Arguments<'_>) -> Option<(Structure, Origin)> {
        let count = arguments.count();
        let root = arguments.optional("center");
        if root.is_some_and(|root| root >= i64::from(count)) || count > VARIABLES {
            let (rule, message) = match count > VARIABLES {
                true => ("size.variables", format!("`chow_liu` is given {count} variables, which is too many")),
                false => ("builder.options", format!("the center is one of {count} variables, which count from 0")),
            };
            let label =
                if count > VARIABLES { format!("at most {VARIABLES} are possible") } else { "out of range".into() };
            self.reports.add(Diagnostic::error(rule, message, builder.head, label));
            return None;
        }
        let arrays: Vec<VariableArray> = arguments.arrays.iter().map(|array| (*array).clone()).collect();
        let path = arguments.text("data");
        let most = arguments.optional("rows").map(|rows| usize::try_from(rows).unwrap_or(usize::MAX));
        let observations = match self.loader.observations(path, self.file, &arrays, most) {
            Ok(observations) if observations.rows > 0 => observations,
            Ok(_) => return self.no_data(builder, format!("the data {path:?} has no rows")),
            Err(message) => return self.no_data(builder, message),
        };
        let columns = columns(&arrays, &observations, arguments.optional("bins").map(|bins| bins as usize));
        let structure = chow_liu(&columns, root.map(|root| root as u32));
        let (rows, fingerprint) = (observations.rows, fingerprint(&observations));
        Some((structure, Origin { path: path.to_owned(), rows, fingerprint }))
    }

    fn no_data(&mut self, builder: &Builder, message: String) -> Option<(Structure, Origin)> {
        let fault = Diagnostic::error("builder.data", message, builder.head, "needs data");
        self.reports
            .add(fault.help("a path is relative to the file that names it; its columns are the builder's variables"));
        None
    }
}

/// The values of each variable, put into bins if its domain is large or real.
fn columns(arrays: &[VariableArray], observations: &Observations, bins: Option<usize>) -> Vec<Column> {
    let sizes =
        arrays.iter().flat_map(|array| std::iter::repeat_n(array.domain.size(), array.shape.iter().product::<usize>()));
    let values = observations.values.chunks(observations.rows);
    let usual = usual_bins(observations.rows);
    let column = |(size, values): (usize, &[u32])| match size == REAL_MISSING as usize {
        true => real_column(values, bins.unwrap_or(usual)),
        false => column(size, values, bins.unwrap_or(if size <= SMALL { size } else { usual })),
    };
    sizes.zip(values).map(column).collect()
}

/// The bins of a large domain if nothing is said.
fn usual_bins(rows: usize) -> usize {
    (rows / ROWS_PER_CELL).isqrt().clamp(BINS[0], BINS[1])
}

fn column(size: usize, values: &[u32], bins: usize) -> Column {
    let bins = bins.min(size);
    let bin = |value: &u32| match (*value as usize) < size {
        true => (*value as usize * bins / size) as u8,
        false => MISSING,
    };
    Column { bins, values: values.iter().map(bin).collect() }
}

/// Bins with about equally many of the numbers each; equal numbers are in the same one.
fn real_column(values: &[u32], bins: usize) -> Column {
    let mut sorted: Vec<f32> = values.iter().map(|&bits| f32::from_bits(bits)).filter(|x| !x.is_nan()).collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let bin = |&bits: &u32| match f32::from_bits(bits) {
        x if x.is_nan() => MISSING,
        x => (sorted.partition_point(|other| other.total_cmp(&x).is_lt()) * bins / sorted.len()) as u8,
    };
    Column { bins, values: values.iter().map(bin).collect() }
}

fn fingerprint(observations: &Observations) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(observations.rows as u64).to_le_bytes());
    for values in observations.values.chunks(1 << 16) {
        let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        hasher.update(&bytes);
    }
    hasher.finalize().to_hex().to_string()
}
