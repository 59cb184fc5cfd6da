// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAuditEscrow} from "../src/interfaces/IAuditEscrow.sol";
import {IPredictionEscrow} from "../src/interfaces/IPredictionEscrow.sol";
import {IRetrievalEscrow} from "../src/interfaces/IRetrievalEscrow.sol";
import {AuditFixture} from "./AuditFixture.sol";
import {Fixture} from "./Fixture.sol";
import {RetrievalFixture} from "./RetrievalFixture.sol";

/// @notice What whole transactions cost: 21,000, call data and execution from cold storage. `isolate`
/// makes every call of a test a transaction of its own.
contract GasTest is Fixture {
    uint256 internal constant OPEN_LIMIT = 150_000;
    uint256 internal constant CLAIM_LIMIT = 90_000;

    function setUp() public override {
        super.setUp();
        // The first job ever pays for slots that all later ones find in use.
        openEther();
        openIn(address(token));
    }

    /// forge-config: default.isolate = true
    function test_GasOfOpenInEther() public {
        openEther();
        _assertBelow("open, ether", OPEN_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfOpenInToken() public {
        openIn(address(token));
        _assertBelow("open, ERC-20", OPEN_LIMIT);
    }

    /// @dev What a claim costs above checking its proof: the difference to a transaction that only calls the
    /// verifier. The recipient has no credit yet, the dearest case.
    /// forge-config: default.isolate = true
    function test_GasOfClaimAboveVerification() public {
        bytes memory proof = proofFor(1, seller, OUTPUT);
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = escrow.contextOf(1, seller);
        publicInputs[1] = INPUT;
        publicInputs[2] = OUTPUT;
        // A plain call: forge makes no transactions of calls to view functions.
        (bool valid,) = address(verifier).call(abi.encodeCall(verifier.verify, (vk, proof, publicInputs)));
        assertTrue(valid);
        uint256 verification = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint("verification by a mock", verification);
        escrow.claim(1, seller, OUTPUT, proof);
        uint256 total = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint("claim, above verification", total - verification);
        assertLe(total - verification, CLAIM_LIMIT);
    }

    /// @dev The same for a seller with unspent credit.
    /// forge-config: default.isolate = true
    function test_GasOfLaterClaim() public {
        vm.prank(buyer);
        escrow.open{value: PRICE}(orderIn(ETHER, PRICE));
        claimFor(1, seller);
        bytes memory proof = proofFor(3, seller, OUTPUT);
        escrow.claim(3, seller, OUTPUT, proof);
        _assertBelow("claim, whole transaction, recipient has credit", CLAIM_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfRefund() public {
        IPredictionEscrow.Job memory job = escrow.getJob(1);
        vm.warp(job.deadline + 1);
        escrow.refund(1);
        _assertBelow("refund", CLAIM_LIMIT);
    }

    function _assertBelow(string memory name, uint256 limit) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(name, used);
        assertGt(used, 21_000, "not measured as a transaction");
        assertLe(used, limit, name);
    }
}

/// @notice The same for audits. Accounts have no credit yet and slots are first written: the dearest cases.
contract AuditGasTest is AuditFixture {
    uint256 internal constant OPEN_LIMIT = 150_000;
    uint256 internal constant SETTLE_LIMIT = 90_000;
    uint256 internal constant RUN_LIMIT = 60_000;

    function setUp() public override {
        super.setUp();
        // The first job ever pays for slots that all later ones find in use.
        openAudit(bounty(ETHER));
        openAudit(bounty(address(token)));
    }

    /// forge-config: default.isolate = true
    function test_GasOfOpenInEther() public {
        openAudit(bounty(ETHER));
        _assertBelow("open, ether", OPEN_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfOpenInToken() public {
        openAudit(bounty(address(token)));
        _assertBelow("open, ERC-20", OPEN_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfEnterDeliverAndAccept() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        _assertBelow("enter, ether", OPEN_LIMIT);
        deliverTo(jobId, terms);
        _assertBelow("deliver", SETTLE_LIMIT);
        acceptAs(seller, jobId, terms, 1);
        _assertBelow("accept", SETTLE_LIMIT);
    }

    /// @dev Above a transaction that only verifies the proof; the first run of an entry, one between, the last.
    /// forge-config: default.isolate = true
    function test_GasOfRunAboveVerification() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        for (uint256 run = 0; run < 3; ++run) {
            bytes memory proof = runProof(jobId, terms, 1, run, 2);
            uint256[] memory publicInputs = new uint256[](5);
            publicInputs[0] = audit.contextOf(jobId, seller);
            publicInputs[1] = ROOT;
            publicInputs[2] = run * BATCH;
            publicInputs[3] = run == 2 ? 2 : 4;
            publicInputs[4] = 2;
            (bool valid,) = address(verifier).call(abi.encodeCall(verifier.verify, (vk, proof, publicInputs)));
            assertTrue(valid);
            uint256 verification = vm.lastCallGas().gasTotalUsed;
            audit.prove(jobId, terms, 1, run, 2, proof);
            uint256 above = vm.lastCallGas().gasTotalUsed - verification;
            emit log_named_uint("run, above verification", above);
            assertLe(above, RUN_LIMIT);
        }
    }

    /// forge-config: default.isolate = true
    function test_GasOfSettlingPaid() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        audit.settle(jobId, terms);
        _assertBelow("settle, paid", SETTLE_LIMIT);
        audit.certify(jobId, terms, 1);
        emit log_named_uint("certify, with a mock registry", vm.lastCallGas().gasTotalUsed);
    }

    /// forge-config: default.isolate = true
    function test_GasOfSettlingFailed() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveAll(jobId, terms, 1, [uint256(4), 0, 0]);
        audit.settle(jobId, terms);
        _assertBelow("settle, failed", SETTLE_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfSettlingAborted() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        vm.warp(terms.acceptBy + 1);
        audit.settle(jobId, terms);
        _assertBelow("settle, seller silent", SETTLE_LIMIT);
    }

    /// @dev Neither side has credit: the buyer has taken its bond already.
    /// forge-config: default.isolate = true
    function test_GasOfSettlingAbortedWithoutCredits() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        vm.prank(buyer);
        audit.withdraw(ETHER);
        vm.warp(terms.acceptBy + 1);
        audit.settle(jobId, terms);
        _assertBelow("settle, seller silent, no credits", SETTLE_LIMIT);
    }

    /// @dev Settling looks at each entry's tally. The winner is the last one.
    /// forge-config: default.isolate = true
    function test_GasOfSettlingContests() public {
        uint8[4] memory sizes = [2, 4, 8, 16];
        for (uint256 i = 0; i < sizes.length; ++i) {
            (uint256 jobId, IAuditEscrow.Terms memory terms) = _deliveredContest(sizes[i]);
            for (uint256 entry = 1; entry <= sizes[i]; ++entry) {
                acceptAs(seller, jobId, terms, entry);
            }
            proveAll(jobId, terms, sizes[i], [uint256(4), 4, 2]);
            vm.warp(terms.proveBy + 1);
            audit.settle(jobId, terms);
            emit log_named_uint("entries", sizes[i]);
            _assertBelow("settle, contest", SETTLE_LIMIT);
            vm.prank(seller);
            audit.withdraw(ETHER);
        }
    }

    /// @dev The largest contest in each other way that it can end; the buyer has no credit.
    /// forge-config: default.isolate = true
    function test_GasOfSettlingLargestContestWithoutWinner() public {
        (uint256 failed, IAuditEscrow.Terms memory terms) = _deliveredContest(16);
        (uint256 silent, IAuditEscrow.Terms memory silentTerms) = _deliveredContest(16);
        (uint256 undelivered, IAuditEscrow.Terms memory undeliveredTerms) = _enteredContest(16);
        for (uint256 entry = 1; entry < 16; ++entry) {
            acceptAs(seller, failed, terms, entry);
        }
        vm.prank(seller);
        audit.abort(silent, silentTerms, 16);
        vm.warp(terms.proveBy + 1);
        _settleWithoutCredit(failed, terms);
        _settleWithoutCredit(silent, silentTerms);
        _settleWithoutCredit(undelivered, undeliveredTerms);
        assertJob(undelivered, IAuditEscrow.State.Undelivered);
    }

    /// forge-config: default.isolate = true
    function test_GasOfSettlingUndelivered() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        vm.warp(terms.deliverBy + 1);
        audit.settle(jobId, terms);
        _assertBelow("settle, buyer silent", SETTLE_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfRelease() public {
        IAuditEscrow.Terms memory terms = contest(2);
        uint256 jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        enterAs(rival, jobId, terms);
        deliverTo(jobId, terms);
        acceptAs(rival, jobId, terms, 2);
        vm.prank(buyer);
        audit.withdraw(ETHER);
        vm.warp(terms.proveBy + 1);
        audit.release(jobId, terms, 1);
        _assertBelow("release, aborted", SETTLE_LIMIT);
        audit.release(jobId, terms, 2);
        _assertBelow("release, forfeited", SETTLE_LIMIT);
    }

    function _settleWithoutCredit(uint256 jobId, IAuditEscrow.Terms memory terms) private {
        if (ether_(buyer) != 0) {
            vm.prank(buyer);
            audit.withdraw(ETHER);
        }
        audit.settle(jobId, terms);
        _assertBelow("settle, 16 entries, no winner", SETTLE_LIMIT);
    }

    function _deliveredContest(uint8 size) private returns (uint256 jobId, IAuditEscrow.Terms memory terms) {
        (jobId, terms) = _enteredContest(size);
        deliverTo(jobId, terms);
    }

    function _enteredContest(uint8 size) private returns (uint256 jobId, IAuditEscrow.Terms memory terms) {
        terms = contest(size);
        jobId = openAudit(terms);
        for (uint256 entry = 1; entry <= size; ++entry) {
            enterAs(seller, jobId, terms);
        }
    }

    function _assertBelow(string memory name, uint256 limit) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(name, used);
        assertGt(used, 21_000, "not measured as a transaction");
        assertLe(used, limit, name);
    }
}

/// @notice The same for retrievals.
contract RetrievalGasTest is RetrievalFixture {
    uint256 internal constant OPEN_LIMIT = 150_000;
    uint256 internal constant SETTLE_LIMIT = 90_000;
    uint256 internal constant RUN_LIMIT = 60_000;

    function setUp() public override {
        super.setUp();
        openRetrieval(retrievalIn(ETHER));
        openRetrieval(retrievalIn(address(token)));
    }

    /// forge-config: default.isolate = true
    function test_GasOfOpenInEther() public {
        openRetrieval(retrievalIn(ETHER));
        _assertBelow("open, ether", OPEN_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfOpenInToken() public {
        openRetrieval(retrievalIn(address(token)));
        _assertBelow("open, ERC-20", OPEN_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfRunAboveVerification() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        for (uint256 run = 0; run < 3; ++run) {
            bytes memory proof = runProof(jobId, terms, run, 3);
            uint256[] memory publicInputs = new uint256[](5);
            publicInputs[0] = retrieval.contextOf(jobId, seller);
            publicInputs[1] = ROOT;
            publicInputs[2] = run * BATCH;
            publicInputs[3] = run == 2 ? 2 : 4;
            publicInputs[4] = 3;
            (bool valid,) = address(verifier).call(abi.encodeCall(verifier.verify, (vk, proof, publicInputs)));
            assertTrue(valid);
            uint256 verification = vm.lastCallGas().gasTotalUsed;
            retrieval.prove(jobId, terms, run, 3, proof);
            uint256 above = vm.lastCallGas().gasTotalUsed - verification;
            emit log_named_uint("run, above verification", above);
            assertLe(above, RUN_LIMIT);
        }
    }

    /// forge-config: default.isolate = true
    function test_GasOfPublish() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = coveredRetrieval(true);
        vm.prank(seller);
        retrieval.publish(jobId, terms, DATA, "ipfs://openings");
        _assertBelow("publish", SETTLE_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfRefund() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        vm.warp(terms.proveBy + 1);
        retrieval.settle(jobId, terms);
        _assertBelow("settle, refunded", SETTLE_LIMIT);
    }

    function _assertBelow(string memory name, uint256 limit) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(name, used);
        assertGt(used, 21_000, "not measured as a transaction");
        assertLe(used, limit, name);
    }
}
