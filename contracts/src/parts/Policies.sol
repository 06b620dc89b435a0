// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice What is asked of a TIP-20 token beside what every token answers.
interface IPolicyToken {
    function transferPolicyId() external view returns (uint64);
}

/// @notice What is asked of the registry of transfer policies (TIP-403, TIP-1015).
interface IPolicyRegistry {
    function isAuthorizedSender(uint64 policyId, address user) external view returns (bool);
    function isAuthorizedRecipient(uint64 policyId, address user) external view returns (bool);
}

/// @title Who may send a token, and who may get it
/// @notice A token checks its policy for each transfer. A payment through a channel is two transfers, with
/// the reserve in between, so the way from payer to payee has to be asked for. Only TIP-20 tokens have
/// policies.
library Policies {
    /// @notice The policy of the token is against it. The name is the tokens' own.
    error PolicyForbids();

    IPolicyRegistry private constant REGISTRY =
        IPolicyRegistry(0x403c000000000000000000000000000000000000);

    /// @notice How the address of every TIP-20 token begins.
    bytes12 private constant TIP20_PREFIX = 0x20c000000000000000000000;

    /// @notice Whether an address is one that only TIP-20 tokens have.
    function isTip20(address account) internal pure returns (bool) {
        return bytes12(bytes20(account)) == TIP20_PREFIX;
    }

    /// @notice Refuses a payer that the token may not be sent by.
    function checkSender(address token, address payer) internal view {
        if (isTip20(token)) {
            uint64 policy = IPolicyToken(token).transferPolicyId();
            if (!REGISTRY.isAuthorizedSender(policy, payer)) {
                revert PolicyForbids();
            }
        }
    }

    /// @notice Refuses a payee that the token may not be sent to.
    function checkRecipient(address token, address payee) internal view {
        if (isTip20(token)) {
            uint64 policy = IPolicyToken(token).transferPolicyId();
            if (!REGISTRY.isAuthorizedRecipient(policy, payee)) {
                revert PolicyForbids();
            }
        }
    }
}
