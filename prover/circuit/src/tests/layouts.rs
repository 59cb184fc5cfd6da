//! Networks for which there is no sound circuit, or none at all.

use super::*;
use crate::layout::RESERVED_ROWS;
use assay_graph::FunctionTable;

/// Max-pools that change nothing but spread what comes after them, then a convolution whose grid has
/// positions that are not kept.
fn spread(strides: &[[usize; 2]], kernel: [usize; 2], pads: [usize; 4]) -> QuantizedGraph {
    let mut builder = Builder::new([2, 4, 4]);
    let mut last = builder.conv(0, [4, 4], [1, 1], [0; 4], 3, 1, false);
    for stride in strides {
        last = builder.max_pool(last, [1, 1], *stride, [0; 4]);
    }
    let logits = builder.conv(last, kernel, [1, 1], pads, 3, 1, false);
    builder.finish(logits)
}

/// With strides whose product wraps around, all positions would share an exponent, and a cell that the
/// prover chooses late would make up for any difference.
#[test]
fn positions_that_share_an_exponent_are_refused() {
    let statement = StatementKind::default();
    let (wide, tall) = (([1, 3], [0, 1, 0, 1]), ([3, 1], [1, 0, 1, 0]));
    let layout = |strides: &[[usize; 2]], (kernel, pads)| {
        let graph = spread(strides, kernel, pads);
        let valid = graph.validate();
        (valid, Layout::new(&graph, options(3, 1, statement)))
    };
    // Strides as they occur are fine.
    let (valid, layout_of_two) = layout(&[[2, 2], [3, 1]], wide);
    assert!(valid.is_ok() && layout_of_two.is_ok());
    // 2^32 twice is 2^64.
    for (stride, window) in [([1, 1 << 32], wide), ([1 << 32, 1], tall)] {
        let (valid, layout) = layout(&[stride; 2], window);
        assert!(valid.is_err(), "{stride:?} is no stride");
        assert!(matches!(layout, Err(LayoutError::Exponents { .. })), "{stride:?}");
    }
    // So are four of 2^16, each of which is one.
    for (stride, window) in [([1, 1 << 16], wide), ([1 << 16, 1], tall)] {
        for count in [2, 3, 4, 5] {
            let (valid, layout) = layout(&vec![stride; count], window);
            assert!(valid.is_ok(), "{:?}", valid.err());
            assert!(matches!(layout, Err(LayoutError::Exponents { .. })), "{stride:?} x {count}");
        }
    }
}

/// Differences of logits must fit a cell.
#[test]
fn logits_too_far_apart_are_refused() {
    let (graph, _) = mixed_network();
    let spread = |min: i32, max: i32| {
        let mut graph = graph.clone();
        let output = graph.output;
        (graph.tensors[output].min, graph.tensors[output].max) = (min, max);
        graph.validate().expect("a valid network");
        let best =
            StatementKind::Prediction { input: InputMode::Committed, output: OutputMode::Best(2) };
        [StatementKind::default(), best, super::items::audit(1, 1, 1)]
            .map(|statement| Layout::new(&graph, options(3, 1, statement)).map(|layout| layout.k))
    };
    for layout in spread(-16_384, 16_383) {
        assert!(layout.is_ok(), "{layout:?}");
    }
    for layout in spread(-16_384, 16_384) {
        assert!(matches!(layout, Err(LayoutError::Range { .. })), "{layout:?}");
    }
}

/// The logits at the two ends of the widest range there may be.
#[test]
fn the_widest_logits_are_ranked() {
    let (mut graph, input) = mixed_network();
    let output = graph.output;
    (graph.tensors[output].min, graph.tensors[output].max) = (-16_384, 16_383);
    let last = graph.functions.len();
    graph.functions.push(FunctionTable {
        name: "extremes".into(),
        min: -300,
        values: (-300..300).map(|x| if x < 0 { -16_384 } else { 16_383 }).collect(),
    });
    let layer = graph.layers.last_mut().expect("a layer");
    let Op::Conv { bias, rescale, .. } = &mut layer.op else { panic!("a convolution") };
    rescale.function = last;
    bias[0] = -1000;
    bias[1] = 1000;
    let logits = Executor::new(&graph).expect("valid").run(&input).expect("in range");
    let logits = &logits.tensors[output];
    assert_eq!((logits[0], logits[1]), (-16_384, 16_383));
    let best =
        StatementKind::Prediction { input: InputMode::Committed, output: OutputMode::Best(5) };
    for statement in [StatementKind::default(), best] {
        let failures = failures(&graph, &input, options(3, 1, statement), Attack::None);
        assert!(failures.is_empty(), "{statement:?}: {:#?}", failures.first());
    }
}

/// A table that just fits leaves the last usable row, a load row, alone.
#[test]
fn a_table_that_just_fits_is_proven() {
    let (mut graph, input) = mixed_network();
    let statement = prediction(InputMode::Committed);
    let small = options(3, 2, statement);
    let layout = Layout::new(&graph, small).expect("layout");
    // Fill the table up to each of the rows around the end.
    let room = (1 << layout.k) - RESERVED_ROWS - layout.tables.end();
    let function = graph.functions.len();
    for rows in room - 2..=room {
        graph.functions.truncate(function);
        let values = vec![0; rows];
        graph.functions.push(FunctionTable { name: "filler".into(), min: -9, values });
        let layout = Layout::new(&graph, small).expect("layout");
        let failures = failures(&graph, &input, small, Attack::None);
        assert!(failures.is_empty(), "{rows} of {room}, k {}: {failures:#?}", layout.k);
    }
}

/// A deep network has more constants than the load rows before the weights' usual place: the weights move on.
#[test]
fn a_network_of_many_constants_is_planned_and_proven() {
    let mut builder = Builder::new([2, 2, 2]);
    let mut last = builder.conv(0, [1, 1], [1, 1], [0; 4], 2, 1, true);
    for step in 0..80 {
        let constant = if step % 2 == 0 { 100 + step } else { 1 - 100 - step };
        let rescale = Rescale { shift: 0, function: 1 };
        let op = Op::Pointwise { inputs: vec![(last, 1)], constant, rescale };
        last = builder.push([2, 2, 2], op);
    }
    let logits = builder.conv(last, [2, 2], [1, 1], [0; 4], 3, 1, false);
    let graph = builder.finish(logits);
    let statement = prediction(InputMode::Committed);
    let refused = Layout::new(&graph, options(3, 2, statement));
    assert!(matches!(refused, Err(LayoutError::TooManyConstants)), "{refused:?}");
    let layout = plan(&graph, PlanRequest { statement, ..PlanRequest::default() }).expect("a plan");
    let input = (0..8u32).map(|i| (i * 71 % 256) as u8).collect::<Vec<_>>();
    let honest = failures(&graph, &input, layout.options, Attack::None);
    assert!(honest.is_empty(), "{:#?}", honest.first());
    let refused = failures(&graph, &input, layout.options, Attack::PublicInput(2));
    assert!(!refused.is_empty(), "another class was accepted");
}
