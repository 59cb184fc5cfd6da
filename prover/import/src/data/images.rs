//! Image files.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
};

use image::{DynamicImage, GrayImage, ImageFormat, ImageReader, RgbImage, imageops::FilterType};

use super::{
    DataError, Dataset, Labels, Resize, Samples, Source, channels_first,
    table::{LabelFile, read_labels},
};
use assay_graph::Shape;

/// Wider or higher images are refused before they are decoded.
const MAX_SIDE: u32 = 1 << 14;

const EXTENSIONS: [&str; 6] = ["png", "jpg", "jpeg", "pgm", "ppm", "pnm"];

/// File of labels in a folder of images.
const LABELS: &str = "labels.csv";

pub(super) fn read(source: &Source<'_>) -> Result<Samples, DataError> {
    let Source { path, limit, resize, .. } = *source;
    let failed = |source| DataError::Read { path: path.to_owned(), source };
    let mut files: Vec<PathBuf> = Vec::new();
    if std::fs::metadata(path).map_err(failed)?.is_dir() {
        for entry in std::fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.path();
            if is_image(&file) {
                files.push(file);
            }
        }
        files.sort();
    } else {
        files.push(path.to_owned());
    }
    let beside = path.join(LABELS);
    let labels = match source.labels {
        Labels::None => Vec::new(),
        Labels::Named(name) => {
            let problem = format!("images have no array or column {name:?}");
            return Err(DataError::Labels { path: path.to_owned(), problem });
        }
        Labels::File(file) => labels_of(file, &files)?,
        Labels::Find if beside.is_file() => labels_of(&beside, &files)?,
        Labels::Find => {
            let labels: Option<Vec<usize>> =
                files.iter().take(limit).map(|file| label(file)).collect();
            labels.unwrap_or_default()
        }
    };
    files.truncate(limit);
    let expected = || source.sizes.first().cloned().unwrap_or_default();
    let (shape, places) = source
        .picture()
        .ok_or_else(|| DataError::NoPicture { path: path.to_owned(), expected: expected() })?;
    let inputs = files.iter().map(|file| Ok(places.stored(&read_one(file, shape, resize)?)));
    let inputs = inputs.collect::<Result<Vec<_>, DataError>>()?;
    let data = Dataset { inputs, labels: labels.into_iter().take(limit).collect() };
    if source.values.keeps_bytes() {
        return Ok(Samples { data, numbers: Vec::new() });
    }
    Err(DataError::Image {
        path: path.to_owned(),
        problem: "the network takes numbers, each channel with a scale of its own; give an archive or a table \
                  of numbers"
            .to_owned(),
    })
}

/// The labels that a file gives to images, one to each.
fn labels_of(path: &Path, files: &[PathBuf]) -> Result<Vec<usize>, DataError> {
    let wrong = |problem: String| DataError::Labels { path: path.to_owned(), problem };
    match read_labels(path)? {
        LabelFile::InOrder(labels) if labels.len() == files.len() => Ok(labels),
        LabelFile::InOrder(labels) => {
            Err(wrong(format!("{} labels for {} images", labels.len(), files.len())))
        }
        LabelFile::ByName(mut labels) => {
            let found = files.iter().map(|file| {
                let name = file.file_name().unwrap_or_default().to_string_lossy();
                labels.remove(name.as_ref()).ok_or_else(|| wrong(format!("none for `{name}`")))
            });
            let found = found.collect::<Result<Vec<_>, _>>()?;
            match labels.keys().next() {
                Some(name) => Err(wrong(format!("one for `{name}`, which is not there"))),
                None => Ok(found),
            }
        }
    }
}

fn is_image(file: &Path) -> bool {
    file.extension().is_some_and(|e| EXTENSIONS.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

/// The number after the last underscore of the file's name.
fn label(file: &Path) -> Option<usize> {
    file.file_stem()?.to_str()?.rsplit_once('_')?.1.parse().ok()
}

pub(super) fn read_one(path: &Path, shape: Shape, resize: Resize) -> Result<Vec<u8>, DataError> {
    let failed = |problem: String| DataError::Image { path: path.to_owned(), problem };
    let mut reader = ImageReader::open(path)
        .and_then(|reader| reader.with_guessed_format())
        .map_err(|source| DataError::Read { path: path.to_owned(), source })?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits);
    let image = reader.decode().map_err(|error| failed(error.to_string()))?;
    let [channels, height, width] = shape;
    let size = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let wanted = [size(width), size(height)];
    let found = [image.width(), image.height()];
    if wanted.iter().any(|side| *side > MAX_SIDE) || !matches!(channels, 1 | 3) {
        return Err(DataError::Shape {
            path: path.to_owned(),
            actual: vec![3, u64::from(image.height()), u64::from(image.width())],
            expected: shape.map(|size| size as u64).to_vec(),
        });
    }
    let [width, height] = wanted;
    let image = match resize {
        _ if found == wanted => image,
        Resize::Refuse => {
            return Err(DataError::PictureSize {
                path: path.to_owned(),
                actual: found,
                expected: wanted,
            });
        }
        Resize::Crop => image.resize_to_fill(width, height, FilterType::Triangle),
        Resize::Stretch => image.resize_exact(width, height, FilterType::Triangle),
    };
    Ok(bytes(&image, shape))
}

fn bytes(image: &DynamicImage, shape: Shape) -> Vec<u8> {
    if shape[0] == 1 {
        image.to_luma8().into_raw()
    } else {
        channels_first(image.to_rgb8().as_raw(), shape)
    }
}

pub(super) fn thumbnail(pixels: &[u8], shape: Shape, side: u32) -> Option<Vec<u8>> {
    let [channels, height, width] = shape;
    let [rows, columns] = [u32::try_from(height).ok()?, u32::try_from(width).ok()?];
    let image = match channels {
        1 => DynamicImage::from(GrayImage::from_raw(columns, rows, pixels.to_vec())?),
        3 => {
            // Channels last.
            let plane = height.checked_mul(width)?;
            let pixel = |at: usize| (0..3).map(move |channel| pixels.get(channel * plane + at));
            let last = (0..plane).flat_map(pixel).map(|value| value.copied());
            DynamicImage::from(RgbImage::from_raw(columns, rows, last.collect::<Option<_>>()?)?)
        }
        _ => return None,
    };
    let large = rows.max(columns) > side;
    let image = if large { image.resize(side, side, FilterType::Triangle) } else { image };
    let mut file = Cursor::new(Vec::new());
    image.write_to(&mut file, ImageFormat::Png).ok()?;
    Some(file.into_inner())
}
