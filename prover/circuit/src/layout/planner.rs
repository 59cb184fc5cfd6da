//! Chooses lanes and weight columns by a cost model.

use assay_graph::QuantizedGraph;

use crate::LayoutError;
use crate::layout::profile::HashGates;
use crate::layout::{Layout, LayoutOptions, MANY_WEIGHTS_ROW, MAX_K, RESERVED_ROWS};
use crate::statement::StatementKind;

/// What a plan is made for.
#[derive(Clone, Copy, Debug, Default)]
pub struct PlanRequest {
    /// What is to be proven.
    pub statement: StatementKind,
    /// Openings that one blinding seed must allow [default: what there is room for, from 256 to
    /// 1,024].
    pub openings: Option<usize>,
    /// What the circuit shall take little of.
    pub prefer: Preference,
    /// Most that a proof may hold in memory by [`Estimate::peak_rss_mb`], in MB.
    pub max_memory_mb: Option<f64>,
    /// Fixes the number of lanes.
    pub lanes: Option<usize>,
    /// Fixes the number of weight columns.
    pub weight_columns: Option<usize>,
    /// Keeps the weights where another circuit of the model has them; then the number of weight
    /// columns and of openings are that circuit's.
    pub place: Option<WeightsPlace>,
}

/// What a circuit shall take little of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preference {
    /// Time and gas: 100,000 gas are worth a quarter of a CPU second.
    #[default]
    Balance,
    /// Gas of a verification, whatever the time, with at most `2^22` rows where the network has so few.
    Gas,
    /// Time to prove, whatever the gas.
    Time,
    /// Memory of the prover, whatever the rest.
    Memory,
}

/// Where the circuits of one model keep its weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightsPlace {
    /// Columns that hold the weights.
    pub columns: usize,
    /// First row of the weights, in their own domain.
    pub first_row: usize,
    /// The rows are those of the subgroup of `2^k`.
    pub k: u32,
    /// Rows of random values after the weights.
    pub openings: usize,
}

/// Predicted size and cost of proving with a layout.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Estimate {
    /// `2^k` rows.
    pub k: u32,
    /// Advice columns.
    pub advice_columns: usize,
    /// Fixed columns.
    pub fixed_columns: usize,
    /// Columns of small values: their commitments are cheap.
    pub small_columns: usize,
    /// CPU time of a proof, in seconds on the machine of docs/benchmarks.md.
    pub prove_cpu_s: f64,
    /// Peak memory of a proof, in MB.
    pub peak_rss_mb: f64,
    /// Gas of a verification.
    pub verify_gas: f64,
}

const LANES: [usize; 10] = [2, 3, 4, 5, 6, 7, 8, 10, 12, 14];
const BATCH_LANES: [usize; 13] = [2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20];
/// Openings by default, at least and at most.
const OPENINGS: [usize; 2] = [256, 1024];
const WEIGHT_COLUMNS: [usize; 15] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 40, 48, 64, 80, 96];
/// Circuits of more rows are for networks that have no smaller one: the least gas is always that of the longest
/// circuit, and few machines hold it.
const PREFERRED_K: u32 = 22;
/// CPU seconds that 100,000 gas are worth where nothing is preferred.
const BALANCE: f64 = 0.11;

/// Weight of what a [`Preference`] does not name, so that it decides between equals.
const LITTLE: f64 = 1e-6;

impl Preference {
    /// The planner takes the layout of the least score.
    fn score(self, estimate: &Estimate) -> f64 {
        let (seconds, gas) = (estimate.prove_cpu_s, estimate.verify_gas / 1e5);
        match self {
            Self::Balance => seconds / BALANCE + gas,
            Self::Gas => gas + LITTLE * seconds,
            Self::Time => seconds + LITTLE * gas,
            Self::Memory => estimate.peak_rss_mb + LITTLE * (seconds + gas),
        }
    }
}

/// Makes the cheapest layout.
///
/// # Errors
/// See [`LayoutError`].
pub fn plan(graph: &QuantizedGraph, request: PlanRequest) -> Result<Layout, LayoutError> {
    let own_row = LayoutOptions::own_weights_row(graph, request.statement);
    match plan_from(graph, request, own_row) {
        // Weights that lie further on leave more rows to constants.
        Err(LayoutError::TooManyConstants) if request.place.is_none() => {
            plan_from(graph, request, own_row.max(MANY_WEIGHTS_ROW))
        }
        planned => planned,
    }
}

/// The same with the weights from row `own_row` on, where no other circuit says where they are.
fn plan_from(
    graph: &QuantizedGraph,
    request: PlanRequest,
    own_row: usize,
) -> Result<Layout, LayoutError> {
    let mut choice = Choice::new(request);
    let one = |fixed: &usize| vec![*fixed];
    let batch = request.statement.run().is_some();
    let lanes = if batch { BATCH_LANES.as_slice() } else { LANES.as_slice() };
    let all_lanes = request.lanes.as_ref().map_or_else(|| lanes.to_vec(), one);
    let place = request.place.as_ref();
    let fixed_columns = place.map(|place| &place.columns).or(request.weight_columns.as_ref());
    let all_columns = fixed_columns.map_or_else(|| WEIGHT_COLUMNS.to_vec(), one);
    for lanes in all_lanes {
        for weight_columns in all_columns.iter().copied() {
            let options = LayoutOptions {
                lanes,
                weight_columns,
                statement: request.statement,
                openings: match place {
                    Some(place) => place.openings,
                    None => request.openings.unwrap_or(OPENINGS[0]),
                },
                weights_row: place.map_or(own_row, |place| place.first_row),
                weights_k: place.map(|place| place.k),
            };
            let layout = match Layout::new(graph, options) {
                Ok(layout) => layout,
                // With other lanes the circuit has other rows, and the weights may fit.
                Err(LayoutError::WeightsPlace) => {
                    choice.misplaced = true;
                    continue;
                }
                Err(error) => return Err(error),
            };
            let weights_decide = layout.weight_rows_needed() + RESERVED_ROWS > 1 << (layout.k - 1);
            choice.offer(layout);
            if !weights_decide {
                // More weight columns would leave `k` as it is.
                break;
            }
        }
    }
    let layout = choice.made()?;
    if request.openings.is_some() || place.is_some() {
        return Ok(layout);
    }
    let room = layout.weight_domain() - RESERVED_ROWS - layout.openings_row;
    let openings = room.clamp(OPENINGS[0], OPENINGS[1]);
    Layout::new(graph, LayoutOptions { openings, ..layout.options })
}

/// The best layout so far, and why others were none.
struct Choice {
    request: PlanRequest,
    /// Whether it has more rows than [`PREFERRED_K`] says, its score, and the layout.
    best: Option<(bool, f64, Layout)>,
    /// Logarithm of the rows of the shortest.
    smallest: u32,
    /// Least memory of those that take more than may be taken, in MB.
    least_memory: f64,
    /// The weights of one did not fit where they are kept.
    misplaced: bool,
}

impl Choice {
    fn new(request: PlanRequest) -> Self {
        Self {
            request,
            best: None,
            smallest: u32::MAX,
            least_memory: f64::INFINITY,
            misplaced: false,
        }
    }

    fn offer(&mut self, layout: Layout) {
        self.smallest = self.smallest.min(layout.k);
        if layout.k > MAX_K {
            return;
        }
        let estimate = layout.estimate();
        if self.request.max_memory_mb.is_some_and(|max| estimate.peak_rss_mb > max) {
            self.least_memory = self.least_memory.min(estimate.peak_rss_mb);
            return;
        }
        let long = layout.k > PREFERRED_K;
        let score = self.request.prefer.score(&estimate);
        if self.best.as_ref().is_none_or(|(was_long, least, _)| (long, score) < (*was_long, *least))
        {
            self.best = Some((long, score, layout));
        }
    }

    fn made(self) -> Result<Layout, LayoutError> {
        let none = match (self.request.max_memory_mb, self.smallest, self.misplaced) {
            (Some(max), _, _) if self.least_memory.is_finite() => {
                LayoutError::TooMuchMemory { least: self.least_memory.ceil(), max }
            }
            (_, u32::MAX, true) => LayoutError::WeightsPlace,
            (_, k, _) => LayoutError::TooLarge { k, max: MAX_K },
        };
        self.best.map(|(_, _, layout)| layout).ok_or(none)
    }
}

impl Layout {
    /// Where this circuit keeps the weights.
    pub fn weights_place(&self) -> WeightsPlace {
        WeightsPlace {
            columns: self.options.weight_columns,
            first_row: self.options.weights_row,
            k: self.weight_domain().ilog2(),
            openings: self.options.openings,
        }
    }

    fn weight_rows_needed(&self) -> usize {
        self.openings_row + self.rows.rest.max(self.options.openings)
    }

    /// Predicts the cost of proving. The constants were fitted on a machine with 2 vCPUs; see
    /// docs/benchmarks.md.
    pub fn estimate(&self) -> Estimate {
        let profile = &self.profile;
        let small = profile.weight_columns + 3 * profile.lanes + 1;
        let full = profile.lanes + 8;
        let fixed = 10
            + usize::from(profile.folds)
            + profile.patterns.len()
            + profile.kernel_rows.len()
            + match profile.hash {
                None => 0,
                Some(HashGates::Narrow) => 3,
                Some(HashGates::Wide) => 7,
            };
        // Three permuted columns, at degree 3 one product each; two quotient pieces, the random
        // polynomial and the two opening proofs.
        let (permuted, extra) = (3, 5);
        // The columns whose cells the constraints read.
        let columns = (small + full + fixed + 2 * permuted + extra) as f64;
        let commitments = 0.0704 * small as f64 + 0.748 * (full + permuted + extra) as f64;
        let transforms = 0.0748 * (small + full + permuted + fixed) as f64;
        let quotient = 1.76 + 0.1496 * columns;
        let rows = f64::from(self.k).exp2();
        let prove_cpu_s = rows / f64::from(1 << 20) * (commitments + transforms + quotient);
        // Coefficients of all columns but the weights, which stay small numbers; cells of a part, which are fewer the more
        // rows there are; and what does not depend on the columns.
        let cells = match self.k {
            ..=16 => 15.0,
            17 => 8.5,
            _ => 2.0,
        };
        let weights = profile.weight_columns as f64;
        let per_row = (32.0 + cells) * (columns - weights) + 8.0 * weights + 600.0;
        let peak_rss_mb = 32.0 + per_row * rows / f64::from(1 << 20);
        let proof_points = (small + full + permuted + extra) as f64;
        // Whole transaction, fitted to verifications of 52 to 120 points; within 2 % of each.
        let verify_gas = 127_000.0 + 8_915.0 * (proof_points + (fixed + permuted) as f64);
        Estimate {
            k: self.k,
            advice_columns: small + full,
            fixed_columns: fixed,
            small_columns: small,
            prove_cpu_s,
            peak_rss_mb,
            verify_gas,
        }
    }
}

#[cfg(test)]
mod tests {
    use assay_testing::networks::mixed_network;

    use super::*;
    use crate::statement::Run;

    /// A batch, which can be short and wide or long and narrow.
    fn batch(log_items: u32) -> StatementKind {
        StatementKind::Audit { run: Run { log_items, depth: log_items }, top: 1 }
    }

    #[test]
    fn a_preference_gets_the_least_of_what_it_names() {
        let (graph, _) = mixed_network();
        let planned = |prefer| {
            let request = PlanRequest { statement: batch(6), prefer, ..PlanRequest::default() };
            plan(&graph, request).expect("a layout").estimate()
        };
        let [balance, gas, time, memory] =
            [Preference::Balance, Preference::Gas, Preference::Time, Preference::Memory]
                .map(planned);
        for other in [balance, gas, time, memory] {
            assert!(gas.verify_gas <= other.verify_gas);
            assert!(time.prove_cpu_s <= other.prove_cpu_s);
            assert!(memory.peak_rss_mb <= other.peak_rss_mb);
        }
    }

    #[test]
    fn no_plan_takes_more_memory_than_it_may() {
        let (graph, _) = mixed_network();
        let gas =
            PlanRequest { statement: batch(6), prefer: Preference::Gas, ..PlanRequest::default() };
        let free = plan(&graph, gas).expect("a layout").estimate();
        let least = PlanRequest { prefer: Preference::Memory, ..gas };
        let least = plan(&graph, least).expect("a layout").estimate();
        assert!(least.peak_rss_mb < free.peak_rss_mb, "the batch has but one layout");

        let between = (least.peak_rss_mb + free.peak_rss_mb) / 2.0;
        let bounded = PlanRequest { max_memory_mb: Some(between), ..gas };
        let bounded = plan(&graph, bounded).expect("a layout").estimate();
        assert!(bounded.peak_rss_mb <= between);
        assert!(bounded.verify_gas >= free.verify_gas);

        let none = PlanRequest { max_memory_mb: Some(least.peak_rss_mb - 1.0), ..gas };
        let Err(LayoutError::TooMuchMemory { least: told, .. }) = plan(&graph, none) else {
            panic!("a proof was planned that takes too much");
        };
        assert_eq!(told, least.peak_rss_mb.ceil());
    }

    #[test]
    fn gas_is_not_bought_with_more_rows_than_machines_hold() {
        let (graph, _) = mixed_network();
        let gas = PlanRequest { prefer: Preference::Gas, ..PlanRequest::default() };
        let layout = |lanes, k| {
            let request = PlanRequest { lanes: Some(lanes), ..gas };
            let mut layout = plan(&graph, request).expect("a layout");
            layout.k = k;
            layout
        };
        let (wide, long) = ((8, PREFERRED_K), (2, PREFERRED_K + 1));
        let [wide_gas, long_gas] =
            [wide, long].map(|(lanes, k)| layout(lanes, k).estimate().verify_gas);
        assert!(long_gas < wide_gas);
        let chosen = |offers: &[(usize, u32)]| {
            let mut choice = Choice::new(gas);
            offers.iter().for_each(|(lanes, k)| choice.offer(layout(*lanes, *k)));
            choice.made().expect("a layout").k
        };
        assert_eq!(chosen(&[wide, long]), PREFERRED_K);
        assert_eq!(chosen(&[long, wide]), PREFERRED_K);
        assert_eq!(chosen(&[long]), PREFERRED_K + 1);
    }
}
