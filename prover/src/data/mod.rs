//! Reading inputs and labels: `.npz` archives, folders of images, single files.
//!
//! Everything becomes bytes in the order `[channels, height, width]`, row-major, as
//! [`crate::graph::Executor::run`] takes them.

mod images;
mod npz;
#[cfg(test)]
pub(crate) mod shared;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::graph::Shape;
use crate::quantize::InputEncoding;

/// Why inputs could not be read.
#[derive(Debug, Error)]
pub enum DataError {
    #[error("cannot read `{path}`: {source}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("`{path}` is not a readable npz archive: {problem}")]
    Archive { path: PathBuf, problem: String },
    #[error("`{path}` is not a readable image: {problem}")]
    Image { path: PathBuf, problem: String },
    #[error(
        "`{path}`: inputs of shape {actual:?}, the network takes {expected:?} (channels, height, width)"
    )]
    Shape { path: PathBuf, actual: Vec<u64>, expected: Shape },
    #[error("`{path}` holds no inputs; npz archives, png, jpeg, pgm and ppm files are read")]
    Empty { path: PathBuf },
    #[error("`{path}` holds numbers that are not bytes; declare how bytes stand for real values")]
    NotBytes { path: PathBuf },
}

/// Inputs, and labels where there are any.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dataset {
    /// Bytes of each input, `[channels, height, width]`, row-major.
    pub inputs: Vec<Vec<u8>>,
    /// Class of each input; empty, or as many as inputs.
    pub labels: Vec<usize>,
}

impl Dataset {
    /// Reads up to `limit` inputs of `shape` from an `.npz` archive, a folder of images (in the
    /// order of their names), or one image file.
    ///
    /// An archive holds the inputs as `images`, `X`, `x` or its only array of more than one axis,
    /// channels first or last, and labels, if any, as `labels`, `y` or `Y`. Arrays of bytes are
    /// taken as they are; real numbers are converted with `encoding`. Images are resized to the
    /// network's height and width (bilinear) when they differ. A file name that ends in
    /// `_<number>` before its extension gives the label.
    ///
    /// # Errors
    /// [`DataError`], naming the file.
    pub fn open(
        path: &Path,
        shape: Shape,
        encoding: &InputEncoding,
        limit: usize,
    ) -> Result<Self, DataError> {
        let is_archive =
            path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz"));
        let dataset = if is_archive {
            npz::read(path, shape, encoding, limit)?
        } else {
            images::read(path, shape, limit)?
        };
        if dataset.inputs.is_empty() {
            return Err(DataError::Empty { path: path.to_owned() });
        }
        Ok(dataset)
    }
}

/// Reads one image file as bytes `[channels, height, width]`, grey for one channel and RGB for
/// three, resized (bilinear) when its size differs.
///
/// # Errors
/// [`DataError::Image`] and [`DataError::Shape`].
pub fn read_image(path: &Path, shape: Shape) -> Result<Vec<u8>, DataError> {
    images::read_one(path, shape)
}

/// Smallest and largest number of an archive's inputs, to choose an [`InputEncoding`] for data
/// that are not bytes; `None` for bytes.
///
/// # Errors
/// [`DataError`], naming the file.
pub fn value_range(path: &Path) -> Result<Option<(f64, f64)>, DataError> {
    npz::value_range(path)
}

/// Bytes of an image stored `[height, width, channels]` in the order `[channels, height, width]`.
fn channels_first(pixels: &[u8], [channels, height, width]: Shape) -> Vec<u8> {
    let plane = height * width;
    let mut bytes = vec![0; pixels.len()];
    for (position, pixel) in pixels.chunks_exact(channels).enumerate() {
        for (channel, byte) in pixel.iter().enumerate() {
            bytes[channel * plane + position] = *byte;
        }
    }
    bytes
}
