//! A circuit of the shape that models have: weight columns first, three phases, running sums over
//! challenges, a logUp lookup, copies over several columns, the instance column read in a gate,
//! rotations 0, 1 and 2. Tests of the proof system and of the Solidity generator use it.

use halo2_proofs::{
    circuit::{Cell, Layouter, SimpleFloorPlanner, Value},
    halo2curves::{
        bn256::{Fr, G1Affine},
        ff::{BatchInvert, Field},
    },
    plonk::{
        Advice, Challenge, Circuit, Column, ConstraintSystem, Error, Expression, FirstPhase, Fixed,
        Instance, SecondPhase, ThirdPhase,
    },
    poly::Rotation,
};

use assay_arithmetic::weight_columns::{BlindingSeed, WeightTails};
use assay_proof::{KeyShape, ProverKey, Srs};

/// Size of the circuit.
#[derive(Debug, Clone, Default)]
pub struct SampleParams {
    /// Logarithm, to base 2, of the number of rows.
    pub k: u32,
    /// Number of weight columns.
    pub weights: usize,
    /// Number of columns that the lookup reads.
    pub lanes: usize,
    /// Number of public inputs, the free one in row 0 included.
    pub inputs: usize,
    /// Fixed columns beyond those that the gates need.
    pub extra_fixed: usize,
    /// Added in a gate; only 1 can be proven.
    pub constant: u64,
}

impl SampleParams {
    /// A circuit of 64 rows, two weight columns, three lanes and three public inputs.
    pub fn small() -> Self {
        Self { k: 6, weights: 2, lanes: 3, inputs: 3, extra_fixed: 0, constant: 1 }
    }

    /// What its key says beside the circuit.
    pub fn shape(&self) -> KeyShape {
        KeyShape { weight_columns: self.weights, public_inputs: self.inputs, statement: [7; 30] }
    }

    fn rows(&self) -> usize {
        (1 << self.k) - 20
    }
}

/// The witness is a function of the salts.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Size of the circuit.
    pub params: SampleParams,
    /// Determines the weight columns.
    pub weight_salt: u64,
    /// Determines the lanes and the public inputs.
    pub input_salt: u64,
    /// Breaks one cell.
    pub tamper: bool,
}

/// Columns and challenges of a [`Sample`].
#[derive(Debug, Clone)]
pub struct SampleConfig {
    params: SampleParams,
    weights: Vec<Column<Advice>>,
    lanes: Vec<Column<Advice>>,
    multiplicity: Column<Advice>,
    skip: Column<Advice>,
    running: Column<Advice>,
    copies: Column<Advice>,
    helpers: Vec<Column<Advice>>,
    table_helper: Column<Advice>,
    sum: Column<Advice>,
    z: Challenge,
    theta: Challenge,
    beta: Challenge,
    active: Column<Fixed>,
    first: Column<Fixed>,
    last: Column<Fixed>,
    public: Column<Fixed>,
    table: Column<Fixed>,
    extra: Vec<Column<Fixed>>,
    #[allow(dead_code)]
    instance: Column<Instance>,
}

const TABLE: u64 = 16;

impl Circuit<Fr> for Sample {
    type Config = SampleConfig;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = SampleParams;

    fn params(&self) -> SampleParams {
        self.params.clone()
    }

    fn without_witnesses(&self) -> Self {
        self.clone()
    }

    fn configure(_: &mut ConstraintSystem<Fr>) -> SampleConfig {
        unreachable!("configured with parameters")
    }

    #[expect(clippy::too_many_lines, reason = "the gates share the columns that are made here")]
    fn configure_with_params(cs: &mut ConstraintSystem<Fr>, params: SampleParams) -> SampleConfig {
        let advice = |cs: &mut ConstraintSystem<Fr>, count: usize| -> Vec<Column<Advice>> {
            (0..count).map(|_| cs.advice_column_in(FirstPhase)).collect()
        };
        let weights = advice(cs, params.weights);
        let lanes = advice(cs, params.lanes);
        let multiplicity = cs.advice_column_in(FirstPhase);
        let skip = cs.advice_column_in(FirstPhase);
        let z = cs.challenge_usable_after(FirstPhase);
        let running = cs.advice_column_in(SecondPhase);
        let copies = cs.advice_column_in(SecondPhase);
        let theta = cs.challenge_usable_after(SecondPhase);
        let beta = cs.challenge_usable_after(SecondPhase);
        let helpers: Vec<_> = (0..params.lanes).map(|_| cs.advice_column_in(ThirdPhase)).collect();
        let table_helper = cs.advice_column_in(ThirdPhase);
        let sum = cs.advice_column_in(ThirdPhase);
        let [active, first, last, public, table] = [(); 5].map(|()| cs.fixed_column());
        let extra: Vec<_> = (0..params.extra_fixed).map(|_| cs.fixed_column()).collect();
        let instance = cs.instance_column();
        cs.enable_equality(lanes[0]);
        cs.enable_equality(running);
        cs.enable_equality(copies);

        let constant = Fr::from(params.constant);
        let lane_columns = lanes.clone();
        let weight_columns = weights.clone();
        cs.create_gate("running", |meta| {
            let active = meta.query_fixed(active, Rotation::cur());
            let first = meta.query_fixed(first, Rotation::cur());
            let z = meta.query_challenge(z);
            let current = meta.query_advice(running, Rotation::cur());
            let next = meta.query_advice(running, Rotation::next());
            let mut folded = current.clone() * z.clone();
            for (index, lane) in lane_columns.iter().enumerate() {
                let lane = meta.query_advice(*lane, Rotation::cur());
                let weight = weight_columns[index % weight_columns.len()];
                folded = folded * z.clone() + lane * meta.query_advice(weight, Rotation::cur());
            }
            vec![active * (next - folded), first * current]
        });
        cs.create_gate("skip", |meta| {
            let active = meta.query_fixed(active, Rotation::cur());
            let current = meta.query_advice(skip, Rotation::cur());
            let later = meta.query_advice(skip, Rotation(2));
            let weight = meta.query_advice(weight_columns[0], Rotation::cur());
            vec![active * (later - current - weight * Fr::from(3) + Expression::Constant(constant))]
        });
        cs.create_gate("lookup", |meta| {
            let theta = meta.query_challenge(theta);
            let beta = meta.query_challenge(beta);
            let active = meta.query_fixed(active, Rotation::cur());
            let first = meta.query_fixed(first, Rotation::cur());
            let last = meta.query_fixed(last, Rotation::cur());
            let table = meta.query_fixed(table, Rotation::cur());
            let entry = |value: Expression<Fr>| value * theta.clone() + beta.clone();
            let mut constraints = Vec::new();
            let mut total = meta.query_advice(sum, Rotation::cur());
            constraints.push((first + last) * total.clone());
            for (lane, helper) in lane_columns.iter().zip(&helpers) {
                let helper = meta.query_advice(*helper, Rotation::cur());
                let entry = entry(meta.query_advice(*lane, Rotation::cur()));
                let one = Expression::Constant(Fr::ONE);
                constraints.push(active.clone() * (helper.clone() * entry - one));
                total = total + helper;
            }
            let helper = meta.query_advice(table_helper, Rotation::cur());
            let multiplicity = meta.query_advice(multiplicity, Rotation::cur());
            constraints.push(active.clone() * (helper.clone() * entry(table) - multiplicity));
            let next = meta.query_advice(sum, Rotation::next());
            constraints.push(active * (next - total + helper));
            constraints
        });
        cs.create_gate("public", |meta| {
            let public = meta.query_fixed(public, Rotation::cur());
            let value = meta.query_instance(instance, Rotation::cur());
            let lane = meta.query_advice(lane_columns[0], Rotation::cur());
            vec![public * (lane - value)]
        });
        if !extra.is_empty() {
            cs.create_gate("extra", |meta| {
                let lane = meta.query_advice(lane_columns[0], Rotation::cur());
                extra
                    .iter()
                    .map(|column| meta.query_fixed(*column, Rotation::cur()) * lane.clone())
                    .collect::<Vec<_>>()
            });
        }
        SampleConfig {
            params,
            weights,
            lanes,
            multiplicity,
            skip,
            running,
            copies,
            helpers,
            table_helper,
            sum,
            z,
            theta,
            beta,
            active,
            first,
            last,
            public,
            table,
            extra,
            instance,
        }
    }

    #[expect(
        clippy::too_many_lines,
        reason = "one region, filled phase by phase from values that the later phases use"
    )]
    fn synthesize(
        &self,
        config: SampleConfig,
        mut layouter: impl Layouter<Fr>,
    ) -> Result<(), Error> {
        let n = 1usize << self.params.k;
        let rows = self.params.rows();
        let usable = n - 6;
        layouter.assign_region(
            || "sample",
            |mut region| {
                let (weights, lanes) = (self.weight_values(), self.lane_values());
                let mut multiplicity = vec![0u64; usable];
                for lane in &lanes {
                    for value in &lane[..rows] {
                        multiplicity[*value as usize] += 1;
                    }
                }
                for row in 0..usable {
                    let flag = |set: bool| Fr::from(u64::from(set));
                    region.assign_fixed(config.active, row, flag(row < rows));
                    region.assign_fixed(config.first, row, flag(row == 0));
                    region.assign_fixed(config.last, row, flag(row == rows));
                    region.assign_fixed(config.table, row, Fr::from((row as u64).min(TABLE - 1)));
                    let public = (1..config.params.inputs).contains(&row);
                    region.assign_fixed(config.public, row, flag(public));
                }
                let put = |region: &mut halo2_proofs::circuit::Region<'_, Fr>,
                           column: Column<Advice>,
                           row: usize,
                           value: Fr| {
                    region.assign_advice(column, row, Value::known(value));
                };
                for (column, values) in config.weights.iter().zip(&weights) {
                    for (row, value) in values.iter().enumerate() {
                        put(&mut region, *column, row, *value);
                    }
                }
                for (column, values) in config.lanes.iter().zip(&lanes) {
                    for (row, value) in values.iter().enumerate() {
                        put(&mut region, *column, row, Fr::from(*value));
                    }
                }
                for (row, value) in multiplicity.iter().enumerate() {
                    put(&mut region, config.multiplicity, row, Fr::from(*value));
                }
                let mut skip = vec![Fr::from(5); rows + 2];
                for row in 0..rows {
                    skip[row + 2] = skip[row] + weights[0][row] * Fr::from(3) - Fr::ONE;
                }
                if self.tamper {
                    skip[7] += Fr::ONE;
                }
                for (row, value) in skip.iter().enumerate() {
                    put(&mut region, config.skip, row, *value);
                }
                let cell = |column: Column<Advice>, row_offset: usize| Cell {
                    row_offset,
                    column: column.into(),
                };
                region.constrain_equal(cell(config.running, rows), cell(config.copies, 3));
                region.constrain_equal(cell(config.running, rows), cell(config.copies, 9));
                region.constrain_equal(cell(config.lanes[0], 5), cell(config.lanes[0], 21));
                region.constrain_equal(cell(config.lanes[0], 1), cell(config.copies, 0));

                region.next_phase();
                let mut z = Fr::ONE;
                region.get_challenge(config.z).map(|value| z = value);
                let mut running = Fr::ZERO;
                for row in 0..rows {
                    put(&mut region, config.running, row, running);
                    running *= z;
                    for (index, lane) in lanes.iter().enumerate() {
                        let weight = weights[index % weights.len()][row];
                        running = running * z + Fr::from(lane[row]) * weight;
                    }
                }
                put(&mut region, config.running, rows, running);
                put(&mut region, config.copies, 0, Fr::from(lanes[0][1]));
                put(&mut region, config.copies, 3, running);
                put(&mut region, config.copies, 9, running);

                region.next_phase();
                let (mut theta, mut beta) = (Fr::ONE, Fr::ONE);
                region.get_challenge(config.theta).map(|value| theta = value);
                region.get_challenge(config.beta).map(|value| beta = value);
                let inverse = |value: u64| {
                    let mut one = [Fr::from(value) * theta + beta];
                    one.iter_mut().batch_invert();
                    one[0]
                };
                let mut sum = Fr::ZERO;
                for row in 0..usable {
                    put(&mut region, config.sum, row, sum);
                    if row == rows {
                        break;
                    }
                    for (lane, helper) in lanes.iter().zip(&config.helpers) {
                        let value = inverse(lane[row]);
                        put(&mut region, *helper, row, value);
                        sum += value;
                    }
                    let entry = (row as u64).min(TABLE - 1);
                    let value = inverse(entry) * Fr::from(multiplicity[row]);
                    put(&mut region, config.table_helper, row, value);
                    sum -= value;
                }
                let _ = &config.extra;
                Ok(())
            },
        )
    }
}

impl Sample {
    /// A sample whose witness satisfies the circuit.
    pub fn new(params: SampleParams, weight_salt: u64, input_salt: u64) -> Self {
        Self { params, weight_salt, input_salt, tamper: false }
    }

    /// Weight columns: signed values.
    pub fn weight_values(&self) -> Vec<Vec<Fr>> {
        (0..self.params.weights as u64)
            .map(|column| {
                (0..self.params.rows() as u64)
                    .map(|row| {
                        let value = (row * 37 + column * 11 + self.weight_salt * 101) % 255;
                        Fr::from(value) - Fr::from(128)
                    })
                    .collect()
            })
            .collect()
    }

    fn lane_values(&self) -> Vec<Vec<u64>> {
        let usable = (1usize << self.params.k) - 6;
        (0..self.params.lanes as u64)
            .map(|lane| {
                (0..usable as u64)
                    .map(|row| match row {
                        // Rows 5 and 21 are copies of each other.
                        21 => (5 * 7 + lane * 3 + self.input_salt) % TABLE,
                        row => (row * 7 + lane * 3 + self.input_salt) % TABLE,
                    })
                    .collect()
            })
            .collect()
    }

    /// The lanes' cells.
    pub fn lanes(&self) -> Vec<Vec<Fr>> {
        let lanes = self.lane_values().into_iter();
        lanes.map(|lane| lane.into_iter().map(Fr::from).collect()).collect()
    }

    /// Row 0 is free (a context), the others are cells of the first lane.
    pub fn public_inputs(&self) -> Vec<Fr> {
        let lane = &self.lane_values()[0];
        let mut inputs = vec![-Fr::from(self.input_salt + 1)];
        inputs.extend((1..self.params.inputs).map(|row| Fr::from(lane[row])));
        inputs
    }
}

/// Keys and parameters of a sample.
pub struct Setup {
    /// Development setup of `2^k` rows.
    pub srs: Srs,
    /// Proving key, good for any salts.
    pub key: ProverKey,
    /// Size of the circuit.
    pub params: SampleParams,
}

/// Blinding seed of the tests.
pub const SEED: BlindingSeed = BlindingSeed([42; 32]);

/// Makes a development setup and the proving key of a sample of this size.
pub fn setup(params: SampleParams) -> Setup {
    let srs = Srs::dev(params.k, [9; 32]).unwrap();
    let circuit = Sample::new(params.clone(), 1, 1);
    let key = ProverKey::generate(&srs, &circuit, params.shape()).unwrap();
    Setup { srs, key, params }
}

impl Setup {
    /// The last rows of the weight columns, as the seed gives them.
    pub fn tails(&self, seed: &BlindingSeed) -> WeightTails {
        let rows = self.key.info().profile().blinding_factors + 1;
        WeightTails::seeded(seed, self.params.weights, rows)
    }

    /// The points of the weight columns, without the prover.
    pub fn weight_points(&self, weight_salt: u64, seed: &BlindingSeed) -> Vec<G1Affine> {
        let mut columns = Sample::new(self.params.clone(), weight_salt, 1).weight_values();
        for (column, tail) in columns.iter_mut().zip(self.tails(seed).rows) {
            column.resize((1 << self.params.k) - tail.len(), Fr::ZERO);
            column.extend(tail);
        }
        assay_proof::commit_columns(&self.srs, columns.into_iter().map(assay_kernels::Column::Full))
            .unwrap()
    }

    /// Proof and public inputs.
    pub fn prove(
        &self,
        weight_salt: u64,
        input_salt: u64,
        seed: &BlindingSeed,
    ) -> (Vec<u8>, Vec<Fr>) {
        let circuit = Sample::new(self.params.clone(), weight_salt, input_salt);
        let inputs = circuit.public_inputs();
        let tails = self.tails(seed);
        let proof =
            assay_proof::create_proof(&self.srs, &self.key, circuit, &inputs, &tails).unwrap();
        (proof, inputs)
    }
}
