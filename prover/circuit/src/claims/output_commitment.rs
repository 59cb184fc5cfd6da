//! The commitment to the outputs of a prediction that hides them.

use assay_arithmetic::packed_outputs::{OUTPUT_BITS, OUTPUTS_PER_ELEMENT, pack_outputs};
use assay_arithmetic::poseidon;
use assay_graph::ACTIVATION_OFFSET;

use super::Claims;
use crate::layout::scalar_program::Cell;

impl Claims<'_, '_> {
    /// Public input `place` is the chain over the outputs, each as integer + 2^15, 15 to an element.
    pub(super) fn output_commitment(&mut self, place: usize) {
        let hash = self.parts.hash.expect("the layout hashes outputs that are hidden");
        let graph = self.parts.graph;
        let outputs = graph.tensors[graph.output].shape[0];
        let elements = (0..outputs).step_by(OUTPUTS_PER_ELEMENT).map(|first| {
            let element = self.packed(first, OUTPUTS_PER_ELEMENT.min(outputs - first));
            Some(("hashed outputs", element))
        });
        let elements = elements.collect::<Vec<_>>();
        let domain = self.builder.constant(poseidon::output_domain(outputs));
        let commitment = self.chain(hash, hash.output_blocks(), domain, &elements);
        let instance = self.builder.instance(place);
        self.builder.equal("public output commitment", commitment, instance);
    }

    /// `sum_i 2^(16 i) (output_(first+i) + 2^15)`.
    fn packed(&mut self, first: usize, count: usize) -> Cell {
        let output = self.parts.graph.output;
        let mut terms = Vec::with_capacity(count + 1);
        for place in 0..count {
            let value = self.evaluation(output, first + place);
            terms.push((value, self.builder.power_of_two(OUTPUT_BITS * place as u32)));
        }
        // What the offsets of all of them add up to: one element.
        let zeros = vec![ACTIVATION_OFFSET as u16; count];
        let one = self.builder.one();
        for element in pack_outputs(&zeros) {
            terms.push((self.builder.constant(element), one));
        }
        self.builder.dot(&terms)
    }
}
