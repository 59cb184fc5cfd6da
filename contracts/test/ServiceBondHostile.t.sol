// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {ServiceBond} from "../src/ServiceBond.sol";
import {IServiceBond} from "../src/interfaces/IServiceBond.sol";
import {Errors} from "../src/libraries/Errors.sol";
import {BatchTree} from "./doubles/BatchTree.sol";
import {ReenteringReceiver, RefusingReceiver} from "./doubles/Receivers.sol";
import {
    BlockingToken,
    FalseToken,
    FeeToken,
    HookToken,
    LyingToken,
    PlainToken,
    RebasingToken,
    SilentToken
} from "./doubles/Tokens.sol";
import {CostlyVerifier, MockVerifier, SilentVerifier} from "./doubles/VerifierDoubles.sol";
import {
    BurningWallet,
    OwnedWallet,
    ReenteringWallet,
    ScriptedWallet,
    ThoughtfulWallet,
    VerboseWallet
} from "./doubles/Wallets.sol";
import {ServiceFixture} from "./ServiceFixture.sol";

/// @notice Openings and proofs that are not what they should be.
contract ServiceBondProofTest is ServiceFixture {
    /// @dev Threat: another answer is proven than the one that was sold.
    function test_RevertWhen_OpeningIsNotTheCommittedItem() public {
        bytes32 batchId = contested(1);
        uint256 index = bond.drawnItems(batchId)[0];
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        ++opening.output;
        _expectNotInRoot(batchId, opening);
        opening = openingOf(batchId, 0);
        ++opening.inputCommitment;
        _expectNotInRoot(batchId, opening);
        // Another item of the batch, in its own place and in this one.
        uint256 other = index == 0 ? 1 : 0;
        opening = openingOf(batchId, 0);
        opening.inputCommitment = BatchTree.inputOf(other);
        opening.output = BatchTree.outputOf(other);
        _expectNotInRoot(batchId, opening);
        opening.path = BatchTree.path(COUNT, other);
        _expectNotInRoot(batchId, opening);
    }

    function test_RevertWhen_PathIsWrong() public {
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        for (uint256 level = 0; level < opening.path.length; ++level) {
            opening.path[level] ^= bytes32(uint256(1));
            _expectNotInRoot(batchId, opening);
            opening.path[level] ^= bytes32(uint256(1));
        }
        bytes32[] memory path = opening.path;
        opening.path = new bytes32[](path.length - 1);
        _expectNotInRoot(batchId, opening);
        opening.path = new bytes32[](path.length + 1);
        _expectNotInRoot(batchId, opening);
    }

    /// @dev Threat: a second leaf with the drawn index, elsewhere in the tree, where the buyer's copy of the
    /// answers has another one.
    function test_RevertWhen_ItemStandsInAnotherPlace() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        receipt.count = 2;
        bytes32 sold = keccak256("wrong answer, as the buyer knows it");
        bytes32 hidden = BatchTree.leaf(0, BatchTree.inputOf(0), BatchTree.outputOf(0));
        receipt.root = keccak256(abi.encodePacked(sold, hidden));
        bytes32 batchId = postReceipt(receipt);
        waitForDraw(batchId);
        contestBatch(batchId, 2);
        uint256 position = bond.drawnItems(batchId)[0] == 0 ? 0 : 1;
        IServiceBond.Opening memory opening = IServiceBond.Opening({
            position: position,
            inputCommitment: BatchTree.inputOf(0),
            output: BatchTree.outputOf(0),
            path: new bytes32[](1)
        });
        opening.path[0] = sold;
        bytes memory proof = proofOf(batchId, opening);
        vm.expectRevert(abi.encodeWithSelector(Errors.ItemNotInRoot.selector, batchId, 0));
        bond.prove(batchId, opening, proof);
    }

    function test_SingleItemIsItsRoot() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        receipt.count = 1;
        receipt.root = BatchTree.root(1);
        bytes32 batchId = postReceipt(receipt);
        waitForDraw(batchId);
        contestBatch(batchId, 1);
        IServiceBond.Opening memory opening = IServiceBond.Opening({
            position: 0,
            inputCommitment: BatchTree.inputOf(0),
            output: BatchTree.outputOf(0),
            path: new bytes32[](0)
        });
        bond.prove(batchId, opening, proofOf(batchId, opening));
        assertBatch(batchId, IServiceBond.BatchState.Upheld);
    }

    /// @dev Threat: a proof made for another batch, contract or chain.
    function test_RevertWhen_ProofIsOfOtherContext() public {
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory proof = proofOf(bytes32(uint256(batchId) ^ 1), opening);
        _expectRejected(batchId, opening, proof);

        proof = proofOf(batchId, opening);
        vm.chainId(block.chainid + 1);
        _expectRejected(batchId, opening, proof);
        vm.chainId(block.chainid - 1);

        ServiceBond original = bond;
        bond = new ServiceBond(registry, false);
        proof = proofOf(batchId, opening);
        bond = original;
        _expectRejected(batchId, opening, proof);
    }

    function test_RevertWhen_ProofIsForAnotherRecipient() public {
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = bond.contextOf(uint256(batchId), stranger);
        publicInputs[1] = opening.inputCommitment;
        publicInputs[2] = opening.output;
        _expectRejected(
            batchId, opening, abi.encode(WEIGHTS, keccak256(abi.encode(vk.codehash, publicInputs)))
        );
    }

    function test_RevertWhen_ProofShowsOtherWeights() public {
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory proof = proofOf(batchId, opening);
        bytes32 other = keccak256("cheap model");
        assembly ("memory-safe") {
            mstore(add(proof, 32), other)
        }
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelHashMismatch.selector, WEIGHTS, other));
        bond.prove(batchId, opening, proof);
    }

    /// @dev Threat: malleable inputs. The leaf and the proof are made for the very values.
    function test_RevertWhen_CommittedValuesAreOutOfRange() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        receipt.count = 1;
        for (uint256 i = 0; i < 2; ++i) {
            (uint256 input, uint256 output) = i == 0 ? (R, uint256(1)) : (uint256(1), R);
            receipt.root = BatchTree.leaf(0, input, output);
            bytes32 batchId = postReceipt(receipt);
            waitForDraw(batchId);
            contestBatch(batchId, 1);
            IServiceBond.Opening memory opening = IServiceBond.Opening({
                position: 0, inputCommitment: input, output: output, path: new bytes32[](0)
            });
            bytes memory proof = proofOf(batchId, opening);
            vm.expectRevert(abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, i + 1, R));
            bond.prove(batchId, opening, proof);
        }
    }

    function test_RevertWhen_CodeChanged() public {
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory proof = proofOf(batchId, opening);
        bytes32 pinned = address(verifier).codehash;
        vm.etch(address(verifier), abi.encodePacked(address(verifier).code, hex"00"));
        vm.expectRevert(
            abi.encodeWithSelector(
                Errors.CodeHashMismatch.selector, address(verifier), pinned, address(verifier).codehash
            )
        );
        bond.prove(batchId, opening, proof);
    }

    function test_RevertWhen_VerifierAnswersNothing() public {
        (modelId, bindingHash) = bindModel(WEIGHTS, vk, address(new SilentVerifier()));
        serviceId = openIn(ETHER, "silent");
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory proof = proofOf(batchId, opening);
        vm.expectRevert(bytes(""));
        bond.prove(batchId, opening, proof);
    }

    function testFuzz_RevertWhen_ProofIsArbitrary(bytes calldata proof) public {
        bytes32 batchId = contested(1);
        _expectRejected(batchId, openingOf(batchId, 0), proof);
    }

    /// @dev Whatever gas the caller chooses, a call does all that it should or nothing.
    function test_StarvedProofDecidesNothing() public {
        (modelId, bindingHash) = bindModel(WEIGHTS, vk, address(new CostlyVerifier()));
        serviceId = openIn(ETHER, "costly");
        bytes32 batchId = contested(1);
        IServiceBond.Opening memory opening = openingOf(batchId, 0);
        bytes memory call = abi.encodeCall(bond.prove, (batchId, opening, proofOf(batchId, opening)));
        uint256 start = vm.snapshotState();
        uint256 failures;
        uint256 successes;
        for (uint256 gas = 20_000; gas <= 500_000; gas += 5_000) {
            (bool ok,) = address(bond).call{gas: gas}(call);
            if (ok) ++successes;
            else ++failures;
            assertBatch(batchId, ok ? IServiceBond.BatchState.Upheld : IServiceBond.BatchState.Contested);
            assertEq(bond.creditOf(ETHER, seller), ok ? PRICE + PROOF_COST : 0);
            vm.revertToState(start);
        }
        assertGt(failures, 50);
        assertGt(successes, 5);
    }

    function _expectNotInRoot(bytes32 batchId, IServiceBond.Opening memory opening) private {
        bytes memory proof = proofOf(batchId, opening);
        uint256 index = bond.drawnItems(batchId)[opening.position];
        vm.expectRevert(abi.encodeWithSelector(Errors.ItemNotInRoot.selector, batchId, index));
        bond.prove(batchId, opening, proof);
    }

    function _expectRejected(bytes32 batchId, IServiceBond.Opening memory opening, bytes memory proof)
        private
    {
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        bond.prove(batchId, opening, proof);
    }
}

/// @notice Signers that are contracts.
contract ServiceBondSignerTest is ServiceFixture {
    function test_WalletSigns() public {
        _useSigner(address(new OwnedWallet(signer)));
        postBatch(0);
        IServiceBond.Receipt memory receipt = receiptOf(1);
        bytes memory signature = signBy(buyerKey, bond.receiptHash(receipt));
        _expectRejected(receipt, signature);
    }

    /// @dev An account with a key and code (EIP-7702): its key speaks for it.
    function test_KeyOfAccountWithCodeSigns() public {
        vm.etch(signer, address(new BurningWallet()).code);
        postBatch(0);
    }

    function test_WalletHasItsShareOfGas() public {
        _useSigner(address(new ThoughtfulWallet(95_000)));
        postBatch(0);
        _useSigner(address(new ThoughtfulWallet(100_000)));
        _expectRejected(receiptOf(1), "");
    }

    /// @dev Threat: a wallet that burns gas. It costs the buyer the share, not all that the buyer sent.
    function test_BurningWalletBurnsItsShareOnly() public {
        _useSigner(address(new BurningWallet()));
        IServiceBond.Receipt memory receipt = receiptOf(0);
        uint256 before = gasleft();
        vm.prank(buyer);
        try bond.post{value: PRICE, gas: 5_000_000}(receipt, "", secretHash()) {
            fail();
        } catch (bytes memory reason) {
            assertEq(reason, abi.encodeWithSelector(Errors.SignatureRejected.selector, _signer()));
        }
        assertLt(before - gasleft(), 300_000);
    }

    function test_OddAnswersAreRejections() public {
        ScriptedWallet wallet = new ScriptedWallet();
        _useSigner(address(wallet));
        bytes4 magic = IERC1271.isValidSignature.selector;
        bytes[6] memory answers = [
            bytes(""),
            abi.encodePacked(magic),
            abi.encodePacked(magic, new bytes(27)),
            abi.encode(bytes4(0xffffffff)),
            abi.encode(uint256(1)),
            abi.encodePacked(magic, new bytes(27), bytes1(0x01))
        ];
        for (uint256 i = 0; i < answers.length; ++i) {
            wallet.prepare(answers[i], false);
            _expectRejected(receiptOf(0), "");
        }
        wallet.prepare(abi.encode(magic), true);
        _expectRejected(receiptOf(0), "");
        wallet.prepare(abi.encode(magic, "and more"), false);
        IServiceBond.Receipt memory receipt = receiptOf(0);
        vm.prank(buyer);
        bond.post{value: PRICE}(receipt, "", secretHash());
    }

    /// @dev Threat: an answer that costs its reader as much memory again. It is not copied.
    function test_LongAnswerIsNotCopied() public {
        _useSigner(address(new VerboseWallet()));
        IServiceBond.Receipt memory receipt = receiptOf(0);
        bytes memory reason = abi.encodeWithSelector(Errors.SignatureRejected.selector, _signer());
        uint256 before = gasleft();
        vm.prank(buyer);
        vm.expectRevert(reason);
        bond.post{value: PRICE}(receipt, "", secretHash());
        uint256 used = before - gasleft();
        emit log_named_uint("used", used);
        assertLt(used, 150_000);
    }

    /// @dev The call is static: the wallet can change nothing, its own calls fail.
    function test_WalletCannotReenter() public {
        _useSigner(address(new ReenteringWallet()));
        IServiceBond.Receipt memory receipt = receiptOf(0);
        vm.prank(buyer);
        bond.post{value: PRICE}(receipt, "", secretHash());
    }

    function test_StarvedSignatureDecidesNothing() public {
        _useSigner(address(new ThoughtfulWallet(90_000)));
        IServiceBond.Receipt memory receipt = receiptOf(0);
        bytes memory call = abi.encodeCall(bond.post, (receipt, "", secretHash()));
        bytes32 batchId = bond.receiptHash(receipt);
        uint256 start = vm.snapshotState();
        uint256 failures;
        uint256 successes;
        for (uint256 gas = 20_000; gas <= 600_000; gas += 5_000) {
            vm.prank(buyer);
            (bool ok,) = address(bond).call{value: PRICE, gas: gas}(call);
            if (ok) ++successes;
            else ++failures;
            assertEq(bond.getService(serviceId).openBatches, ok ? 1 : 0);
            assertEq(address(bond).balance, 2 * BOND + (ok ? PRICE : 0));
            if (ok) assertBatch(batchId, IServiceBond.BatchState.Posted);
            vm.revertToState(start);
        }
        assertGt(failures, 20);
        assertGt(successes, 20);
    }

    function test_RevertWhen_SignatureIsMalleable() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signerKey, bond.receiptHash(receipt));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        _expectRejected(receipt, abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? 28 : 27));
        _expectRejected(receipt, "");
    }

    function _useSigner(address account) private {
        IServiceBond.Terms memory terms = termsIn(ETHER);
        terms.signer = account;
        serviceId = openWith(terms, 0);
    }

    function _signer() private view returns (address) {
        return bond.getService(serviceId).signer;
    }

    function _expectRejected(IServiceBond.Receipt memory receipt, bytes memory signature) private {
        bytes memory reason = abi.encodeWithSelector(Errors.SignatureRejected.selector, _signer());
        vm.deal(buyer, PRICE);
        vm.prank(buyer);
        vm.expectRevert(reason);
        bond.post{value: PRICE}(receipt, signature, secretHash());
    }
}

/// @notice Tokens and receivers of every kind. Nobody else's money is harmed by them.
contract ServiceBondHostileTokenTest is ServiceFixture {
    function test_RevertWhen_TokenTakesFee() public {
        FeeToken fee = new FeeToken();
        fee.setFee(false);
        _fund(fee);
        serviceId = openIn(address(fee), 0);
        bytes32 batchId = postAndWait(0);
        fee.setFee(true);

        IServiceBond.Terms memory terms = termsIn(address(fee));
        vm.prank(seller);
        vm.expectRevert(_wrongAmount(address(fee), BOND));
        bond.openService(terms, BOND, "salt");
        vm.prank(seller);
        vm.expectRevert(_wrongAmount(address(fee), 1 ether));
        bond.topUp(serviceId, 1 ether);
        IServiceBond.Receipt memory receipt = receiptOf(1);
        bytes memory signature = sign(receipt);
        vm.prank(buyer);
        vm.expectRevert(_wrongAmount(address(fee), PRICE));
        bond.post(receipt, signature, secretHash());
        vm.prank(buyer);
        vm.expectRevert(_wrongAmount(address(fee), PROOF_COST));
        bond.contest(batchId, 1, SECRET);
        // The batch that was posted before ends all the same.
        vm.warp(bond.getBatch(batchId).deadline + 1);
        bond.settle(batchId);
        vm.prank(seller);
        bond.withdraw(address(fee));
    }

    function test_RevertWhen_TokenLiesOrFails() public {
        LyingToken lying = new LyingToken();
        IServiceBond.Terms memory terms = termsIn(address(lying));
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongTokenAmount.selector, lying, BOND, 0));
        bond.openService(terms, BOND, 0);

        FalseToken failing = new FalseToken();
        _fund(failing);
        failing.setFailing(true);
        terms = termsIn(address(failing));
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, failing));
        bond.openService(terms, BOND, 0);

        terms = termsIn(stranger);
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, stranger));
        bond.openService(terms, BOND, 0);
    }

    function test_TokenWithoutReturnValueWorks() public {
        SilentToken silent = new SilentToken();
        silent.mint(seller, BOND);
        silent.mint(buyer, BOND);
        vm.prank(seller);
        silent.approve(address(bond), BOND);
        vm.prank(buyer);
        silent.approve(address(bond), BOND);
        serviceId = openIn(address(silent), 0);
        bytes32 batchId = contested(1);
        vm.warp(bond.getBatch(batchId).deadline + 1);
        bond.punish(batchId);
        vm.prank(buyer);
        assertEq(bond.withdraw(address(silent)), PRICE + PROOF_COST + PENALTY);
    }

    /// @dev Threat: the token hands control to somebody while the money moves.
    function test_HookReentryIsRefused() public {
        HookToken hooked = new HookToken();
        _fund(hooked);
        serviceId = openIn(address(hooked), 0);
        bytes32 batchId = postAndWait(0);
        ReenteringReceiver hook = new ReenteringReceiver();
        hooked.setHook(address(hook));
        bytes memory refusal =
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector);
        IServiceBond.Opening memory opening;
        IServiceBond.Receipt memory receipt = receiptOf(1);
        IServiceBond.Terms memory terms = termsIn(address(hooked));
        bytes[9] memory calls = [
            abi.encodeCall(bond.openService, (terms, BOND, "salt")),
            abi.encodeCall(bond.topUp, (serviceId, 1)),
            abi.encodeCall(bond.giveNotice, (serviceId)),
            abi.encodeCall(bond.close, (serviceId)),
            abi.encodeCall(bond.post, (receipt, "", secretHash())),
            abi.encodeCall(bond.contest, (batchId, 1, SECRET)),
            abi.encodeCall(bond.prove, (batchId, opening, "")),
            abi.encodeCall(bond.settle, (batchId)),
            abi.encodeCall(bond.punish, (batchId))
        ];
        uint256 start = vm.snapshotState();
        for (uint256 i = 0; i < calls.length; ++i) {
            hook.prepare(address(bond), calls[i]);
            contestBatch(batchId, 1);
            assertGt(hook.calls(), 0);
            assertFalse(hook.succeeded());
            assertEq(hook.answer(), refusal);
            vm.revertToState(start);
        }
    }

    function test_BlockedBuyerIsPaidElsewhere() public {
        BlockingToken blocking = new BlockingToken();
        _fund(blocking);
        serviceId = openIn(address(blocking), 0);
        bytes32 batchId = contested(1);
        blocking.setBlocked(buyer, true);
        vm.warp(bond.getBatch(batchId).deadline + 1);
        bond.punish(batchId);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, buyer));
        bond.withdraw(address(blocking));
        vm.prank(buyer);
        bond.withdrawTo(address(blocking), stranger, PRICE + PENALTY);
        assertEq(blocking.balanceOf(stranger), PRICE + PENALTY);
    }

    function test_RebasingDownHarmsThatTokenOnly() public {
        RebasingToken rebasing = new RebasingToken();
        _fund(rebasing);
        bytes32 inEther = contested(1);
        serviceId = openIn(address(rebasing), 0);
        bytes32 inToken = postAndWait(1);
        contestBatch(inToken, 1);
        rebasing.rebase(10);
        vm.warp(bond.getBatch(inToken).deadline + 1);
        bond.punish(inToken);
        bond.punish(inEther);
        vm.prank(buyer);
        assertEq(bond.withdraw(ETHER), PRICE + PROOF_COST + PENALTY);
    }

    /// @dev A provider that cannot receive ether harms nobody: the batch ends, and it can name another.
    function test_ProviderRefusingEtherIsPaidElsewhere() public {
        bytes32 batchId = postBatch(0);
        vm.etch(seller, address(new RefusingReceiver()).code);
        vm.warp(bond.getBatch(batchId).deadline + 1);
        bond.settle(batchId);
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.EtherTransferFailed.selector, seller, PRICE));
        bond.withdraw(ETHER);
        vm.prank(seller);
        bond.withdrawTo(ETHER, stranger, PRICE);
        assertEq(stranger.balance, PRICE);
    }

    function _fund(PlainToken money) private {
        money.mint(seller, 100 ether);
        money.mint(buyer, 100 ether);
        vm.prank(seller);
        money.approve(address(bond), type(uint256).max);
        vm.prank(buyer);
        money.approve(address(bond), type(uint256).max);
    }

    function _wrongAmount(address money, uint256 amount) private pure returns (bytes memory) {
        return abi.encodeWithSelector(Errors.WrongTokenAmount.selector, money, amount, amount - amount / 100);
    }
}
