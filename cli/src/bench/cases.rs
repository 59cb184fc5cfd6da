//! Models that are measured, with their inputs and what the inputs' bytes stand for.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::existing;

pub struct Case {
    pub model: PathBuf,
    pub calibration: PathBuf,
    pub calibration_limit: usize,
    /// The input that is proven.
    pub input: String,
    /// Arguments of `assay model import`.
    pub encoding: &'static [&'static str],
}

struct Entry {
    name: &'static str,
    images: &'static str,
    index: usize,
    encoding: &'static [&'static str],
    calibration_limit: usize,
}

const UNIT: &[&str] = &["--encoding=unit"];
const RAW: &[&str] = &["--encoding=raw"];
const SYMMETRIC: &[&str] = &["--encoding=symmetric"];
/// From the range of the numbers.
const RANGE: &[&str] = &[];

const ENTRIES: &[Entry] = &[
    entry("lenet5_mnist", "mnist_test10k.npz", 1000, UNIT, 500),
    entry("mlp_mnist", "mnist_test10k.npz", 1000, UNIT, 500),
    entry("zkml_mnist", "mnist_test10k.npz", 1000, UNIT, 500),
    entry("resnet8_cifar10", "cifar10_test1000_jpegdecoded.npz", 200, RAW, 200),
    entry("resnet8_cifar10_jpeg", "cifar10_test1000_jpegdecoded.npz", 200, UNIT, 200),
    entry("mobilenet_v1_0.25_128", "nips17_128_u8_100.npz", 64, SYMMETRIC, 64),
    entry("mobilenet_v2_0.5_96", "nips17_96_u8_500.npz", 64, SYMMETRIC, 64),
    entry("mobilenet_v2_1.0_224", "nips17_224_u8_100.npz", 32, SYMMETRIC, 32),
    entry("vww_96", "nips17_96_u8_500.npz", 64, UNIT, 64),
    entry("breast_cancer", "breast_cancer_test.npz", 100, RANGE, 100),
    entry("credit_default", "credit_default_test6000.npz", 1000, RANGE, 1000),
    entry("digits_mlp", "digits_mlp_test.npz", 300, RANGE, 300),
];

const fn entry(
    name: &'static str,
    images: &'static str,
    index: usize,
    encoding: &'static [&'static str],
    calibration_limit: usize,
) -> Entry {
    Entry { name, images, index, encoding, calibration_limit }
}

impl Case {
    /// The case of a model, with its files where they should be.
    pub fn find(name: &str, data: &Path, examples: &Path) -> Result<Self> {
        let case = if name == "lenet" {
            let folder = examples.join("digits");
            Self {
                model: folder.join("lenet.onnx"),
                calibration: folder.join("calibration.npz"),
                calibration_limit: 64,
                input: folder.join("images/00_7.png").to_string_lossy().into_owned(),
                encoding: UNIT,
            }
        } else {
            let Some(entry) = ENTRIES.iter().find(|entry| entry.name == name) else {
                let known: Vec<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
                bail!(
                    "no inputs are known for a model {name:?}; known are lenet, {}",
                    known.join(", ")
                );
            };
            let images = data.join("images").join(entry.images);
            Self {
                model: data.join("models").join(format!("{name}.onnx")),
                input: format!("{}:{}", images.display(), entry.index),
                calibration: images,
                calibration_limit: entry.calibration_limit,
                encoding: entry.encoding,
            }
        };
        existing(&case.model, "the model")?;
        existing(&case.calibration, "the input archive")?;
        Ok(case)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_missing_models_are_named() {
        let fault = |name: &str| {
            Case::find(name, Path::new("nowhere"), Path::new("nowhere"))
                .err()
                .map(|e| e.to_string())
        };
        assert!(fault("resnet152").is_some_and(|text| text.contains("lenet5_mnist")));
        assert!(fault("lenet5_mnist").is_some_and(|text| text.contains("nowhere")));
    }
}
