//! Where programs that watch the relayer ask: `/health`, `/ready` and `/metrics`, over HTTP. It only reads, knows three
//! paths and no bodies, and takes as much of HTTP as that needs: a request's first line, one answer, the end.

use std::{future::Future, io, net::SocketAddr, time::Duration};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    metrics,
    status::{Status, StatusBoard},
};

/// The longest request: whoever sends more is not a watcher.
const LONGEST_REQUEST: usize = 8 << 10;
/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// A listener that is bound, and answers while [`StatusServer::serve`] runs.
pub struct StatusServer {
    listener: TcpListener,
    board: StatusBoard,
}

struct Answer {
    status: &'static str,
    kind: &'static str,
    body: String,
}

impl StatusServer {
    /// Binds an address; port 0 stands for a free one.
    ///
    /// # Errors
    /// Those of the operating system, for an address that is taken or not of this machine.
    pub async fn bind(address: SocketAddr, board: StatusBoard) -> io::Result<Self> {
        Ok(Self { listener: TcpListener::bind(address).await?, board })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `end`. A watcher's trouble is the watcher's.
    pub async fn serve(self, end: impl Future<Output = ()>) {
        tokio::pin!(end);
        loop {
            let accepted = tokio::select! {
                () = &mut end => return,
                accepted = self.listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let board = self.board.clone();
                    tokio::spawn(async move {
                        let answered = tokio::time::timeout(PATIENCE, answer(stream, &board)).await;
                        if let Ok(Err(error)) = answered {
                            tracing::debug!(%error, "a watcher went away");
                        }
                    });
                }
                // No file handle left, mostly.
                Err(error) => {
                    tracing::warn!(%error, "a watcher was not let in");
                    tokio::time::sleep(PATIENCE).await;
                }
            }
        }
    }
}

async fn answer(mut stream: TcpStream, board: &StatusBoard) -> io::Result<()> {
    let mut request = Vec::new();
    let mut part = [0; 1024];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        let read = stream.read(&mut part).await?;
        if read == 0 || request.len() > LONGEST_REQUEST {
            return Ok(());
        }
        request.extend_from_slice(part.get(..read).unwrap_or_default());
    }
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let Answer { status, kind, body } = respond(line, &board.read());
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// The answer to a request with this first line.
fn respond(line: &[u8], status: &Status) -> Answer {
    let json = |status, body: serde_json::Value| Answer {
        status,
        kind: "application/json",
        body: body.to_string(),
    };
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
    match (method, path) {
        // The process answers: nothing more is asked.
        (b"GET", b"/health") => json(
            "200 OK",
            json!({
                "alive": true,
                "seconds_since_good_turn": status.seconds_since_good_turn(),
                "last_error": status.last_error,
            }),
        ),
        (b"GET", b"/ready") => {
            let obstacles = status.obstacles();
            let ready = obstacles.is_empty();
            let code = if ready { "200 OK" } else { "503 Service Unavailable" };
            json(code, json!({ "ready": ready, "obstacles": obstacles }))
        }
        (b"GET", b"/metrics") => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            Answer { status: "200 OK", kind, body: metrics::text(status) }
        }
        (b"GET", _) => {
            json("404 Not Found", json!({ "error": "there are /health, /ready and /metrics" }))
        }
        _ => json("405 Method Not Allowed", json!({ "error": "only GET is answered" })),
    }
}

#[cfg(test)]
mod tests {
    use alloy::primitives::U256;

    use super::*;

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn watchers_are_told() {
        let board = StatusBoard::default();
        let server = StatusServer::bind(([127, 0, 0, 1], 0).into(), board.clone()).await.unwrap();
        let address = server.address().unwrap();
        let get = async |path: &str| {
            ask(address, &format!("GET {path} HTTP/1.1\r\nhost: relayer\r\n\r\n")).await
        };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
        let early = get("/ready").await;
        assert!(early.starts_with("HTTP/1.1 503") && early.contains("starting"), "{early}");
        assert!(get("/health").await.starts_with("HTTP/1.1 200"));

        board.went_well();
        board.count("proofs_made");
        board.count("node-unreachable");
        board.has_balance(U256::from(5 * 10u64.pow(17)));
        assert!(get("/ready?verbose").await.starts_with("HTTP/1.1 200"));
        let metrics = get("/metrics").await;
        for line in [
            "\nassay_relayer_happened_total{what=\"proofs_made\"} 1\n",
            "\nassay_relayer_happened_total{what=\"node-unreachable\"} 1\n",
            "\nassay_relayer_balance_ether 0.5\n",
            "\nassay_relayer_ready 1\n",
            "\n# EOF\n",
        ] {
            assert!(metrics.contains(line), "{line}: {metrics}");
        }
        assert!(get("/else").await.starts_with("HTTP/1.1 404"));
        assert!(ask(address, "POST /ready HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 405"));
        // What is no request, or too long a one, is not answered.
        assert!(ask(address, "\r\n\r\n").await.starts_with("HTTP/1.1 405"));
        let long = format!("GET /{} HTTP/1.1", "x".repeat(4 * LONGEST_REQUEST));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(long.as_bytes()).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer, b"");
        drop(stop);
        tokio::time::timeout(Duration::from_secs(5), serving).await.unwrap().unwrap();
    }
}
