// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {ICustody} from "./ICustody.sol";
import {IModelVerification} from "./IModelVerification.sol";

/// @title Prediction service with spot checks
/// @notice A provider answers many inputs off chain and stands behind its answers with a bond. For each
/// batch it signs a receipt over the Merkle root of its answers. The buyer posts the receipt with the
/// price and may contest items of its choice: those have to be proven. A contested item that is not proven in
/// time costs the provider the price and a penalty out of the bond. The buyer advances the cost of each
/// proof and loses it when the proof is good. A batch cheated on a share e of its items survives m items that are
/// chosen at random with a probability of (1 - e)^m, or less; and an answer that the buyer knows to be wrong is
/// contested as such.
///
/// Batch: Posted -> Contested -> Posted (every contested item proven; others may be contested) or Punished (the time
/// for proofs passed before that); Posted -> Paid, or Upheld if there was a contest, when the time for contests has
/// passed. Service: Active -> Closing (the provider gave notice) -> Closed. There is no owner, no pause and no
/// upgrade; terms never change.
///
/// Contests. At most 16 items at a time, the next contest when all of them are proven, as often as the buyer pays for
/// until `contestBy`. That is fixed when the batch is posted: a provider that takes its time leaves the buyer with one
/// contest. So a buyer puts what it knows to be wrong into the first one, and fills that up with items that it chooses
/// at random. A provider can be asked for many proofs, at the cost that it has set: it signs for no more items than it
/// can prove, and makes the cost cover what a proof takes, openings of the model's weights included.
///
/// Tree. Leaf of item i, counted from 0: keccak256(abi.encode(i, inputCommitment, outputHash)), where
/// outputHash is keccak256 of the output words, 32 bytes each, all uint256 and bytes32. The leaves are filled up with zero
/// words to the next power of two. Node: keccak256(left ++ right), 64 bytes. An item's place in the tree
/// is that of its index, so there is one item to an index.
///
/// Public inputs of a proof: [context, inputCommitment, output words] with context = {contextOf}(uint256(batch
/// id), provider): each proof is paid to the provider, whoever brings it. What the words are is said in
/// {IModelVerification}.
///
/// Runs. Where the model's key is one for runs of a collection, a batch's items are answered, contested and proven by
/// runs: neighbours together, with one proof. Leaf i is that of run i, which holds the items from i * batch on;
/// `inputCommitment` is the Poseidon root of the collection of inputs; a contest names runs, a proof's cost is one
/// run's, and the public inputs are [context, root, first item, items of the run, output words].
///
/// What the bond promises: the penalty of every open batch is set aside when the batch is posted, and
/// nothing else can touch it. The rest of the bond promises nothing.
///
/// Of a receipt only the hash is stored: calls on a batch repeat it, and its BatchPosted event holds all of it.
///
/// The signer's ERC-1271 contract may use 100,000 gas. Times are Unix seconds, amounts are in units of the
/// token (wei for ether). Errors of admission and of a proof are those of IModelVerification, errors of a
/// deposit those of ICustody.
interface IServiceBond is ICustody, IModelVerification {
    /// @notice Where a service stands. Closed is final.
    enum ServiceState {
        /// There is no such service.
        None,
        /// Receipts can be posted.
        Active,
        /// Notice was given; no new business.
        Closing,
        /// The bond was credited to the provider.
        Closed
    }

    /// @notice Where a batch stands. Paid, Upheld and Punished are final.
    enum BatchState {
        /// There is no such batch.
        None,
        /// The price is in escrow, and the buyer may contest.
        Posted,
        /// Items are contested and have to be proven.
        Contested,
        /// No contest came in time; the price was credited to the provider.
        Paid,
        /// Every contested item was proven; the price was credited to the provider.
        Upheld,
        /// A contested item was not proven in time; price and penalty were credited to the buyer.
        Punished
    }

    /// @notice What a provider offers. Fixed for the life of the service, and part of its id.
    /// @param modelId Id in the registry.
    /// @param bindingHash The model's binding hash, see IModelRegistry.
    /// @param signer Account that signs receipts: a key, or a contract with ERC-1271.
    /// @param token ERC-20 token of all amounts, or the zero address for ether.
    /// @param penalty What the buyer gets, besides its money back, when a batch fails; 1 to 2^96 - 1.
    /// @param proofCost What the buyer advances for each contested item; 1 to 2^96 - 1.
    /// @param contestWindow Seconds after posting in which a batch can be contested; 10 minutes to 30 days.
    /// @param proofWindow Seconds after a contest in which the items must be proven; 10 minutes to 30 days.
    /// @param noticePeriod Seconds between notice and the bond's return; more than both windows together,
    /// at most 365 days.
    struct Terms {
        uint256 modelId;
        bytes32 bindingHash;
        address signer;
        address token;
        uint256 penalty;
        uint256 proofCost;
        uint64 contestWindow;
        uint64 proofWindow;
        uint64 noticePeriod;
    }

    /// @notice What the service's signer signs (EIP-712), see {receiptHash}.
    /// @param serviceId The service; its terms are part of the id.
    /// @param buyer Who may post the receipt.
    /// @param root Merkle root of the items.
    /// @param count Number of items; 1 to 65,536.
    /// @param price What the buyer pays for the batch; 1 to 2^96 - 1.
    /// @param nonce Any number; makes two receipts different that would be equal otherwise.
    /// @param validUntil Last second in which the receipt can be posted.
    struct Receipt {
        bytes32 serviceId;
        address buyer;
        bytes32 root;
        uint256 count;
        uint256 price;
        uint256 nonce;
        uint256 validUntil;
    }

    /// @notice A contested item, or run of items, opened.
    /// @param position Place in {contestedItems}, from 0.
    /// @param inputCommitment Salted Poseidon commitment to the input; of a run, the root of the collection.
    /// @param outputs The words that were answered, and are proven now.
    /// @param path Siblings from the leaf to the root.
    struct Opening {
        uint256 position;
        uint256 inputCommitment;
        uint256[] outputs;
        bytes32[] path;
    }

    /// @notice A service as stored.
    /// @param state Where it stands.
    /// @param provider Who opened it, and is paid.
    /// @param signer Account that signs its receipts.
    /// @param token ERC-20 token of all amounts, or the zero address for ether.
    /// @param modelId Id of its model in the registry.
    /// @param bond What the provider has at stake.
    /// @param reserved The part of it that is set aside for open batches.
    /// @param openBatches Batches that are Posted or Contested.
    /// @param penalty What the buyer gets, besides its money back, when a batch fails.
    /// @param proofCost What the buyer advances for each contested item.
    /// @param contestWindow Seconds after posting in which a batch can be contested.
    /// @param proofWindow Seconds after a contest in which the items must be proven.
    /// @param noticePeriod Seconds between notice and the bond's return.
    /// @param closableAt Time from which on the bond can be returned; 0 before notice.
    /// @param batch Items of a run, where batches are answered and contested by runs; else 0.
    struct Service {
        ServiceState state;
        address provider;
        address signer;
        address token;
        uint256 modelId;
        uint256 bond;
        uint256 reserved;
        uint256 openBatches;
        uint256 penalty;
        uint256 proofCost;
        uint64 contestWindow;
        uint64 proofWindow;
        uint64 noticePeriod;
        uint64 closableAt;
        uint256 batch;
    }

    /// @notice What became of the batches of a service so far.
    /// @param posted Batches that were posted.
    /// @param contests Contests, of which a batch can have several.
    /// @param upheld Batches that were contested, and paid because every contested item was proven.
    /// @param punished Batches of which a contested item was not proven in time.
    struct Record {
        uint256 posted;
        uint256 contests;
        uint256 upheld;
        uint256 punished;
    }

    /// @notice A batch as stored: what its receipt does not say.
    /// @param state Where it stands.
    /// @param contestBy Last second for a contest.
    /// @param proveBy Last second for the proofs of the latest contest; 0 before one.
    /// @param checks Number of items of the latest contest; 0 before one.
    /// @param proven Bit i is set when the item at position i of the latest contest is proven.
    /// @param contested Number of items of all contests.
    /// @param postedIn Block it was posted in: there its receipt is logged.
    struct Batch {
        BatchState state;
        uint64 contestBy;
        uint64 proveBy;
        uint256 checks;
        uint256 proven;
        uint256 contested;
        uint256 postedIn;
    }

    /// @notice Opens a service; the caller becomes its provider and puts up the bond, at least one penalty.
    /// @dev Errors: ZeroValue, TermOutOfRange, ServiceExists; of admission; of a deposit.
    /// @param terms What is offered.
    /// @param bond What the provider puts at stake; at least one penalty, at most 2^96 - 1.
    /// @param salt Makes services of equal terms different.
    /// @return serviceId See {serviceIdOf}.
    function openService(Terms calldata terms, uint256 bond, bytes32 salt)
        external
        payable
        returns (bytes32 serviceId);

    /// @notice Adds to the bond of an active service. Open to anyone; the money becomes the provider's.
    /// @dev Errors: ServiceNotFound, ServiceNotActive, TermOutOfRange; of a deposit.
    /// @param serviceId The service's id.
    /// @param amount What is added; 1 to 2^96 - 1.
    function topUp(bytes32 serviceId, uint256 amount) external payable;

    /// @notice Ends new business at once and starts the notice period. Provider only.
    /// @dev Errors: ServiceNotFound, ServiceNotActive, NotServiceProvider.
    /// @param serviceId The service's id.
    function giveNotice(bytes32 serviceId) external;

    /// @notice Credits the bond to the provider. Open to anyone, after the notice period, when no batch is
    /// open; by then anybody can have ended each of them.
    /// @dev Errors: ServiceNotFound, ServiceNotClosing, NoticeNotPassed, BatchesOpen.
    /// @param serviceId The service's id.
    function close(bytes32 serviceId) external;

    /// @notice Posts a receipt and pays its price into escrow. The receipt's buyer only, once, while the
    /// service is active, its model is not deprecated and its free bond covers a penalty. Before that a
    /// buyer checks that the root is over its own inputs and the answers it received.
    /// @dev Errors: ServiceNotFound, ServiceNotActive, NotBatchBuyer, ReceiptExpired, CountOutOfRange,
    /// PriceOutOfRange, ZeroValue, ReceiptUsed, SignatureRejected, DeprecatedModel, BondTooSmall; of a
    /// deposit.
    /// @param receipt What the signer signed.
    /// @param signature The signer's: 65 bytes of ECDSA, or what its ERC-1271 contract takes.
    /// @return batchId See {batchIdOf}.
    function post(Receipt calldata receipt, bytes calldata signature)
        external
        payable
        returns (bytes32 batchId);

    /// @notice Contests items, to be proven from now on until the proof window ends. Buyer only, up to and including
    /// `contestBy`, when the items of the contest before are proven. The buyer pays the cost of a proof for each into
    /// escrow.
    ///
    /// Choose at random what you have no reason to choose: a provider that can guess which items are contested cheats
    /// on the others.
    /// @dev Errors: BatchNotFound, BatchNotPosted, NotBatchBuyer, DeadlinePassed, ChecksOutOfRange, ItemOutOfRange,
    /// ItemsNotAscending; of a deposit.
    /// @param receipt The batch's receipt, as posted.
    /// @param indices 1 to 16 items (of a service by runs: 1 to 16 runs), in ascending order.
    function contest(Receipt calldata receipt, uint256[] calldata indices) external payable;

    /// @notice Opens one contested item and proves it; credits the provider the cost of the proof, and after the
    /// last one the price, if the time for contests has passed. Open to anyone, up to and including the deadline. A bad
    /// proof reverts and decides nothing.
    /// @dev Errors: BatchNotFound, BatchNotContested, DeadlinePassed, PositionOutOfRange, ItemAlreadyProven,
    /// ItemNotInRoot; of a proof.
    /// @param receipt The batch's receipt, as posted.
    /// @param opening The contested item.
    /// @param proof The proof, as the model's verifier takes it.
    function prove(Receipt calldata receipt, Opening calldata opening, bytes calldata proof) external;

    /// @notice Credits the price of a batch of which nothing is left to prove. Open to anyone, after `contestBy`.
    /// @dev Errors: BatchNotFound, BatchNotPosted, DeadlineNotPassed.
    /// @param receipt The batch's receipt, as posted.
    function settle(Receipt calldata receipt) external;

    /// @notice Credits the buyer of a contested batch with unproven items: the price, its advances for the
    /// unproven items, the penalty. Open to anyone, after the deadline.
    /// @dev Errors: BatchNotFound, BatchNotContested, DeadlineNotPassed.
    /// @param receipt The batch's receipt, as posted.
    function punish(Receipt calldata receipt) external;

    /// @notice Reads a service; reverts for an unknown id.
    /// @dev Errors: ServiceNotFound.
    /// @param serviceId The service's id.
    /// @return service The service as stored.
    function getService(bytes32 serviceId) external view returns (Service memory service);

    /// @notice Reads a service's record; reverts for an unknown id.
    /// @dev Errors: ServiceNotFound.
    /// @param serviceId The service's id.
    /// @return record What became of its batches so far.
    function recordOf(bytes32 serviceId) external view returns (Record memory record);

    /// @notice Reads a batch; reverts for an unknown id.
    /// @dev Errors: BatchNotFound.
    /// @param batchId The batch's id.
    /// @return batch The batch as stored.
    function getBatch(bytes32 batchId) external view returns (Batch memory batch);

    /// @notice Indices of the items of the latest contest, by position; empty before one.
    /// @dev Errors: BatchNotFound.
    /// @param batchId The batch's id.
    /// @return indices As many as there are checks, in ascending order, each below the number of items.
    function contestedItems(bytes32 batchId) external view returns (uint256[] memory indices);

    /// @notice EIP-712 digest of a receipt: what the service's signer signs.
    /// @param receipt Any receipt.
    /// @return digest Depends on the chain and on this contract.
    function receiptHash(Receipt calldata receipt) external view returns (bytes32 digest);

    /// @notice EIP-712 struct hash of a receipt. It covers chain and contract by the service's id, but does not
    /// follow the chain's id: should a chain split and get a new one, open batches can still be ended.
    /// @param receipt Any receipt.
    /// @return batchId What the batch has as its id once the receipt is posted.
    function batchIdOf(Receipt calldata receipt) external pure returns (bytes32 batchId);

    /// @notice The id of a service: keccak256(abi.encode(chain id, this contract, provider, terms, salt)).
    /// @param provider Who opens it.
    /// @param terms What is offered.
    /// @param salt Makes services of equal terms different.
    /// @return serviceId Never used twice.
    function serviceIdOf(address provider, Terms calldata terms, bytes32 salt)
        external
        view
        returns (bytes32 serviceId);
}
