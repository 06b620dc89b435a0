//! A gateway without a file: one upstream, one price.

use std::{net::SocketAddr, path::PathBuf};

use farthing::{
    core::value::{Price, Realm, TextError},
    ledger::Account,
};

use super::{
    About, Config, LedgerPay, Limits, Listen, Log, Pattern, Pay, Rule, RuleKey, RulePrice,
    ServedWhen, SessionPay, Store, Trust, Verb, read,
};

/// What somebody says on the command line.
#[derive(Clone, Debug)]
pub struct Quick {
    /// The service behind, a URL.
    pub to: String,
    /// What each request costs.
    pub price: Price,
    /// Requests that cost nothing.
    pub free: Vec<RuleKey>,
    /// Where it listens, an address of this machine. With port 0, bind first and give the address
    /// that was taken: it is the realm where `site` is none.
    pub listen: SocketAddr,
    /// The public host. Without one it is the address it listens on.
    pub site: Option<Realm>,
    /// The account of the seller, where the ledger is one way to pay.
    pub account: Option<Account>,
    /// The seller's address and the network it is on, where Tempo is one.
    pub tempo: Option<(String, String)>,
    /// Where payments are kept.
    pub store: PathBuf,
}

/// Why there can be no such gateway.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QuickError {
    /// The URL is none, or is the gateway's own.
    #[error("{what}")]
    To {
        /// What is wrong with it.
        what: String,
        /// What would be right.
        instead: Option<String>,
    },
    /// The price cannot be asked.
    #[error("{what}")]
    Price {
        /// What is wrong with it.
        what: String,
        /// What would be right.
        instead: Option<String>,
    },
    /// Nobody can be paid there.
    #[error("{what}")]
    Tempo {
        /// What is wrong.
        what: String,
        /// What would be right.
        instead: Option<String>,
    },
    /// The address cannot be a realm.
    #[error(transparent)]
    Realm(#[from] TextError),
    /// The public host is none.
    #[error("{what}")]
    Site {
        /// What is wrong with it.
        what: String,
        /// What would be right.
        instead: Option<String>,
    },
    /// Others could reach it over plain HTTP.
    #[error("{0} can be reached by others, and plain HTTP shows them every payment")]
    Open(SocketAddr),
    /// Two rules are the same.
    #[error("`{0}` is free twice, or takes everything that has a price")]
    Shadowed(RuleKey),
}

impl Config {
    /// A gateway without a file.
    ///
    /// # Errors
    /// When the URL or the price cannot be used, when it would listen where others see its
    /// payments, or when a free rule is none.
    pub fn quick(quick: Quick) -> Result<Self, QuickError> {
        if !quick.listen.ip().to_canonical().is_loopback() {
            return Err(QuickError::Open(quick.listen));
        }
        let site = match quick.site {
            Some(site) => read::site(site.as_str())
                .map_err(|read::Said { what, instead }| QuickError::Site { what, instead })?,
            None => Realm::new(quick.listen.to_string())?,
        };
        let to = |read::Said { what, instead }| QuickError::To { what, instead };
        let upstream = read::upstream(&quick.to, &site, quick.listen).map_err(to)?;
        let tempo = |(recipient, network): (String, String)| {
            read::tempo(&recipient, &network)
                .map_err(|read::Said { what, instead }| QuickError::Tempo { what, instead })
        };
        let pay = Pay {
            ledger: quick.account.map(|account| LedgerPay {
                account,
                session: false,
            }),
            tempo: quick.tempo.map(tempo).transpose()?,
            session: SessionPay::default(),
            secret: None,
        };
        read::price(&quick.price.to_string(), &pay)
            .map_err(|read::Said { what, instead }| QuickError::Price { what, instead })?;
        let everything = RuleKey {
            verb: Verb::Any,
            pattern: Pattern { text: "/*".into() },
        };
        let free = quick.free.into_iter().map(|key| (key, RulePrice::Free));
        let rules: Vec<_> = free
            .chain([(everything, RulePrice::Fixed(quick.price))])
            .map(|(key, price)| Rule::new(key, price))
            .collect();
        let keys = rules.iter().map(|rule| (rule.key.clone(), ()));
        if let Err(shadowed) = crate::routes::Table::new(keys) {
            let rule = shadowed.into_iter().next().map(|shadowed| shadowed.by);
            let rule = rule.unwrap_or_else(|| rules[0].key.clone());
            return Err(QuickError::Shadowed(rule));
        }
        Ok(Self {
            site,
            listen: Listen {
                address: quick.listen,
                trust: Trust::Loopback,
            },
            upstream,
            pay,
            store: Store::Sqlite(quick.store),
            limits: Limits::default(),
            admin: None,
            log: Log::default(),
            about: About::default(),
            sources: Vec::new(),
            rules,
        })
    }
}

impl Rule {
    /// A rule of which only the price is said.
    #[must_use]
    pub fn new(key: RuleKey, price: RulePrice) -> Self {
        Self {
            key,
            price,
            session: None,
            settle: None,
            served: ServedWhen::default(),
            retryable: false,
            redeliver: None,
            bind_body: None,
            store_up_to: None,
            hold_up_to: None,
            credit: None,
            splits: Vec::new(),
            memo: None,
            deadline: None,
            description: None,
            upstream: None,
            line: 0,
        }
    }
}
