// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {GasMeter} from "../gas/GasMeter.sol";
import {VerifierErrors} from "./ProofFixture.sol";
import {ProofScenarios} from "./ProofScenarios.sol";

/// @notice One real proof and the call that it is made for: accepted as it is, refused when anything is
/// changed, and still accepted after that. What is special to a contract is added by its test.
abstract contract ProofRefusals is ProofScenarios, GasMeter {
    /// @dev Offsets in a key's data contract: the digest of its profile, behind the statement, and its own digest.
    uint256 private constant PROFILE_DIGEST = 32;
    uint256 private constant KEY_DIGEST = 32 + 6 * 32;

    /// @dev The honest proof.
    bytes internal proof;

    /// @dev Name of the proof in the fixture.
    function _name() internal pure virtual returns (string memory);

    /// @dev The circuit that it is a proof of.
    function _circuit() internal view virtual returns (Circuit memory);

    /// @dev The call that shows a proof to the contract, everything else as it should be.
    function _call(bytes memory shown) internal view virtual returns (address target, bytes memory data);

    /// @dev All that the call may change.
    function _state() internal view virtual returns (bytes memory);

    /// @dev Whether the contract has accepted the proof.
    function _isAccepted() internal view virtual returns (bool);

    /// @dev How the contract refuses proofs of other weights than the model's.
    function _otherWeights(bytes32 expected, bytes32 shown) internal pure virtual returns (bytes memory) {
        return abi.encodeWithSelector(Errors.ModelHashMismatch.selector, expected, shown);
    }

    /// @dev How the contract refuses code that is not the pinned one.
    function _otherCode(address account, bytes32 pinned) internal view virtual returns (bytes memory) {
        return abi.encodeWithSelector(Errors.CodeHashMismatch.selector, account, pinned, account.codehash);
    }

    function setUp() public virtual override {
        super.setUp();
        proof = proofOf(_name());
    }

    function test_RealProofIsAccepted() public {
        assertFalse(_isAccepted());
        assertEq(verify(_circuit(), proof, publicInputsOf(_name())), _circuit().modelHash);
        _accept();
    }

    /// @dev The first point, the last scalar and the last point.
    function test_RevertWhen_OneByteIsAnother() public {
        uint256 end = proof.length;
        _refuseChanged(63, abi.encodeWithSelector(VerifierErrors.PointNotOnCurve.selector, 0));
        _refuseChanged(end - 129, abi.encodeWithSelector(VerifierErrors.ProofInvalid.selector));
        _refuseChanged(end - 1, abi.encodeWithSelector(VerifierErrors.PointNotOnCurve.selector, end - 64));
        _accept();
    }

    function testFuzz_RevertWhen_BitIsFlipped(uint256 bit) public {
        bit = bound(bit, 0, 8 * proof.length - 1);
        bytes memory changed = proof;
        changed[bit / 8] ^= bytes1(SafeCast.toUint8(2 ** (bit % 8)));
        vm.expectRevert();
        _show(changed);
        assertFalse(_isAccepted());
    }

    /// @dev A point that is on the curve, but is not the one that belongs there.
    function test_RevertWhen_PointIsAnother() public {
        bytes memory changed = proof;
        uint256 last = proof.length - 64;
        for (uint256 i = 0; i < 64; ++i) {
            changed[last + i] = proof[i];
        }
        _refuse(changed, abi.encodeWithSelector(VerifierErrors.ProofInvalid.selector));
        _accept();
    }

    function test_RevertWhen_LengthIsAnother() public {
        bytes memory refusal = abi.encodeWithSelector(VerifierErrors.ProofLength.selector);
        _refuse("", refusal);
        _refuse(_cut(proof.length - 1), refusal);
        _refuse(_cut(proof.length - 32), refusal);
        _refuse(_cut(proof.length - 64), refusal);
        _refuse(bytes.concat(proof, hex"00"), refusal);
        _refuse(bytes.concat(proof, proof), refusal);
        _accept();
    }

    /// @dev Threat: a caller gives the verifier, or a precompile that it uses, too little gas. Whatever it gives,
    /// the call does all that it should or nothing, and the proof stays good. In steps of a 64th, the part that a
    /// call keeps back.
    function test_StarvedRealProofDecidesNothing() public {
        (address target, bytes memory data) = _call(proof);
        bytes memory untouched = _state();
        uint256 start = vm.snapshotState();
        uint256 needed = gasleft();
        _accept();
        needed -= gasleft();
        bytes memory done = _state();
        assertNotEq(done, untouched);
        vm.revertToState(start);

        uint256 failures;
        uint256 successes;
        for (uint256 i = 1; i <= 80; ++i) {
            (bool ok,) = target.call{gas: needed * i / 64}(data);
            assertEq(_state(), ok ? done : untouched, "half done");
            if (ok) ++successes;
            else ++failures;
            vm.revertToState(start);
        }
        // The sweep must have met both cases, or it shows nothing.
        assertGt(failures, 40);
        assertGt(successes, 10);
        _accept();
    }

    function test_RevertWhen_ChainIsAnother() public {
        vm.chainId(1);
        _refuse(proof, abi.encodeWithSelector(VerifierErrors.ProofInvalid.selector));
        vm.chainId(CHAIN);
        _accept();
    }

    /// @dev The same residue: the verifier takes canonical values only.
    function test_RevertWhen_PublicInputIsRaisedByModulus() public {
        Circuit memory circuit = _circuit();
        uint256[] memory publicInputs = publicInputsOf(_name());
        for (uint256 i = 0; i < publicInputs.length; ++i) {
            publicInputs[i] += R;
            vm.expectRevert(abi.encodeWithSelector(VerifierErrors.PublicInputNotInField.selector, i));
            this.verifyExternally(circuit, proof, publicInputs);
            publicInputs[i] -= R;
        }
        assertEq(verify(circuit, proof, publicInputs), circuit.modelHash);
    }

    function test_RevertWhen_AnyPublicInputIsAnother() public {
        Circuit memory circuit = _circuit();
        uint256[] memory publicInputs = publicInputsOf(_name());
        for (uint256 i = 0; i < publicInputs.length; ++i) {
            ++publicInputs[i];
            vm.expectRevert(VerifierErrors.ProofInvalid.selector);
            this.verifyExternally(circuit, proof, publicInputs);
            --publicInputs[i];
        }
        assertEq(verify(circuit, proof, publicInputs), circuit.modelHash);
    }

    /// @dev The key of another circuit, and this one with another digest, profile or commitment, each as if the
    /// model had been bound to it.
    function test_RevertWhen_KeyIsAnother() public {
        Circuit memory circuit = _circuit();
        bytes memory key = circuit.vk.code;
        address other = circuit.modelId == prediction.modelId ? audit.vk : prediction.vk;
        _bindOtherwise(other, circuit.modelHash);
        _refuse(proof, abi.encodeWithSelector(VerifierErrors.VerifyingKeyFormat.selector));

        _bindOtherwise(_changedKey(key, PROFILE_DIGEST + 31), circuit.modelHash);
        _refuse(proof, abi.encodeWithSelector(VerifierErrors.VerifyingKeyFormat.selector));
        _bindOtherwise(_changedKey(key, KEY_DIGEST + 31), circuit.modelHash);
        _refuse(proof, abi.encodeWithSelector(VerifierErrors.ProofInvalid.selector));
        _bindOtherwise(_changedKey(key, key.length - 1), circuit.modelHash);
        _refuse(proof, abi.encodeWithSelector(VerifierErrors.PrecompileFailed.selector));

        vm.clearMockedCalls();
        _accept();
    }

    /// @dev A valid proof about other weights: as if the model had been registered with another hash.
    function test_RevertWhen_WeightsAreOthers() public {
        Circuit memory circuit = _circuit();
        bytes32 other = keccak256("other weights");
        _bindOtherwise(circuit.vk, other);
        _refuse(proof, _otherWeights(other, circuit.modelHash));
        vm.clearMockedCalls();
        _accept();
    }

    function test_RevertWhen_KeyOrVerifierChangedAfterBinding() public {
        Circuit memory circuit = _circuit();
        address[2] memory accounts = [circuit.vk, circuit.verifier];
        for (uint256 i = 0; i < accounts.length; ++i) {
            (bytes memory code, bytes32 pinned) = (accounts[i].code, accounts[i].codehash);
            vm.etch(accounts[i], bytes.concat(code, hex"00"));
            _refuse(proof, _otherCode(accounts[i], pinned));
            vm.etch(accounts[i], code);
        }
        _accept();
    }

    /// @dev `verify` as a call of its own, for expectations.
    function verifyExternally(Circuit memory circuit, bytes memory shown, uint256[] memory publicInputs)
        external
        view
    {
        verify(circuit, shown, publicInputs);
    }

    /// @dev Shows a proof to the contract. One call besides cheat codes; what it reverts with is passed on.
    function _show(bytes memory shown) internal {
        (address target, bytes memory data) = _call(shown);
        (bool ok, bytes memory reason) = target.call(data);
        if (ok) return;
        assembly ("memory-safe") {
            revert(add(reason, 0x20), mload(reason))
        }
    }

    /// @dev Measures what the call costs above a transaction that only verifies the proof. For tests with
    /// `isolate`, which a test does not inherit.
    function _measure(string memory call, uint256 limit) internal {
        Circuit memory circuit = _circuit();
        measureVerification(circuit.verifier, circuit.vk, proof, publicInputsOf(_name()));
        _show(proof);
        assertGasAboveVerification(string.concat(call, ", real proof, above verification"), limit);
    }

    function _accept() internal {
        _show(proof);
        assertTrue(_isAccepted(), "refused");
    }

    function _refuse(bytes memory shown, bytes memory refusal) internal {
        vm.expectRevert(refusal);
        _show(shown);
        assertFalse(_isAccepted(), "accepted");
    }

    function _refuseChanged(uint256 at, bytes memory verifierError) private {
        bytes memory changed = proof;
        changed[at] ^= 0x01;
        _refuse(changed, verifierError);
    }

    function _cut(uint256 length) private view returns (bytes memory part) {
        part = proof;
        assembly ("memory-safe") {
            mstore(part, length)
        }
    }

    function _changedKey(bytes memory key, uint256 at) private returns (address account) {
        account = makeAddr(string.concat("key changed at ", vm.toString(at)));
        key[at] ^= 0x01;
        vm.etch(account, key);
        key[at] ^= 0x01;
    }

    /// @dev What the registry would say of the model, were it bound to other contracts.
    function _bindOtherwise(address vk, bytes32 modelHash) private {
        Circuit memory circuit = _circuit();
        vm.mockCall(
            address(registry),
            abi.encodeCall(IModelRegistry.verificationOf, (circuit.modelId)),
            abi.encode(modelHash, vk.codehash, circuit.verifier.codehash, vk, circuit.verifier)
        );
        vm.mockCall(
            address(registry),
            abi.encodeCall(IModelRegistry.proofCheckOf, (circuit.modelId)),
            abi.encode(
                keccak256(abi.encode(modelHash, vk.codehash, circuit.verifier.codehash)), vk, circuit.verifier
            )
        );
    }
}
