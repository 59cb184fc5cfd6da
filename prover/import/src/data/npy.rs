//! NumPy arrays, as a file of their own or in an archive.

use std::io::Read;

use crate::model::half_to_f64;

/// Bound on the numbers read from one array.
const MAX_NUMBERS: u64 = 1 << 30;
const MAX_HEADER: u32 = 1 << 16;

/// The numbers of an array, bytes kept as bytes.
pub(super) enum Numbers {
    Bytes(Vec<u8>),
    Reals(Vec<f64>),
}

pub(super) struct Array {
    pub shape: Vec<u64>,
    /// Rows in the file, of which there may be more than were read.
    pub rows: u64,
    /// The last axis runs fastest.
    pub numbers: Numbers,
}

impl Numbers {
    pub(super) fn reals(self) -> Vec<f64> {
        match self {
            Self::Bytes(bytes) => bytes.into_iter().map(f64::from).collect(),
            Self::Reals(reals) => reals,
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.len(),
            Self::Reals(reals) => reals.len(),
        }
    }
}

/// Reads an array, its first `limit` rows.
pub(super) fn read(mut reader: impl Read, limit: usize) -> Result<Array, String> {
    let header = Header::read(&mut reader)?;
    let mut shape = header.shape.clone();
    let Some(first) = shape.first_mut() else { return Err("it is a single number".into()) };
    let rows = *first;
    *first = rows.min(limit as u64);
    // Where the first axis runs fastest, the numbers of a row lie all over the file.
    let first_fastest = header.fortran && shape.len() > 1;
    let stored = if first_fastest { &header.shape } else { &shape };
    let count = stored.iter().try_fold(1u64, |count, size| count.checked_mul(*size));
    let Some(count) = count.filter(|count| *count <= MAX_NUMBERS) else {
        return Err(format!("shape {stored:?} has more than {MAX_NUMBERS} numbers"));
    };
    let numbers = elements(reader, &header.kind, count)?;
    if numbers.len() as u64 != count {
        let found = numbers.len();
        return Err(format!("{found} numbers, but the shape {stored:?} declares {count}"));
    }
    let numbers = match numbers {
        numbers if !first_fastest => numbers,
        Numbers::Bytes(bytes) => Numbers::Bytes(last_fastest(&bytes, stored, &shape)),
        Numbers::Reals(reals) => Numbers::Reals(last_fastest(&reals, stored, &shape)),
    };
    Ok(Array { shape, rows, numbers })
}

/// Up to `count` numbers of the type `kind`, as they are stored.
fn elements(reader: impl Read, kind: &str, count: u64) -> Result<Numbers, String> {
    let plain = kind.trim_start_matches(['|', '<', '=', '>']);
    let width: u64 = plain.get(1..).and_then(|width| width.parse().ok()).unwrap_or(0);
    let mut bytes = Vec::new();
    let wanted = count.saturating_mul(width);
    reader.take(wanted).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if kind.starts_with('>') && (2..=8).contains(&width) {
        bytes.chunks_exact_mut(width as usize).for_each(<[u8]>::reverse);
    }
    Ok(match plain {
        "u1" => Numbers::Bytes(bytes),
        "u2" => reals(&bytes, |b| f64::from(u16::from_le_bytes(b))),
        "u4" => reals(&bytes, |b| f64::from(u32::from_le_bytes(b))),
        "u8" => reals(&bytes, |b| u64::from_le_bytes(b) as f64),
        "i1" => reals(&bytes, |b| f64::from(i8::from_le_bytes(b))),
        "i2" => reals(&bytes, |b| f64::from(i16::from_le_bytes(b))),
        "i4" => reals(&bytes, |b| f64::from(i32::from_le_bytes(b))),
        "i8" => reals(&bytes, |b| i64::from_le_bytes(b) as f64),
        "f2" => reals(&bytes, |b| half_to_f64(u16::from_le_bytes(b))),
        "f4" => reals(&bytes, |b| f64::from(f32::from_le_bytes(b))),
        "f8" => reals(&bytes, f64::from_le_bytes),
        "b1" => reals(&bytes, |[b]: [u8; 1]| f64::from(u8::from(b != 0))),
        _ => {
            return Err(format!(
                "numbers of type `{kind}` are not supported; save integers or floats"
            ));
        }
    })
}

fn reals<const N: usize>(bytes: &[u8], convert: impl Fn([u8; N]) -> f64) -> Numbers {
    Numbers::Reals(bytes.as_chunks::<N>().0.iter().map(|chunk| convert(*chunk)).collect())
}

/// The first rows, so many that `shape` is theirs, of elements that are stored first axis fastest. Both
/// shapes differ in their first axis only.
fn last_fastest<T: Copy>(elements: &[T], stored: &[u64], shape: &[u64]) -> Vec<T> {
    let strides = stored.iter().scan(1, |next, size| {
        let stride = *next;
        *next *= *size as usize;
        Some(stride)
    });
    let strides = strides.collect::<Vec<usize>>();
    let count = shape.iter().product::<u64>();
    let mut index = vec![0; shape.len()];
    let mut next = || {
        let at: usize = index.iter().zip(&strides).map(|(index, stride)| index * stride).sum();
        for (index, size) in index.iter_mut().zip(shape).rev() {
            *index += 1;
            if (*index as u64) < *size {
                break;
            }
            *index = 0;
        }
        elements[at]
    };
    (0..count).map(|_| next()).collect()
}

/// Header of an array file (NumPy enhancement proposal 1).
struct Header {
    /// Type of the numbers, such as `<f4`.
    kind: String,
    /// The first axis runs fastest.
    fortran: bool,
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
        let fortran = !field("fortran_order").ok_or_else(malformed)?.starts_with("False");
        let kind = field("descr").and_then(|rest| rest.strip_prefix('\'')?.split_once('\''));
        let (kind, _) = kind.ok_or_else(malformed)?;
        let shape = field("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
        let (shape, _) = shape.ok_or_else(malformed)?;
        let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
        let shape = sizes.map(|size| size.parse().map_err(|_| malformed()));
        Ok(Self { kind: kind.into(), fortran, shape: shape.collect::<Result<_, _>>()? })
    }
}
