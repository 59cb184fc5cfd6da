// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ServiceBond} from "../../src/ServiceBond.sol";
import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {BatchTree} from "../doubles/BatchTree.sol";
import {Fixture} from "../shared/Fixture.sol";
import {one} from "../doubles/Words.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice A service of the seller's model in ether, with a signer of its own, and batches of 20 items.
abstract contract ServiceFixture is Fixture {
    uint256 internal constant BOND = 10 ether;
    uint256 internal constant PENALTY = 3 ether;
    uint256 internal constant PROOF_COST = 0.1 ether;
    uint64 internal constant CONTEST_WINDOW = 1 hours;
    uint64 internal constant PROOF_WINDOW = 2 hours;
    uint64 internal constant NOTICE = 1 days;
    uint256 internal constant COUNT = 20;
    bytes32 internal constant NONE = "none";
    bytes32 internal constant SALT = "salt";

    ServiceBond internal bond;
    address internal signer;
    uint256 internal signerKey;
    bytes32 internal serviceId;
    /// @dev What calls on a posted batch repeat.
    mapping(bytes32 batchId => IServiceBond.Receipt) internal receipts;

    function setUp() public virtual override {
        super.setUp();
        bond = Shipped.serviceBond(registry, false);
        (signer, signerKey) = makeAddrAndKey("signer");
        vm.deal(seller, 1_000 ether);
        token.mint(seller, 1_000 ether);
        vm.prank(seller);
        token.approve(address(bond), type(uint256).max);
        vm.prank(buyer);
        token.approve(address(bond), type(uint256).max);
        serviceId = openIn(ETHER, 0);
    }

    function termsIn(address token_) internal view returns (IServiceBond.Terms memory) {
        return IServiceBond.Terms({
            modelId: modelId,
            bindingHash: bindingHash,
            signer: signer,
            token: token_,
            penalty: PENALTY,
            proofCost: PROOF_COST,
            contestWindow: CONTEST_WINDOW,
            proofWindow: PROOF_WINDOW,
            noticePeriod: NOTICE
        });
    }

    function openIn(address token_, bytes32 salt) internal returns (bytes32) {
        return openWith(termsIn(token_), salt);
    }

    function openWith(IServiceBond.Terms memory terms, bytes32 salt) internal returns (bytes32) {
        vm.prank(seller);
        return bond.openService{value: terms.token == ETHER ? BOND : 0}(terms, BOND, salt);
    }

    function receiptOf(uint256 nonce) internal view returns (IServiceBond.Receipt memory) {
        return IServiceBond.Receipt({
            serviceId: serviceId,
            buyer: buyer,
            root: BatchTree.root(COUNT),
            count: COUNT,
            price: PRICE,
            nonce: nonce,
            validUntil: block.timestamp + 1 hours
        });
    }

    function sign(IServiceBond.Receipt memory receipt) internal view returns (bytes memory) {
        return signBy(signerKey, bond.receiptHash(receipt));
    }

    function signBy(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function postReceipt(IServiceBond.Receipt memory receipt) internal returns (bytes32 batchId) {
        bytes memory signature = sign(receipt);
        uint256 value = bond.getService(receipt.serviceId).token == ETHER ? receipt.price : 0;
        vm.prank(receipt.buyer);
        batchId = bond.post{value: value}(receipt, signature);
        receipts[batchId] = receipt;
    }

    function postBatch(uint256 nonce) internal returns (bytes32) {
        return postReceipt(receiptOf(nonce));
    }

    /// @dev So many items, from the end of the batch.
    function lastItems(uint256 count, uint256 checks) internal pure returns (uint256[] memory indices) {
        indices = new uint256[](checks);
        for (uint256 i = 0; i < checks; ++i) {
            indices[i] = count - checks + i;
        }
    }

    function contestBatch(bytes32 batchId, uint256 checks) internal {
        contestItems(batchId, lastItems(receipts[batchId].count, checks));
    }

    function contestItems(bytes32 batchId, uint256[] memory indices) internal {
        address money = bond.getService(receipts[batchId].serviceId).token;
        vm.prank(receipts[batchId].buyer);
        bond.contest{value: money == ETHER ? indices.length * PROOF_COST : 0}(receipts[batchId], indices);
    }

    /// @dev Contested in the last second, which has passed: the last proof ends the batch.
    function contested(uint256 checks) internal returns (bytes32 batchId) {
        batchId = postBatch(0);
        contestLate(batchId, checks);
    }

    function contestLate(bytes32 batchId, uint256 checks) internal {
        vm.warp(bond.getBatch(batchId).contestBy);
        contestBatch(batchId, checks);
        vm.warp(vm.getBlockTimestamp() + 1);
    }

    /// @dev For proofs, where there was a contest; else for one.
    function deadlineOf(bytes32 batchId) internal view returns (uint256) {
        IServiceBond.Batch memory batch = bond.getBatch(batchId);
        return batch.proveBy == 0 ? batch.contestBy : batch.proveBy;
    }

    function openingOf(bytes32 batchId, uint256 position)
        internal
        view
        returns (IServiceBond.Opening memory)
    {
        uint256 index = bond.contestedItems(batchId)[position];
        return IServiceBond.Opening({
            position: position,
            inputCommitment: BatchTree.inputOf(index),
            outputs: one(BatchTree.outputOf(index)),
            path: BatchTree.path(COUNT, index)
        });
    }

    function proofOf(bytes32 batchId, IServiceBond.Opening memory opening)
        internal
        view
        returns (bytes memory)
    {
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = bond.contextOf(uint256(batchId), seller);
        publicInputs[1] = opening.inputCommitment;
        publicInputs[2] = opening.outputs[0];
        return mockProof(WEIGHTS, publicInputs);
    }

    function proveItem(bytes32 batchId, uint256 position) internal {
        IServiceBond.Opening memory opening = openingOf(batchId, position);
        bond.prove(receipts[batchId], opening, proofOf(batchId, opening));
    }

    function assertBatch(bytes32 batchId, IServiceBond.BatchState expected) internal view {
        assertEq(uint8(bond.getBatch(batchId).state), uint8(expected), "batch state");
    }

    function assertService(IServiceBond.ServiceState expected) internal view {
        assertEq(uint8(bond.getService(serviceId).state), uint8(expected), "service state");
    }
}
