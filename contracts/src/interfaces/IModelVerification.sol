// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title What every escrow tells about the models and proofs it takes
/// @notice Errors of admission, where a call names a model: ModelNotFound, NotBound, BindingMismatch,
/// DeprecatedModel, DevSetupRefused, WrongStatement and, where proofs are about runs, BatchMismatch. Errors of a
/// proof, where a call shows one: PublicInputOutOfRange, CodeHashMismatch, ModelHashMismatch, and the
/// verifier's own.
interface IModelVerification {
    /// @notice The registry whose models are admitted.
    /// @return Address of the registry (IModelRegistry); fixed at deployment.
    function registry() external view returns (address);

    /// @notice Whether keys of trusted setups that the registry does not know are admitted. For development
    /// chains only.
    /// @return Whether they are admitted; fixed at deployment.
    function allowDevSetup() external view returns (bool);

    /// @notice Public input 0 of a proof that pays `recipient` for `jobId`:
    /// uint256(keccak256(abi.encode(chain id, this contract, job id, recipient))) >> 8.
    /// @param jobId What is proven for: the id of a job, or of a batch as a number.
    /// @param recipient Who is paid.
    /// @return context Below 2^248.
    function contextOf(uint256 jobId, address recipient) external view returns (uint256 context);
}
