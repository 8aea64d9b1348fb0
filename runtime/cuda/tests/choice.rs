//! Which code of an artifact a device uses, and what is said where it cannot use the best.

use danaus_artifact::gpu::{Format, GpuCode, Precision};
use danaus_cuda::{Choice, choose};

fn code(architecture: &str, format: Format) -> GpuCode {
    GpuCode {
        architecture: architecture.into(),
        format,
        precision: Precision::F32,
        lanes: 4,
        samples: 64,
        kernels: vec![],
    }
}

fn codes(targets: &[(&str, &GpuCode)]) -> Vec<(String, GpuCode)> {
    targets.iter().map(|(name, code)| (name.to_string(), (*code).clone())).collect()
}

// COVERS: targets.choice
#[test]
fn machine_code_of_the_same_generation_comes_first() {
    let [sm_80, sm_86] = ["sm_80", "sm_86"].map(|name| code(name, Format::Cubin));
    let text = code("sm_80", Format::Ptx);
    let all = codes(&[("cuda:ptx", &text), ("cuda:sm_80", &sm_80), ("cuda:sm_86", &sm_86)]);
    assert_eq!(choose(&all, [8, 0]), Choice::Machine(&sm_80));
    assert_eq!(choose(&all, [8, 9]), Choice::Machine(&sm_86));
    let Choice::Text(found, why) = choose(&all, [9, 0]) else { panic!("text") };
    assert_eq!(found, &text);
    assert!(why.contains("compute capability 9.0 (it has cuda:ptx, cuda:sm_80, cuda:sm_86)"), "{why}");
    assert!(why.ends_with("the driver compiles its PTX"), "{why}");
    let Choice::Processor(why) = choose(&all, [7, 5]) else { panic!("too old") };
    assert!(why.contains("runs on the processor"), "{why}");
    let Choice::Processor(why) = choose(&[], [9, 0]) else { panic!("nothing there") };
    assert!(why.contains("it has none for any GPU"), "{why}");
    assert!(why.ends_with("compile the circuit with `--target cpu,cuda:sm_90`"), "{why}");
}

// COVERS: targets.section
#[test]
fn damaged_code_is_refused() {
    let mut bytes = code("sm_90", Format::Cubin).encode();
    bytes.push(0);
    let message = GpuCode::decode("cuda:sm_90", &bytes).unwrap_err().to_string();
    assert!(message.contains("target:cuda:sm_90") && message.contains("1 bytes are left over"), "{message}");
    let odd = GpuCode { samples: 63, ..code("sm_90", Format::Cubin) };
    let message = GpuCode::decode("cuda:sm_90", &odd.encode()).unwrap_err().to_string();
    assert!(message.contains("rows of 63 samples cannot have vectors of 4"), "{message}");
}
