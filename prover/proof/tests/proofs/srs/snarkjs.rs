//! Files that snarkjs made (`scripts/powers-of-tau.mjs`), not this program's idea of them.

use std::path::PathBuf;

use assay_proof::{Existing, Import, ProverKey, Srs};
use assay_testing::sample::{SEED, Sample, SampleParams, Setup};

/// Those that the tests' script makes, or the ones named by `ASSAY_PTAU`, with colons between them.
fn files() -> Vec<PathBuf> {
    match std::env::var_os("ASSAY_PTAU") {
        Some(paths) => std::env::split_paths(&paths).collect(),
        None => ["pot10.ptau", "pot10-plain.ptau"]
            .map(|name| {
                PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.cache/snarkjs").join(name)
            })
            .to_vec(),
    }
}

#[test]
fn powers_of_tau_prove_and_verify() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("own.srs");
    for file in files() {
        let required = ["ASSAY_PTAU", "ASSAY_REQUIRE_PTAU"].map(std::env::var_os);
        if !file.exists() && required.iter().all(Option::is_none) {
            eprintln!(
                "skipped: {} is not there; scripts/powers-of-tau.mjs makes it",
                file.display()
            );
            continue;
        }
        let import = Import::open(&file, None).unwrap();
        import.write(&output, Existing::Replace, &|_, _| ()).unwrap();
        assert_eq!(Srs::check_file(&output, &|_, _| ()).unwrap().id, import.id());
        let srs = Srs::read(&output, None).unwrap();
        assert!(!srs.is_dev() && srs.ceremony().is_none());

        let params = SampleParams { k: import.k(), ..SampleParams::small() };
        let circuit = Sample::new(params.clone(), 1, 1);
        let key = ProverKey::generate(&srs, &circuit, params.shape()).unwrap();
        let setup = Setup { srs, key, params };
        let (proof, inputs) = setup.prove(1, 1, &SEED);
        setup.key.verify(&inputs, &proof).unwrap();
        assert_eq!(setup.key.info().setup_id(), import.id());

        // Half the size: a smaller Lagrange form from the same file.
        let half = Import::open(&file, Some(import.k() - 1)).unwrap();
        assert_eq!(half.has_lagrange(), import.has_lagrange());
        half.write(&output, Existing::Replace, &|_, _| ()).unwrap();
        assert_eq!(Srs::check_file(&output, &|_, _| ()).unwrap().id, import.id());
    }
}
