// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Custody} from "./Custody.sol";
import {ModelVerification} from "./ModelVerification.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IRetrievalEscrow} from "./interfaces/IRetrievalEscrow.sol";
import {Deadlines} from "./libraries/Deadlines.sol";
import {Errors} from "./libraries/Errors.sol";
import {Events} from "./libraries/Events.sol";
import {Hints} from "./libraries/Hints.sol";
import {ProofContext} from "./libraries/ProofContext.sol";
import {PublicInputs} from "./libraries/PublicInputs.sol";
import {Runs} from "./libraries/Runs.sol";
import {Statements} from "./libraries/Statement.sol";

/// @title Escrow for retrieval from committed collections
/// @notice See IRetrievalEscrow for the protocol.
contract RetrievalEscrow is IRetrievalEscrow, Custody, ModelVerification {
    struct StoredJob {
        bytes32 termsHash;
        State state;
        bool anySelected;
        uint16 batch;
        uint32 items;
        uint32 missing;
    }

    /// @notice Latest deadline, counted from the opening.
    uint256 public constant MAX_DURATION = Deadlines.MAX_DURATION;

    /// @notice Longest hint or place that is logged.
    uint256 public constant MAX_HINT_LENGTH = Hints.MAX_LENGTH;

    /// @notice Largest run: its bitmap is one public input.
    uint256 public constant MAX_BATCH = 248;

    /// @dev Marks a stored bitmap as proven; above all bits of a bitmap.
    uint256 private constant PROVEN = 1 << 255;

    /// @inheritdoc IRetrievalEscrow
    uint256 public jobCount;

    mapping(uint256 jobId => StoredJob) private _jobs;
    mapping(uint256 jobId => mapping(uint256 run => uint256)) private _bitmaps;

    constructor(IModelRegistry registry_, bool allowDevSetup_) ModelVerification(registry_, allowDevSetup_) {}

    /// @inheritdoc IRetrievalEscrow
    function open(Terms calldata terms, bytes32 bindingHash, bytes calldata hint)
        external
        payable
        nonReentrant
        returns (uint256 jobId)
    {
        jobId = _record(terms, bindingHash, hint);
        _deposit(terms.token, terms.price);
    }

    /// @inheritdoc IRetrievalEscrow
    function openWithPermit(
        Terms calldata terms,
        bytes32 bindingHash,
        bytes calldata hint,
        Permit calldata permit
    ) external nonReentrant returns (uint256 jobId) {
        jobId = _record(terms, bindingHash, hint);
        _tryPermit(terms.token, terms.price, permit);
        _deposit(terms.token, terms.price);
    }

    /// @inheritdoc IRetrievalEscrow
    function prove(uint256 jobId, Terms calldata terms, uint256 run, uint256 bitmap, bytes calldata proof)
        external
        nonReentrant
    {
        StoredJob storage job = _openJob(jobId, terms);
        Deadlines.requireNotPassed(jobId, terms.proveBy);
        (uint256 first, uint256 length) = Runs.span(run, terms.items, terms.batch);
        if (_bitmaps[jobId][run] != 0) revert Errors.RunAlreadyProven(run);
        if (bitmap >> length != 0) revert Errors.BitmapOutOfRange(bitmap, length);

        uint256 context = ProofContext.bind(jobId, terms.holder);
        _requireProof(
            terms.modelId, PublicInputs.list(context, terms.collectionRoot, first, length, bitmap), proof
        );

        _bitmaps[jobId][run] = PROVEN | bitmap;
        --job.missing;
        if (bitmap != 0) job.anySelected = true;
        emit Events.RetrievalRunProven(jobId, run, bitmap);
    }

    /// @inheritdoc IRetrievalEscrow
    function publish(uint256 jobId, Terms calldata terms, bytes32 dataHash, bytes calldata place)
        external
        nonReentrant
    {
        StoredJob storage job = _openJob(jobId, terms);
        if (msg.sender != terms.holder) revert Errors.WrongCaller(terms.holder, msg.sender);
        Deadlines.requireNotPassed(jobId, terms.openBy);
        if (job.missing != 0) revert Errors.NotCovered(jobId, job.missing);
        if (dataHash == 0) revert Errors.ZeroValue("dataHash");
        Hints.requireLength(place);

        emit Events.OpeningsPublished(jobId, dataHash, place);
        _end(jobId, terms, job, State.Paid, terms.holder);
    }

    /// @inheritdoc IRetrievalEscrow
    function settle(uint256 jobId, Terms calldata terms) external nonReentrant {
        StoredJob storage job = _openJob(jobId, terms);
        if (job.missing == 0 && !job.anySelected) {
            _end(jobId, terms, job, State.Paid, terms.holder);
            return;
        }
        Deadlines.requirePassed(jobId, job.missing != 0 ? terms.proveBy : terms.openBy);
        _end(jobId, terms, job, State.Refunded, terms.requester);
    }

    /// @inheritdoc IRetrievalEscrow
    function selected(uint256 jobId, uint256 index) external view returns (bool) {
        StoredJob storage job = _job(jobId);
        if (index >= job.items) revert Errors.ItemOutOfRange(index, job.items);
        uint256 batch = job.batch;
        return bitmapOf(jobId, index / batch) >> (index % batch) & 1 != 0;
    }

    /// @inheritdoc IRetrievalEscrow
    function bitmapOf(uint256 jobId, uint256 run) public view returns (uint256 bitmap) {
        bitmap = _bitmaps[jobId][run];
        if (bitmap == 0) revert Errors.RunNotProven(jobId, run);
        bitmap ^= PROVEN;
    }

    /// @inheritdoc IRetrievalEscrow
    function getJob(uint256 jobId) external view returns (Job memory) {
        StoredJob storage job = _job(jobId);
        return Job({
            state: job.state,
            items: job.items,
            batch: job.batch,
            missing: job.missing,
            anySelected: job.anySelected,
            termsHash: job.termsHash
        });
    }

    /// @dev Checks the terms and stores their hash. The caller takes the price right after.
    function _record(Terms calldata terms, bytes32 bindingHash, bytes calldata hint)
        private
        returns (uint256 jobId)
    {
        if (msg.sender != terms.requester) revert Errors.WrongCaller(terms.requester, msg.sender);
        if (terms.holder == address(0) || terms.holder == address(this)) {
            revert Errors.InvalidRecipient(terms.holder);
        }
        if (terms.price == 0) revert Errors.ZeroValue("price");
        if (terms.collectionRoot == 0) revert Errors.ZeroValue("collectionRoot");
        PublicInputs.requireCanonical(1, terms.collectionRoot);
        if (terms.items == 0) revert Errors.ZeroValue("items");
        if (terms.batch == 0 || terms.batch > MAX_BATCH) {
            revert Errors.BatchOutOfRange(terms.batch, MAX_BATCH);
        }
        Deadlines.requireOrder(block.timestamp, terms.proveBy);
        Deadlines.requireOrder(terms.proveBy, terms.openBy);
        Hints.requireLength(hint);
        _admitRuns(terms.modelId, bindingHash, Statements.RETRIEVAL, terms.batch);

        jobId = ++jobCount;
        StoredJob storage job = _jobs[jobId];
        job.termsHash = keccak256(abi.encode(terms));
        job.state = State.Open;
        job.batch = terms.batch;
        job.items = terms.items;
        job.missing = SafeCast.toUint32(Runs.count(terms.items, terms.batch));
        emit Events.RetrievalOpened(jobId, msg.sender, terms.holder, terms, bindingHash, hint);
    }

    function _end(uint256 jobId, Terms calldata terms, StoredJob storage job, State state, address recipient)
        private
    {
        job.state = state;
        _credit(terms.token, recipient, terms.price);
        emit Events.RetrievalSettled(jobId, state, recipient);
    }

    function _job(uint256 jobId) private view returns (StoredJob storage job) {
        job = _jobs[jobId];
        if (job.state == State.None) revert Errors.JobNotFound(jobId);
    }

    function _openJob(uint256 jobId, Terms calldata terms) private view returns (StoredJob storage job) {
        job = _job(jobId);
        bytes32 actual = keccak256(abi.encode(terms));
        if (actual != job.termsHash) revert Errors.TermsMismatch(jobId, job.termsHash, actual);
        if (job.state != State.Open) revert Errors.JobNotOpen(jobId);
    }
}
