// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {ICustody} from "../../src/interfaces/ICustody.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {MockVerifier} from "../doubles/VerifierDoubles.sol";
import {AuditFixture} from "./AuditFixture.sol";

/// @notice Audits that are entered with a proof of the model on a public collection. With a real proof:
/// AuditProofTest.
contract AuditPossessionTest is AuditFixture {
    uint256 internal constant CHALLENGE = uint256(keccak256("public collection")) >> 8;

    IAuditEscrow.Terms internal terms;
    uint256 internal jobId;

    function setUp() public override {
        super.setUp();
        terms = contest(4);
        terms.challengeRoot = CHALLENGE;
        jobId = openAudit(terms);
    }

    function test_EnteringTakesAProofOfTheModel() public {
        assertEq(enterWith(seller, jobId, terms, _proven(seller, BATCH, 3)), 1);
        IAuditEscrow.Offer memory offer = _proven(rival, BATCH, 0);
        assertEq(enterWith(rival, jobId, terms, offer), 2);
        assertEq(audit.getEntry(jobId, 1).correct, 0, "the challenge is not the test");
        assertEq(audit.getEntry(jobId, 1).missing, 3);
        assertFalse(audit.isProven(jobId, 1, 0));
        // On with it.
        vm.warp(terms.enterBy + 1);
        deliverTo(jobId, terms);
        acceptAs(seller, jobId, terms, 1);
        proveAll(jobId, terms, 1, [uint256(4), 2, 0]);
        assertEq(audit.getEntry(jobId, 1).correct, 6);
    }

    function test_EnteringWithAPermitTakesIt() public {
        terms.token = address(permitToken);
        vm.prank(buyer);
        permitToken.approve(address(audit), REWARD + BOND);
        jobId = openAudit(terms);
        (, uint256 sellerKey) = makeAddrAndKey("seller");
        permitToken.mint(seller, STAKE);
        ICustody.Permit memory permit = signPermit(sellerKey, address(audit), STAKE);
        IAuditEscrow.Offer memory offer = _proven(seller, BATCH, 3);
        bytes memory proof = offer.possession;
        offer.possession = "";
        vm.prank(seller);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        audit.enterWithPermit(jobId, terms, offer, permit);
        offer.possession = proof;
        vm.prank(seller);
        assertEq(audit.enterWithPermit(jobId, terms, offer, permit), 1);
    }

    /// @dev The challenge has as many items as the test set, so its first run may be a short one.
    function test_FirstRunMayBeShort() public {
        (terms.items, terms.required) = (3, 2);
        jobId = openAudit(terms);
        _expectRefused(_proven(seller, BATCH, 3));
        assertEq(enterWith(seller, jobId, terms, _proven(seller, 3, 3)), 1);
    }

    /// @dev Threat: a place for weights that nobody has, with a proof of another kind or of somebody else's.
    function test_RevertWhen_ProofIsNotOfTheModelOrForIt() public {
        IAuditEscrow.Offer memory offer = _proven(seller, BATCH, 3);
        ++offer.correct;
        _expectRefused(offer);
        offer = _proven(seller, BATCH, 3);
        offer.possession = "";
        _expectRefused(offer);
        offer.possession = rawProof(RIVAL_WEIGHTS, [_context(seller), CHALLENGE, 0, BATCH, 3]);
        _expectRefused(
            offer, abi.encodeWithSelector(Errors.ModelHashMismatch.selector, WEIGHTS, RIVAL_WEIGHTS)
        );
        // For another seller, another job, on the test set, of another run, of another length.
        uint256[5][5] memory others = [
            [_context(rival), CHALLENGE, 0, BATCH, 3],
            [audit.contextOf(jobId + 1, seller), CHALLENGE, 0, BATCH, 3],
            [_context(seller), ROOT, 0, BATCH, 3],
            [_context(seller), CHALLENGE, BATCH, BATCH, 3],
            [_context(seller), CHALLENGE, 0, BATCH - 1, 3]
        ];
        for (uint256 i = 0; i < others.length; ++i) {
            offer.possession = rawProof(WEIGHTS, others[i]);
            _expectRefused(offer);
        }
        assertEq(enterWith(seller, jobId, terms, _proven(seller, BATCH, 3)), 1);
    }

    /// @dev Another form of the same residue.
    function test_RevertWhen_CountIsNotCanonical() public {
        IAuditEscrow.Offer memory offer = _proven(seller, BATCH, R + 3);
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 4, R + 3));
        audit.enter{value: STAKE}(jobId, terms, offer);
    }

    /// @dev Threat: one proof, and all the places.
    function test_RevertWhen_ProvenSellerEntersTwice() public {
        IAuditEscrow.Offer memory offer = _proven(seller, BATCH, 3);
        enterWith(seller, jobId, terms, offer);
        enterWith(rival, jobId, terms, _proven(rival, BATCH, 3));
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyEntered.selector, jobId, 1));
        audit.enter{value: STAKE}(jobId, terms, offer);
    }

    /// @dev Threat: all places of a contest that names nobody are taken with hashes of weights that do not exist.
    function test_PlacesNeedWeightsThatExist() public {
        (uint256 nobodys, bytes32 binding) = bindModelAs(stranger, keccak256("none"), vk, address(verifier));
        IAuditEscrow.Offer memory offer = offerOf(seller);
        (offer.modelId, offer.bindingHash) = (nobodys, binding);
        for (uint256 puppet = 1; puppet <= 4; ++puppet) {
            address who = vm.addr(puppet);
            vm.deal(who, STAKE);
            // What it has at most is somebody else's proof, with the weights that this shows.
            offer.correct = 3;
            offer.possession = rawProof(WEIGHTS, [_context(who), CHALLENGE, 0, BATCH, 3]);
            vm.prank(who);
            vm.expectRevert(
                abi.encodeWithSelector(Errors.ModelHashMismatch.selector, keccak256("none"), WEIGHTS)
            );
            audit.enter{value: STAKE}(jobId, terms, offer);
        }
        assertEq(audit.getJob(jobId).entries, 0);
        assertEq(enterWith(seller, jobId, terms, _proven(seller, BATCH, 3)), 1);
    }

    /// @dev Named and proven: both are asked for.
    function test_NamedSellersShowTheirWeightsToo() public {
        terms.sellers = leafOf(seller);
        jobId = openAudit(terms);
        IAuditEscrow.Offer memory offer = _proven(rival, BATCH, 3);
        vm.prank(rival);
        vm.expectRevert(abi.encodeWithSelector(Errors.SellerNotNamed.selector, rival));
        audit.enter{value: STAKE}(jobId, terms, offer);
        _expectRefused(offerOf(seller));
        assertEq(enterWith(seller, jobId, terms, _proven(seller, BATCH, 3)), 1);
    }

    function test_WithoutAChallengeNothingIsLookedAt() public {
        terms.challengeRoot = 0;
        jobId = openAudit(terms);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        (offer.correct, offer.possession) = (type(uint256).max, "nothing");
        assertEq(enterWith(seller, jobId, terms, offer), 1);
        assertEq(enterWith(seller, jobId, terms, offer), 2);
    }

    /// @dev Threat: a verifier of the seller's own, which accepts anything.
    function test_RevertWhen_ChallengeComesWithoutAList() public {
        terms.admittedKeys = 0;
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroValue.selector, "admittedKeys"));
        audit.open{value: uint256(REWARD) + BOND}(terms, new bytes32[](0), "");
    }

    function test_ChallengeIsBelowModulus() public {
        terms.challengeRoot = R;
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 1, R));
        audit.open{value: uint256(REWARD) + BOND}(terms, admitted, "");
        terms.challengeRoot = R - 1;
        openAudit(terms);
    }

    function test_RevertWhen_ChallengeIsNotTheJobs() public {
        IAuditEscrow.Offer memory offer = _proven(seller, BATCH, 3);
        bytes32 expected = keccak256(abi.encode(terms));
        terms.challengeRoot = 0;
        bytes32 actual = keccak256(abi.encode(terms));
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.TermsMismatch.selector, jobId, expected, actual));
        audit.enter{value: STAKE}(jobId, terms, offer);
    }

    function _expectRefused(IAuditEscrow.Offer memory offer) private {
        _expectRefused(offer, abi.encodeWithSelector(MockVerifier.ProofRejected.selector));
    }

    function _expectRefused(IAuditEscrow.Offer memory offer, bytes memory refusal) private {
        vm.prank(seller);
        vm.expectRevert(refusal);
        audit.enter{value: STAKE}(jobId, terms, offer);
        assertEq(audit.getJob(jobId).entries, 0);
    }

    function _context(address who) private view returns (uint256) {
        return audit.contextOf(jobId, who);
    }

    function _proven(address who, uint256 length, uint256 correct)
        private
        view
        returns (IAuditEscrow.Offer memory offer)
    {
        offer = offerOf(who);
        offer.correct = correct;
        bytes32 weights = who == seller ? WEIGHTS : RIVAL_WEIGHTS;
        offer.possession = rawProof(weights, [_context(who), CHALLENGE, 0, length, correct]);
    }
}
