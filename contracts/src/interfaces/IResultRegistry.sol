// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Certified results: how many items of a test set a model was proven to classify correctly
/// @notice Whoever measures writes its results here, under its own address. The registry does not judge
/// them: an entry says "this account states that", and is worth what the account is worth. Consumers pin
/// the certifier they trust, an audit escrow whose code they have compared with a build, as they pin the
/// model id and the test set's root; an entry of any other account means nothing to them.
///
/// Of several statements of one certifier on one model, test set and metric the strongest stays: the one
/// over more items, and of equal ones the one with more correct (a proven count is a lower bound). So
/// nobody can push a long audit aside with a short one, and a certifier that settles a second audit is
/// never refused. Every statement is an event.
///
/// What a consumer has to ask for itself. `total` is what the certifier measured, for an audit the job's
/// `items`: the first runs of a committed set can be audited alone, under the root of the whole. And the
/// strongest stays for one model id, which covers the model's owner: the same weights, registered by somebody else,
/// have no record yet. So `total` is to be exactly the size of the set.
interface IResultRegistry {
    /// @notice The strongest result recorded so far.
    /// @param correct Items proven to be classified correctly.
    /// @param total Items measured; 0 if there is no result.
    /// @param recordedAt Time of the record, Unix seconds.
    struct Result {
        uint64 correct;
        uint64 total;
        uint64 recordedAt;
    }

    /// @notice Records a result of the caller. Reverts on nonsense only: an unknown model, a zero root or
    /// metric, a root that is no field element, no items, more correct than there are.
    /// @dev Errors: ZeroValue, PublicInputOutOfRange, ResultOutOfRange, ModelNotFound.
    /// @param modelId The model's id in the registry.
    /// @param testSetRoot Poseidon root of the test set; not zero, below the scalar modulus of BN254.
    /// @param metric What "correct" means, as a short string ("top-1", "top-5"); not zero.
    /// @param correct Items proven to be classified correctly; at most `total`.
    /// @param total Items measured; at least 1.
    function recordResult(uint256 modelId, uint256 testSetRoot, bytes32 metric, uint64 correct, uint64 total)
        external;

    /// @notice What `certifier` states about a model. All zero if it states nothing: compare `total` with the
    /// size of the test set before you look at the ratio.
    /// @param certifier Whose statement.
    /// @param modelId The model's id in the registry.
    /// @param testSetRoot Poseidon root of the test set.
    /// @param metric What "correct" means, as a short string.
    /// @return result The strongest statement so far.
    function resultOf(address certifier, uint256 modelId, uint256 testSetRoot, bytes32 metric)
        external
        view
        returns (Result memory result);

    /// @notice The registry whose model ids are meant.
    /// @return Address of the registry (IModelRegistry).
    function registry() external view returns (address);
}
