//! The summary for people: aligned plain text, one section after the other.

use super::{Monarch, Origin, Summary, array_name, chain, kind, monarchs, start};
use crate::table::{Align, bytes, flops, grouped, table};
use danaus_artifact::signature::{Domain, VariableArray};
use danaus_compiler::plan::print::print_kernels;
use danaus_compiler::plan::stats::LaunchStats;

/// Rows of a table that are shown; the rest is counted.
const SHOWN: usize = 40;

/// Bytes of a number of single precision.
const FLOAT: u64 = 4;

/// The whole summary.
pub fn text(summary: &Summary<'_>) -> String {
    let mut parts = vec![head(summary), variables(&summary.plan.variables), parameters(summary)];
    parts.push(monarch(&monarchs(&summary.plan.parameters)));
    parts.push(layers(summary));
    parts.push(work(summary));
    parts.push(memory(summary));
    parts.extend(summary.training.as_ref().map(super::training::Training::text));
    parts.push(capitalized(&print_kernels(summary.plan)));
    parts.push(super::cpu::text(summary));
    parts.extend(super::gpu::texts(summary));
    parts.extend(summary.origin.as_ref().map(file));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

fn head(summary: &Summary<'_>) -> String {
    let mut text = format!("circuit {}    fingerprint {}\n", summary.plan.name, short(&summary.plan.fingerprint));
    for line in &summary.doc {
        text += format!("  {}", line.trim_end()).trim_end();
        text.push('\n');
    }
    let exactness = match summary.exact {
        Some(true) => "; the circuit is deterministic, so most likely completions are exact",
        Some(false) => "; the circuit is not known to be deterministic, so most likely completions are bounds",
        None => "",
    };
    text + &format!("\nQueries: {}{exactness}\n", summary.queries.join(", "))
}

fn variables(arrays: &[VariableArray]) -> String {
    let count: usize = arrays.iter().map(VariableArray::len).sum();
    let row = |array: &VariableArray| vec![array_name(array), domain(array.domain)];
    let rows = cut(arrays.iter().map(row).collect());
    format!("Variables: {}\n{}", grouped(count as u64), table("  ", &[Align::Left; 2], &rows))
}

fn domain(domain: Domain) -> String {
    match domain {
        Domain::Categorical(size) => format!("categorical({size})"),
        Domain::Binary => "binary".to_string(),
        Domain::Integer(low, high) => format!("integer({low}..{high})"),
        Domain::Real => "real".to_string(),
    }
}

fn parameters(summary: &Summary<'_>) -> String {
    let stats = &summary.stats;
    let row = |(parameter, found): (&danaus_artifact::signature::Parameter, _)| {
        let found: &danaus_compiler::plan::stats::ParameterStats = found;
        let size = bytes(found.values * FLOAT);
        let shape = format!("{:?}", found.shape);
        vec![
            found.name.clone(),
            kind(parameter).to_string(),
            shape,
            grouped(found.values),
            size,
            start(parameter).into(),
        ]
    };
    let header = ["name", "what", "shape", "numbers", "memory", "start"].map(str::to_string).to_vec();
    let mut rows = vec![header];
    rows.extend(summary.plan.parameters.iter().zip(&stats.parameters).map(row));
    let align = [Align::Left, Align::Left, Align::Left, Align::Right, Align::Right, Align::Left];
    let size = bytes(stats.parameter_values * FLOAT);
    format!("Parameters: {}, {size}\n{}", grouped(stats.parameter_values), table("  ", &align, &cut(rows)))
}

fn monarch(monarchs: &[Monarch]) -> String {
    if monarchs.is_empty() {
        return String::new();
    }
    let mut rows = vec![["sum", "units", "factors", "weights", "dense would be", "ratio"].map(str::to_string).to_vec()];
    rows.extend(monarchs.iter().map(|monarch| {
        let factors: Vec<String> = monarch.factors.iter().map(u64::to_string).collect();
        vec![
            monarch.name.clone(),
            grouped(monarch.width),
            factors.join(" x "),
            grouped(monarch.weights),
            grouped(monarch.dense_weights()),
            format!("1 : {:.0}", monarch.dense_weights() as f64 / monarch.weights as f64),
        ]
    }));
    let align = [Align::Left, Align::Right, Align::Left, Align::Right, Align::Right, Align::Right];
    format!("Monarch sums\n{}", table("  ", &align, &cut(rows)))
}

fn layers(summary: &Summary<'_>) -> String {
    let stats = &summary.stats;
    let total = stats.total.flops.max(1) as f64;
    let mut rows = vec![["layer", "members", "runs", "FLOPs", "share", "what"].map(str::to_string).to_vec()];
    rows.extend(stats.launches.iter().map(|launch: &LaunchStats| {
        vec![
            launch.label.clone(),
            grouped(u64::from(launch.members)),
            grouped(u64::from(launch.runs)),
            grouped(launch.work.flops),
            format!("{:.1} %", 100.0 * launch.work.flops as f64 / total),
            format!("k{} {}", launch.kernel, what(&launch.description)),
        ]
    }));
    let align = [Align::Left, Align::Right, Align::Right, Align::Right, Align::Right, Align::Left];
    let count = format!("{} in the plan, {} per evaluation", stats.launches.len(), grouped(stats.runs));
    format!("Layers, work for one row: {count}\n{}", table("  ", &align, &cut(rows)))
}

/// What a kernel computes, without how its work is cut.
fn what(description: &str) -> &str {
    description.split_once(';').map_or(description, |(what, _)| what)
}

fn work(summary: &Summary<'_>) -> String {
    let stats = &summary.stats;
    let moved: u64 = stats.launches.iter().map(|launch| launch.weight_bytes * u64::from(launch.runs)).sum();
    let mut rows = vec![
        ["", "FLOPs of sums", "exp and log", "activations moved", "weights read per batch"]
            .map(str::to_string)
            .to_vec(),
    ];
    let row = |name: &str, n: u64| {
        let total = stats.total;
        let n = n.max(1);
        vec![
            name.to_string(),
            flops(total.flops as f64 / n as f64),
            grouped(total.exponentials / n),
            bytes(total.bytes / n),
            bytes(moved / n),
        ]
    };
    rows.push(row("per row", 1));
    if let Some(chain) = chain(summary.plan) {
        rows.push(row("per step of a row", u64::from(chain.steps) + 1));
    }
    if let Some(dense) = stats.dense.filter(|dense| dense.flops > stats.total.flops) {
        let mut row = vec!["per row, dense".to_string(), flops(dense.flops as f64)];
        row.extend(["", "", ""].map(str::to_string));
        rows.push(row);
    }
    let align = [Align::Left, Align::Right, Align::Right, Align::Right, Align::Right];
    format!("Work of a forward pass\n{}", table("  ", &align, &rows))
}

fn memory(summary: &Summary<'_>) -> String {
    let stats = &summary.stats;
    let evidence = stats.variables * FLOAT;
    let rows = [
        ("parameters, packed", bytes(stats.packed_bytes)),
        (
            "activations per row",
            format!("{} ({} units)", bytes(stats.arena_bytes_per_sample), grouped(stats.arena_rows)),
        ),
        ("evidence per row", bytes(evidence)),
        ("index tables", bytes(summary.plan.tables.len() as u64 * FLOAT)),
    ];
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, size)| vec![name.to_string(), size]).collect();
    format!("Memory\n{}", table("  ", &[Align::Left; 2], &rows))
}

fn file(origin: &Origin) -> String {
    let manifest = &origin.manifest;
    let mut text = format!("File, made by Danaus {}\n", manifest.danaus_version);
    let mut rows = Vec::new();
    let files: Vec<&str> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    rows.push(vec!["compiled from".to_string(), files.join(", ")]);
    rows.extend(manifest.options.iter().map(|(name, value)| vec![format!("option {name}"), value.clone()]));
    rows.push(vec!["targets".to_string(), manifest.targets.join(", ")]);
    text += &table("  ", &[Align::Left; 2], &rows);
    let mut rows = vec![["section", "size", "BLAKE3"].map(str::to_string).to_vec()];
    rows.extend(
        origin
            .sections
            .iter()
            .map(|section| vec![section.name.clone(), bytes(section.bytes), short(&section.checksum).to_string()]),
    );
    text + "\n" + &table("  ", &[Align::Left, Align::Right, Align::Left], &rows)
}

/// The first rows of a table, and how many more there are.
fn cut(mut rows: Vec<Vec<String>>) -> Vec<Vec<String>> {
    let hidden = rows.len().saturating_sub(SHOWN + 1);
    if hidden > 1 {
        rows.truncate(SHOWN + 1);
        rows.push(vec![format!(".. {hidden} more")]);
    }
    rows
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Enough of a checksum to compare by eye.
fn short(checksum: &str) -> &str {
    checksum.get(..16).unwrap_or(checksum)
}
