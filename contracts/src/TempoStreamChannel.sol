// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Secp256k1} from "./parts/Secp256k1.sol";
import {Tokens} from "./parts/Tokens.sol";
import {TypedData} from "./parts/TypedData.sol";

/// @title The escrow of channels of the first protocol version
/// @notice A payer locks a deposit for one payee and signs vouchers off chain, each over all that was
/// spent so far. The payee turns the latest one into tokens whenever it likes. What is left goes back to
/// the payer: at once when the payee closes, or after a time of grace when the payer asks for it.
///
/// Nobody owns this contract, and nothing in it can be changed or paused. In every state, what it holds of
/// a channel is its deposit less what was settled, until the channel is finalized; then it is nothing.
///
/// @dev Written from the draft "Tempo Session Intent", sections "Contract Functions", "Access Control" and
/// "Signature Verification". Where the draft's appendix and the deployed contract differ (`topUp` takes a
/// uint256, the order of a channel's fields, the salt in `ChannelOpened`, `ChannelExpired`), it has the
/// form of the deployed one, because that is what clients call. The appendix's digest of a close request is
/// left out: no function takes such a signature.
contract TempoStreamChannel {
    /// @notice A channel, as it is kept. One that never was has the zero address as its payer.
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

    event ChannelOpened(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        address token,
        address authorizedSigner,
        bytes32 salt,
        uint256 deposit
    );
    event TopUp(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint256 additionalDeposit,
        uint256 newDeposit
    );
    event Settled(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint256 cumulativeAmount,
        uint256 deltaPaid,
        uint256 newSettled
    );
    event CloseRequested(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint256 closeGraceEnd
    );
    event CloseRequestCancelled(
        bytes32 indexed channelId, address indexed payer, address indexed payee
    );
    /// @notice The payer withdrew after the grace; `ChannelClosed` follows.
    event ChannelExpired(bytes32 indexed channelId, address indexed payer, address indexed payee);
    event ChannelClosed(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint256 settledToPayee,
        uint256 refundedToPayer
    );

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

    string private constant NAME = "Tempo Stream Channel";
    string private constant VERSION = "1";

    /// @notice How long a payee has, from the payer's request on, until the payer can withdraw.
    uint64 public constant CLOSE_GRACE_PERIOD = 15 minutes;

    /// @notice The type of a voucher.
    bytes32 public constant VOUCHER_TYPEHASH =
        keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)");

    /// @notice The channels, also the finalized ones: a channel's id is used once.
    mapping(bytes32 channelId => Channel) public channels;

    /// @notice Opens a channel with a deposit, which the caller approved before. The caller is the payer.
    /// @param authorizedSigner Who signs the vouchers; zero for the payer itself.
    function open(
        address payee,
        address token,
        uint128 deposit,
        bytes32 salt,
        address authorizedSigner
    ) external returns (bytes32 channelId) {
        if (payee == address(0)) {
            revert InvalidPayee();
        }
        channelId = computeChannelId(msg.sender, payee, token, salt, authorizedSigner);
        if (channels[channelId].payer != address(0)) {
            revert ChannelAlreadyExists();
        }
        channels[channelId] = Channel({
            finalized: false,
            closeRequestedAt: 0,
            payer: msg.sender,
            payee: payee,
            token: token,
            authorizedSigner: authorizedSigner,
            deposit: deposit,
            settled: 0
        });
        emit ChannelOpened(channelId, msg.sender, payee, token, authorizedSigner, salt, deposit);
        Tokens.pull(token, msg.sender, deposit);
    }

    /// @notice Adds to the deposit, and takes back a request to close. Nothing may be added, to only take
    /// the request back.
    function topUp(bytes32 channelId, uint256 additionalDeposit) external {
        Channel storage channel = _ofPayer(channelId);
        uint128 before = channel.deposit;
        if (additionalDeposit > type(uint128).max - before) {
            revert DepositOverflow();
        }
        if (channel.closeRequestedAt != 0) {
            channel.closeRequestedAt = 0;
            emit CloseRequestCancelled(channelId, channel.payer, channel.payee);
        } else if (additionalDeposit == 0) {
            return;
        }
        uint256 deposit = before + additionalDeposit;
        channel.deposit = uint128(deposit);
        emit TopUp(channelId, channel.payer, channel.payee, additionalDeposit, deposit);
        Tokens.pull(channel.token, msg.sender, additionalDeposit);
    }

    /// @notice Pays the payee what a voucher says beyond what was settled before.
    function settle(bytes32 channelId, uint128 cumulativeAmount, bytes calldata signature) external {
        Channel storage channel = _ofPayee(channelId);
        uint128 settled = channel.settled;
        if (cumulativeAmount <= settled) {
            revert AmountNotIncreasing();
        }
        _checkVoucher(channel, channelId, cumulativeAmount, signature);
        uint128 delta = cumulativeAmount - settled;
        channel.settled = cumulativeAmount;
        emit Settled(
            channelId, channel.payer, channel.payee, cumulativeAmount, delta, cumulativeAmount
        );
        Tokens.push(channel.token, channel.payee, delta);
    }

    /// @notice Ends the channel: pays the payee what a last voucher says, and gives the rest back.
    /// @dev The voucher that was settled last may be the one to close with. A voucher is always asked for,
    /// also where nothing more is paid.
    function close(bytes32 channelId, uint128 cumulativeAmount, bytes calldata signature) external {
        Channel storage channel = _ofPayee(channelId);
        uint128 settled = channel.settled;
        if (cumulativeAmount < settled) {
            revert AmountNotIncreasing();
        }
        _checkVoucher(channel, channelId, cumulativeAmount, signature);
        uint128 refund = channel.deposit - cumulativeAmount;
        channel.settled = cumulativeAmount;
        channel.finalized = true;
        emit ChannelClosed(channelId, channel.payer, channel.payee, cumulativeAmount, refund);
        Tokens.push(channel.token, channel.payee, cumulativeAmount - settled);
        Tokens.push(channel.token, channel.payer, refund);
    }

    /// @notice Asks for the rest of the deposit back, and begins the time of grace. Asking again changes
    /// nothing.
    function requestClose(bytes32 channelId) external {
        Channel storage channel = _ofPayer(channelId);
        if (channel.closeRequestedAt != 0) {
            return;
        }
        channel.closeRequestedAt = uint64(block.timestamp);
        emit CloseRequested(
            channelId, channel.payer, channel.payee, block.timestamp + CLOSE_GRACE_PERIOD
        );
    }

    /// @notice Gives the payer what was not settled, after the time of grace.
    function withdraw(bytes32 channelId) external {
        Channel storage channel = _ofPayer(channelId);
        uint64 requested = channel.closeRequestedAt;
        if (requested == 0 || block.timestamp < requested + CLOSE_GRACE_PERIOD) {
            revert CloseNotReady();
        }
        uint128 refund = channel.deposit - channel.settled;
        channel.finalized = true;
        emit ChannelExpired(channelId, channel.payer, channel.payee);
        emit ChannelClosed(channelId, channel.payer, channel.payee, channel.settled, refund);
        Tokens.push(channel.token, channel.payer, refund);
    }

    /// @notice A channel; one that never was is all zeros.
    function getChannel(bytes32 channelId) external view returns (Channel memory) {
        return channels[channelId];
    }

    /// @notice Several channels, in the order asked for.
    function getChannelsBatch(bytes32[] calldata channelIds)
        external
        view
        returns (Channel[] memory channelStates)
    {
        channelStates = new Channel[](channelIds.length);
        for (uint256 i = 0; i < channelIds.length; i++) {
            channelStates[i] = channels[channelIds[i]];
        }
    }

    /// @notice What a voucher's signer signs.
    function getVoucherDigest(bytes32 channelId, uint128 cumulativeAmount)
        external
        view
        returns (bytes32)
    {
        return _digest(channelId, cumulativeAmount);
    }

    /// @notice The domain of the vouchers, in the form of ERC-5267.
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        )
    {
        return (hex"0f", NAME, VERSION, block.chainid, address(this), 0, new uint256[](0));
    }

    /// @notice The hash of that domain.
    function domainSeparator() public view returns (bytes32) {
        return TypedData.separator(NAME, VERSION);
    }

    /// @notice The id of a channel at this contract on this chain.
    function computeChannelId(
        address payer,
        address payee,
        address token,
        bytes32 salt,
        address authorizedSigner
    ) public view returns (bytes32) {
        return keccak256(
            abi.encode(payer, payee, token, salt, authorizedSigner, address(this), block.chainid)
        );
    }

    /// @dev The voucher is within the deposit, and of the channel's signer.
    function _checkVoucher(
        Channel storage channel,
        bytes32 channelId,
        uint128 cumulativeAmount,
        bytes calldata signature
    ) private view {
        if (cumulativeAmount > channel.deposit) {
            revert AmountExceedsDeposit();
        }
        bytes32 digest = _digest(channelId, cumulativeAmount);
        address signer = signature.length == 64
            ? Secp256k1.recoverCompact(digest, signature)
            : Secp256k1.recover(digest, signature);
        address expected = channel.authorizedSigner;
        if (expected == address(0)) {
            expected = channel.payer;
        }
        // A channel's payer is never zero, so neither is what a bad signature recovers to.
        if (signer != expected) {
            revert InvalidSignature();
        }
    }

    function _digest(bytes32 channelId, uint128 cumulativeAmount) private view returns (bytes32) {
        bytes32 message = keccak256(abi.encode(VOUCHER_TYPEHASH, channelId, cumulativeAmount));
        return TypedData.digest(domainSeparator(), message);
    }

    function _ofPayer(bytes32 channelId) private view returns (Channel storage channel) {
        channel = _live(channelId);
        if (msg.sender != channel.payer) {
            revert NotPayer();
        }
    }

    function _ofPayee(bytes32 channelId) private view returns (Channel storage channel) {
        channel = _live(channelId);
        if (msg.sender != channel.payee) {
            revert NotPayee();
        }
    }

    function _live(bytes32 channelId) private view returns (Channel storage channel) {
        channel = channels[channelId];
        if (channel.payer == address(0)) {
            revert ChannelNotFound();
        }
        if (channel.finalized) {
            revert ChannelFinalized();
        }
    }
}
