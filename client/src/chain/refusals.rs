//! What a node means by a refusal, as far as its words say.

/// Whether a JSON-RPC error is about a moment, not about the request.
///
/// -32603 (internal error) is not: nodes use it for wrong nonces too, which no repetition cures.
pub(crate) fn is_transient_refusal(code: i64, message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    // The same codes are used for log queries that are too wide, which must be narrowed.
    if is_range_complaint(&message) {
        return false;
    }
    matches!(code, 429 | -32005 | -32016 | -32029)
        || is_rate_limit(&message)
        || ["header not found", "request timed out", "temporarily unavailable"]
            .iter()
            .any(|text| message.contains(text))
}

/// Whether a refusal says that there were too many requests.
pub(crate) fn is_rate_limit(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    ["rate limit", "too many requests"].iter().any(|text| message.contains(text))
}

/// Whether a refusal, in lower case, is about the width of a log query.
pub(crate) fn is_range_complaint(message: &str) -> bool {
    const WORDS: [&str; 10] = [
        "block range",
        "range is too",
        "range too",
        "too large",
        "too wide",
        "too many blocks",
        "more than",
        "limited to",
        "response size",
        "results",
    ];
    // "-32005 limit exceeded" alone is used for both; alone it is taken as a rate limit.
    WORDS.iter().any(|word| message.contains(word))
}
