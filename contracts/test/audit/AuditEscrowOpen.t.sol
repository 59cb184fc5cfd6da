// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {AuditEscrow} from "../../src/AuditEscrow.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {ResultRegistry} from "../../src/ResultRegistry.sol";
import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {ICustody} from "../../src/interfaces/ICustody.sol";
import {IResultRegistry} from "../../src/interfaces/IResultRegistry.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {AuditFixture} from "./AuditFixture.sol";
import {Shipped} from "../shared/Shipped.sol";

contract AuditEscrowOpenTest is AuditFixture {
    function test_DeploymentSettings() public {
        assertEq(audit.registry(), address(registry));
        assertEq(audit.results(), address(results));
        assertFalse(audit.allowDevSetup());
        assertTrue(Shipped.auditEscrow(registry, resultRegistry(), true).allowDevSetup());
    }

    function test_RevertWhen_ResultRegistryHasNoCode() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, stranger));
        Shipped.auditEscrow(registry, IResultRegistry(stranger), false);
    }

    /// @dev A model id stands for another model there.
    function test_RevertWhen_ResultRegistryIsOfOtherModels() public {
        ModelRegistry otherModels = Shipped.modelRegistry(ceremonies());
        ResultRegistry other = Shipped.resultRegistry(otherModels);
        vm.expectRevert(
            abi.encodeWithSelector(Errors.RegistryMismatch.selector, address(registry), address(otherModels))
        );
        Shipped.auditEscrow(registry, other, false);
        assertEq(Shipped.auditEscrow(otherModels, other, false).results(), address(other));
    }

    function test_OpenWithEther() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        vm.expectEmit(address(audit));
        emit Events.AuditOpened(1, buyer, terms, admitted, "ipfs://audit");
        assertEq(openAudit(terms), 1);

        assertEq(audit.jobCount(), 1);
        assertEq(address(audit).balance, REWARD + BOND);
        IAuditEscrow.Job memory job = audit.getJob(1);
        assertEq(uint8(job.state), uint8(IAuditEscrow.State.Open));
        assertEq(job.termsHash, keccak256(abi.encode(terms)));
        assertEq(job.entries, 0);
        assertEq(job.lastEntryBlock, 0);
        assertEq(job.entriesHash, 0);
    }

    function test_OpenWithToken() public {
        openAudit(bounty(address(token)));
        assertEq(token.balanceOf(address(audit)), REWARD + BOND);
        assertEq(token.balanceOf(buyer), 1_000 ether - REWARD - BOND);
    }

    function test_OpenWithPermit() public {
        IAuditEscrow.Terms memory terms = bounty(address(permitToken));
        ICustody.Permit memory permit = signPermit(buyerKey, address(audit), REWARD + BOND);
        vm.prank(buyer);
        assertEq(audit.openWithPermit(terms, admitted, "", permit), 1);
        assertEq(permitToken.balanceOf(address(audit)), REWARD + BOND);
        assertEq(permitToken.allowance(buyer, address(audit)), 0);
    }

    function test_OpenWithPermitUsedByFrontRunner() public {
        IAuditEscrow.Terms memory terms = bounty(address(permitToken));
        ICustody.Permit memory permit = signPermit(buyerKey, address(audit), REWARD + BOND);
        permitToken.permit(
            buyer, address(audit), REWARD + BOND, permit.deadline, permit.v, permit.r, permit.s
        );
        vm.prank(buyer);
        assertEq(audit.openWithPermit(terms, admitted, "", permit), 1);
    }

    function test_RevertWhen_CallerIsNotBuyer() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        terms.buyer = stranger;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.WrongCaller.selector, stranger, buyer));
    }

    function test_RevertWhen_RewardIsZero() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        terms.reward = 0;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.ZeroValue.selector, "reward"));
    }

    function test_RevertWhen_StakeIsZero() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        terms.stake = 0;
        terms.abortFee = 0;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.ZeroValue.selector, "stake"));
    }

    function test_AbortFeeBound() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        terms.bond = STAKE;
        terms.abortFee = STAKE + 1;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.AbortFeeOutOfRange.selector, STAKE + 1, STAKE));
        terms.abortFee = STAKE;
        openAudit(terms);
    }

    function test_TestSetRootBounds() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        terms.testSetRoot = 0;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.ZeroValue.selector, "testSetRoot"));
        terms.testSetRoot = R;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 1, R));
        terms.testSetRoot = R - 1;
        openAudit(terms);
    }

    function test_RevertWhen_MetricIsZero() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        terms.metric = 0;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.ZeroValue.selector, "metric"));
    }

    function test_RequiredBounds() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        terms.required = 0;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.RequiredOutOfRange.selector, 0, ITEMS));
        terms.required = ITEMS + 1;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.RequiredOutOfRange.selector, ITEMS + 1, ITEMS));
        terms.required = 1;
        openAudit(terms);
        terms.required = ITEMS;
        openAudit(terms);
    }

    function test_RevertWhen_TestSetIsEmpty() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        terms.items = 0;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.RequiredOutOfRange.selector, REQUIRED, 0));
        terms.required = 0;
        _expectRefusal(terms, abi.encodeWithSelector(Errors.RequiredOutOfRange.selector, 0, 0));
    }

    function test_MaxEntriesBounds() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint8[3] memory refused = [0, 17, 255];
        for (uint256 i = 0; i < refused.length; ++i) {
            terms.maxEntries = refused[i];
            _expectRefusal(
                terms, abi.encodeWithSelector(Errors.MaxEntriesOutOfRange.selector, refused[i], 16)
            );
        }
        terms.maxEntries = 16;
        openAudit(terms);
    }

    /// @dev The first deadline is in the future, the next two leave time for a step each.
    function test_DeadlineBounds() public {
        uint64 now_ = uint64(block.timestamp);
        uint64 latest = now_ + 365 days;
        uint64[3] memory times = [now_ + 1, now_ + 601, now_ + 1_201];
        for (uint256 i = 0; i < 3; ++i) {
            uint64[3] memory refused = [0, times[i] - 1, latest + 1];
            for (uint256 j = 0; j < refused.length; ++j) {
                uint64[3] memory wrong = [times[0], times[1], times[2]];
                wrong[i] = refused[j];
                _expectRefusal(
                    _withDeadlines(wrong, 600),
                    abi.encodeWithSelector(Errors.DeadlineOutOfRange.selector, refused[j], times[i], latest)
                );
            }
        }
        openAudit(_withDeadlines(times, 600));
    }

    /// @dev A proof fits in, and the windows of all entries end within a year.
    function test_ProveWindowBounds() public {
        uint64 now_ = uint64(block.timestamp);
        uint64[3] memory times = [now_ + 1, now_ + 601, now_ + 1_201];
        for (uint8 entries = 1; entries <= 16; entries += 15) {
            uint64 longest = (365 days - 1_201) / entries;
            uint64[4] memory refused = [0, 599, longest + 1, type(uint64).max];
            IAuditEscrow.Terms memory terms;
            for (uint256 i = 0; i < refused.length; ++i) {
                terms = _withDeadlines(times, refused[i]);
                terms.maxEntries = entries;
                _expectRefusal(
                    terms,
                    abi.encodeWithSelector(
                        Errors.TermOutOfRange.selector, "proveWindow", refused[i], 600, longest
                    )
                );
            }
            terms.proveWindow = longest;
            openAudit(terms);
        }
    }

    /// @dev Threat: a buyer that has less to lose than those whose deliveries it spoils.
    function test_BondCoversAnAbortFeeForEachEntry() public {
        IAuditEscrow.Terms memory terms = contest(3);
        terms.bond = 3 * ABORT_FEE - 1;
        _expectRefusal(
            terms, abi.encodeWithSelector(Errors.BondBelowFees.selector, terms.bond, 3 * ABORT_FEE)
        );
        terms.bond = 3 * ABORT_FEE;
        openAudit(terms);
    }

    function test_BondIsOptionalWithoutAFee() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        (terms.bond, terms.abortFee) = (0, 0);
        openAudit(terms);
        assertEq(address(audit).balance, REWARD);
    }

    function test_RevertWhen_ListIsNotTheOneInTheTerms() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        bytes32 expected = terms.admittedKeys;
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.KeyListMismatch.selector, expected, bytes32(0)));
        audit.open{value: REWARD + BOND}(terms, new bytes32[](0), "");
        terms.admittedKeys = 0;
        vm.expectRevert(abi.encodeWithSelector(Errors.KeyListMismatch.selector, bytes32(0), expected));
        audit.open{value: REWARD + BOND}(terms, admitted, "");
    }

    /// @dev Programs compute it, too: the key's code hash comes first.
    function test_AdmissionHashIsOfKeyThenVerifier() public view {
        (bytes32 key, bytes32 verifier) = (keccak256("key"), keccak256("verifier"));
        assertEq(audit.admissionHashOf(key, verifier), keccak256(abi.encode(key, verifier)));
    }

    function test_KeyListLengthBound() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        bytes32[] memory list = new bytes32[](65);
        terms.admittedKeys = keccak256(abi.encodePacked(list));
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.KeyListTooLong.selector, 65, 64));
        audit.open{value: REWARD + BOND}(terms, list, "");
        list = new bytes32[](64);
        terms.admittedKeys = keccak256(abi.encodePacked(list));
        assertEq(audit.open{value: REWARD + BOND}(terms, list, ""), 1);
    }

    function test_HintLengthBound() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        vm.startPrank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.HintTooLong.selector, 4097, 4096));
        audit.open{value: REWARD + BOND}(terms, admitted, new bytes(4097));
        assertEq(audit.open{value: REWARD + BOND}(terms, admitted, new bytes(4096)), 1);
    }

    function test_RevertWhen_EtherDoesNotMatch() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        uint256[3] memory sent = [uint256(REWARD), REWARD + BOND - 1, REWARD + BOND + 1];
        for (uint256 i = 0; i < sent.length; ++i) {
            vm.prank(buyer);
            vm.expectRevert(abi.encodeWithSelector(Errors.WrongEtherAmount.selector, REWARD + BOND, sent[i]));
            audit.open{value: sent[i]}(terms, admitted, "");
        }
    }

    function test_LargestAmounts() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        terms.reward = type(uint96).max;
        terms.bond = type(uint96).max;
        terms.stake = type(uint96).max;
        vm.deal(buyer, 2 * uint256(type(uint96).max));
        vm.deal(seller, type(uint96).max);
        uint256 jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        vm.warp(terms.deliverBy + 1);
        audit.settle(jobId, terms);
        assertPaidOut(type(uint96).max, 2 * uint256(type(uint96).max), 0);
    }

    function test_RevertWhen_ReadingUnknownJob() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.JobNotFound.selector, 1));
        audit.getJob(1);
        openAudit(bounty(ETHER));
        vm.expectRevert(abi.encodeWithSelector(Errors.EntryNotFound.selector, 1, 1));
        audit.getEntry(1, 1);
    }

    /// @dev Every call on a job is refused for an unknown job and for other terms.
    function test_RevertWhen_TermsAreNotThoseOfTheJob() public {
        IAuditEscrow.Terms memory terms = bounty(ETHER);
        _expectAllRefused(1, terms, abi.encodeWithSelector(Errors.JobNotFound.selector, 1));
        openAudit(terms);
        bytes32 expected = keccak256(abi.encode(terms));
        terms.required = 1;
        _expectAllRefused(
            1,
            terms,
            abi.encodeWithSelector(Errors.TermsMismatch.selector, 1, expected, keccak256(abi.encode(terms)))
        );
    }

    function testFuzz_OpenTakesRewardAndBond(uint96 reward, uint96 bond, bool inEther) public {
        IAuditEscrow.Terms memory terms = bounty(inEther ? ETHER : address(token));
        terms.reward = uint96(bound(reward, 1, 500 ether));
        terms.bond = uint96(bound(bond, ABORT_FEE, 500 ether));
        openAudit(terms);
        uint256 held = inEther ? address(audit).balance : token.balanceOf(address(audit));
        assertEq(held, uint256(terms.reward) + terms.bond);
    }

    function _expectAllRefused(uint256 jobId, IAuditEscrow.Terms memory terms, bytes memory refusal) private {
        bytes[9] memory calls = [
            abi.encodeCall(audit.enter, (jobId, terms, offerOf(seller))),
            abi.encodeCall(audit.deliver, (jobId, terms, 0, 1, DATA, "")),
            abi.encodeCall(audit.decline, (jobId, terms, 0)),
            abi.encodeCall(audit.returnBond, (jobId, terms)),
            abi.encodeCall(audit.accept, (jobId, terms, 1, 6)),
            abi.encodeCall(audit.abort, (jobId, terms, 1)),
            abi.encodeCall(audit.settle, (jobId, terms)),
            abi.encodeCall(audit.release, (jobId, terms, 1)),
            abi.encodeCall(audit.certify, (jobId, terms, 1))
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            (bool ok, bytes memory answer) = address(audit).call(calls[i]);
            assertFalse(ok);
            assertEq(answer, refusal);
        }
        vm.expectRevert(refusal);
        audit.prove(jobId, terms, 1, 0, 0, "");
    }

    function _withDeadlines(uint64[3] memory times, uint64 window)
        private
        view
        returns (IAuditEscrow.Terms memory terms)
    {
        terms = bounty(ETHER);
        (terms.enterBy, terms.deliverBy, terms.acceptBy) = (times[0], times[1], times[2]);
        terms.proveWindow = window;
    }

    function _expectRefusal(IAuditEscrow.Terms memory terms, bytes memory refusal) private {
        uint256 value = uint256(terms.reward) + terms.bond;
        uint256 before = audit.jobCount();
        vm.prank(buyer);
        vm.expectRevert(refusal);
        audit.open{value: value}(terms, admitted, "");
        assertEq(audit.jobCount(), before);
    }
}
