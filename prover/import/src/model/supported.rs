//! The table of supported operators: what is not in it is refused, and docs/operators.md is made from it.

use super::{
    ImportError, ends,
    importer::Importer,
    operators::{
        activation, arithmetic, branch, contract, cut, elementwise, fold, gather, integers, join,
        kinds, layout, logic, loops, ml, normalize, pad, quantized, ranks, recurrent, reduce,
        repeat, resize, softmax, transposed, volumes,
    },
    protobuf::Node,
};

/// An operator of the domain `ai.onnx` over activations. Nodes over constants alone are computed at import.
struct Operator {
    name: &'static str,
    add: fn(&mut Importer<'_>, &Node<'_>) -> Result<(), ImportError>,
    /// Under which conditions.
    #[cfg_attr(not(test), expect(dead_code, reason = "for the page"))]
    note: &'static str,
}

/// By name.
#[rustfmt::skip]
const OPERATORS: &[Operator] = &[
    Operator { name: "Abs", add: elementwise::add, note: "" },
    Operator { name: "Add", add: arithmetic::binary, note: "two operands that fit each other, of which one may be constant" },
    Operator { name: "And", add: logic::connect, note: "of truth values" },
    Operator { name: "ArgMax", add: ranks::arg, note: "left out at the very end; inside over up to 64 elements" },
    Operator { name: "ArgMin", add: ranks::arg, note: "at the very end the class is that of the least number; inside over up to 64 elements" },
    Operator { name: "AveragePool", add: volumes::average_pool, note: "one to three spatial axes, with and without the padding counted (of three: counted)" },
    Operator { name: "BatchNormalization", add: volumes::batch_normalization, note: "folded into the layer before it, or a scale and a shift a channel" },
    Operator { name: "Cast", add: kinds::cast, note: "between number types: to integers towards 0, to truth values whether not 0" },
    Operator { name: "CastLike", add: kinds::cast, note: "as Cast" },
    Operator { name: "Ceil", add: elementwise::add, note: "" },
    Operator { name: "Celu", add: elementwise::add, note: "" },
    Operator { name: "Clip", add: elementwise::add, note: "constant bounds" },
    Operator { name: "Concat", add: join::concat, note: "along any axis, also with constants" },
    Operator { name: "Conv", add: volumes::conv, note: "one to three spatial axes, groups, dilation, any padding below the window; constant weights; a third axis is folded into the channels" },
    Operator { name: "ConvInteger", add: integers::product, note: "constant weights and zero points" },
    Operator { name: "ConvTranspose", add: transposed::conv_transpose, note: "one or two spatial axes; constant weights" },
    Operator { name: "DepthToSpace", add: transposed::depth_to_space, note: "" },
    Operator { name: "DequantizeLinear", add: quantized::activation, note: "of activations and of constant weights" },
    Operator { name: "Div", add: arithmetic::binary, note: "two operands that fit each other, of which one may be constant; integers by a constant are cut off" },
    Operator { name: "Dropout", add: same, note: "does nothing at inference" },
    Operator { name: "DynamicQuantizeLinear", add: integers::dynamic, note: "left out: the number itself, with scale 1 and zero point 0; off by half a 255th of the tensor's range from the file's own rounding" },
    Operator { name: "Einsum", add: contract::einsum, note: "two operands with letters, without diagonals" },
    Operator { name: "Elu", add: elementwise::add, note: "" },
    Operator { name: "Equal", add: logic::compare, note: "0 or 1; exact for whole numbers, within half a step of the table elsewhere" },
    Operator { name: "Erf", add: elementwise::add, note: "" },
    Operator { name: "Exp", add: elementwise::add, note: "" },
    Operator { name: "Expand", add: repeat::expand, note: "constant target" },
    Operator { name: "Flatten", add: layout::relabel, note: "constant target" },
    Operator { name: "Floor", add: elementwise::add, note: "" },
    Operator { name: "GRU", add: recurrent::recurrent, note: "as LSTM" },
    Operator { name: "Gather", add: gather::gather, note: "constant indices in any order, or a constant table of up to 65,536 rows by integers of the input" },
    Operator { name: "GatherElements", add: gather::elements, note: "constant indices" },
    Operator { name: "GatherND", add: gather::nd, note: "constant indices" },
    Operator { name: "Gelu", add: elementwise::add, note: "" },
    Operator { name: "Gemm", add: contract::gemm, note: "of an activation and a constant matrix, or of two activations" },
    Operator { name: "GlobalAveragePool", add: volumes::global_average, note: "" },
    Operator { name: "GlobalMaxPool", add: volumes::global_max, note: "" },
    Operator { name: "Greater", add: logic::compare, note: "0 or 1; exact for a bound on the operand's grid of integers" },
    Operator { name: "GreaterOrEqual", add: logic::compare, note: "0 or 1; exact for a bound on the operand's grid of integers" },
    Operator { name: "GroupNormalization", add: normalize::group, note: "constant scale and bias" },
    Operator { name: "HardSigmoid", add: elementwise::add, note: "" },
    Operator { name: "HardSwish", add: elementwise::add, note: "" },
    Operator { name: "Identity", add: same, note: "" },
    Operator { name: "If", add: branch::branch, note: "a condition that is known at import" },
    Operator { name: "InstanceNormalization", add: normalize::instance, note: "constant scale and bias" },
    Operator { name: "IsInf", add: logic::never, note: "never: activations are finite" },
    Operator { name: "IsNaN", add: logic::never, note: "never: activations are finite" },
    Operator { name: "LSTM", add: recurrent::recurrent, note: "unrolled; constant weights; all directions, activations and layouts; sequences of full length" },
    Operator { name: "LayerNormalization", add: normalize::layer, note: "constant scale and bias; the first output only" },
    Operator { name: "LeakyRelu", add: elementwise::add, note: "" },
    Operator { name: "Less", add: logic::compare, note: "0 or 1; exact for a bound on the operand's grid of integers" },
    Operator { name: "LessOrEqual", add: logic::compare, note: "0 or 1; exact for a bound on the operand's grid of integers" },
    Operator { name: "Log", add: elementwise::add, note: "" },
    Operator { name: "LogSoftmax", add: softmax::softmax, note: "any axis; left out at the very end" },
    Operator { name: "Loop", add: loops::unroll, note: "unrolled: a number of turns that does not depend on the input, up to 1,024" },
    Operator { name: "LpNormalization", add: normalize::lp, note: "p of 1 or 2" },
    Operator { name: "MatMul", add: contract::matmul, note: "of an activation and a constant, or of two activations, with any batch axes" },
    Operator { name: "MatMulInteger", add: integers::product, note: "as ConvInteger" },
    Operator { name: "Max", add: logic::fold, note: "two operands or more, of which one may be constant" },
    Operator { name: "MaxPool", add: volumes::max_pool, note: "one to three spatial axes, with ceil_mode (of up to two), without dilation within an image" },
    Operator { name: "Mean", add: logic::fold, note: "two operands or more" },
    Operator { name: "Min", add: logic::fold, note: "two operands or more, of which one may be constant" },
    Operator { name: "Mish", add: elementwise::add, note: "" },
    Operator { name: "Mod", add: logic::modulo, note: "by one constant number" },
    Operator { name: "Mul", add: arithmetic::binary, note: "two operands that fit each other, of which one may be constant" },
    Operator { name: "Neg", add: elementwise::add, note: "" },
    Operator { name: "Not", add: elementwise::add, note: "of truth values" },
    Operator { name: "Or", add: logic::connect, note: "of truth values" },
    Operator { name: "PRelu", add: arithmetic::prelu, note: "a constant slope for all or for each channel" },
    Operator { name: "Pad", add: pad::pad, note: "constant amounts of zeros around height and width of images, or around a sequence" },
    Operator { name: "Pow", add: arithmetic::binary, note: "one operand is one constant number" },
    Operator { name: "QLinearConv", add: integers::conv, note: "constant scales and zero points; the file's rounding is kept" },
    Operator { name: "QLinearMatMul", add: integers::matmul, note: "as QLinearConv" },
    Operator { name: "QuantizeLinear", add: quantized::activation, note: "with DequantizeLinear, scales of the file are kept" },
    Operator { name: "RMSNormalization", add: normalize::layer, note: "constant scale" },
    Operator { name: "RNN", add: recurrent::recurrent, note: "as LSTM" },
    Operator { name: "Reciprocal", add: elementwise::add, note: "" },
    Operator { name: "ReduceL1", add: reduce::reduce, note: "over any axes" },
    Operator { name: "ReduceL2", add: reduce::reduce, note: "over any axes" },
    Operator { name: "ReduceLogSum", add: reduce::reduce, note: "over any axes" },
    Operator { name: "ReduceLogSumExp", add: reduce::reduce, note: "over any axes" },
    Operator { name: "ReduceMax", add: reduce::reduce, note: "over any axes" },
    Operator { name: "ReduceMean", add: reduce::reduce, note: "over any axes" },
    Operator { name: "ReduceMin", add: reduce::reduce, note: "over any axes" },
    Operator { name: "ReduceProd", add: reduce::reduce, note: "of up to 64 elements along an axis" },
    Operator { name: "ReduceSum", add: reduce::reduce, note: "over any axes" },
    Operator { name: "ReduceSumSquare", add: reduce::reduce, note: "over any axes" },
    Operator { name: "Relu", add: elementwise::add, note: "" },
    Operator { name: "Reshape", add: layout::relabel, note: "constant target" },
    Operator { name: "Resize", add: resize::resize, note: "nearest neighbour with whole factors; other modes and sizes as a matrix over all places, up to 2^22 weights" },
    Operator { name: "Round", add: elementwise::add, note: "" },
    Operator { name: "Selu", add: elementwise::add, note: "" },
    Operator { name: "Shape", add: layout::shape, note: "a constant here: shapes are fixed" },
    Operator { name: "Shrink", add: elementwise::add, note: "" },
    Operator { name: "Sigmoid", add: elementwise::add, note: "" },
    Operator { name: "Sign", add: elementwise::add, note: "" },
    Operator { name: "SimplifiedLayerNormalization", add: normalize::layer, note: "constant scale; the first output only" },
    Operator { name: "Slice", add: cut::slice, note: "constant bounds and steps" },
    Operator { name: "Softmax", add: softmax::softmax, note: "any axis; left out at the very end, where it does not change the order of the logits" },
    Operator { name: "Softplus", add: elementwise::add, note: "" },
    Operator { name: "Softsign", add: elementwise::add, note: "" },
    Operator { name: "SpaceToDepth", add: transposed::space_to_depth, note: "" },
    Operator { name: "Split", add: cut::split, note: "constant sizes" },
    Operator { name: "Sqrt", add: elementwise::add, note: "" },
    Operator { name: "Squeeze", add: layout::relabel, note: "constant target" },
    Operator { name: "Sub", add: arithmetic::binary, note: "two operands that fit each other, of which one may be constant" },
    Operator { name: "Sum", add: arithmetic::binary, note: "two operands or more" },
    Operator { name: "Swish", add: elementwise::add, note: "" },
    Operator { name: "Tanh", add: elementwise::add, note: "" },
    Operator { name: "ThresholdedRelu", add: elementwise::add, note: "" },
    Operator { name: "Tile", add: repeat::tile, note: "constant repeats" },
    Operator { name: "TopK", add: ranks::top, note: "constant K; of up to 64 elements, K times as many at most 512" },
    Operator { name: "Transpose", add: layout::transpose, note: "" },
    Operator { name: "Unsqueeze", add: layout::relabel, note: "constant target" },
    Operator { name: "Upsample", add: resize::resize, note: "as Resize" },
    Operator { name: "Where", add: logic::choose, note: "a condition, constant or not; both choices may be constant" },
    Operator { name: "Xor", add: logic::connect, note: "of truth values" },
];

/// The same of the domain `ai.onnx.ml`.
#[rustfmt::skip]
const MODELS: &[Operator] = &[
    Operator { name: "ArrayFeatureExtractor", add: ml::extract, note: "constant columns, or the label of the largest logit" },
    Operator { name: "Binarizer", add: ml::binarizer, note: "" },
    Operator { name: "FeatureVectorizer", add: ml::vectorizer, note: "" },
    Operator { name: "Imputer", add: ml::imputer, note: "of a number that stands for a missing value; inputs cannot be NaN" },
    Operator { name: "LabelEncoder", add: ended, note: "only at the end" },
    Operator { name: "LinearClassifier", add: ml::linear::classifier, note: "post_transform NONE, SOFTMAX or LOGISTIC, which is left out" },
    Operator { name: "LinearRegressor", add: ml::linear::regressor, note: "" },
    Operator { name: "Normalizer", add: ml::normalizer, note: "left out after what is left out" },
    Operator { name: "OneHotEncoder", add: ml::one_hot, note: "of whole numbers" },
    Operator { name: "SVMClassifier", add: ml::svm::classifier, note: "all kernels; with support vectors the label's logits are the votes of pairs of classes; no probabilities" },
    Operator { name: "SVMRegressor", add: ml::svm::regressor, note: "all kernels" },
    Operator { name: "Scaler", add: ml::scaler, note: "" },
    Operator { name: "TreeEnsemble", add: ml::trees::newer, note: "all conditions but MEMBER; SUM or AVERAGE; post_transform NONE, SOFTMAX or LOGISTIC, which is left out" },
    Operator { name: "TreeEnsembleClassifier", add: ml::trees::classifier, note: "all conditions; post_transform NONE, SOFTMAX or LOGISTIC, which is left out" },
    Operator { name: "TreeEnsembleRegressor", add: ml::trees::regressor, note: "all conditions; SUM or AVERAGE" },
    Operator { name: "ZipMap", add: ended, note: "only at the end; does nothing" },
];

/// The same of the domain `com.microsoft`.
#[rustfmt::skip]
const QUANTIZED: &[Operator] = &[
    Operator { name: "DequantizeLinear", add: quantized::activation, note: "as that of `ai.onnx`" },
    Operator { name: "QGemm", add: integers::gemm, note: "as QLinearConv" },
    Operator { name: "QLinearAdd", add: integers::binary, note: "as QLinearConv" },
    Operator { name: "QLinearAveragePool", add: integers::single, note: "channels first" },
    Operator { name: "QLinearConcat", add: integers::concat, note: "as Concat" },
    Operator { name: "QLinearGlobalAveragePool", add: integers::single, note: "channels first" },
    Operator { name: "QLinearLeakyRelu", add: integers::single, note: "" },
    Operator { name: "QLinearMul", add: integers::binary, note: "as QLinearConv" },
    Operator { name: "QLinearSigmoid", add: integers::single, note: "" },
    Operator { name: "QuantizeLinear", add: quantized::activation, note: "as that of `ai.onnx`" },
];

/// Adds one node.
pub(crate) fn add(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let table = match node.domain() {
        "" | "ai.onnx" => OPERATORS,
        "ai.onnx.ml" => MODELS,
        "com.microsoft" => QUANTIZED,
        other => {
            return Err(node.error(format!(
                "operators of the domain `{other}` are not supported; export with standard operators only"
            )));
        }
    };
    kinds::keeps_inputs_apart(importer, node)?;
    ends::take_up(importer, node)?;
    if fold::try_fold(importer, node)? {
        kinds::note(importer, node);
        return Ok(());
    }
    let operator = node.operator();
    match table.iter().find(|known| known.name == operator) {
        Some(known) => {
            (known.add)(importer, node)?;
            kinds::note(importer, node);
            Ok(())
        }
        None => {
            Err(node
                .error(format!("the operator {operator} is not supported; {}", instead(operator))))
        }
    }
}

/// What to do about an operator that is not supported.
fn instead(operator: &str) -> &'static str {
    match operator {
        "Scan" => {
            "export the network traced, so that its loops are unrolled; a model of nearest neighbours compares \
             the input with all of its samples: train trees, a linear model or a small network on them instead"
        }
        "CDist" => {
            "a model of nearest neighbours compares the input with all of its samples: train trees, a linear \
             model or a small network on them instead"
        }
        "NonMaxSuppression" | "NonZero" | "Unique" | "Compress" => {
            "leave it out and do it on the network's outputs: what it gives has no fixed order or size"
        }
        "CumSum" => {
            "write it as a MatMul with a constant triangle of ones: the sums over a fixed axis are that"
        }
        "Trilu" => {
            "multiply by a constant mask of ones and zeros instead, or add one before a Softmax"
        }
        "OneHot" => {
            "compare with constants, `Equal(x, [0, 1, ...])`, or gather rows of a constant identity matrix"
        }
        "Hardmax" => {
            "leave it out at the end, where the class is the largest anyhow, or use ArgMax"
        }
        "Sin" | "Cos" | "Tan" => {
            "compute it before the network and give it as an input; of positions it is a constant of the file"
        }
        "Asin" | "Acos" | "Atan" | "Sinh" | "Cosh" | "Asinh" | "Acosh" | "Atanh" => {
            "compute it before the network and give it as an input, or train with another activation, such as Tanh"
        }
        "LRN" => {
            "train with BatchNormalization instead, or write it as Mul, AveragePool over channels, Pow and Div"
        }
        "LpPool" => "write it as Abs, Pow, AveragePool, Mul by the window's size and Pow",
        "GlobalLpPool" => "write it as ReduceL1 or ReduceL2 over height and width",
        "ScatterND" | "ScatterElements" | "Scatter" => {
            "write it as a Where with a constant mask, or as Slices and a Concat, where the places are constant"
        }
        "RandomNormal" | "RandomNormalLike" | "RandomUniform" | "RandomUniformLike"
        | "Bernoulli" | "Multinomial" => "export the network for inference, without random numbers",
        "StringNormalizer" | "TfIdfVectorizer" | "CategoryMapper" | "DictVectorizer" => {
            "do it before the network, whose inputs are numbers"
        }
        _ => {
            "docs/operators.md lists those that are: convolutions, matrix products, attention and recurrent \
             layers, normalizations, pooling, elementwise functions, comparisons, sums, products, reductions, \
             concatenation, slicing, gathering, reshaping, resizing, quantized operators, and trees and linear \
             models of ai.onnx.ml"
        }
    }
}

/// What passes through unchanged.
fn same(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    importer.bind(node, value)
}

/// What names the outcome and stands at the end of a file.
fn ended(importer: &mut Importer<'_>, node: &Node<'_>) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    if value.dropped.is_none() && node.operator() == "LabelEncoder" {
        return Err(node.error(
            "of values that are no label; at the end of a file names of classes are supported. Map categories to \
             numbers before the network (OrdinalEncoder), or let the file take them as OneHotEncoder does",
        ));
    }
    importer.bind(node, value)
}

/// The page docs/operators.md.
#[cfg(test)]
fn page() -> String {
    let mut page = String::from(
        "# Supported ONNX operators\n\n\
         Operators of the domain `ai.onnx` that may depend on the network's input; nodes whose inputs are all \
         constant are computed at import. What is not listed is refused, with the node's name.\n\n\
         This page is made from the importer's own table; `ASSAY_WRITE_DOCS=1 cargo test --release -p \
         assay-import operators` writes it again.\n\n\
         | operator | conditions |\n|---|---|\n",
    );
    let rows = |table: &[Operator]| -> String {
        table
            .iter()
            .map(|operator| format!("| {} | {} |\n", operator.name, operator.note))
            .collect()
    };
    page.push_str(&rows(OPERATORS));
    page.push_str(
        "\nOf the domain `ai.onnx.ml`:\n\n\
         | operator | conditions |\n|---|---|\n",
    );
    page.push_str(&rows(MODELS));
    page.push_str(
        "\nOf the domain `com.microsoft`, as onnxruntime writes quantized networks:\n\n\
         | operator | conditions |\n|---|---|\n",
    );
    page.push_str(&rows(QUANTIZED));
    page.push_str(
        "\n## What is exact\n\n\
         A comparison of one number of the input, or of a straight line of one, with constants, and every other \
         function of it that is constant but for up to 32 jumps, such as Floor or Sign, is decided on the number's \
         integer, byte by byte, where features have scales of their own ([inputs.md](inputs.md)): as the file decides \
         it for every number that its encoding keeps, also where it is equal to a threshold, whatever is compared \
         with it (one threshold, several, or one for each feature). In an encoding of 65,535 integers or more a \
         threshold stands for the numbers that become the same integer.\n\n\
         Elsewhere a layer with two values and one jump is decided by the accumulator before anything is shifted \
         out. If its inputs have one scale `s` and its weights are whole numbers, the integers decide as the file \
         does for every input on the grid of `1 / s`: also where an input is equal to the bound. With other weights \
         each is rounded by half of `1 / 2^shift` of a step of the result, as in any layer: a comparison of two \
         features, or of a sum of some, with equal sides can go either way. Whole numbers are equal in the integers \
         where they are in the file; other numbers are equal within half a step of the table. A function with \
         several jumps of something else than one number of the input, or with slopes beside a jump, is a table \
         like any other: off by half of its step.\n",
    );
    page
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn operators_are_sorted_and_unique() {
        for table in [OPERATORS, MODELS, QUANTIZED] {
            assert!(table.is_sorted_by(|a, b| a.name < b.name));
        }
    }

    /// The page says what the importer takes.
    #[test]
    fn the_page_of_operators_is_that_of_the_table() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operators.md");
        if std::env::var_os("ASSAY_WRITE_DOCS").is_some() {
            std::fs::write(&path, page()).expect("written");
        }
        let found = std::fs::read_to_string(&path).expect("docs/operators.md");
        assert_eq!(found, page(), "write it again with ASSAY_WRITE_DOCS=1");
    }
}
