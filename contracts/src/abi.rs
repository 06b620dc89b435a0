//! How the contracts are called, and what they log and refuse.
//!
//! A test compares the functions, events and errors with those of the artifacts.

#![expect(
    clippy::too_many_arguments,
    reason = "the specifications' functions have as many parameters as they have"
)]

use alloy_sol_types::sol;

sol! {
    /// Channels of the first protocol version.
    #[derive(Debug, Default, PartialEq, Eq)]
    contract TempoStreamChannel {
        struct Channel {
            bool finalized;
            uint64 closeRequestedAt;
            address payer;
            address payee;
            address token;
            address authorizedSigner;
            uint128 deposit;
            uint128 settled;
        }

        function CLOSE_GRACE_PERIOD() external view returns (uint64);
        function VOUCHER_TYPEHASH() external view returns (bytes32);
        function channels(bytes32 channelId) external view returns (bool finalized, uint64 closeRequestedAt, address payer, address payee, address token, address authorizedSigner, uint128 deposit, uint128 settled);
        function open(address payee, address token, uint128 deposit, bytes32 salt, address authorizedSigner) external returns (bytes32 channelId);
        function topUp(bytes32 channelId, uint256 additionalDeposit) external;
        function settle(bytes32 channelId, uint128 cumulativeAmount, bytes calldata signature) external;
        function close(bytes32 channelId, uint128 cumulativeAmount, bytes calldata signature) external;
        function requestClose(bytes32 channelId) external;
        function withdraw(bytes32 channelId) external;
        function getChannel(bytes32 channelId) external view returns (Channel memory);
        function getChannelsBatch(bytes32[] calldata channelIds) external view returns (Channel[] memory channelStates);
        function computeChannelId(address payer, address payee, address token, bytes32 salt, address authorizedSigner) external view returns (bytes32);
        function getVoucherDigest(bytes32 channelId, uint128 cumulativeAmount) external view returns (bytes32);
        function domainSeparator() external view returns (bytes32);
        function eip712Domain() external view returns (bytes1 fields, string memory name, string memory version, uint256 chainId, address verifyingContract, bytes32 salt, uint256[] memory extensions);

        event ChannelOpened(bytes32 indexed channelId, address indexed payer, address indexed payee, address token, address authorizedSigner, bytes32 salt, uint256 deposit);
        event TopUp(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 additionalDeposit, uint256 newDeposit);
        event Settled(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 cumulativeAmount, uint256 deltaPaid, uint256 newSettled);
        event CloseRequested(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 closeGraceEnd);
        event CloseRequestCancelled(bytes32 indexed channelId, address indexed payer, address indexed payee);
        event ChannelExpired(bytes32 indexed channelId, address indexed payer, address indexed payee);
        event ChannelClosed(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 settledToPayee, uint256 refundedToPayer);

        error ChannelAlreadyExists();
        error ChannelNotFound();
        error ChannelFinalized();
        error InvalidPayee();
        error InvalidSignature();
        error AmountExceedsDeposit();
        error AmountNotIncreasing();
        error DepositOverflow();
        error NotPayer();
        error NotPayee();
        error CloseNotReady();
        error TransferFailed();
    }
}

sol! {
    /// Channels of the second protocol version (TIP-1034).
    #[derive(Debug, Default, PartialEq, Eq)]
    contract ChannelReserve {
        struct ChannelDescriptor {
            address payer;
            address payee;
            address operator;
            address token;
            bytes32 salt;
            address authorizedSigner;
            bytes32 expiringNonceHash;
        }
        struct ChannelState {
            uint96 settled;
            uint96 deposit;
            uint32 closeRequestedAt;
        }
        struct Channel {
            ChannelDescriptor descriptor;
            ChannelState state;
        }

        function CLOSE_GRACE_PERIOD() external view returns (uint64);
        function VOUCHER_TYPEHASH() external view returns (bytes32);
        function CONTEXT_SLOT() external view returns (bytes32);
        function open(address payee, address operator, address token, uint96 deposit, bytes32 salt, address authorizedSigner) external returns (bytes32 channelId);
        function topUp(ChannelDescriptor calldata descriptor, uint96 additionalDeposit) external;
        function settle(ChannelDescriptor calldata descriptor, uint96 cumulativeAmount, bytes calldata signature) external;
        function close(ChannelDescriptor calldata descriptor, uint96 cumulativeAmount, uint96 captureAmount, bytes calldata signature) external;
        function requestClose(ChannelDescriptor calldata descriptor) external;
        function withdraw(ChannelDescriptor calldata descriptor) external;
        function getChannel(ChannelDescriptor calldata descriptor) external view returns (Channel memory);
        function getChannelState(bytes32 channelId) external view returns (ChannelState memory);
        function getChannelStatesBatch(bytes32[] calldata channelIds) external view returns (ChannelState[] memory states);
        function computeChannelId(address payer, address payee, address operator, address token, bytes32 salt, address authorizedSigner, bytes32 expiringNonceHash) external view returns (bytes32);
        function getVoucherDigest(bytes32 channelId, uint96 cumulativeAmount) external view returns (bytes32);
        function domainSeparator() external view returns (bytes32);

        event ChannelOpened(bytes32 indexed channelId, address indexed payer, address indexed payee, address operator, address token, address authorizedSigner, bytes32 salt, bytes32 expiringNonceHash, uint96 deposit);
        event TopUp(bytes32 indexed channelId, address indexed payer, address indexed payee, uint96 additionalDeposit, uint96 newDeposit);
        event Settled(bytes32 indexed channelId, address indexed payer, address indexed payee, uint96 cumulativeAmount, uint96 deltaPaid, uint96 newSettled);
        event CloseRequested(bytes32 indexed channelId, address indexed payer, address indexed payee, uint256 closeGraceEnd);
        event CloseRequestCancelled(bytes32 indexed channelId, address indexed payer, address indexed payee);
        event ChannelClosed(bytes32 indexed channelId, address indexed payer, address indexed payee, uint96 settledToPayee, uint96 refundedToPayer);

        error ChannelAlreadyExists();
        error ChannelNotFound();
        error NotPayer();
        error NotPayeeOrOperator();
        error InvalidPayee();
        error InvalidToken();
        error ZeroDeposit();
        error ExpiringNonceHashNotSet();
        error InvalidSignature();
        error AmountExceedsDeposit();
        error AmountNotIncreasing();
        error CaptureAmountInvalid();
        error CloseNotReady();
        error DepositOverflow();
        error PolicyForbids();
        error TransferFailed();
    }
}

sol! {
    /// An ERC-20 token with EIP-3009 and EIP-2612, which anybody mints.
    #[derive(Debug, Default, PartialEq, Eq)]
    contract TestDollar {
        function name() external view returns (string memory);
        function symbol() external view returns (string memory);
        function version() external view returns (string memory);
        function decimals() external view returns (uint8);
        function TRANSFER_WITH_AUTHORIZATION_TYPEHASH() external view returns (bytes32);
        function RECEIVE_WITH_AUTHORIZATION_TYPEHASH() external view returns (bytes32);
        function CANCEL_AUTHORIZATION_TYPEHASH() external view returns (bytes32);
        function PERMIT_TYPEHASH() external view returns (bytes32);
        function totalSupply() external view returns (uint256);
        function balanceOf(address account) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function nonces(address owner) external view returns (uint256);
        function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
        function mint(address to, uint256 value) external;
        function transfer(address to, uint256 value) external returns (bool);
        function transferFrom(address from, address to, uint256 value) external returns (bool);
        function approve(address spender, uint256 value) external returns (bool);
        function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
        function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external;
        function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes calldata signature) external;
        function receiveWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external;
        function receiveWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes calldata signature) external;
        function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external;
        function eip712Domain() external view returns (bytes1, string memory, string memory, uint256, address, bytes32, uint256[] memory);
        function DOMAIN_SEPARATOR() external view returns (bytes32);

        event Transfer(address indexed from, address indexed to, uint256 value);
        event Approval(address indexed owner, address indexed spender, uint256 value);
        event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
        event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);

        error InvalidAddress();
        error InsufficientBalance();
        error InsufficientAllowance();
        error InvalidSignature();
        error DeadlinePassed();
        error AuthorizationNotYetValid();
        error AuthorizationExpired();
        error AuthorizationAlreadyUsed();
        error CallerNotRecipient();
    }
}
