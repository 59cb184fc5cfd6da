//! The dishonest prover: changes what it likes, and computes everything that follows from it anew.

use std::collections::HashMap;

use halo2_proofs::halo2curves::{
    bn256::Fr,
    ff::{Field, PrimeField},
};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::checker::{Challenges, Columns, System};
use super::late::{Late, Later};
use super::scene::Scene;
use super::weaker::Weakening;
use crate::FirstPhase;
use crate::Layout;
use crate::layout::profile::TileCells;
use crate::layout::tile::TileSource;
use crate::witness::assignment::FirstChallenges;

/// What a cell of the last phase is moved for.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// So that a copy constraint of this family holds.
    Copy(&'static str, usize),
    /// So that the lookups' sum ends at zero.
    LookupSum,
}

type RestChange = dyn Fn(&Scene, FirstChallenges, &mut Vec<Fr>);

/// A proof with its lies.
pub(super) struct Forged {
    /// What the prover says of the network, the inputs and the tree.
    pub scene: Scene,
    pub first: FirstPhase,
    pub public: Vec<Fr>,
    /// Whether the multiplicities are counted once more from the cells.
    pub count: bool,
    pub rest: Option<Box<RestChange>>,
    /// Added to multiplicities after the count.
    pub multiplicities: Vec<(usize, Fr)>,
    /// Added to cells of the last phase.
    pub late: HashMap<(Late, usize), Fr>,
    /// A cell of the last phase that is chosen last, so that the target is met.
    pub solve: Option<(Late, usize, Target)>,
}

impl Forged {
    pub(super) fn new(scene: Scene, first: FirstPhase) -> Self {
        let public = scene.public();
        Self {
            scene,
            first,
            public,
            count: true,
            rest: None,
            multiplicities: Vec::new(),
            late: HashMap::new(),
            solve: None,
        }
    }

    pub(super) fn solving(mut self, cell: Late, row: usize, target: Target) -> Self {
        self.solve = Some((cell, row, target));
        self
    }

    pub(super) fn layout(&self) -> &Layout {
        &self.scene.layout
    }

    /// First row of a tile.
    pub(super) fn row(&self, source: TileSource) -> usize {
        self.scene.tile(source).first_row
    }

    /// Takes over the first-phase cells of rows from another proof.
    pub(super) fn take(&mut self, other: &Forged, rows: std::ops::Range<usize>) {
        for (lane, others) in self.first.lanes.iter_mut().zip(&other.first.lanes) {
            for row in rows.clone() {
                for (index, value) in others.cells(row).into_iter().enumerate() {
                    lane.set(index, row, value);
                }
            }
        }
    }

    pub(super) fn take_tile(&mut self, other: &Forged, source: TileSource) {
        let tile = self.scene.tile(source);
        let rows = tile.first_row..tile.first_row + tile.rows();
        self.take(other, rows);
    }

    /// Puts `[pre, out, rem]` (integers) into a cell of a tile.
    pub(super) fn put(&mut self, row: usize, lane: usize, [pre, out, rem]: [i64; 3]) {
        let stored = |value: i64| Fr::from((value + (1 << 15)) as u64);
        let lane = &mut self.first.lanes[lane];
        lane.pre.set(row, stored(pre));
        lane.out.set(row, stored(out));
        lane.rem.set(row, Fr::from(rem as u64));
    }

    /// Fills a tile's cells from a function of `(channel, line, column)`; one image.
    pub(super) fn fill(&mut self, source: TileSource, value: impl Fn([usize; 3]) -> [i64; 3]) {
        let tile = self.scene.tile(source).clone();
        tile.for_each_row(|at| {
            for lane in 0..tile.live_lanes(at.group, at.position) {
                let (_, column) = tile.place(&at, lane);
                self.put(at.row, lane, value([at.channel, at.line, column]));
            }
        });
    }

    /// The columns for these challenges.
    pub(super) fn columns(
        &self,
        system: &System,
        weaker: &Weakening,
        drawn: Challenges,
    ) -> Columns {
        let assignment = self.scene.assignment();
        let mut rest = assignment.second_phase(drawn.first.v, drawn.first.u);
        if let Some(change) = &self.rest {
            change(&self.scene, drawn.first, &mut rest);
        }
        let mut multiplicity = if self.count {
            self.counted(system, weaker)
        } else {
            self.first.multiplicity.to_full()
        };
        for (row, by) in &self.multiplicities {
            multiplicity[*row] += by;
        }
        let mut late = self.late.clone();
        let fill = |late: &HashMap<(Late, usize), Fr>| {
            let later = Later {
                system,
                weaker,
                drawn,
                assignment: &assignment,
                first: &self.first,
                rest: &rest,
                multiplicity: &multiplicity,
                public: &self.public,
                late,
            };
            later.columns()
        };
        if let Some((cell, row, target)) = self.solve {
            let base = late.get(&(cell, row)).copied().unwrap_or(Fr::ZERO);
            let mut miss = |by: Fr| {
                late.insert((cell, row), base + by);
                target.miss(system, &fill(&late))
            };
            let (at_zero, at_one) = (miss(Fr::ZERO), miss(Fr::ONE));
            let slope = (at_one - at_zero).invert();
            let slope = slope.into_option().expect("the cell moves the target");
            late.insert((cell, row), base - at_zero * slope);
        }
        let mut columns = fill(&late);
        self.blind(system, &mut columns);
        columns
    }

    /// Random values in the last rows, but for the columns of remainders.
    fn blind(&self, system: &System, columns: &mut Columns) {
        let mut rng = ChaCha20Rng::from_seed([3; 32]);
        let remainders = system.config.lanes.iter().map(|lane| lane.rem.index());
        let remainders = remainders.collect::<Vec<_>>();
        for (index, column) in columns.advice.iter_mut().enumerate() {
            for cell in &mut column[system.usable..] {
                let random = Fr::random(&mut rng);
                *cell = if remainders.contains(&index) { Fr::ZERO } else { random };
            }
        }
    }

    /// How often each row of the table is looked up; tuples that are not there are left out.
    fn counted(&self, system: &System, weaker: &Weakening) -> Vec<Fr> {
        let config = &system.config;
        let key = |values: [Fr; 3]| values.map(|value| value.to_repr());
        let mut rows = HashMap::new();
        for row in 0..system.rows {
            let entry = config.table.map(|c| system.fixed("lookup sum", c.index(), row, weaker));
            if !bool::from(entry[2].is_zero()) {
                rows.entry(key(entry)).or_insert(row);
            }
        }
        let mut counts = vec![Fr::ZERO; system.rows];
        for tile in self.scene.layout.tiles.iter().filter(|t| t.cells == TileCells::Lookup) {
            for row in tile.first_row..tile.first_row + tile.rows() {
                let tag = |column: usize| system.fixed("lookup", column, row, weaker);
                let (function, shift) = (tag(config.function.index()), tag(config.shift.index()));
                for lane in &self.first.lanes {
                    let [pre, out, rem] = lane.cells(row);
                    let tuples = [[pre, out, function], [rem, Fr::ZERO, shift]];
                    for row in tuples.iter().filter_map(|tuple| rows.get(&key(*tuple))) {
                        counts[*row] += Fr::ONE;
                    }
                }
            }
        }
        counts
    }
}

impl Target {
    fn miss(self, system: &System, columns: &Columns) -> Fr {
        match self {
            Self::Copy(rule, index) => system.difference(columns, rule, index),
            Self::LookupSum => {
                let sum = &columns.advice[system.config.lookup_sum.index()];
                sum[system.rows - crate::layout::RESERVED_ROWS - 1]
            }
        }
    }
}

/// Challenges of a verifier.
pub(super) fn draw(seed: u8) -> Challenges {
    let mut rng = ChaCha20Rng::from_seed([seed; 32]);
    let mut next = || Fr::random(&mut rng);
    let first = FirstChallenges { v: next(), theta: next(), beta: next(), u: next() };
    Challenges { first, z: next() }
}
