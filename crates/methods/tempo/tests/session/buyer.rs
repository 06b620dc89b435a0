//! A buyer who signs what a test says.

use alloy_primitives::uint;
use farthing_core::{
    intent::session::{ChannelId, Protocol, RawSignature, Terms},
    value::Amount,
};
use farthing_evm::{Address, B256, Signature, SigningKey, U256};
use farthing_tempo::{
    AccountKey, Call, EXPIRING_NONCE_KEY, Received, Transaction,
    session::{
        Escrow, Open, Origin, TempoChannel, Vouchers, approve, open, read_signature,
        write_signature,
    },
};
use serde_json::{Value, json};

use crate::world::{ALPHA, CHAIN, PATH, World, account, key};

/// The order of the curve.
const ORDER: U256 = uint!(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141_U256);

pub(crate) struct Buyer {
    pub(crate) number: usize,
    key: AccountKey,
    /// Who signs vouchers, where that is not the account itself.
    pub(crate) signer: Option<usize>,
    pub(crate) salt: B256,
    pub(crate) sponsored: bool,
}

/// A channel that is open.
#[derive(Clone, Debug)]
pub(crate) struct Locked {
    pub(crate) id: ChannelId,
    pub(crate) terms: Terms,
    pub(crate) channel: TempoChannel,
}

/// What opens a channel.
pub(crate) struct Opening {
    pub(crate) payload: Value,
    pub(crate) channel: TempoChannel,
    pub(crate) received: Received,
    pub(crate) identity: B256,
}

impl Buyer {
    pub(crate) fn number(number: usize) -> Self {
        Self {
            number,
            key: AccountKey::from(key(number)),
            signer: None,
            salt: B256::repeat_byte(7),
            sponsored: false,
        }
    }

    pub(crate) fn salted(mut self, salt: u8) -> Self {
        self.salt = B256::repeat_byte(salt);
        self
    }

    pub(crate) fn signed_by(mut self, signer: usize) -> Self {
        self.signer = Some(signer);
        self
    }

    pub(crate) fn sponsored(mut self) -> Self {
        self.sponsored = true;
        self
    }

    pub(crate) fn address(&self) -> Address {
        account(self.number)
    }

    /// What a buyer asks to be opened when it pays a request.
    pub(crate) fn open(&self, world: &World, protocol: Protocol, deposit: u128) -> Open {
        let request = world.request(protocol);
        let operator = request.method_details.get("operator");
        Open {
            payee: request.recipient.as_str().parse().unwrap(),
            operator: operator.map_or(Address::ZERO, |it| it.as_str().unwrap().parse().unwrap()),
            token: ALPHA,
            deposit: Amount::new(deposit),
            salt: self.salt,
            authorized_signer: self.signer.map_or(Address::ZERO, account),
        }
    }

    pub(crate) fn opening(&self, world: &World, protocol: Protocol, deposit: u128) -> Opening {
        let open = self.open(world, protocol, deposit);
        self.opening_of(world, &world.escrow(protocol), &open)
    }

    /// The opening as a buyer should sign it: the contract is let take the deposit, and takes it.
    pub(crate) fn opening_of(&self, world: &World, escrow: &Escrow, what: &Open) -> Opening {
        let calls = vec![
            approve(what.token, escrow, what.deposit),
            open(escrow, what).unwrap(),
        ];
        self.opening_with(world, escrow, what, self.transaction(world, calls))
    }

    /// The payload of an opening with any transaction.
    pub(crate) fn opening_with(
        &self,
        _: &World,
        escrow: &Escrow,
        what: &Open,
        transaction: Transaction,
    ) -> Opening {
        let received = transaction.sign(&self.key).unwrap();
        let identity = received.authored().identity();
        let channel = self.channel(escrow, what, identity);
        let mut payload = json!({
            "action": "open",
            "type": "transaction",
            "channelId": channel.channel_id(),
            "transaction": received.encode(),
            "cumulativeAmount": "0",
            "signature": write_signature(&self.sign(&channel, 0)),
        });
        describe(&mut payload, &channel);
        Opening {
            payload,
            channel,
            received,
            identity,
        }
    }

    pub(crate) fn channel(&self, escrow: &Escrow, what: &Open, identity: B256) -> TempoChannel {
        let origin = Origin::of(escrow.protocol, self.address(), what, identity);
        TempoChannel::new(*escrow, origin).unwrap()
    }

    pub(crate) fn topping_up(
        &self,
        world: &World,
        channel: &Locked,
        more: u128,
    ) -> (Value, Received) {
        let more = Amount::new(more);
        let calls = vec![
            approve(ALPHA, channel.channel.escrow(), more),
            channel.channel.top_up(more).unwrap(),
        ];
        self.topping_up_with(channel, more, self.transaction(world, calls))
    }

    pub(crate) fn topping_up_with(
        &self,
        channel: &Locked,
        more: Amount,
        transaction: Transaction,
    ) -> (Value, Received) {
        let received = transaction.sign(&self.key).unwrap();
        let mut payload = json!({
            "action": "topUp",
            "type": "transaction",
            "channelId": channel.id,
            "transaction": received.encode(),
            "additionalDeposit": more,
        });
        describe(&mut payload, &channel.channel);
        (payload, received)
    }

    /// Any calls, valid for twenty seconds.
    pub(crate) fn transaction(&self, world: &World, calls: Vec<Call>) -> Transaction {
        Transaction {
            max_fee_per_gas: 24_000_000_000,
            gas_limit: if self.sponsored { 1_900_000 } else { 2_500_000 },
            nonce_key: EXPIRING_NONCE_KEY,
            valid_before: Some(world.now().as_secs() + 20),
            fee_token: (!self.sponsored).then_some(PATH),
            sponsored: self.sponsored,
            ..Transaction::new(CHAIN, calls)
        }
    }

    /// Sends a call without the seller, as a payer may, and waits for its block.
    pub(crate) async fn send(&self, world: &World, call: Call) -> Value {
        let transaction = self.transaction(world, vec![call]);
        let signed = transaction.sign(&self.key).unwrap().whole().unwrap();
        let bytes = json!([signed.raw().bytes()]).to_string();
        world.chain.rpc("eth_sendRawTransaction", &bytes).await;
        world.chain.receipt(&signed.hash().to_string()).await
    }

    fn voucher_key(&self) -> SigningKey {
        key(self.signer.unwrap_or(self.number))
    }

    pub(crate) fn digest(channel: &TempoChannel, cumulative: u128) -> B256 {
        let vouchers = Vouchers::of(channel.escrow());
        let digest = vouchers.digest(channel.id(), Amount::new(cumulative));
        digest.unwrap()
    }

    pub(crate) fn sign(&self, channel: &TempoChannel, cumulative: u128) -> Signature {
        self.voucher_key().sign(Self::digest(channel, cumulative))
    }

    pub(crate) fn raw(&self, channel: &TempoChannel, cumulative: u128) -> RawSignature {
        read_signature(&self.sign(channel, cumulative).to_bytes()).unwrap()
    }

    /// The payload of a voucher.
    pub(crate) fn voucher(&self, channel: &Locked, cumulative: u128) -> Value {
        let signature = self.sign(&channel.channel, cumulative);
        let mut payload = json!({
            "action": "voucher",
            "channelId": channel.id,
            "cumulativeAmount": cumulative.to_string(),
            "signature": write_signature(&signature),
        });
        describe(&mut payload, &channel.channel);
        payload
    }
}

/// The same signature with its other s: good for nobody, since EIP-2.
pub(crate) fn high(signature: &Signature) -> [u8; 65] {
    let mut bytes = signature.to_bytes();
    let s = U256::from_be_bytes(signature.s().0);
    bytes[32..64].copy_from_slice(&(ORDER - s).to_be_bytes::<32>());
    bytes[64] = 27 + u8::from(!signature.y_is_odd());
    bytes
}

fn describe(payload: &mut Value, channel: &TempoChannel) {
    if let Origin::V2(descriptor) = channel.origin() {
        payload["descriptor"] = json!(descriptor);
    }
}
