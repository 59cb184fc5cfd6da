//! The template of the contract: its placeholders `<NAME>`, and the addresses and lengths that belong
//! there, by part of the contract.

use assay_proof::{
    profile::Profile,
    vk_data::{FORMAT, PREFIX_BYTES, VkData},
};

use super::memory::{Memory, header};

/// Length of the calldata's part before the proof: selector, address, two offsets, a length.
const HEAD_BYTES: usize = 4 + 0x60 + 0x20;

/// The contract's text, its placeholders filled in one after the other.
pub(super) struct Template(String);

impl Template {
    pub(super) fn new() -> Self {
        Self(include_str!("verifier.sol.txt").to_owned())
    }

    pub(super) fn put(&mut self, name: &str, value: &str) {
        self.0 = self.0.replace(&format!("<{name}>"), value);
    }

    /// The contract: every placeholder has its value.
    pub(super) fn finish(self) -> String {
        debug_assert!(placeholders(&self.0).is_empty(), "{:?} are left", placeholders(&self.0));
        self.0
    }

    fn put_words<const N: usize>(&mut self, words: [(&str, usize); N]) {
        for (name, word) in words {
            self.put(name, &format!("{word:#x}"));
        }
    }

    /// The proof and the public inputs, in the calldata and in memory.
    pub(super) fn put_arguments(&mut self, profile: &Profile, memory: &Memory) {
        let proof_bytes = profile.proof_bytes();
        self.put("PROOF_LENGTH", &proof_bytes.to_string());
        self.put("INPUT_COUNT", &profile.public_inputs.to_string());
        self.put("WEIGHT_COLUMNS", &profile.weight_columns.to_string());
        self.put_words([
            ("PROOF_BYTES", proof_bytes),
            ("CALLDATA_BYTES", HEAD_BYTES + proof_bytes + 0x20 + 32 * profile.public_inputs),
            ("INPUTS_OFFSET", HEAD_BYTES + proof_bytes + 0x20),
            ("WEIGHT_BYTES", profile.weight_columns * 64),
            ("INPUTS", memory.public_inputs),
            ("PROOF", memory.proof),
            ("EVALUATIONS", memory.evaluations),
            ("OPENINGS", memory.openings),
            ("OPENING_2", memory.openings + 0x40),
            ("PROOF_END", memory.proof_end),
        ]);
    }

    /// The verifying key.
    pub(super) fn put_key(&mut self, profile: &Profile, memory: &Memory) {
        self.put_words([
            ("VK_BYTES", VkData::byte_length(profile)),
            ("VK_PREFIX", memory.vk - PREFIX_BYTES),
            ("VK_FORMAT", usize::from(FORMAT)),
            ("VK_PROFILE", memory.header(header::PROFILE)),
            ("VK_K", memory.header(header::K)),
            ("VK_N_INVERSE", memory.header(header::N_INVERSE)),
            ("VK_OMEGA", memory.header(header::OMEGA)),
            ("VK_OMEGA_LAST", memory.header(header::OMEGA_LAST)),
            ("VK_INPUTS", memory.header(header::PUBLIC_INPUTS)),
            ("VK_TRANSCRIPT", memory.header(header::TRANSCRIPT)),
            ("VK_G2", memory.header(header::G2)),
            ("VK_S_G2", memory.header(header::S_G2)),
            ("REPR", memory.transcript_repr),
        ]);
    }

    /// The words that the precompiled contracts work on: sums of multiples of points, the
    /// exponentiation that inverts, the pairing.
    pub(super) fn put_precompiles(&mut self, memory: &Memory) {
        self.put_words([
            ("BASE", Memory::BASE),
            ("A", Memory::BASE),
            ("A_Y", Memory::BASE + 0x20),
            ("SCALAR", Memory::SCALAR),
            ("SUM_1", Memory::BASE + 0x80),
            ("SUM_2", Memory::BASE + 0xc0),
            ("TOTAL", memory.total),
            ("EXP_BASE", Memory::BASE + 0x60),
            ("EXP_MODULUS", Memory::BASE + 0xa0),
            ("PAIR_1_G2", Memory::BASE + 0x40),
            ("PAIR_2", Memory::BASE + 0xc0),
            ("PAIR_2_Y", Memory::BASE + 0xe0),
            ("PAIR_2_G2", Memory::BASE + 0x100),
        ]);
    }

    /// The challenges that the text names, and the values at x that follow from them.
    pub(super) fn put_values(&mut self, profile: &Profile, memory: &Memory) {
        let blinding = profile.blinding_factors + 1;
        self.put_words([
            ("Y", memory.y),
            ("X", memory.x),
            ("U", memory.shplonk_u),
            ("X_N", memory.x_n),
            ("OMEGAS", memory.omegas),
            ("OMEGAS_END", memory.omegas + 32 * memory.powers),
            ("OMEGAS_ZERO", memory.omegas + 32 * blinding),
            ("TO_DENOMINATOR", memory.denominators - memory.omegas),
            ("DENOMINATORS", memory.denominators),
            ("VANISHING", memory.more_denominators),
            ("DENOMINATORS_END", memory.denominators_end),
            ("TO_PREFIX", memory.prefix_offset),
            ("OPAQUE", Memory::BASE + 0x160),
            ("INSTANCE", memory.instance_eval),
            ("QUOTIENT_EVAL", memory.quotient_eval),
            ("L_0", memory.l_0),
            ("L_LAST", memory.l_last),
            ("L_ACTIVE", memory.l_active),
        ]);
    }
}

/// The placeholders that are left in a text.
pub(crate) fn placeholders(text: &str) -> Vec<&str> {
    let is_name = |name: &&str| {
        let of_name = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
        !name.is_empty() && name.bytes().all(of_name)
    };
    text.split('<')
        .skip(1)
        .filter_map(|rest| Some(rest.split_once('>')?.0))
        .filter(is_name)
        .collect()
}
