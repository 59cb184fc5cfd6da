//! Support vector machines.

use super::{
    ImportError, Importer, Node, Parts, bind_both, bind_scores, expect, features, labels, left_out,
    linear::{dense, gemm},
    numbers,
};

/// SVMRegressor.
pub(in crate::model) fn regressor(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let (input, features) = features(importer, node)?;
    if !left_out(node)?.is_empty() || node.int("one_class", 0) != 0 {
        return Err(node.error("one_class and a post_transform are not supported"));
    }
    let coefficients = numbers(importer, node, "coefficients")?;
    let rho = numbers(importer, node, "rho")?;
    expect(node, "rho", rho.len(), 1)?;
    let vectors = numbers(importer, node, "support_vectors")?;
    let count = usize::try_from(node.int("n_supports", 0)).unwrap_or(0);
    let mut parts = Parts::new(importer, node);
    let result = if count == 0 {
        expect(node, "coefficients", coefficients.len(), features)?;
        let values = kernel(&mut parts, node, (&input, features), coefficients, 1)?;
        let rho = parts.constant(&[1], rho)?;
        parts.op("Add", &[&values, &rho], &[])?
    } else {
        expect(node, "support_vectors", vectors.len(), count.saturating_mul(features))?;
        expect(node, "coefficients", coefficients.len(), count)?;
        let vectors = Vectors { vectors, count };
        vectors.weighted(&mut parts, node, (&input, features), &[(coefficients, rho)])?.remove(0)
    };
    parts.bind(0, &result)
}

/// SVMClassifier without support vectors: a linear model for each class.
pub(in crate::model) fn classifier(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let (input, features) = features(importer, node)?;
    if node.ints("vectors_per_class").is_some_and(|counts| !counts.is_empty()) {
        return votes::classifier(importer, node, (&input, features));
    }
    let left_out = left_out(node)?;
    let (classes, _) = labels(node);
    let coefficients = numbers(importer, node, "coefficients")?;
    let rho = numbers(importer, node, "rho")?;
    expect(node, "coefficients", coefficients.len(), classes.saturating_mul(features))?;
    expect(node, "rho", rho.len(), 1)?;
    let mut parts = Parts::new(importer, node);
    let values = kernel(&mut parts, node, (&input, features), coefficients, classes)?;
    let rho = parts.constant(&[1], rho)?;
    let scores = parts.op("Add", &[&values, &rho], &[])?;
    bind_scores(&mut parts, node, &scores, left_out)
}

/// Support vectors, one after the other.
struct Vectors {
    vectors: Vec<f64>,
    count: usize,
}

impl Vectors {
    /// For each of `sums`, coefficients of all vectors for each entry of a bias: the kernels of the input
    /// with all vectors, weighted. Of a linear kernel that is one vector for each entry: the products with
    /// the single ones, which may be large, cancel out before any number is rounded.
    fn weighted(
        self,
        parts: &mut Parts<'_, '_, '_>,
        node: &Node<'_>,
        (input, features): (&str, usize),
        sums: &[(Vec<f64>, Vec<f64>)],
    ) -> Result<Vec<String>, ImportError> {
        let Self { vectors, count } = self;
        if node.text("kernel_type").unwrap_or("LINEAR") == "LINEAR" {
            let joined = |row: &[f64]| {
                let mut sum = vec![0.0; features];
                for (coefficient, vector) in row.iter().zip(vectors.chunks(features)) {
                    sum.iter_mut().zip(vector).for_each(|(sum, x)| *sum += coefficient * x);
                }
                sum
            };
            let mut dense = |(coefficients, bias): &(Vec<f64>, Vec<f64>)| {
                let rows = coefficients.chunks(count).flat_map(joined).collect();
                dense(parts, (input, features), rows, bias.clone())
            };
            return sums.iter().map(&mut dense).collect();
        }
        let values = kernel(parts, node, (input, features), vectors, count)?;
        let mut dense = |(coefficients, bias): &(Vec<f64>, Vec<f64>)| {
            dense(parts, (&values, count), coefficients.clone(), bias.clone())
        };
        sums.iter().map(&mut dense).collect()
    }
}

/// The kernel of the input with each of `count` vectors, as one row.
fn kernel(
    parts: &mut Parts<'_, '_, '_>,
    node: &Node<'_>,
    (input, features): (&str, usize),
    vectors: Vec<f64>,
    count: usize,
) -> Result<String, ImportError> {
    let parameters = numbers(parts.importer, node, "kernel_params")?;
    let [gamma, offset, degree] = [0, 1, 2].map(|index| parameters.get(index).copied());
    let (gamma, offset) = (gamma.unwrap_or(0.0), offset.unwrap_or(0.0));
    match node.text("kernel_type").unwrap_or("LINEAR") {
        "LINEAR" => dense(parts, (input, features), vectors, vec![0.0; count]),
        kind @ ("POLY" | "SIGMOID") => {
            let scaled = vectors.iter().map(|x| gamma * x).collect();
            let product = dense(parts, (input, features), scaled, vec![offset; count])?;
            if kind == "SIGMOID" {
                return parts.op("Tanh", &[&product], &[]);
            }
            let degree = parts.constant(&[], vec![degree.unwrap_or(3.0)])?;
            parts.op("Pow", &[&product, &degree], &[])
        }
        "RBF" => {
            // -gamma |x - v|^2 = 2 gamma x v - gamma |v|^2 - gamma |x|^2
            let lengths = vectors.chunks(features).map(|v| v.iter().map(|x| x * x).sum::<f64>());
            let bias = lengths.map(|length| -gamma * length).collect();
            let scaled = vectors.iter().map(|x| 2.0 * gamma * x).collect();
            let product = dense(parts, (input, features), scaled, bias)?;
            let squares = parts.op("Mul", &[input, input], &[])?;
            let all = parts.constant(&[count, features], vec![-gamma; count * features])?;
            let length = gemm(parts, &squares, features, &all, None)?;
            let exponent = parts.op("Add", &[&product, &length], &[])?;
            parts.op("Exp", &[&exponent], &[])
        }
        other => Err(node.error(format!("the kernel `{other}` is not known"))),
    }
}

mod votes {
    //! One decision for each pair of classes; the class with most of them.

    use super::{
        ImportError, Importer, Node, Parts, Vectors, bind_both, dense, expect, labels, numbers,
    };

    pub(super) fn classifier(
        importer: &mut Importer<'_>,
        node: &Node<'_>,
        (input, features): (&str, usize),
    ) -> Result<(), ImportError> {
        if !super::left_out(node)?.is_empty() || !node.floats("prob_a").is_empty() {
            return Err(node.error(
                "probabilities of a support vector machine are not supported; export its decisions",
            ));
        }
        let (classes, _) = labels(node);
        let counts: Vec<usize> = node
            .ints("vectors_per_class")
            .unwrap_or_default()
            .iter()
            .map(|count| usize::try_from(*count).unwrap_or(0))
            .collect();
        expect(node, "vectors_per_class", counts.len(), classes)?;
        let total = counts.iter().fold(0usize, |sum, count| sum.saturating_add(*count));
        let vectors = numbers(importer, node, "support_vectors")?;
        expect(node, "support_vectors", vectors.len(), total.saturating_mul(features))?;
        let coefficients = numbers(importer, node, "coefficients")?;
        let rows = classes.saturating_sub(1);
        expect(node, "coefficients", coefficients.len(), rows.saturating_mul(total))?;
        let rho = numbers(importer, node, "rho")?;
        let pairs = classes.saturating_mul(rows) / 2;
        expect(node, "rho", rho.len(), pairs)?;
        if pairs == 0 || total == 0 {
            return Err(node.error(format!("{classes} classes and {total} support vectors")));
        }
        importer
            .reserve(pairs.saturating_mul(total.saturating_add(classes)))
            .map_err(|problem| node.error(problem))?;
        let starts: Vec<usize> = counts
            .iter()
            .scan(0, |start, count| Some(std::mem::replace(start, *start + count)))
            .collect();
        let (mut decide, mut gain) = (vec![0.0; pairs * total], vec![0.0; classes * pairs]);
        let mut lost = vec![0.0; classes];
        let mut pair = 0;
        for i in 0..classes {
            for j in i + 1..classes {
                for (class, row) in [(i, j - 1), (j, i)] {
                    let range = starts[class]..starts[class] + counts[class];
                    let from = &coefficients[row * total..][range.clone()];
                    decide[pair * total..][range].copy_from_slice(from);
                }
                // A vote for i where the decision is positive, for j elsewhere.
                gain[i * pairs + pair] = 1.0;
                gain[j * pairs + pair] = -1.0;
                lost[j] += 1.0;
                pair += 1;
            }
        }
        let mut parts = Parts::new(importer, node);
        let vectors = Vectors { vectors, count: total };
        if classes == 2 {
            // The label is the first class where the decision is positive; the scores say the
            // opposite, as onnxruntime's do.
            let negative = |values: &[f64]| values.iter().map(|x| -x).collect::<Vec<f64>>();
            let label = [decide.clone(), negative(&decide)].concat();
            let scores = [negative(&decide), decide].concat();
            let bias = vec![rho[0], -rho[0]];
            let scores = (scores, negative(&bias));
            let sums = [(label, bias), scores];
            let found = vectors.weighted(&mut parts, node, (input, features), &sums)?;
            return bind_both(&mut parts, node, [&found[0], &found[1]], Vec::new());
        }
        let sums = [(decide, rho)];
        let decisions = vectors.weighted(&mut parts, node, (input, features), &sums)?.remove(0);
        let zero = parts.constant(&[], vec![0.0])?;
        let won = parts.op("Greater", &[&decisions, &zero], &[])?;
        let votes = dense(&mut parts, (&won, pairs), gain, lost)?;
        parts.importer.notes.push(
            "the label is the class with most votes of pairs of classes, the first of several"
                .into(),
        );
        bind_both(&mut parts, node, [&votes, &decisions], Vec::new())
    }
}
