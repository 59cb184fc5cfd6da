//! Operators of the domain `ai.onnx.ml`, as scikit-learn and its like are exported.

pub(in crate::model) mod ensemble;
pub(in crate::model) mod linear;
pub(in crate::model) mod svm;
pub(in crate::model) mod trees;

use super::{
    Constant, FinalOperator, ImportError, Importer, Node, activation,
    parts::{Parts, int, ints},
    required_constant,
};
use crate::model::importer::Dropped;

/// The name of the node's input and its number of features; it is a single row.
fn features(importer: &Importer<'_>, node: &Node<'_>) -> Result<(String, usize), ImportError> {
    let value = activation(importer, node, 0)?;
    match *value.shape.as_slice() {
        [1, features] | [features] => Ok((node.inputs()[0].clone(), features)),
        ref other => Err(node.error(format!("an input of shape {other:?}; [1, n] is needed"))),
    }
}

/// The number of values that a list must have.
fn expect(node: &Node<'_>, name: &str, found: usize, wanted: usize) -> Result<(), ImportError> {
    if found == wanted {
        return Ok(());
    }
    Err(node.error(format!("`{name}` has {found} values, {wanted} are needed")))
}

/// Numbers of an attribute, or of its form as a tensor.
fn numbers(importer: &Importer<'_>, node: &Node<'_>, name: &str) -> Result<Vec<f64>, ImportError> {
    let values = match node.attribute(&format!("{name}_as_tensor")).and_then(|a| a.t.as_ref()) {
        Some(tensor) => importer.source.constant(tensor)?.values,
        None => node.floats(name),
    };
    if values.iter().any(|x| !x.is_finite()) {
        return Err(node.error(format!("`{name}` holds a number that is not finite")));
    }
    Ok(values)
}

/// How many class labels the node has, and what they are when they are not 0, 1, 2, ...
fn labels(node: &Node<'_>) -> (usize, Option<String>) {
    for name in ["classlabels_ints", "classlabels_int64s"] {
        let labels = node.ints(name).unwrap_or_default();
        if !labels.is_empty() {
            let plain = labels.iter().enumerate().all(|(index, label)| *label == index as i64);
            let names: Vec<String> = labels.iter().map(ToString::to_string).collect();
            return (labels.len(), (!plain).then(|| names.join(", ")));
        }
    }
    let labels = node.strings("classlabels_strings");
    (labels.len(), (!labels.is_empty()).then(|| labels.join(", ")))
}

/// What the node does to its scores at the end and an import leaves out.
fn left_out(node: &Node<'_>) -> Result<Vec<FinalOperator>, ImportError> {
    match node.text("post_transform").unwrap_or("NONE") {
        "NONE" | "" => Ok(Vec::new()),
        "SOFTMAX" => Ok(vec![FinalOperator::Softmax]),
        "LOGISTIC" => Ok(vec![FinalOperator::Sigmoid]),
        other => Err(node.error(format!(
            "post_transform `{other}` is not supported; NONE, SOFTMAX and LOGISTIC are"
        ))),
    }
}

/// Binds the scores of a classifier to its second output, and their largest to its first.
fn bind_scores(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    scores: &str,
    left_out: Vec<FinalOperator>,
) -> Result<(), ImportError> {
    bind_both(parts, node, [scores, scores], left_out)
}

/// As [`bind_scores`] where the label is the largest of other numbers than the scores.
fn bind_both(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    [label, scores]: [&str; 2],
    left_out: Vec<FinalOperator>,
) -> Result<(), ImportError> {
    if let (_, Some(names)) = labels(node) {
        parts.importer.notes.push(format!("the classes are, in order: {names}"));
    }
    if !parts.importer.values.contains_key(scores) {
        return Err(node.error("its scores do not depend on the input"));
    }
    let label = parts.op("ArgMax", &[label], &[int("axis", 1)])?;
    let mut scores = scores.to_owned();
    if parts.importer.outlook.keeps_final() {
        for operator in &left_out {
            scores = match operator {
                FinalOperator::Softmax => parts.op("Softmax", &[&scores], &[int("axis", 1)])?,
                FinalOperator::Sigmoid => parts.op("Sigmoid", &[&scores], &[])?,
                other => {
                    return Err(node.error(format!(
                        "its final {other} cannot be kept; take the numbers before it (--drop-final)"
                    )));
                }
            };
        }
    } else if let Some(value) =
        parts.importer.values.get_mut(&scores).filter(|_| !left_out.is_empty())
    {
        value.dropped = Some(Dropped { node: node.name().into(), operators: left_out });
    }
    parts.bind(1, &scores)?;
    parts.bind(0, &label)
}

/// Scaler: `(x - offset) * scale`.
pub(in crate::model) fn scaler(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let (mut name, features) = features(importer, node)?;
    let steps = [("offset", "Sub"), ("scale", "Mul")];
    let mut parts = Parts::new(importer, node);
    for (attribute, operator) in steps {
        let values = numbers(parts.importer, node, attribute)?;
        if values.is_empty() {
            continue;
        }
        if values.len() != 1 {
            expect(node, attribute, values.len(), features)?;
        }
        let constant = parts.constant(&[values.len()], values)?;
        name = parts.op(operator, &[&name, &constant], &[])?;
    }
    parts.bind(0, &name)
}

/// Normalizer: divided by the sum, the length or the largest of the features.
pub(in crate::model) fn normalizer(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let mut value = activation(importer, node, 0)?;
    let norm = node.text("norm").unwrap_or("MAX");
    if let Some(dropped) = &mut value.dropped {
        // Probabilities are positive: their order stays.
        dropped.operators.push(FinalOperator::Normalizer);
        return importer.bind(node, value);
    }
    let (name, features) = features(importer, node)?;
    let axes = [ints("axes", &[value.shape.len() - 1])];
    let mut parts = Parts::new(importer, node);
    let size = match norm {
        "L1" => {
            let sizes = parts.op("Abs", &[&name], &[])?;
            parts.op("ReduceSum", &[&sizes], &axes)?
        }
        "L2" => {
            let squares = parts.op("Mul", &[&name, &name], &[])?;
            let sum = parts.op("ReduceSum", &[&squares], &axes)?;
            parts.op("Sqrt", &[&sum], &[])?
        }
        "MAX" => largest(&mut parts, node, &name, features)?,
        other => return Err(node.error(format!("norm `{other}` is not known"))),
    };
    let result = parts.op("Div", &[&name, &size], &[])?;
    parts.bind(0, &result)
}

/// The largest of the features, pair by pair.
fn largest(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    name: &str,
    features: usize,
) -> Result<String, ImportError> {
    if features > 64 {
        return Err(
            node.error(format!("the largest of {features} features; up to 64 are supported"))
        );
    }
    let axis = [int("axis", -1)];
    let single = parts.several("Split", &[name], &axis, features)?;
    let single: Vec<&str> = single.iter().map(String::as_str).collect();
    if let [only] = *single.as_slice() {
        return Ok(only.to_owned());
    }
    parts.op("Max", &single, &[])
}

/// Imputer: inputs are numbers here, so that a missing value is only what is written as one.
pub(in crate::model) fn imputer(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let (name, features) = features(importer, node)?;
    let integers = node.ints("imputed_value_int64s").unwrap_or_default();
    let (imputed, missing) = if integers.is_empty() {
        let missing = node.attribute("replaced_value_float").map(|a| f64::from(a.f));
        (numbers(importer, node, "imputed_value_floats")?, missing.unwrap_or(0.0))
    } else {
        let imputed = integers.iter().map(|x| *x as f64).collect();
        (imputed, node.int("replaced_value_int64", 0) as f64)
    };
    let mut parts = Parts::new(importer, node);
    if missing.is_nan() {
        let note = "missing values (NaN) are not supported: the imputation is left out";
        parts.importer.notes.push(note.into());
        return parts.bind(0, &name);
    }
    if imputed.len() != 1 {
        expect(node, "imputed_value", imputed.len(), features)?;
    }
    let missing = parts.constant(&[], vec![missing])?;
    let imputed = parts.constant(&[imputed.len()], imputed)?;
    let condition = parts.op("Equal", &[&name, &missing], &[])?;
    let result = parts.op("Where", &[&condition, &imputed, &name], &[])?;
    parts.bind(0, &result)
}

/// ArrayFeatureExtractor: columns of the input, or the label of the largest logit.
pub(in crate::model) fn extract(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let is_constant =
        |index| node.input(index).is_some_and(|name| importer.constants.contains_key(name));
    if is_constant(0) && !is_constant(1) {
        let value = activation(importer, node, 1)?;
        if value.dropped.is_none() {
            return Err(node.error("positions that depend on the input"));
        }
        note_names(importer, node);
        return importer.bind(node, value);
    }
    let indices = required_constant(importer, node, 1)?;
    let columns = Constant::vector(indices.values.clone());
    let input = node.inputs().first().map_or("", String::as_str);
    let mut parts = Parts::new(importer, node);
    let columns = parts.constant(&columns.shape, columns.values.clone())?;
    let result = parts.op("Gather", &[input, &columns], &[int("axis", -1)])?;
    parts.bind(0, &result)
}

/// Says which classes a table of labels names, unless they are 0, 1, 2, ...
fn note_names(importer: &mut Importer<'_>, node: &Node<'_>) {
    let Some(name) = node.input(0) else { return };
    let tensors = importer.source.proto.graph.iter().flat_map(|graph| &graph.initializer);
    let texts = tensors.filter(|tensor| tensor.name == name).flat_map(|tensor| &tensor.string_data);
    let texts = texts.map(|text| String::from_utf8_lossy(text).into_owned()).collect::<Vec<_>>();
    let numbers = importer.constants.get(name).map(|labels| labels.values.clone());
    let numbers = numbers.unwrap_or_default();
    let names = match texts.is_empty() {
        false => texts,
        true if numbers.iter().enumerate().all(|(index, label)| *label == index as f64) => return,
        true => numbers.iter().map(ToString::to_string).collect(),
    };
    importer.notes.push(format!("the classes are, in order: {}", names.join(", ")));
}

/// FeatureVectorizer: all inputs side by side.
pub(in crate::model) fn vectorizer(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let names: Vec<&str> = node.inputs().iter().map(String::as_str).collect();
    let mut parts = Parts::new(importer, node);
    let result = parts.op("Concat", &names, &[int("axis", 1)])?;
    parts.bind(0, &result)
}

/// Binarizer: 1 above the threshold, 0 elsewhere.
pub(in crate::model) fn binarizer(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let threshold = node.float("threshold", 0.0)?;
    let input = node.inputs().first().map_or("", String::as_str);
    let mut parts = Parts::new(importer, node);
    let threshold = parts.constant(&[], vec![threshold])?;
    let result = parts.op("Greater", &[input, &threshold], &[])?;
    parts.bind(0, &result)
}

/// OneHotEncoder of integers: for each feature and category whether they are equal.
pub(in crate::model) fn one_hot(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let (name, features) = features(importer, node)?;
    let categories = node.ints("cats_int64s").unwrap_or_default();
    if categories.is_empty() {
        return Err(node.error("categories of text; only whole numbers are supported"));
    }
    let count = categories.len();
    // Each feature as often as there are categories.
    let rows = features.saturating_mul(count);
    let cells = rows.saturating_mul(features);
    let problem = |problem| node.error(problem);
    importer.reserve(cells).map_err(problem)?;
    let mut matrix = vec![0.0; cells];
    for row in 0..rows {
        matrix[row * features + row / count] = 1.0;
    }
    let wanted = (0..rows).map(|row| categories[row % count] as f64).collect();
    let mut parts = Parts::new(importer, node);
    let matrix = parts.constant(&[rows, features], matrix)?;
    let wanted = parts.constant(&[rows], wanted)?;
    let copies = linear::gemm(&mut parts, &name, features, &matrix, None)?;
    let equal = parts.op("Equal", &[&copies, &wanted], &[])?;
    let shape = parts.integers(&[1, features, count])?;
    let result = parts.op("Reshape", &[&equal, &shape], &[])?;
    parts.bind(0, &result)
}
