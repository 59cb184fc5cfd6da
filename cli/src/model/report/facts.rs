//! What a report says, in a page, as JSON and on a terminal.

use std::path::PathBuf;

use assay_prover::{
    circuit::{Cost, RowUse},
    import::quantize::{AccuracyReport, OutputError, report::ErrorReport},
};
use serde::Serialize;

use super::{
    advice::Advice,
    origin::Origin,
    verdicts::{Confusion, Misjudged},
};
use crate::{model::blocks::Block, output::table, predicted::Predicted, setup_trust::SetupTrust};

/// All that the page shows.
#[derive(Serialize)]
pub(super) struct Report {
    pub output: PathBuf,
    pub model: String,
    pub origin: Origin,
    pub input_shape: [usize; 3],
    pub classes: usize,
    pub parameters: usize,
    pub multiply_accumulates: u64,
    pub statement: String,
    /// Inputs that have a label.
    pub labelled: usize,
    pub accuracy: AccuracyReport,
    /// Of each output, its range and how far it is off.
    pub outputs: Vec<OutputError>,
    /// What to do; empty where nothing is lost.
    pub advice: Vec<Advice>,
    /// Of a classifier.
    pub confusion: Option<Confusion>,
    /// Inputs judged otherwise than they should be, the first of them.
    pub misjudged: Vec<Misjudged>,
    /// All of them.
    pub misjudged_inputs: usize,
    pub errors: ErrorReport,
    /// Runs of layers whose names begin alike, of a deep network.
    pub blocks: Vec<Block>,
    pub cost: Cost,
    pub rows: RowUse,
    pub lanes: usize,
    pub weight_columns: usize,
    pub predicted: Predicted,
    pub key: Option<Key>,
}

#[derive(Serialize)]
pub(super) struct Key {
    pub vk_hash: String,
    pub proof_bytes: usize,
    pub setup: SetupTrust,
}

impl Report {
    /// The layer with the least signal to noise, in dB.
    fn noisiest(&self) -> Option<(&str, f64)> {
        let layers = self.errors.layers.iter();
        layers
            .filter_map(|layer| Some((layer.layer.as_str(), layer.signal_to_noise_db?)))
            .min_by(|a, b| a.1.total_cmp(&b.1))
    }

    /// On a terminal.
    pub(super) fn text(&self) -> String {
        let accuracy = &self.accuracy;
        let percent = |count: usize| format!("{:.2} %", accuracy.percent(count));
        let mut rows = vec![("report", self.output.display().to_string())];
        if self.labelled > 0 {
            rows.push((
                "accuracy",
                format!(
                    "float {} / {}, quantized {} / {} (top-1 / top-5, {} inputs)",
                    percent(accuracy.float_top1),
                    percent(accuracy.float_top5),
                    percent(accuracy.quantized_top1),
                    percent(accuracy.quantized_top5),
                    accuracy.inputs
                ),
            ));
        }
        if self.classes > 1 {
            rows.push(("same class", format!("{} of {}", accuracy.agree, accuracy.inputs)));
        }
        let [low, high] = accuracy.logit_range;
        rows.push((
            "outputs",
            format!(
                "off by at most {:.4}, where the float network gives {low:.4} to {high:.4}",
                accuracy.max_logit_error
            ),
        ));
        if let Some(cosine) = accuracy.least_cosine.filter(|_| self.classes > 1) {
            rows.push(("cosine", format!("at least {cosine:.5} to the float network's outputs")));
        }
        if accuracy.max_encoding_error > 0.0 {
            rows.push((
                "inputs rounded",
                format!(
                    "alone: same class on {} of {}, outputs off by at most {:.4}",
                    accuracy.encoding_agree, accuracy.inputs, accuracy.max_encoding_error
                ),
            ));
        }
        if accuracy.refused > 0 {
            rows.push(("refused", format!("{} inputs out of range", accuracy.refused)));
        }
        if let Some(pair) = self.confusion.as_ref().and_then(|confusion| confusion.pairs.first()) {
            let (truth, taken_for, inputs) = (pair.truth, pair.taken_for, pair.inputs);
            rows.push((
                "most confused",
                format!("{inputs} of class {truth} taken for {taken_for}"),
            ));
        }
        if let Some((layer, noise)) = self.noisiest() {
            rows.push(("most noise", format!("{layer}, {noise:.1} dB")));
        }
        rows.push(("predicted", self.predicted.text()));
        rows.push((
            "shares",
            format!(
                "{:.0} % of the time to prove is linear, {:.0} % non-linear",
                100.0 * self.cost.linear_share,
                100.0 * self.cost.nonlinear_share
            ),
        ));
        for advice in &self.advice {
            rows.push(("advice", advice.text.clone()));
            rows.push(("", advice.command.clone()));
        }
        table(&rows)
    }
}
