// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Script} from "forge-std/Script.sol";
import {VmSafe} from "forge-std/Vm.sol";

import {InferenceVerifier} from "../src/InferenceVerifier.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {PredictionEscrow} from "../src/PredictionEscrow.sol";
import {AuditEscrow} from "../src/AuditEscrow.sol";
import {ResultRegistry} from "../src/ResultRegistry.sol";
import {RetrievalEscrow} from "../src/RetrievalEscrow.sol";
import {ServiceBond} from "../src/ServiceBond.sol";
import {ProofVerifierAdapter} from "../src/adapters/ProofVerifierAdapter.sol";

/// @title Deployment of everything that needs no model
/// @notice Each contract goes through the deterministic deployment proxy (CREATE2), so that its address is
/// a hash of the proxy, the salt and its init code with the constructor's arguments: the same build has the
/// same addresses on every chain, whoever sends the transactions, and code at such an address is code of
/// this build. What is there already is left alone, so a run that broke off is repeated.
///
///   forge script contracts/script/Deploy.s.sol --rpc-url URL --broadcast --private-key ...
///
/// Environment: ALLOW_DEV_SETUP=true admits keys of locally made trusted setups, on development chains
/// only (31337, 1337). A run that broadcasts writes the addresses to contracts/deployments/CHAIN.json; one
/// that does not only says whether it would work.
contract Deploy is Script {
    struct Deployment {
        string name;
        address account;
        bytes32 codeHash;
    }

    /// @notice Salt of every contract. A new protocol version may take another one.
    bytes32 public constant SALT = keccak256("assay-v1");

    /// @notice What was deployed or found, in the order of deployment.
    Deployment[] public deployments;

    /// @notice How many of them were there already.
    uint256 public foundCount;

    /// @notice The chain lacks the deterministic deployment proxy.
    error NoDeploymentProxy(address proxy);
    /// @notice Keys that anybody may be able to forge proofs with, where money may be real.
    error DevSetupOnPublicChain(uint256 chainId);
    /// @notice The proxy did not deploy the contract.
    error DeploymentFailed(string name, address expected);

    /// @notice Deploys with the environment's settings. Writes the file of addresses if the transactions are
    /// sent: otherwise it would name contracts that are not there.
    function run() external {
        bool allowDevSetup = vm.envOr("ALLOW_DEV_SETUP", false);
        vm.startBroadcast();
        deploy(allowDevSetup);
        vm.stopBroadcast();
        bool sent = vm.isContext(VmSafe.ForgeContext.ScriptBroadcast)
            || vm.isContext(VmSafe.ForgeContext.ScriptResume);
        if (!sent) return;
        vm.createDir("contracts/deployments", true);
        write(string.concat("contracts/deployments/", vm.toString(block.chainid), ".json"), allowDevSetup);
    }

    /// @notice Deploys what is not there yet.
    function deploy(bool allowDevSetup) public {
        if (allowDevSetup && block.chainid != 31337 && block.chainid != 1337) {
            revert DevSetupOnPublicChain(block.chainid);
        }
        if (CREATE2_FACTORY.code.length == 0) revert NoDeploymentProxy(CREATE2_FACTORY);
        delete deployments;
        foundCount = 0;

        address modelRegistry = _deploy("ModelRegistry", type(ModelRegistry).creationCode, "");
        bytes memory registry = abi.encode(modelRegistry);
        bytes memory verification = bytes.concat(registry, abi.encode(allowDevSetup));
        address results = _deploy("ResultRegistry", type(ResultRegistry).creationCode, registry);
        address inference = _deploy("InferenceVerifier", type(InferenceVerifier).creationCode, verification);
        _deploy("ProofVerifierAdapter", type(ProofVerifierAdapter).creationCode, abi.encode(inference));
        _deploy("PredictionEscrow", type(PredictionEscrow).creationCode, verification);
        _deploy("ServiceBond", type(ServiceBond).creationCode, verification);
        _deploy(
            "AuditEscrow", type(AuditEscrow).creationCode, abi.encode(modelRegistry, results, allowDevSetup)
        );
        _deploy("RetrievalEscrow", type(RetrievalEscrow).creationCode, verification);
    }

    /// @notice Writes names, addresses and code hashes as JSON, and a block before which none of the
    /// contracts has events.
    function write(string memory path, bool allowDevSetup) public {
        uint256 since = _since(path);
        string memory contracts;
        for (uint256 i = 0; i < deployments.length; ++i) {
            Deployment storage deployment = deployments[i];
            vm.serializeAddress(deployment.name, "address", deployment.account);
            string memory entry = vm.serializeBytes32(deployment.name, "codeHash", deployment.codeHash);
            contracts = vm.serializeString("contracts", deployment.name, entry);
        }
        vm.serializeUint("deployment", "chainId", block.chainid);
        vm.serializeUint("deployment", "block", since);
        vm.serializeBool("deployment", "allowDevSetup", allowDevSetup);
        vm.serializeBytes32("deployment", "salt", SALT);
        vm.writeJson(vm.serializeString("deployment", "contracts", contracts), path);
    }

    /// @notice Number of entries of {deployments}.
    function deploymentCount() external view returns (uint256) {
        return deployments.length;
    }

    function _deploy(string memory name, bytes memory code, bytes memory arguments)
        private
        returns (address account)
    {
        bytes memory initCode = bytes.concat(code, arguments);
        account = vm.computeCreate2Address(SALT, keccak256(initCode), CREATE2_FACTORY);
        if (account.code.length == 0) {
            (bool deployed,) = CREATE2_FACTORY.call(bytes.concat(SALT, initCode));
            if (!deployed || account.code.length == 0) revert DeploymentFailed(name, account);
        } else {
            ++foundCount;
        }
        deployments.push(Deployment(name, account, account.codehash));
    }

    /// @dev This block if everything is new. What was there may have events of any block up to now: then the
    /// block of a file that has the same contracts, else the chain's first.
    function _since(string memory path) private view returns (uint256) {
        if (foundCount == 0) return block.number;
        if (!vm.exists(path)) return 0;
        string memory json = vm.readFile(path);
        for (uint256 i = 0; i < deployments.length; ++i) {
            string memory key = string.concat(".contracts.", deployments[i].name, ".address");
            if (!vm.keyExistsJson(json, key)) return 0;
            if (vm.parseJsonAddress(json, key) != deployments[i].account) return 0;
        }
        if (!vm.keyExistsJson(json, ".block")) return 0;
        uint256 since = vm.parseJsonUint(json, ".block");
        // Later than now: of a development chain that was begun anew.
        return since > block.number ? 0 : since;
    }
}
