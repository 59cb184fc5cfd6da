// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {AuditEscrow} from "../../src/AuditEscrow.sol";
import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {IHalo2Verifier} from "../../src/interfaces/IHalo2Verifier.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {CallingVerifier} from "../doubles/CallingVerifier.sol";
import {CostlyVerifier, EchoingVerifier, MockVerifier} from "../doubles/VerifierDoubles.sol";
import {Keys} from "../shared/Keys.sol";
import {AuditFixture} from "./AuditFixture.sol";
import {Shipped} from "../shared/Shipped.sol";

contract AuditEscrowProveTest is AuditFixture {
    function test_ProveCountsRun() public {
        openOthers();
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        bytes memory proof = runProof(jobId, terms, 1, 2, 0);
        vm.expectEmit(address(audit));
        emit Events.AuditRunProven(jobId, 1, 2, 0);
        vm.prank(stranger);
        audit.prove(jobId, terms, 1, 2, 0, proof);
        proveRun(jobId, terms, 1, 1, 3);

        IAuditEscrow.Entry memory entry = audit.getEntry(jobId, 1);
        assertEq(entry.correct, 3);
        assertEq(entry.missing, 1);
        assertTrue(audit.isProven(jobId, 1, 1));
        assertFalse(audit.isProven(jobId, 1, 0));
        assertTrue(audit.isProven(jobId, 1, 2));
        assertFalse(audit.isProven(jobId, 1, 3));
    }

    function test_ProveInAnyOrder() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveRun(jobId, terms, 1, 2, 2);
        proveRun(jobId, terms, 1, 0, 0);
        proveRun(jobId, terms, 1, 1, 4);
        IAuditEscrow.Entry memory entry = audit.getEntry(jobId, 1);
        assertEq(entry.correct, 6);
        assertEq(entry.missing, 0);
    }

    /// @dev Threat: replay. A run is counted once, whatever the proof's bytes.
    function test_RevertWhen_RunIsProvenTwice() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveRun(jobId, terms, 1, 1, 3);
        for (uint256 correct = 3; correct < 5; ++correct) {
            bytes memory proof = runProof(jobId, terms, 1, 1, correct);
            vm.expectRevert(abi.encodeWithSelector(Errors.RunAlreadyProven.selector, 1));
            audit.prove(jobId, terms, 1, 1, correct, proof);
        }
        assertEq(audit.getEntry(jobId, 1).correct, 3);
    }

    function test_RevertWhen_RunIsPastTheEnd() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        uint256[3] memory runs = [uint256(3), 1 << 128, type(uint256).max];
        for (uint256 i = 0; i < runs.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(Errors.RunOutOfRange.selector, runs[i], 3));
            audit.prove(jobId, terms, 1, runs[i], 0, "");
        }
    }

    /// @dev The last run is short, and more than its items cannot be correct in it.
    function test_CountIsAtMostTheItemsOfTheRun() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        uint256[2] memory run = [uint256(0), 2];
        uint256[2] memory items = [uint256(4), 2];
        for (uint256 i = 0; i < 2; ++i) {
            bytes memory proof = runProof(jobId, terms, 1, run[i], items[i] + 1);
            vm.expectRevert(abi.encodeWithSelector(Errors.CorrectOutOfRange.selector, items[i] + 1, items[i]));
            audit.prove(jobId, terms, 1, run[i], items[i] + 1, proof);
            proveRun(jobId, terms, 1, run[i], items[i]);
        }
        assertEq(audit.getEntry(jobId, 1).correct, 6);
    }

    /// @dev Threats: another count, another run's proof, another set, another number of items, another job.
    function test_RevertWhen_PublicInputsDiffer() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        uint256 context = audit.contextOf(jobId, seller);
        uint256[5][6] memory wrong = [
            [context, ROOT, 4, 4, 2],
            [context, ROOT, 0, 4, 3],
            [context, ROOT, 4, 3, 3],
            [context, ROOT + 1, 4, 4, 3],
            [audit.contextOf(jobId + 1, seller), ROOT, 4, 4, 3],
            [audit.contextOf(jobId, rival), ROOT, 4, 4, 3]
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            bytes memory proof = rawProof(WEIGHTS, wrong[i]);
            vm.expectRevert(MockVerifier.ProofRejected.selector);
            audit.prove(jobId, terms, 1, 1, 3, proof);
        }
        audit.prove(jobId, terms, 1, 1, 3, rawProof(WEIGHTS, [context, ROOT, 4, 4, 3]));
    }

    /// @dev Threat: a better model than the one that entered.
    function test_RevertWhen_ProofShowsOtherWeights() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        bytes memory proof = rawProof(RIVAL_WEIGHTS, [audit.contextOf(jobId, seller), ROOT, 0, 4, 4]);
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelHashMismatch.selector, WEIGHTS, RIVAL_WEIGHTS));
        audit.prove(jobId, terms, 1, 0, 4, proof);
    }

    /// @dev Threat: a proof copied from the mempool for one's own entry of the same model.
    function test_RevertWhen_ProofIsCopiedForOtherEntry() public {
        IAuditEscrow.Terms memory terms = contest(2);
        uint256 jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        enterWith(rival, jobId, terms, offerOf(seller));
        deliverTo(jobId, terms);
        acceptAs(seller, jobId, terms, 1);
        acceptAs(rival, jobId, terms, 2);
        bytes memory proof = runProof(jobId, terms, 1, 0, 4);
        vm.prank(rival);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        audit.prove(jobId, terms, 2, 0, 4, proof);
        audit.prove(jobId, terms, 1, 0, 4, proof);
    }

    function test_RevertWhen_ProofIsOfOtherContract() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        bytes memory proof = runProof(jobId, terms, 1, 0, 4);
        audit = Shipped.auditEscrow(registry, resultRegistry(), false);
        (jobId, terms) = acceptedBounty();
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        audit.prove(jobId, terms, 1, 0, 4, proof);
    }

    /// @dev Threat: verifier swapped after the entry.
    function test_RevertWhen_VerifierCodeChanged() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        bytes memory proof = runProof(jobId, terms, 1, 0, 4);
        bytes32 pinned = address(verifier).codehash;
        vm.etch(address(verifier), abi.encodePacked(address(verifier).code, hex"00"));
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.CodeHashMismatch.selector, address(verifier), pinned, address(verifier).codehash
            )
        );
        audit.prove(jobId, terms, 1, 0, 4, proof);
    }

    function test_DeprecationDoesNotTouchEntry() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        vm.prank(seller);
        registry.deprecateModel(modelId);
        proveRun(jobId, terms, 1, 0, 4);
    }

    function test_ProveAtDeadline() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        vm.warp(proveBy(terms));
        proveRun(jobId, terms, 1, 0, 4);
    }

    function test_RevertWhen_ProvingAfterDeadline() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        bytes memory proof = runProof(jobId, terms, 1, 0, 4);
        vm.warp(proveBy(terms) + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlinePassed.selector, jobId, proveBy(terms)));
        audit.prove(jobId, terms, 1, 0, 4, proof);
    }

    function test_RevertWhen_ProvingBeforeAcceptance() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        bytes memory proof = runProof(jobId, terms, 1, 0, 4);
        bytes memory refusal = abi.encodeWithSelector(
            Errors.WrongEntryState.selector,
            jobId,
            1,
            IAuditEscrow.EntryState.Accepted,
            IAuditEscrow.EntryState.Entered
        );
        vm.expectRevert(refusal);
        audit.prove(jobId, terms, 1, 0, 4, proof);
        deliverTo(jobId, terms);
        vm.expectRevert(refusal);
        audit.prove(jobId, terms, 1, 0, 4, proof);
    }

    /// @dev The seller's accepted entry, whose proofs this verifier checks.
    function acceptedWith(uint256 jobId, IAuditEscrow.Terms memory terms, address verifier) internal {
        IAuditEscrow.Offer memory offer = offerOf(seller);
        (offer.modelId, offer.bindingHash) = bindTo(verifier);
        enterWith(seller, jobId, terms, offer);
        deliverTo(jobId, terms);
        acceptAs(seller, jobId, terms, 1);
    }

    /// @dev The escrow puts the call together by hand, in memory where the terms were hashed: what fills up the
    /// proof's last word is zero all the same.
    function test_VerifierIsCalledByItsInterface() public {
        IAuditEscrow.Terms memory terms = unlisted();
        uint256 jobId = openAudit(terms);
        acceptedWith(jobId, terms, address(new EchoingVerifier()));
        uint256[] memory publicInputs = new uint256[](5);
        (publicInputs[0], publicInputs[1]) = (audit.contextOf(jobId, seller), ROOT);
        (publicInputs[3], publicInputs[4]) = (4, 2);
        for (uint256 length = 0; length <= 256; ++length) {
            bytes memory proof = new bytes(length);
            bytes32 expected = keccak256(abi.encodeCall(IHalo2Verifier.verify, (vk, proof, publicInputs)));
            vm.expectRevert(abi.encodeWithSelector(Errors.ModelHashMismatch.selector, WEIGHTS, expected));
            audit.prove(jobId, terms, 1, 0, 2, proof);
        }
    }

    function test_RevertWhen_VerifierReenters() public {
        IAuditEscrow.Terms memory terms = unlisted();
        uint256 jobId = openAudit(terms);
        acceptedWith(jobId, terms, address(new CallingVerifier(abi.encodeCall(audit.settle, (jobId, terms)))));
        bytes memory proof = runProof(jobId, terms, 1, 0, 4);
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        audit.prove(jobId, terms, 1, 0, 4, proof);
    }

    /// @dev Whatever gas a caller gives, a proof is either counted or nothing happens.
    function test_StarvedProofDecidesNothing() public {
        IAuditEscrow.Terms memory terms = unlisted();
        uint256 jobId = openAudit(terms);
        acceptedWith(jobId, terms, address(new CostlyVerifier()));
        bytes memory call =
            abi.encodeCall(audit.prove, (jobId, terms, 1, 0, 4, runProof(jobId, terms, 1, 0, 4)));
        uint256 start = vm.snapshotState();
        uint256 failures;
        uint256 successes;
        for (uint256 gas = 20_000; gas <= 480_000; gas += 5_000) {
            (bool ok,) = address(audit).call{gas: gas}(call);
            if (ok) ++successes;
            else ++failures;
            assertEq(audit.isProven(jobId, 1, 0), ok);
            assertEq(audit.getEntry(jobId, 1).correct, ok ? 4 : 0);
            assertEq(audit.getEntry(jobId, 1).missing, ok ? 2 : 3);
            vm.revertToState(start);
        }
        // The sweep must have met both cases, or it shows nothing.
        assertGt(failures, 50);
        assertGt(successes, 5);
    }

    function testFuzz_RevertWhen_ProofIsArbitrary(bytes calldata proof, uint256 run, uint256 correct) public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        (bool ok,) = address(audit).call(abi.encodeCall(audit.prove, (jobId, terms, 1, run, correct, proof)));
        assertFalse(ok);
        assertEq(audit.getEntry(jobId, 1).missing, 3);
    }

    /// @dev For any size and batch, in any order, every item is counted once.
    function testFuzz_RunsCoverTheSet(uint32 items, uint8 size, uint256 seed) public {
        IAuditEscrow.Terms memory terms = unlisted();
        terms.items = uint32(bound(items, 1, 600));
        terms.required = terms.items;
        IAuditEscrow.Offer memory offer = offerOf(seller);
        uint8 log = uint8(bound(size, 5, 10));
        offer.batch = uint32(2 ** log);
        (offer.modelId, offer.bindingHash) = bindStated("sized key", Keys.audit(log));
        vk = makeAddr("sized key");
        uint256 jobId = openAudit(terms);
        enterWith(seller, jobId, terms, offer);
        deliverTo(jobId, terms);
        acceptAs(seller, jobId, terms, 1);
        uint256 runs = audit.getEntry(jobId, 1).missing;
        for (uint256 i = 0; i < runs; ++i) {
            uint256 run = (i + seed % runs) % runs;
            uint256 left = terms.items - run * offer.batch;
            proveRun(jobId, terms, 1, run, left < offer.batch ? left : offer.batch);
        }
        assertEq(audit.getEntry(jobId, 1).correct, terms.items);
        assertEq(audit.getEntry(jobId, 1).missing, 0);
        audit.settle(jobId, terms);
        assertJob(jobId, IAuditEscrow.State.Paid);
    }
}
