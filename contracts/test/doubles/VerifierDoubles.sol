// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IHalo2Verifier} from "../../src/interfaces/IHalo2Verifier.sol";

/// @notice Drives the escrows' state machines. A "proof" is (weights' hash, digest of key and public
/// inputs): anyone can make one, but like a real proof it fits one key and one list of inputs only.
contract MockVerifier is IHalo2Verifier {
    error ProofRejected();

    function verify(address vk, bytes calldata proof, uint256[] calldata publicInputs)
        external
        view
        virtual
        returns (bytes32 weightsHash)
    {
        return _check(vk, proof, publicInputs);
    }

    function _check(address vk, bytes calldata proof, uint256[] calldata publicInputs)
        internal
        view
        returns (bytes32 weightsHash)
    {
        bytes32 digest;
        if (proof.length != 64) revert ProofRejected();
        (weightsHash, digest) = abi.decode(proof, (bytes32, bytes32));
        if (digest != keccak256(abi.encode(vk.codehash, publicInputs))) revert ProofRejected();
    }
}

/// @notice As costly as a real verifier, for tests that run out of gas inside it.
contract CostlyVerifier is MockVerifier {
    function verify(address vk, bytes calldata proof, uint256[] calldata publicInputs)
        external
        view
        override
        returns (bytes32 weightsHash)
    {
        uint256 start = gasleft();
        while (start - gasleft() < 300_000) {}
        return _check(vk, proof, publicInputs);
    }
}

/// @notice Has code and answers any call with nothing.
contract SilentVerifier {
    fallback() external {}
}

/// @notice Tries to change the escrow while it is being asked.
contract ReenteringVerifier {
    fallback() external {
        (bool refunded, bytes memory reason) = msg.sender.call(abi.encodeWithSignature("refund(uint256)", 1));
        if (refunded) return;
        assembly ("memory-safe") {
            revert(add(reason, 32), mload(reason))
        }
    }
}
