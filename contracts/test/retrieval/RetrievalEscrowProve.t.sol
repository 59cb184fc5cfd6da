// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IRetrievalEscrow} from "../../src/interfaces/IRetrievalEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {CallingVerifier} from "../doubles/CallingVerifier.sol";
import {CostlyVerifier, MockVerifier} from "../doubles/VerifierDoubles.sol";
import {RetrievalFixture} from "./RetrievalFixture.sol";

contract RetrievalEscrowProveTest is RetrievalFixture {
    function test_ProveStoresBitmap() public {
        // So that the job's id is not the run's.
        openedRetrieval();
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        bytes memory proof = runProof(jobId, terms, 1, 5);
        vm.expectEmit(address(retrieval));
        emit Events.RetrievalRunProven(jobId, 1, 5);
        vm.prank(stranger);
        retrieval.prove(jobId, terms, 1, 5, proof);
        assertEq(retrieval.bitmapOf(jobId, 1), 5);
        assertEq(retrieval.getJob(jobId).missing, 2);
        assertTrue(retrieval.getJob(jobId).anySelected);
        bool[4] memory expected = [true, false, true, false];
        for (uint256 i = 0; i < 4; ++i) {
            assertEq(retrieval.selected(jobId, 4 + i), expected[i]);
        }
    }

    /// @dev A run that selects nothing is proven all the same.
    function test_EmptyBitmapIsProven() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        proveRun(jobId, terms, 0, 0);
        assertEq(retrieval.bitmapOf(jobId, 0), 0);
        assertFalse(retrieval.selected(jobId, 3));
        assertFalse(retrieval.getJob(jobId).anySelected);
        _expectTwiceRefused(jobId, terms, 0, 0);
        _expectTwiceRefused(jobId, terms, 0, 1);
    }

    function test_RevertWhen_RunIsProvenTwice() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        proveRun(jobId, terms, 2, 3);
        _expectTwiceRefused(jobId, terms, 2, 3);
        _expectTwiceRefused(jobId, terms, 2, 1);
        assertEq(retrieval.bitmapOf(jobId, 2), 3);
        assertEq(retrieval.getJob(jobId).missing, 2);
    }

    /// @dev Selecting an item does not get lost when a later run selects none.
    function test_AnySelectedStays() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        proveRun(jobId, terms, 0, 8);
        proveRun(jobId, terms, 1, 0);
        assertTrue(retrieval.getJob(jobId).anySelected);
    }

    function test_BitmapIsBelowItsRun() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        uint256[2] memory run = [uint256(1), 2];
        uint256[2] memory items = [uint256(4), 2];
        for (uint256 i = 0; i < 2; ++i) {
            uint256 limit = 2 ** items[i];
            bytes memory proof = runProof(jobId, terms, run[i], limit);
            vm.expectRevert(abi.encodeWithSelector(Errors.BitmapOutOfRange.selector, limit, items[i]));
            retrieval.prove(jobId, terms, run[i], limit, proof);
            proveRun(jobId, terms, run[i], limit - 1);
            assertEq(retrieval.bitmapOf(jobId, run[i]), limit - 1);
        }
    }

    function test_LargestRun() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        terms.items = 129;
        _useRunsOf(terms, 7);
        uint256 jobId = openRetrieval(terms);
        uint256 all = (1 << 128) - 1;
        vm.expectRevert(abi.encodeWithSelector(Errors.BitmapOutOfRange.selector, all + 1, 128));
        retrieval.prove(jobId, terms, 0, all + 1, "");
        proveRun(jobId, terms, 0, all);
        assertEq(retrieval.bitmapOf(jobId, 0), all);
        assertTrue(retrieval.selected(jobId, 127));
        proveRun(jobId, terms, 1, 0);
        assertFalse(retrieval.selected(jobId, 128));
        vm.expectRevert(abi.encodeWithSelector(Errors.ItemOutOfRange.selector, 129, 129));
        retrieval.selected(jobId, 129);
    }

    function test_RevertWhen_RunIsPastTheEnd() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        vm.expectRevert(abi.encodeWithSelector(Errors.RunOutOfRange.selector, 3, 3));
        retrieval.prove(jobId, terms, 3, 0, "");
    }

    /// @dev Threats: an item hidden or added, another run, set, job or holder.
    function test_RevertWhen_PublicInputsDiffer() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        uint256 context = retrieval.contextOf(jobId, seller);
        uint256[5][6] memory wrong = [
            [context, ROOT, 4, 4, 2],
            [context, ROOT, 0, 4, 3],
            [context, ROOT, 4, 3, 3],
            [context, ROOT + 1, 4, 4, 3],
            [retrieval.contextOf(jobId + 1, seller), ROOT, 4, 4, 3],
            [retrieval.contextOf(jobId, stranger), ROOT, 4, 4, 3]
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            bytes memory proof = rawProof(WEIGHTS, wrong[i]);
            vm.expectRevert(MockVerifier.ProofRejected.selector);
            retrieval.prove(jobId, terms, 1, 3, proof);
        }
        retrieval.prove(jobId, terms, 1, 3, rawProof(WEIGHTS, [context, ROOT, 4, 4, 3]));
    }

    /// @dev Threat: another predicate than the one that was paid for.
    function test_RevertWhen_ProofShowsOtherWeights() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        bytes32 other = keccak256("selects nothing");
        bytes memory proof = rawProof(other, [retrieval.contextOf(jobId, seller), ROOT, 0, 4, 0]);
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelHashMismatch.selector, WEIGHTS, other));
        retrieval.prove(jobId, terms, 0, 0, proof);
    }

    function test_ProveAtDeadline() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        vm.warp(terms.proveBy);
        proveRun(jobId, terms, 0, 0);
    }

    function test_RevertWhen_ProvingAfterDeadline() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        bytes memory proof = runProof(jobId, terms, 0, 0);
        vm.warp(terms.proveBy + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlinePassed.selector, jobId, terms.proveBy));
        retrieval.prove(jobId, terms, 0, 0, proof);
    }

    function test_DeprecationDoesNotTouchFundedJob() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        vm.prank(seller);
        registry.deprecateModel(modelId);
        proveRun(jobId, terms, 0, 0);
    }

    function test_RevertWhen_VerifierReenters() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        CallingVerifier caller = new CallingVerifier(abi.encodeCall(retrieval.settle, (1, terms)));
        (terms.modelId, bindingHash) = bindTo(address(caller));
        uint256 jobId = openRetrieval(terms);
        bytes memory proof = runProof(jobId, terms, 0, 0);
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        retrieval.prove(jobId, terms, 0, 0, proof);
    }

    function test_StarvedProofDecidesNothing() public {
        (modelId, bindingHash) = bindTo(address(new CostlyVerifier()));
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        bytes memory call =
            abi.encodeCall(retrieval.prove, (jobId, terms, 0, 9, runProof(jobId, terms, 0, 9)));
        uint256 start = vm.snapshotState();
        uint256 failures;
        uint256 successes;
        for (uint256 gas = 20_000; gas <= 480_000; gas += 5_000) {
            (bool ok,) = address(retrieval).call{gas: gas}(call);
            if (ok) ++successes;
            else ++failures;
            assertEq(retrieval.getJob(jobId).missing, ok ? 2 : 3);
            assertEq(retrieval.getJob(jobId).anySelected, ok);
            vm.revertToState(start);
        }
        // The sweep must have met both cases, or it shows nothing.
        assertGt(failures, 50);
        assertGt(successes, 5);
    }

    function test_RevertWhen_ReadingWhatIsNotProven() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotFound.selector, 1));
        retrieval.selected(1, 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotFound.selector, 1));
        retrieval.getJob(1);
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        vm.expectRevert(abi.encodeWithSelector(Errors.ItemOutOfRange.selector, ITEMS, ITEMS));
        retrieval.selected(jobId, ITEMS);
        proveRun(jobId, terms, 0, 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.RunNotProven.selector, jobId, 1));
        retrieval.selected(jobId, 4);
        vm.expectRevert(abi.encodeWithSelector(Errors.RunNotProven.selector, jobId, 1));
        retrieval.bitmapOf(jobId, 1);
    }

    function testFuzz_RevertWhen_ProofIsArbitrary(bytes calldata proof, uint256 run, uint256 bitmap) public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        bytes memory call = abi.encodeCall(retrieval.prove, (jobId, terms, run, bitmap, proof));
        (bool ok,) = address(retrieval).call(call);
        assertFalse(ok);
        assertEq(retrieval.getJob(jobId).missing, 3);
    }

    /// @dev For any size and batch, item by item, what is read is what was proven.
    function testFuzz_SelectedIsWhatWasProven(uint32 items, uint8 size, uint256 seed) public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        terms.items = uint32(bound(items, 1, 600));
        _useRunsOf(terms, uint8(bound(size, 5, 7)));
        uint256 jobId = openRetrieval(terms);
        uint256 runs = retrieval.getJob(jobId).missing;
        for (uint256 run = 0; run < runs; ++run) {
            uint256 left = terms.items - run * terms.batch;
            uint256 length = left < terms.batch ? left : terms.batch;
            uint256 bitmap = uint256(keccak256(abi.encode(seed, run))) >> (256 - length);
            proveRun(jobId, terms, run, bitmap);
        }
        assertEq(retrieval.getJob(jobId).missing, 0);
        for (uint256 index = 0; index < terms.items; index += 1 + seed % 7) {
            uint256 run = index / terms.batch;
            uint256 left = terms.items - run * terms.batch;
            uint256 length = left < terms.batch ? left : terms.batch;
            uint256 bitmap = uint256(keccak256(abi.encode(seed, run))) >> (256 - length);
            assertEq(retrieval.selected(jobId, index), bitmap / 2 ** (index % terms.batch) % 2 == 1);
        }
    }

    function _expectTwiceRefused(
        uint256 jobId,
        IRetrievalEscrow.Terms memory terms,
        uint256 run,
        uint256 bitmap
    ) private {
        bytes memory proof = runProof(jobId, terms, run, bitmap);
        vm.expectRevert(abi.encodeWithSelector(Errors.RunAlreadyProven.selector, run));
        retrieval.prove(jobId, terms, run, bitmap, proof);
    }
}
