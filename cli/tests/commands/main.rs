//! The program as its users run it, on the repository's own network.

mod audit;
mod circuit;
mod model;
mod relayer;
mod verify;
mod world;
