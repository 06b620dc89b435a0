// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

/// @notice What is asked of a token. TIP-20 tokens answer `true`; some older ERC-20 ones answer nothing.
interface IToken {
    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 amount) external returns (bool);
    function transferFrom(address from, address to, uint256 amount) external returns (bool);
}

/// @title Moving a token so that it is known to have moved
/// @notice What a token says when it refuses is handed on as it is.
library Tokens {
    /// @notice The token did not move what it was asked to move.
    error TransferFailed();

    /// @notice Takes exactly `amount` from whoever approved it.
    /// @dev All channels of a token share one balance. A token that delivers less than it was asked to
    /// would let one payer spend another's deposit, so what came is counted.
    function pull(address token, address from, uint256 amount) internal {
        if (token.code.length == 0) {
            revert TransferFailed();
        }
        uint256 before = IToken(token).balanceOf(address(this));
        _call(token, abi.encodeCall(IToken.transferFrom, (from, address(this), amount)));
        if (IToken(token).balanceOf(address(this)) != before + amount) {
            revert TransferFailed();
        }
    }

    /// @notice Sends `amount`, where it is more than nothing.
    function push(address token, address to, uint256 amount) internal {
        if (amount > 0) {
            _call(token, abi.encodeCall(IToken.transfer, (to, amount)));
        }
    }

    function _call(address token, bytes memory data) private {
        (bool done, bytes memory answer) = token.call(data);
        if (!done) {
            assembly ("memory-safe") {
                revert(add(answer, 32), mload(answer))
            }
        }
        if (answer.length != 0 && !abi.decode(answer, (bool))) {
            revert TransferFailed();
        }
    }
}
