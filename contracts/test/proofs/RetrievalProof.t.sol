// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RetrievalEscrow} from "../../src/RetrievalEscrow.sol";
import {IRetrievalEscrow} from "../../src/interfaces/IRetrievalEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {VerifierErrors} from "./ProofFixture.sol";
import {ProofRefusals} from "./ProofRefusals.sol";

/// @notice A retrieval from three items in two runs, the second one short, proven by real proofs. The refusals
/// are about the first run.
contract RetrievalProofTest is ProofRefusals {
    IRetrievalEscrow.Terms internal terms;
    uint256 internal bitmap;
    uint256 internal beforeOpening;

    function setUp() public override {
        super.setUp();
        string memory json = fixture("retrieval");
        bitmap = _bitmap(0);
        terms = IRetrievalEscrow.Terms({
            requester: buyer,
            holder: seller,
            token: ETHER,
            price: PRICE,
            modelId: retrieval.modelId,
            collectionRoot: vm.parseJsonUint(json, ".root"),
            items: uint32(vm.parseJsonUint(json, ".items")),
            batch: uint16(vm.parseJsonUint(json, ".batch")),
            proveBy: uint64(block.timestamp + 1 days),
            openBy: uint64(block.timestamp + 2 days)
        });
        beforeOpening = vm.snapshotState();
        _open(retrievalEscrow);
    }

    /// @dev The fixture's network selects some items of the collection, not all of them.
    function test_SelectionIsPaid() public {
        retrievalEscrow.prove(JOB, terms, 1, _bitmap(1), proofOf("retrieval1"));
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotCovered.selector, JOB, 1));
        retrievalEscrow.publish(JOB, terms, keccak256("openings"), "");
        _accept();
        vm.prank(seller);
        retrievalEscrow.publish(JOB, terms, keccak256("openings"), "");
        assertEq(retrievalEscrow.creditOf(ETHER, seller), PRICE);

        uint256 count;
        for (uint256 item = 0; item < terms.items; ++item) {
            bool expected = _bitmap(item / terms.batch) >> (item % terms.batch) & 1 != 0;
            assertEq(retrievalEscrow.selected(JOB, item), expected);
            if (expected) ++count;
        }
        assertGt(count, 0);
        assertLt(count, terms.items);
    }

    /// forge-config: default.isolate = true
    function test_GasOfRealProof() public {
        _measure("retrieval: prove, first run", RUN_LIMIT);
    }

    function test_RevertWhen_JobIsAnother() public {
        uint256 other = _open(retrievalEscrow);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        retrievalEscrow.prove(other, terms, 0, bitmap, proof);
        _accept();
    }

    function test_RevertWhen_RecipientIsAnother() public {
        vm.revertToState(beforeOpening);
        terms.holder = stranger;
        _open(retrievalEscrow);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        retrievalEscrow.prove(JOB, terms, 0, bitmap, proof);
    }

    function test_RevertWhen_ContractIsAnother() public {
        RetrievalEscrow other = RetrievalEscrow(placeRetrievalEscrow("other escrow"));
        _open(other);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        other.prove(JOB, terms, 0, bitmap, proof);
        _accept();
    }

    function test_RevertWhen_CollectionIsAnother() public {
        vm.revertToState(beforeOpening);
        terms.collectionRoot ^= 1;
        _open(retrievalEscrow);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        retrievalEscrow.prove(JOB, terms, 0, bitmap, proof);
    }

    /// @dev Threat: a holder hides a selected item, or adds one.
    function test_RevertWhen_BitmapIsAnother() public {
        for (uint256 other = 0; other < 2 ** terms.batch; ++other) {
            if (other == bitmap) continue;
            vm.expectRevert(VerifierErrors.ProofInvalid.selector);
            retrievalEscrow.prove(JOB, terms, 0, other, proof);
        }
        vm.expectRevert(abi.encodeWithSelector(Errors.BitmapOutOfRange.selector, bitmap + R, terms.batch));
        retrievalEscrow.prove(JOB, terms, 0, bitmap + R, proof);
        _accept();
    }

    function test_RevertWhen_RunIsAnother() public {
        bytes memory second = proofOf("retrieval1");
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        retrievalEscrow.prove(JOB, terms, 1, bitmap, proof);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        retrievalEscrow.prove(JOB, terms, 0, _bitmap(1), second);
        _accept();
        vm.expectRevert(abi.encodeWithSelector(Errors.RunAlreadyProven.selector, 0));
        retrievalEscrow.prove(JOB, terms, 0, bitmap, proof);
    }

    function _open(RetrievalEscrow escrow) private returns (uint256 jobId) {
        vm.prank(buyer);
        return escrow.open{value: PRICE}(terms, retrieval.bindingHash, "");
    }

    function _bitmap(uint256 run) private view returns (uint256) {
        return publicInputsOf(string.concat("retrieval", vm.toString(run)))[4];
    }

    function _name() internal pure override returns (string memory) {
        return "retrieval0";
    }

    function _circuit() internal view override returns (Circuit memory) {
        return retrieval;
    }

    function _call(bytes memory shown) internal view override returns (address, bytes memory) {
        return
            (address(retrievalEscrow), abi.encodeCall(retrievalEscrow.prove, (JOB, terms, 0, bitmap, shown)));
    }

    function _state() internal view override returns (bytes memory) {
        return abi.encode(
            retrievalEscrow.getJob(JOB),
            _isAccepted(),
            retrievalEscrow.creditOf(ETHER, buyer),
            retrievalEscrow.creditOf(ETHER, seller),
            address(retrievalEscrow).balance
        );
    }

    function _isAccepted() internal view override returns (bool) {
        try retrievalEscrow.bitmapOf(JOB, 0) returns (uint256) {
            return true;
        } catch {
            return false;
        }
    }
}
