// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Links: two models hold the same weights although their circuits differ
/// @notice The weights of a model are committed in the columns of its circuit, so the same weights have
/// another commitment, and another model id, in another circuit (one for single predictions, one for
/// batches). A link ties two such commitments. For each side a proof of a small link circuit shows: the
/// weights behind this commitment, read as the coefficients of one polynomial together with the masks
/// committed beside them, take `value` at `point`. The point is a hash of both commitments, so both were
/// fixed before it was known, and two different polynomials of degree d agree there with a probability of
/// at most d / 2^248. The masks, equal on both sides, keep the value from telling anything of the weights.
///
/// Public inputs of each proof, each below the scalar modulus r of BN254: [context, point, value],
/// context = {contextOf}, point = {pointOf}. The context names no recipient: a link is a fact and pays
/// nobody, so it does not matter who brings the proofs.
///
/// What was shown depends on the link circuits alone, and anybody can deploy a contract that accepts
/// everything and record a link with it. Hence a link is never a bare yes: it is asked for by the code
/// hashes of the two keys and verifiers, which the consumer recomputes from the two published
/// architectures and compares with a build.
interface ILinkRegistry {
    /// @notice The contracts that checked one side, by their code.
    /// @param vkHash EXTCODEHASH of the data contract of the link circuit's verifying key.
    /// @param verifierCodeHash EXTCODEHASH of the verifier.
    struct LinkKey {
        bytes32 vkHash;
        bytes32 verifierCodeHash;
    }

    /// @notice One side of a link.
    /// @param modelId A bound model of the registry.
    /// @param vk Data contract of the link circuit's verifying key.
    /// @param verifier Verifier of the link circuit's column profile (IHalo2Verifier).
    /// @param proof Proof over [context, point, value].
    struct LinkSide {
        uint256 modelId;
        address vk;
        address verifier;
        bytes proof;
    }

    /// @notice Both sides, the smaller model id first, and the one value that both proofs show.
    struct LinkProof {
        LinkSide a;
        LinkSide b;
        uint256 value;
    }

    /// @notice A recorded link.
    /// @param linkedAt Time of the record, Unix seconds; 0 if there is no such link.
    /// @param devSetup Whether either key stems from a locally made trusted setup: the link can be forged.
    struct Link {
        uint64 linkedAt;
        bool devSetup;
    }

    /// @notice Checks both proofs and records the link. Open to anyone; once for two models and keys.
    /// @return linkId See {linkIdOf}.
    function linkModels(LinkProof calldata linkProof) external returns (bytes32 linkId);

    /// @notice The link of two models under exactly these keys; all zero if there is none. The order of
    /// the two sides does not matter, `keyA` belongs to `modelA`.
    function linkOf(uint256 modelA, uint256 modelB, LinkKey calldata keyA, LinkKey calldata keyB)
        external
        view
        returns (Link memory link);

    /// @notice keccak256(abi.encode(modelA, modelB, keyA, keyB)), the smaller model id first.
    function linkIdOf(uint256 modelA, uint256 modelB, LinkKey calldata keyA, LinkKey calldata keyB)
        external
        pure
        returns (bytes32 linkId);

    /// @notice Public input 0 of both proofs: uint256(keccak256(abi.encode(chain id, this contract,
    /// uint256(keccak256(abi.encode(modelA, modelB))), address(0)))) >> 8, the smaller model id first.
    function contextOf(uint256 modelA, uint256 modelB) external view returns (uint256 context);

    /// @notice Public input 1 of both proofs: uint256(keccak256(abi.encode(modelHash of modelA, modelHash
    /// of modelB))) >> 8, the smaller model id first.
    function pointOf(uint256 modelA, uint256 modelB) external view returns (uint256 point);

    /// @notice The registry whose models are linked.
    function registry() external view returns (address);

    /// @notice Whether keys of locally made trusted setups are admitted. For development chains only.
    function allowDevSetup() external view returns (bool);
}
