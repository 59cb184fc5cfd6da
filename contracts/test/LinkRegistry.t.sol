// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {LinkRegistry} from "../src/LinkRegistry.sol";
import {IERCZKMLRegistry} from "../src/interfaces/IERCZKMLRegistry.sol";
import {ILinkRegistry} from "../src/interfaces/ILinkRegistry.sol";
import {IModelRegistry} from "../src/interfaces/IModelRegistry.sol";
import {Errors} from "../src/libraries/Errors.sol";
import {Events} from "../src/libraries/Events.sol";
import {MockVerifier, SilentVerifier} from "./doubles/VerifierDoubles.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Says what it was deployed to say, whatever the proof is.
contract AgreeableVerifier {
    bytes32 private immutable ANSWER;

    constructor(bytes32 answer) {
        ANSWER = answer;
    }

    function verify(address, bytes calldata, uint256[] calldata) external view returns (bytes32) {
        return ANSWER;
    }
}

contract LinkRegistryTest is Fixture {
    uint256 internal constant VALUE = 0x5eed;
    bytes32 internal constant OTHER_WEIGHTS = keccak256("the same weights in another layout");

    LinkRegistry internal links;
    MockVerifier internal linkVerifierA;
    MockVerifier internal linkVerifierB;
    address internal linkVkA;
    address internal linkVkB;
    uint256 internal otherId;

    function setUp() public override {
        super.setUp();
        links = new LinkRegistry(registry, false);
        (otherId,) = bindModel(OTHER_WEIGHTS, makeKey("batch key", 0), address(verifier));
        linkVkA = makeKey("link key A", 0);
        linkVkB = makeKey("link key B", 0);
        linkVerifierA = new MockVerifier();
        linkVerifierB = new MockVerifier();
    }

    function test_LinkIsRecordedUnderItsKeys() public {
        (ILinkRegistry.LinkKey memory keyA, ILinkRegistry.LinkKey memory keyB) = _keys();
        bytes32 expected = keccak256(
            abi.encode(
                modelId,
                otherId,
                linkVkA.codehash,
                address(linkVerifierA).codehash,
                linkVkB.codehash,
                address(linkVerifierB).codehash
            )
        );
        ILinkRegistry.LinkProof memory proof = _linkProof();
        vm.expectEmit(address(links));
        emit Events.ModelsLinked(
            modelId,
            otherId,
            expected,
            keyA.vkHash,
            keyA.verifierCodeHash,
            keyB.vkHash,
            keyB.verifierCodeHash,
            false
        );
        vm.prank(stranger);
        assertEq(links.linkModels(proof), expected);

        assertEq(links.linkIdOf(modelId, otherId, keyA, keyB), expected);
        ILinkRegistry.Link memory link = links.linkOf(modelId, otherId, keyA, keyB);
        assertEq(link.linkedAt, block.timestamp);
        assertFalse(link.devSetup);
        assertEq(links.registry(), address(registry));
        assertFalse(links.allowDevSetup());
    }

    function test_OrderDoesNotMatterToReaders() public {
        links.linkModels(_linkProof());
        (ILinkRegistry.LinkKey memory keyA, ILinkRegistry.LinkKey memory keyB) = _keys();
        assertEq(links.linkOf(otherId, modelId, keyB, keyA).linkedAt, block.timestamp);
        assertEq(links.contextOf(modelId, otherId), links.contextOf(otherId, modelId));
        assertEq(links.pointOf(modelId, otherId), links.pointOf(otherId, modelId));
    }

    /// @dev A link says nothing to consumers who recomputed other keys.
    function test_LinkIsUnknownUnderOtherKeys() public {
        links.linkModels(_linkProof());
        (ILinkRegistry.LinkKey memory keyA, ILinkRegistry.LinkKey memory keyB) = _keys();
        assertEq(links.linkOf(modelId, otherId, keyB, keyA).linkedAt, 0);
        for (uint256 i = 0; i < 4; ++i) {
            (ILinkRegistry.LinkKey memory a, ILinkRegistry.LinkKey memory b) = _keys();
            if (i == 0) a.vkHash ^= bytes32(uint256(1));
            if (i == 1) a.verifierCodeHash ^= bytes32(uint256(1));
            if (i == 2) b.vkHash ^= bytes32(uint256(1));
            if (i == 3) b.verifierCodeHash ^= bytes32(uint256(1));
            assertEq(links.linkOf(modelId, otherId, a, b).linkedAt, 0);
        }
        assertEq(links.linkOf(modelId, otherId + 1, keyA, keyB).linkedAt, 0);
    }

    /// @dev Threat: a verifier that accepts everything. It can write, but under its own code hash only, and
    /// it takes no place that an honest link needs.
    function test_AcceptAllVerifierLinksUnderItsOwnHashOnly() public {
        ILinkRegistry.LinkProof memory forged = _linkProof();
        forged.a.verifier = address(new AgreeableVerifier(WEIGHTS));
        forged.b.verifier = address(new AgreeableVerifier(OTHER_WEIGHTS));
        links.linkModels(forged);
        (ILinkRegistry.LinkKey memory keyA, ILinkRegistry.LinkKey memory keyB) = _keys();
        assertEq(links.linkOf(modelId, otherId, keyA, keyB).linkedAt, 0);
        links.linkModels(_linkProof());
        assertEq(links.linkOf(modelId, otherId, keyA, keyB).linkedAt, block.timestamp);
    }

    function test_PointAndContextAreTheSpecifiedHashes() public view {
        uint256 point = uint256(keccak256(abi.encode(WEIGHTS, OTHER_WEIGHTS))) >> 8;
        assertEq(links.pointOf(modelId, otherId), point);
        assertLt(point, 1 << 248);
        uint256 pair = uint256(keccak256(abi.encode(modelId, otherId)));
        uint256 context = uint256(keccak256(abi.encode(block.chainid, address(links), pair, address(0)))) >> 8;
        assertEq(links.contextOf(modelId, otherId), context);
    }

    function test_RevertWhen_LinkedTwice() public {
        ILinkRegistry.LinkProof memory proof = _linkProof();
        bytes32 linkId = links.linkModels(proof);
        vm.expectRevert(abi.encodeWithSelector(Errors.AlreadyLinked.selector, linkId));
        links.linkModels(proof);
    }

    function test_RevertWhen_PairIsNotOrdered() public {
        ILinkRegistry.LinkProof memory proof = _linkProof();
        (proof.a, proof.b) = (proof.b, proof.a);
        vm.expectRevert(abi.encodeWithSelector(Errors.PairNotOrdered.selector, otherId, modelId));
        links.linkModels(proof);
    }

    function test_RevertWhen_ModelIsLinkedToItself() public {
        ILinkRegistry.LinkProof memory proof = _linkProof();
        proof.b = proof.a;
        vm.expectRevert(abi.encodeWithSelector(Errors.PairNotOrdered.selector, modelId, modelId));
        links.linkModels(proof);
    }

    function test_RevertWhen_ModelIsUnknown() public {
        ILinkRegistry.LinkProof memory proof = _linkProof();
        proof.b.modelId = 99;
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, 99));
        links.linkModels(proof);
    }

    function test_RevertWhen_ModelIsNotBound() public {
        uint256 unbound = registry.registerModel(commitmentTo(OTHER_WEIGHTS, vk));
        ILinkRegistry.LinkProof memory proof = _linkProof();
        proof.b.modelId = unbound;
        vm.expectRevert(abi.encodeWithSelector(Errors.NotBound.selector, unbound));
        links.linkModels(proof);
    }

    /// @dev Threat: malleable inputs. The proofs are made for the very value, only the range is wrong.
    function test_ValueIsBelowModulus() public {
        ILinkRegistry.LinkProof memory proof = _linkProofOf(R, VALUE);
        proof.value = R;
        vm.expectRevert(abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 2, R));
        links.linkModels(proof);
        proof = _linkProofOf(R - 1, R - 1);
        links.linkModels(proof);
    }

    /// @dev Threat: different weights. Their polynomials differ at the point.
    function test_RevertWhen_SidesShowOtherValues() public {
        ILinkRegistry.LinkProof memory proof = _linkProofOf(VALUE, VALUE + 1);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        links.linkModels(proof);
        proof.value = VALUE + 1;
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        links.linkModels(proof);
    }

    /// @dev Threat: a proof about other weights than the model's, on either side.
    function test_RevertWhen_SideShowsOtherWeights() public {
        ILinkRegistry.LinkProof memory proof = _linkProof();
        proof.a.proof = _proof(linkVkA, OTHER_WEIGHTS, _publicInputs(VALUE));
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelHashMismatch.selector, WEIGHTS, OTHER_WEIGHTS));
        links.linkModels(proof);

        proof = _linkProof();
        proof.b.proof = _proof(linkVkB, WEIGHTS, _publicInputs(VALUE));
        vm.expectRevert(abi.encodeWithSelector(Errors.ModelHashMismatch.selector, OTHER_WEIGHTS, WEIGHTS));
        links.linkModels(proof);
    }

    /// @dev Threat: the point is chosen so that different weights agree there.
    function test_RevertWhen_PointIsAnotherOne() public {
        uint256[] memory publicInputs = _publicInputs(VALUE);
        ++publicInputs[1];
        _expectRejected(publicInputs);
    }

    /// @dev Threat: replay for another pair, at another registry, on another chain.
    function test_RevertWhen_ContextIsAnotherOne() public {
        (uint256 third,) = bindModel(OTHER_WEIGHTS, vk, address(verifier));
        uint256[] memory publicInputs = _publicInputs(VALUE);
        publicInputs[0] = links.contextOf(modelId, third);
        _expectRejected(publicInputs);

        publicInputs[0] = new LinkRegistry(registry, false).contextOf(modelId, otherId);
        _expectRejected(publicInputs);

        ILinkRegistry.LinkProof memory proof = _linkProof();
        vm.chainId(block.chainid + 1);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        links.linkModels(proof);
    }

    function test_DevSetupNeedsPermission() public {
        ILinkRegistry.LinkProof memory proof = _linkProof();
        linkVkB = makeKey("dev link key", 1);
        proof.b.vk = linkVkB;
        proof.b.proof = _proof(linkVkB, OTHER_WEIGHTS, _publicInputs(VALUE));
        vm.expectRevert(abi.encodeWithSelector(Errors.DevSetupRefused.selector, otherId));
        links.linkModels(proof);

        proof = _linkProof();
        proof.a.vk = linkVkB;
        vm.expectRevert(abi.encodeWithSelector(Errors.DevSetupRefused.selector, modelId));
        links.linkModels(proof);
    }

    function test_DevSetupIsMarked() public {
        links = new LinkRegistry(registry, true);
        assertTrue(links.allowDevSetup());
        address[2] memory honest = [linkVkA, linkVkB];
        address[2] memory dev = [makeKey("dev link key A", 1), makeKey("dev link key B", 1)];
        for (uint256 i = 0; i < 4; ++i) {
            linkVkA = i & 1 == 0 ? honest[0] : dev[0];
            linkVkB = i & 2 == 0 ? honest[1] : dev[1];
            links.linkModels(_linkProof());
            (ILinkRegistry.LinkKey memory keyA, ILinkRegistry.LinkKey memory keyB) = _keys();
            ILinkRegistry.Link memory link = links.linkOf(modelId, otherId, keyA, keyB);
            assertEq(link.linkedAt, block.timestamp);
            assertEq(link.devSetup, i != 0, "mark");
        }
    }

    function test_RevertWhen_KeyIsNoKey() public {
        ILinkRegistry.LinkProof memory proof = _linkProof();
        proof.a.vk = stranger;
        vm.expectRevert(abi.encodeWithSelector(Errors.MalformedVerifyingKey.selector, stranger));
        links.linkModels(proof);
    }

    function test_RevertWhen_VerifierHasNoCode() public {
        ILinkRegistry.LinkProof memory proof = _linkProof();
        proof.b.verifier = stranger;
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, stranger));
        links.linkModels(proof);
    }

    function test_RevertWhen_VerifierAnswersNothing() public {
        ILinkRegistry.LinkProof memory proof = _linkProof();
        proof.a.verifier = address(new SilentVerifier());
        vm.expectRevert(bytes(""));
        links.linkModels(proof);
    }

    function test_RevertWhen_RegistryHasNoCode() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, stranger));
        new LinkRegistry(IModelRegistry(stranger), false);
    }

    function testFuzz_RevertWhen_ProofIsArbitrary(bytes calldata proof, uint256 value, bool onA) public {
        ILinkRegistry.LinkProof memory linkProof = _linkProof();
        linkProof.value = bound(value, 0, R - 1);
        if (onA) linkProof.a.proof = proof;
        else linkProof.b.proof = proof;
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        links.linkModels(linkProof);
    }

    function _keys() private view returns (ILinkRegistry.LinkKey memory a, ILinkRegistry.LinkKey memory b) {
        a = ILinkRegistry.LinkKey(linkVkA.codehash, address(linkVerifierA).codehash);
        b = ILinkRegistry.LinkKey(linkVkB.codehash, address(linkVerifierB).codehash);
    }

    function _publicInputs(uint256 value) private view returns (uint256[] memory publicInputs) {
        publicInputs = new uint256[](3);
        publicInputs[0] = links.contextOf(modelId, otherId);
        publicInputs[1] = links.pointOf(modelId, otherId);
        publicInputs[2] = value;
    }

    function _proof(address key, bytes32 weights, uint256[] memory publicInputs)
        private
        view
        returns (bytes memory)
    {
        return abi.encode(weights, keccak256(abi.encode(key.codehash, publicInputs)));
    }

    function _linkProof() private view returns (ILinkRegistry.LinkProof memory) {
        return _linkProofOf(VALUE, VALUE);
    }

    function _linkProofOf(uint256 valueA, uint256 valueB)
        private
        view
        returns (ILinkRegistry.LinkProof memory linkProof)
    {
        linkProof.a = ILinkRegistry.LinkSide({
            modelId: modelId,
            vk: linkVkA,
            verifier: address(linkVerifierA),
            proof: _proof(linkVkA, WEIGHTS, _publicInputs(valueA))
        });
        linkProof.b = ILinkRegistry.LinkSide({
            modelId: otherId,
            vk: linkVkB,
            verifier: address(linkVerifierB),
            proof: _proof(linkVkB, OTHER_WEIGHTS, _publicInputs(valueB))
        });
        linkProof.value = valueA;
    }

    function _expectRejected(uint256[] memory publicInputs) private {
        ILinkRegistry.LinkProof memory proof = _linkProof();
        proof.a.proof = _proof(linkVkA, WEIGHTS, publicInputs);
        proof.b.proof = _proof(linkVkB, OTHER_WEIGHTS, publicInputs);
        vm.expectRevert(MockVerifier.ProofRejected.selector);
        links.linkModels(proof);
    }
}
