// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IRetrievalEscrow} from "../src/interfaces/IRetrievalEscrow.sol";
import {PlainToken} from "./doubles/Tokens.sol";
import {RetrievalHandler} from "./handlers/RetrievalHandler.sol";
import {RetrievalFixture} from "./RetrievalFixture.sol";

contract RetrievalEscrowInvariantTest is RetrievalFixture {
    RetrievalHandler internal handler;

    function setUp() public override {
        super.setUp();
        handler = new RetrievalHandler(retrieval, WEIGHTS, bindingHash, vk.codehash);
        bytes4[] memory selectors = new bytes4[](11);
        selectors[0] = RetrievalHandler.open.selector;
        selectors[1] = RetrievalHandler.prove.selector;
        selectors[2] = RetrievalHandler.prove.selector;
        selectors[3] = RetrievalHandler.prove.selector;
        selectors[4] = RetrievalHandler.proveWithStolenProof.selector;
        selectors[5] = RetrievalHandler.publish.selector;
        selectors[6] = RetrievalHandler.publish.selector;
        selectors[7] = RetrievalHandler.settle.selector;
        selectors[8] = RetrievalHandler.withdraw.selector;
        selectors[9] = RetrievalHandler.donate.selector;
        selectors[10] = RetrievalHandler.pass.selector;
        targetContract(address(handler));
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    /// @dev What the escrow holds is what it owes, open jobs and credits, gifts apart. Payouts and debts
    /// equal deposits, and each credit is as it should be.
    function invariant_SolventAndBooksAgree() public view {
        for (uint256 i = 0; i < handler.tokenCount(); ++i) {
            address token_ = handler.tokens(i);
            uint256 debts = _openJobs(token_);
            for (uint256 j = 0; j < handler.actorCount(); ++j) {
                address actor = handler.actors(j);
                uint256 credit = retrieval.creditOf(token_, actor);
                assertEq(credit, handler.owed(token_, actor), "credit");
                debts += credit;
            }
            assertEq(_holdings(token_), debts + handler.donated(token_), "holdings");
            assertEq(handler.paidOut(token_) + debts, handler.deposited(token_), "payouts and debts");
        }
    }

    function invariant_EndedOnceAndForGood() public view {
        for (uint256 jobId = 1; jobId <= retrieval.jobCount(); ++jobId) {
            RetrievalHandler.BookedJob memory job = handler.bookedJob(jobId);
            bool live = retrieval.getJob(jobId).state == IRetrievalEscrow.State.Open;
            assertEq(job.endings, live ? 0 : 1, "job's endings");
            if (!live) assertEq(handler.fingerprint(jobId), job.last, "job changed after its end");
        }
    }

    /// @dev The handler reaches every action for real; else the invariants would show nothing.
    function test_HandlerReachesEveryAction() public {
        // Nine items in runs of five; a day between the deadlines.
        uint8[2] memory sizes = [8, 2];
        uint32[2] memory gaps = [uint32(1 days), 1 days];
        for (uint256 i = 0; i < 4; ++i) {
            handler.open(4, i, 10, sizes, gaps);
        }
        for (uint256 run = 0; run < 2; ++run) {
            handler.prove(3, 0, run, 3);
            handler.prove(3, 1, run, 0);
            handler.prove(3, 2, run, 3);
        }
        handler.proveWithStolenProof(3, 0, 2);
        handler.publish(1, 0);
        handler.publish(1, 3);
        handler.settle(2, 1);
        handler.pass(10 days);
        handler.settle(2, 2);
        handler.settle(2, 3);
        handler.donate(0, 1);
        handler.withdraw(0, 0, 1);
        assertEq(handler.calls("open"), 4);
        assertEq(handler.calls("prove"), 6);
        assertEq(handler.calls("proveWithStolenProof"), 1);
        assertEq(handler.calls("publish"), 1);
        assertEq(handler.calls("payEmpty"), 1);
        assertEq(handler.calls("refund"), 2);
        assertEq(handler.calls("withdraw"), 1);
        invariant_SolventAndBooksAgree();
        invariant_EndedOnceAndForGood();
        _assertSelectionIsWhatWasProven();
    }

    /// @dev Nothing is ever stuck: after the last deadline anybody can end everything, and all is paid out.
    function afterInvariant() public {
        _assertSelectionIsWhatWasProven();
        vm.warp(block.timestamp + 366 days);
        for (uint256 job = 0; job < retrieval.jobCount(); ++job) {
            handler.settle(0, job);
            assertEq(handler.bookedJob(job + 1).endings, 1, "stuck");
        }
        invariant_SolventAndBooksAgree();
        invariant_EndedOnceAndForGood();
        for (uint256 i = 0; i < handler.tokenCount(); ++i) {
            address token_ = handler.tokens(i);
            for (uint256 j = 0; j < handler.actorCount(); ++j) {
                address actor = handler.actors(j);
                if (retrieval.creditOf(token_, actor) == 0) continue;
                vm.prank(actor);
                retrieval.withdraw(token_);
            }
            assertEq(_holdings(token_), handler.donated(token_), "money left behind");
        }
    }

    /// @dev What was proven of each item can be read ever after, and nothing else.
    function _assertSelectionIsWhatWasProven() private view {
        for (uint256 jobId = 1; jobId <= retrieval.jobCount(); ++jobId) {
            IRetrievalEscrow.Terms memory terms = handler.termsOf(jobId);
            uint256 proven = handler.bookedJob(jobId).proven;
            for (uint256 index = 0; index < terms.items; ++index) {
                try retrieval.selected(jobId, index) returns (bool selected) {
                    assertEq(selected, handler.selected(jobId, index), "selection");
                    assertEq(proven >> (index / terms.batch) & 1, 1, "not proven");
                } catch {
                    assertEq(proven >> (index / terms.batch) & 1, 0, "proven, not readable");
                }
            }
        }
    }

    function _holdings(address token_) private view returns (uint256) {
        address held = address(retrieval);
        return token_ == ETHER ? held.balance : PlainToken(token_).balanceOf(held);
    }

    function _openJobs(address token_) private view returns (uint256 sum) {
        for (uint256 jobId = 1; jobId <= retrieval.jobCount(); ++jobId) {
            IRetrievalEscrow.Terms memory terms = handler.termsOf(jobId);
            if (terms.token == token_ && handler.bookedJob(jobId).endings == 0) sum += terms.price;
        }
    }
}
