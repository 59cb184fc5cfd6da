//! Going down a tree of remainders, eight transforms side by side.

use super::{
    factor::{Factor, reduce_roughly, times},
    memory::Block,
};
use crate::{
    field::FrModulus,
    ifma::vector::{self, Eight},
    transform::reversed,
};

/// A tree's twiddles by nodes. Where it is `plain`, the first node of each level has the twiddle 1.
///
/// It is gone down by two levels at a time, but for one at the top where their number is odd. The top ones
/// are done when the elements are loaded and the lowest two when they are stored: what waits for memory then
/// has something to do.
#[derive(Clone, Copy)]
pub(super) struct Tree<'a> {
    pub(super) twiddles: &'a [Factor],
    pub(super) plain: bool,
}

impl Tree<'_> {
    /// Fills a block of at least four elements by rows, below 3 p, and does all but the lowest two levels.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    pub(super) fn top(self, block: &mut [Block], fill: impl Fn(usize, &mut Block)) {
        let length = block.len();
        if length == 4 {
            block.iter_mut().enumerate().for_each(|(row, place)| fill(row, place));
        } else if length.ilog2().is_multiple_of(2) {
            for (i, [a, b, c, d]) in quarters(block).enumerate() {
                fill(i, a);
                fill(i + length / 4, b);
                fill(i + length / 2, c);
                fill(i + length / 4 * 3, d);
                self.two_levels([a, b, c, d], 1);
            }
            for (i, part) in block.chunks_exact_mut(length / 4).enumerate() {
                self.middle(part, 4 + i);
            }
        } else {
            let (low, high) = block.split_at_mut(length / 2);
            for (i, (a, b)) in low.iter_mut().zip(&mut *high).enumerate() {
                fill(i, a);
                fill(i + length / 2, b);
                self.first_level(a, b);
            }
            self.middle(low, 2);
            self.middle(high, 3);
        }
    }

    /// All levels but the lowest two, from node `node` downwards; an even number of levels.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn middle(self, block: &mut [Block], node: usize) {
        if block.len() <= 4 {
            return;
        }
        for four in quarters(block) {
            self.two_levels(four, node);
        }
        for (i, part) in block.chunks_exact_mut(block.len() / 4).enumerate() {
            self.middle(part, 4 * node + i);
        }
    }

    /// The lowest two levels of four elements, the `j`-th to be stored, and the outputs that they are.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    pub(super) fn leaf(self, block: &mut [Block], j: usize) -> (&[Block; 4], [usize; 4]) {
        let log = block.len().ilog2();
        let leaf = reversed(j, log - 2);
        let four = &mut block.as_chunks_mut::<4>().0[leaf];
        self.two_levels(four.each_mut(), (1 << (log - 2)) + leaf);
        (four, first_leaves(log).map(|output| output + j))
    }

    /// The uppermost level at two elements.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn first_level(self, a: &mut Block, b: &mut Block) {
        let (x, y) = (a.get(), b.get());
        let y = if self.plain { y } else { times(&y, &self.twiddles[1]) };
        a.put(&vector::add_raw(&x, &y));
        b.put(&vector::sub_raw::<FrModulus, 3>(&x, &y));
    }

    /// Two levels at four elements.
    #[inline]
    #[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
    fn two_levels(self, four: [&mut Block; 4], node: usize) {
        let twiddles = [node, 2 * node, 2 * node + 1].map(|node| &self.twiddles[node]);
        if !(self.plain && node.is_power_of_two()) {
            butterfly(four, twiddles);
        } else if node == 1 {
            let inputs = four.each_ref().map(|block| block.get());
            butterfly_of_ones(four, inputs, twiddles[2]);
        } else {
            let [a, b, c, d] = four.each_ref().map(|block| block.get());
            let inputs = [a, reduce_roughly(&b), reduce_roughly(&c), reduce_roughly(&d)];
            butterfly_of_ones(four, inputs, twiddles[2]);
        }
    }
}

/// The elements of a block that are a quarter of its length apart, together.
#[inline]
fn quarters(block: &mut [Block]) -> impl Iterator<Item = [&mut Block; 4]> {
    let (low, high) = block.split_at_mut(block.len() / 2);
    let (a, b) = low.split_at_mut(low.len() / 2);
    let (c, d) = high.split_at_mut(high.len() / 2);
    a.iter_mut().zip(b).zip(c).zip(d).map(|(((a, b), c), d)| [a, b, c, d])
}

/// Two levels: by the first twiddle at the upper one, by the other two at the lower one.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn butterfly([a, b, c, d]: [&mut Block; 4], [upper, left, right]: [&Factor; 3]) {
    let c_product = times(&c.get(), upper);
    let d_product = times(&d.get(), upper);
    let (a_in, b_in) = (a.get(), b.get());
    let (sum, difference) =
        (vector::add_raw(&b_in, &d_product), vector::sub_raw::<FrModulus, 2>(&b_in, &d_product));
    let (sum, difference) = (times(&sum, left), times(&difference, right));
    let (low, high) =
        (vector::add_raw(&a_in, &c_product), vector::sub_raw::<FrModulus, 2>(&a_in, &c_product));
    a.put(&vector::add_raw(&low, &sum));
    b.put(&vector::sub_raw::<FrModulus, 2>(&low, &sum));
    c.put(&vector::add_raw(&high, &difference));
    d.put(&vector::sub_raw::<FrModulus, 2>(&high, &difference));
}

/// As [`butterfly`] where the first two twiddles are 1. The inputs but the first are below 3 p.
#[inline]
#[target_feature(enable = "avx512f,avx512ifma,avx512vl,avx512dq")]
fn butterfly_of_ones([a, b, c, d]: [&mut Block; 4], inputs: [Eight; 4], right: &Factor) {
    let [a_in, b_in, c_in, d_in] = inputs;
    let (low, high) =
        (vector::add_raw(&a_in, &c_in), vector::sub_raw::<FrModulus, 3>(&a_in, &c_in));
    let sum = vector::add_raw(&b_in, &d_in);
    let difference = times(&vector::sub_raw::<FrModulus, 3>(&b_in, &d_in), right);
    a.put(&vector::add_raw(&low, &sum));
    b.put(&vector::sub_raw::<FrModulus, 6>(&low, &sum));
    c.put(&vector::add_raw(&high, &difference));
    d.put(&vector::sub_raw::<FrModulus, 2>(&high, &difference));
}

/// The outputs of the first four leaves of a tree of 2^log.
pub(super) fn first_leaves(log: u32) -> [usize; 4] {
    std::array::from_fn(|leaf| reversed(leaf, log))
}
