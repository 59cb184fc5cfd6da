// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Hashes} from "@openzeppelin/contracts/utils/cryptography/Hashes.sol";

import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {ICustody} from "../../src/interfaces/ICustody.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {MockVerifier} from "../doubles/VerifierDoubles.sol";
import {Keys} from "../shared/Keys.sol";
import {AuditFixture} from "./AuditFixture.sol";

contract AuditEscrowEnterTest is AuditFixture {
    function test_Enter() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        vm.roll(77);
        bytes32 entriesHash = keccak256(abi.encode(bytes32(0), seller, bindingHash, BATCH));
        vm.expectEmit(address(audit));
        emit Events.AuditEntered(jobId, seller, modelId, 1, bindingHash, BATCH, "key", entriesHash);
        assertEq(enterAs(seller, jobId, terms), 1);

        assertEq(address(audit).balance, REWARD + BOND + STAKE);
        IAuditEscrow.Job memory job = audit.getJob(jobId);
        assertEq(job.entries, 1);
        assertEq(job.lastEntryBlock, 77);
        assertEq(job.entriesHash, entriesHash);
        IAuditEscrow.Entry memory entry = audit.getEntry(jobId, 1);
        assertEq(uint8(entry.state), uint8(IAuditEscrow.EntryState.Entered));
        assertEq(entry.seller, seller);
        assertEq(entry.modelId, modelId);
        assertEq(entry.batch, BATCH);
        assertEq(entry.correct, 0);
        assertEq(entry.missing, 3);
        assertFalse(entry.certified);
    }

    function test_EnterWithToken() public {
        IAuditEscrow.Terms memory terms = bounty(address(token));
        enterAs(seller, openAudit(terms), terms);
        assertEq(token.balanceOf(address(audit)), REWARD + BOND + STAKE);
    }

    /// @dev The allowance comes from the permit alone, over exactly the stake.
    function test_EnterWithPermit() public {
        IAuditEscrow.Terms memory terms = bounty(address(permitToken));
        vm.prank(buyer);
        permitToken.approve(address(audit), REWARD + BOND);
        uint256 jobId = openAudit(terms);
        (, uint256 sellerKey) = makeAddrAndKey("seller");
        permitToken.mint(seller, STAKE);
        assertEq(permitToken.allowance(seller, address(audit)), 0);
        ICustody.Permit memory permit = signPermit(sellerKey, address(audit), STAKE);
        vm.prank(seller);
        assertEq(audit.enterWithPermit(jobId, terms, offerOf(seller), permit), 1);
        assertEq(permitToken.balanceOf(address(audit)), REWARD + BOND + STAKE);
        assertEq(permitToken.balanceOf(seller), 0);
        assertEq(permitToken.allowance(seller, address(audit)), 0);
    }

    function test_EnterWithPermitFallsBackToAllowance() public {
        IAuditEscrow.Terms memory terms = bounty(address(token));
        uint256 jobId = openAudit(terms);
        ICustody.Permit memory permit;
        vm.prank(seller);
        assertEq(audit.enterWithPermit(jobId, terms, offerOf(seller), permit), 1);
        assertEq(token.balanceOf(address(audit)), REWARD + BOND + STAKE);
    }

    /// @dev The chain of hashes names every entry, in order.
    function test_EntriesHashCoversAllEntries() public {
        IAuditEscrow.Terms memory terms = contest(3);
        uint256 jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        enterAs(rival, jobId, terms);
        bytes32 first = keccak256(abi.encode(bytes32(0), seller, bindingHash, BATCH));
        assertEq(audit.getJob(jobId).entriesHash, keccak256(abi.encode(first, rival, rivalBinding, BATCH)));
    }

    function test_EnterAtDeadline() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        vm.warp(terms.enterBy);
        assertEq(enterAs(seller, jobId, terms), 1);
    }

    function test_RevertWhen_EnteringAfterDeadline() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        vm.warp(terms.enterBy + 1);
        _expectRefusal(
            seller,
            jobId,
            terms,
            offerOf(seller),
            abi.encodeWithSelector(Errors.DeadlinePassed.selector, jobId, terms.enterBy)
        );
    }

    function test_RevertWhen_Full() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        bytes memory refusal = abi.encodeWithSelector(Errors.EntriesFull.selector, jobId, 1);
        _expectRefusal(rival, jobId, terms, offerOf(rival), refusal);
        terms = contest(2);
        jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        enterAs(rival, jobId, terms);
        refusal = abi.encodeWithSelector(Errors.EntriesFull.selector, jobId, 2);
        _expectRefusal(rival, jobId, terms, offerOf(rival), refusal);
    }

    /// @dev Threat: a model chosen after seeing the test.
    function test_RevertWhen_EnteringAfterDelivery() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        _expectRefusal(
            rival,
            jobId,
            terms,
            offerOf(rival),
            abi.encodeWithSelector(
                Errors.WrongJobState.selector, jobId, IAuditEscrow.State.Open, IAuditEscrow.State.Delivered
            )
        );
    }

    function test_RevertWhen_EnteringEndedJob() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        vm.warp(terms.enterBy + 1);
        audit.settle(jobId, terms);
        vm.warp(terms.enterBy);
        _expectRefusal(
            seller,
            jobId,
            terms,
            offerOf(seller),
            abi.encodeWithSelector(
                Errors.WrongJobState.selector, jobId, IAuditEscrow.State.Open, IAuditEscrow.State.Refunded
            )
        );
    }

    function test_OnlyNamedSellerMayEnter() public {
        IAuditEscrow.Terms memory terms = unlisted();
        terms.sellers = leafOf(seller);
        uint256 jobId = openAudit(terms);
        _expectRefusal(
            rival, jobId, terms, offerOf(rival), abi.encodeWithSelector(Errors.SellerNotNamed.selector, rival)
        );
        assertEq(enterAs(seller, jobId, terms), 1);
    }

    /// @dev The path is the caller's, whoever else is named; a node of the tree names nobody.
    function test_OnlyNamedSellersMayEnter() public {
        IAuditEscrow.Terms memory terms = contest(3);
        bytes32 other = keccak256("another named seller");
        bytes32 pair = Hashes.commutativeKeccak256(leafOf(seller), leafOf(rival));
        terms.sellers = Hashes.commutativeKeccak256(pair, other);
        uint256 jobId = openAudit(terms);
        IAuditEscrow.Offer memory offer = offerOf(rival);
        bytes memory refusal = abi.encodeWithSelector(Errors.SellerNotNamed.selector, rival);
        _expectRefusal(rival, jobId, terms, offer, refusal);
        offer.path = new bytes32[](2);
        (offer.path[0], offer.path[1]) = (leafOf(rival), other);
        _expectRefusal(rival, jobId, terms, offer, refusal);
        offer.path[0] = leafOf(seller);
        enterWith(rival, jobId, terms, offer);
        vm.deal(stranger, STAKE);
        _expectRefusal(
            stranger, jobId, terms, offer, abi.encodeWithSelector(Errors.SellerNotNamed.selector, stranger)
        );
    }

    /// @dev Threat: one of the named sellers takes the places of the others.
    function test_RevertWhen_NamedSellerEntersTwice() public {
        IAuditEscrow.Terms memory terms = contest(3);
        terms.sellers = Hashes.commutativeKeccak256(leafOf(seller), leafOf(rival));
        uint256 jobId = openAudit(terms);
        address[2] memory who = [rival, seller];
        for (uint256 i = 0; i < 2; ++i) {
            IAuditEscrow.Offer memory offer = offerOf(who[i]);
            offer.path = new bytes32[](1);
            offer.path[0] = leafOf(who[1 - i]);
            enterWith(who[i], jobId, terms, offer);
            bytes memory refusal = abi.encodeWithSelector(Errors.AlreadyEntered.selector, jobId, i + 1);
            _expectRefusal(who[i], jobId, terms, offer, refusal);
        }
    }

    /// @dev With another batch than the key's some runs could not be proven, or items would be counted twice.
    function test_RevertWhen_BatchIsNotTheKeys() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        uint32[6] memory refused = [uint32(0), 1, BATCH - 1, BATCH + 1, ITEMS, type(uint32).max];
        for (uint256 i = 0; i < refused.length; ++i) {
            offer.batch = refused[i];
            _expectRefusal(
                seller,
                jobId,
                terms,
                offer,
                abi.encodeWithSelector(Errors.BatchMismatch.selector, modelId, BATCH, refused[i])
            );
        }
        offer.batch = BATCH;
        enterWith(seller, jobId, terms, offer);
    }

    function test_BatchBounds() public {
        // Of ten items: one by one, all but two, all, and as many as fit.
        uint8[4] memory logs = [0, 3, 4, 20];
        uint256[4] memory runs = [uint256(ITEMS), 2, 1, 1];
        IAuditEscrow.Terms memory terms = unlisted();
        terms.maxEntries = 4;
        uint256 jobId = openAudit(terms);
        for (uint256 i = 0; i < logs.length; ++i) {
            uint256 entry = enterWith(seller, jobId, terms, _offerWith(logs[i]));
            assertEq(audit.getEntry(jobId, entry).missing, runs[i]);
            assertEq(audit.getEntry(jobId, entry).batch, 2 ** logs[i]);
        }
    }

    /// @dev The longest set, item by item.
    function test_MostRuns() public {
        IAuditEscrow.Terms memory terms = unlisted();
        terms.items = type(uint32).max;
        uint256 jobId = openAudit(terms);
        enterWith(seller, jobId, terms, _offerWith(0));
        assertEq(audit.getEntry(jobId, 1).missing, type(uint32).max);
    }

    /// @dev Threat: a key for something else, admitted by mistake, whose proofs have five public inputs too: the
    /// bitmap of a retrieval would be taken for a count.
    function test_RevertWhen_KeyIsNotOfAnAudit() public {
        bytes32[2] memory others = [Keys.retrieval(2), Keys.PREDICTION];
        IAuditEscrow.Terms memory terms = unlisted();
        uint256 jobId = openAudit(terms);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        for (uint256 i = 0; i < others.length; ++i) {
            (offer.modelId, offer.bindingHash) = bindStated(i == 0 ? "retrieval" : "prediction", others[i]);
            bytes memory refusal =
                abi.encodeWithSelector(Errors.WrongStatement.selector, offer.modelId, others[i]);
            _expectRefusal(seller, jobId, terms, offer, refusal);
        }
    }

    /// @dev Threat: whoever made the setup can prove any count.
    function test_RevertWhen_SetupIsNotACeremonys() public {
        IAuditEscrow.Terms memory terms = unlisted();
        uint256 jobId = openAudit(terms);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        (offer.modelId, offer.bindingHash) = bindModel(WEIGHTS, makeDevKey("own"), address(verifier));
        bytes memory refusal = abi.encodeWithSelector(Errors.DevSetupRefused.selector, offer.modelId);
        _expectRefusal(seller, jobId, terms, offer, refusal);
    }

    function test_EncryptionKeyLengthBound() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        offer.encryptionKey = new bytes(4097);
        bytes memory refusal = abi.encodeWithSelector(Errors.HintTooLong.selector, 4097, 4096);
        _expectRefusal(seller, jobId, terms, offer, refusal);
        offer.encryptionKey = new bytes(4096);
        enterWith(seller, jobId, terms, offer);
    }

    function test_RevertWhen_ModelIsDeprecated() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        vm.prank(seller);
        registry.deprecateModel(modelId);
        _expectRefusal(
            seller,
            jobId,
            terms,
            offerOf(seller),
            abi.encodeWithSelector(Errors.DeprecatedModel.selector, modelId)
        );
    }

    function test_RevertWhen_ModelIsBoundOtherwise() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        offer.bindingHash = rivalBinding;
        _expectRefusal(
            seller,
            jobId,
            terms,
            offer,
            abi.encodeWithSelector(Errors.BindingMismatch.selector, modelId, rivalBinding, bindingHash)
        );
    }

    function test_RevertWhen_KeyIsNotAdmitted() public {
        address otherKey = makeKey("other key");
        IAuditEscrow.Offer memory offer = offerOf(seller);
        (offer.modelId, offer.bindingHash) = bindModel(WEIGHTS, otherKey, address(verifier));
        _expectNotAdmitted(offer, otherKey.codehash, address(verifier).codehash);
    }

    /// @dev Threat: the right key, with a verifier of the seller's own that accepts anything.
    function test_RevertWhen_VerifierIsNotAdmitted() public {
        MockVerifier other = new MockVerifier();
        vm.etch(address(other), abi.encodePacked(address(other).code, hex"00"));
        IAuditEscrow.Offer memory offer = offerOf(seller);
        (offer.modelId, offer.bindingHash) = bindTo(address(other));
        _expectNotAdmitted(offer, vk.codehash, address(other).codehash);
    }

    function test_KeyIsLookedUpAtIndex() public {
        bytes32 key = admitted[0];
        admitted[0] = keccak256("another key");
        admitted.push(key);
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        bytes memory refusal =
            abi.encodeWithSelector(Errors.KeyNotAdmitted.selector, vk.codehash, address(verifier).codehash);
        offer.which = 0;
        _expectRefusal(seller, jobId, terms, offer, refusal);
        offer.which = 2;
        _expectRefusal(seller, jobId, terms, offer, refusal);
        offer.which = 1;
        assertEq(enterWith(seller, jobId, terms, offer), 1);
    }

    function test_RevertWhen_ListIsNotTheBuyers() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        offer.admitted = new bytes32[](1);
        offer.admitted[0] = keccak256("mine");
        _expectRefusal(
            seller,
            jobId,
            terms,
            offer,
            abi.encodeWithSelector(
                Errors.KeyListMismatch.selector,
                terms.admittedKeys,
                keccak256(abi.encodePacked(offer.admitted))
            )
        );
    }

    function test_AnyKeyMayEnterWithoutList() public {
        IAuditEscrow.Terms memory terms = unlisted();
        uint256 jobId = openAudit(terms);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        offer.admitted = new bytes32[](0);
        (offer.modelId, offer.bindingHash) = bindModel(WEIGHTS, makeKey("own key"), address(verifier));
        assertEq(enterWith(seller, jobId, terms, offer), 1);
    }

    function test_RevertWhen_StakeDoesNotMatch() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        vm.startPrank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongEtherAmount.selector, STAKE, STAKE - 1));
        audit.enter{value: STAKE - 1}(jobId, terms, offer);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongEtherAmount.selector, STAKE, STAKE + 1));
        audit.enter{value: STAKE + 1}(jobId, terms, offer);
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

    /// @dev The seller's weights with a key for runs of 2^log items.
    function _offerWith(uint8 log) private returns (IAuditEscrow.Offer memory offer) {
        offer = offerOf(seller);
        (offer.modelId, offer.bindingHash) =
            bindStated(string.concat("key ", vm.toString(log)), Keys.audit(log));
        offer.batch = uint32(2 ** log);
    }

    function _expectNotAdmitted(IAuditEscrow.Offer memory offer, bytes32 vkHash, bytes32 codeHash) private {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256 jobId = openAudit(terms);
        bytes memory refusal = abi.encodeWithSelector(Errors.KeyNotAdmitted.selector, vkHash, codeHash);
        _expectRefusal(seller, jobId, terms, offer, refusal);
    }

    function _expectRefusal(
        address who,
        uint256 jobId,
        IAuditEscrow.Terms memory terms,
        IAuditEscrow.Offer memory offer,
        bytes memory refusal
    ) private {
        vm.prank(who);
        vm.expectRevert(refusal);
        audit.enter{value: STAKE}(jobId, terms, offer);
    }
}
