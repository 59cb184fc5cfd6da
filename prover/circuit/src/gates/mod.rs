//! Columns and gates. Every constraint has degree at most 3, so the extended domain is `2n`.
//!
//! The rows fall into three families that use different columns, so they overlap freely:
//! * lanes (`pre`, `out`, `rem`, `s0`, `s1`, `produced`, `consumed`): tile rows, hash rows, and
//!   rows of the scalar program (`s0`, `s1`, `product`);
//! * weights (`weight`, `rest`, `weight_sum`): kernel rows, rest rows, each `weight_stride` rows after
//!   the one before;
//! * the lookup table (`table_*`, `multiplicity`).
//!
//! The library fills the last rows of each advice column with random values and applies gates
//! there too. Each gate therefore vanishes where all fixed columns are zero, with one exception:
//! the `rem` columns are blinded by us in usable rows that nothing constrains, and carry zeros in
//! the last rows (see the crate of the proof system), so that the lookup gate needs no selector.

#[cfg(feature = "witness")]
pub(crate) mod advice;
pub(crate) mod copies;
pub(crate) mod hash;
pub(crate) mod model_circuit;
pub(crate) mod queries;

use halo2_proofs::{
    halo2curves::bn256::Fr,
    plonk::{
        Advice, Challenge, Column, ConstraintSystem, Expression, FirstPhase, Fixed, Instance,
        SecondPhase, ThirdPhase, VirtualCells,
    },
    poly::Rotation,
};

use assay_arithmetic::poseidon::WIDTH;

use crate::gates::hash::{HashColumns, SharedColumns};
use crate::layout::profile::{ColumnProfile, HashGates, LaneBase, TileCells, TilePattern};
use assay_graph::{ACTIVATION_OFFSET, WEIGHT_OFFSET};

/// Table tag of the load row that brings in `u`: no function's and, not being a power of two, no
/// range's.
pub(crate) const LOAD_U_TAG: u64 = 3;

/// One lane: three columns.
#[derive(Clone, Copy, Debug)]
pub struct Lane {
    pub pre: Column<Advice>,
    pub out: Column<Advice>,
    pub rem: Column<Advice>,
}

/// The columns of the circuit and the challenges between its phases.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    /// What the columns and gates follow from.
    pub profile: ColumnProfile,
    // First phase.
    /// Weights and biases, offset by 2^31; the model is committed to with them.
    pub weights: Vec<Column<Advice>>,
    /// What the tile rows hold, one lane for each of neighbouring values.
    pub lanes: Vec<Lane>,
    /// How often each row of the table is looked up.
    pub multiplicity: Column<Advice>,
    // Second phase.
    /// The positions of correlations that no layer keeps.
    pub rest: Column<Advice>,
    // Third phase.
    /// One helper of the lookups for each lane.
    pub lookups: Vec<Column<Advice>>,
    /// Running sum of the helpers, less the table's side.
    pub lookup_sum: Column<Advice>,
    /// Running evaluation of what a tile's producer makes.
    pub produced: Column<Advice>,
    /// Running evaluation of what a tile's readers take.
    pub consumed: Column<Advice>,
    /// Running evaluations of weights and of rest cells.
    pub weight_sum: Column<Advice>,
    /// Running sums of products of the scalar program.
    pub product: Column<Advice>,
    /// First operands and results of the scalar program; factors of `consumed` in tile rows.
    pub s0: Column<Advice>,
    /// Second operands of the scalar program; factors of `produced` in tile rows.
    pub s1: Column<Advice>,
    /// Public inputs, the first rows.
    pub instance: Column<Instance>,
    // Fixed.
    /// 1 in the rows that gates use, 2 in load rows.
    pub usable: Column<Fixed>,
    /// The lookup table: `(a, b, tag)`.
    pub table: [Column<Fixed>; 3],
    /// 1 in rows that multiply.
    pub multiply: Column<Fixed>,
    /// 1 in the rows where an evaluation starts, of what is produced and of what is consumed: one column
    /// where both start with each channel.
    pub channel_start: [Column<Fixed>; 2],
    /// Tag of the function of a tile row; 1 in rows that absorb.
    pub function: Column<Fixed>,
    /// `2^shift` of a tile row; constants of load rows and hash rows.
    pub shift: Column<Fixed>,
    /// One flag for each pattern of the profile.
    pub patterns: Vec<Column<Fixed>>,
    /// 1 in rows of dense weights.
    pub dense: Column<Fixed>,
    /// One flag for each kind of depthwise row of the profile.
    pub kernels: Vec<Column<Fixed>>,
    /// 1: a kept position of a rest grid, 2: one with a rest cell.
    pub rest_kind: Column<Fixed>,
    /// Columns of the hash rows, where the statement hashes.
    pub hash: Option<HashColumns>,
    // Challenges.
    /// Combines outputs and channels.
    pub v: Challenge,
    /// Combines the values of a table row.
    pub theta: Challenge,
    /// The point at which the lookups' sums are compared.
    pub beta: Challenge,
    /// Folds the images of a batch.
    pub u: Option<Challenge>,
    /// The point at which tiles are evaluated.
    pub z: Challenge,
}

impl ModelConfig {
    /// Declares columns, challenges and gates, in the order that keys depend on.
    pub fn configure(meta: &mut ConstraintSystem<Fr>, profile: &ColumnProfile) -> Self {
        // Order matters: weights first (they are the model's commitment), then `rem`, whose last
        // rows are zero (see the module's documentation).
        let weights = (0..profile.weight_columns)
            .map(|_| meta.advice_column_in(FirstPhase))
            .collect::<Vec<_>>();
        let rems =
            (0..profile.lanes).map(|_| meta.advice_column_in(FirstPhase)).collect::<Vec<_>>();
        let lanes = rems
            .into_iter()
            .map(|rem| Lane {
                pre: meta.advice_column_in(FirstPhase),
                out: meta.advice_column_in(FirstPhase),
                rem,
            })
            .collect::<Vec<_>>();
        let multiplicity = meta.advice_column_in(FirstPhase);
        let v = meta.challenge_usable_after(FirstPhase);
        let theta = meta.challenge_usable_after(FirstPhase);
        let beta = meta.challenge_usable_after(FirstPhase);
        let u = profile.batch.then(|| meta.challenge_usable_after(FirstPhase));
        let rest = meta.advice_column_in(SecondPhase);
        let z = meta.challenge_usable_after(SecondPhase);
        let lookups =
            (0..profile.lanes).map(|_| meta.advice_column_in(ThirdPhase)).collect::<Vec<_>>();
        let mut third = || meta.advice_column_in(ThirdPhase);
        let (lookup_sum, produced, consumed) = (third(), third(), third());
        let (weight_sum, product, s0, s1) = (third(), third(), third(), third());
        for column in [s0, s1, weight_sum] {
            meta.enable_equality(column);
        }
        let mut fixed = || meta.fixed_column();
        let config = Self {
            profile: profile.clone(),
            weights,
            lanes,
            multiplicity,
            rest,
            lookups,
            lookup_sum,
            produced,
            consumed,
            weight_sum,
            product,
            s0,
            s1,
            usable: fixed(),
            table: [fixed(), fixed(), fixed()],
            multiply: fixed(),
            channel_start: {
                let produced = fixed();
                [produced, if profile.folds { fixed() } else { produced }]
            },
            function: fixed(),
            shift: fixed(),
            patterns: profile.patterns.iter().map(|_| fixed()).collect(),
            dense: fixed(),
            kernels: profile.kernel_rows.iter().map(|_| fixed()).collect(),
            rest_kind: fixed(),
            hash: profile.hash.map(|gates| HashColumns::new(gates, &mut fixed)),
            instance: meta.instance_column(),
            v,
            theta,
            beta,
            u,
            z,
        };
        config.lookup_gates(meta);
        config.tile_gates(meta);
        config.weight_gates(meta);
        config.scalar_gates(meta);
        if let Some(hash) = &config.hash {
            let shared = SharedColumns {
                cells: config.hash_cells(),
                s0: config.s0,
                s1: config.s1,
                function: config.function,
                shift: config.shift,
                tiles: config.patterns.clone(),
            };
            hash.configure(&shared, meta);
        }
        config
    }

    /// Columns of the hash cells: the state, then the helpers of the S-boxes. With two lanes the two
    /// helpers are `s0` and `s1`.
    fn hash_cells(&self) -> Vec<Column<Advice>> {
        let lanes = self.lanes.iter().flat_map(|lane| [lane.pre, lane.out, lane.rem]);
        match self.profile.hash {
            Some(HashGates::Wide) => lanes.take(3 * HashGates::WIDE_LANES).collect(),
            _ => lanes.chain([self.s0, self.s1]).take(WIDTH + 2).collect(),
        }
    }

    /// logUp: with `e = a + theta*b + theta^2*tag`, one helper a lane serves its two lookups,
    /// `h * (beta+e1) * (beta+e2) = (beta+e1) + (beta+e2)`, and one running sum subtracts the
    /// table's side, `m / (beta+t)`.
    fn lookup_gates(&self, meta: &mut ConstraintSystem<Fr>) {
        meta.create_gate("lookup", |meta| {
            let live = self.pattern_flags(meta, |cells| cells == TileCells::Lookup);
            let theta = meta.query_challenge(self.theta);
            let beta = meta.query_challenge(self.beta);
            let usable = meta.query_fixed(self.usable, Rotation::cur());
            let function = meta.query_fixed(self.function, Rotation::cur());
            let shift = meta.query_fixed(self.shift, Rotation::cur());
            let base = beta * usable;
            let function = function * theta.clone() * theta.clone() + base.clone();
            let shift = shift * theta.clone() * theta.clone() + base;
            self.lanes
                .iter()
                .zip(&self.lookups)
                .enumerate()
                .map(|(index, (lane, helper))| {
                    let pre = meta.query_advice(lane.pre, Rotation::cur());
                    let out = meta.query_advice(lane.out, Rotation::cur());
                    let rem = meta.query_advice(lane.rem, Rotation::cur());
                    let h = meta.query_advice(*helper, Rotation::cur());
                    let e1 = pre + out * theta.clone() + function.clone();
                    let e2 = rem + shift.clone();
                    let helped = h * e1.clone() * e2.clone() - live.clone() * (e1 + e2);
                    (format!("lane {index}"), helped)
                })
                .collect::<Vec<_>>()
        });
        meta.create_gate("lookup sum", |meta| {
            let usable = meta.query_fixed(self.usable, Rotation::cur());
            let theta = meta.query_challenge(self.theta);
            let beta = meta.query_challenge(self.beta);
            let [t0, t1, t2] = self.table.map(|column| meta.query_fixed(column, Rotation::cur()));
            let entry = t0 + (t1 + t2 * theta.clone()) * theta + beta;
            let m = meta.query_advice(self.multiplicity, Rotation::cur());
            let cur = meta.query_advice(self.lookup_sum, Rotation::cur());
            let next = meta.query_advice(self.lookup_sum, Rotation::next());
            let helpers = self
                .lookups
                .iter()
                .map(|h| meta.query_advice(*h, Rotation::cur()))
                .reduce(|a, b| a + b)
                .unwrap_or(Expression::Constant(Fr::zero()));
            let load = load_row(&usable);
            vec![
                ("step", usable * ((next - cur.clone() - helpers) * entry + m)),
                // The sum starts and ends at zero: the first and the last row are load rows.
                ("ends", load * cur),
            ]
        });
    }

    /// Whether an evaluation starts in a row, of what is produced and of what is consumed.
    fn starts(&self, meta: &mut VirtualCells<'_, Fr>, at: Rotation) -> [Expression<Fr>; 2] {
        let [produced, consumed] = self.channel_start;
        let produced = meta.query_fixed(produced, at);
        let same = !self.profile.folds;
        let consumed = if same { produced.clone() } else { meta.query_fixed(consumed, at) };
        [produced, consumed]
    }

    /// The two running evaluations over tile rows, from the last row of a channel to its first.
    fn tile_gates(&self, meta: &mut ConstraintSystem<Fr>) {
        meta.create_gate("tile evaluations", |meta| {
            let z = meta.query_challenge(self.z);
            let v = meta.query_challenge(self.v);
            let u = self.u.map(|u| meta.query_challenge(u));
            let usable = meta.query_fixed(self.usable, Rotation::cur());
            let [start_produced, start_consumed] = self.starts(meta, Rotation::cur());
            // A row continues into the next unless an evaluation starts there. The row after the last
            // tile starts an empty one; in the row before the first tile nothing depends on the
            // two running columns.
            let flags = self.pattern_flags(meta, |_| true);
            let continues = self.starts(meta, Rotation::next()).map(|start| flags.clone() - start);
            let shift = meta.query_fixed(self.shift, Rotation::cur());
            let offset = Expression::Constant(Fr::from(ACTIVATION_OFFSET as u64));
            let cells = self
                .lanes
                .iter()
                .map(|lane| {
                    let pre = meta.query_advice(lane.pre, Rotation::cur()) - offset.clone();
                    let out = meta.query_advice(lane.out, Rotation::cur()) - offset.clone();
                    (pre, out, meta.query_advice(lane.rem, Rotation::cur()))
                })
                .collect::<Vec<_>>();
            let lane_values = |kind: TileCells| -> [Vec<Expression<Fr>>; 2] {
                let produced = |(pre, out, rem): &(Expression<Fr>, Expression<Fr>, _)| match kind {
                    TileCells::Lookup => pre.clone() * shift.clone() + Expression::clone(rem),
                    TileCells::Product => pre.clone() * out.clone(),
                };
                let consumed = |(pre, out, _): &(Expression<Fr>, Expression<Fr>, _)| match kind {
                    TileCells::Lookup => out.clone(),
                    TileCells::Product => pre.clone() + v.clone() * out.clone(),
                };
                [cells.iter().map(produced).collect(), cells.iter().map(consumed).collect()]
            };
            let patterns = self.profile.patterns.iter().zip(&self.patterns);
            let sides: [fn(&TilePattern) -> LaneBase; 2] = [|p| p.produced, |p| p.consumed];
            let [produced_sum, consumed_sum] = [0, 1].map(|side| {
                let mut total = Expression::Constant(Fr::zero());
                // Patterns that differ in the live lanes only share the sum over the lanes of both.
                let mut before: Option<((TileCells, LaneBase), usize, Expression<Fr>)> = None;
                let mut sorted = patterns.clone().collect::<Vec<_>>();
                sorted.sort_by_key(|(pattern, _)| {
                    (pattern.cells, sides[side](pattern), pattern.live)
                });
                for (pattern, flag) in sorted {
                    let flag = meta.query_fixed(*flag, Rotation::cur());
                    let kind = (pattern.cells, sides[side](pattern));
                    let base = lane_base(kind.1, &z, u.as_ref());
                    let values = &lane_values(pattern.cells)[side];
                    let sum = match before {
                        Some((other, live, sum)) if other == kind && live < pattern.live => {
                            sum + power(&base, live as u32)
                                * horner(&values[live..pattern.live], &base)
                        }
                        Some((other, live, sum)) if other == kind && live == pattern.live => sum,
                        _ => horner(&values[..pattern.live], &base),
                    };
                    before = Some((kind, pattern.live, sum.clone()));
                    total = total + flag * sum;
                }
                total
            });
            let [on_produced, on_consumed] = continues;
            let names = [["produced", "produced, result"], ["consumed", "consumed, result"]];
            let mut constraints = Vec::new();
            for ((column, factor, sum, starts), (on, names)) in [
                (self.produced, self.s1, produced_sum, start_produced),
                (self.consumed, self.s0, consumed_sum, start_consumed),
            ]
            .into_iter()
            .zip([on_produced, on_consumed].into_iter().zip(names))
            {
                let cur = meta.query_advice(column, Rotation::cur());
                let next = meta.query_advice(column, Rotation::next());
                let factor_cur = meta.query_advice(factor, Rotation::cur());
                let factor_next = meta.query_advice(factor, Rotation::next());
                let after = on * factor_next * next;
                constraints.push((names[0], usable.clone() * cur.clone() - sum - after));
                constraints.push((names[1], starts * (factor_cur - cur)));
            }
            constraints
        });
    }

    /// Sum of the flags of the patterns whose cells are as asked.
    pub(super) fn pattern_flags(
        &self,
        meta: &mut VirtualCells<'_, Fr>,
        wanted: impl Fn(TileCells) -> bool,
    ) -> Expression<Fr> {
        self.profile
            .patterns
            .iter()
            .zip(&self.patterns)
            .filter(|(pattern, _)| wanted(pattern.cells))
            .map(|(_, flag)| meta.query_fixed(*flag, Rotation::cur()))
            .reduce(|a, b| a + b)
            .unwrap_or(Expression::Constant(Fr::zero()))
    }

    /// Running sums over weights (powers of `v`, or of `z^step` within a depthwise kernel row) and
    /// over rest cells (powers of `z`).
    fn weight_gates(&self, meta: &mut ConstraintSystem<Fr>) {
        meta.create_gate("weight sums", |meta| {
            let v = meta.query_challenge(self.v);
            let z = meta.query_challenge(self.z);
            let offset = Expression::Constant(Fr::from(WEIGHT_OFFSET as u64));
            let cells = self
                .weights
                .iter()
                .map(|column| meta.query_advice(*column, Rotation::cur()) - offset.clone())
                .collect::<Vec<_>>();
            let usable = meta.query_fixed(self.usable, Rotation::cur());
            let dense = meta.query_fixed(self.dense, Rotation::cur());
            let kind = meta.query_fixed(self.rest_kind, Rotation::cur());
            let half = Expression::Constant(Fr::from(2).invert().unwrap_or(Fr::zero()));
            let square = kind.clone() * kind.clone();
            // 1 for kinds 1 and 2; 1 for kind 2 alone.
            let chain =
                (kind.clone() + kind.clone() + kind.clone() - square.clone()) * half.clone();
            let live = (square - kind) * half;
            let cur = meta.query_advice(self.weight_sum, Rotation::cur());
            let next = Rotation(self.profile.weight_stride as i32);
            let next = meta.query_advice(self.weight_sum, next);
            let rest = meta.query_advice(self.rest, Rotation::cur());
            // Horner's rule over the row's cells with the next row as the highest coefficient.
            let mut terms = cells.clone();
            terms.push(next.clone());
            let mut sum = dense * horner(&terms, &v) + chain * z.clone() * next + live * rest;
            for (row, flag) in self.profile.kernel_rows.iter().zip(&self.kernels) {
                let flag = meta.query_fixed(*flag, Rotation::cur());
                sum = sum + flag * horner(&cells[..row.live], &power(&z, row.step));
            }
            vec![("step", usable * cur - sum)]
        });
    }

    /// The scalar program: `product = multiply * (s0*s1 + next product)`; the row before a run of
    /// multiplications takes the run's result into `s0`. Load rows bring constants, challenges and
    /// public inputs into `s1`.
    fn scalar_gates(&self, meta: &mut ConstraintSystem<Fr>) {
        meta.create_gate("scalar program", |meta| {
            let usable = meta.query_fixed(self.usable, Rotation::cur());
            let multiply = meta.query_fixed(self.multiply, Rotation::cur());
            let multiply_next = meta.query_fixed(self.multiply, Rotation::next());
            let s0 = meta.query_advice(self.s0, Rotation::cur());
            let s1 = meta.query_advice(self.s1, Rotation::cur());
            let cur = meta.query_advice(self.product, Rotation::cur());
            let next = meta.query_advice(self.product, Rotation::next());
            let load = load_row(&usable);
            let constant = meta.query_fixed(self.shift, Rotation::cur());
            // Load rows hold no table entries, and their tag is 0 or `LOAD_U_TAG`, which nothing
            // looks up.
            let with_z = meta.query_fixed(self.table[0], Rotation::cur());
            let with_v = meta.query_fixed(self.table[1], Rotation::cur());
            let v = meta.query_challenge(self.v);
            let z = meta.query_challenge(self.z);
            let mut challenges = with_v * v + with_z * z;
            if let Some(u) = self.u {
                let unit = Fr::from(LOAD_U_TAG).invert().unwrap_or(Fr::zero());
                let tag = meta.query_fixed(self.table[2], Rotation::cur());
                challenges =
                    challenges + tag * Expression::Constant(unit) * meta.query_challenge(u);
            }
            let instance = meta.query_instance(self.instance, Rotation::cur());
            let one = Expression::Constant(Fr::one());
            vec![
                (
                    "products",
                    usable * cur - multiply.clone() * (s0.clone() * s1.clone() + next.clone()),
                ),
                ("result", (one - multiply) * multiply_next * (s0 - next)),
                ("load", load * (s1 - constant - challenges - instance)),
            ]
        });
    }
}

impl TilePattern {
    /// Index of this pattern's flag among the profile's.
    pub fn index_in(&self, profile: &ColumnProfile) -> Option<usize> {
        profile.patterns.binary_search(self).ok()
    }
}

/// Non-zero where `usable` is 2.
fn load_row(usable: &Expression<Fr>) -> Expression<Fr> {
    usable.clone() * (usable.clone() - Expression::Constant(Fr::one()))
}

fn lane_base(base: LaneBase, z: &Expression<Fr>, u: Option<&Expression<Fr>>) -> Expression<Fr> {
    match base {
        LaneBase::Challenge(0) => Expression::Constant(Fr::one()),
        LaneBase::Challenge(step) => power(z, step),
        // A profile with such a pattern has the challenge.
        LaneBase::Image => u.cloned().unwrap_or(Expression::Constant(Fr::zero())),
        LaneBase::Byte => Expression::Constant(Fr::from(256)),
    }
}

/// `base^exponent`, `exponent` at least 1, by squaring.
fn power(base: &Expression<Fr>, exponent: u32) -> Expression<Fr> {
    let mut result = base.clone();
    for bit in (0..exponent.max(1).ilog2()).rev() {
        result = result.clone() * result;
        if exponent >> bit & 1 == 1 {
            result = result * base.clone();
        }
    }
    result
}

/// `sum terms[i] * base^i`.
fn horner(terms: &[Expression<Fr>], base: &Expression<Fr>) -> Expression<Fr> {
    let mut terms = terms.iter().rev();
    let first = terms.next().cloned().unwrap_or(Expression::Constant(Fr::zero()));
    terms.fold(first, |sum, term| sum * base.clone() + term.clone())
}
