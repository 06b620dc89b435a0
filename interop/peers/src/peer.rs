//! A peer: another implementation, in this process or in one of its own.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::{Value, json};

use crate::values::{Kind, Noun};

/// What a peer answers: a value, or the words with which it refuses.
pub type Answer<T> = Result<T, String>;

/// What a comparison asks of an implementation.
pub trait Adapter {
    /// Its name in `docs/interop.md`.
    fn name(&self) -> &'static str;

    /// Reads a header, and answers with the form that [`Noun::form`] gives.
    ///
    /// # Errors
    /// When it refuses.
    fn parse(&mut self, kind: Kind, wire: &[u8]) -> Answer<Value>;

    /// Writes a header.
    ///
    /// # Errors
    /// When it refuses.
    fn format(&mut self, noun: &Noun) -> Answer<Vec<u8>>;

    /// Computes a challenge's id.
    ///
    /// # Errors
    /// When it refuses.
    fn id(&mut self, noun: &Noun, secret: &str) -> Answer<String>;
}

/// A peer in a process of its own: one line of JSON for each question, one for each answer.
///
/// A question is `{"op": "challenge.parse", "wire": HEX}`, `{"op": "challenge.format", "form": {…}}` or
/// `{"op": "challenge.id", "form": {…}, "secret": "…"}`; an answer has `form`, `wire`, `id` or
/// `refused`. The bytes of a header are in hexadecimal, because they need not be text.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Process {
    /// Starts a peer, which lives until this is dropped.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(name: &'static str, program: &mut Command) -> Self {
        let mut child = program
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| unreachable!("{name} was found and does not start: {error}"));
        Self {
            name,
            questions: child.stdin.take().expect("standard input is piped"),
            answers: BufReader::new(child.stdout.take().expect("standard output is piped")),
            child,
        }
    }

    /// Asks, and answers with the field of that name.
    fn ask(&mut self, question: &Value, field: &str) -> Answer<Value> {
        let name = self.name;
        let sent = writeln!(self.questions, "{question}").and_then(|()| self.questions.flush());
        let mut line = String::new();
        let read = self.answers.read_line(&mut line);
        assert!(
            sent.is_ok() && read.is_ok_and(|length| length > 0),
            "{name} ended at {question}"
        );
        let mut answer: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| unreachable!("{name} answered {line:?}: {error}"));
        match answer["refused"].take() {
            Value::String(why) => Err(why),
            _ => Ok(answer[field].take()),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Adapter for Process {
    fn name(&self) -> &'static str {
        self.name
    }

    fn parse(&mut self, kind: Kind, wire: &[u8]) -> Answer<Value> {
        let op = format!("{}.parse", kind.name());
        self.ask(&json!({ "op": op, "wire": hex(wire) }), "form")
    }

    fn format(&mut self, noun: &Noun) -> Answer<Vec<u8>> {
        let op = format!("{}.format", noun.kind().name());
        let wire = self.ask(&json!({ "op": op, "form": noun.form() }), "wire")?;
        let wire = wire.as_str().and_then(unhex);
        Ok(wire.unwrap_or_else(|| unreachable!("{} answers in hexadecimal", self.name)))
    }

    fn id(&mut self, noun: &Noun, secret: &str) -> Answer<String> {
        let question = json!({ "op": "challenge.id", "form": noun.form(), "secret": secret });
        let id = self.ask(&question, "id")?;
        Ok(id.as_str().unwrap_or_default().to_owned())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}
