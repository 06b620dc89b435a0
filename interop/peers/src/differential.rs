//! The same nouns and headers, handed to two implementations.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

use crate::{
    mutate, ours,
    peer::{Adapter, Answer},
    random::Random,
    values::{Kind, Noun},
};

/// The secret under which challenge ids are computed.
const SECRET: &str = "a secret that both sides know, of more than 32 bytes";

/// Headers that are tampered with, for each noun.
const TAMPERED: usize = 4;

/// A comparison to be made.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    /// Where the random nouns come from.
    pub seed: u64,
    /// How many nouns of each kind.
    pub cases: usize,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub struct Report {
    /// Questions that were put to both.
    pub asked: usize,
    /// Readings in which both agreed on every value.
    pub agreed: usize,
    /// Headers that both refused.
    pub refused: usize,
    /// The disagreements, by what they have in common.
    pub disagreements: BTreeMap<Class, Seen>,
}

/// What disagreements have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// The noun, and where its header came from.
    pub of: String,
    /// Who refuses and how, or what they read differently.
    pub what: String,
}

/// The disagreements of a class.
#[derive(Debug, Default)]
pub struct Seen {
    /// How many.
    pub times: usize,
    /// The shortest of them.
    pub example: String,
}

/// Where a header came from.
#[derive(Clone, Copy)]
enum From {
    Us,
    Them,
    Tampering,
}

impl From {
    const fn words(self) -> &'static str {
        match self {
            Self::Us => "as we write it",
            Self::Them => "as they write it",
            Self::Tampering => "tampered with",
        }
    }
}

impl Run {
    /// The run that is made unless `FARTHING_SEED` names another seed.
    ///
    /// # Panics
    /// When the variable is no number.
    #[must_use]
    pub fn usual(cases: usize) -> Self {
        let seed = std::env::var("FARTHING_SEED").ok();
        let seed = seed.map(|text| text.parse().expect("FARTHING_SEED is a number"));
        Self {
            seed: seed.unwrap_or(402),
            cases,
        }
    }

    /// Makes it.
    pub fn against(self, peer: &mut dyn Adapter) -> Report {
        let mut random = Random::new(self.seed);
        let mut report = Report::default();
        for _ in 0..self.cases {
            for kind in Kind::ALL {
                let noun = kind.random(&mut random);
                report.noun(&noun, peer, &mut random);
            }
        }
        report
    }
}

impl Report {
    /// Everything that is asked about one noun.
    fn noun(&mut self, noun: &Noun, peer: &mut dyn Adapter, random: &mut Random) {
        let kind = noun.kind();
        let wire = ours::format(noun);
        let form = noun.form();
        self.compare(
            kind,
            From::Us,
            &wire,
            Ok(form.clone()),
            peer.parse(kind, &wire),
        );
        let mut written = vec![wire];
        match peer.format(noun) {
            Ok(theirs) => {
                let read = ours::parse(kind, &theirs).map(|noun| noun.form());
                self.compare(kind, From::Them, &theirs, read, Ok(form));
                written.push(theirs);
            }
            Err(why) => {
                let what = format!("they do not write it: {}", general(&why));
                self.found(kind, From::Them, what, form.to_string());
            }
        }
        if let Some(id) = ours::id(noun, SECRET) {
            self.asked += 1;
            match peer.id(noun, SECRET) {
                Ok(theirs) if theirs == id => self.agreed += 1,
                other => {
                    let example = format!("{other:?} {id}");
                    self.found(kind, From::Us, "another id".to_owned(), example);
                }
            }
        }
        for _ in 0..TAMPERED {
            let wire = mutate::mutate(kind, random.pick(&written).clone(), random);
            let ours = ours::parse(kind, &wire).map(|noun| noun.form());
            let theirs = peer.parse(kind, &wire);
            self.compare(kind, From::Tampering, &wire, ours, theirs);
        }
    }

    fn compare(
        &mut self,
        kind: Kind,
        from: From,
        wire: &[u8],
        ours: Answer<Value>,
        theirs: Answer<Value>,
    ) {
        self.asked += 1;
        let what = match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) => match differs(ours, theirs) {
                None => {
                    self.agreed += 1;
                    return;
                }
                Some(path) => format!("{path} is read differently"),
            },
            (Err(_), Err(_)) => {
                self.refused += 1;
                return;
            }
            (Err(why), Ok(_)) => format!("we refuse: {}", general(why)),
            (Ok(_), Err(why)) => format!("they refuse: {}", general(why)),
        };
        let wire = String::from_utf8_lossy(wire);
        let short = |answer: &Answer<Value>| match answer {
            Ok(form) => form.to_string(),
            Err(why) => why.clone(),
        };
        let example = format!(
            "{wire}\n      we: {}\n    they: {}",
            short(&ours),
            short(&theirs)
        );
        self.found(kind, from, what, example);
    }

    fn found(&mut self, kind: Kind, from: From, what: String, example: String) {
        let of = format!("{}, {}", kind.name(), from.words());
        let seen = self.disagreements.entry(Class { of, what }).or_default();
        seen.times += 1;
        if seen.example.is_empty() || example.len() < seen.example.len() {
            seen.example = example;
        }
    }

    /// What came of it, in a line.
    #[must_use]
    pub fn summary(&self, seed: u64) -> String {
        let kinds = self.disagreements.len();
        format!(
            "seed {seed}: {} questions, {} agreed, {} refused by both, {kinds} kinds of disagreement",
            self.asked, self.agreed, self.refused
        )
    }

    /// The disagreements of these classes, for a person.
    #[must_use]
    pub fn tell<'a>(&self, classes: impl IntoIterator<Item = &'a Class>) -> String {
        let mut told = String::new();
        for class in classes {
            let Some(Seen { times, example }) = self.disagreements.get(class) else {
                continue;
            };
            let _ = writeln!(
                told,
                "  {}: `{}`, {times} times, such as",
                class.of, class.what
            );
            let _ = writeln!(told, "    {example}");
        }
        told
    }
}

/// The first place where two forms differ, named no deeper than the fields of the wire.
fn differs(ours: &Value, theirs: &Value) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let (Some(one), Some(other)) = (ours.as_object(), theirs.as_object()) else {
        return Some("it".to_owned());
    };
    let names = one.keys().chain(other.keys());
    let different = |name: &&String| one.get(*name) != other.get(*name);
    let name = names.into_iter().find(different)?;
    if name == "challenge" {
        let inside = differs(&one[name], other.get(name)?);
        return Some(inside.unwrap_or_else(|| name.clone()));
    }
    const FIELDS: [&str; 16] = [
        "id",
        "realm",
        "method",
        "intent",
        "request",
        "expires",
        "description",
        "digest",
        "opaque",
        "header",
        "payload",
        "source",
        "status",
        "timestamp",
        "reference",
        "externalId",
    ];
    let known = FIELDS.contains(&name.as_str());
    Some(if known {
        name.clone()
    } else {
        "another field".to_owned()
    })
}

/// What a refusal has in common with others of its kind: without numbers and without what is
/// quoted in it.
fn general(why: &str) -> String {
    let mut general = String::new();
    let mut until = None;
    for c in why.chars().take(160) {
        let word = general.ends_with(char::is_alphanumeric);
        match (until, c) {
            (Some(end), c) if c == end => until = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') if !word => {
                until = Some(c);
                general.push_str("such");
            }
            (None, '|') => {}
            (None, c) if c.is_ascii_digit() => {
                if !general.ends_with('N') {
                    general.push('N');
                }
            }
            (None, c) => general.push(c),
        }
    }
    general
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::ours::Ours;

    #[test]
    fn classes_hold_nothing_of_one_case() {
        let general = general("Invalid id: 'a|b' at 17, not `x`");
        assert_eq!(general, "Invalid id: such at N, not such");
    }

    #[test]
    fn a_difference_is_named_by_its_field() {
        let one = json!({"challenge": {"id": "a", "request": {"x": 1}}, "payload": {}});
        assert_eq!(differs(&one, &one), None);
        let mut other = one.clone();
        other["challenge"]["request"]["x"] = json!(2);
        assert_eq!(differs(&one, &other).as_deref(), Some("request"));
        assert_eq!(differs(&one, &json!(1)).as_deref(), Some("it"));
    }

    /// A peer with a fault of its own.
    struct Faulty;

    impl Adapter for Faulty {
        fn name(&self) -> &'static str {
            "faulty"
        }

        fn parse(&mut self, kind: Kind, wire: &[u8]) -> Answer<Value> {
            let mut form = Ours.parse(kind, wire)?;
            if form["method"]
                .as_str()
                .is_some_and(|method| method.starts_with('q'))
            {
                form["method"] = json!("another");
            }
            Ok(form)
        }

        fn format(&mut self, noun: &Noun) -> Answer<Vec<u8>> {
            Ours.format(noun)
        }

        fn id(&mut self, _: &Noun, _: &str) -> Answer<String> {
            Err("none".to_owned())
        }
    }

    #[test]
    fn what_a_peer_does_otherwise_is_found() {
        let report = Run {
            seed: 7,
            cases: 200,
        }
        .against(&mut Faulty);
        let found: Vec<String> = report
            .disagreements
            .into_keys()
            .map(|class| class.what)
            .collect();
        assert!(
            found.contains(&"method is read differently".to_owned()),
            "{found:?}"
        );
        assert!(found.contains(&"another id".to_owned()), "{found:?}");
    }
}
