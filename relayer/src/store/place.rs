//! Where a store is: a file of SQLite's, or a database of PostgreSQL's.

use std::{
    convert::Infallible,
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use url::Url;

/// Where a store is.
#[derive(Clone, PartialEq, Eq)]
pub enum StorePlace {
    /// A file, which is made where there is none.
    File(PathBuf),
    /// A database of its own in PostgreSQL: `postgres://user:password@host/database`.
    Database(Url),
}

impl StorePlace {
    /// The file, where it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Database(_) => None,
        }
    }

    /// Whether there may be a store. Of a database only opening it tells.
    pub fn may_exist(&self) -> bool {
        self.file().is_none_or(Path::exists)
    }
}

impl FromStr for StorePlace {
    type Err = Infallible;

    /// Whatever is no URL of PostgreSQL's is a file.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        let is_postgres = ["postgres://", "postgresql://"].iter().any(|s| text.starts_with(s));
        let url = is_postgres.then(|| Url::parse(text).ok()).flatten();
        Ok(url.map_or_else(|| Self::File(text.into()), Self::Database))
    }
}

impl From<&str> for StorePlace {
    fn from(text: &str) -> Self {
        let Ok(place) = text.parse();
        place
    }
}

impl From<PathBuf> for StorePlace {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for StorePlace {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&StorePlace> for StorePlace {
    fn from(place: &StorePlace) -> Self {
        place.clone()
    }
}

/// Without the password.
impl fmt::Display for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Database(url) => {
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                let host = url.host_str().unwrap_or_default();
                write!(f, "{}://{host}{port}{}", url.scheme(), url.path())
            }
        }
    }
}

impl fmt::Debug for StorePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorePlace({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        let place: StorePlace = "postgres://seller:secret@db.example:5433/jobs".parse().unwrap();
        for shown in [place.to_string(), format!("{place:?}")] {
            assert!(!shown.contains("secret"), "{shown}");
            assert!(shown.contains("postgres://db.example:5433/jobs"), "{shown}");
        }
        assert_eq!("jobs.db".parse(), Ok(StorePlace::File("jobs.db".into())));
    }
}
