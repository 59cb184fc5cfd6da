// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Vm} from "forge-std/Vm.sol";

import {ServiceBond} from "../../src/ServiceBond.sol";
import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {ServiceFixture} from "./ServiceFixture.sol";
import {Shipped} from "../shared/Shipped.sol";

/// @notice Receipts and their posting.
contract ServiceBondPostTest is ServiceFixture {
    function test_PostStoresBatchAndTakesPrice() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        bytes memory signature = sign(receipt);
        bytes32 expected = bond.batchIdOf(receipt);
        uint64 deadline = uint64(block.timestamp) + CONTEST_WINDOW;
        vm.expectEmit(address(bond));
        emit Events.BatchPosted(
            expected,
            serviceId,
            buyer,
            receipt.root,
            COUNT,
            PRICE,
            receipt.nonce,
            receipt.validUntil,
            deadline
        );
        vm.prank(buyer);
        bytes32 batchId = bond.post{value: PRICE}(receipt, signature);

        assertEq(batchId, expected);
        assertEq(address(bond).balance, BOND + PRICE);
        IServiceBond.Batch memory batch = bond.getBatch(batchId);
        assertEq(uint8(batch.state), uint8(IServiceBond.BatchState.Posted));
        assertEq(batch.contestBy, deadline);
        assertEq(batch.proveBy, 0);
        assertEq(batch.contested, 0);
        assertEq(batch.postedIn, block.number);
        assertEq(batch.checks, 0);
        assertEq(batch.proven, 0);
        assertEq(bond.contestedItems(batchId).length, 0);
        assertEq(bond.getService(serviceId).reserved, PENALTY);
        assertEq(bond.getService(serviceId).openBatches, 1);
    }

    /// @dev The buyer is a contract, so no transaction needs to hold the receipt: its log does.
    function test_LogHoldsTheWholeReceipt() public {
        IServiceBond.Receipt memory receipt = receiptOf(7);
        receipt.buyer = address(this);
        bytes memory signature = sign(receipt);
        vm.recordLogs();
        bytes32 batchId = bond.post{value: PRICE}(receipt, signature);

        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 1);
        assertEq(logs[0].topics[0], Events.BatchPosted.selector);
        IServiceBond.Receipt memory rebuilt;
        rebuilt.serviceId = logs[0].topics[2];
        rebuilt.buyer = address(uint160(uint256(logs[0].topics[3])));
        (rebuilt.root, rebuilt.count, rebuilt.price, rebuilt.nonce, rebuilt.validUntil,) =
            abi.decode(logs[0].data, (bytes32, uint256, uint256, uint256, uint256, uint64));
        assertEq(logs[0].topics[1], batchId);
        assertEq(bond.batchIdOf(rebuilt), batchId);

        vm.warp(deadlineOf(batchId) + 1);
        vm.prank(stranger);
        bond.settle(rebuilt);
        assertBatch(batchId, IServiceBond.BatchState.Paid);
    }

    function test_PostInToken() public {
        serviceId = openIn(address(token), 0);
        postBatch(0);
        assertEq(token.balanceOf(address(bond)), BOND + PRICE);
    }

    /// @dev The digest is that of EIP-712, and ERC-5267 tells wallets its domain.
    function test_ReceiptHashIsEip712() public view {
        IServiceBond.Receipt memory receipt = receiptOf(7);
        bytes32 message = keccak256(
            abi.encode(
                keccak256(
                    "Receipt(bytes32 serviceId,address buyer,bytes32 root,uint256 count,uint256 price,uint256 nonce,uint256 validUntil)"
                ),
                receipt.serviceId,
                receipt.buyer,
                receipt.root,
                receipt.count,
                receipt.price,
                receipt.nonce,
                receipt.validUntil
            )
        );
        assertEq(bond.receiptHash(receipt), keccak256(abi.encodePacked(hex"1901", _domain(), message)));
    }

    function test_RevertWhen_ReceiptIsPostedTwice() public {
        bytes32 batchId = postBatch(0);
        _expectRefusal(receiptOf(0), abi.encodeWithSelector(Errors.ReceiptUsed.selector, batchId));
        vm.warp(deadlineOf(batchId) + 1);
        bond.settle(receipts[batchId]);
        vm.warp(block.timestamp - CONTEST_WINDOW - 1);
        _expectRefusal(receiptOf(0), abi.encodeWithSelector(Errors.ReceiptUsed.selector, batchId));
        assertNotEq(postBatch(1), batchId);
    }

    /// @dev Threat: a receipt whose terms were changed after it was signed.
    function test_RevertWhen_ReceiptIsNotTheSignedOne() public {
        bytes memory signature = sign(receiptOf(0));
        bytes memory rejected = abi.encodeWithSelector(Errors.SignatureRejected.selector, signer);
        for (uint256 field = 0; field < 5; ++field) {
            IServiceBond.Receipt memory receipt = receiptOf(0);
            if (field == 0) receipt.root = keccak256("other answers");
            if (field == 1) --receipt.count;
            if (field == 2) --receipt.price;
            if (field == 3) ++receipt.nonce;
            if (field == 4) ++receipt.validUntil;
            vm.deal(buyer, receipt.price);
            vm.prank(buyer);
            vm.expectRevert(rejected);
            bond.post{value: receipt.price}(receipt, signature);
        }
        bytes32 other = openIn(ETHER, "other service");
        IServiceBond.Receipt memory moved = receiptOf(0);
        moved.serviceId = other;
        vm.deal(buyer, PRICE);
        vm.prank(buyer);
        vm.expectRevert(rejected);
        bond.post{value: PRICE}(moved, signature);
    }

    /// @dev Threat: a receipt of another chain or contract.
    function test_RevertWhen_ReceiptIsOfOtherDomain() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        bytes memory signature = sign(receipt);
        vm.chainId(block.chainid + 1);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.SignatureRejected.selector, signer));
        bond.post{value: PRICE}(receipt, signature);
        vm.chainId(block.chainid - 1);

        bytes32 foreign = Shipped.serviceBond(registry, false).receiptHash(receipt);
        signature = signBy(signerKey, foreign);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.SignatureRejected.selector, signer));
        bond.post{value: PRICE}(receipt, signature);
    }

    function test_RevertWhen_SignedBySomebodyElse() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        bytes memory signature = signBy(buyerKey, bond.receiptHash(receipt));
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.SignatureRejected.selector, signer));
        bond.post{value: PRICE}(receipt, signature);
    }

    function test_RevertWhen_PostedBySomebodyElse() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        bytes memory signature = sign(receipt);
        vm.deal(stranger, PRICE);
        vm.prank(stranger);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotBatchBuyer.selector, buyer, stranger));
        bond.post{value: PRICE}(receipt, signature);
    }

    function test_ReceiptCanBePostedUntilItExpires() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        vm.warp(receipt.validUntil + 1);
        _expectRefusal(receipt, abi.encodeWithSelector(Errors.ReceiptExpired.selector, receipt.validUntil));
        vm.warp(receipt.validUntil);
        postReceipt(receipt);
    }

    function test_CountBounds() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        uint256[3] memory refused = [0, uint256(65_537), type(uint256).max];
        for (uint256 i = 0; i < refused.length; ++i) {
            receipt.count = refused[i];
            _expectRefusal(
                receipt, abi.encodeWithSelector(Errors.CountOutOfRange.selector, refused[i], 65_536)
            );
        }
        receipt.count = 65_536;
        assertBatch(postReceipt(receipt), IServiceBond.BatchState.Posted);
        receipt.count = 1;
        assertBatch(postReceipt(receipt), IServiceBond.BatchState.Posted);
    }

    function test_PriceBounds() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        uint256 most = type(uint96).max;
        uint256[2] memory refused = [0, most + 1];
        for (uint256 i = 0; i < refused.length; ++i) {
            receipt.price = refused[i];
            _expectRefusal(receipt, abi.encodeWithSelector(Errors.PriceOutOfRange.selector, refused[i], most));
        }
        receipt.price = most;
        vm.deal(buyer, most + 1);
        postReceipt(receipt);
        receipt.price = 1;
        postReceipt(receipt);
    }

    function test_RevertWhen_RootIsZero() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        receipt.root = 0;
        _expectRefusal(receipt, abi.encodeWithSelector(Errors.ZeroValue.selector, "root"));
    }

    function test_RevertWhen_PriceDoesNotArrive() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        bytes memory signature = sign(receipt);
        vm.prank(buyer);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongEtherAmount.selector, PRICE, PRICE - 1));
        bond.post{value: PRICE - 1}(receipt, signature);
    }

    function test_RevertWhen_ServiceIsUnknownOrClosing() public {
        IServiceBond.Receipt memory receipt = receiptOf(0);
        receipt.serviceId = NONE;
        _expectRefusal(receipt, abi.encodeWithSelector(Errors.ServiceNotFound.selector, NONE));
        vm.prank(seller);
        bond.giveNotice(serviceId);
        _expectRefusal(receiptOf(0), abi.encodeWithSelector(Errors.ServiceNotActive.selector, serviceId));
        vm.warp(block.timestamp + NOTICE);
        bond.close(serviceId);
        _expectRefusal(receiptOf(0), abi.encodeWithSelector(Errors.ServiceNotActive.selector, serviceId));
    }

    function test_RevertWhen_ModelIsDeprecated() public {
        vm.prank(seller);
        registry.deprecateModel(modelId);
        _expectRefusal(receiptOf(0), abi.encodeWithSelector(Errors.DeprecatedModel.selector, modelId));
    }

    /// @dev Each open batch has its penalty set aside; one that could not be punished is refused.
    function test_RevertWhen_FreeBondIsTooSmall() public {
        postBatch(0);
        postBatch(1);
        postBatch(2);
        _expectRefusal(
            receiptOf(3), abi.encodeWithSelector(Errors.BondTooSmall.selector, BOND - 3 * PENALTY, PENALTY)
        );
        vm.prank(seller);
        bond.topUp{value: 4 * PENALTY - BOND}(serviceId, 4 * PENALTY - BOND);
        bytes32 last = postBatch(3);
        assertEq(bond.getService(serviceId).reserved, bond.getService(serviceId).bond);
        _expectRefusal(receiptOf(4), abi.encodeWithSelector(Errors.BondTooSmall.selector, 0, PENALTY));

        vm.warp(deadlineOf(last) + 1);
        bond.settle(receipts[last]);
        postBatch(4);
    }

    function _domain() private view returns (bytes32) {
        (bytes1 fields, string memory name, string memory version, uint256 chainId, address contract_,,) =
            bond.eip712Domain();
        assertEq(fields, hex"0f");
        assertEq(chainId, block.chainid);
        assertEq(contract_, address(bond));
        bytes32 domainType =
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
        return keccak256(
            abi.encode(domainType, keccak256(bytes(name)), keccak256(bytes(version)), chainId, contract_)
        );
    }

    function _expectRefusal(IServiceBond.Receipt memory receipt, bytes memory reason) private {
        bytes memory signature = sign(receipt);
        if (buyer.balance < receipt.price) vm.deal(buyer, receipt.price);
        vm.prank(buyer);
        vm.expectRevert(reason);
        bond.post{value: receipt.price}(receipt, signature);
    }
}
