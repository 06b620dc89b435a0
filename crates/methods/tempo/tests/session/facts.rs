//! What is computed here is what the contracts compute.

use alloy_sol_types::SolCall;
use farthing_contracts::abi::{ChannelReserve, TempoStreamChannel};
use farthing_core::{intent::session::Protocol, value::Amount};
use farthing_evm::{At, B256, CallRequest, request};
use farthing_tempo::session::{Origin, Vouchers};

use crate::{
    buyer::Buyer,
    world::{BOTH, PAYER, STRANGER, World},
};

async fn ask<C: SolCall>(world: &World, protocol: Protocol, call: C) -> C::Return {
    let call = CallRequest {
        to: world.escrow(protocol).contract,
        data: call.abi_encode().into(),
        ..CallRequest::default()
    };
    let answer = world.node.ask(request::call(&call, At::Latest)).await;
    C::abi_decode_returns(&answer.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_digests_and_domains_are_those_of_the_contracts() {
    let Some(world) = World::new("ids and digests").await else {
        return;
    };
    for protocol in BOTH {
        let buyer = Buyer::number(PAYER).signed_by(STRANGER);
        let open = buyer.open(&world, protocol, 5_000);
        let escrow = world.escrow(protocol);
        let channel = buyer.channel(&escrow, &open, B256::repeat_byte(9));
        let (payee, token, salt) = (open.payee, open.token, open.salt);
        let id = match channel.origin() {
            Origin::V1(_) => {
                let call = TempoStreamChannel::computeChannelIdCall {
                    payer: buyer.address(),
                    payee,
                    token,
                    salt,
                    authorizedSigner: open.authorized_signer,
                };
                ask(&world, protocol, call).await
            }
            Origin::V2(descriptor) => {
                let call = ChannelReserve::computeChannelIdCall {
                    payer: buyer.address(),
                    payee,
                    operator: descriptor.operator,
                    token,
                    salt,
                    authorizedSigner: open.authorized_signer,
                    expiringNonceHash: descriptor.expiring_nonce_hash,
                };
                ask(&world, protocol, call).await
            }
        };
        assert_eq!(channel.id(), id, "{protocol:?}");
        let vouchers = Vouchers::of(&escrow);
        let separator = match protocol {
            Protocol::V1 => ask(&world, protocol, TempoStreamChannel::domainSeparatorCall {}).await,
            Protocol::V2 => ask(&world, protocol, ChannelReserve::domainSeparatorCall {}).await,
        };
        assert_eq!(vouchers.separator(), separator);
        for cumulative in [0, 1, 250_000, Protocol::V2.most().units()] {
            let digest = match protocol {
                Protocol::V1 => {
                    let call = TempoStreamChannel::getVoucherDigestCall {
                        channelId: id,
                        cumulativeAmount: cumulative,
                    };
                    ask(&world, protocol, call).await
                }
                Protocol::V2 => {
                    let call = ChannelReserve::getVoucherDigestCall {
                        channelId: id,
                        cumulativeAmount: alloy_primitives::Uint::from(cumulative),
                    };
                    ask(&world, protocol, call).await
                }
            };
            assert_eq!(vouchers.digest(id, Amount::new(cumulative)), Ok(digest));
        }
    }
    world.session.check_contracts().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_contract_that_is_not_there_or_leaves_too_little_time_stops_the_start() {
    use farthing_tempo::session::TempoSessionError as E;

    let Some(world) = World::new("what is checked at the start").await else {
        return;
    };
    let hasty = world.another(&world.node, |options| {
        options.grace = std::time::Duration::from_secs(901);
    });
    let refused = hasty.check_contracts().await;
    assert!(
        matches!(
            refused,
            Err(E::Grace {
                found: 900,
                expected: 901,
                ..
            })
        ),
        "{refused:?}"
    );
    let nowhere = farthing_evm::Address::repeat_byte(0x99);
    let missing = world.another(&world.node, |options| options.escrows[1].contract = nowhere);
    let refused = missing.check_contracts().await;
    assert!(
        matches!(refused, Err(E::NoEscrow(at)) if at == nowhere),
        "{refused:?}"
    );
}
