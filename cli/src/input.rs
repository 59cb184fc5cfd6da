//! Inputs: reading them, and `assay input`.

use std::{
    fmt::Write as _,
    io::IsTerminal,
    path::{Display, Path, PathBuf},
};

use alloy::primitives::B256;
use anyhow::{Context, Result, anyhow, bail};
use assay_prover::{
    arithmetic::field::field_to_bytes,
    graph::{InputPart, QuantizedGraph},
    import::data::{self, DataError, Resize, Source, Values},
};
use assay_relayer::proving::{InputOpening, InputStore};
use clap::{Args, Subcommand, ValueEnum};
use rand_core::OsRng;
use serde::Serialize;
use serde_json::Value;

use crate::{
    hex_words::parse_word,
    output::{Output, hex, table},
    published::ModelSource,
};

#[derive(Subcommand)]
pub(crate) enum InputCommand {
    /// Commit to an input: prints the commitment and the salt, and writes the opening
    Commit(CommitArgs),
    /// Draw an image in the terminal as the network sees it
    Show(ShowArgs),
}

#[derive(Args)]
#[command(after_help = "Example:
  assay input commit --architecture lenet.json --input 7.png -o openings
  assay input commit --bundle lenet.bundle --input mnist_test.npz:12 -o openings")]
pub(crate) struct CommitArgs {
    #[command(flatten)]
    model: ModelSource,
    #[command(flatten)]
    input: InputArgs,
    /// Salt: 64 hexadecimal digits, below the field's order, or `random`
    #[arg(long, default_value = "random", value_name = "HEX")]
    salt: Salt,
    /// Folder for the opening, `<commitment>.json`. It is secret: hand it to the seller alone. One that is
    /// there already is not replaced
    #[arg(short, long, value_name = "DIR")]
    output: PathBuf,
}

#[derive(Args)]
#[command(after_help = "Example:
  assay input show --architecture lenet.json --input 7.png")]
pub(crate) struct ShowArgs {
    #[command(flatten)]
    model: ModelSource,
    #[command(flatten)]
    input: InputArgs,
}

/// Where an input comes from.
#[derive(Args, Clone)]
pub(crate) struct InputArgs {
    /// An image (png, jpeg, pgm, ppm), `FILE.npz:INDEX` of an archive, an array (npy) or a table (csv) with
    /// several inputs, or a JSON file: an array of the numbers that the float network takes, an array for
    /// each of its inputs by name, or {"bytes": [...]}
    #[arg(long, value_name = "FILE")]
    pub input: String,
    /// Take numbers outside the input's encoding as its nearest end. Without it they are refused: the
    /// network would answer another input than was meant
    #[arg(long)]
    pub clamp: bool,
    #[command(flatten)]
    pub resize: ResizeArgs,
}

/// What becomes of a picture of another size than the network's input.
#[derive(Args, Clone, Copy)]
pub(crate) struct ResizeArgs {
    /// Scale pictures of another size than the network's input. Without it they are refused: the network
    /// would answer another picture than was meant
    #[arg(long, value_enum, value_name = "HOW")]
    resize: Option<ResizeHow>,
}

#[derive(Clone, Copy, ValueEnum)]
enum ResizeHow {
    /// In its proportions until it covers the input, and its middle cut out
    Crop,
    /// Width and height each by itself
    Stretch,
}

impl ResizeArgs {
    pub(crate) fn choice(self) -> Resize {
        match self.resize {
            None => Resize::Refuse,
            Some(ResizeHow::Crop) => Resize::Crop,
            Some(ResizeHow::Stretch) => Resize::Stretch,
        }
    }
}

/// A salt as it is given.
#[derive(Clone, Copy)]
pub(crate) enum Salt {
    Random,
    Given(B256),
}

impl std::str::FromStr for Salt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "random" {
            return Ok(Self::Random);
        }
        parse_word(text).map(Self::Given)
    }
}

impl Salt {
    pub(crate) fn value(self) -> B256 {
        match self {
            Self::Random => B256::from(field_to_bytes(&assay_prover::circuit::random_salt(OsRng))),
            Self::Given(salt) => salt,
        }
    }
}

impl InputArgs {
    /// The bytes that the network `graph` takes.
    pub(crate) fn read(&self, graph: &QuantizedGraph) -> Result<Vec<u8>> {
        Ok(self.read_sample(graph)?.0)
    }

    /// The same, and the numbers that the bytes stand for, unless the file holds bytes.
    pub(crate) fn read_sample(
        &self,
        graph: &QuantizedGraph,
    ) -> Result<(Vec<u8>, Option<Vec<f64>>)> {
        let (path, index) = split_index(&self.input);
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json")) {
            return self.read_json(path, graph);
        }
        let (clamp, source) = (self.clamp, Source::for_network(path, graph));
        if index.is_none() {
            only_one(&source)?;
        }
        let index = index.unwrap_or(0);
        // Other inputs of the file do not matter, whatever they hold.
        let resize = self.resize.choice();
        let source = Source { skip: index, limit: 1, clamp, resize, ..source };
        let mut samples = match data::samples(&source) {
            Err(DataError::Skipped { inputs, .. }) => {
                bail!("{} has {inputs} inputs, none with index {index}", path.display())
            }
            samples => samples?,
        };
        let bytes = samples.data.inputs.pop().context("the file holds no input")?;
        Ok((bytes, samples.numbers.pop()))
    }

    fn read_json(
        &self,
        path: &Path,
        graph: &QuantizedGraph,
    ) -> Result<(Vec<u8>, Option<Vec<f64>>)> {
        let name = &graph.tensors[graph.input.tensor].name;
        let (expected, found, shape, read) = match read_json(
            path,
            &Source::for_network(path, graph),
            name,
        )? {
            Json::Bytes(bytes) => {
                let shape = graph.tensors[graph.input.tensor].shape;
                (shape.iter().product::<usize>(), bytes.len(), shape, (bytes, None))
            }
            Json::Numbers(mut numbers, sizes) => {
                let shape = graph.value_shape();
                let count = shape.iter().product::<usize>();
                let source = Source::for_network(path, graph);
                if numbers.len() == count {
                    let places = source.places(&sizes).map_err(|own| {
                        anyhow!(
                            "{} holds an array of {sizes:?}, an input of the network has {own:?}, or is flat",
                            path.display()
                        )
                    })?;
                    numbers = places.stored(&numbers);
                }
                let wanted = if numbers.len() == count { numbers.as_slice() } else { &[] };
                let encoded = Values::of(&graph.input).encode(wanted, self.clamp);
                let bytes = encoded.map_err(|(index, problem)| {
                    anyhow!("{}, {}: {problem}", path.display(), source.feature(index))
                })?;
                (count, numbers.len(), shape, (bytes, Some(numbers)))
            }
        };
        if found > expected && expected > 0 && found % expected == 0 {
            bail!(
                "{} holds {found} numbers, as many as {} inputs of {expected} have; leave one of them",
                path.display(),
                found / expected
            );
        }
        if found != expected {
            bail!(
                "{} holds {found} numbers, the network takes {expected} ({shape:?})",
                path.display()
            );
        }
        Ok(read)
    }
}

/// `FILE.npz:12` is input 12 of the archive; without a number it is the only one.
fn split_index(text: &str) -> (&Path, Option<usize>) {
    match text.rsplit_once(':').and_then(|(path, index)| Some((path, index.parse().ok()?))) {
        Some((path, index)) => (Path::new(path), Some(index)),
        None => (Path::new(text), None),
    }
}

/// Refuses a file of several inputs, none of which was named.
fn only_one(source: &Source<'_>) -> Result<()> {
    let path = source.path;
    if path.is_dir() {
        bail!("{} is a folder; name the image that is meant", path.display());
    }
    let inputs = if data::holds_numbers(path) { source.count()? } else { 1 };
    if inputs > 1 {
        let (path, last) = (path.display(), inputs - 1);
        bail!(
            "{path} holds {inputs} inputs; name the one that is meant: {path}:0 to {path}:{last}"
        );
    }
    Ok(())
}

/// What a JSON file holds.
enum Json {
    Bytes(Vec<u8>),
    /// With the sizes of the nested arrays.
    Numbers(Vec<f64>, Vec<u64>),
}

/// Numbers by the names of the source's parts, where there are several inputs, or of the only one, or in their order.
fn read_json(path: &Path, source: &Source<'_>, only: &str) -> Result<Json> {
    let parts = source.parts;
    let text =
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let value: Value =
        serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))?;
    let shown = path.display();
    let wrong =
        || format!("{shown} holds neither an array of numbers nor {{\"bytes\": [0 to 255, ...]}}");
    let mut numbers = Vec::new();
    if let Some(bytes) = value.get("bytes") {
        flatten(bytes, &mut numbers).with_context(wrong)?;
        if numbers.iter().any(|x| !(0.0..=255.0).contains(x) || x.fract() != 0.0) {
            bail!(wrong());
        }
        return Ok(Json::Bytes(numbers.iter().map(|x| *x as u8).collect()));
    }
    let Value::Object(fields) = &value else {
        flatten(&value, &mut numbers).with_context(wrong)?;
        return Ok(Json::Numbers(numbers, sizes(&value).with_context(|| ragged(&shown))?));
    };
    let named = |name: &str| {
        let found = || fields.keys().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        let missing = || {
            format!(
                "{shown} has no numbers `{name}`, as the network's input is called, but {}",
                found()
            )
        };
        fields.get(name).with_context(missing)
    };
    let not_numbers = |name: &str| format!("{shown}: `{name}` is not an array of numbers");
    if parts.is_empty() {
        flatten(named(only)?, &mut numbers).with_context(|| not_numbers(only))?;
        return Ok(Json::Numbers(numbers, sizes(named(only)?).with_context(|| ragged(&shown))?));
    }
    for (index, InputPart { name, elements }) in parts.iter().enumerate() {
        let before = numbers.len();
        flatten(named(name)?, &mut numbers).with_context(|| not_numbers(name))?;
        let found = numbers.len() - before;
        if found != *elements {
            bail!("{shown}: `{name}` has {found} numbers, not {elements}");
        }
        let sizes = sizes(named(name)?).with_context(|| ragged(&shown))?;
        if !source.is_part(index, &sizes) {
            bail!(
                "{shown}: `{name}` is an array of {sizes:?}, not of {:?}",
                source.sizes.get(index).map_or(&[][..], Vec::as_slice)
            );
        }
    }
    let sizes = vec![numbers.len() as u64];
    Ok(Json::Numbers(numbers, sizes))
}

fn ragged(shown: &Display<'_>) -> String {
    format!("{shown} holds nested arrays of different lengths")
}

/// Sizes of nested arrays; `None` where those of one depth have different ones.
fn sizes(value: &Value) -> Option<Vec<u64>> {
    let Value::Array(items) = value else { return Some(Vec::new()) };
    let mut inner = items.iter().map(sizes);
    let first = inner.next().unwrap_or_else(|| Some(Vec::new()))?;
    let same = inner.all(|sizes| sizes.as_ref() == Some(&first));
    same.then(|| [vec![items.len() as u64], first].concat())
}

/// The numbers of nested arrays, in order.
fn flatten(value: &Value, numbers: &mut Vec<f64>) -> Option<()> {
    match value {
        Value::Array(items) => items.iter().try_for_each(|item| flatten(item, numbers)),
        Value::Number(number) => {
            numbers.push(number.as_f64()?);
            Some(())
        }
        _ => None,
    }
}

pub(crate) fn run(command: InputCommand, output: &Output) -> Result<()> {
    match command {
        InputCommand::Commit(args) => commit(&args, output),
        InputCommand::Show(args) => show(&args, output),
    }
}

#[derive(Serialize)]
struct Commitment {
    commitment: B256,
    salt: B256,
    opening: PathBuf,
    /// Whether this very opening was there before.
    was_there: bool,
}

fn commit(args: &CommitArgs, output: &Output) -> Result<()> {
    let graph = args.model.architecture()?.graph;
    let opening = InputOpening {
        input: args.input.read(&graph)?,
        number_bytes: graph.input.number_bytes(),
        salt: args.salt.value(),
    };
    let kept = InputStore::new(&args.output).put(&opening)?;
    let (commitment, was_there) = (kept.commitment, kept.was_there);
    let report = Commitment { commitment, salt: opening.salt, opening: kept.path, was_there };
    output.finish(&report, || {
        table(&[
            ("commitment", hex(report.commitment)),
            ("salt", hex(report.salt)),
            ("opening", {
                let was_there = if report.was_there { " (was there)" } else { "" };
                format!("{}{was_there}", report.opening.display())
            }),
        ])
    })
}

#[derive(Serialize)]
struct Drawing {
    shape: [usize; 3],
    bytes: String,
}

fn show(args: &ShowArgs, output: &Output) -> Result<()> {
    let graph = args.model.architecture()?.graph;
    let bytes = args.input.read(&graph)?;
    let shape = graph.tensors[graph.input.tensor].shape;
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    output.finish(&Drawing { shape, bytes: hex(&bytes) }, || draw(&bytes, shape, colours))
}

/// Two lines of pixels in one line of characters: half blocks in 24-bit colours on a terminal,
/// else characters of more or less ink.
fn draw(bytes: &[u8], shape: [usize; 3], colours: bool) -> String {
    let [channels, height, width] = shape;
    let pixel = |line: usize, column: usize| {
        [0, 1, 2].map(|channel| {
            let channel = if channels >= 3 { channel } else { 0 };
            let index = (channel * height + line) * width + column;
            if line < height { bytes.get(index).copied().unwrap_or(0) } else { 0 }
        })
    };
    let mut text = String::new();
    for line in (0..height).step_by(2) {
        for column in 0..width {
            let (top, bottom) = (pixel(line, column), pixel(line + 1, column));
            if colours {
                let ([r, g, b], [s, t, u]) = (top, bottom);
                let _ = write!(text, "\x1b[38;2;{r};{g};{b};48;2;{s};{t};{u}m▀");
            } else {
                let ink: usize = top.iter().chain(&bottom).map(|value| usize::from(*value)).sum();
                text.push(INK.get(ink * INK.len() / (6 * 255 + 1)).copied().unwrap_or(' '));
            }
        }
        text.push_str(if colours { "\x1b[0m\n" } else { "\n" });
    }
    text
}

const INK: [char; 9] = [' ', '.', ':', '-', '=', '+', '*', '#', '@'];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_and_paths_are_told_apart() {
        assert_eq!(split_index("a.npz:12"), (Path::new("a.npz"), Some(12)));
        assert_eq!(split_index("a:b.png"), (Path::new("a:b.png"), None));
    }

    /// A table, and JSON, in a folder of their own.
    #[test]
    fn one_input_of_a_file_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).expect("written");
            path
        };
        let raw = Values::Reals(assay_prover::import::quantize::InputEncoding::RAW);
        let refused =
            |path: &Path| only_one(&Source::of(path, [2, 1, 1], raw)).map_err(|e| e.to_string());
        assert_eq!(refused(&file("one.csv", "a,b\n1,2\n")), Ok(()));
        let several = file("two.csv", "a,b\n1,2\n3,400\n");
        let error = refused(&several).expect_err("two inputs");
        assert!(error.contains("holds 2 inputs") && error.ends_with("two.csv:1"), "{error}");
        let error = refused(folder.path()).expect_err("a folder");
        assert!(error.contains("is a folder"), "{error}");

        let numbers = |name: &str, text: &str, parts: &[InputPart]| {
            let path = file(name, text);
            let source = Source { parts, ..Source::of(&path, [3, 1, 1], raw) };
            match read_json(&path, &source, "x") {
                Ok(Json::Numbers(numbers, _)) => Ok(numbers),
                Ok(Json::Bytes(_)) => Err("bytes".to_owned()),
                Err(error) => Err(format!("{error:#}")),
            }
        };
        let ragged = numbers("a.json", "[[1, 2], [3]]", &[]).expect_err("ragged");
        assert!(ragged.contains("of different lengths"), "{ragged}");
        assert_eq!(numbers("a.json", r#"{"x": [[1, 2.5]]}"#, &[]), Ok(vec![1.0, 2.5]));
        assert_eq!(numbers("a.json", "[1, 2.5]", &[]), Ok(vec![1.0, 2.5]));
        let error = numbers("a.json", r#"{"y": [1, 2.5]}"#, &[]).expect_err("another name");
        assert!(error.contains("no numbers `x`") && error.contains("but `y`"), "{error}");
        let part = |name: &str, elements| InputPart { name: name.into(), elements };
        let parts = [part("user", 1), part("y", 2)];
        let found = numbers("a.json", r#"{"y": [1, 2.5], "user": 3}"#, &parts);
        assert_eq!(found, Ok(vec![3.0, 1.0, 2.5]));
        let error = numbers("a.json", r#"{"y": [1], "user": 3}"#, &parts).expect_err("too few");
        assert!(error.contains("`y` has 1 numbers, not 2"), "{error}");
    }

    #[test]
    fn pictures_have_ink_where_they_are_bright() {
        assert_eq!(draw(&[0, 255, 0, 255], [1, 2, 2], false), " @\n");
        assert_eq!(draw(&[255, 255, 255], [3, 1, 1], false), "=\n");
        assert!(draw(&[1, 2, 3], [3, 1, 1], true).starts_with("\x1b[38;2;1;2;3;48;2;0;0;0m"));
    }

    #[test]
    fn nested_arrays_have_sizes() {
        let of = |text: &str| sizes(&serde_json::from_str(text).expect("JSON"));
        assert_eq!(of("[[[1, 2, 3], [4, 5, 6]]]"), Some(vec![1, 2, 3]));
        assert_eq!(
            (of("7"), of("[]"), of("[[], []]")),
            (Some(vec![]), Some(vec![0]), Some(vec![2, 0]))
        );
        assert_eq!((of("[[1], 2]"), of("[[1], [2, 3]]")), (None, None));
    }

    #[test]
    fn nested_numbers_are_read_in_order() {
        let value = serde_json::json!([[1, 2.5], [[3]]]);
        let mut numbers = Vec::new();
        assert_eq!(flatten(&value, &mut numbers), Some(()));
        assert_eq!(numbers, [1.0, 2.5, 3.0]);
        assert_eq!(flatten(&serde_json::json!(["x"]), &mut Vec::new()), None);
    }
}
