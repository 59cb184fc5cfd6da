//! Texts of the page: names of a stranger's file, numbers, headings.

use std::fmt::Write as _;

/// Text for HTML, in elements and in quoted attributes. Names come from a stranger's file.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // Also what turns the direction of the text around it.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => escaped.push('\u{fffd}'),
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Without digits that say nothing; thousands as `k`, millions as `M`.
pub(super) fn number(value: f64) -> String {
    let (scaled, suffix) = match value.abs() {
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match scaled.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let text = format!("{scaled:.digits$}");
    let text =
        if digits > 0 { text.trim_end_matches('0').trim_end_matches('.') } else { text.as_str() };
    // A rounded `-0` has no sign.
    let text = if text == "-0" { "0" } else { text };
    format!("{text}{suffix}")
}

/// Of 1, in percent.
pub(super) fn share(part: f64) -> String {
    let percent = 100.0 * part;
    if percent > 0.0 && percent < 0.05 { "< 0.1 %".into() } else { format!("{percent:.1} %") }
}

pub(super) fn heading(page: &mut String, title: &str, text: &str) {
    let _ = writeln!(page, "<h2>{}</h2>\n<p>{}</p>", escape(title), escape(text));
}

/// Lines of a name and a value.
pub(super) fn figures<'a>(page: &mut String, lines: impl IntoIterator<Item = (&'a str, String)>) {
    page.push_str("<dl>\n");
    for (name, value) in lines {
        let _ = writeln!(page, "<dt>{}</dt><dd>{}</dd>", escape(name), escape(&value));
    }
    page.push_str("</dl>\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(escape("<b a='1'>&\""), "&lt;b a=&#39;1&#39;&gt;&amp;&quot;");
        assert_eq!(escape("a\u{0}b\u{202e}c\nü"), "a\u{fffd}b\u{fffd}c\u{fffd}ü");
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, -0.001, 0.25, 12.34, 1234.5, 20_000.0, 3_450_000.0].map(number);
        assert_eq!(texts, ["0", "0", "0.25", "12.3", "1234", "20k", "3.45M"]);
    }
}
