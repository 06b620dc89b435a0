//! The accounts a development chain starts with.

/// An account whose key everybody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DevAccount {
    /// Its address, in hexadecimal with `0x`.
    pub address: &'static str,
    /// Its secret key, in hexadecimal without `0x`. It is printed in every tutorial.
    pub key: &'static str,
}

impl DevAccount {
    /// Its secret key.
    ///
    /// # Panics
    /// Never: the keys below are 64 digits each.
    #[must_use]
    pub fn secret(&self) -> [u8; 32] {
        std::array::from_fn(|at| {
            u8::from_str_radix(&self.key[2 * at..][..2], 16).expect("a key is hexadecimal")
        })
    }
}

/// The first accounts of the usual test mnemonic. Each starts rich: with ether on a plain chain, with
/// pathUSD on a Tempo one.
pub const ACCOUNTS: [DevAccount; 5] = [
    DevAccount {
        address: "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
        key: "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    },
    DevAccount {
        address: "0x70997970c51812dc3a010c7d01b50e0d17dc79c8",
        key: "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    },
    DevAccount {
        address: "0x3c44cdddb6a900fa2b585dd299e03d12fa4293bc",
        key: "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    },
    DevAccount {
        address: "0x90f79bf6eb2c4f870365e785982e1f101e93b906",
        key: "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    },
    DevAccount {
        address: "0x15d34aaf54267db7d7c367839aaf71a00a2c6a65",
        key: "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    },
];
