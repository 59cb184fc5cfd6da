//! What a network's outputs are, for those who read them.

use assay_prover::bundle::{Architecture, Bundle};
use serde::Serialize;

use crate::public_inputs::bound_text;

/// The outputs of a model, as `import` and `inspect` report them.
#[derive(Serialize)]
pub(super) struct Outputs {
    /// Final operators of the file that no circuit computes, in its order.
    dropped: Vec<String>,
    /// Real value of one step of a logit.
    output_step: Option<f64>,
    /// How far each output may be off the imported network's, in real units, where that is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    error_bounds: Vec<f64>,
}

impl Outputs {
    pub(super) fn of(bundle: &Bundle) -> Self {
        let dropped = bundle.dropped.iter().map(ToString::to_string).collect();
        let error_bounds = bundle.bounds.clone();
        Self { dropped, output_step: bundle.output_step(), error_bounds }
    }

    /// Those of a published architecture, which does not say what was left out.
    pub(super) fn published(architecture: &Architecture) -> Self {
        let graph = &architecture.graph;
        let scale = graph.tensors.get(graph.output).map(|tensor| tensor.scale);
        let output_step = scale.map(|scale| 1.0 / scale);
        Self { dropped: Vec::new(), output_step, error_bounds: Vec::new() }
    }

    /// With the bounds that a card states.
    pub(super) fn with_bounds(self, error_bounds: Vec<f64>) -> Self {
        Self { error_bounds, ..self }
    }

    /// The largest of the error bounds.
    pub(super) fn bound_text(&self) -> Option<String> {
        self.error_bounds.iter().copied().reduce(f64::max).map(bound_text)
    }

    /// The scale.
    pub(super) fn step_text(&self) -> String {
        match self.output_step {
            Some(step) => format!("logits; one step of their integers is {step:.6}"),
            None => "logits".to_owned(),
        }
    }

    /// What was left out, if anything was.
    pub(super) fn dropped_text(&self) -> Option<String> {
        let (last, first) = self.dropped.split_last()?;
        let (names, are) = match first {
            [] => (last.clone(), "is"),
            first => (format!("{} and {last}", first.join(", ")), "are"),
        };
        Some(format!(
            "final {names} {are} left out: outputs are logits; classes and their order are the same"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_said() {
        let text = |dropped: &[&str]| {
            let dropped = dropped.iter().map(|name| (*name).to_owned()).collect();
            Outputs { dropped, output_step: Some(0.25), error_bounds: Vec::new() }.dropped_text()
        };
        assert_eq!(text(&[]), None);
        let end = "left out: outputs are logits; classes and their order are the same";
        assert_eq!(text(&["Softmax"]), Some(format!("final Softmax is {end}")));
        let two = text(&["Softmax", "ArgMax"]);
        assert_eq!(two, Some(format!("final Softmax and ArgMax are {end}")));
    }
}
