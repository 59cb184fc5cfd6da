// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ServiceBond} from "../../src/ServiceBond.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {BatchTree} from "../doubles/BatchTree.sol";
import {CustodyHandler} from "./CustodyHandler.sol";
import {RunModel} from "./RunModel.sol";
import {one} from "../doubles/Words.sol";

/// @notice All that providers, buyers and bystanders can do, with bounded choices, and ghost
/// state that never reads the contract's credits, bonds, services or batches. What must happen follows from it.
contract ServiceBondHandler is CustodyHandler {
    struct GhostService {
        IServiceBond.Terms terms;
        address provider;
        IServiceBond.ServiceState state;
        uint256 closableAt;
        uint256 openBatches;
    }

    struct GhostBatch {
        IServiceBond.BatchState state;
        uint256 contestBy;
        uint256 proveBy;
        uint256[] items;
        uint256 proven;
        uint256 contested;
    }

    /// @dev How a batch or a service has ended, by the rules: how often, and what was stored when it did (of a batch) or
    /// what its record is (of a service, whose place is its own).
    struct Ended {
        bytes32 id;
        uint256 service;
        uint256 price;
        uint256 endings;
        bytes32 last;
    }

    uint256 internal constant MAX_SERVICES = 4;
    uint256 internal constant MAX_BATCHES = 12;

    ServiceBond public immutable BOND;
    bytes32 internal immutable WEIGHTS;
    address internal immutable SIGNER;
    uint256 internal immutable SIGNER_KEY;

    /// @dev Of one input, of runs.
    RunModel[2] internal models;
    bytes32[] public services;
    bytes32[] public batches;

    mapping(bytes32 serviceId => GhostService) internal ghostServices;
    mapping(bytes32 batchId => GhostBatch) internal ghostBatches;
    mapping(bytes32 serviceId => uint256) public bondOf;
    mapping(bytes32 batchId => IServiceBond.Receipt) internal receipts;
    mapping(bytes32 id => uint256) public endings;
    mapping(bytes32 serviceId => IServiceBond.Record) internal records;
    mapping(bytes32 batchId => bytes32) public terminalBatch;

    constructor(ServiceBond bond, bytes32 weights, RunModel[2] memory models_) CustodyHandler(bond) {
        BOND = bond;
        WEIGHTS = weights;
        models[0] = models_[0];
        models[1] = models_[1];
        (SIGNER, SIGNER_KEY) = makeAddrAndKey("receipt signer");
    }

    function openService(
        uint256 who,
        uint256 which,
        uint256 penalties,
        uint256 contestDays,
        uint256 proofDays,
        uint256 salt
    ) external {
        if (services.length == MAX_SERVICES) return;
        address provider = _actor(who);
        RunModel storage model = models[salt % 2];
        IServiceBond.Terms memory terms = IServiceBond.Terms({
            modelId: model.id,
            bindingHash: model.bindingHash,
            signer: SIGNER,
            token: _token(which),
            penalty: _bound(salt, 1, 5 ether),
            proofCost: _bound(penalties, 1, 1 ether),
            contestWindow: uint64(_bound(contestDays, 1, 30)) * 1 days,
            proofWindow: uint64(_bound(proofDays, 1, 30)) * 1 days,
            noticePeriod: 61 days
        });
        uint256 amount = terms.penalty * _bound(penalties, 1, 8);
        bytes32 expected = BOND.serviceIdOf(provider, terms, bytes32(salt));
        for (uint256 i = 0; i < services.length; ++i) {
            if (services[i] == expected) return;
        }
        bytes memory call = abi.encodeCall(BOND.openService, (terms, amount, bytes32(salt)));
        assertTrue(_pay(provider, terms.token, amount, call), "opening refused against the rules");
        services.push(expected);
        bondOf[expected] = amount;
        GhostService storage service = ghostServices[expected];
        (service.terms, service.provider) = (terms, provider);
        service.state = IServiceBond.ServiceState.Active;
        ++calls["openService"];
    }

    function topUp(uint256 who, uint256 which, uint256 amount) external {
        if (services.length == 0) return;
        bytes32 id = services[which % services.length];
        GhostService storage service = ghostServices[id];
        amount = _bound(amount, 1, 10 ether);
        bool expected = service.state == IServiceBond.ServiceState.Active;
        bytes memory call = abi.encodeCall(BOND.topUp, (id, amount));
        assertEq(_pay(_actor(who), service.terms.token, amount, call), expected, "top-up");
        if (!expected) return;
        bondOf[id] += amount;
        ++calls["topUp"];
    }

    /// @dev Seldom: a service without new business has little to show.
    function giveNotice(uint256 which) external {
        if (services.length == 0 || (which / services.length) % 3 != 0) return;
        noticeOf(services[which % services.length]);
    }

    function close(uint256 who, uint256 which) external {
        if (services.length == 0) return;
        bytes32 id = services[which % services.length];
        GhostService storage service = ghostServices[id];
        bool expected = service.state == IServiceBond.ServiceState.Closing
            && block.timestamp >= service.closableAt && service.openBatches == 0;
        vm.prank(_actor(who));
        try BOND.close(id) {
            assertTrue(expected, "closed against the rules");
            ++endings[id];
            owed[service.terms.token][service.provider] += bondOf[id];
            bondOf[id] = 0;
            service.state = IServiceBond.ServiceState.Closed;
            ++calls["close"];
        } catch {
            assertFalse(expected, "close refused against the rules");
        }
    }

    function post(uint256 who, uint256 which, uint256 price, uint256 count, uint256 nonce) external {
        if (services.length == 0 || batches.length == MAX_BATCHES) return;
        bytes32 id = services[which % services.length];
        GhostService storage service = ghostServices[id];
        count = _bound(count, 1, 20);
        IServiceBond.Receipt memory receipt = IServiceBond.Receipt({
            serviceId: id,
            buyer: _actor(who),
            root: BatchTree.root(_leaves(id, count)),
            count: count,
            price: _bound(price, 1, type(uint96).max),
            nonce: nonce,
            validUntil: block.timestamp
        });
        bytes32 batchId = BOND.batchIdOf(receipt);
        bool expected = service.state == IServiceBond.ServiceState.Active && receipts[batchId].count == 0
            && bondOf[id] - service.openBatches * service.terms.penalty >= service.terms.penalty;
        bytes memory signature = _sign(BOND.receiptHash(receipt));
        bytes memory call = abi.encodeCall(BOND.post, (receipt, signature));
        assertEq(_pay(receipt.buyer, service.terms.token, receipt.price, call), expected, "posting");
        if (!expected) return;
        receipts[batchId] = receipt;
        batches.push(batchId);
        ++service.openBatches;
        ++records[id].posted;
        GhostBatch storage batch = ghostBatches[batchId];
        batch.state = IServiceBond.BatchState.Posted;
        batch.contestBy = block.timestamp + service.terms.contestWindow;
        ++calls["post"];
    }

    /// @dev A receipt never works twice, and never for a service without free bond.
    function replay(uint256 which) external {
        if (batches.length == 0) return;
        bytes32 batchId = batches[which % batches.length];
        IServiceBond.Receipt memory receipt = receipts[batchId];
        bytes memory signature = _sign(BOND.receiptHash(receipt));
        bytes memory call = abi.encodeCall(BOND.post, (receipt, signature));
        address token = ghostServices[receipt.serviceId].terms.token;
        assertFalse(_pay(receipt.buyer, token, receipt.price, call), "posted twice");
        ++calls["replay"];
    }

    function contest(uint256 which, uint256 checks) external {
        if (batches.length == 0) return;
        bytes32 batchId = _batchIn(IServiceBond.BatchState.Posted, which);
        GhostBatch storage batch = ghostBatches[batchId];
        IServiceBond.Receipt memory receipt = receipts[batchId];
        GhostService storage service = ghostServices[receipt.serviceId];
        // Mostly few items, so that some batches are upheld.
        uint256 most = checks % 4 == 1 ? 16 : 2;
        uint256 leaves = _leaves(receipt.serviceId, receipt.count);
        uint256 first = _bound(checks / 4, 0, leaves - 1);
        uint256 size = _bound(checks, 1, leaves - first < most ? leaves - first : most);
        uint256[] memory indices = new uint256[](size);
        for (uint256 i = 0; i < size; ++i) {
            indices[i] = first + i;
        }
        bool expected = batch.state == IServiceBond.BatchState.Posted && block.timestamp <= batch.contestBy;
        bytes memory call = abi.encodeCall(BOND.contest, (receipt, indices));
        assertEq(
            _pay(receipt.buyer, service.terms.token, size * service.terms.proofCost, call),
            expected,
            "contest"
        );
        if (!expected) return;
        if (batch.contested != 0) ++calls["contestAgain"];
        batch.state = IServiceBond.BatchState.Contested;
        batch.proveBy = block.timestamp + service.terms.proofWindow;
        batch.items = indices;
        batch.proven = 0;
        batch.contested += size;
        ++records[receipt.serviceId].contests;
        ++calls["contest"];
    }

    /// @dev Proves in any state and at any time, any position, also one that is not contested.
    function prove(uint256 which, uint256 position, bool valid) external {
        if (batches.length == 0) return;
        bytes32 batchId = _batchIn(IServiceBond.BatchState.Contested, which);
        GhostBatch storage batch = ghostBatches[batchId];
        IServiceBond.Receipt memory receipt = receipts[batchId];
        GhostService storage service = ghostServices[receipt.serviceId];
        position = _bound(position, 0, batch.items.length);
        bool expected = valid && batch.state == IServiceBond.BatchState.Contested
            && block.timestamp <= batch.proveBy && position < batch.items.length
            && (batch.proven >> position) & 1 == 0;
        (IServiceBond.Opening memory opening, bytes memory proof) =
            _opening(batchId, receipt, position, valid);
        try BOND.prove(receipt, opening, proof) {
            assertTrue(expected, "proven against the rules");
            owed[service.terms.token][service.provider] += service.terms.proofCost;
            if (_batchOf(receipt.serviceId) != 0) ++calls["proveRun"];
            batch.proven |= 2 ** position;
            if (batch.proven == 2 ** batch.items.length - 1) {
                batch.state = IServiceBond.BatchState.Posted;
                ++calls["upheld"];
                if (block.timestamp > batch.contestBy) {
                    owed[service.terms.token][service.provider] += receipt.price;
                    _end(batchId, IServiceBond.BatchState.Upheld);
                }
            }
            ++calls["prove"];
        } catch {
            assertFalse(expected, "proof refused against the rules");
        }
    }

    function settle(uint256 who, uint256 which) external {
        if (batches.length == 0) return;
        _settle(_actor(who), batches[which % batches.length]);
    }

    function punish(uint256 who, uint256 which) external {
        if (batches.length == 0) return;
        _punish(_actor(who), _batchIn(IServiceBond.BatchState.Contested, which));
    }

    /// @dev Ends a batch whose deadline has passed, as a bystander.
    function end(bytes32 batchId) external {
        _settle(actors[3], batchId);
        _punish(actors[3], batchId);
    }

    /// @dev Mostly short, so that batches live to be contested and proven.
    function pass(uint256 time, uint256 blocks) external {
        vm.warp(block.timestamp + _bound(time, 1, blocks % 3 == 0 ? 60 days : 2 days));
        vm.roll(block.number + _bound(blocks, 1, 200));
    }

    /// @dev All batches in one call: invariants look at them after every other call.
    function endedBatches() external view returns (Ended[] memory ended) {
        ended = new Ended[](batches.length);
        for (uint256 i = 0; i < ended.length; ++i) {
            bytes32 id = batches[i];
            IServiceBond.Receipt storage receipt = receipts[id];
            uint256 service;
            while (services[service] != receipt.serviceId) ++service;
            ended[i] = Ended(id, service, receipt.price, endings[id], terminalBatch[id]);
        }
    }

    /// @dev The same of all services.
    function endedServices() external view returns (Ended[] memory ended) {
        ended = new Ended[](services.length);
        for (uint256 i = 0; i < ended.length; ++i) {
            bytes32 id = services[i];
            ended[i] = Ended(id, i, 0, endings[id], keccak256(abi.encode(records[id])));
        }
    }

    function serviceCount() external view returns (uint256) {
        return services.length;
    }

    function batchCount() external view returns (uint256) {
        return batches.length;
    }

    function receiptOf(bytes32 batchId) external view returns (IServiceBond.Receipt memory) {
        return receipts[batchId];
    }

    /// @dev The provider gives notice, in any state of its service.
    function noticeOf(bytes32 id) public {
        GhostService storage service = ghostServices[id];
        bool expected = service.state == IServiceBond.ServiceState.Active;
        assertEq(_call(service.provider, abi.encodeCall(BOND.giveNotice, (id))), expected, "notice");
        if (!expected) return;
        service.state = IServiceBond.ServiceState.Closing;
        service.closableAt = block.timestamp + service.terms.noticePeriod;
        ++calls["giveNotice"];
    }

    function stateOf(bytes32 batchId) external view returns (IServiceBond.BatchState) {
        return ghostBatches[batchId].state;
    }

    function fingerprint(bytes32 batchId) public view returns (bytes32) {
        return keccak256(abi.encode(BOND.getBatch(batchId), BOND.contestedItems(batchId)));
    }

    function _settle(address caller, bytes32 batchId) private {
        GhostBatch storage batch = ghostBatches[batchId];
        IServiceBond.Receipt memory receipt = receipts[batchId];
        GhostService storage service = ghostServices[receipt.serviceId];
        bool expected = batch.state == IServiceBond.BatchState.Posted && block.timestamp > batch.contestBy;
        vm.prank(caller);
        try BOND.settle(receipt) {
            assertTrue(expected, "settled against the rules");
            owed[service.terms.token][service.provider] += receipt.price;
            _end(
                batchId, batch.contested == 0 ? IServiceBond.BatchState.Paid : IServiceBond.BatchState.Upheld
            );
            ++calls["settle"];
        } catch {
            assertFalse(expected, "settlement refused against the rules");
        }
    }

    function _punish(address caller, bytes32 batchId) private {
        GhostBatch storage batch = ghostBatches[batchId];
        IServiceBond.Receipt memory receipt = receipts[batchId];
        GhostService storage service = ghostServices[receipt.serviceId];
        bool expected = batch.state == IServiceBond.BatchState.Contested && block.timestamp > batch.proveBy;
        vm.prank(caller);
        try BOND.punish(receipt) {
            assertTrue(expected, "punished against the rules");
            uint256 due = receipt.price + service.terms.penalty;
            for (uint256 i = 0; i < batch.items.length; ++i) {
                if ((batch.proven >> i) & 1 == 0) due += service.terms.proofCost;
            }
            owed[service.terms.token][receipt.buyer] += due;
            bondOf[receipt.serviceId] -= service.terms.penalty;
            _end(batchId, IServiceBond.BatchState.Punished);
            ++calls["punish"];
        } catch {
            assertFalse(expected, "punishment refused against the rules");
        }
    }

    function _end(bytes32 batchId, IServiceBond.BatchState state) private {
        ++endings[batchId];
        ghostBatches[batchId].state = state;
        IServiceBond.Record storage record = records[receipts[batchId].serviceId];
        if (state == IServiceBond.BatchState.Upheld) ++record.upheld;
        if (state == IServiceBond.BatchState.Punished) ++record.punished;
        --ghostServices[receipts[batchId].serviceId].openBatches;
        terminalBatch[batchId] = fingerprint(batchId);
    }

    function _opening(bytes32 batchId, IServiceBond.Receipt memory receipt, uint256 position, bool valid)
        private
        view
        returns (IServiceBond.Opening memory opening, bytes memory proof)
    {
        uint256[] memory items = ghostBatches[batchId].items;
        uint256 index = position < items.length ? items[position] : 0;
        opening = IServiceBond.Opening({
            position: position,
            inputCommitment: BatchTree.inputOf(index),
            outputs: one(BatchTree.outputOf(index)),
            path: BatchTree.path(_leaves(receipt.serviceId, receipt.count), index)
        });
        uint256 batch = _batchOf(receipt.serviceId);
        uint256[] memory publicInputs = new uint256[](batch == 0 ? 3 : 5);
        publicInputs[0] = BOND.contextOf(uint256(batchId), ghostServices[receipt.serviceId].provider);
        publicInputs[1] = opening.inputCommitment;
        if (batch != 0) {
            publicInputs[2] = index * batch;
            uint256 left = receipt.count - index * batch;
            publicInputs[3] = left < batch ? left : batch;
        }
        publicInputs[publicInputs.length - 1] = valid ? opening.outputs[0] : opening.outputs[0] + 1;
        bytes32 vkHash = models[batch == 0 ? 0 : 1].vkHash;
        proof = abi.encode(WEIGHTS, keccak256(abi.encode(vkHash, publicInputs)));
    }

    /// @dev Items of a run, where the service answers by runs; else 0.
    function _batchOf(bytes32 serviceId) private view returns (uint256) {
        return ghostServices[serviceId].terms.modelId == models[1].id ? models[1].batch : 0;
    }

    function _leaves(bytes32 serviceId, uint256 count) private view returns (uint256) {
        uint256 batch = _batchOf(serviceId);
        return batch == 0 ? count : (count + batch - 1) / batch;
    }

    function _sign(bytes32 digest) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SIGNER_KEY, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev Any batch, but mostly one in the given state, if there is one.
    function _batchIn(IServiceBond.BatchState state, uint256 seed) private view returns (bytes32 batchId) {
        uint256 count = batches.length;
        for (uint256 i = 0; i < count && (seed / count) % 4 != 3; ++i) {
            batchId = batches[addmod(seed, i, count)];
            if (ghostBatches[batchId].state == state) return batchId;
        }
        return batches[seed % count];
    }
}
