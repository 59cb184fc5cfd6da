// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ServiceBond} from "../../src/ServiceBond.sol";
import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {VerifierErrors} from "./ProofFixture.sol";
import {ProofRefusals} from "./ProofRefusals.sol";
import {one} from "../doubles/Words.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice A batch of two answers, both contested, upheld by real proofs. The refusals are about the first item.
contract ServiceProofTest is ProofRefusals {
    uint256 internal constant BOND = 20 ether;

    bytes32 internal batchId;
    IServiceBond.Receipt internal posted;
    IServiceBond.Opening internal opening;

    function setUp() public override {
        super.setUp();
        vm.deal(stranger, 1_000 ether);
        _openService(bond, seller);
        posted = receipt();
        batchId = _contested(bond, posted);
        opening = _opening(batchId, 0);
    }

    function test_ProvenBatchIsUpheld() public {
        uint256 price = receipt().price;
        uint256 proofCost = serviceTerms().proofCost;
        _accept();
        assertEq(bond.creditOf(ETHER, seller), proofCost);
        bond.prove(posted, _opening(batchId, 1), proofOf("service1"));
        vm.warp(bond.getBatch(batchId).contestBy + 1);
        bond.settle(posted);
        assertEq(uint8(bond.getBatch(batchId).state), uint8(IServiceBond.BatchState.Upheld));
        assertEq(bond.creditOf(ETHER, seller), price + 2 * proofCost);
    }

    /// @dev A proof of the other item does not help the provider that cannot prove this one.
    function test_UnprovenItemIsPunished() public {
        IServiceBond.Terms memory terms = serviceTerms();
        IServiceBond.Opening memory second = _opening(batchId, 1);
        bytes memory secondProof = proofOf("service1");
        bond.prove(posted, second, secondProof);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        bond.prove(posted, opening, secondProof);
        uint256 deadline = bond.getBatch(batchId).proveBy;
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlinePassed.selector, uint256(batchId), deadline));
        bond.prove(posted, opening, proof);
        bond.punish(posted);
        assertEq(bond.creditOf(ETHER, buyer), PRICE + terms.proofCost + terms.penalty);
        assertEq(bond.creditOf(ETHER, seller), terms.proofCost);
    }

    /// forge-config: default.isolate = true
    function test_GasOfRealProof() public {
        _measure("service: prove an item", CLAIM_LIMIT);
    }

    function test_RevertWhen_BatchIsAnother() public {
        IServiceBond.Receipt memory other = receipt();
        other.nonce = 1;
        bytes32 otherId = _contested(bond, other);
        IServiceBond.Opening memory otherOpening = _opening(otherId, 0);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        bond.prove(other, otherOpening, proof);
        _accept();
    }

    /// @dev Threat: another provider with the same model and terms shows the proof for its own batch.
    function test_RevertWhen_RecipientIsAnother() public {
        IServiceBond.Receipt memory other = receipt();
        other.serviceId = _openService(bond, stranger);
        bytes32 otherId = _contested(bond, other);
        IServiceBond.Opening memory otherOpening = _opening(otherId, 0);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        bond.prove(other, otherOpening, proof);
        _accept();
    }

    function test_RevertWhen_ContractIsAnother() public {
        ServiceBond other =
            ServiceBond(place("other bond", Shipped.code("ServiceBond"), abi.encode(registry, true)));
        IServiceBond.Receipt memory there = receipt();
        there.serviceId = _openService(other, seller);
        bytes32 otherId = _contested(other, there);
        IServiceBond.Opening memory otherOpening = opening;
        otherOpening.position = other.contestedItems(otherId)[0] == 0 ? 0 : 1;
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        other.prove(there, otherOpening, proof);
        _accept();
    }

    function test_RevertWhen_AnswerIsAnother() public {
        uint256 class = opening.outputs[0];
        uint256[2] memory others = [class + 1, class + R];
        for (uint256 i = 0; i < others.length; ++i) {
            opening.outputs = one(others[i]);
            vm.expectRevert(abi.encodeWithSelector(Errors.ItemNotInRoot.selector, batchId, 0));
            bond.prove(posted, opening, proof);
        }
        opening.outputs = one(class);
        _accept();
    }

    function _openService(ServiceBond target, address provider) private returns (bytes32) {
        IServiceBond.Terms memory terms = serviceTerms();
        vm.prank(provider);
        return target.openService{value: BOND}(terms, BOND, 0);
    }

    /// @dev Posts a receipt and contests both items.
    function _contested(ServiceBond target, IServiceBond.Receipt memory sold) private returns (bytes32 id) {
        uint256 advance = 2 * serviceTerms().proofCost;
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signerKey, target.receiptHash(sold));
        vm.prank(buyer);
        id = target.post{value: sold.price}(sold, abi.encodePacked(r, s, v));
        uint256[] memory both = new uint256[](2);
        both[1] = 1;
        vm.prank(buyer);
        target.contest{value: advance}(sold, both);
    }

    function _opening(bytes32 id, uint256 item) private view returns (IServiceBond.Opening memory result) {
        result.position = bond.contestedItems(id)[item];
        result.inputCommitment = inputOf(item);
        result.outputs = one(classOf(item));
        result.path = new bytes32[](1);
        result.path[0] = leafOf(1 - item);
    }

    function _name() internal pure override returns (string memory) {
        return "service0";
    }

    function _circuit() internal view override returns (Circuit memory) {
        return prediction;
    }

    function _call(bytes memory shown) internal view override returns (address, bytes memory) {
        return (address(bond), abi.encodeCall(bond.prove, (posted, opening, shown)));
    }

    function _state() internal view override returns (bytes memory) {
        return abi.encode(
            bond.getBatch(batchId),
            bond.getService(posted.serviceId),
            bond.creditOf(ETHER, buyer),
            bond.creditOf(ETHER, seller),
            address(bond).balance
        );
    }

    function _isAccepted() internal view override returns (bool) {
        return bond.getBatch(batchId).proven >> opening.position & 1 != 0;
    }
}
