//! Test sets that buyers of audits deliver: found in a folder by their hash or fetched, unsealed, and compared with what
//! was committed to. What they are made of lies in the same folder, so that a restart finds it.

use std::{
    collections::HashMap,
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use alloy::{
    hex,
    primitives::{B256, Bytes, U256, keccak256},
};
use assay_client::{
    contract::text_or_hex,
    fetch::{fetch, is_url},
};
use assay_prover::{
    arithmetic::field::field_to_bytes,
    collection::{
        Collection, CollectionError,
        sealed::{SealError, SealingKey, unseal},
    },
    files::{
        FileError,
        atomic_file::{self, Readers},
    },
};
use serde::{Deserialize, Serialize};

use crate::{
    beside::{Answer, Beside},
    error::RelayerError,
    proving::InputStore,
    sales::DeliveryFolder,
};

/// How long a file may lie in its place unnoticed, and how often a server is asked for one.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Where a buyer says that the sealed set is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Delivery {
    /// keccak256 of the sealed file.
    pub(crate) data_hash: B256,
    /// In the buyer's words.
    pub(crate) place: Bytes,
}

/// The set that a job is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WantedSet {
    pub(crate) root: U256,
    pub(crate) items: u64,
}

/// Why there is no set, yet or at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NoSet {
    /// It is not here, or this machine cannot use it: why, and what to do.
    Missing(String),
    /// What the buyer delivered is not what it had committed to.
    Garbage(String),
}

/// A set that lies in its place.
#[derive(Clone)]
struct Ready;

impl Answer for Ready {
    type Failure = NoSet;

    /// The bytes that a buyer delivered are those on chain, and stay so.
    fn pause_after(failure: &NoSet) -> Option<Duration> {
        matches!(failure, NoSet::Missing(_)).then_some(LOOK_AGAIN)
    }

    fn broken_off(why: String) -> NoSet {
        NoSet::Missing(format!("the look at the delivery broke off: {why}"))
    }
}

/// A file with this time and size has this hash.
type Hashes = HashMap<PathBuf, (Option<SystemTime>, u64, B256)>;

/// The folder of one seller.
pub(crate) struct Deliveries {
    inner: Arc<Folder>,
    known: Beside<(B256, U256), Ready>,
}

struct Folder {
    path: PathBuf,
    key: SealingKey,
    /// Largest file in bytes that is fetched; `None` fetches none.
    largest: Option<u64>,
    hashes: Mutex<Hashes>,
}

impl Deliveries {
    /// # Errors
    /// [`RelayerError::Config`] where the folder or the key cannot be used.
    pub(crate) fn open(places: &DeliveryFolder) -> Result<Self, RelayerError> {
        let config = RelayerError::Config;
        let key = SealingKey::read(&places.key).map_err(|error| config(error.to_string()))?;
        fs::create_dir_all(&places.folder).map_err(|error| {
            config(format!("the folder {} cannot be made: {error}", places.folder.display()))
        })?;
        let folder = Folder {
            path: places.folder.clone(),
            key,
            largest: places.fetch,
            hashes: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(folder), known: Beside::default() })
    }

    /// The public key to which sets are to be sealed.
    pub(crate) fn recipient(&self) -> String {
        self.inner.key.recipient().to_string()
    }

    /// Whether the set lies unsealed in its place, or why not; `None` while that is being found out.
    pub(crate) async fn look(
        &mut self,
        delivery: &Delivery,
        wanted: WantedSet,
    ) -> Option<Result<(), NoSet>> {
        let (folder, delivery) = (Arc::clone(&self.inner), delivery.clone());
        let key = (delivery.data_hash, wanted.root);
        let obtain = async move || folder.obtain(&delivery, wanted).await.map(|()| Ready);
        Some(self.known.look(key, obtain).await?.map(drop))
    }

    /// Whether another look would find something new. It is said once of each.
    pub(crate) fn has_news(&mut self) -> bool {
        self.known.has_news()
    }
}

impl Folder {
    /// Has the set in its place, where the prover finds it.
    async fn obtain(self: Arc<Self>, delivery: &Delivery, wanted: WantedSet) -> Result<(), NoSet> {
        let place =
            InputStore::new(&self.path).collection_path(B256::from(wanted.root.to_be_bytes()));
        if place.exists() {
            // From before a restart. Whoever proves it compares the root again.
            return Ok(());
        }
        let (folder, hash) = (Arc::clone(&self), delivery.data_hash);
        let found = aside(move || Ok(folder.find(hash))).await?;
        let sealed = match found {
            Some(sealed) => sealed,
            None => self.fetched(delivery).await?,
        };
        aside(move || self.opened(&sealed, hash, wanted, &place)).await
    }

    /// A file of the folder with this hash, whatever its name.
    fn find(&self, hash: B256) -> Option<PathBuf> {
        let named = self.sealed_path(hash);
        if named.exists() {
            return Some(named);
        }
        let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = fs::read_dir(&self.path).ok()?;
        for path in entries.flatten().map(|entry| entry.path()) {
            let Some(about) = fs::metadata(&path).ok().filter(fs::Metadata::is_file) else {
                continue;
            };
            if path.extension().is_some_and(|ending| ending == "set") {
                continue;
            }
            let (time, size) = (about.modified().ok(), about.len());
            let known = hashes.get(&path).filter(|known| (known.0, known.1) == (time, size));
            let found = match known {
                Some(known) => known.2,
                None => {
                    let Ok(data) = fs::read(&path) else { continue };
                    let found = keccak256(&data);
                    hashes.insert(path.clone(), (time, size, found));
                    found
                }
            };
            if found == hash {
                return Some(path);
            }
        }
        None
    }

    fn sealed_path(&self, hash: B256) -> PathBuf {
        self.path.join(format!("{}.age", hex::encode(hash)))
    }

    /// What lies where the buyer says, kept in the folder.
    async fn fetched(&self, delivery: &Delivery) -> Result<PathBuf, NoSet> {
        let (hash, place) = (delivery.data_hash, text_or_hex(&delivery.place));
        let missing = |more: String| {
            NoSet::Missing(format!(
                "no file in {} has hash {hash}, and its buyer says that the sealed set lies at {place:?}; {more}",
                self.path.display()
            ))
        };
        let largest = match self.largest {
            Some(largest) if is_url(&place) => largest,
            Some(_) => return Err(missing("put it there".into())),
            None => return Err(missing("put it there, or have it fetched (--fetch-sets)".into())),
        };
        let data = fetch(&place, largest)
            .await
            .map_err(|error| missing(format!("{error}; put it there")))?;
        let found = keccak256(&data);
        if found != hash {
            return Err(missing(format!(
                "what lies there has hash {found}; put the right one there"
            )));
        }
        let path = self.sealed_path(hash);
        match atomic_file::write_new(&path, Readers::Owner, &data) {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(path),
            Err(error) => Err(missing(format!("it cannot be kept: {error}; make space"))),
        }
    }

    /// Unseals a file, and puts what is inside in its place if it is the committed set.
    fn opened(
        &self,
        sealed: &Path,
        hash: B256,
        wanted: WantedSet,
        place: &Path,
    ) -> Result<(), NoSet> {
        let unsealed = self.path.join(format!("{}.unsealed", hex::encode(hash)));
        let machine = |error: &dyn std::error::Error| NoSet::Missing(error.to_string());
        // What is judged has to be what the buyer answers for.
        let data = fs::read(sealed).map_err(|error| machine(&error))?;
        let found = keccak256(&data);
        if found != hash {
            let path = sealed.display();
            return Err(NoSet::Missing(format!(
                "{path} has hash {found}, not {hash}; put the right one there"
            )));
        }
        // Left by a process that was killed.
        match fs::remove_file(&unsealed) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(machine(&error)),
            _ => {}
        }
        unseal(sealed, &self.key, &unsealed).map_err(|error| match error {
            SealError::OtherKey { .. } | SealError::Damaged { .. } => {
                NoSet::Garbage(format!("what was delivered cannot be unsealed: {error}"))
            }
            other => machine(&other),
        })?;
        let checked = check(&unsealed, wanted)
            .and_then(|()| fs::rename(&unsealed, place).map_err(|error| machine(&error)));
        if checked.is_err() {
            let _ = fs::remove_file(&unsealed);
        }
        checked
    }
}

/// That a file is the set that was committed to.
fn check(path: &Path, wanted: WantedSet) -> Result<(), NoSet> {
    let set = Collection::read(path, &|_| {}).map_err(|error| match error {
        CollectionError::File(FileError::Read { .. }) => NoSet::Missing(error.to_string()),
        other => NoSet::Garbage(format!("what was delivered is no set: {other}")),
    })?;
    let root = U256::from_be_bytes(field_to_bytes(&set.root()));
    let has = if set.labels().is_empty() { "no labels" } else { "labels" };
    if root == wanted.root && set.len() as u64 == wanted.items && !set.labels().is_empty() {
        return Ok(());
    }
    Err(NoSet::Garbage(format!(
        "what was delivered is another set: it has root {}, {} items and {has}, the committed one has root {}, {} items \
         and labels",
        B256::from(root),
        set.len(),
        B256::from(wanted.root),
        wanted.items
    )))
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, NoSet> + Send + 'static,
) -> Result<T, NoSet> {
    let broken = |error: tokio::task::JoinError| Err(NoSet::Missing(error.to_string()));
    tokio::task::spawn_blocking(work).await.unwrap_or_else(broken)
}

#[cfg(test)]
mod tests {
    use assay_prover::{
        collection::{SaltSeed, sealed::seal},
        graph::Dataset,
    };

    use super::*;

    struct Seller {
        dir: tempfile::TempDir,
        deliveries: Deliveries,
    }

    impl Seller {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let (folder, key) = (dir.path().join("sets"), dir.path().join("key"));
            SealingKey::random().write(&key).unwrap();
            let places = DeliveryFolder { folder, key, fetch: None };
            Self { deliveries: Deliveries::open(&places).unwrap(), dir }
        }

        /// A sealed set, and what is wanted of it.
        fn sealed(&self, labels: &[usize]) -> (Vec<u8>, WantedSet) {
            let inputs = vec![vec![1, 2], vec![3, 4], vec![5, 6]];
            let data = Dataset { inputs, labels: labels.to_vec() };
            let seed = SaltSeed([7; 32]);
            let set = Collection::commit(&data, [2, 1, 1], seed, None, &|| {}).unwrap();
            let (plain, sealed) = (self.dir.path().join("plain"), self.dir.path().join("sealed"));
            set.write(&plain).unwrap();
            let reader = self.deliveries.inner.key.recipient();
            seal(&plain, &[reader], &sealed).unwrap();
            let data = fs::read(&sealed).unwrap();
            for path in [plain, sealed] {
                fs::remove_file(path).unwrap();
            }
            let root = U256::from_be_bytes(field_to_bytes(&set.root()));
            (data, WantedSet { root, items: 3 })
        }

        fn put(&self, name: &str, data: &[u8]) {
            fs::write(self.dir.path().join("sets").join(name), data).unwrap();
        }

        async fn obtain(&self, data: &[u8], wanted: WantedSet) -> Result<(), NoSet> {
            let delivery = Delivery { data_hash: keccak256(data), place: Bytes::new() };
            Arc::clone(&self.deliveries.inner).obtain(&delivery, wanted).await
        }
    }

    #[tokio::test]
    async fn a_set_is_found_by_its_hash_and_kept_under_its_root() {
        let seller = Seller::new();
        let (data, wanted) = seller.sealed(&[0, 1, 0]);
        let missing = seller.obtain(&data, wanted).await.unwrap_err();
        assert!(matches!(&missing, NoSet::Missing(why) if why.contains("put it there")));
        seller.put("of any name", &data);
        seller.put("something else", b"else");
        seller.obtain(&data, wanted).await.unwrap();
        let place = InputStore::new(seller.dir.path().join("sets"))
            .collection_path(B256::from(wanted.root.to_be_bytes()));
        assert!(place.exists());
        // A restart needs nothing else.
        fs::remove_file(seller.dir.path().join("sets/of any name")).unwrap();
        seller.obtain(&data, wanted).await.unwrap();
    }

    #[tokio::test]
    async fn only_what_the_buyer_answers_for_is_garbage() {
        let seller = Seller::new();
        let (data, wanted) = seller.sealed(&[0, 1, 0]);
        // A file that was cut off on its way is nobody's fault.
        let name = format!("{}.age", hex::encode(keccak256(&data)));
        seller.put(&name, &data[..data.len() - 1]);
        let cut = seller.obtain(&data, wanted).await.unwrap_err();
        assert!(
            matches!(&cut, NoSet::Missing(why) if why.contains("put the right one")),
            "{cut:?}"
        );
        fs::remove_file(seller.dir.path().join("sets").join(name)).unwrap();
        seller.put("noise", b"noise");
        let noise = seller.obtain(b"noise", wanted).await.unwrap_err();
        assert!(matches!(noise, NoSet::Garbage(_)), "{noise:?}");
        let other = WantedSet { items: 4, ..wanted };
        seller.put("set", &data);
        let items = seller.obtain(&data, other).await.unwrap_err();
        assert!(matches!(&items, NoSet::Garbage(why) if why.contains("another set")), "{items:?}");
        let (unlabelled, wanted) = seller.sealed(&[]);
        seller.put("unlabelled", &unlabelled);
        let labels = seller.obtain(&unlabelled, wanted).await.unwrap_err();
        assert!(matches!(&labels, NoSet::Garbage(why) if why.contains("no labels")), "{labels:?}");
        let left = fs::read_dir(seller.dir.path().join("sets")).unwrap().count();
        assert_eq!(left, 3, "nothing unsealed is left");
    }
}
