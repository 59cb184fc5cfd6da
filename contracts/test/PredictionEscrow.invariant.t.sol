// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";
import {SafeCast} from "@openzeppelin/contracts/utils/math/SafeCast.sol";

import {ModelRegistry} from "../src/ModelRegistry.sol";
import {PredictionEscrow} from "../src/PredictionEscrow.sol";
import {IPredictionEscrow} from "../src/interfaces/IPredictionEscrow.sol";
import {PlainToken} from "./doubles/Tokens.sol";
import {Fixture} from "./Fixture.sol";

/// @notice All that buyers, sellers and bystanders can do, with bounded choices, and a second set of books
/// that never reads the escrow's credits.
contract EscrowHandler is Test {
    address internal constant ETHER = address(0);
    uint256 internal constant INPUT = 0x1234;
    uint256 internal constant MAX_JOBS = 24;

    ModelRegistry public immutable REGISTRY;
    PredictionEscrow public immutable ESCROW;
    bytes32 internal immutable WEIGHTS;
    bytes32 internal immutable BINDING;
    bytes32 internal immutable VK_HASH;

    address[] public actors;
    address[] public tokens;

    mapping(address token => uint256) public deposited;
    mapping(address token => uint256) public paidOut;
    mapping(address token => uint256) public donated;
    mapping(uint256 jobId => uint256) public settlements;
    mapping(uint256 jobId => bytes32) public terminalJob;
    mapping(address token => mapping(address account => uint256)) public owed;
    mapping(bytes32 action => uint256) public calls;

    constructor(
        ModelRegistry registry,
        PredictionEscrow escrow,
        bytes32 weights,
        bytes32 binding,
        bytes32 vkHash
    ) {
        REGISTRY = registry;
        ESCROW = escrow;
        WEIGHTS = weights;
        BINDING = binding;
        VK_HASH = vkHash;
        tokens = [ETHER, address(new PlainToken()), address(new PlainToken())];
        actors = [makeAddr("ann"), makeAddr("bob"), makeAddr("cleo"), makeAddr("dan")];
    }

    function open(uint256 who, uint256 which, uint256 price, uint256 wait) external {
        if (ESCROW.jobCount() == MAX_JOBS) return;
        address actor = _actor(who);
        address token = _token(which);
        price = _bound(price, 1, type(uint96).max);
        wait = _bound(wait, 1, 365 days);
        IPredictionEscrow.Order memory order = IPredictionEscrow.Order({
            modelId: 1,
            bindingHash: BINDING,
            inputCommitment: INPUT,
            token: token,
            price: price,
            deadline: SafeCast.toUint64(block.timestamp + wait),
            hint: ""
        });
        if (token == ETHER) {
            vm.deal(actor, price);
            vm.prank(actor);
            ESCROW.open{value: price}(order);
        } else {
            PlainToken(token).mint(actor, price);
            vm.prank(actor);
            PlainToken(token).approve(address(ESCROW), price);
            vm.prank(actor);
            ESCROW.open(order);
        }
        deposited[token] += price;
        ++calls["open"];
    }

    /// @dev Claims in any state and at any time; what must happen follows from the books alone.
    function claim(uint256 who, uint256 which, uint256 to, uint256 output) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        IPredictionEscrow.Job memory job = ESCROW.getJob(jobId);
        address recipient = _actor(to);
        output = _bound(output, 0, 9);
        bool expected = settlements[jobId] == 0 && block.timestamp <= job.deadline;
        bytes memory proof = _proof(jobId, recipient, output);
        vm.prank(_actor(who));
        try ESCROW.claim(jobId, recipient, output, proof) {
            assertTrue(expected, "claimed against the rules");
            _settle(jobId, job.token, recipient, job.price);
            ++calls["claim"];
        } catch {
            assertFalse(expected, "claim refused against the rules");
        }
    }

    /// @dev A proof made for somebody else never works.
    function claimWithStolenProof(uint256 who, uint256 which, uint256 to) external {
        uint256 jobId = _jobId(which);
        address thief = _actor(who);
        address recipient = _actor(to);
        if (jobId == 0 || thief == recipient) return;
        bytes memory proof = _proof(jobId, recipient, 1);
        vm.prank(thief);
        try ESCROW.claim(jobId, thief, 1, proof) {
            assertTrue(false, "stolen proof was paid");
        } catch {
            ++calls["claimWithStolenProof"];
        }
    }

    function refund(uint256 who, uint256 which) external {
        uint256 jobId = _jobId(which);
        if (jobId == 0) return;
        IPredictionEscrow.Job memory job = ESCROW.getJob(jobId);
        bool expected = settlements[jobId] == 0 && block.timestamp > job.deadline;
        vm.prank(_actor(who));
        try ESCROW.refund(jobId) {
            assertTrue(expected, "refunded against the rules");
            _settle(jobId, job.token, job.buyer, job.price);
            ++calls["refund"];
        } catch {
            assertFalse(expected, "refund refused against the rules");
        }
    }

    function withdraw(uint256 who, uint256 which) external {
        address actor = _actor(who);
        address token = _token(which);
        uint256 credit = owed[token][actor];
        uint256 before = _balance(token, actor);
        vm.prank(actor);
        try ESCROW.withdraw(token) returns (uint256 amount) {
            assertEq(amount, credit, "withdrew another amount than is owed");
            assertEq(_balance(token, actor) - before, credit, "received another amount");
            owed[token][actor] = 0;
            paidOut[token] += amount;
            ++calls["withdraw"];
        } catch {
            assertEq(credit, 0, "owed but not paid");
        }
    }

    function withdrawTo(uint256 who, uint256 which, uint256 to, uint256 amount) external {
        address actor = _actor(who);
        address token = _token(which);
        uint256 credit = owed[token][actor];
        amount = _bound(amount, 0, credit + 1);
        bool expected = amount != 0 && amount <= credit;
        vm.prank(actor);
        try ESCROW.withdrawTo(token, _actor(to), amount) {
            assertTrue(expected, "withdrew more than is owed");
            owed[token][actor] -= amount;
            paidOut[token] += amount;
            ++calls["withdrawTo"];
        } catch {
            assertFalse(expected, "owed but not paid");
        }
    }

    function donate(uint256 which, uint256 amount) external {
        address token = _token(which);
        amount = _bound(amount, 1, 1 ether);
        // Ether can be forced into any contract.
        if (token == ETHER) vm.deal(address(ESCROW), address(ESCROW).balance + amount);
        else PlainToken(token).mint(address(ESCROW), amount);
        donated[token] += amount;
    }

    function pass(uint256 time) external {
        vm.warp(block.timestamp + _bound(time, 1, 120 days));
    }

    function tokenCount() external view returns (uint256) {
        return tokens.length;
    }

    function actorCount() external view returns (uint256) {
        return actors.length;
    }

    function fingerprint(uint256 jobId) public view returns (bytes32) {
        return keccak256(abi.encode(ESCROW.getJob(jobId)));
    }

    function _settle(uint256 jobId, address token, address to, uint256 amount) private {
        ++settlements[jobId];
        owed[token][to] += amount;
        terminalJob[jobId] = fingerprint(jobId);
    }

    function _proof(uint256 jobId, address recipient, uint256 output) private view returns (bytes memory) {
        uint256[] memory publicInputs = new uint256[](3);
        publicInputs[0] = ESCROW.contextOf(jobId, recipient);
        publicInputs[1] = INPUT;
        publicInputs[2] = output;
        return abi.encode(WEIGHTS, keccak256(abi.encode(VK_HASH, publicInputs)));
    }

    function _actor(uint256 seed) private view returns (address) {
        return actors[seed % actors.length];
    }

    function _token(uint256 seed) private view returns (address) {
        return tokens[seed % tokens.length];
    }

    /// @dev 0 if there is no job yet.
    function _jobId(uint256 seed) private view returns (uint256) {
        uint256 count = ESCROW.jobCount();
        return count == 0 ? 0 : 1 + seed % count;
    }

    function _balance(address token, address account) private view returns (uint256) {
        return token == ETHER ? account.balance : PlainToken(token).balanceOf(account);
    }
}

contract PredictionEscrowInvariantTest is Fixture {
    EscrowHandler internal handler;

    function setUp() public override {
        super.setUp();
        handler = new EscrowHandler(registry, escrow, WEIGHTS, bindingHash, vk.codehash);
        bytes4[] memory selectors = new bytes4[](9);
        selectors[0] = EscrowHandler.open.selector;
        selectors[1] = EscrowHandler.open.selector;
        selectors[2] = EscrowHandler.claim.selector;
        selectors[3] = EscrowHandler.claimWithStolenProof.selector;
        selectors[4] = EscrowHandler.refund.selector;
        selectors[5] = EscrowHandler.withdraw.selector;
        selectors[6] = EscrowHandler.withdrawTo.selector;
        selectors[7] = EscrowHandler.donate.selector;
        selectors[8] = EscrowHandler.pass.selector;
        targetContract(address(handler));
        targetSelector(FuzzSelector(address(handler), selectors));
    }

    /// @dev What the escrow holds covers what it owes, open jobs and credits. Here no token misbehaves, so
    /// it is even equal, gifts apart. Payouts and debts equal deposits, and each credit is as it should be.
    function invariant_SolventAndBooksAgree() public view {
        for (uint256 i = 0; i < handler.tokenCount(); ++i) {
            address token_ = handler.tokens(i);
            uint256 debts = _openJobs(token_);
            for (uint256 j = 0; j < handler.actorCount(); ++j) {
                address actor = handler.actors(j);
                uint256 credit = escrow.creditOf(token_, actor);
                assertEq(credit, handler.owed(token_, actor), "credit");
                debts += credit;
            }
            assertEq(_holdings(token_), debts + handler.donated(token_), "holdings");
            assertEq(handler.paidOut(token_) + debts, handler.deposited(token_), "payouts and debts");
        }
    }

    function invariant_NoJobSettledTwiceAndTerminalStatesFinal() public view {
        for (uint256 jobId = 1; jobId <= escrow.jobCount(); ++jobId) {
            uint256 settled = handler.settlements(jobId);
            if (stateOf(jobId) == IPredictionEscrow.State.Open) {
                assertEq(settled, 0, "settled, yet open");
            } else {
                assertEq(settled, 1, "not settled once");
                assertEq(handler.fingerprint(jobId), handler.terminalJob(jobId), "changed after the end");
            }
        }
    }

    /// @dev The handler reaches every action for real; else the invariants would show nothing.
    function test_HandlerReachesEveryAction() public {
        for (uint256 which = 0; which < handler.tokenCount(); ++which) {
            handler.open(0, which, 1 ether, 1 days);
            handler.open(1, which, 2 ether, 2 days);
            handler.donate(which, 1);
        }
        for (uint256 job = 0; job < 6; job += 2) {
            handler.claimWithStolenProof(0, job, 2);
            handler.claim(0, job, 2, 3);
        }
        handler.pass(3 days);
        for (uint256 job = 0; job < 6; ++job) {
            handler.refund(3, job);
        }
        for (uint256 which = 0; which < handler.tokenCount(); ++which) {
            handler.withdrawTo(2, which, 3, 1);
            handler.withdraw(2, which);
            handler.withdraw(1, which);
            assertEq(handler.paidOut(handler.tokens(which)), 3 ether);
        }
        assertEq(handler.calls("open"), 6);
        assertEq(handler.calls("claimWithStolenProof"), 3);
        assertEq(handler.calls("claim"), 3);
        assertEq(handler.calls("refund"), 3);
        assertEq(handler.calls("withdrawTo"), 3);
        assertEq(handler.calls("withdraw"), 6);
        invariant_SolventAndBooksAgree();
        invariant_NoJobSettledTwiceAndTerminalStatesFinal();
    }

    /// @dev Nothing is ever stuck: after the last deadline anybody can end every job, and all is paid out.
    function afterInvariant() public {
        vm.warp(block.timestamp + 366 days);
        for (uint256 jobId = 1; jobId <= escrow.jobCount(); ++jobId) {
            if (stateOf(jobId) == IPredictionEscrow.State.Open) escrow.refund(jobId);
        }
        for (uint256 i = 0; i < handler.tokenCount(); ++i) {
            address token_ = handler.tokens(i);
            for (uint256 j = 0; j < handler.actorCount(); ++j) {
                address actor = handler.actors(j);
                if (escrow.creditOf(token_, actor) == 0) continue;
                vm.prank(actor);
                escrow.withdraw(token_);
            }
            assertEq(_holdings(token_), handler.donated(token_), "money left behind");
        }
    }

    function _holdings(address token_) private view returns (uint256) {
        return token_ == ETHER ? address(escrow).balance : PlainToken(token_).balanceOf(address(escrow));
    }

    function _openJobs(address token_) private view returns (uint256 sum) {
        for (uint256 jobId = 1; jobId <= escrow.jobCount(); ++jobId) {
            IPredictionEscrow.Job memory job = escrow.getJob(jobId);
            if (job.token == token_ && job.state == IPredictionEscrow.State.Open) sum += job.price;
        }
    }
}
