//! Places the tiles of a network and of its statement, and says what each tensor is made of.

use assay_arithmetic::poseidon::BYTES_PER_ELEMENT;
use assay_graph::{
    ACTIVATION_OFFSET, FunctionTable, Op, QuantizedGraph, Rescale, Tensor, TensorId, Window,
};

use crate::LayoutError;
use crate::layout::folds::Folds;
use crate::layout::profile::TileCells;
use crate::layout::reading::{Reading, with_room};
use crate::layout::tile::{CONSUMED, ChannelView, Fold, PRODUCED, Tile, TileSource};
use crate::statement::{AnswerMode, OutputMode, StatementKind};

/// Function tables of the circuit: the graph's and a few of its own.
pub(super) struct Functions {
    pub tables: Vec<FunctionTable>,
}

impl Functions {
    /// Index of a table equal to `table`, added when there is none.
    fn exact(&mut self, table: FunctionTable) -> usize {
        let found = self
            .tables
            .iter()
            .position(|other| other.min == table.min && other.values == table.values);
        found.unwrap_or_else(|| {
            self.tables.push(table);
            self.tables.len() - 1
        })
    }

    /// Index of a table that is `max(0, x)` on `-range..=range`.
    fn relu(&mut self, range: i32) -> usize {
        let found = self.tables.iter().position(|table| {
            (-range..=range).all(|x| table.apply(i64::from(x)) == Some(x.max(0)))
                && table.values.iter().enumerate().all(|(index, out)| {
                    i64::from(*out) == (i64::from(table.min) + index as i64).max(0)
                })
        });
        found.unwrap_or_else(|| {
            self.tables.push(FunctionTable {
                name: "relu".into(),
                min: -range,
                values: (-range..=range).map(|x| x.max(0)).collect(),
            });
            self.tables.len() - 1
        })
    }

    /// Cells hold 16 bits.
    pub(super) fn check(&self) -> Result<(), LayoutError> {
        let bounds = i64::from(-ACTIVATION_OFFSET)..i64::from(ACTIVATION_OFFSET);
        for table in &self.tables {
            let (min, count) = (i64::from(table.min), table.values.len() as i64);
            let max = min + count - 1;
            if !bounds.contains(&min) || !bounds.contains(&max) {
                return Err(LayoutError::Range { table: table.name.clone(), min, max });
            }
        }
        Ok(())
    }

    /// 1 from 0 on, 0 below. What is looked up is below `range`.
    fn step(&mut self, range: i32) -> usize {
        let most = range.min(ACTIVATION_OFFSET - 1);
        let values = (-range..=most).map(|x| i32::from(x >= 0)).collect();
        self.exact(FunctionTable { name: "step".into(), min: -range, values })
    }

    /// A table that leaves `min..=max` unchanged, and possibly more; a new one is as large as `all`.
    fn identity_over(&mut self, [min, max]: [i32; 2], all: [i32; 2]) -> usize {
        let found = self.tables.iter().position(|table| {
            let last = i64::from(table.min) + table.values.len() as i64 - 1;
            let mut places = i64::from(table.min)..;
            table.min <= min
                && i64::from(max) <= last
                && table.values.iter().all(|value| places.next() == Some(i64::from(*value)))
        });
        found.unwrap_or_else(|| self.identity(min.min(all[0]), max.max(all[1])))
    }

    /// `min..=max` unchanged.
    fn identity(&mut self, min: i32, max: i32) -> usize {
        let values = (min..=max).collect();
        self.exact(FunctionTable { name: "identity".into(), min, values })
    }
}

pub(super) struct TileBuilder {
    pub folds: Folds,
    pub lanes: usize,
    /// Images of a batch.
    pub images: usize,
    pub next_row: usize,
    pub tiles: Vec<Tile>,
}

impl TileBuilder {
    fn push(&mut self, tile: Tile) -> usize {
        let [channels, height, width] = tile.shape;
        let shape = [channels * tile.apart, height, width];
        // Those of images of their own are taken image by image.
        let runs_on = tile.apart == 1 && shape[0] > 1;
        let folds = tile.folds.map(|fold| fold.filter(|_| runs_on));
        let tile = Tile { first_row: self.next_row, lanes: self.lanes, shape, folds, ..tile };
        self.next_row += tile.rows();
        self.tiles.push(tile);
        self.tiles.len() - 1
    }
}

/// Places all tiles and says what each tensor's channels are made of.
pub(super) fn place_tiles(
    graph: &QuantizedGraph,
    statement: StatementKind,
    readings: &[Reading],
    functions: &mut Functions,
    tiles: &mut TileBuilder,
) -> Result<Vec<Vec<ChannelView>>, LayoutError> {
    let unit = Reading { column: 1, line: 0 };
    let blank = Tile {
        name: String::new(),
        source: TileSource::Input,
        shape: [0; 3],
        images: tiles.images,
        apart: 1,
        cells: TileCells::Lookup,
        first_row: 0,
        lanes: 0,
        produced: unit,
        consumed: unit,
        packs_bytes: false,
        repeat: [1, 1],
        function: 0,
        shift: 0,
        folds: [None; 2],
    };
    let views = vec![Vec::new(); graph.tensors.len()];
    let mut placement = Placement { graph, readings, functions, tiles, blank, views };
    placement.input();
    for index in 0..graph.layers.len() {
        let output = graph.layers[index].output;
        placement.views[output] = placement.layer(index)?;
    }
    let Placement { functions, tiles, blank, views, .. } = placement;
    place_ranking(graph, statement, functions, tiles, Tile { images: 1, ..blank });
    Ok(views)
}

/// The placement of the input and of the layers, in their order.
struct Placement<'a> {
    graph: &'a QuantizedGraph,
    readings: &'a [Reading],
    functions: &'a mut Functions,
    tiles: &'a mut TileBuilder,
    /// What tiles have in common.
    blank: Tile,
    /// Of the tensors so far.
    views: Vec<Vec<ChannelView>>,
}

impl Placement<'_> {
    fn blank(&self) -> Tile {
        self.blank.clone()
    }

    fn folds(&self) -> &Folds {
        &self.tiles.folds
    }

    fn input(&mut self) {
        let graph = self.graph;
        let input = &graph.tensors[graph.input.tensor];
        let bytes = input.shape.iter().product::<usize>();
        let map = FunctionTable { name: "input".into(), min: 0, values: graph.input.map.clone() };
        let tile = Tile {
            name: "input".into(),
            shape: input.shape,
            produced: Reading { column: 1, line: input.shape[2] as u64 },
            consumed: self.readings[graph.input.tensor],
            function: self.functions.exact(map),
            ..self.blank()
        };
        let tile = self.tiles.push(tile);
        self.views[graph.input.tensor] = whole_tile(tile, input);
        let packed = Tile {
            name: "packed input".into(),
            source: TileSource::PackedInput,
            shape: [self.tiles.images * bytes.div_ceil(BYTES_PER_ELEMENT), 1, BYTES_PER_ELEMENT],
            images: 1,
            packs_bytes: true,
            function: self.functions.identity(0, 255),
            ..self.blank()
        };
        self.tiles.push(packed);
    }

    /// The tiles of layer `index`; returns what its output's channels are made of.
    fn layer(&mut self, index: usize) -> Result<Vec<ChannelView>, LayoutError> {
        let graph = self.graph;
        let layer = &graph.layers[index];
        let output = &graph.tensors[layer.output];
        Ok(match &layer.op {
            Op::Conv { input, window, groups, rescale, .. } => {
                let sizes = [*input, layer.output].map(|t| graph.tensors[t].shape[0] / groups);
                let fold = self.folds().convolution(*groups, sizes);
                let reading = self.readings[*input].strided(window.stride);
                self.rescaled(index, reading, *rescale, fold)
            }
            Op::SumPool { input, window, rescale, .. } => {
                let reading = self.readings[*input].strided(window.stride);
                self.rescaled(index, reading, *rescale, self.folds().elements())
            }
            Op::Pointwise { inputs, rescale, .. } => {
                let first = inputs.first().ok_or_else(|| LayoutError::Empty(layer.name.clone()))?;
                let reading = self.readings[first.0];
                self.rescaled(index, reading, *rescale, self.folds().elements())
            }
            Op::Multiply { inputs, rescale } => {
                let reading = self.readings[inputs[0]];
                self.product(index, inputs[0], (reading, self.folds().elements()), *rescale)
            }
            Op::Dot { inputs, groups, planes, rescale } => {
                let reading = self.readings[inputs[0]];
                let produced = if *planes { Reading::SUM } else { reading };
                let depth = graph.tensors[inputs[0]].shape[0] / groups;
                self.product(index, inputs[0], (produced, self.folds().sums(depth)), *rescale)
            }
            Op::MaxPool { input, window } => self.max_pool(index, *input, window),
            Op::Resize { input, factor } => {
                let consumed = self.readings[layer.output].strided(*factor);
                let info = &graph.tensors[*input];
                let function = if self.folds().any {
                    self.identity(*input)
                } else {
                    self.functions.identity(info.min, info.max)
                };
                let folds = [None, self.folds().read(layer.output)];
                let copy = Tile { consumed, repeat: *factor, function, folds, ..self.blank() };
                whole_tile(self.copied(index, 0, copy), output)
            }
            Op::Spread { input, factor } => {
                let consumed = self.readings[layer.output].strided(*factor);
                let folds = [None, self.folds().read(layer.output)];
                let function = self.identity(*input);
                let copy = Tile { consumed, function, folds, ..self.blank() };
                whole_tile(self.copied(index, 0, copy), output)
            }
            Op::Transpose { input, rescale, .. } => {
                let [_, height, width] = graph.tensors[*input].shape;
                let gap = self.readings[*input].span([height, width]);
                let produced = Reading::around(gap, [output.shape[1], output.shape[2]])
                    .ok_or_else(|| LayoutError::Exponents { part: layer.name.clone() })?;
                let fold = self.folds().grid([height, width], self.readings[*input]);
                self.rescaled(index, produced, *rescale, fold)
            }
            Op::MatMul { inputs, rescale, .. } => self.matrix_product(index, *inputs, *rescale)?,
            Op::Add { inputs } => self.sum(inputs, output.shape[0]),
            Op::Concat { inputs } => {
                inputs.iter().flat_map(|input: &TensorId| self.views[*input].clone()).collect()
            }
            Op::Slice { input, start } => {
                self.views[*input][*start..start + output.shape[0]].to_vec()
            }
        })
    }

    /// A layer whose accumulators are rescaled: one tile with its trace.
    fn rescaled(
        &mut self,
        index: usize,
        produced: Reading,
        rescale: Rescale,
        fold: Option<Fold>,
    ) -> Vec<ChannelView> {
        let mut tile = self.trace(index, produced, rescale);
        tile.folds[PRODUCED] = fold;
        let tile = self.tiles.push(tile);
        whole_tile(tile, &self.graph.tensors[self.graph.layers[index].output])
    }

    fn trace(&self, index: usize, produced: Reading, rescale: Rescale) -> Tile {
        let layer = &self.graph.layers[index];
        Tile {
            name: layer.name.clone(),
            source: TileSource::Layer(index),
            shape: self.graph.tensors[layer.output].shape,
            produced,
            consumed: self.readings[layer.output],
            function: rescale.function,
            shift: rescale.shift,
            folds: [None, self.folds().read(layer.output)],
            ..self.blank()
        }
    }

    /// A copy of the first matrix, with room for a line of the second between neighbours where the
    /// tensor itself has none, and the products. Those of a batch are no products of folded evaluations: each image has channels of its
    /// own, and the second matrix a copy too.
    fn matrix_product(
        &mut self,
        index: usize,
        [first, second]: [TensorId; 2],
        rescale: Rescale,
    ) -> Result<Vec<ChannelView>, LayoutError> {
        let graph = self.graph;
        let reading = self.readings[second];
        let name = || graph.layers[index].name.clone();
        let (consumed, has_room) = with_room(graph, self.readings, [first, second])
            .ok_or_else(|| LayoutError::Exponents { part: name() })?;
        let apart = Tile { images: 1, apart: self.tiles.images, ..self.blank() };
        if apart.apart > 1 || !has_room {
            let copy = Tile { consumed, function: self.identity(first), ..apart.clone() };
            self.copied(index, 0, copy);
        }
        if apart.apart > 1 {
            let copy = Tile { consumed: reading, function: self.identity(second), ..apart.clone() };
            self.copied(index, 1, copy);
        }
        let Tile { images, apart, .. } = apart;
        let mut tile = Tile { images, apart, ..self.trace(index, reading, rescale) };
        let [_, _, rows] = graph.tensors[first].shape;
        tile.folds[PRODUCED] = self.folds().places(rows, consumed.column);
        let tile = self.tiles.push(tile);
        Ok(whole_tile(tile, &graph.tensors[graph.layers[index].output]))
    }

    /// Both factors of products in a tile of their own, of `input`'s shape and read as it is; what they
    /// make is read as `produced` says.
    fn product(
        &mut self,
        index: usize,
        input: TensorId,
        (produced, fold): (Reading, Option<Fold>),
        rescale: Rescale,
    ) -> Vec<ChannelView> {
        let layer = &self.graph.layers[index];
        let elements = self.folds().elements();
        let factors = Tile {
            name: format!("{} (factors)", layer.name),
            source: TileSource::Factors(index),
            shape: self.graph.tensors[input].shape,
            cells: TileCells::Product,
            produced,
            consumed: self.readings[input],
            folds: [fold, elements],
            ..self.blank()
        };
        self.tiles.push(factors);
        self.rescaled(index, self.readings[input], rescale, elements)
    }

    /// A tile for each tap; the output is the tensor's least value plus the sum of all steps up.
    fn max_pool(&mut self, index: usize, input: TensorId, window: &Window) -> Vec<ChannelView> {
        let layer = &self.graph.layers[index];
        let (info, output) = (&self.graph.tensors[input], &self.graph.tensors[layer.output]);
        let consumed = self.readings[layer.output];
        // One table for the steps of all pools, where there are many.
        let graph = self.graph;
        let pools = graph.layers.iter().filter_map(|layer| match &layer.op {
            Op::MaxPool { input, .. } => Some(&graph.tensors[*input]),
            _ => None,
        });
        let widest = pools.map(|info| info.max - info.min).max().filter(|_| self.folds().any);
        let function = self.functions.relu(widest.unwrap_or(info.max - info.min));
        let taps = (0..window.kernel[0] * window.kernel[1])
            .map(|tap| {
                let tile = Tile {
                    name: format!("{} (tap {tap})", layer.name),
                    source: TileSource::PoolTap { layer: index, tap },
                    shape: output.shape,
                    produced: consumed,
                    consumed,
                    function,
                    folds: [self.folds().elements(), self.folds().read(layer.output)],
                    ..self.blank()
                };
                self.tiles.push(tile)
            })
            .collect::<Vec<_>>();
        (0..output.shape[0])
            .map(|channel| ChannelView {
                terms: taps.iter().map(|tile| (*tile, channel)).collect(),
                constant: i64::from(info.min),
            })
            .collect()
    }

    /// The values of a layer's input in a tile of their own, whose consumer's reading, function and
    /// images `tile` says.
    fn copied(&mut self, index: usize, number: usize, tile: Tile) -> usize {
        let layer = &self.graph.layers[index];
        let input = layer.op.inputs()[number];
        self.tiles.push(Tile {
            name: format!("{} (copy)", layer.name),
            source: TileSource::Copied { layer: index, input: number },
            shape: self.graph.tensors[input].shape,
            produced: self.readings[input],
            folds: [self.folds().elements(), tile.folds[CONSUMED]],
            ..tile
        })
    }

    /// A table for copies of a tensor. Those of matrices and of spread tensors share one where they can, and
    /// those of repeated tensors where channels run on.
    fn identity(&mut self, input: TensorId) -> usize {
        let graph = self.graph;
        let repeats = self.folds().any;
        let copies = graph.layers.iter().flat_map(|layer| match &layer.op {
            Op::MatMul { inputs, .. } => inputs.to_vec(),
            Op::Spread { input, .. } => vec![*input],
            Op::Resize { input, .. } if repeats => vec![*input],
            _ => Vec::new(),
        });
        let info = &graph.tensors[input];
        let own = [info.min, info.max];
        let copies = copies.map(|copy| &graph.tensors[copy]);
        let all = copies.fold(own, |[min, max], info| [min.min(info.min), max.max(info.max)]);
        self.functions.identity_over(own, all)
    }

    fn sum(&self, inputs: &[TensorId], channels: usize) -> Vec<ChannelView> {
        (0..channels)
            .map(|channel| {
                let mut view = ChannelView::default();
                for input in inputs {
                    let part = &self.views[*input][channel];
                    view.terms.extend_from_slice(&part.terms);
                    view.constant += part.constant;
                }
                view
            })
            .collect()
    }
}

/// The tiles that tie the statement's outputs to the logits.
fn place_ranking(
    graph: &QuantizedGraph,
    statement: StatementKind,
    functions: &mut Functions,
    tiles: &mut TileBuilder,
    blank: Tile,
) {
    let logits = &graph.tensors[graph.output];
    let classes = logits.shape[0];
    let spread = logits.max - logits.min;
    let shift = classes.next_power_of_two().ilog2();
    let ranks = match statement {
        StatementKind::Prediction {
            output: OutputMode::Logits | OutputMode::Commitment, ..
        } => {
            return;
        }
        StatementKind::Classification { run, answers: AnswerMode::Numbers } => {
            let own = [logits.min, logits.max];
            tiles.push(Tile {
                name: "numbers".into(),
                source: TileSource::Number,
                shape: [run.items(), 1, 1],
                function: functions.identity_over(own, own),
                ..blank
            });
            return;
        }
        StatementKind::Prediction { output: OutputMode::Class, .. }
        | StatementKind::Classification { answers: AnswerMode::Classes, .. } => {
            tiles.push(Tile {
                name: "ranking".into(),
                source: TileSource::Ranking,
                shape: [statement.images() * (classes + 1), 1, 1],
                function: functions.identity(0, spread),
                shift,
                ..blank
            });
            return;
        }
        StatementKind::Prediction {
            output: OutputMode::Best(count) | OutputMode::Scored(count),
            ..
        } => count,
        StatementKind::Audit { run, .. } | StatementKind::Retrieval { run, .. } => run.items(),
    };
    tiles.push(Tile {
        name: "ranked classes".into(),
        source: TileSource::RankedClass,
        shape: [ranks, 1, 1],
        function: functions.identity(0, spread),
        shift,
        ..blank.clone()
    });
    // A difference of keys, without its low bits, is at least -spread - 1.
    let step = functions.step((spread + 1).max(classes as i32));
    tiles.push(Tile {
        name: "comparisons".into(),
        source: TileSource::Comparisons,
        shape: [ranks * classes, 1, 1],
        function: step,
        shift,
        ..blank.clone()
    });
    if statement.run().is_some() {
        tiles.push(Tile {
            name: "verdicts".into(),
            source: TileSource::Verdict,
            shape: [ranks, 1, 1],
            function: step,
            ..blank
        });
    }
}

fn whole_tile(tile: usize, tensor: &Tensor) -> Vec<ChannelView> {
    (0..tensor.shape[0])
        .map(|channel| ChannelView { terms: vec![(tile, channel)], constant: 0 })
        .collect()
}
