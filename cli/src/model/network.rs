//! How an ONNX file is read, where that is not plain from it.

use std::path::Path;

use anyhow::{Result, bail};
use assay_prover::{
    bundle::Bundle,
    import::model::{ImportOptions, Model},
};
use clap::Args;

/// Options of every command that reads an ONNX file.
#[derive(Args)]
pub(super) struct NetworkArgs {
    /// Shape of an input whose sizes the file leaves free, batch included; may be repeated
    #[arg(long, value_name = "NAME=1,3,224,224", value_parser = parse_shape, help_heading = "Network")]
    input_shape: Vec<(String, Vec<usize>)>,
    /// An input that is one number everywhere, and no input of the network then: `attention_mask=1` for texts
    /// of one length; may be repeated
    #[arg(long, value_name = "NAME=NUMBER", value_parser = parse_fixed, help_heading = "Network")]
    fixed_input: Vec<(String, f64)>,
    /// Which of the file's outputs the network is for, where they differ
    #[arg(long, value_name = "NAME", help_heading = "Network")]
    output_name: Option<String>,
    /// Keep a final Softmax, which gives probabilities, also where only classes are shown. With `--outputs
    /// logits` it is kept anyhow: the outputs are the file's
    #[arg(long, help_heading = "Network", conflicts_with = "drop_final")]
    keep_final: bool,
    /// Leave a final Softmax out, also with `--outputs logits`: the outputs are the numbers before it
    #[arg(long, help_heading = "Network")]
    drop_final: bool,
}

fn parse_shape(text: &str) -> Result<(String, Vec<usize>), String> {
    let parts = text.rsplit_once('=').and_then(|(name, sizes)| {
        let sizes = sizes.split(',').map(|size| size.trim().parse().ok());
        Some((name.to_owned(), sizes.collect::<Option<Vec<usize>>>()?))
    });
    parts.ok_or_else(|| "expected NAME=SIZES, for instance `input=1,3,224,224`".to_owned())
}

fn parse_fixed(text: &str) -> Result<(String, f64), String> {
    let parts = text.rsplit_once('=').and_then(|(name, number)| {
        Some((name.to_owned(), number.trim().parse::<f64>().ok().filter(|x| x.is_finite())?))
    });
    parts.ok_or_else(|| "expected NAME=NUMBER, for instance `attention_mask=1`".to_owned())
}

impl NetworkArgs {
    /// Imports the file; `numbers` says that a proof shall show the outputs' numbers.
    pub(super) fn import(&self, path: &Path, numbers: bool) -> Result<Model> {
        let options = ImportOptions {
            outputs: self.output_name.clone(),
            input_shapes: self.input_shape.clone(),
            fixed_inputs: self.fixed_input.clone(),
            keep_final: !self.drop_final && (self.keep_final || numbers),
        };
        Ok(Model::import_with(path, &options)?)
    }

    /// Imports the file of which a bundle was made, as it was imported then.
    pub(super) fn import_like(&self, path: &Path, bundle: &Bundle) -> Result<Model> {
        let model = self.import(path, bundle.dropped.is_empty())?;
        let (graph, quantized) = (&model.graph, &bundle.graph);
        let (published, input) = (graph.published_input(), &quantized.input);
        let path = path.display();
        if graph.value_shape() != quantized.value_shape() || published.parts != input.parts {
            bail!(
                "{path} takes inputs of another shape than the bundle: if it is the bundle's network, give the \
                 options of its import again (--fixed-input, --input-shape, --output-name)"
            );
        }
        // Bundles of before do not say all of it.
        let same_order = published.order == input.order || input.order.is_none();
        if !same_order || (published.sizes != input.sizes && !input.sizes.is_empty()) {
            bail!("{path} takes the numbers of its inputs in another order than the bundle");
        }
        if graph.classes() != quantized.tensors[quantized.output].shape[0] {
            bail!(
                "{path} has {} outputs, the bundle {}: another --output-name?",
                graph.classes(),
                quantized.tensors[quantized.output].shape[0]
            );
        }
        Ok(model)
    }
}

#[cfg(test)]
mod tests {
    use super::{parse_fixed, parse_shape};

    #[test]
    fn fixed_inputs_have_a_name_and_a_number() {
        assert_eq!(parse_fixed("mask=1"), Ok(("mask".to_owned(), 1.0)));
        for bad in ["", "mask", "mask=", "mask=x", "mask=inf"] {
            assert!(parse_fixed(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn shapes_have_a_name_and_sizes() {
        assert_eq!(parse_shape("x=1, 3,8"), Ok(("x".to_owned(), vec![1, 3, 8])));
        assert_eq!(parse_shape("a=b=1"), Ok(("a=b".to_owned(), vec![1])));
        for bad in ["", "x", "x=", "x=1,a", "=", "1,2"] {
            assert!(parse_shape(bad).is_err(), "{bad}");
        }
    }
}
