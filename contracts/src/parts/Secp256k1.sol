// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title Who signed a digest
/// @notice The chain's own recovery takes both of the two signatures that any one can be turned into,
/// and answers a bad one with the zero address. Both are mended here: `s` has to be in the lower half,
/// and whoever compares the answer with an expected signer must expect one that is not zero.
library Secp256k1 {
    /// @notice Half the order of the curve: the highest `s` that is taken.
    uint256 internal constant HALF_ORDER =
        0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0;

    /// @notice Of a compact signature's second word (EIP-2098), the bits that are `s`. The top bit is
    /// the parity.
    uint256 private constant COMPACT_S = type(uint256).max >> 1;

    /// @notice Who signed, or the zero address: the signature is malformed, or its `s` is high.
    /// @param v 27 or 28.
    function recover(bytes32 digest, uint8 v, bytes32 r, bytes32 s) internal pure returns (address) {
        if (uint256(s) > HALF_ORDER || (v != 27 && v != 28)) {
            return address(0);
        }
        return ecrecover(digest, v, r, s);
    }

    /// @notice The same for the 65 bytes `r`, `s`, `v`; the zero address for another length.
    function recover(bytes32 digest, bytes calldata signature) internal pure returns (address) {
        if (signature.length != 65) {
            return address(0);
        }
        (bytes32 r, bytes32 s) = words(signature);
        return recover(digest, uint8(signature[64]), r, s);
    }

    /// @notice The same for the 64 bytes of EIP-2098; the zero address for another length.
    function recoverCompact(bytes32 digest, bytes calldata signature)
        internal
        pure
        returns (address)
    {
        if (signature.length != 64) {
            return address(0);
        }
        (bytes32 r, bytes32 second) = words(signature);
        uint8 v = uint256(second) > COMPACT_S ? 28 : 27;
        return recover(digest, v, r, bytes32(uint256(second) & COMPACT_S));
    }

    /// @notice The first two words of a signature that has them.
    function words(bytes calldata signature) internal pure returns (bytes32 first, bytes32 second) {
        first = bytes32(signature[0:32]);
        second = bytes32(signature[32:64]);
    }
}
