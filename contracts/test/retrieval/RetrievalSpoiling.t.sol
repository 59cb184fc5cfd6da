// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IRetrievalEscrow} from "../../src/interfaces/IRetrievalEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {RetrievalFixture} from "./RetrievalFixture.sol";

/// @notice Retrievals in which requester, holder and whoever proves for it leave out what they like.
contract RetrievalSpoilingTest is RetrievalFixture {
    /// @dev The price is the holder's if all is proven, and published where something is selected, and else the
    /// requester's, whoever sends what and whoever stands with whom: what the holder leaves out never earns it
    /// anything, and nothing that the requester can do or leave out saves it the price.
    function testFuzz_OnlyTheHolderDecidesWhetherItIsPaid(
        uint256 seed,
        uint8 proven,
        bool selecting,
        bool publishing,
        bool early
    ) public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        proven %= 8;
        for (uint256 run = 0; run < 3; ++run) {
            if (proven >> run & 1 == 0) continue;
            vm.prank([buyer, seller, stranger][(seed >> 8 * run) % 3]);
            proveRun(jobId, terms, run, selecting && run == (seed >> 32) % 3 ? 1 : 0);
        }
        bool covered = proven == 7;
        vm.warp(early ? terms.proveBy : terms.openBy);
        bool paid = covered && (publishing || !selecting);
        if (publishing) {
            vm.prank(seller);
            if (!covered) vm.expectPartialRevert(Errors.NotCovered.selector);
            retrieval.publish(jobId, terms, DATA, "ipfs://openings");
        }
        _tryToSettle(seed, jobId, terms);
        vm.warp(terms.openBy + 1);
        _tryToSettle(seed >> 64, jobId, terms);
        assertState(jobId, paid ? IRetrievalEscrow.State.Paid : IRetrievalEscrow.State.Refunded);
        assertPaidOut(paid ? 0 : PRICE, paid ? PRICE : 0);
    }

    function _tryToSettle(uint256 seed, uint256 jobId, IRetrievalEscrow.Terms memory terms) private {
        vm.prank([buyer, seller, stranger][seed % 3]);
        try retrieval.settle(jobId, terms) {} catch {}
    }
}
