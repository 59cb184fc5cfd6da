//! Where the points lie in the files that ceremonies publish. Only lengths and headers are looked at here,
//! and nothing is allocated by what they claim.

use std::{fmt, fs::File, os::unix::fs::FileExt, path::PathBuf};

use halo2_proofs::halo2curves::{
    bn256::{Fq, Fr},
    ff::{Field, PrimeField},
};

use assay_files::FileError;

use super::{
    domain::root_of_unity,
    point_encoding::Encoding,
    srs::{MAX_K, SrsError},
};

/// Largest k for which anybody made parameters: BN254's field has no larger domain.
const MAX_SOURCE_K: u32 = Fr::S;
/// Bytes of a `.ptau` file's header section: length of the modulus, modulus, power, power of the ceremony.
const PTAU_HEADER: u64 = 4 + 32 + 4 + 4;

/// What a file was recognized as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFormat {
    /// snarkjs's powers of tau, with or without its preparation for phase 2.
    Ptau,
    /// halo2's parameters, points as they are in memory.
    Halo2Raw,
    /// halo2's parameters, points compressed.
    Halo2Compressed,
}

impl fmt::Display for SourceFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ptau => "snarkjs powers of tau",
            Self::Halo2Raw => "halo2 parameters, raw",
            Self::Halo2Compressed => "halo2 parameters, compressed",
        })
    }
}

/// A file that is read at places.
#[derive(Debug)]
pub(super) struct SourceFile {
    pub(super) path: PathBuf,
    file: File,
    length: u64,
}

/// The points of the Lagrange form: that of `omega^i` is the `i * step mod n`-th after `at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LagrangePlace {
    pub(super) at: u64,
    pub(super) step: u64,
}

/// Where the points for 2^k rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) format: SourceFormat,
    pub(super) k: u32,
    pub(super) encoding: Encoding,
    /// First byte of the powers in G1.
    pub(super) powers: u64,
    /// The Lagrange form, if the file has it for this k.
    pub(super) lagrange: Option<LagrangePlace>,
    /// First byte of `[1]_2`, which `[s]_2` follows.
    pub(super) g2: u64,
}

impl SourceFile {
    pub(super) fn open(path: PathBuf) -> Result<Self, FileError> {
        let opened = File::open(&path).and_then(|file| {
            let length = file.metadata()?.len();
            Ok((file, length))
        });
        match opened {
            Ok((file, length)) => Ok(Self { path, file, length }),
            Err(source) => Err(FileError::Read { path, source }),
        }
    }

    /// Fills `bytes` from a place in the file.
    pub(super) fn read(&self, at: u64, bytes: &mut [u8]) -> Result<(), FileError> {
        let read = self.file.read_exact_at(bytes, at);
        read.map_err(|source| FileError::Read { path: self.path.clone(), source })
    }

    fn word(&self, at: u64) -> Result<u32, FileError> {
        let mut bytes = [0u8; 4];
        self.read(at, &mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn content(&self, reason: impl Into<String>) -> SrsError {
        FileError::content(&self.path, reason).into()
    }

    /// `asked`, or as much as there is and this program can use.
    fn k(&self, found: u32, asked: Option<u32>) -> Result<u32, SrsError> {
        let asked = asked.unwrap_or(found.min(MAX_K));
        if !(1..=MAX_K).contains(&asked) {
            return Err(SrsError::K(asked));
        }
        if asked > found {
            return Err(SrsError::TooSmall { path: self.path.clone(), found, asked });
        }
        Ok(asked)
    }
}

impl Layout {
    /// Recognizes a file by its content.
    pub(super) fn of(source: &SourceFile, asked: Option<u32>) -> Result<Self, SrsError> {
        let mut magic = [0u8; 8];
        let shown = source.length.min(8) as usize;
        source.read(0, &mut magic[..shown])?;
        if magic.starts_with(b"ptau") {
            return ptau(source, asked);
        }
        if &magic == b"ASSAYSRS" {
            return Err(source.content("it is imported already; use it as it is"));
        }
        halo2(source, asked)
    }
}

/// halo2's layout: k (4 bytes, little-endian), the powers, the Lagrange form, `[1]_2`, `[s]_2`.
fn halo2(source: &SourceFile, asked: Option<u32>) -> Result<Layout, SrsError> {
    let length = |k: u32, encoding: Encoding| {
        4 + 2 * ((encoding.g1_bytes() as u64) << k) + 2 * encoding.g2_bytes() as u64
    };
    let found = if source.length < 4 { 0 } else { source.word(0)? };
    let fits =
        |encoding| (1..=MAX_SOURCE_K).contains(&found) && length(found, encoding) == source.length;
    let (format, encoding) = if fits(Encoding::Raw) {
        (SourceFormat::Halo2Raw, Encoding::Raw)
    } else if fits(Encoding::Compressed) {
        (SourceFormat::Halo2Compressed, Encoding::Compressed)
    } else {
        return Err(source.content(format!(
            "it is neither a snarkjs powers-of-tau file nor whole halo2 parameters (raw or \
             compressed): {} bytes do not fit k = {found}",
            source.length
        )));
    };
    let k = source.k(found, asked)?;
    let form = (encoding.g1_bytes() as u64) << found;
    Ok(Layout {
        format,
        k,
        encoding,
        powers: 4,
        lagrange: (k == found).then_some(LagrangePlace { at: 4 + form, step: 1 }),
        g2: 4 + 2 * form,
    })
}

/// First byte and length of a section.
type Section = (u64, u64);

/// snarkjs's layout: `"ptau"`, version 1, the number of sections, then sections of a type (4 bytes), a length
/// (8 bytes) and content, to the end of the file. Of 2^p rows, 1 is the header, 2 has the 2^(p+1) - 1 powers
/// in G1, 3 the 2^p powers in G2, and 12, in files that are prepared for phase 2, the Lagrange form for 1, 2,
/// 4, up to 2^p rows and once more, one after the other.
fn ptau(source: &SourceFile, asked: Option<u32>) -> Result<Layout, SrsError> {
    let [header, g1, g2, lagrange] = ptau_sections(source)?;
    let (Some(header), Some(g1), Some(g2)) = (header, g1, g2) else {
        return Err(source.content("it lacks the powers or their header"));
    };
    let mut modulus = [0u8; 32];
    let mut expected = (-Fq::ONE).to_repr();
    // q - 1 is even.
    expected[0] += 1;
    if header.1 == PTAU_HEADER && source.word(header.0)? == 32 {
        source.read(header.0 + 4, &mut modulus)?;
    }
    if modulus != expected {
        return Err(source.content("it is not for the curve BN254"));
    }
    let power = source.word(header.0 + 36)?;
    let ceremony = source.word(header.0 + 40)?;
    if !(1..=MAX_SOURCE_K).contains(&power) || !(power..=MAX_SOURCE_K).contains(&ceremony) {
        return Err(source.content(format!("2^{power} rows of 2^{ceremony} make no sense")));
    }
    let (encoding, n) = (Encoding::Raw, 1u64 << power);
    let (g1_bytes, g2_bytes) = (encoding.g1_bytes() as u64, encoding.g2_bytes() as u64);
    if g1.1 != (2 * n - 1) * g1_bytes || g2.1 != n * g2_bytes {
        return Err(source.content(format!("its powers are not those for 2^{power} rows")));
    }
    if lagrange.is_some_and(|(_, length)| length != (4 * n - 1) * g1_bytes) {
        return Err(source.content(format!("its Lagrange form is not that for 2^{power} rows")));
    }
    let k = source.k(power, asked)?;
    let (place, root) = ((1u64 << k) - 1, snarkjs_root_of_unity(k));
    let lagrange = lagrange.map(|(at, _)| LagrangePlace {
        at: at + place * g1_bytes,
        step: logarithm(root_of_unity(k), root, k),
    });
    let format = SourceFormat::Ptau;
    Ok(Layout { format, k, encoding, powers: g1.0, lagrange, g2: g2.0 })
}

/// Sections 1, 2, 3 and 12. The sections must fill the file, so that a cut file is noticed.
fn ptau_sections(source: &SourceFile) -> Result<[Option<Section>; 4], SrsError> {
    const WANTED: [u32; 4] = [1, 2, 3, 12];
    let damaged = || source.content("its sections do not fill it: it is cut short or damaged");
    if source.length < 12 {
        return Err(damaged());
    }
    let (version, count) = (source.word(4)?, source.word(8)?);
    if version != 1 || count > 64 {
        let reason = format!("version {version} with {count} sections is not supported");
        return Err(source.content(reason));
    }
    let (mut found, mut at) = ([None; 4], 12u64);
    for _ in 0..count {
        let start = at.checked_add(12).filter(|start| *start <= source.length);
        let start = start.ok_or_else(damaged)?;
        let kind = source.word(at)?;
        let mut length = [0u8; 8];
        source.read(at + 4, &mut length)?;
        let length = u64::from_le_bytes(length);
        at = start.checked_add(length).filter(|end| *end <= source.length).ok_or_else(damaged)?;
        let Some(slot) = WANTED.iter().position(|wanted| *wanted == kind) else {
            continue;
        };
        if found[slot].replace((start, length)).is_some() {
            return Err(source.content(format!("it has section {kind} twice")));
        }
    }
    if at == source.length { Ok(found) } else { Err(damaged()) }
}

/// The generator of the domain of 2^k elements by which snarkjs orders values: a power of 5, the smallest
/// number that is no square, where halo2 takes a power of 7.
fn snarkjs_root_of_unity(k: u32) -> Fr {
    let order = (-Fr::ONE).to_repr();
    let mut odd_part = [0u64; 4];
    for (word, bytes) in odd_part.iter_mut().zip(order.chunks_exact(8)) {
        *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
    }
    for index in 0..4 {
        let above = odd_part.get(index + 1).copied().unwrap_or(0);
        odd_part[index] = odd_part[index] >> Fr::S | above << (64 - Fr::S);
    }
    (k..Fr::S).fold(Fr::from(5).pow_vartime(odd_part), |root, _| root.square())
}

/// The j with `root^j = value`, where `root` is of order 2^k and `value` in its group: bit by bit.
fn logarithm(value: Fr, root: Fr, k: u32) -> u64 {
    let n = 1u64 << k;
    let mut logarithm = 0u64;
    for bit in 0..k {
        let rest = value * root.pow_vartime([n - logarithm]);
        if rest.pow_vartime([1u64 << (k - 1 - bit)]) != Fr::ONE {
            logarithm |= 1 << bit;
        }
    }
    logarithm
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_orders_of_a_domain_are_related() {
        for k in 1..=Fr::S {
            let root = snarkjs_root_of_unity(k);
            assert_eq!(root.pow_vartime([1u64 << (k - 1)]), -Fr::ONE);
            let step = logarithm(root_of_unity(k), root, k);
            assert_eq!(root.pow_vartime([step]), root_of_unity(k));
            assert!(step % 2 == 1 && step < 1 << k);
        }
        // As snarkjs's library has it.
        let root = "19103219067921713944291392827692070036145651957329286315305642004821462161904";
        assert_eq!(Some(snarkjs_root_of_unity(Fr::S)), Fr::from_str_vartime(root));
    }
}
