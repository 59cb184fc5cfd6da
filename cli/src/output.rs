//! What commands print: results to stdout, as text or as one JSON object; progress to stderr.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
    io::{IsTerminal, Write as _},
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use alloy::primitives::U256;
use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::resources::Stopwatch;

#[derive(Args)]
pub(crate) struct OutputArgs {
    /// Print the result as one JSON object; of a failure one with the field `error`
    #[arg(long, global = true)]
    json: bool,
    /// Show progress on stderr: `auto` does on a terminal, unless --json is given
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    progress: When,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum When {
    Auto,
    Always,
    Never,
}

pub(crate) struct Output {
    json: bool,
    progress: bool,
    stopwatch: Stopwatch,
    /// Whether the one object of `--json` is out: a report may be followed by a failure.
    told: AtomicBool,
}

impl Output {
    pub(crate) fn new(args: &OutputArgs) -> Self {
        let progress = match args.progress {
            When::Auto => !args.json && std::io::stderr().is_terminal(),
            When::Always => true,
            When::Never => false,
        };
        let told = AtomicBool::new(false);
        Self { json: args.json, progress, stopwatch: Stopwatch::start(), told }
    }

    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A line that shows that something long is going on; gone when dropped.
    pub(crate) fn spinner(&self, message: impl Into<String>) -> Spinner {
        if !self.progress {
            return Spinner(None);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} [{elapsed}]") {
            bar.set_style(style);
        }
        bar.set_message(message.into());
        bar.enable_steady_tick(Duration::from_millis(100));
        Spinner(Some(bar))
    }

    /// A bar of `steps` steps; gone when dropped.
    pub(crate) fn bar(&self, steps: u64, message: impl Into<String>) -> Spinner {
        if !self.progress {
            return Spinner(None);
        }
        let bar = ProgressBar::with_draw_target(Some(steps), ProgressDrawTarget::stderr());
        let template = "{spinner:.cyan} [{bar:24.cyan/blue}] {pos}/{len} {msg} [{elapsed}]";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(message.into());
        bar.enable_steady_tick(Duration::from_millis(100));
        Spinner(Some(bar))
    }

    /// Says why there is no result: on stderr, and with `--json` as an object with the field `error` too.
    pub(crate) fn fail(&self, message: &str) {
        eprintln!("error: {message}");
        if self.json && !self.told.load(Ordering::Relaxed) {
            let mut fields = serde_json::Map::new();
            fields.insert("error".to_owned(), message.into());
            if let Ok(used) = serde_json::to_value(self.stopwatch.read()) {
                fields.insert("resources".to_owned(), used);
            }
            // Where stdout is closed, stderr has said it.
            let _ = writeln!(std::io::stdout().lock(), "{}", Value::Object(fields));
        }
    }

    /// How much of a long work is done, and the time left; gone when dropped. Set with [`Spinner::at`].
    pub(crate) fn gauge(&self, message: impl Into<String>) -> Spinner {
        if !self.progress {
            return Spinner(None);
        }
        let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
        let template =
            "{spinner:.cyan} [{bar:24.cyan/blue}] {percent}% {msg} [{elapsed}, {eta} left]";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(message.into());
        bar.enable_steady_tick(Duration::from_millis(100));
        Spinner(Some(bar))
    }

    /// As [`Output::gauge`], with a message that tells the time left itself.
    pub(crate) fn measure(&self, message: impl Into<String>) -> Spinner {
        if !self.progress {
            return Spinner(None);
        }
        let bar = ProgressBar::with_draw_target(Some(1), ProgressDrawTarget::stderr());
        let template = "{spinner:.cyan} [{bar:24.cyan/blue}] {percent}% {msg} [{elapsed}]";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_message(message.into());
        bar.enable_steady_tick(Duration::from_millis(100));
        Spinner(Some(bar))
    }

    /// Prints the result: `text` for people, or `value` with the resources that the command used.
    pub(crate) fn finish(
        &self,
        value: &impl Serialize,
        text: impl FnOnce() -> String,
    ) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        self.told.store(true, Ordering::Relaxed);
        if self.json {
            let mut value = serde_json::to_value(value).context("the result is not JSON")?;
            if let Value::Object(fields) = &mut value {
                let used = serde_json::to_value(self.stopwatch.read())?;
                fields.insert("resources".to_owned(), used);
            }
            writeln!(stdout, "{value}").context("cannot write to stdout")
        } else {
            writeln!(stdout, "{}", text().trim_end()).context("cannot write to stdout")
        }
    }
}

pub(crate) struct Spinner(Option<ProgressBar>);

impl Spinner {
    /// Another message in the same place.
    pub(crate) fn message(&self, message: impl Into<String>) {
        if let Some(bar) = &self.0 {
            bar.set_message(message.into());
        }
    }

    /// A line on stderr that stays.
    pub(crate) fn note(&self, text: &str) {
        if let Some(bar) = &self.0 {
            bar.suspend(|| eprintln!("{text}"));
        }
    }

    /// So much of a gauge's work is done.
    pub(crate) fn at(&self, done: u64, total: u64) {
        if let Some(bar) = &self.0 {
            bar.set_length(total);
            bar.set_position(done);
        }
    }

    /// One step of a bar is done; the next has this message.
    pub(crate) fn step(&self, message: impl Into<String>) {
        if let Some(bar) = &self.0 {
            bar.inc(1);
            bar.set_message(message.into());
        }
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// An error with its causes in one line, each said once: many errors quote their source.
pub(crate) fn message(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            let _ = write!(text, ": {cause}");
        }
    }
    visible(&text).into_owned()
}

/// An amount or an id; decimal in text and, as a string, in JSON: numbers of JSON end at 2^53.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal(pub U256);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// The id of a model: `0x` and 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Id(pub U256);

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#066x}", self.0)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `0x` and hexadecimal digits.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    format!("0x{}", ::hex::encode(bytes))
}

/// Text of strangers for a terminal: line breaks and other control characters would forge rows.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escape =
        |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}

/// Lines of two aligned columns, each row in one line.
pub(crate) fn table<K: AsRef<str>, V: AsRef<str>>(rows: &[(K, V)]) -> String {
    let width = rows.iter().map(|(key, _)| key.as_ref().len()).max().unwrap_or(0);
    rows.iter().fold(String::new(), |mut text, (key, value)| {
        let _ = writeln!(text, "{:width$}  {}", visible(key.as_ref()), visible(value.as_ref()));
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_are_said_once() {
        let inner = anyhow::anyhow!("disk full");
        let error = inner.context("cannot write: disk full").context("no keys");
        assert_eq!(message(&error), "no keys: cannot write: disk full");
    }

    #[test]
    fn amounts_are_decimal() {
        assert_eq!(
            serde_json::json!(Decimal(U256::MAX >> 128)),
            "340282366920938463463374607431768211455"
        );
    }

    #[test]
    fn rows_cannot_be_forged() {
        let text = table(&[("licence", "MIT\nverdict  good\u{1b}[2J")]);
        assert_eq!(text, "licence  MIT\\nverdict  good\\u{1b}[2J\n");
        let error = anyhow::anyhow!("no file a\r\nb");
        assert_eq!(message(&error), "no file a\\r\\nb");
        assert_eq!(visible("naïve \u{4e00}"), "naïve \u{4e00}");
    }

    #[test]
    fn columns_line_up() {
        assert_eq!(table(&[("a", "1"), ("long", "2")]), "a     1\nlong  2\n");
    }
}
