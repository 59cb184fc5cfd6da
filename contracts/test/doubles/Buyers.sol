// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IPredictionReceiver} from "../../src/interfaces/IPredictionReceiver.sol";

/// @notice Makes any call, and takes ether: what all contracts below are besides.
abstract contract Caller {
    function execute(address to, uint256 value, bytes calldata data) external returns (bytes memory) {
        (bool ok, bytes memory answer) = to.call{value: value}(data);
        require(ok, "call failed");
        return answer;
    }

    receive() external payable {}
}

/// @notice Keeps what it is told.
contract ListeningBuyer is Caller, IPredictionReceiver {
    address public caller;
    uint256 public jobId;
    uint256 public run;
    uint256[] public outputs;
    uint256 public calls;
    uint256 public gas;

    function onPrediction(uint256 jobId_, uint256 run_, uint256[] calldata outputs_) external {
        gas = gasleft();
        (caller, jobId, run) = (msg.sender, jobId_, run_);
        outputs = outputs_;
        ++calls;
    }
}

/// @notice Refuses to be told.
contract RefusingBuyer is Caller {
    error NotListening();

    function onPrediction(uint256, uint256, uint256[] calldata) external pure {
        revert NotListening();
    }
}

/// @notice Burns all the gas it is given.
contract BurningBuyer is Caller {
    function onPrediction(uint256, uint256, uint256[] calldata) external pure {
        while (true) {}
    }
}

/// @notice Answers with as many bytes as its gas is enough for, or fails with them.
contract BombingBuyer is Caller {
    bool public failing;

    function setFailing(bool failing_) external {
        failing = failing_;
    }

    function onPrediction(uint256, uint256, uint256[] calldata) external view {
        uint256 size = 200_000;
        bool failing_ = failing;
        assembly ("memory-safe") {
            if failing_ { revert(0, size) }
            return(0, size)
        }
    }
}

/// @notice Calls the escrow again, and keeps what came of it.
contract ReenteringBuyer is Caller {
    bytes public data;
    bool public succeeded;
    bytes public answer;
    uint256 public calls;

    function prepare(bytes calldata data_) external {
        data = data_;
    }

    function onPrediction(uint256, uint256, uint256[] calldata) external {
        ++calls;
        (succeeded, answer) = msg.sender.call(data);
    }
}
