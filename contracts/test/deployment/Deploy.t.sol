// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Deploy} from "../../script/Deploy.s.sol";
import {AuditEscrow} from "../../src/AuditEscrow.sol";
import {InferenceVerifier} from "../../src/InferenceVerifier.sol";
import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {ResultRegistry} from "../../src/ResultRegistry.sol";
import {RetrievalEscrow} from "../../src/RetrievalEscrow.sol";
import {ServiceBond} from "../../src/ServiceBond.sol";
import {ProofVerifierAdapter} from "../../src/adapters/ProofVerifierAdapter.sol";

contract DeployTest is Test {
    address internal constant PROXY = 0x4e59b44847b379578588920cA78FbF26c0B4956C;
    string internal constant FOLDER = "contracts/cache/";

    Deploy internal script;

    function setUp() public {
        script = new Deploy();
    }

    function test_ContractsAreDeployedAndWired() public {
        script.deploy(false);
        address registry = _at(0, "ModelRegistry");
        assertEq(ModelRegistry(registry).modelCount(), 0);
        assertEq(ResultRegistry(_at(1, "ResultRegistry")).registry(), registry);
        address inference = _at(2, "InferenceVerifier");
        assertEq(InferenceVerifier(inference).registry(), registry);
        assertEq(
            address(ProofVerifierAdapter(_at(3, "ProofVerifierAdapter")).INFERENCE_VERIFIER()), inference
        );
        assertEq(PredictionEscrow(_at(4, "PredictionEscrow")).registry(), registry);
        assertEq(ServiceBond(_at(5, "ServiceBond")).registry(), registry);
        AuditEscrow audit = AuditEscrow(_at(6, "AuditEscrow"));
        assertEq(audit.registry(), registry);
        assertEq(audit.results(), _at(1, "ResultRegistry"));
        RetrievalEscrow retrieval = RetrievalEscrow(_at(7, "RetrievalEscrow"));
        assertEq(retrieval.registry(), registry);
        assertEq(script.deploymentCount(), 8);
        assertFalse(InferenceVerifier(inference).allowDevSetup());
        assertFalse(PredictionEscrow(_at(4, "PredictionEscrow")).allowDevSetup());
        assertFalse(ServiceBond(_at(5, "ServiceBond")).allowDevSetup());
        assertFalse(audit.allowDevSetup());
        assertFalse(retrieval.allowDevSetup());
    }

    /// @dev Addresses follow from the build alone: not from the sender, nor from what it did before.
    function test_AddressesAreDeterministic() public {
        uint256 start = vm.snapshotState();
        script.deploy(false);
        address[] memory first = _addresses();
        vm.revertToState(start);
        script = new Deploy();
        script = new Deploy();
        script.deploy(false);
        assertEq(_addresses(), first);
        assertEq(
            first[0],
            vm.computeCreate2Address(
                keccak256("assay-v1"), keccak256(type(ModelRegistry).creationCode), PROXY
            )
        );
    }

    function test_SecondRunFindsEverything() public {
        script.deploy(false);
        address[] memory first = _addresses();
        uint64 created = vm.getNonce(PROXY);
        script.deploy(false);
        assertEq(_addresses(), first);
        assertEq(vm.getNonce(PROXY), created, "deployed again");
    }

    /// @dev Contracts that admit forgeable keys have addresses of their own.
    function test_DevSetupOnDevelopmentChainsOnly() public {
        script.deploy(false);
        address[] memory strict = _addresses();
        script.deploy(true);
        assertTrue(InferenceVerifier(_at(2, "InferenceVerifier")).allowDevSetup());
        assertTrue(PredictionEscrow(_at(4, "PredictionEscrow")).allowDevSetup());
        assertTrue(ServiceBond(_at(5, "ServiceBond")).allowDevSetup());
        assertTrue(AuditEscrow(_at(6, "AuditEscrow")).allowDevSetup());
        assertTrue(RetrievalEscrow(_at(7, "RetrievalEscrow")).allowDevSetup());
        assertEq(_at(0, "ModelRegistry"), strict[0]);
        assertNotEq(_at(5, "ServiceBond"), strict[5]);
        vm.chainId(1);
        vm.expectRevert(abi.encodeWithSelector(Deploy.DevSetupOnPublicChain.selector, 1));
        script.deploy(true);
        script.deploy(false);
    }

    function test_RevertWhen_ChainLacksProxy() public {
        vm.etch(PROXY, "");
        vm.expectRevert(abi.encodeWithSelector(Deploy.NoDeploymentProxy.selector, PROXY));
        script.deploy(false);
        // Something else at its address, which deploys nothing.
        vm.etch(PROXY, hex"00");
        vm.expectPartialRevert(Deploy.DeploymentFailed.selector);
        script.deploy(false);
    }

    function test_AddressesAreWritten() public {
        script.deploy(false);
        string memory path = string.concat(FOLDER, "deploy-test.json");
        script.write(path, false);
        string memory json = vm.readFile(path);
        assertEq(vm.parseJsonUint(json, ".chainId"), block.chainid);
        assertEq(vm.parseJsonUint(json, ".block"), block.number);
        assertFalse(vm.parseJsonBool(json, ".allowDevSetup"));
        assertEq(vm.parseJsonBytes32(json, ".salt"), script.SALT());
        assertEq(vm.parseJsonAddress(json, ".contracts.ServiceBond.address"), _at(5, "ServiceBond"));
        assertEq(vm.parseJsonBytes32(json, ".contracts.ServiceBond.codeHash"), _at(5, "ServiceBond").codehash);
        assertEq(vm.parseJsonKeys(json, ".contracts").length, script.deploymentCount());
        vm.removeFile(path);
    }

    /// @dev A later run that finds the contracts must not hide their older events.
    function test_BlockOfTheDeploymentIsKept() public {
        string memory path = string.concat(FOLDER, "deploy-test-kept.json");
        vm.roll(1_000);
        script.deploy(false);
        script.write(path, false);
        vm.roll(2_000);
        script.deploy(false);
        script.write(path, false);
        assertEq(_blockIn(path), 1_000);
        // As after a run that broke off: some are new.
        address last = _at(7, "RetrievalEscrow");
        vm.etch(last, "");
        vm.resetNonce(last);
        script.deploy(false);
        assertEq(script.foundCount(), 7);
        script.write(path, false);
        assertEq(_blockIn(path), 1_000);
        vm.removeFile(path);
    }

    /// @dev The file of a chain that was begun anew says nothing about this one.
    function test_BlockIsThatOfNewContracts() public {
        string memory path = string.concat(FOLDER, "deploy-test-new.json");
        uint256 start = vm.snapshotState();
        vm.roll(1_000);
        script.deploy(false);
        script.write(path, false);
        vm.revertToState(start);
        vm.roll(30);
        script.deploy(false);
        script.write(path, false);
        assertEq(_blockIn(path), 30);
        vm.removeFile(path);
    }

    /// @dev Found, without a file that knows since when: no file, one of other contracts, one from the future.
    function test_BlockOfUnknownDeploymentIsTheFirst() public {
        string memory path = string.concat(FOLDER, "deploy-test-unknown.json");
        vm.roll(1_000);
        script.deploy(false);
        script.deploy(false);
        script.write(path, false);
        assertEq(_blockIn(path), 0);
        vm.writeJson("7", path, ".block");
        script.write(path, false);
        assertEq(_blockIn(path), 7);
        vm.writeJson("1001", path, ".block");
        script.write(path, false);
        assertEq(_blockIn(path), 0);

        vm.writeJson("7", path, ".block");
        script.deploy(true);
        script.write(path, true);
        assertEq(_blockIn(path), 0);
        vm.writeFile(path, "{}");
        script.write(path, true);
        assertEq(_blockIn(path), 0);
        vm.removeFile(path);
    }

    /// @dev A test sends nothing either.
    function test_NothingIsWrittenWithoutTransactions() public {
        vm.chainId(0xA55A);
        string memory path = string.concat("contracts/deployments/", vm.toString(block.chainid), ".json");
        script.run();
        assertEq(script.deploymentCount(), 8);
        assertFalse(vm.exists(path), path);
    }

    function _blockIn(string memory path) private view returns (uint256) {
        return vm.parseJsonUint(vm.readFile(path), ".block");
    }

    function _at(uint256 index, string memory expected) private view returns (address account) {
        string memory name;
        bytes32 codeHash;
        (name, account, codeHash) = script.deployments(index);
        assertEq(name, expected);
        assertEq(account.codehash, codeHash);
        assertGt(account.code.length, 0);
    }

    function _addresses() private view returns (address[] memory list) {
        list = new address[](script.deploymentCount());
        for (uint256 i = 0; i < list.length; ++i) {
            (, list[i],) = script.deployments(i);
        }
    }
}
