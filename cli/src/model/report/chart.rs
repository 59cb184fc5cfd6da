//! Charts of horizontal bars as inline SVG, coloured by the page's style sheet.

use std::fmt::Write as _;

/// Text for HTML and SVG, in elements and in quoted attributes. Names come from a stranger's file.
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

/// A part of a row's line.
pub(super) struct Mark {
    pub from: f64,
    pub to: f64,
    /// Class of the style sheet.
    pub class: &'static str,
}

/// One line of a chart.
pub(super) struct Row {
    pub label: String,
    /// Shown when the pointer rests on the line.
    pub hint: String,
    /// At the line's end.
    pub value: String,
    pub marks: Vec<Mark>,
}

/// Horizontal bars over a common axis.
pub(super) struct Chart {
    /// What it shows, for readers without eyes.
    pub title: &'static str,
    /// Of the axis.
    pub unit: &'static str,
    pub min: f64,
    pub max: f64,
    pub rows: Vec<Row>,
}

/// Lengths one after another, from 0 on.
pub(super) fn stack(parts: &[(f64, &'static str)]) -> Vec<Mark> {
    let mut from = 0.0;
    parts
        .iter()
        .map(|&(length, class)| {
            let mark = Mark { from, to: from + length, class };
            from = mark.to;
            mark
        })
        .filter(|mark| mark.to > mark.from)
        .collect()
}

const WIDTH: f64 = 960.0;
const LEFT: f64 = 262.0;
const RIGHT: f64 = 770.0;
const TOP: f64 = 26.0;
const LINE: f64 = 20.0;
const BAR: f64 = 13.0;
/// Characters of a label that fit left of the axis.
const LABEL: usize = 34;

impl Chart {
    /// An axis from 0 to the longest row's end, or to 1.
    pub(super) fn from_zero(title: &'static str, unit: &'static str, rows: Vec<Row>) -> Self {
        let ends = rows.iter().flat_map(|row| row.marks.iter().map(|mark| mark.to));
        let max = ends.filter(|end| end.is_finite()).fold(0.0, f64::max);
        Self { title, unit, min: 0.0, max: if max > 0.0 { max } else { 1.0 }, rows }
    }

    pub(super) fn render(&self) -> String {
        let bottom = TOP + LINE * self.rows.len() as f64;
        let height = bottom + 8.0;
        let mut svg = format!(
            "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{}\">\n",
            escape(self.title)
        );
        for tick in ticks(self.min, self.max) {
            let x = self.x(tick);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\"/>\
                 <text class=\"tick\" x=\"{x:.1}\" y=\"{}\">{}{}</text>",
                TOP - 8.0,
                number(tick),
                escape(self.unit)
            );
        }
        for (index, row) in self.rows.iter().enumerate() {
            self.row(&mut svg, row, TOP + LINE * index as f64);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn row(&self, svg: &mut String, row: &Row, top: f64) {
        let base = top + LINE / 2.0 + 4.0;
        let _ = write!(
            svg,
            "<g><title>{}</title><rect class=\"hit\" x=\"0\" y=\"{top}\" width=\"{WIDTH}\" height=\"{LINE}\"/>\
             <text class=\"label\" x=\"{}\" y=\"{base}\">{}</text>",
            escape(&row.hint),
            LEFT - 10.0,
            escape(&shortened(&row.label))
        );
        for mark in &row.marks {
            let (from, to) = (self.x(mark.from), self.x(mark.to));
            // A value that is there is seen.
            let width = (to - from).max(1.0);
            let _ = write!(
                svg,
                "<rect class=\"{}\" x=\"{from:.1}\" y=\"{:.1}\" width=\"{width:.1}\" height=\"{BAR}\"/>",
                escape(mark.class),
                top + (LINE - BAR) / 2.0
            );
        }
        let _ = writeln!(
            svg,
            "<text class=\"value\" x=\"{}\" y=\"{base}\">{}</text></g>",
            RIGHT + 10.0,
            escape(&row.value)
        );
    }

    /// What lies outside the axis stands at its end.
    fn x(&self, value: f64) -> f64 {
        let span = self.max - self.min;
        let part = if span > 0.0 { (value - self.min) / span } else { 0.0 };
        // What is no number stands at the start.
        let part = if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) };
        LEFT + (RIGHT - LEFT) * part
    }
}

/// Four to nine round numbers.
fn ticks(min: f64, max: f64) -> Vec<f64> {
    let span = max - min;
    if !span.is_finite() || span <= 0.0 {
        return vec![min];
    }
    let power = 10f64.powf((span / 4.0).log10().floor());
    let step = [5.0, 2.0, 1.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| span / step >= 4.0)
        .unwrap_or(power);
    let (first, last) = ((min / step).ceil() as i64, (max / step + 1e-9).floor() as i64);
    (first..=last).map(|index| index as f64 * step).collect()
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

/// The end of a name tells more than its middle.
fn shortened(label: &str) -> String {
    let count = label.chars().count();
    if count <= LABEL {
        return label.to_owned();
    }
    let start: String = label.chars().take(LABEL / 3).collect();
    let end: String = label.chars().skip(count - (LABEL - LABEL / 3 - 1)).collect();
    format!("{start}…{end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &str, marks: Vec<Mark>) -> Row {
        Row { label: label.into(), hint: label.into(), value: label.into(), marks }
    }

    #[test]
    fn names_cannot_break_out() {
        assert_eq!(escape("<b a='1'>&\""), "&lt;b a=&#39;1&#39;&gt;&amp;&quot;");
        assert_eq!(escape("a\u{0}b\u{202e}c\nü"), "a\u{fffd}b\u{fffd}c\u{fffd}ü");
        let chart = Chart::from_zero("t", "", vec![row("<b>&", stack(&[(1.0, "one")]))]);
        let svg = chart.render();
        assert!(!svg.contains("<b>") && svg.matches("&lt;b&gt;&amp;").count() == 3, "{svg}");
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let rows = vec![
            row("a", stack(&[(1.0, "one"), (0.0, "two"), (3.0, "three")])),
            row("b", vec![Mark { from: f64::NAN, to: f64::INFINITY, class: "one" }]),
        ];
        let svg = Chart::from_zero("t", "", rows).render();
        // 4 takes the 508 units of the axis.
        assert!(svg.contains("class=\"one\" x=\"262.0\" y=\"29.5\" width=\"127.0\""), "{svg}");
        assert!(svg.contains("class=\"three\" x=\"389.0\" y=\"29.5\" width=\"381.0\""), "{svg}");
        assert!(!svg.contains("class=\"two\""));
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
    }

    #[test]
    fn ticks_are_round_and_few() {
        assert_eq!(ticks(0.0, 100.0), [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks(-1.0, 1.0), [-1.0, -0.5, 0.0, 0.5, 1.0]);
        for max in [1e-7, 0.3, 7.0, 45.0, 1.3e6] {
            let count = ticks(0.0, max).len();
            assert!((4..=11).contains(&count), "{max}: {count}");
        }
        assert_eq!(ticks(3.0, 3.0), [3.0]);
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, -0.001, 0.25, 12.34, 1234.5, 20_000.0, 3_450_000.0].map(number);
        assert_eq!(texts, ["0", "0", "0.25", "12.3", "1234", "20k", "3.45M"]);
    }

    #[test]
    fn long_names_keep_their_end() {
        let name = "MobilenetV2/expanded_conv_16/project/BatchNorm/FusedBatchNormV3";
        let short = shortened(name);
        assert_eq!(short.chars().count(), LABEL);
        assert!(short.ends_with("BatchNormV3") && short.starts_with("MobilenetV2…"));
        assert_eq!(shortened("é".repeat(LABEL).as_str()), "é".repeat(LABEL));
    }
}
