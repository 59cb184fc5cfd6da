//! How an audit ends, by the state of its contract: what `settle` and `release` would do at a time.

use std::ops::RangeInclusive;

use alloy::primitives::U256;

use super::audit::{Entry, EntryState, Job, State, Terms, prove_by};

/// What ends a delivered audit: the id of the entry that is paid, 0 for none; or nothing yet.
///
/// `entries` are all of the job, from entry 1 on, and `now` the time of the block that would end it.
pub fn decided_winner(job: &Job, entries: &[Entry], terms: &Terms, now: u64) -> Option<usize> {
    if job.state != State::Delivered {
        return None;
    }
    let winner = leader(job, entries);
    let turn = match winner {
        0 => job.accepted,
        winner => turn_of(entries, winner),
    };
    let mut decided = turn <= U256::from(turns_passed(terms, now));
    if !job.waiting.is_zero() && now <= terms.acceptBy {
        // Who has not answered may claim everything, and does not come before an earlier entry by that.
        let first = claim_of(entries, winner) == U256::from(terms.items);
        let earlier = (U256::ONE << winner).saturating_sub(U256::ONE);
        decided &= winner != 0 && first && (job.waiting & earlier).is_zero();
    }
    decided.then_some(winner)
}

/// How an entry ends that is released at this time; `None` while it cannot be. [`EntryState::Forfeited`] pays its stake to
/// the buyer, the others pay the seller.
pub fn outcome(
    job: &Job,
    entries: &[Entry],
    terms: &Terms,
    entry: usize,
    now: u64,
) -> Option<EntryState> {
    let state = entries.get(entry.checked_sub(1)?)?.state;
    if !matches!(state, EntryState::Entered | EntryState::Accepted) {
        return None;
    }
    if matches!(job.state, State::Open | State::Undelivered) {
        return (now > terms.deliverBy).then_some(EntryState::Returned);
    }
    if state == EntryState::Entered {
        if !job.waiting.bit(entry - 1) {
            return Some(EntryState::Returned);
        }
        return (now > terms.acceptBy).then_some(EntryState::Aborted);
    }
    let leader = leader(job, entries);
    if job.proven.bit(entry - 1) || leader != 0 && comes_before(entries, leader, entry) {
        return Some(EntryState::Returned);
    }
    (now > prove_by(terms, turn_of(entries, entry))).then_some(EntryState::Forfeited)
}

/// When an accepted entry has to prove its claim: from the first second on in which no claim before it can be proven any
/// more, until the last of its own window. `None` where it need not, as things stand: its claim is proven, or comes
/// behind one that is, or others may still claim more.
///
/// `entries` are all of the job, from entry 1 on, and `now` is the time of the block whose state they are.
pub fn window_to_prove(
    job: &Job,
    entries: &[Entry],
    terms: &Terms,
    entry: usize,
    now: u64,
) -> Option<RangeInclusive<u64>> {
    let state = entries.get(entry.checked_sub(1)?)?.state;
    let answered = job.waiting.is_zero() || now > terms.acceptBy;
    if job.state != State::Delivered || state != EntryState::Accepted || !answered {
        return None;
    }
    let leader = leader(job, entries);
    if job.proven.bit(entry - 1) || leader != 0 && comes_before(entries, leader, entry) {
        return None;
    }
    let turn = turn_of(entries, entry);
    let first = match turn.checked_sub(U256::ONE) {
        Some(before) => prove_by(terms, before).saturating_add(1),
        None => 0,
    };
    Some(first..=prove_by(terms, turn))
}

fn turns_passed(terms: &Terms, now: u64) -> u64 {
    let since = now.saturating_sub(terms.acceptBy);
    if since == 0 { 0 } else { (since - 1) / terms.proveWindow.max(1) }
}

fn claim_of(entries: &[Entry], entry: usize) -> U256 {
    let place = entry.checked_sub(1);
    place.and_then(|place| entries.get(place)).map_or(U256::ZERO, |entry| entry.claim)
}

fn comes_before(entries: &[Entry], other: usize, entry: usize) -> bool {
    let (theirs, own) = (claim_of(entries, other), claim_of(entries, entry));
    theirs > own || (theirs == own && other < entry)
}

fn turn_of(entries: &[Entry], entry: usize) -> U256 {
    let before = (1..=entries.len()).filter(|other| comes_before(entries, *other, entry));
    U256::from(before.count())
}

/// The first of the proven ones; 0 for none.
fn leader(job: &Job, entries: &[Entry]) -> usize {
    let proven = (1..=entries.len()).filter(|entry| job.proven.bit(entry - 1));
    proven.fold(
        0,
        |leader, entry| {
            if leader == 0 || comes_before(entries, entry, leader) { entry } else { leader }
        },
    )
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, B256};

    use super::*;

    fn terms() -> Terms {
        Terms {
            items: 10,
            required: 6,
            maxEntries: 4,
            deliverBy: 100,
            acceptBy: 200,
            proveWindow: 50,
            ..Terms::default()
        }
    }

    fn job(waiting: u64, accepted: u64, proven: u64) -> Job {
        Job {
            state: State::Delivered,
            entries: U256::from(3),
            waiting: U256::from(waiting),
            aborted: U256::ZERO,
            accepted: U256::from(accepted),
            proven: U256::from(proven),
            bondReturned: false,
            lastEntryBlock: U256::ZERO,
            entriesHash: B256::ZERO,
            termsHash: B256::ZERO,
        }
    }

    fn entries(claims: [u64; 3]) -> Vec<Entry> {
        let entry = |claim: u64| Entry {
            state: if claim == 0 { EntryState::Entered } else { EntryState::Accepted },
            seller: Address::ZERO,
            modelId: U256::ONE,
            batch: U256::from(4),
            claim: U256::from(claim),
            turn: U256::ZERO,
            correct: U256::ZERO,
            missing: U256::ONE,
            certified: false,
        };
        claims.map(entry).to_vec()
    }

    #[test]
    fn the_highest_proven_claim_wins_when_no_higher_one_can_be_proven_any_more() {
        let claims = entries([7, 9, 8]);
        // Nobody has proven anything: after all three windows.
        assert_eq!(decided_winner(&job(0, 3, 0), &claims, &terms(), 350), None);
        assert_eq!(decided_winner(&job(0, 3, 0), &claims, &terms(), 351), Some(0));
        // The highest is proven: at once.
        assert_eq!(decided_winner(&job(0, 3, 0b010), &claims, &terms(), 150), Some(2));
        // The second is proven: after the window of the first.
        assert_eq!(decided_winner(&job(0, 3, 0b110), &claims, &terms(), 150), Some(2));
        assert_eq!(decided_winner(&job(0, 3, 0b100), &claims, &terms(), 250), None);
        assert_eq!(decided_winner(&job(0, 3, 0b100), &claims, &terms(), 251), Some(3));
        // Somebody has not answered yet and may claim more, unless everything is claimed.
        let two = entries([10, 9, 0]);
        assert_eq!(decided_winner(&job(0b100, 2, 0b010), &two, &terms(), 150), None);
        assert_eq!(decided_winner(&job(0b100, 2, 0b001), &two, &terms(), 150), Some(1));
        assert_eq!(decided_winner(&job(0b100, 2, 0), &entries([0, 10, 0]), &terms(), 150), None);
        let open = Job { state: State::Open, ..job(0, 3, 7) };
        assert_eq!(decided_winner(&open, &claims, &terms(), 999), None);
    }

    #[test]
    fn a_claim_is_proven_when_its_turn_has_come() {
        let (claims, terms) = (entries([7, 9, 8]), terms());
        let window = |job: &Job, entry, now| window_to_prove(job, &claims, &terms, entry, now);
        // One may still claim more, as long as there is time.
        let open = job(0b100, 2, 0);
        assert_eq!([window(&open, 2, 200), window(&open, 2, 201)], [None, Some(0..=250)]);
        let answered = job(0, 3, 0);
        assert_eq!(window(&answered, 2, 150), Some(0..=250));
        assert_eq!(window(&answered, 3, 150), Some(251..=300));
        assert_eq!(window(&answered, 1, 150), Some(301..=350));
        // Proven, and behind a proven one.
        let proven = job(0, 3, 0b010);
        assert_eq!([window(&proven, 2, 150), window(&proven, 3, 150)], [None, None]);
        // The last one is proven early: those before it still have to.
        let early = job(0, 3, 0b001);
        assert_eq!(window(&early, 3, 150), Some(251..=300));
        let paid = Job { state: State::Paid, ..job(0, 3, 0) };
        assert_eq!([window(&paid, 2, 150), window(&answered, 4, 150)], [None, None]);
        assert_eq!(window(&answered, 0, 150), None);
    }

    #[test]
    fn entries_end_as_their_time_has_it() {
        let (claims, terms) = (entries([7, 9, 0]), terms());
        let end = |job: &Job, entry, now| outcome(job, &claims, &terms, entry, now);
        let open = Job { state: State::Open, ..job(0, 0, 0) };
        assert_eq!([end(&open, 1, 100), end(&open, 1, 101)], [None, Some(EntryState::Returned)]);
        let delivered = job(0b100, 2, 0);
        assert_eq!(end(&delivered, 3, 200), None);
        assert_eq!(end(&delivered, 3, 201), Some(EntryState::Aborted));
        assert_eq!(end(&job(0, 2, 0), 3, 150), Some(EntryState::Returned), "not approved");
        // The windows of the highest claim and of the next one.
        assert_eq!([end(&delivered, 2, 250), end(&delivered, 1, 251)], [None, None]);
        assert_eq!(end(&delivered, 2, 251), Some(EntryState::Forfeited));
        assert_eq!(end(&delivered, 1, 301), Some(EntryState::Forfeited));
        let proven = job(0b100, 2, 0b010);
        assert_eq!(end(&proven, 2, 150), Some(EntryState::Returned));
        assert_eq!(end(&proven, 1, 150), Some(EntryState::Returned), "its turn does not come");
        assert_eq!(end(&proven, 4, 999), None);
        assert_eq!(end(&proven, 0, 999), None);
    }
}
