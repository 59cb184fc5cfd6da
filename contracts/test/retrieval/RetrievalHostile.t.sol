// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {IRetrievalEscrow} from "../../src/interfaces/IRetrievalEscrow.sol";
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
    SilentToken
} from "../doubles/Tokens.sol";
import {RetrievalFixture} from "./RetrievalFixture.sol";

/// @notice Odd tokens and receivers in retrievals. What custody does by itself is tested in Custody.t.sol.
contract RetrievalHostileTest is RetrievalFixture {
    function test_RevertWhen_TokenTakesFee() public {
        FeeToken odd = new FeeToken();
        odd.mint(buyer, PRICE);
        vm.startPrank(buyer);
        odd.approve(address(retrieval), PRICE);
        IRetrievalEscrow.Terms memory terms = retrievalIn(address(odd));
        vm.expectRevert(
            abi.encodeWithSelector(Errors.WrongTokenAmount.selector, odd, PRICE, PRICE - PRICE / 100)
        );
        retrieval.open(terms, bindingHash, "");
    }

    function test_HookReentryIsRefused() public {
        HookToken odd = new HookToken();
        odd.mint(buyer, 10 * PRICE);
        vm.prank(buyer);
        odd.approve(address(retrieval), type(uint256).max);
        ReenteringReceiver hook = new ReenteringReceiver();
        odd.setHook(address(hook));
        IRetrievalEscrow.Terms memory terms = retrievalIn(address(odd));
        ICustody.Permit memory permit;
        bytes[6] memory calls = [
            abi.encodeCall(retrieval.open, (terms, bindingHash, "")),
            abi.encodeCall(retrieval.openWithPermit, (terms, bindingHash, "", permit)),
            abi.encodeCall(retrieval.prove, (1, terms, 0, 0, "")),
            abi.encodeCall(retrieval.publish, (1, terms, DATA, "")),
            abi.encodeCall(retrieval.settle, (1, terms)),
            abi.encodeCall(retrieval.withdraw, (address(odd)))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            hook.prepare(address(retrieval), calls[i]);
            openRetrieval(terms);
            assertEq(hook.calls(), i + 1, "hook did not run");
            assertEq(
                hook.answer(),
                abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
            );
        }
    }

    /// @dev No token can keep a job from ending: settling asks none.
    function test_FailingTokenDoesNotBlockSettling() public {
        FalseToken odd = new FalseToken();
        odd.mint(buyer, PRICE);
        vm.prank(buyer);
        odd.approve(address(retrieval), PRICE);
        IRetrievalEscrow.Terms memory terms = retrievalIn(address(odd));
        uint256 jobId = openRetrieval(terms);
        odd.setFailing(true);
        vm.warp(terms.proveBy + 1);
        retrieval.settle(jobId, terms);
        odd.setFailing(false);
        vm.prank(buyer);
        assertEq(retrieval.withdraw(address(odd)), PRICE);
    }

    function test_HolderRefusingEther() public {
        RefusingReceiver holder = new RefusingReceiver();
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        terms.holder = address(holder);
        uint256 jobId = openRetrieval(terms);
        for (uint256 run = 0; run < 3; ++run) {
            proveRun(jobId, terms, run, 0);
        }
        retrieval.settle(jobId, terms);
        vm.expectRevert(abi.encodeWithSelector(Errors.EtherTransferFailed.selector, holder, PRICE));
        holder.withdraw(retrieval, ETHER);
        holder.withdrawTo(retrieval, ETHER, stranger, PRICE);
        assertEq(stranger.balance, PRICE);
    }

    function test_RevertWhen_TokenOnlySaysItMoved() public {
        LyingToken odd = new LyingToken();
        _fund(odd);
        IRetrievalEscrow.Terms memory terms = retrievalIn(address(odd));
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongTokenAmount.selector, odd, PRICE, 0));
        retrieval.open(terms, bindingHash, "");
    }

    function test_TokenWithoutReturnValueWorks() public {
        SilentToken odd = new SilentToken();
        odd.mint(buyer, PRICE);
        vm.prank(buyer);
        odd.approve(address(retrieval), PRICE);
        _earn(address(odd));
        vm.prank(seller);
        assertEq(retrieval.withdraw(address(odd)), PRICE);
        assertEq(odd.balanceOf(seller), PRICE);
    }

    function test_TokenRevertingOnZeroWorks() public {
        NonZeroToken odd = new NonZeroToken();
        _fund(odd);
        _earn(address(odd));
        vm.startPrank(seller);
        assertEq(retrieval.withdraw(address(odd)), PRICE);
        vm.expectRevert(abi.encodeWithSelector(Errors.InsufficientCredit.selector, odd, 0, 0));
        retrieval.withdraw(address(odd));
    }

    function test_BlockedHolderIsPaidElsewhere() public {
        BlockingToken odd = new BlockingToken();
        _fund(odd);
        odd.setBlocked(seller, true);
        _earn(address(odd));
        vm.startPrank(seller);
        vm.expectRevert(abi.encodeWithSelector(BlockingToken.Blocked.selector, seller));
        retrieval.withdraw(address(odd));
        retrieval.withdrawTo(address(odd), stranger, PRICE);
        assertEq(odd.balanceOf(stranger), PRICE);
    }

    function test_RebasingDownHarmsThatTokenOnly() public {
        RebasingToken odd = new RebasingToken();
        _fund(odd);
        _earn(address(odd));
        _earn(address(token));
        odd.rebase(50);
        vm.startPrank(seller);
        vm.expectRevert();
        retrieval.withdraw(address(odd));
        assertEq(retrieval.withdraw(address(token)), PRICE);
    }

    function test_HolderReenteringOnEther() public {
        ReenteringReceiver holder = new ReenteringReceiver();
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        terms.holder = address(holder);
        _earnAs(terms);
        (uint256 open, IRetrievalEscrow.Terms memory openTerms) = openedRetrieval();
        vm.warp(openTerms.proveBy + 1);
        holder.prepare(address(retrieval), abi.encodeCall(retrieval.settle, (open, openTerms)));
        holder.execute(address(retrieval), abi.encodeCall(retrieval.withdraw, (ETHER)));
        assertEq(holder.calls(), 1);
        assertEq(
            holder.answer(),
            abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
        );
        assertEq(address(holder).balance, PRICE);
        assertEq(address(retrieval).balance, PRICE);
    }

    function test_HolderBurningGasHarmsItselfOnly() public {
        GasBurner burner = new GasBurner();
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        terms.holder = address(burner);
        _earnAs(terms);
        _earn(ETHER);
        (bool ok,) = address(burner).call{gas: 1_000_000}(abi.encodeCall(burner.withdraw, (retrieval, ETHER)));
        assertFalse(ok);
        vm.prank(seller);
        assertEq(retrieval.withdraw(ETHER), PRICE);
    }

    function _earn(address token_) private {
        _earnAs(retrievalIn(token_));
    }

    /// @dev A retrieval that selects nothing, paid to its holder.
    function _earnAs(IRetrievalEscrow.Terms memory terms) private {
        uint256 jobId = openRetrieval(terms);
        for (uint256 run = 0; run < 3; ++run) {
            proveRun(jobId, terms, run, 0);
        }
        retrieval.settle(jobId, terms);
    }

    function _fund(PlainToken odd) private {
        odd.mint(buyer, 10 * PRICE);
        vm.prank(buyer);
        odd.approve(address(retrieval), type(uint256).max);
    }
}
