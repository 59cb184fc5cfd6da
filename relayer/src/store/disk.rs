//! The store's file. After an error of the disk the library wants it opened anew; that is done with the next use,
//! so that a full disk can be waited out.

use std::{
    path::{Path, PathBuf},
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use redb::{Database, DatabaseError, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::entries::Fault;
use crate::error::StoreError;

pub(super) struct Disk {
    path: PathBuf,
    db: RwLock<Option<Database>>,
    broken: AtomicBool,
}

impl Disk {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let db = RwLock::new(Some(open(path)?));
        Ok(Self { path: path.to_owned(), db, broken: AtomicBool::new(false) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn read<T>(
        &self,
        operation: &'static str,
        f: impl FnOnce(&ReadTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.run(operation, |db| f(&db.begin_read()?))
    }

    pub(super) fn write<T>(
        &self,
        operation: &'static str,
        f: impl FnOnce(&WriteTransaction) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        self.run(operation, |db| {
            let transaction = db.begin_write()?;
            let value = f(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })
    }

    fn run<T>(
        &self,
        operation: &'static str,
        f: impl FnOnce(&Database) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        if self.broken.load(Ordering::SeqCst) {
            self.reopen(operation)?;
        }
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = db.as_ref() else {
            return Err(StoreError::Disk { operation, reason: "its file is closed".into() });
        };
        f(db).map_err(|fault| {
            if fault.is_of_disk() {
                self.broken.store(true, Ordering::SeqCst);
            }
            fault.into_error(operation)
        })
    }

    fn reopen(&self, operation: &'static str) -> Result<(), StoreError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        if !self.broken.load(Ordering::SeqCst) {
            return Ok(());
        }
        // The old one holds the lock of the file.
        *db = None;
        let reopened = open(&self.path).map_err(|error| match error {
            in_use @ StoreError::InUse { .. } => in_use,
            error => StoreError::Disk { operation, reason: error.to_string() },
        })?;
        *db = Some(reopened);
        self.broken.store(false, Ordering::SeqCst);
        Ok(())
    }
}

fn open(path: &Path) -> Result<Database, StoreError> {
    Database::create(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { path: path.to_owned() },
        other => StoreError::Open { path: path.to_owned(), reason: other.to_string() },
    })
}
