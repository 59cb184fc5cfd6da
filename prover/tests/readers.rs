//! Every file that comes from somebody else, damaged at random: the readers answer with an error or with
//! something valid, whatever the bytes, and never panic. The envelope's integrity hash is made again after
//! each change, so that what lies behind it is reached. `ASSAY_FUZZ_RUNS` is the number of changes for each
//! reader and way (200 unless set), `ASSAY_FUZZ_SEED` where they begin; the importer of ONNX files has a test
//! of its own kind in `prover/import/src/model/tests/fuzz.rs`.

// Helpers of tests may end the test.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use assay_collection::{Collection, OpeningFile, SaltSeed, sealed};
use assay_files::{Kind, Readers, envelope};
use assay_graph::Dataset;
use assay_prover::{
    bundle::{Bundle, architecture_from_json},
    circuit::PlanRequest,
    model_card::{CardClaims, ModelCard},
    model_proof::{generate_key, read_key, read_verifying_key},
    openings::{Marks, Openings},
    proof::{ProofFile, Srs, key_file_data},
    verifier,
};
use assay_testing::networks::mixed_network;
use rand_chacha::ChaCha20Rng;
use rand_core::{RngCore, SeedableRng};

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).map_or(otherwise, |text| text.parse().unwrap())
}

/// A valid file, and what reads it: true where it was taken.
struct Target<'a> {
    name: &'a str,
    path: PathBuf,
    read: Box<dyn Fn(&Path) -> bool + 'a>,
}

/// Changes some bytes: flips, extreme numbers, cuts, repetitions.
fn damage(bytes: &mut Vec<u8>, rng: &mut ChaCha20Rng) {
    const EXTREMES: [u64; 6] = [0, 1, u64::MAX, i64::MAX as u64, 1 << 31, u32::MAX as u64];
    for _ in 0..=rng.next_u32() % 4 {
        let length = bytes.len().max(1);
        let at = rng.next_u64() as usize % length;
        match rng.next_u32() % 6 {
            0 => bytes.truncate(at),
            1 => bytes.extend_from_within(at.min(bytes.len())..),
            2 | 3 => {
                let extreme = EXTREMES[rng.next_u32() as usize % EXTREMES.len()].to_le_bytes();
                let width = 1 << (rng.next_u32() % 4);
                for (byte, value) in bytes.iter_mut().skip(at).zip(extreme).take(width) {
                    *byte = value;
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << (rng.next_u32() % 8);
                }
            }
        }
    }
}

/// Replaces a number of a JSON text by one that a writer of the format would not choose.
fn damage_number(text: &str, rng: &mut ChaCha20Rng) -> String {
    const NUMBERS: [&str; 8] =
        ["0", "-1", "1e308", "0.5", "18446744073709551615", "4294967296", "1048576", "null"];
    let starts: Vec<usize> = text
        .char_indices()
        .filter(|(at, c)| {
            c.is_ascii_digit() && !text[..*at].ends_with(|c: char| c.is_alphanumeric())
        })
        .map(|(at, _)| at)
        .collect();
    let Some(start) = starts.get(rng.next_u64() as usize % starts.len().max(1)) else {
        return text.to_owned();
    };
    let end =
        text[*start..].find(|c: char| !c.is_ascii_digit()).map_or(text.len(), |at| start + at);
    let number = NUMBERS[rng.next_u32() as usize % NUMBERS.len()];
    format!("{}{number}{}", &text[..*start], &text[end..])
}

impl Target<'_> {
    /// The kind of an enveloped file, by its own header.
    fn kind(bytes: &[u8]) -> Option<Kind> {
        let magic = *bytes.first_chunk::<8>()?;
        let version = u32::from_le_bytes(*bytes.get(8..)?.first_chunk::<4>()?);
        magic.starts_with(b"ASSAY").then_some(Kind {
            magic,
            version,
            name: "file under test",
            readers: Readers::Everyone,
        })
    }

    fn fuzz(&self, folder: &Path) {
        let (runs, seed) = (number("ASSAY_FUZZ_RUNS", 200), number("ASSAY_FUZZ_SEED", 1));
        let good = fs::read(&self.path).unwrap();
        assert!((self.read)(&self.path), "{}: the file itself is taken", self.name);
        let kind = Self::kind(&good);
        let envelope = kind.map(|kind| (kind, envelope::read(&self.path, kind).unwrap()));
        let changed = folder.join(format!("changed-{}", self.name));
        let mut refused = 0;
        for run in 0..runs {
            let mut rng = ChaCha20Rng::seed_from_u64(seed.wrapping_add(run));
            match &envelope {
                // Under a hash of its own.
                Some((kind, (belongs_to, body))) if run % 2 == 0 => {
                    let mut body = body.clone();
                    damage(&mut body, &mut rng);
                    envelope::write(&changed, *kind, belongs_to, &body).unwrap();
                }
                None if run % 2 == 0 && good.starts_with(b"{") => {
                    let text = damage_number(std::str::from_utf8(&good).unwrap(), &mut rng);
                    fs::write(&changed, text).unwrap();
                }
                _ => {
                    let mut bytes = good.clone();
                    damage(&mut bytes, &mut rng);
                    fs::write(&changed, bytes).unwrap();
                }
            }
            let outcome = catch_unwind(AssertUnwindSafe(|| (self.read)(&changed)));
            let taken = outcome.unwrap_or_else(|_| {
                panic!("{} panics: ASSAY_FUZZ_SEED={} run 0", self.name, seed.wrapping_add(run))
            });
            refused += u64::from(!taken);
        }
        println!("{}: {refused} of {runs} refused", self.name);
        assert!(refused > runs / 2, "{}: most changes matter", self.name);
    }
}

fn target<'a>(name: &'a str, path: PathBuf, read: impl Fn(&Path) -> bool + 'a) -> Target<'a> {
    Target { name, path, read: Box::new(read) }
}

#[test]
fn damaged_files_are_refused_and_nothing_panics() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let bundle = Bundle::new(mixed_network().0, PlanRequest::default()).unwrap();
    let (layout, architecture) = (bundle.layout().unwrap(), bundle.architecture());
    let srs = Srs::dev(layout.k, [3; 32]).unwrap();
    let key = generate_key(&srs, &layout).unwrap();
    let marks = Marks::at(at("marks"));
    bundle.create(&at("bundle"), &marks).unwrap();
    fs::write(at("architecture"), architecture.to_json()).unwrap();
    srs.write(&at("setup")).unwrap();
    key.write(&at("proving key")).unwrap();
    key.verifier().write(&at("verifying key")).unwrap();
    let claims = CardClaims {
        model_hash: [1; 32],
        vk_hash: key.info().hash(),
        setup_id: srs.id(),
        ceremony: None,
        profile: key.info().profile().digest(),
        code_hash: None,
        openings: 7,
        left_out: None,
        bounds: Vec::new(),
    };
    ModelCard::new(architecture.clone(), claims).unwrap().write(&at("card"), false).unwrap();
    let inputs = (0..4).map(|i| vec![i; 60]).collect();
    let data = Dataset { inputs, labels: vec![0, 1, 2, 3] };
    let set = Collection::commit(&data, [2, 6, 5], SaltSeed([5; 32]), None, &|| ()).unwrap();
    set.write(&at("set")).unwrap();
    let opening = OpeningFile::of(&set, 1).unwrap().to_json();
    fs::write(at("opening"), opening).unwrap();
    let sealing = sealed::SealingKey::random();
    sealed::seal(&at("set"), &[sealing.recipient()], &at("sealed")).unwrap();
    let public_inputs = vec![halo2_proofs::halo2curves::bn256::Fr::one(); 3];
    let proof = ProofFile { vk_hash: [2; 32], public_inputs, proof: vec![3; 640] };
    proof.write(&at("proof")).unwrap();

    let text = |path: &Path| fs::read_to_string(path).ok();
    let targets = [
        target("bundle", at("bundle"), |path| Bundle::read(path).is_ok()),
        target("bundle.openings", at("bundle.openings"), |path| {
            let bundle_path = path.with_extension("");
            Openings::of(&bundle_path, bundle.id, bundle.budget, &marks).usage().is_ok()
        }),
        target("architecture", at("architecture"), |path| {
            let read = text(path).and_then(|text| architecture_from_json(path, &text).ok());
            read.is_some_and(|architecture| architecture.layout().is_ok())
        }),
        target("setup", at("setup"), |path| {
            Srs::read(path, None).is_ok() && Srs::check_file(path, &|_, _| ()).is_ok()
        }),
        target("proving key", at("proving key"), |path| read_key(path, &layout).is_ok()),
        target("verifying key", at("verifying key"), |path| {
            let data = key_file_data(path);
            // A contract's data, as a browser gets it.
            let decoded =
                data.is_ok_and(|data| verifier::verifying_key(&architecture, &data).is_ok());
            decoded && read_verifying_key(path, &layout).is_ok()
        }),
        target("proof", at("proof"), |path| ProofFile::read(path).is_ok()),
        target("set", at("set"), |path| Collection::read(path, &|_| ()).is_ok()),
        target("opening", at("opening"), |path| {
            OpeningFile::read(path).is_ok_and(|opening| opening.verify().is_ok())
        }),
        target("sealed set", at("sealed"), |path| {
            sealed::unseal(path, &sealing, &path.with_extension("set")).is_ok()
        }),
        target("card", at("card"), |path| ModelCard::read(path).is_ok()),
    ];
    for target in targets {
        target.fuzz(folder.path());
    }
}
