//! ERC-1271 on a real chain.

use farthing_evm::{Address, RpcError, contract_accepts, keccak256};
use farthing_testkit::chain::Mining;

use crate::fixture::{self, key};

/// Puts code that answers every call with 32 bytes, and gives its address.
async fn answering(chain: &farthing_testkit::chain::Chain, number: u8, word: &str) -> Address {
    let address = Address::repeat_byte(number);
    let code = format!("0x7f{word}60005260206000f3");
    chain.set_code(&address.to_string(), &code).await;
    address
}

#[tokio::test]
async fn a_contract_says_what_it_signed() {
    let Some(chain) = fixture::chain("evm: ERC-1271", Mining::Automatic).await else {
        return;
    };
    let node = fixture::node(&chain).await;
    let digest = keccak256("a");
    let signature = key(0).sign(digest).to_bytes();
    let (yes, padding) = (0x1626ba7e_u32, "00".repeat(28));
    let cases = [
        (format!("{yes:08x}{padding}"), true),
        // The function's name in the wrong half, one bit off, something behind it, yes as a number.
        (format!("{padding}{yes:08x}"), false),
        (format!("{:08x}{padding}", yes + 1), false),
        (format!("{yes:08x}{}01", &padding[2..]), false),
        (format!("{:064x}", 1), false),
    ];
    for (number, (word, accepted)) in (0x51..).zip(cases) {
        let account = answering(&chain, number, &word).await;
        let said = contract_accepts(&node, account, digest, &signature).await;
        assert_eq!(said.unwrap(), accepted, "{word}");
    }
    let nobody = contract_accepts(&node, Address::repeat_byte(9), digest, &signature).await;
    assert!(!nobody.unwrap(), "an account without code accepts nothing");

    let refusing = Address::repeat_byte(0x61);
    chain.set_code(&refusing.to_string(), "0x60006000fd").await;
    let refused = contract_accepts(&node, refusing, digest, &signature).await;
    assert!(!refused.unwrap());
    let long = contract_accepts(&node, Address::repeat_byte(0x51), digest, &[0; 5000]).await;
    assert!(!long.unwrap(), "what is too long is not asked about");
}

#[tokio::test]
async fn a_node_that_is_down_is_not_a_bad_signature() {
    let server = crate::hostile::Hostile::start(|asked, _| match asked {
        "eth_chainId" => crate::hostile::result("0x14a34"),
        _ => crate::hostile::Reply::Close,
    })
    .await;
    let node = farthing_evm::Node::connect(fixture::hasty(&[&server.url()]))
        .await
        .unwrap();
    let said = contract_accepts(&node, Address::ZERO, keccak256("a"), &[1; 65]).await;
    assert!(
        matches!(said, Err(RpcError::Unreachable { .. })),
        "{said:?}"
    );
}
