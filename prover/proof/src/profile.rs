//! The column profile: everything about a constraint system that a verifier's program depends on.
//!
//! Models with the same profile share one verifier contract; their verifying keys differ.

use std::collections::BTreeSet;

use halo2_proofs::{
    halo2curves::bn256::Fr,
    plonk::{Any, Column, ConstraintSystem, Expression},
};

use assay_arithmetic::keccak256;

use super::phases::Schedule;
use super::profile_error::ProfileError;
use super::transcript::{POINT_BYTES, SCALAR_BYTES};

/// What inputs, key and proof may take of the 64 KiB that a verifier contract addresses.
const MAX_VERIFIER_BYTES: usize = 48 << 10;

/// A column of the permutation argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermutationColumn {
    /// Index into the advice queries (rotation zero).
    Advice(usize),
    /// Index into the fixed queries (rotation zero).
    Fixed(usize),
}

/// One polynomial commitment that a proof opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commitment {
    /// Advice column.
    Advice(usize),
    /// Product polynomial of the permutation argument.
    Product(usize),
    /// Fixed column.
    Fixed(usize),
    /// Permutation polynomial of a column.
    Permutation(usize),
    /// The quotient, folded from its pieces.
    Quotient,
    /// The random polynomial of the vanishing argument.
    Random,
}

/// One evaluation that a proof holds or implies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evaluation {
    /// Number of an advice query.
    Advice(usize),
    /// Number of a fixed query.
    Fixed(usize),
    /// Permutation polynomial of a column at x.
    Permutation(usize),
    /// Product polynomial at x.
    Product(usize),
    /// Product polynomial at omega x.
    ProductNext(usize),
    /// Product polynomial at omega^last x.
    ProductLast(usize),
    /// The quotient at x: computed from the gates, not in the proof.
    Quotient,
    /// The random polynomial at x.
    Random,
}

/// Commitments that are opened at the same rotations of x, in the order of the multi-opening.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotationSet {
    /// The rotations; an opening point is omega^rotation * x.
    pub rotations: Vec<i32>,
    /// Each commitment with its evaluations at `rotations`.
    pub openings: Vec<(Commitment, Vec<Evaluation>)>,
}

/// See the module's description.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Leading advice columns whose commitments identify the model.
    pub weight_columns: usize,
    /// Public inputs of a proof.
    pub public_inputs: usize,
    /// Phases of the advice columns and challenges.
    pub schedule: Schedule,
    /// Number of fixed columns.
    pub fixed_columns: usize,
    /// (column, rotation) of each advice evaluation.
    pub advice_queries: Vec<(usize, i32)>,
    /// (column, rotation) of each fixed evaluation.
    pub fixed_queries: Vec<(usize, i32)>,
    /// Columns of the permutation argument.
    pub permutation: Vec<PermutationColumn>,
    /// Columns per product polynomial.
    pub permutation_chunk: usize,
    /// Pieces of the quotient polynomial.
    pub quotient_pieces: usize,
    /// Random rows at the end of each advice column, less one.
    pub blinding_factors: usize,
    /// Constraints, in the order in which powers of y weigh them.
    pub constraints: Vec<Expression<Fr>>,
    digest: [u8; 32],
}

impl Profile {
    /// Reads the profile off a flattened constraint system (see [`super::phases`]) whose first
    /// `weight_columns` advice columns hold the weights and whose instance column holds
    /// `public_inputs` values.
    ///
    /// # Errors
    /// [`ProfileError`] for what no verifier supports: other instance columns, rotations or numbers
    /// of weight columns and public inputs, and proofs too large for a contract's memory.
    pub fn new(
        cs: &ConstraintSystem<Fr>,
        schedule: Schedule,
        weight_columns: usize,
        public_inputs: usize,
    ) -> Result<Self, ProfileError> {
        let columns = cs.permutation().get_columns();
        let in_permutation =
            columns.iter().any(|column| matches!(column.column_type(), Any::Instance));
        if cs.num_instance_columns() != 1 || in_permutation {
            return Err(ProfileError::Instance(cs.num_instance_columns()));
        }
        if let Some((_, rotation)) = cs.instance_queries().iter().find(|(_, at)| at.0 != 0) {
            return Err(ProfileError::InstanceRotation(rotation.0));
        }
        let first_phase = schedule.columns_through(0);
        if weight_columns == 0 || weight_columns > first_phase {
            return Err(ProfileError::WeightColumns { weight_columns, first_phase });
        }
        if !(1..=256).contains(&public_inputs) {
            return Err(ProfileError::PublicInputs(public_inputs));
        }

        let advice_queries: Vec<_> =
            cs.advice_queries().iter().map(|(column, at)| (column.index(), at.0)).collect();
        let fixed_queries: Vec<_> =
            cs.fixed_queries().iter().map(|(column, at)| (column.index(), at.0)).collect();
        let lowest = -(cs.blinding_factors() as i32 + 1);
        for (_, rotation) in advice_queries.iter().chain(&fixed_queries) {
            let rotation = *rotation;
            let power = u32::try_from(rotation).is_ok_and(u32::is_power_of_two);
            if !power && !(lowest..=1).contains(&rotation) {
                return Err(ProfileError::Rotation { rotation, lowest });
            }
        }
        let query_of = |column: &Column<Any>| {
            let key = (column.index(), 0);
            let position = |queries: &[(usize, i32)]| {
                // `enable_equality` registers the query at rotation zero.
                queries.iter().position(|query| *query == key).unwrap_or(0)
            };
            match column.column_type() {
                Any::Fixed => PermutationColumn::Fixed(position(&fixed_queries)),
                _ => PermutationColumn::Advice(position(&advice_queries)),
            }
        };
        let permutation = columns.iter().map(query_of).collect();
        let degree = cs.degree();
        let constraints =
            cs.gates().iter().flat_map(|gate| gate.polynomials().iter().cloned()).collect();
        let description = format!("{:?} degree {degree} {schedule:?}", cs.pinned());
        let digest = keccak256(&[
            b"assay-column-profile-v1",
            &(weight_columns as u64).to_be_bytes(),
            &(public_inputs as u64).to_be_bytes(),
            description.as_bytes(),
        ]);
        let profile = Self {
            weight_columns,
            public_inputs,
            schedule,
            fixed_columns: cs.num_fixed_columns(),
            advice_queries,
            fixed_queries,
            permutation,
            permutation_chunk: degree - 2,
            quotient_pieces: degree - 1,
            blinding_factors: cs.blinding_factors(),
            constraints,
            digest,
        };
        // Four words an input, two a commitment of the key, the proof, and room for the rest.
        let (proof_bytes, fixed) = (profile.proof_bytes(), profile.fixed_columns);
        let commitments = fixed + profile.permutation.len();
        if proof_bytes + 128 * public_inputs + 64 * commitments > MAX_VERIFIER_BYTES {
            return Err(ProfileError::TooLarge { proof_bytes, fixed });
        }
        Ok(profile)
    }

    /// Identifies the profile: Keccak-256 over the constraint system's description, the number of
    /// weight columns and of public inputs. The verifying key data and the verifier contract of a
    /// profile both carry it.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Product polynomials of the permutation argument.
    pub fn products(&self) -> usize {
        self.permutation.len().div_ceil(self.permutation_chunk)
    }

    /// Checks that the circuit can have `2^k` rows: the public inputs fit, and the rotations differ, so that
    /// what is opened at different ones is opened at different points.
    ///
    /// # Errors
    /// [`ProfileError::TooFewRows`] and [`ProfileError::RotationsMeet`].
    pub(crate) fn check_rows(&self, k: u32) -> Result<(), ProfileError> {
        let rows = 1i64 << k;
        let usable = (rows as usize).saturating_sub(self.blinding_factors + 1);
        if self.public_inputs > usable {
            let public_inputs = self.public_inputs;
            return Err(ProfileError::TooFewRows { k, public_inputs, usable });
        }
        let queries = self.advice_queries.iter().chain(&self.fixed_queries);
        let own = [0, 1, self.last_rotation()];
        let rotations: BTreeSet<i32> = queries.map(|(_, rotation)| *rotation).chain(own).collect();
        let places: BTreeSet<i64> =
            rotations.iter().map(|rotation| i64::from(*rotation).rem_euclid(rows)).collect();
        if places.len() < rotations.len() {
            return Err(ProfileError::RotationsMeet { k });
        }
        Ok(())
    }

    /// Number of advice columns.
    pub fn advice_columns(&self) -> usize {
        self.schedule.advice.len()
    }

    /// Rotation of the row in which the products end.
    pub fn last_rotation(&self) -> i32 {
        -(self.blinding_factors as i32 + 1)
    }

    /// Points of a proof: advice, products, random, quotient pieces, two of the multi-opening.
    pub fn proof_points(&self) -> usize {
        self.advice_columns() + self.products() + 1 + self.quotient_pieces + 2
    }

    /// Scalars of a proof.
    pub fn proof_scalars(&self) -> usize {
        let products = match self.products() {
            0 => 0,
            count => 3 * count - 1,
        };
        self.advice_queries.len() + self.fixed_queries.len() + 1 + self.permutation.len() + products
    }

    /// Exact length of a proof in bytes.
    pub fn proof_bytes(&self) -> usize {
        self.proof_points() * POINT_BYTES + self.proof_scalars() * SCALAR_BYTES
    }

    /// The opening queries grouped as SHPLONK groups them: sets in the order in which their first
    /// commitment is met, commitments in the order in which they are met.
    pub fn rotation_sets(&self) -> Vec<RotationSet> {
        let mut met: Vec<(Commitment, Vec<(i32, Evaluation)>)> = Vec::new();
        let mut query = |commitment, rotation, evaluation| match met
            .iter_mut()
            .find(|(known, _)| *known == commitment)
        {
            Some((_, openings)) => openings.push((rotation, evaluation)),
            None => met.push((commitment, vec![(rotation, evaluation)])),
        };
        for (index, (column, rotation)) in self.advice_queries.iter().enumerate() {
            query(Commitment::Advice(*column), *rotation, Evaluation::Advice(index));
        }
        let products = self.products();
        for set in 0..products {
            query(Commitment::Product(set), 0, Evaluation::Product(set));
            query(Commitment::Product(set), 1, Evaluation::ProductNext(set));
        }
        for set in (0..products.saturating_sub(1)).rev() {
            query(Commitment::Product(set), self.last_rotation(), Evaluation::ProductLast(set));
        }
        for (index, (column, rotation)) in self.fixed_queries.iter().enumerate() {
            query(Commitment::Fixed(*column), *rotation, Evaluation::Fixed(index));
        }
        for column in 0..self.permutation.len() {
            query(Commitment::Permutation(column), 0, Evaluation::Permutation(column));
        }
        query(Commitment::Quotient, 0, Evaluation::Quotient);
        query(Commitment::Random, 0, Evaluation::Random);

        let mut sets: Vec<RotationSet> = Vec::new();
        for (commitment, mut openings) in met {
            openings.sort_by_key(|(rotation, _)| *rotation);
            let (rotations, evaluations): (Vec<_>, Vec<_>) = openings.into_iter().unzip();
            match sets.iter_mut().find(|set| set.rotations == rotations) {
                Some(set) => set.openings.push((commitment, evaluations)),
                None => {
                    sets.push(RotationSet { rotations, openings: vec![(commitment, evaluations)] })
                }
            }
        }
        sets
    }
}
