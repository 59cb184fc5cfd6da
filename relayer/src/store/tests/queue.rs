//! The queue of proofs: leases, fences, openings.

use std::{collections::BTreeSet, time::Duration};

use alloy::primitives::{Address, B256, Bytes, U256};
use assay_client::ModelIdentity;

use super::{Bench, job, opened, proof};
use crate::{
    error::StoreError,
    job::{JobEvent, JobState},
    proving::ProofRequest,
    queue::{LEASE, Lease, Outcome, Task, TaskName},
    store::{HERE, JobStore},
};

const SHORT: Duration = Duration::from_millis(40);

fn model(number: u8) -> ModelIdentity {
    ModelIdentity { vk_hash: B256::with_last_byte(number), model_hash: B256::ZERO }
}

fn task(id: u64, latest_begin: u64) -> Task {
    let request = ProofRequest {
        job_id: U256::from(id),
        context: U256::from(7),
        model: model(1),
        input_commitment: U256::from(5),
        recipient: Address::ZERO,
        hint: Bytes::new(),
        run: None,
        expected: None,
    };
    Task { name: TaskName::of_job(U256::from(id), &request).unwrap(), latest_begin, request }
}

async fn lease(store: &JobStore, worker: &str, period: Duration) -> Option<Lease> {
    store.lease(worker, &[model(1)], period).await.unwrap().map(|(lease, _)| lease)
}

pub(super) async fn the_most_urgent_task_goes_first(bench: Bench) {
    let store = bench.store().await;
    for (id, latest_begin) in [(1, 300), (2, 100), (3, 200)] {
        store.want(&task(id, latest_begin)).await.unwrap();
    }
    // Wanted twice is wanted once; those of other models are left.
    store.want(&task(2, 100)).await.unwrap();
    assert!(store.lease("a", &[model(2)], LEASE).await.unwrap().is_none());
    let mut fences = Vec::new();
    for id in [2, 3, 1] {
        let (lease, request) = store.lease("a", &[model(1)], LEASE).await.unwrap().unwrap();
        assert_eq!((lease.task, request), (task(id, 0).name, task(id, 0).request));
        fences.push(lease.fence);
    }
    assert!(fences.is_sorted() && fences[0] > 0, "{fences:?}");
    assert!(lease(&store, "a", LEASE).await.is_none());
}

pub(super) async fn many_workers_share_the_tasks(bench: Bench) {
    let relayer = bench.store().await;
    for id in 1..=40 {
        relayer.want(&task(id, id)).await.unwrap();
    }
    // Each with connections of its own, as another process has.
    let mut workers = Vec::new();
    for worker in 0..4 {
        let store = JobStore::open_beside(&bench.place).await.unwrap();
        workers.push(tokio::spawn(async move {
            let mut taken = Vec::new();
            while let Some(lease) = lease(&store, &format!("worker {worker}"), LEASE).await {
                taken.push(lease.task);
            }
            taken
        }));
    }
    let mut taken = Vec::new();
    for worker in workers {
        taken.extend(worker.await.unwrap());
    }
    assert_eq!(taken.len(), 40, "none twice");
    assert_eq!(taken.iter().collect::<BTreeSet<_>>().len(), 40, "and all");
}

pub(super) async fn a_lease_that_is_not_renewed_goes_to_another(bench: Bench) {
    let store = bench.store().await;
    store.apply(opened(&[job(1, 2)], 3), 0).await.unwrap();
    store.report(U256::ONE, &JobEvent::ProofBegun, 1).await.unwrap();
    store.want(&task(1, 1)).await.unwrap();
    let slow = lease(&store, "slow", SHORT).await.unwrap();
    assert!(store.renew(&slow, LEASE).await.unwrap());
    assert!(lease(&store, "quick", LEASE).await.is_none(), "it was renewed");
    assert!(store.renew(&slow, SHORT).await.unwrap());
    tokio::time::sleep(SHORT * 2).await;
    let quick = lease(&store, "quick", LEASE).await.unwrap();
    assert!(quick.fence > slow.fence);

    // Whatever the slow one tells now is refused.
    let outcome = Outcome::Proof(proof());
    assert!(!store.renew(&slow, LEASE).await.unwrap());
    assert!(!store.finish(&slow, &outcome).await.unwrap());
    assert!(matches!(store.note_opening(&slow).await, Err(StoreError::LeaseLost { .. })));
    let error = store.put_proof_of(U256::ONE, &proof(), 2, Some(&slow)).await.unwrap_err();
    assert!(matches!(error, StoreError::LeaseLost { .. }), "{error}");
    assert_eq!(store.proof(U256::ONE).await.unwrap(), None);
    store.end_task(&slow).await.unwrap();
    assert_eq!(store.tasks().await.unwrap().len(), 1);

    assert!(store.finish(&quick, &outcome).await.unwrap());
    assert!(!store.finish(&quick, &outcome).await.unwrap(), "once");
    let tasks = store.tasks().await.unwrap();
    assert_eq!((tasks[0].fence, &tasks[0].outcome), (quick.fence, &Some(outcome)));
    assert!(lease(&store, "third", SHORT).await.is_none(), "it has ended");
    let job = store.put_proof_of(U256::ONE, &proof(), 2, Some(&quick)).await.unwrap();
    assert_eq!(*job.state(), JobState::Proven);
    assert!(store.tasks().await.unwrap().is_empty());
}

pub(super) async fn a_dropped_task_takes_no_proof(bench: Bench) {
    let store = bench.store().await;
    store.want(&task(1, 1)).await.unwrap();
    let old = lease(&store, "a", LEASE).await.unwrap();
    store.drop_task(&old.task).await.unwrap();
    assert!(!store.finish(&old, &Outcome::Proof(proof())).await.unwrap());
    // Wanted again, it is another matter.
    store.want(&task(1, 1)).await.unwrap();
    let new = lease(&store, "b", LEASE).await.unwrap();
    assert!(new.fence > old.fence);
    assert!(!store.finish(&old, &Outcome::Proof(proof())).await.unwrap());
    assert!(store.finish(&new, &Outcome::Failed("no".into())).await.unwrap());
}

pub(super) async fn a_further_try_has_the_same_opening(bench: Bench) {
    let here = format!("{HERE}1");
    let first = {
        let store = bench.store().await;
        store.apply(opened(&[job(1, 2)], 3), 0).await.unwrap();
        store.report(U256::ONE, &JobEvent::ProofBegun, 1).await.unwrap();
        let lease = store.want_here(&task(1, 1), &here, LEASE).await.unwrap();
        assert!(!store.opening_is_counted(&lease).await.unwrap());
        store.note_opening(&lease).await.unwrap();
        lease
    };
    // The process was killed. The next one begins again.
    let store = bench.store().await;
    store.forget_tasks_here().await.unwrap();
    assert!(store.tasks().await.unwrap().is_empty());
    let second = store.want_here(&task(1, 1), &here, LEASE).await.unwrap();
    assert!(second.fence > first.fence);
    assert!(store.opening_is_counted(&second).await.unwrap(), "none is counted again");
    // Another request is another proof.
    let mut other = task(1, 1);
    other.request.context = U256::from(8);
    other.name = TaskName::of_job(U256::ONE, &other.request).unwrap();
    let other = store.want_here(&other, &here, LEASE).await.unwrap();
    assert!(!store.opening_is_counted(&other).await.unwrap());
    // With its proof the opening is used.
    store.put_proof_of(U256::ONE, &proof(), 2, Some(&second)).await.unwrap();
    let third = store.want_here(&task(1, 1), &here, LEASE).await.unwrap();
    assert!(!store.opening_is_counted(&third).await.unwrap());
}

pub(super) async fn a_worker_asks_for_its_opening(bench: Bench) {
    let relayer = bench.store().await;
    relayer.want(&task(1, 1)).await.unwrap();
    let worker = JobStore::open_beside(&bench.place).await.unwrap();
    assert_eq!(relayer.places(&model(1)).await.unwrap(), 0);
    worker.announce("w", &[model(1)], 3, LEASE).await.unwrap();
    assert_eq!(relayer.places(&model(1)).await.unwrap(), 3);
    assert_eq!(relayer.places(&model(2)).await.unwrap(), 0);
    let lease = lease(&worker, "w", LEASE).await.unwrap();
    worker.want_opening(&lease).await.unwrap();
    let wanted = relayer.wanted_openings().await.unwrap();
    assert_eq!(wanted, [(lease.task.clone(), model(1))]);
    assert!(!worker.opening_is_counted(&lease).await.unwrap());
    relayer.give_opening(&lease.task).await.unwrap();
    assert!(worker.opening_is_counted(&lease).await.unwrap());
    // Asked again, by a further try, it is there.
    worker.want_opening(&lease).await.unwrap();
    assert!(relayer.wanted_openings().await.unwrap().is_empty());
    worker.forget_worker("w").await.unwrap();
    assert_eq!(relayer.places(&model(1)).await.unwrap(), 0);
}

pub(super) async fn ended_tasks_are_put_aside_and_forgotten(bench: Bench) {
    let store = bench.store().await;
    // The first has ended, the second has not, and nobody has made the third, which has.
    for id in 1..=3 {
        store.want(&task(id, id)).await.unwrap();
    }
    let outcome = Outcome::Proof(proof());
    for _ in 0..2 {
        let made = lease(&store, "w", LEASE).await.unwrap();
        store.note_opening(&made).await.unwrap();
        assert!(store.finish(&made, &outcome).await.unwrap());
    }
    store.put_aside(&[task(1, 1).name, task(3, 3).name]).await.unwrap();
    let names = async || -> Vec<(TaskName, bool)> {
        let tasks = store.tasks().await.unwrap().into_iter();
        tasks.map(|task| (task.name, task.outcome.is_some())).collect()
    };
    assert_eq!(names().await, [(task(2, 2).name, true)]);
    assert!(lease(&store, "w", LEASE).await.is_none(), "nobody spends an opening on the third");
    assert_eq!(store.forget_aside(Duration::from_secs(3600), 64).await.unwrap(), 0);
    // Wanted again, it is there as it ended.
    store.want(&task(1, 1)).await.unwrap();
    assert_eq!(names().await, [(task(1, 1).name, true), (task(2, 2).name, true)]);
    store.put_aside(&[task(1, 1).name]).await.unwrap();
    tokio::time::sleep(SHORT).await;
    assert_eq!(store.forget_aside(Duration::ZERO, 64).await.unwrap(), 1);
    assert_eq!(store.forget_aside(Duration::ZERO, 64).await.unwrap(), 0);
    assert_eq!(names().await, [(task(2, 2).name, true)], "that of a job that has not ended stays");
    // Whoever makes it anew has the opening that was counted for it.
    store.want(&task(1, 1)).await.unwrap();
    let again = lease(&store, "w", LEASE).await.unwrap();
    assert_eq!(again.task, task(1, 1).name);
    assert!(store.opening_is_counted(&again).await.unwrap());
}

pub(super) async fn a_look_at_the_queue_does_not_grow_with_history(bench: Bench) {
    let store = bench.store().await;
    let end_one = async |id: u64| {
        store.want(&task(id, id)).await.unwrap();
        let made = lease(&store, "w", LEASE).await.unwrap();
        store.note_opening(&made).await.unwrap();
        assert!(store.finish(&made, &Outcome::Proof(proof())).await.unwrap());
        store.put_aside(&[made.task]).await.unwrap();
    };
    let rows_of_a_look = async || {
        let before = store.rows_read();
        store.tasks().await.unwrap();
        store.wanted_openings().await.unwrap();
        assert!(lease(&store, "w", LEASE).await.is_none());
        store.places(&model(1)).await.unwrap();
        store.forget_aside(Duration::from_secs(3600), 64).await.unwrap();
        store.rows_read() - before
    };
    end_one(1).await;
    let rows = rows_of_a_look().await;
    for id in 2..=200 {
        end_one(id).await;
    }
    assert_eq!(rows_of_a_look().await, rows);
}
