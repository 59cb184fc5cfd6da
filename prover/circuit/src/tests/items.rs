//! Runs of items for the tests of statements about collections.

use super::*;

/// Items of a run in a tree, everything else of the tree made up.
pub(super) struct Items {
    pub graph: QuantizedGraph,
    bytes: Vec<Vec<u8>>,
    pub executions: Vec<Execution>,
    pub labels: Vec<usize>,
    /// Whether the items of a retrieval have labels.
    pub labelled: bool,
    pub place: TreePlace,
}

impl Items {
    /// `count` of the run's items count: the inputs, turned; labels alternate between right ones and
    /// others.
    pub(super) fn new(graph: QuantizedGraph, inputs: &[Vec<u8>], run: Run, count: usize) -> Self {
        let bytes = (0..run.items())
            .map(|item| {
                let mut bytes = inputs[item % inputs.len()].clone();
                let length = bytes.len().max(1);
                bytes.rotate_left(item % 7 % length);
                bytes
            })
            .collect();
        Self::of(graph, bytes, run, count)
    }

    /// The same with the inputs as they are.
    pub(super) fn untouched(
        graph: QuantizedGraph,
        inputs: &[Vec<u8>],
        run: Run,
        count: usize,
    ) -> Self {
        let bytes = (0..run.items()).map(|item| inputs[item % inputs.len()].clone()).collect();
        Self::of(graph, bytes, run, count)
    }

    fn of(graph: QuantizedGraph, bytes: Vec<Vec<u8>>, run: Run, count: usize) -> Self {
        let classes = graph.tensors[graph.output].shape[0];
        let executor = Executor::new(&graph).expect("valid graph");
        let executions =
            bytes.iter().map(|bytes| executor.run(bytes).expect("in range")).collect::<Vec<_>>();
        let labels = executions
            .iter()
            .enumerate()
            .map(|(item, execution)| {
                let best = first_of_largest(&execution.tensors[graph.output]);
                if item % 3 == 1 { (best + 1) % classes } else { best }
            })
            .collect();
        let place = place(run, if run.path() > 0 { 1 } else { 0 }, count);
        drop(executor);
        Self { graph, bytes, executions, labels, labelled: false, place }
    }

    /// The run becomes the `index`th of its tree.
    pub(super) fn move_to(&mut self, run: Run, index: usize) {
        self.place = place(run, index, self.place.count);
    }

    pub(super) fn inputs(
        &self,
        class: impl Fn(usize) -> usize,
        labelled: bool,
    ) -> Vec<ProvenInput<'_>> {
        (0..self.bytes.len())
            .map(|item| ProvenInput {
                bytes: &self.bytes[item],
                salt: Fr::from(500 + item as u64),
                output_salt: Fr::zero(),
                label: if labelled { self.labels[item] as u64 } else { 0 },
                class: class(item),
                execution: &self.executions[item],
            })
            .collect()
    }

    /// Checks the circuit after `change`.
    pub(super) fn failures(
        &self,
        options: LayoutOptions,
        change: impl Fn(&mut Assignment<'_>, &mut Vec<Fr>),
    ) -> Vec<VerifyFailure> {
        self.failures_after(options, change, |_, _, _| {})
    }

    /// Checks the circuit after `change`, and after `forge` has changed the first phase; what comes
    /// later follows both.
    pub(super) fn failures_after(
        &self,
        options: LayoutOptions,
        change: impl Fn(&mut Assignment<'_>, &mut Vec<Fr>),
        forge: impl Fn(&Assignment<'_>, &mut FirstPhase, &mut Vec<Fr>),
    ) -> Vec<VerifyFailure> {
        let layout = Layout::new(&self.graph, options).expect("layout");
        let inputs = match options.statement {
            StatementKind::Retrieval { class, .. } => self.inputs(|_| class, self.labelled),
            _ => self.inputs(|item| self.labels[item], true),
        };
        let mut assignment = Assignment {
            graph: &self.graph,
            layout: &layout,
            inputs,
            place: Some(self.place.clone()),
        };
        let mut public = vec![Fr::from(9)];
        public.extend(assignment.public_values());
        change(&mut assignment, &mut public);
        let weights = layout.weight_columns(&self.graph, &BlindingSeed([7; 32]), OsRng);
        let mut first = assignment.first_phase(weights, OsRng).expect("witness");
        forge(&assignment, &mut first, &mut public);
        check(&assignment, &first, &public, Vec::new())
    }

    pub(super) fn logits(&self, item: usize) -> &[i32] {
        &self.executions[item].tensors[self.graph.output]
    }

    pub(super) fn correct(&self, top: usize) -> usize {
        (0..self.place.count)
            .filter(|item| {
                let logits = &self.executions[*item].tensors[self.graph.output];
                let label = self.labels[*item];
                let beats = |j: usize| {
                    logits[j] > logits[label] || (logits[j] == logits[label] && j < label)
                };
                (0..logits.len()).filter(|j| beats(*j)).count() < top
            })
            .count()
    }
}

pub(super) fn first_of_largest(logits: &[i32]) -> usize {
    let largest = logits.iter().max().expect("logits");
    logits.iter().position(|logit| logit == largest).expect("found")
}

/// The `index`th run of a tree whose other nodes are made up.
fn place(run: Run, index: usize, count: usize) -> TreePlace {
    TreePlace::new(
        run.items() * index,
        count,
        (count..run.items()).map(|item| Fr::from(item as u64)).collect(),
        (0..run.path()).map(|height| Fr::from(1000 + height as u64)).collect(),
    )
}

pub(super) fn audit(log_items: u32, depth: u32, top: usize) -> StatementKind {
    StatementKind::Audit { run: Run { log_items, depth }, top }
}
