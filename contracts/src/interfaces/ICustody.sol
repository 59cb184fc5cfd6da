// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Custody: what an escrow owes, by token and account
/// @notice Payments are pulled. Whatever the escrow decides only changes credits; tokens and ether leave
/// the contract through {withdraw} and {withdrawTo} alone. The zero address stands for ether. What is burnt stays
/// here for ever ({burntOf}).
///
/// Every escrow has OpenZeppelin's `multicall(bytes[])`: several of its calls in the caller's name, all or none, none
/// of which takes ether.
///
/// Errors, here and in the escrows, are those of the library Errors. Errors of a deposit: WrongEtherAmount,
/// UnexpectedEther, NoCode, WrongTokenAmount, and the token's own.
interface ICustody {
    /// @notice Signature of an ERC-2612 permit over exactly the amount of the deposit.
    /// @param deadline Last second in which the permit is valid, Unix seconds.
    /// @param v Recovery id of the signature, 27 or 28.
    /// @param r First word of the signature.
    /// @param s Second word of the signature.
    struct Permit {
        uint256 deadline;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @notice Gives this contract the allowance that a permit of the caller's (ERC-2612) is for, as the first of the
    /// calls of a `multicall`: any call that takes a token can follow. A permit that fails (used by a front-runner, or
    /// not known to the token) is ignored: what counts is the allowance after it.
    /// @dev Errors: NoCode.
    /// @param token ERC-20 token.
    /// @param amount What the permit is for, in units of the token.
    /// @param permit The caller's signature.
    function usePermit(address token, uint256 amount, Permit calldata permit) external;

    /// @notice Pays the caller's whole credit in `token` to the caller.
    /// @dev Errors: as {withdrawTo}.
    /// @param token ERC-20 token, or the zero address for ether.
    /// @return amount What was paid, in units of the token (wei for ether).
    function withdraw(address token) external returns (uint256 amount);

    /// @notice Pays a part of the caller's credit in `token` to another address: the way out for accounts
    /// that a token has blocked, or that cannot receive ether.
    /// @dev Errors: InvalidRecipient, InsufficientCredit, EtherTransferFailed, WrongTokenAmount, the token's
    /// own.
    /// @param token ERC-20 token, or the zero address for ether.
    /// @param to Who receives; neither zero nor this contract.
    /// @param amount At least 1, at most the credit; in units of the token (wei for ether).
    function withdrawTo(address token, address to, uint256 amount) external;

    /// @notice What `account` can withdraw in `token`.
    /// @param token ERC-20 token, or the zero address for ether.
    /// @param account Whose credit.
    /// @return amount In units of the token (wei for ether).
    function creditOf(address token, address account) external view returns (uint256 amount);

    /// @notice What was burnt in `token`: money that stays in this contract and that nobody can ever take out.
    /// @param token ERC-20 token, or the zero address for ether.
    /// @return amount In units of the token (wei for ether).
    function burntOf(address token) external view returns (uint256 amount);
}
