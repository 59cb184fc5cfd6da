//! Files of proving keys.
//!
//! Body, integers little-endian:
//!
//! | bytes | content |
//! |---|---|
//! | 8 | length of the verifying key |
//! | n | the verifying key, as in a file of its own |
//! | | the fixed columns, one after another |
//! | | the moved cells of each permuted column, one column after another |
//!
//! A fixed column is a byte that says its kind, then for kind 1 (few different values) their number (4
//! bytes), the values (32 bytes each) and by rows the index of the row's value, and for kind 2 all
//! values by rows. Indices take 1, 2, 4, 8 or 16 bits, the fewest that suffice, the first in the lowest bits of a
//! byte. Values are in the library's internal form. Moved cells are their number (4 bytes), then by
//! ascending rows the row (4), the column (2, counted among the permuted ones) and the row (4) of the
//! cell that each is moved to.
//!
//! The envelope's hash finds damage. That the columns are those of the verifying key's commitments is
//! not checked, as this would take as long as to make the key: whoever writes a file with other columns
//! and a hash to match makes a key whose proofs no verifier accepts, and can do no more.

use std::path::Path;

use assay_files::{FileError, Kind, Reader, Writer, check_belongs};
use assay_kernels::Column;
use halo2_proofs::{
    halo2curves::{bn256::Fr, serde::SerdeObject},
    plonk::Circuit,
};

use crate::{
    assembly::{Assembled, MOST_VALUES, Moved},
    key_error::KeyError,
    key_files::key_body,
    keys::VerifierKey,
    packed_indices as packed,
    proving_key::ProverKey,
};

const PROVING_KEY: Kind = Kind { version: 2, ..Kind::public(*b"ASSAYPK\0", "proving key") };

const FEW_VALUES: u8 = 1;
const ALL_VALUES: u8 = 2;
const SCALAR_BYTES: usize = 32;
const MOVED_BYTES: usize = 10;
/// Values, indices or cells converted at a time.
const BLOCK: usize = 1 << 14;

impl ProverKey {
    /// Writes the file.
    ///
    /// # Errors
    /// [`FileError::Write`].
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let key = key_body(self.info());
        let fixed: u64 = self.fixed().iter().map(column_bytes).sum();
        let moved: usize = self.moved().iter().map(|cells| 4 + cells.len() * MOVED_BYTES).sum();
        let body = 8 + key.len() as u64 + fixed + moved as u64;
        let mut writer = Writer::create(path, PROVING_KEY, &self.info().hash(), body)?;
        writer.put(&(key.len() as u64).to_le_bytes())?;
        writer.put(&key)?;
        for column in self.fixed() {
            put_column(&mut writer, column)?;
        }
        for cells in self.moved() {
            put_moved(&mut writer, cells)?;
        }
        writer.finish()
    }

    /// Reads the proving key of the circuit of type `C` with these parameters.
    ///
    /// # Errors
    /// As [`VerifierKey::read`], and [`KeyError::Version`] for a file of another version.
    pub fn read<C: Circuit<Fr>>(path: &Path, params: C::Params) -> Result<Self, KeyError> {
        let mut reader = Reader::open(path, PROVING_KEY)?;
        let mut word = [0u8; 8];
        reader.take(&mut word)?;
        let length = u64::from_le_bytes(word);
        let key = VerifierKey::take::<C>(&mut reader, params, length)?;
        check_belongs(path, "verifying key", reader.belongs_to(), &key.hash())?;
        match take_content(&mut reader, &key) {
            Ok(content) => {
                reader.finish()?;
                Ok(Self::new(key, content))
            }
            Err(error) => {
                // That the file is damaged is the better explanation.
                let left = reader.left();
                reader.skip(left)?;
                reader.finish()?;
                Err(error.into())
            }
        }
    }
}

fn column_bytes(column: &Column) -> u64 {
    let bytes = match column {
        Column::Palette { indices, palette } => {
            4 + palette.len() * SCALAR_BYTES
                + packed::bytes(indices.len(), packed::width(palette.len()))
        }
        Column::Small { .. } | Column::Full(_) => column.len() * SCALAR_BYTES,
    };
    1 + bytes as u64
}

fn put_column(writer: &mut Writer, column: &Column) -> Result<(), FileError> {
    match column {
        Column::Palette { indices, palette } => {
            writer.put(&[FEW_VALUES])?;
            writer.put(&(palette.len() as u32).to_le_bytes())?;
            put_values(writer, palette)?;
            let width = packed::width(palette.len());
            indices.chunks(BLOCK).try_for_each(|block| writer.put(&packed::pack(block, width)))
        }
        Column::Full(values) => {
            writer.put(&[ALL_VALUES])?;
            put_values(writer, values)
        }
        Column::Small { .. } => {
            writer.put(&[ALL_VALUES])?;
            put_values(writer, &column.to_full())
        }
    }
}

fn put_values(writer: &mut Writer, values: &[Fr]) -> Result<(), FileError> {
    values.chunks(BLOCK).try_for_each(|block| {
        let bytes: Vec<u8> = block.iter().flat_map(SerdeObject::to_raw_bytes).collect();
        writer.put(&bytes)
    })
}

fn put_moved(writer: &mut Writer, cells: &[Moved]) -> Result<(), FileError> {
    writer.put(&(cells.len() as u32).to_le_bytes())?;
    cells.chunks(BLOCK).try_for_each(|block| {
        let mut bytes = Vec::with_capacity(block.len() * MOVED_BYTES);
        for cell in block {
            bytes.extend_from_slice(&cell.row.to_le_bytes());
            bytes.extend_from_slice(&cell.to_column.to_le_bytes());
            bytes.extend_from_slice(&cell.to_row.to_le_bytes());
        }
        writer.put(&bytes)
    })
}

/// What follows the verifying key; no more memory is taken than a small multiple of the file's length.
fn take_content(reader: &mut Reader, key: &VerifierKey) -> Result<Assembled, FileError> {
    let (rows, profile) = (1usize << key.info().data().k, key.info().profile());
    if rows < key.vk().cs().minimum_rows() {
        return Err(FileError::content(reader.path(), "it has fewer rows than its circuit needs"));
    }
    let fixed = (0..profile.fixed_columns).map(|_| take_column(reader, rows));
    let fixed = fixed.collect::<Result<Vec<_>, _>>()?;
    let columns = profile.permutation.len();
    let moved = (0..columns).map(|_| take_moved(reader, columns, rows));
    let moved = moved.collect::<Result<Vec<_>, _>>()?;
    if !is_permutation(&moved) {
        return Err(FileError::content(reader.path(), "it moves two cells to one"));
    }
    Ok(Assembled { fixed, moved })
}

fn take_column(reader: &mut Reader, rows: usize) -> Result<Column, FileError> {
    let mut kind = [0];
    reader.take(&mut kind)?;
    match kind {
        [FEW_VALUES] => {
            let values = reader.take_u32()? as usize;
            if !(1..=MOST_VALUES).contains(&values) {
                let reason = format!("a fixed column has {values} different values");
                return Err(FileError::content(reader.path(), reason));
            }
            let width = packed::width(values);
            require(reader, values * SCALAR_BYTES + packed::bytes(rows, width))?;
            let palette = take_values(reader, values)?;
            let mut indices = Vec::with_capacity(rows);
            let mut bytes = vec![0; packed::bytes(BLOCK.min(rows), width)];
            while indices.len() < rows {
                let step = BLOCK.min(rows - indices.len());
                let bytes = &mut bytes[..packed::bytes(step, width)];
                reader.take(bytes)?;
                packed::unpack(bytes, width, step, &mut indices);
            }
            if indices.iter().any(|index| usize::from(*index) >= values) {
                return Err(FileError::content(reader.path(), "a fixed column names no value"));
            }
            Ok(Column::Palette { indices, palette })
        }
        [ALL_VALUES] => {
            require(reader, rows * SCALAR_BYTES)?;
            Ok(Column::Full(take_values(reader, rows)?))
        }
        [kind] => {
            let reason = format!("a fixed column is of the unknown kind {kind}");
            Err(FileError::content(reader.path(), reason))
        }
    }
}

fn take_values(reader: &mut Reader, count: usize) -> Result<Vec<Fr>, FileError> {
    let mut values = Vec::with_capacity(count);
    let mut bytes = vec![0; BLOCK.min(count) * SCALAR_BYTES];
    while values.len() < count {
        let bytes = &mut bytes[..BLOCK.min(count - values.len()) * SCALAR_BYTES];
        reader.take(bytes)?;
        for value in bytes.chunks_exact(SCALAR_BYTES) {
            let value = Fr::from_raw_bytes(value).ok_or_else(|| {
                FileError::content(reader.path(), "a fixed column has a value of r or above")
            })?;
            values.push(value);
        }
    }
    Ok(values)
}

/// The cells of one column, by ascending rows, each within `columns` of so many rows.
fn take_moved(reader: &mut Reader, columns: usize, rows: usize) -> Result<Vec<Moved>, FileError> {
    let count = reader.take_u32()? as usize;
    require(reader, count.saturating_mul(MOVED_BYTES))?;
    let mut cells: Vec<Moved> = Vec::with_capacity(count);
    let mut bytes = vec![0; BLOCK.min(count) * MOVED_BYTES];
    while cells.len() < count {
        let bytes = &mut bytes[..BLOCK.min(count - cells.len()) * MOVED_BYTES];
        reader.take(bytes)?;
        for bytes in bytes.as_chunks::<MOVED_BYTES>().0 {
            let [a, b, c, d, e, f, g, h, i, j] = *bytes;
            let cell = Moved {
                row: u32::from_le_bytes([a, b, c, d]),
                to_column: u16::from_le_bytes([e, f]),
                to_row: u32::from_le_bytes([g, h, i, j]),
            };
            let ascends = cells.last().is_none_or(|last| last.row < cell.row);
            let inside = (cell.row as usize) < rows
                && usize::from(cell.to_column) < columns
                && (cell.to_row as usize) < rows;
            if !ascends || !inside {
                return Err(FileError::content(reader.path(), "it moves a cell that is not there"));
            }
            cells.push(cell);
        }
    }
    Ok(cells)
}

/// Whether the moved cells are moved to each other, no two to one.
fn is_permutation(moved: &[Vec<Moved>]) -> bool {
    let columns = moved.iter().enumerate();
    let cells = columns.flat_map(|(column, cells)| cells.iter().map(move |at| (column, at.row)));
    let mut targets: Vec<(usize, u32)> =
        moved.iter().flatten().map(|at| (usize::from(at.to_column), at.to_row)).collect();
    targets.sort_unstable();
    cells.eq(targets)
}

/// Fails unless so many bytes are there, before memory is taken for them.
fn require(reader: &Reader, bytes: usize) -> Result<(), FileError> {
    match reader.left() < bytes as u64 {
        true => Err(FileError::content(reader.path(), "its content ends early")),
        false => Ok(()),
    }
}
