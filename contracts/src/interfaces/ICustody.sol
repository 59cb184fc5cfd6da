// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Custody: what an escrow owes, by token and account
/// @notice Payments are pulled. Whatever the escrow decides only changes credits; tokens and ether leave
/// the contract through {withdraw} and {withdrawTo} alone. The zero address stands for ether.
interface ICustody {
    /// @notice Signature of an ERC-2612 permit over exactly the amount of the deposit.
    struct Permit {
        uint256 deadline;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice Pays the caller's whole credit in `token` to the caller.
    /// @return amount What was paid, in units of the token (wei for ether).
    function withdraw(address token) external returns (uint256 amount);

    /// @notice Pays a part of the caller's credit in `token` to another address: the way out for accounts
    /// that a token has blocked, or that cannot receive ether.
    function withdrawTo(address token, address to, uint256 amount) external;

    /// @notice What `account` can withdraw in `token`.
    function creditOf(address token, address account) external view returns (uint256 amount);
}
