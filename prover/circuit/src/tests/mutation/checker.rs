//! Says which rules a witness breaks. A rule is a constraint of a gate in rows of one kind, or a family
//! of copy constraints.

use std::{cell::RefCell, collections::BTreeSet};

use halo2_proofs::{
    circuit::{SimpleFloorPlanner, Value},
    halo2curves::{bn256::Fr, ff::Field},
    plonk::{
        Advice, Any, Assigned, Assignment as Assign, Challenge, Column, ConstraintSystem, Error,
        Expression, Fixed, FloorPlanner, Instance, Selector,
    },
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use rayon::prelude::*;

use super::{places::Places, weaker::Weakening};
use crate::Layout;
use crate::ModelCircuit;
use crate::ModelConfig;
use crate::layout::scalar_program::{Cell, ScalarColumn};
use crate::witness::assignment::FirstChallenges;

/// All challenges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Challenges {
    pub first: FirstChallenges,
    pub z: Fr,
}

/// The columns of a proof.
pub(super) struct Columns {
    pub advice: Vec<Vec<Fr>>,
    pub public: Vec<Fr>,
    pub challenges: Challenges,
}

/// Gates, fixed columns and copy constraints of a layout.
pub(super) struct System {
    pub config: ModelConfig,
    pub fixed: Vec<Vec<Fr>>,
    pub advice_columns: usize,
    pub rows: usize,
    /// Rows that the library leaves to circuits.
    pub usable: usize,
    pub copies: Vec<(&'static str, [(usize, usize); 2])>,
    constraints: Vec<Constraint>,
    places: Places,
}

struct Constraint {
    gate: String,
    name: String,
    polynomial: Expression<Fr>,
}

impl System {
    pub(super) fn new(layout: &Layout) -> Self {
        let mut cs = ConstraintSystem::default();
        let config = ModelConfig::configure(&mut cs, &layout.profile);
        let rows = 1 << layout.k;
        let fixed = vec![vec![Fr::ZERO; rows]; cs.num_fixed_columns()];
        let record = Record { fixed, copies: Vec::new() };
        let record = RefCell::new(record);
        let circuit = ModelCircuit::without_witness(layout);
        let mut recorder = Recorder(&record);
        SimpleFloorPlanner::synthesize(&mut recorder, &circuit, config.clone(), Vec::new())
            .expect("the layout fits the system");
        let Record { fixed, copies: made } = record.into_inner();
        let mut copies = Vec::new();
        layout.for_each_copy(|rule, a, b| copies.push((rule, [a, b].map(|c| place(&config, c)))));
        let named = copies.iter().map(|(_, cells)| *cells).collect::<Vec<_>>();
        assert!(named == made, "each copy constraint is one that has a name");
        let constraints = cs.gates().iter().flat_map(|gate| {
            gate.polynomials().iter().enumerate().map(|(index, polynomial)| Constraint {
                gate: gate.name().to_string(),
                name: format!("{}: {}", gate.name(), gate.constraint_name(index)),
                polynomial: polynomial.clone(),
            })
        });
        Self {
            constraints: constraints.collect(),
            fixed,
            advice_columns: cs.num_advice_columns(),
            rows,
            usable: rows - (cs.blinding_factors() + 1),
            copies,
            places: Places::new(layout, rows),
            config,
        }
    }

    /// A fixed cell as gate `gate` reads it.
    pub(super) fn fixed(&self, gate: &str, column: usize, row: usize, weaker: &Weakening) -> Fr {
        let value = self.fixed[column][row];
        weaker.fixed.as_ref().map_or(value, |change| change(self, gate, column, row, value))
    }

    /// The rules that do not hold.
    pub(super) fn broken(&self, columns: &Columns, weaker: &Weakening) -> BTreeSet<String> {
        let mut broken = BTreeSet::new();
        for constraint in &self.constraints {
            let faults = (0..self.rows)
                .into_par_iter()
                .filter(|row| {
                    let at =
                        At { system: self, columns, weaker, gate: &constraint.gate, row: *row };
                    !bool::from(at.value(&constraint.polynomial).is_zero())
                })
                .map(|row| self.places.of(&constraint.name, row))
                .collect::<BTreeSet<_>>();
            broken.extend(faults.into_iter().map(|place| match place {
                "" => constraint.name.clone(),
                _ => format!("{} ({place})", constraint.name),
            }));
        }
        for (rule, [a, b]) in &self.copies {
            if columns.advice[a.0][a.1] != columns.advice[b.0][b.1] {
                broken.insert(format!("copies: {rule}"));
            }
        }
        broken
    }

    /// How far apart the two sides of a family's copy constraint are.
    pub(super) fn difference(&self, columns: &Columns, rule: &str, index: usize) -> Fr {
        let mut family = self.copies.iter().filter(|(name, _)| *name == rule);
        let (_, [a, b]) = family.nth(index).unwrap_or_else(|| panic!("no {rule} {index}"));
        columns.advice[a.0][a.1] - columns.advice[b.0][b.1]
    }

    /// All rules: those that random columns break.
    pub(super) fn rules(&self, challenges: Challenges) -> BTreeSet<String> {
        let mut rng = ChaCha20Rng::from_seed([5; 32]);
        let mut column = || (0..self.rows).map(|_| Fr::random(&mut rng)).collect::<Vec<_>>();
        let columns = Columns {
            advice: (0..self.advice_columns).map(|_| column()).collect(),
            public: column(),
            challenges,
        };
        self.broken(&columns, &Weakening::none())
    }
}

/// Column and row of a cell of the scalar program.
fn place(config: &ModelConfig, cell: Cell) -> (usize, usize) {
    match cell.column {
        ScalarColumn::S0 => (config.s0.index(), cell.row),
        ScalarColumn::S1 => (config.s1.index(), cell.row),
        ScalarColumn::WeightSum => {
            (config.weight_sum.index(), cell.row * config.profile.weight_stride)
        }
    }
}

/// A row, as a constraint sees it.
struct At<'a> {
    system: &'a System,
    columns: &'a Columns,
    weaker: &'a Weakening,
    gate: &'a str,
    row: usize,
}

impl At<'_> {
    fn row(&self, rotation: i32) -> usize {
        (self.row as i64 + i64::from(rotation)).rem_euclid(self.system.rows as i64) as usize
    }

    fn value(&self, expression: &Expression<Fr>) -> Fr {
        match expression {
            Expression::Constant(value) => *value,
            Expression::Selector(_) => panic!("circuits have no selectors"),
            Expression::Fixed(query) => {
                let row = self.row(query.rotation().0);
                self.system.fixed(self.gate, query.column_index(), row, self.weaker)
            }
            Expression::Advice(query) => {
                self.columns.advice[query.column_index()][self.row(query.rotation().0)]
            }
            Expression::Instance(query) => {
                let row = self.row(query.rotation().0);
                self.columns.public.get(row).copied().unwrap_or(Fr::ZERO)
            }
            Expression::Challenge(challenge) => self.challenge(challenge),
            Expression::Negated(a) => -self.value(a),
            Expression::Sum(a, b) => self.value(a) + self.value(b),
            Expression::Product(a, b) => {
                let a = self.value(a);
                if bool::from(a.is_zero()) { a } else { a * self.value(b) }
            }
            Expression::Scaled(a, factor) => self.value(a) * factor,
        }
    }

    fn challenge(&self, challenge: &Challenge) -> Fr {
        let config = &self.system.config;
        let Challenges { first, z } = self.columns.challenges;
        let mut values = vec![
            (config.v, first.v),
            (config.theta, first.theta),
            (config.beta, first.beta),
            (config.z, z),
        ];
        values.extend(config.u.map(|u| (u, first.u)));
        let found = values.into_iter().find(|(other, _)| other.index() == challenge.index());
        found.expect("a challenge of the circuit").1
    }
}

struct Record {
    fixed: Vec<Vec<Fr>>,
    copies: Vec<[(usize, usize); 2]>,
}

/// Keeps what key generation would.
struct Recorder<'a>(&'a RefCell<Record>);

impl Assign<Fr> for Recorder<'_> {
    fn enter_region<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}
    fn annotate_column<A: FnOnce() -> AR, AR: Into<String>>(&mut self, _: A, _: Column<Any>) {}
    fn exit_region(&mut self) {}
    fn enable_selector<A: FnOnce() -> AR, AR: Into<String>>(
        &mut self,
        _: A,
        _: &Selector,
        _: usize,
    ) -> Result<(), Error> {
        Ok(())
    }
    fn query_instance(&self, _: Column<Instance>, _: usize) -> Result<Value<Fr>, Error> {
        Ok(Value::unknown())
    }
    fn assign_advice<'v>(
        &mut self,
        _: Column<Advice>,
        _: usize,
        _: Value<Assigned<Fr>>,
    ) -> Value<&'v Assigned<Fr>> {
        Value::unknown()
    }
    fn assign_fixed(&mut self, column: Column<Fixed>, row: usize, to: Assigned<Fr>) {
        self.0.borrow_mut().fixed[column.index()][row] = to.evaluate();
    }
    fn copy(&mut self, left: Column<Any>, left_row: usize, right: Column<Any>, right_row: usize) {
        let cells = [(left.index(), left_row), (right.index(), right_row)];
        self.0.borrow_mut().copies.push(cells);
    }
    fn fill_from_row(
        &mut self,
        _: Column<Fixed>,
        _: usize,
        _: Value<Assigned<Fr>>,
    ) -> Result<(), Error> {
        Ok(())
    }
    fn get_challenge(&self, _: Challenge) -> Value<Fr> {
        Value::unknown()
    }
    fn push_namespace<NR: Into<String>, N: FnOnce() -> NR>(&mut self, _: N) {}
    fn pop_namespace(&mut self, _: Option<String>) {}
}
