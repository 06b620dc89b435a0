//! Every mistake we could think of, and what is said about it: `config/NAME.toml` and, letter by
//! letter, `config/NAME.txt`.
//!
//! To accept a change, run with `UPDATE_GOLDEN=1` and read the difference.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "these are the helpers of tests")]

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use farthing::tempo::{Mode, Modes, Network};
use farthing_gateway::config::{
    About, Config, Docs, Finding, OpenApi, RulePrice, SecretFrom, Store, Trust,
};
use tempfile::TempDir;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config")
}

/// A folder with the files that configurations refer to.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        for entry in fs::read_dir(folder().join("files")).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let mode = if name.starts_with("exposed") {
                0o644
            } else {
                0o600
            };
            let copy = desk.path(name);
            fs::copy(&path, &copy).unwrap();
            fs::set_permissions(&copy, fs::Permissions::from_mode(mode)).unwrap();
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, bytes: impl AsRef<[u8]>) -> Result<Config, Vec<Finding>> {
        let file = self.path("farthing.toml");
        fs::write(&file, bytes).unwrap();
        Config::read(&file)
    }

    /// What is said, with the folder taken out.
    fn screen(&self, findings: &[Finding]) -> String {
        let told: Vec<_> = findings.iter().map(Finding::to_string).collect();
        let folder = self.0.path().to_str().unwrap();
        told.join("\n\n")
            .replace(&format!("{folder}/"), "")
            .replace(folder, "DIR")
            + "\n"
    }
}

fn check(name: &str, got: &str) {
    let path = folder().join(name).with_extension("txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, got).unwrap();
    }
    let expect = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(got, expect, "{name} differs; see the head of this file");
}

fn documents() -> Vec<(String, String)> {
    let files = fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut documents: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|it| it == "toml"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    documents.sort();
    documents
}

#[test]
fn every_mistake_is_told_with_its_place_and_what_would_be_right() {
    let desk = Desk::new();
    let mut mistakes = 0;
    for (name, text) in documents() {
        if name.starts_with("good") {
            continue;
        }
        mistakes += 1;
        let findings = desk.read(&text).expect_err(&name);
        let screen = desk.screen(&findings);
        check(&name, &screen);
        assert!(
            !screen.contains("sk_live_51") && !screen.contains("hunter2"),
            "{name}: {screen}"
        );
        assert!(
            screen.lines().all(|line| line.chars().count() <= 160),
            "{screen}"
        );
    }
    assert!(mistakes >= 60, "{mistakes}");
}

#[test]
fn what_is_no_file_of_text() {
    let desk = Desk::new();
    let mut told = String::new();
    let mut tell = |result: Result<Config, Vec<Finding>>| {
        told += &desk.screen(&result.unwrap_err());
    };
    tell(Config::read(&desk.path("no-such.toml")));
    tell(Config::read(desk.0.path()));
    tell(desk.read(""));
    tell(desk.read("\u{feff} \n"));
    tell(desk.read(b"site = \"\xff\"\n"));
    tell(desk.read(b"\xff\xfes\0i\0t\0e\0"));
    tell(desk.read("#".repeat(1024 * 1024 + 1)));
    check("no-text", &told);
}

#[test]
fn a_mark_at_the_front_and_line_ends_of_windows_are_no_mistakes() {
    let desk = Desk::new();
    let least = fs::read_to_string(folder().join("good-least.toml")).unwrap();
    let plain = desk.read(&least).unwrap();
    assert_eq!(desk.read(format!("\u{feff}{least}")).unwrap(), plain);
    assert_eq!(desk.read(least.replace('\n', "\r\n")).unwrap(), plain);
}

#[test]
fn a_thousand_mistakes_are_told_a_hundred_at_a_time() {
    let desk = Desk::new();
    let keys: String = (0..1000).map(|n| format!("colour{n} = {n}\n")).collect();
    let findings = desk.read(keys).unwrap_err();
    // The hundred, what is missing, and that there are more.
    assert_eq!(findings.len(), 100 + 3 + 1);
    let last = findings.last().unwrap();
    assert_eq!(last.what, "and 900 more mistakes");
}

#[test]
fn the_least_file_means_what_it_leaves_out() {
    let desk = Desk::new();
    let text = fs::read_to_string(folder().join("good-rules.toml")).unwrap();
    let config = desk.read(text).unwrap();
    assert_eq!(config.site.as_str(), "api.example.com");
    assert_eq!(config.listen.address.to_string(), "127.0.0.1:8402");
    assert_eq!(config.listen.trust, Trust::Loopback);
    assert_eq!(config.store, Store::Sqlite(desk.path("farthing.db")));
    assert!(config.admin.is_none() && config.pay.secret.is_none() && config.about.discovery);
    let rules: Vec<_> = config
        .rules
        .iter()
        .map(|rule| (rule.line, rule.key.to_string()))
        .collect();
    let expect = [
        (6, "GET /v1/weather/*"),
        (7, "GET /health"),
        (8, "POST /render"),
        (9, "POST /rpc"),
    ];
    assert_eq!(rules, expect.map(|(line, key)| (line, key.to_owned())));
    assert_eq!(config.rules[1].price, RulePrice::Free);
    assert_eq!(config.rules[2].redeliver.unwrap().as_secs(), 15 * 60);
    assert_eq!(config.rules[3].served.not_json[0].as_str(), "$.error");
}

#[test]
fn the_whole_file_means_what_it_says() {
    let desk = Desk::new();
    let text = fs::read_to_string(folder().join("good-everything.toml")).unwrap();
    let config = desk.read(text).unwrap();
    let Trust::BehindTls(proxies) = &config.listen.trust else {
        panic!("{:?}", config.listen);
    };
    assert_eq!(proxies.len(), 3);
    assert_eq!(
        config.pay.secret,
        Some(SecretFrom::File(desk.path("secret")))
    );
    let upstream = &config.upstream;
    assert_eq!(upstream.base.as_ref().unwrap().as_str(), "/base");
    assert_eq!(upstream.connect.as_millis(), 500);
    assert!(upstream.http2 && upstream.keep_host && upstream.ca.is_some());
    let key = upstream
        .inject
        .iter()
        .find(|it| it.name == "x-api-key")
        .unwrap();
    assert!(key.value.to_str().unwrap().starts_with("Key Bwc"));
    assert!(key.value.is_sensitive() && !format!("{config:?}").contains("Bwc"));
    assert_eq!(
        (config.limits.body, config.limits.total.get()),
        (1 << 20, 1000)
    );
    let mut docs = Docs::default();
    docs.reference = Some("https://docs.example.com/api".into());
    docs.homepage = Some("https://example.com".into());
    docs.llms = Some("https://example.com/llms.txt".into());
    let mut about = About::default();
    about.title = Some("Weather".into());
    about.version = Some("1.0.0".into());
    about.description = Some("What the sky does.".into());
    about.categories = vec!["weather".into(), "data".into()];
    about.docs = docs;
    about.openapi = Some(OpenApi::Upstream("/openapi.json".parse().unwrap()));
    assert_eq!(config.about, about);
    let sources = ["farthing.toml", "cert.pem", "secret"].map(|name| desk.path(name));
    assert_eq!(config.sources, sources);
    // Another service gets the times, and none of the secrets.
    let other = config.rules[3].upstream.as_ref().unwrap();
    assert_eq!(other.authority, "127.0.0.1:4000");
    assert_eq!(other.first_byte, upstream.first_byte);
    assert!(other.inject.is_empty() && other.ca.is_none());
    // The same service with another time keeps everything else.
    let slow = config.rules[4].upstream.as_ref().unwrap();
    assert_eq!(
        (&slow.inject, &slow.authority),
        (&upstream.inject, &upstream.authority)
    );
    assert_eq!(slow.first_byte.as_secs(), 300);
}

#[test]
fn what_is_said_of_a_chain_means_what_it_says() {
    let desk = Desk::new();
    let text = fs::read_to_string(folder().join("good-tempo-least.toml")).unwrap();
    let least = desk.read(text).unwrap();
    let tempo = least.pay.tempo.as_ref().unwrap();
    assert!(least.pay.ledger.is_none() && tempo.sponsor.is_none() && !tempo.proof_v2);
    assert_eq!(tempo.network, Network::moderato());
    assert_eq!((tempo.modes, tempo.tokens.len()), (Modes::Both, 1));
    let hosts: Vec<_> = tempo.hosts().collect();
    assert_eq!(hosts, ["https://rpc.moderato.tempo.xyz"]);

    let text = fs::read_to_string(folder().join("good-tempo-everything.toml")).unwrap();
    let config = desk.read(text).unwrap();
    let tempo = config.pay.tempo.as_ref().unwrap();
    assert_eq!(
        (tempo.network.name(), tempo.network.chain().get()),
        ("dev", 1337)
    );
    let node = tempo.network.node();
    assert_eq!(
        (node.endpoints.len(), node.block_time.as_millis()),
        (2, 500)
    );
    assert_eq!(tempo.sockets[0].as_str(), "ws://127.0.0.1:8545/");
    assert_eq!(tempo.modes, Modes::Only(Mode::Pull));
    let symbols: Vec<_> = tempo.tokens.iter().map(|it| it.symbol.as_str()).collect();
    assert_eq!(symbols, ["pathUSD", "AlphaUSD", "OwnUSD"]);
    let sponsor = tempo.sponsor.as_ref().unwrap();
    assert_eq!(sponsor.fee_tokens[0].symbol.as_str(), "BetaUSD");
    let bounds = (
        sponsor.max_fee.units(),
        sponsor.in_flight.get(),
        sponsor.in_total.units(),
    );
    assert_eq!(bounds, (20_000, 20, 200_000));
    let shares = &config.rules[1].splits;
    assert_eq!(shares.len(), 2);
    assert_eq!(shares[1].amount.to_string(), "$0.002");
    assert!(shares[1].memo.unwrap().ends_with(&[0xde, 0xad, 0xbe, 0xef]));
    assert!(config.rules[2].memo.is_some());
    assert_eq!(
        config.rules[3]
            .credit
            .as_ref()
            .unwrap()
            .in_total
            .to_string(),
        "$20"
    );
    let sources = ["farthing.toml", "rpc-url", "sponsor-key"].map(|name| desk.path(name));
    assert_eq!(config.sources, sources);
    // Neither the key in the URL nor that of the sponsor is shown.
    let shown = format!("{config:?}");
    assert!(
        !shown.contains("hunter2") && !shown.contains("59c6995e"),
        "{shown}"
    );
    // Another key, or another URL, is another configuration.
    for (name, content) in [
        (
            "sponsor-key",
            "0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
        ),
        ("rpc-url", "https://rpc.example.com/v2/another"),
    ] {
        fs::write(desk.path(name), content).unwrap();
        assert_ne!(
            Config::read(&desk.path("farthing.toml")).unwrap().pay,
            config.pay,
            "{name}"
        );
    }
}

#[test]
fn the_manual_shows_files_that_can_be_read() {
    let desk = Desk::new();
    let manuals = [
        include_str!("../../../docs/gateway.md"),
        include_str!("../../../docs/tempo.md"),
    ];
    let least = fs::read_to_string(folder().join("good-least.toml")).unwrap();
    let blocks: Vec<_> = manuals
        .iter()
        .flat_map(|manual| manual.split("```toml\n").skip(1))
        .collect();
    assert!(blocks.len() >= 4);
    for block in blocks {
        let block = block.split("```").next().unwrap();
        let text = match block.contains("site") {
            true => block.to_owned(),
            false => format!("{least}\n{block}"),
        };
        let findings = desk.read(&text).err().unwrap_or_default();
        // The secrets of the manual are nowhere.
        let wrong = findings.into_iter().filter(|finding| {
            !finding.what.contains("the environment has no") && !finding.what.contains("token")
        });
        let wrong: Vec<_> = wrong.collect();
        assert!(wrong.is_empty(), "{}", desk.screen(&wrong));
    }
}

#[test]
fn the_manual_has_every_key() {
    let manual = concat!(
        include_str!("../../../docs/gateway.md"),
        include_str!("../../../docs/tempo.md")
    );
    let everything = ["good-everything", "good-tempo-everything", "good-sessions"]
        .map(|name| fs::read_to_string(folder().join(name).with_extension("toml")).unwrap())
        .join("\n");
    let keys = everything.lines().filter_map(|line| {
        let (key, _) = line.split_once(" = ")?;
        (!key.contains(['"', '-'])).then_some(key)
    });
    for key in keys {
        assert!(
            manual.contains(&format!("`{key}`")) || manual.contains(&format!(" {key}`")),
            "{key}"
        );
    }
    let usual = farthing_gateway::config::Limits::default();
    for number in [usual.per_peer, usual.peer_burst, usual.total] {
        assert!(manual.contains(&number.to_string()), "{number}");
    }
    assert_eq!(
        (usual.head, usual.body, usual.connections),
        (64 << 10, 16 << 20, 10_000)
    );
}

#[test]
fn what_a_file_holds_cannot_move_a_cursor() {
    let desk = Desk::new();
    let least = fs::read_to_string(folder().join("good-least.toml")).unwrap();
    for odd in [
        "GET /a = \"\u{e}\"",
        "\"GET /\\u001b[2J\" = \"\\u001b[2J\"",
        "\"x\\u202ey\" = 1",
    ] {
        let findings = desk.read(format!("{least}\n{odd}\n")).unwrap_err();
        let screen = desk.screen(&findings);
        let moves = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!screen.contains(moves), "{screen:?}");
    }
}
