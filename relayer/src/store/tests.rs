mod formats;
mod queue;

use std::slice;

use alloy::primitives::{B256, Bytes};
use assay_client::{ModelIdentity, chain::SignedTransaction};
use assay_client_testing::PostgresServer;
use queue::*;

use super::*;
use crate::duty::{Duty, ProofKey};
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

/// Where the stores of one test are.
struct Bench {
    place: StorePlace,
    _dir: Option<tempfile::TempDir>,
}

impl Bench {
    fn file() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { place: dir.path().join("s.db").into(), _dir: Some(dir) }
    }

    fn database(server: &PostgresServer) -> Self {
        Self { place: server.database().parse().unwrap(), _dir: None }
    }

    async fn store(&self) -> JobStore {
        JobStore::open(&self.place, 1, Address::ZERO).await.unwrap()
    }
}

/// Each is run with a file, and all of them with databases of one server.
macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $case() {
                super::$case(super::Bench::file()).await;
            })*
        }

        #[tokio::test]
        async fn the_same_on_postgresql() {
            let Some(server) = PostgresServer::start() else { return };
            $(eprintln!(stringify!($case));
            $case(Bench::database(&server)).await;)*
        }
    };
}

on_both!(
    everything_survives_reopening_and_applies_once,
    jobs_come_in_the_order_of_their_ids,
    rolling_back_undoes_what_came_after,
    a_payment_takes_up_a_job_that_was_given_up,
    an_impossible_event_changes_nothing,
    withdrawals_are_kept_until_they_are_done,
    pauses_go_by_a_clock_that_nobody_sets,
    a_job_that_was_given_up_is_taken_up_again,
    work_does_not_grow_with_history,
    a_missing_job_shows_by_its_number,
    old_blocks_are_forgotten,
    duties_and_their_proofs_are_kept,
    one_process_has_the_store,
    a_store_of_another_escrow_is_refused,
    what_is_broken_off_changes_nothing,
    damaged_entries_are_named,
    a_store_of_a_later_version_is_refused,
    the_most_urgent_task_goes_first,
    many_workers_share_the_tasks,
    a_lease_that_is_not_renewed_goes_to_another,
    a_dropped_task_takes_no_proof,
    a_further_try_has_the_same_opening,
    a_worker_asks_for_its_opening,
    ended_tasks_are_put_aside_and_forgotten,
    a_look_at_the_queue_does_not_grow_with_history,
);

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

async fn everything_survives_reopening_and_applies_once(bench: Bench) {
    let one = U256::ONE;
    {
        let store = bench.store().await;
        store.apply(opened(&[job(1, 3)], 4), 9).await.unwrap();
        store.put_proof(one, &proof(), 9).await.unwrap();
    }
    let store = bench.store().await;
    store.apply(opened(&[job(1, 3)], 4), 10).await.unwrap();
    let found = store.job(one).await.unwrap().unwrap();
    assert_eq!((found.state(), found.updated_at), (&JobState::Proven, 9));
    assert_eq!(store.proof(one).await.unwrap(), Some(proof()));
    assert_eq!(store.cursor().await.unwrap(), Some(block(4, 0)));
    assert_eq!(
        store.update(U256::from(2), |_| {}).await.unwrap_err().to_string(),
        "job 2 is not in the store"
    );
}

async fn jobs_come_in_the_order_of_their_ids(bench: Bench) {
    let store = bench.store().await;
    store.apply(opened(&[job(300, 1), job(2, 1), job(70_000, 1)], 1), 0).await.unwrap();
    let ids: Vec<U256> = store.jobs().await.unwrap().iter().map(PredictionJob::id).collect();
    assert_eq!(ids, [2, 300, 70_000].map(|id: u64| U256::from(id)));
}

async fn rolling_back_undoes_what_came_after(bench: Bench) {
    let store = bench.store().await;
    for number in 1..=9 {
        store.apply(opened(&[], number), 0).await.unwrap();
    }
    let paid = |block_number| Payment { transaction: B256::ZERO, block: block(block_number, 0) };
    store
        .apply(opened(&[job(1, 2), job(2, 2), job(3, 8), job(4, 2), job(5, 2)], 9), 0)
        .await
        .unwrap();
    let progress = Progress {
        paid: vec![(U256::from(1), paid(5)), (U256::from(2), paid(7))],
        ended: vec![(U256::from(4), refunded_in(7)), (U256::from(5), refunded_in(5))],
        ..Progress::default()
    };
    store.apply(progress, 0).await.unwrap();
    for (id, number) in [(1, 5), (2, 7)] {
        store.put_proof(U256::from(id), &proof(), 0).await.unwrap();
        store.report(U256::from(id), &confirmed_in(number), 0).await.unwrap();
    }

    assert_eq!(store.roll_back(Some(6), 1).await.unwrap(), [2, 3, 4].map(|id: u64| U256::from(id)));
    assert_eq!(store.cursor().await.unwrap(), Some(block(6, 0)));
    let state = async |id: u64| store.job(U256::from(id)).await.unwrap().unwrap();
    assert!(matches!(state(1).await.state(), JobState::Confirmed { .. }), "paid before the fork");
    assert_eq!(
        (state(2).await.state(), state(2).await.paid_in),
        (&JobState::Proven, None),
        "paid after it"
    );
    assert_eq!(state(3).await.state(), &JobState::Skipped { reason: SkipReason::Reorged });
    assert_eq!(
        (state(4).await.state(), state(4).await.ended_in),
        (&JobState::Seen, None),
        "ended after it"
    );
    assert_eq!(state(5).await.ended_in, Some(refunded_in(5)), "ended before the fork");

    // The same order comes back, another one under the same id does not count as the same.
    store.apply(opened(&[job(3, 7)], 7), 2).await.unwrap();
    assert_eq!((state(3).await.state(), state(3).await.opened_in.number), (&JobState::Seen, 7));
    store.put_proof(U256::from(3), &proof(), 3).await.unwrap();
    let mut other = job(3, 7);
    other.terms.price = U256::from(2);
    store.apply(opened(&[other.clone()], 7), 4).await.unwrap();
    assert_eq!((state(3).await, store.proof(U256::from(3)).await.unwrap()), (other, None));

    assert_eq!(store.roll_back(None, 5).await.unwrap().len(), 5);
    assert_eq!(store.cursor().await.unwrap(), None);
}

async fn a_payment_takes_up_a_job_that_was_given_up(bench: Bench) {
    let store = bench.store().await;
    store.apply(opened(&[job(1, 2), job(2, 2), job(3, 2)], 3), 0).await.unwrap();
    let (failed, skipped, ours) = (U256::from(1), U256::from(2), U256::from(3));
    store.report(failed, &JobEvent::GivenUp { reason: "".into() }, 1).await.unwrap();
    let reason = SkipReason::PriceTooLow { price: U256::ONE, minimum: U256::from(2) };
    store.report(skipped, &JobEvent::Declined { reason }, 1).await.unwrap();
    let payment = Payment { transaction: B256::ZERO, block: block(4, 0) };
    let progress = Progress {
        paid: [failed, skipped, ours].map(|id| (id, payment)).to_vec(),
        cursor: Some(block(4, 0)),
        ..Progress::default()
    };
    store.apply(progress.clone(), 2).await.unwrap();
    let states = async || {
        let jobs = store.jobs().await.unwrap();
        assert!(jobs.iter().all(|job| job.paid_in == Some(payment)));
        jobs.into_iter().map(|job| job.state().clone()).collect::<Vec<_>>()
    };
    assert_eq!(states().await, [JobState::Submitted, JobState::Submitted, JobState::Seen]);
    let confirmed = store.report(failed, &confirmed_in(4), 3).await.unwrap().state().clone();
    assert!(matches!(confirmed, JobState::Confirmed { block: 4, .. }));
    store.apply(progress, 4).await.unwrap();
    assert_eq!(states().await[0], confirmed, "a payment that is read again changes nothing");
}

async fn an_impossible_event_changes_nothing(bench: Bench) {
    let store = bench.store().await;
    store.apply(opened(&[job(1, 2)], 3), 0).await.unwrap();
    let before = store.job(U256::ONE).await.unwrap();
    // A claim without a proof: whoever reports it must not go on and send it.
    let error = store
        .report_and(U256::ONE, &JobEvent::ClaimSigned, 1, |job| job.claims.push(claim()))
        .await
        .unwrap_err();
    assert!(matches!(error, StoreError::IllegalEvent { job: U256::ONE, .. }), "{error}");
    assert!(crate::RelayerError::from(error).concerns_one_job());
    assert_eq!(store.job(U256::ONE).await.unwrap(), before);
}

async fn withdrawals_are_kept_until_they_are_done(bench: Bench) {
    let token = Address::with_last_byte(7);
    let withdrawal = Withdrawal { token, transactions: vec![claim()] };
    {
        let store = bench.store().await;
        store.put_withdrawal(&withdrawal).await.unwrap();
        store.update_withdrawal(Address::ZERO, |kept| kept.transactions.clear()).await.unwrap();
    }
    let store = bench.store().await;
    assert_eq!(store.withdrawals().await.unwrap(), slice::from_ref(&withdrawal));
    store.update_withdrawal(token, |kept| kept.transactions.push(claim())).await.unwrap();
    assert_eq!(store.withdrawals().await.unwrap()[0].transactions.len(), 2);
    store.remove_withdrawal(token).await.unwrap();
    assert_eq!(store.withdrawals().await.unwrap(), []);

    // One in a block is done, until the block is taken back.
    let hash = B256::with_last_byte(1);
    store.put_withdrawal(&withdrawal).await.unwrap();
    store.withdrawn(&withdrawal, hash, block(7, 0), 0).await.unwrap();
    assert_eq!(store.withdrawals().await.unwrap(), []);
    store.roll_back(Some(7), 1).await.unwrap();
    assert_eq!(store.withdrawals().await.unwrap(), []);
    store.roll_back(Some(6), 1).await.unwrap();
    assert_eq!(store.withdrawals().await.unwrap(), slice::from_ref(&withdrawal));
    // A later one on its way is not replaced; an old one is forgotten.
    let later = Withdrawal { transactions: Vec::new(), ..withdrawal.clone() };
    store.withdrawn(&withdrawal, hash, block(7, 0), 0).await.unwrap();
    store.put_withdrawal(&later).await.unwrap();
    store.roll_back(Some(6), 1).await.unwrap();
    assert_eq!(store.withdrawals().await.unwrap(), slice::from_ref(&later));
    store.withdrawn(&withdrawal, hash, block(7, 0), 8).await.unwrap();
    store.roll_back(None, 1).await.unwrap();
    assert_eq!(store.withdrawals().await.unwrap(), []);
}

async fn pauses_go_by_a_clock_that_nobody_sets(bench: Bench) {
    let store = bench.store().await;
    store.apply(opened(&[job(1, 2)], 3), 0).await.unwrap();
    let (id, pause) = (U256::ONE, Duration::from_millis(50));
    // Whatever the wall clock shows: the year 3000, or the epoch again.
    for now in [32_503_680_000, 0] {
        store.postpone(id, "no input".into(), now, pause).await.unwrap();
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
    store.put_proof(id, &proof(), 1).await.unwrap();
    assert!(store.is_due(id));
}

async fn a_job_that_was_given_up_is_taken_up_again(bench: Bench) {
    let store = bench.store().await;
    store.apply(opened(&[job(1, 2), job(2, 2)], 3), 0).await.unwrap();
    let (id, other) = (U256::ONE, U256::from(2));
    let given_up = || JobEvent::GivenUp { reason: "hopeless".into() };
    store.report(id, &given_up(), 1).await.unwrap();
    assert_eq!(*store.retry(id).await.unwrap().state(), JobState::Seen);
    let error = store.retry(id).await.unwrap_err();
    assert!(matches!(error, StoreError::NotRetriable { .. }), "{error}");
    // Its proof is used, and its claims are looked at, but not counted again.
    store.put_proof(id, &proof(), 1).await.unwrap();
    store.report(id, &given_up(), 2).await.unwrap();
    assert_eq!(*store.retry(id).await.unwrap().state(), JobState::Proven);
    store.report_and(id, &JobEvent::ClaimSigned, 3, |job| job.claims.push(claim())).await.unwrap();
    store.report(id, &given_up(), 4).await.unwrap();
    let job = store.retry(id).await.unwrap();
    assert_eq!((job.state(), job.recent_claims(), job.claims.len()), (&JobState::Submitted, 0, 1));
    // What the chain has ended stays so.
    store.report(other, &JobEvent::Closed { reason: SkipReason::Refunded }, 1).await.unwrap();
    assert!(store.retry(other).await.is_err());
    assert!(matches!(store.retry(U256::from(3)).await, Err(StoreError::NoSuchJob(_))));
}

async fn work_does_not_grow_with_history(bench: Bench) {
    {
        let store = bench.store().await;
        let jobs: Vec<_> = (1..=40).map(|id| job(id, 1)).collect();
        store.apply(opened(&jobs, 1), 0).await.unwrap();
        for id in 1..=38u64 {
            store.put_proof(U256::from(id), &proof(), 0).await.unwrap();
            store
                .report_and(U256::from(id), &JobEvent::ClaimSigned, 0, |job| {
                    job.claims.push(claim())
                })
                .await
                .unwrap();
            store.report(U256::from(id), &confirmed_in(1), 0).await.unwrap();
        }
    }
    let store = bench.store().await;
    // The nearest deadline first, then the lowest id.
    store.update(U256::from(39), |job| job.terms.deadline = 20_000).await.unwrap();
    let ids = |jobs: Vec<PredictionJob>| jobs.iter().map(PredictionJob::id).collect::<Vec<_>>();
    assert_eq!(ids(store.active().await.unwrap()), [40, 39].map(|id: u64| U256::from(id)));
    assert_eq!(store.loose().await.unwrap().len(), 38);
    let mined: Vec<_> = (1..=37u64).map(U256::from).collect();
    store.all_mined(&mined).await.unwrap();
    assert_eq!(ids(store.loose().await.unwrap()), [U256::from(38)]);

    // Nothing is forgotten before its deadline is past, nor what may wait in a pool.
    assert_eq!(store.prune(U256::ZERO, 100, 10_000).await.unwrap(), None);
    assert_eq!(store.jobs().await.unwrap().len(), 40);
    let next = store.prune(U256::ZERO, 30, 10_001).await.unwrap();
    assert_eq!((next, store.jobs().await.unwrap().len()), (Some(U256::from(31)), 10));
    assert_eq!(store.prune(U256::from(31), 30, 10_001).await.unwrap(), None);
    assert_eq!(ids(store.jobs().await.unwrap()), [38, 39, 40].map(|id: u64| U256::from(id)));
    assert_eq!(store.proof(U256::from(5)).await.unwrap(), None);
}

async fn a_missing_job_shows_by_its_number(bench: Bench) {
    let store = bench.store().await;
    let missing = async |count: u64| store.missing(U256::from(count), 3).await.unwrap();
    store.set_whole(U256::from(4)).await.unwrap();
    store.apply(opened(&[job(5, 10), job(6, 11), job(9, 20)], 30), 0).await.unwrap();
    assert!(missing(6).await.is_empty());
    assert_eq!(store.whole().await.unwrap(), Some(U256::from(6)));
    assert_eq!(missing(9).await, [7, 8].map(|id: u64| U256::from(id)));
    assert_eq!(missing(20).await.len(), 3, "a few at a time");
    assert_eq!(store.opened_around(U256::from(7)).await.unwrap(), (Some(11), Some(20)));
    assert_eq!(store.opened_around(U256::from(12)).await.unwrap(), (Some(20), None));
    store.apply(opened(&[job(7, 12), job(8, 12)], 30), 0).await.unwrap();
    assert!(missing(9).await.is_empty());
    assert_eq!(store.whole().await.unwrap(), Some(U256::from(9)));
    // After a reorganization the number may stand for another job.
    store.roll_back(Some(15), 1).await.unwrap();
    assert_eq!(store.whole().await.unwrap(), Some(U256::from(8)));
    assert_eq!(missing(9).await, [U256::from(9)]);
    assert_eq!(store.opened_around(U256::from(10)).await.unwrap(), (Some(12), None));
}

async fn old_blocks_are_forgotten(bench: Bench) {
    let store = bench.store().await;
    let mut blocks = Progress::default();
    for number in 0..KEPT_BLOCKS as u64 + 3 {
        blocks.cursor = Some(block(number, 0));
        store.apply(blocks.clone(), 0).await.unwrap();
    }
    let kept = store.blocks().await.unwrap();
    assert_eq!((kept.len(), kept[0].number), (KEPT_BLOCKS, KEPT_BLOCKS as u64 + 2), "newest first");
}

/// What lies under a query, as text.
async fn raw(store: &JobStore, sql: &'static str) -> Vec<String> {
    let mut txn = store.database.read("look").await.unwrap();
    let rows = txn.rows(query(sql)).await.unwrap();
    let found = rows.iter().map(|row| txn.column(row, 0).unwrap()).collect();
    txn.commit().await.unwrap();
    found
}

async fn duties_and_their_proofs_are_kept(bench: Bench) {
    let duty = Duty::Withdraw { contract: Address::with_last_byte(3), token: Address::ZERO };
    let (contract, subject) = (Address::with_last_byte(3), U256::from(16));
    let keys = [0, 7].map(|index| ProofKey::new(contract, subject, index));
    let other = ProofKey::new(contract, U256::from(1), 0);
    {
        let store = bench.store().await;
        let signed = |record: &mut crate::DutyRecord| record.transactions.push(claim());
        store.update_duty(&duty, signed).await.unwrap();
        store.cancel_duty(&duty, claim()).await.unwrap();
        for key in keys.iter().chain([&other]) {
            store.put_duty_proof(&duty, key, &proof()).await.unwrap();
        }
        store.put_found("a watch", &vec![1, 2]).await.unwrap();
    }
    let store = bench.store().await;
    let record = store.duty(&duty).await.unwrap().unwrap();
    assert_eq!((record.transactions.len(), record.cancellations.len()), (1, 1));
    assert_eq!(store.duties().await.unwrap(), [record]);
    // Every signed transaction is in the outbox, and nowhere else.
    let outbox = raw(&store, "SELECT kind FROM outbox ORDER BY kind").await;
    assert_eq!(outbox, ["duty", "duty"]);
    assert!(!raw(&store, "SELECT body FROM duties").await[0].contains("\"raw\""));
    assert_eq!(store.found::<Vec<u8>>("a watch").await.unwrap(), Some(vec![1, 2]));
    assert_eq!(store.duty_proof(&keys[1]).await.unwrap(), Some(proof()));
    store.forget_duty_proofs(contract, subject).await.unwrap();
    assert!(!store.has_duty_proof(&keys[0]).await.unwrap());
    assert!(!store.has_duty_proof(&keys[1]).await.unwrap());
    assert!(store.has_duty_proof(&other).await.unwrap());
    store.forget_duty(&duty).await.unwrap();
    assert_eq!(store.duty(&duty).await.unwrap(), None);
    assert!(raw(&store, "SELECT kind FROM outbox").await.is_empty());
}

async fn one_process_has_the_store(bench: Bench) {
    let store = bench.store().await;
    let second = JobStore::open(&bench.place, 1, Address::ZERO).await.err().unwrap();
    assert!(matches!(second, StoreError::InUse { .. }), "{second}");
    // The refusal leaves the first as it is.
    store.apply(opened(&[job(1, 2)], 3), 0).await.unwrap();
    drop(store);
    assert_eq!(bench.store().await.jobs().await.unwrap().len(), 1);
}

async fn a_store_of_another_escrow_is_refused(bench: Bench) {
    drop(bench.store().await);
    for (chain_id, escrow) in [(2, Address::ZERO), (1, Address::with_last_byte(1))] {
        let error = JobStore::open(&bench.place, chain_id, escrow).await.err().unwrap();
        assert!(matches!(error, StoreError::OtherEscrow { .. }), "{error}");
    }
}

async fn what_is_broken_off_changes_nothing(bench: Bench) {
    let store = bench.store().await;
    store.apply(opened(&[job(1, 2)], 3), 0).await.unwrap();
    {
        // As where whoever waited for it has gone away.
        let mut txn = store.database.write("break off").await.unwrap();
        let sql = "UPDATE jobs SET body = 'broken off'";
        assert_eq!(txn.execute(query(sql)).await.unwrap(), 1);
    }
    assert_eq!(*store.job(U256::ONE).await.unwrap().unwrap().state(), JobState::Seen);
    // Nobody writes between the look and the change of another.
    let many = (0..20).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.update(U256::ONE, |job| job.attempts += 1).await })
    });
    for one in many.collect::<Vec<_>>() {
        one.await.unwrap().unwrap();
    }
    assert_eq!(store.job(U256::ONE).await.unwrap().unwrap().attempts, 20);
}

async fn damaged_entries_are_named(bench: Bench) {
    let store = bench.store().await;
    store.apply(opened(&[job(1, 2)], 3), 0).await.unwrap();
    let mut txn = store.database.write("be damaged").await.unwrap();
    txn.execute(query("UPDATE jobs SET body = '{'")).await.unwrap();
    txn.commit().await.unwrap();
    let error = store.jobs().await.unwrap_err();
    assert!(matches!(&error, StoreError::Damaged { what, .. } if what == "job 1"), "{error}");
}

async fn a_store_of_a_later_version_is_refused(bench: Bench) {
    let store = bench.store().await;
    let mut txn = store.database.write("be of tomorrow").await.unwrap();
    let sql = "UPDATE _sqlx_migrations SET version = 99 WHERE version = 1";
    assert_eq!(txn.execute(query(sql)).await.unwrap(), 1);
    txn.commit().await.unwrap();
    drop(store);
    let error = JobStore::open(&bench.place, 1, Address::ZERO).await.err().unwrap();
    assert!(matches!(error, StoreError::Format { .. }), "{error}");
}

#[tokio::test]
async fn files_that_are_no_store_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let open = async |path: &Path| JobStore::open(path, 1, Address::ZERO).await.err().unwrap();
    let path = dir.path().join("s.db");
    fs::write(&path, "not a database, but long enough to be looked at".repeat(200)).unwrap();
    let error = open(&path).await;
    assert!(matches!(error, StoreError::Open { .. }), "{error}");
    assert!(matches!(open(dir.path()).await, StoreError::Open { .. }), "a folder");

    // Of the version before there were databases.
    let older = [b"redb\x1A\x0A\xA9\x0D\x0A".as_slice(), &[7; 5000]].concat();
    fs::write(&path, &older).unwrap();
    let error = open(&path).await;
    assert!(matches!(error, StoreError::Older { .. }), "{error}");
    assert!(error.to_string().contains("let that version finish"), "{error}");
    assert_eq!(fs::read(&path).unwrap(), older, "it is left as it is");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing lies beside it");

    // A store whose pages were overwritten.
    let torn = dir.path().join("torn.db");
    let store = JobStore::open(torn.as_path(), 1, Address::ZERO).await.unwrap();
    let jobs: Vec<_> = (1..=200).map(|id| job(id, 1)).collect();
    store.apply(opened(&jobs, 1), 0).await.unwrap();
    let mut txn = store.database.write("be in one file").await.unwrap();
    txn.execute(query("SELECT 1")).await.unwrap();
    txn.commit().await.unwrap();
    store.close().await;
    let mut bytes = fs::read(&torn).unwrap();
    bytes[4096..].fill(0xA5);
    fs::write(&torn, bytes).unwrap();
    let error = match JobStore::open(torn.as_path(), 1, Address::ZERO).await {
        Ok(store) => store.jobs().await.unwrap_err(),
        Err(error) => error,
    };
    assert!(matches!(error, StoreError::Broken { .. } | StoreError::Open { .. }), "{error}");
}
