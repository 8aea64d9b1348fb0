//! The kernel plan of a probabilistic circuit and the .pcb file that carries it.
