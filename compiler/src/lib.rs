//! Compiles probabilistic-circuit architectures to kernel plans.
