//! `ServiceBond`.

use alloy::sol;

sol! {
    #[sol(abi)]
    #[derive(Debug, PartialEq, Eq)]
    interface IServiceBond {
        enum ServiceState {
            None,
            Active,
            Closing,
            Closed
        }

        enum BatchState {
            None,
            Posted,
            Contested,
            Paid,
            Upheld,
            Punished
        }

        struct Terms {
            uint256 modelId;
            bytes32 bindingHash;
            address signer;
            address token;
            uint256 penalty;
            uint256 proofCost;
            uint64 contestWindow;
            uint64 proofWindow;
            uint64 noticePeriod;
        }

        /// What a provider signs (EIP-712).
        #[derive(Default, serde::Serialize, serde::Deserialize)]
        struct Receipt {
            bytes32 serviceId;
            address buyer;
            bytes32 root;
            uint256 count;
            uint256 price;
            uint256 nonce;
            uint256 validUntil;
        }

        struct Opening {
            uint256 position;
            uint256 inputCommitment;
            uint256[] outputs;
            bytes32[] path;
        }

        struct Service {
            ServiceState state;
            address provider;
            address signer;
            address token;
            uint256 modelId;
            uint256 bond;
            uint256 reserved;
            uint256 openBatches;
            uint256 penalty;
            uint256 proofCost;
            uint64 contestWindow;
            uint64 proofWindow;
            uint64 noticePeriod;
            uint64 closableAt;
            uint256 batch;
        }

        struct Record {
            uint256 posted;
            uint256 contests;
            uint256 upheld;
            uint256 punished;
        }

        struct Batch {
            BatchState state;
            uint64 contestBy;
            uint64 proveBy;
            uint256 checks;
            uint256 proven;
            uint256 contested;
            uint256 postedIn;
        }

        event ServiceOpened(
            bytes32 indexed serviceId, address indexed provider, uint256 indexed modelId, uint256 bond
        );
        event BatchPosted(
            bytes32 indexed batchId,
            bytes32 indexed serviceId,
            address indexed buyer,
            bytes32 root,
            uint256 count,
            uint256 price,
            uint256 nonce,
            uint256 validUntil,
            uint64 contestBy
        );
        event BatchContested(
            bytes32 indexed batchId, bytes32 indexed serviceId, uint256[] indices, uint64 deadline
        );
        event ItemProven(bytes32 indexed batchId, uint256 position, uint256[] outputs);
        event ContestUpheld(bytes32 indexed batchId, bytes32 indexed serviceId, uint64 contestBy);
        event BatchPaid(bytes32 indexed batchId, bytes32 indexed serviceId, uint256 price);
        event BatchPunished(
            bytes32 indexed batchId, bytes32 indexed serviceId, uint256 unproven, uint256 compensation
        );

        function openService(Terms calldata terms, uint256 bond, bytes32 salt)
            external
            payable
            returns (bytes32 serviceId);
        function topUp(bytes32 serviceId, uint256 amount) external payable;
        function giveNotice(bytes32 serviceId) external;
        function close(bytes32 serviceId) external;
        function post(Receipt calldata receipt, bytes calldata signature)
            external
            payable
            returns (bytes32 batchId);
        function contest(Receipt calldata receipt, uint256[] calldata indices) external payable;
        function prove(Receipt calldata receipt, Opening calldata opening, bytes calldata proof)
            external;
        function settle(Receipt calldata receipt) external;
        function punish(Receipt calldata receipt) external;
        function getService(bytes32 serviceId) external view returns (Service memory service);
        function recordOf(bytes32 serviceId) external view returns (Record memory record);
        function getBatch(bytes32 batchId) external view returns (Batch memory batch);
        function contestedItems(bytes32 batchId) external view returns (uint256[] memory indices);
        function receiptHash(Receipt calldata receipt) external view returns (bytes32 digest);
        function batchIdOf(Receipt calldata receipt) external pure returns (bytes32 batchId);
        function registry() external view returns (address);
    }
}
