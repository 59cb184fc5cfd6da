// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Addresses} from "../../script/Addresses.s.sol";
import {AuditEscrow} from "../../src/AuditEscrow.sol";
import {InferenceVerifier} from "../../src/InferenceVerifier.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {ResultRegistry} from "../../src/ResultRegistry.sol";
import {RetrievalEscrow} from "../../src/RetrievalEscrow.sol";
import {ServiceBond} from "../../src/ServiceBond.sol";
import {ProofVerifierAdapter} from "../../src/adapters/ProofVerifierAdapter.sol";
import {Ceremonies} from "../../src/libraries/Ceremonies.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice An address stands for init code and constructor arguments: what is shown here of the listed contracts
/// holds of all that have their addresses.
contract AddressesTest is Test {
    address internal constant PROXY = 0x4e59b44847b379578588920cA78FbF26c0B4956C;

    Addresses internal script;

    function setUp() public {
        script = _script();
    }

    function test_ContractsAreWired() public {
        Addresses.Planned[] memory planned = _deploy(false);
        address models = _at(planned, 0, "ModelRegistry");
        assertTrue(ModelRegistry(models).isCeremony(Ceremonies.HERMEZ));
        assertTrue(ModelRegistry(models).isCeremony(Ceremonies.RESPONSE_71));
        address results = _at(planned, 1, "ResultRegistry");
        assertEq(ResultRegistry(results).registry(), models);
        address inference = _at(planned, 2, "InferenceVerifier");
        assertEq(InferenceVerifier(inference).registry(), models);
        ProofVerifierAdapter adapter = ProofVerifierAdapter(_at(planned, 3, "ProofVerifierAdapter"));
        assertEq(address(adapter.INFERENCE_VERIFIER()), inference);
        assertEq(PredictionEscrow(_at(planned, 4, "PredictionEscrow")).registry(), models);
        assertEq(ServiceBond(_at(planned, 5, "ServiceBond")).registry(), models);
        AuditEscrow audit = AuditEscrow(_at(planned, 6, "AuditEscrow"));
        assertEq(audit.registry(), models);
        assertEq(audit.results(), results);
        assertEq(RetrievalEscrow(_at(planned, 7, "RetrievalEscrow")).registry(), models);
        assertEq(planned.length, 8);
    }

    /// @dev Contracts that admit forgeable keys have addresses of their own.
    function test_DevSetupIsPartOfTheAddress() public {
        Addresses.Planned[] memory strict = _deploy(false);
        Addresses.Planned[] memory lenient = _deploy(true);
        uint256[5] memory admitting = [uint256(2), 4, 5, 6, 7];
        for (uint256 i = 0; i < admitting.length; ++i) {
            // All have the function of that name.
            assertFalse(InferenceVerifier(strict[admitting[i]].account).allowDevSetup());
            assertTrue(InferenceVerifier(lenient[admitting[i]].account).allowDevSetup());
            assertNotEq(strict[admitting[i]].account, lenient[admitting[i]].account);
        }
        assertEq(strict[0].account, lenient[0].account);
        assertEq(strict[1].account, lenient[1].account);
        assertNotEq(strict[3].account, lenient[3].account);
    }

    /// @dev Not from the script, nor from what it did before.
    function test_AddressesFollowFromTheBuildAlone() public {
        bytes32 listed = keccak256(abi.encode(script.list(false)));
        script = _script();
        vm.roll(1_000);
        assertEq(keccak256(abi.encode(script.list(false))), listed);
        bytes memory models = bytes.concat(Shipped.code("ModelRegistry"), abi.encode(Ceremonies.known()));
        assertEq(
            script.list(false)[0].account,
            vm.computeCreate2Address(keccak256("assay-v1"), keccak256(models), PROXY)
        );
    }

    function test_AddressesAreWritten() public {
        string memory path = "contracts/cache/addresses-test.json";
        script.run(path, true);
        string memory json = vm.readFile(path);
        Addresses.Planned[] memory planned = script.list(true);
        assertEq(vm.parseJsonKeys(json, "$").length, planned.length);
        for (uint256 i = 0; i < planned.length; ++i) {
            assertEq(vm.parseJsonAddress(json, string.concat(".", planned[i].name)), planned[i].account);
        }
        vm.removeFile(path);
    }

    function _script() private returns (Addresses) {
        return Addresses(Shipped.create(Shipped.code("Addresses.s.sol", "Addresses")));
    }

    /// @dev As `assay deploy` does it. What is there already is left alone.
    function _deploy(bool allowDevSetup) private returns (Addresses.Planned[] memory planned) {
        planned = script.list(allowDevSetup);
        for (uint256 i = 0; i < planned.length; ++i) {
            if (planned[i].account.code.length != 0) continue;
            (bool deployed,) = PROXY.call(bytes.concat(script.SALT(), planned[i].initCode));
            assertTrue(deployed);
            assertGt(planned[i].account.code.length, 0, planned[i].name);
        }
    }

    function _at(Addresses.Planned[] memory planned, uint256 index, string memory expected)
        private
        pure
        returns (address)
    {
        assertEq(planned[index].name, expected);
        return planned[index].account;
    }
}
