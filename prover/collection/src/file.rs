//! The secret file of a collection, and the file that opens one item.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use halo2_proofs::halo2curves::bn256::Fr;
use serde::{Deserialize, Serialize};

use super::{Collection, CollectionError, Item, Opening, OpeningError, SaltSeed};
use assay_arithmetic::field::{field_from_bytes, field_to_bytes};
use assay_files::atomic_file::{self, Readers};
use assay_files::{FileError, Kind, Reader, Writer, check_belongs};
use assay_graph::Shape;

const COLLECTION: Kind =
    Kind { magic: *b"ASSAYSET", version: 1, name: "collection", readers: Readers::Owner };
/// Depth, flags, shape, items, seed.
const HEADER_BYTES: usize = 4 + 4 + 3 * 4 + 8 + 32;
const LABELLED: u32 = 1;
const OPENING_VERSION: u32 = 1;

impl Collection {
    /// Writes the set file. Secret: it holds all inputs, labels and the seed of the salts.
    ///
    /// # Errors
    /// [`CollectionError::File`].
    pub fn write(&self, path: &Path) -> Result<(), CollectionError> {
        let mut header = Vec::with_capacity(HEADER_BYTES);
        let flags = if self.labels.is_empty() { 0 } else { LABELLED };
        header.extend(self.depth().to_le_bytes());
        header.extend(flags.to_le_bytes());
        for size in self.shape {
            let size = u32::try_from(size)
                .map_err(|_| FileError::content(path, "an input's side exceeds 2^32"))?;
            header.extend(size.to_le_bytes());
        }
        header.extend((self.len() as u64).to_le_bytes());
        header.extend(self.seed.0);
        let labels: Vec<u8> = self.labels.iter().flat_map(|label| label.to_le_bytes()).collect();
        let length = header.len() + labels.len() + self.inputs.len();
        let root = field_to_bytes(&self.root());
        let mut writer = Writer::create(path, COLLECTION, &root, length as u64)?;
        for part in [&header, &labels, &self.inputs] {
            writer.put(part)?;
        }
        Ok(writer.finish()?)
    }

    /// Reads a set file and builds its tree again. `progress` is called with the number of items
    /// before the first, then for every leaf made, from several threads.
    ///
    /// # Errors
    /// [`CollectionError::File`] for a file that is damaged, of another kind, or whose items have
    /// another root than it says.
    pub fn read(
        path: &Path,
        progress: &(dyn Fn(ReadProgress) + Sync),
    ) -> Result<Self, CollectionError> {
        let mut reader = Reader::open(path, COLLECTION)?;
        let root = *reader.belongs_to();
        let depth = reader.take_u32()?;
        let flags = reader.take_u32()?;
        let mut shape: Shape = [0; 3];
        for size in &mut shape {
            *size = reader.take_u32()? as usize;
        }
        let mut items = [0; 8];
        reader.take(&mut items)?;
        let items = u64::from_le_bytes(items);
        let mut seed = [0; 32];
        reader.take(&mut seed)?;
        // The envelope has checked that the file is as long as it says, so these sizes are real.
        let label_bytes = if flags == LABELLED { items.checked_mul(4) } else { Some(0) };
        let input_bytes =
            shape.iter().try_fold(items, |bytes, size| bytes.checked_mul(*size as u64));
        let announced = label_bytes.zip(input_bytes).and_then(|(a, b)| a.checked_add(b));
        if flags & !LABELLED != 0 || items == 0 || announced != Some(reader.left()) {
            return Err(FileError::content(path, "its header does not fit its content").into());
        }
        let mut labels = vec![0; label_bytes.unwrap_or(0) as usize];
        reader.take(&mut labels)?;
        let labels =
            labels.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
        let inputs = reader.take_rest()?;
        reader.finish()?;
        progress(ReadProgress::Items(items));
        let leaf = || progress(ReadProgress::Leaf);
        let collection = Self::build(shape, inputs, labels, SaltSeed(seed), depth, &leaf)?;
        check_belongs(path, "root", &root, &field_to_bytes(&collection.root()))?;
        Ok(collection)
    }
}

/// How far [`Collection::read`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadProgress {
    /// The file is read and holds so many items.
    Items(u64),
    /// One more leaf is hashed.
    Leaf,
}

/// An opening as it is handed on, with the root and shape that it claims.
#[derive(Clone, PartialEq, Eq)]
pub struct OpeningFile {
    /// Root that the file claims; compare it with one that is known from elsewhere.
    pub root: Fr,
    /// Channels, height and width of the item's input.
    pub shape: Shape,
    /// The item, its position, and the nodes that lead from its leaf to `root`.
    pub opening: Opening,
}

/// Fields in the order in which they are written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    root: String,
    index: u64,
    label: u32,
    salt: String,
    shape: Shape,
    input: String,
    path: Vec<String>,
}

impl OpeningFile {
    /// Opens item `index` of a collection.
    ///
    /// # Errors
    /// [`CollectionError::Index`].
    pub fn of(collection: &Collection, index: usize) -> Result<Self, CollectionError> {
        Ok(Self {
            root: collection.root(),
            shape: collection.shape(),
            opening: collection.open(index)?,
        })
    }

    /// The file's content: one line of JSON.
    pub fn to_json(&self) -> String {
        let Opening { index, item, siblings } = &self.opening;
        let document = Document {
            version: OPENING_VERSION,
            root: word(&self.root),
            index: *index as u64,
            label: item.label,
            salt: word(&item.salt),
            shape: self.shape,
            input: format!("0x{}", hex::encode(&item.input)),
            path: siblings.iter().map(word).collect(),
        };
        let mut text = serde_json::to_string(&document).unwrap_or_default();
        text.push('\n');
        text
    }

    /// Reads what [`OpeningFile::to_json`] made; `path` is for messages.
    ///
    /// # Errors
    /// [`CollectionError::OpeningContent`].
    pub fn from_json(path: &Path, text: &str) -> Result<Self, CollectionError> {
        let document: Document =
            serde_json::from_str(text).map_err(|error| content(path, error))?;
        if document.version != OPENING_VERSION {
            let version = document.version;
            return Err(content(path, format!("its version is {version}, not {OPENING_VERSION}")));
        }
        let field = |name: &str, text: &str| {
            parse_word(text).ok_or_else(|| {
                content(path, format!("{name}: {text:?} is no field element of 64 digits"))
            })
        };
        let digits = document.input.strip_prefix("0x").unwrap_or(&document.input);
        let input =
            hex::decode(digits).map_err(|error| content(path, format!("input: {error}")))?;
        let size = document.shape.iter().try_fold(1usize, |size, side| size.checked_mul(*side));
        if size != Some(input.len()) {
            let (shape, found) = (document.shape, input.len());
            return Err(content(path, format!("input: {found} bytes, but shape {shape:?}")));
        }
        let siblings = document
            .path
            .iter()
            .map(|node| field("path", node))
            .collect::<Result<Vec<Fr>, CollectionError>>()?;
        let index = usize::try_from(document.index).map_err(|error| content(path, error))?;
        let item = Item { input, label: document.label, salt: field("salt", &document.salt)? };
        Ok(Self {
            root: field("root", &document.root)?,
            shape: document.shape,
            opening: Opening { index, item, siblings },
        })
    }

    /// Reads lines that [`OpeningFile::to_json`] made, one opening each; `path` is for messages.
    ///
    /// # Errors
    /// [`CollectionError::OpeningContent`], also where there is no line.
    pub fn from_lines(path: &Path, text: &str) -> Result<Vec<Self>, CollectionError> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let openings: Vec<Self> =
            lines.map(|line| Self::from_json(path, line)).collect::<Result<_, _>>()?;
        if openings.is_empty() { Err(content(path, "it holds no opening")) } else { Ok(openings) }
    }

    /// Writes `<index>.json` in a folder, which is made if it is missing; returns its path. Its owner
    /// alone can read it: whom to show the item is the owner's choice. The same opening may be there
    /// already; another one is not replaced.
    ///
    /// # Errors
    /// [`CollectionError::OpeningFile`].
    pub fn write(&self, folder: &Path) -> Result<PathBuf, CollectionError> {
        let path = folder.join(format!("{}.json", self.opening.index));
        let failed = |source: io::Error| CollectionError::OpeningFile {
            path: path.clone(),
            action: "write",
            source,
        };
        fs::create_dir_all(folder).map_err(failed)?;
        let text = self.to_json();
        match atomic_file::write_new(&path, Readers::Owner, text.as_bytes()) {
            Ok(()) => Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let is_same = fs::read(&path).is_ok_and(|there| there == text.as_bytes());
                let other = "an opening of another item or set is there, and is not replaced";
                let refused = || failed(io::Error::new(io::ErrorKind::AlreadyExists, other));
                if is_same { Ok(path) } else { Err(refused()) }
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Reads an opening's file, without checking the item against the root.
    ///
    /// # Errors
    /// [`CollectionError::OpeningFile`] and [`CollectionError::OpeningContent`].
    pub fn read(path: &Path) -> Result<Self, CollectionError> {
        let text = fs::read_to_string(path).map_err(|source| CollectionError::OpeningFile {
            path: path.to_owned(),
            action: "read",
            source,
        })?;
        Self::from_json(path, &text)
    }

    /// Checks the item against the root that the file claims. Compare that root, and the length of
    /// the path, with those that are known from elsewhere.
    ///
    /// # Errors
    /// [`OpeningError`].
    pub fn verify(&self) -> Result<(), OpeningError> {
        let depth = u32::try_from(self.opening.siblings.len()).unwrap_or(u32::MAX);
        self.opening.verify(&self.root, depth)
    }
}

fn word(value: &Fr) -> String {
    format!("0x{}", hex::encode(field_to_bytes(value)))
}

fn parse_word(text: &str) -> Option<Fr> {
    let bytes = hex::decode(text.strip_prefix("0x")?).ok()?;
    field_from_bytes(&bytes.try_into().ok()?)
}

fn content(path: &Path, problem: impl std::fmt::Display) -> CollectionError {
    CollectionError::OpeningContent { path: path.to_owned(), problem: problem.to_string() }
}
