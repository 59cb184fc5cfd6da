//! The batch and the lanes with which an audit costs least.

use anyhow::{Result, bail};
use assay_prover::{
    bundle::Bundle,
    circuit::{Layout, LayoutError, PlanRequest, Run, StatementKind},
};

/// Lanes that are tried, as many as the planner takes for batches.
pub(super) const MOST_LANES: usize = 20;
const FEWEST_LANES: usize = 2;
const MOST_LOG_ITEMS: u32 = 12;
/// Gas that is worth a CPU second, as to the planner.
const GAS_OF_A_SECOND: f64 = 1e5;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Items in a proof.
    pub batch: usize,
    pub lanes: usize,
}

/// The cheapest way to audit `items` items of a tree of `depth` in circuits of at most `2^max_k`
/// rows that keep the weights where `source` has them; nothing when none fits. `batch` and `lanes` are fixed where they are given.
pub(super) fn choose(
    source: &Bundle,
    items: usize,
    depth: u32,
    batch: Option<usize>,
    lanes: Option<usize>,
    most_lanes: usize,
    max_k: u32,
) -> Result<Option<Choice>> {
    let sizes = match batch {
        Some(batch) if !batch.is_power_of_two() => bail!("--batch {batch} is not a power of two"),
        Some(batch) => batch.ilog2()..=batch.ilog2(),
        None => 0..=depth.min(MOST_LOG_ITEMS),
    };
    let mut best: Option<(f64, Choice)> = None;
    for log_items in sizes {
        let statement = StatementKind::Audit { run: Run { log_items, depth }, top: 1 };
        let Some(layout) = cheapest(source, statement, lanes, most_lanes, max_k)? else {
            // Larger ones do not fit either.
            break;
        };
        let estimate = layout.estimate();
        let proofs = items.div_ceil(1 << log_items) as f64;
        let cost = proofs * (estimate.prove_cpu_s + estimate.verify_gas / GAS_OF_A_SECOND);
        if best.is_none_or(|(least, _)| cost < least) {
            best = Some((cost, Choice { batch: 1 << log_items, lanes: layout.options.lanes }));
        }
    }
    Ok(best.map(|(_, choice)| choice))
}

/// The planner's layout, or where that has too many rows or lanes the cheapest that has not.
fn cheapest(
    source: &Bundle,
    statement: StatementKind,
    lanes: Option<usize>,
    most_lanes: usize,
    max_k: u32,
) -> Result<Option<Layout>> {
    let planned = |lanes| -> Result<Option<Layout>> {
        match source.plan_derived(PlanRequest { statement, lanes, ..PlanRequest::default() }) {
            Ok(layout) => Ok(Some(layout).filter(|layout| layout.k <= max_k)),
            Err(LayoutError::TooLarge { .. } | LayoutError::WeightsPlace) => Ok(None),
            Err(error) => Err(error.into()),
        }
    };
    if let Some(layout) = planned(lanes)?
        && (lanes.is_some() || layout.options.lanes <= most_lanes)
    {
        return Ok(Some(layout));
    }
    if lanes.is_some() {
        return Ok(None);
    }
    let mut best: Option<Layout> = None;
    for lanes in FEWEST_LANES..=most_lanes {
        let Some(layout) = planned(Some(lanes))? else { continue };
        let cost = layout.estimate().prove_cpu_s;
        if best.as_ref().is_none_or(|best| cost < best.estimate().prove_cpu_s) {
            best = Some(layout);
        }
    }
    Ok(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lenet::quantized;

    #[test]
    fn limits_are_kept() {
        let source = Bundle::new(quantized(), PlanRequest::default()).expect("bundle");
        let chosen = |batch, lanes, most_lanes, max_k| {
            choose(&source, 64, 6, batch, lanes, most_lanes, max_k).expect("a choice")
        };
        let free = chosen(None, None, MOST_LANES, 20).expect("fits");
        assert!(free.batch > 1 && free.lanes <= MOST_LANES, "{free:?}");
        // One circuit with fewer rows holds fewer items.
        let small = chosen(None, None, MOST_LANES, 14).expect("fits");
        assert!(small.batch < free.batch, "{small:?} {free:?}");
        let narrow = chosen(None, None, 3, 20).expect("fits");
        assert!(narrow.lanes <= 3, "{narrow:?}");
        let fixed = Choice { batch: 4, lanes: 5 };
        assert_eq!(chosen(Some(4), Some(5), MOST_LANES, 20), Some(fixed));
        assert_eq!(chosen(Some(64), None, MOST_LANES, 10), None);
        assert!(choose(&source, 64, 6, Some(3), None, MOST_LANES, 20).is_err());
    }
}
