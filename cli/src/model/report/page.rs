//! The report's page: HTML with the style sheet and the charts in it, and nothing from elsewhere.

mod circuit;
mod layers;
mod results;

use std::fmt::Write as _;

use super::{
    facts::Report,
    html::{escape, number, share},
};
use crate::audit::grouped;

const STYLE: &str = include_str!("style.css");

pub(super) fn render(report: &Report) -> String {
    let model = escape(&report.model);
    let [channels, height, width] = report.input_shape;
    let outputs = match report.classes {
        1 => "one number".to_owned(),
        classes => format!("{classes} classes"),
    };
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{model}: quantization and circuit</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <h1>{model}</h1>\n\
         <p>{channels} × {height} × {width} to {outputs}, {} parameters, {} multiplications. The \
         circuit proves: {}.</p>\n",
        grouped(report.parameters as f64),
        grouped(report.multiply_accumulates as f64),
        escape(&report.statement)
    );
    cards(&mut page, report);
    results::accuracy(&mut page, report);
    results::confusion(&mut page, report);
    results::misjudged(&mut page, report);
    layers::errors(&mut page, report);
    layers::ranges(&mut page, report);
    layers::cost(&mut page, report);
    circuit::tables(&mut page, report);
    circuit::circuit(&mut page, report);
    results::origin(&mut page, report);
    results::advice(&mut page, report);
    let _ = writeln!(
        page,
        "<footer>assay {}, model report of {} UTC. Times are the planner's for this machine's cores.</footer>\n\
         </body>\n</html>",
        env!("CARGO_PKG_VERSION"),
        escape(&report.origin.date)
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
    if report.classes > 1 {
        cards.push((percent(accuracy.agree), "same class as float"));
    } else {
        cards.push((number(accuracy.max_logit_error), "off at most"));
    }
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
