// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {PredictionEscrow} from "../src/PredictionEscrow.sol";
import {IERCZKMLRegistry} from "../src/interfaces/IERCZKMLRegistry.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {IPredictionEscrow} from "../src/interfaces/IPredictionEscrow.sol";
import {Errors} from "../src/libraries/Errors.sol";
import {Events} from "../src/libraries/Events.sol";
import {MockVerifier, ReenteringVerifier, SilentVerifier} from "./doubles/VerifierDoubles.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Answers like a registry, with any id.
contract AnyIdRegistry {
    function admissionOf(uint256) external pure returns (bytes32, bool, bool) {
        return (bytes32(uint256(1)), false, false);
    }
}

contract PredictionEscrowOpenTest is Fixture {
    function test_DeploymentSettings() public {
        assertEq(escrow.registry(), address(registry));
        assertFalse(escrow.allowDevSetup());
        assertTrue(new PredictionEscrow(registry, true).allowDevSetup());
    }

    function test_RevertWhen_RegistryHasNoCode() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, stranger));
        new PredictionEscrow(IModelRegistry(stranger), false);
    }

    function test_OpenWithEther() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        vm.expectEmit(address(escrow));
        emit Events.JobOpened(
            1, modelId, buyer, bindingHash, INPUT, ETHER, PRICE, order.deadline, "ipfs://input"
        );
        uint256 jobId = openEther();

        assertEq(jobId, 1);
        assertEq(escrow.jobCount(), 1);
        assertEq(address(escrow).balance, PRICE);
        assertEq(buyer.balance, 999 ether);
        IPredictionEscrow.Job memory job = escrow.getJob(jobId);
        assertEq(uint8(job.state), uint8(IPredictionEscrow.State.Open));
        assertEq(job.buyer, buyer);
        assertEq(job.deadline, order.deadline);
        assertEq(job.modelId, modelId);
        assertEq(job.token, ETHER);
        assertEq(job.price, PRICE);
        assertEq(job.inputCommitment, INPUT);
        assertEq(job.output, 0);
    }

    function test_OpenWithToken() public {
        uint256 jobId = openIn(address(token));
        assertEq(escrow.getJob(jobId).token, address(token));
        assertEq(token.balanceOf(address(escrow)), PRICE);
        assertEq(token.balanceOf(buyer), 999 ether);
    }

    function test_JobsAreCounted() public {
        assertEq(openEther(), 1);
        assertEq(openIn(address(token)), 2);
        assertEq(escrow.jobCount(), 2);
    }

    function test_RevertWhen_PriceIsZero() public {
        _expectRefusal(
            orderIn(ETHER, 0), 0, abi.encodeWithSelector(Errors.PriceOutOfRange.selector, 0, type(uint96).max)
        );
    }

    function test_PriceBound() public {
        uint256 maximum = type(uint96).max;
        vm.deal(buyer, maximum);
        vm.prank(buyer);
        escrow.open{value: maximum}(orderIn(ETHER, maximum));
        assertEq(escrow.getJob(1).price, maximum);

        vm.deal(buyer, maximum + 1);
        _expectRefusal(
            orderIn(ETHER, maximum + 1),
            maximum + 1,
            abi.encodeWithSelector(Errors.PriceOutOfRange.selector, maximum + 1, maximum)
        );
    }

    function test_DeadlineBounds() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        uint64 latest = SafeCast.toUint64(block.timestamp + 365 days);
        uint64 now_ = SafeCast.toUint64(block.timestamp);
        uint64[4] memory refused = [0, now_, latest + 1, now_ * 1000];
        for (uint256 i = 0; i < refused.length; ++i) {
            order.deadline = refused[i];
            _expectRefusal(
                order,
                PRICE,
                abi.encodeWithSelector(
                    Errors.DeadlineOutOfRange.selector, refused[i], block.timestamp + 1, latest
                )
            );
        }
        uint64[2] memory accepted = [now_ + 1, latest];
        for (uint256 i = 0; i < accepted.length; ++i) {
            order.deadline = accepted[i];
            vm.prank(buyer);
            uint256 jobId = escrow.open{value: PRICE}(order);
            assertEq(escrow.getJob(jobId).deadline, accepted[i]);
        }
    }

    function test_RevertWhen_InputCommitmentIsZero() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.inputCommitment = 0;
        _expectRefusal(order, PRICE, abi.encodeWithSelector(Errors.ZeroValue.selector, "inputCommitment"));
    }

    function test_InputCommitmentIsBelowModulus() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.inputCommitment = R;
        _expectRefusal(order, PRICE, abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 1, R));
        order.inputCommitment = R - 1;
        vm.prank(buyer);
        uint256 jobId = escrow.open{value: PRICE}(order);
        assertEq(escrow.getJob(jobId).inputCommitment, R - 1);
    }

    function test_HintLengthBound() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.hint = new bytes(4097);
        _expectRefusal(order, PRICE, abi.encodeWithSelector(Errors.HintTooLong.selector, 4097, 4096));
        order.hint = new bytes(4096);
        vm.prank(buyer);
        assertEq(escrow.open{value: PRICE}(order), 1);
    }

    function test_RevertWhen_ModelIsUnknown() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.modelId = 99;
        _expectRefusal(order, PRICE, abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, 99));
    }

    function test_RevertWhen_ModelIsNotBound() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.modelId = registry.registerModel(commitmentTo(WEIGHTS, vk));
        order.bindingHash = 0;
        _expectRefusal(order, PRICE, abi.encodeWithSelector(Errors.NotBound.selector, order.modelId));
    }

    /// @dev Id of one model, binding of another: what a reorg or a careless seller could bring about.
    function test_RevertWhen_ModelIsBoundOtherwise() public {
        MockVerifier otherVerifier = new MockVerifier();
        (uint256 otherId, bytes32 otherHash) = bindModel(WEIGHTS, vk, address(otherVerifier));
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.modelId = otherId;
        _expectRefusal(
            order,
            PRICE,
            abi.encodeWithSelector(Errors.BindingMismatch.selector, otherId, bindingHash, otherHash)
        );
    }

    function test_RevertWhen_ModelIsDeprecated() public {
        vm.prank(seller);
        registry.deprecateModel(modelId);
        _expectRefusal(
            orderIn(ETHER, PRICE), PRICE, abi.encodeWithSelector(Errors.DeprecatedModel.selector, modelId)
        );
    }

    function test_DevSetupNeedsPermission() public {
        address devKey = makeKey("dev key", 0x01);
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        (order.modelId, order.bindingHash) = bindModel(WEIGHTS, devKey, address(verifier));
        _expectRefusal(order, PRICE, abi.encodeWithSelector(Errors.DevSetupRefused.selector, order.modelId));

        PredictionEscrow devEscrow = new PredictionEscrow(registry, true);
        vm.prank(buyer);
        assertEq(devEscrow.open{value: PRICE}(order), 1);
        // Sound keys are welcome there, too.
        vm.prank(buyer);
        assertEq(devEscrow.open{value: PRICE}(orderIn(ETHER, PRICE)), 2);
    }

    function test_RevertWhen_ModelIdDoesNotFit() public {
        escrow = new PredictionEscrow(IModelRegistry(address(new AnyIdRegistry())), false);
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.bindingHash = bytes32(uint256(1));
        order.modelId = uint256(1) << 48;
        _expectRefusal(
            order,
            PRICE,
            abi.encodeWithSelector(SafeCast.SafeCastOverflowedUintDowncast.selector, 48, order.modelId)
        );
    }

    function test_RevertWhen_EtherDoesNotMatchPrice() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        uint256[3] memory sent = [uint256(0), PRICE - 1, PRICE + 1];
        for (uint256 i = 0; i < sent.length; ++i) {
            _expectRefusal(
                order, sent[i], abi.encodeWithSelector(Errors.WrongEtherAmount.selector, PRICE, sent[i])
            );
        }
    }

    function test_RevertWhen_EtherComesWithTokenOrder() public {
        _expectRefusal(
            orderIn(address(token), PRICE), 1, abi.encodeWithSelector(Errors.UnexpectedEther.selector, 1)
        );
    }

    function test_RevertWhen_TokenHasNoCode() public {
        _expectRefusal(orderIn(stranger, PRICE), 0, abi.encodeWithSelector(Errors.NoCode.selector, stranger));
    }

    function test_PlainEtherIsRefused() public {
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        (bool sent,) = address(escrow).call{value: 1}("");
        assertFalse(sent);
    }

    function testFuzz_OpenStoresWhatWasOrdered(uint96 price, uint64 wait, uint256 input, bool inEther)
        public
    {
        price = uint96(bound(price, 1, 1_000 ether));
        IPredictionEscrow.Order memory order = orderIn(inEther ? ETHER : address(token), price);
        order.deadline = uint64(block.timestamp + bound(wait, 1, 365 days));
        order.inputCommitment = bound(input, 1, R - 1);
        vm.prank(buyer);
        uint256 jobId = escrow.open{value: inEther ? price : 0}(order);

        IPredictionEscrow.Job memory job = escrow.getJob(jobId);
        assertEq(job.price, price);
        assertEq(job.deadline, order.deadline);
        assertEq(job.inputCommitment, order.inputCommitment);
        assertEq(inEther ? address(escrow).balance : token.balanceOf(address(escrow)), price);
    }

    function _expectRefusal(IPredictionEscrow.Order memory order, uint256 value, bytes memory refusal)
        private
    {
        uint256 before = escrow.jobCount();
        vm.prank(buyer);
        vm.expectRevert(refusal);
        escrow.open{value: value}(order);
        assertEq(escrow.jobCount(), before);
    }
}

contract PredictionEscrowClaimTest is Fixture {
    function test_ClaimPaysRecipientOfProof() public {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.expectEmit(address(escrow));
        emit Events.JobClaimed(jobId, modelId, seller, OUTPUT);
        vm.prank(stranger);
        escrow.claim(jobId, seller, OUTPUT, proof);

        assertState(jobId, IPredictionEscrow.State.Claimed);
        assertEq(escrow.outputOf(jobId), OUTPUT);
        assertEq(escrow.getJob(jobId).output, OUTPUT);
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
        escrow.claim(jobId, stranger, OUTPUT, proof);
        assertState(jobId, IPredictionEscrow.State.Open);
    }

    /// @dev Threat: replay at another job of the same model and input.
    function test_RevertWhen_ProofIsOfOtherJob() public {
        uint256 first = openEther();
        uint256 second = openEther();
        bytes memory proof = proofFor(first, seller, OUTPUT);
        escrow.claim(first, seller, OUTPUT, proof);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.claim(second, seller, OUTPUT, proof);
    }

    /// @dev Threat: replay at another escrow.
    function test_RevertWhen_ProofIsOfOtherContract() public {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        escrow = new PredictionEscrow(registry, false);
        assertEq(openEther(), jobId);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.claim(jobId, seller, OUTPUT, proof);
    }

    /// @dev Threat: replay on another chain.
    function test_RevertWhen_ProofIsOfOtherChain() public {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.chainId(block.chainid + 1);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.claim(jobId, seller, OUTPUT, proof);
    }

    function test_RevertWhen_OutputIsNotTheProvenOne() public {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        escrow.claim(jobId, seller, OUTPUT + 1, proof);
    }

    /// @dev Threat: malleable inputs. The proof is made for the very value, only the range is wrong.
    function test_OutputIsBelowModulus() public {
        uint256 jobId = openEther();
        uint256[2] memory refused = [R, type(uint256).max];
        for (uint256 i = 0; i < refused.length; ++i) {
            bytes memory proof = proofFor(jobId, seller, refused[i]);
            vm.expectRevert(abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 2, refused[i]));
            escrow.claim(jobId, seller, refused[i], proof);
        }
        escrow.claim(jobId, seller, R - 1, proofFor(jobId, seller, R - 1));
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
        escrow.claim(jobId, seller, OUTPUT, proof);
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
        escrow.claim(jobId, seller, OUTPUT, proof);
    }

    /// @dev Threat: verifying key (and with it the trusted setup) swapped after funding.
    function test_RevertWhen_KeyCodeChanged() public {
        uint256 jobId = openEther();
        bytes32 pinned = vk.codehash;
        vm.etch(vk, abi.encodePacked(vk.code, hex"00"));
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(Errors.CodeHashMismatch.selector, vk, pinned, vk.codehash));
        escrow.claim(jobId, seller, OUTPUT, proof);
    }

    function test_RevertWhen_ProofIsMalformed() public {
        uint256 jobId = openEther();
        bytes memory good = proofFor(jobId, seller, OUTPUT);
        bytes[3] memory bad = [bytes(""), abi.encodePacked(good, uint8(0)), new bytes(64)];
        for (uint256 i = 0; i < bad.length; ++i) {
            vm.expectRevert(MockVerifier.ProofRejected.selector);
            escrow.claim(jobId, seller, OUTPUT, bad[i]);
        }
        // None of it was held against anybody.
        assertState(jobId, IPredictionEscrow.State.Open);
        escrow.claim(jobId, seller, OUTPUT, good);
    }

    function test_RevertWhen_VerifierAnswersNothing() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        (order.modelId, order.bindingHash) = bindModel(WEIGHTS, vk, address(new SilentVerifier()));
        vm.prank(buyer);
        uint256 jobId = escrow.open{value: PRICE}(order);
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.expectRevert(bytes(""));
        escrow.claim(jobId, seller, OUTPUT, proof);
    }

    function test_RevertWhen_VerifierReenters() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        (order.modelId, order.bindingHash) = bindModel(WEIGHTS, vk, address(new ReenteringVerifier()));
        vm.prank(buyer);
        uint256 jobId = escrow.open{value: PRICE}(order);
        bytes memory proof = proofFor(jobId, seller, OUTPUT);
        vm.expectRevert(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        escrow.claim(jobId, seller, OUTPUT, proof);
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
        escrow.claim(1, seller, OUTPUT, proof);
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
        escrow.claim(jobId, seller, OUTPUT, proof);
    }

    function test_RevertWhen_ClaimedTwice() public {
        uint256 jobId = openEther();
        claimFor(jobId, seller);
        bytes memory same = proofFor(jobId, seller, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotOpen.selector, jobId));
        escrow.claim(jobId, seller, OUTPUT, same);
        bytes memory other = proofFor(jobId, stranger, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotOpen.selector, jobId));
        escrow.claim(jobId, stranger, OUTPUT, other);
    }

    function test_RefundAfterDeadline() public {
        uint256 jobId = openEther();
        vm.warp(escrow.getJob(jobId).deadline + 1);
        vm.expectEmit(address(escrow));
        emit Events.JobRefunded(jobId, modelId, buyer);
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
        escrow.claim(jobId, seller, OUTPUT, proof);
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
        (bool claimed,) = address(escrow).call(abi.encodeCall(escrow.claim, (jobId, seller, OUTPUT, proof)));
        vm.revertToState(snapshot);
        (bool refunded,) = address(escrow).call(abi.encodeCall(escrow.refund, (jobId)));
        assertEq(claimed, block.timestamp <= order.deadline);
        assertEq(refunded, block.timestamp > order.deadline);
    }

    function testFuzz_RevertWhen_ProofIsArbitrary(bytes calldata proof, address recipient, uint256 output)
        public
    {
        uint256 jobId = openEther();
        (bool ok,) = address(escrow).call(abi.encodeCall(escrow.claim, (jobId, recipient, output, proof)));
        assertFalse(ok);
        assertState(jobId, IPredictionEscrow.State.Open);
    }

    function _expectRecipientRefused(address recipient) private {
        uint256 jobId = openEther();
        bytes memory proof = proofFor(jobId, recipient, OUTPUT);
        vm.expectRevert(abi.encodeWithSelector(Errors.InvalidRecipient.selector, recipient));
        escrow.claim(jobId, recipient, OUTPUT, proof);
    }
}
