//! The record of a payment as packed bytes.
//!
//! First stands what never changes, then what each step may change. Which of the optional fields
//! are there is said in one number of flags before either.

use serde_json::{Map, Value};

use super::{Answer, Payment, SettlePolicy, State};
use crate::{
    encoding::packed::{Packer, UnpackError, Unpacker},
    value::{Entropy, Fingerprint, PaymentId},
};

/// The bits of the flags, by their position. A later form has more of them, and what they stand
/// for behind all else, so that the reader of the newest reads every one before it.
const FLAGS: usize = 13;

/// The bits of the first form.
const FLAGS_AT_FIRST: usize = 10;

impl Payment {
    /// Writes it.
    ///
    /// # Errors
    /// When what the method added to the receipt cannot be JSON.
    pub fn pack(&self, out: &mut Packer) -> Result<(), serde_json::Error> {
        // Taken apart, so that a new field cannot be left out.
        let Self {
            id,
            method,
            intent,
            challenge,
            realm,
            route,
            fingerprint,
            proof,
            amount,
            currency,
            payee,
            payer,
            policy,
            rerunnable,
            proof_until,
            redeliver,
            claimed_at,
            state,
            answer,
            attempts,
            lease_until,
            asked,
            awaits,
            send_before,
            returned,
            reference,
            settled_at,
            confirmed_at,
            details,
            idempotency,
            remember_until,
        } = self;
        out.number(flags([
            *policy == SettlePolicy::After,
            *rerunnable,
            payee.is_some(),
            payer.is_some(),
            idempotency.is_some(),
            remember_until.is_some(),
            reference.is_some(),
            settled_at.is_some(),
            confirmed_at.is_some(),
            !details.is_empty(),
            awaits.is_some(),
            send_before.is_some(),
            returned.is_some(),
        ]));
        out.array(id.as_bytes());
        out.text(method.as_str());
        out.text(intent.as_str());
        out.text(challenge.as_str());
        out.text(realm.as_str());
        out.text(route.as_str());
        out.array(&fingerprint.0);
        out.array(&proof.0);
        out.amount(*amount);
        out.text(currency.as_str());
        some(out, payee.as_ref(), |out, it| out.text(it.as_str()));
        some(out, payer.as_ref(), |out, it| out.text(it.as_str()));
        out.time(*proof_until);
        out.duration(*redeliver);
        out.time(*claimed_at);
        some(out, idempotency.as_ref(), |out, it| out.array(&it.0));
        some(out, remember_until.as_ref(), |out, it| out.time(*it));
        out.byte(code_of_state(*state));
        out.byte(code_of_answer(*answer));
        out.byte(*attempts);
        out.time(*lease_until);
        out.number(u64::from(*asked));
        some(out, reference.as_ref(), |out, it| out.text(it.as_str()));
        some(out, settled_at.as_ref(), |out, it| out.time(*it));
        some(out, confirmed_at.as_ref(), |out, it| out.time(*it));
        if !details.is_empty() {
            out.json(details)?;
        }
        some(out, awaits.as_ref(), |out, it| out.text(it.as_str()));
        some(out, send_before.as_ref(), |out, it| out.time(*it));
        some(out, returned.as_ref(), |out, it| out.text(it.as_str()));
        Ok(())
    }

    /// Reads what [`Payment::pack`] wrote.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn unpack(from: &mut Unpacker<'_>) -> Result<Self, UnpackError> {
        let [
            after,
            rerunnable,
            payee,
            payer,
            idempotency,
            remember_until,
            reference,
            settled_at,
            confirmed_at,
            details,
            awaits,
            send_before,
            returned,
        ] = flagged(from)?;
        Ok(Self {
            id: PaymentId::new(Entropy(from.array()?)),
            method: from.text()?,
            intent: from.text()?,
            challenge: from.text()?,
            realm: from.text()?,
            route: from.text()?,
            fingerprint: Fingerprint(from.array()?),
            proof: Fingerprint(from.array()?),
            amount: from.amount()?,
            currency: from.text()?,
            payee: payee.then(|| from.text()).transpose()?,
            payer: payer.then(|| from.text()).transpose()?,
            policy: if after {
                SettlePolicy::After
            } else {
                SettlePolicy::First
            },
            rerunnable,
            proof_until: from.time()?,
            redeliver: from.duration()?,
            claimed_at: from.time()?,
            idempotency: idempotency
                .then(|| from.array().map(Fingerprint))
                .transpose()?,
            remember_until: remember_until.then(|| from.time()).transpose()?,
            state: state(from.byte()?)?,
            answer: answer(from.byte()?)?,
            attempts: from.byte()?,
            lease_until: from.time()?,
            asked: from.number(u32::MAX)?,
            reference: reference.then(|| from.text()).transpose()?,
            settled_at: settled_at.then(|| from.time()).transpose()?,
            confirmed_at: confirmed_at.then(|| from.time()).transpose()?,
            details: if details {
                some_details(from)?
            } else {
                Map::new()
            },
            awaits: awaits.then(|| from.text()).transpose()?,
            send_before: send_before.then(|| from.time()).transpose()?,
            returned: returned.then(|| from.text()).transpose()?,
        })
    }
}

/// Writes what is there. Whether it is stands among the flags.
fn some<T>(out: &mut Packer, value: Option<&T>, write: impl FnOnce(&mut Packer, &T)) {
    if let Some(value) = value {
        write(out, value);
    }
}

fn flags(set: [bool; FLAGS]) -> u64 {
    set.into_iter()
        .enumerate()
        .fold(0, |flags, (bit, is_set)| flags | u64::from(is_set) << bit)
}

fn flagged(from: &mut Unpacker<'_>) -> Result<[bool; FLAGS], UnpackError> {
    let known = if from.form() == 1 {
        FLAGS_AT_FIRST
    } else {
        FLAGS
    };
    let flags: u64 = from.number((1 << known) - 1)?;
    Ok(std::array::from_fn(|bit| flags >> bit & 1 == 1))
}

fn some_details(from: &mut Unpacker<'_>) -> Result<Map<String, Value>, UnpackError> {
    let details: Map<String, Value> = from.json()?;
    if details.is_empty() {
        return Err(UnpackError::Code("flag"));
    }
    Ok(details)
}

/// The codes are what is stored: they are never given to another state.
const fn code_of_state(state: State) -> u8 {
    match state {
        State::Claimed => 0,
        State::Answered => 1,
        State::Sent => 2,
        State::Pending => 3,
        State::Unknown => 4,
        State::Settled => 5,
        State::Delivered => 6,
        State::Failed => 7,
        State::Voided => 8,
        State::Owed => 9,
        State::Refunded => 10,
        State::Credited => 11,
        State::Defaulted => 12,
        State::WrittenOff => 13,
    }
}

const fn state(code: u8) -> Result<State, UnpackError> {
    Ok(match code {
        0 => State::Claimed,
        1 => State::Answered,
        2 => State::Sent,
        3 => State::Pending,
        4 => State::Unknown,
        5 => State::Settled,
        6 => State::Delivered,
        7 => State::Failed,
        8 => State::Voided,
        9 => State::Owed,
        10 => State::Refunded,
        11 => State::Credited,
        12 => State::Defaulted,
        13 => State::WrittenOff,
        _ => return Err(UnpackError::Code("state")),
    })
}

const fn code_of_answer(answer: Answer) -> u8 {
    match answer {
        Answer::None => 0,
        Answer::Started => 1,
        Answer::Stored => 2,
        Answer::TooLarge => 3,
        Answer::Unserved => 4,
        Answer::Delivered => 5,
    }
}

const fn answer(code: u8) -> Result<Answer, UnpackError> {
    Ok(match code {
        0 => Answer::None,
        1 => Answer::Started,
        2 => Answer::Stored,
        3 => Answer::TooLarge,
        4 => Answer::Unserved,
        5 => Answer::Delivered,
        _ => return Err(UnpackError::Code("answer")),
    })
}
