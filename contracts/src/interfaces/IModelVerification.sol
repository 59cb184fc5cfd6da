// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title What every escrow tells about the models and proofs it takes
/// @notice Errors of admission, where a call names a model: ModelNotFound, NotBound, BindingMismatch,
/// DeprecatedModel, DevSetupRefused, WrongStatement and, where proofs are about runs, BatchMismatch. Errors of a
/// proof, where a call shows one: PublicInputOutOfRange, CodeHashMismatch, ModelHashMismatch, and the
/// verifier's own.
///
/// Where a prediction is paid for, its proof's last public inputs are output words. What they mean is what the
/// model's key states, `statement` in the registry ({IModelRegistry-admissionOf}), and never changes for a model id:
///
/// | statement | output words |
/// |---|---|
/// | class (isClass) | the class, from 0 |
/// | best classes | so many classes, the best first |
/// | best classes and their scores | so many classes, the best first, then the output of each in that order, as below |
/// | number (isNumber): a network with one output, imported with its logits as outputs | the integer of the output + 2^15, below 2^16 |
/// | logits | the same of each output |
/// | commitment | Poseidon commitment to all outputs and a salt: the answer is hidden |
/// | classes, or numbers, of a run's items | 16 bits for each item, 15 items a word, the first lowest |
///
/// The real number is (word - 2^15) * step; the step is in the model's card. Keys of anything else, and of public
/// inputs, are refused with WrongStatement.
///
/// A class is not a score. Nothing in a job or a proof tells them apart: whoever acts on words checks once, when it
/// chooses its model, that the model states what it takes them for. {Outputs} reads them.
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
