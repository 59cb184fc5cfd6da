//! A disk that is full: a real one, a small one, in a mount namespace of this test's own.

use std::{fs, io::Write, path::Path, process::Command};

use assay_client_testing::require_anvil;
use assay_relayer::{JobState, RelayerError, StoreError};

use crate::world::{World, settle, turn_until};

const SMALL_DISK: &str = "ASSAY_TEST_SMALL_DISK";

/// Runs a test of this file again, with a folder of it on a disk of its own. Says why where that is not allowed.
fn on_a_small_disk(test: &str) {
    let folder = tempfile::tempdir().unwrap();
    let script = "mount -t tmpfs -o size=4m tmpfs \"$0\" && exec \"$@\"";
    let probe = Command::new("unshare").args(["-rm", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        eprintln!("skipped: this machine allows no mount namespace to this user");
        return;
    }
    let done = Command::new("unshare")
        .args(["-rm", "sh", "-c", script])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", test, "--nocapture"])
        .env(SMALL_DISK, folder.path())
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("1 passed"), "{said}");
}

/// Fills the disk up; the file is the one to remove for space.
fn fill(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("filler");
    let mut file = fs::File::create(&path).unwrap();
    for size in [4096, 512, 1] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
    path
}

#[test]
fn a_finished_proof_survives_a_full_disk() {
    require_anvil!();
    on_a_small_disk("disk::with_a_full_disk");
}

#[tokio::test]
#[ignore = "run by a_finished_proof_survives_a_full_disk"]
async fn with_a_full_disk() {
    let folder = std::env::var_os(SMALL_DISK).expect("run by the test above");
    let folder = Path::new(&folder);
    let world = World::new().await;
    let id = world.open(5).await;
    let mut config = world.hasty_config();
    config.store = folder.join("jobs.db").into();
    config.policy.least_disk = 1 << 16;
    let prover = world.prover();
    let mut relayer = world.relayer_with(world.escrow.clone(), &prover, config.clone()).await;
    turn_until(&mut relayer, id, |job| *job.state() == JobState::Proving).await;

    // The disk fills up while the proof is made.
    let filler = fill(folder);
    for _ in 0..3 {
        world.mine(1).await;
        let error = relayer.turn().await.expect_err("nothing can be stored");
        assert!(matches!(error, RelayerError::Store(StoreError::Disk { .. })), "{error}");
        assert!(error.is_survivable(), "{error}");
    }
    assert_eq!((prover.calls(), world.claims().await), (1, 0));
    fs::remove_file(filler).unwrap();
    let job = settle(&mut relayer, id).await;
    world.assert_paid_once(&job).await;
    assert_eq!(prover.calls(), 1, "the proof was kept");

    // Nothing is proven where its proof would find no room.
    let second = world.open(6).await;
    let filler = fill(folder);
    let kept = fs::metadata(&filler).unwrap().len();
    fs::File::options().write(true).open(&filler).unwrap().set_len(kept - (48 << 10)).unwrap();
    let waits = async {
        loop {
            // Room for a job, not for a proof.
            let _ = relayer.turn().await;
            let job = relayer.store().job(second).await.unwrap();
            if job.is_some_and(|job| job.last_error.is_some()) {
                return;
            }
        }
    };
    let waited = tokio::time::timeout(std::time::Duration::from_secs(10), waits).await;
    assert_eq!(prover.calls(), 1, "{waited:?}");
    fs::remove_file(filler).unwrap();
    let job = settle(&mut relayer, second).await;
    world.assert_paid_once(&job).await;
    assert_eq!(prover.calls(), 2);
}
