// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {
    BurningWallet,
    OwnedWallet,
    ReenteringWallet,
    ScriptedWallet,
    ThoughtfulWallet,
    VerboseWallet
} from "../doubles/Wallets.sol";
import {ServiceFixture} from "./ServiceFixture.sol";

/// @notice Signers that are contracts.
contract ServiceBondSignerTest is ServiceFixture {
    function test_WalletSigns() public {
        _useSigner(address(new OwnedWallet(signer)));
        postBatch(0);
        IServiceBond.Receipt memory receipt = receiptOf(1);
        bytes memory signature = signBy(buyerKey, bond.receiptHash(receipt));
        _expectRejected(receipt, signature);
    }

    /// @dev An account with a key and code (EIP-7702): its key speaks for it.
    function test_KeyOfAccountWithCodeSigns() public {
        vm.etch(signer, address(new BurningWallet()).code);
        postBatch(0);
    }

    function test_WalletHasItsShareOfGas() public {
        _useSigner(address(new ThoughtfulWallet(95_000)));
        postBatch(0);
        _useSigner(address(new ThoughtfulWallet(100_000)));
        _expectRejected(receiptOf(1), "");
    }

    /// @dev Threat: a wallet that burns gas. It costs the buyer the share, not all that the buyer sent.
    function test_BurningWalletBurnsItsShareOnly() public {
        _useSigner(address(new BurningWallet()));
        IServiceBond.Receipt memory receipt = receiptOf(0);
        uint256 before = gasleft();
        vm.prank(buyer);
        try bond.post{value: PRICE, gas: 5_000_000}(receipt, "") {
            fail();
        } catch (bytes memory reason) {
            assertEq(reason, abi.encodeWithSelector(Errors.SignatureRejected.selector, _signer()));
        }
        assertLt(before - gasleft(), 300_000);
    }

    function test_OddAnswersAreRejections() public {
        ScriptedWallet wallet = new ScriptedWallet();
        _useSigner(address(wallet));
        bytes4 magic = IERC1271.isValidSignature.selector;
        bytes[6] memory answers = [
            bytes(""),
            abi.encodePacked(magic),
            abi.encodePacked(magic, new bytes(27)),
            abi.encode(bytes4(0xffffffff)),
            abi.encode(uint256(1)),
            abi.encodePacked(magic, new bytes(27), bytes1(0x01))
        ];
        for (uint256 i = 0; i < answers.length; ++i) {
            wallet.prepare(answers[i], false);
            _expectRejected(receiptOf(0), "");
        }
        wallet.prepare(abi.encode(magic), true);
        _expectRejected(receiptOf(0), "");
        wallet.prepare(abi.encode(magic, "and more"), false);
        IServiceBond.Receipt memory receipt = receiptOf(0);
        vm.prank(buyer);
        bond.post{value: PRICE}(receipt, "");
    }

    /// @dev Threat: an answer that costs its reader as much memory again. It is not copied.
    function test_LongAnswerIsNotCopied() public {
        _useSigner(address(new VerboseWallet()));
        IServiceBond.Receipt memory receipt = receiptOf(0);
        bytes memory reason = abi.encodeWithSelector(Errors.SignatureRejected.selector, _signer());
        uint256 before = gasleft();
        vm.prank(buyer);
        vm.expectRevert(reason);
        bond.post{value: PRICE}(receipt, "");
        uint256 used = before - gasleft();
        emit log_named_uint("used", used);
        assertLt(used, 150_000);
    }

    /// @dev The call is static: the wallet can change nothing, its own calls fail.
    function test_WalletCannotReenter() public {
        _useSigner(address(new ReenteringWallet()));
        IServiceBond.Receipt memory receipt = receiptOf(0);
        vm.prank(buyer);
        bond.post{value: PRICE}(receipt, "");
    }

    function test_StarvedSignatureDecidesNothing() public {
        _useSigner(address(new ThoughtfulWallet(90_000)));
        IServiceBond.Receipt memory receipt = receiptOf(0);
        bytes memory call = abi.encodeCall(bond.post, (receipt, ""));
        bytes32 batchId = bond.batchIdOf(receipt);
        uint256 start = vm.snapshotState();
        uint256 failures;
        uint256 successes;
        for (uint256 gas = 20_000; gas <= 600_000; gas += 5_000) {
            vm.prank(buyer);
            (bool ok,) = address(bond).call{value: PRICE, gas: gas}(call);
            if (ok) ++successes;
            else ++failures;
            assertEq(bond.getService(serviceId).openBatches, ok ? 1 : 0);
            assertEq(address(bond).balance, 2 * BOND + (ok ? PRICE : 0));
            if (ok) assertBatch(batchId, IServiceBond.BatchState.Posted);
            vm.revertToState(start);
        }
        assertGt(failures, 20);
        assertGt(successes, 20);
    }

    function test_RevertWhen_SignatureIsMalleable() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signerKey, bond.receiptHash(receipt));
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        _expectRejected(receipt, abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? 28 : 27));
        _expectRejected(receipt, "");
    }

    function _useSigner(address account) private {
        IServiceBond.Terms memory terms = termsIn(ETHER);
        terms.signer = account;
        serviceId = openWith(terms, 0);
    }

    function _signer() private view returns (address) {
        return bond.getService(serviceId).signer;
    }

    function _expectRejected(IServiceBond.Receipt memory receipt, bytes memory signature) private {
        bytes memory reason = abi.encodeWithSelector(Errors.SignatureRejected.selector, _signer());
        vm.deal(buyer, PRICE);
        vm.prank(buyer);
        vm.expectRevert(reason);
        bond.post{value: PRICE}(receipt, signature);
    }
}
