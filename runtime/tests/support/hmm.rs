include!(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/compiled.rs"));

/// A hidden Markov model of nine variables with four states.
fn hmm() -> (tempfile::TempDir, std::path::PathBuf) {
    compiled(
        "circuit hmm {
        var x[9]: categorical(5)
        param @emission: table[4, 5] random
        param @transition: weight[4, 4] random
        param @initial: weight[1, 4] random
        %0 = input (x[8] @emission) : 4
        %1 = scan 8 from %0 : 4 {
          %0 = carry : 4
          %1 = sum dense %0 @transition : 4
          %2 = input (x[7 - i] @emission) : 4
          %3 = hadamard %2, %1 : 4
          root %3
        }
        %2 = sum dense %1 @initial : 1
        root %2
    }",
    )
}
