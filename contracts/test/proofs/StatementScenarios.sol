// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {ServiceBond} from "../../src/ServiceBond.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {Shipped} from "../shared/Shipped.sol";
import {ProofFixture} from "./ProofFixture.sol";

/// @notice What the proofs of `scripts/statement-fixtures.sh` are made for: three jobs of one escrow (the classes of six
/// items in runs of four, of sixteen in one run, and hidden outputs) and a batch of a service, about the six items. Every
/// recipient is the seller.
abstract contract StatementScenarios is ProofFixture {
    uint256 internal constant SIX = 1;
    uint256 internal constant SIXTEEN = 2;
    uint256 internal constant HIDDEN = 3;

    PredictionEscrow internal escrow;
    ServiceBond internal bond;
    Circuit internal six;
    Circuit internal sixteen;
    Circuit internal hidden;
    address internal signer;
    uint256 internal signerKey;

    function setUp() public virtual override {
        super.setUp();
        (signer, signerKey) = makeAddrAndKey("signer");
        bytes memory verification = abi.encode(registry, true);
        escrow = PredictionEscrow(place("escrow of runs", Shipped.code("PredictionEscrow"), verification));
        bond = ServiceBond(place("bond of runs", Shipped.code("ServiceBond"), verification));
        six = bindCircuit("classification4");
        sixteen = bindCircuit("classification16");
        hidden = bindCircuit("commitment");
    }

    /// @dev A proof's context, by its name.
    function contextOf(string memory name) internal view returns (uint256 context) {
        bytes32 key = keccak256(bytes(name));
        if (key == keccak256("classification4")) return escrow.contextOf(SIX, seller);
        if (key == keccak256("classification16")) return escrow.contextOf(SIXTEEN, seller);
        if (key == keccak256("commitment")) return escrow.contextOf(HIDDEN, seller);
        assertTrue(key == keccak256("service"), name);
        return bond.contextOf(uint256(bond.batchIdOf(receipt())), seller);
    }

    function order(Circuit memory circuit, uint256 commitment, uint256 items)
        internal
        view
        returns (IPredictionEscrow.Order memory)
    {
        return IPredictionEscrow.Order({
            modelId: circuit.modelId,
            bindingHash: circuit.bindingHash,
            inputCommitment: commitment,
            items: items,
            token: ETHER,
            price: PRICE,
            deadline: uint64(block.timestamp + 1 days),
            notice: 0,
            callbackGas: 0,
            hint: ""
        });
    }

    function serviceTerms() internal view returns (IServiceBond.Terms memory) {
        return IServiceBond.Terms({
            modelId: six.modelId,
            bindingHash: six.bindingHash,
            signer: signer,
            token: ETHER,
            penalty: 5 ether,
            proofCost: 0.1 ether,
            contestWindow: 1 hours,
            proofWindow: 2 hours,
            noticePeriod: 1 days
        });
    }

    /// @dev For the two runs of the six items.
    function receipt() internal view returns (IServiceBond.Receipt memory) {
        return IServiceBond.Receipt({
            serviceId: bond.serviceIdOf(seller, serviceTerms(), 0),
            buyer: buyer,
            root: keccak256(bytes.concat(leafOf(0), leafOf(1))),
            count: 6,
            price: PRICE,
            nonce: 0,
            validUntil: 1_800_003_600
        });
    }

    function leafOf(uint256 run) internal view returns (bytes32) {
        uint256 root = rootOf("classification4");
        return keccak256(abi.encode(run, root, keccak256(abi.encodePacked(answerOf("classification4", run)))));
    }

    function rootOf(string memory name) internal view returns (uint256) {
        return vm.parseJsonUint(fixture(name), ".root");
    }

    /// @dev The words of a run, put together from the classes that `assay model predict` says.
    function answerOf(string memory name, uint256 run) internal view returns (uint256[] memory words) {
        string memory json = fixture(name);
        uint256[] memory classes = vm.parseJsonUintArray(json, ".classes");
        uint256 batch = vm.parseJsonUint(json, ".batch");
        words = new uint256[]((batch + 14) / 15);
        for (uint256 i = 0; i < batch && run * batch + i < classes.length; ++i) {
            words[i / 15] |= classes[run * batch + i] << (16 * (i % 15));
        }
    }

    function proofAt(string memory name, uint256 index) internal view returns (bytes memory) {
        return vm.parseJsonBytes(fixture(name), string.concat(".proofs[", vm.toString(index), "].proof"));
    }

    function publicInputsAt(string memory name, uint256 index) internal view returns (uint256[] memory) {
        return
            vm.parseJsonUintArray(
                fixture(name), string.concat(".proofs[", vm.toString(index), "].publicInputs")
            );
    }
}
