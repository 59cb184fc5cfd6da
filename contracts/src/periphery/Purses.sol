// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";
import {Nonces} from "@openzeppelin/contracts/utils/Nonces.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

import {ICustody} from "../interfaces/ICustody.sol";
import {Deadlines} from "../libraries/Deadlines.sol";
import {Errors} from "../libraries/Errors.sol";
import {Signatures} from "../libraries/Signatures.sol";

/// @title Purse of one account: what escrows credit to it, its account's signature takes out
/// @notice Made by {Purses}, which alone can use it. It is an address for credits only: tokens and ether that are sent
/// to it without an escrow stay there.
contract Purse {
    address private immutable KEEPER;

    constructor() {
        KEEPER = msg.sender;
    }

    /// @notice Takes a credit of this purse out of a contract that holds it. Its keeper only.
    /// @param custody Escrow or service bond.
    /// @param token ERC-20 token, or the zero address for ether.
    /// @param to Who receives.
    /// @param amount In units of the token (wei for ether).
    function pay(ICustody custody, address token, address to, uint256 amount) external {
        if (msg.sender != KEEPER) revert Errors.WrongCaller(KEEPER, msg.sender);
        custody.withdrawTo(token, to, amount);
    }
}

/// @title Withdrawals by signature: for accounts that cannot pay for gas
/// @notice An account names its purse ({purseOf}) where it would name itself: as the recipient of a proof, or as the
/// buyer that a job is opened for. What the purse is credited, the account takes out by its own call, or by a signature
/// (EIP-712) that anybody can send for the fee that it grants. The purse need not exist before.
contract Purses is EIP712, Nonces {
    /// @notice What an account signs.
    /// @param owner The account, whose purse it is.
    /// @param custody Escrow or service bond that owes the purse.
    /// @param token ERC-20 token, or the zero address for ether.
    /// @param to Who receives the amount less the fee.
    /// @param amount What is taken out; in units of the token (wei for ether).
    /// @param fee What the sender of the signature gets of it.
    /// @param nonce The account's next, see `nonces`.
    /// @param deadline Last second in which it is valid, Unix seconds.
    struct Withdrawal {
        address owner;
        address custody;
        address token;
        address to;
        uint256 amount;
        uint256 fee;
        uint256 nonce;
        uint256 deadline;
    }

    /// @notice EIP-712 type of a withdrawal.
    bytes32 public constant WITHDRAWAL_TYPEHASH = keccak256(
        "Withdrawal(address owner,address custody,address token,address to,uint256 amount,uint256 fee,uint256 nonce,uint256 deadline)"
    );

    bytes32 private constant PURSE_CODE_HASH = keccak256(type(Purse).creationCode);

    constructor() EIP712("Assay Purses", "1") {}

    /// @notice Takes a credit of the caller's purse out.
    /// @dev Errors: those of {ICustody-withdrawTo}.
    /// @param custody Escrow or service bond that owes the purse.
    /// @param token ERC-20 token, or the zero address for ether.
    /// @param to Who receives.
    /// @param amount In units of the token (wei for ether).
    function withdraw(ICustody custody, address token, address to, uint256 amount) external {
        _open(msg.sender).pay(custody, token, to, amount);
    }

    /// @notice Takes a credit of somebody's purse out, as that account has signed. Open to anyone, who gets the fee.
    /// @dev Errors: DeadlinePassed (with the nonce for a job), InvalidAccountNonce, SignatureRejected; those of
    /// {ICustody-withdrawTo}; a fee above the amount is a panic.
    /// @param withdrawal What its owner has signed.
    /// @param signature 65 bytes of ECDSA, or what its ERC-1271 contract takes (with 100,000 gas).
    function withdrawSigned(Withdrawal calldata withdrawal, bytes calldata signature) external {
        address owner = withdrawal.owner;
        Deadlines.requireNotPassed(withdrawal.nonce, withdrawal.deadline);
        _useCheckedNonce(owner, withdrawal.nonce);
        bytes32 digest = digestOf(withdrawal);
        if (!Signatures.isValid(owner, digest, signature)) revert Errors.SignatureRejected(owner);
        Purse purse = _open(owner);
        ICustody custody = ICustody(withdrawal.custody);
        uint256 rest = withdrawal.amount - withdrawal.fee;
        if (rest != 0) purse.pay(custody, withdrawal.token, withdrawal.to, rest);
        if (withdrawal.fee != 0) purse.pay(custody, withdrawal.token, msg.sender, withdrawal.fee);
    }

    /// @notice The purse of an account: an address that depends on this contract and the account alone.
    /// @param owner Whose purse.
    /// @return purse Has code from the first withdrawal on.
    function purseOf(address owner) public view returns (address purse) {
        return Create2.computeAddress(_saltOf(owner), PURSE_CODE_HASH);
    }

    /// @notice EIP-712 digest of a withdrawal: what the account signs.
    /// @param withdrawal Any withdrawal.
    /// @return digest Depends on the chain and on this contract.
    function digestOf(Withdrawal calldata withdrawal) public view returns (bytes32 digest) {
        return _hashTypedDataV4(keccak256(abi.encode(WITHDRAWAL_TYPEHASH, withdrawal)));
    }

    function _open(address owner) private returns (Purse) {
        address purse = purseOf(owner);
        return purse.code.length != 0 ? Purse(purse) : new Purse{salt: _saltOf(owner)}();
    }

    function _saltOf(address owner) private pure returns (bytes32) {
        return bytes32(uint256(uint160(owner)));
    }
}
