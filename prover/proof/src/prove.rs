//! Making proofs, and the commitments that identify a model.

use halo2_proofs::{
    arithmetic::best_multiexp,
    halo2curves::{
        bn256::{Fr, G1Affine},
        group::Curve,
    },
    plonk::{self, Circuit},
    poly::{
        EvaluationDomain,
        commitment::{Blind, Params, ParamsProver},
    },
};

use assay_arithmetic::{keccak256, weight_columns::WeightTails};

use assay_files::hex_id;

use super::{
    blinding::BlindingRng,
    commit::{KnownKzg, KnownParams, KnownShplonk},
    key_files::{ProverKey, matches_srs},
    prove_error::ProveError,
    srs::Srs,
    transcript::{KeccakWrite, point_to_bytes},
    witness::{Replay, Rounds},
};

/// Proves a circuit.
///
/// `public_inputs` is the content of the instance column. `tails` fix the commitments of the weight
/// columns; everything else is blinded with fresh randomness. The result is the bare proof.
///
/// # Errors
/// [`ProveError::OtherSrs`], [`ProveError::PublicInputs`] and [`ProveError::WeightTails`] when an
/// argument does not fit the key; [`ProveError::Witness`] when the witness cannot be assigned;
/// [`ProveError::Library`]; [`ProveError::Transcript`] when a commitment is the point at infinity.
pub fn create_proof<C: Circuit<Fr>>(
    srs: &Srs,
    key: &ProverKey,
    circuit: C,
    public_inputs: &[Fr],
    tails: &WeightTails,
) -> Result<Vec<u8>, ProveError> {
    create_proof_self_blinded(srs, key, circuit, public_inputs, tails, 0)
}

/// As [`create_proof`], for a circuit that blinds some columns itself.
///
/// The `self_blinded` columns after the weight columns keep zeros in their last rows, so that
/// ungated constraints over them can hold there; the circuit must put at least as many random
/// values into rows that nothing constrains as the columns are opened at points, plus one.
///
/// # Errors
/// As [`create_proof`].
pub fn create_proof_self_blinded<C: Circuit<Fr>>(
    srs: &Srs,
    key: &ProverKey,
    circuit: C,
    public_inputs: &[Fr],
    tails: &WeightTails,
    self_blinded: usize,
) -> Result<Vec<u8>, ProveError> {
    let info = key.info();
    let profile = info.profile();
    if !matches_srs(info, srs) {
        return Err(ProveError::OtherSrs {
            expected: hex_id(&info.setup_id()),
            key_k: info.data().k,
            found: hex_id(&srs.id()),
            srs_k: srs.k(),
        });
    }
    if public_inputs.len() != profile.public_inputs {
        return Err(ProveError::PublicInputs {
            found: public_inputs.len(),
            expected: profile.public_inputs,
        });
    }
    let complete = |rows: &Vec<Fr>| rows.len() > profile.blinding_factors;
    let columns = profile.weight_columns;
    if tails.rows.len() != columns
        || !tails.rows.iter().all(complete)
        || tails.commitments.as_ref().is_some_and(|points| points.len() != columns)
    {
        return Err(ProveError::WeightTails { columns, rows: profile.blinding_factors + 1 });
    }
    let rounds = Rounds {
        srs,
        domain: key.vk().get_domain(),
        schedule: &profile.schedule,
        blinding_factors: profile.blinding_factors,
        public_inputs,
        transcript_repr: key.vk().transcript_repr(),
        tails,
    };
    let mut rng = BlindingRng::new(self_blinded, profile.blinding_factors);
    let work = || rounds.run(&circuit, &mut rng);
    let witness = match std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)) {
        Ok(witness) => witness?,
        Err(payload) => return Err(ProveError::Witness(super::panic_message(&payload))),
    };

    let params = KnownParams::new(srs.shared_params());
    for (column, commitment) in witness.columns.iter().zip(&witness.commitments) {
        params.register(column, *commitment);
    }
    let proof = Vec::with_capacity(profile.proof_bytes());
    let mut transcript = KeccakWrite::new(proof, &profile.schedule);
    let work = || {
        plonk::create_proof_from_advice::<KnownKzg, KnownShplonk<'_>, _, _, _>(
            &params,
            key.pk(),
            &[public_inputs],
            witness.columns,
            Replay::new(&witness.words, rng),
            &mut transcript,
        )
    };
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    // Else the library has moved the columns, and every commitment was computed twice.
    debug_assert!(outcome.is_err() || params.is_exhausted());
    // A point at infinity is the better explanation of whatever came after it.
    let proof = transcript.finish()?;
    match outcome {
        Ok(Ok(())) => Ok(proof),
        Ok(Err(error)) => Err(ProveError::Library(error)),
        Err(payload) => Err(ProveError::Witness(super::panic_message(&payload))),
    }
}

/// Commits to columns without making a proof: for the weight columns, the points that every proof
/// of a model starts with.
///
/// A column of `2^h` values, `h <= k`, stands for the polynomial of degree below `2^h` with these
/// values on the subgroup of that size. Returns `None` for a column of another length.
pub fn commit_columns(srs: &Srs, columns: &[Vec<Fr>]) -> Option<Vec<G1Affine>> {
    let (params, n) = (srs.params(), 1usize << srs.k());
    let k = columns.first()?.len().checked_ilog2()?;
    if k > srs.k() || columns.iter().any(|column| column.len() != 1 << k) {
        return None;
    }
    let domain = EvaluationDomain::<Fr>::new(1, k);
    let commit = |column: &Vec<Fr>| {
        let polynomial = domain.lagrange_from_vec(column.clone());
        if column.len() == n {
            return params.commit_lagrange(&polynomial, Blind::default()).to_affine();
        }
        let coefficients = domain.lagrange_to_coeff(polynomial);
        best_multiexp(&coefficients, &params.get_g()[..column.len()]).to_affine()
    };
    Some(columns.iter().map(commit).collect())
}

/// The model's hash: Keccak-256 of the weight points, 64 bytes each.
pub fn weights_hash(points: &[G1Affine]) -> [u8; 32] {
    let bytes: Vec<u8> = points.iter().flat_map(point_to_bytes).collect();
    keccak256(&[&bytes])
}
