use std::{fs, io::Write, path::PathBuf};

use super::*;

/// A folder of its own for each test, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("assay-data-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a temporary folder");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn npy(kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let mut header =
        format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}").into_bytes();
    while (header.len() + 11) % 64 != 0 {
        header.push(b' ');
    }
    header.push(b'\n');
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend((header.len() as u16).to_le_bytes());
    file.extend(header);
    file.extend(data);
    file
}

fn archive(path: &Path, entries: &[(&str, Vec<u8>)]) {
    let mut writer = zip::ZipWriter::new(fs::File::create(path).expect("created"));
    for (name, content) in entries {
        writer.start_file(*name, zip::write::FileOptions::default()).expect("started");
        writer.write_all(content).expect("written");
    }
    writer.finish().expect("finished");
}

const UNIT: InputEncoding = InputEncoding::UNIT;

#[test]
fn archives_of_bytes_in_any_layout() {
    let folder = Folder::new("bytes");
    let path = folder.file("data.npz");
    let labels = npy("<i2", "(2,)", &[3, 0, 0, 1]);
    let pixels: Vec<u8> = (0..24).collect();
    archive(
        &path,
        &[("images.npy", npy("|u1", "(2, 2, 2, 3)", &pixels)), ("labels.npy", labels.clone())],
    );
    let data = Dataset::open(&path, [3, 2, 2], &UNIT, 10).expect("channels last");
    assert_eq!(data.labels, [3, 256]);
    assert_eq!(data.inputs[0], [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
    let data = Dataset::open(&path, [3, 2, 2], &UNIT, 1).expect("one");
    assert_eq!((data.inputs.len(), data.labels.len()), (1, 1));
    archive(&path, &[("X.npy", npy("|u1", "(2, 12)", &pixels))]);
    let data = Dataset::open(&path, [3, 2, 2], &UNIT, 10).expect("flat");
    assert_eq!((data.inputs[1].as_slice(), data.labels.len()), (&pixels[12..], 0));
    archive(&path, &[("pixels.npy", npy("|u1", "(2, 12)", &pixels)), ("y.npy", labels)]);
    let data = Dataset::open(&path, [3, 2, 2], &UNIT, 10).expect("the only array");
    assert_eq!((data.inputs.len(), data.labels), (2, vec![3, 256]));
    let error = Dataset::open(&path, [1, 28, 28], &UNIT, 10).expect_err("shape").to_string();
    assert!(error.contains("[2, 12]") && error.contains("[1, 28, 28]"), "{error}");
}

#[test]
fn archives_of_real_numbers_are_encoded() {
    let folder = Folder::new("reals");
    let path = folder.file("data.npz");
    let values: Vec<u8> = [-1f32, 0.0, 2.5, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    archive(&path, &[("X.npy", npy("<f4", "(2, 2)", &values))]);
    assert_eq!(value_range(&path).expect("a range"), Some((-1.0, 2.5)));
    let encoding = InputEncoding { scale: 0.5, offset: -1.0 };
    let data = Dataset::open(&path, [2, 1, 1], &encoding, 10).expect("encoded");
    assert_eq!(data.inputs, [[0, 2], [7, 4]]);
    let nan: Vec<u8> = [f32::NAN, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    archive(&path, &[("X.npy", npy("<f4", "(1, 2)", &nan))]);
    let error = Dataset::open(&path, [2, 1, 1], &encoding, 10).expect_err("nan").to_string();
    assert!(error.contains("not a finite number"), "{error}");
}

#[test]
fn broken_archives_are_refused() {
    let folder = Folder::new("broken");
    let path = folder.file("data.npz");
    let refused = |content: Vec<u8>, part: &str| {
        archive(&path, &[("images.npy", content)]);
        let error = Dataset::open(&path, [1, 2, 2], &UNIT, 10).expect_err(part).to_string();
        assert!(error.contains(part) && error.contains("data.npz"), "`{error}`: {part}");
    };
    refused(npy("|u1", "(2, 2, 2)", &[0; 7]), "images");
    refused(npy("|u1", "(9223372036854775807, 4, 4294967296)", &[0; 8]), "more than");
    refused(npy("<c8", "(2, 2, 2)", &[0; 64]), "not supported");
    refused(b"nothing".to_vec(), "images");
    refused(npy("|u1", "(0, 2, 2)", &[]), "no inputs");
    let other = || npy("|u1", "(1, 4)", &[0; 4]);
    archive(&path, &[("a.npy", other()), ("b.npy", other())]);
    assert!(matches!(Dataset::open(&path, [1, 2, 2], &UNIT, 1), Err(DataError::Empty { .. })));
    fs::write(&path, b"PK not an archive").expect("written");
    assert!(matches!(Dataset::open(&path, [1, 2, 2], &UNIT, 1), Err(DataError::Archive { .. })));
    let missing = Dataset::open(&folder.file("no.npz"), [1, 2, 2], &UNIT, 1);
    assert!(matches!(missing, Err(DataError::Read { .. })));
    archive(
        &path,
        &[
            ("images.npy", npy("|u1", "(2, 2, 2)", &[0; 8])),
            ("labels.npy", npy("|u1", "(1,)", &[0])),
        ],
    );
    let error = Dataset::open(&path, [1, 2, 2], &UNIT, 9).expect_err("labels").to_string();
    assert!(error.contains("labels"), "{error}");
}

#[test]
fn folders_of_images() {
    let folder = Folder::new("images");
    let mut picture = image::RgbImage::new(2, 1);
    picture.put_pixel(0, 0, image::Rgb([1, 2, 3]));
    picture.put_pixel(1, 0, image::Rgb([4, 5, 6]));
    picture.save(folder.file("b_7.png")).expect("saved");
    fs::write(folder.file("a_3.pgm"), b"P5 2 1 255\n\x09\x0a").expect("written");
    fs::write(folder.file("notes.txt"), b"no image").expect("written");
    let data = Dataset::open(&folder.0, [3, 1, 2], &UNIT, 10).expect("two images");
    assert_eq!(data.labels, [3, 7]);
    assert_eq!(data.inputs, [[9, 10, 9, 10, 9, 10], [1, 4, 2, 5, 3, 6]]);
    assert_eq!(read_image(&folder.file("a_3.pgm"), [1, 1, 2]).expect("grey"), [9, 10]);
    assert_eq!(read_image(&folder.file("a_3.pgm"), [1, 2, 4]).expect("resized").len(), 8);
    let error = read_image(&folder.file("a_3.pgm"), [2, 1, 2]).expect_err("two channels");
    assert!(matches!(error, DataError::Shape { .. }), "{error}");
    fs::write(folder.file("c_1.png"), b"\x89PNG broken").expect("written");
    let error = Dataset::open(&folder.0, [3, 1, 2], &UNIT, 10).expect_err("broken").to_string();
    assert!(error.contains("c_1.png"), "{error}");
    let empty = Folder::new("empty");
    assert!(matches!(Dataset::open(&empty.0, [1, 1, 1], &UNIT, 1), Err(DataError::Empty { .. })));
}
