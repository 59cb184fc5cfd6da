// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {Test} from "forge-std/Test.sol";

import {Ceremonies} from "../../src/libraries/Ceremonies.sol";
import {Keys} from "../shared/Keys.sol";

/// @notice The points of the ceremonies, by the precompile that decides what a point is.
contract CeremoniesTest is Test {
    uint256 internal constant Q =
        21888242871839275222246405745257275088696311157297823662689037894645226208583;

    function test_PointsAreInTheGroup() public view {
        assertTrue(_isPoint(_hermez()));
        assertTrue(_isPoint(_response71()));
        // The generator is one; what is not on the curve, or on it and not in the subgroup, is none.
        assertTrue(_isPoint(abi.decode(Keys.GENERATOR, (uint256[4]))));
        uint256[4] memory off = _hermez();
        off[3] ^= 1;
        assertFalse(_isPoint(off));
    }

    function test_PointsAreNoPowersThatAnybodyKnows() public view {
        uint256[4] memory one = abi.decode(Keys.GENERATOR, (uint256[4]));
        uint256[4][2] memory points = [_hermez(), _response71()];
        for (uint256 i = 0; i < 2; ++i) {
            // s is neither 0, 1 nor -1.
            assertNotEq(points[i][0], 0);
            assertNotEq(points[i][0], one[0]);
            assertNotEq(points[i][1], one[1]);
        }
        assertNotEq(points[0][0], points[1][0]);
        assertEq(_pair(1, 2, points[0], 1, Q - 2, points[1]), 0);
    }

    function test_IdsAreTheHashesOfThePoints() public pure {
        assertEq(Ceremonies.HERMEZ, keccak256(abi.encode(_hermez())));
        assertEq(Ceremonies.RESPONSE_71, keccak256(abi.encode(_response71())));
        bytes32[] memory known = Ceremonies.known();
        assertEq(known.length, 2);
        assertEq(known[0], Ceremonies.HERMEZ);
        assertEq(known[1], Ceremonies.RESPONSE_71);
    }

    /// @dev As snarkjs writes it into verifiers: X2x1, X2x2, X2y1, X2y2, the real parts first.
    function test_HermezIsWhatIsPublished() public pure {
        uint256[4] memory point = _hermez();
        assertEq(point[1], 21831381940315734285607113342023901060522397560371972897001948545212302161822);
        assertEq(point[0], 17231025384763736816414546592865244497437017442647097510447326538965263639101);
        assertEq(point[3], 2388026358213174446665280700919698872609886601280537296205114254867301080648);
        assertEq(point[2], 11507326595632554467052522095592665270651932854513688777769618397986436103170);
    }

    /// @dev Verifiers of that setup carry the negated point. A pairing product that is 1 only with s and -s on either
    /// side says which is which.
    function test_ResponseIsTheNegationOfWhatIsPublished() public view {
        uint256[4] memory point = _response71();
        uint256[4] memory negated = [
            0x186282957db913abd99f91db59fe69922e95040603ef44c0bd7aa3adeef8f5ac,
            0x17944351223333f260ddc3b4af45191b856689eda9eab5cbcddbbe570ce860d2,
            0x06d971ff4a7467c3ec596ed6efc674572e32fd6f52b721f97e35b0b3d3546753,
            0x06ecdb9f9567f59ed2eee36e1e1d58797fd13cc97fafc2910f5e8a12f202fa9a
        ];
        assertEq(point[0], negated[0]);
        assertEq(point[1], negated[1]);
        assertEq(point[2], Q - negated[2]);
        assertEq(point[3], Q - negated[3]);
        assertEq(_pair(1, 2, point, 1, 2, negated), 1);
        assertEq(_pair(1, 2, point, 1, 2, point), 0);
    }

    function _hermez() private pure returns (uint256[4] memory) {
        return [Ceremonies.HERMEZ_X1, Ceremonies.HERMEZ_X0, Ceremonies.HERMEZ_Y1, Ceremonies.HERMEZ_Y0];
    }

    function _response71() private pure returns (uint256[4] memory) {
        return [
            Ceremonies.RESPONSE_71_X1,
            Ceremonies.RESPONSE_71_X0,
            Ceremonies.RESPONSE_71_Y1,
            Ceremonies.RESPONSE_71_Y0
        ];
    }

    /// @dev e(G, P) e(-G, P) = 1 for every point P; for anything else the precompile fails (EIP-197).
    function _isPoint(uint256[4] memory point) private view returns (bool) {
        return _pair(1, 2, point, 1, Q - 2, point) == 1;
    }

    /// @dev Whether e(A, P) e(B, R) = 1; 2 if the precompile fails.
    function _pair(uint256 ax, uint256 ay, uint256[4] memory p, uint256 bx, uint256 by, uint256[4] memory r)
        private
        view
        returns (uint256)
    {
        (bool ok, bytes memory answer) = address(8).staticcall(abi.encode(ax, ay, p, bx, by, r));
        return ok ? abi.decode(answer, (uint256)) : 2;
    }
}
