// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {StatementScenarios} from "./StatementScenarios.sol";

/// @notice Tells `scripts/statement-fixtures.sh` what to bind the proofs to, and checks that they are.
contract StatementContextsTest is StatementScenarios {
    /// @notice Writes the context of every use, by name, as JSON. Run with `forge script`.
    function run(string calldata path) external {
        string[4] memory names = ["classification4", "classification16", "commitment", "service"];
        string memory json;
        for (uint256 i = 0; i < names.length; ++i) {
            json = vm.serializeBytes32("contexts", names[i], bytes32(contextOf(names[i])));
        }
        vm.writeJson(json, path);
    }

    /// @dev Fails when the contracts' hashes have changed: then run scripts/statement-fixtures.sh.
    function test_ProofsAreBoundToTheirScenarios() public view {
        for (uint256 i = 0; i < 2; ++i) {
            assertEq(publicInputsAt("classification4", i)[0], contextOf("classification4"));
            assertEq(publicInputsAt("classification4", 2 + i)[0], contextOf("service"));
        }
        assertEq(publicInputsAt("classification16", 0)[0], contextOf("classification16"));
        assertEq(publicInputsAt("commitment", 0)[0], contextOf("commitment"));
    }
}
