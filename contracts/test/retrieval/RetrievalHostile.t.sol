// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {IRetrievalEscrow} from "../../src/interfaces/IRetrievalEscrow.sol";
import {HostileReceivers} from "../shared/HostileReceivers.sol";
import {HostileTokens} from "../shared/HostileTokens.sol";
import {RetrievalFixture} from "./RetrievalFixture.sol";

/// @notice Odd tokens and receivers in retrievals.
contract RetrievalHostileTest is RetrievalFixture, HostileTokens, HostileReceivers {
    function _custody() internal view override returns (ICustody) {
        return retrieval;
    }

    function _deposits(address money) internal override returns (Deposit[] memory deposits) {
        _fund(money, buyer);
        IRetrievalEscrow.Terms memory terms = retrievalIn(money);
        ICustody.Permit memory permit;
        deposits = new Deposit[](2);
        deposits[0] = Deposit(buyer, PRICE, abi.encodeCall(retrieval.open, (terms, bindingHash, "")));
        deposits[1] =
            Deposit(buyer, PRICE, abi.encodeCall(retrieval.openWithPermit, (terms, bindingHash, "", permit)));
    }

    /// @dev Everything is proven and nothing is selected.
    function _sale(address money, address payee) internal override returns (Job memory) {
        _fund(money, buyer);
        IRetrievalEscrow.Terms memory terms = retrievalIn(money);
        terms.holder = payee;
        uint256 jobId = openRetrieval(terms);
        for (uint256 run = 0; run < 3; ++run) {
            proveRun(jobId, terms, run, 0);
        }
        return Job(abi.encodeCall(retrieval.settle, (jobId, terms)), PRICE);
    }

    /// @dev Nothing is proven.
    function _refund(address money, address payee) internal override returns (Job memory) {
        _fund(money, payee);
        IRetrievalEscrow.Terms memory terms = retrievalIn(money);
        terms.requester = payee;
        uint256 jobId = openRetrieval(terms);
        vm.warp(terms.proveBy + 1);
        return Job(abi.encodeCall(retrieval.settle, (jobId, terms)), PRICE);
    }

    function _guardedCalls(address money) internal view override returns (bytes[] memory calls) {
        IRetrievalEscrow.Terms memory terms = retrievalIn(money);
        ICustody.Permit memory permit;
        calls = new bytes[](5);
        calls[0] = abi.encodeCall(retrieval.open, (terms, bindingHash, ""));
        calls[1] = abi.encodeCall(retrieval.openWithPermit, (terms, bindingHash, "", permit));
        calls[2] = abi.encodeCall(retrieval.prove, (1, terms, 0, 0, ""));
        calls[3] = abi.encodeCall(retrieval.publish, (1, terms, DATA, ""));
        calls[4] = abi.encodeCall(retrieval.settle, (1, terms));
    }
}
