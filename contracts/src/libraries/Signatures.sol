// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title Signatures of keys and of contracts
library Signatures {
    /// @notice Gas that a contract may use to judge a signature (ERC-1271). A caller that provides less
    /// makes a good signature fail, so a failure must never decide anything.
    uint256 internal constant ERC1271_GAS = 100_000;

    /// @notice Whether `signer`'s key made the signature, or its code accepts it. An account may have both
    /// (EIP-7702); its key speaks for it in any case.
    function isValid(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool) {
        (address recovered, ECDSA.RecoverError fault,) = ECDSA.tryRecoverCalldata(digest, signature);
        if (fault == ECDSA.RecoverError.NoError && recovered == signer) return true;
        return signer.code.length != 0 && _isAccepted(signer, digest, signature);
    }

    /// @dev Takes one word of the answer, however long it is.
    function _isAccepted(address signer, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bool accepted)
    {
        bytes memory question = abi.encodeCall(IERC1271.isValidSignature, (digest, signature));
        bytes32 magic = IERC1271.isValidSignature.selector;
        uint256 gasLimit = ERC1271_GAS;
        assembly ("memory-safe") {
            let answered := staticcall(gasLimit, signer, add(question, 0x20), mload(question), 0x00, 0x20)
            accepted := and(and(answered, gt(returndatasize(), 0x1f)), eq(mload(0x00), magic))
        }
    }
}
