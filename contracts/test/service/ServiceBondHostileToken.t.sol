// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {GasBurner, ReenteringReceiver, RefusingReceiver} from "../doubles/Receivers.sol";
import {
    BlockingToken,
    FalseToken,
    FeeToken,
    HookToken,
    LyingToken,
    NonZeroToken,
    PlainToken,
    RebasingToken,
    SilentToken,
    SurchargeToken
} from "../doubles/Tokens.sol";
import {ServiceFixture} from "./ServiceFixture.sol";

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
        bond.contest(receipts[batchId], 1, SECRET);
        // The batch that was posted before ends all the same.
        vm.warp(bond.getBatch(batchId).deadline + 1);
        bond.settle(receipts[batchId]);
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
        bond.punish(receipts[batchId]);
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
            abi.encodeCall(bond.contest, (receipts[batchId], 1, SECRET)),
            abi.encodeCall(bond.prove, (receipts[batchId], opening, "")),
            abi.encodeCall(bond.settle, (receipts[batchId])),
            abi.encodeCall(bond.punish, (receipts[batchId]))
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
        bond.punish(receipts[batchId]);
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
        bond.punish(receipts[inToken]);
        bond.punish(receipts[inEther]);
        vm.prank(buyer);
        assertEq(bond.withdraw(ETHER), PRICE + PROOF_COST + PENALTY);
    }

    /// @dev A provider that cannot receive ether harms nobody: the batch ends, and it can name another.
    function test_ProviderRefusingEtherIsPaidElsewhere() public {
        bytes32 batchId = postBatch(0);
        vm.etch(seller, address(new RefusingReceiver()).code);
        vm.warp(bond.getBatch(batchId).deadline + 1);
        bond.settle(receipts[batchId]);
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.EtherTransferFailed.selector, seller, PRICE));
        bond.withdraw(ETHER);
        vm.prank(seller);
        bond.withdrawTo(ETHER, stranger, PRICE);
        assertEq(stranger.balance, PRICE);
    }

    function test_TokenRevertingOnZeroWorks() public {
        NonZeroToken odd = new NonZeroToken();
        _fund(odd);
        serviceId = openIn(address(odd), 0);
        bytes32 batchId = contested(1);
        proveItem(batchId, 0);
        vm.startPrank(seller);
        assertEq(bond.withdraw(address(odd)), PRICE + PROOF_COST);
        vm.expectRevert(abi.encodeWithSelector(Errors.InsufficientCredit.selector, odd, 0, 0));
        bond.withdraw(address(odd));
    }

    /// @dev A surcharge would be paid out of bonds and open batches: refused.
    function test_RevertWhen_TokenTakesSurchargeOnWithdrawal() public {
        SurchargeToken odd = new SurchargeToken();
        _fund(odd);
        serviceId = openIn(address(odd), 0);
        bytes32 batchId = postBatch(0);
        vm.warp(bond.getBatch(batchId).deadline + 1);
        bond.settle(receipts[batchId]);
        odd.setFee(true);
        vm.prank(seller);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.WrongTokenAmount.selector, odd, PRICE, PRICE + PRICE / 100)
        );
        bond.withdraw(address(odd));
        assertEq(odd.balanceOf(address(bond)), BOND + PRICE);
    }

    function test_ProviderReenteringOnEther() public {
        bytes32 batchId = postBatch(0);
        bytes32 other = postBatch(1);
        vm.etch(seller, address(new ReenteringReceiver()).code);
        ReenteringReceiver provider = ReenteringReceiver(payable(seller));
        uint256 before = seller.balance;
        vm.warp(bond.getBatch(batchId).deadline + 1);
        bond.settle(receipts[batchId]);
        provider.prepare(address(bond), abi.encodeCall(bond.settle, (receipts[other])));
        provider.execute(address(bond), abi.encodeCall(bond.withdraw, (ETHER)));
        assertEq(provider.calls(), 1);
        assertEq(
            provider.answer(),
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
        );
        assertEq(seller.balance - before, PRICE);
        assertBatch(other, IServiceBond.BatchState.Posted);
    }

    function test_ProviderBurningGasHarmsItselfOnly() public {
        bytes32 batchId = contested(1);
        vm.etch(seller, address(new GasBurner()).code);
        bytes32 other = postBatch(1);
        vm.warp(bond.getBatch(other).deadline + 1);
        bond.settle(receipts[other]);
        vm.warp(bond.getBatch(batchId).deadline + 1);
        bond.punish(receipts[batchId]);
        (bool ok,) = seller.call{gas: 1_000_000}(abi.encodeCall(GasBurner.withdraw, (bond, ETHER)));
        assertFalse(ok);
        vm.prank(buyer);
        assertEq(bond.withdraw(ETHER), PRICE + PROOF_COST + PENALTY);
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
