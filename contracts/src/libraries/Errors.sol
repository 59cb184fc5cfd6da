// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Errors of the registry and the escrows
library Errors {
    // Models and the contracts that check their proofs

    /// @notice A hash, proof system id or address that must not be zero is. `field` names it.
    error ZeroValue(string field);
    /// @notice The caller has registered this already.
    error AlreadyRegistered(uint256 modelId);
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
    /// @notice The account is no data contract of a verifying key, see VerifyingKey, or its statement does not fit
    /// together.
    error MalformedVerifyingKey(address vk);
    /// @notice The verifying key is of a format that this version does not know.
    error UnknownKeyFormat(address vk, uint256 format);
    /// @notice The verifying key's [1]_2 is not the generator of G2, so its [s]_2 says nothing about the secret.
    error GeneratorMismatch(address vk);
    /// @notice The verifying key's trusted setup is of no ceremony that the registry knows.
    error DevSetupRefused(uint256 modelId);
    /// @notice The model's proofs state something else than what is paid for here.
    error WrongStatement(uint256 modelId, bytes32 statement);
    /// @notice The model's proofs are about `expected` items, not `actual`.
    error BatchMismatch(uint256 modelId, uint256 expected, uint256 actual);
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
    /// @notice The run's proof shows several words, of which only the hash is kept.
    error SeveralOutputs(uint256 jobId, uint256 run);
    /// @notice The job was opened without a notice, so its deadline stays.
    error NotCancellable(uint256 jobId);
    /// @notice The job's deadline is no later than the notice would move it to.
    error DeadlineNotLater(uint256 jobId, uint256 deadline);
    /// @notice So little gas is left that the buyer's contract could not have what it was promised.
    error CallbackGasTooLow(uint256 needed, uint256 left);
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

    // Certified results

    /// @notice The registry of results is about the models of another registry.
    error RegistryMismatch(address expected, address actual);
    /// @notice A result over no items, or with more correct ones than there are.
    error ResultOutOfRange(uint256 correct, uint256 total);

    // Services with spot checks

    /// @notice There is no such service.
    error ServiceNotFound(bytes32 serviceId);
    /// @notice The provider has a service of these terms and this salt.
    error ServiceExists(bytes32 serviceId);
    /// @notice The service takes no new business.
    error ServiceNotActive(bytes32 serviceId);
    /// @notice No notice was given, or the bond was returned.
    error ServiceNotClosing(bytes32 serviceId);
    /// @notice Only the service's provider may do this.
    error NotServiceProvider(bytes32 serviceId, address caller);
    /// @notice The notice period has not passed.
    error NoticeNotPassed(bytes32 serviceId, uint256 closableAt);
    /// @notice The service has batches that are not ended.
    error BatchesOpen(bytes32 serviceId, uint256 openBatches);
    /// @notice A term is not in [`minimum`, `maximum`]. `field` names it.
    error TermOutOfRange(string field, uint256 value, uint256 minimum, uint256 maximum);
    /// @notice The part of the bond that is not set aside is smaller than a penalty.
    error BondTooSmall(uint256 free, uint256 needed);
    /// @notice There is no such batch.
    error BatchNotFound(bytes32 batchId);
    /// @notice The batch is not waiting for a contest.
    error BatchNotPosted(bytes32 batchId);
    /// @notice The batch is not waiting for proofs.
    error BatchNotContested(bytes32 batchId);
    /// @notice Only the batch's buyer may do this.
    error NotBatchBuyer(address buyer, address caller);
    /// @notice The receipt was posted before.
    error ReceiptUsed(bytes32 batchId);
    /// @notice The receipt is too old to be posted.
    error ReceiptExpired(uint256 validUntil);
    /// @notice The signature is not the signer's, or too little gas was left to check it.
    error SignatureRejected(address signer);
    /// @notice The number of items is zero or above `maximum`.
    error CountOutOfRange(uint256 count, uint256 maximum);
    /// @notice The number of checks is zero or above `maximum`.
    error ChecksOutOfRange(uint256 checks, uint256 maximum);
    /// @notice Items are named in ascending order, each once; `second` came after `first`.
    error ItemsNotAscending(uint256 first, uint256 second);
    /// @notice Fewer items are contested.
    error PositionOutOfRange(uint256 position, uint256 checks);
    /// @notice The item was proven before.
    error ItemAlreadyProven(bytes32 batchId, uint256 position);
    /// @notice The opened item is not the one under the root.
    error ItemNotInRoot(bytes32 batchId, uint256 index);

    // Audits and retrievals

    /// @notice The terms are not those that the job was opened with.
    error TermsMismatch(uint256 jobId, bytes32 expected, bytes32 actual);
    /// @notice The call is another party's to make.
    error WrongCaller(address expected, address actual);
    /// @notice The job is not in the state (a number of its escrow's enum) that the call is made for.
    error WrongJobState(uint256 jobId, uint256 expected, uint256 actual);
    /// @notice The outcome of the job is not certain yet.
    error Undecided(uint256 jobId);
    /// @notice There is no such run: the set has `runs` of them.
    error RunOutOfRange(uint256 run, uint256 runs);
    /// @notice The run has been proven.
    error RunAlreadyProven(uint256 run);
    /// @notice The abort fee is higher than the stake that pays it.
    error AbortFeeOutOfRange(uint256 abortFee, uint256 stake);
    /// @notice The buyer's bond does not cover an abort fee for each entry that the job takes: `needed`.
    error BondBelowFees(uint256 bond, uint256 needed);
    /// @notice The terms name sellers, and the path does not lead from the caller to their root.
    error SellerNotNamed(address seller);
    /// @notice The seller has this entry already; a named seller has one.
    error AlreadyEntered(uint256 jobId, uint256 entry);
    /// @notice No entry is approved of, or one that is not there.
    error ApprovedOutOfRange(uint256 approved, uint256 entries);
    /// @notice The bond has been returned.
    error BondReturned(uint256 jobId);
    /// @notice The number of items required is zero or above the number of items.
    error RequiredOutOfRange(uint256 required, uint256 items);
    /// @notice A job takes no entries, or more than `maximum`.
    error MaxEntriesOutOfRange(uint256 maxEntries, uint256 maximum);
    /// @notice The list of admitted keys is longer than the escrow takes.
    error KeyListTooLong(uint256 length, uint256 maximum);
    /// @notice The list of admitted keys is not the one whose hash is in the terms.
    error KeyListMismatch(bytes32 expected, bytes32 actual);
    /// @notice The model's verifying key with this verifier is not at the index named in the list.
    error KeyNotAdmitted(bytes32 vkHash, bytes32 verifierCodeHash);
    /// @notice The job has all the entries it takes.
    error EntriesFull(uint256 jobId, uint256 maximum);
    /// @notice Sellers may still enter, so the test set must not be shown yet.
    error EntriesOpen(uint256 jobId, uint256 enterBy);
    /// @notice There is nobody to deliver to.
    error NoEntries(uint256 jobId);
    /// @notice An entry of the same block might have been made in view of the delivery.
    error SameBlock(uint256 jobId);
    /// @notice The entries are not those that the buyer has seen.
    error EntriesMismatch(uint256 jobId, bytes32 expected, bytes32 actual);
    /// @notice There is no such entry.
    error EntryNotFound(uint256 jobId, uint256 entry);
    /// @notice The entry is not in the state (a number of its escrow's enum) that the call is made for.
    error WrongEntryState(uint256 jobId, uint256 entry, uint256 expected, uint256 actual);
    /// @notice The entry has been ended.
    error EntryEnded(uint256 jobId, uint256 entry);
    /// @notice A claim below what is required, which no reward is paid for, or above what there is.
    error ClaimOutOfRange(uint256 claim, uint256 minimum, uint256 maximum);
    /// @notice More items correct than the run has.
    error CorrectOutOfRange(uint256 correct, uint256 items);
    /// @notice The entry has no result to record (yet).
    error NotCertifiable(uint256 jobId, uint256 entry);
    /// @notice The entry's result has been recorded.
    error AlreadyCertified(uint256 jobId, uint256 entry);
    /// @notice A run of so many items does not fit the statement.
    error BatchOutOfRange(uint256 batch, uint256 maximum);
    /// @notice The bitmap selects items past the end of its run.
    error BitmapOutOfRange(uint256 bitmap, uint256 items);
    /// @notice The collection or batch has `items` items.
    error ItemOutOfRange(uint256 index, uint256 items);
    /// @notice The run has not been proven.
    error RunNotProven(uint256 jobId, uint256 run);
    /// @notice Runs of the collection are not proven yet.
    error NotCovered(uint256 jobId, uint256 missing);
}
