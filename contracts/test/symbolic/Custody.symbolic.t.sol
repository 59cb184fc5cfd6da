// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Custody} from "../../src/Custody.sol";

/// @notice Custody with its two steps open to a test.
contract OpenCustody is Custody {
    function deposit(uint256 amount) external payable {
        _deposit(ETHER, amount);
    }

    function credit(address account, uint256 amount) external {
        _credit(ETHER, account, amount);
    }
}

/// @notice The arithmetic of custody, for all amounts (scripts/symbolic-tests.sh).
contract CustodySymbolicTest is Test {
    address internal constant OWNER = address(0xa11ce);
    address internal constant OTHER = address(0xb0b);

    OpenCustody internal custody;

    function setUp() public {
        custody = new OpenCustody();
    }

    /// @dev A deposit is taken if and only if exactly its amount comes with the call.
    function check_DepositIsExact(uint256 amount, uint96 sent) public {
        vm.deal(OWNER, sent);
        vm.prank(OWNER);
        (bool ok,) = address(custody).call{value: sent}(abi.encodeCall(custody.deposit, (amount)));
        assertEq(ok, amount == sent);
        assertEq(address(custody).balance, ok ? sent : 0);
    }

    /// @dev Credits add up; a sum past the end of the type is refused and changes nothing.
    function check_CreditsAddUp(uint256 first, uint256 second) public {
        custody.credit(OWNER, first);
        (bool ok,) = address(custody).call(abi.encodeCall(custody.credit, (OWNER, second)));
        bool fits = second <= type(uint256).max - first;
        assertEq(ok, fits);
        uint256 expected = first;
        unchecked {
            if (fits) expected = first + second;
        }
        assertEq(custody.creditOf(address(0), OWNER), expected);
        assertEq(custody.creditOf(address(0), OTHER), 0);
    }

    /// @dev A withdrawal works if and only if it is of something and of no more than the credit; it moves exactly
    /// its amount, and nobody else's credit.
    function check_WithdrawalIsExact(uint96 credit, uint96 others, uint256 amount) public {
        _fund(credit, others);
        vm.prank(OWNER);
        (bool ok,) =
            address(custody).call(abi.encodeCall(custody.withdrawTo, (address(0), address(0x7a2), amount)));
        assertEq(ok, amount != 0 && amount <= credit);
        uint256 moved = ok ? amount : 0;
        assertEq(address(0x7a2).balance, moved);
        assertEq(custody.creditOf(address(0), OWNER), uint256(credit) - moved);
        assertEq(custody.creditOf(address(0), OTHER), others);
        assertEq(address(custody).balance, uint256(credit) + others - moved);
    }

    /// @dev However a credit is taken in parts, no more than the credit comes out.
    function check_TwoWithdrawalsTakeNoMore(uint96 credit, uint96 others, uint256 first, uint256 second)
        public
    {
        _fund(credit, others);
        vm.prank(OWNER);
        (bool one,) =
            address(custody).call(abi.encodeCall(custody.withdrawTo, (address(0), address(0x7a2), first)));
        vm.prank(OWNER);
        (bool two,) =
            address(custody).call(abi.encodeCall(custody.withdrawTo, (address(0), address(0x7a2), second)));
        uint256 moved = (one ? first : 0) + (two ? second : 0);
        assertLe(moved, credit);
        assertEq(address(0x7a2).balance, moved);
        assertEq(address(custody).balance, uint256(credit) + others - moved);
    }

    function _fund(uint96 credit, uint96 others) private {
        custody.credit(OWNER, credit);
        custody.credit(OTHER, others);
        vm.deal(address(custody), uint256(credit) + others);
    }
}
