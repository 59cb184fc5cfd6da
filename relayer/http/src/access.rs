//! Who may ask, and who may write.

use std::{fs, io, net::SocketAddr, path::Path};

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use subtle::ConstantTimeEq;

use crate::views::Problem;

/// Shorter ones can be guessed.
const SHORTEST_TOKEN: usize = 16;

/// What whoever writes has to know. It is not shown.
#[derive(Clone)]
pub struct Token(String);

/// Why a file gives no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] io::Error),
    /// Too few signs, or signs that no header takes.
    #[error(
        "a token has {SHORTEST_TOKEN} letters and digits at least, such as `openssl rand -hex 16` prints"
    )]
    Form,
}

impl Token {
    /// The token in a file, white space around it left out.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        Self::new(fs::read_to_string(path)?.trim())
    }

    /// A token in these words.
    ///
    /// # Errors
    /// [`TokenError::Form`].
    pub fn new(text: &str) -> Result<Self, TokenError> {
        let fits = text.len() >= SHORTEST_TOKEN && text.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(text.to_owned())) } else { Err(TokenError::Form) }
    }

    fn is(&self, given: &str) -> bool {
        self.0.as_bytes().ct_eq(given.as_bytes()).into()
    }
}

/// Whether a request may write.
pub(crate) fn may_write(token: Option<&Token>, headers: &HeaderMap) -> Result<(), Problem> {
    let Some(token) = token else {
        return Err(Problem::new(
            StatusCode::FORBIDDEN,
            "nothing is written over HTTP: the relayer was started without --api-token-file",
        ));
    };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match given.and_then(|value| value.strip_prefix("Bearer ")) {
        Some(given) if token.is(given) => Ok(()),
        _ => Err(Problem::new(
            StatusCode::UNAUTHORIZED,
            "give the token in a header, `Authorization: Bearer TOKEN`",
        )),
    }
}

/// Refuses requests for other names than those of this machine where only this machine is served, and tells
/// browsers to load and run nothing from elsewhere.
pub(crate) async fn own_names(here: SocketAddr, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let name = host.unwrap_or_default();
    let name =
        name.rsplit_once(':').filter(|(_, port)| is_port(port)).map_or(name, |(name, _)| name);
    let own = matches!(name, "localhost" | "127.0.0.1" | "[::1]") || name == here.ip().to_string();
    let mut response = if here.ip().is_loopback() && !own {
        Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "this relayer is served to its own machine only, under localhost or 127.0.0.1",
        )
        .into_response()
    } else {
        next.run(request).await
    };
    let rules = [
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'self'; img-src 'self' data:; frame-ancestors 'none'; form-action 'none'",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    for (name, rule) in rules {
        response.headers_mut().insert(name, HeaderValue::from_static(rule));
    }
    response
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
