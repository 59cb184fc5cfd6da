// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Custody} from "./Custody.sol";
import {ModelVerification} from "./ModelVerification.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IPredictionEscrow} from "./interfaces/IPredictionEscrow.sol";
import {IPredictionReceiver} from "./interfaces/IPredictionReceiver.sol";
import {Callbacks} from "./libraries/Callbacks.sol";
import {Deadlines} from "./libraries/Deadlines.sol";
import {Errors} from "./libraries/Errors.sol";
import {Events} from "./libraries/Events.sol";
import {Hints} from "./libraries/Hints.sol";
import {ProofContext} from "./libraries/ProofContext.sol";
import {PublicInputs} from "./libraries/PublicInputs.sol";
import {Runs} from "./libraries/Runs.sol";

/// @title Escrow for prediction bounties
/// @notice See IPredictionEscrow for the protocol.
contract PredictionEscrow is IPredictionEscrow, Custody, ModelVerification {
    /// @dev Two packed slots, the model, the input. The last slot is zero for a job of one input, which does not pay
    /// for it.
    struct StoredJob {
        address buyer;
        uint40 deadline;
        State state;
        uint24 notice;
        uint24 callbackGas;
        address token;
        uint96 price;
        uint256 modelId;
        uint256 inputCommitment;
        // Of a collection: items of a run, items in all, and of runs that are not claimed.
        uint16 batch;
        uint32 items;
        uint32 unclaimed;
    }

    /// @notice Latest deadline, counted from the opening.
    uint256 public constant MAX_DURATION = Deadlines.MAX_DURATION;

    /// @notice Shortest notice with which a buyer can end a job: a claim that was sent arrives.
    uint256 public constant MIN_NOTICE = Deadlines.MIN_WINDOW;

    /// @notice Longest notice.
    uint256 public constant MAX_NOTICE = 30 days;

    /// @notice Most gas that a buyer's contract can have to be told of an answer.
    uint256 public constant MAX_CALLBACK_GAS = Callbacks.MAX_GAS;

    /// @notice Longest hint that is logged.
    uint256 public constant MAX_HINT_LENGTH = Hints.MAX_LENGTH;

    /// @dev Marks what is stored of a run's words as proven; above the scalar modulus.
    uint256 private constant PROVEN = 1 << 255;

    /// @inheritdoc IPredictionEscrow
    uint256 public jobCount;

    mapping(uint256 jobId => StoredJob) private _jobs;
    /// @dev The one word, or the hash of several, see {_kept}.
    mapping(uint256 jobId => mapping(uint256 run => uint256)) private _outputs;

    constructor(IModelRegistry registry_, bool allowDevSetup_) ModelVerification(registry_, allowDevSetup_) {}

    /// @inheritdoc IPredictionEscrow
    function open(Order calldata order) external payable nonReentrant returns (uint256 jobId) {
        jobId = _record(order, msg.sender);
        _deposit(order.token, order.items * order.price);
    }

    /// @inheritdoc IPredictionEscrow
    function openFor(Order calldata order, address buyer)
        external
        payable
        nonReentrant
        returns (uint256 jobId)
    {
        if (buyer == address(0) || buyer == address(this)) revert Errors.InvalidRecipient(buyer);
        if (order.callbackGas != 0) revert Errors.TermOutOfRange("callbackGas", order.callbackGas, 0, 0);
        jobId = _record(order, buyer);
        _deposit(order.token, order.items * order.price);
    }

    /// @inheritdoc IPredictionEscrow
    function openWithPermit(Order calldata order, Permit calldata permit)
        external
        nonReentrant
        returns (uint256 jobId)
    {
        jobId = _record(order, msg.sender);
        uint256 total = order.items * order.price;
        _tryPermit(order.token, total, permit);
        _deposit(order.token, total);
    }

    /// @inheritdoc IPredictionEscrow
    function claim(
        uint256 jobId,
        uint256 run,
        address recipient,
        uint256[] calldata outputs,
        bytes calldata proof
    ) external nonReentrant {
        StoredJob storage job = _openJob(jobId);
        Deadlines.requireNotPassed(jobId, job.deadline);
        if (recipient == address(0) || recipient == address(this)) revert Errors.InvalidRecipient(recipient);
        if (_outputs[jobId][run] != 0) revert Errors.RunAlreadyProven(run);

        uint256 due = _prove(jobId, run, recipient, outputs, proof) * job.price;
        _outputs[jobId][run] = _kept(outputs);
        _credit(job.token, recipient, due);
        emit Events.JobClaimed(jobId, job.modelId, recipient, run, outputs);
        uint256 callbackGas = job.callbackGas;
        if (callbackGas != 0) _callBack(job.buyer, callbackGas, jobId, run, outputs);
    }

    /// @inheritdoc IPredictionEscrow
    function requestCancel(uint256 jobId) external nonReentrant {
        StoredJob storage job = _openJob(jobId);
        if (job.buyer != msg.sender) revert Errors.WrongCaller(job.buyer, msg.sender);
        if (job.notice == 0) revert Errors.NotCancellable(jobId);
        uint40 deadline = SafeCast.toUint40(block.timestamp + job.notice);
        if (job.deadline <= deadline) revert Errors.DeadlineNotLater(jobId, job.deadline);
        job.deadline = deadline;
        emit Events.CancelRequested(jobId, deadline);
    }

    /// @inheritdoc IPredictionEscrow
    function refund(uint256 jobId) external nonReentrant {
        StoredJob storage job = _openJob(jobId);
        Deadlines.requirePassed(jobId, job.deadline);

        uint256 amount = (job.batch == 0 ? 1 : job.unclaimed) * uint256(job.price);
        job.state = State.Refunded;
        _credit(job.token, job.buyer, amount);
        emit Events.JobRefunded(jobId, job.modelId, job.buyer, amount);
    }

    /// @inheritdoc IPredictionEscrow
    function getJob(uint256 jobId) external view returns (Job memory) {
        StoredJob storage job = _job(jobId);
        bool several = job.batch != 0;
        return Job({
            state: job.state,
            buyer: job.buyer,
            deadline: job.deadline,
            modelId: job.modelId,
            token: job.token,
            price: job.price,
            inputCommitment: job.inputCommitment,
            items: several ? job.items : 1,
            batch: job.batch,
            unclaimed: several ? job.unclaimed : (job.state == State.Claimed ? 0 : 1),
            notice: job.notice,
            callbackGas: job.callbackGas
        });
    }

    /// @inheritdoc IPredictionEscrow
    function outputOf(uint256 jobId) external view returns (uint256 output) {
        output = _keptOf(jobId, 0);
        if (_jobs[jobId].batch != 0 || output >> 254 != 0) revert Errors.SeveralOutputs(jobId, 0);
    }

    /// @inheritdoc IPredictionEscrow
    function isOutput(uint256 jobId, uint256 run, uint256[] calldata outputs) external view returns (bool) {
        uint256 kept = _keptOf(jobId, run);
        // One word that no proof shows could look like the hash of several, or like a word that was marked.
        if (outputs.length == 1) return outputs[0] == kept && kept >> 254 == 0;
        return kept | PROVEN == _kept(outputs);
    }

    /// @inheritdoc IPredictionEscrow
    function isClaimed(uint256 jobId, uint256 run) external view returns (bool) {
        _job(jobId);
        return _outputs[jobId][run] != 0;
    }

    /// @dev Checks the order and stores the job. The caller takes the price right after.
    function _record(Order calldata order, address buyer) private returns (uint256 jobId) {
        if (order.price == 0 || order.price > type(uint96).max) {
            revert Errors.PriceOutOfRange(order.price, type(uint96).max);
        }
        Deadlines.requireOrder(block.timestamp, order.deadline);
        if (order.inputCommitment == 0) revert Errors.ZeroValue("inputCommitment");
        PublicInputs.requireCanonical(1, order.inputCommitment);
        Hints.requireLength(order.hint);
        (uint256 batch, uint256 capacity) = _admitPredictions(order.modelId, order.bindingHash);
        if (capacity > type(uint32).max) capacity = type(uint32).max;
        if (order.items == 0 || order.items > capacity) {
            revert Errors.TermOutOfRange("items", order.items, 1, capacity);
        }

        uint40 deadline = SafeCast.toUint40(order.deadline);
        uint24 notice = _noticeOf(order);
        uint24 callbackGas = _callbackGasOf(order);
        jobId = ++jobCount;
        StoredJob storage job = _jobs[jobId];
        // One after the other, so that the compiler writes a slot once.
        job.buyer = buyer;
        job.deadline = deadline;
        job.state = State.Open;
        job.notice = notice;
        job.callbackGas = callbackGas;
        job.token = order.token;
        // Not above, see the first check.
        // forge-lint: disable-next-line(unsafe-typecast)
        job.price = uint96(order.price);
        job.modelId = order.modelId;
        job.inputCommitment = order.inputCommitment;
        if (batch != 0) {
            job.batch = SafeCast.toUint16(batch);
            job.items = SafeCast.toUint32(order.items);
            job.unclaimed = SafeCast.toUint32(order.items);
        }
        emit Events.JobOpened(jobId, order.modelId, buyer, order);
    }

    /// @dev Reverts unless the words are proven for the run; counts the run as claimed.
    /// @return length Items of the run.
    function _prove(
        uint256 jobId,
        uint256 run,
        address recipient,
        uint256[] calldata outputs,
        bytes calldata proof
    ) private returns (uint256 length) {
        StoredJob storage job = _jobs[jobId];
        uint256 context = ProofContext.bind(jobId, recipient);
        uint256 batch = job.batch;
        uint256 unclaimed;
        uint256[] memory publicInputs;
        if (batch == 0) {
            (, length) = Runs.span(run, 1, 1);
            publicInputs = PublicInputs.ofInput(context, job.inputCommitment, outputs);
        } else {
            uint256 first;
            (first, length) = Runs.span(run, job.items, batch);
            unclaimed = job.unclaimed - length;
            publicInputs = PublicInputs.ofRun(context, job.inputCommitment, first, length, outputs);
        }
        _requireProof(job.modelId, publicInputs, proof);
        if (batch != 0) job.unclaimed = SafeCast.toUint32(unclaimed);
        if (unclaimed == 0) job.state = State.Claimed;
    }

    /// @dev The last that a claim does, under the guard.
    function _callBack(
        address buyer,
        uint256 callbackGas,
        uint256 jobId,
        uint256 run,
        uint256[] calldata outputs
    ) private {
        bytes memory data = abi.encodeCall(IPredictionReceiver.onPrediction, (jobId, run, outputs));
        if (!Callbacks.tryCall(buyer, callbackGas, data)) emit Events.CallbackFailed(jobId, run);
    }

    function _noticeOf(Order calldata order) private pure returns (uint24) {
        if (order.notice != 0 && (order.notice < MIN_NOTICE || order.notice > MAX_NOTICE)) {
            revert Errors.TermOutOfRange("notice", order.notice, MIN_NOTICE, MAX_NOTICE);
        }
        return SafeCast.toUint24(order.notice);
    }

    function _callbackGasOf(Order calldata order) private view returns (uint24) {
        if (order.callbackGas == 0) return 0;
        if (order.callbackGas > MAX_CALLBACK_GAS) {
            revert Errors.TermOutOfRange("callbackGas", order.callbackGas, 0, MAX_CALLBACK_GAS);
        }
        if (msg.sender.code.length == 0) revert Errors.NoCode(msg.sender);
        return SafeCast.toUint24(order.callbackGas);
    }

    /// @dev Of one word the word, which is below 2^254; of several 253 bits of their hash and the bit above.
    function _kept(uint256[] calldata outputs) private pure returns (uint256) {
        if (outputs.length == 1) return PROVEN | outputs[0];
        return PROVEN | (1 << 254) | (uint256(keccak256(abi.encodePacked(outputs))) >> 3);
    }

    function _keptOf(uint256 jobId, uint256 run) private view returns (uint256 kept) {
        _job(jobId);
        kept = _outputs[jobId][run];
        if (kept == 0) revert Errors.JobNotClaimed(jobId);
        kept ^= PROVEN;
    }

    function _job(uint256 jobId) private view returns (StoredJob storage job) {
        job = _jobs[jobId];
        if (job.state == State.None) revert Errors.JobNotFound(jobId);
    }

    function _openJob(uint256 jobId) private view returns (StoredJob storage job) {
        job = _job(jobId);
        if (job.state != State.Open) revert Errors.JobNotOpen(jobId);
    }
}
