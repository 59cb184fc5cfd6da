// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity ^0.8.24;

/// @title Public ceremonies of trusted setups for KZG over BN254
/// @notice A setup is known by its [s]_2: whoever knows s forges every proof, and all that can be shown is that the
/// point is the one that a ceremony has published. Coordinates in the order of EIP-197: imaginary part of x, real
/// part of x, the same of y.
library Ceremonies {
    /// @notice Perpetual powers of tau, contribution 54, with the beacon of Hermez: files
    /// `powersOfTau28_hez_final*.ptau`, up to 2^28.
    uint256 internal constant HERMEZ_X1 = 0x26186a2d65ee4d2f9c9a5b91f86597d35f192cd120caf7e935d8443d1938e23d;
    uint256 internal constant HERMEZ_X0 = 0x30441fd1b5d3370482c42152a8899027716989a6996c2535bc9f7fee8aaef79e;
    uint256 internal constant HERMEZ_Y1 = 0x1970ea81dd6992adfbc571effb03503adbbb6a857f578403c6c40e22d65b3c02;
    uint256 internal constant HERMEZ_Y0 = 0x054793348f12c0cf5622c340573cb277586319de359ab9389778f689786b1e48;

    /// @notice Perpetual powers of tau, response 71: files `perpetual-powers-of-tau-*` of halo2-kzg-srs, up to 2^26.
    /// Verifiers of that setup carry -[s]_2, which has the same x.
    uint256 internal constant RESPONSE_71_X1 =
        0x186282957db913abd99f91db59fe69922e95040603ef44c0bd7aa3adeef8f5ac;
    uint256 internal constant RESPONSE_71_X0 =
        0x17944351223333f260ddc3b4af45191b856689eda9eab5cbcddbbe570ce860d2;
    uint256 internal constant RESPONSE_71_Y1 =
        0x298adc7396bd3865cbf6d6df91bae406694e6d2215baa893bdeadb63052895f4;
    uint256 internal constant RESPONSE_71_Y0 =
        0x297772d34bc9aa8ae56162486363ffe417b02dc7e8c207fc2cc20203e67a02ad;

    /// @notice Setup id of Hermez' ceremony.
    bytes32 internal constant HERMEZ = keccak256(abi.encode(HERMEZ_X1, HERMEZ_X0, HERMEZ_Y1, HERMEZ_Y0));

    /// @notice Setup id of response 71.
    bytes32 internal constant RESPONSE_71 =
        keccak256(abi.encode(RESPONSE_71_X1, RESPONSE_71_X0, RESPONSE_71_Y1, RESPONSE_71_Y0));

    /// @notice The setup ids that the registry is deployed with, in this order.
    function known() internal pure returns (bytes32[] memory setupIds) {
        setupIds = new bytes32[](2);
        setupIds[0] = HERMEZ;
        setupIds[1] = RESPONSE_71;
    }
}
