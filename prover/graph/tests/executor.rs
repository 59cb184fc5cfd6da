//! The reference executor against plain definitions.

use std::collections::BTreeSet;

use proptest::prelude::*;

use assay_graph::*;
use assay_testing::arbitrary::{Random, plain_run, random_graph};

/// A graph of one convolution, of any shape, whose table covers all its values.
fn one_conv(
    input: Shape,
    window: Window,
    groups: usize,
    out_channels: usize,
    shift: u32,
    seed: u64,
) -> Option<(QuantizedGraph, Vec<u8>)> {
    let mut random = Random::new(seed);
    let [height, width] = window.output_size([input[1], input[2]])?;
    let taps = window.kernel[0] * window.kernel[1];
    let depth = input[0] / groups;
    let weights: Vec<i64> =
        (0..out_channels * depth * taps).map(|_| random.between(-40_000, 40_000)).collect();
    let bias: Vec<i64> = (0..out_channels).map(|_| random.between(-1 << 20, 1 << 20)).collect();
    let bytes: Vec<u8> = (0..input.iter().product()).map(|_| random.word() as u8).collect();
    let bound = 40_000 * 128 * (depth * taps) as i64 + (1 << 20);
    let shift = (shift..=MAX_SHIFT).find(|shift| bound >> shift < 30_000)?;
    let identity = |limit: i32| FunctionTable {
        name: "identity".into(),
        min: -limit,
        values: (-limit..=limit).collect(),
    };
    let tensor = |name: &str, shape, limit: i32| Tensor {
        name: name.into(),
        shape,
        scale: 1.0,
        min: -limit,
        max: limit,
    };
    let output = [out_channels, height, width];
    let rescale = Rescale { shift, function: 0 };
    let graph = QuantizedGraph {
        name: "conv".into(),
        input: Input {
            tensor: 0,
            map: (-128..128).collect(),
            byte_scale: 1.0,
            byte_offset: -128.0,
            values: None,
            parts: Vec::new(),
            order: None,
            sizes: Vec::new(),
        },
        tensors: vec![
            tensor("x", input, 128),
            tensor("y", output, 30_001),
            tensor("z", [1, 1, 1], 30_001),
        ],
        functions: vec![identity(30_001)],
        layers: vec![
            Layer {
                name: "conv".into(),
                output: 1,
                op: Op::Conv { input: 0, window, groups, weights, bias, rescale },
            },
            Layer {
                name: "head".into(),
                output: 2,
                op: Op::Conv {
                    input: 1,
                    window: Window::dense([height, width]),
                    groups: 1,
                    weights: vec![0; output.iter().product()],
                    bias: vec![0],
                    rescale: Rescale { shift: 0, function: 0 },
                },
            },
        ],
        output: 2,
    };
    Some((graph, bytes))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Any window, group and stride, wide weights: the fast convolution equals the definition.
    #[test]
    fn convolution_equals_its_definition(
        groups in 1usize..5,
        in_group in 1usize..4,
        out_group in 1usize..20,
        size in (1usize..14, 1usize..14),
        kernel in (1usize..5, 1usize..5),
        stride in (1usize..4, 1usize..4),
        dilation in (1usize..3, 1usize..3),
        pads in [0usize..4, 0usize..4, 0usize..4, 0usize..4],
        seed: u64,
    ) {
        let window = Window {
            kernel: kernel.into(),
            stride: stride.into(),
            dilation: dilation.into(),
            pads,
        };
        let case = one_conv(
            [groups * in_group, size.0, size.1], window, groups, groups * out_group, 8, seed,
        );
        prop_assume!(case.is_some());
        let (graph, bytes) = case.expect("valid");
        prop_assume!(graph.validate().is_ok());
        let run = Executor::new(&graph).expect("valid").run(&bytes).expect("valid");
        prop_assert_eq!(Some(run), plain_run(&graph, &bytes));
    }

    /// Whatever is changed in a valid graph: either it is refused, or it runs without a panic.
    #[test]
    fn a_changed_graph_never_panics(seed in 0u64..200, position: usize, value: i64) {
        let (graph, inputs) = random_graph(seed);
        let mut json = serde_json::to_value(&graph).expect("valid");
        let mut numbers = Vec::new();
        collect_numbers(&json, String::new(), &mut numbers);
        let path = &numbers[position % numbers.len()];
        *json.pointer_mut(path).expect("valid") = value.into();
        if let Ok(changed) = serde_json::from_value::<QuantizedGraph>(json)
            && let Ok(executor) = Executor::new(&changed)
        {
            let _ = executor.run(&inputs[0]);
        }
    }
}

fn collect_numbers(value: &serde_json::Value, path: String, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Number(_) => found.push(path),
        serde_json::Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                collect_numbers(item, format!("{path}/{index}"), found);
            }
        }
        serde_json::Value::Object(fields) => {
            for (name, item) in fields {
                collect_numbers(item, format!("{path}/{name}"), found);
            }
        }
        _ => {}
    }
}

#[test]
fn random_graphs_are_valid_and_run_as_defined() {
    let mut kinds = BTreeSet::new();
    for seed in 0..400 {
        let (graph, inputs) = random_graph(seed);
        assert_eq!(graph.validate(), Ok(()), "seed {seed}");
        assert!(graph.table_rows() < 4000, "seed {seed}: {} rows", graph.table_rows());
        let executor = Executor::new(&graph).expect("valid");
        for input in &inputs {
            let run = executor.run(input).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
            assert_eq!(Some(run), plain_run(&graph, input), "seed {seed}");
        }
        kinds.extend(graph.layers.iter().map(|layer| layer.op.kind()));
    }
    assert_eq!(kinds.len(), 13, "{kinds:?}");
    assert_eq!(random_graph(7), random_graph(7));
}

/// A graph of one layer over an input of `shape`, and a head that sums everything.
fn one_layer(shape: Shape, output: Shape, map: Vec<i32>, op: Op) -> QuantizedGraph {
    let tensor = |name: &str, shape| Tensor {
        name: name.into(),
        shape,
        scale: 1.0,
        min: -32_768,
        max: 32_767,
    };
    let head = Op::Conv {
        input: 1,
        window: Window::dense([output[1], output[2]]),
        groups: 1,
        weights: vec![1; output.iter().product()],
        bias: vec![0],
        rescale: Rescale { shift: 0, function: 0 },
    };
    let layer = |name: &str, output, op| Layer { name: name.into(), output, op };
    QuantizedGraph {
        name: "one".into(),
        input: Input {
            tensor: 0,
            map,
            byte_scale: 1.0,
            byte_offset: 0.0,
            values: None,
            parts: Vec::new(),
            order: None,
            sizes: Vec::new(),
        },
        tensors: vec![tensor("x", shape), tensor("y", output), tensor("z", [1, 1, 1])],
        functions: vec![FunctionTable {
            name: "identity".into(),
            min: -32_768,
            values: (-32_768..32_768).collect(),
        }],
        layers: vec![layer("op", 1, op), layer("head", 2, head)],
        output: 2,
    }
}

#[test]
fn products_of_equal_shapes_and_with_a_gate() {
    let rescale = Rescale { shift: 2, function: 0 };
    let map: Vec<i32> = (-128..128).collect();
    let square = Op::Multiply { inputs: [0, 0], rescale };
    let graph = one_layer([2, 1, 2], [2, 1, 2], map.clone(), square);
    let run = Executor::new(&graph).expect("valid").run(&[128, 127, 131, 0]).expect("valid");
    // 0, 1, 9, 16384, each plus 2, over 4.
    assert_eq!(run.tensors[1], [0, 0, 2, 4096]);
    assert_eq!(run.layers[0].rem, [2, 3, 3, 2]);

    // Channel c times the sum of its two values.
    let mut gated = graph;
    let mut pool = gated.layers[0].clone();
    pool.output = 3;
    pool.op = Op::SumPool {
        input: 0,
        window: Window::dense([1, 2]),
        multiplier: 1,
        rescale: Rescale { shift: 0, function: 0 },
    };
    gated.tensors.push(Tensor { shape: [2, 1, 1], ..gated.tensors[1].clone() });
    gated.layers.insert(0, pool);
    gated.layers[1].op = Op::Multiply { inputs: [0, 3], rescale };
    let run = Executor::new(&gated).expect("valid").run(&[129, 130, 127, 125]).expect("valid");
    assert_eq!(run.tensors[3], [3, -4]);
    // 3, 6, 4, 12.
    assert_eq!(run.tensors[1], [1, 2, 1, 3]);

    let mut swapped = gated.clone();
    swapped.layers[1].op = Op::Multiply { inputs: [3, 0], rescale };
    let error = swapped.validate().expect_err("a gate comes second").to_string();
    assert!(error.contains("expected [2, 1, 1]"), "{error}");
    let mut shifted = gated.clone();
    shifted.layers[1].op =
        Op::Multiply { inputs: [0, 3], rescale: Rescale { shift: 17, function: 0 } };
    let error = shifted.validate().expect_err("shift").to_string();
    assert!(error.contains("shift 17"), "{error}");
}

#[test]
fn upsampling_repeats_elements() {
    let map: Vec<i32> = (0..256).collect();
    let op = |factor| Op::Resize { input: 0, factor };
    let graph = one_layer([2, 1, 2], [2, 3, 4], map.clone(), op([3, 2]));
    let run = Executor::new(&graph).expect("valid").run(&[1, 2, 3, 4]).expect("valid");
    let line = |a, b| [a, a, b, b];
    let expected = [[line(1, 2); 3].concat(), [line(3, 4); 3].concat()].concat();
    assert_eq!(run.tensors[1], expected);
    assert_eq!(run.layers[0], LayerTrace::default());
    for (factor, part) in [
        ([0, 2], "upsampling"),
        ([usize::MAX, 2], "expected"),
        ([2, usize::MAX], "upsampling"),
        ([2, 2], "expected [2, 2, 4]"),
    ] {
        let graph = one_layer([2, 1, 2], [2, 3, 4], map.clone(), op(factor));
        let error = graph.validate().expect_err(part).to_string();
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    }
    let mut narrow = one_layer([2, 1, 2], [2, 3, 4], map, op([3, 2]));
    (narrow.tensors[0].min, narrow.tensors[1].min) = (-5, -4);
    let error = narrow.validate().expect_err("range").to_string();
    assert!(error.contains("outside -4"), "{error}");
}

#[test]
fn zeros_stand_between_elements() {
    let map: Vec<i32> = (0..256).collect();
    let op = |factor| Op::Spread { input: 0, factor };
    let graph = one_layer([2, 1, 2], [2, 2, 6], map.clone(), op([2, 3]));
    let run = Executor::new(&graph).expect("valid").run(&[1, 2, 3, 4]).expect("valid");
    let line = |a, b| [a, 0, 0, b, 0, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(run.tensors[1], [line(1, 2), line(3, 4)].concat());
    assert_eq!(run.layers[0], LayerTrace::default());
    let refused = |part: &str, graph: QuantizedGraph| {
        let error = graph.validate().expect_err(part).to_string();
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    };
    refused("upsampling", one_layer([2, 1, 2], [2, 2, 6], map.clone(), op([0, 3])));
    refused("expected [2, 2, 4]", one_layer([2, 1, 2], [2, 2, 6], map, op([2, 2])));
    let mut positive = graph;
    (positive.input.map, positive.tensors[0].min) = ((1..257).collect(), 1);
    assert_eq!(positive.validate(), Ok(()));
    positive.tensors[1].min = 1;
    refused("values lie in 0..=0", positive);
}

#[test]
fn channels_and_positions_change_places() {
    let map: Vec<i32> = (0..256).collect();
    let rescale = Rescale { shift: 1, function: 0 };
    let op = |groups| Op::Transpose { input: 0, groups, rescale };
    let bytes: Vec<u8> = (0..12).map(|index| 2 * index).collect();
    for (groups, output, expected) in [
        (1, [3, 2, 2], [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]),
        (2, [6, 2, 1], [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]),
        (4, [12, 1, 1], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
    ] {
        let graph = one_layer([4, 1, 3], output, map.clone(), op(groups));
        let run = Executor::new(&graph).expect("valid").run(&bytes).expect("valid");
        assert_eq!(run.tensors[1], expected);
        assert_eq!(Some(run), plain_run(&graph, &bytes));
    }
    for (groups, output, part) in [
        (0, [3, 2, 2], "0 groups"),
        (3, [3, 2, 2], "3 groups"),
        (8, [24, 1, 1], "8 groups"),
        (2, [3, 2, 2], "2 groups"),
        (1, [4, 2, 2], "expected [3, 2, 2]"),
    ] {
        let graph = one_layer([4, 1, 3], output, map.clone(), op(groups));
        let error = graph.validate().expect_err(part).to_string();
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    }
}

#[test]
fn matrices_are_multiplied_in_groups() {
    let map: Vec<i32> = (-128..128).collect();
    let op =
        |groups| Op::MatMul { inputs: [0, 0], groups, rescale: Rescale { shift: 0, function: 0 } };
    let bytes: Vec<u8> = [1i32, 2, 3, -4, 5, 6, -7, 8].iter().map(|x| (x + 128) as u8).collect();
    // Channels (1, 2), (3, -4), (5, 6), (-7, 8).
    for (groups, output, expected) in [
        (1, [2, 1, 2], vec![84, -36, -36, 120]),
        (2, [4, 1, 2], vec![10, -10, -10, 20, 74, -26, -26, 100]),
        (4, [8, 1, 2], vec![1, 2, 2, 4, 9, -12, -12, 16, 25, 30, 30, 36, 49, -56, -56, 64]),
    ] {
        let graph = one_layer([4, 1, 2], output, map.clone(), op(groups));
        let run = Executor::new(&graph).expect("valid").run(&bytes).expect("valid");
        assert_eq!(run.tensors[1], expected);
        assert_eq!(Some(run), plain_run(&graph, &bytes));
    }
    let refused = |part: &str, shape, output, groups| {
        let graph = one_layer(shape, output, map.clone(), op(groups));
        let error = graph.validate().expect_err(part).to_string();
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    };
    refused("expected [4, 1, 2]", [4, 2, 2], [2, 1, 2], 1);
    refused("0 groups", [4, 1, 2], [2, 1, 2], 0);
    refused("3 groups", [4, 1, 2], [2, 1, 2], 3);
    refused("expected [4, 1, 2]", [4, 1, 2], [2, 1, 2], 2);
    refused("too many products", [1, 1, 1 << 20], [1 << 20, 1, 1], 1);
    // 2^24 sums of 2^30 each.
    refused("an accumulator", [1 << 24, 1, 1], [1, 1, 1], 1);
}

#[test]
fn products_are_summed_over_channels_and_planes() {
    let map: Vec<i32> = (-128..128).collect();
    let op = |groups, planes| {
        let rescale = Rescale { shift: 1, function: 0 };
        Op::Dot { inputs: [0, 0], groups, planes, rescale }
    };
    let bytes: Vec<u8> = [1i32, 2, 3, -4, 5, 6, -7, 8].iter().map(|x| (x + 128) as u8).collect();
    // Channels (1, 2), (3, -4), (5, 6), (-7, 8); halves are rounded up.
    for (groups, planes, output, expected) in [
        (1, false, [1, 1, 2], vec![42, 60]),
        (2, false, [2, 1, 2], vec![5, 10, 37, 50]),
        (4, false, [4, 1, 2], vec![1, 2, 5, 8, 13, 18, 25, 32]),
        (1, true, [1, 1, 1], vec![102]),
        (2, true, [2, 1, 1], vec![15, 87]),
    ] {
        let graph = one_layer([4, 1, 2], output, map.clone(), op(groups, planes));
        let run = Executor::new(&graph).expect("valid").run(&bytes).expect("valid");
        assert_eq!(run.tensors[1], expected);
        assert_eq!(Some(run), plain_run(&graph, &bytes));
    }
    let refused = |part: &str, shape, output, op| {
        let error = one_layer(shape, output, map.clone(), op).validate().expect_err(part);
        assert!(error.to_string().contains(part), "`{error}` does not say `{part}`");
    };
    refused("0 groups", [4, 1, 2], [1, 1, 2], op(0, false));
    refused("3 groups", [4, 1, 2], [1, 1, 2], op(3, false));
    refused("expected [2, 1, 2]", [4, 1, 2], [1, 1, 2], op(2, false));
    refused("expected [2, 1, 1]", [4, 1, 2], [2, 1, 2], op(2, true));
    // 2^24 sums of 2^30 each, over channels or over positions.
    refused("an accumulator", [1 << 24, 1, 1], [1, 1, 1], op(1, false));
    refused("an accumulator", [1, 1, 1 << 24], [1, 1, 1], op(1, true));
    let rescale = Rescale { shift: 1, function: 0 };
    let other = Op::Dot { inputs: [0, 1], groups: 1, planes: false, rescale };
    let mut graph = one_layer([4, 1, 2], [2, 1, 2], map.clone(), op(2, false));
    graph.layers[1].op = other;
    let error = graph.validate().expect_err("other shapes").to_string();
    assert!(error.contains("expected [4, 1, 2]"), "{error}");
}

/// What was stored before an operation was added is read as it was.
#[test]
fn stored_graphs_keep_their_form() {
    let graph = one_layer(
        [1, 1, 1],
        [1, 1, 1],
        (0..256).collect(),
        Op::Resize { input: 0, factor: [1, 1] },
    );
    let json = serde_json::to_string(&graph.layers[0].op).expect("plain data");
    assert_eq!(json, r#"{"Resize":{"input":0,"factor":[1,1]}}"#);
}

#[test]
fn a_value_out_of_range_is_named() {
    let (mut graph, bytes) = one_conv([1, 3, 3], Window::dense([1, 1]), 1, 1, 8, 1).expect("valid");
    let expected = plain_run(&graph, &bytes).expect("valid");
    let pre = expected.layers[0].pre.iter().copied().max().expect("valid");
    // The table now ends one below the largest value.
    graph.functions.push(FunctionTable {
        name: "short".into(),
        min: -30_001,
        values: (-30_001..pre).collect(),
    });
    if let Op::Conv { rescale, .. } = &mut graph.layers[0].op {
        rescale.function = 1;
    }
    let error = Executor::new(&graph).expect("valid").run(&bytes).expect_err("refused");
    let index = expected.layers[0].pre.iter().position(|x| *x == pre).expect("valid");
    assert_eq!(
        error,
        ExecuteError::OutOfRange {
            layer: "conv".into(),
            function: "short".into(),
            position: [0, index / 3, index % 3],
            value: i64::from(pre),
            min: -30_001,
            max: i64::from(pre) - 1,
        }
    );
    let error = Executor::new(&graph).expect("valid").run(&bytes[1..]).expect_err("refused");
    assert_eq!(error, ExecuteError::InputLength { expected: 9, actual: 8, shape: [1, 3, 3] });
}

#[test]
#[expect(clippy::too_many_lines, reason = "a list of defects, each with the words of its refusal")]
fn broken_graphs_are_refused() {
    let (valid, _) = one_conv([2, 4, 4], Window::dense([2, 2]), 1, 3, 8, 1).expect("valid");
    assert_eq!(valid.validate(), Ok(()));
    let refused = |part: &str, change: &dyn Fn(&mut QuantizedGraph)| {
        let mut graph = valid.clone();
        change(&mut graph);
        let error = graph.validate().expect_err(part).to_string();
        assert!(error.contains(part), "`{error}` does not say `{part}`");
    };
    let conv = |graph: &mut QuantizedGraph, change: &dyn Fn(&mut Op)| {
        change(&mut graph.layers[0].op);
    };
    refused("256 bytes", &|g| {
        g.input.map.pop();
    });
    refused("outside -128..=128", &|g| g.input.map[3] = 200);
    refused("byte scale", &|g| g.input.byte_scale = f64::NAN);
    refused("no tensor 9", &|g| g.input.tensor = 9);
    refused("shape [0, 4, 4]", &|g| g.tensors[0].shape[0] = 0);
    refused("range -40000", &|g| g.tensors[1].min = -40_000);
    refused("scale 0", &|g| g.tensors[1].scale = 0.0);
    refused("domain", &|g| g.functions[0].min = -32_769);
    refused("value 32768", &|g| g.functions[0].values[0] = 1 << 15);
    refused("produced twice", &|g| g.layers[1].output = 1);
    refused("before it is produced", &|g| g.layers.swap(0, 1));
    refused("no layer produces it", &|g| {
        let extra = g.tensors[0].clone();
        g.tensors.push(extra);
    });
    refused("logits must be", &|g| g.output = 1);
    refused("shift 17", &|g| {
        conv(g, &|op| {
            if let Op::Conv { rescale, .. } = op {
                rescale.shift = 17;
            }
        });
    });
    refused("no function table 5", &|g| {
        conv(g, &|op| {
            if let Op::Conv { rescale, .. } = op {
                rescale.function = 5;
            }
        });
    });
    refused("is not within", &|g| {
        conv(g, &|op| {
            if let Op::Conv { weights, .. } = op {
                weights[0] = WEIGHT_OFFSET;
            }
        });
    });
    refused("accumulator", &|g| {
        g.tensors[1].shape = [2, 4, 4];
        g.layers[0].op = Op::Pointwise {
            inputs: vec![(0, i64::MIN)],
            constant: 0,
            rescale: Rescale { shift: 0, function: 0 },
        };
    });
    refused("23 weights", &|g| {
        conv(g, &|op| {
            if let Op::Conv { weights, .. } = op {
                weights.pop();
            }
        });
    });
    refused("groups", &|g| {
        conv(g, &|op| {
            if let Op::Conv { groups, .. } = op {
                *groups = 0;
            }
        });
    });
    refused("pad", &|g| {
        conv(g, &|op| {
            if let Op::Conv { window, .. } = op {
                window.pads[0] = 2;
            }
        });
    });
    refused("expected [3, 3, 3]", &|g| g.tensors[1].shape = [3, 3, 2]);
    refused("outside -30000", &|g| g.tensors[1].min = -30_000);
}
