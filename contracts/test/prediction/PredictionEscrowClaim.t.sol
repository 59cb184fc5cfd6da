// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {IHalo2Verifier} from "../../src/interfaces/IHalo2Verifier.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {
    EchoingVerifier,
    MockVerifier,
    ReenteringVerifier,
    ShortVerifier,
    SilentVerifier
} from "../doubles/VerifierDoubles.sol";
import {Fixture} from "../shared/Fixture.sol";
import {one} from "../doubles/Words.sol";
import {Shipped} from "../shared/Shipped.sol";

contract PredictionEscrowClaimTest is Fixture {
    function test_ClaimPaysRecipientOfProof() public {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.expectEmit(address(escrow));
        emit Events.JobClaimed(jobId, modelId, seller, 0, one(OUTPUT));
        vm.prank(stranger);
        escrow.claim(jobId, 0, seller, one(OUTPUT), proof);

        assertState(jobId, IPredictionEscrow.State.Claimed);
        assertEq(escrow.outputOf(jobId), OUTPUT);
        assertEq(escrow.outputOf(jobId), OUTPUT);
        assertEq(escrow.creditOf(ETHER, seller), PRICE);
        assertEq(escrow.creditOf(ETHER, stranger), 0);
        assertEq(escrow.creditOf(ETHER, buyer), 0);
    }

    function test_ClaimPaysInToken() public {
        uint256 jobId = openIn(address(token));
        claimFor(jobId, seller);
        assertEq(escrow.creditOf(address(token), seller), PRICE);
        assertEq(escrow.creditOf(ETHER, seller), 0);
    }

    function test_ContextIsTheSpecifiedHash() public view {
        uint256 expected =
            uint256(keccak256(abi.encode(block.chainid, address(escrow), uint256(5), seller))) >> 8;
        assertEq(escrow.contextOf(5, seller), expected);
        assertLt(expected, 1 << 248);
    }

    /// @dev Threat: a proof copied from the mempool.
    function test_RevertWhen_ProofIsCopiedForOtherRecipient() public {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.prank(stranger);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.claim(jobId, 0, stranger, one(OUTPUT), proof);
        assertState(jobId, IPredictionEscrow.State.Open);
    }

    /// @dev Threat: replay at another job of the same model and input.
    function test_RevertWhen_ProofIsOfOtherJob() public {
        uint256 first = openEther();
        uint256 second = openEther();
        bytes memory proof = proofFor(first, seller, OUTPUT);
        escrow.claim(first, 0, seller, one(OUTPUT), proof);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.claim(second, 0, seller, one(OUTPUT), proof);
    }

    /// @dev Threat: replay at another escrow.
    function test_RevertWhen_ProofIsOfOtherContract() public {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        escrow = Shipped.predictionEscrow(registry, false);
        assertEq(openEther(), jobId);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.claim(jobId, 0, seller, one(OUTPUT), proof);
    }

    /// @dev Threat: replay on another chain.
    function test_RevertWhen_ProofIsOfOtherChain() public {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.chainId(block.chainid + 1);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.claim(jobId, 0, seller, one(OUTPUT), proof);
    }

    function test_RevertWhen_OutputIsNotTheProvenOne() public {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.claim(jobId, 0, seller, one(OUTPUT + 1), proof);
    }

    /// @dev Threat: malleable inputs. The proof is made for the very value, only the range is wrong.
    function test_OutputIsBelowModulus() public {
        uint256 jobId = openEther();
        uint256[2] memory refused = [R, type(uint256).max];
        for (uint256 i = 0; i < refused.length; ++i) {
            bytes memory proof = proofFor(jobId, seller, refused[i]);
            vm.expectRevert(abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 2, refused[i]));
            escrow.claim(jobId, 0, seller, one(refused[i]), proof);
        }
        escrow.claim(jobId, 0, seller, one(R - 1), proofFor(jobId, seller, R - 1));
        assertEq(escrow.outputOf(jobId), R - 1);
    }

    /// @dev Threat: a valid proof of another model under the same key.
    function test_RevertWhen_ProofShowsOtherWeights() public {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        bytes32 other = keccak256("cheap model");
        assembly ("memory-safe") {
            mstore(add(proof, 32), other)
        }
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelHashMismatch.selector, WEIGHTS, other));
        escrow.claim(jobId, 0, seller, one(OUTPUT), proof);
    }

    /// @dev Threat: verifier swapped after funding.
    function test_RevertWhen_VerifierCodeChanged() public {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        bytes32 pinned = address(verifier).codehash;
        vm.etch(address(verifier), abi.encodePacked(address(verifier).code, hex"00"));
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.CodeHashMismatch.selector, address(verifier), pinned, address(verifier).codehash
            )
        );
        escrow.claim(jobId, 0, seller, one(OUTPUT), proof);
    }

    /// @dev Threat: verifying key (and with it the trusted setup) swapped after funding.
    function test_RevertWhen_KeyCodeChanged() public {
        uint256 jobId = openEther();
        bytes32 pinned = vk.codehash;
        vm.etch(vk, abi.encodePacked(vk.code, hex"00"));
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(Errors.CodeHashMismatch.selector, vk, pinned, vk.codehash));
        escrow.claim(jobId, 0, seller, one(OUTPUT), proof);
    }

    function test_RevertWhen_ProofIsMalformed() public {
        uint256 jobId = openEther();
        bytes memory good = proofFor(jobId, seller, OUTPUT);
        bytes[3] memory bad = [bytes(""), abi.encodePacked(good, uint8(0)), new bytes(64)];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(MockVerifier.ProofRejected.selector);
            escrow.claim(jobId, 0, seller, one(OUTPUT), bad[i]);
        }
        // None of it was held against anybody.
        assertState(jobId, IPredictionEscrow.State.Open);
        escrow.claim(jobId, 0, seller, one(OUTPUT), good);
    }

    function test_RevertWhen_VerifierAnswersNothing() public {
        uint256 jobId = _openWithVerifier(address(new SilentVerifier()));
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.expectRevert(bytes(""));
        escrow.claim(jobId, 0, seller, one(OUTPUT), proof);
    }

    function test_RevertWhen_VerifierAnswersTooLittle() public {
        uint256 jobId = _openWithVerifier(address(new ShortVerifier()));
        vm.expectRevert(bytes(""));
        escrow.claim(jobId, 0, seller, one(OUTPUT), "proof");
    }

    /// @dev A registry other than this project's may do that. What is missing of the answer is a byte that memory
    /// holds anyway.
    function test_RevertWhen_RegistryAnswersTooLittle() public {
        address checker = address(uint160(uint256(keccak256("verifier")) << 8));
        vm.etch(checker, address(verifier).code);
        uint256 jobId = _openWithVerifier(checker);
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        bytes memory question = abi.encodeCall(registry.proofCheckOf, (escrow.getJob(jobId).modelId));
        bytes32 checkHash = keccak256(abi.encode(WEIGHTS, vk.codehash, checker.codehash));
        bytes memory answer = abi.encode(checkHash, vk, checker);
        assembly ("memory-safe") {
            mstore(answer, sub(mload(answer), 1))
        }
        vm.mockCall(address(registry), question, answer);
        vm.expectRevert(bytes(""));
        escrow.claim(jobId, 0, seller, one(OUTPUT), proof);
        vm.clearMockedCalls();
        escrow.claim(jobId, 0, seller, one(OUTPUT), proof);
    }

    /// @dev Errors of the registry are passed on whole, also those that are longer than an answer.
    function test_RevertWhen_RegistryReverts() public {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        bytes memory question = abi.encodeCall(registry.proofCheckOf, (modelId));
        bytes[2] memory refusals = [
            abi.encodeWithSelector(Errors.NotBound.selector, modelId),
            abi.encodeWithSelector(Errors.CodeHashMismatch.selector, vk, WEIGHTS, CIRCUIT)
        ];
        for (uint256 i = 0; i < 2; ++i) {
            vm.mockCallRevert(address(registry), question, refusals[i]);
            vm.expectRevert(refusals[i]);
            escrow.claim(jobId, 0, seller, one(OUTPUT), proof);
        }
        vm.clearMockedCalls();
        escrow.claim(jobId, 0, seller, one(OUTPUT), proof);
    }

    /// @dev The escrow puts the call together by hand: it is the one that the compiler would make.
    function testFuzz_VerifierIsCalledByItsInterface(bytes calldata proof, uint256 output) public {
        output = bound(output, 0, R - 1);
        uint256 jobId = _openWithVerifier(address(new EchoingVerifier()));
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = escrow.contextOf(jobId, seller);
        publicInputs[1] = INPUT;
        publicInputs[2] = output;
        bytes memory call = abi.encodeCall(IHalo2Verifier.verify, (vk, proof, publicInputs));
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelHashMismatch.selector, WEIGHTS, keccak256(call)));
        escrow.claim(jobId, 0, seller, one(output), proof);
    }

    function test_RevertWhen_VerifierReenters() public {
        uint256 jobId = _openWithVerifier(address(new ReenteringVerifier()));
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        escrow.claim(jobId, 0, seller, one(OUTPUT), proof);
    }

    function test_RevertWhen_RecipientIsZero() public {
        _expectRecipientRefused(address(0));
    }

    function test_RevertWhen_RecipientIsEscrow() public {
        _expectRecipientRefused(address(escrow));
    }

    function test_RevertWhen_JobIsUnknown() public {
        bytes memory refusal = abi.encodeWithSelector(Errors.JobNotFound.selector, 1);
        bytes memory proof = proofFor(1, seller, OUTPUT);
        vm.expectRevert(refusal);
        escrow.claim(1, 0, seller, one(OUTPUT), proof);
        vm.expectRevert(refusal);
        escrow.refund(1);
        vm.expectRevert(refusal);
        escrow.getJob(1);
        vm.expectRevert(refusal);
        escrow.outputOf(1);
    }

    function test_ClaimAtDeadline() public {
        uint256 jobId = openEther();
        vm.warp(escrow.getJob(jobId).deadline);
        claimFor(jobId, seller);
        assertState(jobId, IPredictionEscrow.State.Claimed);
    }

    function test_RevertWhen_ClaimAfterDeadline() public {
        uint256 jobId = openEther();
        uint256 deadline = escrow.getJob(jobId).deadline;
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlinePassed.selector, jobId, deadline));
        escrow.claim(jobId, 0, seller, one(OUTPUT), proof);
    }

    function test_RevertWhen_ClaimedTwice() public {
        uint256 jobId = openEther();
        claimFor(jobId, seller);
        bytes memory same = proofFor(jobId, seller, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotOpen.selector, jobId));
        escrow.claim(jobId, 0, seller, one(OUTPUT), same);
        bytes memory other = proofFor(jobId, stranger, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotOpen.selector, jobId));
        escrow.claim(jobId, 0, stranger, one(OUTPUT), other);
    }

    function test_RefundAfterDeadline() public {
        uint256 jobId = openEther();
        vm.warp(escrow.getJob(jobId).deadline + 1);
        vm.expectEmit(address(escrow));
        emit Events.JobRefunded(jobId, modelId, buyer, PRICE);
        vm.prank(stranger);
        escrow.refund(jobId);
        assertState(jobId, IPredictionEscrow.State.Refunded);
        assertEq(escrow.creditOf(ETHER, buyer), PRICE);
        assertEq(escrow.creditOf(ETHER, stranger), 0);
    }

    function test_RefundInToken() public {
        uint256 jobId = openIn(address(token));
        vm.warp(escrow.getJob(jobId).deadline + 1);
        escrow.refund(jobId);
        assertEq(escrow.creditOf(address(token), buyer), PRICE);
    }

    function test_RevertWhen_RefundAtDeadline() public {
        uint256 jobId = openEther();
        uint256 deadline = escrow.getJob(jobId).deadline;
        vm.warp(deadline);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlineNotPassed.selector, jobId, deadline));
        escrow.refund(jobId);
    }

    function test_RevertWhen_RefundedTwiceOrClaimedAfterRefund() public {
        uint256 jobId = openEther();
        uint256 deadline = escrow.getJob(jobId).deadline;
        vm.warp(deadline + 1);
        escrow.refund(jobId);
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotOpen.selector, jobId));
        escrow.refund(jobId);
        // Even if time ran backwards, a terminal state is final.
        vm.warp(deadline);
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotOpen.selector, jobId));
        escrow.claim(jobId, 0, seller, one(OUTPUT), proof);
    }

    function test_RevertWhen_RefundAfterClaim() public {
        uint256 jobId = openEther();
        claimFor(jobId, seller);
        vm.warp(escrow.getJob(jobId).deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotOpen.selector, jobId));
        escrow.refund(jobId);
    }

    function test_RevertWhen_ReadingOutputOfUnclaimedJob() public {
        uint256 jobId = openEther();
        bytes memory refusal = abi.encodeWithSelector(Errors.JobNotClaimed.selector, jobId);
        vm.expectRevert(refusal);
        escrow.outputOf(jobId);
        vm.warp(escrow.getJob(jobId).deadline + 1);
        escrow.refund(jobId);
        vm.expectRevert(refusal);
        escrow.outputOf(jobId);
    }

    /// @dev No owner power over funded jobs: deprecation ends new business only.
    function test_DeprecationDoesNotTouchFundedJob() public {
        uint256 jobId = openEther();
        vm.prank(seller);
        registry.deprecateModel(modelId);
        claimFor(jobId, seller);
        assertState(jobId, IPredictionEscrow.State.Claimed);
    }

    /// @dev Exactly one of claim and refund is possible at any time.
    function testFuzz_ClaimAndRefundExclude(uint64 wait, uint64 passed) public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.deadline = uint64(block.timestamp + bound(wait, 1, 365 days));
        vm.prank(buyer);
        uint256 jobId = escrow.open{value: PRICE}(order);
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.warp(block.timestamp + bound(passed, 0, 400 days));

        uint256 snapshot = vm.snapshotState();
        (bool claimed,) =
            address(escrow).call(abi.encodeCall(escrow.claim, (jobId, 0, seller, one(OUTPUT), proof)));
        vm.revertToState(snapshot);
        (bool refunded,) = address(escrow).call(abi.encodeCall(escrow.refund, (jobId)));
        assertEq(claimed, block.timestamp <= order.deadline);
        assertEq(refunded, block.timestamp > order.deadline);
    }

    function testFuzz_RevertWhen_ProofIsArbitrary(bytes calldata proof, address recipient, uint256 output)
        public
    {
        uint256 jobId = openEther();
        (bool ok,) =
            address(escrow).call(abi.encodeCall(escrow.claim, (jobId, 0, recipient, one(output), proof)));
        assertFalse(ok);
        assertState(jobId, IPredictionEscrow.State.Open);
    }

    function _expectRecipientRefused(address recipient) private {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, recipient, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidRecipient.selector, recipient));
        escrow.claim(jobId, 0, recipient, one(OUTPUT), proof);
    }

    /// @dev A job for a model with the verifier.
    function _openWithVerifier(address checker) private returns (uint256 jobId) {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        (order.modelId, order.bindingHash) = bindTo(checker);
        vm.prank(buyer);
        return escrow.open{value: PRICE}(order);
    }
}
