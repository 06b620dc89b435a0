//! Many channels that are settled in one transaction.

use std::sync::Arc;

use farthing::{
    clock::SystemClock,
    core::{
        intent::session::{Protocol, RawSignature, Terms, Voucher},
        memory::MemoryBackend,
        port::session::{Handing, Session as _, SettleItem, SettleJob, Settled},
        value::Amount,
    },
    evm::{Address, B256, ChainId, Node, NodeOptions, Outbox, PkhDid, SigningKey, U256, request},
    tempo::{
        AccountKey, EXPIRING_NONCE_KEY, Network, Transaction,
        session::{
            Descriptor, Escrow, Open, Origin, TempoChannel, TempoSession, TempoSessionOptions,
            Vouchers, approve, open,
        },
        token::known,
    },
};
use farthing_bench::line::Line;
use farthing_testkit::{
    chain::{ACCOUNTS, Chain, ChainOptions, channels},
    peer,
};

use crate::Failed;

const CHAIN: u64 = 1337;

/// What is locked in each channel, and what is settled of it.
const LOCKED: Amount = Amount::new(1_000);
const SPENT: Amount = Amount::new(300);

/// Opens so many channels, and settles them together: how many went into the transaction, and what gas
/// each of them took there, the first time and the second.
pub(crate) async fn run(count: u8, mut show: impl FnMut(&Line)) -> Result<(), Failed> {
    let chain = peer::or_skip("bench: settling", Chain::start(&ChainOptions::tempo(CHAIN)));
    let chain = chain.ok_or("there is no chain to be had: cargo xtask tools brings it")?;
    channels::install_reserve(&chain).await;
    let id = ChainId::new(CHAIN)?;
    let node = Node::connect(NodeOptions::new(id, vec![chain.url().parse()?])).await?;
    let key = |number: usize| SigningKey::from_bytes(ACCOUNTS[number].secret());
    let payee = key(1)?;
    let network = Network::dev(id, chain.url().parse()?);
    let options = TempoSessionOptions::new(network, payee.address(), AccountKey::from(payee));
    let recipient = options.recipient;
    let outbox = Outbox::new(Arc::new(MemoryBackend::new()));
    let session = TempoSession::new(node.clone(), outbox, Arc::new(SystemClock), options)?;
    let buyer = Buyer {
        key: AccountKey::from(key(0)?),
        signer: key(0)?,
        escrow: Escrow::reserve(id),
        recipient,
    };
    let mut opened = Vec::new();
    for salt in 1..=count {
        opened.push(buyer.open(&chain, &node, salt).await?);
    }
    for (job, name, spent) in [
        (1, "tempo_settle_first_gas", SPENT),
        (2, "tempo_settle_again_gas", LOCKED),
    ] {
        let items = opened.iter().map(|channel| buyer.item(channel, spent));
        let items: Vec<SettleItem> = items.collect::<Result<_, _>>()?;
        let settled = session
            .settle(&SettleJob {
                id: [job; 16],
                items,
            })
            .await;
        let Settled::Done { reference, .. } = settled else {
            return Err(format!("nothing was settled: {settled:?}").into());
        };
        let receipt = node
            .ask(request::receipt(reference.as_str().parse()?))
            .await?;
        let gas = receipt.ok_or("the settlement is in no block")?.gas_used();
        if job == 1 {
            show(&Line::plain(
                "tempo_settle_channels",
                f64::from(count),
                "a transaction",
            ));
        }
        show(&Line::plain(
            name,
            gas as f64 / f64::from(count),
            "gas a channel",
        ));
    }
    Ok(())
}

struct Buyer {
    key: AccountKey,
    signer: SigningKey,
    escrow: Escrow,
    recipient: Address,
}

impl Buyer {
    async fn open(&self, chain: &Chain, node: &Node, salt: u8) -> Result<TempoChannel, Failed> {
        let what = Open {
            payee: self.recipient,
            operator: Address::ZERO,
            token: known::PATH_USD.address,
            deposit: LOCKED,
            salt: B256::from(U256::from(salt)),
            authorized_signer: Address::ZERO,
        };
        let calls = vec![
            approve(what.token, &self.escrow, what.deposit),
            open(&self.escrow, &what)?,
        ];
        let transaction = Transaction {
            max_priority_fee_per_gas: 1_000_000_000,
            max_fee_per_gas: 40_000_000_000,
            gas_limit: 2_000_000,
            nonce_key: EXPIRING_NONCE_KEY,
            valid_before: Some(chain.time().await + 25),
            fee_token: Some(known::PATH_USD.address),
            ..Transaction::new(node.chain(), calls)
        };
        let signed = transaction.sign(&self.key)?;
        let identity = signed.authored().identity();
        // What the chain's own reserve would see by itself.
        channels::tell(chain, identity).await;
        let descriptor = Descriptor {
            payer: self.signer.address(),
            payee: what.payee,
            operator: what.operator,
            token: what.token,
            salt: what.salt,
            authorized_signer: what.authorized_signer,
            expiring_nonce_hash: identity,
        };
        let signed = signed.whole().ok_or("nobody sponsors it")?;
        let receipt = node.send_raw_sync(signed.raw()).await?;
        if !receipt.is_some_and(|receipt| receipt.succeeded()) {
            return Err("a channel could not be opened".into());
        }
        Ok(TempoChannel::new(self.escrow, Origin::V2(descriptor))?)
    }

    fn item(&self, channel: &TempoChannel, spent: Amount) -> Result<SettleItem, Failed> {
        let digest = Vouchers::of(&self.escrow).digest(channel.id(), spent)?;
        let signature = self.signer.sign(digest);
        let raw = RawSignature {
            r: signature.r().0,
            s: signature.s().0,
        };
        let payer = PkhDid {
            chain: self.escrow.chain,
            address: self.signer.address(),
        };
        Ok(SettleItem {
            channel: channel.channel_id(),
            terms: Terms {
                method: "tempo".parse()?,
                realm: "127.0.0.1".parse()?,
                currency: known::PATH_USD.address.to_string().parse()?,
                payee: self.recipient.to_string().parse()?,
                payer: payer.into(),
                details: channel.details().into(),
            },
            how: Handing::Settle(Voucher::new(Protocol::V2, spent, raw)?),
        })
    }
}
