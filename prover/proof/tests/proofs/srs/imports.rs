//! Files as other projects publish them: what is read from them, and what is refused.

use std::path::{Path, PathBuf};

use halo2_proofs::{
    SerdeFormat,
    halo2curves::{
        bn256::{Bn256, Fq, Fr, G1Affine, G2Affine},
        ff::{Field, PrimeField},
        group::{Curve, GroupEncoding},
        serde::SerdeObject,
    },
    poly::{commitment::Params, kzg::commitment::ParamsKZG},
};
use proptest::prelude::*;

use assay_files::FileError;
use assay_proof::{Existing, Import, SourceFormat, Srs, SrsError, ceremony::setup_id};

use super::{
    checks::{Points, outside_of_the_subgroup},
    raw,
};

/// Secret of the files made here.
const SECRET: u64 = 7;
const POWER: u32 = 2;

/// An element of order 2^28 as snarkjs's library has it.
fn snarkjs_root(k: u32) -> Fr {
    let root = "19103219067921713944291392827692070036145651957329286315305642004821462161904";
    let root = Fr::from_str_vartime(root).unwrap();
    (k..Fr::S).fold(root, |root, _| root.square())
}

fn g1(scalar: Fr) -> G1Affine {
    (G1Affine::generator() * scalar).to_affine()
}

/// A `.ptau` file as its sections.
#[derive(Clone)]
struct Ptau {
    sections: Vec<(u32, Vec<u8>)>,
}

impl Ptau {
    /// For 2^power rows. Prepared for phase 2 it has the Lagrange form, in the order of snarkjs's domain.
    fn new(secret: Fr, power: u32, prepared: bool) -> Self {
        let n = 1u64 << power;
        let mut header = 32u32.to_le_bytes().to_vec();
        let mut q = (-Fq::ONE).to_repr();
        q[0] += 1;
        header.extend_from_slice(&q);
        header.extend_from_slice(&power.to_le_bytes());
        header.extend_from_slice(&28u32.to_le_bytes());
        let powers = (0..2 * n - 1).flat_map(|i| g1(secret.pow_vartime([i])).to_raw_bytes());
        let g2 = (0..n).flat_map(|i| {
            (G2Affine::generator() * secret.pow_vartime([i])).to_affine().to_raw_bytes()
        });
        // Sections that are not read stand before, between and after.
        let mut sections = vec![
            (7, vec![1; 9]),
            (1, header),
            (3, g2.collect()),
            (2, powers.collect()),
            (4, vec![2; 70]),
        ];
        if prepared {
            let lagrange = (0..=power + 1).flat_map(|k| lagrange_of_snarkjs(secret, k));
            sections.push((12, lagrange.flat_map(|point| point.to_raw_bytes()).collect()));
            sections.push((13, vec![3; 5]));
        }
        Self { sections }
    }

    fn section(&mut self, kind: u32) -> &mut Vec<u8> {
        let found = self.sections.iter_mut().find(|(found, _)| *found == kind);
        &mut found.unwrap().1
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"ptau".to_vec();
        bytes.extend_from_slice(&1u32.to_le_bytes());
        bytes.extend_from_slice(&(self.sections.len() as u32).to_le_bytes());
        for (kind, content) in &self.sections {
            bytes.extend_from_slice(&kind.to_le_bytes());
            bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
            bytes.extend_from_slice(content);
        }
        bytes
    }

    /// First byte of a section's content in the file.
    fn place(&self, kind: u32) -> usize {
        let before = self.sections.iter().take_while(|(found, _)| *found != kind);
        12 + before.map(|(_, content)| 12 + content.len()).sum::<usize>() + 12
    }
}

fn lagrange_of_snarkjs(secret: Fr, k: u32) -> Vec<G1Affine> {
    let nodes: Vec<Fr> = (0..1u64 << k).map(|i| snarkjs_root(k).pow_vartime([i])).collect();
    let value = |i: usize| {
        let others = nodes.iter().enumerate().filter(|(j, _)| *j != i);
        others.fold(Fr::ONE, |product, (_, other)| {
            product * (secret - other) * (nodes[i] - other).invert().unwrap()
        })
    };
    (0..nodes.len()).map(|i| g1(value(i))).collect()
}

/// halo2's layout of points that somebody chose.
fn halo2(points: &Points, format: SerdeFormat) -> Vec<u8> {
    let mut bytes = points.g.len().ilog2().to_le_bytes().to_vec();
    let g1 = points.g.iter().chain(&points.lagrange);
    match format {
        SerdeFormat::Processed => {
            g1.for_each(|point| bytes.extend_from_slice(point.to_bytes().as_ref()));
            for point in [points.g2, points.s_g2] {
                bytes.extend_from_slice(point.to_bytes().as_ref());
            }
        }
        _ => {
            g1.for_each(|point| bytes.extend_from_slice(&point.to_raw_bytes()));
            for point in [points.g2, points.s_g2] {
                bytes.extend_from_slice(&point.to_raw_bytes());
            }
        }
    }
    bytes
}

/// The sign in the seventh bit, where the library that is linked here has it in the sixth.
fn with_seventh_bit(compressed: &[u8]) -> Vec<u8> {
    let mut bytes = compressed.to_vec();
    let g1 = bytes.len() - 4 - 128;
    let lasts = (0..g1 / 32).map(|i| 4 + 32 * i + 31).chain([4 + g1 + 63, 4 + g1 + 127]);
    for last in lasts {
        // The seventh alone marks infinity, which only setups have that are refused.
        if bytes[last] & 0xc0 == 0x40 {
            bytes[last] ^= 0xc0;
        }
    }
    bytes
}

struct Place {
    _folder: tempfile::TempDir,
    source: PathBuf,
    output: PathBuf,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (source, output) = (folder.path().join("source"), folder.path().join("own.srs"));
        Self { _folder: folder, source, output }
    }

    /// Imports these bytes; what is written, if it is, passes the check of our own files.
    fn import(&self, bytes: &[u8], k: Option<u32>) -> Result<Srs, SrsError> {
        std::fs::write(&self.source, bytes).unwrap();
        let written = import(&self.source, k, &self.output);
        assert_eq!(written.is_ok(), self.output.exists());
        written?;
        let checked = Srs::check_file(&self.output, &|_, _| ()).unwrap();
        let srs = Srs::read(&self.output, None).unwrap();
        assert_eq!((checked.k, checked.id), (srs.k(), srs.id()));
        std::fs::remove_file(&self.output).unwrap();
        Ok(srs)
    }

    fn refuses(&self, bytes: &[u8], what: &str) -> String {
        match self.import(bytes, None) {
            Ok(_) => panic!("{what} is accepted"),
            Err(error) => error.to_string(),
        }
    }
}

fn import(source: &Path, k: Option<u32>, output: &Path) -> Result<(), SrsError> {
    Import::open(source, k)?.write(output, Existing::Keep, &|_, _| ())
}

/// First byte and length of a part of a file.
type Part = (usize, usize);

/// Every format, for 2^[`POWER`] rows, and the parts that are read.
fn formats(secret: Fr) -> Vec<(&'static str, Vec<u8>, Vec<Part>)> {
    let points = Points::of(secret, POWER);
    let compressed = halo2(&points, SerdeFormat::Processed);
    let old = with_seventh_bit(&compressed);
    let raw = halo2(&points, SerdeFormat::RawBytes);
    let whole = |bytes: &[u8]| vec![(0, bytes.len())];
    let n = 1 << POWER;
    let ptau = |prepared| {
        let file = Ptau::new(secret, POWER, prepared);
        // Of the header all but the size of the ceremony, of which the file is an excerpt.
        let mut parts = vec![(0, 12), (file.place(1) - 12, 12 + 40)];
        for (section, length) in [(2, n * 64), (3, 256)] {
            parts.extend([(file.place(section) - 12, 12), (file.place(section), length)]);
        }
        if prepared {
            // Under another number the section is not read, and its points are computed.
            parts.extend([(file.place(12) - 8, 8), (file.place(12) + (n - 1) * 64, n * 64)]);
        }
        (file.bytes(), parts)
    };
    let (prepared, prepared_parts) = ptau(true);
    let (plain, plain_parts) = ptau(false);
    vec![
        ("raw", raw.clone(), whole(&raw)),
        ("compressed", compressed.clone(), whole(&compressed)),
        ("compressed, seventh bit", old.clone(), whole(&old)),
        ("prepared powers of tau", prepared, prepared_parts),
        ("powers of tau", plain, plain_parts),
    ]
}

#[test]
fn every_format_gives_the_same_parameters() {
    let place = Place::new();
    let mut expected = Vec::new();
    for (name, bytes, _) in formats(Fr::from(SECRET)) {
        let srs = place.import(&bytes, None).unwrap();
        assert!(!srs.is_dev(), "{name}");
        expected.push(raw(&srs.to_library()));
    }
    let good = halo2(&Points::of(Fr::from(SECRET), POWER), SerdeFormat::RawBytes);
    assert!(expected.iter().all(|found| *found == good));
}

#[test]
fn files_are_read_for_any_size_that_they_have() {
    let place = Place::new();
    let secret = Fr::from(SECRET);
    for prepared in [false, true] {
        // From 2^6 rows on the order of snarkjs's domain is another one than halo2's.
        let bytes = Ptau::new(secret, 6, prepared).bytes();
        for k in 1..=6 {
            let srs = place.import(&bytes, Some(k)).unwrap();
            let expected = halo2(&Points::of(secret, k), SerdeFormat::RawBytes);
            assert_eq!(raw(&srs.to_library()), expected, "k = {k}, prepared: {prepared}");
            std::fs::write(&place.source, &bytes).unwrap();
            let import = Import::open(&place.source, Some(k)).unwrap();
            assert_eq!((import.has_lagrange(), import.format()), (prepared, SourceFormat::Ptau));
            assert_eq!((import.k(), import.id()), (k, srs.id()));
            assert_eq!(import.ceremony(), None);
        }
        let error = place.import(&bytes, Some(7)).unwrap_err();
        assert!(matches!(error, SrsError::TooSmall { found: 6, asked: 7, .. }), "{error}");
        for k in [0, 25] {
            assert!(matches!(place.import(&bytes, Some(k)), Err(SrsError::K(_))));
        }
    }
    for format in [SerdeFormat::RawBytes, SerdeFormat::Processed] {
        let bytes = halo2(&Points::of(secret, 4), format);
        let srs = place.import(&bytes, Some(3)).unwrap();
        let expected = halo2(&Points::of(secret, 3), SerdeFormat::RawBytes);
        assert_eq!(raw(&srs.to_library()), expected);
        assert!(matches!(place.import(&bytes, Some(5)), Err(SrsError::TooSmall { .. })));
    }
}

/// Two blocks of each form, as the library writes them.
#[test]
fn files_of_several_blocks() {
    let place = Place::new();
    let srs = Srs::dev(16, [3; 32]).unwrap();
    for format in [SerdeFormat::RawBytes, SerdeFormat::Processed] {
        let mut bytes = Vec::new();
        srs.to_library().write_custom(&mut bytes, format).unwrap();
        let imported = place.import(&bytes, None).unwrap();
        assert!(!imported.is_dev());
        assert!(raw(&imported.to_library()) == raw(&srs.to_library()));
    }
}

#[test]
fn the_work_done_reaches_its_end() {
    let place = Place::new();
    for prepared in [false, true] {
        let bytes = Ptau::new(Fr::from(SECRET), 4, prepared).bytes();
        std::fs::write(&place.source, &bytes).unwrap();
        let seen = std::cell::RefCell::new(Vec::new());
        let import = Import::open(&place.source, None).unwrap();
        import
            .write(&place.output, Existing::Replace, &|done, total| {
                seen.borrow_mut().push((done, total));
            })
            .unwrap();
        let seen = seen.into_inner();
        let (done, total) = *seen.last().unwrap();
        assert!(done == total && seen.is_sorted(), "{seen:?}");
    }
}

#[test]
fn nothing_is_replaced_by_mistake() {
    let place = Place::new();
    std::fs::write(&place.source, Ptau::new(Fr::from(SECRET), 3, true).bytes()).unwrap();
    std::fs::write(&place.output, b"precious").unwrap();
    let error = import(&place.source, None, &place.output).unwrap_err();
    assert!(matches!(error, SrsError::File(FileError::Exists { .. })), "{error}");
    assert_eq!(std::fs::read(&place.output).unwrap(), b"precious");
    let open = Import::open(&place.source, None).unwrap();
    open.write(&place.output, Existing::Replace, &|_, _| ()).unwrap();
    assert_eq!(Srs::read(&place.output, None).unwrap().id(), open.id());
    let srs = Srs::dev(3, [1; 32]).unwrap();
    let error = srs.write_new(&place.output).unwrap_err();
    assert!(matches!(error, SrsError::File(FileError::Exists { .. })), "{error}");
    // What is ours needs no import.
    let error = Import::open(&place.output, None).unwrap_err();
    assert!(error.to_string().contains("imported already"), "{error}");
}

#[test]
fn every_changed_byte_is_noticed() {
    let place = Place::new();
    for (name, bytes, parts) in formats(Fr::from(SECRET)) {
        place.import(&bytes, None).unwrap();
        for at in parts.into_iter().flat_map(|(start, length)| start..start + length) {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            place.refuses(&changed, &format!("{name} with another byte {at}"));
        }
    }
}

#[test]
fn files_that_are_cut_or_longer_are_refused() {
    let place = Place::new();
    for (name, bytes, _) in formats(Fr::from(SECRET)) {
        for length in (0..bytes.len()).step_by(7).chain([bytes.len() - 1]) {
            place.refuses(&bytes[..length], &format!("{name}, {length} bytes of it,"));
        }
        let mut longer = bytes.clone();
        longer.push(0);
        place.refuses(&longer, &format!("{name} with a byte more"));
    }
    // Claims of 2^28 points cost nothing.
    for claim in [b"ptau".to_vec(), 28u32.to_le_bytes().to_vec(), vec![0xff; 4]] {
        let mut bytes = claim;
        bytes.resize(100, 0);
        place.refuses(&bytes, "a short file that claims much");
    }
    let mut ptau = Ptau::new(Fr::from(SECRET), POWER, false);
    ptau.section(1)[36..40].copy_from_slice(&28u32.to_le_bytes());
    let error = place.refuses(&ptau.bytes(), "a claim of 2^28 rows");
    assert!(error.contains("not those for 2^28 rows"), "{error}");
    let mut ptau = Ptau::new(Fr::from(SECRET), POWER, true);
    let first = ptau.sections[1].clone();
    ptau.sections.push(first);
    let error = place.refuses(&ptau.bytes(), "a second header");
    assert!(error.contains("twice"), "{error}");
}

#[test]
fn other_curves_are_refused() {
    let place = Place::new();
    let mut ptau = Ptau::new(Fr::from(SECRET), POWER, true);
    // BLS12-381: a modulus of 48 bytes, and points to match.
    let modulus = hex::decode(
        "1a0111ea397fe69a4b1ba7b6434bacd764774b84f38512bf6730d2a0f6b0f6241eabfffeb153ffffb9feffffffffaaab",
    )
    .unwrap();
    let mut header = 48u32.to_le_bytes().to_vec();
    header.extend(modulus.iter().rev());
    header.extend_from_slice(&POWER.to_le_bytes());
    header.extend_from_slice(&28u32.to_le_bytes());
    *ptau.section(1) = header;
    let error = place.refuses(&ptau.bytes(), "another curve");
    assert!(error.contains("BN254"), "{error}");
    // Another modulus of the same length.
    let mut ptau = Ptau::new(Fr::from(SECRET), POWER, true);
    let mut r = (-Fr::ONE).to_repr();
    r[0] += 1;
    ptau.section(1)[4..36].copy_from_slice(&r);
    let error = place.refuses(&ptau.bytes(), "another curve");
    assert!(error.contains("BN254"), "{error}");
}

#[test]
fn secrets_that_anybody_knows_are_refused() {
    let place = Place::new();
    let root = (POWER..Fr::S).fold(Fr::ROOT_OF_UNITY, |root, _| root.square());
    for (secret, reason) in [
        (Fr::ZERO, "the secret is 0"),
        (Fr::ONE, "the secret is 1 or -1"),
        (-Fr::ONE, "the secret is 1 or -1"),
        (root, ""),
    ] {
        for (name, bytes, _) in formats(secret) {
            // The library's compressed form of infinity is no infinity to us.
            let error = place.refuses(&bytes, &format!("{name} with the secret {secret:?}"));
            let expected = error.contains(reason) || error.contains("not on the curve");
            assert!(expected, "{name}, {secret:?}: {error}");
        }
    }
    // Without the points at infinity of the Lagrange form nothing but the root stands in the way.
    let error = place.refuses(&Ptau::new(root, POWER, false).bytes(), "a root of unity");
    assert!(error.contains("root of unity"), "{error}");
    for secret in [Fr::ONE, -Fr::ONE] {
        let error = place.refuses(&Ptau::new(secret, POWER, false).bytes(), "1 or -1");
        assert!(error.contains("the secret is 1 or -1"), "{error}");
    }
}

#[test]
fn points_of_other_groups_and_secrets_are_refused() {
    let place = Place::new();
    let good = Points::of(Fr::from(SECRET), POWER);
    let other = Points::of(Fr::from(11), POWER);
    let small = outside_of_the_subgroup();
    for format in [SerdeFormat::RawBytes, SerdeFormat::Processed] {
        for (points, reason) in [
            (Points { s_g2: small, ..good.clone() }, "not in the group"),
            (Points { s_g2: other.s_g2, ..good.clone() }, "not powers of the secret"),
            (Points { g: other.g.clone(), ..good.clone() }, "not powers of the secret"),
            (Points { lagrange: other.lagrange.clone(), ..good.clone() }, "Lagrange form"),
            (Points { g2: other.s_g2, ..good.clone() }, "[1]_2 is not the generator"),
        ] {
            let error = place.refuses(&halo2(&points, format), reason);
            assert!(error.contains(reason), "{error}");
        }
    }
    for prepared in [false, true] {
        let mut ptau = Ptau::new(Fr::from(SECRET), POWER, prepared);
        ptau.section(3)[128..256].copy_from_slice(&small.to_raw_bytes());
        let error = place.refuses(&ptau.bytes(), "a small group");
        assert!(error.contains("not in the group"), "{error}");
        // The [s]_2 of a ceremony before somebody's own powers.
        let mut ptau = Ptau::new(Fr::from(11), POWER, prepared);
        ptau.section(3)[128..256].copy_from_slice(&good.s_g2.to_raw_bytes());
        let error = place.refuses(&ptau.bytes(), "another point");
        assert!(error.contains("not powers of the secret"), "{error}");
    }
    // Lagrange points in halo2's order are in the wrong one here, from 2^6 rows on.
    let (power, n) = (6, 64);
    let mut ptau = Ptau::new(Fr::from(SECRET), power, true);
    place.import(&ptau.bytes(), None).unwrap();
    let points = Points::of(Fr::from(SECRET), power).lagrange;
    let bytes: Vec<u8> = points.iter().flat_map(|point| point.to_raw_bytes()).collect();
    ptau.section(12)[(n - 1) * 64..(2 * n - 1) * 64].copy_from_slice(&bytes);
    let error = place.refuses(&ptau.bytes(), "the other order");
    assert!(error.contains("Lagrange form"), "{error}");
}

/// The sign of a compressed point stands in one bit of two, in a whole file in the same.
#[test]
fn compressed_points_keep_to_one_bit_for_the_sign() {
    let place = Place::new();
    let good = halo2(&Points::of(Fr::from(SECRET), POWER), SerdeFormat::Processed);
    let odd = (0..8).map(|i| 4 + 32 * i + 31).filter(|last| good[*last] & 0x40 != 0);
    let odd: Vec<usize> = odd.collect();
    assert!(odd.len() > 1, "the secret is chosen so");
    let mut mixed = good.clone();
    mixed[odd[0]] ^= 0xc0;
    let error = place.refuses(&mixed, "a mixture");
    assert!(error.contains("both bits"), "{error}");
    let mut both = good.clone();
    both[odd[0]] |= 0x80;
    let error = place.refuses(&both, "both bits");
    assert!(error.contains("both bits"), "{error}");
}

/// The library's own setup, as another project would publish it.
#[test]
fn parameters_of_the_library_are_read_for_smaller_circuits_too() {
    use rand_core::SeedableRng;
    let place = Place::new();
    let rng = rand_chacha::ChaCha20Rng::from_seed([4; 32]);
    let params = ParamsKZG::<Bn256>::setup(6, rng);
    let srs = place.import(&raw(&params), None).unwrap();
    assert_eq!(raw(&srs.to_library()), raw(&params));
    assert_eq!(srs.id(), setup_id(&params.s_g2()));
    let mut expected = params.clone();
    expected.downsize(4);
    assert_eq!(raw(&place.import(&raw(&params), Some(4)).unwrap().to_library()), raw(&expected));
    srs.write(&place.output).unwrap();
    let read = Srs::read(&place.output, Some(4)).unwrap();
    assert_eq!(raw(&read.to_library()), raw(&expected));
    assert!(!read.is_dev());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Nothing that a file holds ends the program, and what is accepted is a setup with the known point.
    #[test]
    fn damaged_files_are_refused_or_as_good_as_before(
        format in 0usize..5,
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0u8..6), 1..4),
        k in prop::option::of(0u32..6),
    ) {
        let place = Place::new();
        let secret = Fr::from(SECRET);
        let (_, mut bytes, _) = formats(secret).swap_remove(format);
        for (at, value, kind) in edits {
            let at = at.index(bytes.len().max(1));
            match kind {
                0 => bytes.truncate(at),
                1 => bytes.insert(at.min(bytes.len()), value),
                // Lengths and counts are in the first bytes of their integers.
                2 => bytes.iter_mut().skip(at).take(8).for_each(|byte| *byte = value),
                3 => bytes.splice(at.min(bytes.len()).., std::iter::repeat_n(value, 300)).for_each(drop),
                _ => if let Some(byte) = bytes.get_mut(at) { *byte ^= value },
            }
        }
        if let Ok(srs) = place.import(&bytes, k) {
            prop_assert_eq!(srs.id(), setup_id(&Points::of(secret, POWER).s_g2));
        }
    }
}
