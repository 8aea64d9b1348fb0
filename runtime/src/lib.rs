//! Loads compiled probabilistic circuits and answers queries with them.
