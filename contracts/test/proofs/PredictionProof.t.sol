// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {VerifierErrors} from "./ProofFixture.sol";
import {ProofRefusals} from "./ProofRefusals.sol";
import {one} from "../doubles/Words.sol";

/// @notice A prediction bounty that a real proof claims.
contract PredictionProofTest is ProofRefusals {
    uint256 internal class;
    uint256 internal beforeOpening;

    function setUp() public override {
        super.setUp();
        class = classOf(0);
        beforeOpening = vm.snapshotState();
        _open(predictionEscrow, inputOf(0));
    }

    function test_ClaimPaysTheRecipient() public {
        _accept();
        assertEq(predictionEscrow.outputOf(JOB), publicInputsOf(_name())[2]);
        assertEq(predictionEscrow.outputOf(JOB), class);
        assertEq(predictionEscrow.creditOf(ETHER, seller), PRICE);
    }

    /// forge-config: default.isolate = true
    function test_GasOfRealProof() public {
        _measure("prediction: claim", CLAIM_LIMIT);
    }

    function test_RevertWhen_JobIsAnother() public {
        uint256 other = _open(predictionEscrow, inputOf(0));
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        predictionEscrow.claim(other, 0, seller, one(class), proof);
        _accept();
    }

    function test_RevertWhen_RecipientIsAnother() public {
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        predictionEscrow.claim(JOB, 0, stranger, one(class), proof);
        _accept();
    }

    function test_RevertWhen_ContractIsAnother() public {
        PredictionEscrow other = PredictionEscrow(placeEscrow("other escrow"));
        _open(other, inputOf(0));
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        other.claim(JOB, 0, seller, one(class), proof);
        _accept();
    }

    function test_RevertWhen_OutputIsAnother() public {
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        predictionEscrow.claim(JOB, 0, seller, one(class + 1), proof);
        vm.expectRevert(abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 2, class + R));
        predictionEscrow.claim(JOB, 0, seller, one(class + R), proof);
        _accept();
    }

    /// @dev The same contract and job id, as after a reorganization, but for another input.
    function test_RevertWhen_InputIsAnother() public {
        vm.revertToState(beforeOpening);
        _open(predictionEscrow, inputOf(1));
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        predictionEscrow.claim(JOB, 0, seller, one(class), proof);
    }

    function _open(PredictionEscrow escrow, uint256 input) private returns (uint256 jobId) {
        vm.prank(buyer);
        return escrow.open{value: PRICE}(
            IPredictionEscrow.Order({
                modelId: prediction.modelId,
                bindingHash: prediction.bindingHash,
                inputCommitment: input,
                items: 1,
                token: ETHER,
                price: PRICE,
                deadline: uint64(block.timestamp + 1 days),
                notice: 0,
                callbackGas: 0,
                hint: ""
            })
        );
    }

    function _name() internal pure override returns (string memory) {
        return "prediction";
    }

    function _circuit() internal view override returns (Circuit memory) {
        return prediction;
    }

    function _call(bytes memory shown) internal view override returns (address, bytes memory) {
        return (
            address(predictionEscrow),
            abi.encodeCall(predictionEscrow.claim, (JOB, 0, seller, one(class), shown))
        );
    }

    function _state() internal view override returns (bytes memory) {
        return abi.encode(
            predictionEscrow.getJob(JOB),
            predictionEscrow.creditOf(ETHER, buyer),
            predictionEscrow.creditOf(ETHER, seller),
            address(predictionEscrow).balance
        );
    }

    function _isAccepted() internal view override returns (bool) {
        return predictionEscrow.getJob(JOB).state == IPredictionEscrow.State.Claimed;
    }
}
