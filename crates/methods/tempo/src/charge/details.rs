//! What only Tempo understands of a request: its `methodDetails`.

use farthing_evm::ChainId;
use serde_json::{Map, Value, json};

use super::{
    Memo,
    splits::{MOST, Split, SplitError, Splits},
};
use crate::network::MODERATO;

/// The member that says who may send the transaction.
const MODES: &str = "supportedModes";

/// What only Tempo understands of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// The chain. It is always written. A request without one means the test network.
    pub chain: ChainId,
    /// The memo of the first transfer, where the seller wants one of its own. Without it, the memo is made
    /// of the challenge.
    pub memo: Option<Memo>,
    /// Who gets a part of the amount.
    pub splits: Splits,
    /// Whether the seller pays the fee.
    pub fee_payer: bool,
    /// Who may send the transaction.
    pub modes: Modes,
}

/// Who sends the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The seller: the credential holds the transaction.
    Pull,
    /// The buyer: the credential holds its hash.
    Push,
}

/// Who may send the transaction of a charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Modes {
    /// Either.
    #[default]
    Both,
    /// Only one.
    Only(Mode),
}

/// Why `methodDetails` are not understood. Nobody pays for what is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DetailsError {
    /// A member that means something we do not know.
    #[error("methodDetails has a member that is not known here: {0}")]
    Unknown(String),
    /// A member has the wrong form.
    #[error("methodDetails.{member} should be {expected}")]
    Form {
        /// The member.
        member: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// It is of another chain than it should be.
    #[error("methodDetails names chain {found}, and should name {expected}")]
    OtherChain {
        /// The one it should be of.
        expected: ChainId,
        /// The one it names.
        found: ChainId,
    },
    /// The splits are none.
    #[error("methodDetails.splits cannot be paid")]
    Splits(#[from] SplitError),
    /// There is no way to pay: only the buyer may send, and only the seller may pay the fee.
    #[error(
        "a charge whose fee the seller pays is sent by the seller, and that is not allowed here"
    )]
    NoMode,
}

impl Details {
    /// A charge on a chain, and nothing else.
    #[must_use]
    pub const fn new(chain: ChainId) -> Self {
        Self {
            chain,
            memo: None,
            splits: Splits::none(),
            fee_payer: false,
            modes: Modes::Both,
        }
    }

    /// Reads the `methodDetails` of a request. What is not known here is refused, because it could change
    /// what is paid.
    ///
    /// # Errors
    /// When something in it is not understood, or nobody could pay it.
    pub fn read(details: &Map<String, Value>) -> Result<Self, DetailsError> {
        let chain = match details.get("chainId") {
            None => ChainId::new(MODERATO).ok(),
            Some(id) => id.as_u64().and_then(|id| ChainId::new(id).ok()),
        };
        let mut read = Self::new(chain.ok_or(wrong("chainId", "a chain id"))?);
        for (name, value) in details {
            match name.as_str() {
                "chainId" => {}
                "memo" => read.memo = Some(read_memo(value).ok_or(wrong("memo", A_MEMO))?),
                "feePayer" => {
                    read.fee_payer = value.as_bool().ok_or(wrong("feePayer", A_BOOLEAN))?;
                }
                "splits" => read.splits = splits(value)?,
                MODES => read.modes = modes(value).ok_or(wrong(MODES, SOME_MODES))?,
                // A peer's own further way to pay. One who pays in the usual way need not know it.
                "machineTokenEnabled" if value.is_boolean() => {}
                _ => return Err(DetailsError::Unknown(name.chars().take(64).collect())),
            }
        }
        if read.fee_payer && read.modes == Modes::Only(Mode::Push) {
            return Err(DetailsError::NoMode);
        }
        Ok(read)
    }

    /// Reads what a route says of its own charges, in the same form. The chain is ours, and need not be
    /// named.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when another chain is named.
    pub fn terms(chain: ChainId, terms: &Map<String, Value>) -> Result<Self, DetailsError> {
        let mut read = Self::read(terms)?;
        if terms.contains_key("chainId") && read.chain != chain {
            return Err(DetailsError::OtherChain {
                expected: chain,
                found: read.chain,
            });
        }
        read.chain = chain;
        Ok(read)
    }

    /// Whether the transaction may be sent in this way. One whose fee the seller pays is sent by the
    /// seller (Tempo draft, "Hash Settlement").
    #[must_use]
    pub fn allows(&self, mode: Mode) -> bool {
        match (self.modes, self.fee_payer, mode) {
            (_, true, Mode::Push) => false,
            (Modes::Both, ..) => true,
            (Modes::Only(only), ..) => only == mode,
        }
    }

    /// The `methodDetails` of a request. Everything that holds is said, and nothing that need not be.
    #[must_use]
    pub fn write(&self) -> Map<String, Value> {
        let mut details = Map::new();
        let mut put = |name: &str, value: Value| details.insert(name.to_owned(), value);
        put("chainId", json!(self.chain.get()));
        if self.fee_payer {
            put("feePayer", json!(true));
        }
        if let Some(memo) = &self.memo {
            put("memo", json!(memo));
        }
        if !self.splits.is_empty() {
            put("splits", self.splits.iter().map(Split::write).collect());
        }
        match (self.allows(Mode::Pull), self.allows(Mode::Push)) {
            (true, true) => None,
            (true, false) => put(MODES, json!(["pull"])),
            (false, _) => put(MODES, json!(["push"])),
        };
        details
    }
}

const A_BOOLEAN: &str = "true or false";
const A_MEMO: &str = "0x and 64 hexadecimal digits";
const SOME_MODES: &str = r#"a list with "pull", "push" or both"#;
const A_SPLIT: &str = "a list of objects with recipient, amount and perhaps memo";

const fn wrong(member: &'static str, expected: &'static str) -> DetailsError {
    DetailsError::Form { member, expected }
}

pub(super) fn read_memo(value: &Value) -> Option<Memo> {
    value.as_str()?.parse().ok()
}

fn modes(value: &Value) -> Option<Modes> {
    let list = value.as_array()?;
    let names: Option<Vec<&str>> = list.iter().map(Value::as_str).collect();
    match names?.as_slice() {
        ["pull"] => Some(Modes::Only(Mode::Pull)),
        ["push"] => Some(Modes::Only(Mode::Push)),
        ["pull", "push"] | ["push", "pull"] => Some(Modes::Both),
        _ => None,
    }
}

fn splits(value: &Value) -> Result<Splits, DetailsError> {
    let list = value.as_array().ok_or(wrong("splits", A_SPLIT))?;
    // Counted before they are read.
    if list.len() > MOST {
        return Err(SplitError::Count.into());
    }
    let all: Option<Vec<Split>> = list.iter().map(Split::read).collect();
    Ok(Splits::new(all.ok_or(wrong("splits", A_SPLIT))?)?)
}

#[cfg(test)]
mod tests {
    use farthing_core::{encoding::jcs, value::Amount};
    use farthing_evm::Address;
    use proptest::prelude::*;

    use super::*;

    fn read(json: Value) -> Result<Details, DetailsError> {
        Details::read(json.as_object().unwrap())
    }

    fn details() -> Details {
        let split = |last: u8, amount, memo| Split {
            recipient: Address::with_last_byte(last),
            amount: Amount::new(amount),
            memo,
        };
        let memo = Memo([0xab; 32].into());
        Details {
            memo: Some(Memo([0x11; 32].into())),
            splits: Splits::new(vec![split(1, 50_000, None), split(2, 1, Some(memo))]).unwrap(),
            fee_payer: true,
            ..Details::new(ChainId::new(4217).unwrap())
        }
    }

    #[test]
    fn the_text_of_details_is_fixed() {
        let written = jcs::to_string(&details().write()).unwrap();
        assert_eq!(written, include_str!("golden/details.json").trim());
        let plain = Details::new(ChainId::new(42431).unwrap());
        let written = jcs::to_string(&plain.write()).unwrap();
        assert_eq!(written, r#"{"chainId":42431}"#);
    }

    #[test]
    fn a_request_without_a_chain_means_the_test_network() {
        assert_eq!(read(json!({})).unwrap().chain.get(), 42431);
        let chain = ChainId::new(1337).unwrap();
        let terms = |json: Value| Details::terms(chain, json.as_object().unwrap());
        assert_eq!(terms(json!({})).unwrap().chain, chain);
        assert_eq!(terms(json!({ "chainId": 1337 })).unwrap().chain, chain);
        assert!(matches!(
            terms(json!({ "chainId": 42431 })),
            Err(DetailsError::OtherChain { .. })
        ));
    }

    #[test]
    fn what_a_seller_sponsors_is_sent_by_the_seller() {
        let of = |json| {
            let details = read(json).unwrap();
            (details.allows(Mode::Pull), details.allows(Mode::Push))
        };
        assert_eq!(of(json!({})), (true, true));
        assert_eq!(of(json!({ "supportedModes": ["push"] })), (false, true));
        assert_eq!(of(json!({ "supportedModes": ["pull"] })), (true, false));
        assert_eq!(
            of(json!({ "supportedModes": ["push", "pull"] })),
            (true, true)
        );
        assert_eq!(of(json!({ "feePayer": true })), (true, false));
        let none = read(json!({ "feePayer": true, "supportedModes": ["push"] }));
        assert_eq!(none, Err(DetailsError::NoMode));
        // And it says so, because a peer may not know that rule.
        let sponsored = read(json!({ "feePayer": true })).unwrap().write();
        assert_eq!(sponsored[MODES], json!(["pull"]));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let memo = format!("0x{}", "0".repeat(63));
        let form = [
            ("chainId", json!("4217")),
            ("chainId", json!(0)),
            ("chainId", json!(-1)),
            ("chainId", json!(1.5)),
            ("chainId", json!(null)),
            ("memo", json!(memo)),
            ("memo", json!(null)),
            ("feePayer", json!("true")),
            ("feePayer", json!(null)),
            ("supportedModes", json!([])),
            ("supportedModes", json!("pull")),
            ("supportedModes", json!(["pull", "pull"])),
            ("supportedModes", json!(["pull", "escrow"])),
            ("splits", json!({})),
            ("splits", json!([1])),
        ];
        for (member, value) in form {
            let refused = read(json!({ member: value }));
            assert!(
                matches!(refused, Err(DetailsError::Form { member: at, .. }) if at == member),
                "{member}: {value}: {refused:?}"
            );
        }
        for name in ["feepayer", "permit2", ""] {
            let refused = read(json!({ name: true }));
            assert_eq!(refused, Err(DetailsError::Unknown(name.to_owned())));
        }
        assert!(read(json!({ "machineTokenEnabled": true })).is_ok());
        assert!(read(json!({ "machineTokenEnabled": "yes" })).is_err());
    }

    #[test]
    fn splits_that_cannot_be_paid_are_refused() {
        let to = Address::with_last_byte(7).to_string();
        let one = |amount: &str| json!({ "recipient": to, "amount": amount });
        let of = |list: Vec<Value>| read(json!({ "splits": list }));
        let refused = |why: SplitError| Err(DetailsError::Splits(why));
        assert_eq!(of(vec![]), refused(SplitError::Count));
        assert_eq!(of(vec![one("1"); 11]), refused(SplitError::Count));
        assert_eq!(of(vec![one("1"); 10]).unwrap().splits.total().units(), 10);
        assert_eq!(of(vec![one("0")]), refused(SplitError::Nothing));
        let max = u128::MAX.to_string();
        assert_eq!(of(vec![one(&max), one("1")]), refused(SplitError::Overflow));
        let token = "0x20c0000000000000000000000000000000000001";
        for nobody in [&Address::ZERO.to_string(), token] {
            let split = json!({ "recipient": nobody, "amount": "1" });
            assert_eq!(of(vec![split]), refused(SplitError::Recipient));
        }
        for amount in ["", "01", "+1", "-1", "1.0", "1e3", " 1", "0x1"] {
            assert!(
                matches!(of(vec![one(amount)]), Err(DetailsError::Form { .. })),
                "{amount:?}"
            );
        }
        let more = json!({ "recipient": to, "amount": "1", "token": token });
        assert!(matches!(of(vec![more]), Err(DetailsError::Form { .. })));
        let number = json!({ "recipient": to, "amount": 1 });
        assert!(matches!(of(vec![number]), Err(DetailsError::Form { .. })));
    }

    fn any_details() -> impl Strategy<Value = Details> {
        let memo = || proptest::option::of(any::<[u8; 32]>().prop_map(|b| Memo(b.into())));
        let split =
            (1..=u8::MAX, 1..=1_000_000u128, memo()).prop_map(|(last, amount, memo)| Split {
                recipient: Address::with_last_byte(last),
                amount: Amount::new(amount),
                memo,
            });
        let splits = proptest::collection::vec(split, 0..=10)
            .prop_map(|all| Splits::new(all).unwrap_or_default());
        let modes = prop_oneof![
            Just(Modes::Both),
            Just(Modes::Only(Mode::Pull)),
            Just(Modes::Only(Mode::Push)),
        ];
        (1..1u64 << 53, memo(), splits, any::<bool>(), modes).prop_map(
            |(chain, memo, splits, fee_payer, modes)| Details {
                chain: ChainId::new(chain).unwrap(),
                memo,
                splits,
                // A sponsored charge is sent by the seller, and is written so.
                fee_payer: fee_payer && modes == Modes::Only(Mode::Pull),
                modes,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(details in any_details()) {
            prop_assert_eq!(Details::read(&details.write()), Ok(details));
        }
    }
}
