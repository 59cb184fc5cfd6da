// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Errors} from "../../src/libraries/Errors.sol";
import {Statement} from "../../src/libraries/Statement.sol";
import {VerifyingKey} from "../../src/libraries/VerifyingKey.sol";
import {Keys} from "../shared/Keys.sol";

/// @notice The library's functions as calls.
contract KeyReader {
    function statementOf(address vk) external view returns (Statement) {
        return VerifyingKey.statementOf(vk);
    }

    function setupIdOf(address vk) external view returns (bytes32) {
        return VerifyingKey.setupIdOf(vk);
    }
}

contract VerifyingKeyTest is Test {
    KeyReader internal reader = new KeyReader();
    address internal vk = makeAddr("key");
    bytes internal code = Keys.code(Keys.audit(4), Keys.GENERATOR, Keys.point("setup"), "key");

    function setUp() public {
        vm.etch(vk, code);
    }

    function test_KeyIsRead() public view {
        assertEq(Statement.unwrap(reader.statementOf(vk)), Keys.audit(4));
        assertEq(reader.setupIdOf(vk), keccak256(Keys.point("setup")));
    }

    /// @dev The id is of these 128 bytes alone.
    function testFuzz_SetupIdIsOfThePoint(uint256 at) public {
        at = bound(at, 0, code.length - 1);
        if (at >= 256 && at < 384) at -= 256;
        bytes32 before = reader.setupIdOf(vk);
        code[at] ^= 0x01;
        vm.etch(vk, code);
        assertEq(reader.setupIdOf(vk) != before, at >= 384 && at < 512);
    }

    function testFuzz_RevertWhen_GeneratorIsAnother(uint256 at) public {
        at = bound(at, 256, 383);
        code[at] ^= 0x01;
        vm.etch(vk, code);
        vm.expectRevert(abi.encodeWithSelector(Errors.GeneratorMismatch.selector, vk));
        reader.setupIdOf(vk);
    }

    function testFuzz_RevertWhen_KeyIsTooShort(uint256 length) public {
        length = bound(length, 0, 514);
        bytes memory cut = code;
        assembly ("memory-safe") {
            mstore(cut, length)
        }
        vm.etch(vk, cut);
        if (length <= 512) {
            vm.expectRevert(abi.encodeWithSelector(Errors.MalformedVerifyingKey.selector, vk));
        }
        reader.statementOf(vk);
        if (length < 384) vm.expectRevert(abi.encodeWithSelector(Errors.GeneratorMismatch.selector, vk));
        reader.setupIdOf(vk);
    }

    /// @dev What other fields mean is the format's to say: it is what is named, whatever else is wrong.
    function test_FormatIsLookedAtFirst() public {
        (code[1], code[2]) = (0x03, 0x77);
        vm.etch(vk, code);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnknownKeyFormat.selector, vk, 3));
        reader.statementOf(vk);
        code[1] = 0x02;
        vm.etch(vk, code);
        vm.expectRevert(abi.encodeWithSelector(Errors.MalformedVerifyingKey.selector, vk));
        reader.statementOf(vk);
    }

    /// @dev A key could never run; code that can is none.
    function testFuzz_RevertWhen_CodeCouldRun(bytes1 first) public {
        vm.assume(first != 0);
        code[0] = first;
        vm.etch(vk, code);
        vm.expectRevert(abi.encodeWithSelector(Errors.MalformedVerifyingKey.selector, vk));
        reader.statementOf(vk);
    }
}
