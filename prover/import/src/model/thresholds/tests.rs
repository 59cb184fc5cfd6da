use super::*;
use crate::model::{Binary, FloatExecutor, FloatGraph, FloatInput, Unary, fusion::fuse};
use assay_graph::ChannelEncoding;

fn less(bound: f64) -> Function {
    Function::binary(Binary::Less, Function::Identity, Function::Constant(bound))
}

fn floor() -> Function {
    Function::unary(Unary::Floor, Function::Identity)
}

#[test]
fn steps_are_told_from_other_functions() {
    let step = StepFunction::of(&less(0.25)).expect("a step");
    assert_eq!((step.threshold, step.values), (0.25, [1.0, 0.0, 0.0]));
    for (x, y) in [(-2.0, 1.0), (0.0, 0.0), (1.0, 0.0)] {
        assert_eq!(step.of_signs().evaluate(x), y);
    }
    let slope = Function::select(less(0.0), Function::Constant(0.0), Function::Identity);
    for function in [Function::relu(), Function::Identity, slope] {
        assert!(StepFunction::of(&function).is_none(), "{function}");
        assert!(!function.is_piecewise() && pieces(&function, [-1.0, 1.0]).is_none());
    }
}

#[test]
fn jumps_are_found() {
    let places = |function: &Function, ends| pieces(function, ends);
    assert_eq!(places(&floor(), [-1.5, 2.5]), Some(vec![-1.0, 0.0, 1.0, 2.0]));
    assert_eq!(places(&floor(), [0.0, 1e6]), None);
    let round = Function::unary(Unary::Round, Function::affine(-2.0, 0.0));
    assert_eq!(places(&round, [-0.6, 0.4]), Some(vec![-0.25, 0.25]));
    let both = Function::binary(Binary::Mul, less(1.0), less(2.0));
    assert_eq!(places(&both, [f64::NEG_INFINITY, f64::INFINITY]), Some(vec![1.0, 2.0]));
    let course = jumps::course(&Function::truncation(), [2.5, -1.5]).expect("a course");
    let jumps = course.jumps.iter().map(|jump| (jump.at, jump.values)).collect::<Vec<_>>();
    let expected = [
        (2.0, [2.0, 2.0, 1.0]),
        (1.0, [1.0, 1.0, 0.0]),
        (0.0, [0.0, 0.0, 0.0]),
        (-1.0, [0.0, -1.0, -1.0]),
    ];
    assert_eq!((course.first, jumps), (2.0, expected.to_vec()));
}

/// A network of one number, `sign * x - t` for each `t`, and the function.
fn network(
    encoding: ChannelEncoding,
    bytes: usize,
    [sign, function]: [&Function; 2],
    thresholds: &[f64],
) -> FloatGraph {
    let values = ValueEncoding { bytes, channels: vec![encoding], clamp: false };
    let tensor = |name: &str, shape| FloatTensor { name: name.into(), shape };
    let count = thresholds.len();
    let mut tensors = vec![
        tensor("bytes", [bytes, 1, 1]),
        tensor("x", [1, 1, 1]),
        tensor("signed", [1, 1, 1]),
        tensor("differences", [count, 1, 1]),
        tensor("y", [count, 1, 1]),
    ];
    let scales = [65_536.0, 256.0, 1.0].map(|place| (place * encoding.scale) as f32);
    let layer = |name: &str, operator: &str, output, step| RawLayer {
        name: name.into(),
        operator: operator.into(),
        output,
        step,
    };
    let decode =
        dense(0, 1, scales[3 - bytes..].to_vec(), vec![encoding.offset as f32], Function::Identity);
    let subtract = dense(
        2,
        1,
        vec![1.0; count],
        thresholds.iter().map(|t| -*t as f32).collect(),
        Function::Identity,
    );
    let layers = vec![
        layer("x", INPUT, 1, Step::Layer(decode)),
        layer("signed", "Neg", 2, Step::Apply { input: 1, function: sign.clone() }),
        layer("differences", "Sub", 3, Step::Layer(subtract)),
        layer("y", "Less", 4, Step::Apply { input: 3, function: function.clone() }),
    ];
    let layers = decide(&mut tensors, layers, 0, &values);
    let (tensors, layers, renumbered) = fuse(tensors, layers, 0, 4).expect("a network");
    let input = FloatInput { tensor: 0, parts: Vec::new(), values: Some(values), compares: false };
    let (name, dropped, notes) = ("compare".into(), Vec::new(), Vec::new());
    FloatGraph { name, input, tensors, layers, output: renumbered(4), dropped, notes }
}

/// One number of each kind of encoding against thresholds on, between and beyond its integers.
#[test]
fn every_integer_is_on_its_side() {
    let identity = Function::affine(1.0, 0.0);
    for (bytes, scale, offset) in [(3usize, 0.5f64, -10.0f64), (2, 0.5, -10.0), (1, 0.25, 3.0)] {
        let mut thresholds = vec![-10.0, 3.0, 50.5, 1000.0, -99.0, 1e6];
        if bytes == 1 {
            thresholds.extend([3.1, 50.3, 63.9]);
        }
        let most = [255, 65_535, (1u32 << 20) - 1][bytes - 1];
        let encoding = ChannelEncoding { scale, offset, most, whole: false };
        for falls in [false, true] {
            let sign = if falls { Function::affine(-1.0, 0.0) } else { identity.clone() };
            let signed = thresholds.iter().map(|t| if falls { -t } else { *t });
            let signed = signed.collect::<Vec<_>>();
            let graph = network(encoding, bytes, [&sign, &less(0.0)], &signed);
            assert_eq!(graph.layers.len(), 2);
            let executor = FloatExecutor::new(&graph);
            for integer in (0..=most).step_by([1, 7, 301][bytes - 1]) {
                let input = [16, 8, 0].map(|bits| (integer >> bits & 255) as f32);
                let run = executor.run(&input[3 - bytes..]).expect("right length");
                let x = f64::from(integer) * scale + offset;
                for (threshold, found) in thresholds.iter().zip(run.logits()) {
                    let below = if falls { x > *threshold } else { x < *threshold };
                    assert_eq!(*found == 1.0, below, "{x} against {threshold}, {falls}");
                }
            }
        }
    }
}

/// Functions of several jumps, on numbers at them and beside them.
#[test]
fn several_jumps_are_exact() {
    let round = Function::unary(Unary::Round, Function::Identity);
    let between = Function::binary(Binary::Min, less(1.0), Function::negation().after(less(-0.5)));
    let functions = [floor(), Function::unary(Unary::Ceil, Function::Identity), round, between];
    let functions = functions.into_iter().chain([Function::truncation(), Function::sign()]);
    for function in functions {
        for (bytes, most) in [(1, 200), (2, 60_000), (3, 3_000_000)] {
            let scale = 10.0 / f64::from(most);
            let encoding = ChannelEncoding { scale, offset: -5.0, most, whole: false };
            for sign in [1.0, -1.0] {
                let affine = Function::affine(sign, 0.0);
                let graph = network(encoding, bytes, [&affine, &function], &[0.0, 0.25]);
                let executor = FloatExecutor::new(&graph);
                for step in -100..=100 {
                    let x = f64::from(step) / 20.0;
                    let integer = encoding.encode(x, false).expect("inside");
                    let input = [16, 8, 0].map(|bits| (integer >> bits & 255) as f32);
                    let run = executor.run(&input[3 - bytes..]).expect("right length");
                    for (t, found) in [0.0, 0.25].into_iter().zip(run.logits()) {
                        let expected = function.evaluate(sign * x - t);
                        assert_eq!(f64::from(*found), expected, "{function} of {x}, {sign}, {t}");
                    }
                }
            }
        }
    }
}
