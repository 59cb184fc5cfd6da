// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC3009} from "@openzeppelin/contracts/token/ERC20/extensions/draft-ERC3009.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {SignedOpenings} from "../../src/periphery/SignedOpenings.sol";
import {Fixture} from "../shared/Fixture.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice A well-behaved token with ERC-3009.
contract AuthorizationToken is ERC3009 {
    constructor() ERC20("Authorized", "AUT") EIP712("Authorized", "1") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function domainSeparator() external view returns (bytes32) {
        return _domainSeparatorV4();
    }
}

contract SignedOpeningsTest is Fixture {
    uint256 internal constant FEE = 0.01 ether;

    SignedOpenings internal openings;
    AuthorizationToken internal money;
    address internal relayer = makeAddr("relayer");

    function setUp() public override {
        super.setUp();
        openings = Shipped.signedOpenings();
        money = new AuthorizationToken();
        money.mint(buyer, 10 ether);
    }

    function test_SignatureOpensAJob() public {
        IPredictionEscrow.Order memory order = orderIn(address(money), PRICE);
        SignedOpenings.Authorization memory signed = _sign(escrow, order, FEE, buyerKey);
        vm.prank(relayer);
        uint256 jobId = openings.open(escrow, order, buyer, FEE, signed);
        assertEq(escrow.getJob(jobId).buyer, buyer);
        assertEq(money.balanceOf(address(escrow)), PRICE);
        assertEq(money.balanceOf(relayer), FEE);
        assertEq(money.balanceOf(buyer), 10 ether - PRICE - FEE);
        assertEq(money.balanceOf(address(openings)), 0);
        assertEq(money.allowance(address(openings), address(escrow)), 0);
        vm.warp(order.deadline + 1);
        escrow.refund(jobId);
        assertEq(escrow.creditOf(address(money), buyer), PRICE);
    }

    function test_SignatureWithoutAFee() public {
        IPredictionEscrow.Order memory order = orderIn(address(money), PRICE);
        SignedOpenings.Authorization memory signed = _sign(escrow, order, 0, buyerKey);
        openings.open(escrow, order, buyer, 0, signed);
        assertEq(money.balanceOf(buyer), 10 ether - PRICE);
    }

    function test_RevertWhen_SignatureIsUsedTwice() public {
        IPredictionEscrow.Order memory order = orderIn(address(money), PRICE);
        SignedOpenings.Authorization memory signed = _sign(escrow, order, FEE, buyerKey);
        openings.open(escrow, order, buyer, FEE, signed);
        vm.expectRevert();
        openings.open(escrow, order, buyer, FEE, signed);
        assertEq(escrow.jobCount(), 1);
    }

    /// @dev Threat: the sender opens another job with the buyer's money, elsewhere, or for a higher fee.
    function test_RevertWhen_OpeningIsNotTheSignedOne() public {
        IPredictionEscrow.Order memory order = orderIn(address(money), PRICE);
        SignedOpenings.Authorization memory signed = _sign(escrow, order, FEE, buyerKey);
        PredictionEscrow other = Shipped.predictionEscrow(registry, false);
        vm.expectRevert();
        openings.open(other, order, buyer, FEE, signed);
        vm.expectRevert();
        openings.open(escrow, order, stranger, FEE, signed);
        // The same sum, divided otherwise.
        order.price = PRICE - 1;
        vm.expectRevert();
        openings.open(escrow, order, buyer, FEE + 1, signed);
        order.price = PRICE;
        order.inputCommitment = INPUT + 1;
        vm.expectRevert();
        openings.open(escrow, order, buyer, FEE, signed);
        order.inputCommitment = INPUT;
        openings.open(escrow, order, buyer, FEE, signed);
    }

    /// @dev Threat: an authorization for this contract, used without it. The token lets only the receiver use it.
    function test_RevertWhen_AuthorizationIsUsedByOthers() public {
        IPredictionEscrow.Order memory order = orderIn(address(money), PRICE);
        SignedOpenings.Authorization memory signed = _sign(escrow, order, FEE, buyerKey);
        bytes32 nonce = openings.nonceOf(escrow, order, buyer, FEE);
        vm.prank(stranger);
        vm.expectRevert();
        money.receiveWithAuthorization(
            buyer,
            address(openings),
            PRICE + FEE,
            signed.validAfter,
            signed.validBefore,
            nonce,
            signed.v,
            signed.r,
            signed.s
        );
        openings.open(escrow, order, buyer, FEE, signed);
    }

    /// @dev Threat: an escrow that takes nothing at first keeps an allowance for what passes later.
    function test_NoAllowanceIsLeft() public {
        IPredictionEscrow idle = IPredictionEscrow(address(new IdleEscrow()));
        IPredictionEscrow.Order memory order = orderIn(address(money), PRICE);
        SignedOpenings.Authorization memory signed = _sign(idle, order, 0, buyerKey);
        openings.open(idle, order, buyer, 0, signed);
        assertEq(money.allowance(address(openings), address(idle)), 0);
    }

    function _sign(IPredictionEscrow escrow_, IPredictionEscrow.Order memory order, uint256 fee, uint256 key)
        private
        view
        returns (SignedOpenings.Authorization memory signed)
    {
        signed.validBefore = block.timestamp + 1 hours;
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
                ),
                vm.addr(key),
                address(openings),
                order.items * order.price + fee,
                signed.validAfter,
                signed.validBefore,
                openings.nonceOf(escrow_, order, vm.addr(key), fee)
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", money.domainSeparator(), structHash));
        (signed.v, signed.r, signed.s) = vm.sign(key, digest);
    }
}

/// @notice Says that it has opened a job, and takes nothing.
contract IdleEscrow {
    function openFor(IPredictionEscrow.Order calldata, address) external pure returns (uint256) {
        return 1;
    }
}
