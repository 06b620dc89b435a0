//! Which rule of which specification something breaks.

use std::fmt;

/// A rule: the document, and the section in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rule(Source, &'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Core,
    Charge,
    Discovery,
    Tempo,
    X402(u8),
    X402Http(u8),
    Rfc(u16),
    Farthing,
}

impl Rule {
    /// Of `draft-httpauth-payment-00`.
    pub(crate) const fn core(section: &'static str) -> Self {
        Self(Source::Core, section)
    }

    /// Of `draft-payment-intent-charge-00`.
    pub(crate) const fn charge(section: &'static str) -> Self {
        Self(Source::Charge, section)
    }

    /// Of `draft-payment-discovery-00`.
    pub(crate) const fn discovery(section: &'static str) -> Self {
        Self(Source::Discovery, section)
    }

    /// Of `draft-tempo-charge-00`, which names its sections here.
    pub(crate) const fn tempo(section: &'static str) -> Self {
        Self(Source::Tempo, section)
    }

    /// Of the x402 specification, by its version.
    pub(crate) const fn x402(version: u8, section: &'static str) -> Self {
        Self(Source::X402(version), section)
    }

    /// Of x402's HTTP transport, by its version; it names its sections and does not count them.
    pub(crate) const fn x402_http(version: u8, section: &'static str) -> Self {
        Self(Source::X402Http(version), section)
    }

    /// Of an RFC.
    pub(crate) const fn rfc(number: u16, section: &'static str) -> Self {
        Self(Source::Rfc(number), section)
    }

    /// Of no specification: what this program asks for besides.
    pub(crate) const fn farthing(topic: &'static str) -> Self {
        Self(Source::Farthing, topic)
    }

    /// The document.
    pub(crate) fn document(self) -> String {
        match self.0 {
            Source::Core => "draft-httpauth-payment-00".into(),
            Source::Charge => "draft-payment-intent-charge-00".into(),
            Source::Discovery => "draft-payment-discovery-00".into(),
            Source::Tempo => "draft-tempo-charge-00".into(),
            Source::X402(version) => format!("x402-specification-v{version}"),
            Source::X402Http(version) => format!("x402 transports-v{version}/http"),
            Source::Rfc(number) => format!("RFC {number}"),
            Source::Farthing => "Farthing".into(),
        }
    }

    /// The section in it.
    pub(crate) const fn section(self) -> &'static str {
        self.1
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Source::X402Http(_) | Source::Tempo => write!(f, "{}, \"{}\"", self.document(), self.1),
            Source::Farthing => write!(f, "{}: {}", self.document(), self.1),
            _ => write!(f, "{}, section {}", self.document(), self.1),
        }
    }
}
