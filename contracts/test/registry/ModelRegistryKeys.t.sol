// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ModelRegistry} from "../../src/ModelRegistry.sol";
import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Statement} from "../../src/libraries/Statement.sol";
import {Fixture} from "../shared/Fixture.sol";
import {Keys} from "../shared/Keys.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice What the registry reads from a key when a model is bound to it.
contract ModelRegistryKeysTest is Fixture {
    function test_CeremoniesAreFixedAtDeployment() public {
        assertTrue(registry.isCeremony(Keys.setupId(CEREMONY)));
        assertFalse(registry.isCeremony(Keys.setupId("own setup")));
        assertFalse(registry.isCeremony(0));
        bytes32[] memory setupIds = new bytes32[](2);
        setupIds[0] = "one";
        setupIds[1] = "two";
        for (uint256 i = 0; i < 2; ++i) {
            vm.expectEmit();
            emit IModelRegistry.CeremonyKnown(setupIds[i]);
        }
        ModelRegistry other = Shipped.modelRegistry(setupIds);
        assertTrue(other.isCeremony("one"));
        assertTrue(other.isCeremony("two"));
        assertFalse(other.isCeremony(Keys.setupId(CEREMONY)));
        setupIds[1] = 0;
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroValue.selector, "setupId"));
        Shipped.modelRegistry(setupIds);
    }

    /// @dev Threat: a seller makes a setup, keeps its secret, and says nothing of it. Nothing that it could write
    /// into the key says that somebody else made the setup: only the published point does.
    function test_OwnSetupIsADevSetup() public {
        (uint256 id,) = bindModel(WEIGHTS, makeDevKey("own"), address(verifier));
        assertTrue(registry.bindingOf(id).devSetup);
        assertEq(registry.bindingOf(id).setupId, Keys.setupId("own setup"));
        (, bool devSetup,,) = registry.admissionOf(id);
        assertTrue(devSetup);
    }

    /// @dev One bit more or less in [s]_2 is another setup.
    function testFuzz_OtherPointIsADevSetup(uint256 bit) public {
        bit = bound(bit, 0, 1023);
        bytes memory s = Keys.point(CEREMONY);
        s[bit / 8] ^= bytes1(uint8(2 ** (bit % 8)));
        address key = placeKey("other", Keys.code(Keys.PREDICTION, Keys.GENERATOR, s, "other"));
        (uint256 id,) = bindModel(WEIGHTS, key, address(verifier));
        assertTrue(registry.bindingOf(id).devSetup);
    }

    /// @dev Threat: the point of a ceremony as [s]_2, and a multiple of it as [1]_2, whose factor the seller knows.
    function testFuzz_RevertWhen_OneIsNotTheGenerator(uint256 bit) public {
        bit = bound(bit, 0, 1023);
        bytes memory one = bytes.concat(Keys.GENERATOR);
        one[bit / 8] ^= bytes1(uint8(2 ** (bit % 8)));
        address key = placeKey("other", Keys.code(Keys.PREDICTION, one, Keys.point(CEREMONY), "other"));
        _expectRefused(key, abi.encodeWithSelector(Errors.GeneratorMismatch.selector, key));
    }

    function test_StatementOfEachKindIsReadBack() public {
        bytes32[3] memory stated = [Keys.audit(12), Keys.retrieval(7), Keys.TWO_LOGITS];
        for (uint256 i = 0; i < stated.length; ++i) {
            address key = makeKey(vm.toString(i), stated[i]);
            (uint256 id,) = bindModel(WEIGHTS, key, address(verifier));
            assertEq(Statement.unwrap(registry.bindingOf(id).statement), stated[i]);
            (,,, Statement admitted) = registry.admissionOf(id);
            assertEq(Statement.unwrap(admitted), stated[i]);
        }
    }

    function test_RevertWhen_KeyIsNoKey() public {
        bytes memory key = vk.code;
        _expectMalformed("");
        _expectMalformed(hex"00");
        _expectMalformed(hex"0002");
        bytes memory header = new bytes(512);
        for (uint256 i = 0; i < header.length; ++i) {
            header[i] = key[i];
        }
        _expectMalformed(header);
        // STOP, or it could run.
        key[0] = 0x5f;
        _expectMalformed(key);
        (key[0], key[2]) = (0x00, 0x04);
        _expectMalformed(key);
        key[2] = 0x01;
        (uint256 id,) =
            bindModel(WEIGHTS, placeKey("short", bytes.concat(header, hex"55")), address(verifier));
        assertFalse(registry.bindingOf(id).devSetup);
    }

    function test_RevertWhen_KeyFormatIsUnknown() public {
        uint8[3] memory formats = [0, 1, 3];
        for (uint256 i = 0; i < formats.length; ++i) {
            bytes memory code = vk.code;
            code[1] = bytes1(formats[i]);
            address key = placeKey("odd", code);
            _expectRefused(key, abi.encodeWithSelector(Errors.UnknownKeyFormat.selector, key, formats[i]));
        }
    }

    function _expectMalformed(bytes memory code) private {
        address odd = placeKey("odd", code);
        // An account that exists without code has the hash of the empty string, not zero.
        vm.deal(odd, 1);
        _expectRefused(odd, abi.encodeWithSelector(Errors.MalformedVerifyingKey.selector, odd));
    }

    function _expectRefused(address key, bytes memory refusal) private {
        IERCZKMLRegistry.ModelCommitment memory commitment = commitmentTo(WEIGHTS, key);
        vm.expectRevert(refusal);
        registry.registerBoundModel(commitment, key, address(verifier));
    }
}
