// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {ResultRegistry} from "../../src/ResultRegistry.sol";
import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IResultRegistry} from "../../src/interfaces/IResultRegistry.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {Fixture} from "../shared/Fixture.sol";
import {Shipped} from "../shared/Shipped.sol";

contract ResultRegistryTest is Fixture {
    uint256 internal constant ROOT = 0xabcd;
    bytes32 internal constant TOP_1 = "top-1";

    ResultRegistry internal results;
    address internal certifier = makeAddr("certifier");

    function setUp() public override {
        super.setUp();
        results = Shipped.resultRegistry(registry);
    }

    function test_RecordIsReadBack() public {
        assertEq(results.registry(), address(registry));
        vm.expectEmit(address(results));
        emit Events.ResultRecorded(certifier, modelId, ROOT, TOP_1, 91, 100);
        _record(91, 100);
        _assertResult(91, 100, block.timestamp);
    }

    function test_NothingIsRecordedAtFirst() public view {
        _assertResult(0, 0, 0);
    }

    /// @dev Threat: somebody else states a result about the model.
    function test_ResultsAreOfTheirCertifier() public {
        vm.prank(stranger);
        results.recordResult(modelId, ROOT, TOP_1, 100, 100);
        _assertResult(0, 0, 0);
    }

    function test_ResultsAreOfModelRootAndMetric() public {
        _record(91, 100);
        (uint256 other,) = bindModel(keccak256("other weights"), vk, address(verifier));
        assertEq(results.resultOf(certifier, other, ROOT, TOP_1).total, 0);
        assertEq(results.resultOf(certifier, modelId, ROOT + 1, TOP_1).total, 0);
        assertEq(results.resultOf(certifier, modelId, ROOT, "top-5").total, 0);
    }

    /// @dev Threat: a long audit is pushed aside by a short one.
    function test_StrongerResultStays() public {
        uint256 start = vm.getBlockTimestamp();
        _record(910, 1000);
        vm.warp(start + 1);
        _record(10, 10);
        _record(900, 1000);
        _record(910, 1000);
        _assertResult(910, 1000, start);
        _record(911, 1000);
        _assertResult(911, 1000, start + 1);
        vm.warp(start + 2);
        // More items are the better measurement, also when they tell worse of the model.
        _record(500, 1001);
        _assertResult(500, 1001, start + 2);
    }

    function test_WeakerResultIsAnEventStill() public {
        _record(910, 1000);
        vm.expectEmit(address(results));
        emit Events.ResultRecorded(certifier, modelId, ROOT, TOP_1, 10, 10);
        _record(10, 10);
    }

    function test_RangeBounds() public {
        _record(0, 1);
        _assertResult(0, 1, block.timestamp);
        _record(type(uint64).max, type(uint64).max);
        _assertResult(type(uint64).max, type(uint64).max, block.timestamp);
    }

    function test_RevertWhen_ResultIsNonsense() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.ResultOutOfRange.selector, 0, 0));
        _record(0, 0);
        vm.expectRevert(abi.encodeWithSelector(Errors.ResultOutOfRange.selector, 101, 100));
        _record(101, 100);
    }

    function test_RevertWhen_ModelIsUnknown() public {
        vm.expectRevert(abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, 99));
        results.recordResult(99, ROOT, TOP_1, 1, 2);
    }

    function test_RevertWhen_RootIsZeroOrOutOfRange() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroValue.selector, "testSetRoot"));
        results.recordResult(modelId, 0, TOP_1, 1, 2);
        vm.expectRevert(abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 1, R));
        results.recordResult(modelId, R, TOP_1, 1, 2);
        results.recordResult(modelId, R - 1, TOP_1, 1, 2);
    }

    function test_RevertWhen_MetricIsZero() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.ZeroValue.selector, "metric"));
        results.recordResult(modelId, ROOT, 0, 1, 2);
    }

    function test_RevertWhen_RegistryHasNoCode() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, stranger));
        Shipped.resultRegistry(IModelRegistry(stranger));
    }

    /// @dev Settlement of a funded audit must not depend on what the model's owner does.
    function test_DeprecationDoesNotStopResults() public {
        vm.prank(seller);
        registry.deprecateModel(modelId);
        _record(91, 100);
        _assertResult(91, 100, block.timestamp);
    }

    /// @dev Whatever is stated in whatever order, the strongest statement is what stays.
    function testFuzz_OrderDoesNotMatter(uint64[2] memory correct, uint64[2] memory total) public {
        for (uint256 i = 0; i < 2; ++i) {
            total[i] = uint64(bound(total[i], 1, type(uint64).max));
            correct[i] = uint64(bound(correct[i], 0, total[i]));
        }
        _record(correct[0], total[0]);
        _record(correct[1], total[1]);
        IResultRegistry.Result memory one = results.resultOf(certifier, modelId, ROOT, TOP_1);
        results = Shipped.resultRegistry(registry);
        _record(correct[1], total[1]);
        _record(correct[0], total[0]);
        IResultRegistry.Result memory other = results.resultOf(certifier, modelId, ROOT, TOP_1);
        assertEq(abi.encode(one), abi.encode(other));
        assertEq(one.total, total[0] > total[1] ? total[0] : total[1]);
    }

    function _record(uint64 correct, uint64 total) private {
        vm.prank(certifier);
        results.recordResult(modelId, ROOT, TOP_1, correct, total);
    }

    function _assertResult(uint256 correct, uint256 total, uint256 time) private view {
        IResultRegistry.Result memory result = results.resultOf(certifier, modelId, ROOT, TOP_1);
        assertEq(result.correct, correct, "correct");
        assertEq(result.total, total, "total");
        assertEq(result.recordedAt, time, "time");
    }
}
