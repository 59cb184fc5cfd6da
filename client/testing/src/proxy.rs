//! An HTTP proxy before the node that can misbehave request by request.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What becomes of one request.
#[derive(Clone, Debug)]
pub enum Action {
    /// Another result in place of the node's.
    Answer(Value),
    /// The node answers, and this is done to its result.
    Alter(fn(&mut Value)),
    /// The node answers.
    Forward,
    /// The node never sees it; the connection ends.
    Swallow,
    /// The node sees it, its answer is lost.
    LoseAnswer,
    /// A JSON-RPC error in place of an answer.
    Refuse {
        /// Of JSON-RPC.
        code: i64,
        /// In words.
        message: String,
    },
    /// A bare HTTP status in place of an answer.
    Status(u16),
}

type Rule = Box<dyn FnMut(&str, &Value) -> Action + Send>;

/// The proxy; its clones share the rule.
#[derive(Clone)]
pub struct Proxy {
    port: u16,
    rule: Arc<Mutex<Rule>>,
}

impl Proxy {
    /// A proxy before the node at port `upstream` that forwards everything.
    ///
    /// # Panics
    /// Where it cannot listen.
    pub async fn start(upstream: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self { port, rule: Arc::new(Mutex::new(Box::new(|_, _| Action::Forward))) };
        let rule = proxy.rule.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, upstream, rule.clone()));
            }
        });
        proxy
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Replaces the rule; it sees the method and the parameters of each request.
    ///
    /// # Panics
    /// After a rule has panicked.
    pub fn rule(&self, rule: impl FnMut(&str, &Value) -> Action + Send + 'static) {
        *self.rule.lock().unwrap() = Box::new(rule);
    }
}

async fn serve(mut client: TcpStream, upstream: u16, rule: Arc<Mutex<Rule>>) -> Option<()> {
    let mut server = TcpStream::connect(("127.0.0.1", upstream)).await.ok()?;
    loop {
        let (head, body) = message(&mut client).await?;
        let request: Value = serde_json::from_slice(&body).ok()?;
        let method = request["method"].as_str().unwrap_or_default().to_owned();
        let action = (rule.lock().unwrap())(&method, &request["params"]);
        match action {
            Action::Swallow => return None,
            Action::Status(status) => {
                let answer = format!("HTTP/1.1 {status} Trouble\r\ncontent-length: 0\r\n\r\n");
                client.write_all(answer.as_bytes()).await.ok()?;
            }
            Action::Refuse { code, message } => {
                let error = json!({"code": code, "message": message});
                let error = json!({"jsonrpc": "2.0", "id": request["id"], "error": error});
                client.write_all(http(&error).as_bytes()).await.ok()?;
            }
            Action::Answer(result) => {
                let answer = json!({"jsonrpc": "2.0", "id": request["id"], "result": result});
                client.write_all(http(&answer).as_bytes()).await.ok()?;
            }
            Action::Alter(alter) => {
                server.write_all(&head).await.ok()?;
                server.write_all(&body).await.ok()?;
                let (_, body) = message(&mut server).await?;
                let mut answer: Value = serde_json::from_slice(&body).ok()?;
                alter(&mut answer["result"]);
                client.write_all(http(&answer).as_bytes()).await.ok()?;
            }
            Action::Forward | Action::LoseAnswer => {
                server.write_all(&head).await.ok()?;
                server.write_all(&body).await.ok()?;
                let (head, body) = message(&mut server).await?;
                if matches!(action, Action::LoseAnswer) {
                    return None;
                }
                client.write_all(&head).await.ok()?;
                client.write_all(&body).await.ok()?;
            }
        }
    }
}

fn http(body: &Value) -> String {
    let body = body.to_string();
    format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Head (with its empty line) and body of one HTTP message.
async fn message(stream: &mut TcpStream) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    let mut body = vec![0; length.trim().parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some((head, body))
}
