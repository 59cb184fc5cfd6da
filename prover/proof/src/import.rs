//! Imports KZG parameters that a ceremony made, block by block.

use std::path::Path;

use halo2_proofs::halo2curves::bn256::{G1Affine, G2Affine};
use rayon::prelude::*;

use assay_files::{FileError, Writer};

use super::{
    ceremony::{Ceremony, setup_id},
    group_fft::{multiplications, to_lagrange},
    import_layout::{LagrangePlace, Layout, SourceFile, SourceFormat},
    point_encoding::{Decoder, encode_raw, encode_raw_g2},
    setup_check::{BLOCK, SetupCheck, check_g2},
    srs::{SrsError, start_file},
};

/// How much longer a multiplication takes than to import a point.
const MULTIPLICATION: u64 = 6;

/// What to do where the file to write is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Fail. Keys belong to the parameters that they were made with, and those may be gone for good.
    Keep,
    /// Replace it, once the new one is whole.
    Replace,
}

/// Parameters in a file of somebody else's: a snarkjs `.ptau` file for BN254, prepared for phase 2 or not,
/// or halo2's `params`, raw or compressed. Told apart by their content.
///
/// ```no_run
/// use std::path::Path;
/// use assay_proof::{Existing, Import};
///
/// let import = Import::open(Path::new("powersOfTau28_hez_final_17.ptau"), Some(17))?;
/// // Whoever made other points may know their secret.
/// assert!(import.ceremony().is_some());
/// import.write(Path::new("ceremony.srs"), Existing::Keep, &|_, _| {})?;
/// # Ok::<(), assay_proof::SrsError>(())
/// ```
#[derive(Debug)]
pub struct Import {
    source: SourceFile,
    layout: Layout,
    g2: G2Affine,
    s_g2: G2Affine,
}

impl Import {
    /// Recognizes a file and checks its points of G2, for circuits of 2^k rows; without `k`, of as many as
    /// it has and can be used. Reads a few hundred bytes.
    ///
    /// # Errors
    /// [`SrsError::File`] when the file cannot be read, is cut short, of another kind or for another curve;
    /// [`SrsError::TooSmall`] when `k` is above the file's; [`SrsError::K`] when it is out of range;
    /// [`SrsError::Inconsistent`] when `[s]_2` is not in the group of order r, or of a secret that anybody
    /// knows.
    pub fn open(path: &Path, k: Option<u32>) -> Result<Self, SrsError> {
        let source = SourceFile::open(path.to_owned())?;
        let layout = Layout::of(&source, k)?;
        let mut decoder = Decoder::new(layout.encoding);
        let mut bytes = vec![0u8; 2 * layout.encoding.g2_bytes()];
        source.read(layout.g2, &mut bytes)?;
        let (first, second) = bytes.split_at(layout.encoding.g2_bytes());
        let (g2, s_g2) = (decoder.g2(path, first)?, decoder.g2(path, second)?);
        let inconsistent = |reason| SrsError::Inconsistent { path: path.to_owned(), reason };
        check_g2(&g2, &s_g2).map_err(inconsistent)?;
        Ok(Self { source, layout, g2, s_g2 })
    }

    /// Logarithm of the number of rows to be imported.
    pub fn k(&self) -> u32 {
        self.layout.k
    }

    /// What the file was recognized as.
    pub fn format(&self) -> SourceFormat {
        self.layout.format
    }

    /// Identifies the secret: Keccak-256 of `[s]_2`.
    pub fn id(&self) -> [u8; 32] {
        setup_id(&self.s_g2)
    }

    /// The ceremony whose point this is. Without one somebody may know the secret.
    pub fn ceremony(&self) -> Option<&'static Ceremony> {
        Ceremony::of(&self.id())
    }

    /// Whether the file has the Lagrange form for this k. If not it is computed: seconds for k = 14, minutes
    /// from k = 18 on, and 2^k points (160 bytes each) are held in memory.
    pub fn has_lagrange(&self) -> bool {
        self.layout.lagrange.is_some()
    }

    /// Checks all points by pairings, as [`super::Srs::check_file`] does, and writes them as a file of ours.
    /// If [`Import::has_lagrange`], the memory that it takes depends neither on the file nor on k. Calls
    /// `progress` with the work done and all of it.
    ///
    /// # Errors
    /// [`SrsError::File`] when the source cannot be read or the output written, or when that is there and
    /// shall be kept; [`SrsError::Inconsistent`] when a point fails its check. Nothing is written then.
    pub fn write(
        &self,
        output: &Path,
        existing: Existing,
        progress: &dyn Fn(u64, u64),
    ) -> Result<(), SrsError> {
        // At the end it would come after all the work.
        if existing == Existing::Keep && output.symlink_metadata().is_ok() {
            return Err(FileError::Exists { path: output.to_owned() }.into());
        }
        let k = self.layout.k;
        let n = 1u64 << k;
        let computed = if self.has_lagrange() { 0 } else { multiplications(k) * MULTIPLICATION };
        let mut run = Run {
            import: self,
            decoder: Decoder::new(self.layout.encoding),
            check: SetupCheck::new(k),
            writer: start_file(output, k, None, &self.id())?,
            done: 0,
            total: 2 * n + computed,
            progress,
        };
        match self.layout.lagrange {
            Some(place) => {
                run.powers(|_| ())?;
                run.lagrange(place)?;
            }
            None => {
                let mut powers = Vec::new();
                run.powers(|block| powers.extend_from_slice(block))?;
                run.computed_lagrange(powers)?;
            }
        }
        let Run { check, mut writer, .. } = run;
        writer.put(&encode_raw_g2(&self.g2))?;
        writer.put(&encode_raw_g2(&self.s_g2))?;
        check.finish(&self.s_g2).map_err(|reason| self.inconsistent(reason))?;
        match existing {
            Existing::Keep => writer.finish_new()?,
            Existing::Replace => writer.finish()?,
        }
        Ok(())
    }

    fn inconsistent(&self, reason: &'static str) -> SrsError {
        SrsError::Inconsistent { path: self.source.path.clone(), reason }
    }
}

/// One run of [`Import::write`].
struct Run<'a> {
    import: &'a Import,
    decoder: Decoder,
    check: SetupCheck,
    writer: Writer,
    done: u64,
    total: u64,
    progress: &'a dyn Fn(u64, u64),
}

impl Run<'_> {
    /// First points and numbers of points of the blocks.
    fn blocks(&self) -> impl Iterator<Item = (u64, usize)> + use<> {
        let n = 1u64 << self.import.layout.k;
        (0..n).step_by(BLOCK).map(move |start| (start, (n - start).min(BLOCK as u64) as usize))
    }

    fn powers(&mut self, mut keep: impl FnMut(&[G1Affine])) -> Result<(), SrsError> {
        let Import { source, layout, .. } = self.import;
        let size = layout.encoding.g1_bytes();
        for (start, count) in self.blocks() {
            let mut bytes = vec![0u8; count * size];
            source.read(layout.powers + start * size as u64, &mut bytes)?;
            let points = self.decoder.g1(&source.path, &bytes)?;
            keep(&points);
            let added = self.check.add_powers(&points);
            added.map_err(|reason| self.import.inconsistent(reason))?;
            self.put(&points)?;
        }
        Ok(())
    }

    fn lagrange(&mut self, place: LagrangePlace) -> Result<(), SrsError> {
        let Import { source, layout, .. } = self.import;
        let size = layout.encoding.g1_bytes();
        let mask = (1u64 << layout.k) - 1;
        for (start, count) in self.blocks() {
            let mut bytes = vec![0u8; count * size];
            if place.step == 1 {
                source.read(place.at + start * size as u64, &mut bytes)?;
            } else {
                let points = bytes.par_chunks_exact_mut(size).enumerate();
                points.try_for_each(|(offset, bytes)| {
                    let index = (start + offset as u64).wrapping_mul(place.step) & mask;
                    source.read(place.at + index * size as u64, bytes)
                })?;
            }
            let points = self.decoder.g1(&source.path, &bytes)?;
            self.add_lagrange(&points)?;
        }
        Ok(())
    }

    fn computed_lagrange(&mut self, powers: Vec<G1Affine>) -> Result<(), SrsError> {
        let (before, total, progress) = (self.done, self.total, self.progress);
        let points = to_lagrange(&powers, self.import.layout.k, &|multiplied| {
            progress(before + multiplied * MULTIPLICATION, total);
        });
        drop(powers);
        self.done = before + multiplications(self.import.layout.k) * MULTIPLICATION;
        points.chunks(BLOCK).try_for_each(|block| self.add_lagrange(block))
    }

    fn add_lagrange(&mut self, points: &[G1Affine]) -> Result<(), SrsError> {
        let added = self.check.add_lagrange(points);
        added.map_err(|reason| self.import.inconsistent(reason))?;
        self.put(points)
    }

    fn put(&mut self, points: &[G1Affine]) -> Result<(), SrsError> {
        self.writer.put(&encode_raw(points))?;
        self.done += points.len() as u64;
        (self.progress)(self.done, self.total);
        Ok(())
    }
}
