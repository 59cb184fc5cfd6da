// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ProofEvaluator} from "../../src/adapters/ProofEvaluator.sol";
import {AgenticCommerceDouble} from "../doubles/AgenticCommerceDouble.sol";
import {VerifierErrors} from "./ProofFixture.sol";
import {ProofRefusals} from "./ProofRefusals.sol";
import {one} from "../doubles/Words.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice An ERC-8183 job that a real proof completes. It names no recipient: the job pays its provider.
contract EvaluationProofTest is ProofRefusals {
    uint256 internal class;

    function setUp() public override {
        super.setUp();
        class = classOf(0);
        commerce.create(JOB, address(evaluator), AgenticCommerceDouble.Status.Submitted);
    }

    function test_RevertWhen_JobIsAnother() public {
        commerce.create(JOB + 1, address(evaluator), AgenticCommerceDouble.Status.Submitted);
        vm.expectRevert(VerifierErrors.ProofInvalid.selector);
        evaluator.evaluate(JOB + 1, one(class), proof);
        _accept();
    }

    /// @dev An evaluator of the same job, for the same input and for another.
    function test_RevertWhen_ContractIsAnother() public {
        for (uint256 item = 0; item < 2; ++item) {
            ProofEvaluator other = Shipped.proofEvaluator(
                registry, true, commerce, prediction.modelId, prediction.bindingHash, inputOf(item)
            );
            vm.expectRevert(VerifierErrors.ProofInvalid.selector);
            other.evaluate(JOB, one(class), proof);
        }
        _accept();
    }

    function _name() internal pure override returns (string memory) {
        return "evaluation";
    }

    function _circuit() internal view override returns (Circuit memory) {
        return prediction;
    }

    function _call(bytes memory shown) internal view override returns (address, bytes memory) {
        return (address(evaluator), abi.encodeCall(evaluator.evaluate, (JOB, one(class), shown)));
    }

    function _state() internal view override returns (bytes memory) {
        return abi.encode(_isAccepted());
    }

    function _isAccepted() internal view override returns (bool) {
        (, AgenticCommerceDouble.Status status,) = commerce.jobs(JOB);
        return status == AgenticCommerceDouble.Status.Completed;
    }
}
