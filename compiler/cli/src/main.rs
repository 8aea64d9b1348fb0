//! The command `danaus`.
fn main() {}
