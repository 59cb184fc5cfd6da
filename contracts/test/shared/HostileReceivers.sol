// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {GasBurner, ReenteringReceiver, RefusingReceiver} from "../doubles/Receivers.sol";
import {EscrowUnderTest} from "./EscrowUnderTest.sol";

/// @notice Receivers of ether of every kind. An escrow that inherits this shows that none of them keeps a job from
/// ending, gets a call through while it is paid, or harms anybody else.
abstract contract HostileReceivers is EscrowUnderTest {
    /// @dev A receiver that refuses ether keeps no job from ending, and can have its money sent elsewhere.
    function test_SellerRefusingEther() public {
        RefusingReceiver payee = new RefusingReceiver();
        _refusingEther(payee, _sale(NATIVE, address(payee)));
    }

    function test_BuyerRefusingEther() public {
        RefusingReceiver payee = new RefusingReceiver();
        _refusingEther(payee, _refund(NATIVE, address(payee)));
    }

    function test_SellerReenteringOnEther() public {
        ReenteringReceiver payee = new ReenteringReceiver();
        Job memory other = _sale(NATIVE, _bob);
        _end(other, NATIVE, _bob);
        _reenteringOnEther(payee, _sale(NATIVE, address(payee)));
    }

    function test_BuyerReenteringOnEther() public {
        ReenteringReceiver payee = new ReenteringReceiver();
        Job memory other = _sale(NATIVE, _bob);
        _end(other, NATIVE, _bob);
        _reenteringOnEther(payee, _refund(NATIVE, address(payee)));
    }

    /// @dev The credit is gone before the ether leaves: a receiver that looks sees zero.
    function test_CreditIsClearedBeforeTransfer() public {
        ReenteringReceiver looker = new ReenteringReceiver();
        _end(_sale(NATIVE, address(looker)), NATIVE, address(looker));
        looker.prepare(address(_custody()), abi.encodeCall(ICustody.creditOf, (NATIVE, address(looker))));
        looker.execute(address(_custody()), abi.encodeCall(ICustody.withdraw, (NATIVE)));
        assertTrue(looker.succeeded());
        assertEq(looker.answer(), abi.encode(0));
    }

    function test_SellerBurningGasHarmsItselfOnly() public {
        GasBurner burner = new GasBurner();
        _burningGas(burner, _sale(NATIVE, address(burner)));
    }

    function test_BuyerBurningGasHarmsItselfOnly() public {
        GasBurner burner = new GasBurner();
        _burningGas(burner, _refund(NATIVE, address(burner)));
    }

    function _refusingEther(RefusingReceiver payee, Job memory job) private {
        _end(job, NATIVE, address(payee));
        vm.expectRevert(abi.encodeWithSelector(Errors.EtherTransferFailed.selector, payee, job.credit));
        payee.withdraw(_custody(), NATIVE);
        assertEq(_custody().creditOf(NATIVE, address(payee)), job.credit);
        payee.withdrawTo(_custody(), NATIVE, _elsewhere, job.credit);
        assertEq(_elsewhere.balance, job.credit);
    }

    function _reenteringOnEther(ReenteringReceiver payee, Job memory job) private {
        _end(job, NATIVE, address(payee));
        bytes[] memory calls = _calls(NATIVE);
        uint256 start = vm.snapshotState();
        for (uint256 i = 0; i < calls.length; ++i) {
            payee.prepare(address(_custody()), calls[i]);
            _withdraw(NATIVE, address(payee), job.credit);
            _assertGuarded(payee);
            vm.revertToState(start);
        }
    }

    function _burningGas(GasBurner burner, Job memory job) private {
        _end(job, NATIVE, address(burner));
        (bool ok,) =
            address(burner).call{gas: 1_000_000}(abi.encodeCall(burner.withdraw, (_custody(), NATIVE)));
        assertFalse(ok);
        assertEq(_custody().creditOf(NATIVE, address(burner)), job.credit);
        _assertOthersArePaid();
    }
}
