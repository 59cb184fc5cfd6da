// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Custody} from "./Custody.sol";
import {ModelVerification} from "./ModelVerification.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IPredictionEscrow} from "./interfaces/IPredictionEscrow.sol";
import {Deadlines} from "./libraries/Deadlines.sol";
import {Errors} from "./libraries/Errors.sol";
import {Events} from "./libraries/Events.sol";
import {Hints} from "./libraries/Hints.sol";
import {ProofContext} from "./libraries/ProofContext.sol";
import {PublicInputs} from "./libraries/PublicInputs.sol";

/// @title Escrow for prediction bounties
/// @notice See IPredictionEscrow for the protocol.
contract PredictionEscrow is IPredictionEscrow, Custody, ModelVerification {
    /// @dev Two packed slots, the model, the input, and the output that a claim adds.
    struct StoredJob {
        address buyer;
        uint40 deadline;
        State state;
        address token;
        uint96 price;
        uint256 modelId;
        uint256 inputCommitment;
        uint256 output;
    }

    /// @notice Latest deadline, counted from the opening.
    uint256 public constant MAX_DURATION = Deadlines.MAX_DURATION;

    /// @notice Longest hint that is logged.
    uint256 public constant MAX_HINT_LENGTH = Hints.MAX_LENGTH;

    /// @inheritdoc IPredictionEscrow
    uint256 public jobCount;

    mapping(uint256 jobId => StoredJob) private _jobs;

    constructor(IModelRegistry registry_, bool allowDevSetup_) ModelVerification(registry_, allowDevSetup_) {}

    /// @inheritdoc IPredictionEscrow
    function open(Order calldata order) external payable nonReentrant returns (uint256 jobId) {
        jobId = _record(order);
        _deposit(order.token, order.price);
    }

    /// @inheritdoc IPredictionEscrow
    function openWithPermit(Order calldata order, Permit calldata permit)
        external
        nonReentrant
        returns (uint256 jobId)
    {
        jobId = _record(order);
        _tryPermit(order.token, order.price, permit);
        _deposit(order.token, order.price);
    }

    /// @inheritdoc IPredictionEscrow
    function claim(uint256 jobId, address recipient, uint256 output, bytes calldata proof)
        external
        nonReentrant
    {
        StoredJob storage job = _openJob(jobId);
        Deadlines.requireNotPassed(jobId, job.deadline);
        if (recipient == address(0) || recipient == address(this)) revert Errors.InvalidRecipient(recipient);

        uint256 context = ProofContext.bind(jobId, recipient);
        uint256 modelId = job.modelId;
        _requireProof(modelId, PublicInputs.list(context, job.inputCommitment, output), proof);

        job.state = State.Claimed;
        job.output = output;
        _credit(job.token, recipient, job.price);
        emit Events.JobClaimed(jobId, modelId, recipient, output);
    }

    /// @inheritdoc IPredictionEscrow
    function refund(uint256 jobId) external nonReentrant {
        StoredJob storage job = _openJob(jobId);
        Deadlines.requirePassed(jobId, job.deadline);

        job.state = State.Refunded;
        _credit(job.token, job.buyer, job.price);
        emit Events.JobRefunded(jobId, job.modelId, job.buyer);
    }

    /// @inheritdoc IPredictionEscrow
    function getJob(uint256 jobId) external view returns (Job memory) {
        StoredJob storage job = _job(jobId);
        return Job({
            state: job.state,
            buyer: job.buyer,
            deadline: job.deadline,
            modelId: job.modelId,
            token: job.token,
            price: job.price,
            inputCommitment: job.inputCommitment,
            output: job.output
        });
    }

    /// @inheritdoc IPredictionEscrow
    function outputOf(uint256 jobId) external view returns (uint256 output) {
        StoredJob storage job = _job(jobId);
        if (job.state != State.Claimed) revert Errors.JobNotClaimed(jobId);
        return job.output;
    }

    /// @dev Checks the order and stores the job. The caller takes the price right after.
    function _record(Order calldata order) private returns (uint256 jobId) {
        if (order.price == 0 || order.price > type(uint96).max) {
            revert Errors.PriceOutOfRange(order.price, type(uint96).max);
        }
        Deadlines.requireOrder(block.timestamp, order.deadline);
        if (order.inputCommitment == 0) revert Errors.ZeroValue("inputCommitment");
        PublicInputs.requireCanonical(1, order.inputCommitment);
        Hints.requireLength(order.hint);
        _admitPrediction(order.modelId, order.bindingHash);

        jobId = ++jobCount;
        StoredJob storage job = _jobs[jobId];
        job.buyer = msg.sender;
        job.deadline = SafeCast.toUint40(order.deadline);
        job.modelId = order.modelId;
        job.state = State.Open;
        job.token = order.token;
        job.price = SafeCast.toUint96(order.price);
        job.inputCommitment = order.inputCommitment;
        emit Events.JobOpened(
            jobId,
            order.modelId,
            msg.sender,
            order.bindingHash,
            order.inputCommitment,
            order.token,
            order.price,
            order.deadline,
            order.hint
        );
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
