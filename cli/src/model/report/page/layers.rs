//! The page's sections about layers: noise, ranges, cost.

use std::{fmt::Write as _, ops::Range};

use assay_prover::{
    circuit::{CostPart, PartCost},
    import::quantize::report::LayerError,
};

use crate::{
    audit::grouped,
    model::{
        blocks::Block,
        report::{
            chart::{Chart, Colour, Mark, Row, legend, stack},
            facts::Report,
            html::{escape, heading, number, share},
        },
    },
};

pub(super) fn errors(page: &mut String, report: &Report) {
    heading(
        page,
        "Error by layer",
        "Signal to noise of each layer's integers against the float network, over all inputs: 6 dB \
         are one bit. Saturated are values that lie beyond what the layer's integers can hold.",
    );
    if missing(page, report) {
        return;
    }
    legend(page, &[Colour::Quantized, Colour::Bad]);
    let layers = &report.errors.layers;
    let rows = layers.iter().map(|layer| {
        let hint = format!(
            "{} ({}): root mean square error {:.4e}, {} of {} values saturated",
            layer.layer,
            layer.operator,
            layer.rms_error,
            grouped(layer.saturated as f64),
            grouped(layer.values as f64)
        );
        noise_row(layer.layer.clone(), hint, layer)
    });
    let rows = rows.collect();
    // A block's least signal to noise, and all that is saturated in it.
    let block = |block: &Block, layers: &[LayerError]| {
        let noisiest = layers.iter().min_by(|a, b| noise(a).0.total_cmp(&noise(b).0))?;
        let sum = |value: fn(&LayerError) -> u64| layers.iter().map(value).sum();
        let of_all = LayerError {
            saturated: sum(|layer| layer.saturated),
            values: sum(|layer| layer.values),
            ..noisiest.clone()
        };
        let hint = format!("{}: the noisiest of its layers is {}", block.name, noisiest.layer);
        Some(noise_row(block_label(block), hint, &of_all))
    };
    Chart::from_zero("Signal to noise by layer", " dB", rows)
        .in_blocks(in_blocks(&report.blocks, layers, block))
        .fitted()
        .render(page);
}

fn noise_row(label: String, hint: String, layer: &LayerError) -> Row {
    let (noise, words) = noise(layer);
    let saturated = match layer.saturated {
        0 => String::new(),
        some => format!(", {} saturated", share(some as f64 / layer.values.max(1) as f64)),
    };
    let colour = if layer.saturated > 0 { Colour::Bad } else { Colour::Quantized };
    let marks = stack(&[(noise.max(0.0), colour)]);
    Row { label, hint, value: format!("{words}{saturated}"), marks }
}

/// Signal to noise in dB, and in words.
fn noise(layer: &LayerError) -> (f64, String) {
    match layer.signal_to_noise_db {
        Some(noise) => (noise, format!("{noise:.1} dB")),
        None if layer.rms_error == 0.0 => (f64::INFINITY, "exact".to_owned()),
        None => (0.0, "no signal".to_owned()),
    }
}

fn block_label(block: &Block) -> String {
    format!("{} ({} layers)", block.name, block.layers)
}

/// A row for each block that has one, with the layers that it stands for.
fn in_blocks<T>(
    blocks: &[Block],
    layers: &[T],
    row: impl Fn(&Block, &[T]) -> Option<Row>,
) -> Vec<(Row, Range<usize>)> {
    let row = |block: &Block| {
        let range = block.range();
        Some((row(block, layers.get(range.clone())?)?, range))
    };
    blocks.iter().filter_map(row).collect()
}

pub(super) fn ranges(page: &mut String, report: &Report) {
    heading(
        page,
        "Ranges by layer",
        "The float network's least and largest value, as parts of what the layer's integers can hold. \
         What lies beyond is cut off by the layer's table or refused.",
    );
    if missing(page, report) {
        return;
    }
    legend(page, &[Colour::Float, Colour::Room, Colour::Bad]);
    let layers = &report.errors.layers;
    let row = |layer: &LayerError| {
        let [from, to] = layer.float_range.map(number);
        let [min, max] = layer.integer_limits;
        let hint = format!(
            "{}: float {from} to {to}; integers {} to {} of {min} to {max}, one is {:.3e}",
            layer.layer,
            layer.integer_range[0],
            layer.integer_range[1],
            1.0 / layer.scale
        );
        let (label, value) = (layer.layer.clone(), format!("{from} to {to}"));
        Row { label, hint, value, marks: range_marks(layer) }
    };
    // A block's layer that takes most of what it can hold.
    let block = |block: &Block, layers: &[LayerError]| {
        let part = |layer: &&LayerError| {
            let held = layer.integer_limits.map(|end| f64::from(end).abs());
            let float = layer.float_range.map(|end| (end * layer.scale).abs());
            float[0].max(float[1]) / held[0].max(held[1]).max(1.0)
        };
        let fullest = layers.iter().max_by(|a, b| part(a).total_cmp(&part(b)))?;
        let row = row(fullest);
        let hint = format!("{}: the fullest of its layers is {}", block.name, row.hint);
        Some(Row { label: block_label(block), hint, ..row })
    };
    let (title, rows) = ("Ranges by layer", layers.iter().map(row).collect());
    let blocks = in_blocks(&report.blocks, layers, block);
    Chart { title, unit: "", min: -1.1, max: 1.1, rows, blocks }.render(page);
}

fn range_marks(layer: &LayerError) -> Vec<Mark> {
    let held = layer.integer_limits.map(f64::from);
    let most = held.iter().fold(1.0, |most: f64, end| most.max(end.abs()));
    let [low, high] = held.map(|end| end / most);
    let [least, largest] = layer.float_range.map(|end| end * layer.scale / most);
    // Rounding moves a value by up to one step.
    let step = 1.0 / most;
    let mut marks = vec![
        Mark { from: low, to: high, colour: Colour::Room },
        Mark { from: least.max(low), to: largest.min(high), colour: Colour::Float },
    ];
    if least < low - step {
        marks.push(Mark { from: least, to: low, colour: Colour::Bad });
    }
    if largest > high + step {
        marks.push(Mark { from: high, to: largest, colour: Colour::Bad });
    }
    marks
}

pub(super) fn cost(page: &mut String, report: &Report) {
    let cost = &report.cost;
    heading(
        page,
        "Cost by layer",
        "Rows that each layer uses. Tiles hold values, weights and rest grids have columns of their \
         own and lie beside them; scalar rows hold the claims.",
    );
    let groups = PartGroups::of(report);
    legend(page, &[Colour::Tiles, Colour::Weights, Colour::Rest, Colour::Program]);
    groups.chart("Rows by layer", "", &rows_of, page);
    heading(
        page,
        "Share of the time to prove",
        "Estimated: the price of each column, shared by the rows that use it. Non-linear are lookups, \
         the cells that exist only for them, and comparisons; all else is linear.",
    );
    legend(page, &[Colour::Linear, Colour::Lookup]);
    groups.chart("Share of the time to prove by layer", " %", &share_of, page);
    let (label, hint) = ("whole network".to_owned(), "whole network".to_owned());
    let all = Row {
        value: format!("{} non-linear", share(cost.nonlinear_share)),
        ..split(label, hint, 1.0, cost.nonlinear_share)
    };
    let title = "Linear against non-linear";
    let blocks = Vec::new();
    Chart { title, unit: " %", min: 0.0, max: 100.0, rows: vec![all], blocks }.render(page);
    cost_table(page, &groups.parts);
}

/// The parts that cost anything, and the runs of them that are blocks.
struct PartGroups<'a> {
    parts: Vec<&'a PartCost>,
    blocks: Vec<Block>,
}

impl<'a> PartGroups<'a> {
    fn of(report: &'a Report) -> Self {
        let parts: Vec<&PartCost> =
            report.cost.parts.iter().filter(|part| part.cells > 0).collect();
        let mut blocks: Vec<Block> = Vec::new();
        if report.blocks.is_empty() {
            return Self { parts, blocks };
        }
        let mut before = None;
        for (first, part) in parts.iter().enumerate() {
            let block = match part.part {
                CostPart::Layer(layer) => {
                    report.blocks.iter().position(|block| block.range().contains(&layer))
                }
                CostPart::Input | CostPart::Outputs | CostPart::Hash => None,
            };
            match blocks.last_mut() {
                Some(last) if block.is_some() && block == before => last.layers += 1,
                _ => {
                    let name = block.map_or(&part.name, |block| &report.blocks[block].name).clone();
                    blocks.push(Block { name, first, layers: 1 });
                }
            }
            before = block;
        }
        Self { parts, blocks }
    }

    fn chart(
        &self,
        title: &'static str,
        unit: &'static str,
        row: &dyn Fn(&PartCost, String) -> Row,
        page: &mut String,
    ) {
        let rows = self.parts.iter().map(|part| row(part, hint(part))).collect();
        let block = |block: &Block, parts: &[&PartCost]| {
            let sum = sum(block, parts)?;
            let hint = format!(
                "{}: {} cells, {} of proving",
                block.name,
                grouped(sum.cells as f64),
                share(sum.share)
            );
            Some(row(&sum, hint))
        };
        let blocks = in_blocks(&self.blocks, &self.parts, block);
        Chart::from_zero(title, unit, rows).in_blocks(blocks).fitted().render(page);
    }
}

/// All parts of a block together.
fn sum(block: &Block, parts: &[&PartCost]) -> Option<PartCost> {
    let (first, others) = parts.split_first()?;
    let mut sum = PartCost { name: block_label(block), ..(*first).clone() };
    for part in others {
        sum.tile_rows += part.tile_rows;
        sum.weight_rows += part.weight_rows;
        sum.rest_rows += part.rest_rows;
        sum.scalar_rows += part.scalar_rows;
        sum.hash_rows += part.hash_rows;
        sum.cells += part.cells;
        sum.share += part.share;
        sum.nonlinear_share += part.nonlinear_share;
    }
    Some(sum)
}

fn rows_of(part: &PartCost, hint: String) -> Row {
    let program = part.scalar_rows + part.hash_rows;
    let all = part.tile_rows + part.weight_rows + part.rest_rows + program;
    Row {
        label: part.name.clone(),
        hint,
        value: format!("{} rows", grouped(all as f64)),
        marks: stack(&[
            (part.tile_rows as f64, Colour::Tiles),
            (part.weight_rows as f64, Colour::Weights),
            (part.rest_rows as f64, Colour::Rest),
            (program as f64, Colour::Program),
        ]),
    }
}

fn share_of(part: &PartCost, hint: String) -> Row {
    split(part.name.clone(), hint, part.share, part.nonlinear_share)
}

fn split(label: String, hint: String, all: f64, nonlinear: f64) -> Row {
    Row {
        label,
        hint,
        value: format!("{} ({} non-linear)", share(all), share(nonlinear)),
        marks: stack(&[
            (100.0 * (all - nonlinear), Colour::Linear),
            (100.0 * nonlinear, Colour::Lookup),
        ]),
    }
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

/// Says so, where there is nothing to show.
fn missing(page: &mut String, report: &Report) -> bool {
    let none = report.errors.layers.is_empty();
    if none {
        page.push_str("<p>The quantized network refuses every input.</p>\n");
    }
    none
}
