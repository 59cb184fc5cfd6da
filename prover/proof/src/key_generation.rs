//! Keys made: the library's, commitment for commitment, without its memory and time.

use halo2_proofs::{
    halo2curves::{
        bn256::{Fr, G1, G1Affine},
        group::Curve,
    },
    plonk::{Circuit, Error, VerifyingKey, permutation},
};

use crate::{
    assembly::{Assembled, Moved, assemble},
    domain,
    key_error::KeyError,
    keys::{KeyInfo, KeyShape, VerifierKey},
    labels::Labels,
    phases::configure,
    profile::Profile,
    srs::Srs,
    vk_data::VkData,
};

/// Lays a circuit out and commits to its columns.
///
/// # Errors
/// Those of [`VerifierKey::generate`].
pub(crate) fn generate<C: Circuit<Fr>>(
    srs: &Srs,
    circuit: &C,
    shape: KeyShape,
) -> Result<(VerifierKey, Assembled), KeyError> {
    let (schedule, cs) = configure::<C>(circuit.params())?;
    let profile = Profile::new(&cs, schedule, shape.weight_columns, shape.public_inputs)?;
    let k = srs.k();
    let domain = domain::without_tables(cs.degree(), k)
        .ok_or(KeyError::Circuit(Error::NotEnoughRowsAvailable { current_k: k }))?;
    let assembled = assemble(circuit, k)?;
    profile.check_rows(k)?;

    let fixed: Vec<G1> =
        assembled.fixed.iter().map(|column| srs.lagrange().exponentiate(column)).collect();
    let labels = Labels::new(k, assembled.moved.len());
    let permuted = assembled.moved.iter().enumerate();
    let sigmas: Vec<G1> =
        permuted.map(|(column, moved)| commit_sigma(srs, &labels, column, moved)).collect();
    let permutation = permutation::VerifyingKey::from_commitments(affine(&sigmas));
    let vk = VerifyingKey::from_parts(domain, affine(&fixed), permutation, cs, Vec::new(), false);
    let data = VkData::new(&vk, &profile, srs.s_g2(), shape.statement);
    Ok((VerifierKey { vk, info: KeyInfo::new(profile, data) }, assembled))
}

/// The labels of a column are the values of a multiple of X, so only what copies change is summed.
fn commit_sigma(srs: &Srs, labels: &Labels, column: usize, moved: &[Moved]) -> G1 {
    let identity = srs.monomial().exponentiate_sparse(&[(1, labels.slope(column))]);
    identity + srs.lagrange().exponentiate_sparse(&labels.changes(column, moved))
}

fn affine(points: &[G1]) -> Vec<G1Affine> {
    points.iter().map(Curve::to_affine).collect()
}

#[cfg(test)]
mod tests {
    use assay_circuit::{Layout, LayoutOptions, ModelCircuit, StatementKind};
    use assay_testing::{
        networks::mixed_network,
        sample::{Sample, SampleParams},
    };
    use halo2_proofs::{
        circuit::{Cell, Layouter, SimpleFloorPlanner, Value},
        plonk::{
            Advice, Any, Assigned, Column, ConstraintSystem, Fixed, ProvingKey, TableColumn,
            keygen_pk2,
        },
        poly::{Polynomial, Rotation},
    };
    use proptest::prelude::*;

    use super::*;
    use crate::{ProverKey, phases::Flat};

    fn key_shape(weight_columns: usize, public_inputs: usize) -> KeyShape {
        KeyShape { weight_columns, public_inputs, statement: [7; 30] }
    }

    fn values<B>(polynomials: &[Polynomial<Fr, B>]) -> Vec<&[Fr]> {
        polynomials.iter().map(Polynomial::values).collect()
    }

    /// Fails unless the library makes the same key, and takes ours for its own.
    fn assert_library_agrees<C: Circuit<Fr>>(srs: &Srs, circuit: &C, shape: KeyShape) {
        let key = ProverKey::generate(srs, circuit, shape).expect("a key");
        let theirs: ProvingKey<G1Affine> =
            keygen_pk2(&srs.to_library(), &Flat(circuit), false).expect("their key");
        let (ours, vk) = (key.library_key(), theirs.get_vk());
        for our_vk in [key.vk(), ours.get_vk()] {
            assert_eq!(our_vk.fixed_commitments(), vk.fixed_commitments());
            assert_eq!(our_vk.permutation().commitments(), vk.permutation().commitments());
            assert_eq!(our_vk.transcript_repr(), vk.transcript_repr());
        }
        let data = VkData::new(vk, key.info().profile(), srs.s_g2(), shape.statement);
        assert_eq!(*key.info().data(), data);
        let verifier = VerifierKey::generate(srs, circuit, shape).expect("a verifying key");
        assert_eq!(verifier.hash(), key.info().hash());

        assert_eq!(values(ours.fixed_values()), values(theirs.fixed_values()));
        assert_eq!(values(ours.fixed_polys()), values(theirs.fixed_polys()));
        let (our_sigmas, their_sigmas) = (ours.permutation(), theirs.permutation());
        assert_eq!(values(our_sigmas.permutations()), values(their_sigmas.permutations()));
        assert_eq!(values(our_sigmas.polys()), values(their_sigmas.polys()));
        for poly in [ProvingKey::l0, ProvingKey::l_last, ProvingKey::l_active_row] {
            assert_eq!(poly(&ours).values(), poly(&theirs).values());
        }
    }

    #[test]
    fn keys_of_samples_are_the_librarys() {
        let small = SampleParams::small();
        let wide = SampleParams { k: 9, weights: 3, lanes: 5, inputs: 6, extra_fixed: 4, ..small };
        for params in [SampleParams { k: 5, ..SampleParams::small() }, SampleParams::small(), wide]
        {
            let srs = Srs::dev(params.k, [9; 32]).expect("a setup");
            let shape = key_shape(params.weights, params.inputs);
            assert_library_agrees(&srs, &Sample::new(params, 1, 1), shape);
        }
    }

    #[test]
    fn the_key_of_a_model_is_the_librarys() {
        let options = LayoutOptions {
            lanes: 3,
            weight_columns: 2,
            statement: StatementKind::default(),
            openings: 16,
            weights_row: 128,
            weights_k: None,
        };
        let layout = Layout::new(&mixed_network().0, options).expect("a layout");
        let srs = Srs::dev(layout.k, [9; 32]).expect("a setup");
        let shape = key_shape(layout.options.weight_columns, layout.public_inputs);
        assert_library_agrees(&srs, &ModelCircuit::without_witness(&layout), shape);
    }

    /// A circuit that assigns and copies what it is told.
    #[derive(Debug, Clone)]
    struct Told {
        /// Column, row and value.
        cells: Vec<(usize, usize, Assigned<Fr>)>,
        /// Pairs of a permuted column and a row.
        copies: Vec<[(usize, usize); 2]>,
        /// Constants in rows of the first advice column.
        constants: Vec<u64>,
        /// The start of the table; the rest of the column is filled with its first value.
        table: Vec<u64>,
        /// Panics at the end.
        panics: bool,
    }

    #[derive(Debug, Clone)]
    struct ToldConfig {
        first: Column<Advice>,
        fixed: [Column<Fixed>; 2],
        table: TableColumn,
        permuted: [Column<Any>; 3],
    }

    impl Circuit<Fr> for Told {
        type Config = ToldConfig;
        type FloorPlanner = SimpleFloorPlanner;
        type Params = ();

        fn without_witnesses(&self) -> Self {
            self.clone()
        }

        fn configure(cs: &mut ConstraintSystem<Fr>) -> ToldConfig {
            let [first, second] = [(); 2].map(|()| cs.advice_column());
            let fixed = [(); 2].map(|()| cs.fixed_column());
            let (table, constants) = (cs.lookup_table_column(), cs.fixed_column());
            let instance = cs.instance_column();
            cs.enable_constant(constants);
            let permuted: [Column<Any>; 3] = [second.into(), first.into(), fixed[1].into()];
            permuted.iter().for_each(|column| cs.enable_equality(*column));
            cs.create_gate("told", |cells| {
                let [first, second] =
                    [first, second].map(|column| cells.query_advice(column, Rotation::cur()));
                let fixed = fixed.map(|column| cells.query_fixed(column, Rotation::cur()));
                let [fixed, other] = fixed;
                vec![
                    fixed * (first - cells.query_instance(instance, Rotation::cur()))
                        + other * second,
                ]
            });
            ToldConfig { first, fixed, table, permuted }
        }

        fn synthesize(
            &self,
            config: ToldConfig,
            mut layouter: impl Layouter<Fr>,
        ) -> Result<(), Error> {
            let cell = |(column, row_offset): (usize, usize)| Cell {
                row_offset,
                column: config.permuted[column],
            };
            layouter.assign_region(
                || "told",
                |mut region| {
                    for (column, row, value) in &self.cells {
                        region.assign_fixed(config.fixed[*column], *row, *value);
                    }
                    for (row, constant) in self.constants.iter().enumerate() {
                        let advice = Cell { row_offset: row, column: config.first.into() };
                        region.constrain_constant(advice, Fr::from(*constant))?;
                    }
                    for [left, right] in &self.copies {
                        region.constrain_equal(cell(*left), cell(*right));
                    }
                    Ok(())
                },
            )?;
            layouter.assign_table(
                || "table",
                |mut table| {
                    for (row, value) in self.table.iter().enumerate() {
                        let value = || Value::known(Fr::from(*value));
                        table.assign_cell(|| "cell", config.table, row, value)?;
                    }
                    Ok(())
                },
            )?;
            assert!(!self.panics, "told to");
            Ok(())
        }
    }

    const ROWS: usize = 32;
    /// Of the rows; the others are for blinding.
    const USABLE: usize = ROWS - 6;

    fn assigned() -> impl Strategy<Value = Assigned<Fr>> {
        (0..3u64, 0..3u64, 0..3u8).prop_map(|(a, b, kind)| match kind {
            0 => Assigned::Zero,
            1 => Assigned::Trivial(-Fr::from(a)),
            // Also over zero.
            _ => Assigned::Rational(Fr::from(a), Fr::from(b)),
        })
    }

    fn told() -> impl Strategy<Value = Told> {
        let cell = || (0..3usize, 0..USABLE);
        (
            prop::collection::vec((0..2usize, 0..USABLE, assigned()), 0..40),
            prop::collection::vec([cell(), cell()], 0..60),
            prop::collection::vec(0..3u64, 0..4),
            prop::collection::vec(0..9u64, 1..5),
        )
            .prop_map(|(cells, copies, constants, table)| Told {
                cells,
                copies,
                constants,
                table,
                panics: false,
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn keys_of_random_circuits_are_the_librarys(circuit in told()) {
            let srs = Srs::dev(ROWS.ilog2(), [9; 32]).expect("a setup");
            assert_library_agrees(&srs, &circuit, key_shape(1, 1));
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        let fits = Told {
            cells: vec![(0, USABLE - 1, Assigned::Trivial(Fr::one()))],
            copies: vec![[(0, USABLE - 1), (2, 0)]],
            constants: vec![5],
            table: vec![1],
            panics: false,
        };
        let srs = Srs::dev(ROWS.ilog2(), [9; 32]).expect("a setup");
        let generate = |srs: &Srs, circuit: &Told| {
            ProverKey::generate(srs, circuit, key_shape(1, 1)).map(|_| ())
        };
        generate(&srs, &fits).expect("a key");
        let layout = |change: fn(&mut Told)| {
            let mut circuit = fits.clone();
            change(&mut circuit);
            match generate(&srs, &circuit) {
                Err(KeyError::Layout(reason)) => reason,
                other => panic!("{other:?}"),
            }
        };
        let reason = layout(|told| told.cells.push((1, USABLE, Assigned::Zero)));
        assert!(reason.contains("26 of 2^5 rows"), "{reason}");
        layout(|told| told.copies.push([(0, 0), (1, USABLE)]));
        layout(|told| told.copies.push([(0, usize::MAX), (1, 0)]));
        assert!(layout(|told| told.panics = true).contains("told to"));
        let without_rows = Srs::dev(2, [9; 32]).expect("a setup");
        let error = generate(&without_rows, &fits).expect_err("no rows");
        assert!(matches!(error, KeyError::Circuit(Error::NotEnoughRowsAvailable { .. })));
        // The table starts behind the last row.
        let circuit = Told { table: vec![1; USABLE], ..fits };
        assert!(matches!(generate(&srs, &circuit), Err(KeyError::Circuit(_))));
    }
}
