//! `RetrievalEscrow`.

use alloy::sol;

sol! {
    #[sol(abi)]
    #[derive(Debug, PartialEq, Eq)]
    interface IRetrievalEscrow {
        enum State {
            None,
            Open,
            Paid,
            Refunded
        }

        struct Terms {
            address requester;
            address holder;
            address token;
            uint96 price;
            uint256 modelId;
            uint256 collectionRoot;
            uint32 items;
            uint16 batch;
            uint64 proveBy;
            uint64 openBy;
        }

        struct Job {
            State state;
            uint256 items;
            uint256 batch;
            uint256 missing;
            bool anySelected;
            bytes32 termsHash;
        }

        event RetrievalOpened(
            uint256 indexed jobId,
            address indexed requester,
            address indexed holder,
            Terms terms,
            bytes32 bindingHash,
            bytes hint
        );
        event RetrievalRunProven(uint256 indexed jobId, uint256 indexed run, uint256 bitmap);
        event OpeningsPublished(uint256 indexed jobId, bytes32 dataHash, bytes place);
        event RetrievalSettled(uint256 indexed jobId, State state, address recipient);

        function open(Terms calldata terms, bytes32 bindingHash, bytes calldata hint)
            external
            payable
            returns (uint256 jobId);
        function prove(uint256 jobId, Terms calldata terms, uint256 run, uint256 bitmap, bytes calldata proof)
            external;
        function publish(uint256 jobId, Terms calldata terms, bytes32 dataHash, bytes calldata place) external;
        function settle(uint256 jobId, Terms calldata terms) external;
        function bitmapOf(uint256 jobId, uint256 run) external view returns (uint256 bitmap);
        function getJob(uint256 jobId) external view returns (Job memory job);
        function jobCount() external view returns (uint256);
        function contextOf(uint256 jobId, address recipient) external view returns (uint256 context);
        function registry() external view returns (address);
    }
}
