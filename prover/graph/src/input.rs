//! The network's input: bytes, and the numbers that they stand for.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::{QuantizedGraph, Shape, TensorId};

/// The network's input: one byte per element, mapped to an activation by a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Tensor that holds the activations; no layer writes it.
    pub tensor: TensorId,
    /// Activation of byte `b` is `map[b]`; always 256 entries.
    pub map: Vec<i32>,
    /// Real value of byte `b` is `b * byte_scale + byte_offset`; for tools that convert floats.
    /// Finite and not 0.
    pub byte_scale: f64,
    /// Real value of byte 0, finite.
    pub byte_offset: f64,
    /// How real numbers become bytes where each channel has a scale of its own; the bytes stand for
    /// themselves then. `None` where a byte stands for a number as `byte_scale` and `byte_offset` say.
    pub values: Option<ValueEncoding>,
    /// The file's inputs, one after the other, where it has several; empty where it has one.
    pub parts: Vec<InputPart>,
    /// How the file's numbers lie in the input, where that is not `[channels, height, width]` row by
    /// row, and inputs are given in the file's order.
    pub order: Option<InputOrder>,
    /// Sizes of the file's axes that are not 1, without the batch, for each of its inputs; empty where the
    /// input's shape and order tell them.
    pub sizes: Vec<Vec<usize>>,
}

impl Input {
    /// Bytes of a number, 1 to 3; a commitment to an input says it.
    pub fn number_bytes(&self) -> usize {
        self.values.as_ref().map_or(1, |values| values.bytes)
    }
}

/// Where the numbers of a file's input lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InputOrder {
    /// The file has `[height, width, channels]`, as a sequence of vectors has it.
    ChannelsLast,
    /// Number `i` of the file is number `order[i]`.
    Listed(Vec<u32>),
}

impl InputOrder {
    /// Where each number of the file lies in an input of `shape`.
    pub fn places(&self, [channels, height, width]: Shape) -> Vec<u32> {
        let plane = height * width;
        match self {
            Self::ChannelsLast => (0..plane)
                .flat_map(|place| {
                    (0..channels).map(move |channel| (channel * plane + place) as u32)
                })
                .collect(),
            Self::Listed(order) => order.clone(),
        }
    }

    /// The numbers of an input, given in the file's order.
    pub fn stored(&self, shape: Shape, numbers: &[f64]) -> Vec<f64> {
        let mut stored = vec![0.0; numbers.len()];
        for (place, number) in self.places(shape).into_iter().zip(numbers) {
            if let Some(stored) = stored.get_mut(place as usize) {
                *stored = *number;
            }
        }
        stored
    }

    /// Whether each place of `count` has one number.
    pub(crate) fn is_complete(&self, count: usize) -> bool {
        let Self::Listed(order) = self else { return true };
        let mut seen = vec![false; count];
        for place in order {
            if let Some(seen) = seen.get_mut(*place as usize) {
                *seen = true;
            }
        }
        order.len() == count && seen.iter().all(|seen| *seen)
    }
}

/// One of several inputs of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputPart {
    /// Its name in the file.
    pub name: String,
    /// Its numbers, at least one.
    pub elements: usize,
}

/// Numbers as integers of one to three bytes, each channel of numbers with its own scale and offset. Of
/// several bytes the most significant one comes first: of two, channel `c` of the numbers is channels
/// `2c` and `2c + 1` of the input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValueEncoding {
    /// Bytes of a number, 1 to 3.
    pub bytes: usize,
    /// One for each channel of numbers.
    pub channels: Vec<ChannelEncoding>,
    /// Whether numbers beyond a channel's range become its nearest end, rather than being refused.
    pub clamp: bool,
}

/// The integer `n`, 0 to `most`, stands for `n * scale + offset`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChannelEncoding {
    /// Real difference of one integer to the next; positive and finite.
    pub scale: f64,
    /// Real value of 0, finite.
    pub offset: f64,
    /// Largest integer that an input may have.
    pub most: u32,
    /// Only numbers that an integer stands for exactly, such as ids, are taken.
    #[serde(default)]
    pub whole: bool,
}

/// A number that no integer of its channel stands for.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[error("{}", self.text())]
pub struct OutsideEncoding {
    /// Channel, or feature, from 0.
    pub channel: usize,
    /// Place in the channel, from 0.
    pub place: usize,
    /// The number.
    pub value: f64,
    /// Least number of the channel.
    pub low: f64,
    /// Largest number of the channel.
    pub high: f64,
    /// The channel takes whole numbers only.
    pub whole: bool,
}

impl OutsideEncoding {
    fn text(&self) -> String {
        let Self { value, low, high, whole, .. } = self;
        if *whole && value.fract() != 0.0 {
            return format!(
                "{value} is no whole number, and the network takes whole numbers of {low} to {high} there"
            );
        }
        if *whole {
            return format!(
                "{value} is outside {low} to {high}: the whole numbers that the network takes there, which are \
                 the rows of its table or what its samples showed"
            );
        }
        format!(
            "{value} is outside {low} to {high}, which is what the network's input can say there; import with \
             samples like this one, or say that such values shall become the nearest end (--clamp)"
        )
    }
}

impl ChannelEncoding {
    /// Least and largest number.
    pub fn range(&self) -> [f64; 2] {
        [self.offset, f64::from(self.most) * self.scale + self.offset]
    }

    /// Nearest integer of a number, unless the number is more than half a step outside the range; with
    /// `clamp` it then is the nearest end. `None` for what is no number, too. Numbers that are not whole are
    /// taken as float32, as networks take them: so that one with many decimals is equal to the thresholds
    /// that it is equal to there.
    pub fn encode(&self, value: f64, clamp: bool) -> Option<u32> {
        let value = if self.whole { value } else { f64::from(value as f32) };
        let exact = (value - self.offset) / self.scale;
        let steps = exact.round();
        // What counts or names things has no half: it would be another one.
        if self.whole && exact != steps {
            return None;
        }
        let most = f64::from(self.most);
        let inside = (0.0..=most).contains(&steps);
        (inside || (clamp && !value.is_nan())).then(|| steps.clamp(0.0, most) as u32)
    }
}

impl QuantizedGraph {
    /// Shape of the numbers that an input is made of, `[channels, height, width]`: that of its bytes
    /// but where a number has several.
    pub fn value_shape(&self) -> Shape {
        let shape = self.tensors[self.input.tensor].shape;
        self.input.values.as_ref().map_or(shape, |values| values.value_shape(shape))
    }
}

impl ValueEncoding {
    /// Shape of the numbers of an input whose bytes have `shape`.
    pub fn value_shape(&self, [channels, height, width]: Shape) -> Shape {
        [channels / self.bytes.max(1), height, width]
    }

    /// Bytes of an input whose numbers are `numbers`, channel after channel, `place`s of each together.
    ///
    /// # Errors
    /// [`OutsideEncoding`] for the first number that has no integer.
    pub fn encode(&self, numbers: &[f64], clamp: bool) -> Result<Vec<u8>, OutsideEncoding> {
        let places = (numbers.len() / self.channels.len().max(1)).max(1);
        let mut bytes = Vec::with_capacity(numbers.len() * self.bytes);
        for (channel, (encoding, numbers)) in
            self.channels.iter().zip(numbers.chunks(places)).enumerate()
        {
            let integers = numbers
                .iter()
                .enumerate()
                .map(|(place, value)| {
                    let [low, high] = encoding.range();
                    let whole = encoding.whole;
                    let outside =
                        OutsideEncoding { channel, place, value: *value, low, high, whole };
                    encoding.encode(*value, clamp || self.clamp).ok_or(outside)
                })
                .collect::<Result<Vec<_>, _>>()?;
            for byte in (0..self.bytes).rev() {
                bytes.extend(integers.iter().map(|integer| (integer >> (8 * byte)) as u8));
            }
        }
        Ok(bytes)
    }

    /// The numbers that an input's bytes stand for.
    pub fn decode(&self, bytes: &[u8]) -> Vec<f64> {
        let block = bytes.len() / self.channels.len().max(1);
        let places = block / self.bytes.max(1);
        let mut numbers = Vec::with_capacity(bytes.len() / self.bytes.max(1));
        for (encoding, bytes) in self.channels.iter().zip(bytes.chunks(block.max(1))) {
            numbers.extend((0..places).map(|place| {
                let integer = (0..self.bytes).fold(0, |integer, byte| {
                    integer << 8 | u32::from(bytes[byte * places + place])
                });
                f64::from(integer) * encoding.scale + encoding.offset
            }));
        }
        numbers
    }

    /// What is wrong with it for an input of `byte_channels` channels, if anything is.
    pub(crate) fn problem(&self, byte_channels: usize) -> Option<String> {
        if !(1..=3).contains(&self.bytes) {
            return Some(format!("numbers of {} bytes; 1 to 3 are allowed", self.bytes));
        }
        if self.channels.len().checked_mul(self.bytes) != Some(byte_channels) {
            return Some(format!(
                "{} channels of numbers of {} bytes for {byte_channels} channels of bytes",
                self.channels.len(),
                self.bytes
            ));
        }
        let most = (1u32 << (8 * self.bytes)) - 1;
        self.channels.iter().position(|encoding| {
            !encoding.scale.is_finite()
                || encoding.scale <= 0.0
                || !encoding.range().iter().all(|end| end.is_finite())
                || encoding.most > most
        })
        .map(|channel| {
            format!("the scale, the offset or the largest integer of channel {channel} is not usable")
        })
    }
}

/// The published form, which hashes are made of: without `values` where there are none, as before there
/// were any.
#[derive(Serialize, Deserialize)]
struct Published<'a> {
    tensor: TensorId,
    map: std::borrow::Cow<'a, [i32]>,
    byte_scale: f64,
    byte_offset: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    values: Option<ValueEncoding>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    parts: Vec<InputPart>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<InputOrder>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    sizes: Vec<Vec<usize>>,
}

/// The form of binary files, in which no field can be left out: the last four are kept beside it.
#[derive(Serialize, Deserialize)]
struct Packed<'a> {
    tensor: TensorId,
    map: std::borrow::Cow<'a, [i32]>,
    byte_scale: f64,
    byte_offset: f64,
}

impl Serialize for Input {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { tensor, byte_scale, byte_offset, .. } = *self;
        let map = self.map.as_slice().into();
        if serializer.is_human_readable() {
            let (values, parts) = (self.values.clone(), self.parts.clone());
            let (order, sizes) = (self.order.clone(), self.sizes.clone());
            Published { tensor, map, byte_scale, byte_offset, values, parts, order, sizes }
                .serialize(serializer)
        } else {
            Packed { tensor, map, byte_scale, byte_offset }.serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for Input {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let Published { tensor, map, byte_scale, byte_offset, values, parts, order, sizes } =
                Published::deserialize(deserializer)?;
            let map = map.into_owned();
            return Ok(Self { tensor, map, byte_scale, byte_offset, values, parts, order, sizes });
        }
        let Packed { tensor, map, byte_scale, byte_offset } = Packed::deserialize(deserializer)?;
        let (map, parts, sizes) = (map.into_owned(), Vec::new(), Vec::new());
        Ok(Self { tensor, map, byte_scale, byte_offset, values: None, parts, order: None, sizes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(bytes: usize) -> ValueEncoding {
        let channel = |scale, offset, most| ChannelEncoding { scale, offset, most, whole: false };
        let channels = vec![channel(0.5, -1.0, 200), channel(1.0, 0.0, 255)];
        ValueEncoding { bytes, channels, clamp: false }
    }

    #[test]
    fn two_bytes_are_the_more_significant_one_first() {
        let mut wide = encoding(2);
        wide.channels[1].most = 65_535;
        // Two places of each channel.
        let numbers = [-1.0, 99.0, 0.0, 258.0];
        let bytes = wide.encode(&numbers, false).expect("inside");
        assert_eq!(bytes, [0, 0, 0, 200, 0, 1, 0, 2]);
        assert_eq!(wide.decode(&bytes), numbers);
        assert_eq!(wide.value_shape([4, 1, 2]), [2, 1, 2]);
    }

    #[test]
    fn a_number_outside_is_named_or_clamped() {
        let encoding = encoding(1);
        assert_eq!(encoding.encode(&[99.2, 255.4], false), Ok(vec![200, 255]));
        let refused = encoding.encode(&[0.0, 255.6], false).expect_err("outside");
        assert_eq!((refused.channel, refused.place, refused.value), (1, 0, 255.6));
        assert!(refused.to_string().contains("255.6 is outside 0 to 255"), "{refused}");
        assert_eq!(encoding.encode(&[-50.0, 1e9], true), Ok(vec![0, 255]));
        assert!(encoding.encode(&[f64::NAN, 0.0], true).is_err());
    }

    #[test]
    fn the_published_form_is_as_before_without_values() {
        let plain = Input {
            tensor: 0,
            map: vec![1, 2],
            byte_scale: 1.0,
            byte_offset: 0.5,
            values: None,
            parts: Vec::new(),
            order: None,
            sizes: Vec::new(),
        };
        let text = serde_json::to_string(&plain).expect("text");
        assert_eq!(text, r#"{"tensor":0,"map":[1,2],"byte_scale":1.0,"byte_offset":0.5}"#);
        let parts = vec![InputPart { name: "user".into(), elements: 3 }];
        let (order, sizes) = (Some(InputOrder::ChannelsLast), vec![vec![3]]);
        let values = Input { values: Some(encoding(2)), parts, order, sizes, ..plain };
        let text = serde_json::to_string(&values).expect("text");
        assert_eq!(serde_json::from_str::<Input>(&text).expect("read"), values);
    }

    #[test]
    fn numbers_are_those_of_float32() {
        let wide = ChannelEncoding { scale: 1e-7, offset: 4.0, most: 1 << 23, whole: false };
        let in_float32 = f64::from(4.1271f32);
        assert_ne!(in_float32, 4.1271);
        assert_eq!(wide.encode(4.1271, false), wide.encode(in_float32, false));
        let ids = ChannelEncoding { scale: 1.0, offset: 0.0, most: (1 << 24) - 1, whole: true };
        assert_eq!(ids.encode(16_777_213.0, false), Some(16_777_213));
    }

    #[test]
    fn whole_numbers_have_no_half() {
        let id = ChannelEncoding { scale: 1.0, offset: 0.0, most: 9, whole: true };
        assert_eq!(id.encode(3.0, false), Some(3));
        assert_eq!((id.encode(1.5, false), id.encode(1.5, true)), (None, None));
        let outside =
            OutsideEncoding { channel: 0, place: 0, value: 1.5, low: 0.0, high: 9.0, whole: true };
        assert!(outside.to_string().contains("no whole number"), "{outside}");
        let beyond = OutsideEncoding { value: 12.0, ..outside }.to_string();
        assert!(beyond.contains("12 is outside 0 to 9") && beyond.contains("rows"), "{beyond}");
    }

    #[test]
    fn numbers_of_a_file_find_their_places() {
        let shape = [2, 1, 3];
        // A sequence of three vectors of two numbers.
        let numbers = [1.0, 10.0, 2.0, 20.0, 3.0, 30.0];
        let stored = InputOrder::ChannelsLast.stored(shape, &numbers);
        assert_eq!(stored, [1.0, 2.0, 3.0, 10.0, 20.0, 30.0]);
        let listed = InputOrder::Listed(InputOrder::ChannelsLast.places(shape));
        assert_eq!(listed.stored(shape, &numbers), stored);
        assert!(listed.is_complete(6) && !listed.is_complete(7));
        assert!(!InputOrder::Listed(vec![0, 0]).is_complete(2));
    }

    #[test]
    fn encodings_that_fit_no_input_are_refused() {
        assert_eq!(encoding(1).problem(2), None);
        assert_eq!(encoding(2).problem(4), None);
        type Change = fn(&mut ValueEncoding);
        let changes: [Change; 6] = [
            |e| e.bytes = 4,
            |e| e.bytes = 0,
            |e| e.channels.truncate(1),
            |e| e.channels[0].scale = 0.0,
            |e| e.channels[0].offset = f64::INFINITY,
            |e| e.channels[1].most = 256,
        ];
        for (index, change) in changes.into_iter().enumerate() {
            let mut changed = encoding(1);
            change(&mut changed);
            assert!(changed.problem(2).is_some(), "change {index}");
        }
    }
}
