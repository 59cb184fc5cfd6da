//! ArgMax, ArgMin and TopK. At the very end the first is left out. Inside a network each pair of elements
//! along the axis is compared, and the places follow from the elements that each one beats: comparisons of
//! elements of one scale and sums of their zeros and ones are exact.

use super::{ImportError, Importer, Node, activation, integers, parts::Parts, softmax, windows};

/// Most elements along an axis: half as many pairs as its square are compared.
const MAX_ELEMENTS: usize = 64;
/// Most elements of all places of a TopK together.
const MAX_PLACES: usize = 1 << 9;

/// ArgMax and ArgMin.
pub(in crate::model) fn arg(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let output = node.outputs().first().map_or("", String::as_str);
    let inside = if importer.outlook.is_known(output) {
        !importer.outlook.is_final(output)
    } else {
        // What operators are taken apart into names labels.
        importer.loops > 0
    };
    let largest = node.operator() == "ArgMax";
    if !inside && node.int("select_last_index", 0) != 0 {
        return Err(node.error(
            "at the end of the network it takes the last of equal numbers, where a proof shows the first; export it \
             with select_last_index 0",
        ));
    }
    if !inside && largest {
        return softmax::dropped(importer, node);
    }
    let name = node.input(0).unwrap_or("");
    let axis = node.int("axis", 0);
    if !inside {
        // The least is the largest of what has the other sign.
        let mut parts = Parts::new(importer, node);
        let negative = parts.op("Neg", &[name], &[])?;
        let label = parts.op("ArgMax", &[&negative], &[super::parts::int("axis", axis)])?;
        return parts.bind(0, &label);
    }
    let value = activation(importer, node, 0)?;
    let axis = windows::axis(node, axis, value.shape.len())?;
    let last = node.int("select_last_index", 0) != 0;
    let mut shape = value.shape.clone();
    shape[axis] = 1;
    if node.int("keepdims", 1) == 0 {
        shape.remove(axis);
    }
    let mut parts = Parts::new(importer, node);
    let order = Order { largest, last };
    let ranking = Ranking::new(&mut parts, node, &value.shape, axis, order)?;
    let (_, index) = ranking.top(&mut parts, node, 1, [false, true])?;
    let shape = parts.integers(&shape)?;
    let result = parts.op("Reshape", &[&index, &shape], &[])?;
    parts.bind(0, &result)
}

/// TopK with a constant K; the best are in order.
pub(in crate::model) fn top(
    importer: &mut Importer<'_>,
    node: &Node<'_>,
) -> Result<(), ImportError> {
    let value = activation(importer, node, 0)?;
    let axis = windows::axis(node, node.int("axis", -1), value.shape.len())?;
    let wanted = match integers(importer, node, "k", 1)?.as_deref() {
        Some([only]) => *only,
        // Of the first version.
        _ => node.int("k", 0),
    };
    let count = usize::try_from(wanted).ok().filter(|k| (1..=value.shape[axis]).contains(k));
    let count = count.ok_or_else(|| {
        node.error(format!("the best {wanted} of {} elements", value.shape[axis]))
    })?;
    let order = Order { largest: node.int("largest", 1) != 0, last: false };
    let asked = [0, 1].map(|index| node.outputs().get(index).is_some_and(|name| !name.is_empty()));
    let mut parts = Parts::new(importer, node);
    let ranking = Ranking::new(&mut parts, node, &value.shape, axis, order)?;
    let (values, indices) = ranking.top(&mut parts, node, count, asked)?;
    if asked[0] {
        parts.bind(0, &values)?;
    }
    if asked[1] {
        parts.bind(1, &indices)?;
        if let Some(name) = node.outputs().get(1) {
            // An integer, unlike the values.
            parts.importer.kinds.insert(name.clone(), 7);
        }
    }
    Ok(())
}

/// Which element is the better one.
#[derive(Clone, Copy)]
struct Order {
    largest: bool,
    /// Of equals the last, rather than the first.
    last: bool,
}

/// The elements along an axis, compared.
struct Ranking {
    /// The elements, that axis last.
    elements: String,
    /// For each pair whether the one that is earlier in the order of equals beats the other; pairs last.
    beats: String,
    count: usize,
    axis: usize,
    rank: usize,
    last: bool,
}

impl Ranking {
    fn new(
        parts: &mut Parts<'_, '_, '_>,
        node: &Node<'_>,
        shape: &[usize],
        axis: usize,
        order: Order,
    ) -> Result<Self, ImportError> {
        let count = shape[axis];
        if count > MAX_ELEMENTS {
            return Err(node.error(format!(
                "over {count} elements inside the network; up to {MAX_ELEMENTS} are supported there, as each \
                 pair is compared: export the network up to it, and choose among its outputs"
            )));
        }
        let name = node.input(0).unwrap_or("");
        let rank = shape.len();
        let elements = moved(parts, name, rank, axis, rank - 1)?;
        let pairs = count * (count - 1) / 2;
        if pairs == 0 {
            let (beats, last) = (String::new(), order.last);
            return Ok(Self { elements, beats, count, axis, rank, last });
        }
        let mut differences = vec![0.0; count * pairs];
        let sign = if order.largest { 1.0 } else { -1.0 };
        for (pair, [first, second]) in Self::pairs(count, order.last).enumerate() {
            differences[first * pairs + pair] = sign;
            differences[second * pairs + pair] = -sign;
        }
        let differences = parts.constant(&[count, pairs], differences)?;
        let differences = parts.op("MatMul", &[&elements, &differences], &[])?;
        let zero = parts.constant(&[], vec![0.0])?;
        let beats = parts.op("GreaterOrEqual", &[&differences, &zero], &[])?;
        Ok(Self { elements, beats, count, axis, rank, last: order.last })
    }

    /// All pairs; of equals the first of a pair is the better one.
    fn pairs(count: usize, last: bool) -> impl Iterator<Item = [usize; 2]> {
        let ascending = (0..count).flat_map(move |i| (i + 1..count).map(move |j| [i, j]));
        ascending.map(move |[i, j]| if last { [j, i] } else { [i, j] })
    }

    /// Values and places of the best `wanted` elements, the best first, where they are asked for.
    fn top(
        &self,
        parts: &mut Parts<'_, '_, '_>,
        node: &Node<'_>,
        wanted: usize,
        [values, indices]: [bool; 2],
    ) -> Result<(String, String), ImportError> {
        let (count, cells) = (self.count, wanted * self.count);
        if cells > MAX_PLACES {
            return Err(node.error(format!(
                "the best {wanted} of {count} elements inside the network; up to {MAX_PLACES} for the product \
                 of both are supported: take fewer, or choose among the network's outputs"
            )));
        }
        let within = self.within(parts, wanted)?;
        // Element `e` is at place `p` where it is among the best `p + 1`, and not among the best `p`.
        let mut place = vec![0.0; cells * wanted];
        let mut at_place = vec![0.0; cells * cells];
        for (p, e) in (0..wanted).flat_map(|p| (0..count).map(move |e| (p, e))) {
            let cell = p * count + e;
            place[cell * wanted + p] += e as f64;
            at_place[cell * cells + cell] = 1.0;
            if p + 1 < wanted {
                place[cell * wanted + p + 1] -= e as f64;
                at_place[cell * cells + cell + count] = -1.0;
            }
        }
        let mut found = (String::new(), String::new());
        if indices {
            let place = parts.constant(&[cells, wanted], place)?;
            let place = parts.op("MatMul", &[&within, &place], &[])?;
            // Whole, and so at a scale at which it stays so.
            let place = parts.op("Round", &[&place], &[])?;
            found.1 = moved(parts, &place, self.rank, self.rank - 1, self.axis)?;
        }
        if values {
            let at_place = parts.constant(&[cells, cells], at_place)?;
            let at_place = parts.op("MatMul", &[&within, &at_place], &[])?;
            let (mut copies, mut sums) = (vec![0.0; count * cells], vec![0.0; cells * wanted]);
            for cell in 0..cells {
                copies[cell % count * cells + cell] = 1.0;
                sums[cell * wanted + cell / count] = 1.0;
            }
            let copies = parts.constant(&[count, cells], copies)?;
            let copies = parts.op("MatMul", &[&self.elements, &copies], &[])?;
            let kept = parts.op("Mul", &[&copies, &at_place], &[])?;
            let sums = parts.constant(&[cells, wanted], sums)?;
            let sums = parts.op("MatMul", &[&kept, &sums], &[])?;
            found.0 = moved(parts, &sums, self.rank, self.rank - 1, self.axis)?;
        }
        Ok(found)
    }

    /// For each place up to `wanted` and each element whether it is among as many best.
    fn within(&self, parts: &mut Parts<'_, '_, '_>, wanted: usize) -> Result<String, ImportError> {
        let (count, cells) = (self.count, wanted * self.count);
        if self.beats.is_empty() {
            // The only element is the best, whatever it is.
            let zero = parts.constant(&[], vec![0.0])?;
            let nothing = parts.op("Mul", &[&self.elements, &zero], &[])?;
            let one = parts.constant(&[], vec![1.0])?;
            return parts.op("Add", &[&nothing, &one], &[]);
        }
        let pairs = count * (count - 1) / 2;
        let mut wins = vec![0.0; pairs * cells];
        let mut bias = vec![0.0; cells];
        for (pair, [first, second]) in Self::pairs(count, self.last).enumerate() {
            for place in 0..wanted {
                wins[pair * cells + place * count + first] = 1.0;
                wins[pair * cells + place * count + second] = -1.0;
                bias[place * count + second] += 1.0;
            }
        }
        // Among the best `place + 1` is what beats all but `place` others.
        for (cell, bias) in bias.iter_mut().enumerate() {
            *bias -= count as f64 - 1.5 - (cell / count) as f64;
        }
        let wins = parts.constant(&[pairs, cells], wins)?;
        let wins = parts.op("MatMul", &[&self.beats, &wins], &[])?;
        let bias = parts.constant(&[cells], bias)?;
        let above = parts.op("Add", &[&wins, &bias], &[])?;
        let zero = parts.constant(&[], vec![0.0])?;
        parts.op("GreaterOrEqual", &[&above, &zero], &[])
    }
}

/// The value with one of its axes in another place, the others in their order.
fn moved(
    parts: &mut Parts<'_, '_, '_>,
    name: &str,
    rank: usize,
    from: usize,
    to: usize,
) -> Result<String, ImportError> {
    if from == to {
        return Ok(name.to_owned());
    }
    let mut order = (0..rank).collect::<Vec<_>>();
    let axis = order.remove(from);
    order.insert(to, axis);
    parts.op("Transpose", &[name], &[super::parts::ints("perm", &order)])
}
