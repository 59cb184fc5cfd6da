// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {RetrievalEscrow} from "../../src/RetrievalEscrow.sol";
import {IRetrievalEscrow} from "../../src/interfaces/IRetrievalEscrow.sol";
import {Keys} from "../shared/Keys.sol";
import {RunFixture} from "../shared/RunFixture.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice A retrieval escrow, and terms for a collection of ten items in runs of four (4, 4, 2). The fixture's
/// buyer is the requester, its seller the holder.
abstract contract RetrievalFixture is RunFixture {
    uint32 internal constant ITEMS = 10;
    uint16 internal constant BATCH = 4;
    uint256 internal constant ROOT = uint256(keccak256("collection")) >> 8;
    bytes32 internal constant DATA = keccak256("openings");

    RetrievalEscrow internal retrieval;

    function setUp() public virtual override {
        super.setUp();
        retrieval = Shipped.retrievalEscrow(registry, false);
        vm.prank(buyer);
        token.approve(address(retrieval), type(uint256).max);
    }

    /// @dev Runs of BATCH items.
    function statement() internal pure override returns (bytes32) {
        return Keys.retrieval(2);
    }

    function retrievalIn(address token_) internal view returns (IRetrievalEscrow.Terms memory) {
        return IRetrievalEscrow.Terms({
            requester: buyer,
            holder: seller,
            token: token_,
            price: SafeCast.toUint96(PRICE),
            modelId: modelId,
            collectionRoot: ROOT,
            items: ITEMS,
            batch: BATCH,
            proveBy: uint64(block.timestamp + 1 days),
            openBy: uint64(block.timestamp + 2 days)
        });
    }

    /// @dev Makes the order one of runs of 2^log items, for the same weights with such a key.
    function _useRunsOf(IRetrievalEscrow.Terms memory terms, uint8 log) internal {
        string memory name = string.concat("key ", vm.toString(log));
        (terms.modelId, bindingHash) = bindStated(name, Keys.retrieval(log));
        vk = makeAddr(name);
        terms.batch = uint16(2 ** log);
    }

    function openRetrieval(IRetrievalEscrow.Terms memory terms) internal returns (uint256 jobId) {
        uint256 value = terms.token == ETHER ? terms.price : 0;
        vm.prank(terms.requester);
        return retrieval.open{value: value}(terms, bindingHash, "ipfs://key");
    }

    function openedRetrieval() internal returns (uint256 jobId, IRetrievalEscrow.Terms memory terms) {
        terms = retrievalIn(ETHER);
        jobId = openRetrieval(terms);
    }

    /// @dev A retrieval of which everything is proven: items 0, 3, 5 and 9 are selected, or none.
    function coveredRetrieval(bool anything)
        internal
        returns (uint256 jobId, IRetrievalEscrow.Terms memory terms)
    {
        (jobId, terms) = openedRetrieval();
        proveRun(jobId, terms, 0, anything ? 9 : 0);
        proveRun(jobId, terms, 1, anything ? 2 : 0);
        proveRun(jobId, terms, 2, anything ? 2 : 0);
    }

    function runProof(uint256 jobId, IRetrievalEscrow.Terms memory terms, uint256 run, uint256 bitmap)
        internal
        view
        returns (bytes memory)
    {
        List memory list = List(terms.collectionRoot, terms.items, terms.batch);
        return runProof(WEIGHTS, retrieval.contextOf(jobId, terms.holder), list, run, bitmap);
    }

    function proveRun(uint256 jobId, IRetrievalEscrow.Terms memory terms, uint256 run, uint256 bitmap)
        internal
    {
        retrieval.prove(jobId, terms, run, bitmap, runProof(jobId, terms, run, bitmap));
    }

    function assertState(uint256 jobId, IRetrievalEscrow.State expected) internal view {
        assertEq(uint8(retrieval.getJob(jobId).state), uint8(expected), "job's state");
    }

    /// @dev What both can withdraw of an ended job, and that nothing stays behind.
    function assertPaidOut(uint256 ofRequester, uint256 ofHolder) internal view {
        assertEq(retrieval.creditOf(ETHER, buyer), ofRequester, "requester's credit");
        assertEq(retrieval.creditOf(ETHER, seller), ofHolder, "holder's credit");
        assertEq(address(retrieval).balance, ofRequester + ofHolder, "held");
    }
}
