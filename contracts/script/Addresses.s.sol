// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Script} from "forge-std/Script.sol";

import {AuditEscrow} from "../src/AuditEscrow.sol";
import {InferenceVerifier} from "../src/InferenceVerifier.sol";
import {ModelRegistry} from "../src/ModelRegistry.sol";
import {PredictionEscrow} from "../src/PredictionEscrow.sol";
import {ResultRegistry} from "../src/ResultRegistry.sol";
import {RetrievalEscrow} from "../src/RetrievalEscrow.sol";
import {ServiceBond} from "../src/ServiceBond.sol";
import {Ceremonies} from "../src/libraries/Ceremonies.sol";
import {ProofVerifierAdapter} from "../src/adapters/ProofVerifierAdapter.sol";

/// @title The contracts that need no model, and their addresses
/// @notice `assay deploy` is what deploys them. This lists them once more, from the contracts alone, so that its
/// addresses, and with them its constructor arguments, can be compared. Sends nothing.
///
///   forge script contracts/script/Addresses.s.sol --sig 'run(string,bool)' contracts/cache/addresses.json true
contract Addresses is Script {
    /// @dev `initCode` has the constructor's arguments; `account` is where the proxy puts it (EIP-1014).
    struct Planned {
        string name;
        bytes initCode;
        address account;
    }

    /// @notice Salt of every contract.
    bytes32 public constant SALT = keccak256("assay-v1");

    Planned[] private _planned;

    /// @notice Writes the addresses as JSON, by name.
    function run(string calldata path, bool allowDevSetup) external {
        Planned[] memory planned = list(allowDevSetup);
        string memory json;
        for (uint256 i = 0; i < planned.length; ++i) {
            json = vm.serializeAddress("addresses", planned[i].name, planned[i].account);
        }
        vm.writeJson(json, path);
    }

    /// @notice The contracts in an order in which they can be deployed.
    function list(bool allowDevSetup) public returns (Planned[] memory) {
        delete _planned;
        address models =
            _plan("ModelRegistry", type(ModelRegistry).creationCode, abi.encode(Ceremonies.known()));
        bytes memory verification = abi.encode(models, allowDevSetup);
        address results = _plan("ResultRegistry", type(ResultRegistry).creationCode, abi.encode(models));
        address inference = _plan("InferenceVerifier", type(InferenceVerifier).creationCode, verification);
        _plan("ProofVerifierAdapter", type(ProofVerifierAdapter).creationCode, abi.encode(inference));
        _plan("PredictionEscrow", type(PredictionEscrow).creationCode, verification);
        _plan("ServiceBond", type(ServiceBond).creationCode, verification);
        _plan("AuditEscrow", type(AuditEscrow).creationCode, abi.encode(models, results, allowDevSetup));
        _plan("RetrievalEscrow", type(RetrievalEscrow).creationCode, verification);
        return _planned;
    }

    function _plan(string memory name, bytes memory code, bytes memory arguments)
        private
        returns (address account)
    {
        bytes memory initCode = bytes.concat(code, arguments);
        account = vm.computeCreate2Address(SALT, keccak256(initCode), CREATE2_FACTORY);
        _planned.push(Planned(name, initCode, account));
    }
}
