//! The program as its users run it, on the repository's own network.

mod answers;
mod attacks;
mod audit;
mod circuit;
mod files;
mod market;
mod model;
mod relayer;
mod setup;
mod terms;
mod verify;
mod world;
