// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {
    BombingBuyer,
    BurningBuyer,
    Caller,
    ListeningBuyer,
    ReenteringBuyer,
    RefusingBuyer
} from "../doubles/Buyers.sol";
import {EscrowUnderTest} from "./EscrowUnderTest.sol";

/// @notice Buyers' contracts of every kind that are called when they are served. An escrow that inherits this shows
/// that none of them keeps a seller from its money, gets a call through, or costs more gas than it was granted.
abstract contract HostileCallbacks is EscrowUnderTest {
    uint64 internal constant CALLBACK_GAS = 200_000;

    /// @dev A job of the buyer, whose end pays `payee` and calls the buyer with CALLBACK_GAS.
    function _saleTo(Caller buyer, address payee) internal virtual returns (Job memory);

    /// @dev What the escrow logs when the call fails.
    function _expectFailure() internal virtual;

    function test_ListeningBuyerIsTold() public {
        ListeningBuyer buyer = new ListeningBuyer();
        _end(_saleTo(buyer, _ann), NATIVE, _ann);
        assertEq(buyer.calls(), 1);
        assertEq(buyer.caller(), address(_custody()));
        // No more than was granted, and not a 64th less: what is missing are the steps to the first line.
        assertLe(buyer.gas(), CALLBACK_GAS);
        assertGt(buyer.gas(), CALLBACK_GAS - 2_000);
    }

    function test_RefusingBuyerIsIgnored() public {
        _isIgnored(new RefusingBuyer());
    }

    function test_BuyerBurningGasIsIgnored() public {
        _isIgnored(new BurningBuyer());
    }

    function test_BuyerAnsweringTooMuchIsIgnored() public {
        BombingBuyer buyer = new BombingBuyer();
        buyer.setFailing(true);
        _isIgnored(buyer);
        buyer.setFailing(false);
        Job memory job = _saleTo(buyer, _bob);
        uint256 before = gasleft();
        _end(job, NATIVE, _bob);
        assertLt(before - gasleft(), 2 * CALLBACK_GAS, "what it answers is paid for by others");
    }

    /// @dev A buyer whose code is gone is like one that says nothing.
    function test_BuyerWithoutCodeIsNoFailure() public {
        ListeningBuyer buyer = new ListeningBuyer();
        Job memory job = _saleTo(buyer, _ann);
        vm.etch(address(buyer), "");
        _end(job, NATIVE, _ann);
    }

    function test_CallbackReentryIsRefused() public {
        ReenteringBuyer buyer = new ReenteringBuyer();
        Job memory other = _sale(NATIVE, address(buyer));
        _end(other, NATIVE, address(buyer));
        Job memory job = _saleTo(buyer, _ann);
        bytes[] memory calls = _calls(NATIVE);
        uint256 start = vm.snapshotState();
        for (uint256 i = 0; i < calls.length; ++i) {
            buyer.prepare(calls[i]);
            _end(job, NATIVE, _ann);
            assertEq(buyer.calls(), 1, "not called");
            assertFalse(buyer.succeeded(), "a call got through");
            assertEq(
                buyer.answer(),
                abi.encodeWithSelector(ReentrancyGuardTransient.ReentrancyGuardReentrantCall.selector)
            );
            vm.revertToState(start);
        }
    }

    /// @dev The guard of each call holds also when they come in one.
    function test_CallbackReentryByManyCallsIsRefused() public {
        ReenteringBuyer buyer = new ReenteringBuyer();
        Job memory job = _saleTo(buyer, _ann);
        bytes[] memory inner = new bytes[](1);
        inner[0] = abi.encodeCall(ICustody.withdrawTo, (NATIVE, _elsewhere, 1));
        buyer.prepare(abi.encodeCall(Multicall.multicall, (inner)));
        _end(job, NATIVE, _ann);
        assertEq(buyer.calls(), 1);
        assertFalse(buyer.succeeded());
    }

    /// @dev What the buyer reads meanwhile is what holds afterwards: the seller has been credited.
    function test_CallbackSeesThePayment() public {
        ReenteringBuyer buyer = new ReenteringBuyer();
        Job memory job = _saleTo(buyer, _ann);
        buyer.prepare(abi.encodeCall(ICustody.creditOf, (NATIVE, _ann)));
        _end(job, NATIVE, _ann);
        assertTrue(buyer.succeeded());
        assertEq(buyer.answer(), abi.encode(job.credit));
    }

    /// @dev Threat: who ends the job gives so little gas that the buyer's contract fails, and is paid all the same.
    /// With any amount of gas, either the buyer has all that it was granted or nothing happens.
    function test_CallbackIsNotStarved() public {
        ListeningBuyer buyer = new ListeningBuyer();
        Job memory job = _saleTo(buyer, _ann);
        uint256 start = vm.snapshotState();
        uint256 told;
        uint256 short;
        for (uint256 gas = 100_000; gas <= 700_000; gas += 4_000) {
            (bool ok, bytes memory answer) = address(_custody()).call{gas: gas}(job.end);
            assertEq(_custody().creditOf(NATIVE, _ann), ok ? job.credit : 0);
            assertEq(buyer.calls(), ok ? 1 : 0, "paid without being told, or told in vain");
            if (ok) {
                ++told;
                assertGt(buyer.gas(), CALLBACK_GAS - 2_000, "less than was granted");
            }
            if (!ok && _isTooLow(answer)) ++short;
            vm.revertToState(start);
        }
        assertGt(told, 10);
        assertGt(short, 10);
    }

    function _isTooLow(bytes memory answer) private pure returns (bool) {
        bytes4 selector;
        assembly ("memory-safe") {
            selector := mload(add(answer, 0x20))
        }
        return answer.length != 0 && selector == Errors.CallbackGasTooLow.selector;
    }

    function _isIgnored(Caller buyer) private {
        Job memory job = _saleTo(buyer, _ann);
        uint256 before = gasleft();
        _expectFailure();
        _end(job, NATIVE, _ann);
        assertLt(before - gasleft(), 3 * CALLBACK_GAS, "more gas than was granted");
        _assertOthersArePaid();
    }
}
