use proptest::prelude::*;

use alloy::primitives::{Address, Bytes};
use assay_client::ModelIdentity;

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// One of each kind of state that the table tells apart, in the order of the columns of [`TABLE`].
fn states() -> [JobState; 10] {
    let skipped = |reason| JobState::Skipped { reason };
    [
        JobState::Seen,
        JobState::Proving,
        JobState::Proven,
        JobState::Submitting,
        JobState::Submitted,
        JobState::Confirmed {
            transaction: B256::with_last_byte(1),
            block: 2,
            block_hash: B256::with_last_byte(3),
            gas_used: 4,
        },
        skipped(SkipReason::PriceTooLow { price: U256::ONE, minimum: U256::from(2) }),
        skipped(SkipReason::Refunded),
        skipped(SkipReason::Reorged),
        JobState::Failed { reason: "it was hopeless".into() },
    ]
}

/// The events, in the order of the rows of [`TABLE`]; the last two with what they say is kept.
fn events() -> [JobEvent; 23] {
    use JobEvent::*;
    let kept = |claims, proof| Kept { claims, proof };
    [
        ProofBegun,
        ProofPutOff,
        ProofInterrupted,
        ProofMade,
        ProofMissing,
        ClaimSigned,
        ClaimAccepted,
        ClaimVoid,
        Declined { reason: SkipReason::PriceTooLow { price: U256::ONE, minimum: U256::from(2) } },
        GivenUp { reason: "it was hopeless".into() },
        PaymentConfirmed {
            transaction: B256::with_last_byte(1),
            block: 2,
            block_hash: B256::with_last_byte(3),
            gas_used: 4,
        },
        Closed { reason: SkipReason::Refunded },
        Retried(kept(false, false)),
        Retried(kept(false, true)),
        Retried(kept(true, true)),
        Paid,
        OpeningTakenBack,
        OpenedAgain(kept(false, false)),
        OpenedAgain(kept(false, true)),
        OpenedAgain(kept(true, true)),
        TakenBack(kept(true, false)),
        TakenBack(kept(false, true)),
        TakenBack(kept(true, true)),
    ]
}

/// What each event makes of each state: `=` the same state, `-` an illegal event, else the word for
/// the new one, as the columns have it.
const TABLE: [&str; 24] = [
    "seen proving proven submitting submitted confirmed declined refunded reorged failed",
    /* begun        */ "proving - - - - - - - - -",
    /* put off      */ "- seen - - - - - - - -",
    /* interrupted  */ "- seen - - - - - - - -",
    /* made         */ "proven proven = = = = = = = =",
    /* missing      */ "- - seen - - - - - - -",
    /* signed       */ "- - submitting - - - - - - -",
    /* accepted     */ "- - - submitted = - - - - -",
    /* void         */ "- - - proven proven - - - - -",
    /* declined     */ "declined declined - - - - - - - -",
    /* given up     */ "failed failed failed failed - - - - - -",
    /* confirmed    */ "confirmed confirmed confirmed confirmed confirmed - - - - -",
    /* closed       */ "refunded refunded refunded refunded refunded = = = = =",
    /* retried      */ "- - - - - - seen - - seen",
    /*  with proof  */ "- - - - - - proven - - proven",
    /*  with claim  */ "- - - - - - submitted - - submitted",
    /* paid         */ "= = = = = = submitted submitted submitted submitted",
    /* opening gone */
    "reorged reorged reorged reorged reorged reorged reorged reorged = reorged",
    /* again        */ "= = = = = = = = seen =",
    /*  with proof  */ "= = = = = = = = proven =",
    /*  with claim  */ "= = = = = = = = submitted =",
    /* taken back   */ "= = = = = seen = seen = =",
    /*  with proof  */ "= = = = = proven = proven = =",
    /*  with claim  */ "= = = = = submitted = submitted = =",
];

/// The word for a state in [`TABLE`].
fn word(state: &JobState) -> &'static str {
    match state {
        JobState::Skipped { reason: SkipReason::Reorged } => "reorged",
        JobState::Skipped { reason: SkipReason::Refunded | SkipReason::ClaimedByOther { .. } } => {
            "refunded"
        }
        JobState::Skipped { .. } => "declined",
        other => other.name(),
    }
}

fn job() -> PredictionJob {
    let terms = PredictionTerms {
        job_id: U256::ONE,
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
    PredictionJob::new(terms, BlockRef { number: 1, hash: B256::ZERO, timestamp: 1 }, 0)
}

#[test]
fn every_event_in_every_state() {
    let (columns, rows) = TABLE.split_first().unwrap();
    let columns: Vec<&str> = columns.split(' ').collect();
    assert_eq!(columns, states().each_ref().map(word));
    for (event, row) in events().iter().zip(rows) {
        let row: Vec<&str> = row.split(' ').collect();
        assert_eq!(row.len(), columns.len(), "{event:?}");
        for (state, expected) in states().iter().zip(row) {
            let next = state.transition(event);
            let shown = match &next {
                Err(_) => "-",
                Ok(next) if next == state => "=",
                Ok(next) => word(next),
            };
            assert_eq!(shown, expected, "{event:?} in {state:?}");
        }
    }
}

#[test]
fn reasons_belong_to_their_events() {
    let own = [
        SkipReason::UnknownModel { model: job().terms.model },
        SkipReason::OtherBinding { binding: B256::ZERO },
        SkipReason::PriceTooLow { price: U256::ONE, minimum: U256::from(2) },
        SkipReason::TokenNotAccepted { token: Address::ZERO },
        SkipReason::CallbackTooDear { gas: 2, maximum: 1 },
        SkipReason::NoticeTooShort { notice: 1, margin: 2 },
        SkipReason::ByRuns,
    ];
    let of_the_chain =
        [SkipReason::ClaimedByOther { recipient: Address::ZERO }, SkipReason::Refunded];
    let both = SkipReason::Expired { deadline: 1, now: 2 };
    let declined = |reason| JobState::Seen.transition(&JobEvent::Declined { reason });
    let closed = |reason| JobState::Seen.transition(&JobEvent::Closed { reason });
    for reason in own {
        assert_eq!(declined(reason.clone()), Ok(JobState::Skipped { reason: reason.clone() }));
        assert!(closed(reason).is_err());
    }
    for reason in of_the_chain {
        assert_eq!(closed(reason.clone()), Ok(JobState::Skipped { reason: reason.clone() }));
        assert!(declined(reason).is_err());
    }
    assert!(declined(both.clone()).is_ok() && closed(both).is_ok());
    assert!(declined(SkipReason::Reorged).is_err() && closed(SkipReason::Reorged).is_err());
}

#[test]
fn tries_of_proving_count_until_there_is_a_proof() {
    let mut job = job();
    for try_number in 1..=3 {
        job.handle(&JobEvent::ProofBegun, 1).unwrap();
        job.handle(&JobEvent::ProofInterrupted, 2).unwrap();
        job.postpone("killed".into(), 2, MINUTE);
        job.handle(&JobEvent::ProofBegun, 3).unwrap();
        job.handle(&JobEvent::ProofPutOff, 4).unwrap();
        assert_eq!((job.failed_proofs, job.attempts, job.updated_at), (try_number, try_number, 4));
    }
    job.handle(&JobEvent::ProofMade, 5).unwrap();
    assert_eq!((job.failed_proofs, job.attempts, job.updated_at), (0, 0, 5));
    // What is read again is no new step.
    job.postpone("the node refuses".into(), 6, MINUTE);
    let before = job.clone();
    job.handle(&JobEvent::ProofMade, 7).unwrap();
    job.handle(&JobEvent::Paid, 7).unwrap();
    job.handle(&JobEvent::OpenedAgain(job.kept(true)), 7).unwrap();
    assert_eq!(job, before);
    // A claim that is sent again has its time in the pool begin again.
    job.handle(&JobEvent::ClaimSigned, 8).unwrap();
    job.handle(&JobEvent::ClaimAccepted, 9).unwrap();
    job.handle(&JobEvent::ClaimAccepted, 10).unwrap();
    assert_eq!((job.state(), job.updated_at), (&JobState::Submitted, 10));
}

#[test]
fn pauses_double_up_to_their_limits() {
    let mut job = job();
    let pauses: Vec<u64> = (0..7).map(|_| job.postpone("no".into(), 1, MINUTE).as_secs()).collect();
    assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60]);
    job.attempts = u32::MAX - 1;
    assert_eq!(job.postpone("no".into(), 1, MINUTE), MINUTE);
    // A first interruption is mostly a restart; then each costs more patience.
    let mut after = Vec::new();
    for times in [0, 1, 2, 3, 11, 12, u32::MAX] {
        job.failed_proofs = times;
        after.push(job.pause_after_interruption().as_secs());
    }
    assert_eq!(after, [0, 0, 4, 8, 2048, 3600, 3600]);
}

/// All steps that a job can take, whatever the event.
const EDGES: [(&str, &str); 43] = [
    ("seen", "proving"),
    ("seen", "proven"),
    ("proving", "seen"),
    ("proving", "proven"),
    ("proven", "seen"),
    ("proven", "submitting"),
    ("submitting", "submitted"),
    ("submitting", "proven"),
    ("submitted", "proven"),
    ("seen", "declined"),
    ("proving", "declined"),
    ("seen", "failed"),
    ("proving", "failed"),
    ("proven", "failed"),
    ("submitting", "failed"),
    ("seen", "confirmed"),
    ("proving", "confirmed"),
    ("proven", "confirmed"),
    ("submitting", "confirmed"),
    ("submitted", "confirmed"),
    ("seen", "refunded"),
    ("proving", "refunded"),
    ("proven", "refunded"),
    ("submitting", "refunded"),
    ("submitted", "refunded"),
    ("seen", "reorged"),
    ("proving", "reorged"),
    ("proven", "reorged"),
    ("submitting", "reorged"),
    ("submitted", "reorged"),
    // The chain takes a job out of a settled state.
    ("confirmed", "reorged"),
    ("declined", "reorged"),
    ("refunded", "reorged"),
    ("failed", "reorged"),
    ("declined", "submitted"),
    ("refunded", "submitted"),
    ("reorged", "submitted"),
    ("failed", "submitted"),
    ("confirmed", "back"),
    ("refunded", "back"),
    ("reorged", "back"),
    // A person does.
    ("declined", "back"),
    ("failed", "back"),
];

/// Whether an event comes from the chain, not from the relayer's own work.
fn of_the_chain(event: &JobEvent) -> bool {
    matches!(
        event,
        JobEvent::Closed { .. }
            | JobEvent::Paid
            | JobEvent::OpeningTakenBack
            | JobEvent::OpenedAgain(_)
            | JobEvent::TakenBack(_)
    )
}

fn any_event() -> impl Strategy<Value = JobEvent> {
    prop::sample::select(events().to_vec())
}

proptest! {
    #[test]
    fn no_step_but_those_of_the_table(history in prop::collection::vec(any_event(), 0..60)) {
        let mut job = job();
        for (now, event) in history.iter().enumerate() {
            let before = job.clone();
            let handled = job.handle(event, now as u64);
            if handled.is_err() {
                prop_assert!(!of_the_chain(event), "{event:?} may come at any time");
                prop_assert_eq!(&job, &before, "an illegal event changes nothing");
                continue;
            }
            let (from, to) = (word(before.state()), word(job.state()));
            let back = matches!(to, "seen" | "proven" | "submitted");
            prop_assert!(
                from == to || EDGES.contains(&(from, to)) || back && EDGES.contains(&(from, "back")),
                "{} to {} by {:?}", from, to, event
            );
            if before.state().is_settled() && job.state() != before.state() {
                prop_assert!(
                    (of_the_chain(event) || matches!(event, JobEvent::Retried(_)))
                        && !matches!(event, JobEvent::Closed { .. }),
                    "{} is settled, but {:?} made it {}", from, event, to
                );
            }
        }
    }

    #[test]
    fn the_relayers_own_work_leaves_settled_jobs_alone(
        history in prop::collection::vec(any_event(), 0..40),
        settled in 5..10usize,
    ) {
        let mut job = PredictionJob { state: states()[settled].clone(), ..job() };
        let before = job.clone();
        let own = |event: &&JobEvent| !of_the_chain(event) && !matches!(event, JobEvent::Retried(_));
        for event in history.iter().filter(own) {
            // A proof that comes late is no error, but changes nothing either.
            let _ = job.handle(event, 9);
            prop_assert_eq!(&job, &before);
        }
    }
}
