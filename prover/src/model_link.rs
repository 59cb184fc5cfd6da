//! Whether two circuits are circuits of one model.
//!
//! All circuits of a model keep its weights in the same rows of the same subgroup (see
//! docs/circuit.md, section 8), so a proof of any of them starts with the same points and shows the
//! same model hash. Equal hashes say that the committed columns are the same; that both circuits read
//! them as the same network is a matter of the two published architectures, and is decided here.

use assay_circuit::{Architecture, ArchitectureError};

/// Why two circuits are not circuits of one model, or why that cannot be said.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// One of the architectures is no valid network, or has no circuit.
    #[error(transparent)]
    Architecture(#[from] ArchitectureError),
    /// The networks differ; the text names the first difference found.
    #[error("the two circuits are of different networks: {0}")]
    Network(String),
    /// The networks are equal, the rows and columns that hold the weights are not.
    #[error(
        "the two circuits keep the weights in different places ({a} and {b}); derive one of them from \
         the other's bundle with `assay model derive`"
    )]
    Place {
        /// Columns, first row, domain and openings of the first circuit.
        a: String,
        /// The same of the second.
        b: String,
    },
}

/// Checks that `a` and `b` read the same committed columns as the same network.
///
/// # Errors
/// [`LinkError`].
pub fn check_link(a: &Architecture, b: &Architecture) -> Result<(), LinkError> {
    if a.graph != b.graph {
        return Err(LinkError::Network(difference(a, b)));
    }
    let [place_a, place_b] =
        [a.layout()?.weights_place(), b.layout()?.weights_place()].map(|place| {
            format!(
                "{} columns from row {} of 2^{}, {} openings",
                place.columns, place.first_row, place.k, place.openings
            )
        });
    if place_a == place_b { Ok(()) } else { Err(LinkError::Place { a: place_a, b: place_b }) }
}

fn difference(a: &Architecture, b: &Architecture) -> String {
    if a.graph.name != b.graph.name {
        return format!("`{}` and `{}`", a.graph.name, b.graph.name);
    }
    let layers = a.graph.layers.iter().zip(&b.graph.layers);
    if let Some((layer, _)) = layers.into_iter().find(|(x, y)| x != y) {
        return format!("layer `{}`", layer.name);
    }
    if a.graph.layers.len() != b.graph.layers.len() {
        return format!("{} and {} layers", a.graph.layers.len(), b.graph.layers.len());
    }
    "tensors, tables or the input's encoding".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        bundle::{Bundle, BundleError},
        openings::{Marks, OpeningsError, counter_path},
    };
    use assay_circuit::{PlanRequest, Run, StatementKind};
    use assay_testing::networks::mixed_network;

    #[test]
    fn circuits_of_one_model_are_told_from_others() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bundle");
        let bundle = Bundle::new(mixed_network().0, PlanRequest::default()).expect("bundle");
        let statement = StatementKind::Audit { run: Run { log_items: 4, depth: 5 }, top: 1 };
        let request = PlanRequest { statement, ..PlanRequest::default() };
        let derived = folder.path().join("audit");
        let marks = Marks::at(folder.path().join("marks"));
        let openings = bundle.create(&path, &marks).expect("created");
        let (audit, left) = bundle.derive(&path, &derived, request, 8, &marks).expect("derived");
        assert_eq!(left, bundle.budget - 8);
        assert_eq!(Bundle::read(&derived).expect("written").budget, 8);
        let again = bundle.derive(&path, &derived, request, 8, &marks).err().expect("refused");
        assert!(matches!(again, BundleError::Exists { .. }));
        let nowhere = folder.path().join("missing").join("audit");
        assert!(bundle.derive(&path, &nowhere, request, 8, &marks).is_err());
        assert!(check_link(&bundle.architecture(), &audit.architecture()).is_ok());
        // Refusals took nothing, and leave nothing.
        assert_eq!(openings.usage().expect("count").used, 8);
        let other = folder.path().join("other");
        let refused = bundle.derive(&path, &other, request, left + 1, &marks);
        let Err(BundleError::Openings(OpeningsError::BudgetTooSmall { asked, left: had })) =
            refused
        else {
            panic!("{:?}", refused.err());
        };
        assert_eq!((asked, had), (left + 1, left));
        assert!(!other.exists() && !counter_path(&other).exists());

        let apart = Bundle::new(bundle.graph.clone(), request).expect("bundle");
        let refused = check_link(&bundle.architecture(), &apart.architecture());
        assert!(matches!(refused, Err(LinkError::Place { .. })), "{refused:?}");
        let mut other = audit.architecture();
        other.graph.layers[0].name.push('x');
        let refused = check_link(&bundle.architecture(), &other);
        assert!(matches!(refused, Err(LinkError::Network(_))), "{refused:?}");
    }
}
