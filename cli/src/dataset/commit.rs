//! `assay dataset commit`.

use std::path::{Path, PathBuf};

use alloy::primitives::B256;
use anyhow::{Context, Result, anyhow, bail};
use assay_prover::{
    collection::{Collection, SaltSeed},
    graph::{Input, QuantizedGraph, Shape},
    import::data::{self, Labels, Source, Values},
    import::model::PublishedInput,
    import::quantize::InputEncoding,
};
use clap::{ArgGroup, Args, ValueEnum};
use serde::Serialize;

use super::{items_text, root, write_openings};
use crate::{
    input::ResizeArgs,
    new_file::NewFile,
    output::{Output, table},
    published::ModelSource,
};

#[derive(Args)]
#[command(
    group = ArgGroup::new("network").required(true).args(["bundle", "card", "architecture", "shape"]),
    after_help = "Example:
  assay dataset commit mnist_test.npz --architecture lenet.json --limit 1024 -o test.set
  assay dataset commit photos/ --shape 3,96,96 --labels-file labels.csv -o photos.set
  assay dataset commit table.csv --bundle mlp.bundle --labels target -o table.set --openings openings"
)]
pub(crate) struct CommitArgs {
    /// A folder of images, an .npz archive or a .csv table with an item in each row
    path: PathBuf,
    /// Model bundle: shape and encoding are its input's
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Published architecture: shape and encoding are its input's
    #[arg(long, value_name = "FILE")]
    architecture: Option<PathBuf>,
    /// Model card, in place of them
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// Shape of an item, where there is no model yet
    #[arg(long, value_name = "C,H,W", value_parser = parse_shape)]
    shape: Option<Shape>,
    #[command(flatten)]
    values: ValueArgs,
    #[command(flatten)]
    resize: ResizeArgs,
    #[command(flatten)]
    labels: LabelArgs,
    /// Array of an archive that holds the inputs [default: `images`, `X`, `x`, `inputs` or the only
    /// one]
    #[arg(long, value_name = "NAME")]
    inputs: Option<String>,
    /// Leave out the first N items of the file
    #[arg(long, value_name = "N", default_value_t = 0)]
    skip: usize,
    /// Take N items only
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,
    /// Depth of the tree [default: the smallest that holds the items]
    #[arg(long, value_name = "LEVELS")]
    depth: Option<u32>,
    /// File with 64 hexadecimal digits from which the salts are derived [default: a fresh random
    /// seed]. Never use one seed for two sets
    #[arg(long, value_name = "FILE")]
    seed: Option<PathBuf>,
    /// Also open every item, into this folder
    #[arg(long, value_name = "DIR")]
    openings: Option<PathBuf>,
    /// Set file to write. It is secret: it holds inputs, labels and salts
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Args)]
struct ValueArgs {
    /// What numbers of the file stand for [default: the model's encoding, or `bytes` with --shape].
    /// Images and arrays of bytes are always taken as they are
    #[arg(long, value_enum, conflicts_with_all = ["scale", "offset"])]
    encoding: Option<Encoding>,
    /// A byte b stands for b * SCALE + OFFSET
    #[arg(long, requires = "offset")]
    scale: Option<f64>,
    /// See --scale
    #[arg(long, requires = "scale", allow_negative_numbers = true)]
    offset: Option<f64>,
    /// Take numbers outside the encoding as its nearest end, rather than refusing them
    #[arg(long)]
    clamp: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Encoding {
    /// The numbers are bytes, 0 to 255
    Bytes,
    /// b / 255
    Unit,
    /// b
    Raw,
    /// (b - 128) / 128
    Symmetric,
}

#[derive(Args)]
#[group(multiple = false)]
struct LabelArgs {
    /// Array of an archive, or column of a table (name or number from 1), that holds the labels
    /// [default: one with a usual name]
    #[arg(long, value_name = "NAME")]
    labels: Option<String>,
    /// File with a label in each line, or the name of an image and its label [default: `labels.csv`
    /// in the folder of images]
    #[arg(long, value_name = "FILE")]
    labels_file: Option<PathBuf>,
    /// Commit to inputs alone
    #[arg(long)]
    no_labels: bool,
}

fn parse_shape(text: &str) -> Result<Shape, String> {
    let sizes: Result<Vec<usize>, _> = text.split(',').map(|size| size.trim().parse()).collect();
    match sizes.ok().and_then(|sizes| Shape::try_from(sizes).ok()) {
        Some(shape) if shape.iter().all(|size| (1..=1 << 16).contains(size)) => Ok(shape),
        _ => Err("three sizes from 1 to 65536 are expected: channels, height, width".to_owned()),
    }
}

#[derive(Serialize)]
struct Committed {
    root: B256,
    items: usize,
    depth: u32,
    shape: Shape,
    labels: bool,
    output: PathBuf,
    bytes: u64,
    openings: Option<PathBuf>,
}

impl CommitArgs {
    /// The network whose inputs the items are.
    fn network(&self) -> ModelSource {
        let (bundle, architecture) = (self.bundle.clone(), self.architecture.clone());
        ModelSource { bundle, architecture, card: self.card.clone() }
    }
}

impl CommitArgs {
    /// The openings of two sets do not go into one folder.
    fn require_empty_folder(&self) -> Result<()> {
        match self.openings.as_deref() {
            Some(folder) if folder.read_dir().is_ok_and(|mut entries| entries.next().is_some()) => {
                bail!(
                    "{} is not empty; openings of two sets do not go into one folder",
                    folder.display()
                )
            }
            _ => Ok(()),
        }
    }
}

pub(super) fn run(args: &CommitArgs, output: &Output) -> Result<()> {
    let file = NewFile::new(&args.output, None, "without it its items cannot be opened");
    file.require_free()?;
    args.require_empty_folder()?;
    let mut classes = None;
    let input;
    let mut published = PublishedInput::default();
    let (shape, item_shape, model) = match args.shape {
        Some(shape) => (shape, shape, None),
        None => {
            let graph = args.network().architecture()?.graph;
            classes = graph.tensors.get(graph.output).map(|output| output.shape[0]);
            let (shape, bytes) = (graph.value_shape(), graph.tensors[graph.input.tensor].shape);
            published = published_input(&graph);
            input = graph.input;
            (shape, bytes, Some(Values::of(&input)))
        }
    };
    let labels = match &args.labels {
        LabelArgs { no_labels: true, .. } => Labels::None,
        LabelArgs { labels: Some(name), .. } => Labels::Named(name),
        LabelArgs { labels_file: Some(file), .. } => Labels::File(file),
        _ => Labels::Find,
    };
    let seed = args.seed.as_deref().map_or_else(|| Ok(SaltSeed::random()), read_seed)?;
    let reading = output.spinner(format!("reading {}", args.path.display()));
    let data = data::read(&Source {
        path: &args.path,
        shape,
        values: args.values.choose(model)?,
        clamp: args.values.clamp,
        resize: args.resize.choice(),
        parts: &published.parts,
        order: published.order.as_ref(),
        sizes: &published.sizes,
        input: Some(published.name.as_str()).filter(|name| !name.is_empty()),
        inputs: args.inputs.as_deref(),
        labels,
        skip: args.skip,
        limit: args.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),
    })?;
    drop(reading);
    if let Some(classes) = classes {
        require_classes(&data.labels, classes)?;
    }
    let collection = {
        let bar = output.bar(data.inputs.len() as u64, "hashing items");
        Collection::commit(&data, item_shape, seed, args.depth, &|| bar.step("hashing items"))?
    };
    drop(data);
    file.write(|path| Ok(collection.write(path)?))?;
    if let Some(folder) = &args.openings {
        write_openings(&collection, 0..collection.len(), folder, output)?;
    }
    let report = Committed {
        root: root(&collection),
        items: collection.len(),
        depth: collection.depth(),
        shape: item_shape,
        labels: !collection.labels().is_empty(),
        output: args.output.clone(),
        bytes: std::fs::metadata(&args.output).context("cannot see the set file")?.len(),
        openings: args.openings.clone(),
    };
    output.finish(&report, || {
        let mut rows = vec![
            ("root", report.root.to_string()),
            ("items", items_text(report.items, report.shape)),
            ("labels", if report.labels { "one for each item" } else { "none" }.to_owned()),
            ("depth", report.depth.to_string()),
            ("set", format!("{} ({} bytes); keep it secret", args.output.display(), report.bytes)),
        ];
        if let Some(folder) = &report.openings {
            rows.push(("openings", format!("{}; each shows its item", folder.display())));
        }
        table(&rows)
    })
}

/// How the items of a set lie in the network's inputs.
fn published_input(graph: &QuantizedGraph) -> PublishedInput {
    let Input { tensor, parts, order, sizes, .. } = &graph.input;
    let name = graph.tensors[*tensor].name.clone();
    PublishedInput { name, parts: parts.clone(), order: order.clone(), sizes: sizes.clone() }
}

/// Refuses labels that are no classes of the network: its audit could not be proven.
fn require_classes(labels: &[usize], classes: usize) -> Result<()> {
    match labels.iter().enumerate().find(|(_, label)| **label >= classes) {
        None => Ok(()),
        Some((item, label)) => bail!(
            "item {item} has label {label}, the network has classes 0 to {}; labels that the data do not mean \
             are left out by --no-labels, others are given by --labels or --labels-file",
            classes.saturating_sub(1)
        ),
    }
}

impl ValueArgs {
    fn choose<'a>(&self, model: Option<Values<'a>>) -> Result<Values<'a>> {
        if let Some(Values::Channels(_)) = model
            && (self.scale.is_some() || self.encoding.is_some())
        {
            bail!(
                "the network's features have scales of their own, which its architecture says: leave out \
                 --encoding, --scale and --offset"
            );
        }
        if let (Some(scale), Some(offset)) = (self.scale, self.offset) {
            if !scale.is_finite() || scale <= 0.0 || !offset.is_finite() {
                bail!("--scale must be a positive number and --offset a number");
            }
            return Ok(Values::Reals(InputEncoding { scale, offset }));
        }
        Ok(match self.encoding {
            Some(Encoding::Bytes) => Values::Bytes,
            Some(Encoding::Unit) => Values::Reals(InputEncoding::UNIT),
            Some(Encoding::Raw) => Values::Reals(InputEncoding::RAW),
            Some(Encoding::Symmetric) => Values::Reals(InputEncoding::SYMMETRIC),
            None => model.unwrap_or(Values::Bytes),
        })
    }
}

/// 64 hexadecimal digits. The message never quotes them.
fn read_seed(path: &Path) -> Result<SaltSeed> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read the seed {}", path.display()))?;
    let text = text.trim();
    let bytes = ::hex::decode(text.strip_prefix("0x").unwrap_or(text)).ok();
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .map(SaltSeed)
        .ok_or_else(|| anyhow!("{} does not hold 64 hexadecimal digits", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_have_three_sizes() {
        assert_eq!(parse_shape("3, 96,96"), Ok([3, 96, 96]));
        for bad in ["", "1", "1,2", "1,2,3,4", "1,0,3", "1,x,3", "1,x,2,3", "1,2,65537", "-1,2,3"] {
            assert!(parse_shape(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn labels_are_classes_of_the_network() {
        assert!(require_classes(&[0, 9, 3], 10).is_ok());
        assert!(require_classes(&[], 10).is_ok());
        let refused = require_classes(&[0, 9, 10], 10).expect_err("no class").to_string();
        assert!(refused.contains("item 2 has label 10") && refused.contains("0 to 9"), "{refused}");
    }

    #[test]
    fn the_models_encoding_is_the_default() {
        let none = ValueArgs { encoding: None, scale: None, offset: None, clamp: false };
        let model = Values::Reals(InputEncoding { scale: 0.5, offset: -1.0 });
        assert_eq!(none.choose(Some(model)).ok(), Some(model));
        assert_eq!(none.choose(None).ok(), Some(Values::Bytes));
        let bytes = ValueArgs { encoding: Some(Encoding::Bytes), ..none };
        assert_eq!(bytes.choose(Some(model)).ok(), Some(Values::Bytes));
        let bad = ValueArgs { encoding: None, scale: Some(0.0), offset: Some(1.0), clamp: false };
        assert!(bad.choose(None).is_err());
    }
}
