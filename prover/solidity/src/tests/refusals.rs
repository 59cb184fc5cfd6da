//! Keys and calldata that no contract takes.

use assay_testing::{
    deployed::{Deployed, deploy, words},
    evm::calldata,
    sample::{SEED, SampleParams, setup},
};
use revm::primitives::Address;

use super::*;

#[test]
fn contract_refuses_other_keys_and_calldata() {
    let setup = setup(SampleParams::small());
    let Some(mut deployed) = deploy(setup.key.info()) else { return };
    let (proof, inputs) = setup.prove(1, 1, &SEED);
    let inputs = words(&inputs);
    let refused = |deployed: &mut Deployed, data: Vec<u8>, error: Option<&str>| {
        let outcome = deployed.chain.call(deployed.verifier, data);
        let expected = error.map_or(Vec::new(), |error| selector(error).to_be_bytes().to_vec());
        assert_eq!(outcome.result, Err(expected), "{error:?}");
    };
    let good = calldata(deployed.vk, &proof, &inputs);
    assert!(deployed.chain.call(deployed.verifier, good.clone()).result.is_ok());

    // Keys: none, an account without code, damaged ones, one of another model.
    const FORMAT: Option<&str> = Some("VerifyingKeyFormat()");
    for address in [Address::ZERO, Address::repeat_byte(7), deployed.verifier] {
        refused(&mut deployed, calldata(address, &proof, &inputs), FORMAT);
    }
    let key = vk_data(setup.key.info());
    let mut damaged = vec![key[..key.len() - 1].to_vec(), [&key[..], &[0]].concat()];
    // First byte, format, profile, number of public inputs.
    for at in [0, 1, 32, 63, 32 + 32 * 6 - 1] {
        let mut other = key.clone();
        other[at] ^= 2;
        damaged.push(other);
    }
    for code in damaged {
        let (vk, _) = deployed.chain.deploy(vk_init_code(&code).unwrap());
        refused(&mut deployed, calldata(vk, &proof, &inputs), FORMAT);
    }
    // k, 1/n, omega, omega^last, transcript representation, [s]_2 swapped for [1]_2.
    for word in [1, 2, 3, 4, 6] {
        let mut other = key.clone();
        other[32 + 32 * word + 31] ^= 1;
        let (vk, _) = deployed.chain.deploy(vk_init_code(&other).unwrap());
        refused(&mut deployed, calldata(vk, &proof, &inputs), Some("ProofInvalid()"));
    }
    let mut other = key.clone();
    other.copy_within(32 + 32 * 7..32 + 32 * 11, 32 + 32 * 11);
    let (vk, _) = deployed.chain.deploy(vk_init_code(&other).unwrap());
    refused(&mut deployed, calldata(vk, &proof, &inputs), Some("ProofInvalid()"));
    // Commitments: another point, one off the curve.
    let commitments = 32 + 32 * assay_proof::vk_data::HEADER_WORDS;
    for at in (commitments..key.len()).step_by(64) {
        let mut other = key.clone();
        other[at..at + 64].fill(0);
        other[at + 31] = 1;
        other[at + 63] = 2;
        let (vk, _) = deployed.chain.deploy(vk_init_code(&other).unwrap());
        refused(&mut deployed, calldata(vk, &proof, &inputs), Some("ProofInvalid()"));
    }

    // Calldata: trailing bytes, missing bytes, other offsets, a dirty address.
    const LENGTH: Option<&str> = Some("CalldataLength()");
    refused(&mut deployed, [&good[..], &[0]].concat(), LENGTH);
    refused(&mut deployed, [&good[..], &[0; 32]].concat(), LENGTH);
    refused(&mut deployed, good[..good.len() - 1].to_vec(), None);
    refused(&mut deployed, good[..100].to_vec(), None);
    let mut dirty = good.clone();
    dirty[4] = 1;
    refused(&mut deployed, dirty, None);
    // The same arguments, the proof behind a gap of one word.
    let mut gap = good[..4 + 96].to_vec();
    gap[4 + 63] += 0x20;
    let offset = 0x80 + proof.len() + 0x20;
    gap[4 + 64 + 24..4 + 96].copy_from_slice(&(offset as u64).to_be_bytes());
    gap.extend_from_slice(&[0; 32]);
    gap.extend_from_slice(&good[4 + 96..]);
    refused(&mut deployed, gap, LENGTH);
}
