//! `assay dataset`: committed collections of inputs.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use alloy::primitives::B256;
use anyhow::{Context, Result, anyhow, bail};
use assay_prover::{
    collection::{Collection, OpeningFile, ReadProgress, SaltSeed},
    data::{Dataset, Labels, Source, Values},
    field::field_to_bytes,
    graph::Shape,
    quantize::InputEncoding,
};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::{
    input::parse_word,
    keygen::ModelSource,
    output::{Output, table},
};

#[derive(Subcommand)]
pub enum DatasetCommand {
    /// Commit to inputs and their labels: writes the secret set file, prints the root
    Commit(Box<CommitArgs>),
    /// Say what a set file holds
    Show(ShowArgs),
    /// Check set files and openings against a root
    Verify(VerifyArgs),
    /// Write the files that open items of a set
    Open(OpenArgs),
}

#[derive(Args)]
#[command(
    group = ArgGroup::new("network").required(true).args(["bundle", "architecture", "shape"]),
    after_help = "Example:
  assay dataset commit mnist_test.npz --architecture lenet.json --limit 1024 -o test.set
  assay dataset commit photos/ --shape 3,96,96 --labels-file labels.csv -o photos.set
  assay dataset commit table.csv --bundle mlp.bundle --labels target -o table.set --openings openings"
)]
pub struct CommitArgs {
    /// A folder of images, an .npz archive or a .csv table with an item in each row
    path: PathBuf,
    /// Model bundle: shape and encoding are its input's
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
    /// Published architecture: shape and encoding are its input's
    #[arg(long, value_name = "FILE")]
    architecture: Option<PathBuf>,
    /// Shape of an item, where there is no model yet
    #[arg(long, value_name = "C,H,W", value_parser = parse_shape)]
    shape: Option<Shape>,
    #[command(flatten)]
    values: ValueArgs,
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

#[derive(Args)]
#[command(after_help = "Example:
  assay dataset show test.set")]
pub struct ShowArgs {
    /// Set file
    set: PathBuf,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay dataset verify test.set --root 0x1f...
  assay dataset verify openings/0.json openings/7.json --root 0x1f... --depth 10")]
pub struct VerifyArgs {
    /// Set files, or openings (`.json`)
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The root that they must have. Without it, openings are checked against what they claim
    #[arg(long, value_name = "HEX", value_parser = parse_word)]
    root: Option<B256>,
    /// The depth that the tree must have
    #[arg(long, value_name = "LEVELS")]
    depth: Option<u32>,
}

#[derive(Args)]
#[command(
    group = ArgGroup::new("items").required(true).args(["indices", "all"]),
    after_help = "Example:
  assay dataset open test.set 0 7 12 -o openings
  assay dataset open test.set --all -o openings"
)]
pub struct OpenArgs {
    /// Set file
    set: PathBuf,
    /// Items to open, counted from 0
    #[arg(value_name = "INDEX")]
    indices: Vec<usize>,
    /// Open all items
    #[arg(long)]
    all: bool,
    /// Folder for the openings, `<index>.json`. Each shows its item to whoever has it
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

fn parse_shape(text: &str) -> Result<Shape, String> {
    let sizes: Result<Vec<usize>, _> = text.split(',').map(|size| size.trim().parse()).collect();
    match sizes.ok().and_then(|sizes| Shape::try_from(sizes).ok()) {
        Some(shape) if shape.iter().all(|size| (1..=1 << 16).contains(size)) => Ok(shape),
        _ => Err("three sizes from 1 to 65536 are expected: channels, height, width".to_owned()),
    }
}

pub fn run(command: DatasetCommand, output: &Output) -> Result<()> {
    match command {
        DatasetCommand::Commit(args) => commit(&args, output),
        DatasetCommand::Show(args) => show(&args, output),
        DatasetCommand::Verify(args) => verify(&args, output),
        DatasetCommand::Open(args) => open(&args, output),
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

fn commit(args: &CommitArgs, output: &Output) -> Result<()> {
    if args.output.exists() {
        bail!(
            "{} is there already; without it its items cannot be opened. Choose another name",
            args.output.display()
        );
    }
    let (shape, encoding) = match args.shape {
        Some(shape) => (shape, None),
        None => {
            let source = ModelSource {
                bundle: args.bundle.clone(),
                architecture: args.architecture.clone(),
            };
            let graph = source.architecture()?.graph;
            let tensor = graph.tensors.get(graph.input.tensor);
            let shape = tensor.context("the architecture has no input")?.shape;
            let (scale, offset) = (graph.input.byte_scale, graph.input.byte_offset);
            (shape, Some(InputEncoding { scale, offset }))
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
    let data = Dataset::read(&Source {
        path: &args.path,
        shape,
        values: args.values.choose(encoding)?,
        inputs: args.inputs.as_deref(),
        labels,
        skip: args.skip,
        limit: args.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX)),
    })?;
    drop(reading);
    let collection = {
        let bar = output.bar(data.inputs.len() as u64, "hashing items");
        Collection::commit(&data, shape, seed, args.depth, &|| bar.step("hashing items"))?
    };
    drop(data);
    collection.write(&args.output)?;
    if let Some(folder) = &args.openings {
        write_openings(&collection, 0..collection.len(), folder, output)?;
    }
    let report = Committed {
        root: root(&collection),
        items: collection.len(),
        depth: collection.depth(),
        shape,
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

impl ValueArgs {
    fn choose(&self, model: Option<InputEncoding>) -> Result<Values> {
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
            None => model.map_or(Values::Bytes, Values::Reals),
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

#[derive(Serialize)]
struct Shown {
    root: B256,
    items: usize,
    depth: u32,
    shape: Shape,
    labels: bool,
    /// Items of each label; empty without labels.
    classes: BTreeMap<u32, usize>,
}

fn show(args: &ShowArgs, output: &Output) -> Result<()> {
    let set = read(&args.set, output)?;
    let mut classes = BTreeMap::new();
    for label in set.labels() {
        *classes.entry(*label).or_insert(0) += 1;
    }
    let report = Shown {
        root: root(&set),
        items: set.len(),
        depth: set.depth(),
        shape: set.shape(),
        labels: !classes.is_empty(),
        classes,
    };
    output.finish(&report, || {
        let counts = report.classes.values();
        let labels = match (counts.clone().min(), counts.max()) {
            (Some(least), Some(most)) => {
                format!("{} classes of {least} to {most} items", report.classes.len())
            }
            _ => "none".to_owned(),
        };
        table(&[
            ("root", report.root.to_string()),
            ("items", items_text(report.items, report.shape)),
            ("labels", labels),
            ("depth", report.depth.to_string()),
        ])
    })
}

#[derive(Serialize)]
struct Verified {
    valid: bool,
    files: Vec<VerifiedFile>,
}

#[derive(Serialize)]
struct VerifiedFile {
    file: PathBuf,
    root: B256,
    depth: u32,
    /// Items of a set; nothing for an opening.
    items: Option<usize>,
    /// Item that an opening opens.
    index: Option<usize>,
    label: Option<u32>,
}

fn verify(args: &VerifyArgs, output: &Output) -> Result<()> {
    let files = args.files.iter().map(|file| check(file, args, output));
    let report = Verified { files: files.collect::<Result<_>>()?, valid: true };
    output.finish(&report, || {
        let rows: Vec<(String, String)> = report
            .files
            .iter()
            .map(|found| {
                let what = match (found.items, found.index, found.label) {
                    (Some(items), ..) => format!("{items} items"),
                    (None, Some(index), Some(label)) => format!("item {index}, label {label}"),
                    _ => String::new(),
                };
                let text = format!("holds: {what}, depth {}, root {}", found.depth, found.root);
                (found.file.display().to_string(), text)
            })
            .collect();
        let mut text = table(&rows);
        if args.root.is_none() {
            text.push_str("no --root given: compare the root with the one you know\n");
        }
        text
    })
}

fn check(file: &Path, args: &VerifyArgs, output: &Output) -> Result<VerifiedFile> {
    let is_opening = file.extension().is_some_and(|found| found.eq_ignore_ascii_case("json"));
    let found = if is_opening {
        let opened = OpeningFile::read(file)?;
        opened.verify().with_context(|| format!("{} does not hold", file.display()))?;
        VerifiedFile {
            file: file.to_owned(),
            root: B256::from(field_to_bytes(&opened.root)),
            depth: u32::try_from(opened.opening.siblings.len())?,
            items: None,
            index: Some(opened.opening.index),
            label: Some(opened.opening.item.label),
        }
    } else {
        let set = read(file, output)?;
        VerifiedFile {
            file: file.to_owned(),
            root: root(&set),
            depth: set.depth(),
            items: Some(set.len()),
            index: None,
            label: None,
        }
    };
    if let Some(root) = args.root.filter(|root| *root != found.root) {
        bail!("{} has root {}, not {root}", file.display(), found.root);
    }
    if let Some(depth) = args.depth.filter(|depth| *depth != found.depth) {
        bail!("the tree of {} is {} deep, not {depth}", file.display(), found.depth);
    }
    Ok(found)
}

#[derive(Serialize)]
struct Opened {
    root: B256,
    depth: u32,
    openings: Vec<PathBuf>,
}

fn open(args: &OpenArgs, output: &Output) -> Result<()> {
    let set = read(&args.set, output)?;
    let indices = if args.all { (0..set.len()).collect() } else { args.indices.clone() };
    let openings = write_openings(&set, indices, &args.output, output)?;
    let report = Opened { root: root(&set), depth: set.depth(), openings };
    output.finish(&report, || {
        let mut text = table(&[
            ("root", report.root.to_string()),
            ("depth", report.depth.to_string()),
            ("openings", format!("{} in {}", report.openings.len(), args.output.display())),
        ]);
        text.push_str("whoever has an opening sees its item\n");
        text
    })
}

fn write_openings(
    set: &Collection,
    indices: impl IntoIterator<Item = usize, IntoIter: ExactSizeIterator>,
    folder: &Path,
    output: &Output,
) -> Result<Vec<PathBuf>> {
    let indices = indices.into_iter();
    let bar = output.bar(indices.len() as u64, "opening items");
    indices
        .map(|index| {
            let path = OpeningFile::of(set, index)?.write(folder)?;
            bar.step("opening items");
            Ok(path)
        })
        .collect()
}

/// Reads a set file and checks that its items have the root that it says.
pub fn read(path: &Path, output: &Output) -> Result<Collection> {
    let bar = OnceLock::new();
    let progress = |step: ReadProgress| match step {
        ReadProgress::Items(items) => {
            bar.get_or_init(|| output.bar(items, "hashing items"));
        }
        ReadProgress::Leaf => {
            if let Some(bar) = bar.get() {
                bar.step("hashing items");
            }
        }
    };
    Ok(Collection::read(path, &progress)?)
}

fn root(set: &Collection) -> B256 {
    B256::from(field_to_bytes(&set.root()))
}

fn items_text(items: usize, [channels, height, width]: Shape) -> String {
    format!("{items} of {channels} x {height} x {width}")
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
    fn the_models_encoding_is_the_default() {
        let none = ValueArgs { encoding: None, scale: None, offset: None };
        let model = InputEncoding { scale: 0.5, offset: -1.0 };
        assert_eq!(none.choose(Some(model)).ok(), Some(Values::Reals(model)));
        assert_eq!(none.choose(None).ok(), Some(Values::Bytes));
        let bytes = ValueArgs { encoding: Some(Encoding::Bytes), ..none };
        assert_eq!(bytes.choose(Some(model)).ok(), Some(Values::Bytes));
        let bad = ValueArgs { encoding: None, scale: Some(0.0), offset: Some(1.0) };
        assert!(bad.choose(None).is_err());
    }
}
