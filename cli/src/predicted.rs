//! What the planner expects of a proof, before it is made.

use std::thread::available_parallelism;

use assay_prover::{circuit::Layout, graph::QuantizedGraph};
use serde::Serialize;

/// The planner's prediction for this machine's cores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Predicted {
    pub k: u32,
    /// Of `2^k`.
    pub rows_used: usize,
    pub advice_columns: usize,
    pub fixed_columns: usize,
    /// All cores busy, nothing else running.
    pub wall_s: f64,
    pub cpu_s: f64,
    /// Largest resident set, in MB.
    pub rss_mb: f64,
    pub verify_gas: f64,
    /// Parts of the time to prove, see [`assay_prover::circuit::Cost`]; they add up to 1.
    pub linear_share: f64,
    pub nonlinear_share: f64,
}

impl Predicted {
    pub(crate) fn new(layout: &Layout, graph: &QuantizedGraph) -> Self {
        let estimate = layout.estimate();
        let cost = layout.cost(graph);
        let threads = available_parallelism().map_or(1, usize::from) as f64;
        Self {
            k: layout.k,
            rows_used: layout.rows_used(),
            advice_columns: estimate.advice_columns,
            fixed_columns: estimate.fixed_columns,
            wall_s: estimate.prove_cpu_s / threads,
            cpu_s: estimate.prove_cpu_s,
            rss_mb: estimate.peak_rss_mb,
            verify_gas: estimate.verify_gas,
            linear_share: cost.linear_share,
            nonlinear_share: cost.nonlinear_share,
        }
    }

    /// One line.
    pub(crate) fn text(&self) -> String {
        format!(
            "{} rows of 2^{}, {} advice and {} fixed columns; {:.1} s ({:.1} CPU seconds), {:.0} MB; {:.0} gas to verify",
            self.rows_used,
            self.k,
            self.advice_columns,
            self.fixed_columns,
            self.wall_s,
            self.cpu_s,
            self.rss_mb,
            self.verify_gas
        )
    }
}
