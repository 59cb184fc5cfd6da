//! NumPy archives, and single arrays.

use std::{fs::File, io::BufReader, path::Path};

use zip::ZipArchive;

use super::{
    DataError, Dataset, Labels, Places, Samples, Source, has_extension, label_from,
    npy::{self, Array, Numbers},
};

const INPUT_NAMES: [&str; 4] = ["images", "X", "x", "inputs"];
const LABEL_NAMES: [&str; 4] = ["labels", "y", "Y", "label"];

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
    let wrong = |expected| DataError::Shape {
        path: path.to_owned(),
        actual: array.shape.clone(),
        expected,
    };
    let places = source.places(array.shape.get(1..).unwrap_or(&[0])).map_err(wrong)?;
    let elements = shape.iter().product::<usize>().max(1);
    let samples = match array.numbers {
        Numbers::Bytes(bytes) if source.values.keeps_bytes() => {
            let inputs = inputs(&bytes, &places, elements);
            Samples { data: Dataset { inputs, labels: Vec::new() }, numbers: Vec::new() }
        }
        numbers => encoded(source, &name, inputs(&numbers.reals(), &places, elements))?,
    };
    Ok(samples)
}

/// The inputs of a network that has several, where the archive has an array of each one's name.
fn read_parts(source: &Source<'_>) -> Result<Option<Samples>, DataError> {
    let Source { path, parts, limit, .. } = *source;
    if parts.is_empty() || source.inputs.is_some() || is_single(path) {
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
    let mut whole = None;
    for (index, part) in parts.iter().enumerate() {
        let (name, array) = read_array(path, Wanted::Part(&part.name), limit)?
            .ok_or_else(|| DataError::Empty { path: path.to_owned() })?;
        let rows = array.shape.first().copied().unwrap_or(0) as usize;
        let values = array.numbers.reals();
        if index == 0 {
            numbers.resize(rows, Vec::new());
        }
        let all = *whole.get_or_insert(array.rows);
        if array.rows != all {
            return Err(failed(
                path,
                format!(
                    "array `{name}` has {} rows, `{}` has {all}: each input has a row in every array",
                    array.rows, parts[0].name
                ),
            ));
        }
        let is_part = source.is_part(index, array.shape.get(1..).unwrap_or(&[0]));
        if rows != numbers.len() || values.len() != rows.saturating_mul(part.elements) || !is_part {
            let sizes = source.sizes.get(index).filter(|sizes| sizes.len() > 1);
            let shape = sizes.map(|sizes| format!(" of shape {sizes:?}, or flat,"));
            return Err(failed(
                path,
                format!(
                    "array `{name}` has shape {:?}; {} inputs of {} numbers{} are wanted",
                    array.shape,
                    numbers.len(),
                    part.elements,
                    shape.unwrap_or_default()
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
fn inputs<T: Copy + Default>(array: &[T], places: &Places, elements: usize) -> Vec<Vec<T>> {
    array.chunks_exact(elements).map(|input| places.stored(input)).collect()
}

/// The numbers of array `name`, and their bytes.
fn encoded(source: &Source<'_>, name: &str, numbers: Vec<Vec<f64>>) -> Result<Samples, DataError> {
    let encode = |(row, numbers): (usize, &Vec<f64>)| {
        if row < source.skip {
            return Ok(Vec::new());
        }
        source.values.encode(numbers, source.clamp).map_err(|(index, problem)| DataError::Number {
            path: source.path.to_owned(),
            input: row,
            feature: source.feature_of(name, index),
            problem,
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
    ZipArchive::new(BufReader::new(open_file(path)?))
        .map_err(|error| failed(path, format!("not a readable npz archive: {error}")))
}

fn open_file(path: &Path) -> Result<File, DataError> {
    File::open(path).map_err(|source| DataError::Read { path: path.to_owned(), source })
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
    if is_single(path) {
        return read_single(path, wanted, limit);
    }
    let mut archive = open(path)?;
    let present = names(&archive);
    let Some(name) = wanted.choose(&present).map_err(|problem| failed(path, problem))? else {
        return Ok(None);
    };
    let entry = format!("{name}.npy");
    let reader = archive.by_name(&entry).map_err(|error| failed(path, error.to_string()))?;
    match npy::read(reader, limit) {
        Ok(array) => Ok(Some((name, array))),
        Err(problem) => Err(failed(path, format!("array `{name}`: {problem}"))),
    }
}

/// A file of one array, without a name and without labels.
fn is_single(path: &Path) -> bool {
    has_extension(path, "npy")
}

fn read_single(
    path: &Path,
    wanted: Wanted<'_>,
    limit: usize,
) -> Result<Option<(String, Array)>, DataError> {
    let name = match wanted {
        Wanted::Inputs(_) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        Wanted::Labels(Source { labels: Labels::Named(name), .. }) => {
            return Err(failed(path, format!("it is one array, and has none called `{name}`")));
        }
        Wanted::Labels(_) | Wanted::Part(_) => return Ok(None),
    };
    let reader = BufReader::new(open_file(path)?);
    let array = npy::read(reader, limit).map_err(|problem| failed(path, problem))?;
    Ok(Some((name, array)))
}

fn failed(path: &Path, problem: impl Into<String>) -> DataError {
    DataError::Archive { path: path.to_owned(), problem: problem.into() }
}
