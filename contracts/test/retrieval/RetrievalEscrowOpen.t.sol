// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {RetrievalEscrow} from "../../src/RetrievalEscrow.sol";
import {ICustody} from "../../src/interfaces/ICustody.sol";
import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IRetrievalEscrow} from "../../src/interfaces/IRetrievalEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {Keys} from "../shared/Keys.sol";
import {RetrievalFixture} from "./RetrievalFixture.sol";
import {Shipped} from "../shared/Shipped.sol";

contract RetrievalEscrowOpenTest is RetrievalFixture {
    function test_DeploymentSettings() public {
        assertEq(retrieval.registry(), address(registry));
        assertFalse(retrieval.allowDevSetup());
        assertTrue(Shipped.retrievalEscrow(registry, true).allowDevSetup());
    }

    function test_OpenWithEther() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        vm.expectEmit(address(retrieval));
        emit Events.RetrievalOpened(1, buyer, seller, terms, bindingHash, "ipfs://key");
        assertEq(openRetrieval(terms), 1);

        assertEq(retrieval.jobCount(), 1);
        assertEq(address(retrieval).balance, PRICE);
        IRetrievalEscrow.Job memory job = retrieval.getJob(1);
        assertEq(uint8(job.state), uint8(IRetrievalEscrow.State.Open));
        assertEq(job.items, ITEMS);
        assertEq(job.batch, BATCH);
        assertEq(job.missing, 3);
        assertFalse(job.anySelected);
        assertEq(job.termsHash, keccak256(abi.encode(terms)));
    }

    function test_OpenWithToken() public {
        openRetrieval(retrievalIn(address(token)));
        assertEq(token.balanceOf(address(retrieval)), PRICE);
    }

    /// @dev The allowance comes from the permit alone, over exactly the price.
    function test_OpenWithPermit() public {
        ICustody.Permit memory permit = signPermit(buyerKey, address(retrieval), PRICE);
        assertEq(permitToken.allowance(buyer, address(retrieval)), 0);
        vm.prank(buyer);
        assertEq(retrieval.openWithPermit(retrievalIn(address(permitToken)), bindingHash, "", permit), 1);
        assertEq(permitToken.balanceOf(address(retrieval)), PRICE);
        assertEq(permitToken.allowance(buyer, address(retrieval)), 0);
    }

    function test_OpenWithPermitFallsBackToAllowance() public {
        ICustody.Permit memory permit;
        vm.prank(buyer);
        assertEq(retrieval.openWithPermit(retrievalIn(address(token)), bindingHash, "", permit), 1);
        assertEq(token.balanceOf(address(retrieval)), PRICE);
    }

    function test_RevertWhen_CallerIsNotRequester() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        terms.requester = stranger;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.WrongCaller.selector, stranger, buyer));
    }

    function test_RevertWhen_HolderCannotBePaid() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        terms.holder = address(0);
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidRecipient.selector, address(0)));
        terms.holder = address(retrieval);
        _expectRefusal(terms, abi.encodeWithSelector(Errors.InvalidRecipient.selector, address(retrieval)));
    }

    function test_RevertWhen_PriceIsZero() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        terms.price = 0;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.ZeroValue.selector, "price"));
    }

    function test_CollectionRootBounds() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        terms.collectionRoot = 0;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.ZeroValue.selector, "collectionRoot"));
        terms.collectionRoot = R;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 1, R));
        terms.collectionRoot = R - 1;
        openRetrieval(terms);
    }

    function test_RevertWhen_CollectionIsEmpty() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        terms.items = 0;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.ZeroValue.selector, "items"));
    }

    function test_BatchBounds() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        uint16[3] memory refused = [0, 249, type(uint16).max];
        for (uint256 i = 0; i < refused.length; ++i) {
            terms.batch = refused[i];
            _expectRefusal(terms, abi.encodeWithSelector(Errors.BatchOutOfRange.selector, refused[i], 248));
        }
        // A bitmap of as many items would not fit, whatever a key says.
        _useRunsOf(terms, 8);
        _expectRefusal(terms, abi.encodeWithSelector(Errors.BatchOutOfRange.selector, 256, 248));
        _useRunsOf(terms, 0);
        assertEq(retrieval.getJob(openRetrieval(terms)).missing, ITEMS);
        _useRunsOf(terms, 7);
        assertEq(retrieval.getJob(openRetrieval(terms)).missing, 1);
    }

    /// @dev With another batch than the key's some runs could not be proven, and the holder would not be paid.
    function test_RevertWhen_BatchIsNotTheKeys() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        uint16[5] memory refused = [1, BATCH - 1, BATCH + 1, 8, 248];
        for (uint256 i = 0; i < refused.length; ++i) {
            terms.batch = refused[i];
            _expectRefusal(
                terms, abi.encodeWithSelector(Errors.BatchMismatch.selector, modelId, BATCH, refused[i])
            );
        }
    }

    /// @dev Threat: a key for something else, with as many public inputs: the count of an audit would be taken
    /// for a bitmap.
    function test_RevertWhen_KeyIsNotOfRetrieval() public {
        bytes32[2] memory others = [Keys.audit(2), Keys.PREDICTION];
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        for (uint256 i = 0; i < others.length; ++i) {
            (terms.modelId, bindingHash) = bindStated(i == 0 ? "audit" : "prediction", others[i]);
            _expectRefusal(
                terms, abi.encodeWithSelector(Errors.WrongStatement.selector, terms.modelId, others[i])
            );
        }
    }

    /// @dev Threat: whoever made the setup can prove any selection.
    function test_RevertWhen_SetupIsNotACeremonys() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        (terms.modelId, bindingHash) = bindModel(WEIGHTS, makeDevKey("own"), address(verifier));
        _expectRefusal(terms, abi.encodeWithSelector(Errors.DevSetupRefused.selector, terms.modelId));
    }

    function test_DeadlineBounds() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        uint64 now_ = SafeCast.toUint64(block.timestamp);
        uint64 latest = now_ + 365 days;
        uint64[3] memory refused = [0, now_ - 1, now_];
        for (uint256 i = 0; i < refused.length; ++i) {
            terms.proveBy = refused[i];
            _expectDeadlineRefused(terms, refused[i], now_ + 1, latest);
        }
        terms.proveBy = now_ + 1;
        refused = [now_, now_ + 1, latest + 1];
        for (uint256 i = 0; i < refused.length; ++i) {
            terms.openBy = refused[i];
            _expectDeadlineRefused(terms, refused[i], now_ + 2, latest);
        }
        terms.openBy = now_ + 2;
        openRetrieval(terms);
        terms.openBy = latest;
        openRetrieval(terms);
    }

    function test_HintLengthBound() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.HintTooLong.selector, 4097, 4096));
        retrieval.open{value: PRICE}(terms, bindingHash, new bytes(4097));
        assertEq(retrieval.open{value: PRICE}(terms, bindingHash, new bytes(4096)), 1);
    }

    function test_RevertWhen_ModelIsUnknown() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        terms.modelId = 99;
        _expectRefusal(terms, abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, 99));
    }

    function test_RevertWhen_ModelIsBoundOtherwise() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        bytes32 wrong = keccak256("wrong");
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.BindingMismatch.selector, modelId, wrong, bindingHash));
        retrieval.open{value: PRICE}(terms, wrong, "");
    }

    function test_RevertWhen_EtherDoesNotMatch() public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(ETHER);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongEtherAmount.selector, PRICE, PRICE - 1));
        retrieval.open{value: PRICE - 1}(terms, bindingHash, "");
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongEtherAmount.selector, PRICE, PRICE + 1));
        retrieval.open{value: PRICE + 1}(terms, bindingHash, "");
    }

    function testFuzz_OpenTakesThePrice(uint96 price, bool inEther) public {
        IRetrievalEscrow.Terms memory terms = retrievalIn(inEther ? ETHER : address(token));
        terms.price = uint96(bound(price, 1, 1_000 ether));
        openRetrieval(terms);
        address held = address(retrieval);
        assertEq(inEther ? held.balance : token.balanceOf(held), terms.price);
    }

    function _expectDeadlineRefused(
        IRetrievalEscrow.Terms memory terms,
        uint256 deadline,
        uint256 earliest,
        uint256 latest
    ) private {
        _expectRefusal(
            terms, abi.encodeWithSelector(Errors.DeadlineOutOfRange.selector, deadline, earliest, latest)
        );
    }

    function _expectRefusal(IRetrievalEscrow.Terms memory terms, bytes memory refusal) private {
        vm.prank(buyer);
        vm.expectRevert(refusal);
        retrieval.open{value: terms.price}(terms, bindingHash, "");
        assertEq(retrieval.jobCount(), 0);
    }
}
