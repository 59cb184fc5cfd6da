use std::{collections::BTreeSet, fs, path::PathBuf, thread};

use assay_circuit::{PlanRequest, Run, StatementKind};
use assay_testing::networks::mixed_network;
use tempfile::TempDir;

use super::*;
use crate::bundle::{Bundle, BundleError};

/// A folder with a bundle, and this machine's marks.
struct Place {
    folder: TempDir,
    marks: Marks,
    bundle: Bundle,
}

impl Place {
    fn new(openings: usize) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let marks = Marks::at(folder.path().join("marks"));
        let request = PlanRequest { openings: Some(openings), ..PlanRequest::default() };
        let bundle = Bundle::new(mixed_network().0, request).expect("bundle");
        bundle.create(&folder.path().join("bundle"), &marks).expect("created");
        Self { folder, marks, bundle }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn source(&self) -> PathBuf {
        self.at("bundle")
    }

    fn openings(&self) -> Openings {
        self.bundle.openings(&self.source(), &self.marks)
    }

    fn left(&self) -> usize {
        self.openings().usage().expect("a count").left
    }

    /// A bundle with some of the openings.
    fn derive(&self, name: &str, budget: usize) -> (PathBuf, Bundle) {
        let path = self.at(name);
        let derived = self.bundle.derive(&self.source(), &path, audit(), budget, &self.marks);
        (path, derived.expect("derived").0)
    }
}

fn audit() -> PlanRequest {
    let statement = StatementKind::Audit { run: Run { log_items: 1, depth: 2 }, top: 1 };
    PlanRequest { statement, ..PlanRequest::default() }
}

#[test]
fn openings_are_counted_and_end() {
    let place = Place::new(2);
    let openings = place.openings();
    assert_eq!(openings.usage().expect("count").used, 0);
    assert_eq!(openings.count_proof().expect("first"), 1);
    assert_eq!(openings.count_proof().expect("second"), 2);
    assert!(matches!(openings.count_proof(), Err(OpeningsError::BudgetSpent { budget: 2 })));
    let usage = openings.usage().expect("count");
    assert_eq!((usage.used, usage.left, usage.proofs), (2, 0, 2));
}

#[test]
fn without_its_counter_a_bundle_proves_nothing() {
    let place = Place::new(4);
    let (openings, counter) = (place.openings(), counter_path(&place.source()));
    openings.count_proof().expect("counted");
    let refused = |what: &str| {
        let error = openings.count_proof().expect_err(what);
        let seen = openings.usage().expect_err(what);
        assert_eq!(error.to_string(), seen.to_string());
        assert!(error.to_string().contains("import the model again"), "{error}");
        assert!(!error.is_spent());
        error
    };
    let content = fs::read(&counter).expect("read");
    fs::remove_file(&counter).expect("removed");
    assert!(matches!(refused("missing"), OpeningsError::Missing { .. }));
    for garbage in [&b"00000001\n"[..], b"", &content[..content.len() - 1]] {
        fs::write(&counter, garbage).expect("written");
        assert!(matches!(refused("garbage"), OpeningsError::Content { .. }));
    }
    let mut flipped = content.clone();
    flipped[60] ^= 1;
    fs::write(&counter, flipped).expect("written");
    assert!(matches!(refused("damaged"), OpeningsError::Content { .. }));
    let other = Place::new(4);
    fs::copy(counter_path(&other.source()), &counter).expect("copied");
    assert!(matches!(refused("another bundle's"), OpeningsError::OtherBundle { .. }));
    // The right one is taken again.
    fs::write(&counter, content).expect("written");
    assert_eq!(openings.count_proof().expect("counted"), 2);
}

#[test]
fn an_older_counter_is_refused() {
    let place = Place::new(4);
    let (openings, counter) = (place.openings(), counter_path(&place.source()));
    let before = fs::read(&counter).expect("read");
    openings.count_proof().expect("counted");
    let after = fs::read(&counter).expect("read");
    fs::write(&counter, &before).expect("restored");
    let refused = openings.count_proof().expect_err("older");
    assert!(matches!(refused, OpeningsError::Older { found: 0, recorded: 1, .. }), "{refused}");
    assert!(openings.usage().is_err());
    fs::write(&counter, &after).expect("brought");
    assert_eq!(openings.count_proof().expect("counted"), 2);
    // A count that goes on from another history: a copy was used elsewhere, for a share.
    let elsewhere = Marks::at(place.at("elsewhere"));
    fs::write(&counter, &before).expect("restored");
    let away = place.bundle.openings(&place.source(), &elsewhere);
    for _ in 0..3 {
        away.share(BundleId::random(), 1).expect("shared");
    }
    let refused = openings.count_proof().expect_err("diverged");
    assert!(matches!(refused, OpeningsError::Diverged { .. }), "{refused}");
    // Another machine has no mark, and takes what it is brought.
    assert_eq!(away.count_proof().expect("counted"), 4);
}

#[test]
fn a_counter_that_is_ahead_is_brought_from_elsewhere() {
    let place = Place::new(4);
    let elsewhere = Marks::at(place.at("elsewhere"));
    let away = place.bundle.openings(&place.source(), &elsewhere);
    assert_eq!(away.count_proof().expect("counted"), 1);
    assert_eq!(place.openings().count_proof().expect("counted"), 2);
    // What that machine has recorded is behind now, which is no fault.
    assert_eq!(away.usage().expect("count").used, 2);
}

#[test]
fn a_copy_without_counter_is_refused() {
    let place = Place::new(4);
    let copy = place.at("copy");
    fs::copy(place.source(), &copy).expect("copied");
    let copied = Bundle::read(&copy).expect("read").openings(&copy, &place.marks);
    assert!(matches!(copied.count_proof(), Err(OpeningsError::Missing { .. })));
    // With it, the copy and the original cannot both be used on this machine.
    fs::copy(counter_path(&place.source()), counter_path(&copy)).expect("copied");
    assert_eq!(copied.count_proof().expect("counted"), 1);
    assert!(matches!(place.openings().count_proof(), Err(OpeningsError::Older { .. })));
}

#[test]
fn without_a_folder_for_marks_nothing_is_counted() {
    let place = Place::new(4);
    let file = place.at("file");
    fs::write(&file, "").expect("written");
    let openings = place.bundle.openings(&place.source(), &Marks::at(file.join("marks")));
    assert!(matches!(openings.count_proof(), Err(OpeningsError::Io { .. })));
    assert_eq!(place.left(), 4);
    let fresh = place.at("fresh");
    assert!(place.bundle.create(&fresh, &Marks::at(file.join("marks"))).is_err());
    assert!(!fresh.exists() && !counter_path(&fresh).exists());
    // Nor where its file cannot be written, and nothing is left of it here.
    let marks = Marks::at(place.at("no-marks"));
    let nowhere = place.at("no-folder").join("fresh.bundle");
    assert!(place.bundle.create(&nowhere, &marks).is_err());
    fs::create_dir_all(counter_path(&fresh).join("in the way")).expect("a folder");
    assert!(place.bundle.openings(&fresh, &marks).create(true).is_err());
    let left = fs::read_dir(place.at("no-marks")).into_iter().flatten().count();
    assert_eq!((left, nowhere.exists(), fresh.exists()), (0, false, false));
}

#[test]
fn no_opening_is_lost_or_used_twice_by_many_at_once() {
    const THREADS: usize = 8;
    const EACH: usize = 12;
    let place = Place::new(THREADS * EACH);
    let numbers: Vec<usize> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|_| {
                let openings = place.openings();
                scope.spawn(move || -> Vec<usize> {
                    (0..EACH).map(|_| openings.count_proof().expect("counted")).collect()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("ended")).collect()
    });
    let apart: BTreeSet<usize> = numbers.iter().copied().collect();
    assert_eq!(apart, (1..=THREADS * EACH).collect());
    assert_eq!(place.left(), 0);
}

#[test]
fn readers_beside_a_writer_never_see_an_old_count() {
    let place = Place::new(64);
    let (writer, reader) = (place.openings(), place.openings());
    thread::scope(|scope| {
        let writing = scope.spawn(move || {
            for _ in 0..64 {
                writer.count_proof().expect("counted");
            }
        });
        let mut seen = 0;
        while !writing.is_finished() {
            let used = reader.usage().expect("a count").used;
            assert!(used >= seen, "{used} after {seen}");
            seen = used;
        }
    });
}

#[test]
fn shares_are_recorded_and_go_back_once() {
    let place = Place::new(16);
    let (path, derived) = place.derive("audit", 6);
    let share = Share { bundle: derived.id, given: 6, returned: None };
    let usage = place.openings().usage().expect("count");
    assert_eq!((usage.left, usage.shares), (10, vec![share]));
    let openings = derived.openings(&path, &place.marks);
    openings.count_proof().expect("counted");
    openings.count_proof().expect("counted");
    let copy = (fs::read(&path).expect("read"), fs::read(openings.path()).expect("read"));

    let back = give_back(&path, &place.source(), &place.marks).expect("given back");
    let expected =
        GivenBack { bundle: derived.id, given: 6, used: 2, returned: 4, source_left: 14 };
    assert_eq!(back, expected);
    assert!(!path.exists() && !openings.path().exists());
    assert_eq!(place.left(), 14);
    // Who kept a copy can neither prove with it nor give it back again.
    fs::write(&path, copy.0).expect("restored");
    fs::write(openings.path(), copy.1).expect("restored");
    assert!(matches!(openings.count_proof(), Err(OpeningsError::Ended)));
    assert!(give_back(&path, &place.source(), &place.marks).is_err());
    let again = give_back_deleted(derived.id, &place.source(), &place.marks);
    assert!(matches!(again, Err(GiveBackError::Again { .. })));
    assert_eq!(place.left(), 14);
}

#[test]
fn only_a_share_goes_back_to_its_source() {
    let (place, other) = (Place::new(16), Place::new(16));
    let (path, derived) = place.derive("audit", 6);
    let refused = give_back(&path, &other.source(), &place.marks);
    assert!(matches!(refused, Err(GiveBackError::NoShare { .. })), "{refused:?}");
    let refused = give_back_deleted(derived.id, &other.source(), &other.marks);
    assert!(matches!(refused, Err(GiveBackError::NoShare { .. })), "{refused:?}");
    // Nor does a source go to its share, or to itself.
    for to in [&path, &place.source()] {
        let refused = give_back(&place.source(), to, &place.marks);
        assert!(matches!(refused, Err(GiveBackError::NoShare { .. })), "{refused:?}");
    }
    assert_eq!(derived.openings(&path, &place.marks).count_proof().expect("untouched"), 1);
}

#[test]
fn an_interrupted_return_goes_on() {
    let place = Place::new(16);
    // After the derived bundle ended: it proves nothing, and its source has not got anything.
    let (path, derived) = place.derive("audit", 6);
    let openings = derived.openings(&path, &place.marks);
    openings.count_proof().expect("counted");
    assert_eq!(openings.end().expect("ended"), 1);
    assert!(matches!(openings.count_proof(), Err(OpeningsError::Ended)));
    assert_eq!((openings.usage().expect("count").left, place.left()), (0, 10));
    // After its source took what was left: the files are there still.
    assert_eq!(place.openings().take_back(derived.id, 1).expect("taken"), 5);
    assert_eq!(place.left(), 15);
    let back = give_back(&path, &place.source(), &place.marks).expect("given back");
    assert_eq!((back.returned, back.source_left), (5, 15));
    assert!(!path.exists());
}

#[test]
fn an_interrupted_derivation_never_makes_openings() {
    let place = Place::new(16);
    // Written, and the source has not given its openings yet.
    let (path, derived) = place.derive("whole", 1);
    fs::remove_file(counter_path(&path)).expect("removed");
    fs::remove_file(&path).expect("removed");
    let pending = Bundle { id: BundleId::random(), ..derived };
    let openings = pending.create(&path, &place.marks).expect("created");
    openings
        .update(|count| {
            count.state = State::Pending;
            Ok(())
        })
        .expect("pending");
    assert!(matches!(openings.count_proof(), Err(OpeningsError::Pending)));
    let back = give_back(&path, &place.source(), &place.marks).expect("given back");
    assert_eq!((back.given, back.returned, back.source_left), (0, 0, 15));
    // The same after the source gave them.
    let pending = Bundle { id: BundleId::random(), ..pending };
    let openings = pending.create(&path, &place.marks).expect("created");
    openings
        .update(|count| {
            count.state = State::Pending;
            Ok(())
        })
        .expect("pending");
    place.openings().share(pending.id, 5).expect("shared");
    assert!(matches!(openings.count_proof(), Err(OpeningsError::Pending)));
    let back = give_back(&path, &place.source(), &place.marks).expect("given back");
    assert_eq!((back.given, back.returned, back.source_left), (5, 5, 15));
}

#[test]
fn a_deleted_bundle_goes_back_by_what_this_machine_recorded() {
    let place = Place::new(16);
    let (path, derived) = place.derive("audit", 6);
    derived.openings(&path, &place.marks).count_proof().expect("counted");
    let kept = (fs::read(&path).expect("read"), fs::read(counter_path(&path)).expect("read"));
    fs::remove_file(&path).expect("removed");
    fs::remove_file(counter_path(&path)).expect("removed");
    let elsewhere = Marks::at(place.at("elsewhere"));
    let refused = give_back_deleted(derived.id, &place.source(), &elsewhere);
    assert!(matches!(refused, Err(GiveBackError::NoRecord { .. })), "{refused:?}");
    let back = give_back_deleted(derived.id, &place.source(), &place.marks).expect("given back");
    assert_eq!((back.used, back.returned, back.source_left), (1, 5, 15));
    // A copy that turns up on this machine is worth nothing.
    fs::write(&path, kept.0).expect("restored");
    fs::write(counter_path(&path), kept.1).expect("restored");
    let openings = Bundle::read(&path).expect("read").openings(&path, &place.marks);
    assert!(matches!(openings.count_proof(), Err(OpeningsError::Ended)));
}

#[test]
fn a_bundle_whose_counter_is_missing_gives_nothing() {
    let place = Place::new(16);
    fs::remove_file(counter_path(&place.source())).expect("removed");
    let output = place.at("audit");
    let refused = place.bundle.derive(&place.source(), &output, audit(), 4, &place.marks);
    let refused = refused.err().expect("refused");
    assert!(matches!(refused, BundleError::Openings(OpeningsError::Missing { .. })), "{refused}");
    assert!(!output.exists() && !counter_path(&output).exists());
}

#[test]
fn ids_are_read_as_they_are_written() {
    let id = BundleId::random();
    assert_eq!(id.to_string().parse(), Ok(id));
    let text = "0".repeat(33);
    for bad in ["", "0x", &id.to_string()[1..], text.as_str()] {
        assert!(bad.parse::<BundleId>().is_err(), "{bad}");
    }
}
