//! What a step of training costs: work, and the activations that are kept or computed again.

use crate::table::{Align, bytes, flops, grouped, table};
use danaus_artifact::flow_plan::{FlowPlan, FlowStep, Segments};
use danaus_artifact::plan::CHUNK;
use danaus_runtime::training::record::FLOPS_OF_FORWARD;
use serde_json::{Value, json};

/// A step of training with batches of a size, under a memory limit.
pub struct Training {
    /// Rows of a batch.
    pub batch: u64,
    /// FLOPs of the sums for one row: for the values, for the flows of units and for those of weights.
    pub flops_per_row: f64,
    /// Bytes of the activations of a batch if all are kept.
    pub kept: u64,
    /// Bytes of the activations of a batch if as many as possible are computed again.
    pub least: u64,
    /// Iterations of each loop, and of its segments within the limit; none if not even the least fits.
    pub loops: Option<Vec<[u32; 2]>>,
    /// Bytes of the activations within the limit.
    pub taken: Option<u64>,
    /// Bytes of the counts on the device and of their sums in double precision.
    pub counts: u64,
    /// Distinct kernels.
    pub kernels: usize,
    /// Launches of a step.
    pub launches: u64,
}

impl Training {
    /// Counts what a flow plan says.
    pub fn new(plan: &FlowPlan, forward_flops: u64, batch: u64, limit: Option<u64>) -> Training {
        let row = 4 * batch.next_multiple_of(CHUNK as u64);
        let rows = |segments: &Segments| plan.arena_rows(segments) * row;
        let all = plan.segments(u64::MAX).expect("everything fits");
        let least = plan.segments(0).map_or_else(|rows| rows * row, |segments| rows(&segments));
        let chosen = plan.segments(limit.map_or(u64::MAX, |limit| limit / row)).ok();
        let pairs = |segments: &Segments| plan.loops.iter().zip(&segments.0).map(|(l, &s)| [l.steps, s]).collect();
        Training {
            batch,
            flops_per_row: FLOPS_OF_FORWARD * forward_flops as f64,
            kept: rows(&all),
            least,
            loops: chosen.as_ref().map(pairs),
            taken: chosen.as_ref().map(rows),
            counts: u64::from(plan.count_chunks) * CHUNK as u64 * 12,
            kernels: plan.kernels.len(),
            launches: launches(plan, &plan.forward) + launches(plan, &plan.backward),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut rows = vec![
            (
                "work per row",
                format!("{} of sums: values, flows of units, flows of weights", flops(self.flops_per_row)),
            ),
            ("launches of a step", format!("{} of {} kernels", grouped(self.launches), self.kernels)),
            ("flows of the parameters", bytes(self.counts)),
            ("activations, all kept", bytes(self.kept)),
        ];
        if self.least < self.kept {
            rows.push(("activations, at least", format!("{}: segments are computed again", bytes(self.least))));
        }
        match (&self.loops, self.taken) {
            (Some(loops), Some(taken)) if taken < self.kept => {
                let segments: Vec<String> =
                    loops.iter().map(|[steps, segment]| format!("{segment} of {steps} iterations at a time")).collect();
                rows.push(("within the limit", format!("{}: {}", bytes(taken), segments.join(", "))));
            }
            (None, _) => rows.push(("within the limit", "nothing: use smaller batches".to_string())),
            _ => {}
        }
        let rows: Vec<Vec<String>> = rows.into_iter().map(|(name, what)| vec![name.to_string(), what]).collect();
        format!("Training, batches of {} rows\n{}", self.batch, table("  ", &[Align::Left; 2], &rows))
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let segment = |[steps, segment]: &[u32; 2]| json!({ "steps": steps, "segment": segment });
        json!({
            "batch": self.batch,
            "flops_per_row": self.flops_per_row,
            "launches": self.launches,
            "kernels": self.kernels,
            "flow_bytes": self.counts,
            "activation_bytes_kept": self.kept,
            "activation_bytes_least": self.least,
            "activation_bytes": self.taken,
            "loops": self.loops.as_ref().map(|loops| loops.iter().map(segment).collect::<Vec<_>>()),
        })
    }
}

/// Launches of a pass in which nothing is computed again.
fn launches(plan: &FlowPlan, steps: &[FlowStep]) -> u64 {
    let is_forward = std::ptr::eq(steps, &plan.forward[..]);
    let of_step = |step: &FlowStep| match step {
        FlowStep::Launch(_) => 1,
        FlowStep::Loop(index) => {
            let body = &plan.loops[*index as usize];
            let one = if is_forward { body.forward.len() } else { body.backward.len() };
            u64::from(body.steps) * one as u64
        }
    };
    steps.iter().map(of_step).sum()
}
