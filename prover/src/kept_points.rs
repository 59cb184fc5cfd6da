//! The commitments to a bundle's weight columns, kept beside it in `<bundle>.commitments`.
//!
//! They begin each proof of the bundle, always the same, and are public with the first one. The next proofs
//! need not compute them. The weights' coefficients are not kept: 32 bytes a weight, and to transform them
//! takes less time than to read so much.
//!
//! A file that is missing, damaged, another bundle's or of another setup counts as none. One that was forged
//! makes a proof that does not hold, which is found before the proof is handed out.

use std::{fs, path::PathBuf};

use halo2_proofs::halo2curves::bn256::G1Affine;

use crate::{bundle::Bundle, openings::Openings};
use assay_arithmetic::keccak256;
use assay_circuit::Layout;
use assay_files::{Kind, envelope};
use assay_proof::{
    Srs,
    transcript::{self, POINT_BYTES},
};

const COMMITMENTS: Kind = Kind::public(*b"ASSAYWPT", "weight commitments");

/// Where the commitments are, and what they must belong to.
pub(crate) struct KeptPoints {
    path: PathBuf,
    belongs_to: [u8; 32],
    columns: usize,
}

impl KeptPoints {
    /// Those of a bundle whose openings are counted by `openings`.
    pub(crate) fn of(bundle: &Bundle, openings: &Openings, layout: &Layout, srs: &Srs) -> Self {
        let columns = layout.options.weight_columns;
        // The bundle's id stands for weights and seed.
        let rows = srs.k() - layout.weight_stride().ilog2();
        let shape = [columns as u64, u64::from(rows)].map(u64::to_be_bytes).concat();
        let domain: &[u8] = b"assay.weight-commitments.v1";
        let belongs_to = keccak256(&[domain, &bundle.id.0, &srs.id(), &shape]);
        Self { path: openings.path().with_extension("commitments"), belongs_to, columns }
    }

    /// The points, one for each weight column; nothing where they have to be computed.
    pub(crate) fn read(&self) -> Option<Vec<G1Affine>> {
        let (belongs_to, body) = envelope::read(&self.path, COMMITMENTS).ok()?;
        if belongs_to != self.belongs_to || body.len() != self.bytes() {
            return None;
        }
        let (points, _) = body.as_chunks::<POINT_BYTES>();
        points.iter().map(|point| transcript::point_from_bytes(point, 0).ok()).collect()
    }

    /// Keeps those of a proof, which begins with them. Where that fails the next proof computes them again.
    pub(crate) fn keep(&self, proof: &[u8]) {
        if let Some(points) = proof.get(..self.bytes()) {
            let _ = envelope::write(&self.path, COMMITMENTS, &self.belongs_to, points);
        }
    }

    /// Removes them: they are not the weights'.
    pub(crate) fn discard(self) -> PathBuf {
        let _ = fs::remove_file(&self.path);
        self.path
    }

    fn bytes(&self) -> usize {
        self.columns * POINT_BYTES
    }
}
