//! Linear models.

use super::{
    super::parts::int, FinalOperator, ImportError, Importer, Node, Parts, bind_scores, expect,
    features, labels, left_out, numbers,
};

/// `matrix * x + bias` as one row, the matrix stored as `[outputs, features]`.
pub(super) fn gemm(
    parts: &mut Parts<'_, '_, '_>,
    input: &str,
    features: usize,
    matrix: &str,
    bias: Option<&str>,
) -> Result<String, ImportError> {
    let shape = parts.integers(&[1, features])?;
    let row = parts.op("Reshape", &[input, &shape], &[])?;
    let mut inputs = vec![row.as_str(), matrix];
    inputs.extend(bias);
    parts.op("Gemm", &inputs, &[int("transB", 1)])
}

/// A dense layer of a model's coefficients.
pub(super) fn dense(
    parts: &mut Parts<'_, '_, '_>,
    (input, features): (&str, usize),
    coefficients: Vec<f64>,
    bias: Vec<f64>,
) -> Result<String, ImportError> {
    let outputs = bias.len();
    let matrix = parts.constant(&[outputs, features], coefficients)?;
    let bias = parts.constant(&[outputs], bias)?;
    gemm(parts, input, features, &matrix, Some(&bias))
}

/// LinearRegressor.
pub(in crate::model) fn regressor(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let (input, features) = features(importer, node)?;
    let targets = usize::try_from(node.int("targets", 1)).unwrap_or(0);
    let coefficients = numbers(importer, node, "coefficients")?;
    expect(node, "coefficients", coefficients.len(), targets.saturating_mul(features))?;
    let mut bias = numbers(importer, node, "intercepts")?;
    bias.resize(if bias.is_empty() { targets } else { bias.len() }, 0.0);
    expect(node, "intercepts", bias.len(), targets)?;
    if !left_out(node)?.is_empty() {
        return Err(node.error("a post_transform of a regressor's output is not supported"));
    }
    let mut parts = Parts::new(importer, node);
    let result = dense(&mut parts, (&input, features), coefficients, bias)?;
    parts.bind(0, &result)
}

/// LinearClassifier.
pub(in crate::model) fn classifier(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let (input, features) = features(importer, node)?;
    let left_out = left_out(node)?;
    let (classes, _) = labels(node);
    let coefficients = numbers(importer, node, "coefficients")?;
    let mut bias = numbers(importer, node, "intercepts")?;
    let rows = coefficients.len() / features;
    bias.resize(if bias.is_empty() { rows } else { bias.len() }, 0.0);
    expect(node, "coefficients", coefficients.len(), rows * features)?;
    expect(node, "intercepts", bias.len(), rows)?;
    if rows == 0 || !(rows == classes || (rows == 1 && classes == 2)) {
        return Err(node.error(format!("{rows} rows of coefficients for {classes} classes")));
    }
    let mut parts = Parts::new(importer, node);
    if rows == classes {
        let scores = dense(&mut parts, (&input, features), coefficients, bias)?;
        return bind_scores(&mut parts, node, &scores, left_out);
    }
    let negative = |values: &[f64]| values.iter().map(|x| -x).collect::<Vec<f64>>();
    let both = [negative(&coefficients), coefficients].concat();
    if left_out == [FinalOperator::Sigmoid] {
        let bias = [negative(&bias), bias].concat();
        let scores = dense(&mut parts, (&input, features), both, bias)?;
        return bind_scores(&mut parts, node, &scores, left_out);
    }
    // Without LOGISTIC the first score is 1 - s, but the label says whether s is positive.
    let first = [negative(&bias), bias].concat();
    let second = vec![1.0 + first[0], first[1]];
    let decision = dense(&mut parts, (&input, features), both.clone(), first)?;
    let label = parts.op("ArgMax", &[&decision], &[int("axis", 1)])?;
    parts.bind(0, &label)?;
    let scores = dense(&mut parts, (&input, features), both, second)?;
    parts.bind(1, &scores)
}
