// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ServiceBond} from "../../src/ServiceBond.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IServiceBond} from "../../src/interfaces/IServiceBond.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {Keys} from "../shared/Keys.sol";
import {ServiceFixture} from "./ServiceFixture.sol";
import {Shipped} from "../shared/Shipped.sol";

contract ServiceBondServiceTest is ServiceFixture {
    function test_OpenStoresTermsAndTakesBond() public {
        IServiceBond.Terms memory terms = termsIn(address(token));
        bytes32 expected = keccak256(abi.encode(block.chainid, address(bond), seller, terms, SALT));
        assertEq(bond.serviceIdOf(seller, terms, SALT), expected);
        vm.expectEmit(address(bond));
        emit Events.ServiceOpened(expected, seller, modelId, BOND);
        vm.prank(seller);
        serviceId = bond.openService(terms, BOND, SALT);

        assertEq(serviceId, expected);
        assertEq(token.balanceOf(address(bond)), BOND);
        IServiceBond.Service memory service = bond.getService(serviceId);
        assertEq(uint8(service.state), uint8(IServiceBond.ServiceState.Active));
        assertEq(service.provider, seller);
        assertEq(service.signer, signer);
        assertEq(service.token, address(token));
        assertEq(service.modelId, modelId);
        assertEq(service.bond, BOND);
        assertEq(service.reserved, 0);
        assertEq(service.openBatches, 0);
        assertEq(service.penalty, PENALTY);
        assertEq(service.proofCost, PROOF_COST);
        assertEq(service.contestWindow, CONTEST_WINDOW);
        assertEq(service.proofWindow, PROOF_WINDOW);
        assertEq(service.noticePeriod, NOTICE);
        assertEq(service.closableAt, 0);
    }

    function test_ServiceIdIsOfProviderTermsSaltChainAndContract() public {
        IServiceBond.Terms memory terms = termsIn(ETHER);
        assertEq(bond.serviceIdOf(seller, terms, 0), serviceId);
        assertNotEq(bond.serviceIdOf(stranger, terms, 0), serviceId);
        assertNotEq(bond.serviceIdOf(seller, terms, SALT), serviceId);
        assertNotEq(Shipped.serviceBond(registry, false).serviceIdOf(seller, terms, 0), serviceId);
        ++terms.penalty;
        assertNotEq(bond.serviceIdOf(seller, terms, 0), serviceId);
        --terms.penalty;
        vm.chainId(block.chainid + 1);
        assertNotEq(bond.serviceIdOf(seller, terms, 0), serviceId);
    }

    function test_RevertWhen_ServiceExists() public {
        _expectRefusal(
            termsIn(ETHER), BOND, 0, abi.encodeWithSelector(Errors.ServiceExists.selector, serviceId)
        );
    }

    /// @dev A closed service's id stays taken: old receipts never come back to life.
    function test_RevertWhen_ClosedServiceIsOpenedAgain() public {
        _giveNotice();
        vm.warp(block.timestamp + NOTICE);
        bond.close(serviceId);
        _expectRefusal(
            termsIn(ETHER), BOND, 0, abi.encodeWithSelector(Errors.ServiceExists.selector, serviceId)
        );
    }

    function test_RevertWhen_SignerIsZero() public {
        IServiceBond.Terms memory terms = termsIn(ETHER);
        terms.signer = address(0);
        _expectRefusal(terms, BOND, 0, abi.encodeWithSelector(Errors.ZeroValue.selector, "signer"));
    }

    function test_BondBounds() public {
        uint256 most = type(uint96).max;
        uint256[3] memory refused = [0, PENALTY - 1, most + 1];
        for (uint256 i = 0; i < refused.length; ++i) {
            _expectRefusal(termsIn(ETHER), refused[i], SALT, _outOfRange("bond", refused[i], PENALTY, most));
        }
        _accept(termsIn(ETHER), PENALTY, "least");
        _accept(termsIn(ETHER), most, "most");
    }

    function test_PenaltyAndCostBounds() public {
        uint256 most = type(uint96).max;
        uint256[2] memory refused = [uint256(0), most + 1];
        IServiceBond.Terms memory terms = termsIn(ETHER);
        for (uint256 i = 0; i < refused.length; ++i) {
            terms.penalty = refused[i];
            _expectRefusal(terms, most, 0, _outOfRange("penalty", refused[i], 1, most));
        }
        terms.penalty = most;
        _accept(terms, most, "most");
        terms.penalty = 1;
        _accept(terms, 1, "least");
        for (uint256 i = 0; i < refused.length; ++i) {
            terms.proofCost = refused[i];
            _expectRefusal(terms, most, 0, _outOfRange("proofCost", refused[i], 1, most));
        }
        terms.proofCost = most;
        _accept(terms, 1, "most");
        terms.proofCost = 1;
        _accept(terms, 1, "least");
    }

    function test_WindowBounds() public {
        uint256 least = 10 minutes;
        uint256 most = 30 days;
        uint64[4] memory refused = [uint64(0), 10 minutes - 1, 30 days + 1, type(uint64).max];
        IServiceBond.Terms memory terms = termsIn(ETHER);
        for (uint256 i = 0; i < refused.length; ++i) {
            terms.contestWindow = refused[i];
            _expectRefusal(terms, BOND, 0, _outOfRange("contestWindow", refused[i], least, most));
        }
        terms.contestWindow = CONTEST_WINDOW;
        for (uint256 i = 0; i < refused.length; ++i) {
            terms.proofWindow = refused[i];
            _expectRefusal(terms, BOND, 0, _outOfRange("proofWindow", refused[i], least, most));
        }
        (terms.contestWindow, terms.proofWindow) = (10 minutes, 10 minutes);
        _accept(terms, BOND, "least");
        (terms.contestWindow, terms.proofWindow, terms.noticePeriod) = (30 days, 30 days, 61 days);
        _accept(terms, BOND, "most");
    }

    /// @dev The notice period is longer than every window that can be open when it starts.
    function test_NoticeBounds() public {
        uint256 least = uint256(CONTEST_WINDOW) + PROOF_WINDOW + 1;
        uint64[3] memory refused = [uint64(0), CONTEST_WINDOW + PROOF_WINDOW, 365 days + 1];
        IServiceBond.Terms memory terms = termsIn(ETHER);
        for (uint256 i = 0; i < refused.length; ++i) {
            terms.noticePeriod = refused[i];
            _expectRefusal(terms, BOND, 0, _outOfRange("noticePeriod", refused[i], least, 365 days));
        }
        terms.noticePeriod = CONTEST_WINDOW + PROOF_WINDOW + 1;
        _accept(terms, BOND, "least");
        terms.noticePeriod = 365 days;
        _accept(terms, BOND, "most");
    }

    /// @dev Threat: a model that proves something else with as many public inputs.
    function test_RevertWhen_KeyIsNotOfAPrediction() public {
        bytes32[] memory others = Keys.notSold();
        IServiceBond.Terms memory terms = termsIn(ETHER);
        for (uint256 i = 0; i < others.length; ++i) {
            address key = makeKey(vm.toString(i), others[i]);
            (terms.modelId, terms.bindingHash) = bindModel(WEIGHTS, key, address(verifier));
            _expectRefusal(
                terms,
                BOND,
                0,
                abi.encodeWithSelector(Errors.WrongStatement.selector, terms.modelId, others[i])
            );
        }
    }

    function test_RevertWhen_ModelIsNotAdmitted() public {
        IServiceBond.Terms memory terms = termsIn(ETHER);
        terms.bindingHash = keccak256("another");
        _expectRefusal(
            terms,
            BOND,
            0,
            abi.encodeWithSelector(Errors.BindingMismatch.selector, modelId, terms.bindingHash, bindingHash)
        );
        (terms.modelId, terms.bindingHash) = bindModel(WEIGHTS, makeDevKey("dev key"), address(verifier));
        _expectRefusal(terms, BOND, 0, abi.encodeWithSelector(Errors.DevSetupRefused.selector, terms.modelId));
        vm.prank(seller);
        registry.deprecateModel(modelId);
        _expectRefusal(
            termsIn(ETHER), BOND, SALT, abi.encodeWithSelector(Errors.DeprecatedModel.selector, modelId)
        );
    }

    function test_RevertWhen_BondDoesNotArrive() public {
        IServiceBond.Terms memory terms = termsIn(ETHER);
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongEtherAmount.selector, BOND, BOND - 1));
        bond.openService{value: BOND - 1}(terms, BOND, SALT);
        terms = termsIn(address(token));
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.UnexpectedEther.selector, 1));
        bond.openService{value: 1}(terms, BOND, SALT);
    }

    function test_TopUpAddsToBond() public {
        vm.deal(stranger, 5 ether);
        vm.expectEmit(address(bond));
        emit Events.BondIncreased(serviceId, stranger, 5 ether);
        vm.prank(stranger);
        bond.topUp{value: 5 ether}(serviceId, 5 ether);
        assertEq(bond.getService(serviceId).bond, BOND + 5 ether);
        assertEq(address(bond).balance, BOND + 5 ether);

        serviceId = openIn(address(token), 0);
        vm.prank(seller);
        bond.topUp(serviceId, 1);
        assertEq(bond.getService(serviceId).bond, BOND + 1);
    }

    function test_RevertWhen_TopUpIsRefused() public {
        vm.expectRevert(_outOfRange("bond", 0, 1, type(uint96).max));
        bond.topUp(serviceId, 0);
        uint256 most = type(uint96).max;
        vm.expectRevert(_outOfRange("bond", most + 1, 1, most));
        bond.topUp(serviceId, most + 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.WrongEtherAmount.selector, 1, 0));
        bond.topUp(serviceId, 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.ServiceNotFound.selector, NONE));
        bond.topUp(NONE, 1);
        _giveNotice();
        vm.expectRevert(abi.encodeWithSelector(Errors.ServiceNotActive.selector, serviceId));
        bond.topUp(serviceId, 1);
    }

    function test_NoticeThenClose() public {
        uint64 start = uint64(vm.getBlockTimestamp());
        vm.expectEmit(address(bond));
        emit Events.NoticeGiven(serviceId, start + NOTICE);
        _giveNotice();
        assertService(IServiceBond.ServiceState.Closing);
        assertEq(bond.getService(serviceId).closableAt, start + NOTICE);

        vm.warp(start + NOTICE - 1);
        vm.expectRevert(abi.encodeWithSelector(Errors.NoticeNotPassed.selector, serviceId, start + NOTICE));
        bond.close(serviceId);
        vm.warp(start + NOTICE);
        vm.expectEmit(address(bond));
        emit Events.ServiceClosed(serviceId, BOND);
        vm.prank(stranger);
        bond.close(serviceId);

        assertService(IServiceBond.ServiceState.Closed);
        assertEq(bond.getService(serviceId).bond, 0);
        assertEq(bond.creditOf(ETHER, seller), BOND);
        vm.prank(seller);
        bond.withdraw(ETHER);
        assertEq(address(bond).balance, 0);
    }

    function test_RevertWhen_NoticeIsGivenByStrangerOrTwice() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.NotServiceProvider.selector, serviceId, address(this)));
        bond.giveNotice(serviceId);
        // The signer signs receipts and can do nothing else.
        vm.prank(signer);
        vm.expectRevert(abi.encodeWithSelector(Errors.NotServiceProvider.selector, serviceId, signer));
        bond.giveNotice(serviceId);
        _giveNotice();
        vm.prank(seller);
        vm.expectRevert(abi.encodeWithSelector(Errors.ServiceNotActive.selector, serviceId));
        bond.giveNotice(serviceId);
    }

    function test_RevertWhen_ClosedWithoutNoticeOrTwice() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.ServiceNotClosing.selector, serviceId));
        bond.close(serviceId);
        _giveNotice();
        vm.warp(block.timestamp + NOTICE);
        bond.close(serviceId);
        vm.expectRevert(abi.encodeWithSelector(Errors.ServiceNotClosing.selector, serviceId));
        bond.close(serviceId);
        assertEq(bond.creditOf(ETHER, seller), BOND);
    }

    /// @dev Batches that were open when notice was given keep their part of the bond, and anybody can have
    /// ended them by the time that the bond is returned.
    function test_CloseWaitsForOpenBatches() public {
        bytes32 posted = postBatch(0);
        bytes32 unproven = postBatch(1);
        contestBatch(unproven, 1);
        _giveNotice();
        vm.warp(bond.getService(serviceId).closableAt);
        vm.expectRevert(abi.encodeWithSelector(Errors.BatchesOpen.selector, serviceId, 2));
        bond.close(serviceId);
        bond.settle(receipts[posted]);
        vm.expectRevert(abi.encodeWithSelector(Errors.BatchesOpen.selector, serviceId, 1));
        bond.close(serviceId);
        bond.punish(receipts[unproven]);
        bond.close(serviceId);
        assertEq(bond.creditOf(ETHER, seller), PRICE + BOND - PENALTY);
        assertEq(bond.creditOf(ETHER, buyer), PRICE + PROOF_COST + PENALTY);
    }

    /// @dev The last batch that can be posted, contested as late as can be: ended before the bond leaves.
    function test_LatestBatchEndsBeforeBondIsReturned() public {
        IServiceBond.Terms memory terms = termsIn(ETHER);
        terms.noticePeriod = CONTEST_WINDOW + PROOF_WINDOW + 1;
        serviceId = openWith(terms, "tight");
        bytes32 batchId = postBatch(0);
        _giveNotice();
        vm.warp(deadlineOf(batchId));
        contestBatch(batchId, 1);
        vm.warp(bond.getService(serviceId).closableAt);
        bond.punish(receipts[batchId]);
        bond.close(serviceId);
        assertEq(bond.creditOf(ETHER, buyer), PRICE + PROOF_COST + PENALTY);
    }

    function test_CloseAfterWholeBondIsLost() public {
        IServiceBond.Terms memory terms = termsIn(ETHER);
        terms.penalty = BOND;
        serviceId = openWith(terms, "all");
        bytes32 batchId = contested(1);
        vm.warp(deadlineOf(batchId) + 1);
        bond.punish(receipts[batchId]);
        _giveNotice();
        vm.warp(block.timestamp + NOTICE);
        bond.close(serviceId);
        assertService(IServiceBond.ServiceState.Closed);
        assertEq(bond.creditOf(ETHER, seller), 0);
    }

    function test_RevertWhen_ReadingUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.ServiceNotFound.selector, NONE));
        bond.getService(NONE);
        vm.expectRevert(abi.encodeWithSelector(Errors.ServiceNotFound.selector, NONE));
        bond.close(NONE);
        vm.expectRevert(abi.encodeWithSelector(Errors.ServiceNotFound.selector, NONE));
        bond.giveNotice(NONE);
        vm.expectRevert(abi.encodeWithSelector(Errors.BatchNotFound.selector, NONE));
        bond.getBatch(NONE);
        vm.expectRevert(abi.encodeWithSelector(Errors.BatchNotFound.selector, NONE));
        bond.contestedItems(NONE);
    }

    function test_Settings() public {
        assertEq(bond.registry(), address(registry));
        assertFalse(bond.allowDevSetup());
        assertEq(bond.MAX_COUNT(), 65_536);
        assertEq(bond.MAX_CHECKS(), 16);
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, stranger));
        Shipped.serviceBond(IModelRegistry(stranger), false);
    }

    function _giveNotice() private {
        vm.prank(seller);
        bond.giveNotice(serviceId);
    }

    function _accept(IServiceBond.Terms memory terms, uint256 amount, bytes32 salt) private {
        vm.deal(seller, amount);
        vm.prank(seller);
        bytes32 id = bond.openService{value: amount}(terms, amount, salt);
        assertEq(bond.getService(id).bond, amount);
    }

    function _expectRefusal(
        IServiceBond.Terms memory terms,
        uint256 amount,
        bytes32 salt,
        bytes memory reason
    ) private {
        vm.deal(seller, amount);
        vm.prank(seller);
        vm.expectRevert(reason);
        bond.openService{value: amount}(terms, amount, salt);
    }

    function _outOfRange(string memory field, uint256 value, uint256 minimum, uint256 maximum)
        private
        pure
        returns (bytes memory)
    {
        return abi.encodeWithSelector(Errors.TermOutOfRange.selector, field, value, minimum, maximum);
    }
}
