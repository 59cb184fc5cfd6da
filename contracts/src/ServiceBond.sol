// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {Custody} from "./Custody.sol";
import {ModelVerification} from "./ModelVerification.sol";
import {IModelRegistry} from "./interfaces/IModelRegistry.sol";
import {IServiceBond} from "./interfaces/IServiceBond.sol";
import {Deadlines} from "./libraries/Deadlines.sol";
import {Errors} from "./libraries/Errors.sol";
import {Events} from "./libraries/Events.sol";
import {IndexedMerkle} from "./libraries/IndexedMerkle.sol";
import {ItemList} from "./libraries/ItemList.sol";
import {ProofContext} from "./libraries/ProofContext.sol";
import {PublicInputs} from "./libraries/PublicInputs.sol";
import {Runs} from "./libraries/Runs.sol";
import {Signatures} from "./libraries/Signatures.sol";

/// @title Bonded prediction service with spot checks
/// @notice See IServiceBond for the protocol.
contract ServiceBond is IServiceBond, Custody, ModelVerification, EIP712 {
    /// @dev Six slots. Times and windows in seconds.
    struct StoredService {
        address provider;
        uint40 closableAt;
        ServiceState state;
        uint24 contestWindow;
        uint24 proofWindow;
        address signer;
        uint96 penalty;
        address token;
        uint96 proofCost;
        uint128 bond;
        uint32 noticePeriod;
        // Of the model's runs; 0 if it is one of single inputs.
        uint16 batch;
        uint256 modelId;
        Counts counts;
    }

    /// @dev Batches that are not ended, and what became of all of them.
    struct Counts {
        uint32 open;
        uint32 posted;
        uint32 contests;
        uint32 upheld;
        uint32 punished;
    }

    /// @dev What is not in the receipt, whose hash is the key.
    struct StoredBatch {
        BatchState state;
        uint40 contestBy;
        // Of the latest contest: its deadline, its items, and a bit for each that is proven.
        uint40 proveBy;
        uint8 checks;
        uint16 proven;
        // Items contested in all.
        uint32 contested;
        uint64 postedIn;
        uint256 items;
    }

    /// @notice EIP-712 type of a receipt.
    bytes32 public constant RECEIPT_TYPEHASH = keccak256(
        "Receipt(bytes32 serviceId,address buyer,bytes32 root,uint256 count,uint256 price,uint256 nonce,uint256 validUntil)"
    );

    /// @notice Shortest contest and proof window: time enough for a transaction on a busy chain.
    uint256 public constant MIN_WINDOW = 10 minutes;
    /// @notice Longest contest and proof window.
    uint256 public constant MAX_WINDOW = 30 days;
    /// @notice Longest notice period.
    uint256 public constant MAX_NOTICE = 365 days;
    /// @notice Most items of a batch.
    uint256 public constant MAX_COUNT = ItemList.MAX_COUNT;
    /// @notice Most items of one contest.
    uint256 public constant MAX_CHECKS = ItemList.MAX_SIZE;

    mapping(bytes32 serviceId => StoredService) private _services;
    mapping(bytes32 batchId => StoredBatch) private _batches;

    constructor(IModelRegistry registry_, bool allowDevSetup_)
        ModelVerification(registry_, allowDevSetup_)
        EIP712("Assay ServiceBond", "1")
    {}

    /// @inheritdoc IServiceBond
    function openService(Terms calldata terms, uint256 bond, bytes32 salt)
        external
        payable
        nonReentrant
        returns (bytes32 serviceId)
    {
        _requireTerms(terms);
        _requireRange("bond", bond, terms.penalty, type(uint96).max);
        (uint256 batch,) = _admitPredictions(terms.modelId, terms.bindingHash);

        serviceId = serviceIdOf(msg.sender, terms, salt);
        StoredService storage service = _services[serviceId];
        if (service.state != ServiceState.None) revert Errors.ServiceExists(serviceId);
        service.provider = msg.sender;
        service.state = ServiceState.Active;
        service.signer = terms.signer;
        service.contestWindow = SafeCast.toUint24(terms.contestWindow);
        service.proofWindow = SafeCast.toUint24(terms.proofWindow);
        service.noticePeriod = SafeCast.toUint32(terms.noticePeriod);
        service.token = terms.token;
        service.modelId = terms.modelId;
        service.batch = SafeCast.toUint16(batch);
        service.bond = SafeCast.toUint128(bond);
        service.penalty = SafeCast.toUint96(terms.penalty);
        service.proofCost = SafeCast.toUint96(terms.proofCost);
        emit Events.ServiceOpened(serviceId, msg.sender, terms.modelId, bond);
        _deposit(terms.token, bond);
    }

    /// @inheritdoc IServiceBond
    function topUp(bytes32 serviceId, uint256 amount) external payable nonReentrant {
        StoredService storage service = _activeService(serviceId);
        _requireRange("bond", amount, 1, type(uint96).max);
        service.bond += SafeCast.toUint128(amount);
        emit Events.BondIncreased(serviceId, msg.sender, amount);
        _deposit(service.token, amount);
    }

    /// @inheritdoc IServiceBond
    function giveNotice(bytes32 serviceId) external nonReentrant {
        StoredService storage service = _activeService(serviceId);
        if (service.provider != msg.sender) revert Errors.NotServiceProvider(serviceId, msg.sender);
        uint40 closableAt = SafeCast.toUint40(block.timestamp + service.noticePeriod);
        service.state = ServiceState.Closing;
        service.closableAt = closableAt;
        emit Events.NoticeGiven(serviceId, closableAt);
    }

    /// @inheritdoc IServiceBond
    function close(bytes32 serviceId) external nonReentrant {
        StoredService storage service = _service(serviceId);
        if (service.state != ServiceState.Closing) revert Errors.ServiceNotClosing(serviceId);
        if (block.timestamp < service.closableAt) {
            revert Errors.NoticeNotPassed(serviceId, service.closableAt);
        }
        uint256 open = service.counts.open;
        if (open != 0) revert Errors.BatchesOpen(serviceId, open);

        uint256 bond = service.bond;
        service.state = ServiceState.Closed;
        service.bond = 0;
        _credit(service.token, service.provider, bond);
        emit Events.ServiceClosed(serviceId, bond);
    }

    /// @inheritdoc IServiceBond
    function post(Receipt calldata receipt, bytes calldata signature)
        external
        payable
        nonReentrant
        returns (bytes32 batchId)
    {
        StoredService storage service = _activeService(receipt.serviceId);
        _requireReceipt(receipt);
        batchId = batchIdOf(receipt);
        if (_batches[batchId].state != BatchState.None) revert Errors.ReceiptUsed(batchId);
        if (!Signatures.isValid(service.signer, receiptHash(receipt), signature)) {
            revert Errors.SignatureRejected(service.signer);
        }
        _requireCurrent(service.modelId);
        _reserve(service);
        _record(batchId, receipt, service.contestWindow);
        _deposit(service.token, receipt.price);
    }

    /// @inheritdoc IServiceBond
    function contest(Receipt calldata receipt, uint256[] calldata indices) external payable nonReentrant {
        (bytes32 batchId, StoredBatch storage batch) = _postedBatch(receipt);
        if (receipt.buyer != msg.sender) revert Errors.NotBatchBuyer(receipt.buyer, msg.sender);
        Deadlines.requireNotPassed(uint256(batchId), batch.contestBy);
        StoredService storage service = _services[receipt.serviceId];
        uint256 items = ItemList.pack(indices, _leaves(service, receipt));

        uint40 proveBy = SafeCast.toUint40(block.timestamp + service.proofWindow);
        // The items of an earlier contest are all proven: nothing depends on them any more.
        batch.state = BatchState.Contested;
        batch.proveBy = proveBy;
        batch.checks = SafeCast.toUint8(indices.length);
        batch.proven = 0;
        batch.contested += SafeCast.toUint32(indices.length);
        batch.items = items;
        ++service.counts.contests;
        emit Events.BatchContested(batchId, receipt.serviceId, indices, proveBy);
        _deposit(service.token, indices.length * service.proofCost);
    }

    /// @inheritdoc IServiceBond
    function prove(Receipt calldata receipt, Opening calldata opening, bytes calldata proof)
        external
        nonReentrant
    {
        (bytes32 batchId, StoredBatch storage batch) = _contestedBatch(receipt);
        Deadlines.requireNotPassed(uint256(batchId), batch.proveBy);
        StoredService storage service = _services[receipt.serviceId];
        address provider = service.provider;
        uint256 proven = _requireOpening(batchId, receipt, batch, opening);
        uint256 index = ItemList.at(batch.items, opening.position);
        _requireProof(service.modelId, _publicInputs(service, batchId, receipt, index, opening), proof);

        batch.proven = SafeCast.toUint16(proven);
        emit Events.ItemProven(batchId, opening.position, opening.outputs);
        uint256 due = service.proofCost;
        if (proven == 2 ** batch.checks - 1) {
            uint40 contestBy = batch.contestBy;
            emit Events.ContestUpheld(batchId, receipt.serviceId, contestBy);
            if (block.timestamp <= contestBy) {
                batch.state = BatchState.Posted;
            } else {
                batch.state = BatchState.Upheld;
                _release(service);
                ++service.counts.upheld;
                due += receipt.price;
                emit Events.BatchPaid(batchId, receipt.serviceId, receipt.price);
            }
        }
        _credit(service.token, provider, due);
    }

    /// @inheritdoc IServiceBond
    function settle(Receipt calldata receipt) external nonReentrant {
        (bytes32 batchId, StoredBatch storage batch) = _postedBatch(receipt);
        Deadlines.requirePassed(uint256(batchId), batch.contestBy);
        StoredService storage service = _services[receipt.serviceId];
        batch.state = batch.contested == 0 ? BatchState.Paid : BatchState.Upheld;
        _release(service);
        if (batch.contested != 0) ++service.counts.upheld;
        _credit(service.token, service.provider, receipt.price);
        emit Events.BatchPaid(batchId, receipt.serviceId, receipt.price);
    }

    /// @inheritdoc IServiceBond
    function punish(Receipt calldata receipt) external nonReentrant {
        (bytes32 batchId, StoredBatch storage batch) = _contestedBatch(receipt);
        Deadlines.requirePassed(uint256(batchId), batch.proveBy);
        StoredService storage service = _services[receipt.serviceId];
        uint256 unproven;
        for (uint256 i = 0; i < batch.checks; ++i) {
            if ((batch.proven >> i) & 1 == 0) ++unproven;
        }
        uint256 compensation = receipt.price + unproven * service.proofCost + service.penalty;
        batch.state = BatchState.Punished;
        _release(service);
        ++service.counts.punished;
        service.bond -= service.penalty;
        _credit(service.token, receipt.buyer, compensation);
        emit Events.BatchPunished(batchId, receipt.serviceId, unproven, compensation);
    }

    /// @inheritdoc IServiceBond
    function getService(bytes32 serviceId) external view returns (Service memory) {
        StoredService storage service = _service(serviceId);
        return Service({
            state: service.state,
            provider: service.provider,
            signer: service.signer,
            token: service.token,
            modelId: service.modelId,
            bond: service.bond,
            reserved: _reserved(service),
            openBatches: service.counts.open,
            penalty: service.penalty,
            proofCost: service.proofCost,
            contestWindow: service.contestWindow,
            proofWindow: service.proofWindow,
            noticePeriod: service.noticePeriod,
            closableAt: service.closableAt,
            batch: service.batch
        });
    }

    /// @inheritdoc IServiceBond
    function recordOf(bytes32 serviceId) external view returns (Record memory) {
        Counts storage counts = _service(serviceId).counts;
        return Record({
            posted: counts.posted, contests: counts.contests, upheld: counts.upheld, punished: counts.punished
        });
    }

    /// @inheritdoc IServiceBond
    function getBatch(bytes32 batchId) external view returns (Batch memory) {
        StoredBatch storage batch = _batch(batchId);
        return Batch({
            state: batch.state,
            contestBy: batch.contestBy,
            proveBy: batch.proveBy,
            checks: batch.checks,
            proven: batch.proven,
            contested: batch.contested,
            postedIn: batch.postedIn
        });
    }

    /// @inheritdoc IServiceBond
    function contestedItems(bytes32 batchId) public view returns (uint256[] memory indices) {
        StoredBatch storage batch = _batch(batchId);
        indices = new uint256[](batch.checks);
        uint256 items = batch.items;
        for (uint256 i = 0; i < indices.length; ++i) {
            indices[i] = ItemList.at(items, i);
        }
    }

    /// @inheritdoc IServiceBond
    function receiptHash(Receipt calldata receipt) public view returns (bytes32 digest) {
        return _hashTypedDataV4(batchIdOf(receipt));
    }

    /// @inheritdoc IServiceBond
    function batchIdOf(Receipt calldata receipt) public pure returns (bytes32 batchId) {
        return keccak256(abi.encode(RECEIPT_TYPEHASH, receipt));
    }

    /// @inheritdoc IServiceBond
    function serviceIdOf(address provider, Terms calldata terms, bytes32 salt)
        public
        view
        returns (bytes32 serviceId)
    {
        return keccak256(abi.encode(block.chainid, address(this), provider, terms, salt));
    }

    /// @dev Sets a penalty aside for one more batch.
    function _reserve(StoredService storage service) private {
        uint256 free = service.bond - _reserved(service);
        if (free < service.penalty) revert Errors.BondTooSmall(free, service.penalty);
        ++service.counts.open;
        ++service.counts.posted;
    }

    /// @dev Undoes {_reserve} when a batch ends.
    function _release(StoredService storage service) private {
        --service.counts.open;
    }

    function _record(bytes32 batchId, Receipt calldata receipt, uint256 contestWindow) private {
        uint40 contestBy = SafeCast.toUint40(block.timestamp + contestWindow);
        StoredBatch storage batch = _batches[batchId];
        batch.state = BatchState.Posted;
        batch.contestBy = contestBy;
        batch.postedIn = SafeCast.toUint64(block.number);
        emit Events.BatchPosted(
            batchId,
            receipt.serviceId,
            msg.sender,
            receipt.root,
            receipt.count,
            receipt.price,
            receipt.nonce,
            receipt.validUntil,
            contestBy
        );
    }

    function _requireTerms(Terms calldata terms) private pure {
        if (terms.signer == address(0)) revert Errors.ZeroValue("signer");
        _requireRange("penalty", terms.penalty, 1, type(uint96).max);
        _requireRange("proofCost", terms.proofCost, 1, type(uint96).max);
        _requireRange("contestWindow", terms.contestWindow, MIN_WINDOW, MAX_WINDOW);
        _requireRange("proofWindow", terms.proofWindow, MIN_WINDOW, MAX_WINDOW);
        uint256 windows = uint256(terms.contestWindow) + terms.proofWindow;
        _requireRange("noticePeriod", terms.noticePeriod, windows + 1, MAX_NOTICE);
    }

    function _requireReceipt(Receipt calldata receipt) private view {
        if (receipt.buyer != msg.sender) revert Errors.NotBatchBuyer(receipt.buyer, msg.sender);
        if (block.timestamp > receipt.validUntil) revert Errors.ReceiptExpired(receipt.validUntil);
        if (receipt.count == 0 || receipt.count > MAX_COUNT) {
            revert Errors.CountOutOfRange(receipt.count, MAX_COUNT);
        }
        if (receipt.price == 0 || receipt.price > type(uint96).max) {
            revert Errors.PriceOutOfRange(receipt.price, type(uint96).max);
        }
        if (receipt.root == 0) revert Errors.ZeroValue("root");
    }

    /// @dev Reverts unless the opening is that of a contested item which is still to be proven.
    /// @return proven The proven items, with this one among them.
    function _requireOpening(
        bytes32 batchId,
        Receipt calldata receipt,
        StoredBatch storage batch,
        Opening calldata opening
    ) private view returns (uint256 proven) {
        uint256 position = opening.position;
        if (position >= batch.checks) revert Errors.PositionOutOfRange(position, batch.checks);
        uint256 bit = 2 ** position;
        if (batch.proven & bit != 0) revert Errors.ItemAlreadyProven(batchId, position);
        uint256 index = ItemList.at(batch.items, position);
        bytes32 outputHash = keccak256(abi.encodePacked(opening.outputs));
        bytes32 leaf = keccak256(abi.encode(index, opening.inputCommitment, outputHash));
        uint256 leaves = _leaves(_services[receipt.serviceId], receipt);
        if (!IndexedMerkle.contains(receipt.root, leaves, index, leaf, opening.path)) {
            revert Errors.ItemNotInRoot(batchId, index);
        }
        return batch.proven | bit;
    }

    /// @dev What a contested item's proof is about: one input, or a run of the collection.
    function _publicInputs(
        StoredService storage service,
        bytes32 batchId,
        Receipt calldata receipt,
        uint256 index,
        Opening calldata opening
    ) private view returns (uint256[] memory) {
        uint256 context = ProofContext.bind(uint256(batchId), service.provider);
        uint256 batch = service.batch;
        if (batch == 0) return PublicInputs.ofInput(context, opening.inputCommitment, opening.outputs);
        (uint256 first, uint256 length) = Runs.span(index, receipt.count, batch);
        return PublicInputs.ofRun(context, opening.inputCommitment, first, length, opening.outputs);
    }

    /// @dev Leaves of a batch's tree: its items, or its runs.
    function _leaves(StoredService storage service, Receipt calldata receipt) private view returns (uint256) {
        uint256 batch = service.batch;
        return batch == 0 ? receipt.count : Runs.count(receipt.count, batch);
    }

    function _service(bytes32 serviceId) private view returns (StoredService storage service) {
        service = _services[serviceId];
        if (service.state == ServiceState.None) revert Errors.ServiceNotFound(serviceId);
    }

    function _activeService(bytes32 serviceId) private view returns (StoredService storage service) {
        service = _service(serviceId);
        if (service.state != ServiceState.Active) revert Errors.ServiceNotActive(serviceId);
    }

    function _batch(bytes32 batchId) private view returns (StoredBatch storage batch) {
        batch = _batches[batchId];
        if (batch.state == BatchState.None) revert Errors.BatchNotFound(batchId);
    }

    function _postedBatch(Receipt calldata receipt)
        private
        view
        returns (bytes32 batchId, StoredBatch storage batch)
    {
        batchId = batchIdOf(receipt);
        batch = _batch(batchId);
        if (batch.state != BatchState.Posted) revert Errors.BatchNotPosted(batchId);
    }

    function _contestedBatch(Receipt calldata receipt)
        private
        view
        returns (bytes32 batchId, StoredBatch storage batch)
    {
        batchId = batchIdOf(receipt);
        batch = _batch(batchId);
        if (batch.state != BatchState.Contested) revert Errors.BatchNotContested(batchId);
    }

    /// @dev The part of the bond that is set aside: a penalty for each open batch.
    function _reserved(StoredService storage service) private view returns (uint256) {
        return uint256(service.counts.open) * service.penalty;
    }

    function _requireRange(string memory field, uint256 value, uint256 minimum, uint256 maximum)
        private
        pure
    {
        if (value < minimum || value > maximum) {
            revert Errors.TermOutOfRange(field, value, minimum, maximum);
        }
    }
}
