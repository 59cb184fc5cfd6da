//! `AuditEscrow`.

use alloy::sol;

sol! {
    #[sol(abi)]
    #[derive(Debug, PartialEq, Eq)]
    interface IAuditEscrow {
        enum State {
            None,
            Open,
            Delivered,
            Paid,
            Refunded,
            Undelivered
        }

        enum EntryState {
            None,
            Entered,
            Accepted,
            Returned,
            Forfeited,
            Aborted
        }

        #[derive(Default)]
        struct Terms {
            address buyer;
            bytes32 sellers;
            address token;
            uint96 reward;
            uint96 bond;
            uint96 stake;
            uint96 abortFee;
            uint256 testSetRoot;
            bytes32 metric;
            uint32 items;
            uint32 required;
            uint8 maxEntries;
            uint64 enterBy;
            uint64 deliverBy;
            uint64 acceptBy;
            uint64 proveWindow;
            bytes32 admittedKeys;
            uint256 challengeRoot;
        }

        struct Offer {
            uint256 modelId;
            bytes32 bindingHash;
            uint32 batch;
            bytes32[] admitted;
            uint256 which;
            bytes32[] path;
            bytes encryptionKey;
            uint256 correct;
            bytes possession;
        }

        struct Job {
            State state;
            uint256 entries;
            uint256 waiting;
            uint256 aborted;
            uint256 accepted;
            uint256 proven;
            bool bondReturned;
            uint256 lastEntryBlock;
            bytes32 entriesHash;
            bytes32 termsHash;
        }

        struct Entry {
            EntryState state;
            address seller;
            uint256 modelId;
            uint256 batch;
            uint256 claim;
            uint256 turn;
            uint256 correct;
            uint256 missing;
            bool certified;
        }

        /// Nobody can have it any more.
        event Burnt(address indexed token, uint256 amount);
        event AuditOpened(
            uint256 indexed jobId, address indexed buyer, Terms terms, bytes32[] admitted, bytes hint
        );
        event AuditEntered(
            uint256 indexed jobId,
            address indexed seller,
            uint256 indexed modelId,
            uint256 entry,
            bytes32 bindingHash,
            uint256 batch,
            bytes encryptionKey,
            bytes32 entriesHash
        );
        event AuditDelivered(uint256 indexed jobId, uint256 approved, bytes32 dataHash, bytes place);
        event AuditBondReturned(uint256 indexed jobId, uint256 lost);
        event EntryAccepted(uint256 indexed jobId, uint256 indexed entry, uint256 claim);
        event AuditRunProven(uint256 indexed jobId, uint256 indexed entry, uint256 run, uint256 correct);
        event EntrySettled(uint256 indexed jobId, uint256 indexed entry, EntryState state);
        event AuditSettled(uint256 indexed jobId, State state, uint256 winner);
        event ResultCertified(
            uint256 indexed jobId, uint256 indexed modelId, uint256 entry, uint256 correct, uint256 total
        );

        function open(Terms calldata terms, bytes32[] calldata admitted, bytes calldata hint)
            external
            payable
            returns (uint256 jobId);
        function enter(uint256 jobId, Terms calldata terms, Offer calldata offer)
            external
            payable
            returns (uint256 entry);
        function deliver(
            uint256 jobId,
            Terms calldata terms,
            bytes32 entriesHash,
            uint256 approved,
            bytes32 dataHash,
            bytes calldata place
        ) external;
        function decline(uint256 jobId, Terms calldata terms, bytes32 entriesHash) external;
        function returnBond(uint256 jobId, Terms calldata terms) external;
        function accept(uint256 jobId, Terms calldata terms, uint256 entry, uint256 claim) external;
        function abort(uint256 jobId, Terms calldata terms, uint256 entry) external;
        function prove(
            uint256 jobId,
            Terms calldata terms,
            uint256 entry,
            uint256 run,
            uint256 correct,
            bytes calldata proof
        ) external;
        function settle(uint256 jobId, Terms calldata terms) external;
        function release(uint256 jobId, Terms calldata terms, uint256 entry) external;
        function certify(uint256 jobId, Terms calldata terms, uint256 entry) external;
        function getJob(uint256 jobId) external view returns (Job memory job);
        function getEntry(uint256 jobId, uint256 entry) external view returns (Entry memory);
        function isProven(uint256 jobId, uint256 entry, uint256 run) external view returns (bool);
        function jobCount() external view returns (uint256);
        function results() external view returns (address);
        function contextOf(uint256 jobId, address recipient) external view returns (uint256 context);
        function registry() external view returns (address);
    }
}
