//! The report's page: HTML with the style sheet and the charts in it, and nothing from elsewhere.

use std::fmt::Write as _;

use assay_prover::{
    circuit::{CostPart, PartCost},
    import::quantize::report::LayerError,
};

use super::{
    Report,
    svg::{Chart, Mark, Row, escape, number, stack},
};
use crate::audit::grouped;

const STYLE: &str = include_str!("style.css");

pub(super) fn render(report: &Report) -> String {
    let model = escape(&report.model);
    let [channels, height, width] = report.input_shape;
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{model}: quantization and circuit</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>{model}</h1>\n\
         <p>{channels} × {height} × {width} to {} classes, {} parameters, {} multiplications. The \
         circuit proves: {}.</p>\n",
        report.classes,
        grouped(report.parameters as f64),
        grouped(report.multiply_accumulates as f64),
        escape(&report.statement)
    );
    cards(&mut page, report);
    accuracy(&mut page, report);
    errors(&mut page, report);
    ranges(&mut page, report);
    cost(&mut page, report);
    tables(&mut page, report);
    circuit(&mut page, report);
    let _ = writeln!(
        page,
        "<footer>assay {}, model report. Times are the planner's for this machine's cores.</footer>\n\
         </body>\n</html>",
        env!("CARGO_PKG_VERSION")
    );
    page
}

fn cards(page: &mut String, report: &Report) {
    let accuracy = &report.accuracy;
    let percent = |count: usize| format!("{:.1} %", accuracy.percent(count));
    let mut cards = Vec::new();
    if report.labelled > 0 {
        cards.push((percent(accuracy.quantized_top1), "top-1, quantized"));
        cards.push((percent(accuracy.float_top1), "top-1, float"));
    }
    cards.push((percent(accuracy.agree), "same class as float"));
    let predicted = &report.predicted;
    cards.push((format!("2^{}", predicted.k), "rows of the circuit"));
    cards.push((format!("{} s", number(predicted.wall_s)), "to prove, predicted"));
    cards.push((format!("{} MB", number(predicted.rss_mb)), "memory, predicted"));
    cards.push((format!("{} gas", number(predicted.verify_gas)), "to verify, predicted"));
    cards.push((share(report.cost.nonlinear_share), "of proving is non-linear"));
    page.push_str("<div class=\"cards\">\n");
    for (figure, label) in cards {
        let _ = writeln!(
            page,
            "<div class=\"card\"><b>{}</b><span>{}</span></div>",
            escape(&figure),
            escape(label)
        );
    }
    page.push_str("</div>\n");
}

fn accuracy(page: &mut String, report: &Report) {
    let found = &report.accuracy;
    heading(
        page,
        "Accuracy",
        &format!(
            "Float against quantized network on {} inputs, {} of them labelled. The quantized network \
             refuses {} for a value out of its calibrated range; these count as wrong. Logits differ \
             by at most {} (largest logit {}).",
            found.inputs,
            report.labelled,
            found.refused,
            number(found.max_logit_error),
            number(found.max_logit)
        ),
    );
    let row = |label: &str, count: usize, class| Row {
        label: label.to_owned(),
        hint: format!("{label}: {count} of {}", found.inputs),
        value: format!("{:.2} %", found.percent(count)),
        marks: stack(&[(found.percent(count), class)]),
    };
    let mut rows = Vec::new();
    if report.labelled > 0 {
        rows.push(row("top-1, float", found.float_top1, "b"));
        rows.push(row("top-1, quantized", found.quantized_top1, "a"));
        // Of so few classes each is among the best five.
        if report.classes > 5 {
            rows.push(row("top-5, float", found.float_top5, "b"));
            rows.push(row("top-5, quantized", found.quantized_top5, "a"));
        }
    }
    rows.push(row("same class", found.agree, "c"));
    chart(page, &Chart { title: "Accuracy", unit: " %", min: 0.0, max: 100.0, rows });
}

fn errors(page: &mut String, report: &Report) {
    heading(
        page,
        "Error by layer",
        "Signal to noise of each layer's integers against the float network, over all inputs: 6 dB \
         are one bit. Saturated are values that lie beyond what the layer's integers can hold.",
    );
    if missing(page, report) {
        return;
    }
    legend(page, &[("a", "signal to noise"), ("bad", "with saturated values")]);
    let rows = report.errors.layers.iter().map(|layer| {
        let (noise, words) = noise(layer);
        let saturated = match layer.saturated {
            0 => String::new(),
            some => format!(", {} saturated", share(some as f64 / layer.values.max(1) as f64)),
        };
        let class = if layer.saturated > 0 { "bad" } else { "a" };
        Row {
            label: layer.layer.clone(),
            hint: format!(
                "{} ({}): root mean square error {:.4e}, {} of {} values saturated",
                layer.layer,
                layer.operator,
                layer.rms_error,
                grouped(layer.saturated as f64),
                grouped(layer.values as f64)
            ),
            value: format!("{words}{saturated}"),
            marks: stack(&[(noise.max(0.0), class)]),
        }
    });
    chart(page, &Chart::from_zero("Signal to noise by layer", " dB", rows.collect()));
}

/// Signal to noise in dB, and in words.
fn noise(layer: &LayerError) -> (f64, String) {
    match layer.signal_to_noise_db {
        Some(noise) => (noise, format!("{noise:.1} dB")),
        None if layer.rms_error == 0.0 => (0.0, "exact".to_owned()),
        None => (0.0, "no signal".to_owned()),
    }
}

fn ranges(page: &mut String, report: &Report) {
    heading(
        page,
        "Ranges by layer",
        "The float network's least and largest value, as parts of what the layer's integers can hold. \
         What lies beyond is cut off by the layer's table or refused.",
    );
    if missing(page, report) {
        return;
    }
    legend(page, &[("a", "float values"), ("room", "integers can hold"), ("bad", "beyond")]);
    let rows = report.errors.layers.iter().map(|layer| {
        let held = layer.integer_limits.map(f64::from);
        let most = held.iter().fold(1.0, |most: f64, end| most.max(end.abs()));
        let [low, high] = held.map(|end| end / most);
        let [least, largest] = layer.float_range.map(|end| end * layer.scale / most);
        // Rounding moves a value by up to one step.
        let step = 1.0 / most;
        let mut marks = vec![
            Mark { from: low, to: high, class: "room" },
            Mark { from: least.max(low), to: largest.min(high), class: "a" },
        ];
        if least < low - step {
            marks.push(Mark { from: least, to: low, class: "bad" });
        }
        if largest > high + step {
            marks.push(Mark { from: high, to: largest, class: "bad" });
        }
        let [from, to] = layer.float_range.map(number);
        let [min, max] = layer.integer_limits;
        Row {
            label: layer.layer.clone(),
            hint: format!(
                "{}: float {from} to {to}; integers {} to {} of {min} to {max}, one is {:.3e}",
                layer.layer,
                layer.integer_range[0],
                layer.integer_range[1],
                1.0 / layer.scale
            ),
            value: format!("{from} to {to}"),
            marks,
        }
    });
    let title = "Ranges by layer";
    chart(page, &Chart { title, unit: "", min: -1.1, max: 1.1, rows: rows.collect() });
}

fn cost(page: &mut String, report: &Report) {
    let cost = &report.cost;
    heading(
        page,
        "Cost by layer",
        "Rows that each layer uses. Tiles hold values, weights and rest grids have columns of their \
         own and lie beside them; scalar rows hold the claims.",
    );
    let parts = cost.parts.iter().filter(|part| part.cells > 0).collect::<Vec<_>>();
    legend(
        page,
        &[("a", "tiles"), ("b", "weights"), ("c", "rest grids"), ("d", "scalars, hashes")],
    );
    let rows = parts.iter().map(|part| {
        let program = part.scalar_rows + part.hash_rows;
        let all = part.tile_rows + part.weight_rows + part.rest_rows + program;
        Row {
            label: part.name.clone(),
            hint: hint(part),
            value: format!("{} rows", grouped(all as f64)),
            marks: stack(&[
                (part.tile_rows as f64, "a"),
                (part.weight_rows as f64, "b"),
                (part.rest_rows as f64, "c"),
                (program as f64, "d"),
            ]),
        }
    });
    chart(page, &Chart::from_zero("Rows by layer", "", rows.collect()));

    heading(
        page,
        "Share of the time to prove",
        "Estimated: the price of each column, shared by the rows that use it. Non-linear are lookups, \
         the cells that exist only for them, and comparisons; all else is linear.",
    );
    legend(page, &[("a", "linear"), ("b", "non-linear")]);
    let split = |label: &str, hint: String, all: f64, nonlinear: f64| Row {
        label: label.to_owned(),
        hint,
        value: format!("{} ({} non-linear)", share(all), share(nonlinear)),
        marks: stack(&[(100.0 * (all - nonlinear), "a"), (100.0 * nonlinear, "b")]),
    };
    let rows =
        parts.iter().map(|part| split(&part.name, hint(part), part.share, part.nonlinear_share));
    chart(page, &Chart::from_zero("Share of the time to prove by layer", " %", rows.collect()));
    let all = Row {
        value: format!("{} non-linear", share(cost.nonlinear_share)),
        ..split("whole network", "whole network".into(), 1.0, cost.nonlinear_share)
    };
    let title = "Linear against non-linear";
    chart(page, &Chart { title, unit: " %", min: 0.0, max: 100.0, rows: vec![all] });
    cost_table(page, &parts);
}

fn hint(part: &PartCost) -> String {
    let kind = match part.part {
        CostPart::Layer(index) => format!("{}, layer {index}", part.kind),
        CostPart::Input => "input and its packing".into(),
        CostPart::Outputs => "ranking of the logits".into(),
        CostPart::Hash => "Poseidon".into(),
    };
    format!(
        "{} ({kind}): {} cells, {} of proving",
        part.name,
        grouped(part.cells as f64),
        share(part.share)
    )
}

fn cost_table(page: &mut String, parts: &[&PartCost]) {
    page.push_str(
        "<details><summary>All figures</summary>\n<div class=\"scroll\"><table>\n<tr><th>layer</th>\
         <th>operation</th><th>tile rows</th><th>weight rows</th><th>rest rows</th>\
         <th>scalar rows</th><th>hash rows</th><th>cells</th><th>share</th><th>non-linear</th></tr>\n",
    );
    for part in parts {
        let _ = write!(page, "<tr><td>{}</td><td>{}</td>", escape(&part.name), escape(part.kind));
        let counts =
            [part.tile_rows, part.weight_rows, part.rest_rows, part.scalar_rows, part.hash_rows];
        for count in counts.into_iter().chain([part.cells]) {
            let _ = write!(page, "<td>{}</td>", grouped(count as f64));
        }
        let _ = writeln!(
            page,
            "<td>{}</td><td>{}</td></tr>",
            escape(&share(part.share)),
            escape(&share(part.nonlinear_share))
        );
    }
    page.push_str("</table></div></details>\n");
}

fn tables(page: &mut String, report: &Report) {
    heading(
        page,
        "Lookup tables",
        "Rows of each function's table and of each range of remainders. They share one table of three \
         fixed columns, which lies beside the other rows.",
    );
    legend(page, &[("a", "function"), ("b", "range of remainders")]);
    let rows = report.cost.tables.iter().map(|table| {
        let class = if table.shift.is_some() { "b" } else { "a" };
        Row {
            label: table.name.clone(),
            hint: format!("{}: looked up by {} tiles", table.name, table.tiles),
            value: format!("{} rows, {} tiles", grouped(table.rows as f64), table.tiles),
            marks: stack(&[(table.rows as f64, class)]),
        }
    });
    chart(page, &Chart::from_zero("Rows of the lookup tables", "", rows.collect()));
}

fn circuit(page: &mut String, report: &Report) {
    let (rows, predicted) = (&report.rows, &report.predicted);
    heading(
        page,
        "The planned circuit",
        &format!(
            "{} of 2^{} = {} rows in use, by families of columns; families overlap.",
            grouped(predicted.rows_used as f64),
            predicted.k,
            grouped(f64::from(2u32.saturating_pow(predicted.k)))
        ),
    );
    let families = [
        ("tiles", rows.tiles, "a"),
        ("hashes", rows.hash, "a"),
        ("scalar program", rows.scalars.saturating_sub(rows.hash), "a"),
        ("lanes: tiles, hashes, scalars", rows.lanes, "d"),
        ("weights", rows.weights, "b"),
        ("rest grids", rows.rest, "c"),
        ("lookup table", rows.table, "b"),
    ];
    let lines = families.into_iter().map(|(label, count, class)| Row {
        label: label.to_owned(),
        hint: label.to_owned(),
        value: format!("{} rows", grouped(count as f64)),
        marks: stack(&[(count as f64, class)]),
    });
    let max = f64::from(2u32.saturating_pow(predicted.k));
    let title = "Rows in use by family";
    chart(page, &Chart { title, unit: "", min: 0.0, max, rows: lines.collect() });
    let mut figures = vec![
        ("lanes, weight columns", format!("{}, {}", report.lanes, report.weight_columns)),
        (
            "advice, fixed columns",
            format!("{}, {}", predicted.advice_columns, predicted.fixed_columns),
        ),
        ("time to prove, all cores", format!("{:.1} s", predicted.wall_s)),
        ("time to prove, CPU", format!("{:.1} s", predicted.cpu_s)),
        ("memory", format!("{} MB", grouped(predicted.rss_mb))),
        ("gas to verify", grouped(predicted.verify_gas)),
    ];
    if let Some(key) = &report.key {
        figures.push(("proof", format!("{} bytes", grouped(key.proof_bytes as f64))));
        figures.push(("verifying key", key.vk_hash.clone()));
        if !key.setup.is_trusted() {
            figures.push(("setup", "development: its maker can forge proofs".to_owned()));
        }
    }
    page.push_str("<div class=\"scroll\"><table>\n");
    for (name, value) in figures {
        let _ = writeln!(page, "<tr><td>{}</td><td>{}</td></tr>", escape(name), escape(&value));
    }
    page.push_str("</table></div>\n");
}

/// Says so, where there is nothing to show.
fn missing(page: &mut String, report: &Report) -> bool {
    let none = report.errors.layers.is_empty();
    if none {
        page.push_str("<p>The quantized network refuses every input.</p>\n");
    }
    none
}

fn heading(page: &mut String, title: &str, text: &str) {
    let _ = writeln!(page, "<h2>{}</h2>\n<p>{}</p>", escape(title), escape(text));
}

fn legend(page: &mut String, entries: &[(&str, &str)]) {
    page.push_str("<div class=\"legend\">");
    for (class, label) in entries {
        let _ = write!(page, "<span><i class=\"{class}\"></i>{}</span>", escape(label));
    }
    page.push_str("</div>\n");
}

fn chart(page: &mut String, chart: &Chart) {
    let _ = writeln!(page, "<div class=\"scroll\">\n{}</div>", chart.render());
}

/// Of 1, in percent.
fn share(part: f64) -> String {
    let percent = 100.0 * part;
    if percent > 0.0 && percent < 0.05 { "< 0.1 %".into() } else { format!("{percent:.1} %") }
}
