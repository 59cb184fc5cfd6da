//! Charts of horizontal bars in HTML, coloured by the page's style sheet: one colour for one meaning, on the
//! whole page.

use std::{fmt::Write as _, ops::Range};

use super::html::{escape, number};

/// What a colour means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Float,
    Quantized,
    Room,
    Bad,
    Agreement,
    Tiles,
    Weights,
    Rest,
    Program,
    Rows,
    Linear,
    Lookup,
    Remainders,
}

impl Colour {
    #[cfg(test)]
    pub(super) const ALL: [Self; 13] = [
        Self::Float,
        Self::Quantized,
        Self::Room,
        Self::Bad,
        Self::Agreement,
        Self::Tiles,
        Self::Weights,
        Self::Rest,
        Self::Program,
        Self::Rows,
        Self::Linear,
        Self::Lookup,
        Self::Remainders,
    ];

    /// Class of the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Float => "float",
            Self::Quantized => "quantized",
            Self::Room => "room",
            Self::Bad => "bad",
            Self::Agreement => "agreement",
            Self::Tiles => "tiles",
            Self::Weights => "weights",
            Self::Rest => "rest",
            Self::Program => "program",
            Self::Rows => "rows",
            Self::Linear => "linear",
            Self::Lookup => "lookup",
            Self::Remainders => "remainders",
        }
    }

    /// What it means, in a legend.
    fn meaning(self) -> &'static str {
        match self {
            Self::Float => "float network",
            Self::Quantized => "quantized network",
            Self::Room => "what its integers can hold",
            Self::Bad => "saturated, refused or wrong",
            Self::Agreement => "both the same",
            Self::Tiles => "tiles",
            Self::Weights => "weights",
            Self::Rest => "rest grids",
            Self::Program => "scalars, hashes",
            Self::Rows => "several of these",
            Self::Linear => "linear",
            Self::Lookup => "functions: lookups, comparisons",
            Self::Remainders => "ranges of remainders",
        }
    }
}

/// What the colours of a chart mean.
pub(super) fn legend(page: &mut String, colours: &[Colour]) {
    page.push_str("<div class=\"legend\">");
    for colour in colours {
        let (class, meaning) = (colour.class(), escape(colour.meaning()));
        let _ = write!(page, "<span><i class=\"{class}\"></i>{meaning}</span>");
    }
    page.push_str("</div>\n");
}

/// A part of a row's line.
pub(super) struct Mark {
    pub from: f64,
    pub to: f64,
    pub colour: Colour,
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
    /// Rows that stand for runs of [`Chart::rows`], which unfold from them; all rows are shown where there
    /// are none.
    pub blocks: Vec<(Row, Range<usize>)>,
}

/// Lengths one after another, from 0 on.
pub(super) fn stack(parts: &[(f64, Colour)]) -> Vec<Mark> {
    let mut from = 0.0;
    parts
        .iter()
        .map(|&(length, colour)| {
            let mark = Mark { from, to: from + length, colour };
            from = mark.to;
            mark
        })
        .filter(|mark| mark.to > mark.from)
        .collect()
}

impl Chart {
    /// An axis from 0 to the longest row's end, or to 1.
    pub(super) fn from_zero(title: &'static str, unit: &'static str, rows: Vec<Row>) -> Self {
        Self { title, unit, min: 0.0, max: 1.0, rows, blocks: Vec::new() }.fitted()
    }

    /// With blocks of rows; from 0 to the longest line's end.
    pub(super) fn in_blocks(self, blocks: Vec<(Row, Range<usize>)>) -> Self {
        Self { blocks, ..self }
    }

    /// The axis ends where the longest line does.
    pub(super) fn fitted(self) -> Self {
        let lines = self.rows.iter().chain(self.blocks.iter().map(|(row, _)| row));
        let ends = lines.flat_map(|row| row.marks.iter().map(|mark| mark.to));
        let max = ends.filter(|end| end.is_finite()).fold(0.0, f64::max);
        Self { max: if max > 0.0 { max } else { 1.0 }, ..self }
    }

    pub(super) fn render(&self, page: &mut String) {
        let _ = writeln!(
            page,
            "<div class=\"chart\" role=\"group\" aria-label=\"{}\">\n<div class=\"axis\">",
            escape(self.title)
        );
        for tick in ticks(self.min, self.max) {
            let _ = write!(
                page,
                "<span style=\"left:{:.2}%\">{}{}</span>",
                self.place(tick),
                number(tick),
                escape(self.unit)
            );
        }
        page.push_str("</div>\n");
        if self.blocks.is_empty() {
            self.rows.iter().for_each(|row| self.row(page, row));
        }
        for (summary, range) in &self.blocks {
            let rows = self.rows.get(range.clone()).unwrap_or_default();
            if let [row] = rows {
                self.row(page, row);
                continue;
            }
            page.push_str("<details><summary>");
            self.row(page, summary);
            page.push_str("</summary>\n");
            rows.iter().for_each(|row| self.row(page, row));
            page.push_str("</details>\n");
        }
        page.push_str("</div>\n");
    }

    fn row(&self, page: &mut String, row: &Row) {
        let _ = write!(
            page,
            "<div class=\"row\" title=\"{}\"><span class=\"label\">{}</span><span class=\"bar\">",
            escape(&row.hint),
            escape(&row.label)
        );
        for mark in &row.marks {
            let (from, to) = (self.place(mark.from), self.place(mark.to));
            // A value that is there is seen.
            let width = (to - from).max(0.3);
            let _ = write!(
                page,
                "<i class=\"{}\" style=\"left:{from:.2}%;width:{width:.2}%\"></i>",
                mark.colour.class()
            );
        }
        let _ = writeln!(page, "</span><span class=\"value\">{}</span></div>", escape(&row.value));
    }

    /// In percent of the axis. What lies outside it stands at its end.
    fn place(&self, value: f64) -> f64 {
        let span = self.max - self.min;
        let part = if span > 0.0 { (value - self.min) / span } else { 0.0 };
        // What is no number stands at the start.
        100.0 * if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(label: &str, marks: Vec<Mark>) -> Row {
        Row { label: label.into(), hint: label.into(), value: label.into(), marks }
    }

    fn rendered(chart: &Chart) -> String {
        let mut page = String::new();
        chart.render(&mut page);
        page
    }

    #[test]
    fn names_cannot_break_out() {
        let rows = vec![row("<b>&\"", stack(&[(1.0, Colour::Tiles)]))];
        let html = rendered(&Chart::from_zero("t", "", rows));
        assert!(
            !html.contains("<b>") && html.matches("&lt;b&gt;&amp;&quot;").count() == 3,
            "{html}"
        );
    }

    #[test]
    fn bars_are_as_long_as_their_values() {
        let rows = vec![
            row("a", stack(&[(1.0, Colour::Tiles), (0.0, Colour::Rest), (3.0, Colour::Weights)])),
            row("b", vec![Mark { from: f64::NAN, to: f64::INFINITY, colour: Colour::Tiles }]),
        ];
        let html = rendered(&Chart::from_zero("t", "", rows));
        assert!(html.contains("class=\"tiles\" style=\"left:0.00%;width:25.00%\""), "{html}");
        assert!(html.contains("class=\"weights\" style=\"left:25.00%;width:75.00%\""), "{html}");
        assert!(!html.contains("class=\"rest\""));
        assert!(!html.contains("NaN") && !html.contains("inf"), "{html}");
    }

    #[test]
    fn blocks_unfold() {
        let one = |label: &str| row(label, stack(&[(1.0, Colour::Tiles)]));
        let chart = Chart::from_zero("t", "", vec![one("a"), one("b"), one("c")])
            .in_blocks(vec![(one("first"), 0..1), (one("others"), 1..3)]);
        let html = rendered(&chart);
        // A block of one row is that row.
        assert!(!html.contains("first") && html.matches("<details>").count() == 1, "{html}");
        let at = |text: &str| html.find(&format!(">{text}<")).expect("shown");
        assert!(at("a") < at("others") && at("others") < at("b") && at("b") < at("c"));
    }

    #[test]
    fn every_colour_is_one_of_the_style_sheet() {
        let sheet = include_str!("style.css");
        let hue = |colour: &Colour| {
            let name = format!(" --{}: ", colour.class());
            let hues: Vec<&str> = sheet
                .match_indices(&name)
                .map(|(at, _)| &sheet[at + name.len()..at + name.len() + 7])
                .collect();
            assert_eq!(hues.len(), 2, "light and dark {name}");
            assert!(sheet.contains(&format!(".{} {{", colour.class())), "{name}");
            [hues[0], hues[1]]
        };
        let hues: Vec<_> = Colour::ALL.iter().map(hue).collect();
        for (index, hue) in hues.iter().enumerate() {
            assert!(hues[..index].iter().all(|other| other[0] != hue[0] && other[1] != hue[1]));
        }
        let meanings: std::collections::BTreeSet<_> = Colour::ALL.map(Colour::meaning).into();
        assert_eq!(meanings.len(), Colour::ALL.len());
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
}
