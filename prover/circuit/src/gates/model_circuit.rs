//! The circuit as the proof system sees it: fixed columns and copy constraints for key generation,
//! advice columns for proving.

use halo2_proofs::{
    circuit::{Layouter, Region, SimpleFloorPlanner},
    halo2curves::{bn256::Fr, ff::Field},
    plonk::{Circuit, Column, ConstraintSystem, Error, Fixed},
};

use assay_arithmetic::poseidon;

use crate::gates::{LOAD_U_TAG, ModelConfig};
use crate::layout::lookup_table::Tables;
use crate::layout::profile::{ColumnProfile, TileCells};
use crate::layout::scalar_program::{Cell, Load, ScalarColumn, Step};
use crate::layout::{Layout, RESERVED_ROWS};
#[cfg(feature = "witness")]
use crate::{
    gates::advice::Advice,
    witness::assignment::{Assignment, FirstPhase},
    witness::cell_change::CellChange,
};

/// A circuit with or without its witness.
pub struct ModelCircuit<'a> {
    layout: &'a Layout,
    #[cfg(feature = "witness")]
    advice: Option<Advice<'a>>,
}

impl<'a> ModelCircuit<'a> {
    /// For key generation.
    pub fn without_witness(layout: &'a Layout) -> Self {
        Self {
            layout,
            #[cfg(feature = "witness")]
            advice: None,
        }
    }

    /// For proving; `instances` are the public inputs.
    #[cfg(feature = "witness")]
    pub fn new(assignment: &'a Assignment<'a>, first: &'a FirstPhase, instances: &'a [Fr]) -> Self {
        let layout = assignment.layout;
        Self { layout, advice: Some(Advice { assignment, first, instances, changes: Vec::new() }) }
    }

    /// The witness with some cells changed; a proof of it must be refused.
    #[cfg(feature = "witness")]
    pub fn with_changes(mut self, changes: Vec<CellChange>) -> Self {
        if let Some(advice) = &mut self.advice {
            advice.changes = changes;
        }
        self
    }

    fn rows(&self) -> usize {
        (1 << self.layout.k) - RESERVED_ROWS
    }

    /// A pattern, kernel row or gate that the profile lacks would leave rows unconstrained: that is an
    /// error, the layout and the constraint system do not belong together.
    fn assign_fixed(&self, config: &ModelConfig, region: &mut Region<'_, Fr>) -> Result<(), Error> {
        let mut set = |column: Column<Fixed>, row: usize, value: Fr| {
            region.assign_fixed(column, row, value);
        };
        self.fix_table(config, &mut set);
        self.fix_scalars(config, &mut set)?;
        self.fix_tiles(config, &mut set)?;
        self.fix_weights(config, &mut set)?;
        self.fix_hashes(config, &mut set)
    }

    /// The lookup table, and the rows that gates use.
    fn fix_table(&self, config: &ModelConfig, set: &mut impl FnMut(Column<Fixed>, usize, Fr)) {
        let last = self.rows() - 1;
        for row in 0..last {
            set(config.usable, row, Fr::ONE);
        }
        set(config.usable, last, Fr::from(2));
        self.layout.tables.for_each_row(|row, values| {
            for (column, value) in config.table.into_iter().zip(values) {
                set(column, row, value);
            }
        });
    }

    fn fix_scalars(
        &self,
        config: &ModelConfig,
        set: &mut impl FnMut(Column<Fixed>, usize, Fr),
    ) -> Result<(), Error> {
        let one = Fr::ONE;
        for (row, load) in &self.layout.program.loads {
            set(config.usable, *row, Fr::from(2));
            match load {
                Load::Instance => {}
                Load::Constant(value) => set(config.shift, *row, *value),
                Load::V => set(config.table[1], *row, one),
                Load::Z => set(config.table[0], *row, one),
                Load::U if config.u.is_none() => return Err(Error::Synthesis),
                Load::U => set(config.table[2], *row, Fr::from(LOAD_U_TAG)),
            }
        }
        for step in &self.layout.program.steps {
            if let Step::Chain(chain) = step {
                for row in chain.row + 1..=chain.row + chain.terms.len() {
                    set(config.multiply, row, one);
                }
            }
        }
        Ok(())
    }

    fn fix_tiles(
        &self,
        config: &ModelConfig,
        set: &mut impl FnMut(Column<Fixed>, usize, Fr),
    ) -> Result<(), Error> {
        let mut missing = false;
        for tile in &self.layout.tiles {
            let tag = Tables::function_tag(tile.function);
            let scale = Fr::from(1 << tile.shift);
            tile.for_each_row(|at| {
                let pattern = tile.pattern(tile.live_lanes(at.group, at.position));
                match pattern.index_in(&config.profile) {
                    Some(index) => set(config.patterns[index], at.row, Fr::ONE),
                    None => missing = true,
                }
                if tile.cells == TileCells::Lookup {
                    set(config.function, at.row, tag);
                    set(config.shift, at.row, scale);
                }
                for (side, column) in config.channel_start.into_iter().enumerate() {
                    if tile.entered(side, &at).is_none() {
                        set(column, at.row, Fr::ONE);
                    }
                }
            });
        }
        for column in config.channel_start {
            set(column, self.layout.tiles_end(), Fr::ONE);
        }
        if missing { Err(Error::Synthesis) } else { Ok(()) }
    }

    /// Rows of weights and of rest cells.
    fn fix_weights(
        &self,
        config: &ModelConfig,
        set: &mut impl FnMut(Column<Fixed>, usize, Fr),
    ) -> Result<(), Error> {
        let stride = self.layout.weight_stride();
        let mut missing = false;
        for kernel in &self.layout.kernels {
            kernel.for_each_dense_row(|row| set(config.dense, row * stride, Fr::ONE));
            kernel.for_each_kernel_row(|row, kind| {
                match config.profile.kernel_rows.binary_search(&kind) {
                    Ok(index) => set(config.kernels[index], row * stride, Fr::ONE),
                    Err(_) => missing = true,
                }
            });
        }
        for rest in &self.layout.rests {
            for row in rest.first_row..rest.first_row + rest.rows() {
                set(config.rest_kind, row * stride, Fr::ONE);
            }
            rest.for_each_cell(|row, _, _| set(config.rest_kind, row * stride, Fr::from(2)));
        }
        if missing { Err(Error::Synthesis) } else { Ok(()) }
    }

    fn fix_hashes(
        &self,
        config: &ModelConfig,
        set: &mut impl FnMut(Column<Fixed>, usize, Fr),
    ) -> Result<(), Error> {
        let (hash, columns) = match (&self.layout.hash, &config.hash) {
            (None, None) => return Ok(()),
            (Some(hash), Some(columns)) if hash.gates == columns.gates => (hash, columns),
            _ => return Err(Error::Synthesis),
        };
        let rounds = columns.round_rows();
        for block in 0..=hash.blocks {
            let first = hash.block_row(block);
            let absorbed = if block == hash.blocks { 1 } else { poseidon::WIDTH };
            for row in first..first + absorbed {
                set(config.function, row, Fr::ONE);
            }
            if block == hash.blocks {
                break;
            }
            for (row, round) in (first + absorbed..).zip(&rounds) {
                set(round.flag, row, Fr::ONE);
                let into = std::iter::once(&config.shift).chain(&columns.constants);
                for (column, constant) in into.zip(&round.constants) {
                    set(*column, row, *constant);
                }
            }
        }
        Ok(())
    }

    fn constrain_copies(&self, config: &ModelConfig, region: &mut Region<'_, Fr>) {
        self.layout.for_each_copy(|_, a, b| {
            region.constrain_equal(library_cell(config, a), library_cell(config, b));
        });
    }
}

impl Circuit<Fr> for ModelCircuit<'_> {
    type Config = ModelConfig;
    type FloorPlanner = SimpleFloorPlanner;
    type Params = ColumnProfile;

    fn params(&self) -> ColumnProfile {
        self.layout.profile.clone()
    }

    fn without_witnesses(&self) -> Self {
        Self::without_witness(self.layout)
    }

    fn configure_with_params(
        meta: &mut ConstraintSystem<Fr>,
        profile: ColumnProfile,
    ) -> ModelConfig {
        ModelConfig::configure(meta, &profile)
    }

    fn configure(meta: &mut ConstraintSystem<Fr>) -> ModelConfig {
        ModelConfig::configure(meta, &ColumnProfile::default())
    }

    fn synthesize(
        &self,
        config: ModelConfig,
        mut layouter: impl Layouter<Fr>,
    ) -> Result<(), Error> {
        layouter.assign_region(
            || "model",
            |mut region| {
                self.assign_fixed(&config, &mut region)?;
                self.constrain_copies(&config, &mut region);
                #[cfg(feature = "witness")]
                if let Some(advice) = &self.advice {
                    advice.assign(&config, &mut region);
                }
                Ok(())
            },
        )
    }
}

fn library_cell(config: &ModelConfig, cell: Cell) -> halo2_proofs::circuit::Cell {
    let (column, row_offset) = match cell.column {
        ScalarColumn::S0 => (config.s0, cell.row),
        ScalarColumn::S1 => (config.s1, cell.row),
        ScalarColumn::WeightSum => (config.weight_sum, cell.row * config.profile.weight_stride),
    };
    halo2_proofs::circuit::Cell { row_offset, column: column.into() }
}
