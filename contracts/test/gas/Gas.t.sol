// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {IRetrievalEscrow} from "../../src/interfaces/IRetrievalEscrow.sol";
import {AuditFixture} from "../audit/AuditFixture.sol";
import {Fixture} from "../shared/Fixture.sol";
import {GasMeter} from "./GasMeter.sol";
import {RetrievalFixture} from "../retrieval/RetrievalFixture.sol";
import {LongProofVerifier} from "../doubles/VerifierDoubles.sol";
import {one} from "../doubles/Words.sol";

/// @notice Proofs as long as those of networks of all sizes, docs/benchmarks.md.
abstract contract LongProofs is GasMeter {
    uint16[3] internal LENGTHS = [4_096, 7_168, 10_432];

    LongProofVerifier internal longVerifier = new LongProofVerifier();

    /// @dev Without a zero byte more, as in a proof.
    function padded(bytes memory proof, uint256 length) internal pure returns (bytes memory long) {
        long = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            long[i] = i < proof.length ? proof[i] : bytes1(0xa5);
        }
    }

    function assertGasOfLongProof(string memory call, uint256 length, uint256 limit) internal {
        assertGasAboveVerification(
            string.concat(call, ", proof of ", vm.toString(length), " bytes, above verification"), limit
        );
    }
}

/// @notice Predictions.
contract GasTest is Fixture, GasMeter {
    function setUp() public override {
        super.setUp();
        // The first job ever pays for slots that all later ones find in use.
        openEther();
        openIn(address(token));
    }

    /// forge-config: default.isolate = true
    function test_GasOfOpenInEther() public {
        openEther();
        assertGas("prediction: open, ether", OPEN_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfOpenInToken() public {
        openIn(address(token));
        assertGas("prediction: open, ERC-20", OPEN_LIMIT);
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
        measureVerification(address(verifier), vk, proof, publicInputs);
        escrow.claim(1, 0, seller, one(OUTPUT), proof);
        assertGasAboveVerification("prediction: claim, above verification", CLAIM_LIMIT);
    }

    /// @dev The same for a seller with unspent credit.
    /// forge-config: default.isolate = true
    function test_GasOfLaterClaim() public {
        vm.prank(buyer);
        escrow.open{value: PRICE}(orderIn(ETHER, PRICE));
        claimFor(1, seller);
        bytes memory proof = proofFor(3, seller, OUTPUT);
        escrow.claim(3, 0, seller, one(OUTPUT), proof);
        assertGas("prediction: claim, whole transaction, recipient has credit", 95_000);
    }

    /// forge-config: default.isolate = true
    function test_GasOfRefund() public {
        IPredictionEscrow.Job memory job = escrow.getJob(1);
        vm.warp(job.deadline + 1);
        escrow.refund(1);
        assertGas("prediction: refund", CLAIM_LIMIT);
    }
}

/// @notice Audits. Accounts have no credit yet and slots are first written: the dearest cases.
contract AuditGasTest is AuditFixture, LongProofs {
    /// @dev A settlement pays both sides, each for the first time, and may burn.
    uint256 private constant SETTLE_LIMIT = 125_000;
    uint256 private constant TURN_AWAY_LIMIT = 35_000;

    function setUp() public override {
        super.setUp();
        // The first job ever pays for slots that all later ones find in use.
        openAudit(bounty(ETHER));
        openAudit(bounty(address(token)));
    }

    /// forge-config: default.isolate = true
    function test_GasOfOpenInEther() public {
        openAudit(bounty(ETHER));
        assertGas("audit: open, ether", OPEN_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfOpenInToken() public {
        openAudit(bounty(address(token)));
        assertGas("audit: open, ERC-20", OPEN_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfEnterDeliverAndAccept() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        assertGas("audit: enter, ether", OPEN_LIMIT);
        deliverTo(jobId, terms);
        assertGas("audit: deliver", CLAIM_LIMIT);
        acceptAs(seller, jobId, terms, 1);
        assertGas("audit: accept", CLAIM_LIMIT);
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
            measureVerification(address(verifier), vk, proof, publicInputs);
            audit.prove(jobId, terms, 1, run, 2, proof);
            string memory name = run == 0 ? "first" : run == 1 ? "second" : "last";
            assertGasAboveVerification(
                string.concat("audit: prove, ", name, " run, above verification"), RUN_LIMIT
            );
        }
    }

    /// @dev Proofs as long as real ones: each byte is passed on. The first run and terms without an empty field,
    /// the dearest.
    /// forge-config: default.isolate = true
    function test_GasOfRunWithLongProof() public {
        (modelId, bindingHash) = bindTo(address(longVerifier));
        admitted.push(audit.admissionHashOf(vk.codehash, address(longVerifier).codehash));
        for (uint256 i = 0; i < LENGTHS.length; ++i) {
            IAuditEscrow.Terms memory terms = bounty(address(token));
            terms.sellers = leafOf(seller);
            uint256 jobId = openAudit(terms);
            IAuditEscrow.Offer memory offer = offerOf(seller);
            offer.which = 1;
            enterWith(seller, jobId, terms, offer);
            deliverTo(jobId, terms);
            acceptAs(seller, jobId, terms, 1);
            bytes memory proof = padded(runProof(jobId, terms, 1, 0, 2), LENGTHS[i]);
            uint256[] memory publicInputs = new uint256[](5);
            publicInputs[0] = audit.contextOf(jobId, seller);
            publicInputs[1] = ROOT;
            (publicInputs[3], publicInputs[4]) = (4, 2);
            measureVerification(address(longVerifier), vk, proof, publicInputs);
            audit.prove(jobId, terms, 1, 0, 2, proof);
            assertGasOfLongProof("audit: prove, first run", LENGTHS[i], RUN_LIMIT);
        }
    }

    /// forge-config: default.isolate = true
    function test_GasOfSettlingPaid() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveAll(jobId, terms, 1, [uint256(4), 4, 2]);
        audit.settle(jobId, terms);
        assertGas("audit: settle, paid", SETTLE_LIMIT);
        audit.certify(jobId, terms, 1);
        assertGas("audit: certify, with a mock registry", 2 * CLAIM_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfSettlingFailed() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = acceptedBounty();
        proveAll(jobId, terms, 1, [uint256(4), 0, 0]);
        vm.warp(proveBy(terms) + 1);
        audit.settle(jobId, terms);
        assertGas("audit: settle, failed", SETTLE_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfSettlingAborted() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        vm.warp(terms.acceptBy + 1);
        audit.settle(jobId, terms);
        assertGas("audit: settle, seller silent", SETTLE_LIMIT);
    }

    /// @dev The bond was returned before; something was burnt, and the buyer has credit.
    /// forge-config: default.isolate = true
    function test_GasOfReturningBond() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = deliveredBounty();
        vm.warp(terms.acceptBy + 1);
        audit.returnBond(jobId, terms);
        assertGas("audit: returnBond, a fee is burnt for the first time", CLAIM_LIMIT);
        audit.settle(jobId, terms);
        assertGas("audit: settle, seller silent, bond returned", CLAIM_LIMIT);
    }

    /// @dev Each entry that is turned away is paid in the same call; its seller has no credit yet.
    /// forge-config: default.isolate = true
    function test_GasOfDeliveringToOneOfSixteen() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = _contestOfStrangers();
        deliverTo(jobId, terms, 1);
        assertGas("audit: deliver to one of 16 entries", 16 * TURN_AWAY_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfDecliningSixteen() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = _contestOfStrangers();
        vm.roll(block.number + 1);
        declineAs(buyer, jobId, terms);
        assertGas("audit: decline 16 entries", 16 * TURN_AWAY_LIMIT);
    }

    /// @dev Settling looks at each entry's claim. The winner is the last one.
    /// forge-config: default.isolate = true
    function test_GasOfSettlingContests() public {
        uint8[4] memory sizes = [2, 4, 8, 16];
        for (uint256 i = 0; i < sizes.length; ++i) {
            (uint256 jobId, IAuditEscrow.Terms memory terms) = _deliveredContest(sizes[i]);
            for (uint256 entry = 1; entry <= sizes[i]; ++entry) {
                acceptAs(seller, jobId, terms, entry);
            }
            proveAll(jobId, terms, sizes[i], [uint256(4), 2, 0]);
            vm.warp(proveBy(terms, sizes[i]) + 1);
            audit.settle(jobId, terms);
            assertGas(string.concat("audit: settle, contest of ", vm.toString(sizes[i])), SETTLE_LIMIT);
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
        vm.warp(proveBy(terms, 15) + 1);
        _settleWithoutCredit("audit: settle, 16 entries failed", failed, terms);
        _settleWithoutCredit("audit: settle, 16 entries silent", silent, silentTerms);
        _settleWithoutCredit("audit: settle, 16 entries, nothing delivered", undelivered, undeliveredTerms);
        assertJob(undelivered, IAuditEscrow.State.Undelivered);
    }

    /// forge-config: default.isolate = true
    function test_GasOfSettlingUndelivered() public {
        (uint256 jobId, IAuditEscrow.Terms memory terms) = enteredBounty();
        vm.warp(terms.deliverBy + 1);
        audit.settle(jobId, terms);
        assertGas("audit: settle, buyer silent", SETTLE_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfRelease() public {
        IAuditEscrow.Terms memory terms = contest(2);
        uint256 jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
        enterAs(rival, jobId, terms);
        deliverTo(jobId, terms);
        acceptAs(rival, jobId, terms, 2);
        vm.warp(proveBy(terms) + 1);
        audit.release(jobId, terms, 1);
        assertGas("audit: release, aborted", CLAIM_LIMIT);
        audit.release(jobId, terms, 2);
        assertGas("audit: release, forfeited", CLAIM_LIMIT);
    }

    function _settleWithoutCredit(string memory name, uint256 jobId, IAuditEscrow.Terms memory terms)
        private
    {
        if (ether_(buyer) != 0) {
            vm.prank(buyer);
            audit.withdraw(ETHER);
        }
        audit.settle(jobId, terms);
        assertGas(name, SETTLE_LIMIT);
    }

    function _contestOfStrangers() private returns (uint256 jobId, IAuditEscrow.Terms memory terms) {
        terms = contest(16);
        jobId = openAudit(terms);
        for (uint256 entry = 1; entry <= 16; ++entry) {
            vm.deal(vm.addr(entry), STAKE);
            enterWith(vm.addr(entry), jobId, terms, offerOf(seller));
        }
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
}

/// @notice Retrievals.
contract RetrievalGasTest is RetrievalFixture, LongProofs {
    function setUp() public override {
        super.setUp();
        openRetrieval(retrievalIn(ETHER));
        openRetrieval(retrievalIn(address(token)));
    }

    /// forge-config: default.isolate = true
    function test_GasOfOpenInEther() public {
        openRetrieval(retrievalIn(ETHER));
        assertGas("retrieval: open, ether", OPEN_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfOpenInToken() public {
        openRetrieval(retrievalIn(address(token)));
        assertGas("retrieval: open, ERC-20", OPEN_LIMIT);
    }

    /// @dev As for an audit: the first run of a job, one between, the last.
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
            measureVerification(address(verifier), vk, proof, publicInputs);
            retrieval.prove(jobId, terms, run, 3, proof);
            string memory name = run == 0 ? "first" : run == 1 ? "second" : "last";
            assertGasAboveVerification(
                string.concat("retrieval: prove, ", name, " run, above verification"), RUN_LIMIT
            );
        }
    }

    /// @dev As for an audit.
    /// forge-config: default.isolate = true
    function test_GasOfRunWithLongProof() public {
        (modelId, bindingHash) = bindTo(address(longVerifier));
        for (uint256 i = 0; i < LENGTHS.length; ++i) {
            IRetrievalEscrow.Terms memory terms = retrievalIn(address(token));
            uint256 jobId = openRetrieval(terms);
            bytes memory proof = padded(runProof(jobId, terms, 0, 3), LENGTHS[i]);
            uint256[] memory publicInputs = new uint256[](5);
            publicInputs[0] = retrieval.contextOf(jobId, seller);
            publicInputs[1] = ROOT;
            (publicInputs[3], publicInputs[4]) = (4, 3);
            measureVerification(address(longVerifier), vk, proof, publicInputs);
            retrieval.prove(jobId, terms, 0, 3, proof);
            assertGasOfLongProof("retrieval: prove, first run", LENGTHS[i], RUN_LIMIT);
        }
    }

    /// forge-config: default.isolate = true
    function test_GasOfPublish() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = coveredRetrieval(true);
        vm.prank(seller);
        retrieval.publish(jobId, terms, DATA, "ipfs://openings");
        assertGas("retrieval: publish", CLAIM_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfRefund() public {
        (uint256 jobId, IRetrievalEscrow.Terms memory terms) = openedRetrieval();
        vm.warp(terms.proveBy + 1);
        retrieval.settle(jobId, terms);
        assertGas("retrieval: settle, refunded", CLAIM_LIMIT);
    }
}
