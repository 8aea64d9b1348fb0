//! Compiles probabilistic-circuit architectures (`.pc`) to kernel plans.
//!
//! ```text
//! .pc text -> tokens -> AST -> model -> region graph -> circuit IR -> [passes] -> circuit IR -> kernel plan
//! ```

// Tests read programs from files; the library does not.
#![cfg_attr(test, allow(clippy::disallowed_methods, clippy::disallowed_macros))]

pub mod ast;
pub mod build;
pub mod circuit;
pub mod constraint;
pub mod diagnostic;
pub mod dump;
pub mod explain;
pub mod format;
pub mod information;
pub mod lex;
pub mod model;
pub mod parse;
pub mod passes;
pub mod picture;
pub mod pipeline;
pub mod plan;
pub mod reference;
pub mod regions;
pub mod structure;
