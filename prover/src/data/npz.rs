//! NumPy archives.

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use npyz::{DType, NpyFile, Order, TypeChar};
use zip::ZipArchive;

use super::{DataError, Dataset, channels_first};
use crate::graph::Shape;
use crate::quantize::InputEncoding;

/// Bound on the numbers read from one array.
const MAX_NUMBERS: u64 = 1 << 30;

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
        Numbers::Reals(reals) => Some(
            reals
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x))),
        ),
    })
}

#[derive(Clone, Copy)]
enum Layout {
    ChannelsFirst,
    ChannelsLast,
}

/// How an array `[inputs, ...]` holds inputs of `shape`; axes of size 1 do not matter.
fn order(array: &[u64], [channels, height, width]: Shape) -> Option<Layout> {
    let squeeze = |sizes: &[u64]| -> Vec<u64> {
        sizes.iter().copied().filter(|size| *size != 1).collect()
    };
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

/// The first array of the archive with one of the names, its first `limit` rows.
fn read_array(path: &Path, names: &[&str], limit: usize) -> Result<Option<Array>, DataError> {
    let file = File::open(path)
        .map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    let mut archive =
        ZipArchive::new(BufReader::new(file)).map_err(|error| failed(path, error.to_string()))?;
    for name in names {
        let entry = format!("{name}.npy");
        if !archive.file_names().any(|name| name == entry) {
            continue;
        }
        let reader = archive.by_name(&entry).map_err(|error| failed(path, error.to_string()))?;
        return numbers(reader, limit)
            .map(Some)
            .map_err(|problem| failed(path, format!("array `{name}`: {problem}")));
    }
    Ok(None)
}

fn failed(path: &Path, problem: impl Into<String>) -> DataError {
    DataError::Archive { path: path.to_owned(), problem: problem.into() }
}

fn numbers(reader: impl Read, limit: usize) -> Result<Array, String> {
    let file = NpyFile::new(reader).map_err(|error| error.to_string())?;
    if file.order() != Order::C && file.shape().len() > 1 {
        return Err("Fortran order is not supported; save it in C order".into());
    }
    let mut shape = file.shape().to_vec();
    let Some(rows) = shape.first_mut() else { return Err("it is a single number".into()) };
    *rows = (*rows).min(limit as u64);
    let count = shape.iter().try_fold(1u64, |count, size| count.checked_mul(*size));
    let Some(count) = count.filter(|count| *count <= MAX_NUMBERS) else {
        return Err(format!("shape {shape:?} has more than {MAX_NUMBERS} numbers"));
    };
    let DType::Plain(kind) = file.dtype() else { return Err("it is a structured array".into()) };
    let numbers = match (kind.type_char(), kind.size_field()) {
        (TypeChar::Uint, 1) => Numbers::Bytes(take(file, count)?),
        (TypeChar::Uint, 2) => reals(take::<u16>(file, count)?),
        (TypeChar::Uint, 4) => reals(take::<u32>(file, count)?),
        (TypeChar::Int, 1) => reals(take::<i8>(file, count)?),
        (TypeChar::Int, 2) => reals(take::<i16>(file, count)?),
        (TypeChar::Int, 4) => reals(take::<i32>(file, count)?),
        (TypeChar::Int, 8) => {
            Numbers::Reals(take::<i64>(file, count)?.into_iter().map(|x| x as f64).collect())
        }
        (TypeChar::Float, 4) => reals(take::<f32>(file, count)?),
        (TypeChar::Float, 8) => Numbers::Reals(take(file, count)?),
        _ => return Err(format!("numbers of type {kind} are not supported")),
    };
    Ok(Array { shape, numbers })
}

fn reals<T: Into<f64>>(values: Vec<T>) -> Numbers {
    Numbers::Reals(values.into_iter().map(Into::into).collect())
}

fn take<T: npyz::Deserialize>(file: NpyFile<impl Read>, count: u64) -> Result<Vec<T>, String> {
    let data = file.data::<T>().map_err(|error| error.to_string())?;
    let count = usize::try_from(count).map_err(|error| error.to_string())?;
    let values = data.take(count).collect::<Result<Vec<T>, _>>().map_err(|error| error.to_string())?;
    if values.len() < count {
        return Err(format!("{} numbers, {count} are declared", values.len()));
    }
    Ok(values)
}
