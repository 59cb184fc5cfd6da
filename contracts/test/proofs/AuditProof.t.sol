// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";
import {AccuracyGate} from "../../examples/AccuracyGate.sol";
import {AuditEscrow} from "../../src/AuditEscrow.sol";
import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {IResultRegistry} from "../../src/interfaces/IResultRegistry.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {VerifierErrors} from "./ProofFixture.sol";
import {ProofRefusals} from "./ProofRefusals.sol";

/// @notice An audit of three items in two runs, the second one short, proven by real proofs. The refusals are
/// about the first run.
contract AuditProofTest is ProofRefusals {
    uint96 internal constant REWARD = 10 ether;
    uint96 internal constant STAKE = 2 ether;

    IAuditEscrow.Terms internal terms;
    bytes32[] internal admitted;
    uint256 internal root;
    uint32 internal items;
    uint32 internal batch;
    uint256 internal correct;
    uint256 internal beforeOpening;

    function setUp() public override {
        super.setUp();
        string memory json = fixture("audit");
        root = vm.parseJsonUint(json, ".root");
        items = uint32(vm.parseJsonUint(json, ".items"));
        batch = uint32(vm.parseJsonUint(json, ".batch"));
        correct = _counted(0);
        admitted.push(auditEscrow.admissionHashOf(audit.vk.codehash, audit.verifier.codehash));
        vm.deal(stranger, 1_000 ether);
        terms = IAuditEscrow.Terms({
            buyer: buyer,
            sellers: 0,
            token: ETHER,
            reward: REWARD,
            bond: 1 ether,
            stake: STAKE,
            abortFee: 0.5 ether,
            testSetRoot: root,
            metric: "top-1",
            items: items,
            required: uint32(_counted(0) + _counted(1)),
            maxEntries: 1,
            enterBy: uint64(block.timestamp + 1 days),
            deliverBy: uint64(block.timestamp + 2 days),
            acceptBy: uint64(block.timestamp + 3 days),
            proveWindow: 1 days,
            admittedKeys: keccak256(abi.encodePacked(admitted)),
            challengeRoot: 0
        });
        beforeOpening = vm.snapshotState();
        _run(auditEscrow, seller);
    }

    /// @dev The fixture's set has a wrong label, so that a count can be told from the number of items.
    function test_CountedRunsArePaidAndCertified() public {
        assertGt(_counted(0) + _counted(1), 0);
        assertLt(_counted(0) + _counted(1), items);
        // In any order.
        auditEscrow.prove(JOB, terms, 1, 1, _counted(1), proofOf("audit1"));
        vm.expectRevert(abi.encodeWithSelector(Errors.Undecided.selector, JOB));
        auditEscrow.settle(JOB, terms);
        _accept();
        auditEscrow.settle(JOB, terms);
        assertEq(auditEscrow.creditOf(ETHER, seller), REWARD + STAKE);

        auditEscrow.certify(JOB, terms, 1);
        IResultRegistry.Result memory result =
            results.resultOf(address(auditEscrow), audit.modelId, root, "top-1");
        assertEq(result.correct, _counted(0) + _counted(1));
        assertEq(result.total, items);
    }

    function test_OneTooFewIsNotPaid() public {
        vm.revertToState(beforeOpening);
        ++terms.required;
        _run(auditEscrow, seller);
        auditEscrow.prove(JOB, terms, 1, 1, _counted(1), proofOf("audit1"));
        _accept();
        vm.warp(terms.acceptBy + terms.proveWindow + 1);
        auditEscrow.settle(JOB, terms);
        assertEq(auditEscrow.creditOf(ETHER, seller), 0);
        assertEq(auditEscrow.creditOf(ETHER, buyer), REWARD + terms.bond + STAKE - terms.abortFee);
    }

    /// @dev An audit admits the same weights in the circuit for single predictions. The fixture's network is not
    /// good enough for the gate, with its wrong label, so the test states a better result.
    function test_SameWeightsPassTheGate() public {
        assertTrue(registry.sameWeights(audit.modelId, prediction.modelId));
        assertTrue(registry.sameWeights(audit.modelId, retrieval.modelId));
        results.recordResult(audit.modelId, root, "top-1", items, items);
        AccuracyGate gate = new AccuracyGate(
            results,
            address(this),
            root,
            items,
            AccuracyGate.Circuit(audit.vk.codehash, audit.verifier.codehash, PROOF_SYSTEM),
            AccuracyGate.Circuit(prediction.vk.codehash, prediction.verifier.codehash, PROOF_SYSTEM)
        );
        gate.admit(audit.modelId, prediction.modelId);
        assertTrue(gate.admitted(prediction.modelId));
    }

    /// forge-config: default.isolate = true
    function test_GasOfRealProof() public {
        _measure("audit: prove, first run", RUN_LIMIT);
    }

    /// @dev Entering takes a proof of the first run of a public collection: here of the fixture's, of which the test set
    /// is then another.
    function test_RealProofShowsPossession() public {
        IAuditEscrow.Offer memory offer = _openWithChallenge();
        offer.possession = "";
        _expectNoEntry(seller, offer);
        offer.possession = proofOf("audit1");
        _expectNoEntry(seller, offer);
        offer.possession = proof;
        // Copied by somebody else who has the weights, too.
        _expectNoEntry(stranger, offer);
        offer.correct = correct ^ 1;
        _expectNoEntry(seller, offer);
        offer.correct = correct;
        vm.prank(seller);
        assertEq(auditEscrow.enter{value: STAKE}(JOB, terms, offer), 1);
        assertEq(auditEscrow.getEntry(JOB, 1).correct, 0);
    }

    /// forge-config: default.isolate = true
    function test_GasOfEnteringWithPossession() public {
        IAuditEscrow.Offer memory offer = _openWithChallenge();
        vm.prank(seller);
        auditEscrow.enter{value: STAKE}(JOB, terms, offer);
        recordGas("audit: enter, with a real proof of possession", vm.lastCallGas().gasTotalUsed, 720_000);
    }

    /// @dev All that eight sellers, their buyer and whoever ends it send, with the one proof that it takes. Anybody can
    /// end a job and its entries, so they are ended in one transaction.
    /// forge-config: default.isolate = true
    function test_GasOfContestOfEight() public {
        vm.revertToState(beforeOpening);
        terms.maxEntries = 8;
        terms.bond = 8 * terms.abortFee;
        terms.required = SafeCast.toUint32(correct);
        vm.prank(buyer);
        auditEscrow.open{value: uint256(REWARD) + terms.bond}(terms, admitted, "");
        uint256 used = vm.lastCallGas().gasTotalUsed;
        for (uint256 entry = 1; entry <= 8; ++entry) {
            address who = _contestant(entry);
            vm.deal(who, STAKE);
            vm.prank(who);
            auditEscrow.enter{value: STAKE}(JOB, terms, _offer());
            used += vm.lastCallGas().gasTotalUsed;
        }
        vm.roll(block.number + 1);
        bytes32 entries = auditEscrow.getJob(JOB).entriesHash;
        vm.prank(buyer);
        auditEscrow.deliver(JOB, terms, entries, 0xff, keccak256("ciphertext"), "");
        used += vm.lastCallGas().gasTotalUsed;
        for (uint256 entry = 1; entry <= 8; ++entry) {
            vm.prank(_contestant(entry));
            auditEscrow.accept(JOB, terms, entry, terms.required);
            used += vm.lastCallGas().gasTotalUsed;
        }
        auditEscrow.prove(JOB, terms, 1, 0, correct, proof);
        used += vm.lastCallGas().gasTotalUsed;
        bytes[] memory calls = new bytes[](8);
        calls[0] = abi.encodeCall(auditEscrow.settle, (JOB, terms));
        for (uint256 entry = 2; entry <= 8; ++entry) {
            calls[entry - 1] = abi.encodeCall(auditEscrow.release, (JOB, terms, entry));
        }
        auditEscrow.multicall(calls);
        used += vm.lastCallGas().gasTotalUsed;
        assertEq(auditEscrow.creditOf(ETHER, seller), REWARD + STAKE);
        assertEq(auditEscrow.creditOf(ETHER, _contestant(8)), STAKE);
        recordGas("audit: a whole contest of 8, real proof", used, 2_500_000);
    }

    /// @return offer The seller's, with a proof.
    function _openWithChallenge() private returns (IAuditEscrow.Offer memory offer) {
        vm.revertToState(beforeOpening);
        (terms.challengeRoot, terms.testSetRoot) = (root, root ^ 1);
        vm.prank(buyer);
        auditEscrow.open{value: uint256(REWARD) + terms.bond}(terms, admitted, "");
        offer = _offer();
        (offer.correct, offer.possession) = (correct, proof);
    }

    function _expectNoEntry(address who, IAuditEscrow.Offer memory offer) private {
        vm.prank(who);
        (bool ok,) =
            address(auditEscrow).call{value: STAKE}(abi.encodeCall(auditEscrow.enter, (JOB, terms, offer)));
        assertFalse(ok);
    }

    function _contestant(uint256 entry) private view returns (address) {
        return entry == 1 ? seller : vm.addr(entry);
    }

    function test_RevertWhen_JobIsAnother() public {
        vm.revertToState(beforeOpening);
        _run(auditEscrow, stranger);
        uint256 other = _run(auditEscrow, seller);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        auditEscrow.prove(other, terms, 1, 0, correct, proof);
    }

    /// @dev Threat: a rival with the same weights shows the seller's proof for its own entry.
    function test_RevertWhen_RecipientIsAnother() public {
        vm.revertToState(beforeOpening);
        _run(auditEscrow, stranger);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        auditEscrow.prove(JOB, terms, 1, 0, correct, proof);
    }

    function test_RevertWhen_ContractIsAnother() public {
        AuditEscrow other = AuditEscrow(placeAuditEscrow("other escrow"));
        _run(other, seller);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        other.prove(JOB, terms, 1, 0, correct, proof);
        _accept();
    }

    function test_RevertWhen_TestSetIsAnother() public {
        vm.revertToState(beforeOpening);
        terms.testSetRoot ^= 1;
        _run(auditEscrow, seller);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        auditEscrow.prove(JOB, terms, 1, 0, correct, proof);
    }

    function test_RevertWhen_CountIsAnother() public {
        for (uint256 count = 0; count <= batch; ++count) {
            if (count == correct) continue;
            vm.expectRevert(VerifierErrors.ProofInvalid.selector);
            auditEscrow.prove(JOB, terms, 1, 0, count, proof);
        }
        vm.expectRevert(abi.encodeWithSelector(Errors.CorrectOutOfRange.selector, correct + R, batch));
        auditEscrow.prove(JOB, terms, 1, 0, correct + R, proof);
        _accept();
    }

    function test_RevertWhen_RunIsAnother() public {
        bytes memory second = proofOf("audit1");
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        auditEscrow.prove(JOB, terms, 1, 1, correct, proof);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        auditEscrow.prove(JOB, terms, 1, 0, _counted(1), second);
        _accept();
        vm.expectRevert(abi.encodeWithSelector(Errors.RunAlreadyProven.selector, 0));
        auditEscrow.prove(JOB, terms, 1, 0, correct, proof);
    }

    /// @dev The batch is a property of the key: with another one runs might not be provable.
    function test_RevertWhen_BatchIsAnother() public {
        vm.revertToState(beforeOpening);
        IAuditEscrow.Offer memory offer = _offer();
        offer.batch = items;
        vm.prank(buyer);
        uint256 jobId = auditEscrow.open{value: uint256(REWARD) + terms.bond}(terms, admitted, "");
        vm.prank(seller);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.BatchMismatch.selector, audit.modelId, batch, offer.batch)
        );
        auditEscrow.enter{value: STAKE}(jobId, terms, offer);
    }

    /// @dev Threat: a retrieval's proof has as many public inputs, and its bitmap would be a count.
    function test_RevertWhen_KeyIsOfRetrieval() public {
        vm.revertToState(beforeOpening);
        terms.admittedKeys = 0;
        IAuditEscrow.Offer memory offer = _offer();
        (offer.modelId, offer.bindingHash) = (retrieval.modelId, retrieval.bindingHash);
        vm.prank(buyer);
        uint256 jobId = auditEscrow.open{value: uint256(REWARD) + terms.bond}(terms, new bytes32[](0), "");
        bytes32 stated = bytes32(retrieval.vk.code);
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongStatement.selector, retrieval.modelId, stated));
        auditEscrow.enter{value: STAKE}(jobId, terms, offer);
    }

    /// @dev A job that has come to where the runs of its entry are proven.
    function _run(AuditEscrow escrow, address entrant) private returns (uint256 jobId) {
        vm.prank(buyer);
        jobId = escrow.open{value: uint256(REWARD) + terms.bond}(terms, admitted, "");
        vm.prank(entrant);
        escrow.enter{value: STAKE}(jobId, terms, _offer());
        vm.roll(block.number + 1);
        bytes32 entries = escrow.getJob(jobId).entriesHash;
        vm.prank(buyer);
        escrow.deliver(jobId, terms, entries, 1, keccak256("ciphertext"), "");
        vm.prank(entrant);
        escrow.accept(jobId, terms, 1, terms.required);
    }

    function _offer() private view returns (IAuditEscrow.Offer memory) {
        return IAuditEscrow.Offer({
            modelId: audit.modelId,
            bindingHash: audit.bindingHash,
            batch: batch,
            admitted: admitted,
            which: 0,
            path: new bytes32[](0),
            encryptionKey: "",
            correct: 0,
            possession: ""
        });
    }

    function _counted(uint256 run) private view returns (uint256) {
        return publicInputsOf(string.concat("audit", vm.toString(run)))[4];
    }

    function _name() internal pure override returns (string memory) {
        return "audit0";
    }

    function _circuit() internal view override returns (Circuit memory) {
        return audit;
    }

    function _call(bytes memory shown) internal view override returns (address, bytes memory) {
        return (address(auditEscrow), abi.encodeCall(auditEscrow.prove, (JOB, terms, 1, 0, correct, shown)));
    }

    function _state() internal view override returns (bytes memory) {
        return abi.encode(
            auditEscrow.getJob(JOB),
            auditEscrow.getEntry(JOB, 1),
            auditEscrow.isProven(JOB, 1, 0),
            auditEscrow.creditOf(ETHER, buyer),
            auditEscrow.creditOf(ETHER, seller),
            address(auditEscrow).balance
        );
    }

    function _isAccepted() internal view override returns (bool) {
        return auditEscrow.isProven(JOB, 1, 0);
    }
}
