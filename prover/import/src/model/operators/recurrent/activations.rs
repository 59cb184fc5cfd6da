//! The functions that a recurrent layer names.

use super::super::{ImportError, Node, parts::Parts};
use crate::model::operators::parts::float;

/// A function by name, with its numbers.
#[derive(Clone, Debug)]
pub(super) struct Activation {
    name: String,
    alpha: f64,
    beta: f64,
}

/// The functions of one direction: those of the node, or `default`.
pub(super) fn read(
    node: &Node<'_>,
    default: &[&str],
    direction: usize,
) -> Result<Vec<Activation>, ImportError> {
    let names = node.strings("activations");
    let names: Vec<String> = match names.get(direction * default.len()..) {
        Some([]) | None if names.is_empty() => default.iter().map(|x| (*x).to_owned()).collect(),
        Some(names) if names.len() >= default.len() => names[..default.len()].to_vec(),
        _ => return Err(node.error(format!("the activations are {names:?}"))),
    };
    let skipped = node.strings("activations");
    let skipped = skipped.iter().take(direction * default.len());
    let (mut alphas, mut betas) = (node.floats("activation_alpha"), node.floats("activation_beta"));
    alphas.reverse();
    betas.reverse();
    let mut result = Vec::with_capacity(names.len());
    for (index, name) in skipped.chain(&names).enumerate() {
        let Some((alpha, beta)) = defaults(&name.to_lowercase()) else {
            return Err(node.error(format!("the activation `{name}` is not supported")));
        };
        let alpha = alpha.map(|alpha| alphas.pop().unwrap_or(alpha)).unwrap_or_default();
        let beta = beta.map(|beta| betas.pop().unwrap_or(beta)).unwrap_or_default();
        if index >= direction * default.len() || node.strings("activations").is_empty() {
            result.push(Activation { name: name.to_lowercase(), alpha, beta });
        }
    }
    Ok(result)
}

/// The numbers that a function takes, with their defaults.
fn defaults(name: &str) -> Option<(Option<f64>, Option<f64>)> {
    Some(match name {
        "relu" | "tanh" | "sigmoid" | "softsign" | "softplus" => (None, None),
        "leakyrelu" => (Some(0.01), None),
        "thresholdedrelu" | "elu" => (Some(1.0), None),
        "hardsigmoid" => (Some(0.2), Some(0.5)),
        "affine" | "scaledtanh" => (Some(1.0), Some(if name == "affine" { 0.0 } else { 1.0 })),
        _ => return None,
    })
}

impl Activation {
    pub(super) fn apply(
        &self,
        parts: &mut Parts<'_, '_, '_>,
        input: &str,
    ) -> Result<String, ImportError> {
        let alpha = float("alpha", self.alpha);
        let plain = match self.name.as_str() {
            "relu" => ("Relu", vec![]),
            "tanh" => ("Tanh", vec![]),
            "sigmoid" => ("Sigmoid", vec![]),
            "softsign" => ("Softsign", vec![]),
            "softplus" => ("Softplus", vec![]),
            "leakyrelu" => ("LeakyRelu", vec![alpha]),
            "elu" => ("Elu", vec![alpha]),
            "thresholdedrelu" => ("ThresholdedRelu", vec![alpha]),
            "hardsigmoid" => ("HardSigmoid", vec![alpha, float("beta", self.beta)]),
            name => {
                let (alpha, beta) =
                    (parts.constant(&[], vec![self.alpha])?, parts.constant(&[], vec![self.beta])?);
                if name == "affine" {
                    let scaled = parts.op("Mul", &[input, &alpha], &[])?;
                    return parts.op("Add", &[&scaled, &beta], &[]);
                }
                let scaled = parts.op("Mul", &[input, &beta], &[])?;
                let bent = parts.op("Tanh", &[&scaled], &[])?;
                return parts.op("Mul", &[&bent, &alpha], &[]);
            }
        };
        parts.op(plain.0, &[input], &plain.1)
    }
}
