// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IHalo2Verifier} from "../../src/interfaces/IHalo2Verifier.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice What the generated verifiers answer to a bad proof.
interface VerifierErrors {
    error ProofLength();
    error VerifyingKeyFormat();
    error PublicInputNotInField(uint256);
    error PointNotOnCurve(uint256);
    error PrecompileFailed();
    error ProofInvalid();
}

/// @notice The registry with the three circuits of one network, as `scripts/contract-fixtures.sh` made them
/// with the real prover: predictions, audits and retrieval. Every contract stands at an address that its name
/// decides, because proofs are bound to chain and contract; the fixture's keys are of a development setup.
abstract contract ProofFixture is Test {
    /// @dev A circuit of the network, registered and bound.
    struct Circuit {
        uint256 modelId;
        bytes32 bindingHash;
        bytes32 modelHash;
        bytes32 circuitHash;
        address vk;
        address verifier;
    }

    address internal constant ETHER = address(0);
    bytes4 internal constant PROOF_SYSTEM = 0x301c92ec;
    uint256 internal constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    /// @dev The chain that the proofs are bound to.
    uint256 internal constant CHAIN = 31337;
    uint96 internal constant PRICE = 1 ether;
    string private constant FOLDER = "contracts/test/fixtures/";

    ModelRegistry internal registry;
    Circuit internal prediction;
    Circuit internal audit;
    Circuit internal retrieval;
    address internal buyer = makeAddr("buyer");
    address internal seller = makeAddr("seller");
    address internal stranger = makeAddr("stranger");

    function setUp() public virtual {
        vm.chainId(CHAIN);
        vm.warp(1_800_000_000);
        vm.roll(1_000);
        vm.deal(buyer, 1_000 ether);
        vm.deal(seller, 1_000 ether);
        bytes memory noCeremony = abi.encode(new bytes32[](0));
        registry = ModelRegistry(place("registry", Shipped.code("ModelRegistry"), noCeremony));
        prediction = bindCircuit("prediction");
        audit = bindCircuit("audit");
        retrieval = bindCircuit("retrieval");
    }

    /// @dev Runs a constructor at the address that the name gives: always the same, whatever was deployed.
    function place(string memory name, bytes memory creationCode, bytes memory arguments)
        internal
        returns (address account)
    {
        account = makeAddr(name);
        vm.etch(account, bytes.concat(creationCode, arguments));
        (bool constructed, bytes memory code) = account.call("");
        assertTrue(constructed, name);
        vm.etch(account, code);
    }

    /// @dev A file of the fixture.
    function fixture(string memory name) internal view returns (string memory json) {
        return vm.readFile(string.concat(FOLDER, name, ".json"));
    }

    function proofOf(string memory name) internal view returns (bytes memory proof) {
        return vm.parseJsonBytes(fixture("proofs"), string.concat(".", name, ".proof"));
    }

    function publicInputsOf(string memory name) internal view returns (uint256[] memory) {
        return vm.parseJsonUintArray(fixture("proofs"), string.concat(".", name, ".publicInputs"));
    }

    function inputOf(uint256 item) internal view returns (uint256 commitment) {
        return vm.parseJsonUintArray(fixture("prediction"), ".inputs")[item];
    }

    /// @dev What the network sees in an input; `assay model predict` says so, and the proof shows it.
    function classOf(uint256 item) internal view returns (uint256 class) {
        return vm.parseJsonUintArray(fixture("prediction"), ".classes")[item];
    }

    function bindCircuit(string memory name) internal returns (Circuit memory circuit) {
        string memory json = fixture(name);
        circuit.modelHash = vm.parseJsonBytes32(json, ".modelHash");
        circuit.circuitHash = vm.parseJsonBytes32(json, ".circuitHash");
        circuit.vk = makeAddr(string.concat(name, " key"));
        vm.etch(circuit.vk, vm.parseJsonBytes(json, ".vkCode"));
        circuit.verifier =
            place(string.concat(name, " verifier"), vm.parseJsonBytes(json, ".verifierInitCode"), "");
        vm.prank(seller);
        (circuit.modelId, circuit.bindingHash) = registry.registerBoundModel(
            IERCZKMLRegistry.ModelCommitment({
                modelHash: circuit.modelHash,
                circuitHash: circuit.circuitHash,
                vkHash: vm.parseJsonBytes32(json, ".vkHash"),
                proofSystemId: PROOF_SYSTEM,
                uri: "ipfs://model"
            }),
            circuit.vk,
            circuit.verifier
        );
    }

    function verify(Circuit memory circuit, bytes memory proof, uint256[] memory publicInputs)
        internal
        view
        returns (bytes32 weightsHash)
    {
        return IHalo2Verifier(circuit.verifier).verify(circuit.vk, proof, publicInputs);
    }
}
