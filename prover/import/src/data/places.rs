//! Where the numbers of an array lie in an input.

use super::Source;
use assay_graph::{InputOrder, Shape};

/// Where each number of an array of one input's numbers lies in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Places {
    /// In their order.
    InOrder,
    /// Number `i` of the array is number `places[i]` of the input.
    At(Vec<u32>),
}

impl Places {
    fn of(order: Option<&InputOrder>, shape: Shape) -> Self {
        order.map_or(Self::InOrder, |order| Self::At(order.places(shape)))
    }

    /// The input's numbers, `[channels, height, width]`.
    pub fn stored<T: Copy + Default>(&self, numbers: &[T]) -> Vec<T> {
        let Self::At(places) = self else { return numbers.to_vec() };
        let mut stored = vec![T::default(); numbers.len()];
        for (place, number) in places.iter().zip(numbers) {
            if let Some(stored) = stored.get_mut(*place as usize) {
                *stored = *number;
            }
        }
        stored
    }
}

/// The sizes that are not 1: others do not matter to where numbers lie.
pub(super) fn squeezed(sizes: &[u64]) -> Vec<u64> {
    sizes.iter().copied().filter(|size| *size != 1).collect()
}

impl Source<'_> {
    /// Where the numbers of an array of `sizes`, without an axis of inputs, lie in an input. Arrays have the
    /// shape that the network's file declares, or are flat, in the file's order; where the file takes an image,
    /// its channels may also come last instead of first, or first instead of last. Axes of size 1 do not
    /// matter.
    ///
    /// # Errors
    /// For every other shape, the sizes that the file declares.
    pub fn places(&self, sizes: &[u64]) -> Result<Places, Vec<u64>> {
        let given = squeezed(sizes);
        let count = self.shape.iter().map(|size| *size as u64).product::<u64>();
        let own = self.own_sizes();
        if given == own || given == squeezed(&[count]) {
            return Ok(Places::of(self.order, self.shape));
        }
        let [channels, height, width] = self.shape.map(|size| size as u64);
        match self.order {
            None if self.told() && given == squeezed(&[height, width, channels]) => {
                Ok(Places::of(Some(&InputOrder::ChannelsLast), self.shape))
            }
            Some(InputOrder::ChannelsLast)
                if self.told() && given == squeezed(&[channels, height, width]) =>
            {
                Ok(Places::InOrder)
            }
            None if self.told() => Err(vec![channels, height, width]),
            Some(InputOrder::ChannelsLast) if self.told() && height == 1 => {
                Err(vec![width, channels])
            }
            Some(InputOrder::ChannelsLast) if self.told() => Err(vec![height, width, channels]),
            _ => Err(if own.is_empty() { vec![1] } else { own }),
        }
    }

    /// The input's shape and order tell what the file's axes are.
    fn told(&self) -> bool {
        self.sizes.is_empty() && self.parts.is_empty()
    }

    /// Sizes of the file's axes that are not 1.
    fn own_sizes(&self) -> Vec<u64> {
        let [channels, height, width] = self.shape.map(|size| size as u64);
        let flat = || squeezed(&[channels * height * width]);
        match (self.sizes, self.order) {
            _ if !self.parts.is_empty() => flat(),
            ([sizes, ..], _) => sizes.iter().map(|size| *size as u64).collect(),
            ([], None) => squeezed(&[channels, height, width]),
            ([], Some(InputOrder::ChannelsLast)) => squeezed(&[height, width, channels]),
            // Architectures of before do not say it.
            ([], Some(InputOrder::Listed(_))) => flat(),
        }
    }

    /// Whether an array of `sizes`, without an axis of inputs, holds part `index` of several inputs in the
    /// file's order: flat, or of the shape that the file declares.
    pub fn is_part(&self, index: usize, sizes: &[u64]) -> bool {
        let given = squeezed(sizes);
        let Some(part) = self.parts.get(index) else { return false };
        let own = self.sizes.get(index).map(|own| own.iter().map(|size| *size as u64));
        // Architectures of before do not say the shape.
        let fits = |own| given == squeezed(&[part.elements as u64]) || Vec::from_iter(own) == given;
        let count = given.iter().try_fold(1u64, |count, size| count.checked_mul(*size));
        own.map_or(count == Some(part.elements as u64), fits)
    }

    /// Shape of the pictures that are an input, `[channels, height, width]`, and where their numbers lie;
    /// `None` where the file takes no picture.
    pub(crate) fn picture(&self) -> Option<(Shape, Places)> {
        if self.told() && !matches!(self.order, Some(InputOrder::Listed(_))) {
            return Some((self.shape, Places::InOrder));
        }
        let shape = match *self.sizes.first()?.as_slice() {
            [height, width] => [1, height, width],
            // With three columns besides, either may be the channels.
            [3, height, width] if width != 3 => [3, height, width],
            _ => return None,
        };
        Some((shape, Places::of(self.order, self.shape)))
    }
}
