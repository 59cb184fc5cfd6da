//! Files that money may depend on: written whole or not at all ([`atomic_file`]), in an envelope that says
//! what they are, what they belong to, and whether they are intact ([`envelope`]).

pub mod atomic_file;
pub mod envelope;

pub use atomic_file::{AtomicFile, Readers};
pub use envelope::{FileError, Kind, Reader, Writer, check_belongs, hex_id};
