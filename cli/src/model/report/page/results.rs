//! The page's sections about results: accuracy, confused classes, misjudged inputs, what to do, and of which
//! files all this is said.

use std::fmt::Write as _;

use crate::model::report::{
    chart::{Chart, Colour, Row, legend, stack},
    facts::Report,
    html::{escape, figures, heading, number},
    verdicts::{Confusion, Misjudged, Reason, Truth},
};

pub(super) fn accuracy(page: &mut String, report: &Report) {
    let found = &report.accuracy;
    let [low, high] = found.logit_range;
    heading(
        page,
        "Accuracy",
        &format!(
            "Float against quantized network on {} inputs, {} of them labelled. The quantized network \
             refuses {} for a value out of its calibrated range; these count as wrong. Outputs differ \
             by at most {} (the float network gives {} to {}), by rounding the inputs alone {}.",
            found.inputs,
            report.labelled,
            found.refused,
            number(found.max_logit_error),
            number(low),
            number(high),
            number(found.max_encoding_error)
        ),
    );
    let row = |label: &str, count: usize, colour| Row {
        label: label.to_owned(),
        hint: format!("{label}: {count} of {}", found.inputs),
        value: format!("{:.2} %", found.percent(count)),
        marks: stack(&[(found.percent(count), colour)]),
    };
    let mut rows = Vec::new();
    if report.labelled > 0 {
        rows.push(row("top-1, float", found.float_top1, Colour::Float));
        rows.push(row("top-1, quantized", found.quantized_top1, Colour::Quantized));
        // Of so few classes each is among the best five.
        if report.classes > 5 {
            rows.push(row("top-5, float", found.float_top5, Colour::Float));
            rows.push(row("top-5, quantized", found.quantized_top5, Colour::Quantized));
        }
    }
    if report.classes > 1 {
        rows.push(row("same class", found.agree, Colour::Agreement));
        rows.push(row("same class, inputs rounded", found.encoding_agree, Colour::Agreement));
    }
    rows.push(row("refused", found.refused, Colour::Bad));
    legend(page, &[Colour::Float, Colour::Quantized, Colour::Agreement, Colour::Bad]);
    let (title, blocks) = ("Accuracy", Vec::new());
    Chart { title, unit: " %", min: 0.0, max: 100.0, rows, blocks }.render(page);
}

pub(super) fn confusion(page: &mut String, report: &Report) {
    let Some(confusion) = &report.confusion else { return };
    let truth = match confusion.truth {
        Truth::Labels => "the label",
        Truth::FloatNetwork => "the float network's class, for there are no labels",
    };
    let text = format!(
        "What the quantized network takes each class for: a row for {truth}, a column for the quantized network's \
         class. Refused inputs are left out."
    );
    heading(page, "Classes taken for others", &text);
    match &confusion.matrix {
        Some(matrix) => matrix_table(page, matrix),
        None => pairs_table(page, confusion),
    }
}

fn matrix_table(page: &mut String, matrix: &[Vec<usize>]) {
    page.push_str("<div class=\"scroll\"><table class=\"matrix\">\n<tr><th></th>");
    for class in 0..matrix.len() {
        let _ = write!(page, "<th>{class}</th>");
    }
    page.push_str("</tr>\n");
    for (truth, row) in matrix.iter().enumerate() {
        let _ = write!(page, "<tr><th>{truth}</th>");
        for (class, count) in row.iter().enumerate() {
            let _ = match (class == truth, count) {
                (true, count) => write!(page, "<td class=\"right\">{count}</td>"),
                (false, 0) => write!(page, "<td></td>"),
                (false, count) => write!(page, "<td class=\"wrong\">{count}</td>"),
            };
        }
        page.push_str("</tr>\n");
    }
    page.push_str("</table></div>\n");
}

fn pairs_table(page: &mut String, confusion: &Confusion) {
    if confusion.pairs.is_empty() {
        page.push_str("<p>No class is taken for another.</p>\n");
        return;
    }
    page.push_str(
        "<div class=\"scroll\"><table>\n<tr><th>class</th><th>taken for</th><th>inputs</th>\
         <th>by the float network too</th></tr>\n",
    );
    for pair in confusion.pairs.iter().take(12) {
        let _ = writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            pair.truth, pair.taken_for, pair.inputs, pair.float_too
        );
    }
    page.push_str("</table></div>\n");
}

pub(super) fn misjudged(page: &mut String, report: &Report) {
    let (shown, all) = (report.misjudged.len(), report.misjudged_inputs);
    let text = match all {
        0 => "None: no input is refused, and none has another class than it should.".to_owned(),
        _ => format!(
            "{shown} of {all}: first what the quantized network refuses, then what it sees otherwise than the float \
             network, then what both get wrong. They are numbered as in their file."
        ),
    };
    heading(page, "Misjudged inputs", &text);
    if shown == 0 {
        return;
    }
    let pictures = report.misjudged.iter().any(|input| input.picture.is_some());
    let class = if pictures { "inputs" } else { "inputs numbers" };
    let _ = writeln!(page, "<div class=\"{class}\">");
    for input in &report.misjudged {
        misjudged_input(page, input);
    }
    page.push_str("</div>\n");
}

fn misjudged_input(page: &mut String, input: &Misjudged) {
    page.push_str("<div class=\"input\">");
    if let Some(picture) = &input.picture {
        let _ = write!(page, "<img alt=\"input {}\" src=\"{}\">", input.input, escape(picture));
    }
    let reason = match input.reason {
        Reason::Refused => "refused",
        Reason::Quantization => "by quantization",
        Reason::Network => "by both networks",
    };
    let mut classes = Vec::new();
    classes.extend(input.outcome.label.map(|label| format!("label {label}")));
    classes.push(format!("float {}", input.outcome.float));
    classes.extend(input.outcome.quantized.map(|class| format!("quantized {class}")));
    let _ = write!(page, "<b>{}: {reason}</b>{}", input.input, classes.join(", "));
    if !input.numbers.is_empty() {
        let numbers: Vec<String> = input.numbers.iter().copied().map(number).collect();
        let more = if input.values > input.numbers.len() {
            format!(", and {} more", input.values - input.numbers.len())
        } else {
            String::new()
        };
        let _ = write!(page, "<br><span>{}{more}</span>", escape(&numbers.join(", ")));
    }
    page.push_str("</div>\n");
}

pub(super) fn advice(page: &mut String, report: &Report) {
    if report.advice.is_empty() {
        let text = "Nothing: classes and outputs are the float network's within the bounds, and no layer is noisy.";
        heading(page, "What to do", text);
        return;
    }
    heading(
        page,
        "What to do",
        "Import again with these options beside those of the first import; SAMPLES are its samples. Then compare: \
         more bits make larger tables, and a larger circuit where they do not fit.",
    );
    page.push_str("<ol class=\"advice\">\n");
    for advice in &report.advice {
        let (text, command) = (escape(&advice.text), escape(&advice.command));
        let _ = writeln!(page, "<li>{text}<code>{command}</code></li>");
    }
    page.push_str("</ol>\n");
}

pub(super) fn origin(page: &mut String, report: &Report) {
    let origin = &report.origin;
    heading(page, "Of which files", "Hashes of files are SHA-256, as `sha256sum` prints them.");
    let mut lines = vec![
        ("date", format!("{} UTC", origin.date)),
        ("architecture", origin.circuit_hash.clone()),
        ("bundle", origin.bundle_id.clone()),
        ("float network's file", origin.network_sha256.clone()),
        (
            "inputs",
            format!(
                "{} of {}, after the first {}",
                report.accuracy.inputs,
                origin.inputs.display(),
                origin.skipped
            ),
        ),
        ("their file", origin.inputs_sha256.clone()),
        ("command", origin.command.clone()),
    ];
    match &origin.model_hash {
        Some(hash) => lines.insert(1, ("model", hash.clone())),
        None => lines.insert(1, ("model", "named where --setup is given".to_owned())),
    }
    figures(page, lines);
}
