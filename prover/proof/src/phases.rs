//! Three rounds of challenges with a library that proves only one or two.
//!
//! halo2-axiom 0.5.3 lets a constraint system declare three phases, and its `create_proof` panics
//! at the end of the third (`Phase::next`). Its `create_proof_from_advice` takes finished columns,
//! of one phase. So keys are made for a *flattened* constraint system, in which all columns and
//! challenges belong to the first phase, and the rounds are kept by us:
//!
//! * [`Schedule`] holds the phases that the circuit declared;
//! * `Flat` is the circuit as key generation sees it;
//! * `prove/rounds.rs` takes the columns of a phase, whose source is in `advice.rs`, and commits to them;
//! * the transcript draws a challenge right after the last commitment of its phase, wherever the
//!   library asks for it (see [`super::transcript`]).
//!
//! Prover and verifier absorb and draw exactly as in a protocol of three phases; only the library
//! believes that there is one.

use halo2_proofs::{
    circuit::{Layouter, SimpleFloorPlanner, Value, layouter::SyncDeps},
    halo2curves::{bn256::Fr, ff::Field},
    plonk::{
        Advice, Any, Assigned, Assignment, Challenge, Circuit, Column, ConstraintSystem, Error,
        Expression, FirstPhase, Fixed, FloorPlanner, Instance, Selector,
    },
};

use super::profile_error::ProfileError;

/// The phases that a circuit declares for its advice columns and challenges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schedule {
    /// Phase (0, 1, 2) of each advice column; never decreases.
    pub advice: Vec<u8>,
    /// Phase after which each user challenge is drawn; never decreases.
    pub challenges: Vec<u8>,
}

impl Schedule {
    /// Reads the phases off a constraint system as the circuit configures it.
    ///
    /// # Errors
    /// [`ProfileError::Lookups`] and [`ProfileError::Selectors`] when the circuit has any;
    /// [`ProfileError::PhaseOrder`] when a phase is lower than that of the column or challenge
    /// before.
    pub fn new(cs: &ConstraintSystem<Fr>) -> Result<Self, ProfileError> {
        if !cs.lookups().is_empty() {
            return Err(ProfileError::Lookups(cs.lookups().len()));
        }
        if cs.num_selectors() != 0 {
            return Err(ProfileError::Selectors(cs.num_selectors()));
        }
        let schedule = Self { advice: cs.advice_column_phase(), challenges: cs.challenge_phase() };
        if !schedule.advice.is_sorted() || !schedule.challenges.is_sorted() {
            return Err(ProfileError::PhaseOrder);
        }
        Ok(schedule)
    }

    /// Number of phases.
    pub fn phases(&self) -> u8 {
        self.advice.last().map_or(1, |phase| phase + 1)
    }

    /// Number of columns up to the end of a phase.
    pub fn columns_through(&self, phase: u8) -> usize {
        self.advice.partition_point(|other| *other <= phase)
    }

    /// Index of a phase's first column.
    pub fn first_column(&self, phase: u8) -> usize {
        self.advice.partition_point(|other| *other < phase)
    }

    /// Number of columns of a phase.
    pub fn columns_of(&self, phase: u8) -> usize {
        self.columns_through(phase) - self.first_column(phase)
    }

    /// Number of challenges of a phase.
    pub fn challenges_after(&self, phase: u8) -> usize {
        self.challenges.iter().filter(|other| **other == phase).count()
    }
}

/// The constraint systems of a circuit type: as configured, and flattened.
pub(crate) fn configure<C: Circuit<Fr>>(
    params: C::Params,
) -> Result<(Schedule, ConstraintSystem<Fr>), ProfileError> {
    let mut original = ConstraintSystem::default();
    C::configure_with_params(&mut original, params);
    let schedule = Schedule::new(&original)?;
    let mut flat = ConstraintSystem::default();
    flatten(&mut flat, &original);
    Ok((schedule, flat))
}

/// A circuit with all its columns and challenges in the first phase, for key generation. The
/// circuit must be laid out by the library's `SimpleFloorPlanner`.
pub(crate) struct Flat<'a, C>(pub &'a C);

impl<C: Circuit<Fr>> Circuit<Fr> for Flat<'_, C> {
    type Config = C::Config;
    type FloorPlanner = FlatPlanner;
    type Params = C::Params;

    fn without_witnesses(&self) -> Self {
        Self(self.0)
    }

    fn params(&self) -> C::Params {
        self.0.params()
    }

    fn configure_with_params(meta: &mut ConstraintSystem<Fr>, params: C::Params) -> C::Config {
        let mut original = ConstraintSystem::default();
        let config = C::configure_with_params(&mut original, params);
        flatten(meta, &original);
        config
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> C::Config {
        Self::configure_with_params(meta, C::Params::default())
    }

    fn synthesize(&self, config: C::Config, layouter: impl Layouter<Fr>) -> Result<(), Error> {
        self.0.synthesize(config, layouter)
    }
}

/// Rebuilds a constraint system in the first phase. Lookups and selectors were refused before.
fn flatten(flat: &mut ConstraintSystem<Fr>, original: &ConstraintSystem<Fr>) {
    let advice = flat_advice(flat, original.num_advice_columns());
    let fixed: Vec<_> = (0..original.num_fixed_columns()).map(|_| flat.fixed_column()).collect();
    let instance: Vec<_> =
        (0..original.num_instance_columns()).map(|_| flat.instance_column()).collect();
    let challenges: Vec<_> =
        (0..original.num_challenges()).map(|_| flat.challenge_usable_after(FirstPhase)).collect();
    for column in original.permutation().get_columns() {
        flat.enable_equality(flat_column(&advice, column));
    }
    for column in original.constants() {
        flat.enable_constant(*column);
    }
    if let Some(degree) = original.minimum_degree() {
        flat.set_minimum_degree(degree);
    }
    for gate in original.gates() {
        flat.create_gate(gate.name(), |cells| {
            let cells = std::cell::RefCell::new(cells);
            gate.polynomials()
                .iter()
                .map(|polynomial| {
                    polynomial.evaluate(
                        &|value| Expression::Constant(value),
                        &|_| Expression::Constant(Fr::ZERO),
                        &|query| {
                            let column = fixed[query.column_index()];
                            cells.borrow_mut().query_fixed(column, query.rotation())
                        },
                        &|query| {
                            let column = advice[query.column_index()];
                            cells.borrow_mut().query_advice(column, query.rotation())
                        },
                        &|query| {
                            let column = instance[query.column_index()];
                            cells.borrow_mut().query_instance(column, query.rotation())
                        },
                        &|challenge| Expression::Challenge(challenges[challenge.index()]),
                        &|a: Expression<Fr>| -a,
                        &|a, b| a + b,
                        &|a, b| a * b,
                        &|a, factor| a * factor,
                    )
                })
                .collect::<Vec<_>>()
        });
    }
}

fn flat_advice(cs: &mut ConstraintSystem<Fr>, count: usize) -> Vec<Column<Advice>> {
    (0..count).map(|_| cs.advice_column()).collect()
}

/// The same column in the first phase.
fn flat_column(advice: &[Column<Advice>], column: Column<Any>) -> Column<Any> {
    match column.column_type() {
        Any::Advice(_) => advice.get(column.index()).map_or(column, |flat| (*flat).into()),
        _ => column,
    }
}

/// The library's simple planner, over columns of the first phase.
pub(crate) struct FlatPlanner;

impl FloorPlanner for FlatPlanner {
    fn synthesize<F: Field, CS: Assignment<F> + SyncDeps, C: Circuit<F>>(
        cs: &mut CS,
        circuit: &C,
        config: C::Config,
        constants: Vec<Column<Fixed>>,
    ) -> Result<(), Error> {
        // Columns cannot be made from an index, so make as many as any circuit may have.
        const MOST_COLUMNS: usize = 1 << 10;
        let advice = flat_advice(&mut ConstraintSystem::default(), MOST_COLUMNS);
        let mut flat = FlatAssignment { cs, advice };
        SimpleFloorPlanner::synthesize(&mut flat, circuit, config, constants)
    }
}

/// Passes assignments on, with columns of the first phase.
struct FlatAssignment<'a, CS> {
    cs: &'a mut CS,
    advice: Vec<Column<Advice>>,
}

impl<F: Field, CS: Assignment<F>> Assignment<F> for FlatAssignment<'_, CS> {
    fn enter_region<NR: Into<String>, N: FnOnce() -> NR>(&mut self, name: N) {
        self.cs.enter_region(name);
    }

    fn annotate_column<A: FnOnce() -> AR, AR: Into<String>>(
        &mut self,
        annotation: A,
        column: Column<Any>,
    ) {
        self.cs.annotate_column(annotation, column);
    }

    fn exit_region(&mut self) {
        self.cs.exit_region();
    }

    fn enable_selector<A: FnOnce() -> AR, AR: Into<String>>(
        &mut self,
        annotation: A,
        selector: &Selector,
        row: usize,
    ) -> Result<(), Error> {
        self.cs.enable_selector(annotation, selector, row)
    }

    fn query_instance(&self, column: Column<Instance>, row: usize) -> Result<Value<F>, Error> {
        self.cs.query_instance(column, row)
    }

    fn assign_advice<'v>(
        &mut self,
        column: Column<Advice>,
        row: usize,
        to: Value<Assigned<F>>,
    ) -> Value<&'v Assigned<F>> {
        let column = self.advice.get(column.index()).copied().unwrap_or(column);
        self.cs.assign_advice(column, row, to)
    }

    fn assign_fixed(&mut self, column: Column<Fixed>, row: usize, to: Assigned<F>) {
        self.cs.assign_fixed(column, row, to);
    }

    fn copy(&mut self, left: Column<Any>, left_row: usize, right: Column<Any>, right_row: usize) {
        let left = flat_column(&self.advice, left);
        let right = flat_column(&self.advice, right);
        self.cs.copy(left, left_row, right, right_row);
    }

    fn fill_from_row(
        &mut self,
        column: Column<Fixed>,
        row: usize,
        to: Value<Assigned<F>>,
    ) -> Result<(), Error> {
        self.cs.fill_from_row(column, row, to)
    }

    fn get_challenge(&self, challenge: Challenge) -> Value<F> {
        self.cs.get_challenge(challenge)
    }

    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, name: N) {
        self.cs.push_namespace(name);
    }

    fn pop_namespace(&mut self, gadget_name: Option<String>) {
        self.cs.pop_namespace(gadget_name);
    }
}
