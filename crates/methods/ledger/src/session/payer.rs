//! The buyer's side of channels.

use std::time::Duration;

use farthing_core::{
    intent::session::{ChannelId, SESSION, Seen},
    port::{
        BoxFuture,
        method::{Fault, Outcome, Refusal},
        session_payer::{
            Keeping, Locking, Opening, SessionOffer, SessionPayer, SessionQuote, Told,
        },
    },
    value::{Amount, MethodId, Secret, Timestamp},
};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};

use super::{
    descriptor::{ChannelDescriptor, PROTOCOL, Salt},
    payload::{Authorization, Payload},
    signed::{ChannelLock, sign_voucher},
};
use crate::{
    account::Account,
    currency::{self, Currencies},
    key::AccountKey,
};

/// For how long a signed lock is good. Then its outcome is certain.
const VALID: Duration = Duration::from_secs(60);

/// Keeps channels on a ledger, from one account, by signing.
///
/// The books are the seller's: nobody else can be asked how a channel stands, and nobody else can
/// close it. So this side knows what it signed, and of the rest what the seller says.
#[derive(Debug)]
pub struct LedgerSessionPayer {
    method: MethodId,
    account: Account,
    /// None for who only looks.
    key: Option<AccountKey>,
    vouchers: Option<AccountKey>,
    currencies: Currencies,
}

/// What locks, with its signature, as it is kept until it is presented.
#[derive(Serialize, Deserialize)]
struct Signed {
    lock: ChannelLock,
    authorization: Authorization,
}

impl LedgerSessionPayer {
    /// Pays in the ledger's dollar.
    #[must_use]
    pub fn new(key: AccountKey) -> Self {
        Self::with_currencies(key, Currencies::default())
    }

    /// Pays in any of these currencies. What a code is worth is this configuration's to say; a
    /// seller's word for it is never taken.
    #[must_use]
    pub fn with_currencies(key: AccountKey, currencies: Currencies) -> Self {
        Self {
            method: currency::method(),
            account: key.account().clone(),
            key: Some(key),
            vouchers: None,
            currencies,
        }
    }

    /// Says what an account would pay and which channels are its own, and signs nothing: for a wallet that
    /// stays locked until something is to be signed.
    #[must_use]
    pub fn onlooker(account: Account) -> Self {
        Self {
            method: currency::method(),
            account,
            key: None,
            vouchers: None,
            currencies: Currencies::default(),
        }
    }

    /// Signs vouchers with a key of their own, which can spend what is locked in a channel and
    /// nothing else of the account.
    #[must_use]
    pub fn signing_vouchers_with(self, key: AccountKey) -> Self {
        Self {
            vouchers: Some(key),
            ..self
        }
    }

    /// The account it pays from.
    #[must_use]
    pub const fn account(&self) -> &Account {
        &self.account
    }

    /// Whose signatures vouchers have.
    fn voucher_account(&self) -> &Account {
        let key = self.vouchers.as_ref();
        key.map_or(&self.account, AccountKey::account)
    }

    fn key(&self) -> Result<&AccountKey, Refusal> {
        let locked = || Refusal::new(Fault::Internal, "this payer looks on and signs nothing");
        self.key.as_ref().ok_or_else(locked)
    }

    fn voucher_key(&self) -> Result<&AccountKey, Refusal> {
        self.vouchers.as_ref().map_or_else(|| self.key(), Ok)
    }

    fn described(&self, channel: &Keeping) -> Result<ChannelDescriptor, Refusal> {
        let described = ChannelDescriptor::read(&channel.id, &channel.details);
        let described = described.filter(|it| self.is_ours(it));
        described.ok_or_else(|| Refusal::new(Fault::Internal, "this is no channel of this account"))
    }

    fn is_ours(&self, channel: &ChannelDescriptor) -> bool {
        channel.payer == *self.account() && channel.signer == *self.voucher_account()
    }

    fn lock(
        &self,
        channel: ChannelDescriptor,
        opens: bool,
        amount: Amount,
        now: Timestamp,
    ) -> Result<Signed, Refusal> {
        if amount.is_zero() || amount > PROTOCOL.most() {
            return Err(unsupported("this amount cannot be locked"));
        }
        let lock = ChannelLock {
            channel,
            opens,
            amount,
            // Whole seconds, as a person reads them in the text.
            valid_until: now.saturating_add(VALID).whole_secs(),
            nonce: Salt(random()?),
        };
        let signature = self.key()?.sign(lock.text().as_bytes());
        let authorization = Authorization::new(&lock, &signature);
        Ok(Signed {
            lock,
            authorization,
        })
    }
}

impl Signed {
    fn locking(&self, payload: Option<Box<RawValue>>) -> Result<Locking, Refusal> {
        let transaction = serde_json::to_vec(self).map_err(|error| {
            Refusal::new(Fault::Internal, "the lock could not be written").caused_by(error)
        })?;
        Ok(Locking {
            transaction: Secret::new(transaction),
            payload,
            valid_until: self.lock.valid_until,
            fee: None,
        })
    }
}

fn random() -> Result<[u8; 16], Refusal> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).map_err(|_| {
        Refusal::new(
            Fault::Internal,
            "the system has no randomness for a new channel",
        )
    })?;
    Ok(bytes)
}

impl SessionPayer for LedgerSessionPayer {
    fn method(&self) -> &MethodId {
        &self.method
    }

    fn keeps(&self, channel: &Keeping) -> bool {
        self.described(channel).is_ok()
    }

    fn quote(&self, offer: &SessionOffer) -> Result<SessionQuote, Refusal> {
        let (challenge, request) = (&offer.challenge, &offer.request);
        if challenge.method != self.method || challenge.intent.as_str() != SESSION {
            return Err(unsupported("this payer keeps channels on a ledger"));
        }
        if offer.protocol != PROTOCOL {
            return Err(unsupported(
                "a ledger keeps channels by the second protocol",
            ));
        }
        let currency = self.currencies.find(&request.currency);
        let currency =
            currency.ok_or_else(|| unsupported("this payer does not know the currency"))?;
        let payee = payee(offer)?;
        if payee == *self.account() {
            return Err(unsupported("an account cannot pay itself"));
        }
        let (payer, signer) = (self.account(), self.voucher_account());
        let scope = format!(
            "ledger {} {payer} {payee} {} {signer}",
            challenge.realm, currency.code
        );
        Ok(SessionQuote {
            currency: currency.clone(),
            payer: payer.did().clone(),
            network: None,
            scope: scope.into(),
            fee: None,
        })
    }

    fn open<'a>(
        &'a self,
        offer: &'a SessionOffer,
        deposit: Amount,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Opening, Refusal>> {
        Box::pin(async move {
            self.quote(offer)?;
            let channel = ChannelDescriptor {
                payer: self.account().clone(),
                payee: payee(offer)?,
                currency: offer.request.currency.clone(),
                signer: self.voucher_account().clone(),
                salt: Salt::made_at(now, random()?),
                realm: offer.challenge.realm.clone(),
            };
            let keeping = channel.keeping();
            Ok(Opening {
                locking: self.lock(channel, true, deposit, now)?.locking(None)?,
                channel: keeping,
            })
        })
    }

    fn top_up<'a>(
        &'a self,
        _offer: &'a SessionOffer,
        channel: &'a Keeping,
        additional: Amount,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Locking, Refusal>> {
        Box::pin(async move {
            let channel = self.described(channel)?;
            let signed = self.lock(channel.clone(), false, additional, now)?;
            let payload = Payload::top_up(channel, signed.authorization.clone());
            signed.locking(Some(payload.write()?))
        })
    }

    fn present_opening(
        &self,
        channel: &Keeping,
        transaction: &Secret,
        cumulative: Amount,
    ) -> Result<Box<RawValue>, Refusal> {
        let described = self.described(channel)?;
        let signed: Signed = serde_json::from_slice(transaction.expose()).map_err(|error| {
            Refusal::new(Fault::Internal, "what opens the channel cannot be read").caused_by(error)
        })?;
        let (key, realm) = (self.voucher_key()?, &described.realm);
        let signature = sign_voucher(key, &channel.id, cumulative, realm);
        Payload::open(described, signed.authorization, cumulative, &signature).write()
    }

    fn voucher(
        &self,
        channel: &Keeping,
        cumulative: Amount,
        closes: bool,
    ) -> Result<Box<RawValue>, Refusal> {
        if cumulative > PROTOCOL.most() {
            return Err(unsupported("no voucher can say so much"));
        }
        let described = self.described(channel)?;
        let (key, id) = (self.voucher_key()?, &channel.id);
        let signature = sign_voucher(key, id, cumulative, &described.realm);
        let action = if closes { "close" } else { "voucher" };
        Payload::said(action, id.clone(), cumulative, &signature).write()
    }

    /// Refused, always: the seller's books are asked by its server alone.
    fn look<'a>(&'a self, _channel: &'a Keeping) -> BoxFuture<'a, Result<Option<Seen>, Refusal>> {
        Box::pin(std::future::ready(Err(sellers())))
    }

    /// True, always. That it is too old to be done now does not say that it was not done in time, and
    /// only the seller's answer tells. Age is no evidence.
    fn may_come<'a>(
        &'a self,
        _transaction: &'a Secret,
        _now: Timestamp,
    ) -> BoxFuture<'a, Result<bool, Refusal>> {
        Box::pin(std::future::ready(Ok(true)))
    }

    /// Refused, always: the way out is the credential that closes, which a seller takes at any time.
    fn request_close<'a>(
        &'a self,
        _channel: &'a Keeping,
        _job: [u8; 16],
    ) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::ready(Outcome::Refused(sellers())))
    }

    /// Refused, always, as [`request_close`](SessionPayer::request_close).
    fn withdraw<'a>(&'a self, _channel: &'a Keeping, _job: [u8; 16]) -> BoxFuture<'a, Outcome> {
        Box::pin(std::future::ready(Outcome::Refused(sellers())))
    }

    /// None: there is nothing to wait for.
    fn grace(&self) -> Duration {
        Duration::ZERO
    }

    fn read_snapshot(
        &self,
        offer: &SessionOffer,
        snapshot: &Value,
    ) -> Result<Option<Told>, Refusal> {
        let told = Snapshot::deserialize(snapshot).map_err(|error| {
            Refusal::new(Fault::Malformed, "the snapshot cannot be read").caused_by(error)
        })?;
        let channel = told.descriptor;
        if channel.id() != told.channel_id {
            let contradicts = "the snapshot describes another channel than it names";
            return Err(Refusal::new(Fault::Invalid, contradicts));
        }
        let is_for_this = self.is_ours(&channel)
            && channel.payee.recipient() == offer.request.recipient
            && channel.currency == offer.request.currency
            && channel.realm == offer.challenge.realm;
        Ok(is_for_this.then(|| Told {
            channel: channel.keeping(),
            accepted: told.accepted_cumulative,
            spent: told.spent,
            deposit: told.deposit,
        }))
    }
}

/// What this payer reads of a channel as its seller describes it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Snapshot {
    channel_id: ChannelId,
    descriptor: ChannelDescriptor,
    accepted_cumulative: Amount,
    spent: Amount,
    deposit: Amount,
}

fn payee(offer: &SessionOffer) -> Result<Account, Refusal> {
    Account::parse(offer.request.recipient.as_str())
        .map_err(|error| unsupported("the offer names no account to be paid").caused_by(error))
}

fn sellers() -> Refusal {
    unsupported("a ledger's books are its seller's: ask there, or close by a credential")
}

fn unsupported(why: &'static str) -> Refusal {
    Refusal::new(Fault::Unsupported, why)
}
