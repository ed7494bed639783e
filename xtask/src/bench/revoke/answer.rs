//! The end of an HTTP/1.1 answer, found in the bytes that have come so far.
//!
//! No client library: one thread reads thousands of connections here, and what it costs is taken from the server beside it.

use std::ops::Range;

use anyhow::{Context, Result, bail};

/// A complete answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Where its body lies.
    pub body: Range<usize>,
}

impl Answer {
    /// `None`: more has to come. Only answers with a `content-length`, or without a body, are known here.
    pub fn parse(received: &[u8]) -> Result<Option<Self>> {
        let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
        let head = std::str::from_utf8(&received[..end]).context("an answer's head")?;
        let status = head.get(9..12).and_then(|status| status.parse().ok()).context("an answer without a status")?;
        let mut length = 0;
        for (name, value) in head.split("\r\n").filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().context("content-length")?;
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                bail!("an answer in chunks, which is not expected here");
            }
        }
        let body = end + 4..end + 4 + length;
        Ok((received.len() >= body.end).then_some(Self { status, body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_its_last_byte() {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nserver: a\r\n\r\nyes";
        for end in 0..answer.len() {
            assert_eq!(Answer::parse(&answer[..end]).unwrap(), None, "{end}");
        }
        let whole = Answer::parse(answer).unwrap().unwrap();
        assert_eq!((whole.status, &answer[whole.body]), (200, &b"yes"[..]));
        assert!(Answer::parse(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}
