//! One step of each kind of recurrent layer.

use super::super::{
    Constant, ImportError, Importer, Node, optional_constant,
    parts::{Parts, int},
    required_constant,
};
use super::{
    activations::{self, Activation},
    shape::{Shape, of_direction, of_one_input},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Lstm,
    Gru { linear_before_reset: bool },
    Rnn,
}

/// One direction of a layer.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    kind: Kind,
    hidden: usize,
    features: usize,
    /// `[gates * hidden, features]`.
    weights: Vec<f64>,
    /// `[gates * hidden, hidden]`.
    recurrence: Vec<f64>,
    /// Those of the input, then those of the state.
    bias: [Vec<f64>; 2],
    /// Of the memory to the gates i, o, f.
    peepholes: Option<Vec<f64>>,
    activations: Vec<Activation>,
    clip: Option<f64>,
    coupled: bool,
}

/// Names of the state; empty where it is 0.
#[derive(Clone, Debug, Default)]
pub(super) struct States {
    hidden: String,
    memory: String,
}

impl States {
    pub(super) fn hidden(&self) -> &str {
        &self.hidden
    }

    pub(super) fn memory(&self) -> &str {
        &self.memory
    }
}

impl Cell {
    pub(super) fn read(
        importer: &Importer<'_>,
        node: &Node<'_>,
        shape: &Shape,
        direction: usize,
    ) -> Result<Self, ImportError> {
        let (kind, gates, default): (Kind, usize, &[&str]) = match node.operator() {
            "LSTM" => (Kind::Lstm, 4, &["Sigmoid", "Tanh", "Tanh"]),
            "GRU" => {
                let linear_before_reset = node.int("linear_before_reset", 0) != 0;
                (Kind::Gru { linear_before_reset }, 3, &["Sigmoid", "Tanh"])
            }
            _ => (Kind::Rnn, 1, &["Tanh"]),
        };
        let (hidden, features) = (shape.hidden, shape.features);
        let rows = gates * hidden;
        let part = |constant: &Constant, count: Option<usize>| {
            let count = count.ok_or_else(|| node.error("its weights are too large"))?;
            of_direction(node, constant, direction, count, shape.directions)
        };
        let weights = part(&*required_constant(importer, node, 1)?, rows.checked_mul(features))?;
        let recurrence = part(&*required_constant(importer, node, 2)?, rows.checked_mul(hidden))?;
        let bias = match optional_constant(importer, node, 3)? {
            Some(bias) => part(&bias, Some(2 * rows))?,
            None => vec![0.0; 2 * rows],
        };
        let peepholes = match kind {
            Kind::Lstm => optional_constant(importer, node, 7)?,
            _ => None,
        };
        let peepholes = peepholes.map(|all| part(&all, Some(3 * hidden))).transpose()?;
        let clip = node.attribute("clip").map(|_| node.float("clip", 0.0)).transpose()?;
        Ok(Self {
            kind,
            hidden,
            features,
            weights,
            recurrence,
            bias: [bias[..rows].to_vec(), bias[rows..].to_vec()],
            peepholes: peepholes.filter(|all| all.iter().any(|x| *x != 0.0)),
            activations: activations::read(node, default, direction)?,
            clip: clip.filter(|clip| *clip > 0.0),
            coupled: node.int("input_forget", 0) != 0,
        })
    }

    /// The states before the first step.
    pub(super) fn start(
        &self,
        parts: &mut Parts<'_, '_, '_>,
        node: &Node<'_>,
        shape: &Shape,
        direction: usize,
    ) -> Result<States, ImportError> {
        let mut state = |index: usize| -> Result<String, ImportError> {
            let Some(name) = node.input(index) else { return Ok(String::new()) };
            if let Some(constant) = parts.importer.constants.get(name).cloned() {
                let batch = parts.importer.batch;
                let constant = of_one_input(&constant, shape.hidden, shape.directions, batch);
                let values =
                    of_direction(node, &constant, direction, shape.hidden, shape.directions)?;
                if values.iter().all(|x| *x == 0.0) {
                    return Ok(String::new());
                }
                return parts.constant(&[1, shape.hidden], values);
            }
            let at = parts.integers(&[direction])?;
            let axis = [int("axis", i64::from(shape.batch_first))];
            let own = parts.op("Gather", &[name, &at], &axis)?;
            let row = parts.integers(&[1, shape.hidden])?;
            parts.op("Reshape", &[&own, &row], &[])
        };
        let hidden = state(5)?;
        let memory = if self.kind == Kind::Lstm { state(6)? } else { String::new() };
        Ok(States { hidden, memory })
    }

    pub(super) fn step(
        &self,
        parts: &mut Parts<'_, '_, '_>,
        input: &str,
        before: &States,
    ) -> Result<States, ImportError> {
        match self.kind {
            Kind::Lstm => self.lstm(parts, input, before),
            Kind::Gru { linear_before_reset } => {
                self.gru(parts, input, before, linear_before_reset)
            }
            Kind::Rnn => {
                let sum = self.gates(parts, input, &before.hidden, 0..1)?;
                let hidden = self.activations[0].apply(parts, &sum)?;
                Ok(States { hidden, memory: String::new() })
            }
        }
    }

    fn lstm(
        &self,
        parts: &mut Parts<'_, '_, '_>,
        input: &str,
        before: &States,
    ) -> Result<States, ImportError> {
        let [gate, candidate, output] = &self.activations[..] else { return Ok(States::default()) };
        let inner = self.gates(parts, input, &before.hidden, 3..4)?;
        let inner = candidate.apply(parts, &inner)?;
        let [i, o, f] = if let Some(peepholes) = &self.peepholes {
            let mut look = |gate: usize| -> Result<String, ImportError> {
                let sum = self.sums(parts, input, &before.hidden, gate..gate + 1)?;
                // The output gate looks at the new memory.
                if gate == 1 {
                    return Ok(sum);
                }
                if before.memory.is_empty() {
                    return self.clipped(parts, sum);
                }
                self.seen(parts, &sum, &before.memory, &peepholes[gate * self.hidden..])
            };
            let [i, o, f] = [look(0)?, look(1)?, look(2)?];
            [gate.apply(parts, &i)?, o, gate.apply(parts, &f)?]
        } else {
            let all = self.gates(parts, input, &before.hidden, 0..3)?;
            let all = gate.apply(parts, &all)?;
            let mut single = parts.several("Split", &[&all], &[int("axis", 1)], 3)?.into_iter();
            [0; 3].map(|_| single.next().unwrap_or_default())
        };
        let mut memory = parts.op("Mul", &[&i, &inner], &[])?;
        if !before.memory.is_empty() {
            let forget = if self.coupled {
                let one = parts.constant(&[], vec![1.0])?;
                parts.op("Sub", &[&one, &i], &[])?
            } else {
                f
            };
            let kept = parts.op("Mul", &[&forget, &before.memory], &[])?;
            memory = parts.op("Add", &[&kept, &memory], &[])?;
        }
        let o = match &self.peepholes {
            Some(peepholes) => {
                let sum = self.seen(parts, &o, &memory, &peepholes[self.hidden..])?;
                gate.apply(parts, &sum)?
            }
            None => o,
        };
        let bent = output.apply(parts, &memory)?;
        let hidden = parts.op("Mul", &[&o, &bent], &[])?;
        Ok(States { hidden, memory })
    }

    /// A gate's sum and what it sees of the memory, clipped together.
    fn seen(
        &self,
        parts: &mut Parts<'_, '_, '_>,
        sum: &str,
        memory: &str,
        weights: &[f64],
    ) -> Result<String, ImportError> {
        let weights = parts.constant(&[1, self.hidden], weights[..self.hidden].to_vec())?;
        let seen = parts.op("Mul", &[memory, &weights], &[])?;
        let sum = parts.op("Add", &[sum, &seen], &[])?;
        self.clipped(parts, sum)
    }

    fn gru(
        &self,
        parts: &mut Parts<'_, '_, '_>,
        input: &str,
        before: &States,
        linear_before_reset: bool,
    ) -> Result<States, ImportError> {
        let [gate, candidate] = &self.activations[..] else { return Ok(States::default()) };
        let both = self.gates(parts, input, &before.hidden, 0..2)?;
        let both = gate.apply(parts, &both)?;
        let both = parts.several("Split", &[&both], &[int("axis", 1)], 2)?;
        let (update, reset) = (&both[0], &both[1]);
        let sum = if linear_before_reset {
            let [weights, own] = self.rows(2..3);
            let inner = self.product(
                parts,
                input,
                self.features,
                &weights,
                &self.bias[0][2 * self.hidden..],
            )?;
            let state =
                self.state(parts, &before.hidden, &own, &self.bias[1][2 * self.hidden..])?;
            let state = parts.op("Mul", &[reset, &state], &[])?;
            let sum = parts.op("Add", &[&inner, &state], &[])?;
            self.clipped(parts, sum)?
        } else if before.hidden.is_empty() {
            self.gates(parts, input, "", 2..3)?
        } else {
            let state = parts.op("Mul", &[reset, &before.hidden], &[])?;
            self.gates(parts, input, &state, 2..3)?
        };
        let new = candidate.apply(parts, &sum)?;
        // new + update * (before - new)
        let hidden = if before.hidden.is_empty() {
            let kept = parts.op("Mul", &[update, &new], &[])?;
            parts.op("Sub", &[&new, &kept], &[])?
        } else {
            let change = parts.op("Sub", &[&before.hidden, &new], &[])?;
            let change = parts.op("Mul", &[update, &change], &[])?;
            parts.op("Add", &[&new, &change], &[])?
        };
        Ok(States { hidden, memory: String::new() })
    }

    /// Rows of some gates, of the weights and of the recurrence.
    fn rows(&self, gates: std::ops::Range<usize>) -> [Vec<f64>; 2] {
        let cut = |all: &[f64], width: usize| {
            let gate = self.hidden * width;
            all[gates.start * gate..gates.end * gate].to_vec()
        };
        [cut(&self.weights, self.features), cut(&self.recurrence, self.hidden)]
    }

    /// The sum of what the input and the state give to some gates.
    fn sums(
        &self,
        parts: &mut Parts<'_, '_, '_>,
        input: &str,
        hidden: &str,
        gates: std::ops::Range<usize>,
    ) -> Result<String, ImportError> {
        let range = gates.start * self.hidden..gates.end * self.hidden;
        let [weights, own] = self.rows(gates);
        let bias: Vec<f64> = range.map(|row| self.bias[0][row] + self.bias[1][row]).collect();
        let zeros = vec![0.0; bias.len()];
        let mut sum = self.product(parts, input, self.features, &weights, &bias)?;
        if !hidden.is_empty() {
            let state = self.state(parts, hidden, &own, &zeros)?;
            sum = parts.op("Add", &[&sum, &state], &[])?;
        }
        Ok(sum)
    }

    /// The same, clipped: what an activation function is given.
    fn gates(
        &self,
        parts: &mut Parts<'_, '_, '_>,
        input: &str,
        hidden: &str,
        gates: std::ops::Range<usize>,
    ) -> Result<String, ImportError> {
        let sum = self.sums(parts, input, hidden, gates)?;
        self.clipped(parts, sum)
    }

    fn clipped(&self, parts: &mut Parts<'_, '_, '_>, sum: String) -> Result<String, ImportError> {
        let Some(clip) = self.clip else { return Ok(sum) };
        let bounds = [parts.constant(&[], vec![-clip])?, parts.constant(&[], vec![clip])?];
        parts.op("Clip", &[&sum, &bounds[0], &bounds[1]], &[])
    }

    /// What the state gives: numbers where it is constant.
    fn state(
        &self,
        parts: &mut Parts<'_, '_, '_>,
        hidden: &str,
        rows: &[f64],
        bias: &[f64],
    ) -> Result<String, ImportError> {
        let known = if hidden.is_empty() {
            Some(vec![0.0; self.hidden])
        } else {
            parts.importer.constants.get(hidden).map(|state| state.values.clone())
        };
        let Some(known) = known else {
            return self.product(parts, hidden, self.hidden, rows, bias);
        };
        let sum = |row: &[f64]| row.iter().zip(&known).map(|(w, x)| w * x).sum::<f64>();
        let sums = rows.chunks(self.hidden).zip(bias).map(|(row, bias)| sum(row) + bias);
        let sums: Vec<f64> = sums.collect();
        parts.constant(&[1, sums.len()], sums)
    }

    fn product(
        &self,
        parts: &mut Parts<'_, '_, '_>,
        input: &str,
        width: usize,
        rows: &[f64],
        bias: &[f64],
    ) -> Result<String, ImportError> {
        let count = rows.len() / width;
        let matrix = parts.constant(&[count, width], rows.to_vec())?;
        let bias = parts.constant(&[count], bias[..count].to_vec())?;
        parts.op("Gemm", &[input, &matrix, &bias], &[int("transB", 1)])
    }
}
