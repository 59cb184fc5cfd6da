//! NumPy archives.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use zip::ZipArchive;

use super::{DataError, Dataset, Labels, Samples, Source, channels_first, label_from};
use assay_graph::{InputOrder, Shape};

/// Bound on the numbers read from one array.
const MAX_NUMBERS: u64 = 1 << 30;
const MAX_HEADER: u32 = 1 << 16;

const INPUT_NAMES: [&str; 4] = ["images", "X", "x", "inputs"];
const LABEL_NAMES: [&str; 4] = ["labels", "y", "Y", "label"];

/// The numbers of an array, bytes kept as bytes.
enum Numbers {
    Bytes(Vec<u8>),
    Reals(Vec<f64>),
}

struct Array {
    shape: Vec<u64>,
    numbers: Numbers,
}

impl Numbers {
    fn reals(self) -> Vec<f64> {
        match self {
            Self::Bytes(bytes) => bytes.into_iter().map(f64::from).collect(),
            Self::Reals(reals) => reals,
        }
    }
}

pub(super) fn read(source: &Source<'_>) -> Result<Samples, DataError> {
    let Source { path, limit, .. } = *source;
    let mut samples = match read_parts(source)? {
        Some(samples) => samples,
        None => read_inputs(source)?,
    };
    samples.data.labels = match read_array(path, Wanted::Labels(source), limit)? {
        Some((name, array)) => labels(&array)
            .and_then(|labels| {
                let (found, wanted) = (labels.len(), samples.data.inputs.len());
                let problem = || format!("{found} labels for {wanted} inputs");
                if found == wanted { Ok(labels) } else { Err(problem()) }
            })
            .map_err(|problem| failed(path, format!("array `{name}`: {problem}")))?,
        None => Vec::new(),
    };
    Ok(samples)
}

/// The inputs of a network that has one.
fn read_inputs(source: &Source<'_>) -> Result<Samples, DataError> {
    let Source { path, shape, limit, .. } = *source;
    let (name, array) = read_array(path, Wanted::Inputs(source), limit)?
        .ok_or_else(|| DataError::Empty { path: path.to_owned() })?;
    let wrong =
        || DataError::Shape { path: path.to_owned(), actual: array.shape.clone(), expected: shape };
    let order = match source.order {
        Some(order) => listed_order(&array.shape, shape, order),
        None => order(&array.shape, shape),
    };
    let order = order.ok_or_else(wrong)?;
    let elements = shape.iter().product::<usize>().max(1);
    let samples = match array.numbers {
        Numbers::Bytes(bytes) if source.values.keeps_bytes() => {
            let inputs = inputs(&bytes, &order, shape, elements);
            Samples { data: Dataset { inputs, labels: Vec::new() }, numbers: Vec::new() }
        }
        numbers => encoded(source, &name, inputs(&numbers.reals(), &order, shape, elements))?,
    };
    Ok(samples)
}

/// The inputs of a network that has several, where the archive has an array of each one's name.
fn read_parts(source: &Source<'_>) -> Result<Option<Samples>, DataError> {
    let Source { path, parts, limit, .. } = *source;
    if parts.is_empty() || source.inputs.is_some() {
        return Ok(None);
    }
    let present = names(&open(path)?);
    let (there, missing): (Vec<_>, Vec<_>) =
        parts.iter().partition(|part| present.contains(&part.name));
    if there.is_empty() {
        return Ok(None);
    }
    if let Some(part) = missing.first() {
        let problem = format!("it has no array `{}`, but {}", part.name, listed(&present));
        return Err(failed(path, problem));
    }
    let mut numbers: Vec<Vec<f64>> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let (name, array) = read_array(path, Wanted::Part(&part.name), limit)?
            .ok_or_else(|| DataError::Empty { path: path.to_owned() })?;
        let rows = array.shape.first().copied().unwrap_or(0) as usize;
        let values = array.numbers.reals();
        if index == 0 {
            numbers.resize(rows, Vec::new());
        }
        if rows != numbers.len() || values.len() != rows.saturating_mul(part.elements) {
            return Err(failed(
                path,
                format!(
                    "array `{name}` has shape {:?}; {} inputs of {} numbers are wanted",
                    array.shape,
                    numbers.len(),
                    part.elements
                ),
            ));
        }
        for (input, more) in numbers.iter_mut().zip(values.chunks_exact(part.elements.max(1))) {
            input.extend_from_slice(more);
        }
    }
    let names = parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join("`, `");
    encoded(source, &names, numbers).map(Some)
}

/// The inputs of an array, each `[channels, height, width]`.
fn inputs<T: Copy + Default>(
    array: &[T],
    order: &Layout,
    shape: Shape,
    elements: usize,
) -> Vec<Vec<T>> {
    let inputs = array.chunks_exact(elements);
    match order {
        Layout::Listed(places) => inputs
            .map(|input| {
                let mut stored = vec![T::default(); input.len()];
                for (place, element) in places.iter().zip(input) {
                    stored[*place as usize] = *element;
                }
                stored
            })
            .collect(),
        Layout::ChannelsFirst => inputs.map(<[T]>::to_vec).collect(),
        Layout::ChannelsLast => inputs.map(|input| channels_first(input, shape)).collect(),
    }
}

/// The numbers of array `name`, and their bytes.
fn encoded(source: &Source<'_>, name: &str, numbers: Vec<Vec<f64>>) -> Result<Samples, DataError> {
    let encode = |(row, numbers): (usize, &Vec<f64>)| {
        if row < source.skip {
            return Ok(Vec::new());
        }
        source.values.encode(numbers, source.clamp).map_err(|(index, problem)| {
            failed(source.path, format!("array `{name}`: input {row}, number {index}: {problem}"))
        })
    };
    let inputs = numbers.iter().enumerate().map(encode).collect::<Result<_, _>>()?;
    Ok(Samples { data: Dataset { inputs, labels: Vec::new() }, numbers })
}

fn labels(array: &Array) -> Result<Vec<usize>, String> {
    match &array.numbers {
        Numbers::Bytes(bytes) => Ok(bytes.iter().copied().map(usize::from).collect()),
        Numbers::Reals(reals) => reals
            .iter()
            .enumerate()
            .map(|(row, number)| {
                label_from(*number).map_err(|problem| format!("row {row}: {problem}"))
            })
            .collect(),
    }
}

enum Layout {
    ChannelsFirst,
    ChannelsLast,
    /// Number `i` of the array's inputs is number `places[i]`.
    Listed(Vec<u32>),
}

/// How an array holds inputs of a network whose file has another order: in that order, unless its shape
/// says that it is `[channels, height, width]`.
fn listed_order(array: &[u64], shape: Shape, order: &InputOrder) -> Option<Layout> {
    let [channels, height, width] = shape.map(|size| size as u64);
    let given = array.get(1..)?;
    let squeeze =
        |sizes: &[u64]| -> Vec<u64> { sizes.iter().copied().filter(|size| *size != 1).collect() };
    let last = squeeze(&[height, width, channels]);
    if given == [channels, height, width] && squeeze(given) != last {
        return Some(Layout::ChannelsFirst);
    }
    (given.iter().try_fold(1u64, |count, size| count.checked_mul(*size))
        == Some(channels * height * width))
    .then(|| Layout::Listed(order.places(shape)))
}

/// How an array `[inputs, ...]` holds inputs of `shape`; axes of size 1 do not matter.
fn order(array: &[u64], [channels, height, width]: Shape) -> Option<Layout> {
    let squeeze =
        |sizes: &[u64]| -> Vec<u64> { sizes.iter().copied().filter(|size| *size != 1).collect() };
    let given = squeeze(array.get(1..)?);
    let [channels, height, width] = [channels as u64, height as u64, width as u64];
    if given == squeeze(&[channels, height, width]) || given == [channels * height * width] {
        Some(Layout::ChannelsFirst)
    } else if given == squeeze(&[height, width, channels]) {
        Some(Layout::ChannelsLast)
    } else {
        None
    }
}

#[derive(Clone, Copy)]
enum Wanted<'a> {
    Inputs(&'a Source<'a>),
    Part(&'a str),
    Labels(&'a Source<'a>),
}

impl Wanted<'_> {
    /// Which of the arrays that are present; none where there are no labels.
    fn choose(self, present: &[String]) -> Result<Option<String>, String> {
        let named = |name: &str| match present.iter().find(|array| *array == name) {
            Some(array) => Ok(Some(array.clone())),
            None => Err(format!("it has no array `{name}`, but {}", listed(present))),
        };
        let usual = |names: &[&str]| {
            let mut names = names.iter();
            names.find_map(|name| present.iter().find(|array| array == name)).cloned()
        };
        match self {
            Self::Inputs(Source { inputs: Some(name), .. }) => named(name),
            Self::Part(name) => named(name),
            Self::Labels(Source { labels: Labels::Named(name), .. }) => named(name),
            Self::Labels(Source { labels: Labels::Find, .. }) => Ok(usual(&LABEL_NAMES)),
            Self::Labels(_) => Ok(None),
            Self::Inputs(_) => {
                let labels = match self {
                    Self::Inputs(Source { labels: Labels::Named(name), .. }) => Some(*name),
                    _ => None,
                };
                let is_label = |array: &str| labels == Some(array) || LABEL_NAMES.contains(&array);
                let others = || present.iter().filter(|array| !is_label(array));
                let own = match self {
                    Self::Inputs(Source { input: Some(name), .. }) => {
                        present.iter().find(|array| array == name).cloned()
                    }
                    _ => None,
                };
                match (own.or_else(|| usual(&INPUT_NAMES)), others().next(), others().nth(1)) {
                    (Some(array), ..) => Ok(Some(array)),
                    (None, Some(only), None) => Ok(Some(only.clone())),
                    (None, None, _) => Ok(None),
                    _ => Err(format!("it has {}; say which holds the inputs", listed(present))),
                }
            }
        }
    }
}

fn listed(arrays: &[String]) -> String {
    let names: Vec<String> = arrays.iter().map(|array| format!("`{array}`")).collect();
    if names.is_empty() { "no arrays".to_owned() } else { names.join(", ") }
}

type Archive = ZipArchive<BufReader<File>>;

fn open(path: &Path) -> Result<Archive, DataError> {
    let file =
        File::open(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    ZipArchive::new(BufReader::new(file)).map_err(|error| failed(path, error.to_string()))
}

/// Names of the arrays, sorted.
fn names(archive: &Archive) -> Vec<String> {
    let arrays = archive.file_names().filter_map(|entry| entry.strip_suffix(".npy"));
    let mut names = arrays.map(str::to_owned).collect::<Vec<_>>();
    names.sort();
    names
}

/// The array that is wanted, with its name, its first `limit` rows.
fn read_array(
    path: &Path,
    wanted: Wanted<'_>,
    limit: usize,
) -> Result<Option<(String, Array)>, DataError> {
    let mut archive = open(path)?;
    let present = names(&archive);
    let Some(name) = wanted.choose(&present).map_err(|problem| failed(path, problem))? else {
        return Ok(None);
    };
    let entry = format!("{name}.npy");
    let reader = archive.by_name(&entry).map_err(|error| failed(path, error.to_string()))?;
    match numbers(reader, limit) {
        Ok(array) => Ok(Some((name, array))),
        Err(problem) => Err(failed(path, format!("array `{name}`: {problem}"))),
    }
}

fn failed(path: &Path, problem: impl Into<String>) -> DataError {
    DataError::Archive { path: path.to_owned(), problem: problem.into() }
}

fn numbers(mut reader: impl Read, limit: usize) -> Result<Array, String> {
    let header = Header::read(&mut reader)?;
    let mut shape = header.shape;
    let Some(rows) = shape.first_mut() else { return Err("it is a single number".into()) };
    *rows = (*rows).min(limit as u64);
    let count = shape.iter().try_fold(1u64, |count, size| count.checked_mul(*size));
    let Some(count) = count.filter(|count| *count <= MAX_NUMBERS) else {
        return Err(format!("shape {shape:?} has more than {MAX_NUMBERS} numbers"));
    };
    let kind = header.kind.trim_start_matches(['|', '<', '=']);
    let width: u64 = kind.get(1..).and_then(|width| width.parse().ok()).unwrap_or(0);
    let mut bytes = Vec::new();
    let wanted = count.saturating_mul(width);
    reader.take(wanted).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    let numbers = match kind {
        "u1" => Numbers::Bytes(bytes),
        "u2" => reals(&bytes, |b| f64::from(u16::from_le_bytes(b))),
        "u4" => reals(&bytes, |b| f64::from(u32::from_le_bytes(b))),
        "i1" => reals(&bytes, |b| f64::from(i8::from_le_bytes(b))),
        "i2" => reals(&bytes, |b| f64::from(i16::from_le_bytes(b))),
        "i4" => reals(&bytes, |b| f64::from(i32::from_le_bytes(b))),
        "i8" => reals(&bytes, |b| i64::from_le_bytes(b) as f64),
        "f4" => reals(&bytes, |b| f64::from(f32::from_le_bytes(b))),
        "f8" => reals(&bytes, f64::from_le_bytes),
        "u8" => reals(&bytes, |b| u64::from_le_bytes(b) as f64),
        "b1" => reals(&bytes, |[b]: [u8; 1]| f64::from(u8::from(b != 0))),
        _ => {
            return Err(format!(
                "numbers of type `{}` are not supported; save integers or floats, little-endian",
                header.kind
            ));
        }
    };
    let found = match &numbers {
        Numbers::Bytes(bytes) => bytes.len(),
        Numbers::Reals(reals) => reals.len(),
    };
    if found as u64 != count {
        return Err(format!("{found} numbers, but the shape {shape:?} declares {count}"));
    }
    Ok(Array { shape, numbers })
}

fn reals<const N: usize>(bytes: &[u8], convert: impl Fn([u8; N]) -> f64) -> Numbers {
    Numbers::Reals(bytes.as_chunks::<N>().0.iter().map(|chunk| convert(*chunk)).collect())
}

/// Header of an array file (NumPy enhancement proposal 1).
struct Header {
    /// Type of the numbers, such as `<f4`.
    kind: String,
    shape: Vec<u64>,
}

impl Header {
    fn read(reader: &mut impl Read) -> Result<Self, String> {
        let mut start = [0u8; 8];
        let cut = |error: std::io::Error| format!("its header cannot be read: {error}");
        reader.read_exact(&mut start).map_err(cut)?;
        let [0x93, b'N', b'U', b'M', b'P', b'Y', version, _] = start else {
            return Err("it is not a NumPy array".into());
        };
        let mut size = [0u8; 4];
        let digits = if version == 1 { 2 } else { 4 };
        reader.read_exact(&mut size[..digits]).map_err(cut)?;
        let size = u32::from_le_bytes(size);
        if size > MAX_HEADER {
            return Err(format!("its header has {size} bytes"));
        }
        let mut text = vec![0; size as usize];
        reader.read_exact(&mut text).map_err(cut)?;
        let text = String::from_utf8_lossy(&text);
        let field = |name: &str| {
            let start = text.find(&format!("'{name}':"))? + name.len() + 3;
            Some(text[start..].trim_start())
        };
        let malformed = || format!("its header `{}` is not understood", text.trim());
        if !field("fortran_order").ok_or_else(malformed)?.starts_with("False") {
            return Err("Fortran order is not supported; save it in C order".into());
        }
        let kind = field("descr").and_then(|rest| rest.strip_prefix('\'')?.split_once('\''));
        let (kind, _) = kind.ok_or_else(malformed)?;
        let shape = field("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
        let (shape, _) = shape.ok_or_else(malformed)?;
        let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
        let shape = sizes.map(|size| size.parse().map_err(|_| malformed()));
        Ok(Self { kind: kind.into(), shape: shape.collect::<Result<_, _>>()? })
    }
}
