// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {ICustody} from "../../src/interfaces/ICustody.sol";
import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {MockVerifier} from "../doubles/VerifierDoubles.sol";
import {PermitToken, PlainToken} from "../doubles/Tokens.sol";
import {Keys} from "./Keys.sol";
import {one} from "../doubles/Words.sol";
import {Shipped} from "./Shipped.sol";

/// @notice A registry with one bound model, an escrow, a buyer, a seller and a bystander.
abstract contract Fixture is Test {
    address internal constant ETHER = address(0);
    bytes4 internal constant PROOF_SYSTEM = 0x301c92ec;
    uint256 internal constant R =
        21888242871839275222246405745257275088548364400416034343698204186575808495617;
    bytes32 internal constant WEIGHTS = keccak256("weights");
    bytes32 internal constant CIRCUIT = keccak256("circuit");
    uint256 internal constant INPUT = 0x1234;
    uint256 internal constant OUTPUT = 7;
    uint256 internal constant PRICE = 1 ether;
    /// @dev Name of the setup of the one ceremony that the registry knows.
    string internal constant CEREMONY = "ceremony";

    ModelRegistry internal registry;
    PredictionEscrow internal escrow;
    MockVerifier internal verifier;
    PlainToken internal token;
    PermitToken internal permitToken;
    address internal vk;
    uint256 internal modelId;
    bytes32 internal bindingHash;

    address internal buyer;
    uint256 internal buyerKey;
    address internal seller = makeAddr("seller");
    address internal stranger = makeAddr("stranger");

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        (buyer, buyerKey) = makeAddrAndKey("buyer");
        registry = Shipped.modelRegistry(ceremonies());
        escrow = Shipped.predictionEscrow(registry, false);
        verifier = new MockVerifier();
        token = new PlainToken();
        permitToken = new PermitToken();
        vk = makeKey("key", statement());
        (modelId, bindingHash) = bindModel(WEIGHTS, vk, address(verifier));

        vm.deal(buyer, 1_000 ether);
        token.mint(buyer, 1_000 ether);
        vm.prank(buyer);
        token.approve(address(escrow), type(uint256).max);
        permitToken.mint(buyer, 1_000 ether);
    }

    /// @dev What proofs of the bound model state.
    function statement() internal pure virtual returns (bytes32) {
        return Keys.PREDICTION;
    }

    function ceremonies() internal pure returns (bytes32[] memory setupIds) {
        setupIds = new bytes32[](1);
        setupIds[0] = Keys.setupId(CEREMONY);
    }

    /// @dev Puts a verifying key's data contract in place, with what the bound model's key states.
    function makeKey(string memory name) internal returns (address key) {
        return makeKey(name, statement());
    }

    function makeKey(string memory name, bytes32 stated) internal returns (address key) {
        return makeKey(name, stated, CEREMONY);
    }

    /// @dev A key of somebody's own setup.
    function makeDevKey(string memory name) internal returns (address key) {
        return makeKey(name, statement(), "own setup");
    }

    function makeKey(string memory name, bytes32 stated, string memory setup) internal returns (address key) {
        return placeKey(name, Keys.code(stated, Keys.GENERATOR, Keys.point(setup), name));
    }

    function placeKey(string memory name, bytes memory code) internal returns (address key) {
        key = makeAddr(name);
        vm.etch(key, code);
    }

    function commitmentTo(bytes32 modelHash, address key)
        internal
        view
        returns (IERCZKMLRegistry.ModelCommitment memory)
    {
        return IERCZKMLRegistry.ModelCommitment({
            modelHash: modelHash,
            circuitHash: CIRCUIT,
            vkHash: key.codehash,
            proofSystemId: PROOF_SYSTEM,
            uri: "ipfs://model"
        });
    }

    function bindModel(bytes32 modelHash, address key, address checker)
        internal
        returns (uint256 id, bytes32 hash)
    {
        return bindModelAs(seller, modelHash, key, checker);
    }

    /// @dev An owner can register a model once, so what is bound to other contracts has another owner.
    function bindModelAs(address owner, bytes32 modelHash, address key, address checker)
        internal
        returns (uint256 id, bytes32 hash)
    {
        IERCZKMLRegistry.ModelCommitment memory commitment = commitmentTo(modelHash, key);
        vm.prank(owner);
        return registry.registerBoundModel(commitment, key, checker);
    }

    /// @dev The bound model, registered by somebody else and bound to another verifier.
    function bindTo(address checker) internal returns (uint256 id, bytes32 hash) {
        return bindModelAs(makeAddr("other owner"), WEIGHTS, vk, checker);
    }

    function orderIn(address token_, uint256 price) internal view returns (IPredictionEscrow.Order memory) {
        return IPredictionEscrow.Order({
            modelId: modelId,
            bindingHash: bindingHash,
            inputCommitment: INPUT,
            items: 1,
            token: token_,
            price: price,
            deadline: uint64(block.timestamp + 1 days),
            notice: 0,
            callbackGas: 0,
            hint: "ipfs://input"
        });
    }

    function openEther() internal returns (uint256 jobId) {
        vm.prank(buyer);
        return escrow.open{value: PRICE}(orderIn(ETHER, PRICE));
    }

    function openIn(address token_) internal returns (uint256 jobId) {
        vm.prank(buyer);
        return escrow.open(orderIn(token_, PRICE));
    }

    function proofFor(uint256 jobId, address recipient, uint256 output) internal view returns (bytes memory) {
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = escrow.contextOf(jobId, recipient);
        publicInputs[1] = INPUT;
        publicInputs[2] = output;
        return mockProof(WEIGHTS, publicInputs);
    }

    /// @dev What the mock verifier takes for a proof of these public inputs by a model with these weights.
    function mockProof(bytes32 weights, uint256[] memory publicInputs) internal view returns (bytes memory) {
        return abi.encode(weights, keccak256(abi.encode(vk.codehash, publicInputs)));
    }

    /// @dev A permit over `permitToken` for exactly `amount`, by the owner of `key`.
    function signPermit(uint256 key, address spender, uint256 amount)
        internal
        view
        returns (ICustody.Permit memory permit)
    {
        address owner = vm.addr(key);
        permit.deadline = block.timestamp + 1 hours;
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
                ),
                owner,
                spender,
                amount,
                permitToken.nonces(owner),
                permit.deadline
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", permitToken.DOMAIN_SEPARATOR(), structHash));
        (permit.v, permit.r, permit.s) = vm.sign(key, digest);
    }

    function claimFor(uint256 jobId, address recipient) internal {
        escrow.claim(jobId, 0, recipient, one(OUTPUT), proofFor(jobId, recipient, OUTPUT));
    }

    function stateOf(uint256 jobId) internal view returns (IPredictionEscrow.State) {
        return escrow.getJob(jobId).state;
    }

    function assertState(uint256 jobId, IPredictionEscrow.State expected) internal view {
        assertEq(uint8(stateOf(jobId)), uint8(expected), "job state");
    }
}
