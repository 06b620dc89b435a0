//! What a chain says of tokens.

use farthing_evm::{Address, ChainId, RpcError};
use farthing_tempo::{
    Network, NetworkOptions, Token,
    tip20::{self, ReadError},
    token::known,
};
use farthing_testkit::chain::hostile::{Hostile, Reply, result};
use serde_json::{Value, json};

use crate::world::{ALPHA, PATH, PAYEE, World, account, options};

#[tokio::test]
async fn the_known_tokens_say_what_is_known_of_them() {
    let Some(world) = World::new("tip20: metadata").await else {
        return;
    };
    for token in known::TEST_TOKENS {
        let read = tip20::metadata(&world.node, token.address).await.unwrap();
        let (symbol, known) = (read.token.symbol.as_str(), token.symbol.as_str());
        assert!(symbol.eq_ignore_ascii_case(known), "{symbol}, not {known}");
        let rest = |token: &Token| (token.address, token.decimals, token.unit.clone());
        assert_eq!(rest(&read.token), rest(&token));
        assert!(!read.paused && !read.name.is_empty());
    }
}

#[tokio::test]
async fn where_there_is_no_token_none_is_found() {
    let Some(world) = World::new("tip20: no token").await else {
        return;
    };
    let absent: Address = "0x20c00000000000000000000000000000deadbeef"
        .parse()
        .unwrap();
    for address in [absent, PAYEE] {
        let read = tip20::metadata(&world.node, address).await;
        assert!(
            matches!(&read, Err(ReadError::NoToken(at)) if *at == address),
            "{read:?}"
        );
    }
}

#[tokio::test]
async fn several_balances_are_one_round_trip() {
    let Some(world) = World::new("tip20: balances").await else {
        return;
    };
    let all = tip20::balances(&world.node, &[PATH, ALPHA], account(0)).await;
    let alone = world.balance(ALPHA, account(0)).await;
    assert_eq!(all.unwrap()[1].units(), alone);
    assert_eq!(world.balance(PATH, PAYEE).await, 0);
    world.give(PATH, PAYEE, 7).await;
    let all = tip20::balances(&world.node, &[ALPHA, PATH], PAYEE).await;
    let units: Vec<u128> = all.unwrap().iter().map(|amount| amount.units()).collect();
    assert_eq!(units, [0, 7]);
}

#[tokio::test]
async fn a_node_that_lies_about_a_token_is_told_apart_from_a_token() {
    let one = |text: &'static str| {
        move |asked: &str, _: &Value| match asked {
            "eth_chainId" => result("0x539"),
            "eth_call" => result(text),
            _ => Reply::Results(vec![json!(text); 5]),
        }
    };
    for nonsense in ["0x01", "0xzz"] {
        let server = Hostile::start(one(nonsense)).await;
        let node = farthing_evm::Node::connect(options(&server.url()))
            .await
            .unwrap();
        let read = tip20::metadata(&node, PATH).await;
        let told = matches!(
            &read,
            Err(ReadError::Nonsense { .. } | ReadError::Rpc(RpcError::Nonsense { .. }))
        );
        assert!(told, "{read:?}");
    }
}

#[tokio::test]
async fn test_money_is_asked_for_where_there_is_some() {
    let hash = format!("0x{}", "ab".repeat(32));
    let answer = json!([hash]);
    let server = Hostile::start(move |asked, body| match asked {
        "eth_chainId" => result("0x539"),
        "tempo_fundAddress" => {
            assert_eq!(body["params"], json!([format!("{PAYEE:#x}")]));
            result(answer.clone())
        }
        _ => Reply::Close,
    })
    .await;
    let url = server.url().parse().unwrap();
    let node = farthing_evm::Node::connect(options(&server.url()))
        .await
        .unwrap();
    let network = |faucet| {
        let options = NetworkOptions {
            chain: ChainId::new(1337).unwrap(),
            name: "here".to_owned(),
            endpoints: vec![Clone::clone(&url)],
            sockets: Vec::new(),
            block_time: std::time::Duration::from_secs(1),
            tokens: vec![known::PATH_USD],
            faucet,
        };
        Network::custom(options).unwrap()
    };
    let funded = tip20::fund(&network(true), &node, PAYEE).await.unwrap();
    assert_eq!(funded.len(), 1);
    assert_eq!(funded[0].to_string(), hash);
    let refused = tip20::fund(&network(false), &node, PAYEE).await;
    assert!(
        matches!(refused, Err(ReadError::NoFaucet(_))),
        "{refused:?}"
    );
    assert_eq!(server.count("tempo_fundAddress"), 1);
}
