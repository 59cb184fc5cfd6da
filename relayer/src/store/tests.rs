use std::slice;

use alloy::primitives::{B256, Bytes};
use assay_client::{ModelIdentity, chain::SignedTransaction};

use super::*;
use crate::job::{JobState, PredictionTerms, SkipReason, Withdrawal};

fn block(number: u64, fork: u8) -> BlockRef {
    BlockRef { number, hash: B256::with_last_byte(fork), timestamp: number }
}

fn job(id: u64, opened_in: u64) -> PredictionJob {
    let terms = PredictionTerms {
        job_id: U256::from(id),
        model_id: U256::ONE,
        model: ModelIdentity { vk_hash: B256::ZERO, model_hash: B256::ZERO },
        binding_hash: B256::ZERO,
        buyer: Address::ZERO,
        token: Address::ZERO,
        price: U256::ONE,
        deadline: 10_000,
        notice: 0,
        callback_gas: 0,
        input_commitment: U256::from(5),
        hint: Bytes::new(),
    };
    PredictionJob::new(terms, block(opened_in, 0), 0)
}

fn claim() -> SignedTransaction {
    SignedTransaction {
        hash: B256::ZERO,
        from: Address::ZERO,
        nonce: 0,
        gas_limit: 0,
        max_fee_per_gas: 0,
        max_priority_fee_per_gas: 0,
        raw: Bytes::new(),
    }
}

fn proof() -> ProofArtifact {
    ProofArtifact::of_input(Bytes::from_static(b"proof"), vec![U256::from(7)])
}

fn store(dir: &Path) -> JobStore {
    JobStore::open(&dir.join("s.redb"), 1, Address::ZERO).unwrap()
}

fn opened(jobs: &[PredictionJob], cursor: u64) -> Progress {
    Progress { opened: jobs.to_vec(), cursor: Some(block(cursor, 0)), ..Progress::default() }
}

fn refunded_in(number: u64) -> Ending {
    Ending { reason: SkipReason::Refunded, block: block(number, 0) }
}

fn confirmed_in(block: u64) -> JobEvent {
    JobEvent::PaymentConfirmed {
        transaction: B256::ZERO,
        block,
        block_hash: B256::ZERO,
        gas_used: 1,
    }
}

#[test]
fn everything_survives_reopening_and_applies_once() {
    let dir = tempfile::tempdir().unwrap();
    let one = U256::ONE;
    {
        let store = store(dir.path());
        store.apply(opened(&[job(1, 3)], 4), 9).unwrap();
        store.put_proof(one, &proof(), 9).unwrap();
    }
    let store = store(dir.path());
    store.apply(opened(&[job(1, 3)], 4), 10).unwrap();
    let found = store.job(one).unwrap().unwrap();
    assert_eq!((found.state(), found.updated_at), (&JobState::Proven, 9));
    assert_eq!(store.proof(one).unwrap(), Some(proof()));
    assert_eq!(store.cursor().unwrap(), Some(block(4, 0)));
    assert_eq!(
        store.update(U256::from(2), |_| {}).unwrap_err().to_string(),
        "job 2 is not in the store"
    );
}

#[test]
fn jobs_come_in_the_order_of_their_ids() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    store.apply(opened(&[job(300, 1), job(2, 1), job(70_000, 1)], 1), 0).unwrap();
    let ids: Vec<U256> = store.jobs().unwrap().iter().map(PredictionJob::id).collect();
    assert_eq!(ids, [2, 300, 70_000].map(|id: u64| U256::from(id)));
}

#[test]
fn rolling_back_undoes_what_came_after() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    for number in 1..=9 {
        store.apply(opened(&[], number), 0).unwrap();
    }
    let paid = |block_number| Payment { transaction: B256::ZERO, block: block(block_number, 0) };
    store.apply(opened(&[job(1, 2), job(2, 2), job(3, 8), job(4, 2), job(5, 2)], 9), 0).unwrap();
    let progress = Progress {
        paid: vec![(U256::from(1), paid(5)), (U256::from(2), paid(7))],
        ended: vec![(U256::from(4), refunded_in(7)), (U256::from(5), refunded_in(5))],
        ..Progress::default()
    };
    store.apply(progress, 0).unwrap();
    for (id, number) in [(1, 5), (2, 7)] {
        store.put_proof(U256::from(id), &proof(), 0).unwrap();
        store.report(U256::from(id), &confirmed_in(number), 0).unwrap();
    }

    assert_eq!(store.roll_back(Some(6), 1).unwrap(), [2, 3, 4].map(|id: u64| U256::from(id)));
    assert_eq!(store.cursor().unwrap(), Some(block(6, 0)));
    let state = |id: u64| store.job(U256::from(id)).unwrap().unwrap();
    assert!(matches!(state(1).state(), JobState::Confirmed { .. }), "paid before the fork");
    assert_eq!((state(2).state(), state(2).paid_in), (&JobState::Proven, None), "paid after it");
    assert_eq!(state(3).state(), &JobState::Skipped { reason: SkipReason::Reorged });
    assert_eq!((state(4).state(), state(4).ended_in), (&JobState::Seen, None), "ended after it");
    assert_eq!(state(5).ended_in, Some(refunded_in(5)), "ended before the fork");

    // The same order comes back, another one under the same id does not count as the same.
    store.apply(opened(&[job(3, 7)], 7), 2).unwrap();
    assert_eq!((state(3).state(), state(3).opened_in.number), (&JobState::Seen, 7));
    store.put_proof(U256::from(3), &proof(), 3).unwrap();
    let mut other = job(3, 7);
    other.terms.price = U256::from(2);
    store.apply(opened(&[other.clone()], 7), 4).unwrap();
    assert_eq!((state(3), store.proof(U256::from(3)).unwrap()), (other, None));

    assert_eq!(store.roll_back(None, 5).unwrap().len(), 5);
    assert_eq!(store.cursor().unwrap(), None);
}

#[test]
fn a_payment_takes_up_a_job_that_was_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    store.apply(opened(&[job(1, 2), job(2, 2), job(3, 2)], 3), 0).unwrap();
    let (failed, skipped, ours) = (U256::from(1), U256::from(2), U256::from(3));
    store.report(failed, &JobEvent::GivenUp { reason: "".into() }, 1).unwrap();
    let reason = SkipReason::PriceTooLow { price: U256::ONE, minimum: U256::from(2) };
    store.report(skipped, &JobEvent::Declined { reason }, 1).unwrap();
    let payment = Payment { transaction: B256::ZERO, block: block(4, 0) };
    let progress = Progress {
        paid: [failed, skipped, ours].map(|id| (id, payment)).to_vec(),
        cursor: Some(block(4, 0)),
        ..Progress::default()
    };
    store.apply(progress.clone(), 2).unwrap();
    let states = || {
        let jobs = store.jobs().unwrap();
        assert!(jobs.iter().all(|job| job.paid_in == Some(payment)));
        jobs.into_iter().map(|job| job.state().clone()).collect::<Vec<_>>()
    };
    assert_eq!(states(), [JobState::Submitted, JobState::Submitted, JobState::Seen]);
    let confirmed = store.report(failed, &confirmed_in(4), 3).unwrap().state().clone();
    assert!(matches!(confirmed, JobState::Confirmed { block: 4, .. }));
    store.apply(progress, 4).unwrap();
    assert_eq!(states()[0], confirmed, "a payment that is read again changes nothing");
}

#[test]
fn an_impossible_event_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    store.apply(opened(&[job(1, 2)], 3), 0).unwrap();
    let before = store.job(U256::ONE).unwrap();
    // A claim without a proof: whoever reports it must not go on and send it.
    let error = store
        .report_and(U256::ONE, &JobEvent::ClaimSigned, 1, |job| job.claims.push(claim()))
        .unwrap_err();
    assert!(matches!(error, StoreError::IllegalEvent { job: U256::ONE, .. }), "{error}");
    assert!(crate::RelayerError::from(error).concerns_one_job());
    assert_eq!(store.job(U256::ONE).unwrap(), before);
}

#[test]
fn withdrawals_are_kept_until_they_are_done() {
    let dir = tempfile::tempdir().unwrap();
    let token = Address::with_last_byte(7);
    let withdrawal = Withdrawal { token, transactions: vec![claim()] };
    {
        let store = store(dir.path());
        store.put_withdrawal(&withdrawal).unwrap();
        store.update_withdrawal(Address::ZERO, |kept| kept.transactions.clear()).unwrap();
    }
    let store = store(dir.path());
    assert_eq!(store.withdrawals().unwrap(), slice::from_ref(&withdrawal));
    store.update_withdrawal(token, |kept| kept.transactions.push(claim())).unwrap();
    assert_eq!(store.withdrawals().unwrap()[0].transactions.len(), 2);
    store.remove_withdrawal(token).unwrap();
    assert_eq!(store.withdrawals().unwrap(), []);

    // One in a block is done, until the block is taken back.
    let hash = B256::with_last_byte(1);
    store.put_withdrawal(&withdrawal).unwrap();
    store.withdrawn(&withdrawal, hash, block(7, 0), 0).unwrap();
    assert_eq!(store.withdrawals().unwrap(), []);
    store.roll_back(Some(7), 1).unwrap();
    assert_eq!(store.withdrawals().unwrap(), []);
    store.roll_back(Some(6), 1).unwrap();
    assert_eq!(store.withdrawals().unwrap(), slice::from_ref(&withdrawal));
    // A later one on its way is not replaced; an old one is forgotten.
    let later = Withdrawal { transactions: Vec::new(), ..withdrawal.clone() };
    store.withdrawn(&withdrawal, hash, block(7, 0), 0).unwrap();
    store.put_withdrawal(&later).unwrap();
    store.roll_back(Some(6), 1).unwrap();
    assert_eq!(store.withdrawals().unwrap(), slice::from_ref(&later));
    store.withdrawn(&withdrawal, hash, block(7, 0), 8).unwrap();
    store.roll_back(None, 1).unwrap();
    assert_eq!(store.withdrawals().unwrap(), []);
}

#[test]
fn pauses_go_by_a_clock_that_nobody_sets() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    store.apply(opened(&[job(1, 2)], 3), 0).unwrap();
    let (id, pause) = (U256::ONE, Duration::from_millis(50));
    // Whatever the wall clock shows: the year 3000, or the epoch again.
    for now in [32_503_680_000, 0] {
        store.postpone(id, "no input".into(), now, pause).unwrap();
        assert!(!store.is_due(id));
        std::thread::sleep(pause * 2);
        assert!(store.is_due(id), "at {now}");
    }
    store.pause(id, Duration::MAX);
    assert!(!store.is_due(id));
    store.wake(id);
    assert!(store.is_due(id));
    // Progress ends a pause, as a restart does.
    store.pause(id, Duration::MAX);
    store.put_proof(id, &proof(), 1).unwrap();
    assert!(store.is_due(id));
}

#[test]
fn a_job_that_was_given_up_is_taken_up_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    store.apply(opened(&[job(1, 2), job(2, 2)], 3), 0).unwrap();
    let (id, other) = (U256::ONE, U256::from(2));
    let given_up = || JobEvent::GivenUp { reason: "hopeless".into() };
    store.report(id, &given_up(), 1).unwrap();
    assert_eq!(*store.retry(id).unwrap().state(), JobState::Seen);
    let error = store.retry(id).unwrap_err();
    assert!(matches!(error, StoreError::NotRetriable { .. }), "{error}");
    // Its proof is used, and its claims are looked at, but not counted again.
    store.put_proof(id, &proof(), 1).unwrap();
    store.report(id, &given_up(), 2).unwrap();
    assert_eq!(*store.retry(id).unwrap().state(), JobState::Proven);
    store.report_and(id, &JobEvent::ClaimSigned, 3, |job| job.claims.push(claim())).unwrap();
    store.report(id, &given_up(), 4).unwrap();
    let job = store.retry(id).unwrap();
    assert_eq!((job.state(), job.recent_claims(), job.claims.len()), (&JobState::Submitted, 0, 1));
    // What the chain has ended stays so.
    store.report(other, &JobEvent::Closed { reason: SkipReason::Refunded }, 1).unwrap();
    assert!(store.retry(other).is_err());
    assert!(matches!(store.retry(U256::from(3)), Err(StoreError::NoSuchJob(_))));
}

#[test]
fn work_does_not_grow_with_history() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = store(dir.path());
        let jobs: Vec<_> = (1..=40).map(|id| job(id, 1)).collect();
        store.apply(opened(&jobs, 1), 0).unwrap();
        for id in 1..=38u64 {
            store.put_proof(U256::from(id), &proof(), 0).unwrap();
            store
                .report_and(U256::from(id), &JobEvent::ClaimSigned, 0, |job| {
                    job.claims.push(claim())
                })
                .unwrap();
            store.report(U256::from(id), &confirmed_in(1), 0).unwrap();
        }
    }
    let store = store(dir.path());
    // The nearest deadline first, then the lowest id.
    store.update(U256::from(39), |job| job.terms.deadline = 20_000).unwrap();
    let ids = |jobs: Vec<PredictionJob>| jobs.iter().map(PredictionJob::id).collect::<Vec<_>>();
    assert_eq!(ids(store.active().unwrap()), [40, 39].map(|id: u64| U256::from(id)));
    assert_eq!(store.loose().unwrap().len(), 38);
    let mined: Vec<_> = (1..=37u64).map(U256::from).collect();
    store.all_mined(&mined).unwrap();
    assert_eq!(ids(store.loose().unwrap()), [U256::from(38)]);

    // Nothing is forgotten before its deadline is past, nor what may wait in a pool.
    assert_eq!(store.prune(U256::ZERO, 100, 10_000).unwrap(), None);
    assert_eq!(store.jobs().unwrap().len(), 40);
    let next = store.prune(U256::ZERO, 30, 10_001).unwrap();
    assert_eq!((next, store.jobs().unwrap().len()), (Some(U256::from(31)), 10));
    assert_eq!(store.prune(U256::from(31), 30, 10_001).unwrap(), None);
    assert_eq!(ids(store.jobs().unwrap()), [38, 39, 40].map(|id: u64| U256::from(id)));
    assert_eq!(store.proof(U256::from(5)).unwrap(), None);
}

#[test]
fn a_missing_job_shows_by_its_number() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let missing = |count: u64| store.missing(U256::from(count), 3).unwrap();
    store.set_whole(U256::from(4)).unwrap();
    store.apply(opened(&[job(5, 10), job(6, 11), job(9, 20)], 30), 0).unwrap();
    assert!(missing(6).is_empty());
    assert_eq!(store.whole().unwrap(), Some(U256::from(6)));
    assert_eq!(missing(9), [7, 8].map(|id: u64| U256::from(id)));
    assert_eq!(missing(20).len(), 3, "a few at a time");
    assert_eq!(store.opened_around(U256::from(7)).unwrap(), (Some(11), Some(20)));
    assert_eq!(store.opened_around(U256::from(12)).unwrap(), (Some(20), None));
    store.apply(opened(&[job(7, 12), job(8, 12)], 30), 0).unwrap();
    assert!(missing(9).is_empty());
    assert_eq!(store.whole().unwrap(), Some(U256::from(9)));
    // After a reorganization the number may stand for another job.
    store.roll_back(Some(15), 1).unwrap();
    assert_eq!(store.whole().unwrap(), Some(U256::from(8)));
    assert_eq!(missing(9), [U256::from(9)]);
    assert_eq!(store.opened_around(U256::from(10)).unwrap(), (Some(12), None));
}

#[test]
fn a_store_without_an_index_gets_one() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = store(dir.path());
        store.apply(opened(&[job(1, 2), job(2, 2)], 3), 0).unwrap();
        store.report(U256::ONE, &JobEvent::GivenUp { reason: "".into() }, 1).unwrap();
        // As an earlier version left it.
        store
            .disk
            .write("be older", |txn| {
                txn.delete_table(TableDefinition::<[u8; 32], u64>::new("active"))?;
                txn.open_table(META)?.remove("indexed")?;
                Ok(())
            })
            .unwrap();
    }
    let active = store(dir.path()).active().unwrap();
    assert_eq!(active.iter().map(PredictionJob::id).collect::<Vec<_>>(), [U256::from(2)]);
}

#[test]
fn old_blocks_are_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let mut blocks = Progress::default();
    for number in 0..KEPT_BLOCKS as u64 + 3 {
        blocks.cursor = Some(block(number, 0));
        store.apply(blocks.clone(), 0).unwrap();
    }
    let kept = store.blocks().unwrap();
    assert_eq!((kept.len(), kept[0].number), (KEPT_BLOCKS, KEPT_BLOCKS as u64 + 2), "newest first");
}

#[test]
fn files_that_are_no_store_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.redb");
    fs::write(&path, "not a database, but long enough to be looked at".repeat(200)).unwrap();
    let error = JobStore::open(&path, 1, Address::ZERO).err().unwrap();
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
    assert!(JobStore::open(dir.path(), 1, Address::ZERO).is_err(), "a folder");

    let damaged = dir.path().join("d.redb");
    let store = JobStore::open(&damaged, 1, Address::ZERO).unwrap();
    store
        .disk
        .write("be damaged", |txn| {
            txn.open_table(JOBS)?.insert(key(U256::ONE), b"{".as_slice())?;
            Ok(())
        })
        .unwrap();
    assert!(matches!(store.jobs(), Err(StoreError::Damaged { .. })));
}

/// A job as it lies on disk, with a state in place of STATE.
const STORED_JOB: &str = concat!(
    r#"{"terms":{"job_id":"0x1","model_id":"0x2","model":{"vk_hash":"#,
    r#""0x0000000000000000000000000000000000000000000000000000000000000003","model_hash":"#,
    r#""0x0000000000000000000000000000000000000000000000000000000000000004"},"binding_hash":"#,
    r#""0x0000000000000000000000000000000000000000000000000000000000000005","buyer":"#,
    r#""0x0000000000000000000000000000000000000006","token":"#,
    r#""0x0000000000000000000000000000000000000007","price":"0x8","deadline":9,"notice":0,"callback_gas":0,"#,
    r#""input_commitment":"0xa","hint":"0x0b"},"opened_in":{"number":12,"hash":"#,
    r#""0x000000000000000000000000000000000000000000000000000000000000000d","timestamp":14},"#,
    r#""state":STATE,"claims":[{"hash":"#,
    r#""0x000000000000000000000000000000000000000000000000000000000000000f","from":"#,
    r#""0x0000000000000000000000000000000000000010","nonce":17,"gas_limit":18,"#,
    r#""max_fee_per_gas":19,"max_priority_fee_per_gas":20,"raw":"0x15"}],"cancellations":[],"#,
    r#""paid_in":{"transaction":"#,
    r#""0x0000000000000000000000000000000000000000000000000000000000000016","block":{"number":23,"#,
    r#""hash":"0x0000000000000000000000000000000000000000000000000000000000000018","#,
    r#""timestamp":25}},"ended_in":{"reason":{"kind":"refunded"},"block":{"number":30,"hash":"#,
    r#""0x000000000000000000000000000000000000000000000000000000000000001f","timestamp":32}},"#,
    r#""attempts":26,"failed_proofs":27,"claims_before_retry":33,"last_error":"why","#,
    r#""updated_at":29,"history":[{"state":"seen","at":34}]}"#,
);

/// Stores of earlier versions are on disks out there.
#[test]
fn stored_jobs_stay_readable() {
    let hash = format!("{:?}", B256::with_last_byte(1));
    let states = [
        r#"{"name":"seen"}"#.to_owned(),
        r#"{"name":"proving"}"#.to_owned(),
        r#"{"name":"proven"}"#.to_owned(),
        r#"{"name":"submitting"}"#.to_owned(),
        r#"{"name":"submitted"}"#.to_owned(),
        format!(
            r#"{{"name":"confirmed","transaction":"{hash}","block":2,"block_hash":"{hash}","gas_used":3}}"#
        ),
        format!(
            r#"{{"name":"skipped","reason":{{"kind":"unknown_model","model":{{"vk_hash":"{hash}","model_hash":"{hash}"}}}}}}"#
        ),
        r#"{"name":"skipped","reason":{"kind":"expired","deadline":4,"now":5}}"#.to_owned(),
        r#"{"name":"skipped","reason":{"kind":"price_too_low","price":"0x6","minimum":"0x7"}}"#
            .to_owned(),
        r#"{"name":"skipped","reason":{"kind":"token_not_accepted","token":"0x0000000000000000000000000000000000000008"}}"#.to_owned(),
        r#"{"name":"skipped","reason":{"kind":"claimed_by_other","recipient":"0x0000000000000000000000000000000000000009"}}"#.to_owned(),
        r#"{"name":"skipped","reason":{"kind":"refunded"}}"#.to_owned(),
        r#"{"name":"skipped","reason":{"kind":"reorged"}}"#.to_owned(),
        r#"{"name":"failed","reason":"it was hopeless"}"#.to_owned(),
    ];
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    for state in states {
        let stored = STORED_JOB.replace("STATE", &state);
        store
            .disk
            .write("be filled", |txn| {
                txn.open_table(JOBS)?.insert(key(U256::ONE), stored.as_bytes())?;
                Ok(())
            })
            .unwrap();
        let job = store.job(U256::ONE).unwrap().unwrap();
        assert_eq!(String::from_utf8(encode(&job).unwrap()).unwrap(), stored);
    }
    // Without what was added since, and with what was taken away.
    let state = r#"{"name":"seen"}"#;
    let ended = STORED_JOB.find(r#""ended_in""#).unwrap();
    let attempts = STORED_JOB.find(r#""attempts""#).unwrap();
    let older = [&STORED_JOB[..ended], &STORED_JOB[attempts..]].concat();
    let older = older.replace(r#""claims_before_retry":33"#, r#""not_before":28"#);
    let older = older.replace(r#""notice":0,"callback_gas":0,"#, "");
    let older = older.replace(r#","history":[{"state":"seen","at":34}]"#, "");
    let job = entries::decode_job(U256::ONE, older.replace("STATE", state).as_bytes()).unwrap();
    assert_eq!((job.ended_in, job.claims_before_retry, job.attempts), (None, 0, 26));
}
