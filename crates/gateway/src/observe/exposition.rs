//! Numbers as Prometheus reads them: the text format, version 0.0.4.

use std::fmt::{Display, Write};

use super::histogram::{BOUNDS, Histogram};

/// The media type of the text.
pub(super) const TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that grows by one family after the other.
#[derive(Debug, Default)]
pub(super) struct Exposition(String);

type Labels<'a> = &'a [(&'a str, &'a str)];

impl Exposition {
    pub(super) fn counter(&mut self, name: &str, help: &str) {
        self.family(name, help, "counter");
    }

    pub(super) fn gauge(&mut self, name: &str, help: &str) {
        self.family(name, help, "gauge");
    }

    pub(super) fn histogram(&mut self, name: &str, help: &str) {
        self.family(name, help, "histogram");
    }

    fn family(&mut self, name: &str, help: &str, kind: &str) {
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    /// One number of the family that was begun.
    pub(super) fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.0.push_str(name);
        self.labels(labels, None);
        self.put(format_args!(" {value}\n"));
    }

    /// A histogram's numbers, in seconds.
    pub(super) fn samples(&mut self, name: &str, labels: Labels<'_>, histogram: &Histogram) {
        let (below, all) = histogram.cumulated();
        for (bound, count) in BOUNDS.iter().zip(below) {
            self.put(format_args!("{name}_bucket"));
            self.labels(labels, Some(&seconds(*bound)));
            self.put(format_args!(" {count}\n"));
        }
        self.put(format_args!("{name}_bucket"));
        self.labels(labels, Some("+Inf"));
        self.put(format_args!(" {all}\n{name}_sum"));
        self.labels(labels, None);
        self.put(format_args!(
            " {}\n{name}_count",
            seconds(histogram.micros())
        ));
        self.labels(labels, None);
        self.put(format_args!(" {all}\n"));
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    fn labels(&mut self, labels: Labels<'_>, bound: Option<&str>) {
        let bound = bound.map(|bound| ("le", bound));
        let mut separator = '{';
        for (name, value) in labels.iter().copied().chain(bound) {
            self.0.push(separator);
            separator = ',';
            self.put(format_args!("{name}=\""));
            self.escaped(value);
            self.0.push('"');
        }
        if separator == ',' {
            self.0.push('}');
        }
    }

    fn escaped(&mut self, value: &str) {
        for c in value.chars() {
            match c {
                '\\' => self.0.push_str("\\\\"),
                '"' => self.0.push_str("\\\""),
                '\n' => self.0.push_str("\\n"),
                c => self.0.push(c),
            }
        }
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // A text in memory takes what it is given.
        let _ = self.0.write_fmt(text);
    }
}

/// Microseconds as seconds, exactly.
fn seconds(micros: u64) -> String {
    let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_counter_with_labels_that_need_escaping() {
        let mut text = Exposition::default();
        text.counter("a_total", "What it counts.");
        text.sample("a_total", &[("route", "GET /\"\\\n")], 3);
        text.sample("a_total", &[], 4);
        assert_eq!(
            text.into_text(),
            "# HELP a_total What it counts.\n# TYPE a_total counter\n\
             a_total{route=\"GET /\\\"\\\\\\n\"} 3\na_total 4\n"
        );
    }

    #[test]
    fn a_histogram_ends_with_infinity_sum_and_count() {
        let histogram = Histogram::default();
        histogram.take(Duration::from_millis(3));
        histogram.take(Duration::from_secs(100));
        let mut text = Exposition::default();
        text.samples("t", &[("r", "x")], &histogram);
        let text = text.into_text();
        assert!(
            text.starts_with("t_bucket{r=\"x\",le=\"0.0005\"} 0\n"),
            "{text}"
        );
        assert!(
            text.contains("t_bucket{r=\"x\",le=\"0.005\"} 1\n"),
            "{text}"
        );
        assert!(text.contains("t_bucket{r=\"x\",le=\"30\"} 1\n"), "{text}");
        assert!(
            text.ends_with(
                "t_bucket{r=\"x\",le=\"+Inf\"} 2\nt_sum{r=\"x\"} 100.003\nt_count{r=\"x\"} 2\n"
            ),
            "{text}"
        );
    }
}
