//! Plans for the tests of this crate and of the runtime, which includes this file.

use danaus_artifact::plan::{Kernel, Launch, Layout, Loop, Pack, Plan, Schedule, StageKernel, Step};
use danaus_artifact::signature::{Domain, Init, Parameter, ParameterShape, VariableArray};

/// A hidden Markov model over `length` variables with `states` states (at most 16) and `values` values (at most 15):
/// `z[t] = emission(x[t]) + transition z[t+1]`, the last position first.
pub fn hmm(length: u32, states: u32, values: u32) -> Plan {
    let stage = |outputs: u32, inputs: u32, before: u32, after: u32, schedule: Schedule| {
        Kernel::Stage(StageKernel {
            blocks: 1,
            distinct: 1,
            outputs,
            inputs,
            rows: 1,
            prologue_parts: 1 - before,
            prologue_inputs: before,
            epilogue_parts: 0,
            epilogue_inputs: after,
            schedule,
        })
    };
    let panels = Schedule::Panels { tile: 1, chunk: 1, vectors: 1 };
    let table_chunks = (states * (values + 1)).div_ceil(16);
    let weight_chunks = (states * states).div_ceil(16);
    let weight = |outputs: u32| ParameterShape::Weight {
        blocks: 1,
        outputs: outputs as usize,
        inputs: states as usize,
        dense: true,
    };
    let parameter = |name: &str, shape: ParameterShape| Parameter { name: name.into(), shape, init: Init::Random };
    let launch = |kernel: u32, table: [u32; 2], label: &str| Launch { kernel, table, members: 1, label: label.into() };
    let record = |out: u32, part: u32| vec![out, table_chunks, part, length - 2, u32::MAX, 0, values + 1];
    let mut tables = vec![0, 0, length - 1, 0, 0, values + 1];
    tables.extend(record(states, 0));
    tables.extend(record(0, states));
    let last = tables.len() as u32;
    for carry in [0, states] {
        tables.extend([2 * states, table_chunks + weight_chunks, carry]);
    }
    Plan {
        name: "hmm".into(),
        fingerprint: format!("{length:x}"),
        variables: vec![VariableArray {
            name: "x".into(),
            shape: vec![length as usize],
            domain: Domain::Categorical(values as usize),
        }],
        parameters: vec![
            parameter("emission", ParameterShape::Table { width: states as usize, values: values as usize }),
            parameter("transition", weight(states)),
            parameter("initial", weight(1)),
        ],
        packs: vec![
            Pack { offset: 0, parameter: 0, layout: Layout::Table },
            Pack { offset: table_chunks, parameter: 1, layout: Layout::Panels { tile: 1 } },
            Pack { offset: table_chunks + weight_chunks, parameter: 2, layout: Layout::Panels { tile: 1 } },
        ],
        packed_chunks: table_chunks + weight_chunks + states.div_ceil(16),
        rows: 2 * states + 1,
        kernels: vec![
            Kernel::Product { width: states, parts: 0, inputs: 1 },
            stage(states, states, 0, 1, panels),
            stage(1, states, 0, 0, Schedule::Narrow),
        ],
        tables,
        steps: vec![
            Step::Launch(launch(0, [0, 0], "%0")),
            Step::Loop(Loop {
                steps: length - 1,
                body: vec![launch(1, [6, 13], "%1")],
                carry: [0, states],
                width: states,
                rescale: 8,
            }),
            Step::Launch(launch(2, [last, last + 3], "%2")),
        ],
        root: 2 * states,
        root_offset: true,
    }
}
