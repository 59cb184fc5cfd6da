// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IResultRegistry} from "../src/interfaces/IResultRegistry.sol";

/// @title A gate that only good models pass
/// @notice Fixes which certifier it trusts, on which test set and how long a test it asks for; a model is
/// good enough if at least 95 of 100 items were proven correct.
contract AccuracyGate {
    IResultRegistry public immutable RESULTS;
    address public immutable CERTIFIER;
    uint256 public immutable TEST_SET_ROOT;
    uint256 public immutable MIN_TOTAL;

    uint256 public modelInUse;

    error NotAccurateEnough(uint256 modelId, uint256 correct, uint256 total);

    constructor(IResultRegistry results, address certifier, uint256 testSetRoot, uint256 minTotal) {
        RESULTS = results;
        CERTIFIER = certifier;
        TEST_SET_ROOT = testSetRoot;
        MIN_TOTAL = minTotal;
    }

    /// @notice Puts a model into use. Open to anyone: the certified result decides.
    function use(uint256 modelId) external {
        IResultRegistry.Result memory result = RESULTS.resultOf(CERTIFIER, modelId, TEST_SET_ROOT, "top-1");
        // The total first: no result at all is 0 of 0.
        if (result.total < MIN_TOTAL || uint256(result.correct) * 100 < uint256(result.total) * 95) {
            revert NotAccurateEnough(modelId, result.correct, result.total);
        }
        modelInUse = modelId;
    }
}
