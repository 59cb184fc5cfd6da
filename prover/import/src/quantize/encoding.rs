//! The choice of an input's encoding from sample inputs.

use super::{InputEncoding, QuantizeError};
use crate::model::InputChannel;
use assay_graph::{ChannelEncoding, Shape, ValueEncoding};

/// Inputs of up to this many numbers take two bytes a number where one would lose something.
const MOST_WIDE: usize = 1 << 13;

/// How the numbers of an input become bytes.
#[derive(Clone, Debug, PartialEq)]
pub enum InputChoice {
    /// One scale for all, a byte a number.
    Bytes(InputEncoding),
    /// Each channel, or feature, has its own.
    Channels(ValueEncoding),
}

/// What is asked of an encoding.
#[derive(Clone, Debug, PartialEq)]
pub struct EncodingOptions {
    /// Bits of a number, 8 to 24. By default 8 where they lose nothing or the input is large; else 16, or
    /// 24 where the network compares features with thresholds, and as many as integers need.
    pub bits: Option<u32>,
    /// Room on each side of the range seen, as a part of its width.
    pub margin: f64,
    /// Of each feature, the part of the numbers that is covered, in percent: the ends beyond it are cut.
    pub percentile: f64,
    /// The range of all features, instead of what is seen.
    pub range: Option<[f64; 2]>,
    /// The network compares features with thresholds, which may lie close to each other.
    pub compares: bool,
    /// What the network's file says of each channel, for those that take integers: one step of theirs is
    /// 1. Channels that are not named take reals.
    pub channels: Vec<InputChannel>,
}

impl Default for EncodingOptions {
    fn default() -> Self {
        Self {
            bits: None,
            margin: 0.5,
            percentile: 100.0,
            range: None,
            compares: false,
            channels: Vec::new(),
        }
    }
}

impl EncodingOptions {
    fn check(&self) -> Result<(), QuantizeError> {
        let option =
            |option, value: String, allowed| Err(QuantizeError::Option { option, value, allowed });
        if let Some(bits) = self.bits.filter(|bits| !(8..=24).contains(bits)) {
            return option("value_bits", bits.to_string(), "8 to 24");
        }
        if !(0.0..=100.0).contains(&self.margin) {
            return option("value_margin", self.margin.to_string(), "0 to 100");
        }
        if !(self.percentile > 50.0 && self.percentile <= 100.0) {
            return option("value_percentile", self.percentile.to_string(), "above 50, to 100");
        }
        match self.range {
            Some([low, high]) if !(low.is_finite() && high.is_finite() && low < high) => option(
                "value_range",
                format!("{low}:{high}"),
                "LOW:HIGH, the first below the second",
            ),
            _ => Ok(()),
        }
    }
}

/// The encoding for inputs of `shape`, `[channels, height, width]`, such as `samples`: bytes with one
/// scale where they lose nothing of the samples, else a scale for each channel.
///
/// # Errors
/// [`QuantizeError::Option`], [`QuantizeError::NoInputs`], and [`QuantizeError::Encoding`] for numbers
/// that are not finite, or integers too far apart.
pub fn choose_encoding(
    samples: &[Vec<f64>],
    shape: Shape,
    options: &EncodingOptions,
) -> Result<InputChoice, QuantizeError> {
    options.check()?;
    if samples.is_empty() {
        return Err(QuantizeError::NoInputs);
    }
    let plane = shape[1] * shape[2];
    let name = |channel: usize| match options.channels.get(channel) {
        Some(channel) => format!("`{}`", channel.name),
        None => format!("feature {channel}"),
    };
    for (index, sample) in samples.iter().enumerate() {
        if let Some(at) = sample.iter().position(|value| !value.is_finite()) {
            let (name, value) = (name(at / plane.max(1)), sample[at]);
            let missing = if value.is_nan() {
                ": mark what is missing by a number, such as -1, and let the file's imputer look for that"
            } else {
                ""
            };
            return Err(QuantizeError::Encoding(format!(
                "sample {index} holds {value} for {name}{missing}"
            )));
        }
    }
    let integral = options.channels.iter().any(|channel| channel.integers.is_some());
    let asked = options.bits.is_some() || options.range.is_some() || integral;
    if !asked && options.percentile == 100.0 {
        let known = [InputEncoding::UNIT, InputEncoding::RAW, InputEncoding::SYMMETRIC];
        if let Some(exact) = known.into_iter().find(|encoding| is_exact(encoding, samples)) {
            return Ok(InputChoice::Bytes(exact));
        }
    }
    let channels = (0..shape[0]).map(|channel| Channel::of(samples, shape, channel, options));
    let channels = channels.collect::<Vec<_>>();
    for (index, channel) in channels.iter().enumerate() {
        channel.check_rows(&name(index))?;
    }
    let wide = shape.iter().product::<usize>() <= MOST_WIDE;
    let bits = match options.bits {
        Some(bits) => bits,
        None if channels.iter().all(|channel| channel.lattice(8).is_some()) => 8,
        None if !wide => 8,
        None => {
            if options.compares {
                24
            } else {
                16
            }
        }
    };
    let fits = |bits: u32| channels.iter().all(|channel| channel.encoding(bits, options).is_some());
    let enough = options.bits.is_some() || fits(bits);
    let bits = if enough { bits } else { [16, 24].into_iter().find(|b| fits(*b)).unwrap_or(24) };
    let channels = channels.iter().enumerate().map(|(index, channel)| {
        channel.encoding(bits, options).ok_or_else(|| {
            QuantizeError::Encoding(format!(
                "the integers of {} reach from {} to {}, more than {bits} bits hold; {}",
                name(index),
                channel.low,
                channel.high,
                if bits < 24 {
                    "give them more bits (--value-bits)"
                } else {
                    "take their least from them before the network, or count in larger units"
                }
            ))
        })
    });
    let channels = channels.collect::<Result<_, _>>()?;
    let bytes = bits.div_ceil(8) as usize;
    Ok(InputChoice::Channels(ValueEncoding { bytes, channels, clamp: false }))
}

/// Whether every number is that of a byte.
fn is_exact(encoding: &InputEncoding, samples: &[Vec<f64>]) -> bool {
    samples.iter().flatten().all(|value| {
        let byte = encoding.checked(*value, false);
        byte.is_ok_and(|byte| (encoding.decode(byte) - value).abs() < 1e-4 * encoding.scale)
    })
}

/// What the samples of a channel show.
struct Channel {
    low: f64,
    high: f64,
    /// The step of which all numbers are multiples, from `low` on, if there is one.
    step: Option<f64>,
    /// What its type holds, where it takes integers.
    integers: Option<[f64; 2]>,
    /// The rows that it chooses from.
    rows: Option<[f64; 2]>,
}

impl Channel {
    fn of(samples: &[Vec<f64>], shape: Shape, channel: usize, options: &EncodingOptions) -> Self {
        let plane = shape[1] * shape[2];
        let part = |sample: &Vec<f64>| {
            let end = sample.len().min((channel + 1) * plane);
            sample[(channel * plane).min(end)..end].to_vec()
        };
        let mut values = samples.iter().flat_map(part).collect::<Vec<_>>();
        values.sort_by(f64::total_cmp);
        let cut = ((1.0 - options.percentile / 100.0) * values.len() as f64) as usize;
        let kept = &values[cut.min(values.len() / 2)..values.len() - cut.min(values.len() / 2)];
        let ends = (kept.first().copied().unwrap_or(0.0), kept.last().copied().unwrap_or(0.0));
        let known = options.channels.get(channel);
        let integers = known.and_then(|known| known.integers);
        let rows = known.and_then(|known| known.rows).filter(|rows| rows[0] <= rows[1]);
        let rows = rows.filter(|_| integers.is_some());
        let range = options.range.filter(|_| rows.is_none());
        let (low, high) = range.map_or(ends, |[low, high]| (low, high));
        let step = if integers.is_some() { Some(1.0) } else { common_step(kept, low) };
        Self { low, high, step, integers, rows }
    }

    /// Refuses samples that choose a row which is not there.
    fn check_rows(&self, name: &str) -> Result<(), QuantizeError> {
        let Some([first, last]) = self.rows else { return Ok(()) };
        let beyond = [self.low, self.high].into_iter().find(|id| !(first..=last).contains(id));
        beyond.map_or(Ok(()), |id| {
            Err(QuantizeError::Encoding(format!(
                "a sample holds {id} for {name}, which chooses a row, {first} to {last}, of a table"
            )))
        })
    }

    /// The step, where all numbers fit `bits` bits in steps of it.
    fn lattice(&self, bits: u32) -> Option<f64> {
        self.step.filter(|step| (self.high - self.low) / step <= most(bits))
    }

    /// `None` for integers that do not fit.
    fn encoding(&self, bits: u32, options: &EncodingOptions) -> Option<ChannelEncoding> {
        let (most, width) = (most(bits), self.high - self.low);
        let margin = if options.range.is_some() { 0.0 } else { options.margin };
        if let Some([first, last]) = self.rows {
            let rows = last - first;
            return (rows <= most).then_some(ChannelEncoding {
                scale: 1.0,
                offset: first,
                most: rows as u32,
                whole: true,
            });
        }
        if let Some([least, _]) = self.integers {
            // What counts or names things starts at 0.
            let below = self.low - (margin * width).ceil();
            let low = if self.low >= 0.0 { 0.0 } else { below.max(least) };
            let needed = self.high - low;
            let wanted = (needed + (margin * width).ceil()).min(most);
            return (needed <= most).then_some(ChannelEncoding {
                scale: 1.0,
                offset: low,
                most: wanted as u32,
                whole: true,
            });
        }
        if width <= 0.0 {
            // A feature that never changed: as far again on both sides.
            let scale = (2.0 * self.low.abs().max(1.0) / most).log2().ceil().exp2();
            let below = (most / 2.0).floor();
            return Some(ChannelEncoding {
                scale,
                offset: self.low - below * scale,
                most: most as u32,
                whole: false,
            });
        }
        let Some(step) = self.lattice(bits) else {
            let scale = width * (1.0 + 2.0 * margin) / (most - 1.0);
            let offset = self.low - margin * width;
            // 0, which many numbers are and others are compared with, is on a step.
            let offset = (offset / scale).floor() * scale;
            return Some(ChannelEncoding { scale, offset, most: most as u32, whole: false });
        };
        // The numbers seen stay exact, and the room on both sides is what there is.
        let spare = (most / (width * (1.0 + 2.0 * margin) / step)).log2().floor().max(0.0);
        let scale = step / spare.exp2();
        let below = ((most - width / scale) / 2.0).floor().min((margin * width / scale).ceil());
        let above = below.min((most - width / scale).floor() - below);
        Some(ChannelEncoding {
            scale,
            offset: self.low - below * scale,
            most: (width / scale + below + above).round().min(most) as u32,
            whole: false,
        })
    }
}

fn most(bits: u32) -> f64 {
    f64::from(bits).exp2() - 1.0
}

/// The largest step of which sorted numbers are multiples, above `low`, if it is not too small.
fn common_step(sorted: &[f64], low: f64) -> Option<f64> {
    let largest = sorted.iter().fold(0f64, |most, value| most.max(value.abs()));
    // Closer than that are rounding errors of float32.
    let same = 1e-6 * largest;
    let spread = sorted.last()? - sorted.first()?;
    let mut step = 0f64;
    for difference in sorted.windows(2).map(|pair| pair[1] - pair[0]) {
        step = common_divisor(step, difference, same);
        if step > 0.0 && spread / step > most(24) {
            return None;
        }
    }
    if step <= 0.0 {
        return None;
    }
    // As exact as the range allows.
    let step = spread / (spread / step).round();
    let on_step = |value: &f64| {
        let steps = (value - low) / step;
        (steps - steps.round()).abs() * step <= same.max(1e-3 * step)
    };
    sorted.iter().all(on_step).then_some(step)
}

/// Euclid's algorithm on reals, where what is below `same` is 0.
fn common_divisor(mut a: f64, mut b: f64, same: f64) -> f64 {
    while b > same {
        (a, b) = (b, (a - b * (a / b).round()).abs());
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEATURES: Shape = [2, 1, 1];

    fn channels(samples: &[[f64; 2]], options: &EncodingOptions) -> ValueEncoding {
        let samples = samples.iter().map(|sample| sample.to_vec()).collect::<Vec<_>>();
        match choose_encoding(&samples, FEATURES, options).expect("an encoding") {
            InputChoice::Channels(encoding) => encoding,
            InputChoice::Bytes(encoding) => panic!("{encoding:?}"),
        }
    }

    /// Options for two channels of integers.
    fn integers(kind: [f64; 2], rows: Option<[f64; 2]>) -> EncodingOptions {
        let channel = |at| InputChannel { name: format!("x[{at}]"), integers: Some(kind), rows };
        EncodingOptions { channels: vec![channel(0), channel(1)], ..EncodingOptions::default() }
    }

    #[test]
    fn bytes_stay_bytes() {
        for encoding in [InputEncoding::UNIT, InputEncoding::RAW, InputEncoding::SYMMETRIC] {
            let sample = |byte| vec![f64::from(encoding.decode(byte) as f32), encoding.decode(255)];
            let samples = [0, 3, 77, 250].map(sample);
            let chosen = choose_encoding(&samples, FEATURES, &EncodingOptions::default());
            assert_eq!(chosen.expect("bytes"), InputChoice::Bytes(encoding));
        }
    }

    #[test]
    fn features_of_different_ranges_have_scales_of_their_own() {
        // Quarters, and numbers with nothing in common.
        let samples = [[18.0, 200_000.5], [89.5, 0.31], [45.25, 60_000.7]];
        let encoding = channels(&samples, &EncodingOptions::default());
        assert_eq!(encoding.bytes, 2);
        for sample in &samples {
            let bytes = encoding.encode(sample, false).expect("inside");
            let again = encoding.decode(&bytes);
            assert!((again[0] - sample[0]).abs() < 1e-9, "a lattice stays exact: {again:?}");
            assert!((again[1] - sample[1]).abs() < 4.0, "{again:?}");
        }
        // Half of the range on each side.
        let range = encoding.channels[1].range();
        assert!((range[0] + 100_000.0).abs() < 10.0 && (range[1] - 300_000.0).abs() < 10.0);
        assert!(encoding.encode(&[300.0, 0.0], false).is_err());
    }

    #[test]
    fn integers_are_exact_from_zero_on() {
        let options = integers([-32_768.0, 32_767.0], None);
        let encoding = channels(&[[3.0, 4.0], [7.0, 30_000.0]], &options);
        assert_eq!((encoding.channels[0].scale, encoding.channels[0].offset), (1.0, 0.0));
        assert_eq!(
            encoding.decode(&encoding.encode(&[5.0, 29_999.0], false).expect("inside")),
            [5.0, 29_999.0]
        );
        let narrow = EncodingOptions { bits: Some(16), ..options };
        let far = [vec![0.0, 0.0], vec![70_000.0, 0.0]];
        assert!(choose_encoding(&far, FEATURES, &narrow).is_err());
    }

    #[test]
    fn integers_take_the_bytes_that_they_need() {
        let of = |samples: &[[f64; 2]], kind| {
            let encoding = channels(samples, &integers(kind, None));
            for sample in samples {
                let bytes = encoding.encode(sample, false).expect("inside");
                assert_eq!(encoding.decode(&bytes), sample);
            }
            (encoding.bytes, encoding.channels[0])
        };
        // All of an 8-bit type in a byte, whatever the margin.
        let (bytes, first) = of(&[[-128.0, 3.0], [127.0, 5.0]], [-128.0, 127.0]);
        assert_eq!((bytes, first.offset, first.most), (1, -128.0, 255));
        let wide = [-f64::from(i32::MAX), f64::from(i32::MAX)];
        assert_eq!(of(&[[-100.0, 0.0], [100.0, 0.0]], wide).0, 2);
        assert_eq!(of(&[[0.0, 0.0], [70_000.0, 3.0]], wide).0, 3);
        let far = [vec![0.0, 0.0], vec![2e7, 0.0]];
        let error = choose_encoding(&far, FEATURES, &integers(wide, None)).expect_err("too far");
        assert!(error.to_string().contains("`x[0]` reach from 0 to 20000000"), "{error}");
    }

    #[test]
    fn ids_are_rows_of_their_table() {
        let options = integers([-1e9, 1e9], Some([0.0, 299.0]));
        let encoding = channels(&[[3.0, 4.0], [7.0, 9.0]], &options);
        assert_eq!((encoding.bytes, encoding.channels[0].range()), (2, [0.0, 299.0]));
        assert!(encoding.encode(&[299.0, 0.0], false).is_ok());
        let refused = encoding.encode(&[0.0, 300.0], false).expect_err("no row").to_string();
        assert!(refused.contains("300 is outside 0 to 299"), "{refused}");
        let beyond = [vec![0.0, 0.0], vec![300.0, 0.0]];
        let error = choose_encoding(&beyond, FEATURES, &options).expect_err("no row").to_string();
        assert!(error.contains("300 for `x[0]`") && error.contains("0 to 299"), "{error}");
    }

    #[test]
    fn a_feature_that_never_changed_has_room() {
        let encoding = channels(&[[0.5, 7.0], [0.77, 7.0]], &EncodingOptions::default());
        let [low, high] = encoding.channels[1].range();
        assert!(low < 0.5 && high > 13.0, "{low} to {high}");
        let exact = encoding.encode(&[0.5, 7.0], false).expect("inside");
        assert!((encoding.decode(&exact)[1] - 7.0).abs() < 1e-9);
    }

    #[test]
    fn options_are_obeyed_or_refused() {
        let samples = [[-1.0, 0.3], [0.1, 0.77], [12.0, 0.5]];
        let narrow = EncodingOptions { bits: Some(8), ..EncodingOptions::default() };
        assert_eq!(channels(&samples, &narrow).bytes, 1);
        let given = EncodingOptions { range: Some([-20.0, 20.0]), ..EncodingOptions::default() };
        let range = channels(&samples, &given).channels[0].range();
        assert!((range[0] + 20.0).abs() < 0.01 && (range[1] - 20.0).abs() < 0.01, "{range:?}");
        let samples = samples.map(|sample| sample.to_vec());
        let bad: [fn(&mut EncodingOptions); 5] = [
            |options| options.bits = Some(25),
            |options| options.margin = -0.1,
            |options| options.margin = f64::NAN,
            |options| options.percentile = 50.0,
            |options| options.range = Some([1.0, 1.0]),
        ];
        for change in bad {
            let mut options = EncodingOptions::default();
            change(&mut options);
            assert!(choose_encoding(&samples, FEATURES, &options).is_err(), "{options:?}");
        }
    }
}
