// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {ICustody} from "../../src/interfaces/ICustody.sol";
import {PlainToken} from "../doubles/Tokens.sol";

/// @notice What the handlers of all escrows share: actors, tokens, withdrawals, gifts, and ghost state of the
/// money: what has come in, gone out and is owed, by the rules alone, never by the escrow's credits.
abstract contract CustodyHandler is Test {
    /// @dev The ghost state of one token.
    struct Ledger {
        uint256 deposited;
        uint256 paidOut;
        uint256 donated;
        uint256 burnt;
        address[] actors;
        uint256[] owed;
    }

    address internal constant ETHER = address(0);

    ICustody private immutable CUSTODY;

    address[] public actors;
    address[] public tokens;

    mapping(address token => uint256) public deposited;
    mapping(address token => uint256) public paidOut;
    mapping(address token => uint256) public donated;
    mapping(address token => uint256) public burnt;
    mapping(address token => mapping(address account => uint256)) public owed;
    mapping(string action => uint256) public calls;

    constructor(ICustody custody_) {
        CUSTODY = custody_;
        tokens = [ETHER, address(new PlainToken())];
        actors = [makeAddr("ann"), makeAddr("bob"), makeAddr("cleo"), makeAddr("dan")];
    }

    /// @dev The whole credit.
    function withdraw(uint256 who, uint256 which) external {
        address actor = _actor(who);
        address token = _token(which);
        uint256 before = _balance(token, actor);
        uint256 credit = owed[token][actor];
        assertEq(_call(actor, abi.encodeCall(ICustody.withdraw, (token))), credit != 0, "withdrawal");
        assertEq(_balance(token, actor) - before, credit, "received another amount");
        _paid(token, actor, credit);
    }

    /// @dev A part, nothing, or more than there is; to anybody.
    function withdrawTo(uint256 who, uint256 which, uint256 to, uint256 amount) external {
        address actor = _actor(who);
        address token = _token(which);
        uint256 credit = owed[token][actor];
        amount = _bound(amount, 0, credit + 1);
        bool expected = amount != 0 && amount <= credit;
        bytes memory call = abi.encodeCall(ICustody.withdrawTo, (token, _actor(to), amount));
        assertEq(_call(actor, call), expected, "withdrawal");
        if (expected) _paid(token, actor, amount);
    }

    /// @dev Ether can be forced into any contract, and tokens sent.
    function donate(uint256 which, uint256 amount) external {
        address token = _token(which);
        amount = _bound(amount, 1, 1 ether);
        if (token == ETHER) vm.deal(address(CUSTODY), address(CUSTODY).balance + amount);
        else PlainToken(token).mint(address(CUSTODY), amount);
        donated[token] += amount;
        ++calls["donate"];
    }

    function custody() external view returns (ICustody) {
        return CUSTODY;
    }

    function allTokens() external view returns (address[] memory) {
        return tokens;
    }

    /// @dev In one call: invariants look at all of it after every other call.
    function ledgerOf(address token) external view returns (Ledger memory ledger) {
        ledger.deposited = deposited[token];
        ledger.paidOut = paidOut[token];
        ledger.donated = donated[token];
        ledger.burnt = burnt[token];
        ledger.actors = actors;
        ledger.owed = new uint256[](actors.length);
        for (uint256 i = 0; i < actors.length; ++i) {
            ledger.owed[i] = owed[token][ledger.actors[i]];
        }
    }

    function tokenCount() external view returns (uint256) {
        return tokens.length;
    }

    function actorCount() external view returns (uint256) {
        return actors.length;
    }

    /// @dev Gives the actor what the call is to deposit, makes it and keeps it in the ghost state.
    function _pay(address actor, address token, uint256 amount, bytes memory call)
        internal
        returns (bool ok)
    {
        if (token == ETHER) {
            vm.deal(actor, amount);
        } else {
            PlainToken(token).mint(actor, amount);
            vm.prank(actor);
            PlainToken(token).approve(address(CUSTODY), amount);
        }
        vm.prank(actor);
        (ok,) = address(CUSTODY).call{value: token == ETHER ? amount : 0}(call);
        if (ok) deposited[token] += amount;
    }

    function _call(address actor, bytes memory call) internal returns (bool ok) {
        vm.prank(actor);
        (ok,) = address(CUSTODY).call(call);
    }

    function _actor(uint256 seed) internal view returns (address) {
        return actors[seed % actors.length];
    }

    function _token(uint256 seed) internal view returns (address) {
        return tokens[seed % tokens.length];
    }

    /// @dev Id of one of `count` jobs, counted from 1; zero if there is none.
    function _oneOf(uint256 count, uint256 seed) internal pure returns (uint256) {
        return count == 0 ? 0 : 1 + seed % count;
    }

    function _paid(address token, address actor, uint256 amount) private {
        owed[token][actor] -= amount;
        paidOut[token] += amount;
        if (amount != 0) ++calls["withdraw"];
    }

    function _balance(address token, address account) private view returns (uint256) {
        return token == ETHER ? account.balance : PlainToken(token).balanceOf(account);
    }
}
