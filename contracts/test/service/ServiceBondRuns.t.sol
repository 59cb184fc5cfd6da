// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {MockVerifier} from "../doubles/VerifierDoubles.sol";
import {one} from "../doubles/Words.sol";
import {Keys} from "../shared/Keys.sol";
import {ServiceFixture} from "./ServiceFixture.sol";

/// @notice A service of a model of runs: 10 items in runs of 4 are answered, contested and proven as three leaves.
contract ServiceBondRunsTest is ServiceFixture {
    uint256 internal constant ROOT = 0x5678;
    uint256 internal constant ITEMS = 10;

    function statement() internal pure override returns (bytes32) {
        return Keys.classification(2);
    }

    function test_ServiceSaysItsRuns() public view {
        assertEq(bond.getService(serviceId).batch, 4);
    }

    /// @dev Neighbours together: one proof, at the cost of one, for the items of a run.
    function test_ContestedRunIsProvenWithOneProof() public {
        bytes32 batchId = _postRuns();
        _contest(batchId, 1, 2);
        assertEq(bond.contestedItems(batchId)[1], 2);
        vm.expectEmit(address(bond));
        emit Events.ItemProven(batchId, 0, _words(1));
        _prove(batchId, 0, 1, 4, 4);
        _prove(batchId, 1, 2, 8, 2);
        assertBatch(batchId, IServiceBond.BatchState.Posted);
        assertEq(bond.creditOf(ETHER, seller), 2 * PROOF_COST);
    }

    function test_UnprovenRunIsPunished() public {
        bytes32 batchId = _postRuns();
        _contest(batchId, 0, 2);
        _prove(batchId, 0, 0, 0, 4);
        vm.warp(deadlineOf(batchId) + 1);
        bond.punish(receipts[batchId]);
        assertEq(bond.creditOf(ETHER, buyer), PRICE + PROOF_COST + PENALTY);
    }

    /// @dev Threat: the proof of another run, of fewer items, of another collection, or of one input.
    function test_RevertWhen_ProofIsNotOfTheContestedRun() public {
        bytes32 batchId = _postRuns();
        _contest(batchId, 1, 1);
        IServiceBond.Opening memory opening = _opening(0, 1);
        bytes[4] memory bad = [
            _proof(batchId, ROOT, 0, 4, _words(1)),
            _proof(batchId, ROOT, 4, 3, _words(1)),
            _proof(batchId, ROOT + 1, 4, 4, _words(1)),
            _proof(batchId, ROOT, 4, 4, _words(2))
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(MockVerifier.ProofRejected.selector);
            bond.prove(receipts[batchId], opening, bad[i]);
        }
        bytes memory ofOneInput = proofOf(batchId, opening);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        bond.prove(receipts[batchId], opening, ofOneInput);
        _prove(batchId, 0, 1, 4, 4);
    }

    /// @dev Threat: other answers are proven than were sold.
    function test_RevertWhen_WordsAreNotThoseSold() public {
        bytes32 batchId = _postRuns();
        _contest(batchId, 1, 1);
        IServiceBond.Opening memory opening = _opening(0, 1);
        opening.outputs = _words(2);
        bytes memory proof = _proof(batchId, ROOT, 4, 4, _words(2));
        vm.expectRevert(abi.encodeWithSelector(Errors.ItemNotInRoot.selector, batchId, 1));
        bond.prove(receipts[batchId], opening, proof);
    }

    /// @dev The batch has 10 items, but three runs.
    function test_RevertWhen_RunIsNotThere() public {
        bytes32 batchId = _postRuns();
        uint256[] memory indices = one(3);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.ItemOutOfRange.selector, 3, 3));
        bond.contest{value: PROOF_COST}(receipts[batchId], indices);
    }

    /// @dev Several proofs and what follows from them, in one transaction.
    function test_ManyProofsAtOnce() public {
        bytes32 batchId = _postRuns();
        _contest(batchId, 0, 2);
        bytes[] memory calls = new bytes[](3);
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory proof = _proof(batchId, ROOT, 4 * i, 4, _words(i));
            calls[i] = abi.encodeCall(bond.prove, (receipts[batchId], _opening(i, i), proof));
        }
        calls[2] = abi.encodeCall(ICustody.withdrawTo, (ETHER, stranger, 2 * PROOF_COST));
        vm.prank(seller);
        bond.multicall(calls);
        assertEq(stranger.balance, 2 * PROOF_COST);
    }

    /// @dev So many batches, contests, contested batches that were paid, and batches that were punished.
    function test_RecordOfAProvider() public {
        bytes32 paid = _postRuns();
        bytes32 upheld = _postAnother(1);
        bytes32 late = _postAnother(2);
        bytes32 punished = _postAnother(3);
        _contest(upheld, 0, 1);
        _prove(upheld, 0, 0, 0, 4);
        _contest(upheld, 2, 1);
        _prove(upheld, 0, 2, 8, 2);
        vm.warp(bond.getBatch(late).contestBy);
        _contest(late, 0, 1);
        _contest(punished, 0, 1);
        vm.warp(vm.getBlockTimestamp() + 1);
        _prove(late, 0, 0, 0, 4);
        bond.settle(receipts[paid]);
        bond.settle(receipts[upheld]);
        vm.warp(deadlineOf(punished) + 1);
        bond.punish(receipts[punished]);
        IServiceBond.Record memory record = bond.recordOf(serviceId);
        assertEq(record.posted, 4);
        assertEq(record.contests, 4);
        assertEq(record.upheld, 2);
        assertEq(record.punished, 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.ServiceNotFound.selector, NONE));
        bond.recordOf(NONE);
    }

    function _postRuns() private returns (bytes32) {
        return _postAnother(0);
    }

    function _postAnother(uint256 nonce) private returns (bytes32) {
        // A penalty is set aside for each batch.
        vm.deal(stranger, PENALTY);
        vm.prank(stranger);
        bond.topUp{value: PENALTY}(serviceId, PENALTY);
        IServiceBond.Receipt memory receipt = receiptOf(nonce);
        bytes32[4] memory leaves = [_leaf(0), _leaf(1), _leaf(2), bytes32(0)];
        receipt.root = keccak256(
            abi.encodePacked(
                keccak256(abi.encodePacked(leaves[0], leaves[1])),
                keccak256(abi.encodePacked(leaves[2], leaves[3]))
            )
        );
        receipt.count = ITEMS;
        return postReceipt(receipt);
    }

    function _leaf(uint256 run) private pure returns (bytes32) {
        return keccak256(abi.encode(run, ROOT, keccak256(abi.encodePacked(_words(run)))));
    }

    /// @dev Two words, to tell them from others: a run of 4 items has one.
    function _words(uint256 run) private pure returns (uint256[] memory words) {
        words = new uint256[](2);
        (words[0], words[1]) = (7 + run, 9);
    }

    function _contest(bytes32 batchId, uint256 first, uint256 runs) private {
        uint256[] memory indices = new uint256[](runs);
        for (uint256 i = 0; i < runs; ++i) {
            indices[i] = first + i;
        }
        contestItems(batchId, indices);
    }

    function _opening(uint256 position, uint256 run)
        private
        pure
        returns (IServiceBond.Opening memory opening)
    {
        bytes32[] memory path = new bytes32[](2);
        path[0] = run == 2 ? bytes32(0) : _leaf(run ^ 1);
        path[1] = run == 2
            ? keccak256(abi.encodePacked(_leaf(0), _leaf(1)))
            : keccak256(abi.encodePacked(_leaf(2), bytes32(0)));
        opening = IServiceBond.Opening({
            position: position, inputCommitment: ROOT, outputs: _words(run), path: path
        });
    }

    function _proof(bytes32 batchId, uint256 root, uint256 first, uint256 length, uint256[] memory words)
        private
        view
        returns (bytes memory)
    {
        uint256[] memory publicInputs = new uint256[](6);
        publicInputs[0] = bond.contextOf(uint256(batchId), seller);
        publicInputs[1] = root;
        publicInputs[2] = first;
        publicInputs[3] = length;
        (publicInputs[4], publicInputs[5]) = (words[0], words[1]);
        return mockProof(WEIGHTS, publicInputs);
    }

    function _prove(bytes32 batchId, uint256 position, uint256 run, uint256 first, uint256 length) private {
        bytes memory proof = _proof(batchId, ROOT, first, length, _words(run));
        bond.prove(receipts[batchId], _opening(position, run), proof);
    }
}

/// @notice Deposits of a service with permits (ERC-2612): a permit and the call that uses it, in one transaction.
contract ServiceBondPermitTest is ServiceFixture {
    function test_EveryDepositWithAPermit() public {
        (address provider, uint256 key) = makeAddrAndKey("provider with permits");
        permitToken.mint(provider, BOND);
        IServiceBond.Terms memory terms = termsIn(address(permitToken));
        ICustody.Permit memory permit = signPermit(key, address(bond), BOND);
        serviceId = bond.serviceIdOf(provider, terms, SALT);
        _withPermit(
            provider, BOND - 1 ether, permit, abi.encodeCall(bond.openService, (terms, BOND, SALT)), false
        );
        _withPermit(provider, BOND, permit, abi.encodeCall(bond.openService, (terms, BOND, SALT)), true);
        assertEq(bond.getService(serviceId).bond, BOND);

        IServiceBond.Receipt memory receipt = receiptOf(0);
        bytes memory posting = abi.encodeCall(bond.post, (receipt, sign(receipt)));
        _withPermit(buyer, PRICE, signPermit(buyerKey, address(bond), PRICE), posting, true);
        bytes memory contesting = abi.encodeCall(bond.contest, (receipt, one(4)));
        permit = signPermit(buyerKey, address(bond), PROOF_COST);
        _withPermit(buyer, PROOF_COST, permit, contesting, true);
        permit = signPermit(buyerKey, address(bond), 5);
        _withPermit(buyer, 5, permit, abi.encodeCall(bond.topUp, (serviceId, 5)), true);
        assertEq(permitToken.balanceOf(address(bond)), BOND + PRICE + PROOF_COST + 5);
        assertEq(permitToken.allowance(buyer, address(bond)), 0);
    }

    function _withPermit(
        address who,
        uint256 amount,
        ICustody.Permit memory permit,
        bytes memory call,
        bool expected
    ) private {
        bytes[] memory calls = new bytes[](2);
        calls[0] = abi.encodeCall(ICustody.usePermit, (address(permitToken), amount, permit));
        calls[1] = call;
        vm.prank(who);
        (bool ok,) = address(bond).call(abi.encodeCall(bond.multicall, (calls)));
        assertEq(ok, expected);
    }
}
