// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Secp256k1} from "./parts/Secp256k1.sol";
import {TypedData} from "./parts/TypedData.sol";

/// @notice What a contract answers of signatures made for it (ERC-1271).
interface IContractSignature {
    function isValidSignature(bytes32 digest, bytes calldata signature)
        external
        view
        returns (bytes4);
}

/// @title A dollar for tests
/// @notice An ERC-20 token with signed transfers (EIP-3009) and signed approvals (EIP-2612). Anybody mints
/// it, so it is worth nothing, wherever it is deployed.
contract TestDollar {
    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
    event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);

    /// @notice The zero address gets nothing and approves nothing.
    error InvalidAddress();
    error InsufficientBalance();
    error InsufficientAllowance();
    error InvalidSignature();
    error DeadlinePassed();
    error AuthorizationNotYetValid();
    error AuthorizationExpired();
    error AuthorizationAlreadyUsed();
    error CallerNotRecipient();

    string public constant name = "Test Dollar";
    string public constant symbol = "TUSD";
    string public constant version = "1";
    uint8 public constant decimals = 6;

    bytes32 public constant TRANSFER_WITH_AUTHORIZATION_TYPEHASH = keccak256(
        "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 public constant RECEIVE_WITH_AUTHORIZATION_TYPEHASH = keccak256(
        "ReceiveWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)"
    );
    bytes32 public constant CANCEL_AUTHORIZATION_TYPEHASH =
        keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");
    bytes32 public constant PERMIT_TYPEHASH = keccak256(
        "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"
    );

    uint256 public totalSupply;
    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    /// @notice How many permits of an owner were used; the next one names this number.
    mapping(address owner => uint256) public nonces;

    /// @notice Whether an authorization was used or cancelled.
    mapping(address authorizer => mapping(bytes32 nonce => bool)) public authorizationState;

    /// @dev A signed transfer, as both kinds of authorization say it.
    struct Authorization {
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    /// @notice Makes dollars, for anybody.
    function mint(address to, uint256 value) external {
        if (to == address(0)) {
            revert InvalidAddress();
        }
        // Checked: the supply overflows first.
        totalSupply += value;
        unchecked {
            balanceOf[to] += value;
        }
        emit Transfer(address(0), to, value);
    }

    function transfer(address to, uint256 value) external returns (bool) {
        _transfer(msg.sender, to, value);
        return true;
    }

    /// @notice Spends an allowance. The highest one is never used up.
    function transferFrom(address from, address to, uint256 value) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        if (allowed != type(uint256).max) {
            if (allowed < value) {
                revert InsufficientAllowance();
            }
            allowance[from][msg.sender] = allowed - value;
        }
        _transfer(from, to, value);
        return true;
    }

    function approve(address spender, uint256 value) external returns (bool) {
        _approve(msg.sender, spender, value);
        return true;
    }

    /// @notice Approves by signature (EIP-2612).
    function permit(
        address owner,
        address spender,
        uint256 value,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        if (block.timestamp > deadline) {
            revert DeadlinePassed();
        }
        bytes32 digest = _digest(
            keccak256(abi.encode(PERMIT_TYPEHASH, owner, spender, value, nonces[owner]++, deadline))
        );
        _checkKey(owner, digest, v, r, s);
        _approve(owner, spender, value);
    }

    /// @notice Moves what its owner signed for (EIP-3009), whoever sends it.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        Authorization memory authorization =
            Authorization(from, to, value, validAfter, validBefore, nonce);
        _checkKey(from, _digestOf(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, authorization), v, r, s);
        _use(authorization);
    }

    /// @notice The same with the signature in one piece, which may be a contract's (ERC-1271).
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        Authorization memory authorization =
            Authorization(from, to, value, validAfter, validBefore, nonce);
        _check(from, _digestOf(TRANSFER_WITH_AUTHORIZATION_TYPEHASH, authorization), signature);
        _use(authorization);
    }

    /// @notice Moves what its owner signed for (EIP-3009); only its recipient can send it.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external {
        Authorization memory authorization =
            Authorization(from, to, value, validAfter, validBefore, nonce);
        _checkRecipient(to);
        _checkKey(from, _digestOf(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, authorization), v, r, s);
        _use(authorization);
    }

    /// @notice The same with the signature in one piece, which may be a contract's (ERC-1271).
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes calldata signature
    ) external {
        Authorization memory authorization =
            Authorization(from, to, value, validAfter, validBefore, nonce);
        _checkRecipient(to);
        _check(from, _digestOf(RECEIVE_WITH_AUTHORIZATION_TYPEHASH, authorization), signature);
        _use(authorization);
    }

    /// @notice Makes an authorization unusable (EIP-3009).
    function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s)
        external
    {
        bytes32 digest =
            _digest(keccak256(abi.encode(CANCEL_AUTHORIZATION_TYPEHASH, authorizer, nonce)));
        _checkKey(authorizer, digest, v, r, s);
        _spendNonce(authorizer, nonce);
        emit AuthorizationCanceled(authorizer, nonce);
    }

    /// @notice The domain of all that is signed, in the form of ERC-5267.
    function eip712Domain()
        external
        view
        returns (bytes1, string memory, string memory, uint256, address, bytes32, uint256[] memory)
    {
        return (hex"0f", name, version, block.chainid, address(this), 0, new uint256[](0));
    }

    /// @notice The hash of that domain. EIP-2612 gives the function its name.
    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        return TypedData.separator(name, version);
    }

    /// @dev Moves by an authorization whose signature was checked.
    function _use(Authorization memory authorization) private {
        if (block.timestamp <= authorization.validAfter) {
            revert AuthorizationNotYetValid();
        }
        if (block.timestamp >= authorization.validBefore) {
            revert AuthorizationExpired();
        }
        _spendNonce(authorization.from, authorization.nonce);
        emit AuthorizationUsed(authorization.from, authorization.nonce);
        _transfer(authorization.from, authorization.to, authorization.value);
    }

    function _spendNonce(address authorizer, bytes32 nonce) private {
        if (authorizationState[authorizer][nonce]) {
            revert AuthorizationAlreadyUsed();
        }
        authorizationState[authorizer][nonce] = true;
    }

    function _transfer(address from, address to, uint256 value) private {
        if (to == address(0)) {
            revert InvalidAddress();
        }
        uint256 balance = balanceOf[from];
        if (balance < value) {
            revert InsufficientBalance();
        }
        unchecked {
            balanceOf[from] = balance - value;
            // No balance is above the supply.
            balanceOf[to] += value;
        }
        emit Transfer(from, to, value);
    }

    function _approve(address owner, address spender, uint256 value) private {
        if (spender == address(0)) {
            revert InvalidAddress();
        }
        allowance[owner][spender] = value;
        emit Approval(owner, spender, value);
    }

    function _checkRecipient(address to) private view {
        if (msg.sender != to) {
            revert CallerNotRecipient();
        }
    }

    function _checkKey(address signer, bytes32 digest, uint8 v, bytes32 r, bytes32 s) private pure {
        address recovered = Secp256k1.recover(digest, v, r, s);
        if (recovered == address(0) || recovered != signer) {
            revert InvalidSignature();
        }
    }

    /// @dev A contract is asked by ERC-1271; any other account signs with its key.
    function _check(address signer, bytes32 digest, bytes calldata signature) private view {
        if (signer.code.length != 0) {
            bytes4 answer = IContractSignature(signer).isValidSignature(digest, signature);
            if (answer != IContractSignature.isValidSignature.selector) {
                revert InvalidSignature();
            }
            return;
        }
        address recovered = Secp256k1.recover(digest, signature);
        if (recovered == address(0) || recovered != signer) {
            revert InvalidSignature();
        }
    }

    function _digestOf(bytes32 typehash, Authorization memory authorization)
        private
        view
        returns (bytes32)
    {
        return _digest(keccak256(abi.encode(typehash, authorization)));
    }

    function _digest(bytes32 message) private view returns (bytes32) {
        return TypedData.digest(DOMAIN_SEPARATOR(), message);
    }
}
