/// Compiles a circuit in its text form for everything, and gives the file's name, in a folder that is removed at the end.
fn compiled(text: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    use danaus_compiler::pipeline::{CompileOptions, compile_ir};
    use danaus_compiler::plan::flow::Purpose::{Marginal, Mpe, Sample, Training};
    let purposes = vec![Training, Marginal, Sample, Mpe];
    let compiled = compile_ir(text, &CompileOptions { purposes, ..Default::default() }).expect("it compiles");
    let artifact = danaus_artifact::file::Artifact::new(compiled.plan.expect("it has a plan"), Default::default(), vec![])
        .with_flows(compiled.flows.expect("it has flows"))
        .with_queries(compiled.queries);
    let folder = tempfile::tempdir().expect("there is room for files");
    let path = folder.path().join("circuit.pcb");
    danaus_runtime::artifact::save(&path, &artifact).expect("it can be written");
    (folder, path)
}
