//! The program as its users run it, on the repository's own network.

mod audit;
mod circuit;
mod model;
mod verify;
mod world;
