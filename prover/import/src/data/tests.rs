use std::{fs, io::Write, path::PathBuf};

use super::*;
use assay_graph::{ChannelEncoding, InputPart, ValueEncoding};

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
    ordered_npy("False", kind, shape, data)
}

fn ordered_npy(fortran: &str, kind: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{kind}', 'fortran_order': {fortran}, 'shape': {shape}, }}");
    let mut header = header.into_bytes();
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
    let data = open(&path, [3, 2, 2], &UNIT, 10).expect("channels last");
    assert_eq!(data.labels, [3, 256]);
    assert_eq!(data.inputs[0], [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
    let data = open(&path, [3, 2, 2], &UNIT, 1).expect("one");
    assert_eq!((data.inputs.len(), data.labels.len()), (1, 1));
    archive(&path, &[("X.npy", npy("|u1", "(2, 12)", &pixels))]);
    let data = open(&path, [3, 2, 2], &UNIT, 10).expect("flat");
    assert_eq!((data.inputs[1].as_slice(), data.labels.len()), (&pixels[12..], 0));
    archive(&path, &[("pixels.npy", npy("|u1", "(2, 12)", &pixels)), ("y.npy", labels)]);
    let data = open(&path, [3, 2, 2], &UNIT, 10).expect("the only array");
    assert_eq!((data.inputs.len(), data.labels), (2, vec![3, 256]));
    let error = open(&path, [1, 28, 28], &UNIT, 10).expect_err("shape").to_string();
    assert!(error.contains("[2, 12]") && error.contains("[1, 28, 28]"), "{error}");
}

#[test]
fn archives_of_real_numbers_are_encoded() {
    let folder = Folder::new("reals");
    let path = folder.file("data.npz");
    let values: Vec<u8> = [-1f32, 0.0, 2.5, 1.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    archive(&path, &[("X.npy", npy("<f4", "(2, 2)", &values))]);
    let encoding = InputEncoding { scale: 0.5, offset: -1.0 };
    let data = open(&path, [2, 1, 1], &encoding, 10).expect("encoded");
    assert_eq!(data.inputs, [[0, 2], [7, 4]]);
    let nan: Vec<u8> = [f32::NAN, 0.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    archive(&path, &[("X.npy", npy("<f4", "(1, 2)", &nan))]);
    let error = open(&path, [2, 1, 1], &encoding, 10).expect_err("nan").to_string();
    assert!(error.contains("not a finite number"), "{error}");
}

#[test]
fn numbers_outside_the_encoding_are_refused_or_clamped() {
    let folder = Folder::new("outside");
    let path = folder.file("data.npz");
    let numbers = [0f32, 0.5, 1.0, 3.0];
    let numbers: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
    archive(&path, &[("X.npy", npy("<f4", "(2, 2)", &numbers))]);
    let unit = Source::of(&path, [2, 1, 1], Values::Reals(UNIT));
    let error = read(&unit).expect_err("3 is no byte").to_string();
    assert!(error.contains("input 1, `X[1]`: 3 is outside 0 to 1"), "{error}");
    let named = Source { input: Some("age"), inputs: Some("X"), ..unit };
    let error = read(&named).expect_err("3 is no byte").to_string();
    assert!(error.contains("input 1, `age[1]`: 3 is outside 0 to 1"), "{error}");
    assert_eq!(read(&Source { clamp: true, ..unit }).expect("clamped").inputs[1], [255, 255]);
    // What is left out may hold anything.
    let first = Source { limit: 1, ..unit };
    assert_eq!(read(&first).expect("the first").inputs, [[0, 128]]);

    let channel = |scale, most| ChannelEncoding { scale, offset: 0.0, most, whole: false };
    let channels = vec![channel(0.5, 65_535), channel(0.01, 65_535)];
    let encoding = ValueEncoding { bytes: 2, channels, clamp: false };
    let wide = Source::of(&path, [2, 1, 1], Values::Channels(&encoding));
    let samples = samples(&wide).expect("two bytes a number");
    assert_eq!(samples.data.inputs, [[0, 0, 0, 50], [0, 2, 1, 44]]);
    assert_eq!(samples.numbers, [[0.0, 0.5], [1.0, 3.0]]);

    let table = folder.file("data.csv");
    fs::write(&table, "a,label,b\n1,0,2\n-4,1,2\n").expect("written");
    let source = Source::of(&table, [2, 1, 1], Values::Channels(&encoding));
    let error = read(&source).expect_err("-4 is below").to_string();
    assert!(error.contains("row 3, column 1 (`a`): -4 is outside"), "{error}");
    // The column of the file, whatever the order of the network's numbers.
    let order = InputOrder::Listed(vec![1, 0]);
    let error = read(&Source { order: Some(&order), ..source }).expect_err("-4").to_string();
    assert!(error.contains("row 3, column 1 (`a`): -4 is outside"), "{error}");
    fs::write(&table, "1,2\n1,-3\n").expect("written");
    let error = read(&Source { input: Some("x"), ..source }).expect_err("-3").to_string();
    assert!(error.contains("row 2, column 2 (`x[1]`): -3 is outside"), "{error}");
    fs::write(&table, "a,label,b\n1,0,2\n-4,1,2\n").expect("written");
    let second = Source { skip: 1, clamp: true, ..source };
    assert_eq!(read(&second).expect("clamped").inputs, [[0, 0, 0, 200]]);
    // Bytes are numbers like all others there.
    archive(&path, &[("X.npy", npy("|u1", "(1, 2)", &[7, 1]))]);
    assert_eq!(read(&wide).expect("numbers").inputs, [[0, 14, 0, 100]]);
}

/// As NumPy writes `array([[1.5, -2, 0.5], [8, 0.25, -0.125]])` of float16, in both orders, and other
/// types and orders of bytes.
#[test]
fn arrays_of_any_order_and_precision() {
    let folder = Folder::new("orders");
    let path = folder.file("data.npz");
    let halves = |words: [u16; 6]| words.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>();
    let rows = halves([0x3e00, 0xc000, 0x3800, 0x4800, 0x3400, 0xb000]);
    let columns = halves([0x3e00, 0x4800, 0xc000, 0x3400, 0x3800, 0xb000]);
    let expected = [[1.5, -2.0, 0.5], [8.0, 0.25, -0.125]];
    let numbers = |path: &Path, limit| {
        let source = Source { limit, ..Source::of(path, [3, 1, 1], Values::Unencoded) };
        samples(&source).unwrap_or_else(|error| panic!("{error}")).numbers
    };
    let swapped = columns.chunks(2).flat_map(|word| [word[1], word[0]]).collect::<Vec<_>>();
    let single = folder.file("data.npy");
    for (fortran, kind, data) in
        [("False", "<f2", &rows), ("True", "<f2", &columns), ("True", ">f2", &swapped)]
    {
        let array = ordered_npy(fortran, kind, "(2, 3)", data);
        archive(&path, &[("x.npy", array.clone())]);
        fs::write(&single, array).expect("written");
        for path in [&path, &single] {
            assert_eq!(numbers(path, 9), expected, "{fortran} {kind}");
            assert_eq!(numbers(path, 1), expected[..1], "{fortran} {kind}");
        }
    }
    // [2, 3, 2], of which element [a, b, c] is 100 a + 10 b + c.
    let element = |a: usize, b: usize, c: usize| (100 * a + 10 * b + c) as u8;
    let of = |c: usize| (0..3).flat_map(move |b| (0..2).map(move |a| element(a, b, c)));
    let bytes = (0..2).flat_map(of).collect::<Vec<u8>>();
    archive(&path, &[("x.npy", ordered_npy("True", "|u1", "(2, 3, 2)", &bytes))]);
    let found = open(&path, [3, 1, 2], &UNIT, 9).expect("bytes").inputs;
    assert_eq!(found, [[0, 1, 10, 11, 20, 21], [100, 101, 110, 111, 120, 121]]);
    let error = open(&single, [4, 1, 1], &UNIT, 9).expect_err("another shape").to_string();
    assert!(error.contains("[2, 3]"), "{error}");
}

#[test]
fn several_inputs_are_read_by_name() {
    let folder = Folder::new("parts");
    let path = folder.file("data.npz");
    let ids: Vec<u8> = [3i64, 5].iter().flat_map(|x| x.to_le_bytes()).collect();
    let pairs = npy("|u1", "(2, 2)", &[1, 2, 4, 8]);
    archive(&path, &[("user.npy", npy("<i8", "(2,)", &ids)), ("pair.npy", pairs.clone())]);
    let part = |name: &str, elements| InputPart { name: name.into(), elements };
    let parts = [part("pair", 2), part("user", 1)];
    let raw = Values::Reals(InputEncoding::RAW);
    let source = Source { parts: &parts, ..Source::of(&path, [3, 1, 1], raw) };
    assert_eq!(read(&source).expect("by name").inputs, [[1, 2, 3], [4, 8, 5]]);
    let refused = |entries: &[(&str, Vec<u8>)], part: &str| {
        archive(&path, entries);
        let error = read(&source).expect_err(part).to_string();
        assert!(error.contains(part), "{error}: {part}");
    };
    refused(&[("pair.npy", pairs.clone())], "no array `user`, but `pair`");
    refused(&[("pair.npy", pairs.clone()), ("user.npy", pairs)], "array `user` has shape [2, 2]");
    // Columns of a table by the names in its header.
    let table = folder.file("data.csv");
    let singles = [part("age", 1), part("income", 1), part("ratio", 1)];
    let named = Source { parts: &singles, ..Source::of(&table, [3, 1, 1], raw) };
    fs::write(&table, "ratio,label,age,income\n3,0,1,2\n").expect("written");
    assert_eq!(read(&named).expect("by header").inputs, [[1, 2, 3]]);
    fs::write(&table, "ratio,label,age,other\n3,0,1,2\n").expect("written");
    let error = read(&named).expect_err("no income").to_string();
    assert!(error.contains("no column is called `income`"), "{error}");
    fs::write(&table, "1,2,3\n").expect("written");
    assert_eq!(read(&named).expect("in order").inputs, [[1, 2, 3]]);
    // One array with all numbers.
    archive(&path, &[("X.npy", npy("|u1", "(1, 3)", &[7, 8, 9]))]);
    assert_eq!(read(&source).expect("one array").inputs, [[7, 8, 9]]);
}

#[test]
fn broken_archives_are_refused() {
    let folder = Folder::new("broken");
    let path = folder.file("data.npz");
    let refused = |content: Vec<u8>, part: &str| {
        archive(&path, &[("images.npy", content)]);
        let error = open(&path, [1, 2, 2], &UNIT, 10).expect_err(part).to_string();
        assert!(error.contains(part) && error.contains("data.npz"), "`{error}`: {part}");
    };
    refused(npy("|u1", "(2, 2, 2)", &[0; 7]), "images");
    refused(npy("|u1", "(9223372036854775807, 4, 4294967296)", &[0; 8]), "more than");
    refused(npy("<c8", "(2, 2, 2)", &[0; 64]), "not supported");
    refused(ordered_npy("True", "|u1", "(2, 2, 2)", &[0; 7]), "declares 8");
    refused(b"nothing".to_vec(), "images");
    refused(npy("|u1", "(0, 2, 2)", &[]), "no inputs");
    let other = || npy("|u1", "(1, 4)", &[0; 4]);
    archive(&path, &[("a.npy", other()), ("b.npy", other())]);
    let error = open(&path, [1, 2, 2], &UNIT, 1).expect_err("two arrays").to_string();
    assert!(error.contains("`a`, `b`; say which"), "{error}");
    fs::write(&path, b"PK not an archive").expect("written");
    assert!(matches!(open(&path, [1, 2, 2], &UNIT, 1), Err(DataError::Archive { .. })));
    let missing = open(&folder.file("no.npz"), [1, 2, 2], &UNIT, 1);
    assert!(matches!(missing, Err(DataError::Read { .. })));
    archive(
        &path,
        &[
            ("images.npy", npy("|u1", "(2, 2, 2)", &[0; 8])),
            ("labels.npy", npy("|u1", "(1,)", &[0])),
        ],
    );
    let error = open(&path, [1, 2, 2], &UNIT, 9).expect_err("labels").to_string();
    assert!(error.contains("labels"), "{error}");
}

fn source(path: &Path, shape: Shape) -> Source<'_> {
    Source {
        path,
        shape,
        clamp: false,
        resize: Resize::Refuse,
        order: None,
        sizes: &[],
        parts: &[],
        input: None,
        values: Values::Bytes,
        inputs: None,
        labels: Labels::Find,
        skip: 0,
        limit: 10,
    }
}

#[test]
fn arrays_are_chosen_by_name() {
    let folder = Folder::new("named");
    let path = folder.file("data.npz");
    let words = |values: &[i16]| values.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    archive(
        &path,
        &[
            ("images.npy", npy("|u1", "(2, 2)", &[1, 2, 3, 4])),
            ("test.npy", npy("<i2", "(2, 2)", &words(&[5, 6, 7, 255]))),
            ("classes.npy", npy("<i2", "(2,)", &words(&[1, 300]))),
            ("bad.npy", npy("<i2", "(2,)", &words(&[1, -2]))),
            ("one.npy", npy("<i2", "(1,)", &words(&[1]))),
            ("wide.npy", npy("<i2", "(2, 2)", &words(&[5, 6, 256, 8]))),
        ],
    );
    let usual = source(&path, [2, 1, 1]);
    let read = |source: Source<'_>| read(&source);
    assert_eq!(read(usual).expect("the usual name").inputs, [[1, 2], [3, 4]]);
    let own = Source { input: Some("test"), ..usual };
    assert_eq!(read(own).expect("the network's name").inputs[0], [5, 6]);
    let named = Source { inputs: Some("test"), labels: Labels::Named("classes"), ..usual };
    let data = read(named).expect("by name");
    assert_eq!((data.inputs, data.labels), (vec![vec![5, 6], vec![7, 255]], vec![1, 300]));
    let labels = folder.file("labels.txt");
    fs::write(&labels, "4\n\n5\n").expect("written");
    let data = read(Source { labels: Labels::File(&labels), ..usual }).expect("a file of labels");
    assert_eq!(data.labels, [4, 5]);
    let first = Source { labels: Labels::File(&labels), limit: 1, ..usual };
    assert_eq!(read(first).expect("one").labels, [4]);
    let second = Source { labels: Labels::File(&labels), skip: 1, limit: 1, ..usual };
    let data = read(second).expect("the second");
    assert_eq!((data.inputs, data.labels), (vec![vec![3, 4]], vec![5]));
    fs::write(&labels, "4\n").expect("written");
    let refused = |source: Source<'_>, part: &str| {
        let error = read(source).expect_err(part).to_string();
        assert!(error.contains(part), "{error}: {part}");
    };
    refused(Source { labels: Labels::File(&labels), ..usual }, "1 labels for 2 inputs");
    fs::write(&labels, "a.png,4\n").expect("written");
    refused(Source { labels: Labels::File(&labels), ..usual }, "names of files");
    refused(Source { skip: 2, ..usual }, "holds 2 inputs; none is left after the first 2");
    refused(Source { inputs: Some("nothing"), ..usual }, "no array `nothing`, but `bad`");
    refused(Source { labels: Labels::Named("bad"), ..usual }, "array `bad`: row 1: -2 is not");
    refused(Source { labels: Labels::Named("one"), ..usual }, "array `one`: 1 labels for 2");
    refused(Source { inputs: Some("wide"), ..usual }, "input 1, `wide[0]`: 256");
    let reals = Source { inputs: Some("wide"), values: Values::Reals(InputEncoding::RAW), ..usual };
    refused(reals, "input 1, `wide[0]`: 256 is outside 0 to 255");
    let clamped = Source { clamp: true, ..reals };
    assert_eq!(read(clamped).expect("encoded").inputs[1], [255, 8]);
}

#[test]
fn tables() {
    let folder = Folder::new("tables");
    let path = folder.file("data.csv");
    let read = |text: &str, labels: Labels<'_>, values: Values<'_>| {
        fs::write(&path, text).expect("written");
        read(&Source { labels, values, ..source(&path, [3, 1, 1]) })
    };
    let bytes = Values::Bytes;
    let header = "\u{feff}a;Label;b;c\n1;7;2;3\r\n\n4;8;5;255\n";
    let data = read(header, Labels::Find, bytes).expect("a header");
    assert_eq!((data.inputs, data.labels), (vec![vec![1, 2, 3], vec![4, 5, 255]], vec![7, 8]));
    let data = read("9,1,2,3\n8,4,5,6\n", Labels::Named("1"), bytes).expect("a number");
    assert_eq!((data.inputs, data.labels), (vec![vec![1, 2, 3], vec![4, 5, 6]], vec![9, 8]));
    let data = read("1,2,3\n", Labels::Find, bytes).expect("no label");
    assert_eq!((data.inputs, data.labels), (vec![vec![1, 2, 3]], vec![]));
    let reals = Values::Reals(InputEncoding { scale: 0.5, offset: -1.0 });
    let data = read("-1, 0,2.5\n", Labels::None, reals).expect("real numbers");
    assert_eq!(data.inputs, [[0, 2, 7]]);
    let many = "1,2,3\n".repeat(20) + "broken";
    assert_eq!(read(&many, Labels::Find, bytes).expect("the first").inputs.len(), 10);
    let refused = |text: &str, labels: Labels<'_>, part: &str| {
        let error = read(text, labels, bytes).expect_err(part).to_string();
        assert!(error.contains(part) && error.contains("data.csv"), "{error}: {part}");
    };
    refused("1,2,3\n1,x,3\n", Labels::Find, "row 2, column 2: \"x\" is not a number");
    refused("1,2,3\n1,2,256\n", Labels::Find, "row 2, column 3: 256 is not a byte");
    refused("1,2,3\n1,2,nan\n", Labels::Find, "row 2, column 3: NaN is not a finite number");
    refused("1,2,3\n1,2\n", Labels::Find, "row 2: 2 columns, the first row has 3");
    refused("1,2,3,4\n", Labels::Find, "row 1: 4 columns beside no label");
    refused("y,a,b,c\n1.5,1,2,3\n", Labels::Find, "row 2, column 1 (`y`): 1.5 is not a label");
    refused("1,2,3,4\n", Labels::Named("5"), "no column is called \"5\"");
    refused("1,2,\"3\n", Labels::Find, "row 1: a quotation mark");
    refused("a,b,c\n", Labels::Find, "holds no inputs");
    let arrays = Source { inputs: Some("X"), ..source(&path, [3, 1, 1]) };
    assert!(matches!(super::read(&arrays), Err(DataError::NoArrays { .. })));
}

#[test]
fn labels_of_images_in_a_file() {
    let folder = Folder::new("labelled");
    for name in ["a_1.pgm", "b_2.pgm"] {
        fs::write(folder.file(name), b"P5 2 1 255\n\x09\x0a").expect("written");
    }
    let images = source(&folder.0, [1, 1, 2]);
    let labels = |text: &str, labels: Labels<'_>| {
        fs::write(folder.file("labels.csv"), text).expect("written");
        read(&Source { labels, ..images }).map(|data| data.labels)
    };
    let named = "file,label\nb_2.pgm,5\na_1.pgm,4\n";
    assert_eq!(labels(named, Labels::Find).expect("by name"), [4, 5]);
    assert_eq!(labels("6\n7\n", Labels::Find).expect("in order"), [6, 7]);
    assert_eq!(labels(named, Labels::None).expect("none"), Vec::<usize>::new());
    let other = folder.file("other.txt");
    fs::write(&other, "8\n9\n").expect("written");
    assert_eq!(labels(named, Labels::File(&other)).expect("another file"), [8, 9]);
    let refused = |text: &str, part: &str| {
        let error = labels(text, Labels::Find).expect_err(part).to_string();
        assert!(error.contains(part) && error.contains("labels.csv"), "{error}: {part}");
    };
    refused("b_2.pgm,5\n", "none for `a_1.pgm`");
    refused("a_1.pgm,1\nb_2.pgm,5\nc.pgm,5\n", "`c.pgm`, which is not there");
    refused("a_1.pgm,1\na_1.pgm,5\n", "row 2, column 1");
    refused("1\n", "1 labels for 2 images");
    refused("1\nb_2.pgm,5\n", "row 2");
    refused("a_1.pgm,1\nb_2.pgm,x\n", "row 2, column 2: \"x\" is not a label");
    assert!(read(&Source { labels: Labels::Named("y"), ..images }).is_err());
}

#[test]
fn thumbnails_are_the_pictures() {
    let read = |png: &[u8]| image::load_from_memory(png).expect("a picture");
    let grey = thumbnail(&[1, 2, 3, 4, 5, 6], [1, 2, 3], 8).expect("grey");
    assert_eq!(read(&grey).to_luma8().as_raw(), &[1, 2, 3, 4, 5, 6]);
    let colours = thumbnail(&[1, 2, 3, 4, 5, 6], [3, 1, 2], 8).expect("colours");
    assert_eq!(read(&colours).to_rgb8().as_raw(), &[1, 3, 5, 2, 4, 6]);
    let small = read(&thumbnail(&[7; 200], [1, 10, 20], 8).expect("small"));
    assert_eq!((small.width(), small.height()), (8, 4));
    for (pixels, shape) in [(&[0; 4][..], [2, 1, 2]), (&[0; 3], [1, 2, 2]), (&[0; 5], [3, 1, 2])] {
        assert_eq!(thumbnail(pixels, shape, 8), None);
    }
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
    let data = open(&folder.0, [3, 1, 2], &UNIT, 10).expect("two images");
    assert_eq!(data.labels, [3, 7]);
    assert_eq!(data.inputs, [[9, 10, 9, 10, 9, 10], [1, 4, 2, 5, 3, 6]]);
    let grey = |shape, resize| read_image(&folder.file("a_3.pgm"), shape, resize);
    assert_eq!(grey([1, 1, 2], Resize::Refuse).expect("grey"), [9, 10]);
    let error = grey([1, 2, 4], Resize::Refuse).expect_err("half the size").to_string();
    assert!(error.contains("2 x 1 pixels, the network takes 4 x 2"), "{error}");
    assert_eq!(grey([1, 2, 4], Resize::Stretch).expect("stretched"), [9, 9, 10, 10, 9, 9, 10, 10]);
    // As high as 1, so its middle is cut out; stretched, both pixels are in the one.
    fs::write(folder.file("a_3.pgm"), b"P5 4 1 255\n\x00\x64\x64\xff").expect("written");
    assert_eq!(grey([1, 1, 2], Resize::Crop).expect("cut"), [100, 100]);
    assert_ne!(grey([1, 1, 2], Resize::Stretch).expect("stretched"), [100, 100]);
    fs::write(folder.file("a_3.pgm"), b"P5 2 1 255\n\x09\x0a").expect("written");
    let error = grey([2, 1, 2], Resize::Refuse).expect_err("two channels");
    assert!(matches!(error, DataError::Shape { .. }), "{error}");
    fs::write(folder.file("c_1.png"), b"\x89PNG broken").expect("written");
    let error = open(&folder.0, [3, 1, 2], &UNIT, 10).expect_err("broken").to_string();
    assert!(error.contains("c_1.png"), "{error}");
    let empty = Folder::new("empty");
    assert!(matches!(open(&empty.0, [1, 1, 1], &UNIT, 1), Err(DataError::Empty { .. })));
}
