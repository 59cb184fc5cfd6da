// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {BatchFixture} from "../prediction/BatchFixture.sol";
import {Keys} from "../shared/Keys.sol";
import {GasMeter} from "./GasMeter.sol";

/// @notice Predictions of a collection, in runs of 2^log items with the words that these have.
abstract contract BatchGas is BatchFixture, GasMeter {
    uint256 private constant RUN_CLAIM_LIMIT = 90_000;

    function _log() internal pure virtual returns (uint8);

    function statement() internal pure override returns (bytes32) {
        return Keys.classification(_log());
    }

    function setUp() public override {
        super.setUp();
        // The first job ever pays for slots that all later ones find in use.
        _open();
        _open();
    }

    function _openABatch() internal {
        _open();
        assertGas(_named("open, ether"), OPEN_LIMIT);
    }

    /// @dev Above a transaction that only verifies the proof: the first run, whose recipient has no credit yet, one
    /// between, and the last.
    function _claimRuns() internal {
        for (uint256 run = 0; run < 3; ++run) {
            (bytes memory proof, uint256[] memory publicInputs, uint256[] memory outputs) = _run(1, run);
            measureVerification(address(verifier), vk, proof, publicInputs);
            escrow.claim(1, run, seller, outputs, proof);
            string memory name = run == 0 ? "first" : run == 1 ? "second" : "last";
            assertGasAboveVerification(
                _named(string.concat("claim, ", name, " run, above verification")), RUN_CLAIM_LIMIT
            );
        }
    }

    /// @dev Two runs in one transaction.
    function _claimTwoRunsAtOnce() internal {
        bytes[] memory calls = new bytes[](2);
        for (uint256 run = 0; run < 2; ++run) {
            (bytes memory proof,, uint256[] memory outputs) = _run(2, run);
            calls[run] = abi.encodeCall(escrow.claim, (2, run, seller, outputs, proof));
        }
        escrow.multicall(calls);
        assertGas(_named("two runs at once, with a mock verifier"), 2 * RUN_CLAIM_LIMIT);
    }

    function _named(string memory call) private pure returns (string memory) {
        string memory items = vm.toString(2 ** uint256(_log()));
        return string.concat("prediction: ", call, ", runs of ", items);
    }

    function _open() private {
        IPredictionEscrow.Order memory order = batchOrder(ETHER);
        order.items = 3 * 2 ** uint256(_log());
        openOrder(order);
    }

    function _run(uint256 jobId, uint256 run)
        private
        view
        returns (bytes memory proof, uint256[] memory publicInputs, uint256[] memory outputs)
    {
        uint256 items = 2 ** uint256(_log());
        outputs = new uint256[]((items + 14) / 15);
        for (uint256 i = 0; i < items; ++i) {
            outputs[i / 15] |= (1 + i % 10) << (16 * (i % 15));
        }
        publicInputs = new uint256[](4 + outputs.length);
        publicInputs[0] = escrow.contextOf(jobId, seller);
        (publicInputs[1], publicInputs[2], publicInputs[3]) = (ROOT, run * items, items);
        for (uint256 i = 0; i < outputs.length; ++i) {
            publicInputs[4 + i] = outputs[i];
        }
        proof = mockProof(WEIGHTS, publicInputs);
    }
}

contract SixteenItemsGasTest is BatchGas {
    /// forge-config: default.isolate = true
    function test_GasOfOpeningABatch() public {
        _openABatch();
    }

    /// forge-config: default.isolate = true
    function test_GasOfRunsAboveVerification() public {
        _claimRuns();
    }

    /// forge-config: default.isolate = true
    function test_GasOfTwoRunsAtOnce() public {
        _claimTwoRunsAtOnce();
    }

    function _log() internal pure override returns (uint8) {
        return 4;
    }
}

contract SixtyFourItemsGasTest is BatchGas {
    /// forge-config: default.isolate = true
    function test_GasOfOpeningABatch() public {
        _openABatch();
    }

    /// forge-config: default.isolate = true
    function test_GasOfRunsAboveVerification() public {
        _claimRuns();
    }

    /// forge-config: default.isolate = true
    function test_GasOfTwoRunsAtOnce() public {
        _claimTwoRunsAtOnce();
    }

    function _log() internal pure override returns (uint8) {
        return 6;
    }
}
