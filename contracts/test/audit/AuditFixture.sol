// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {AuditEscrow} from "../../src/AuditEscrow.sol";
import {IAuditEscrow} from "../../src/interfaces/IAuditEscrow.sol";
import {IResultRegistry} from "../../src/interfaces/IResultRegistry.sol";
import {ResultRecorder} from "../doubles/ResultRecorder.sol";
import {Keys} from "../shared/Keys.sol";
import {RunFixture} from "../shared/RunFixture.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice An audit escrow, terms for a test set of ten items in runs of four (4, 4, 2), and a second seller
/// with another model of the same architecture.
abstract contract AuditFixture is RunFixture {
    uint96 internal constant REWARD = 10 ether;
    uint96 internal constant BOND = 1 ether;
    uint96 internal constant STAKE = 2 ether;
    uint96 internal constant ABORT_FEE = 0.05 ether;
    uint32 internal constant ITEMS = 10;
    uint32 internal constant REQUIRED = 6;
    uint32 internal constant BATCH = 4;
    uint256 internal constant ROOT = uint256(keccak256("test set")) >> 8;
    bytes32 internal constant METRIC = "top-1";
    bytes32 internal constant DATA = keccak256("ciphertext");
    bytes32 internal constant RIVAL_WEIGHTS = keccak256("rival's weights");

    AuditEscrow internal audit;
    ResultRecorder internal results;
    address internal rival = makeAddr("rival");
    uint256 internal rivalModelId;
    bytes32 internal rivalBinding;
    bytes32[] internal admitted;

    function setUp() public virtual override {
        super.setUp();
        results = new ResultRecorder(address(registry));
        audit = Shipped.auditEscrow(registry, resultRegistry(), false);
        (rivalModelId, rivalBinding) = bindModel(RIVAL_WEIGHTS, vk, address(verifier));
        admitted.push(audit.admissionHashOf(vk.codehash, address(verifier).codehash));
        address[3] memory parties = [buyer, seller, rival];
        for (uint256 i = 0; i < parties.length; ++i) {
            vm.deal(parties[i], 1_000 ether);
            if (parties[i] != buyer) token.mint(parties[i], 1_000 ether);
            vm.prank(parties[i]);
            token.approve(address(audit), type(uint256).max);
        }
    }

    /// @dev Runs of BATCH items.
    function statement() internal pure override returns (bytes32) {
        return Keys.audit(2);
    }

    function resultRegistry() internal view returns (IResultRegistry) {
        return IResultRegistry(address(results));
    }

    /// @dev A bounty for anyone with an admitted key.
    function bounty(address token_) internal view returns (IAuditEscrow.Terms memory) {
        return IAuditEscrow.Terms({
            buyer: buyer,
            sellers: 0,
            token: token_,
            reward: REWARD,
            bond: BOND,
            stake: STAKE,
            abortFee: ABORT_FEE,
            testSetRoot: ROOT,
            metric: METRIC,
            items: ITEMS,
            required: REQUIRED,
            maxEntries: 1,
            enterBy: uint64(block.timestamp + 1 days),
            deliverBy: uint64(block.timestamp + 2 days),
            acceptBy: uint64(block.timestamp + 3 days),
            proveWindow: 1 days,
            admittedKeys: keccak256(abi.encodePacked(admitted)),
            challengeRoot: 0
        });
    }

    /// @dev A bounty that admits all keys.
    function unlisted() internal view returns (IAuditEscrow.Terms memory terms) {
        terms = bounty(ETHER);
        terms.admittedKeys = 0;
    }

    function contest(uint8 maxEntries) internal view returns (IAuditEscrow.Terms memory terms) {
        terms = bounty(ETHER);
        terms.maxEntries = maxEntries;
    }

    function openAudit(IAuditEscrow.Terms memory terms) internal returns (uint256 jobId) {
        bytes32[] memory list = terms.admittedKeys == 0 ? new bytes32[](0) : admitted;
        uint256 value = terms.token == ETHER ? uint256(terms.reward) + terms.bond : 0;
        vm.prank(terms.buyer);
        return audit.open{value: value}(terms, list, "ipfs://audit");
    }

    function offerOf(address who) internal view returns (IAuditEscrow.Offer memory) {
        bool first = who == seller;
        return IAuditEscrow.Offer({
            modelId: first ? modelId : rivalModelId,
            bindingHash: first ? bindingHash : rivalBinding,
            batch: BATCH,
            admitted: admitted,
            which: 0,
            path: new bytes32[](0),
            encryptionKey: "key",
            correct: 0,
            possession: ""
        });
    }

    function enterAs(address who, uint256 jobId, IAuditEscrow.Terms memory terms)
        internal
        returns (uint256 entry)
    {
        return enterWith(who, jobId, terms, offerOf(who));
    }

    function enterWith(
        address who,
        uint256 jobId,
        IAuditEscrow.Terms memory terms,
        IAuditEscrow.Offer memory offer
    ) internal returns (uint256 entry) {
        uint256 value = terms.token == ETHER ? terms.stake : 0;
        vm.prank(who);
        return audit.enter{value: value}(jobId, terms, offer);
    }

    /// @dev To all entries.
    function deliverTo(uint256 jobId, IAuditEscrow.Terms memory terms) internal {
        deliverTo(jobId, terms, 2 ** audit.getJob(jobId).entries - 1);
    }

    function deliverTo(uint256 jobId, IAuditEscrow.Terms memory terms, uint256 approved) internal {
        bytes32 entriesHash = audit.getJob(jobId).entriesHash;
        vm.roll(block.number + 1);
        vm.prank(terms.buyer);
        audit.deliver(jobId, terms, entriesHash, approved, DATA, "ipfs://data");
    }

    function declineAs(address who, uint256 jobId, IAuditEscrow.Terms memory terms) internal {
        bytes32 entriesHash = audit.getJob(jobId).entriesHash;
        vm.prank(who);
        audit.decline(jobId, terms, entriesHash);
    }

    function abortAs(address who, uint256 jobId, IAuditEscrow.Terms memory terms, uint256 entry) internal {
        vm.prank(who);
        audit.abort(jobId, terms, entry);
    }

    /// @dev Claims as much as is required.
    function acceptAs(address who, uint256 jobId, IAuditEscrow.Terms memory terms, uint256 entry) internal {
        acceptAs(who, jobId, terms, entry, terms.required);
    }

    function acceptAs(
        address who,
        uint256 jobId,
        IAuditEscrow.Terms memory terms,
        uint256 entry,
        uint256 claim
    ) internal {
        vm.prank(who);
        audit.accept(jobId, terms, entry, claim);
    }

    /// @dev Last second of the first claim's window.
    function proveBy(IAuditEscrow.Terms memory terms) internal pure returns (uint256) {
        return proveBy(terms, 0);
    }

    /// @dev Last second of the window of a claim that comes after `turn` others.
    function proveBy(IAuditEscrow.Terms memory terms, uint256 turn) internal pure returns (uint256) {
        return terms.acceptBy + (turn + 1) * terms.proveWindow;
    }

    /// @dev So that the next job's id is none of an entry's or a run's: an event's arguments are told apart.
    function openOthers() internal {
        openAudit(bounty(ETHER));
        openAudit(bounty(ETHER));
    }

    /// @dev A bounty in ether that the seller has entered.
    function enteredBounty() internal returns (uint256 jobId, IAuditEscrow.Terms memory terms) {
        terms = bounty(ETHER);
        jobId = openAudit(terms);
        enterAs(seller, jobId, terms);
    }

    function deliveredBounty() internal returns (uint256 jobId, IAuditEscrow.Terms memory terms) {
        (jobId, terms) = enteredBounty();
        deliverTo(jobId, terms);
    }

    function acceptedBounty() internal returns (uint256 jobId, IAuditEscrow.Terms memory terms) {
        (jobId, terms) = deliveredBounty();
        acceptAs(seller, jobId, terms, 1);
    }

    function runProof(
        uint256 jobId,
        IAuditEscrow.Terms memory terms,
        uint256 entry,
        uint256 run,
        uint256 correct
    ) internal view returns (bytes memory) {
        IAuditEscrow.Entry memory stored = audit.getEntry(jobId, entry);
        bytes32 weights = stored.seller == seller ? WEIGHTS : RIVAL_WEIGHTS;
        List memory list = List(terms.testSetRoot, terms.items, stored.batch);
        return runProof(weights, audit.contextOf(jobId, stored.seller), list, run, correct);
    }

    function proveRun(
        uint256 jobId,
        IAuditEscrow.Terms memory terms,
        uint256 entry,
        uint256 run,
        uint256 correct
    ) internal {
        audit.prove(jobId, terms, entry, run, correct, runProof(jobId, terms, entry, run, correct));
    }

    function proveAll(
        uint256 jobId,
        IAuditEscrow.Terms memory terms,
        uint256 entry,
        uint256[3] memory correct
    ) internal {
        for (uint256 run = 0; run < 3; ++run) {
            proveRun(jobId, terms, entry, run, correct[run]);
        }
    }

    /// @dev What names one seller alone.
    function leafOf(address who) internal pure returns (bytes32) {
        return keccak256(bytes.concat(keccak256(abi.encode(who))));
    }

    function ether_(address who) internal view returns (uint256) {
        return audit.creditOf(ETHER, who);
    }

    /// @dev What everyone can withdraw, and that it is all there is.
    function assertCredits(uint256 ofBuyer, uint256 ofSeller, uint256 ofRival) internal view {
        assertEq(ether_(buyer), ofBuyer, "buyer's credit");
        assertEq(ether_(seller), ofSeller, "seller's credit");
        assertEq(ether_(rival), ofRival, "rival's credit");
    }

    /// @dev The same for jobs that have ended: nothing stays behind but what was burnt.
    function assertPaidOut(uint256 ofBuyer, uint256 ofSeller, uint256 ofRival) internal view {
        assertCredits(ofBuyer, ofSeller, ofRival);
        assertEq(address(audit).balance, ofBuyer + ofSeller + ofRival + audit.burntOf(ETHER), "held");
    }

    function assertJob(uint256 jobId, IAuditEscrow.State expected) internal view {
        assertEq(uint8(audit.getJob(jobId).state), uint8(expected), "job's state");
    }

    function assertEntry(uint256 jobId, uint256 entry, IAuditEscrow.EntryState expected) internal view {
        assertEq(uint8(audit.getEntry(jobId, entry).state), uint8(expected), "entry's state");
    }
}
