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

/// @notice Takes proofs of any length and costs what a real verifier of the dearest kind does, always the same:
/// less, and the price of call data (EIP-7623) would hide what the escrow adds.
contract LongProofVerifier is MockVerifier {
    function verify(address vk, bytes calldata proof, uint256[] calldata publicInputs)
        external
        view
        override
        returns (bytes32 weightsHash)
    {
        bytes32 chain;
        for (uint256 i = 0; i < 4_000; ++i) {
            chain = keccak256(abi.encode(chain));
        }
        if (chain == 0) revert ProofRejected();
        return _check(vk, proof[:64], publicInputs);
    }
}

/// @notice Answers with the hash of the call.
contract EchoingVerifier {
    fallback() external {
        bytes32 hash = keccak256(msg.data);
        assembly ("memory-safe") {
            mstore(0x00, hash)
            return(0x00, 0x20)
        }
    }
}

/// @notice Answers with one byte less than a word.
contract ShortVerifier {
    fallback() external {
        assembly ("memory-safe") {
            return(0x00, 0x1f)
        }
    }
}

/// @notice Has code and answers any call with nothing.
contract SilentVerifier {
    fallback() external {}
}

/// @notice Fails without a reason.
contract MuteVerifier {
    fallback() external {
        assembly ("memory-safe") {
            revert(0x00, 0x00)
        }
    }
}

/// @notice Calls a precompile with all the gas it has and, like the generated verifiers, takes the failure of that
/// for a fault of the proof or its key.
contract StarvableVerifier is MockVerifier {
    function verify(address vk, bytes calldata proof, uint256[] calldata publicInputs)
        external
        view
        override
        returns (bytes32 weightsHash)
    {
        // Pairings of nothing but points at infinity: 45,000 and 34,000 a pair.
        (bool ok,) = address(8).staticcall(new bytes(6 * 192));
        if (!ok) revert ProofRejected();
        return _check(vk, proof, publicInputs);
    }
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
