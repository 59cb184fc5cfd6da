//! What is measured of an audit, and how it is printed.

use serde::Serialize;

use crate::{audit::grouped, output::table};

/// The figures of a whole audit.
#[derive(Debug, Serialize)]
pub(super) struct Figures {
    pub model: String,
    pub items: usize,
    /// By the proofs, and by the integer network's own run.
    pub correct: u64,
    pub reference_correct: u64,
    /// Whether the labels are those of the images; made-up ones cost the same and mean nothing.
    pub labelled: bool,
    pub proofs: usize,
    pub batch: usize,
    pub lanes: u64,
    pub k: u64,
    pub rows: u64,
    /// Advice and fixed.
    pub columns: u64,
    pub keygen_wall_s: f64,
    /// Of all proofs, one after another, without reading keys.
    pub prove_wall_s: f64,
    pub prove_cpu_s: f64,
    /// Largest of the processes that prove, keys included.
    pub peak_rss_mb: f64,
    /// Of all proofs together.
    pub verify_ms: f64,
    /// Of one proof.
    pub proof_bytes: u64,
    /// Of the transactions that verify the proofs.
    pub total_verify_gas: u64,
    pub verifier_code_bytes: u64,
    pub verifier_deploy_gas: u64,
    pub vk_deploy_gas: u64,
    /// By the planner, for all proofs.
    pub predicted_wall_s: f64,
    pub predicted_cpu_s: f64,
    pub predicted_rss_mb: f64,
    pub predicted_verify_gas: f64,
}

#[derive(Debug, Serialize)]
pub(super) struct Comparison {
    pub model: String,
    pub rows: Vec<Figures>,
    /// Batches that do not fit the largest circuit.
    pub left_out: Vec<usize>,
}

pub(super) fn text(figures: &Figures) -> String {
    let labels = if figures.labelled { "" } else { "; the labels are made up" };
    table(&[
        ("model", figures.model.clone()),
        (
            "correct",
            format!(
                "{} of {} (integer network {}){labels}",
                figures.correct, figures.items, figures.reference_correct
            ),
        ),
        (
            "circuit",
            format!(
                "{} proofs of up to {} items; {} rows of 2^{}, {} lanes, {} columns",
                figures.proofs,
                figures.batch,
                figures.rows,
                figures.k,
                figures.lanes,
                figures.columns
            ),
        ),
        (
            "prove",
            format!(
                "{:.1} s, {:.1} CPU seconds, {:.0} MiB",
                figures.prove_wall_s, figures.prove_cpu_s, figures.peak_rss_mb
            ),
        ),
        (
            "predicted",
            format!(
                "{:.1} s, {:.1} CPU seconds, {:.0} MB, {} gas",
                figures.predicted_wall_s,
                figures.predicted_cpu_s,
                figures.predicted_rss_mb,
                grouped(figures.predicted_verify_gas)
            ),
        ),
        ("verify", format!("{:.1} ms", figures.verify_ms)),
        ("proof", format!("{} bytes each", figures.proof_bytes)),
        (
            "on chain",
            format!(
                "{} gas for all proofs; verifier {} bytes",
                grouped(figures.total_verify_gas as f64),
                figures.verifier_code_bytes
            ),
        ),
    ])
}

/// A table in Markdown.
pub(super) fn comparison_text(comparison: &Comparison) -> String {
    let mut text =
        "| batch | k | lanes | prove s | CPU s | s an item | CPU s an item | peak MiB | \
         gas | gas an item | code bytes |\n|---|---|---|---|---|---|---|---|---|---|---|\n"
            .to_owned();
    for row in &comparison.rows {
        let items = row.items.max(1) as f64;
        text.push_str(&format!(
            "| {} | {} | {} | {:.1} | {:.1} | {:.2} | {:.2} | {:.0} | {} | {} | {} |\n",
            row.batch,
            row.k,
            row.lanes,
            row.prove_wall_s,
            row.prove_cpu_s,
            row.prove_wall_s / items,
            row.prove_cpu_s / items,
            row.peak_rss_mb,
            grouped(row.total_verify_gas as f64),
            grouped(row.total_verify_gas as f64 / items),
            row.verifier_code_bytes
        ));
    }
    for batch in &comparison.left_out {
        text.push_str(&format!("a batch of {batch} does not fit the largest circuit\n"));
    }
    text
}
