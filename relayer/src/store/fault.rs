//! What a database says went wrong, as errors of the store.

use super::place::StorePlace;
use crate::error::StoreError;

/// An error of a database that was open.
pub(super) fn fault(
    place: &StorePlace,
    operation: &'static str,
    error: &sqlx::Error,
) -> StoreError {
    let reason = error.to_string();
    let code = error.as_database_error().and_then(|error| error.code());
    match (place, code.as_deref()) {
        (StorePlace::File(_), Some(code)) => of_sqlite(code, operation, reason),
        (StorePlace::Database(_), Some(code)) => of_postgres(code, operation, reason),
        (StorePlace::Database(_), None) if is_of_connection(error) => {
            StoreError::Unreachable { operation, reason }
        }
        // A file whose connection cannot be had: all are busy.
        (StorePlace::File(_), None) if matches!(error, sqlx::Error::PoolTimedOut) => {
            StoreError::Unreachable { operation, reason }
        }
        _ => StoreError::Failed { operation, reason },
    }
}

/// By the result codes of SQLite, of which the low byte tells the kind.
fn of_sqlite(code: &str, operation: &'static str, reason: String) -> StoreError {
    match code.parse::<i32>().map(|code| code & 0xff) {
        // Full, input or output, cannot open, read only.
        Ok(13 | 10 | 14 | 8) => StoreError::Disk { operation, reason },
        // Busy, locked.
        Ok(5 | 6) => StoreError::Unreachable { operation, reason },
        // Corrupt, no database.
        Ok(11 | 26) => StoreError::Broken { operation, reason },
        _ => StoreError::Failed { operation, reason },
    }
}

/// By the SQLSTATE of PostgreSQL.
fn of_postgres(code: &str, operation: &'static str, reason: String) -> StoreError {
    match code {
        // Full, input or output.
        "53100" | "58030" => StoreError::Disk { operation, reason },
        // Data or an index corrupted.
        "XX001" | "XX002" => StoreError::Broken { operation, reason },
        // Connections, resources, shutting down or starting up, undone for another's sake.
        _ if ["08", "53", "57P", "40"].iter().any(|class| code.starts_with(class)) => {
            StoreError::Unreachable { operation, reason }
        }
        _ => StoreError::Failed { operation, reason },
    }
}

fn is_of_connection(error: &sqlx::Error) -> bool {
    matches!(
        error,
        sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_told_from_what_does_not() {
        let sqlite = |code| of_sqlite(code, "x", String::new());
        assert!(matches!(sqlite("13"), StoreError::Disk { .. }));
        // SQLITE_IOERR_WRITE and SQLITE_BUSY_SNAPSHOT.
        assert!(matches!(sqlite("778"), StoreError::Disk { .. }));
        assert!(matches!(sqlite("517"), StoreError::Unreachable { .. }));
        assert!(matches!(sqlite("26"), StoreError::Broken { .. }));
        assert!(matches!(sqlite("1"), StoreError::Failed { .. }));
        let postgres = |code| of_postgres(code, "x", String::new());
        assert!(matches!(postgres("53100"), StoreError::Disk { .. }));
        for code in ["57P01", "57P03", "08006", "53300", "40001"] {
            assert!(matches!(postgres(code), StoreError::Unreachable { .. }), "{code}");
        }
        assert!(matches!(postgres("42P01"), StoreError::Failed { .. }));
    }
}
