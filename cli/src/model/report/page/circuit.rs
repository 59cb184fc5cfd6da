//! The page's sections about the circuit: its tables, its rows and columns, its key.

use crate::{
    audit::grouped,
    model::report::{
        chart::{Chart, Colour, Row, legend, stack},
        facts::Report,
        html::{figures, heading},
    },
};

pub(super) fn tables(page: &mut String, report: &Report) {
    heading(
        page,
        "Lookup tables",
        "Rows of each function's table and of each range of remainders. They share one table of three \
         fixed columns, which lies beside the other rows.",
    );
    legend(page, &[Colour::Lookup, Colour::Remainders]);
    let rows = report.cost.tables.iter().map(|table| {
        let colour = if table.shift.is_some() { Colour::Remainders } else { Colour::Lookup };
        Row {
            label: table.name.clone(),
            hint: format!("{}: looked up by {} tiles", table.name, table.tiles),
            value: format!("{} rows, {} tiles", grouped(table.rows as f64), table.tiles),
            marks: stack(&[(table.rows as f64, colour)]),
        }
    });
    Chart::from_zero("Rows of the lookup tables", "", rows.collect()).fitted().render(page);
}

pub(super) fn circuit(page: &mut String, report: &Report) {
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
    legend(
        page,
        &[
            Colour::Tiles,
            Colour::Program,
            Colour::Rows,
            Colour::Weights,
            Colour::Rest,
            Colour::Lookup,
        ],
    );
    let families = [
        ("tiles", rows.tiles, Colour::Tiles),
        ("hashes", rows.hash, Colour::Program),
        ("scalar program", rows.scalars.saturating_sub(rows.hash), Colour::Program),
        ("lanes: tiles, hashes, scalars", rows.lanes, Colour::Rows),
        ("weights", rows.weights, Colour::Weights),
        ("rest grids", rows.rest, Colour::Rest),
        ("lookup table", rows.table, Colour::Lookup),
    ];
    let lines = families.into_iter().map(|(label, count, colour)| Row {
        label: label.to_owned(),
        hint: label.to_owned(),
        value: format!("{} rows", grouped(count as f64)),
        marks: stack(&[(count as f64, colour)]),
    });
    let max = f64::from(2u32.saturating_pow(predicted.k));
    let (title, blocks) = ("Rows in use by family", Vec::new());
    Chart { title, unit: "", min: 0.0, max, rows: lines.collect(), blocks }.render(page);
    let mut lines = vec![
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
        lines.push(("proof", format!("{} bytes", grouped(key.proof_bytes as f64))));
        lines.push(("verifying key", key.vk_hash.clone()));
        if !key.setup.is_trusted() {
            lines.push(("setup", "development: its maker can forge proofs".to_owned()));
        }
    }
    figures(page, lines);
}
