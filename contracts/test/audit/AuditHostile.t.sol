// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {ICustody} from "../../src/interfaces/ICustody.sol";
import {NonZeroToken} from "../doubles/Tokens.sol";
import {HostileReceivers} from "../shared/HostileReceivers.sol";
import {HostileTokens} from "../shared/HostileTokens.sol";
import {AuditFixture} from "./AuditFixture.sol";

/// @notice Odd tokens and receivers in audits.
contract AuditHostileTest is AuditFixture, HostileTokens, HostileReceivers {
    /// @dev Nothing of which there is none is moved: no bond, no fee, no share.
    function test_TokenRevertingOnZeroWorksWithoutBondAndFee() public {
        NonZeroToken odd = new NonZeroToken();
        _fund(address(odd), buyer);
        _fund(address(odd), seller);
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

    function _custody() internal view override returns (ICustody) {
        return audit;
    }

    function _deposits(address money) internal override returns (Deposit[] memory deposits) {
        _fund(money, buyer);
        _fund(money, seller);
        IAuditEscrow.Terms memory terms = bounty(money);
        uint256 jobId = openAudit(terms);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        ICustody.Permit memory permit;
        uint256 due = uint256(REWARD) + BOND;
        deposits = new Deposit[](4);
        deposits[0] = Deposit(buyer, due, abi.encodeCall(audit.open, (terms, admitted, "")));
        deposits[1] = Deposit(buyer, due, abi.encodeCall(audit.openWithPermit, (terms, admitted, "", permit)));
        deposits[2] = Deposit(seller, STAKE, abi.encodeCall(audit.enter, (jobId, terms, offer)));
        deposits[3] =
            Deposit(seller, STAKE, abi.encodeCall(audit.enterWithPermit, (jobId, terms, offer, permit)));
    }

    /// @dev The one entry reaches the target.
    function _sale(address money, address payee) internal override returns (Job memory) {
        _fund(money, buyer);
        _fund(money, payee);
        IAuditEscrow.Terms memory terms = bounty(money);
        uint256 jobId = openAudit(terms);
        enterAs(payee, jobId, terms);
        deliverTo(jobId, terms);
        acceptAs(payee, jobId, terms, 1);
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        return Job(abi.encodeCall(audit.settle, (jobId, terms)), uint256(REWARD) + STAKE);
    }

    /// @dev Nobody enters.
    function _refund(address money, address payee) internal override returns (Job memory) {
        _fund(money, payee);
        IAuditEscrow.Terms memory terms = bounty(money);
        terms.buyer = payee;
        uint256 jobId = openAudit(terms);
        vm.warp(terms.enterBy + 1);
        return Job(abi.encodeCall(audit.settle, (jobId, terms)), uint256(REWARD) + BOND);
    }

    function _guardedCalls(address money) internal view override returns (bytes[] memory calls) {
        IAuditEscrow.Terms memory terms = bounty(money);
        IAuditEscrow.Offer memory offer = offerOf(seller);
        ICustody.Permit memory permit;
        calls = new bytes[](13);
        calls[0] = abi.encodeCall(audit.open, (terms, admitted, ""));
        calls[1] = abi.encodeCall(audit.openWithPermit, (terms, admitted, "", permit));
        calls[2] = abi.encodeCall(audit.enter, (1, terms, offer));
        calls[3] = abi.encodeCall(audit.enterWithPermit, (1, terms, offer, permit));
        calls[4] = abi.encodeCall(audit.deliver, (1, terms, 0, 1, DATA, ""));
        calls[5] = abi.encodeCall(audit.accept, (1, terms, 1, 6));
        calls[6] = abi.encodeCall(audit.abort, (1, terms, 1));
        calls[7] = abi.encodeCall(audit.prove, (1, terms, 1, 0, 0, ""));
        calls[8] = abi.encodeCall(audit.settle, (1, terms));
        calls[9] = abi.encodeCall(audit.release, (1, terms, 1));
        calls[10] = abi.encodeCall(audit.certify, (1, terms, 1));
        calls[11] = abi.encodeCall(audit.decline, (1, terms, 0));
        calls[12] = abi.encodeCall(audit.returnBond, (1, terms));
    }
}
