// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IPredictionEscrow} from "../src/interfaces/IPredictionEscrow.sol";
import {Fixture} from "./Fixture.sol";

/// @notice What whole transactions cost: 21,000, call data and execution from cold storage. `isolate`
/// makes every call of a test a transaction of its own.
contract GasTest is Fixture {
    uint256 internal constant OPEN_LIMIT = 150_000;
    uint256 internal constant CLAIM_LIMIT = 90_000;

    function setUp() public override {
        super.setUp();
        // The first job ever pays for slots that all later ones find in use.
        openEther();
        openIn(address(token));
    }

    /// forge-config: default.isolate = true
    function test_GasOfOpenInEther() public {
        openEther();
        _assertBelow("open, ether", OPEN_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfOpenInToken() public {
        openIn(address(token));
        _assertBelow("open, ERC-20", OPEN_LIMIT);
    }

    /// @dev What a claim costs above checking its proof: the difference to a transaction that only calls the
    /// verifier. The recipient has no credit yet, the dearest case.
    /// forge-config: default.isolate = true
    function test_GasOfClaimAboveVerification() public {
        bytes memory proof = proofFor(1, seller, OUTPUT);
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = escrow.contextOf(1, seller);
        publicInputs[1] = INPUT;
        publicInputs[2] = OUTPUT;
        // A plain call: forge makes no transactions of calls to view functions.
        (bool valid,) = address(verifier).call(abi.encodeCall(verifier.verify, (vk, proof, publicInputs)));
        assertTrue(valid);
        uint256 verification = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint("verification by a mock", verification);
        escrow.claim(1, seller, OUTPUT, proof);
        uint256 total = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint("claim, above verification", total - verification);
        assertLe(total - verification, CLAIM_LIMIT);
    }

    /// @dev The same for a seller with unspent credit.
    /// forge-config: default.isolate = true
    function test_GasOfLaterClaim() public {
        vm.prank(buyer);
        escrow.open{value: PRICE}(orderIn(ETHER, PRICE));
        claimFor(1, seller);
        bytes memory proof = proofFor(3, seller, OUTPUT);
        escrow.claim(3, seller, OUTPUT, proof);
        _assertBelow("claim, whole transaction, recipient has credit", CLAIM_LIMIT);
    }

    /// forge-config: default.isolate = true
    function test_GasOfRefund() public {
        IPredictionEscrow.Job memory job = escrow.getJob(1);
        vm.warp(job.deadline + 1);
        escrow.refund(1);
        _assertBelow("refund", CLAIM_LIMIT);
    }

    function _assertBelow(string memory name, uint256 limit) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        emit log_named_uint(name, used);
        assertGt(used, 21_000, "not measured as a transaction");
        assertLe(used, limit, name);
    }
}

