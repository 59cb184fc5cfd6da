// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {RunModel} from "../handlers/RunModel.sol";
import {Fixture} from "./Fixture.sol";

/// @notice Proofs of runs: of what a model makes of some consecutive items of a committed list.
abstract contract RunFixture is Fixture {
    /// @dev A list of `items` items below `root`, proven in runs of `batch`.
    struct List {
        uint256 root;
        uint256 items;
        uint256 batch;
    }

    /// @dev Binds a model with the bound one's weights to a key that states this.
    function bindStated(string memory name, bytes32 stated) internal returns (uint256 id, bytes32 hash) {
        return bindModel(WEIGHTS, makeKey(name, stated), address(verifier));
    }

    /// @dev The same for a key of each of these statements on runs of 2^log items, and what a handler knows of it.
    function bindSizes(bytes32[] memory stated, uint8[] memory logs)
        internal
        returns (RunModel[] memory models)
    {
        models = new RunModel[](stated.length);
        for (uint256 i = 0; i < stated.length; ++i) {
            string memory name = string.concat("key of size ", vm.toString(logs[i]));
            (models[i].id, models[i].bindingHash) = bindStated(name, stated[i]);
            models[i].vkHash = makeAddr(name).codehash;
            models[i].batch = uint32(2 ** logs[i]);
        }
    }

    /// @dev Proves `result` (a count or a bitmap) of a run; the last one has the items that are left.
    function runProof(bytes32 weights, uint256 context, List memory list, uint256 run, uint256 result)
        internal
        view
        returns (bytes memory)
    {
        uint256 first = run * list.batch;
        uint256 left = list.items - first;
        uint256 length = left < list.batch ? left : list.batch;
        return rawProof(weights, [context, list.root, first, length, result]);
    }

    /// @dev For any public inputs: context, root, first item, number of items, result.
    function rawProof(bytes32 weights, uint256[5] memory values) internal view returns (bytes memory) {
        uint256[] memory publicInputs = new uint256[](5);
        for (uint256 i = 0; i < 5; ++i) {
            publicInputs[i] = values[i];
        }
        return mockProof(weights, publicInputs);
    }
}
