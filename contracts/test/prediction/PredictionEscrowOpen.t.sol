// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {PredictionEscrow} from "../../src/PredictionEscrow.sol";
import {IERCZKMLRegistry} from "../../src/interfaces/IERCZKMLRegistry.sol";
import {IModelRegistry} from "../../src/interfaces/IModelRegistry.sol";
import {IPredictionEscrow} from "../../src/interfaces/IPredictionEscrow.sol";
import {Errors} from "../../src/libraries/Errors.sol";
import {Events} from "../../src/libraries/Events.sol";
import {MockVerifier} from "../doubles/VerifierDoubles.sol";
import {Fixture} from "../shared/Fixture.sol";
import {Keys} from "../shared/Keys.sol";
import {Shipped} from "../shared/Shipped.sol";

contract PredictionEscrowOpenTest is Fixture {
    function test_DeploymentSettings() public {
        assertEq(escrow.registry(), address(registry));
        assertFalse(escrow.allowDevSetup());
        assertTrue(Shipped.predictionEscrow(registry, true).allowDevSetup());
    }

    function test_RevertWhen_RegistryHasNoCode() public {
        vm.expectRevert(abi.encodeWithSelector(Errors.NoCode.selector, stranger));
        Shipped.predictionEscrow(IModelRegistry(stranger), false);
    }

    function test_OpenWithEther() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        vm.expectEmit(address(escrow));
        emit Events.JobOpened(1, modelId, buyer, order);
        uint256 jobId = openEther();

        assertEq(jobId, 1);
        assertEq(escrow.jobCount(), 1);
        assertEq(address(escrow).balance, PRICE);
        assertEq(buyer.balance, 999 ether);
        IPredictionEscrow.Job memory job = escrow.getJob(jobId);
        assertEq(uint8(job.state), uint8(IPredictionEscrow.State.Open));
        assertEq(job.buyer, buyer);
        assertEq(job.deadline, order.deadline);
        assertEq(job.modelId, modelId);
        assertEq(job.token, ETHER);
        assertEq(job.price, PRICE);
        assertEq(job.inputCommitment, INPUT);
        assertEq(job.items, 1);
        assertEq(job.batch, 0);
        assertEq(job.unclaimed, 1);
    }

    function test_OpenWithToken() public {
        uint256 jobId = openIn(address(token));
        assertEq(escrow.getJob(jobId).token, address(token));
        assertEq(token.balanceOf(address(escrow)), PRICE);
        assertEq(token.balanceOf(buyer), 999 ether);
    }

    function test_JobsAreCounted() public {
        assertEq(openEther(), 1);
        assertEq(openIn(address(token)), 2);
        assertEq(escrow.jobCount(), 2);
    }

    function test_RevertWhen_PriceIsZero() public {
        _expectRefusal(
            orderIn(ETHER, 0), 0, abi.encodeWithSelector(Errors.PriceOutOfRange.selector, 0, type(uint96).max)
        );
    }

    function test_PriceBound() public {
        uint256 maximum = type(uint96).max;
        vm.deal(buyer, maximum);
        vm.prank(buyer);
        escrow.open{value: maximum}(orderIn(ETHER, maximum));
        assertEq(escrow.getJob(1).price, maximum);

        vm.deal(buyer, maximum + 1);
        _expectRefusal(
            orderIn(ETHER, maximum + 1),
            maximum + 1,
            abi.encodeWithSelector(Errors.PriceOutOfRange.selector, maximum + 1, maximum)
        );
    }

    function test_DeadlineBounds() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        uint64 latest = SafeCast.toUint64(block.timestamp + 365 days);
        uint64 now_ = SafeCast.toUint64(block.timestamp);
        uint64[4] memory refused = [0, now_, latest + 1, now_ * 1000];
        for (uint256 i = 0; i < refused.length; ++i) {
            order.deadline = refused[i];
            _expectRefusal(
                order,
                PRICE,
                abi.encodeWithSelector(
                    Errors.DeadlineOutOfRange.selector, refused[i], block.timestamp + 1, latest
                )
            );
        }
        uint64[2] memory accepted = [now_ + 1, latest];
        for (uint256 i = 0; i < accepted.length; ++i) {
            order.deadline = accepted[i];
            vm.prank(buyer);
            uint256 jobId = escrow.open{value: PRICE}(order);
            assertEq(escrow.getJob(jobId).deadline, accepted[i]);
        }
    }

    function test_RevertWhen_InputCommitmentIsZero() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.inputCommitment = 0;
        _expectRefusal(order, PRICE, abi.encodeWithSelector(Errors.ZeroValue.selector, "inputCommitment"));
    }

    function test_InputCommitmentIsBelowModulus() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.inputCommitment = R;
        _expectRefusal(order, PRICE, abi.encodeWithSelector(Errors.PublicInputOutOfRange.selector, 1, R));
        order.inputCommitment = R - 1;
        vm.prank(buyer);
        uint256 jobId = escrow.open{value: PRICE}(order);
        assertEq(escrow.getJob(jobId).inputCommitment, R - 1);
    }

    function test_HintLengthBound() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.hint = new bytes(4097);
        _expectRefusal(order, PRICE, abi.encodeWithSelector(Errors.HintTooLong.selector, 4097, 4096));
        order.hint = new bytes(4096);
        vm.prank(buyer);
        assertEq(escrow.open{value: PRICE}(order), 1);
    }

    function test_RevertWhen_ModelIsUnknown() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.modelId = 99;
        _expectRefusal(order, PRICE, abi.encodeWithSelector(IERCZKMLRegistry.ModelNotFound.selector, 99));
    }

    function test_RevertWhen_ModelIsNotBound() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.modelId = registry.registerModel(commitmentTo(WEIGHTS, vk));
        order.bindingHash = 0;
        _expectRefusal(order, PRICE, abi.encodeWithSelector(Errors.NotBound.selector, order.modelId));
    }

    /// @dev Id of one model, binding of another: what a careless seller could bring about.
    function test_RevertWhen_ModelIsBoundOtherwise() public {
        MockVerifier otherVerifier = new MockVerifier();
        (uint256 otherId, bytes32 otherHash) = bindTo(address(otherVerifier));
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        order.modelId = otherId;
        _expectRefusal(
            order,
            PRICE,
            abi.encodeWithSelector(Errors.BindingMismatch.selector, otherId, bindingHash, otherHash)
        );
    }

    function test_RevertWhen_ModelIsDeprecated() public {
        vm.prank(seller);
        registry.deprecateModel(modelId);
        _expectRefusal(
            orderIn(ETHER, PRICE), PRICE, abi.encodeWithSelector(Errors.DeprecatedModel.selector, modelId)
        );
    }

    /// @dev Threat: a model that proves something else with as many public inputs.
    function test_RevertWhen_KeyIsNotOfAPrediction() public {
        bytes32[] memory others = Keys.notSold();
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        for (uint256 i = 0; i < others.length; ++i) {
            address key = makeKey(vm.toString(i), others[i]);
            (order.modelId, order.bindingHash) = bindModel(WEIGHTS, key, address(verifier));
            _expectRefusal(
                order, PRICE, abi.encodeWithSelector(Errors.WrongStatement.selector, order.modelId, others[i])
            );
        }
    }

    function test_DevSetupNeedsPermission() public {
        address devKey = makeDevKey("dev key");
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        (order.modelId, order.bindingHash) = bindModel(WEIGHTS, devKey, address(verifier));
        _expectRefusal(order, PRICE, abi.encodeWithSelector(Errors.DevSetupRefused.selector, order.modelId));

        PredictionEscrow devEscrow = Shipped.predictionEscrow(registry, true);
        vm.prank(buyer);
        assertEq(devEscrow.open{value: PRICE}(order), 1);
        // Sound keys are welcome there, too.
        vm.prank(buyer);
        assertEq(devEscrow.open{value: PRICE}(orderIn(ETHER, PRICE)), 2);
    }

    function test_RevertWhen_EtherDoesNotMatchPrice() public {
        IPredictionEscrow.Order memory order = orderIn(ETHER, PRICE);
        uint256[3] memory sent = [uint256(0), PRICE - 1, PRICE + 1];
        for (uint256 i = 0; i < sent.length; ++i) {
            _expectRefusal(
                order, sent[i], abi.encodeWithSelector(Errors.WrongEtherAmount.selector, PRICE, sent[i])
            );
        }
    }

    function test_RevertWhen_EtherComesWithTokenOrder() public {
        _expectRefusal(
            orderIn(address(token), PRICE), 1, abi.encodeWithSelector(Errors.UnexpectedEther.selector, 1)
        );
    }

    function test_RevertWhen_TokenHasNoCode() public {
        _expectRefusal(orderIn(stranger, PRICE), 0, abi.encodeWithSelector(Errors.NoCode.selector, stranger));
    }

    function test_PlainEtherIsRefused() public {
        vm.deal(stranger, 1 ether);
        vm.prank(stranger);
        (bool sent,) = address(escrow).call{value: 1}("");
        assertFalse(sent);
    }

    function testFuzz_OpenStoresWhatWasOrdered(uint96 price, uint64 wait, uint256 input, bool inEther)
        public
    {
        price = uint96(bound(price, 1, 1_000 ether));
        IPredictionEscrow.Order memory order = orderIn(inEther ? ETHER : address(token), price);
        order.deadline = uint64(block.timestamp + bound(wait, 1, 365 days));
        order.inputCommitment = bound(input, 1, R - 1);
        vm.prank(buyer);
        uint256 jobId = escrow.open{value: inEther ? price : 0}(order);

        IPredictionEscrow.Job memory job = escrow.getJob(jobId);
        assertEq(job.price, price);
        assertEq(job.deadline, order.deadline);
        assertEq(job.inputCommitment, order.inputCommitment);
        assertEq(inEther ? address(escrow).balance : token.balanceOf(address(escrow)), price);
    }

    function _expectRefusal(IPredictionEscrow.Order memory order, uint256 value, bytes memory refusal)
        private
    {
        uint256 before = escrow.jobCount();
        vm.prank(buyer);
        vm.expectRevert(refusal);
        escrow.open{value: value}(order);
        assertEq(escrow.jobCount(), before);
    }
}
