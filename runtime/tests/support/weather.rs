include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/compiled.rs"));

/// The circuit of `examples/weather.pc`.
fn weather() -> (tempfile::TempDir, std::path::PathBuf) {
    compiled(
        "circuit weather {
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
    }",
    )
}
