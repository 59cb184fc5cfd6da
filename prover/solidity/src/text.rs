//! Pieces of program text.

use std::fmt::Write;

/// A literal of 32 bytes.
pub(super) fn hex_word(bytes: &[u8; 32]) -> String {
    format!("0x{}", hex::encode(bytes))
}

/// Indents statements, blocks further than what is around them.
pub(super) fn indent(code: &str, columns: usize) -> String {
    let mut text = String::new();
    let mut depth = columns / 4;
    for line in code.lines().filter(|line| !line.is_empty()) {
        if line.starts_with('}') {
            depth -= 1;
        }
        let _ = writeln!(text, "{}{line}", "    ".repeat(depth));
        if line.ends_with('{') {
            depth += 1;
        }
    }
    text
}
