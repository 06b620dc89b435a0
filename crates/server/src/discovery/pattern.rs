//! Path patterns, as routes and as OpenAPI write them.

use farthing_core::bounds;

use super::DiscoveryError;
use crate::layer::unescaped;

/// The pattern of a path: segments that are written out, `{name}` for any one segment, and at the
/// end `{*name}` or `*` for everything below.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Segment>);

/// From least to most general: of two patterns that take one path, the smaller decides.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment {
    Literal(Box<str>),
    Name(Box<str>),
    Rest(Option<Box<str>>),
}

/// How general a segment is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Breadth {
    Literal,
    Name,
    Rest,
}

impl Pattern {
    /// Reads the pattern of a route.
    pub(super) fn parse(text: &str) -> Result<Self, DiscoveryError> {
        let wrong = |reason| DiscoveryError::Pattern {
            pattern: text.into(),
            reason,
        };
        let path = text
            .strip_prefix('/')
            .ok_or_else(|| wrong("it does not begin with a slash"))?;
        if text.len() > bounds::PATH {
            return Err(wrong("it is too long"));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(wrong("it has white space; write %20 for a blank"));
        }
        if text.contains(['?', '#']) {
            return Err(wrong("a query is no part of it"));
        }
        let parts: Vec<&str> = path.split('/').collect();
        let last = parts.len() - 1;
        let mut segments = Vec::with_capacity(parts.len());
        for (at, part) in parts.into_iter().enumerate() {
            let segment = Segment::parse(part).map_err(wrong)?;
            if matches!(segment, Segment::Rest(_)) && at != last {
                return Err(wrong("nothing can follow what takes everything below"));
            }
            segments.push(segment);
        }
        let pattern = Self(segments);
        let names: Vec<_> = pattern.names().collect();
        if (1..names.len()).any(|at| names[..at].contains(&names[at])) {
            return Err(wrong("two of its parameters have one name"));
        }
        Ok(pattern)
    }

    /// Reads a path of an OpenAPI document. A segment with a parameter beside other text is like
    /// one that is written out: no pattern of ours takes just that.
    pub(super) fn template(path: &str) -> Self {
        let segment = |part: &str| match named(part) {
            Some(name) => Segment::Name(name.into()),
            None => Segment::Literal(part.into()),
        };
        Self(path.split('/').skip(1).map(segment).collect())
    }

    /// Whether every path that the other takes is taken by this one.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let mut others = other.0.iter();
        for segment in &self.0 {
            let fits = match (segment, others.next()) {
                (Segment::Rest(_), Some(_)) => return true,
                (Segment::Name(_), Some(Segment::Name(_))) => true,
                (Segment::Name(_), Some(Segment::Literal(text))) => !text.is_empty(),
                (Segment::Literal(one), Some(Segment::Literal(other))) => {
                    one == other || is_the_same_unescaped(one, other)
                }
                _ => false,
            };
            if !fits {
                return false;
            }
        }
        others.next().is_none()
    }

    /// What decides between patterns that take one path: the smaller does.
    pub(super) fn breadth(&self) -> impl Iterator<Item = Breadth> {
        self.0.iter().map(Segment::breadth)
    }

    /// The path without the names of its parameters. OpenAPI takes two paths that differ only in
    /// those for the same.
    pub(super) fn shape(&self) -> String {
        let segment = |segment: &Segment| match segment {
            Segment::Literal(text) => text.to_string(),
            Segment::Name(_) | Segment::Rest(_) => "{}".to_owned(),
        };
        joined(self.0.iter().map(segment))
    }

    /// What makes two patterns one.
    pub(super) fn identity(&self) -> String {
        let segment = |segment: &Segment| match segment {
            Segment::Literal(text) => unescaped(text),
            Segment::Name(_) => "{}".to_owned(),
            Segment::Rest(_) => "{*}".to_owned(),
        };
        joined(self.0.iter().map(segment))
    }

    /// The path as OpenAPI writes it. There is no word for everything below, so that becomes a
    /// parameter.
    pub(super) fn to_template(&self) -> String {
        let segment = |segment: &Segment| match segment {
            Segment::Literal(text) => text.replace('{', "%7B").replace('}', "%7D"),
            Segment::Name(name) => format!("{{{name}}}"),
            Segment::Rest(name) => format!("{{{}}}", self.rest_name(name.as_deref())),
        };
        joined(self.0.iter().map(segment))
    }

    /// The path as the router behind writes it.
    #[cfg(feature = "axum")]
    pub(super) fn to_route(&self) -> String {
        let segment = |segment: &Segment| match segment {
            Segment::Literal(text) => text.replace('{', "{{").replace('}', "}}"),
            Segment::Name(name) => format!("{{{name}}}"),
            Segment::Rest(name) => format!("{{*{}}}", self.rest_name(name.as_deref())),
        };
        joined(self.0.iter().map(segment))
    }

    /// The path if it is one path and no pattern.
    pub(super) fn literal(&self) -> Option<String> {
        let all = self.breadth().all(|breadth| breadth == Breadth::Literal);
        all.then(|| self.shape())
    }

    /// One level below what takes everything, where the level itself is another route's.
    pub(super) fn one_below(&self) -> Option<Self> {
        let (Segment::Rest(name), before) = self.0.split_last()? else {
            return None;
        };
        let mut segments = before.to_vec();
        segments.push(Segment::Name(self.free_name("level").into()));
        segments.push(Segment::Rest(name.clone()));
        Some(Self(segments))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|segment| match segment {
            Segment::Name(name) | Segment::Rest(Some(name)) => Some(&**name),
            _ => None,
        })
    }

    fn rest_name(&self, given: Option<&str>) -> String {
        if let Some(name) = given {
            return name.to_owned();
        }
        self.free_name("path")
    }

    /// A name that no parameter has yet.
    fn free_name(&self, word: &str) -> String {
        let taken = |name: &str| self.names().any(|other| other == name);
        let numbered = (2..).map(|number| format!("{word}{number}"));
        std::iter::once(word.to_owned())
            .chain(numbered)
            .find(|name| !taken(name))
            .expect("there are more numbers than parameters")
    }
}

impl Segment {
    fn parse(part: &str) -> Result<Self, &'static str> {
        if part == "*" {
            return Ok(Self::Rest(None));
        }
        if let Some(name) = named(part) {
            return match name.strip_prefix('*') {
                Some("") => Err("a parameter has no name"),
                Some(name) => Ok(Self::Rest(Some(name.into()))),
                None => Ok(Self::Name(name.into())),
            };
        }
        let literal = part.replace("{{", "\u{1}").replace("}}", "\u{2}");
        if literal.contains(['{', '}']) {
            return Err("a parameter is a whole segment, like {name}");
        }
        if literal.starts_with(['*', ':']) {
            return Err("a parameter is written {name}, and everything below {*name}");
        }
        let literal = literal.replace('\u{1}', "{").replace('\u{2}', "}");
        Ok(Self::Literal(literal.into()))
    }

    const fn breadth(&self) -> Breadth {
        match self {
            Self::Literal(_) => Breadth::Literal,
            Self::Name(_) => Breadth::Name,
            Self::Rest(_) => Breadth::Rest,
        }
    }
}

fn is_the_same_unescaped(one: &str, other: &str) -> bool {
    let escaped = one.contains('%') || other.contains('%');
    escaped && unescaped(one) == unescaped(other)
}

/// The parameters of an OpenAPI path, from left to right.
pub(super) fn parameters(template: &str) -> impl Iterator<Item = &str> {
    template.split('/').filter_map(named)
}

fn named(part: &str) -> Option<&str> {
    let name = part.strip_prefix('{')?.strip_suffix('}')?;
    (!name.is_empty() && !name.contains(['{', '}'])).then_some(name)
}

fn joined(segments: impl Iterator<Item = String>) -> String {
    segments.fold(String::new(), |path, segment| path + "/" + &segment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_written_as_openapi_and_as_a_router_want_it() {
        let check = |text: &str, template: &str, route: &str| {
            let pattern = Pattern::parse(text).unwrap();
            assert_eq!(pattern.to_template(), template, "{text}");
            #[cfg(feature = "axum")]
            assert_eq!(pattern.to_route(), route, "{text}");
            let _ = route;
        };
        check("/", "/", "/");
        check("/a/b/", "/a/b/", "/a/b/");
        check("/a/{id}/b", "/a/{id}/b", "/a/{id}/b");
        check("/a/*", "/a/{path}", "/a/{*path}");
        check("/{path}/*", "/{path}/{path2}", "/{path}/{*path2}");
        check("/a/{*file}", "/a/{file}", "/a/{*file}");
        check("/a/{{b}}", "/a/%7Bb%7D", "/a/{{b}}");
    }

    #[test]
    fn what_is_no_pattern_is_told_why() {
        let check = |text: &str, expect: &str| {
            let Err(DiscoveryError::Pattern { reason, .. }) = Pattern::parse(text) else {
                panic!("{text} is taken")
            };
            assert_eq!(reason, expect, "{text}");
        };
        check("", "it does not begin with a slash");
        check("a", "it does not begin with a slash");
        check(&format!("/{}", "a".repeat(1024)), "it is too long");
        check("/a b", "it has white space; write %20 for a blank");
        check("/a?b", "a query is no part of it");
        check("/*/a", "nothing can follow what takes everything below");
        check("/{*a}/b", "nothing can follow what takes everything below");
        check("/{a}/{a}", "two of its parameters have one name");
        check("/{a}.json", "a parameter is a whole segment, like {name}");
        check("/{}", "a parameter is a whole segment, like {name}");
        check("/{*}", "a parameter has no name");
        check(
            "/:id",
            "a parameter is written {name}, and everything below {*name}",
        );
        check(
            "/a/**",
            "a parameter is written {name}, and everything below {*name}",
        );
    }

    #[test]
    fn covers_what_it_takes_and_nothing_else() {
        let check = |route: &str, template: &str, expect: bool| {
            let covers = Pattern::parse(route)
                .unwrap()
                .covers(&Pattern::template(template));
            assert_eq!(covers, expect, "{route} and {template}");
        };
        for (route, template) in [
            ("/a", "/a"),
            ("/a/{x}", "/a/b"),
            ("/a/{x}", "/a/{y}"),
            ("/a/{x}", "/a/{y}.json"),
            ("/a/*", "/a/{y}"),
            ("/a/*", "/a/b/c/{d}"),
            ("/a/*", "/a/"),
            ("/*", "/"),
            ("/%C3%A9t%C3%A9", "/été"),
        ] {
            check(route, template, true);
        }
        for (route, template) in [
            ("/a", "/a/"),
            ("/a/", "/a"),
            ("/a/b", "/a/{x}"),
            ("/a/{x}", "/a"),
            ("/a/{x}", "/a/"),
            ("/a/{x}", "/a/b/c"),
            ("/a/*", "/a"),
            ("/a/*", "/{x}/b"),
        ] {
            check(route, template, false);
        }
    }

    #[test]
    fn what_takes_everything_can_begin_a_level_below() {
        let of = |text: &str| Pattern::parse(text).unwrap();
        let below = of("/{level}/*").one_below().unwrap();
        assert_eq!(below.to_template(), "/{level}/{level2}/{path}");
        let below = below.one_below().unwrap();
        assert_eq!(below.to_template(), "/{level}/{level2}/{level3}/{path}");
        assert_eq!(of("/a/{b}").one_below(), None);
    }

    #[test]
    fn the_most_specific_is_the_smallest() {
        let of = |text: &str| Pattern::parse(text).unwrap();
        for (narrow, wide) in [
            ("/a/b", "/a/{x}"),
            ("/a/{x}", "/a/*"),
            ("/a/{x}/*", "/{y}/b/c"),
        ] {
            assert!(
                of(narrow).breadth().lt(of(wide).breadth()),
                "{narrow} {wide}"
            );
        }
    }
}
