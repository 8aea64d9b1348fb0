//! CubeCL kernels for the layers of probabilistic circuits.
