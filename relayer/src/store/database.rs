//! The store's connections and transactions.
//!
//! One connection writes. It is had only together with the lock that keeps a second relayer away: a file beside SQLite's
//! file, or an advisory lock of the very session in PostgreSQL, so that nothing is written after that session is lost. Reads
//! have connections of their own, and see what was there when they began.
//!
//! A connection on which a transaction did not come to its end is never used again: whatever state the disk, the server or
//! a caller that went away have left it in.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::PathBuf,
    sync::{
        Arc, Once,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    Any, AnyConnection, AnyPool, ConnectOptions, Connection, Executor, SqlSafeStr,
    any::{AnyConnectOptions, AnyPoolOptions, AnyRow},
    migrate::{MigrateError, Migration, MigrationType, Migrator},
    pool::PoolConnection,
    query::Query,
};
use tokio::{
    sync::{Mutex, OwnedMutexGuard},
    time::Instant,
};
use url::Url;

use super::{fault::fault, place::StorePlace};
use crate::error::StoreError;

/// Reads at a time.
const READERS: u32 = 4;
/// How long is waited for a connection.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How long a server may take to notice that a session of ours is gone, which had the lock.
const LOCK_WAIT: Duration = Duration::from_secs(3);
/// The same for the lock of a file, which a program that is just being started has for a moment, too.
const FILE_LOCK_WAIT: Duration = Duration::from_millis(300);
/// Held by the one relayer that writes, in its database. Any number: "assay" in letters of a telephone.
const LOCK: i64 = 27_729;

/// A statement with what is put into it.
pub(super) type Statement<'q> = Query<'q, Any, <Any as sqlx::Database>::Arguments>;

pub(super) struct Database {
    place: StorePlace,
    options: AnyConnectOptions,
    readers: AnyPool,
    writer: Arc<Mutex<Option<AnyConnection>>>,
    /// Whether it writes as the one relayer, with its lock.
    is_relayers: bool,
    /// By all transactions.
    rows_read: Arc<AtomicU64>,
}

impl Database {
    /// Opens it for the relayer, which makes the tables, or for a worker beside it.
    pub(super) async fn open(place: &StorePlace, is_relayers: bool) -> Result<Self, StoreError> {
        static DRIVERS: Once = Once::new();
        DRIVERS.call_once(sqlx::any::install_default_drivers);
        let options = AnyConnectOptions::from_url(&url_of(place)?);
        let options = options.map_err(|error| cannot_open(place, &error))?;
        let options = options.disable_statement_logging();
        let is_file = place.file().is_some();
        let readers = AnyPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(LONGEST_WAIT)
            .after_connect(move |connection, _| {
                Box::pin(async move { prepare(connection, is_file).await })
            })
            .connect_lazy_with(options.clone());
        let (writer, rows_read, place_of) = (Arc::default(), Arc::default(), place.clone());
        let database = Self { place: place_of, options, readers, writer, is_relayers, rows_read };
        let mut connection = database.connect("be opened").await.map_err(|error| match error {
            StoreError::Unreachable { reason, .. }
            | StoreError::Disk { reason, .. }
            | StoreError::Broken { reason, .. }
            | StoreError::Failed { reason, .. } => cannot_open(place, &reason),
            other => other,
        })?;
        if is_relayers {
            migrate(&mut connection, place).await?;
        }
        *database.writer.lock().await = Some(connection);
        Ok(database)
    }

    pub(super) fn place(&self) -> &StorePlace {
        &self.place
    }

    pub(super) fn rows_read(&self) -> u64 {
        self.rows_read.load(Ordering::Relaxed)
    }

    /// Closes all connections.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        if let Some(writer) = self.writer.lock().await.take() {
            let _ = writer.close().await;
        }
    }

    /// Begins to write. Others wait until that has ended.
    pub(super) async fn write(&self, operation: &'static str) -> Result<Transaction, StoreError> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        if writer.is_none() {
            *writer = Some(self.connect(operation).await?);
        }
        let begin = match self.place {
            StorePlace::File(_) => "BEGIN IMMEDIATE",
            StorePlace::Database(_) => "BEGIN",
        };
        self.begin(Held::Writer(writer), operation, begin).await
    }

    /// Begins to read.
    pub(super) async fn read(&self, operation: &'static str) -> Result<Transaction, StoreError> {
        let reader =
            self.readers.acquire().await.map_err(|error| fault(&self.place, operation, &error))?;
        let begin = match self.place {
            StorePlace::File(_) => "BEGIN",
            StorePlace::Database(_) => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        };
        self.begin(Held::Reader(reader), operation, begin).await
    }

    async fn begin(
        &self,
        held: Held,
        operation: &'static str,
        begin: &'static str,
    ) -> Result<Transaction, StoreError> {
        let place = self.place.clone();
        let rows_read = Arc::clone(&self.rows_read);
        let mut transaction = Transaction { held: Some(held), operation, place, rows_read };
        transaction.say(begin).await?;
        Ok(transaction)
    }

    /// A connection for writing, with the lock.
    async fn connect(&self, operation: &'static str) -> Result<AnyConnection, StoreError> {
        let failed = |error: sqlx::Error| fault(&self.place, operation, &error);
        let connect = AnyConnection::connect_with(&self.options);
        let connected = tokio::time::timeout(LONGEST_WAIT, connect).await;
        let timeout = || StoreError::Unreachable { operation, reason: "no answer in time".into() };
        let mut connection = connected.map_err(|_| timeout())?.map_err(failed)?;
        let is_file = self.place.file().is_some();
        prepare(&mut connection, is_file).await.map_err(failed)?;
        if !is_file && self.is_relayers {
            let until = Instant::now() + LOCK_WAIT;
            while !has_lock(&mut connection).await.map_err(failed)? {
                if Instant::now() >= until {
                    return Err(StoreError::InUse { place: self.place.to_string() });
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(connection)
    }
}

/// Makes the tables, and changes those of an earlier version.
async fn migrate(connection: &mut AnyConnection, place: &StorePlace) -> Result<(), StoreError> {
    let store = include_str!("../../migrations/0001_store.sql").into_sql_str();
    let store = Migration::new(1, "store".into(), MigrationType::Simple, store, false);
    let tasks = include_str!("../../migrations/0002_tasks.sql").into_sql_str();
    let tasks = Migration::new(2, "tasks".into(), MigrationType::Simple, tasks, false);
    let aside = include_str!("../../migrations/0003_aside.sql").into_sql_str();
    let aside = Migration::new(3, "aside".into(), MigrationType::Simple, aside, false);
    let migrator = Migrator::with_migrations(vec![store, tasks, aside]);
    migrator.run_direct(None, connection, false).await.map_err(|error| match error {
        MigrateError::VersionMissing(_) | MigrateError::VersionMismatch(_) => {
            StoreError::Format { place: place.to_string() }
        }
        error => cannot_open(place, &error),
    })
}

async fn has_lock(connection: &mut AnyConnection) -> Result<bool, sqlx::Error> {
    let sql = "SELECT CASE WHEN pg_try_advisory_lock($1) THEN CAST(1 AS BIGINT) ELSE CAST(0 AS BIGINT) END";
    let has: i64 = sqlx::query_scalar(sql).bind(LOCK).fetch_one(connection).await?;
    Ok(has == 1)
}

/// What each connection begins with. A commit to a file is on the disk when it returns.
async fn prepare(connection: &mut AnyConnection, is_file: bool) -> Result<(), sqlx::Error> {
    if is_file {
        let sql =
            "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;";
        connection.execute(sqlx::raw_sql(sql)).await?;
    }
    Ok(())
}

fn url_of(place: &StorePlace) -> Result<Url, StoreError> {
    let path = match place {
        StorePlace::Database(url) => return Ok(url.clone()),
        StorePlace::File(path) => path,
    };
    let path = std::path::absolute(path).map_err(|error| cannot_open(place, &error))?;
    let file = Url::from_file_path(&path).map_err(|()| cannot_open(place, &"no usable path"))?;
    let url = format!("sqlite://{}?mode=rwc", file.path());
    Url::parse(&url).map_err(|error| cannot_open(place, &error))
}

pub(super) fn cannot_open(place: &StorePlace, reason: &dyn std::fmt::Display) -> StoreError {
    StoreError::Open { place: place.to_string(), reason: reason.to_string() }
}

/// The lock of a store in a file. It lies beside it, since SQLite's own locks end with each transaction.
pub(super) async fn lock_file(
    path: &std::path::Path,
    place: &StorePlace,
) -> Result<File, StoreError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let open =
        OpenOptions::new().create(true).truncate(false).write(true).open(PathBuf::from(name));
    let file = open.map_err(|error| cannot_open(place, &error))?;
    let until = Instant::now() + FILE_LOCK_WAIT;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(TryLockError::WouldBlock) => {
                return Err(StoreError::InUse { place: place.to_string() });
            }
            Err(TryLockError::Error(error)) => return Err(cannot_open(place, &error)),
        }
    }
}

enum Held {
    Writer(OwnedMutexGuard<Option<AnyConnection>>),
    Reader(PoolConnection<Any>),
}

/// A transaction. What it changed is there as a whole after [`Self::commit`], and not at all without.
pub(super) struct Transaction {
    /// `None` after its end.
    held: Option<Held>,
    operation: &'static str,
    place: StorePlace,
    rows_read: Arc<AtomicU64>,
}

impl Transaction {
    /// Executes a statement; how many rows it changed.
    pub(super) async fn execute(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        let done = match self.connection() {
            Some(connection) => connection.execute(statement).await,
            None => Err(sqlx::Error::WorkerCrashed),
        };
        done.map(|done| done.rows_affected()).map_err(|error| self.fault(&error))
    }

    /// All rows of a query.
    pub(super) async fn rows(&mut self, query: Statement<'_>) -> Result<Vec<AnyRow>, StoreError> {
        let found = match self.connection() {
            Some(connection) => query.fetch_all(connection).await,
            None => Err(sqlx::Error::WorkerCrashed),
        };
        let found = found.map_err(|error| self.fault(&error))?;
        self.rows_read.fetch_add(found.len() as u64, Ordering::Relaxed);
        Ok(found)
    }

    /// The first text of the first row of a query, if there is one.
    pub(super) async fn text(
        &mut self,
        query: Statement<'_>,
    ) -> Result<Option<String>, StoreError> {
        let rows = self.rows(query).await?;
        rows.first().map(|row| self.column(row, 0)).transpose()
    }

    /// A column of a row.
    pub(super) fn column<'r, T>(&self, row: &'r AnyRow, index: usize) -> Result<T, StoreError>
    where
        T: sqlx::Decode<'r, Any> + sqlx::Type<Any>,
    {
        use sqlx::Row;
        row.try_get(index).map_err(|error| self.fault(&error))
    }

    /// The time of the database, in milliseconds of Unix time.
    pub(super) async fn now(&mut self) -> Result<i64, StoreError> {
        let sql = match self.place {
            StorePlace::File(_) => "SELECT CAST(unixepoch('subsec') * 1000 AS BIGINT)",
            StorePlace::Database(_) => {
                "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS BIGINT)"
            }
        };
        let rows = self.rows(sqlx::query(sql)).await?;
        rows.first().map_or(Ok(0), |row| self.column(row, 0))
    }

    /// Ends it well.
    pub(super) async fn commit(mut self) -> Result<(), StoreError> {
        self.say("COMMIT").await?;
        // The connection goes back to where it came from.
        drop(self.held.take());
        Ok(())
    }

    async fn say(&mut self, sql: &'static str) -> Result<(), StoreError> {
        let done = match self.connection() {
            Some(connection) => connection.execute(sqlx::raw_sql(sql)).await,
            None => Err(sqlx::Error::WorkerCrashed),
        };
        done.map(drop).map_err(|error| self.fault(&error))
    }

    fn fault(&self, error: &sqlx::Error) -> StoreError {
        fault(&self.place, self.operation, error)
    }

    fn connection(&mut self) -> Option<&mut AnyConnection> {
        match self.held.as_mut()? {
            Held::Writer(writer) => writer.as_mut(),
            Held::Reader(reader) => Some(reader),
        }
    }
}

impl Drop for Transaction {
    fn drop(&mut self) {
        let connection = match self.held.take() {
            None => return,
            Some(Held::Writer(mut writer)) => writer.take(),
            Some(Held::Reader(reader)) => Some(reader.detach()),
        };
        // A server is told, where somebody can still tell it, so that it gives the lock back at once.
        if let (Some(connection), Ok(runtime)) = (connection, tokio::runtime::Handle::try_current())
        {
            runtime.spawn(connection.close());
        }
    }
}
