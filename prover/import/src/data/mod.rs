//! Reading inputs and labels: `.npz` archives, tables, folders of images, single files.
//!
//! Everything becomes bytes in the order `[channels, height, width]`, row-major, as
//! [`assay_graph::Executor::run`] takes them.

mod images;
mod npy;
mod npz;
mod places;
mod table;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::{model::PublishedInput, quantize::InputEncoding};
pub use assay_graph::Dataset;
use assay_graph::{Input, InputOrder, InputPart, QuantizedGraph, Shape, ValueEncoding};
pub use places::Places;

/// Why inputs could not be read.
#[derive(Debug, Error)]
pub enum DataError {
    /// A file or folder cannot be opened or read.
    #[error("cannot read `{path}`: {source}")]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system or the decoding of its text reported.
        source: std::io::Error,
    },
    /// An archive, or one of its arrays, is broken, missing or of a kind that is not read.
    #[error("`{path}`: {problem}")]
    Archive {
        /// The archive, or the file of one array.
        path: PathBuf,
        /// What is wrong, with the array's name where it is about one.
        problem: String,
    },
    /// A number of an array is none that the network's input can say.
    #[error("`{path}`, input {input}, {feature}: {problem}")]
    Number {
        /// The archive, or the file of one array.
        path: PathBuf,
        /// Which input, from 0.
        input: usize,
        /// Which of its numbers, as [`Source::feature`] calls it.
        feature: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An image cannot be decoded, or is larger than is read.
    #[error("`{path}` is not a readable image: {problem}")]
    Image {
        /// The image file.
        path: PathBuf,
        /// What the decoder reported.
        problem: String,
    },
    /// A picture has another size than the network's input, and nothing says how to bring it there.
    #[error(
        "`{path}` has {} x {} pixels, the network takes {} x {} (width, height): scale it as the training did, or say \
         `--resize crop` (keeps proportions, cuts off the longer side) or `--resize stretch`",
        actual[0], actual[1], expected[0], expected[1]
    )]
    PictureSize {
        /// The picture's file.
        path: PathBuf,
        /// Width and height found.
        actual: [u32; 2],
        /// Width and height of the network's input.
        expected: [u32; 2],
    },
    /// Inputs cannot be brought to the network's input shape.
    #[error(
        "`{path}`: inputs of shape {actual:?}, each input of the network has the shape {expected:?}, or is flat"
    )]
    Shape {
        /// The archive or image.
        path: PathBuf,
        /// Shape found: an array's with its axis of inputs first, or an image's.
        actual: Vec<u64>,
        /// Sizes of the axes that the network's file declares for one input, or `[channels, height, width]`.
        expected: Vec<u64>,
    },
    /// Pictures cannot be inputs of the network.
    #[error("`{path}` is a picture, the network takes no pictures: {expected:?}")]
    NoPicture {
        /// The image, or the folder of images.
        path: PathBuf,
        /// Sizes of the axes that the network's file declares for one input, where they are known.
        expected: Vec<usize>,
    },
    /// There are no inputs.
    #[error(
        "`{path}` holds no inputs; npz archives, npy arrays, csv tables, png, jpeg, pgm and ppm files are read"
    )]
    Empty {
        /// The file or folder.
        path: PathBuf,
    },
    /// A row of a table or of a file of labels does not fit the others or the network.
    #[error("`{path}`, row {row}: {problem}")]
    Row {
        /// The table or file of labels.
        path: PathBuf,
        /// Number of the line, from 1.
        row: usize,
        /// What is wrong with it.
        problem: String,
    },
    /// A cell of a table or of a file of labels is no number, byte or label.
    #[error("`{path}`, row {row}, column {column}{}: {problem}", in_brackets(name))]
    Cell {
        /// The table or file of labels.
        path: PathBuf,
        /// Number of the line, from 1.
        row: usize,
        /// Number of the column, from 1.
        column: usize,
        /// What the header or the network calls it; empty where neither does.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Labels are not there for each input, or go by something that the inputs do not have.
    #[error("labels in `{path}`: {problem}")]
    Labels {
        /// The file of labels, or the inputs when labels were to be found in them.
        path: PathBuf,
        /// What is wrong with them.
        problem: String,
    },
    /// The array of inputs was named, but the inputs are no archive.
    #[error("`{path}` is no npz archive, so it has no array {name:?}")]
    NoArrays {
        /// The file or folder of inputs.
        path: PathBuf,
        /// Name of the array that was asked for.
        name: String,
    },
    /// No input is left after those to be left out.
    #[error("`{path}` holds {inputs} inputs; none is left after the first {skip}")]
    Skipped {
        /// The file or folder of inputs.
        path: PathBuf,
        /// Inputs that it holds.
        inputs: usize,
        /// Inputs to be left out at the beginning.
        skip: usize,
    },
}

fn in_brackets(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" (`{name}`)") }
}

/// Where inputs and labels are, and how they become bytes.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// An `.npz` archive, an `.npy` array, a `.csv` table, a folder of images, or one image.
    pub path: &'a Path,
    /// The network's input shape, `[channels, height, width]`: a number for each element.
    pub shape: Shape,
    /// How numbers become bytes; but for [`Values::Channels`] arrays of bytes and images are taken as
    /// they are.
    pub values: Values<'a>,
    /// Whether a number that no byte stands for becomes the nearest one that there is, rather than an
    /// error.
    pub clamp: bool,
    /// What becomes of pictures of another size than the input.
    pub resize: Resize,
    /// How the numbers of a file lie in the input, where they come in the order of the network's file.
    pub order: Option<&'a InputOrder>,
    /// Sizes of the axes of each of the network's inputs in its file, where shape and order do not tell
    /// them; see [`Input::sizes`].
    pub sizes: &'a [Vec<usize>],
    /// The network's inputs where it has several: an archive may have an array of each one's name,
    /// instead of one array with the numbers of all.
    pub parts: &'a [InputPart],
    /// Name of the network's input: an archive's array of that name holds the inputs, if there is one.
    pub input: Option<&'a str>,
    /// Name of the array of inputs in an archive; by default it is found as [`open`] says.
    pub inputs: Option<&'a str>,
    /// Where labels are, if anywhere.
    pub labels: Labels<'a>,
    /// Inputs to leave out at the beginning.
    pub skip: usize,
    /// Inputs to read at most, after those.
    pub limit: usize,
}

/// What becomes of a picture of another size than the network's input. The scaling is bilinear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Resize {
    /// It is refused.
    #[default]
    Refuse,
    /// It is scaled, in its proportions, until it covers the input, and its middle is cut out.
    Crop,
    /// Width and height are scaled each by itself.
    Stretch,
}

/// How numbers become bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Values<'a> {
    /// They are the bytes: integers of 0 to 255.
    Bytes,
    /// Real numbers; only arrays of bytes are taken as they are.
    Reals(InputEncoding),
    /// Real numbers, each channel with a scale of its own; bytes are numbers like all others.
    Channels(&'a ValueEncoding),
    /// Not at all: only the numbers are wanted, see [`Samples::numbers`].
    Unencoded,
}

/// Inputs, and the numbers of the file that they were made from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Samples {
    /// Bytes and labels.
    pub data: Dataset,
    /// The numbers of each input, `[channels, height, width]`, before any encoding; empty where the
    /// file holds bytes.
    pub numbers: Vec<Vec<f64>>,
}

/// Where labels are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labels<'a> {
    /// In the array or the column with a usual name (`labels`, `label`, `y`; in a table also
    /// `class` and `target`); in the folder's `labels.csv`, else in the images' names. If they are
    /// not there, there are none.
    Find,
    /// There are none.
    None,
    /// In the array or the column of this name; a column may also be given by its number, from 1.
    Named(&'a str),
    /// In a file with a label in each line, in the inputs' order, or an image's name and its label.
    File(&'a Path),
}

impl<'a> Values<'a> {
    /// How the numbers of a network's input become bytes.
    pub fn of(input: &'a Input) -> Self {
        let uniform = InputEncoding { scale: input.byte_scale, offset: input.byte_offset };
        input.values.as_ref().map_or(Self::Reals(uniform), Self::Channels)
    }
}

impl Values<'_> {
    /// Bytes of an input's numbers, `[channels, height, width]`.
    ///
    /// # Errors
    /// Which of them has none, and why.
    pub fn encode(&self, numbers: &[f64], clamp: bool) -> Result<Vec<u8>, (usize, String)> {
        if let Some(index) = numbers.iter().position(|number| !number.is_finite()) {
            let number = numbers[index];
            let missing = if number.is_nan() {
                "; mark what is missing by a number, such as -1, and let the file's imputer look for that"
            } else {
                ""
            };
            return Err((index, format!("{number} is not a finite number{missing}")));
        }
        let each = |byte: &dyn Fn(f64) -> Result<u8, String>| {
            let byte = |(index, number): (usize, &f64)| byte(*number).map_err(|why| (index, why));
            numbers.iter().enumerate().map(byte).collect()
        };
        match self {
            Self::Bytes => each(&byte),
            Self::Reals(encoding) => each(&|number| encoding.checked(number, clamp)),
            Self::Channels(encoding) => encoding.encode(numbers, clamp).map_err(|outside| {
                let places = numbers.len() / encoding.channels.len().max(1);
                (outside.channel * places + outside.place, outside.to_string())
            }),
            Self::Unencoded => Ok(Vec::new()),
        }
    }

    /// Whether bytes of a file stay bytes, rather than being numbers like all others.
    fn keeps_bytes(&self) -> bool {
        !matches!(self, Self::Channels(_))
    }
}

fn byte(number: f64) -> Result<u8, String> {
    if number.fract() != 0.0 || !(0.0..=255.0).contains(&number) {
        return Err(format!("{number} is not a byte; say how bytes stand for real numbers"));
    }
    Ok(number as u8)
}

/// Reads what a [`Source`] describes. Images are in the order of their names.
///
/// # Errors
/// [`DataError`], naming the file, and the row and the column where there are any.
pub fn read(source: &Source<'_>) -> Result<Dataset, DataError> {
    Ok(samples(source)?.data)
}

/// As [`read`], with the numbers that the bytes were made from.
///
/// # Errors
/// As [`read`].
pub fn samples(source: &Source<'_>) -> Result<Samples, DataError> {
    let Source { path, skip, limit, .. } = *source;
    let mut samples = read_all(&Source { limit: limit.saturating_add(skip), ..*source })?;
    let inputs = samples.data.inputs.len();
    if inputs <= skip && skip > 0 {
        return Err(DataError::Skipped { path: path.to_owned(), inputs, skip });
    }
    samples.data.inputs.drain(..skip);
    samples.data.labels.drain(..skip.min(samples.data.labels.len()));
    samples.numbers.drain(..skip.min(samples.numbers.len()));
    Ok(samples)
}

/// Reads the inputs that are left out, too; these are not encoded, so that it does not matter what they
/// hold.
fn read_all(source: &Source<'_>) -> Result<Samples, DataError> {
    let Source { path, inputs, .. } = *source;
    if let (Some(name), false) = (inputs, has_extension(path, "npz")) {
        return Err(DataError::NoArrays { path: path.to_owned(), name: name.to_owned() });
    }
    let mut samples = if has_extension(path, "npz") || has_extension(path, "npy") {
        npz::read(source)?
    } else if has_extension(path, "csv") {
        table::read(source)?
    } else {
        images::read(source)?
    };
    let data = &mut samples.data;
    if data.inputs.is_empty() {
        return Err(DataError::Empty { path: path.to_owned() });
    }
    if let Labels::File(file) = source.labels
        && data.labels.is_empty()
    {
        data.labels = labels_in_order(file, data.inputs.len(), source.limit)?;
    }
    Ok(samples)
}

/// Whether a file's name ends so, in small letters or large ones.
pub fn has_extension(path: &Path, wanted: &str) -> bool {
    path.extension().is_some_and(|found| found.eq_ignore_ascii_case(wanted))
}

/// Whether a file holds numbers as such: an archive, an array or a table.
pub fn holds_numbers(path: &Path) -> bool {
    ["npz", "npy", "csv"].iter().any(|extension| has_extension(path, extension))
}

/// Reads up to `limit` inputs of `shape` from an `.npz` archive, an `.npy` array, a `.csv` table, a
/// folder of images (in the order of their names), or one image file.
///
/// An archive holds the inputs as `images`, `X`, `x` or its only array of more than one axis,
/// channels first or last, and labels, if any, as `labels`, `y` or `Y`. Arrays of bytes are
/// taken as they are; other numbers, also those of a table, are converted with `encoding`.
/// Images of another size than the input are refused. Their labels are in `labels.csv`, or a file
/// name that ends in `_<number>` before its extension gives the label.
///
/// # Errors
/// [`DataError`], naming the file.
pub fn open(
    path: &Path,
    shape: Shape,
    encoding: &InputEncoding,
    limit: usize,
) -> Result<Dataset, DataError> {
    read(&Source { limit, ..Source::of(path, shape, Values::Reals(*encoding)) })
}

impl<'a> Source<'a> {
    /// All inputs of a file for a quantized network, as [`Source::of`].
    pub fn for_network(path: &'a Path, graph: &'a QuantizedGraph) -> Self {
        let source = Self::of(path, graph.value_shape(), Values::of(&graph.input));
        let input = graph.tensors.get(graph.input.tensor).map(|tensor| tensor.name.as_str());
        let Input { parts, order, sizes, .. } = &graph.input;
        Self { parts, order: order.as_ref(), sizes, input, ..source }
    }

    /// In the order of the file of a network whose input is published so.
    #[must_use]
    pub fn in_file(self, published: &'a PublishedInput) -> Self {
        let PublishedInput { name, parts, order, sizes } = published;
        Self { parts, order: order.as_ref(), sizes, input: Some(name.as_str()), ..self }
    }

    /// All inputs of a file, labels found by the usual names, nothing clamped.
    pub fn of(path: &'a Path, shape: Shape, values: Values<'a>) -> Self {
        let labels = Labels::Find;
        let limit = usize::MAX;
        let (clamp, order, parts, input, inputs, skip) = (false, None, &[][..], None, None, 0);
        let (resize, sizes) = (Resize::Refuse, &[][..]);
        Self {
            path,
            shape,
            values,
            clamp,
            resize,
            order,
            sizes,
            parts,
            input,
            inputs,
            labels,
            skip,
            limit,
        }
    }

    /// How many inputs there are in the whole file or folder, whatever they hold.
    ///
    /// # Errors
    /// As [`read`].
    pub fn count(&self) -> Result<usize, DataError> {
        let all = Self { values: Values::Unencoded, skip: 0, limit: usize::MAX, ..*self };
        Ok(read_all(&all)?.data.inputs.len())
    }

    /// What number `index` of an input, `[channels, height, width]`, is called, for messages: the name of
    /// the network's input, and which of its numbers it is, from 0, where there are several.
    pub fn feature(&self, index: usize) -> String {
        self.feature_of("", index)
    }

    /// The same; where the network's input has no name, that of the array.
    fn feature_of(&self, array: &str, index: usize) -> String {
        let number = self.number(index);
        match self.name_of(array, number) {
            Some(name) => format!("`{name}`"),
            None => format!("number {number}"),
        }
    }

    /// The name of a number, by its place in the network's file.
    fn name_of(&self, array: &str, number: usize) -> Option<String> {
        let mut first = 0;
        for part in self.parts {
            match number - first {
                0 if part.elements == 1 => return Some(part.name.clone()),
                at if at < part.elements => return Some(format!("{}[{at}]", part.name)),
                _ => first += part.elements,
            }
        }
        let name = self.input.filter(|name| !name.is_empty()).unwrap_or(array);
        (!name.is_empty()).then(|| format!("{name}[{number}]"))
    }

    /// Which of the numbers of the network's file lies at `index` of an input.
    fn number(&self, index: usize) -> usize {
        let Some(order) = self.order else { return index };
        let places = order.places(self.shape);
        places.iter().position(|place| *place as usize == index).unwrap_or(index)
    }
}

/// Reads one image file as bytes `[channels, height, width]`, grey for one channel and RGB for
/// three.
///
/// # Errors
/// [`DataError::Read`], [`DataError::Image`], [`DataError::PictureSize`] and [`DataError::Shape`].
pub fn read_image(path: &Path, shape: Shape, resize: Resize) -> Result<Vec<u8>, DataError> {
    images::read_one(path, shape, resize)
}

/// A small picture, as a PNG file, of pixels `[channels, height, width]`, the longer side at most `side`
/// pixels: grey for one channel, RGB for three, none for other inputs.
pub fn thumbnail(pixels: &[u8], shape: Shape, side: u32) -> Option<Vec<u8>> {
    images::thumbnail(pixels, shape, side)
}

/// A label, which is a class's index.
fn label_from(number: f64) -> Result<usize, String> {
    // Integers are exact in f64 up to there.
    if number.fract() == 0.0 && (0.0..9e15).contains(&number) {
        return Ok(number as usize);
    }
    Err(format!("{number} is not a label; labels are integers from 0"))
}

/// The labels of a file that has one for each of `inputs` inputs; it may have more when `limit` cut
/// the inputs off.
fn labels_in_order(file: &Path, inputs: usize, limit: usize) -> Result<Vec<usize>, DataError> {
    let wrong = |problem: String| DataError::Labels { path: file.to_owned(), problem };
    let table::LabelFile::InOrder(mut labels) = table::read_labels(file)? else {
        return Err(wrong("they go by names of files, the inputs have none".to_owned()));
    };
    if labels.len() > inputs && inputs == limit {
        labels.truncate(limit);
    }
    if labels.len() != inputs {
        return Err(wrong(format!("{} labels for {inputs} inputs", labels.len())));
    }
    Ok(labels)
}

/// Elements of an image stored `[height, width, channels]` in the order `[channels, height, width]`.
fn channels_first<T: Copy + Default>(pixels: &[T], [channels, height, width]: Shape) -> Vec<T> {
    let plane = height * width;
    let mut elements = vec![T::default(); pixels.len()];
    for (position, pixel) in pixels.chunks_exact(channels).enumerate() {
        for (channel, element) in pixel.iter().enumerate() {
            elements[channel * plane + position] = *element;
        }
    }
    elements
}
