//! Models that are measured, with their inputs and what the inputs' bytes stand for.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

pub(super) struct Case {
    pub model: PathBuf,
    pub calibration: PathBuf,
    pub calibration_limit: usize,
    /// The input that is proven.
    pub input: String,
    /// Arguments of `assay model import`.
    pub encoding: &'static [&'static str],
    /// What an audit is about.
    pub audited: Audited,
}

/// Inputs to audit on, apart from those of the calibration.
pub(super) struct Audited {
    pub inputs: PathBuf,
    /// Inputs at the beginning that the calibration took.
    pub skip: usize,
    /// Without labels they are made up: counts then mean nothing, the costs are the same.
    pub labelled: bool,
}

struct Entry {
    name: &'static str,
    images: Images,
    index: usize,
    encoding: &'static [&'static str],
    calibration_limit: usize,
    /// Whether the labels of the images are classes of the model.
    labelled: bool,
}

#[derive(Clone, Copy)]
enum Images {
    /// In the data folder: an archive, or a folder of images, which are cropped to the input.
    File(&'static str),
    /// The data folder has none: so many made-up numbers an input. Time, memory and gas do not
    /// depend on the values.
    MadeUp(usize),
}

/// Inputs that are made up where there are none.
const MADE_UP: usize = 16;
/// Their bytes stand for numbers between -4 and 4.
const AROUND_ZERO: &[&str] = &["--scale=0.03125", "--offset=-4"];

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
    entry("mobilenet_v2_0.75_192", "nips17_224_jpg", 40, SYMMETRIC, 40),
    entry("squeezenet_224", "nips17_224_u8_100.npz", 32, SYMMETRIC, 32),
    Entry {
        name: "kws_dscnn",
        images: Images::MadeUp(49 * 10),
        index: 0,
        encoding: AROUND_ZERO,
        calibration_limit: MADE_UP,
        labelled: false,
    },
    Entry {
        name: "ad01_autoencoder",
        images: Images::MadeUp(640),
        index: 0,
        encoding: AROUND_ZERO,
        calibration_limit: MADE_UP,
        labelled: false,
    },
    // Photographs labelled with ImageNet's classes, not with whether a person is seen.
    Entry { labelled: false, ..entry("vww_96", "nips17_96_u8_500.npz", 64, UNIT, 64) },
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
    Entry { name, images: Images::File(images), index, encoding, calibration_limit, labelled: true }
}

impl Case {
    /// The case of a model, with its files where they should be.
    /// Made-up inputs are written to `made`.
    pub(super) fn find(name: &str, data: &Path, examples: &Path, made: &Path) -> Result<Self> {
        let case = if name == "lenet" {
            let folder = examples.join("digits");
            let test_set = data.join("images/mnist_test10k.npz");
            let inputs = if test_set.exists() { test_set } else { folder.join("images") };
            Self {
                model: folder.join("lenet.onnx"),
                calibration: folder.join("calibration.npz"),
                calibration_limit: 64,
                input: folder.join("images/00_7.png").to_string_lossy().into_owned(),
                encoding: UNIT,
                audited: Audited { inputs, skip: 0, labelled: true },
            }
        } else {
            let Some(entry) = ENTRIES.iter().find(|entry| entry.name == name) else {
                let known: Vec<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
                bail!(
                    "no inputs are known for a model {name:?}; known are lenet, {}",
                    known.join(", ")
                );
            };
            let model = data.join("models").join(format!("{name}.onnx"));
            existing(&model, "the model")?;
            let (calibration, input) = match entry.images {
                Images::File(file) => from_file(&data.join("images").join(file), entry.index)?,
                Images::MadeUp(numbers) => make_up(made, numbers)?,
            };
            let skip = match entry.images {
                Images::File(_) => entry.calibration_limit,
                Images::MadeUp(_) => 0,
            };
            let audited = Audited { inputs: calibration.clone(), skip, labelled: entry.labelled };
            Self {
                model,
                input,
                calibration,
                calibration_limit: entry.calibration_limit,
                encoding: entry.encoding,
                audited,
            }
        };
        existing(&case.model, "the model")?;
        existing(&case.calibration, "the input archive")?;
        Ok(case)
    }
}

/// The samples and one input of them.
fn from_file(images: &Path, index: usize) -> Result<(PathBuf, String)> {
    if !images.is_dir() {
        return Ok((images.to_owned(), format!("{}:{index}", images.display())));
    }
    let mut files = fs::read_dir(images)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, _>>())
        .with_context(|| format!("cannot read the folder {}", images.display()))?;
    files.sort();
    let file = files
        .get(index)
        .with_context(|| format!("{} holds no {index} images", images.display()))?;
    Ok((images.to_owned(), file.display().to_string()))
}

/// A table of pseudo-random numbers between -3 and 3, and its first row as an input.
fn make_up(folder: &Path, numbers: usize) -> Result<(PathBuf, String)> {
    fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut number = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        // Multiples of 1/32 are bytes exactly.
        f64::from((state >> 56) as u32 % 193) / 32.0 - 3.0
    };
    let rows = (0..MADE_UP)
        .map(|_| (0..numbers).map(|_| number().to_string()).collect::<Vec<_>>().join(","))
        .collect::<Vec<_>>();
    let mut table = String::new();
    for row in &rows {
        let _ = writeln!(table, "{row}");
    }
    let first = format!("[{}]", rows.first().map_or("", String::as_str));
    let (samples, input) = (folder.join("made-up.csv"), folder.join("made-up.json"));
    for (path, text) in [(&samples, table), (&input, first)] {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok((samples, input.display().to_string()))
}

fn existing(path: &Path, what: &str) -> Result<()> {
    if !path.exists() {
        bail!("{what} {} is missing", path.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_and_missing_models_are_named() {
        let fault = |name: &str| {
            Case::find(name, Path::new("nowhere"), Path::new("nowhere"), Path::new("nowhere"))
                .err()
                .map(|e| e.to_string())
        };
        assert!(fault("resnet152").is_some_and(|text| text.contains("lenet5_mnist")));
        assert!(fault("lenet5_mnist").is_some_and(|text| text.contains("nowhere")));
    }
}
