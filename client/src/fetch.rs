//! Files that lie at a URL, of a length that is known to be bearable.

use std::time::Duration;

use alloy::transports::http::{Client, reqwest};

/// Until a server answers at all.
const CONNECT: Duration = Duration::from_secs(15);
/// Without another byte.
const SILENCE: Duration = Duration::from_secs(60);

/// Why a file was not fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the texts of the variants say what their fields hold")]
pub enum FetchError {
    /// Not the address of a file on the web.
    #[error("{place:?} is no address that begins with https:// or http://")]
    Place { place: String },
    /// The server, or the way to it.
    #[error("{place} cannot be fetched: {reason}")]
    Server { place: String, reason: String },
    /// More than was asked for.
    #[error("what lies at {place} is longer than {largest} bytes")]
    TooLong { place: String, largest: u64 },
}

/// Whether a place is one that [`fetch`] asks for.
pub fn is_url(place: &str) -> bool {
    place.starts_with("https://") || place.starts_with("http://")
}

/// What lies at a URL, if that is not longer than `largest` bytes. It follows no redirection: the place is what somebody
/// else named. Who named it can have any server asked that this machine reaches.
///
/// # Errors
/// [`FetchError`].
pub async fn fetch(place: &str, largest: u64) -> Result<Vec<u8>, FetchError> {
    if !is_url(place) {
        return Err(FetchError::Place { place: place.to_owned() });
    }
    let failed = |error: reqwest::Error| FetchError::Server {
        place: place.to_owned(),
        reason: error.without_url().to_string(),
    };
    let too_long = || FetchError::TooLong { place: place.to_owned(), largest };
    let client = Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .build()
        .map_err(failed)?;
    let mut response = client.get(place).send().await.map_err(failed)?;
    if !response.status().is_success() {
        let reason = format!("the server answers {}", response.status());
        return Err(FetchError::Server { place: place.to_owned(), reason });
    }
    if response.content_length().is_some_and(|length| length > largest) {
        return Err(too_long());
    }
    let mut data = Vec::new();
    while let Some(part) = response.chunk().await.map_err(failed)? {
        if (data.len() + part.len()) as u64 > largest {
            return Err(too_long());
        }
        data.extend_from_slice(&part);
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::TcpListener,
    };

    use super::*;

    /// Answers one request with this text; returns where.
    fn serve(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = format!("http://{}/set.age", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        place
    }

    #[tokio::test]
    async fn what_lies_there_is_fetched_up_to_its_largest_length() {
        const ANSWER: &str =
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\n12345";
        assert_eq!(fetch(&serve(ANSWER), 5).await.unwrap(), b"12345");
        let longer = fetch(&serve(ANSWER), 4).await;
        assert!(matches!(longer, Err(FetchError::TooLong { largest: 4, .. })));
        // Also where the server does not say so before.
        const SILENT: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n12345";
        let longer = fetch(&serve(SILENT), 4).await;
        assert!(matches!(longer, Err(FetchError::TooLong { .. })));
    }

    #[tokio::test]
    async fn nothing_else_is_asked_for() {
        const MOVED: &str =
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
        let moved = fetch(&serve(MOVED), 9).await.unwrap_err().to_string();
        assert!(moved.contains("302"), "{moved}");
        for place in ["file:///etc/passwd", "ftp://example.org/x", "/etc/passwd", ""] {
            assert!(matches!(fetch(place, 9).await, Err(FetchError::Place { .. })), "{place}");
        }
    }
}
