//! Random challenges, credentials and receipts, and the form in which they are compared.

use farthing_core::{
    encoding::{base64url, jcs},
    noun::{Challenge, Credential, CredentialHeader, Expires, Receipt, Request},
    value::Timestamp,
};
use serde_json::{Map, Value, json};

use crate::random::Random;

const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const WORD: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-";
/// What a person may write, with all that has to be escaped somewhere.
const PROSE: &str = "abc ABC 0.,;:!?'\"\\/{}[]<>=%+-_@#~^|&*()";
/// Letters of one to four bytes.
const LETTERS: &str = "aZ0\"\\/\u{e9}\u{df}\u{4e16}\u{2014}\u{1f4b0}\u{10ffff}\u{2028}";

/// What travels in a header.
#[derive(Clone, Debug)]
pub enum Noun {
    /// `WWW-Authenticate`.
    Challenge(Box<Challenge>),
    /// `Authorization`.
    Credential(Box<Credential>),
    /// `Payment-Receipt`.
    Receipt(Box<Receipt>),
}

/// The kinds of nouns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A challenge.
    Challenge,
    /// A credential.
    Credential,
    /// A receipt.
    Receipt,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Challenge, Self::Credential, Self::Receipt];

    /// Its name in an operation.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Challenge => "challenge",
            Self::Credential => "credential",
            Self::Receipt => "receipt",
        }
    }

    /// A random noun of this kind.
    pub fn random(self, random: &mut Random) -> Noun {
        match self {
            Self::Challenge => Noun::Challenge(challenge(random).into()),
            Self::Credential => Noun::Credential(credential(random).into()),
            Self::Receipt => Noun::Receipt(receipt(random).into()),
        }
    }
}

impl Noun {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Challenge(_) => Kind::Challenge,
            Self::Credential(_) => Kind::Credential,
            Self::Receipt(_) => Kind::Receipt,
        }
    }

    /// The form in which two readings are compared: the fields by their names on the wire, the
    /// request as the object inside, and no `header` where it names the default.
    #[must_use]
    pub fn form(&self) -> Value {
        match self {
            Self::Challenge(challenge) => of_challenge(challenge),
            Self::Credential(credential) => {
                let payload: Value = serde_json::from_str(credential.payload.get())
                    .expect("a payload was read as JSON");
                let mut form = json!({
                    "challenge": of_challenge(&credential.challenge),
                    "payload": payload,
                });
                if let Some(source) = &credential.source {
                    form["source"] = json!(source);
                }
                form
            }
            Self::Receipt(receipt) => {
                serde_json::from_str(&receipt.to_json()).expect("a receipt is JSON")
            }
        }
    }
}

fn of_challenge(challenge: &Challenge) -> Value {
    let mut form = serde_json::to_value(challenge).expect("a challenge is made of texts");
    form["request"] = challenge.request.value();
    let default = challenge
        .header
        .as_ref()
        .is_some_and(CredentialHeader::is_default);
    if let Some(fields) = form.as_object_mut().filter(|_| default) {
        fields.remove("header");
    }
    form
}

fn challenge(random: &mut Random) -> Challenge {
    let realm = match random.below(3) {
        0 => "api.example.com".to_owned(),
        1 => format!("{}.example:8402", random.text(LOWER, 20)),
        _ => format!("a{}b", random.text("abcXYZ0189 ._:/;=,-", 40)),
    };
    let mut challenge = Challenge::new(
        checked(&random.text(WORD, 64)),
        checked(&realm),
        checked(&random.text(LOWER, 20)),
        checked(&random.text(WORD, 20)),
        Request::new(&request(random)).expect("an object of little depth is a request"),
    );
    challenge.expires = maybe(random, |random| checked::<Expires>(&time(random)));
    challenge.description = maybe(random, |random| checked(&description(random)));
    challenge.digest = maybe(random, |random| {
        let hash = random.text("ABCdef0189+/", 43);
        checked(&format!("sha-256=:{hash}=:"))
    });
    challenge.opaque = maybe(random, |random| {
        let fields = (0..random.below(4)).map(|_| (random.text(WORD, 8), json!(text(random))));
        let json = jcs::to_string(&fields.collect::<Map<_, _>>()).expect("texts are canonical");
        checked(&base64url::encode(json))
    });
    challenge.header = random
        .once_in(4)
        .then(CredentialHeader::payment_authorization);
    challenge
}

fn credential(random: &mut Random) -> Credential {
    let source = maybe(random, |random| {
        checked(&format!("did:key:z{}", random.text(WORD, 40)))
    });
    let challenge = challenge(random);
    Credential::new(challenge, source, &object(random, 3)).expect("an object is a payload")
}

fn receipt(random: &mut Random) -> Receipt {
    let details = match random.below(3) {
        0 => Map::new(),
        1 => Map::from_iter([
            ("challengeId".to_owned(), json!(random.text(WORD, 43))),
            ("externalId".to_owned(), json!(random.text(WORD, 12))),
        ]),
        _ => object(random, 3),
    };
    Receipt::new(
        checked(&random.text(LOWER, 20)),
        checked(&time(random)),
        checked(&random.text(WORD, 66)),
    )
    .with_extra(details)
}

/// What methods ask for, or any object.
fn request(random: &mut Random) -> Map<String, Value> {
    if random.once_in(3) {
        return object(random, 3);
    }
    let mut fields = Map::from_iter([
        (
            "amount".to_owned(),
            json!(random.below(1_000_000_000).to_string()),
        ),
        ("currency".to_owned(), json!(random.text(WORD, 42))),
        ("recipient".to_owned(), json!(random.text(WORD, 42))),
    ]);
    if random.once_in(2) {
        fields.insert("methodDetails".to_owned(), Value::Object(object(random, 2)));
    }
    fields
}

fn object(random: &mut Random, depth: usize) -> Map<String, Value> {
    let fields = random.below(5);
    (0..fields)
        .map(|_| (text(random), value(random, depth)))
        .collect()
}

fn value(random: &mut Random, depth: usize) -> Value {
    let deepest = if depth == 0 { 5 } else { 7 };
    match random.below(deepest) {
        0 => Value::Null,
        1 => json!(random.once_in(2)),
        2 => json!(random.integer()),
        // Thirds are not whole, and a whole number has one text in canonical JSON only.
        3 => json!(
            (f64::from(u32::try_from(random.below(1_000_000)).unwrap_or(0)) + 1.0 / 3.0) / 10.0
        ),
        4 => json!(text(random)),
        5 => (0..random.below(4))
            .map(|_| value(random, depth - 1))
            .collect(),
        _ => Value::Object(object(random, depth - 1)),
    }
}

fn text(random: &mut Random) -> String {
    match random.below(4) {
        0 => String::new(),
        1 => random.text(LETTERS, 8),
        _ => random.text(WORD, 12),
    }
}

fn description(random: &mut Random) -> String {
    if random.once_in(4) {
        random.text(LETTERS, 20)
    } else {
        format!("a{}b", random.text(PROSE, 40))
    }
}

fn time(random: &mut Random) -> String {
    let seconds = 1_700_000_000 + random.below(1_000_000_000) as u64;
    Timestamp::from_secs(seconds).to_string()
}

fn maybe<T>(random: &mut Random, make: impl FnOnce(&mut Random) -> T) -> Option<T> {
    random.once_in(2).then(|| make(random))
}

fn checked<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> T {
    text.parse()
        .unwrap_or_else(|error| unreachable!("{text:?} is made to be right: {error}"))
}
