// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ProofScenarios} from "./ProofScenarios.sol";

/// @notice Tells `scripts/contract-fixtures.sh` what to bind the proofs to, and checks that they are.
contract ProofContextsTest is ProofScenarios {
    /// @notice Writes the context of every proof, by name, as JSON. Run with `forge script`.
    function run(string calldata path) external {
        string[9] memory names = _names();
        string memory json;
        for (uint256 i = 0; i < names.length; ++i) {
            json = vm.serializeBytes32("contexts", names[i], bytes32(contextOf(names[i])));
        }
        vm.writeJson(json, path);
    }

    /// @dev Fails when the contracts' hashes have changed: then run scripts/contract-fixtures.sh.
    function test_ProofsAreBoundToTheirScenarios() public view {
        string[9] memory names = _names();
        for (uint256 i = 0; i < names.length; ++i) {
            assertEq(publicInputsOf(names[i])[0], contextOf(names[i]), names[i]);
        }
        assertEq(vm.parseJsonKeys(fixture("proofs"), "$").length, names.length, "proofs");
    }

    function _names() private pure returns (string[9] memory) {
        return [
            "prediction",
            "inference",
            "evaluation",
            "service0",
            "service1",
            "audit0",
            "audit1",
            "retrieval0",
            "retrieval1"
        ];
    }
}
