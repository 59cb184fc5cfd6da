use super::*;
use crate::{InputMode, LayoutOptions, OutputMode, PlanRequest, StatementKind, plan};
use assay_graph::Op;
use assay_testing::arbitrary::random_graph;

fn layout(graph: &QuantizedGraph, input: InputMode, lanes: usize) -> Layout {
    let statement = StatementKind::Prediction { input, output: OutputMode::Class };
    let options = LayoutOptions {
        lanes,
        weight_columns: 2,
        statement,
        openings: 16,
        weights_row: 128,
        weights_k: None,
    };
    Layout::new(graph, options).expect("layout")
}

fn sum(cost: &Cost, rows: impl Fn(&PartCost) -> usize) -> usize {
    cost.parts.iter().map(rows).sum()
}

fn part<'a>(cost: &'a Cost, graph: &QuantizedGraph, kind: &str) -> &'a PartCost {
    let index = graph.layers.iter().position(|layer| layer.op.kind() == kind).expect("a layer");
    cost.parts.iter().find(|part| part.part == CostPart::Layer(index)).expect("its cost")
}

#[test]
fn the_parts_add_up_to_the_layout() {
    let mut graphs = vec![assay_testing::networks::mixed_network().0];
    graphs.extend((0..12).map(|seed| random_graph(seed).0));
    for (graph, input) in graphs
        .iter()
        .flat_map(|graph| [InputMode::Public, InputMode::Committed].map(|input| (graph, input)))
    {
        let layout = layout(graph, input, 3);
        let cost = layout.cost(graph);
        let rows = layout.rows;
        assert_eq!(sum(&cost, |part| part.tile_rows), rows.tiles);
        assert_eq!(sum(&cost, |part| part.weight_rows), rows.weights);
        assert_eq!(sum(&cost, |part| part.rest_rows), rows.rest);
        assert_eq!(sum(&cost, |part| part.hash_rows), rows.hash);
        assert_eq!(cost.tables.iter().map(|table| table.rows).sum::<usize>(), rows.table);
        let scalars = sum(&cost, |part| part.scalar_rows);
        match input {
            // The row before the first chain, and the one after the last.
            InputMode::Public => assert_eq!(scalars + 2, rows.scalars),
            // The program steps over the rows of the hash.
            InputMode::Committed => assert!(scalars + 2 <= rows.scalars),
        }
        let shares = cost.parts.iter().map(|part| part.share).sum::<f64>();
        assert!((shares - 1.0).abs() < 1e-9, "{shares}");
        let nonlinear = cost.parts.iter().map(|part| part.nonlinear_share).sum::<f64>();
        assert!((nonlinear - cost.nonlinear_share).abs() < 1e-9);
        assert!((cost.linear_share + cost.nonlinear_share - 1.0).abs() < 1e-9);
        for part in &cost.parts {
            assert!(part.nonlinear_share >= 0.0 && part.nonlinear_share <= part.share + 1e-12);
            assert_eq!(part.cells == 0, part.share == 0.0, "{part:?}");
        }
    }
}

#[test]
fn layers_pay_for_what_they_use() {
    let (graph, _) = assay_testing::networks::mixed_network();
    let layout = layout(&graph, InputMode::Committed, 2);
    let cost = layout.cost(&graph);
    let (pool, conv) = (part(&cost, &graph, "MaxPool"), part(&cost, &graph, "Conv"));
    assert_eq!(
        (pool.weight_rows, conv.weight_rows),
        (0, layout.kernels[0].end() - layout.kernels[0].first_row)
    );
    assert!(pool.rest_rows > 0);
    // A pool's tiles are comparisons; a convolution's hold accumulators too.
    assert!(pool.nonlinear_share / pool.share > conv.nonlinear_share / conv.share);
    let add = part(&cost, &graph, "Add");
    assert_eq!((add.tile_rows, add.weight_rows, add.rest_rows), (0, 0, 0));
    let hash = cost.parts.last().expect("hashes");
    assert_eq!(hash.part, CostPart::Hash);
    assert!(hash.share > 0.0 && hash.nonlinear_share == 0.0);
}

/// Chains of the scalar program: a dense layer reads each of its channels' weight sums.
#[test]
fn scalar_rows_go_to_the_layer_that_claims_them() {
    let (graph, _) = assay_testing::networks::mixed_network();
    let layout = layout(&graph, InputMode::Public, 2);
    let cost = layout.cost(&graph);
    for (index, layer) in graph.layers.iter().enumerate() {
        let rows = cost.parts[index + 1].scalar_rows;
        let least = match &layer.op {
            Op::Conv { input, window, groups, .. } => {
                let taps = window.kernel[0] * window.kernel[1];
                graph.tensors[*input].shape[0] * taps / if *groups == 4 { 3 } else { 1 }
            }
            // Both sides of the claim: the channels that are read, those that are written.
            Op::SumPool { .. } | Op::Pointwise { .. } | Op::MaxPool { .. } => {
                2 * graph.tensors[layer.output].shape[0]
            }
            _ => 0,
        };
        assert!(rows >= least, "{}: {rows} rows, at least {least}", layer.name);
    }
    // Exact sums and concatenations claim nothing; what is summed belongs to the reader.
    for kind in ["Add", "Concat"] {
        assert_eq!(part(&cost, &graph, kind).scalar_rows, 0, "{kind}");
    }
}

#[test]
fn prices_are_the_planners() {
    let (graph, _) = assay_testing::networks::mixed_network();
    let layout = plan(&graph, PlanRequest::default()).expect("plan");
    let prices = layout.prices();
    assert!(prices.small > 0.0 && prices.full > prices.small);
    let attributed = (prices.weights + 3.0 * prices.lanes + 1.0) * prices.small
        + (prices.lanes + 8.0) * prices.full;
    assert!(attributed <= layout.estimate().prove_cpu_s);
}
