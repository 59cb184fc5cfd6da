//! NumPy archives.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use zip::ZipArchive;

use super::{DataError, Dataset, channels_first};
use crate::graph::Shape;
use crate::quantize::InputEncoding;

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

pub(super) fn read(
    path: &Path,
    shape: Shape,
    encoding: &InputEncoding,
    limit: usize,
) -> Result<Dataset, DataError> {
    let array = read_array(path, &INPUT_NAMES, limit)?
        .ok_or_else(|| DataError::Empty { path: path.to_owned() })?;
    let order = order(&array.shape, shape).ok_or_else(|| DataError::Shape {
        path: path.to_owned(),
        actual: array.shape.clone(),
        expected: shape,
    })?;
    let elements: usize = shape.iter().product();
    let bytes: Vec<u8> = match array.numbers {
        Numbers::Bytes(bytes) => bytes,
        Numbers::Reals(reals) => {
            if reals.iter().any(|x| !x.is_finite()) {
                return Err(failed(path, "an input is not a finite number"));
            }
            reals.iter().map(|x| encoding.encode(*x)).collect()
        }
    };
    let inputs: Vec<Vec<u8>> = bytes
        .chunks_exact(elements.max(1))
        .map(|input| match order {
            Layout::ChannelsFirst => input.to_vec(),
            Layout::ChannelsLast => channels_first(input, shape),
        })
        .collect();
    let labels = match read_array(path, &LABEL_NAMES, limit)? {
        Some(Array { numbers, .. }) => {
            let labels: Vec<usize> = match numbers {
                Numbers::Bytes(bytes) => bytes.into_iter().map(usize::from).collect(),
                Numbers::Reals(reals) => reals.into_iter().map(|x| x.max(0.0) as usize).collect(),
            };
            if labels.len() != inputs.len() {
                return Err(failed(path, "it has not as many labels as inputs"));
            }
            labels
        }
        None => Vec::new(),
    };
    Ok(Dataset { inputs, labels })
}

pub(super) fn value_range(path: &Path) -> Result<Option<(f64, f64)>, DataError> {
    let array = read_array(path, &INPUT_NAMES, usize::MAX)?
        .ok_or_else(|| DataError::Empty { path: path.to_owned() })?;
    Ok(match array.numbers {
        Numbers::Bytes(_) => None,
        Numbers::Reals(reals) => {
            Some(reals.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| {
                (low.min(*x), high.max(*x))
            }))
        }
    })
}

#[derive(Clone, Copy)]
enum Layout {
    ChannelsFirst,
    ChannelsLast,
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

/// The first array of the archive with one of the names, its first `limit` rows. Inputs may also be
/// the only array beside the labels, whatever its name.
fn read_array(path: &Path, names: &[&str], limit: usize) -> Result<Option<Array>, DataError> {
    let file =
        File::open(path).map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    let mut archive =
        ZipArchive::new(BufReader::new(file)).map_err(|error| failed(path, error.to_string()))?;
    let present = archive
        .file_names()
        .filter_map(|entry| entry.strip_suffix(".npy"))
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let named = names.iter().find(|name| present.iter().any(|entry| entry == *name));
    let name = match named {
        Some(name) => (*name).to_owned(),
        None if names == INPUT_NAMES => {
            let mut others = present.iter().filter(|entry| !LABEL_NAMES.contains(&entry.as_str()));
            match (others.next(), others.next()) {
                (Some(only), None) => only.clone(),
                _ => return Ok(None),
            }
        }
        None => return Ok(None),
    };
    let entry = format!("{name}.npy");
    let reader = archive.by_name(&entry).map_err(|error| failed(path, error.to_string()))?;
    numbers(reader, limit)
        .map(Some)
        .map_err(|problem| failed(path, format!("array `{name}`: {problem}")))
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
