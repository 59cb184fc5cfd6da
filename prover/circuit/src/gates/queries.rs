//! What gates read: a system in which two queries of a column fall on the same row is refused.

use std::{cell::RefCell, collections::BTreeSet};

use halo2_proofs::{
    halo2curves::bn256::Fr,
    plonk::{ConstraintSystem, Expression},
};

use crate::LayoutError;
use crate::gates::ModelConfig;
use crate::layout::profile::{ColumnProfile, LaneBase};

/// Largest exponent from one lane or tap to the next: 2^16 cells between neighbours.
const MAX_STEP: u32 = 1 << 16;

/// Checks of a profile in a circuit of `2^k` rows what its gates take for granted: that rotations of a
/// column are different rows (the rows of the weights may lie far apart), and that there is a challenge
/// where lanes are images.
pub(crate) fn check(profile: &ColumnProfile, k: u32) -> Result<(), LayoutError> {
    // A gate holds a power of the challenge for each step; an architecture comes from a stranger.
    let base = |base| matches!(base, LaneBase::Challenge(step) if step > MAX_STEP);
    let far = profile.patterns.iter().any(|p| base(p.produced) || base(p.consumed))
        || profile.kernel_rows.iter().any(|row| row.step > MAX_STEP);
    if far {
        return Err(LayoutError::Exponents { part: "a row".into() });
    }
    let mut cs = ConstraintSystem::default();
    ModelConfig::configure(&mut cs, profile);
    let images = |base| base == LaneBase::Image;
    let folded = profile.patterns.iter().any(|p| images(p.produced) || images(p.consumed));
    if distinct(&advice_queries(&cs), k) && (profile.batch || !folded) {
        Ok(())
    } else {
        Err(LayoutError::Queries)
    }
}

/// `(column, rotation)` of each cell that a gate reads.
fn advice_queries(cs: &ConstraintSystem<Fr>) -> BTreeSet<(usize, i32)> {
    let queries = RefCell::new(BTreeSet::new());
    for polynomial in cs.gates().iter().flat_map(|gate| gate.polynomials()) {
        collect(polynomial, &queries);
    }
    queries.into_inner()
}

fn collect(polynomial: &Expression<Fr>, queries: &RefCell<BTreeSet<(usize, i32)>>) {
    polynomial.evaluate(
        &|_| (),
        &|_| (),
        &|_| (),
        &|query| {
            queries.borrow_mut().insert((query.column_index(), query.rotation().0));
        },
        &|_| (),
        &|_| (),
        &|()| (),
        &|(), ()| (),
        &|(), ()| (),
        &|(), _| (),
    );
}

/// Whether the queries are different cells of columns of `2^k` rows.
fn distinct(queries: &BTreeSet<(usize, i32)>, k: u32) -> bool {
    let rows = queries
        .iter()
        .map(|(column, rotation)| (column, i64::from(*rotation).rem_euclid(1 << k)))
        .collect::<BTreeSet<_>>();
    rows.len() == queries.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{KernelRow, Layout, LayoutOptions, StatementKind, TilePattern};

    fn profile() -> ColumnProfile {
        let (graph, _) = assay_testing::networks::mixed_network();
        let options = LayoutOptions {
            lanes: 2,
            weight_columns: 1,
            statement: StatementKind::default(),
            openings: 16,
            weights_row: 128,
            weights_k: None,
        };
        Layout::new(&graph, options).expect("layout").profile
    }

    /// The rows of the weights, so far apart that the next one is the same row, or the next row but one
    /// of another query.
    #[test]
    fn queries_that_fall_together_are_refused() {
        for (weight_stride, good) in
            [(1, true), (2, true), (8, true), (1 << 9, true), (1 << 10, false), (1 << 11, false)]
        {
            let profile = ColumnProfile { weight_stride, ..profile() };
            assert_eq!(check(&profile, 10).is_ok(), good, "{weight_stride}");
        }
        let same = BTreeSet::from([(3, 1), (3, 1025)]);
        assert!(!distinct(&same, 10) && distinct(&same, 11));
        assert!(!distinct(&BTreeSet::from([(3, -1), (3, 1023)]), 10));
    }

    /// The gates would hold a power of the challenge as large as a stranger likes.
    #[test]
    fn steps_beyond_any_layout_are_refused() {
        for (step, good) in [(1 << 16, true), ((1 << 16) + 1, false), (u32::MAX, false)] {
            let mut profile = profile();
            profile.kernel_rows = vec![KernelRow { live: 1, step }];
            assert_eq!(check(&profile, 20).is_ok(), good, "{step}");
        }
    }

    /// Without the challenge the lanes of a batch would count for nothing but the first.
    #[test]
    fn images_without_their_challenge_are_refused() {
        let mut profile = profile();
        let image = LaneBase::Image;
        profile.patterns = vec![TilePattern::new(profile.patterns[0].cells, 2, image, image)];
        for batch in [false, true] {
            let profile = ColumnProfile { batch, ..profile.clone() };
            assert_eq!(check(&profile, 10).is_ok(), batch);
        }
    }
}
