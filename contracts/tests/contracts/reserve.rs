//! Channels of the second protocol version.

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256, aliases::U96, keccak256};
use alloy_sol_types::{Eip712Domain, SolCall, SolError, SolValue, eip712_domain, sol};
use farthing_contracts::{CHANNEL_RESERVE, CONTEXT_SLOT, RESERVE_ADDRESS, abi::ChannelReserve::*};
use farthing_evm::{ChainId, Typed};
use farthing_tempo::{AccountKey, Call, EXPIRING_NONCE_KEY, SignedTransaction, Transaction};
use serde_json::json;

use crate::world::{BOTH, Kind, PATH_USD, RICH, Who, World, event, events, logs};

/// From the payer's request to its withdrawal.
const GRACE: u64 = 15 * 60;

mod message {
    use super::sol;

    sol! {
        struct Voucher { bytes32 channelId; uint96 cumulativeAmount; }
    }
}

/// The reserve on a chain, with a payer who approved everything.
pub(crate) struct Reserve {
    pub(crate) world: World,
    pub(crate) at: Address,
}

pub(crate) fn amount(value: u128) -> U96 {
    U96::from(value)
}

impl Reserve {
    /// On Tempo it is put where the precompile would be; elsewhere it is deployed.
    pub(crate) async fn new(test: &str, kind: Kind) -> Option<Self> {
        let world = World::new(&format!("reserve: {test}"), kind).await?;
        let at = match kind {
            Kind::Plain => world.deploy(&CHANNEL_RESERVE).await,
            Kind::Tempo => {
                world.put(RESERVE_ADDRESS, CHANNEL_RESERVE.runtime).await;
                RESERVE_ADDRESS
            }
        };
        world.approve(Who::Payer, at, u64::MAX).await;
        Some(Self { world, at })
    }

    pub(crate) fn domain(&self) -> Eip712Domain {
        eip712_domain! {
            name: "TIP20 Channel Reserve",
            version: "1",
            chain_id: self.world.chain_id(),
            verifying_contract: self.at,
        }
    }

    /// A channel with an operator.
    pub(crate) fn descriptor(&self, salt: u8, signer: Address, context: B256) -> ChannelDescriptor {
        ChannelDescriptor {
            payer: Who::Payer.address(),
            payee: Who::Payee.address(),
            operator: Who::Operator.address(),
            token: self.world.token,
            salt: B256::repeat_byte(salt),
            authorizedSigner: signer,
            expiringNonceHash: context,
        }
    }

    /// The id of a channel, by the specification's formula.
    pub(crate) fn id(&self, channel: &ChannelDescriptor) -> B256 {
        let parts = (
            channel.payer,
            channel.payee,
            channel.operator,
            channel.token,
            channel.salt,
            channel.authorizedSigner,
            channel.expiringNonceHash,
            self.at,
            U256::from(self.world.chain_id()),
        );
        keccak256(parts.abi_encode())
    }

    /// Says which transaction is sent next, as whoever runs the node does.
    pub(crate) async fn hand(&self, context: B256) {
        self.world.set_storage(self.at, CONTEXT_SLOT, context).await;
    }

    pub(crate) async fn open(&self, deposit: u128, salt: u8, signer: Address) -> ChannelDescriptor {
        let context = keccak256([salt, 0xc0]);
        let channel = self.descriptor(salt, signer, context);
        self.hand(context).await;
        self.world
            .send(Who::Payer, self.at, open_call(&channel, deposit))
            .await;
        channel
    }

    pub(crate) fn digest(&self, channel: &ChannelDescriptor, cumulative: u128) -> B256 {
        let voucher = message::Voucher {
            channelId: self.id(channel),
            cumulativeAmount: amount(cumulative),
        };
        Typed::new(&self.domain()).digest(&voucher)
    }

    pub(crate) fn voucher(&self, by: Who, channel: &ChannelDescriptor, cumulative: u128) -> Bytes {
        self.voucher_in(&self.domain(), by, channel, cumulative)
    }

    pub(crate) fn voucher_in(
        &self,
        domain: &Eip712Domain,
        by: Who,
        channel: &ChannelDescriptor,
        cumulative: u128,
    ) -> Bytes {
        let voucher = message::Voucher {
            channelId: self.id(channel),
            cumulativeAmount: amount(cumulative),
        };
        by.sign(domain, &voucher).to_bytes().into()
    }

    pub(crate) fn settle_with(
        &self,
        channel: &ChannelDescriptor,
        cumulative: u128,
        signature: Bytes,
    ) -> settleCall {
        settleCall {
            descriptor: channel.clone(),
            cumulativeAmount: amount(cumulative),
            signature,
        }
    }

    pub(crate) fn settle(&self, channel: &ChannelDescriptor, cumulative: u128) -> settleCall {
        let voucher = self.voucher(Who::Payer, channel, cumulative);
        self.settle_with(channel, cumulative, voucher)
    }

    pub(crate) fn close_with(
        &self,
        channel: &ChannelDescriptor,
        cumulative: u128,
        capture: u128,
        signature: Bytes,
    ) -> closeCall {
        closeCall {
            descriptor: channel.clone(),
            cumulativeAmount: amount(cumulative),
            captureAmount: amount(capture),
            signature,
        }
    }

    pub(crate) fn close(
        &self,
        channel: &ChannelDescriptor,
        cumulative: u128,
        capture: u128,
    ) -> closeCall {
        let voucher = self.voucher(Who::Payer, channel, cumulative);
        self.close_with(channel, cumulative, capture, voucher)
    }

    pub(crate) async fn state(&self, channel: &ChannelDescriptor) -> ChannelState {
        let channel_id = self.id(channel);
        let call = getChannelStateCall {
            channelId: channel_id,
        };
        self.world.read(self.at, call).await
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

    async fn refused(&self, from: Who, call: impl SolCall, error: [u8; 4]) {
        self.world.refused(from, self.at, call, error).await;
    }
}

pub(crate) fn open_call(channel: &ChannelDescriptor, deposit: u128) -> openCall {
    openCall {
        payee: channel.payee,
        operator: channel.operator,
        token: channel.token,
        deposit: amount(deposit),
        salt: channel.salt,
        authorizedSigner: channel.authorizedSigner,
    }
}

pub(crate) fn top_up(channel: &ChannelDescriptor, additional: u128) -> topUpCall {
    topUpCall {
        descriptor: channel.clone(),
        additionalDeposit: amount(additional),
    }
}

pub(crate) fn request(channel: &ChannelDescriptor) -> requestCloseCall {
    requestCloseCall {
        descriptor: channel.clone(),
    }
}

pub(crate) fn withdraw(channel: &ChannelDescriptor) -> withdrawCall {
    withdrawCall {
        descriptor: channel.clone(),
    }
}

#[tokio::test]
async fn a_channel_from_its_opening_to_its_close() {
    for kind in BOTH {
        let Some(reserve) = Reserve::new("from open to close", kind).await else {
            continue;
        };
        let (world, at) = (&reserve.world, reserve.at);
        let (payer, payee) = (Who::Payer.address(), Who::Payee.address());
        let context = B256::repeat_byte(0xcc);
        let channel = reserve.descriptor(7, Who::Signer.address(), context);
        let id = reserve.id(&channel);
        reserve.hand(context).await;
        let logs = world.send(Who::Payer, at, open_call(&channel, 1_000)).await;
        let opened = ChannelOpened {
            channelId: id,
            payer,
            payee,
            operator: channel.operator,
            token: channel.token,
            authorizedSigner: channel.authorizedSigner,
            salt: channel.salt,
            expiringNonceHash: context,
            deposit: amount(1_000),
        };
        assert_eq!(event::<ChannelOpened>(&logs, at), opened);
        assert_eq!(reserve.held().await, [RICH - 1_000, RICH, 1_000]);

        let logs = world.send(Who::Payer, at, top_up(&channel, 500)).await;
        let topped = TopUp {
            channelId: id,
            payer,
            payee,
            additionalDeposit: amount(500),
            newDeposit: amount(1_500),
        };
        assert_eq!(event::<TopUp>(&logs, at), topped);

        for (from, cumulative, before) in [(Who::Payee, 1, 0), (Who::Operator, 900, 1)] {
            let voucher = reserve.voucher(Who::Signer, &channel, cumulative);
            let call = reserve.settle_with(&channel, cumulative, voucher);
            let logs = world.send(from, at, call).await;
            let settled = Settled {
                channelId: id,
                payer,
                payee,
                cumulativeAmount: amount(cumulative),
                deltaPaid: amount(cumulative - before),
                newSettled: amount(cumulative),
            };
            assert_eq!(event::<Settled>(&logs, at), settled);
        }
        assert_eq!(reserve.held().await, [RICH - 1_500, RICH + 900, 600]);
        // One word, from its low end up, as the specification packs it.
        let slot = keccak256((id, U256::ZERO).abi_encode());
        let packed = U256::from(900) | (U256::from(1_500) << 96);
        assert_eq!(world.storage(at, slot).await, packed);

        // The voucher says more than the deposit, and less than it says is taken.
        let voucher = reserve.voucher(Who::Signer, &channel, 9_999);
        let call = reserve.close_with(&channel, 9_999, 1_000, voucher);
        let logs = world.send(Who::Operator, at, call).await;
        let closed = ChannelClosed {
            channelId: id,
            payer,
            payee,
            settledToPayee: amount(1_000),
            refundedToPayer: amount(500),
        };
        assert_eq!(event::<ChannelClosed>(&logs, at), closed);
        assert_eq!(reserve.held().await, [RICH - 1_000, RICH + 1_000, 0]);
        assert_eq!(world.balance(Who::Operator.address()).await, RICH);
        assert_eq!(world.storage(at, slot).await, U256::ZERO);
        let gone = ChannelNotFound::SELECTOR;
        reserve
            .refused(Who::Payee, reserve.close(&channel, 1_000, 1_000), gone)
            .await;
        reserve
            .refused(Who::Payee, reserve.settle(&channel, 1_200), gone)
            .await;
        reserve.refused(Who::Payer, withdraw(&channel), gone).await;
    }
}

#[tokio::test]
async fn the_views_say_what_is() {
    for kind in BOTH {
        let Some(reserve) = Reserve::new("views", kind).await else {
            continue;
        };
        let (world, at) = (&reserve.world, reserve.at);
        let one = reserve.open(300, 1, Address::ZERO).await;
        let two = reserve.open(400, 2, Address::ZERO).await;
        world.send(Who::Payee, at, reserve.settle(&two, 40)).await;
        let state = |settled, deposit| ChannelState {
            settled: amount(settled),
            deposit: amount(deposit),
            closeRequestedAt: 0,
        };
        let descriptor = two.clone();
        let channel = world.read(at, getChannelCall { descriptor }).await;
        assert_eq!(
            (channel.descriptor, channel.state),
            (two.clone(), state(40, 400))
        );
        let never = B256::repeat_byte(9);
        let ids = vec![reserve.id(&two), never, reserve.id(&one)];
        let batch = world
            .read(at, getChannelStatesBatchCall { channelIds: ids })
            .await;
        assert_eq!(batch, [state(40, 400), state(0, 0), state(0, 300)]);

        assert_eq!(world.read(at, CLOSE_GRACE_PERIODCall {}).await, GRACE);
        assert_eq!(world.read(at, CONTEXT_SLOTCall {}).await, CONTEXT_SLOT);
        let kind = keccak256("Voucher(bytes32 channelId,uint96 cumulativeAmount)");
        assert_eq!(world.read(at, VOUCHER_TYPEHASHCall {}).await, kind);
        let separator = reserve.domain().separator();
        assert_eq!(world.read(at, domainSeparatorCall {}).await, separator);
        let digest = getVoucherDigestCall {
            channelId: reserve.id(&two),
            cumulativeAmount: amount(41),
        };
        assert_eq!(world.read(at, digest).await, reserve.digest(&two, 41));
        let id = computeChannelIdCall {
            payer: two.payer,
            payee: two.payee,
            operator: two.operator,
            token: two.token,
            salt: two.salt,
            authorizedSigner: two.authorizedSigner,
            expiringNonceHash: two.expiringNonceHash,
        };
        assert_eq!(world.read(at, id).await, reserve.id(&two));
    }
}

#[tokio::test]
async fn only_the_payer_the_payee_and_its_operator_may() {
    for kind in BOTH {
        let Some(reserve) = Reserve::new("who may", kind).await else {
            continue;
        };
        let channel = reserve.open(1_000, 1, Address::ZERO).await;
        for other in [Who::Payee, Who::Operator, Who::Stranger] {
            let no = NotPayer::SELECTOR;
            reserve.refused(other, top_up(&channel, 1), no).await;
            reserve.refused(other, request(&channel), no).await;
            reserve.refused(other, withdraw(&channel), no).await;
        }
        let no = NotPayeeOrOperator::SELECTOR;
        for other in [Who::Payer, Who::Signer, Who::Stranger] {
            reserve
                .refused(other, reserve.settle(&channel, 1), no)
                .await;
            reserve
                .refused(other, reserve.close(&channel, 1, 1), no)
                .await;
        }
        // Without an operator there is none.
        let context = B256::repeat_byte(0xcc);
        let mut alone = reserve.descriptor(2, Address::ZERO, context);
        alone.operator = Address::ZERO;
        reserve.hand(context).await;
        reserve
            .world
            .send(Who::Payer, reserve.at, open_call(&alone, 10))
            .await;
        reserve
            .refused(Who::Operator, reserve.settle(&alone, 1), no)
            .await;
        reserve
            .refused(Who::Operator, reserve.close(&alone, 1, 1), no)
            .await;

        let nobody = Address::ZERO;
        let asked = reserve
            .world
            .ask_from(nobody, reserve.at, reserve.settle(&alone, 1))
            .await;
        assert_eq!(asked.err(), Some(Bytes::from(no)));

        // What is said of a channel is part of its id.
        let mut other = channel.clone();
        other.payee = Who::Stranger.address();
        let no = ChannelNotFound::SELECTOR;
        reserve
            .refused(Who::Stranger, reserve.settle(&other, 1), no)
            .await;
        reserve
            .refused(Who::Stranger, reserve.close(&other, 0, 0), no)
            .await;
        let mut other = channel;
        other.payer = Who::Stranger.address();
        reserve.refused(Who::Stranger, top_up(&other, 1), no).await;
        reserve.refused(Who::Stranger, request(&other), no).await;
        reserve.refused(Who::Stranger, withdraw(&other), no).await;
    }
}

#[tokio::test]
async fn amounts_rise_and_stay_within_the_deposit() {
    for kind in BOTH {
        let Some(reserve) = Reserve::new("amounts", kind).await else {
            continue;
        };
        let (world, at) = (&reserve.world, reserve.at);
        let channel = reserve.open(1_000, 1, Address::ZERO).await;
        world
            .send(Who::Payee, at, reserve.settle(&channel, 600))
            .await;
        let most = (1 << 96) - 1;
        for cumulative in [0, 599, 600] {
            let no = AmountNotIncreasing::SELECTOR;
            reserve
                .refused(Who::Payee, reserve.settle(&channel, cumulative), no)
                .await;
        }
        for cumulative in [1_001, most] {
            let no = AmountExceedsDeposit::SELECTOR;
            reserve
                .refused(Who::Payee, reserve.settle(&channel, cumulative), no)
                .await;
            let close = reserve.close(&channel, cumulative, cumulative);
            reserve.refused(Who::Payee, close, no).await;
        }
        for (cumulative, capture) in [(700, 599), (700, 701), (599, 600)] {
            let no = CaptureAmountInvalid::SELECTOR;
            let close = reserve.close(&channel, cumulative, capture);
            reserve.refused(Who::Payee, close, no).await;
        }
        let no = DepositOverflow::SELECTOR;
        reserve
            .refused(Who::Payer, top_up(&channel, most - 999), no)
            .await;

        // What pays nothing more needs no voucher.
        let bare = reserve.close_with(&channel, 600, 600, Bytes::new());
        world.send(Who::Payee, at, bare).await;
        assert_eq!(reserve.held().await, [RICH - 600, RICH + 600, 0]);
    }
}

#[tokio::test]
async fn what_cannot_be_opened() {
    for kind in BOTH {
        let Some(reserve) = Reserve::new("refused openings", kind).await else {
            continue;
        };
        let context = B256::repeat_byte(0xcc);
        let good = reserve.descriptor(1, Address::ZERO, context);
        let unset = ExpiringNonceHashNotSet::SELECTOR;
        reserve
            .refused(Who::Payer, open_call(&good, 10), unset)
            .await;
        reserve.hand(context).await;
        reserve
            .refused(Who::Payer, open_call(&good, 0), ZeroDeposit::SELECTOR)
            .await;
        for payee in [Address::ZERO, PATH_USD] {
            let call = open_call(
                &ChannelDescriptor {
                    payee,
                    ..good.clone()
                },
                10,
            );
            reserve
                .refused(Who::Payer, call, InvalidPayee::SELECTOR)
                .await;
        }
        let token = Address::repeat_byte(0x77);
        let call = open_call(
            &ChannelDescriptor {
                token,
                ..good.clone()
            },
            10,
        );
        reserve
            .refused(Who::Payer, call, InvalidToken::SELECTOR)
            .await;
        for (from, deposit) in [(Who::Stranger, 10), (Who::Payer, u128::from(RICH) + 1)] {
            let call = open_call(&good, deposit);
            let asked = reserve.world.ask(from, reserve.at, call).await;
            assert!(asked.is_err(), "{kind:?}: {from:?} opens with {deposit}");
        }

        // The transaction that opens takes the hash with it: the next one has none, and if it is handed
        // the same, the channel is there already.
        reserve
            .world
            .send(Who::Payer, reserve.at, open_call(&good, 10))
            .await;
        assert_eq!(
            reserve.world.storage(reserve.at, CONTEXT_SLOT).await,
            U256::ZERO
        );
        reserve
            .refused(Who::Payer, open_call(&good, 10), unset)
            .await;
        reserve.hand(context).await;
        let no = ChannelAlreadyExists::SELECTOR;
        reserve.refused(Who::Payer, open_call(&good, 10), no).await;
        assert_eq!(reserve.held().await, [RICH - 10, RICH, 10]);
    }
}

#[tokio::test]
async fn a_payer_gets_the_rest_after_the_grace() {
    for kind in BOTH {
        let Some(reserve) = Reserve::new("forced close", kind).await else {
            continue;
        };
        let (world, at) = (&reserve.world, reserve.at);
        let channel = reserve.open(1_000, 1, Address::ZERO).await;
        let soon = CloseNotReady::SELECTOR;
        reserve.refused(Who::Payer, withdraw(&channel), soon).await;
        let asked = world.time().await + 10;
        world.next_at(asked).await;
        let logs = world.send(Who::Payer, at, request(&channel)).await;
        let requested = event::<CloseRequested>(&logs, at);
        assert_eq!(requested.closeGraceEnd, U256::from(asked + GRACE));
        let state = reserve.state(&channel).await;
        assert_eq!(u64::from(state.closeRequestedAt), asked);

        world.chain.advance(Duration::from_secs(60)).await;
        let logs = world.send(Who::Payer, at, request(&channel)).await;
        assert!(logs.is_empty(), "{logs:?}");
        assert_eq!(reserve.state(&channel).await, state);

        world
            .send(Who::Payee, at, reserve.settle(&channel, 300))
            .await;
        world.now_is(asked + GRACE - 1).await;
        reserve.refused(Who::Payer, withdraw(&channel), soon).await;
        world.next_at(asked + GRACE).await;
        let logs = world.send(Who::Payer, at, withdraw(&channel)).await;
        let closed = ChannelClosed {
            channelId: reserve.id(&channel),
            payer: Who::Payer.address(),
            payee: Who::Payee.address(),
            settledToPayee: amount(300),
            refundedToPayer: amount(700),
        };
        assert_eq!(event::<ChannelClosed>(&logs, at), closed);
        assert_eq!(reserve.held().await, [RICH - 300, RICH + 300, 0]);
        assert_eq!(reserve.state(&channel).await, ChannelState::default());
        let gone = ChannelNotFound::SELECTOR;
        reserve.refused(Who::Payer, withdraw(&channel), gone).await;
    }
}

#[tokio::test]
async fn a_top_up_takes_a_request_back() {
    for kind in BOTH {
        let Some(reserve) = Reserve::new("cancelled close", kind).await else {
            continue;
        };
        let (world, at) = (&reserve.world, reserve.at);
        let channel = reserve.open(1_000, 1, Address::ZERO).await;
        let logs = world.send(Who::Payer, at, top_up(&channel, 0)).await;
        assert!(logs.is_empty(), "{logs:?}");
        for additional in [5, 0] {
            world.send(Who::Payer, at, request(&channel)).await;
            world.chain.advance(Duration::from_secs(GRACE)).await;
            let logs = world
                .send(Who::Payer, at, top_up(&channel, additional))
                .await;
            let cancelled = event::<CloseRequestCancelled>(&logs, at);
            assert_eq!(cancelled.channelId, reserve.id(&channel));
            let topped = event::<TopUp>(&logs, at);
            let changed = (topped.additionalDeposit, topped.newDeposit);
            assert_eq!(changed, (amount(additional), amount(1_005)));
            let soon = CloseNotReady::SELECTOR;
            reserve.refused(Who::Payer, withdraw(&channel), soon).await;
        }
        world.send(Who::Payer, at, request(&channel)).await;
        world.chain.advance(Duration::from_secs(GRACE + 1)).await;
        world
            .send(Who::Operator, at, reserve.close(&channel, 1_005, 1_005))
            .await;
        assert_eq!(reserve.held().await, [RICH - 1_005, RICH + 1_005, 0]);
    }
}

/// Calls in one transaction of Tempo's own kind, without a nonce of its own.
async fn batch(reserve: &Reserve, calls: &[Vec<u8>]) -> SignedTransaction {
    let call = |input: &Vec<u8>| Call {
        to: Some(reserve.at),
        value: U256::ZERO,
        input: input.clone().into(),
    };
    let chain = ChainId::new(reserve.world.chain_id()).unwrap();
    let transaction = Transaction {
        max_fee_per_gas: 100_000_000_000,
        gas_limit: 10_000_000,
        nonce_key: EXPIRING_NONCE_KEY,
        valid_before: Some(reserve.world.time().await + 20),
        ..Transaction::new(chain, calls.iter().map(call).collect())
    };
    let key = AccountKey::Root(Who::Payer.key().into());
    transaction.sign(&key).unwrap().whole().unwrap()
}

/// Hands a transaction's hash over, sends it, and gives its receipt.
async fn send(reserve: &Reserve, signed: &SignedTransaction, context: B256) -> serde_json::Value {
    reserve.hand(context).await;
    let raw = json!([signed.raw().bytes()]).to_string();
    let hash = reserve
        .world
        .chain
        .rpc("eth_sendRawTransaction", &raw)
        .await;
    reserve.world.receipt(&hash).await
}

#[tokio::test]
async fn one_transaction_opens_several_channels_and_none_twice() {
    let Some(reserve) = Reserve::new("opened in one transaction", Kind::Tempo).await else {
        return;
    };
    let of = |salt| reserve.descriptor(salt, Address::ZERO, B256::ZERO);
    let open = |salt| open_call(&of(salt), 100).abi_encode();
    let signed = batch(&reserve, &[open(1), open(2)]).await;
    let context = signed.authored().identity();
    let receipt = send(&reserve, &signed, context).await;
    assert_eq!(receipt["status"], "0x1");
    let opened = events::<ChannelOpened>(&logs(&receipt), reserve.at);
    let ids: Vec<B256> = opened.iter().map(|opened| opened.channelId).collect();
    let expect = [1, 2].map(|salt| reserve.id(&reserve.descriptor(salt, Address::ZERO, context)));
    assert_eq!(ids, expect);
    assert_eq!(reserve.held().await[2], 200);

    let signed = batch(&reserve, &[open(3), open(3)]).await;
    let context = signed.authored().identity();
    assert_eq!(send(&reserve, &signed, context).await["status"], "0x0");

    // A channel of the payer with itself can be closed in the transaction that opens it. Closed, it leaves
    // nothing in storage, and still is not opened again in the same transaction.
    let context = B256::repeat_byte(0xcc);
    let mut own = reserve.descriptor(4, Address::ZERO, context);
    own.payee = Who::Payer.address();
    let open = open_call(&own, 100).abi_encode();
    let close = reserve.close_with(&own, 0, 0, Bytes::new()).abi_encode();
    let reopened = [open.clone(), close.clone(), open.clone()];
    for (calls, status) in [(&reopened[..], "0x0"), (&reopened[..2], "0x1")] {
        let signed = batch(&reserve, calls).await;
        assert_eq!(send(&reserve, &signed, context).await["status"], status);
    }
    assert_eq!(reserve.held().await[2], 200);
}

/// The policy of a token is asked about the way from payer to payee, and only about it.
#[tokio::test]
async fn a_token_may_be_against_it() {
    let Some(reserve) = Reserve::new("policies", Kind::Tempo).await else {
        return;
    };
    let forbids = PolicyForbids::SELECTOR;
    let channel = reserve.open(1_000, 1, Address::ZERO).await;
    let at = reserve.at;

    reserve.world.deny(&[Who::Payee]).await;
    reserve.hand(B256::repeat_byte(0xcc)).await;
    let other = reserve.descriptor(2, Address::ZERO, B256::ZERO);
    reserve
        .refused(Who::Payer, open_call(&other, 10), forbids)
        .await;
    reserve
        .refused(Who::Payer, top_up(&channel, 10), forbids)
        .await;
    // Taking a request back moves nothing.
    reserve.world.send(Who::Payer, at, request(&channel)).await;
    reserve
        .world
        .send(Who::Payer, at, top_up(&channel, 0))
        .await;
    reserve.world.deny(&[]).await;
    reserve
        .world
        .send(Who::Payee, at, reserve.settle(&channel, 100))
        .await;

    // A payer that may not send pays nothing more.
    reserve.world.deny(&[Who::Payer]).await;
    reserve
        .refused(Who::Payee, reserve.settle(&channel, 200), forbids)
        .await;
    // Nothing would go back to it, which the token would have refused by itself.
    let close = reserve.close(&channel, 1_000, 1_000);
    reserve.refused(Who::Payee, close, forbids).await;
    reserve.world.deny(&[]).await;
    reserve
        .world
        .send(Who::Payee, at, reserve.close(&channel, 200, 200))
        .await;
    assert_eq!(reserve.held().await, [RICH - 200, RICH + 200, 0]);
}
