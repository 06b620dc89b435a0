//! A transaction that locks value in a channel: whether it does that, and nothing else.

use farthing_core::{
    intent::session::Terms,
    port::{
        method::Verified,
        session::{Checked, Said, Shown},
    },
    value::{Amount, ClaimKey, Timestamp},
};
use farthing_evm::{B256, Bytes, PkhDid};

use super::{
    Flaw, TempoSession,
    demand::Demand,
    fund::{Effect, Locks},
    payload::{Payload, Wanted},
    shape::{Calls, OPENING, TOP_UP, origin},
};
use crate::{
    charge::source,
    server::{
        Sponsor, debits,
        effect::Sender,
        flaw::Flaw as TransactionFlaw,
        preflight::{Cleared, Preflight, Rules},
        pull::{Pull, frame},
        reference,
        tries::Trying,
        whole,
    },
    session::{Open, Origin, TempoChannel, ended, read_open, read_top_up},
    transaction::Received,
};

/// A transaction that locks value, as far as its bytes say.
struct Locking {
    pull: Pull,
    channel: TempoChannel,
    locks: Locks,
}

impl TempoSession {
    pub(super) async fn check_funding(
        &self,
        shown: Shown<'_>,
        terms: Option<&Terms>,
    ) -> Result<Checked, Flaw> {
        let demand = Demand::read(shown.request, &self.options)?;
        let payload = Payload::read(shown.payload, demand.escrow.protocol)?;
        let locking = match &payload.action {
            Wanted::Open {
                transaction,
                authorized_signer,
                cumulative,
                signature,
            } => {
                let locking = self.opening(&shown, &demand, &payload, transaction)?;
                let origin = locking.channel.origin();
                let named = match origin {
                    Origin::V1(opened) => opened.authorized_signer,
                    Origin::V2(descriptor) => descriptor.authorized_signer,
                };
                if authorized_signer.is_some_and(|it| it != named && it != origin.signer()) {
                    return Err(Flaw::OtherTerms("authorized signer"));
                }
                let said = Said {
                    channel: locking.channel.channel_id(),
                    cumulative: *cumulative,
                    signature: *signature,
                };
                self.first_voucher(&locking, &said)?;
                locking
            }
            Wanted::TopUp {
                transaction,
                additional,
            } => self.topping_up(&shown, &demand, &payload, (transaction, *additional), terms)?,
            Wanted::Voucher { .. } | Wanted::Close { .. } => return Err(Flaw::Form("action")),
        };
        self.clear(&shown, &demand, locking, terms).await
    }

    /// A transaction that opens a channel. What its id is the hash of is read from the transaction itself,
    /// and not from what is said of it.
    fn opening(
        &self,
        shown: &Shown<'_>,
        demand: &Demand<'_>,
        payload: &Payload,
        bytes: &Bytes,
    ) -> Result<Locking, Flaw> {
        let (received, valid_before) = self.framed(shown, demand, bytes)?;
        let authored = received.authored();
        let calls = Calls::of(&authored.transaction().calls, demand, OPENING)?;
        let open = read_open(demand.escrow.protocol, calls.data);
        let open = open.ok_or_else(|| calls.wrong("another call of the contract"))?;
        let Open { deposit, .. } = open;
        calls.approves(deposit, demand)?;
        if open.payee != demand.recipient {
            return Err(Flaw::OtherTerms("payee"));
        }
        if open.token != demand.token.address {
            return Err(Flaw::OtherTerms("token"));
        }
        let origin = origin(demand, &open, authored.sender(), authored.identity())?;
        let channel = TempoChannel::new(*demand.escrow, origin)?;
        if channel.id() != payload.channel {
            return Err(Flaw::OtherChannel);
        }
        let least = shown.request.amount;
        if deposit < least {
            return Err(Flaw::Deposit {
                found: deposit,
                least,
            });
        }
        Ok(Locking {
            pull: Pull {
                payer: authored.sender(),
                token: open.token,
                amount: deposit,
                valid_before,
                received,
            },
            channel,
            locks: Locks::Deposit(deposit),
        })
    }

    /// A transaction that locks more in a channel that is known.
    fn topping_up(
        &self,
        shown: &Shown<'_>,
        demand: &Demand<'_>,
        payload: &Payload,
        (bytes, additional): (&Bytes, Amount),
        terms: Option<&Terms>,
    ) -> Result<Locking, Flaw> {
        let terms = terms.ok_or(Flaw::Unknown)?;
        let channel = TempoChannel::read(&terms.details.to_map())?;
        if channel.id() != payload.channel {
            return Err(Flaw::OtherChannel);
        }
        if channel.escrow() != demand.escrow {
            return Err(Flaw::OtherTerms("contract"));
        }
        if channel.origin().token() != demand.token.address {
            return Err(Flaw::OtherTerms("token"));
        }
        if channel.origin().payee() != demand.recipient {
            return Err(Flaw::OtherTerms("payee"));
        }
        let (received, valid_before) = self.framed(shown, demand, bytes)?;
        let authored = received.authored();
        if authored.sender() != channel.origin().payer() {
            return Err(Flaw::OtherTerms("payer"));
        }
        let calls = Calls::of(&authored.transaction().calls, demand, TOP_UP)?;
        let top_up = read_top_up(demand.escrow, calls.data);
        let top_up = top_up.ok_or_else(|| calls.wrong("another call of the contract"))?;
        calls.approves(top_up.additional, demand)?;
        if top_up.channel != channel.id() {
            return Err(Flaw::OtherChannel);
        }
        if top_up.additional != additional {
            return Err(Flaw::OtherTerms("additional deposit"));
        }
        if additional.is_zero() {
            return Err(Flaw::Nothing);
        }
        Ok(Locking {
            pull: Pull {
                payer: authored.sender(),
                token: channel.origin().token(),
                amount: additional,
                valid_before,
                received,
            },
            channel,
            locks: Locks::More(additional),
        })
    }

    /// The voucher that comes with an opening. It is checked before anything is sent: who does not have the
    /// channel's key has nothing opened, and no fee paid for it.
    fn first_voucher(&self, locking: &Locking, said: &Said) -> Result<(), Flaw> {
        let deposit = locking.pull.amount;
        if said.cumulative > deposit {
            return Err(Flaw::ExceedsDeposit {
                said: said.cumulative,
                deposit,
            });
        }
        self.verifier_of(locking.channel)?.voucher(said).map(drop)
    }

    /// A transaction that is of this chain and this payer, and could be sent for this challenge.
    fn framed(
        &self,
        shown: &Shown<'_>,
        demand: &Demand<'_>,
        bytes: &Bytes,
    ) -> Result<(Received, Timestamp), Flaw> {
        let received = Received::decode(bytes).map_err(TransactionFlaw::Transaction)?;
        let found = received.authored().transaction().chain;
        let expected = demand.escrow.chain;
        if found != expected {
            return Err(TransactionFlaw::OtherChain { expected, found }.into());
        }
        if shown.source.is_some() {
            let source = source(shown.source, expected).map_err(TransactionFlaw::Source)?;
            if source != received.authored().sender() {
                return Err(TransactionFlaw::OtherPayer.into());
            }
        }
        let between = (shown.now, shown.expires);
        let sponsor = self.sponsor(demand);
        let valid_before = frame(&received, between, &self.options.bounds, sponsor)?;
        Ok((received, valid_before))
    }

    fn sponsor(&self, demand: &Demand<'_>) -> Option<&Sponsor> {
        self.options.sponsor.as_ref().filter(|_| demand.fee_payer)
    }

    /// Asks the chain, and says what is to be claimed, journaled and sent.
    async fn clear(
        &self,
        shown: &Shown<'_>,
        demand: &Demand<'_>,
        locking: Locking,
        terms: Option<&Terms>,
    ) -> Result<Checked, Flaw> {
        let Locking {
            pull,
            channel,
            locks,
        } = locking;
        let sponsor = self.sponsor(demand);
        let cleared = self.preflight(&pull, sponsor).await?;
        let chain = self.node.chain();
        let debits = sponsor.map_or_else(Vec::new, |sponsor| {
            debits(chain, sponsor, &pull, cleared.has, shown.now)
        });
        let (payer, amount, valid_before) = (pull.payer, pull.amount, pull.valid_before);
        let identity = pull.authored().identity();
        // Signed only now, and kept from everybody until the claim and its debits are written.
        let whole = whole(pull.received, sponsor, cleared.fee_token)?;
        let effect = Effect {
            raw: whole.raw().bytes().clone(),
            from: Sender::of(whole.authored()),
            channel: channel.id(),
            locks,
        };
        let payer = PkhDid {
            chain,
            address: payer,
        };
        let verified = Verified {
            payer: Some(payer.into()),
            keys: vec![self.key("tx", whole.hash())?, self.key("signed", identity)?],
            debits,
            reference: Some(reference(whole.hash())),
            send_before: Some(valid_before.saturating_sub(self.options.bounds.margin)),
            effect: Some(effect.seal()?),
            ..Verified::new(valid_before)
        };
        let terms = terms.cloned().unwrap_or_else(|| {
            let mut details = channel.details();
            ended::keep_open_before(&mut details, valid_before);
            Terms {
                method: self.method.clone(),
                realm: shown.realm.clone(),
                currency: shown.request.currency.clone(),
                payee: shown.request.recipient.clone(),
                payer: payer.into(),
                details: details.into(),
            }
        });
        Ok(Checked {
            verified,
            terms,
            amount,
        })
    }

    /// One round trip. What the chain has already was tried by the chain: what it did is found out when it
    /// is funded.
    async fn preflight<'s>(
        &self,
        pull: &Pull,
        sponsor: Option<&'s Sponsor>,
    ) -> Result<Cleared<'s>, Flaw> {
        let rules = Rules {
            bounds: &self.options.bounds,
            send_untried: self.options.send_untried,
        };
        match Preflight::new(pull, sponsor, false, Trying::Together)
            .run(&self.node, &rules)
            .await
        {
            Err(TransactionFlaw::SentBefore) => Ok(Cleared {
                fee_token: None,
                has: pull.amount,
            }),
            answer => Ok(answer?),
        }
    }

    fn key(&self, kind: &str, hash: B256) -> Result<ClaimKey, Flaw> {
        let chain = self.node.chain();
        ClaimKey::proof(&self.method, &format!("{chain}/{kind}/{hash:#x}")).map_err(Flaw::bug)
    }
}
