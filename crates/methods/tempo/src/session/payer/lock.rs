//! Signing what locks tokens in a channel.

use farthing_core::{
    intent::session::Protocol,
    noun::Expires,
    port::{
        method::{Fault, Refusal},
        payer::Fee,
        session_payer::{Keeping, Locking, Opening, SessionOffer},
    },
    value::{Amount, Secret, Timestamp},
};
use farthing_evm::B256;
use ring::rand::{SecureRandom, SystemRandom};

use super::{
    TempoSessionPayer, gas, internal, kept, offer::Asked, payload::Payload, too_wide, unsupported,
};
use crate::{
    key::SignedKeyAuthorization,
    payer::{
        bounds::{VALIDITY, tip},
        gas::Work,
        scope,
        view::Wanted,
    },
    session::{Open, Origin, TempoChannel, approve, ended, open},
    transaction::{Call, EXPIRING_NONCE_KEY, Received, Transaction},
};

/// What is to be signed.
struct Lock<'a> {
    asked: &'a Asked<'a>,
    calls: Vec<Call>,
    amount: Amount,
    work: Work<'a>,
    expires: Option<Timestamp>,
}

impl TempoSessionPayer {
    /// Makes a channel: what it is, and what opens it.
    pub(super) async fn make(
        &self,
        offer: &SessionOffer,
        deposit: Amount,
        now: Timestamp,
    ) -> Result<Opening, Refusal> {
        let asked = self.asked(offer)?;
        let salt = random()?;
        let wanted = Open {
            payee: asked.payee,
            operator: asked.operator,
            token: asked.token.address,
            deposit,
            salt,
            authorized_signer: self.authorized_signer(&asked.escrow, salt)?,
        };
        let call = open(&asked.escrow, &wanted).map_err(too_wide)?;
        let work = gas::opening(offer.protocol, &self.wallet);
        let lock = self.lock(offer, &asked, call, deposit, work);
        let (signed, locking) = self.sign(lock, now).await?;
        let identity = signed.authored().identity();
        let origin = Origin::of(offer.protocol, self.account(), &wanted, identity);
        let channel = TempoChannel::new(asked.escrow, origin)
            .map_err(|error| internal("the channel cannot be made").caused_by(error))?;
        let mut channel = kept(&channel);
        // A channel that ended looks to the chain like one that never was.
        ended::keep_open_before(&mut channel.details, locking.valid_until);
        Ok(Opening { channel, locking })
    }

    /// Signs what locks more in a channel.
    pub(super) async fn add(
        &self,
        offer: &SessionOffer,
        keeping: &Keeping,
        additional: Amount,
        now: Timestamp,
    ) -> Result<Locking, Refusal> {
        let (asked, channel) = (self.asked(offer)?, self.channel(keeping)?);
        let origin = channel.origin();
        let fits = *channel.escrow() == asked.escrow
            && origin.payee() == asked.payee
            && origin.token() == asked.token.address
            && origin.operator().unwrap_or_default() == asked.operator;
        if !fits {
            return Err(unsupported("the offer is not paid from this channel"));
        }
        let call = channel.top_up(additional).map_err(too_wide)?;
        let work = gas::top_up(offer.protocol, &self.wallet);
        let lock = self.lock(offer, &asked, call, additional, work);
        let (signed, locking) = self.sign(lock, now).await?;
        let payload = Payload {
            kind: Some("transaction"),
            transaction: Some(signed.encode()),
            additional_deposit: Some(additional),
            ..Payload::of("topUp", &channel)
        };
        Ok(Locking {
            payload: Some(payload.write()?),
            ..locking
        })
    }

    fn lock<'a>(
        &self,
        offer: &SessionOffer,
        asked: &'a Asked<'a>,
        call: Call,
        amount: Amount,
        work: Work<'a>,
    ) -> Lock<'a> {
        let escrow = &asked.escrow;
        let calls = match escrow.protocol {
            // A contract takes what it is allowed to, and is allowed exactly that.
            Protocol::V1 => vec![approve(asked.token.address, escrow, amount), call],
            Protocol::V2 => vec![call],
        };
        Lock {
            asked,
            calls,
            amount,
            work,
            expires: offer.challenge.expires.as_ref().map(Expires::at),
        }
    }

    async fn sign(&self, lock: Lock<'_>, now: Timestamp) -> Result<(Received, Locking), Refusal> {
        let Lock {
            asked,
            calls,
            amount,
            work,
            expires,
        } = lock;
        if amount.is_zero() {
            return Err(unsupported("nothing is locked with nothing"));
        }
        let (token, fee_token) = (asked.token, asked.fee_token);
        let grant = self.wallet.grant();
        if let Some(grant) = grant {
            scope::check_any(grant, &calls)?;
            scope::check_limit(grant, token, amount)?;
        }
        let account = self.account();
        let tokens = [Some(token), fee_token].into_iter().flatten();
        let wanted = Wanted {
            balances: tokens.map(|token| (token.address, account)).collect(),
            key: self.wallet.key_question(token, fee_token),
            gas: Some(self.wallet.estimate(&calls, fee_token)),
        };
        let view = self.wallet.views().look(wanted, now).await;
        let view = view.map_err(|error| {
            Refusal::new(Fault::Unavailable, "the chain does not answer").caused_by(error)
        })?;
        let until = self.wallet.until(expires, VALIDITY, &view, now)?;
        let authorization = self.wallet.authorization(&view)?;
        if let Some(grant) = grant {
            scope::check_expiry(grant, until)?;
        }
        let most = gas::most(&work, &self.wallet);
        let work = Work {
            grant: authorization.map(SignedKeyAuthorization::authorization),
            ..work
        };
        let told = view.gas.map_or(0, |gas| gas.saturating_add(gas / 8));
        let mut transaction = Transaction::new(self.network().chain(), calls);
        transaction.gas_limit = self.bounded(work.gas().max(told))?;
        let price = self.wallet.gas_price(random()?, &view)?;
        // A sponsor bounds the fee, and pays for another try where it was too little.
        let spared = if fee_token.is_none() {
            view.base_fee / 8 * 3
        } else {
            0
        };
        transaction.max_fee_per_gas = price.saturating_sub(spared);
        transaction.max_priority_fee_per_gas = tip(view.base_fee);
        transaction.valid_before = Some(until.as_secs());
        transaction.nonce_key = EXPIRING_NONCE_KEY;
        transaction.fee_token = fee_token.map(|token| token.address);
        transaction.sponsored = fee_token.is_none();
        transaction.key_authorization = authorization.cloned();
        let fee = Amount::new(u128::try_from(transaction.max_fee()).unwrap_or(u128::MAX));
        if fee_token.is_some() && fee > most {
            return Err(Refusal::new(
                Fault::Unavailable,
                "the chain asks a higher fee than was quoted",
            ));
        }
        self.wallet
            .check_funds(token, amount, fee_token, fee, &view)?;
        let signed = transaction
            .sign(self.wallet.key())
            .map_err(|error| internal("the transaction cannot be signed").caused_by(error))?;
        self.wallet.views().spend(token.address, account, amount);
        let fee = fee_token.map(|token| {
            self.wallet.views().spend(token.address, account, fee);
            Fee {
                currency: token.currency(),
                most: fee,
            }
        });
        let locking = Locking {
            transaction: Secret::new(signed.encode().to_vec()),
            payload: None,
            valid_until: until,
            fee,
        };
        Ok((signed, locking))
    }

    /// Gas that may be used.
    pub(super) fn bounded(&self, gas: u64) -> Result<u64, Refusal> {
        let most = self.wallet.options().max_gas;
        if gas > most {
            return Err(unsupported(format!(
                "this takes {gas} gas, and may take {most}"
            )));
        }
        Ok(gas)
    }
}

/// 32 bytes that nobody guesses, and nobody had before.
pub(super) fn random() -> Result<B256, Refusal> {
    let mut bytes = B256::ZERO;
    SystemRandom::new()
        .fill(bytes.as_mut_slice())
        .map_err(|_| internal("the system gives no random numbers"))?;
    Ok(bytes)
}
