// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Policies} from "./parts/Policies.sol";
import {Secp256k1} from "./parts/Secp256k1.sol";
import {Tokens} from "./parts/Tokens.sol";
import {TypedData} from "./parts/TypedData.sol";

/// @title The reserve of channels of the second protocol version, for chains without the precompile
/// @notice The interface of TIP-1034 and its rules, for development chains on which
/// `0x4d50500000000000000000000000000000000000` has no code yet. It is put there, or deployed anywhere.
///
/// A payer locks a deposit for one payee and signs vouchers off chain, each over all that was spent so far.
/// The chain keeps three numbers of a channel in one slot; everything else of it is said anew with each
/// call, and hashed to the channel's id. A channel that ended leaves nothing behind.
///
/// Nobody owns this contract, and nothing in it can be changed or paused.
///
/// @dev Three things a precompile can do and a contract cannot:
/// - It moves deposits without an approval. Here `open` and `topUp` need one before.
/// - It sees the transaction it is called in. Here whoever runs the node writes that transaction's hash
///   into `CONTEXT_SLOT` before it sends the transaction. The first `open` takes it out; later ones of the
///   same transaction still see it, later transactions do not. On a chain whose storage nobody writes,
///   nothing can be opened.
/// - It knows virtual addresses (TIP-1022) and refuses some payees among them. Here they are accounts.
///
/// There is no constructor and no immutable, so that the code works where it was only put.
contract ChannelReserve {
    /// @notice What a channel is. It never changes, and is not kept.
    struct ChannelDescriptor {
        address payer;
        address payee;
        address operator;
        address token;
        bytes32 salt;
        address authorizedSigner;
        bytes32 expiringNonceHash;
    }

    /// @notice What is kept of a channel: one slot, the fields from its low end up. No deposit, no channel.
    struct ChannelState {
        uint96 settled;
        uint96 deposit;
        uint32 closeRequestedAt;
    }

    struct Channel {
        ChannelDescriptor descriptor;
        ChannelState state;
    }

    event ChannelOpened(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        address operator,
        address token,
        address authorizedSigner,
        bytes32 salt,
        bytes32 expiringNonceHash,
        uint96 deposit
    );
    event TopUp(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint96 additionalDeposit,
        uint96 newDeposit
    );
    event Settled(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint96 cumulativeAmount,
        uint96 deltaPaid,
        uint96 newSettled
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
    event ChannelClosed(
        bytes32 indexed channelId,
        address indexed payer,
        address indexed payee,
        uint96 settledToPayee,
        uint96 refundedToPayer
    );

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

    string private constant NAME = "TIP20 Channel Reserve";
    string private constant VERSION = "1";

    /// @dev The verifier of signatures (TIP-1020). A chain without it answers with nothing.
    address private constant VERIFIER = 0x5165300000000000000000000000000000000000;

    /// @notice How long a payee has, from the payer's request on, until the payer can withdraw.
    uint64 public constant CLOSE_GRACE_PERIOD = 15 minutes;

    /// @notice The type of a voucher.
    bytes32 public constant VOUCHER_TYPEHASH =
        keccak256("Voucher(bytes32 channelId,uint96 cumulativeAmount)");

    /// @notice Where the hash of the transaction that opens channels is to be written before it is sent:
    /// keccak256 of the payload its sender signs, followed by the sender.
    bytes32 public constant CONTEXT_SLOT =
        keccak256("farthing.channel-reserve.expiring-nonce-hash");

    mapping(bytes32 channelId => ChannelState) private _states;

    /// @notice Opens a channel with a deposit, which the caller approved before. The caller is the payer.
    /// @param operator Who may settle and close beside the payee; zero for nobody.
    /// @param authorizedSigner Who signs the vouchers; zero for the payer itself.
    function open(
        address payee,
        address operator,
        address token,
        uint96 deposit,
        bytes32 salt,
        address authorizedSigner
    ) external returns (bytes32 channelId) {
        if (payee == address(0) || Policies.isTip20(payee)) {
            revert InvalidPayee();
        }
        if (token.code.length == 0) {
            revert InvalidToken();
        }
        if (deposit == 0) {
            revert ZeroDeposit();
        }
        bytes32 context = _takeContext();
        channelId =
            computeChannelId(msg.sender, payee, operator, token, salt, authorizedSigner, context);
        if (_states[channelId].deposit != 0 || !_firstInTransaction(channelId)) {
            revert ChannelAlreadyExists();
        }
        Policies.checkRecipient(token, payee);
        _states[channelId] = ChannelState({settled: 0, deposit: deposit, closeRequestedAt: 0});
        emit ChannelOpened(
            channelId, msg.sender, payee, operator, token, authorizedSigner, salt, context, deposit
        );
        Tokens.pull(token, msg.sender, deposit);
    }

    /// @notice Adds to the deposit, and takes back a request to close. Nothing may be added, to only take
    /// the request back.
    function topUp(ChannelDescriptor calldata descriptor, uint96 additionalDeposit) external {
        (bytes32 channelId, ChannelState memory state) = _ofPayer(descriptor);
        if (additionalDeposit > type(uint96).max - state.deposit) {
            revert DepositOverflow();
        }
        if (state.closeRequestedAt != 0) {
            state.closeRequestedAt = 0;
            emit CloseRequestCancelled(channelId, descriptor.payer, descriptor.payee);
        } else if (additionalDeposit == 0) {
            return;
        }
        state.deposit += additionalDeposit;
        _states[channelId] = state;
        emit TopUp(
            channelId, descriptor.payer, descriptor.payee, additionalDeposit, state.deposit
        );
        if (additionalDeposit != 0) {
            Policies.checkRecipient(descriptor.token, descriptor.payee);
            Tokens.pull(descriptor.token, msg.sender, additionalDeposit);
        }
    }

    /// @notice Pays the payee what a voucher says beyond what was settled before.
    function settle(
        ChannelDescriptor calldata descriptor,
        uint96 cumulativeAmount,
        bytes calldata signature
    ) external {
        (bytes32 channelId, ChannelState memory state) = _ofPayee(descriptor);
        if (cumulativeAmount > state.deposit) {
            revert AmountExceedsDeposit();
        }
        if (cumulativeAmount <= state.settled) {
            revert AmountNotIncreasing();
        }
        _checkVoucher(descriptor, channelId, cumulativeAmount, signature);
        Policies.checkSender(descriptor.token, descriptor.payer);
        uint96 delta = cumulativeAmount - state.settled;
        _states[channelId].settled = cumulativeAmount;
        emit Settled(
            channelId,
            descriptor.payer,
            descriptor.payee,
            cumulativeAmount,
            delta,
            cumulativeAmount
        );
        Tokens.push(descriptor.token, descriptor.payee, delta);
    }

    /// @notice Ends the channel: pays the payee up to `captureAmount`, and gives the rest back.
    /// @param cumulativeAmount What the voucher says, which may be more than is captured and more than the
    /// deposit. A close that pays nothing more needs no voucher.
    function close(
        ChannelDescriptor calldata descriptor,
        uint96 cumulativeAmount,
        uint96 captureAmount,
        bytes calldata signature
    ) external {
        (bytes32 channelId, ChannelState memory state) = _ofPayee(descriptor);
        if (captureAmount < state.settled || captureAmount > cumulativeAmount) {
            revert CaptureAmountInvalid();
        }
        if (captureAmount > state.deposit) {
            revert AmountExceedsDeposit();
        }
        uint96 delta = captureAmount - state.settled;
        if (delta != 0) {
            _checkVoucher(descriptor, channelId, cumulativeAmount, signature);
            Policies.checkSender(descriptor.token, descriptor.payer);
        }
        uint96 refund = state.deposit - captureAmount;
        delete _states[channelId];
        emit ChannelClosed(channelId, descriptor.payer, descriptor.payee, captureAmount, refund);
        Tokens.push(descriptor.token, descriptor.payee, delta);
        Tokens.push(descriptor.token, descriptor.payer, refund);
    }

    /// @notice Asks for the rest of the deposit back, and begins the time of grace. Asking again changes
    /// nothing.
    function requestClose(ChannelDescriptor calldata descriptor) external {
        (bytes32 channelId, ChannelState memory state) = _ofPayer(descriptor);
        if (state.closeRequestedAt != 0) {
            return;
        }
        _states[channelId].closeRequestedAt = uint32(block.timestamp);
        emit CloseRequested(
            channelId, descriptor.payer, descriptor.payee, block.timestamp + CLOSE_GRACE_PERIOD
        );
    }

    /// @notice Gives the payer what was not settled, after the time of grace.
    function withdraw(ChannelDescriptor calldata descriptor) external {
        (bytes32 channelId, ChannelState memory state) = _ofPayer(descriptor);
        uint64 requested = state.closeRequestedAt;
        if (requested == 0 || block.timestamp < requested + CLOSE_GRACE_PERIOD) {
            revert CloseNotReady();
        }
        uint96 refund = state.deposit - state.settled;
        delete _states[channelId];
        emit ChannelClosed(channelId, descriptor.payer, descriptor.payee, state.settled, refund);
        Tokens.push(descriptor.token, descriptor.payer, refund);
    }

    /// @notice A channel with its state; zeros where there is none.
    function getChannel(ChannelDescriptor calldata descriptor)
        external
        view
        returns (Channel memory)
    {
        return Channel({descriptor: descriptor, state: _states[_id(descriptor)]});
    }

    /// @notice The state of a channel; zeros where there is none.
    function getChannelState(bytes32 channelId) external view returns (ChannelState memory) {
        return _states[channelId];
    }

    /// @notice The states of several channels, in the order asked for.
    function getChannelStatesBatch(bytes32[] calldata channelIds)
        external
        view
        returns (ChannelState[] memory states)
    {
        states = new ChannelState[](channelIds.length);
        for (uint256 i = 0; i < channelIds.length; i++) {
            states[i] = _states[channelIds[i]];
        }
    }

    /// @notice What a voucher's signer signs.
    function getVoucherDigest(bytes32 channelId, uint96 cumulativeAmount)
        external
        view
        returns (bytes32)
    {
        return _digest(channelId, cumulativeAmount);
    }

    /// @notice The hash of the domain of the vouchers.
    function domainSeparator() public view returns (bytes32) {
        return TypedData.separator(NAME, VERSION);
    }

    /// @notice The id of a channel at this contract on this chain.
    function computeChannelId(
        address payer,
        address payee,
        address operator,
        address token,
        bytes32 salt,
        address authorizedSigner,
        bytes32 expiringNonceHash
    ) public view returns (bytes32) {
        return keccak256(
            abi.encode(
                payer,
                payee,
                operator,
                token,
                salt,
                authorizedSigner,
                expiringNonceHash,
                address(this),
                block.chainid
            )
        );
    }

    function _id(ChannelDescriptor calldata descriptor) private view returns (bytes32) {
        // A struct of words is encoded like its words.
        return keccak256(abi.encode(descriptor, address(this), block.chainid));
    }

    /// @dev The hash of this transaction. It is taken out of storage once, so that a later transaction
    /// which nobody wrote it for cannot open a channel under an id that was there before.
    function _takeContext() private returns (bytes32 context) {
        bytes32 slot = CONTEXT_SLOT;
        assembly ("memory-safe") {
            context := tload(slot)
            if iszero(context) {
                context := sload(slot)
                sstore(slot, 0)
                tstore(slot, context)
            }
        }
        if (context == 0) {
            revert ExpiringNonceHashNotSet();
        }
    }

    /// @dev Whether this transaction did not open the channel before; a closed one leaves no other trace.
    function _firstInTransaction(bytes32 channelId) private returns (bool first) {
        assembly ("memory-safe") {
            first := iszero(tload(channelId))
            tstore(channelId, 1)
        }
    }

    function _checkVoucher(
        ChannelDescriptor calldata descriptor,
        bytes32 channelId,
        uint96 cumulativeAmount,
        bytes calldata signature
    ) private view {
        address expected = descriptor.authorizedSigner;
        if (expected == address(0)) {
            expected = descriptor.payer;
        }
        if (!_signed(expected, _digest(channelId, cumulativeAmount), signature)) {
            revert InvalidSignature();
        }
    }

    /// @dev Asks the chain's verifier, which knows every kind of key an account can have. Where there is
    /// none, a signature is 65 bytes of secp256k1, under the verifier's rules for those: a low `s`, and a
    /// parity as it stands or plus 27.
    function _signed(address signer, bytes32 digest, bytes calldata signature)
        private
        view
        returns (bool)
    {
        (bool done, bytes memory answer) = VERIFIER.staticcall(
            abi.encodeWithSignature("verify(address,bytes32,bytes)", signer, digest, signature)
        );
        if (!done || answer.length != 0) {
            return done && answer.length == 32 && abi.decode(answer, (bool));
        }
        if (signature.length != 65) {
            return false;
        }
        (bytes32 r, bytes32 s) = Secp256k1.words(signature);
        uint8 v = uint8(signature[64]);
        // The expected signer is never zero, so neither is what a bad signature recovers to.
        return Secp256k1.recover(digest, v < 2 ? v + 27 : v, r, s) == signer;
    }

    function _digest(bytes32 channelId, uint96 cumulativeAmount) private view returns (bytes32) {
        bytes32 message = keccak256(abi.encode(VOUCHER_TYPEHASH, channelId, cumulativeAmount));
        return TypedData.digest(domainSeparator(), message);
    }

    function _ofPayer(ChannelDescriptor calldata descriptor)
        private
        view
        returns (bytes32 channelId, ChannelState memory state)
    {
        (channelId, state) = _live(descriptor);
        if (msg.sender != descriptor.payer) {
            revert NotPayer();
        }
    }

    function _ofPayee(ChannelDescriptor calldata descriptor)
        private
        view
        returns (bytes32 channelId, ChannelState memory state)
    {
        (channelId, state) = _live(descriptor);
        if (msg.sender == descriptor.payee) {
            return (channelId, state);
        }
        // A zero operator is nobody, also to a call that says it comes from the zero address.
        if (descriptor.operator == address(0) || msg.sender != descriptor.operator) {
            revert NotPayeeOrOperator();
        }
    }

    function _live(ChannelDescriptor calldata descriptor)
        private
        view
        returns (bytes32 channelId, ChannelState memory state)
    {
        channelId = _id(descriptor);
        state = _states[channelId];
        if (state.deposit == 0) {
            revert ChannelNotFound();
        }
    }
}
