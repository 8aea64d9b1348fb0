/// Compiles the circuit of `examples/weather.pc` and gives the file's name, in a folder that is removed at the end.
fn weather() -> (tempfile::TempDir, std::path::PathBuf) {
    use danaus_compiler::pipeline::{CompileOptions, compile_ir};
    use danaus_compiler::plan::flow::Purpose::{Marginal, Mpe, Sample, Training};
    let text = "circuit weather {
        var rain: binary
        var rainbow: binary
        var wet: binary
        param @no: table[1, 2] indicator 0
        param @yes: table[1, 2] indicator 1
        param @dry_rainbow: table[1, 2] given [1, 0]
        param @dry_wet: table[1, 2] given [0.9, 0.1]
        param @rainy_rainbow: table[1, 2] given [0.8, 0.2]
        param @rainy_wet: table[1, 2] given [0.05, 0.95]
        param @root: weight[1, 2] given [0.4, 0.6]
        %0 = hadamard (rain @no), (rainbow @dry_rainbow), (wet @dry_wet) : 1
        %1 = hadamard (rain @yes), (rainbow @rainy_rainbow), (wet @rainy_wet) : 1
        %2 = concat %0, %1 : 2
        %3 = sum dense %2 @root : 1
        root %3
    }";
    let purposes = vec![Training, Marginal, Sample, Mpe];
    let compiled = compile_ir(text, &CompileOptions { purposes, ..Default::default() }).expect("it compiles");
    let artifact = danaus_artifact::file::Artifact::new(compiled.plan.expect("it has a plan"), Default::default(), vec![])
        .with_flows(compiled.flows.expect("it has flows"))
        .with_queries(compiled.queries);
    let folder = tempfile::tempdir().expect("there is room for files");
    let path = folder.path().join("weather.pcb");
    danaus_runtime::artifact::save(&path, &artifact).expect("it can be written");
    (folder, path)
}
