//! Rules that are no constraint of their own: what fixed values and challenges see to. A weakening
//! takes one away for the checker and for the prover's witness alike.

use halo2_proofs::halo2curves::bn256::Fr;

use super::checker::{Challenges, System};

type ChallengeChange = dyn Fn(Challenges) -> Challenges + Sync;
type FixedChange = dyn Fn(&System, &str, usize, usize, Fr) -> Fr + Sync;

/// Challenges and fixed values as a circuit without the rule would have them.
#[derive(Default)]
pub(super) struct Weakening {
    pub challenges: Option<Box<ChallengeChange>>,
    /// Gate, column, row, value.
    pub fixed: Option<Box<FixedChange>>,
}

impl Weakening {
    pub(super) fn none() -> Self {
        Self::default()
    }

    pub(super) fn challenges(change: impl Fn(&mut Challenges) + Sync + 'static) -> Self {
        let changed = move |mut challenges| {
            change(&mut challenges);
            challenges
        };
        Self { challenges: Some(Box::new(changed)), fixed: None }
    }

    pub(super) fn fixed(
        change: impl Fn(&System, &str, usize, usize, Fr) -> Fr + Sync + 'static,
    ) -> Self {
        Self { challenges: None, fixed: Some(Box::new(change)) }
    }

    pub(super) fn apply(&self, challenges: Challenges) -> Challenges {
        self.challenges.as_ref().map_or(challenges, |change| change(challenges))
    }
}
