// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Errors of the registry and the escrows
library Errors {
    // Models and the contracts that check their proofs

    /// @notice A hash, proof system id or address that must not be zero is. `field` names it.
    error ZeroValue(string field);
    /// @notice The URI is longer than the registry stores.
    error UriTooLong(uint256 length, uint256 maximum);
    /// @notice An update tried to change more than the URI.
    error CommitmentImmutable(uint256 modelId);
    /// @notice The model is withdrawn from new business.
    error DeprecatedModel(uint256 modelId);
    /// @notice The model's verifier was bound already, and that is final.
    error AlreadyBound(uint256 modelId);
    /// @notice The model has no verifier yet.
    error NotBound(uint256 modelId);
    /// @notice The model's binding is not the one that the caller relies on.
    error BindingMismatch(uint256 modelId, bytes32 expected, bytes32 actual);
    /// @notice The account's code is not the code that was pinned (or there is none).
    error CodeHashMismatch(address account, bytes32 expected, bytes32 actual);
    /// @notice The account has no code.
    error NoCode(address account);
    /// @notice The verifying key's data contract is not 0x00, flags byte, key.
    error MalformedVerifyingKey(address vk);
    /// @notice The verifying key carries flags that this version does not know.
    error UnknownKeyFlags(address vk, uint256 flags);
    /// @notice The verifying key stems from a locally made trusted setup.
    error DevSetupRefused(uint256 modelId);
    /// @notice A public input is not below the scalar modulus of BN254.
    error PublicInputOutOfRange(uint256 index, uint256 value);
    /// @notice The proof is valid, but for other weights.
    error ModelHashMismatch(bytes32 expected, bytes32 actual);

    // Custody

    /// @notice The ether sent is not the amount due.
    error WrongEtherAmount(uint256 expected, uint256 actual);
    /// @notice Ether came with a call that deals in tokens.
    error UnexpectedEther(uint256 amount);
    /// @notice The token moved another amount than asked for (fee on transfer, rebasing).
    error WrongTokenAmount(address token, uint256 expected, uint256 actual);
    /// @notice The caller's credit is smaller than what it asked for, or zero.
    error InsufficientCredit(address token, uint256 credit, uint256 amount);
    /// @notice The receiver refused the ether.
    error EtherTransferFailed(address to, uint256 amount);
    /// @notice Money cannot go to this address.
    error InvalidRecipient(address recipient);

    // Jobs

    /// @notice There is no such job.
    error JobNotFound(uint256 jobId);
    /// @notice The job has been paid or refunded.
    error JobNotOpen(uint256 jobId);
    /// @notice The job has no proven output.
    error JobNotClaimed(uint256 jobId);
    /// @notice The price is zero or above `maximum`.
    error PriceOutOfRange(uint256 price, uint256 maximum);
    /// @notice The deadline is not in (`earliest` - 1, `latest`].
    error DeadlineOutOfRange(uint256 deadline, uint256 earliest, uint256 latest);
    /// @notice The hint is longer than the escrow logs.
    error HintTooLong(uint256 length, uint256 maximum);
    /// @notice Too late for a proof.
    error DeadlinePassed(uint256 jobId, uint256 deadline);
    /// @notice Too early for a refund.
    error DeadlineNotPassed(uint256 jobId, uint256 deadline);

    // Links and certified results

    /// @notice The two models of a link are the same, or not in the order of their ids.
    error PairNotOrdered(uint256 modelA, uint256 modelB);
    /// @notice This link of these two models under these keys is recorded.
    error AlreadyLinked(bytes32 linkId);
    /// @notice A result over no items, or with more correct ones than there are.
    error ResultOutOfRange(uint256 correct, uint256 total);
}
