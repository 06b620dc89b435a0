// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @title What is signed, by EIP-712
/// @notice The domain is computed when it is asked for, from the chain and the address the code runs at.
/// So a signature is good at one contract on one chain, also after a chain has split, and also where the
/// code was put at an address instead of being deployed there.
library TypedData {
    bytes32 private constant DOMAIN_TYPEHASH = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );

    /// @notice The hash of the domain of this contract under a name.
    function separator(string memory name, string memory version) internal view returns (bytes32) {
        return keccak256(
            abi.encode(
                DOMAIN_TYPEHASH,
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                block.chainid,
                address(this)
            )
        );
    }

    /// @notice What a key signs: a message in a domain.
    function digest(bytes32 domain, bytes32 message) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", domain, message));
    }
}
