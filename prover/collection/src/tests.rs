use std::sync::atomic::{AtomicU64, Ordering};

use halo2_proofs::halo2curves::ff::Field;

use super::*;

const SHAPE: Shape = [1, 2, 3];
const SEED: SaltSeed = SaltSeed([7; 32]);

/// Item `i` has the bytes `6 i, 6 i + 1, ...` and label `i mod 10`.
fn data(items: usize) -> Dataset {
    Dataset {
        inputs: (0..items).map(|i| (0..6).map(|j| (6 * i + j) as u8).collect()).collect(),
        labels: (0..items).map(|i| i % 10).collect(),
    }
}

fn collection(items: usize, depth: Option<u32>) -> Collection {
    Collection::commit(&data(items), SHAPE, SEED, depth, &|| ()).expect("a collection")
}

fn refused<T>(result: Result<T, CollectionError>) -> CollectionError {
    result.err().expect("refused")
}

#[test]
fn every_item_opens_against_the_root() {
    let made = AtomicU64::new(0);
    let count = || {
        made.fetch_add(1, Ordering::Relaxed);
    };
    let set = Collection::commit(&data(11), SHAPE, SEED, None, &count).expect("a collection");
    assert_eq!((set.len(), set.depth(), made.into_inner()), (11, 4, 11));
    for index in 0..11 {
        let opening = set.open(index).expect("an opening");
        assert_eq!(opening.item.input, data(11).inputs[index]);
        assert_eq!(opening.item.label as usize, index % 10);
        assert_eq!(opening.verify(&set.root(), 4), Ok(()));
    }
    assert!(matches!(set.open(11), Err(CollectionError::Index { index: 11, items: 11 })));
}

#[test]
fn changed_openings_are_refused() {
    let set = collection(11, None);
    let root = set.root();
    let opening = set.open(5).expect("an opening");
    let broken = |change: &dyn Fn(&mut Opening)| {
        let mut opening = opening.clone();
        change(&mut opening);
        opening.verify(&root, 4)
    };
    assert_eq!(broken(&|_| ()), Ok(()));
    assert_eq!(broken(&|o| o.item.label += 1), Err(OpeningError::Root));
    assert_eq!(broken(&|o| o.item.salt += Fr::ONE), Err(OpeningError::Root));
    assert_eq!(broken(&|o| o.item.input[3] ^= 1), Err(OpeningError::Root));
    assert_eq!(broken(&|o| o.item.input.push(0)), Err(OpeningError::Root));
    assert_eq!(broken(&|o| o.index = 4), Err(OpeningError::Root));
    assert_eq!(broken(&|o| o.siblings.swap(0, 1)), Err(OpeningError::Root));
    let outside = Err(OpeningError::Position { position: 21, siblings: 4 });
    assert_eq!(broken(&|o| o.index += 16), outside);
    let shorter = Err(OpeningError::Depth { found: 3, depth: 4 });
    assert_eq!(broken(&|o| o.siblings.truncate(3)), shorter);
    assert_eq!(opening.verify(&(root + Fr::ONE), 4), Err(OpeningError::Root));
}

#[test]
fn runs_open_against_the_root() {
    for depth in [None, Some(6)] {
        let set = collection(11, depth);
        for bits in 0..=set.depth() {
            for first in (0..11).step_by(1 << bits) {
                let run = set.open_run(first, bits).expect("a run");
                assert_eq!(run.items.len(), (11 - first).min(1 << bits));
                assert_eq!(run.siblings.len(), (set.depth() - bits) as usize);
                assert_eq!(run.verify(&set.root(), set.depth()), Ok(()));
            }
        }
        let start = refused(set.open_run(2, 2));
        assert!(matches!(start, CollectionError::Run(OpeningError::Start { first: 2, bits: 2 })));
        assert!(matches!(set.open_run(12, 2), Err(CollectionError::Index { index: 12, .. })));
        assert!(matches!(set.open_run(0, set.depth() + 1), Err(CollectionError::Run(_))));
        assert!(matches!(set.open_run(0, u32::MAX), Err(CollectionError::Run(_))));
    }
}

#[test]
fn changed_runs_are_refused() {
    let set = collection(11, None);
    let root = set.root();
    let broken = |first: usize, change: &dyn Fn(&mut RunOpening)| {
        let mut run = set.open_run(first, 2).expect("a run");
        change(&mut run);
        run.verify(&root, 4)
    };
    assert_eq!(broken(4, &|_| ()), Ok(()));
    assert_eq!(broken(4, &|r| r.items.swap(0, 1)), Err(OpeningError::Root));
    assert_eq!(broken(4, &|r| r.items[1] = r.items[0].clone()), Err(OpeningError::Root));
    assert_eq!(broken(4, &|r| r.items[3].label += 1), Err(OpeningError::Root));
    assert_eq!(broken(4, &|r| r.items.truncate(3)), Err(OpeningError::Root));
    assert_eq!(broken(4, &|r| r.first = 8), Err(OpeningError::Root));
    // The masked tail cannot be shortened or filled.
    assert_eq!(broken(8, &|r| r.items.truncate(2)), Err(OpeningError::Root));
    assert_eq!(broken(8, &|r| r.items.push(r.items[0].clone())), Err(OpeningError::Root));
    let five = Err(OpeningError::Items { found: 5, bits: 2 });
    assert_eq!(broken(4, &|r| r.items.push(r.items[0].clone())), five);
    let none = Err(OpeningError::Items { found: 0, bits: 2 });
    assert_eq!(broken(4, &|r| r.items.clear()), none);
    assert_eq!(broken(4, &|r| r.first = 5), Err(OpeningError::Start { first: 5, bits: 2 }));
    let outside = Err(OpeningError::Position { position: 4, siblings: 2 });
    assert_eq!(broken(4, &|r| r.first = 16), outside);
    assert_eq!(broken(4, &|r| r.bits = 1), Err(OpeningError::Depth { found: 3, depth: 4 }));
    assert!(matches!(broken(4, &|r| r.bits = u32::MAX), Err(OpeningError::Depth { .. })));
}

#[test]
fn what_does_not_fit_is_refused() {
    let commit = |data: &Dataset, depth| Collection::commit(data, SHAPE, SEED, depth, &|| ());
    assert!(matches!(refused(commit(&Dataset::default(), None)), CollectionError::Empty));
    let mut short = data(3);
    short.inputs[1].pop();
    let error = refused(commit(&short, None));
    assert!(matches!(error, CollectionError::Length { index: 1, actual: 5, expected: 6, .. }));
    let mut few = data(3);
    few.labels.pop();
    let error = refused(commit(&few, None));
    assert!(matches!(error, CollectionError::Labels { items: 3, labels: 2 }));
    let mut large = data(3);
    large.labels[2] = 1 << 32;
    assert!(matches!(refused(commit(&large, None)), CollectionError::Label { index: 2, .. }));
    for depth in [0, 1, 33] {
        let error = refused(commit(&data(3), Some(depth)));
        assert!(matches!(error, CollectionError::Depth { items: 3, least: 2, .. }), "{error}");
    }
}

#[test]
fn salts_differ_and_labels_default_to_zero() {
    let salts: Vec<Fr> = (0..4).map(|i| SEED.salt(i)).collect();
    for (i, salt) in salts.iter().enumerate() {
        assert!(!salts[..i].contains(salt));
        assert_ne!(*salt, SaltSeed([8; 32]).salt(i));
    }
    let unlabelled = Dataset { labels: Vec::new(), ..data(3) };
    let zeros = Dataset { labels: vec![0; 3], ..data(3) };
    let root =
        |data: &Dataset| Collection::commit(data, SHAPE, SEED, None, &|| ()).expect("set").root();
    assert_eq!(root(&unlabelled), root(&zeros));
    assert_ne!(root(&unlabelled), root(&data(3)));
    assert!(!format!("{SEED:?}").contains('7'));
}

#[test]
fn set_files_survive_the_disk() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("set");
    for (data, depth) in [(data(11), None), (Dataset { labels: Vec::new(), ..data(3) }, Some(5))] {
        let set = Collection::commit(&data, SHAPE, SEED, depth, &|| ()).expect("set");
        set.write(&path).expect("written");
        let steps = std::sync::Mutex::new(Vec::new());
        let again =
            Collection::read(&path, &|step| steps.lock().expect("steps").push(step)).expect("read");
        assert_eq!((again.root(), again.depth()), (set.root(), set.depth()));
        assert_eq!((again.shape(), again.labels()), (SHAPE, set.labels()));
        assert!((0..set.len()).all(|i| again.open(i).ok() == set.open(i).ok()));
        let items = set.len() as u64;
        let steps = steps.into_inner().expect("steps");
        assert_eq!((steps[0], steps.len()), (ReadProgress::Items(items), 1 + set.len()));
        let bytes = std::fs::read(&path).expect("bytes");
        again.write(&path).expect("written");
        assert_eq!(std::fs::read(&path).expect("bytes"), bytes);
    }
}

#[test]
fn broken_set_files_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("set");
    collection(3, None).write(&path).expect("written");
    let bytes = std::fs::read(&path).expect("bytes");
    let read = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        refused(Collection::read(&path, &|_| ())).to_string()
    };
    let mut damaged = bytes.clone();
    damaged[100] ^= 1;
    assert!(read(&damaged).contains("damaged"));
    assert!(read(&bytes[..bytes.len() - 1]).contains("damaged"));
    assert!(read(b"nothing").contains("not a collection"));
    // Wrong in a way that its integrity hash does not show.
    let resealed = |change: &dyn Fn(&mut [u8])| {
        let mut bytes = bytes.clone();
        let end = bytes.len() - 32;
        change(&mut bytes[..end]);
        let hash = *blake3::hash(&bytes[..end]).as_bytes();
        bytes[end..].copy_from_slice(&hash);
        bytes
    };
    assert!(read(&resealed(&|b| b[55] ^= 1)).contains("damaged"));
    assert!(read(&resealed(&|b| b[47] ^= 1)).contains("root"), "another root");
    assert!(read(&resealed(&|b| b[56] = 0)).contains("depth"));
    assert!(read(&resealed(&|b| b[60] = 2)).contains("header"), "unknown flag");
    assert!(read(&resealed(&|b| b[76] = 4)).contains("header"), "more items");
    assert!(read(&resealed(&|b| b[83] = 0xff)).contains("header"), "too many items");
    let last = bytes.len() - 33;
    assert!(read(&resealed(&|b| b[last] ^= 1)).contains("root"), "another input");
}

#[test]
fn opening_files_survive_and_broken_ones_are_refused() {
    let folder = tempfile::tempdir().expect("folder");
    let set = collection(3, None);
    let file = OpeningFile::of(&set, 2).expect("an opening");
    let path = file.write(&folder.path().join("new")).expect("written");
    assert_eq!(path.file_name().and_then(|name| name.to_str()), Some("2.json"));
    let again = OpeningFile::read(&path).expect("read");
    assert!(again == file && again.verify() == Ok(()));
    assert_eq!(again.to_json(), std::fs::read_to_string(&path).expect("text"));
    // The same again is fine; anything else in its place stays.
    assert_eq!(file.write(&folder.path().join("new")).ok(), Some(path.clone()));
    std::fs::write(&path, "precious").expect("written");
    let refused_file = file.write(&folder.path().join("new")).expect_err("another").to_string();
    assert!(refused_file.contains("not replaced"), "{refused_file}");
    assert_eq!(std::fs::read(&path).expect("read"), b"precious");
    let text = file.to_json();
    let other = OpeningFile::of(&set, 0).expect("an opening");
    let lines = OpeningFile::from_lines(&path, &[text.clone(), other.to_json()].concat());
    assert!(lines.expect("two lines") == [file, other]);
    assert!(OpeningFile::from_lines(&path, "\n").is_err());
    let broken = |from: &str, to: &str| {
        assert!(text.contains(from), "{from} in {text}");
        OpeningFile::from_json(&path, &text.replacen(from, to, 1))
    };
    for (from, to, reason) in [
        ("\"version\":1", "\"version\":2", "version"),
        ("\"label\":2", "\"label\":-1", "-1"),
        ("\"label\":2", "\"label\":2,\"more\":0", "more"),
        ("\"salt\":\"0x", "\"salt\":\"0x00", "salt"),
        ("\"salt\":\"0x00", "\"salt\":\"0xff", "salt"),
        ("\"input\":\"0x", "\"input\":\"0xz", "input"),
        ("\"input\":\"0x", "\"input\":\"0x00", "7 bytes"),
        ("[1,2,3]", "[1,2]", "length"),
        ("\"path\":[\"0x", "\"path\":[\"", "path"),
    ] {
        let message = refused(broken(from, to)).to_string();
        assert!(message.contains(reason) && message.contains("2.json"), "{message}: {reason}");
    }
    let changed = broken("\"label\":2", "\"label\":3").expect("well-formed");
    assert_eq!(changed.verify(), Err(OpeningError::Root));
    assert!(matches!(
        OpeningFile::read(&folder.path().join("none.json")),
        Err(CollectionError::OpeningFile { .. })
    ));
}
