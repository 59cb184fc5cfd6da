//! Ceremonies whose parameters are known by their point.
//!
//! Whoever knows `s` forges every proof, and no file can show that nobody does: all that can be seen is that
//! `[s]_2` is the point that a ceremony published. So a setup is trusted for its point and for nothing else.
//!
//! The points are those of public verifier contracts: `X2` of snarkjs's PLONK and fflonk verifiers, and the
//! constant `neg_s_g2` of halo2's, which is `-[s]_2` and stands here negated back.

use halo2_proofs::halo2curves::{
    CurveAffine,
    bn256::{Fq, Fq2, Fr, G2Affine},
    ff::{Field, PrimeField},
    group::prime::PrimeCurveAffine,
};

use assay_arithmetic::keccak256;

/// Bytes of a point of G2 in the order of EIP-197: x1, x0, y1, y0, each big-endian.
pub const G2_POINT_BYTES: usize = 128;

/// A ceremony whose `[s]_2` is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ceremony {
    /// What people call it.
    pub name: &'static str,
    /// `[s]_2` as hexadecimal words: x1, x0, y1, y0.
    words: [&'static str; 4],
}

/// The ceremonies that this build knows.
pub const CEREMONIES: [Ceremony; 2] = [
    Ceremony {
        name: "Hermez (perpetual powers of tau, contribution 54, with beacon)",
        words: [
            "26186a2d65ee4d2f9c9a5b91f86597d35f192cd120caf7e935d8443d1938e23d",
            "30441fd1b5d3370482c42152a8899027716989a6996c2535bc9f7fee8aaef79e",
            "1970ea81dd6992adfbc571effb03503adbbb6a857f578403c6c40e22d65b3c02",
            "054793348f12c0cf5622c340573cb277586319de359ab9389778f689786b1e48",
        ],
    },
    Ceremony {
        name: "perpetual powers of tau, response 71 (halo2-kzg-srs)",
        words: [
            "186282957db913abd99f91db59fe69922e95040603ef44c0bd7aa3adeef8f5ac",
            "17944351223333f260ddc3b4af45191b856689eda9eab5cbcddbbe570ce860d2",
            "298adc7396bd3865cbf6d6df91bae406694e6d2215baa893bdeadb63052895f4",
            "297772d34bc9aa8ae56162486363ffe417b02dc7e8c207fc2cc20203e67a02ad",
        ],
    },
];

impl Ceremony {
    /// The ceremony of a setup, by [`setup_id`].
    pub fn of(setup_id: &[u8; 32]) -> Option<&'static Self> {
        CEREMONIES.iter().find(|ceremony| ceremony.setup_id().as_ref() == Some(setup_id))
    }

    /// `[s]_2` in the order of EIP-197; `None` never happens for the constants above.
    pub fn point(&self) -> Option<[u8; G2_POINT_BYTES]> {
        let mut bytes = [0; G2_POINT_BYTES];
        for (word, target) in self.words.iter().zip(bytes.chunks_exact_mut(32)) {
            hex::decode_to_slice(word, target).ok()?;
        }
        Some(bytes)
    }

    /// Keccak-256 of [`Self::point`].
    pub fn setup_id(&self) -> Option<[u8; 32]> {
        Some(keccak256(&[&self.point()?]))
    }
}

/// What a setup is known by, whatever its size: Keccak-256 of `[s]_2` in the order of EIP-197.
pub fn setup_id(s_g2: &G2Affine) -> [u8; 32] {
    keccak256(&[&g2_to_bytes(s_g2)])
}

/// A point of G2 as EIP-197 writes it: x1, x0, y1, y0.
pub fn g2_to_bytes(point: &G2Affine) -> [u8; G2_POINT_BYTES] {
    let mut bytes = [0; G2_POINT_BYTES];
    let coordinates = [point.x.c1, point.x.c0, point.y.c1, point.y.c0];
    for (coordinate, target) in coordinates.iter().zip(bytes.chunks_exact_mut(32)) {
        target.copy_from_slice(coordinate.to_repr().as_ref());
        target.reverse();
    }
    bytes
}

/// Reads what [`g2_to_bytes`] writes; `None` for what is no point of the group of order r, and for the
/// identity.
pub fn g2_from_bytes(bytes: &[u8; G2_POINT_BYTES]) -> Option<G2Affine> {
    let mut words = bytes.chunks_exact(32).map(|word| {
        let mut repr = [0; 32];
        repr.copy_from_slice(word);
        repr.reverse();
        Option::<Fq>::from(Fq::from_repr(repr))
    });
    let mut next = || words.next().flatten();
    let (x1, x0, y1, y0) = (next()?, next()?, next()?, next()?);
    let point = Option::from(G2Affine::from_xy(Fq2::new(x0, x1), Fq2::new(y0, y1)))?;
    in_subgroup(&point).then_some(point)
}

/// Whether a point of the curve is of order r: the curve has others, under which pairings say nothing.
pub fn in_subgroup(point: &G2Affine) -> bool {
    // (r - 1) P = -P exactly for points of order r.
    let negated = G2Affine::from(*point * -Fr::ONE);
    negated == -*point && !bool::from(point.is_identity())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points_are_points_of_the_group() {
        for ceremony in CEREMONIES {
            let bytes = ceremony.point().expect("hexadecimal");
            let point = g2_from_bytes(&bytes).expect("a point of order r");
            assert_eq!(g2_to_bytes(&point), bytes);
            let id = setup_id(&point);
            assert_eq!(Ceremony::of(&id).map(|found| found.name), Some(ceremony.name));
        }
        assert_eq!(Ceremony::of(&setup_id(&G2Affine::generator())), None);
    }

    /// As the published constants have them: decimal, and negated.
    #[test]
    fn known_points_are_those_that_were_published() {
        let decimal = |text: &str| Fq::from_str_vartime(text).expect("decimal");
        let hermez = [
            "17231025384763736816414546592865244497437017442647097510447326538965263639101",
            "21831381940315734285607113342023901060522397560371972897001948545212302161822",
            "11507326595632554467052522095592665270651932854513688777769618397986436103170",
            "2388026358213174446665280700919698872609886601280537296205114254867301080648",
        ];
        let bytes = CEREMONIES[0].point().expect("hexadecimal");
        let point = g2_from_bytes(&bytes).expect("a point");
        let words = [point.x.c1, point.x.c0, point.y.c1, point.y.c0];
        assert_eq!(words, hermez.map(decimal));

        let negated = [
            "06d971ff4a7467c3ec596ed6efc674572e32fd6f52b721f97e35b0b3d3546753",
            "06ecdb9f9567f59ed2eee36e1e1d58797fd13cc97fafc2910f5e8a12f202fa9a",
        ];
        let point = g2_from_bytes(&CEREMONIES[1].point().expect("hexadecimal")).expect("a point");
        let minus = g2_to_bytes(&-point);
        assert_eq!(hex::encode(&minus[64..]), negated.concat());
    }

    #[test]
    fn points_outside_of_the_group_are_none() {
        assert_eq!(g2_from_bytes(&[0; G2_POINT_BYTES]), None);
        assert_eq!(g2_from_bytes(&[0xff; G2_POINT_BYTES]), None);
        // x = c for the first small c that is on the curve: the cofactor is large, so not of order r.
        let other = (0u64..)
            .find_map(|c| {
                let x = Fq2::new(Fq::from(c), Fq::ZERO);
                let b = G2Affine::b();
                let y: Fq2 = Option::from((x.square() * x + b).sqrt())?;
                Option::<G2Affine>::from(G2Affine::from_xy(x, y))
            })
            .expect("some x is on the curve");
        assert!(!in_subgroup(&other));
        assert_eq!(g2_from_bytes(&g2_to_bytes(&other)), None);
        let generator = G2Affine::generator();
        assert_eq!(g2_from_bytes(&g2_to_bytes(&generator)), Some(generator));
    }
}
