//! Channels of the first protocol version.

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::{Eip712Domain, SolError, SolValue, eip712_domain, sol};
use farthing_contracts::{
    TEMPO_STREAM_CHANNEL,
    abi::TempoStreamChannel::{self as V1, *},
};

use crate::world::{BOTH, Kind, RICH, Who, World, answering, event, events};

/// From the payer's request to its withdrawal.
const GRACE: u64 = 15 * 60;

mod message {
    use super::sol;

    sol! {
        struct Voucher { bytes32 channelId; uint128 cumulativeAmount; }
    }
}

/// The escrow on a chain, with a payer who approved everything.
pub(crate) struct Escrow {
    pub(crate) world: World,
    pub(crate) at: Address,
}

impl Escrow {
    pub(crate) async fn new(test: &str, kind: Kind) -> Option<Self> {
        let world = World::new(&format!("escrow: {test}"), kind).await?;
        let at = world.deploy(&TEMPO_STREAM_CHANNEL).await;
        world.approve(Who::Payer, at, u64::MAX).await;
        Some(Self { world, at })
    }

    pub(crate) fn domain(&self) -> Eip712Domain {
        eip712_domain! {
            name: "Tempo Stream Channel",
            version: "1",
            chain_id: self.world.chain_id(),
            verifying_contract: self.at,
        }
    }

    pub(crate) fn open_call(&self, deposit: u128, salt: u8, signer: Address) -> openCall {
        openCall {
            payee: Who::Payee.address(),
            token: self.world.token,
            deposit,
            salt: B256::repeat_byte(salt),
            authorizedSigner: signer,
        }
    }

    /// The id of a channel, by the specification's formula.
    pub(crate) fn id(&self, call: &openCall) -> B256 {
        let chain = U256::from(self.world.chain_id());
        let parts = (
            Who::Payer.address(),
            call.payee,
            call.token,
            call.salt,
            call.authorizedSigner,
            self.at,
            chain,
        );
        keccak256(parts.abi_encode())
    }

    /// Opens a channel whose vouchers the payer signs.
    pub(crate) async fn open(&self, deposit: u128, salt: u8) -> B256 {
        let call = self.open_call(deposit, salt, Address::ZERO);
        let id = self.id(&call);
        self.world.send(Who::Payer, self.at, call).await;
        id
    }

    /// A voucher in the form contracts take.
    pub(crate) fn voucher(&self, by: Who, channel: B256, amount: u128) -> Bytes {
        self.voucher_in(&self.domain(), by, channel, amount)
    }

    pub(crate) fn voucher_in(
        &self,
        domain: &Eip712Domain,
        by: Who,
        channel: B256,
        amount: u128,
    ) -> Bytes {
        let voucher = message::Voucher {
            channelId: channel,
            cumulativeAmount: amount,
        };
        by.sign(domain, &voucher).to_bytes().into()
    }

    pub(crate) fn settle(&self, channel: B256, amount: u128) -> settleCall {
        settleCall {
            channelId: channel,
            cumulativeAmount: amount,
            signature: self.voucher(Who::Payer, channel, amount),
        }
    }

    pub(crate) fn close(&self, channel: B256, amount: u128) -> closeCall {
        closeCall {
            channelId: channel,
            cumulativeAmount: amount,
            signature: self.voucher(Who::Payer, channel, amount),
        }
    }

    pub(crate) async fn channel(&self, id: B256) -> Channel {
        self.world
            .read(self.at, getChannelCall { channelId: id })
            .await
    }

    /// Where the tokens are: with the payer, with the payee, and here.
    pub(crate) async fn held(&self) -> [u64; 3] {
        let world = &self.world;
        [
            world.balance(Who::Payer.address()).await,
            world.balance(Who::Payee.address()).await,
            world.balance(self.at).await,
        ]
    }

    async fn refused(&self, from: Who, call: impl alloy_sol_types::SolCall, error: [u8; 4]) {
        self.world.refused(from, self.at, call, error).await;
    }
}

const fn request(channel: B256) -> requestCloseCall {
    requestCloseCall { channelId: channel }
}

const fn withdraw(channel: B256) -> withdrawCall {
    withdrawCall { channelId: channel }
}

fn top_up(channel: B256, amount: u128) -> topUpCall {
    topUpCall {
        channelId: channel,
        additionalDeposit: U256::from(amount),
    }
}

#[tokio::test]
async fn a_channel_from_its_opening_to_its_close() {
    for kind in BOTH {
        let Some(escrow) = Escrow::new("from open to close", kind).await else {
            continue;
        };
        let (payer, payee) = (Who::Payer.address(), Who::Payee.address());
        let call = escrow.open_call(1_000, 7, Who::Signer.address());
        let id = escrow.id(&call);
        let logs = escrow.world.send(Who::Payer, escrow.at, call.clone()).await;
        let opened = ChannelOpened {
            channelId: id,
            payer,
            payee,
            token: escrow.world.token,
            authorizedSigner: Who::Signer.address(),
            salt: call.salt,
            deposit: U256::from(1_000),
        };
        assert_eq!(event::<ChannelOpened>(&logs, escrow.at), opened);
        assert_eq!(escrow.held().await, [RICH - 1_000, RICH, 1_000]);

        let logs = escrow
            .world
            .send(Who::Payer, escrow.at, top_up(id, 500))
            .await;
        let topped = TopUp {
            channelId: id,
            payer,
            payee,
            additionalDeposit: U256::from(500),
            newDeposit: U256::from(1_500),
        };
        assert_eq!(event::<TopUp>(&logs, escrow.at), topped);

        for (amount, before) in [(1, 0), (900, 1)] {
            let call = settleCall {
                channelId: id,
                cumulativeAmount: amount,
                signature: escrow.voucher(Who::Signer, id, amount),
            };
            let logs = escrow.world.send(Who::Payee, escrow.at, call).await;
            let settled = Settled {
                channelId: id,
                payer,
                payee,
                cumulativeAmount: U256::from(amount),
                deltaPaid: U256::from(amount - before),
                newSettled: U256::from(amount),
            };
            assert_eq!(event::<Settled>(&logs, escrow.at), settled);
        }
        assert_eq!(escrow.held().await, [RICH - 1_500, RICH + 900, 600]);

        let call = closeCall {
            channelId: id,
            cumulativeAmount: 1_000,
            signature: escrow.voucher(Who::Signer, id, 1_000),
        };
        let logs = escrow.world.send(Who::Payee, escrow.at, call).await;
        let closed = ChannelClosed {
            channelId: id,
            payer,
            payee,
            settledToPayee: U256::from(1_000),
            refundedToPayer: U256::from(500),
        };
        assert_eq!(event::<ChannelClosed>(&logs, escrow.at), closed);
        assert!(events::<ChannelExpired>(&logs, escrow.at).is_empty());
        assert_eq!(escrow.held().await, [RICH - 1_000, RICH + 1_000, 0]);
        after_its_end(&escrow, id).await;
    }
}

/// Nothing can be done with a channel any more, and nothing be opened in its place.
async fn after_its_end(escrow: &Escrow, id: B256) {
    let over = ChannelFinalized::SELECTOR;
    escrow.refused(Who::Payer, top_up(id, 1), over).await;
    escrow.refused(Who::Payer, request(id), over).await;
    escrow.refused(Who::Payer, withdraw(id), over).await;
    escrow
        .refused(Who::Payee, escrow.settle(id, 1_200), over)
        .await;
    escrow
        .refused(Who::Payee, escrow.close(id, 1_000), over)
        .await;
    let again = escrow.open_call(1_000, 7, Who::Signer.address());
    escrow
        .refused(Who::Payer, again, ChannelAlreadyExists::SELECTOR)
        .await;
}

#[tokio::test]
async fn the_views_say_what_is() {
    for kind in BOTH {
        let Some(escrow) = Escrow::new("views", kind).await else {
            continue;
        };
        let (world, at) = (&escrow.world, escrow.at);
        let one = escrow.open(300, 1).await;
        let two = escrow.open(400, 2).await;
        world.send(Who::Payee, at, escrow.settle(two, 40)).await;
        let channel = escrow.channel(two).await;
        let expect = Channel {
            finalized: false,
            closeRequestedAt: 0,
            payer: Who::Payer.address(),
            payee: Who::Payee.address(),
            token: world.token,
            authorizedSigner: Address::ZERO,
            deposit: 400,
            settled: 40,
        };
        assert_eq!(channel, expect);
        let fields = world.read(at, channelsCall { channelId: two }).await;
        assert_eq!((fields.deposit, fields.settled), (400, 40));
        let never = B256::repeat_byte(9);
        let ids = vec![two, never, one];
        let batch = world.read(at, getChannelsBatchCall { channelIds: ids });
        let batch = batch.await;
        assert_eq!(
            batch,
            [expect, Channel::default(), escrow.channel(one).await]
        );

        assert_eq!(world.read(at, CLOSE_GRACE_PERIODCall {}).await, GRACE);
        let kind = keccak256("Voucher(bytes32 channelId,uint128 cumulativeAmount)");
        assert_eq!(world.read(at, VOUCHER_TYPEHASHCall {}).await, kind);
        let separator = escrow.domain().separator();
        assert_eq!(world.read(at, domainSeparatorCall {}).await, separator);
        let digest = getVoucherDigestCall {
            channelId: two,
            cumulativeAmount: 41,
        };
        let message = message::Voucher {
            channelId: two,
            cumulativeAmount: 41,
        };
        let ours = farthing_evm::Typed::new(&escrow.domain()).digest(&message);
        assert_eq!(world.read(at, digest).await, ours);
        let open = escrow.open_call(0, 2, Address::ZERO);
        let id = computeChannelIdCall {
            payer: Who::Payer.address(),
            payee: open.payee,
            token: open.token,
            salt: open.salt,
            authorizedSigner: open.authorizedSigner,
        };
        assert_eq!(world.read(at, id).await, two);
        let domain = world.read(at, V1::eip712DomainCall {}).await;
        assert_eq!(
            (domain.name.as_str(), domain.version.as_str()),
            ("Tempo Stream Channel", "1")
        );
        assert_eq!(domain.chainId, U256::from(world.chain_id()));
        assert_eq!((domain.fields[0], domain.verifyingContract), (0x0f, at));
    }
}

#[tokio::test]
async fn only_the_payer_and_the_payee_may() {
    for kind in BOTH {
        let Some(escrow) = Escrow::new("who may", kind).await else {
            continue;
        };
        let id = escrow.open(1_000, 1).await;
        for other in [Who::Payee, Who::Stranger, Who::Signer] {
            let no = NotPayer::SELECTOR;
            escrow.refused(other, top_up(id, 1), no).await;
            escrow.refused(other, request(id), no).await;
            escrow.refused(other, withdraw(id), no).await;
        }
        for other in [Who::Payer, Who::Stranger, Who::Signer] {
            let no = NotPayee::SELECTOR;
            escrow.refused(other, escrow.settle(id, 1), no).await;
            escrow.refused(other, escrow.close(id, 1), no).await;
        }
        let never = B256::repeat_byte(9);
        let no = ChannelNotFound::SELECTOR;
        escrow.refused(Who::Payer, top_up(never, 1), no).await;
        escrow.refused(Who::Payer, request(never), no).await;
        escrow.refused(Who::Payer, withdraw(never), no).await;
        escrow
            .refused(Who::Payee, escrow.settle(never, 1), no)
            .await;
        escrow.refused(Who::Payee, escrow.close(never, 1), no).await;
    }
}

#[tokio::test]
async fn amounts_rise_and_stay_within_the_deposit() {
    for kind in BOTH {
        let Some(escrow) = Escrow::new("amounts", kind).await else {
            continue;
        };
        let id = escrow.open(1_000, 1).await;
        escrow
            .world
            .send(Who::Payee, escrow.at, escrow.settle(id, 600))
            .await;
        let settle = |amount| escrow.settle(id, amount);
        let close = |amount| escrow.close(id, amount);
        for amount in [0, 599, 600] {
            let no = AmountNotIncreasing::SELECTOR;
            escrow.refused(Who::Payee, settle(amount), no).await;
        }
        let no = AmountNotIncreasing::SELECTOR;
        escrow.refused(Who::Payee, close(599), no).await;
        for amount in [1_001, u128::MAX] {
            let no = AmountExceedsDeposit::SELECTOR;
            escrow.refused(Who::Payee, settle(amount), no).await;
            escrow.refused(Who::Payee, close(amount), no).await;
        }
        let most = topUpCall {
            channelId: id,
            additionalDeposit: U256::from(u128::MAX - 999),
        };
        let no = DepositOverflow::SELECTOR;
        escrow.refused(Who::Payer, most, no).await;
        let beyond = topUpCall {
            channelId: id,
            additionalDeposit: U256::MAX,
        };
        escrow.refused(Who::Payer, beyond, no).await;

        // All of it, and then the same voucher closes.
        escrow
            .world
            .send(Who::Payee, escrow.at, settle(1_000))
            .await;
        let logs = escrow.world.send(Who::Payee, escrow.at, close(1_000)).await;
        let closed = event::<ChannelClosed>(&logs, escrow.at);
        assert_eq!(closed.refundedToPayer, U256::ZERO);
        assert_eq!(escrow.held().await, [RICH - 1_000, RICH + 1_000, 0]);
    }
}

#[tokio::test]
async fn what_cannot_be_opened() {
    for kind in BOTH {
        let Some(escrow) = Escrow::new("refused openings", kind).await else {
            continue;
        };
        escrow.open(10, 1).await;
        let again = escrow.open_call(10, 1, Address::ZERO);
        let no = ChannelAlreadyExists::SELECTOR;
        escrow.refused(Who::Payer, again, no).await;
        let mut call = escrow.open_call(10, 2, Address::ZERO);
        call.payee = Address::ZERO;
        escrow
            .refused(Who::Payer, call, InvalidPayee::SELECTOR)
            .await;
        let mut call = escrow.open_call(10, 2, Address::ZERO);
        call.token = Address::repeat_byte(0x77);
        escrow
            .refused(Who::Payer, call, TransferFailed::SELECTOR)
            .await;

        // A token that says it moved what it did not, and one that says it did not.
        for word in [1, 0] {
            let liar = Address::repeat_byte(0x66);
            let code = answering(B256::from(U256::from(word)));
            escrow.world.put(liar, &code).await;
            let mut call = escrow.open_call(10, 2, Address::ZERO);
            call.token = liar;
            escrow
                .refused(Who::Payer, call, TransferFailed::SELECTOR)
                .await;
        }

        // Nothing was approved, or there is not enough: the token refuses, and nothing is left behind.
        let open = |deposit| escrow.open_call(deposit, 2, Address::ZERO);
        for (from, deposit) in [(Who::Stranger, 10), (Who::Payer, u128::from(RICH))] {
            let asked = escrow.world.ask(from, escrow.at, open(deposit)).await;
            assert!(asked.is_err(), "{kind:?}: {from:?} opens with {deposit}");
        }
        assert_eq!(escrow.held().await, [RICH - 10, RICH, 10]);
    }
}

#[tokio::test]
async fn a_payer_gets_the_rest_after_the_grace() {
    for kind in BOTH {
        let Some(escrow) = Escrow::new("forced close", kind).await else {
            continue;
        };
        let (world, at) = (&escrow.world, escrow.at);
        let id = escrow.open(1_000, 1).await;
        let soon = CloseNotReady::SELECTOR;
        escrow.refused(Who::Payer, withdraw(id), soon).await;

        let asked = world.time().await + 10;
        world.next_at(asked).await;
        let logs = world.send(Who::Payer, at, request(id)).await;
        let requested = event::<CloseRequested>(&logs, at);
        assert_eq!(requested.closeGraceEnd, U256::from(asked + GRACE));
        assert_eq!(escrow.channel(id).await.closeRequestedAt, asked);

        // Asked again, the grace is the same and nothing is logged.
        world.chain.advance(Duration::from_secs(60)).await;
        let logs = world.send(Who::Payer, at, request(id)).await;
        assert!(logs.is_empty(), "{logs:?}");
        assert_eq!(escrow.channel(id).await.closeRequestedAt, asked);

        // The payee still gets what it was promised, to the last second and after it.
        world.send(Who::Payee, at, escrow.settle(id, 300)).await;
        world.now_is(asked + GRACE - 1).await;
        escrow.refused(Who::Payer, withdraw(id), soon).await;
        world.next_at(asked + GRACE).await;
        let logs = world.send(Who::Payer, at, withdraw(id)).await;
        let closed = ChannelClosed {
            channelId: id,
            payer: Who::Payer.address(),
            payee: Who::Payee.address(),
            settledToPayee: U256::from(300),
            refundedToPayer: U256::from(700),
        };
        assert_eq!(event::<ChannelClosed>(&logs, at), closed);
        assert_eq!(event::<ChannelExpired>(&logs, at).channelId, id);
        assert_eq!(escrow.held().await, [RICH - 300, RICH + 300, 0]);
        let over = ChannelFinalized::SELECTOR;
        escrow.refused(Who::Payer, withdraw(id), over).await;
        escrow
            .refused(Who::Payee, escrow.settle(id, 400), over)
            .await;
    }
}

#[tokio::test]
async fn a_top_up_takes_a_request_back() {
    for kind in BOTH {
        let Some(escrow) = Escrow::new("cancelled close", kind).await else {
            continue;
        };
        let (world, at) = (&escrow.world, escrow.at);
        let id = escrow.open(1_000, 1).await;
        assert!(world.send(Who::Payer, at, top_up(id, 0)).await.is_empty());
        for amount in [5, 0] {
            world.send(Who::Payer, at, request(id)).await;
            world.chain.advance(Duration::from_secs(GRACE)).await;
            let logs = world.send(Who::Payer, at, top_up(id, amount)).await;
            assert_eq!(event::<CloseRequestCancelled>(&logs, at).channelId, id);
            let topped = event::<TopUp>(&logs, at);
            assert_eq!(topped.additionalDeposit, U256::from(amount));
            assert_eq!(topped.newDeposit, U256::from(1_005));
            let soon = CloseNotReady::SELECTOR;
            escrow.refused(Who::Payer, withdraw(id), soon).await;
        }
        // After the grace the payee may still be first.
        world.send(Who::Payer, at, request(id)).await;
        world.chain.advance(Duration::from_secs(GRACE + 1)).await;
        world.send(Who::Payee, at, escrow.close(id, 1_005)).await;
        assert_eq!(escrow.held().await, [RICH - 1_005, RICH + 1_005, 0]);
    }
}
