// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ProvenSwitch} from "../../examples/ProvenSwitch.sol";
import {AuditEscrow} from "../../src/AuditEscrow.sol";
import {InferenceVerifier} from "../../src/InferenceVerifier.sol";
import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {ResultRegistry} from "../../src/ResultRegistry.sol";
import {RetrievalEscrow} from "../../src/RetrievalEscrow.sol";
import {ServiceBond} from "../../src/ServiceBond.sol";
import {ProofEvaluator} from "../../src/adapters/ProofEvaluator.sol";
import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {AgenticCommerceDouble} from "../doubles/AgenticCommerceDouble.sol";
import {ProofFixture} from "./ProofFixture.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice The contracts that the fixture's proofs are made for, and the contexts that the proofs are bound to.
/// Every job is the first of its contract, and its recipient is the seller.
abstract contract ProofScenarios is ProofFixture {
    uint256 internal constant JOB = 1;

    PredictionEscrow internal predictionEscrow;
    AuditEscrow internal auditEscrow;
    RetrievalEscrow internal retrievalEscrow;
    ServiceBond internal bond;
    ResultRegistry internal results;
    InferenceVerifier internal inference;
    ProvenSwitch internal device;
    AgenticCommerceDouble internal commerce;
    ProofEvaluator internal evaluator;
    address internal signer;
    uint256 internal signerKey;

    function setUp() public virtual override {
        super.setUp();
        (signer, signerKey) = makeAddrAndKey("signer");
        bytes memory verification = abi.encode(registry, true);
        predictionEscrow = PredictionEscrow(placeEscrow("prediction escrow"));
        bond = ServiceBond(place("service bond", Shipped.code("ServiceBond"), verification));
        results = ResultRegistry(place("results", Shipped.code("ResultRegistry"), abi.encode(registry)));
        auditEscrow = AuditEscrow(placeAuditEscrow("audit escrow"));
        retrievalEscrow = RetrievalEscrow(placeRetrievalEscrow("retrieval escrow"));
        inference = InferenceVerifier(place("inference", Shipped.code("InferenceVerifier"), verification));
        device = placeSwitch("switch");
        commerce = AgenticCommerceDouble(place("commerce", type(AgenticCommerceDouble).creationCode, ""));
        evaluator = ProofEvaluator(
            place(
                "evaluator",
                Shipped.code("ProofEvaluator"),
                abi.encode(registry, true, commerce, prediction.modelId, prediction.bindingHash, inputOf(0))
            )
        );
    }

    function placeEscrow(string memory name) internal returns (address) {
        return place(name, Shipped.code("PredictionEscrow"), abi.encode(registry, true));
    }

    function placeAuditEscrow(string memory name) internal returns (address) {
        return place(name, Shipped.code("AuditEscrow"), abi.encode(registry, results, true));
    }

    function placeRetrievalEscrow(string memory name) internal returns (address) {
        return place(name, Shipped.code("RetrievalEscrow"), abi.encode(registry, true));
    }

    function placeSwitch(string memory name) internal returns (ProvenSwitch) {
        bytes memory arguments = abi.encode(inference, prediction.modelId, prediction.bindingHash, classOf(0));
        return ProvenSwitch(place(name, type(ProvenSwitch).creationCode, arguments));
    }

    /// @dev A proof's context, by its name in the fixture.
    function contextOf(string memory name) internal view returns (uint256 context) {
        bytes32 key = keccak256(bytes(name));
        if (key == keccak256("prediction")) return predictionEscrow.contextOf(JOB, seller);
        if (key == keccak256("inference")) return inference.contextOf(prediction.modelId, address(device));
        if (key == keccak256("evaluation")) return evaluator.contextOf(JOB, address(0));
        if (key == keccak256("audit0") || key == keccak256("audit1")) {
            return auditEscrow.contextOf(JOB, seller);
        }
        if (key == keccak256("retrieval0") || key == keccak256("retrieval1")) {
            return retrievalEscrow.contextOf(JOB, seller);
        }
        assertTrue(key == keccak256("service0") || key == keccak256("service1"), name);
        return bond.contextOf(uint256(bond.batchIdOf(receipt())), seller);
    }

    function serviceTerms() internal view returns (IServiceBond.Terms memory) {
        return IServiceBond.Terms({
            modelId: prediction.modelId,
            bindingHash: prediction.bindingHash,
            signer: signer,
            token: ETHER,
            penalty: 5 ether,
            proofCost: 0.1 ether,
            contestWindow: 1 hours,
            proofWindow: 2 hours,
            noticePeriod: 1 days
        });
    }

    /// @dev For a batch of the fixture's two inputs.
    function receipt() internal view returns (IServiceBond.Receipt memory) {
        return IServiceBond.Receipt({
            serviceId: bond.serviceIdOf(seller, serviceTerms(), 0),
            buyer: buyer,
            root: keccak256(bytes.concat(leafOf(0), leafOf(1))),
            count: 2,
            price: PRICE,
            nonce: 0,
            validUntil: 1_800_003_600
        });
    }

    function leafOf(uint256 item) internal view returns (bytes32) {
        return keccak256(abi.encode(item, inputOf(item), keccak256(abi.encode(classOf(item)))));
    }
}
