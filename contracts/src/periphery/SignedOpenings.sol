// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC3009} from "@openzeppelin/contracts/interfaces/draft-IERC3009.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IPredictionEscrow} from "../interfaces/IPredictionEscrow.sol";

/// @title Openings of jobs by signature: the buyer signs, anybody sends and is paid a fee
/// @notice For tokens with ERC-3009. The buyer signs one `ReceiveWithAuthorization` of the token, to this contract,
/// over the price of all inputs and the fee. Its nonce is {nonceOf}: the signature covers the order, the escrow, the
/// buyer and the fee, and the token sees to it that it is used once. Nothing is left here between calls.
contract SignedOpenings is ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @notice The rest of an authorization, see ERC-3009.
    /// @param validAfter Unix time after which it is valid.
    /// @param validBefore Unix time before which it is valid.
    /// @param v Recovery id of the signature, 27 or 28.
    /// @param r First word of the signature.
    /// @param s Second word of the signature.
    struct Authorization {
        uint256 validAfter;
        uint256 validBefore;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice Opens the job that the buyer has signed for. Open to anyone, who gets the fee.
    /// @dev Errors: the token's own; those of {IPredictionEscrow-openFor}.
    /// @param escrow Where the job is opened.
    /// @param order What is ordered; `token` has ERC-3009, `callbackGas` is 0.
    /// @param buyer Who has signed, and becomes the job's buyer.
    /// @param fee What the caller gets, in units of the token.
    /// @param authorization The buyer's signature over the price of all inputs and the fee.
    /// @return jobId The job's id in the escrow.
    function open(
        IPredictionEscrow escrow,
        IPredictionEscrow.Order calldata order,
        address buyer,
        uint256 fee,
        Authorization calldata authorization
    ) external nonReentrant returns (uint256 jobId) {
        uint256 total = order.items * order.price;
        _take(order.token, buyer, total + fee, nonceOf(escrow, order, buyer, fee), authorization);
        IERC20 token = IERC20(order.token);
        token.forceApprove(address(escrow), total);
        jobId = escrow.openFor(order, buyer);
        // An escrow that took less must not find the allowance when somebody else's money passes.
        token.forceApprove(address(escrow), 0);
        if (fee != 0) token.safeTransfer(msg.sender, fee);
    }

    /// @notice The nonce that the buyer's authorization has.
    /// @param escrow Where the job is opened.
    /// @param order What is ordered.
    /// @param buyer Who signs.
    /// @param fee What the sender of the opening gets.
    /// @return nonce keccak256(abi.encode(chain id, this contract, escrow, order, buyer, fee)).
    function nonceOf(
        IPredictionEscrow escrow,
        IPredictionEscrow.Order calldata order,
        address buyer,
        uint256 fee
    ) public view returns (bytes32 nonce) {
        return keccak256(abi.encode(block.chainid, address(this), escrow, order, buyer, fee));
    }

    function _take(
        address token,
        address buyer,
        uint256 amount,
        bytes32 nonce,
        Authorization calldata authorization
    ) private {
        IERC3009(token)
            .receiveWithAuthorization(
                buyer,
                address(this),
                amount,
                authorization.validAfter,
                authorization.validBefore,
                nonce,
                authorization.v,
                authorization.r,
                authorization.s
            );
    }
}
