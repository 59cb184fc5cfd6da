//! The verifier contract's memory, fixed at generation time.
//!
//! It lies behind what the compiler may reserve for variables, see [`Memory::BASE`].

use assay_proof::{
    profile::{Commitment, Evaluation, PermutationColumn, Profile},
    vk_data::{HEADER_WORDS, PREFIX_BYTES, VkData},
};

use super::gates::Words;

const WORD: usize = 0x20;
const POINT: usize = 0x40;

/// Words of the verifying key's header; see [`assay_proof::vk_data`].
pub(super) mod header {
    pub(crate) const PROFILE: usize = 0;
    pub(crate) const K: usize = 1;
    pub(crate) const N_INVERSE: usize = 2;
    pub(crate) const OMEGA: usize = 3;
    pub(crate) const OMEGA_LAST: usize = 4;
    pub(crate) const PUBLIC_INPUTS: usize = 5;
    pub(crate) const TRANSCRIPT: usize = 6;
    pub(crate) const G2: usize = 7;
    pub(crate) const S_G2: usize = 11;
}

/// Byte addresses. From [`Memory::BASE`] on lie the operands of the precompiles.
#[derive(Debug, Clone)]
pub(super) struct Memory {
    profile: Profile,
    /// User challenges, in order of their index.
    pub challenges: usize,
    pub beta: usize,
    pub gamma: usize,
    pub y: usize,
    pub x: usize,
    /// SHPLONK's y, v and u.
    pub shplonk_y: usize,
    pub shplonk_v: usize,
    pub shplonk_u: usize,
    /// x^n.
    pub x_n: usize,
    pub instance_eval: usize,
    pub quotient_eval: usize,
    pub l_0: usize,
    pub l_last: usize,
    pub l_active: usize,
    /// The folded quotient commitment.
    pub quotient: usize,
    /// Sum over the rotation sets.
    pub total: usize,
    /// omega^i and the denominators x - omega^i, from i = last rotation on.
    pub omegas: usize,
    pub denominators: usize,
    /// Number of powers of omega.
    pub powers: usize,
    /// Further denominators: x^n - 1, then what the multi-opening needs.
    pub more_denominators: usize,
    pub denominators_end: usize,
    /// Distance from a denominator to its prefix product.
    pub prefix_offset: usize,
    /// u - omega^rotation x for each rotation.
    pub differences: usize,
    /// omega^rotation x for each rotation.
    pub opening_points: usize,
    pub tables: usize,
    pub vk: usize,
    pub transcript_repr: usize,
    pub public_inputs: usize,
    pub proof: usize,
    pub evaluations: usize,
    /// SHPLONK's two points.
    pub openings: usize,
    pub proof_end: usize,
    /// Free for intermediate results of the gates.
    pub scratch: usize,
    /// All rotations of x that are opened.
    pub rotations: Vec<i32>,
}

impl Memory {
    /// Start of the contract's memory. The compiler may put variables between 0x80 and here.
    pub(crate) const BASE: usize = 0x1000;
    /// The scalar of a multiplication, behind its point.
    pub(crate) const SCALAR: usize = Self::BASE + POINT;

    /// `more` is the number of denominators of the multi-opening, `table_words` the size of its
    /// tables.
    pub(crate) fn new(
        profile: &Profile,
        rotations: Vec<i32>,
        more: usize,
        table_words: usize,
    ) -> Self {
        let mut next = Self::BASE + 0x180;
        let mut take = |words: usize| {
            let address = next;
            next += words * WORD;
            address
        };
        let challenges = take(profile.schedule.challenges.len());
        let [beta, gamma, y, x] = [(); 4].map(|()| take(1));
        let [shplonk_y, shplonk_v, shplonk_u, x_n] = [(); 4].map(|()| take(1));
        let [instance_eval, quotient_eval] = [(); 2].map(|()| take(1));
        let [l_0, l_last, l_active] = [(); 3].map(|()| take(1));
        let [quotient, total] = [(); 2].map(|()| take(2));
        // Up to rotation 1 at least.
        let powers = profile.blinding_factors + 1 + profile.public_inputs.max(2);
        let omegas = take(powers);
        let denominators = take(powers);
        let more_denominators = take(1 + more);
        let denominators_end = take(0);
        let prefix = take(powers + 1 + more);
        let differences = take(rotations.len());
        let opening_points = take(rotations.len());
        // A table entry is read as a whole word, hence one more.
        let tables = take(table_words + 1);
        let vk_bytes = VkData::byte_length(profile);
        // The format and the statement are a word before the header.
        let vk = take(vk_bytes / WORD) + PREFIX_BYTES;
        // The digest that a hash starts with takes the word before.
        take(1);
        let transcript_repr = take(1);
        let public_inputs = take(profile.public_inputs);
        let proof = take(profile.proof_bytes() / WORD);
        let scratch = take(0);
        let evaluations = proof + (profile.proof_points() - 2) * POINT;
        let openings = evaluations + profile.proof_scalars() * WORD;
        Self {
            profile: profile.clone(),
            challenges,
            beta,
            gamma,
            y,
            x,
            shplonk_y,
            shplonk_v,
            shplonk_u,
            x_n,
            instance_eval,
            quotient_eval,
            l_0,
            l_last,
            l_active,
            quotient,
            total,
            omegas,
            denominators,
            powers,
            more_denominators,
            denominators_end,
            prefix_offset: prefix - denominators,
            differences,
            opening_points,
            tables,
            vk,
            transcript_repr,
            public_inputs,
            proof,
            evaluations,
            openings,
            proof_end: openings + 2 * POINT,
            scratch,
            rotations,
        }
    }

    pub(crate) fn header(&self, word: usize) -> usize {
        self.vk + word * WORD
    }

    /// Where the points of a phase end.
    pub(crate) fn phase_end(&self, phase: u8) -> usize {
        self.proof + self.profile.schedule.columns_through(phase) * POINT
    }

    pub(crate) fn product_point(&self, set: usize) -> usize {
        self.proof + (self.profile.advice_columns() + set) * POINT
    }

    pub(crate) fn random_point(&self) -> usize {
        self.product_point(self.profile.products())
    }

    pub(crate) fn quotient_piece(&self, piece: usize) -> usize {
        self.random_point() + (1 + piece) * POINT
    }

    pub(crate) fn point(&self, commitment: Commitment) -> usize {
        let commitments = self.vk + HEADER_WORDS * WORD;
        match commitment {
            Commitment::Advice(column) => self.proof + column * POINT,
            Commitment::Product(set) => self.product_point(set),
            Commitment::Fixed(column) => commitments + column * POINT,
            Commitment::Permutation(column) => {
                commitments + (self.profile.fixed_columns + column) * POINT
            }
            Commitment::Quotient => self.quotient,
            Commitment::Random => self.random_point(),
        }
    }

    pub(crate) fn evaluation(&self, evaluation: Evaluation) -> usize {
        let fixed = self.evaluations + self.profile.advice_queries.len() * WORD;
        let random = fixed + self.profile.fixed_queries.len() * WORD;
        let permutation = random + WORD;
        let products = permutation + self.profile.permutation.len() * WORD;
        match evaluation {
            Evaluation::Advice(query) => self.evaluations + query * WORD,
            Evaluation::Fixed(query) => fixed + query * WORD,
            Evaluation::Random => random,
            Evaluation::Permutation(column) => permutation + column * WORD,
            Evaluation::Product(set) => products + set * 3 * WORD,
            Evaluation::ProductNext(set) => products + (set * 3 + 1) * WORD,
            Evaluation::ProductLast(set) => products + (set * 3 + 2) * WORD,
            Evaluation::Quotient => self.quotient_eval,
        }
    }

    pub(crate) fn permutation_value(&self, column: &PermutationColumn) -> usize {
        match column {
            PermutationColumn::Advice(query) => self.evaluation(Evaluation::Advice(*query)),
            PermutationColumn::Fixed(query) => self.evaluation(Evaluation::Fixed(*query)),
        }
    }

    /// Index of a rotation among the opened ones.
    pub(crate) fn rotation(&self, rotation: i32) -> usize {
        let position = self.rotations.iter().position(|other| *other == rotation);
        position.unwrap_or_default()
    }

    pub(crate) fn difference(&self, rotation: i32) -> usize {
        self.differences + self.rotation(rotation) * WORD
    }

    pub(crate) fn opening_point(&self, rotation: i32) -> usize {
        self.opening_points + self.rotation(rotation) * WORD
    }
}

impl Words for Memory {
    fn fixed(&self, column: usize, rotation: i32) -> usize {
        let mut queries = self.profile.fixed_queries.iter();
        let query = queries.position(|query| *query == (column, rotation));
        self.evaluation(Evaluation::Fixed(query.unwrap_or_default()))
    }

    fn advice(&self, column: usize, rotation: i32) -> usize {
        let mut queries = self.profile.advice_queries.iter();
        let query = queries.position(|query| *query == (column, rotation));
        self.evaluation(Evaluation::Advice(query.unwrap_or_default()))
    }

    fn instance(&self) -> usize {
        self.instance_eval
    }

    fn challenge(&self, index: usize) -> usize {
        self.challenges + index * WORD
    }
}
