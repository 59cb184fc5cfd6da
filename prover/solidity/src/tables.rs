//! Tables of memory addresses that the contract's loops walk over.

use std::fmt::Write;

use assay_proof::profile::{Profile, RotationSet};

use super::{
    memory::Memory,
    text::{hex_word, indent},
};

/// Addresses that loops walk over, two bytes each.
pub(super) struct Tables {
    bytes: Vec<u8>,
    /// Start and entry size of each rotation set's table, and its end.
    pub sets: Vec<(usize, usize, usize)>,
    /// Start and end of the permutation columns' table.
    pub permutation: (usize, usize),
}

impl Tables {
    /// Size of the tables in words.
    pub(crate) fn words(profile: &Profile, sets: &[RotationSet]) -> usize {
        let openings: usize =
            sets.iter().map(|set| set.openings.len() * (1 + set.rotations.len())).sum();
        (2 * (openings + profile.permutation.len())).div_ceil(32)
    }

    pub(crate) fn new(profile: &Profile, sets: &[RotationSet], memory: &Memory) -> Self {
        let mut bytes = Vec::new();
        let mut push = |address: usize| {
            bytes.extend_from_slice(&(address as u16).to_be_bytes());
            memory.tables + bytes.len()
        };
        let mut start = memory.tables;
        let mut ranges = Vec::new();
        for set in sets {
            let mut end = start;
            // Horner's rule starts with the highest power of y.
            for (commitment, evaluations) in set.openings.iter().rev() {
                push(memory.point(*commitment));
                for evaluation in evaluations {
                    end = push(memory.evaluation(*evaluation));
                }
            }
            ranges.push((start, 2 * (1 + set.rotations.len()), end));
            start = end;
        }
        let mut end = start;
        for column in &profile.permutation {
            end = push(memory.permutation_value(column));
        }
        Self { bytes, sets: ranges, permutation: (start, end) }
    }

    /// Statements that write the tables.
    pub(crate) fn code(&self, memory: &Memory) -> String {
        let mut code = String::new();
        for (index, chunk) in self.bytes.chunks(32).enumerate() {
            let mut word = [0u8; 32];
            for (to, from) in word.iter_mut().zip(chunk) {
                *to = *from;
            }
            let address = memory.tables + 32 * index;
            let _ = writeln!(code, "mstore({address:#x}, {})", hex_word(&word));
        }
        indent(&code, 12)
    }
}
