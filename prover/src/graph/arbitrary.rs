//! Random small graphs.
