// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Purse, Purses} from "../../src/periphery/Purses.sol";
import {Fixture} from "../shared/Fixture.sol";
import {Shipped} from "../shared/Shipped.sol";

contract PursesTest is Fixture {
    Purses internal purses;
    address internal owner;
    uint256 internal ownerKey;
    address internal relayer = makeAddr("relayer");
    address internal vault = makeAddr("vault");

    function setUp() public override {
        super.setUp();
        purses = Shipped.purses();
        (owner, ownerKey) = makeAddrAndKey("owner of a purse");
    }

    /// @dev The purse is named before it exists; its owner needs no ether.
    function test_SignatureTakesACreditOut() public {
        claimFor(openEther(), purses.purseOf(owner));
        assertEq(purses.purseOf(owner).code.length, 0);
        Purses.Withdrawal memory withdrawal = _withdrawal(ETHER, PRICE, 0.1 ether);
        bytes memory signature = _sign(withdrawal, ownerKey);
        vm.prank(relayer);
        purses.withdrawSigned(withdrawal, signature);
        assertEq(vault.balance, 0.9 ether);
        assertEq(relayer.balance, 0.1 ether);
        assertEq(escrow.creditOf(ETHER, purses.purseOf(owner)), 0);
    }

    function test_OwnerTakesACreditOut() public {
        claimFor(openIn(address(token)), purses.purseOf(owner));
        vm.startPrank(owner);
        purses.withdraw(escrow, address(token), vault, PRICE / 4);
        purses.withdraw(escrow, address(token), owner, PRICE - PRICE / 4);
        assertEq(token.balanceOf(vault), PRICE / 4);
        assertEq(token.balanceOf(owner), PRICE - PRICE / 4);
    }

    function test_RefundOfAJobOpenedForAPurse() public {
        address purse = purses.purseOf(owner);
        vm.prank(buyer);
        uint256 jobId = escrow.openFor{value: PRICE}(orderIn(ETHER, PRICE), purse);
        vm.warp(block.timestamp + 2 days);
        escrow.refund(jobId);
        vm.prank(owner);
        purses.withdraw(escrow, ETHER, vault, PRICE);
        assertEq(vault.balance, PRICE);
    }

    function test_RevertWhen_SignatureIsUsedTwice() public {
        _credit(2);
        Purses.Withdrawal memory withdrawal = _withdrawal(ETHER, PRICE, 0);
        bytes memory signature = _sign(withdrawal, ownerKey);
        purses.withdrawSigned(withdrawal, signature);
        vm.expectRevert(abi.encodeWithSelector(Nonces.InvalidAccountNonce.selector, owner, 1));
        purses.withdrawSigned(withdrawal, signature);
        assertEq(vault.balance, PRICE);
    }

    /// @dev Threat: the sender changes what was signed, field by field.
    function test_RevertWhen_WithdrawalIsNotTheSignedOne() public {
        _credit(1);
        bytes memory signature = _sign(_withdrawal(ETHER, PRICE, 0), ownerKey);
        Purses.Withdrawal[5] memory others;
        for (uint256 i = 0; i < others.length; ++i) {
            others[i] = _withdrawal(ETHER, PRICE, 0);
        }
        others[0].custody = address(purses);
        others[1].token = address(token);
        others[2].to = relayer;
        others[3].amount = PRICE / 2;
        others[4].fee = 1;
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(relayer);
            vm.expectRevert(abi.encodeWithSelector(Errors.SignatureRejected.selector, owner));
            purses.withdrawSigned(others[i], signature);
        }
        Purses.Withdrawal memory late = _withdrawal(ETHER, PRICE, 0);
        ++late.deadline;
        vm.expectRevert(abi.encodeWithSelector(Errors.SignatureRejected.selector, owner));
        purses.withdrawSigned(late, signature);
    }

    function test_RevertWhen_SignedBySomebodyElse() public {
        _credit(1);
        Purses.Withdrawal memory withdrawal = _withdrawal(ETHER, PRICE, 0);
        bytes memory signature = _sign(withdrawal, buyerKey);
        vm.expectRevert(abi.encodeWithSelector(Errors.SignatureRejected.selector, owner));
        purses.withdrawSigned(withdrawal, signature);
        // The signer's own purse is another one, with nothing in it.
        withdrawal.owner = buyer;
        signature = _sign(withdrawal, buyerKey);
        vm.expectRevert(abi.encodeWithSelector(Errors.InsufficientCredit.selector, ETHER, 0, PRICE));
        purses.withdrawSigned(withdrawal, signature);
    }

    function test_RevertWhen_SignatureIsTooOld() public {
        _credit(1);
        Purses.Withdrawal memory withdrawal = _withdrawal(ETHER, PRICE, 0);
        bytes memory signature = _sign(withdrawal, ownerKey);
        uint256 snapshot = vm.snapshotState();
        vm.warp(withdrawal.deadline);
        purses.withdrawSigned(withdrawal, signature);
        vm.revertToState(snapshot);
        vm.warp(withdrawal.deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.DeadlinePassed.selector, 0, withdrawal.deadline));
        purses.withdrawSigned(withdrawal, signature);
    }

    /// @dev Threat: somebody else uses a purse that exists.
    function test_RevertWhen_PurseIsCalledByOthers() public {
        _credit(2);
        vm.prank(owner);
        purses.withdraw(escrow, ETHER, vault, PRICE);
        Purse purse = Purse(purses.purseOf(owner));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongCaller.selector, purses, owner));
        purse.pay(escrow, ETHER, vault, PRICE);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Errors.InsufficientCredit.selector, ETHER, 0, PRICE));
        purses.withdraw(escrow, ETHER, stranger, PRICE);
    }

    /// @dev Nothing of which there is none is moved; a fee above the amount is refused.
    function test_FeeBounds() public {
        _credit(1);
        Purses.Withdrawal memory withdrawal = _withdrawal(ETHER, PRICE, PRICE + 1);
        bytes memory signature = _sign(withdrawal, ownerKey);
        vm.expectRevert();
        purses.withdrawSigned(withdrawal, signature);
        withdrawal.fee = PRICE;
        signature = _sign(withdrawal, ownerKey);
        vm.prank(relayer);
        purses.withdrawSigned(withdrawal, signature);
        assertEq(relayer.balance, PRICE);
    }

    /// @dev Threat: the receiver calls again while it is paid. A signature works once.
    function test_ReenteringReceiverGetsNothingMore() public {
        _credit(2);
        Reenterer receiver = new Reenterer();
        Purses.Withdrawal memory withdrawal = _withdrawal(ETHER, PRICE, 0);
        withdrawal.to = address(receiver);
        bytes memory signature = _sign(withdrawal, ownerKey);
        receiver.prepare(purses, abi.encodeCall(purses.withdrawSigned, (withdrawal, signature)));
        purses.withdrawSigned(withdrawal, signature);
        assertEq(receiver.refused(), 1);
        assertEq(escrow.creditOf(ETHER, purses.purseOf(owner)), PRICE);
    }

    function _credit(uint256 jobs) private {
        for (uint256 i = 0; i < jobs; ++i) {
            claimFor(openEther(), purses.purseOf(owner));
        }
    }

    function _withdrawal(address money, uint256 amount, uint256 fee)
        private
        view
        returns (Purses.Withdrawal memory)
    {
        return Purses.Withdrawal({
            owner: owner,
            custody: address(escrow),
            token: money,
            to: vault,
            amount: amount,
            fee: fee,
            nonce: purses.nonces(owner),
            deadline: vm.getBlockTimestamp() + 1 hours
        });
    }

    function _sign(Purses.Withdrawal memory withdrawal, uint256 key) private view returns (bytes memory) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256("Assay Purses"),
                keccak256("1"),
                block.chainid,
                address(purses)
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "Withdrawal(address owner,address custody,address token,address to,uint256 amount,uint256 fee,uint256 nonce,uint256 deadline)"
                ),
                withdrawal
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, structHash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }
}

/// @notice Sends a prepared call when it is paid.
contract Reenterer {
    Purses private _purses;
    bytes private _call;
    uint256 public refused;

    function prepare(Purses purses, bytes calldata call_) external {
        (_purses, _call) = (purses, call_);
    }

    receive() external payable {
        (bool ok,) = address(_purses).call(_call);
        if (!ok) ++refused;
    }
}
