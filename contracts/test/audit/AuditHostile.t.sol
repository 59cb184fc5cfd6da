// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {ICustody} from "../../src/interfaces/ICustody.sol";
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
import {AuditFixture} from "./AuditFixture.sol";

/// @notice Odd tokens and receivers in audits. What custody does by itself is tested in Custody.t.sol.
contract AuditHostileTest is AuditFixture {
    function test_RevertWhen_TokenTakesFee() public {
        FeeToken odd = new FeeToken();
        _fund(odd);
        IAuditEscrow.Terms memory terms = bounty(address(odd));
        uint256 due = uint256(REWARD) + BOND;
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongTokenAmount.selector, odd, due, due - due / 100));
        audit.open(terms, admitted, "");

        // Switched on between opening and entering.
        odd.setFee(false);
        uint256 jobId = openAudit(terms);
        odd.setFee(true);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        vm.prank(seller);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.WrongTokenAmount.selector, odd, STAKE, uint256(STAKE) - STAKE / 100)
        );
        audit.enter(jobId, terms, offer);
        assertEq(audit.getJob(jobId).entries, 0);
    }

    function test_RevertWhen_TokenOnlySaysItMoved() public {
        LyingToken odd = new LyingToken();
        _fund(odd);
        IAuditEscrow.Terms memory terms = bounty(address(odd));
        vm.prank(buyer);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.WrongTokenAmount.selector, odd, uint256(REWARD) + BOND, 0)
        );
        audit.open(terms, admitted, "");
    }

    function test_RevertWhen_TokenReturnsFalseOnEntry() public {
        FalseToken odd = new FalseToken();
        _fund(odd);
        IAuditEscrow.Terms memory terms = bounty(address(odd));
        uint256 jobId = openAudit(terms);
        odd.setFailing(true);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, odd));
        audit.enter(jobId, terms, offer);
        assertEq(audit.getJob(jobId).entries, 0);
    }

    /// @dev No token can keep a job from ending: settling asks none.
    function test_FailingTokenDoesNotBlockSettling() public {
        FalseToken odd = new FalseToken();
        _fund(odd);
        (uint256 jobId, IAuditEscrow.Terms memory terms) = _proven(address(odd));
        odd.setFailing(true);
        audit.settle(jobId, terms);
        assertJob(jobId, IAuditEscrow.State.Paid);
        vm.startPrank(seller);
        vm.expectRevert(abi.encodeWithSelector(SafeERC20.SafeERC20FailedOperation.selector, odd));
        audit.withdraw(address(odd));
        odd.setFailing(false);
        assertEq(audit.withdraw(address(odd)), REWARD + STAKE);
    }

    function test_TokenWithoutReturnValueWorks() public {
        SilentToken odd = new SilentToken();
        odd.mint(buyer, 100 ether);
        odd.mint(seller, 100 ether);
        vm.prank(buyer);
        odd.approve(address(audit), type(uint256).max);
        vm.prank(seller);
        odd.approve(address(audit), type(uint256).max);
        (uint256 jobId, IAuditEscrow.Terms memory terms) = _proven(address(odd));
        audit.settle(jobId, terms);
        vm.prank(seller);
        assertEq(audit.withdraw(address(odd)), REWARD + STAKE);
        vm.prank(buyer);
        assertEq(audit.withdraw(address(odd)), BOND);
        assertEq(odd.balanceOf(address(audit)), 0);
    }

    function test_BlockedSellerIsPaidElsewhere() public {
        BlockingToken odd = new BlockingToken();
        _fund(odd);
        (uint256 jobId, IAuditEscrow.Terms memory terms) = _proven(address(odd));
        odd.setBlocked(seller, true);
        audit.settle(jobId, terms);
        vm.startPrank(seller);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, seller));
        audit.withdraw(address(odd));
        audit.withdrawTo(address(odd), stranger, REWARD + STAKE);
        assertEq(odd.balanceOf(stranger), REWARD + STAKE);
    }

    function test_RebasingDownHarmsThatTokenOnly() public {
        RebasingToken odd = new RebasingToken();
        _fund(odd);
        (uint256 first, IAuditEscrow.Terms memory oddTerms) = _proven(address(odd));
        (uint256 second, IAuditEscrow.Terms memory terms) = _proven(address(token));
        odd.rebase(50);
        audit.settle(first, oddTerms);
        audit.settle(second, terms);
        vm.startPrank(seller);
        vm.expectRevert();
        audit.withdraw(address(odd));
        assertEq(audit.withdraw(address(token)), REWARD + STAKE);
    }

    function test_RevertWhen_TokenTakesSurchargeOnWithdrawal() public {
        SurchargeToken odd = new SurchargeToken();
        _fund(odd);
        (uint256 jobId, IAuditEscrow.Terms memory terms) = _proven(address(odd));
        audit.settle(jobId, terms);
        odd.setFee(true);
        uint256 due = uint256(REWARD) + STAKE;
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongTokenAmount.selector, odd, due, due + due / 100));
        audit.withdraw(address(odd));
    }

    /// @dev A token's hook runs in the middle of an entry. No call gets through, of whatever kind.
    function test_HookReentryIsRefused() public {
        HookToken odd = new HookToken();
        _fund(odd);
        ReenteringReceiver hook = new ReenteringReceiver();
        IAuditEscrow.Terms memory terms = bounty(address(odd));
        terms.maxEntries = 16;
        uint256 jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        odd.setHook(address(hook));
        IAuditEscrow.Offer memory offer = offerOf(seller);
        ICustody.Permit memory permit;
        bytes[11] memory calls = [
            abi.encodeCall(audit.open, (terms, admitted, "")),
            abi.encodeCall(audit.openWithPermit, (terms, admitted, "", permit)),
            abi.encodeCall(audit.enter, (jobId, terms, offer)),
            abi.encodeCall(audit.enterWithPermit, (jobId, terms, offer, permit)),
            abi.encodeCall(audit.deliver, (jobId, terms, 0, DATA, "")),
            abi.encodeCall(audit.accept, (jobId, terms, 1)),
            abi.encodeCall(audit.abort, (jobId, terms, 1)),
            abi.encodeCall(audit.settle, (jobId, terms)),
            abi.encodeCall(audit.release, (jobId, terms, 1)),
            abi.encodeCall(audit.certify, (jobId, terms, 1)),
            abi.encodeCall(audit.withdraw, (address(odd)))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            hook.prepare(address(audit), calls[i]);
            enterAs(seller, jobId, terms);
            _assertGuarded(hook, i + 1);
        }
        hook.prepare(address(audit), abi.encodeCall(audit.prove, (jobId, terms, 1, 0, 0, "")));
        enterAs(seller, jobId, terms);
        _assertGuarded(hook, calls.length + 1);
    }

    /// @dev A buyer and a seller that cannot receive ether keep nobody from settling, and get theirs elsewhere.
    function test_SellerRefusingEther() public {
        RefusingReceiver contractSeller = new RefusingReceiver();
        vm.deal(address(contractSeller), STAKE);
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        enterWith(address(contractSeller), jobId, terms, offerOf(seller));
        vm.warp(terms.deliverBy + 1);
        audit.settle(jobId, terms);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.EtherTransferFailed.selector, contractSeller, STAKE + BOND)
        );
        contractSeller.withdraw(audit, ETHER);
        contractSeller.withdrawTo(audit, ETHER, stranger, STAKE + BOND);
        assertEq(stranger.balance, STAKE + BOND);
    }

    /// @dev Nothing of which there is none is ever moved: no bond, no fee, no share.
    function test_TokenRevertingOnZeroWorks() public {
        NonZeroToken odd = new NonZeroToken();
        _fund(odd);
        IAuditEscrow.Terms memory terms = bounty(address(odd));
        terms.bond = 0;
        terms.abortFee = 0;
        uint256 jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        deliverTo(jobId, terms);
        vm.prank(seller);
        audit.abort(jobId, terms, 1);
        audit.settle(jobId, terms);
        vm.prank(seller);
        assertEq(audit.withdraw(address(odd)), STAKE);
        vm.prank(buyer);
        assertEq(audit.withdraw(address(odd)), REWARD);
        assertEq(odd.balanceOf(address(audit)), 0);
    }

    function test_SellerReenteringOnEther() public {
        ReenteringReceiver contractSeller = new ReenteringReceiver();
        vm.deal(address(contractSeller), STAKE);
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        enterWith(address(contractSeller), jobId, terms, offerOf(seller));
        vm.warp(terms.deliverBy + 1);
        contractSeller.prepare(address(audit), abi.encodeCall(audit.settle, (jobId, terms)));
        audit.release(jobId, terms, 1);
        contractSeller.execute(address(audit), abi.encodeCall(audit.withdraw, (ETHER)));
        _assertGuarded(contractSeller, 1);
        audit.settle(jobId, terms);
        assertEq(address(contractSeller).balance, STAKE + BOND);
        assertEq(address(audit).balance, REWARD);
    }

    /// @dev A seller that burns all gas when it is paid keeps nobody from settling.
    function test_SellerBurningGasHarmsItselfOnly() public {
        GasBurner burner = new GasBurner();
        vm.deal(address(burner), STAKE);
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        enterWith(address(burner), jobId, terms, offerOf(seller));
        vm.warp(terms.deliverBy + 1);
        audit.settle(jobId, terms);
        (bool ok,) = address(burner).call{gas: 1_000_000}(abi.encodeCall(burner.withdraw, (audit, ETHER)));
        assertFalse(ok);
        vm.prank(buyer);
        assertEq(audit.withdraw(ETHER), REWARD);
    }

    function test_StarvedEntryDecidesNothing() public {
        IAuditEscrow.Terms memory terms = bounty(address(token));
        uint256 jobId = openAudit(terms);
        ICustody.Permit memory permit;
        bytes memory call = abi.encodeCall(audit.enterWithPermit, (jobId, terms, offerOf(seller), permit));
        uint256 held = token.balanceOf(address(audit));
        uint256 start = vm.snapshotState();
        uint256 failures;
        uint256 successes;
        for (uint256 gas = 10_000; gas <= 300_000; gas += 2_500) {
            vm.prank(seller);
            (bool ok,) = address(audit).call{gas: gas}(call);
            if (ok) ++successes;
            else ++failures;
            assertEq(audit.getJob(jobId).entries, ok ? 1 : 0);
            assertEq(token.balanceOf(address(audit)) - held, ok ? STAKE : 0);
            vm.revertToState(start);
        }
        assertGt(failures, 20);
        assertGt(successes, 10);
    }

    function _proven(address token_) private returns (uint256 jobId, IAuditEscrow.Terms memory terms) {
        terms = bounty(token_);
        jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        deliverTo(jobId, terms);
        acceptAs(seller, jobId, terms, 1);
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
    }

    function _fund(PlainToken odd) private {
        address[2] memory parties = [buyer, seller];
        for (uint256 i = 0; i < 2; ++i) {
            odd.mint(parties[i], 1_000 ether);
            vm.prank(parties[i]);
            odd.approve(address(audit), type(uint256).max);
        }
    }

    function _assertGuarded(ReenteringReceiver hook, uint256 calls) private view {
        assertEq(hook.calls(), calls, "hook did not run");
        assertFalse(hook.succeeded());
        bytes memory answer = hook.answer();
        assertEq(
            answer, abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
        );
    }
}
