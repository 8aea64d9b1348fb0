//! The walk over a plan on a device that only writes down what it is asked.

use danaus_artifact::gpu::{Buffer, Format, GpuCode, GpuKernel, Grid, Precision, Role, Scalar};
use danaus_artifact::plan::{Kernel, Launch, Loop, Plan, Schedule, StageKernel, Step};
use danaus_artifact::signature::{Domain, VariableArray};
use danaus_cuda::{Device, Forward, GpuError};
use std::sync::Arc;

/// A launch: role, cubes, numbers, and which buffers with which lengths.
type Asked = (Role, u32, Vec<u32>, Vec<(usize, u32)>);

/// Writes down launches; memory is bytes, known by a number.
#[derive(Default)]
struct Recorder {
    asked: Vec<Asked>,
    taken: Vec<(u64, &'static str)>,
    uploads: Vec<(usize, Vec<u8>)>,
    replays: usize,
    records: bool,
    /// Bytes it has.
    memory: Option<u64>,
}

impl Device for Recorder {
    type Buffer = usize;
    type Kernel = GpuKernel;
    type Recording = usize;

    fn load(&mut self, kernel: &GpuKernel) -> Result<GpuKernel, GpuError> {
        Ok(kernel.clone())
    }

    fn allocate(&mut self, bytes: u64, what: &'static str) -> Result<usize, GpuError> {
        let used: u64 = self.taken.iter().map(|taken| taken.0).sum();
        let total = self.memory.unwrap_or(u64::MAX);
        if bytes > total - used {
            return Err(GpuError::Memory { what, needed: bytes, free: total - used, total });
        }
        self.taken.push((bytes, what));
        Ok(self.taken.len() - 1)
    }

    fn clear(&mut self, buffer: &mut usize) -> Result<(), GpuError> {
        self.uploads.push((*buffer, vec![0; self.taken[*buffer].0 as usize]));
        Ok(())
    }

    fn memory(&self) -> Result<Option<[u64; 2]>, GpuError> {
        Ok(None)
    }

    fn upload(&mut self, to: &mut usize, bytes: &[u8]) -> Result<(), GpuError> {
        assert!(bytes.len() as u64 <= self.taken[*to].0);
        self.uploads.push((*to, bytes.to_vec()));
        Ok(())
    }

    fn download(&mut self, from: &usize, bytes: &mut [u8]) -> Result<(), GpuError> {
        assert!(bytes.len() as u64 <= self.taken[*from].0);
        bytes.copy_from_slice(&vec![0; bytes.len()]);
        Ok(())
    }

    unsafe fn launch(
        &mut self,
        kernel: &GpuKernel,
        cubes: u32,
        scalars: &[u32],
        buffers: &[(&usize, u32)],
    ) -> Result<(), GpuError> {
        let buffers: Vec<(usize, u32)> = buffers.iter().map(|(buffer, length)| (**buffer, *length)).collect();
        let lengths: Vec<u32> = buffers.iter().map(|(_, length)| *length).collect();
        let block = kernel.block(scalars, &lengths);
        assert_eq!(block.len(), (4 * scalars.len()).next_multiple_of(8) + (4 * lengths.len()).next_multiple_of(8));
        self.asked.push((kernel.role, cubes, scalars.to_vec(), buffers));
        Ok(())
    }

    fn begin_recording(&mut self) -> Result<bool, GpuError> {
        Ok(self.records)
    }

    fn end_recording(&mut self) -> Result<usize, GpuError> {
        Ok(self.asked.len())
    }

    fn replay(&mut self, recording: &usize) -> Result<(), GpuError> {
        assert_eq!(*recording, self.asked.len());
        self.replays += 1;
        Ok(())
    }
}

/// A chain of five positions and three states that is rescaled every two iterations.
fn plan(root_offset: bool) -> Plan {
    let stage = |outputs: u32, epilogue_inputs: u32| {
        Kernel::Stage(StageKernel {
            blocks: 1,
            distinct: 1,
            outputs,
            inputs: 3,
            rows: 1,
            prologue_parts: 1,
            prologue_inputs: 0,
            epilogue_parts: 0,
            epilogue_inputs,
            schedule: Schedule::Narrow,
        })
    };
    let launch = |kernel: u32, table: [u32; 2]| Launch { kernel, table, members: 1, label: format!("%{kernel}") };
    let body = Loop { steps: 4, body: vec![launch(1, [6, 13])], carry: [0, 3], width: 3, rescale: 2 };
    Plan {
        name: "chain".into(),
        fingerprint: String::new(),
        variables: vec![VariableArray { name: "x".into(), shape: vec![5], domain: Domain::Categorical(2) }],
        parameters: vec![],
        packs: vec![],
        packed_chunks: 3,
        rows: 7,
        kernels: vec![Kernel::Product { width: 3, parts: 0, inputs: 1 }, stage(3, 1), stage(1, 0)],
        tables: (0..26).collect(),
        steps: vec![Step::Launch(launch(0, [0, 0])), Step::Loop(body), Step::Launch(launch(2, [20, 23]))],
        root: 6,
        root_offset,
    }
}

/// What happens to a carry where it stands.
const RESCALE: Role = Role::Carry { rescales: true, wanted: true };
const RESTORE: Role = Role::Leave { with_offsets: true };

fn code(plan: &Plan) -> GpuCode {
    use Scalar::{Iteration, Members, Row, Table, Target, Vectors, Width};
    let kernel = |role: Role, buffers: &[Buffer], scalars: &[Scalar], grid: Grid| GpuKernel {
        role,
        entry: format!("{role:?}"),
        units: 32,
        grid,
        shared_bytes: 0,
        buffers: buffers.to_vec(),
        scalars: scalars.to_vec(),
        precision: Precision::F32,
        resources: None,
        image: vec![0],
    };
    let all = [Buffer::Arena, Buffer::Packed, Buffer::Tables, Buffer::Evidence];
    let layer = |index: u32| {
        let grid = Grid { per_item: 1 + index, vectors: 2 };
        kernel(Role::Layer(index), &all, &[Table, Members, Iteration, Vectors], grid)
    };
    let (carry, once) = ([Buffer::Arena, Buffer::Offsets], Grid { per_item: 1, vectors: 1 });
    let result = if plan.root_offset { Role::ResultWithOffsets } else { Role::Result };
    let kernels = vec![
        layer(0),
        layer(1),
        layer(2),
        kernel(result, &[Buffer::Arena, Buffer::Offsets, Buffer::Result], &[Row, Vectors], once),
        kernel(RESCALE, &carry, &[Row, Target, Width, Vectors], once),
        kernel(RESTORE, &carry, &[Row, Target, Width, Vectors], once),
    ];
    GpuCode {
        architecture: "sm_90".into(),
        format: Format::Ptx,
        precision: Precision::F32,
        lanes: 4,
        samples: 16,
        kernels,
    }
}

fn forward(plan: Plan, device: Recorder) -> Result<Forward<Recorder>, GpuError> {
    let code = code(&plan);
    assert_eq!(GpuCode::decode("cuda:sm_90", &code.encode()).expect("it is well formed"), code);
    let packed = vec![0.5; 48];
    Forward::new(device, Arc::new(plan), &code, &packed)
}

// COVERS: targets.walk, targets.arguments
#[test]
fn launches_are_those_of_the_plan() {
    let mut forward = forward(plan(true), Recorder::default()).unwrap();
    forward.forward(&[0; 5 * 17], 17).unwrap();
    let found: Vec<(Role, u32, Vec<u32>)> =
        forward.device().asked.iter().map(|(role, cubes, numbers, _)| (*role, *cubes, numbers.clone())).collect();
    // 17 samples are 32 in whole tiles: 8 vectors, 4 tiles of 2.
    let step =
        |iteration: u32| (Role::Layer(1), 8, vec![if iteration.is_multiple_of(2) { 6 } else { 13 }, 1, iteration, 8]);
    let rescale = |row: u32| (RESCALE, 8, vec![row, row, 3, 8]);
    let expected = vec![
        (Role::Layer(0), 4, vec![0, 1, 0, 8]),
        step(0),
        step(1),
        rescale(0),
        step(2),
        step(3),
        rescale(0),
        (Role::Layer(2), 12, vec![20, 1, 0, 8]),
        (Role::ResultWithOffsets, 8, vec![6, 8]),
    ];
    assert_eq!(found, expected);
    let lengths: Vec<u32> = forward.device().asked[1].3.iter().map(|(_, length)| *length).collect();
    assert_eq!(lengths, [7 * 8, 48, 26, 5 * 32], "vectors of the arena, numbers, words, indices");
}

#[test]
fn without_root_offset_the_carry_gets_the_offsets_back() {
    let mut forward = forward(plan(false), Recorder::default()).unwrap();
    forward.forward(&[0; 5], 1).unwrap();
    let asked = &forward.device().asked;
    assert_eq!(asked[7].0, RESTORE);
    assert_eq!(asked[7].2, [0, 0, 3, 4], "after an even number of iterations the carry stands where it began");
    assert_eq!(asked.last().expect("there are launches").0, Role::Result);
}

// COVERS: targets.recording
#[test]
fn a_batch_is_recorded_once() {
    let mut forward = forward(plan(true), Recorder { records: true, ..Recorder::default() }).unwrap();
    for _ in 0..3 {
        forward.forward(&[0; 5 * 2], 2).unwrap();
    }
    assert_eq!((forward.device().asked.len(), forward.device().replays), (9, 3));
    forward.forward(&[0; 5 * 40], 40).unwrap();
    assert_eq!((forward.device().asked.len(), forward.device().replays), (18, 4), "another size is recorded anew");
}

/// What stands beyond the last row of data is missing, so that it cannot be impossible.
#[test]
fn evidence_is_padded_with_missing_values() {
    let mut forward = forward(plan(true), Recorder::default()).unwrap();
    let evidence: Vec<u32> = (0..15).map(|index| index % 3).collect();
    forward.forward(&evidence, 3).unwrap();
    let device = forward.device();
    let buffer = device.asked[0].3[3].0;
    let (_, bytes) = device.uploads.iter().find(|(to, _)| *to == buffer).expect("evidence is uploaded");
    let numbers: Vec<u32> = bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    assert_eq!(numbers.len(), 5 * 16);
    for (row, found) in numbers.chunks_exact(16).enumerate() {
        assert_eq!(found[..3], evidence[3 * row..][..3]);
        assert!(found[3..].iter().all(|&index| index == 2));
    }
}

// COVERS: targets.memory
#[test]
fn what_does_not_fit_is_said_with_its_size() {
    let mut forward = forward(plan(true), Recorder { memory: Some(2000), ..Recorder::default() }).unwrap();
    let message = forward.forward(&[0; 5 * 64], 64).unwrap_err().to_string();
    let expected =
        "the activations would need 1792 bytes, but 1704 of the device's 2000 bytes are free; use a smaller batch";
    assert_eq!(message, expected);
}

#[test]
fn wrong_evidence_and_parameters_are_refused() {
    let mut walk = forward(plan(true), Recorder::default()).unwrap();
    let message = walk.forward(&[0, 0, 0, 3, 0], 1).unwrap_err().to_string();
    assert!(message.contains("row 3 is of a variable of 2 values, but one of its indices is 3"), "{message}");
    assert!(walk.forward(&[0; 4], 1).unwrap_err().to_string().contains("expected 5 variables by 1 samples"));
    let plan = Arc::new(plan(true));
    let few = Forward::new(Recorder::default(), plan.clone(), &code(&plan), &[0.0; 3]).err().expect("too few");
    assert_eq!(few.to_string(), "the plan needs 48 packed parameters, but 3 were given");
    let mut without = code(&plan);
    without.kernels.remove(1);
    let missing = Forward::new(Recorder::default(), plan, &without, &[0.5; 48]).err().expect("no code");
    assert!(missing.to_string().contains("Layer(1)"), "{missing}");
}
