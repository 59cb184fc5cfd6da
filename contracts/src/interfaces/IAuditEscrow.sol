// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ICustody} from "./ICustody.sol";
import {IModelVerification} from "./IModelVerification.sol";

/// @title Accuracy audits: bounties and contests
/// @notice A buyer pays for a model that classifies at least `required` of the `items` of a hidden,
/// committed test set correctly. Sellers enter with a committed model and a stake, before they can know
/// the test set; then the buyer delivers it, encrypted, to the entries that it approves of; then each of their
/// sellers accepts, with a claim of how many items are correct, or aborts; then the highest claim is proven, run by
/// run. With `maxEntries` = 1 this is a bounty for one seller, with more a contest.
///
/// Claims take turns, the highest first, among equal ones the earlier entry: the first has one window after
/// `acceptBy`, the second the window after that, and so on. A proof may come earlier than its window, never later.
/// The first claim that is proven wins once the windows of all before it have passed; a claim of all items, proven,
/// wins at once. A claim that is not proven in its window forfeits the stake; those that come after the winner need
/// no proof, and get their stakes back. So claim what you can prove, and no more: nobody is asked to prove less.
///
/// The job holds reward and bond, each entry its stake, and job and entries end apart from each other:
///
/// job:   Open -> Delivered -> Paid or Refunded; Open -> Refunded (nobody entered, or approved) or Undelivered.
/// entry: Entered -> Accepted -> Returned or Forfeited; Entered -> Aborted, or Returned if not delivered to.
///
/// The last of each are final. Whoever is silent at a deadline loses by it: the buyer who neither delivers nor
/// declines loses the bond to the entries, the seller who does not answer has aborted, the seller who does not
/// prove its claim when its turn has come loses the stake. After the deadlines anybody can end everything. There is no
/// owner, no pause, no upgrade and no cancellation.
///
/// Nobody can see whether a delivery is garbage or a seller has lost its nerve. So each entry that aborts after
/// a delivery costs both sides `abortFee`: it is burnt from the stake and once more from the buyer's bond, and
/// nobody gains by it. A buyer loses a fee for each approved entry that stays away, whatever the reason: it
/// approves of those entries only whose sellers it expects to go on. Of a forfeited stake `abortFee` is burnt as
/// well: else puppets of the buyer could hold a contest up with claims that cost it nothing.
///
/// Public inputs of a run's proof, each below the scalar modulus r of BN254: [context, testSetRoot, first
/// index, items, correct]; context = {contextOf}(job id, seller of the entry), so that a copied proof helps
/// nobody else. That a key is one of audits, and how many items its runs have, is checked when a seller enters.
/// Whether it counts the first or the k best classes is a property of the key, too, but not checked. So is
/// everything else that makes a count honest: see `admittedKeys` and {deliver}.
///
/// Of the terms only the hash is stored: calls on a job repeat them, and they are found in its AuditOpened
/// event; with others they revert with TermsMismatch, for an unknown id with JobNotFound. Times are Unix
/// seconds, amounts are in units of the token (wei for ether). Errors of admission and of a proof are those of
/// IModelVerification, errors of a deposit those of ICustody.
interface IAuditEscrow is ICustody, IModelVerification {
    /// @notice Where a job stands. Paid, Refunded and Undelivered are final.
    enum State {
        /// There is no such job.
        None,
        /// Sellers enter, then the buyer delivers.
        Open,
        /// The test set was delivered; sellers answer and prove.
        Delivered,
        /// The reward was credited to the winner.
        Paid,
        /// Nobody entered, the buyer declined, or no claim was proven; the reward was credited to the buyer.
        Refunded,
        /// Nothing was delivered; the reward was credited to the buyer, the bond is shared by the entries.
        Undelivered
    }

    /// @notice Where an entry stands. Returned, Forfeited and Aborted are final.
    enum EntryState {
        /// There is no such entry.
        None,
        /// The seller has not answered to a delivery.
        Entered,
        /// The seller accepted the delivery and answers for its count with the stake.
        Accepted,
        /// The stake was credited to the seller: the claim was proven or did not have to be, the buyer did not
        /// approve of the entry, or nothing was delivered, and then with a share of the bond.
        Returned,
        /// The claim was not proven in its window; the abort fee was burnt, the buyer was credited the rest.
        Forfeited,
        /// The seller gave up or did not answer; the abort fee was burnt, the seller was credited the rest.
        Aborted
    }

    /// @notice What the buyer offers; fixed when the job is opened.
    /// @param buyer The caller of {open}.
    /// @param sellers Who may enter, each once: Merkle root of their addresses, or zero for anyone, as often as
    /// they like. A leaf is keccak256(keccak256(abi.encode(seller))), a node the hash of its two children in
    /// ascending order; so one seller's leaf names that seller alone. Without names one person can take all
    /// places of a contest with weights that do not exist.
    /// @param token ERC-20 token of all amounts, or the zero address for ether.
    /// @param reward What the entry with the highest claim that is proven is paid; not zero.
    /// @param bond The buyer's, at least `abortFee` for each of `maxEntries`. It is returned once the sellers have
    /// answered or `acceptBy` has passed, less the fees that are burnt, and lost to the entries if the buyer
    /// neither delivers nor declines. A seller counts on no more than bond / maxEntries: the buyer can take the
    /// other places itself.
    /// @param stake What each seller posts; not zero.
    /// @param abortFee What is burnt of the stake, and of the bond, for each approved entry that does not accept;
    /// at most the stake. With zero a buyer loses nothing by delivering garbage, nor a seller by staying away.
    /// @param testSetRoot Poseidon Merkle root of the test set; not zero, below r.
    /// @param metric What counts as correct, for the record, as a short string ("top-1"); not zero.
    /// @param items Number of items n that are measured, at least 1: the set's, or fewer, since its first
    /// runs can be proven alone under the same root.
    /// @param required Number of items t that a claim has to reach; in [1, n].
    /// @param maxEntries Largest number of entries; in [1, 16].
    /// @param enterBy Last second in which sellers may enter; in the future.
    /// @param deliverBy Last second for the delivery; at least 10 minutes after `enterBy`.
    /// @param acceptBy Last second in which sellers accept or abort; at least 10 minutes after `deliverBy`.
    /// @param proveWindow Seconds in which a claim is proven when its turn has come, at least 600; `maxEntries`
    /// windows after `acceptBy` end at most 365 days ahead.
    /// @param admittedKeys keccak256 of the concatenated {admissionHashOf} of each verifying key and verifier
    /// that is admitted, or zero: then delivering is the buyer's approval of the models that entered.
    /// @param challengeRoot Poseidon Merkle root of a public collection of `items` labelled items, below r, or zero. With
    /// it entering takes a proof of the entered model's first run on that collection, see {Offer}, so that a place needs
    /// weights that exist; each seller enters once, and `admittedKeys` is not zero, because a verifier of the seller's own
    /// would accept anything.
    struct Terms {
        address buyer;
        bytes32 sellers;
        address token;
        uint96 reward;
        uint96 bond;
        uint96 stake;
        uint96 abortFee;
        uint256 testSetRoot;
        bytes32 metric;
        uint32 items;
        uint32 required;
        uint8 maxEntries;
        uint64 enterBy;
        uint64 deliverBy;
        uint64 acceptBy;
        uint64 proveWindow;
        bytes32 admittedKeys;
        uint256 challengeRoot;
    }

    /// @notice What a seller enters with.
    /// @param modelId Id in the registry. Its meaning cannot change, see IModelRegistry.
    /// @param bindingHash The model's binding hash as the seller knows it.
    /// @param batch Items that one proof covers, as the model's verifying key says.
    /// @param admitted The list that `admittedKeys` is the hash of; ignored where there is none.
    /// @param which Index of the model's key and verifier in that list.
    /// @param path Merkle path from the caller to the terms' `sellers`; ignored where nobody is named.
    /// @param encryptionKey Public key for the delivery; only logged.
    /// @param correct Items of the challenge's first run that the model classifies correctly; ignored where nothing is
    /// asked for.
    /// @param possession Proof of that with the public inputs [context, challengeRoot, 0, items of the run, correct],
    /// for the context of the job and the caller; ignored where nothing is asked for.
    struct Offer {
        uint256 modelId;
        bytes32 bindingHash;
        uint32 batch;
        bytes32[] admitted;
        uint256 which;
        bytes32[] path;
        bytes encryptionKey;
        uint256 correct;
        bytes possession;
    }

    /// @notice A job as stored.
    /// @param state Where it stands.
    /// @param entries Number of entries; their ids run from 1 to this number.
    /// @param waiting A bit for each approved entry whose seller has not answered, from bit 0 for entry 1.
    /// @param aborted Number of approved entries whose sellers have given up.
    /// @param accepted Number of entries whose sellers have made a claim.
    /// @param proven A bit for each entry whose claim is proven, from bit 0 for entry 1.
    /// @param bondReturned Whether the bond of a delivered job has been returned.
    /// @param lastEntryBlock Block of the latest entry.
    /// @param entriesHash See {deliver}.
    /// @param termsHash keccak256(abi.encode(terms)).
    struct Job {
        State state;
        uint256 entries;
        uint256 waiting;
        uint256 aborted;
        uint256 accepted;
        uint256 proven;
        bool bondReturned;
        uint256 lastEntryBlock;
        bytes32 entriesHash;
        bytes32 termsHash;
    }

    /// @notice An entry as stored.
    /// @param state Where it stands.
    /// @param seller Who entered it.
    /// @param modelId Id of its model in the registry.
    /// @param batch Items that one proof covers.
    /// @param claim Number of items that the seller claims to be classified correctly; zero as long as it has not.
    /// @param turn How many claims come before this one, of those made so far. It is proven until acceptBy +
    /// (turn + 1) * proveWindow.
    /// @param correct Number of items proven to be classified correctly so far.
    /// @param missing Number of runs not yet proven.
    /// @param certified Whether the result has been recorded.
    struct Entry {
        EntryState state;
        address seller;
        uint256 modelId;
        uint256 batch;
        uint256 claim;
        uint256 turn;
        uint256 correct;
        uint256 missing;
        bool certified;
    }

    /// @notice Opens a job and escrows reward and bond from the caller. Ether comes with the call, exactly;
    /// tokens are taken by allowance, and a token of which another amount arrives is refused.
    /// @dev Errors: WrongCaller, ZeroValue, AbortFeeOutOfRange, PublicInputOutOfRange, RequiredOutOfRange,
    /// MaxEntriesOutOfRange, BondBelowFees, DeadlineOutOfRange, TermOutOfRange, KeyListTooLong, KeyListMismatch,
    /// HintTooLong; of a deposit.
    /// @param terms What is offered; the caller is its buyer.
    /// @param admitted The list that `terms.admittedKeys` is the hash of, at most 64; empty for no list.
    /// @param hint For sellers (a URI or inline bytes, at most 4096); only logged.
    /// @return jobId Ids run from 1.
    function open(Terms calldata terms, bytes32[] calldata admitted, bytes calldata hint)
        external
        payable
        returns (uint256 jobId);

    /// @notice {open} for tokens with ERC-2612. A permit that fails is ignored: what counts is the allowance.
    /// @dev Errors: as {open}.
    /// @param terms As in {open}.
    /// @param admitted As in {open}.
    /// @param hint As in {open}.
    /// @param permit The caller's signature over reward plus bond.
    /// @return jobId Ids run from 1.
    function openWithPermit(
        Terms calldata terms,
        bytes32[] calldata admitted,
        bytes calldata hint,
        Permit calldata permit
    ) external returns (uint256 jobId);

    /// @notice Enters the caller's model and escrows its stake, up to `enterBy` or until the job is full.
    /// The model is fixed from here on.
    /// @dev Errors: WrongJobState, DeadlinePassed, SellerNotNamed, AlreadyEntered, EntriesFull, HintTooLong,
    /// KeyListMismatch, KeyNotAdmitted; of admission; of a proof, where the terms have a challenge; of a deposit.
    /// @param jobId The job's id.
    /// @param terms The job's terms, as opened.
    /// @param offer What the caller enters with.
    /// @return entry Id of the entry within the job, from 1.
    function enter(uint256 jobId, Terms calldata terms, Offer calldata offer)
        external
        payable
        returns (uint256 entry);

    /// @notice {enter} for tokens with ERC-2612.
    /// @dev Errors: as {enter}.
    /// @param jobId The job's id.
    /// @param terms The job's terms, as opened.
    /// @param offer As in {enter}.
    /// @param permit The caller's signature over the stake.
    /// @return entry Id of the entry within the job, from 1.
    function enterWithPermit(
        uint256 jobId,
        Terms calldata terms,
        Offer calldata offer,
        Permit calldata permit
    ) external returns (uint256 entry);

    /// @notice Publishes the encrypted test set for the entries that the buyer approves of; the others get their
    /// stakes back at once. Buyer only, up to `deliverBy`, once the job is full or `enterBy` has passed, and in a
    /// later block than the last entry.
    ///
    /// Approve of nobody that you do not know. An approved entry that stays away costs the bond an abort fee. And
    /// where no keys were listed, a verifying key for another statement, or a verifier that accepts anything,
    /// certifies anything: compare both with what the published architecture and a trusted build give.
    /// @dev Errors: WrongCaller, WrongJobState, DeadlinePassed, NoEntries, EntriesOpen, SameBlock,
    /// EntriesMismatch, ApprovedOutOfRange, ZeroValue, HintTooLong.
    /// @param jobId The job's id.
    /// @param terms The job's terms, as opened.
    /// @param entriesHash The entries that the buyer has seen, so that a reorganization cannot put others in
    /// their place: h_0 = 0, h_i = keccak256(abi.encode(h_(i-1), seller, bindingHash, batch)) of entry i.
    /// @param approved A bit for each entry that the buyer approves of, from bit 0 for entry 1; one at least.
    /// @param dataHash keccak256 of the ciphertext; not zero.
    /// @param place Where the ciphertext is (a URI or inline bytes, at most 4096); only logged.
    function deliver(
        uint256 jobId,
        Terms calldata terms,
        bytes32 entriesHash,
        uint256 approved,
        bytes32 dataHash,
        bytes calldata place
    ) external;

    /// @notice Ends a job whose entries the buyer does not approve of: they get their stakes back, the buyer
    /// reward and bond, and nobody has seen the test set. Buyer only, when it could deliver.
    /// @dev Errors: WrongCaller, WrongJobState, DeadlinePassed, NoEntries, EntriesOpen, SameBlock,
    /// EntriesMismatch.
    /// @param jobId The job's id.
    /// @param terms The job's terms, as opened.
    /// @param entriesHash As in {deliver}.
    function decline(uint256 jobId, Terms calldata terms, bytes32 entriesHash) external;

    /// @notice Returns the bond of a delivered job, less the abort fees that are burnt. Open to anyone, once all
    /// approved sellers have answered or `acceptBy` has passed; {settle} does the same.
    /// @dev Errors: BondReturned, WrongJobState, DeadlineNotPassed.
    /// @param jobId The job's id.
    /// @param terms The job's terms, as opened.
    function returnBond(uint256 jobId, Terms calldata terms) external;

    /// @notice The seller confirms that it holds the items behind the root, and claims how many of them its model
    /// classifies correctly. It answers for the claim with its stake. Up to `acceptBy`.
    ///
    /// The count is known exactly before anything is proven: it is that of the integer network. A claim that is
    /// too high loses the stake when its turn comes, one that is too low loses to a higher one.
    /// @dev Errors: EntryNotFound, WrongCaller, WrongJobState, WrongEntryState, DeadlinePassed, ClaimOutOfRange.
    /// @param jobId The job's id.
    /// @param terms The job's terms, as opened.
    /// @param entry Id of the caller's entry within the job.
    /// @param claim At least `required`, at most `items`.
    function accept(uint256 jobId, Terms calldata terms, uint256 entry, uint256 claim) external;

    /// @notice The seller gives up (the delivery is not what the root commits to, or its model is too weak)
    /// and gets its stake less the abort fee, which is burnt. Up to `acceptBy`; afterwards {release} does the same.
    /// @dev Errors: as {accept}, without ClaimOutOfRange.
    /// @param jobId The job's id.
    /// @param terms The job's terms, as opened.
    /// @param entry Id of the caller's entry within the job.
    function abort(uint256 jobId, Terms calldata terms, uint256 entry) external;

    /// @notice Shows how many items of a run an accepted entry's model classifies correctly. Open to anyone,
    /// once for each run, in any order, as early as the entry is accepted. A bad proof reverts and decides nothing.
    ///
    /// The run with which the count reaches the claim proves it, and reverts with DeadlinePassed when the claim's
    /// window has passed: acceptBy + (turn + 1) * proveWindow, see {getEntry}. No further runs are needed.
    /// @dev Errors: EntryNotFound, WrongEntryState, DeadlinePassed, RunOutOfRange, RunAlreadyProven,
    /// CorrectOutOfRange; of a proof.
    /// @param jobId The job's id.
    /// @param terms The job's terms, as opened.
    /// @param entry Id of the entry within the job.
    /// @param run Run i covers the items from i * batch up to, not including, min(items, (i + 1) * batch).
    /// @param correct The proof's count; at most the items of the run.
    /// @param proof The proof, as the model's verifier takes it.
    function prove(
        uint256 jobId,
        Terms calldata terms,
        uint256 entry,
        uint256 run,
        uint256 correct,
        bytes calldata proof
    ) external;

    /// @notice Ends the job, and with it the entry that wins, or that is alone in it. Open to anyone as soon as
    /// the outcome is certain: nobody entered by `enterBy`; nothing was delivered by `deliverBy`; a claim is proven
    /// and none can come before it any more; or no claim is proven and all windows have passed. Returns the bond,
    /// too, if that has not been done.
    ///
    /// A claim of all items, proven, is paid without waiting for later entries. Those of them that have not
    /// answered get their stakes back, and cost nobody a fee.
    /// @dev Errors: JobNotOpen, DeadlineNotPassed, Undecided.
    /// @param jobId The job's id.
    /// @param terms The job's terms, as opened.
    function settle(uint256 jobId, Terms calldata terms) external;

    /// @notice Ends an entry. Open to anyone: after `deliverBy` if nothing was delivered; after `acceptBy` if the
    /// seller did not answer, or at once if the reward was paid before it had to; and else when its claim is proven,
    /// when one before it is proven, or when its window has passed.
    /// @dev Errors: EntryNotFound, EntryEnded, DeadlineNotPassed.
    /// @param jobId The job's id.
    /// @param terms The job's terms, as opened.
    /// @param entry Id of the entry within the job.
    function release(uint256 jobId, Terms calldata terms, uint256 entry) external;

    /// @notice Records the result of an ended entry that reached `required` or proved all its runs. Open to
    /// anyone, once for each entry. No money depends on it. Set, metric and admitted keys are the buyer's
    /// choice: whoever relies on a record asks for a root that it knows and checks the model's binding hash.
    /// @dev Errors: EntryNotFound, NotCertifiable, AlreadyCertified, and the result registry's own.
    /// @param jobId The job's id.
    /// @param terms The job's terms, as opened.
    /// @param entry Id of the entry within the job.
    function certify(uint256 jobId, Terms calldata terms, uint256 entry) external;

    /// @notice Reads a job; reverts for an unknown id.
    /// @dev Errors: JobNotFound.
    /// @param jobId The job's id.
    /// @return job The job as stored.
    function getJob(uint256 jobId) external view returns (Job memory job);

    /// @notice Reads an entry; reverts for an unknown one.
    /// @dev Errors: EntryNotFound.
    /// @param jobId The job's id.
    /// @param entry Id of the entry within the job.
    /// @return The entry as stored.
    function getEntry(uint256 jobId, uint256 entry) external view returns (Entry memory);

    /// @notice Whether a run of an entry has been proven; false also for runs that do not exist.
    /// @param jobId The job's id.
    /// @param entry Id of the entry within the job.
    /// @param run Index of the run, from 0.
    /// @return Whether it has been proven.
    function isProven(uint256 jobId, uint256 entry, uint256 run) external view returns (bool);

    /// @notice Number of jobs opened so far; ids run from 1 to this number.
    /// @return The latest id.
    function jobCount() external view returns (uint256);

    /// @notice Where results are recorded.
    /// @return Address of the result registry (IResultRegistry); fixed at deployment.
    function results() external view returns (address);

    /// @notice What stands for a verifying key and a verifier in a list of admitted ones:
    /// keccak256(abi.encode(vkHash, verifierCodeHash)), both EXTCODEHASH. A key alone would admit any
    /// verifier that its seller cares to bind.
    /// @param vkHash EXTCODEHASH of the verifying key's data contract.
    /// @param verifierCodeHash EXTCODEHASH of the verifier.
    /// @return What a list of admitted keys holds.
    function admissionHashOf(bytes32 vkHash, bytes32 verifierCodeHash) external pure returns (bytes32);
}
