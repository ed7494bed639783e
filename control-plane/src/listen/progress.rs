//! When a connection has had its time. The transport and the requests tell [`Progress`] what happens; it says until when the
//! connection may stay as it is. No clock and no I/O here.
//!
//! hyper has a limit for headers too, but with it a connection that rests between two requests ends as soon as one that dribbles
//! its headers: proxies would lose connections just when they report their usage.

use std::time::Duration;
use std::time::Instant;

/// How long a request's headers may take from their first byte, and the first request from the start of the connection.
pub const HEAD: Duration = Duration::from_secs(10);
/// How long a connection may rest between requests, and how long a client may take nothing of an answer. Longer than Envoy's
/// and most balancers' minute between requests of a busy client; the longest wait of a poll is no rest.
pub const REST: Duration = Duration::from_secs(75);
/// How long a connection without a request is kept when the process stops: a request may be on its way.
pub const LAST_CALL: Duration = Duration::from_secs(1);

/// What happened on a connection so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    opened: Instant,
    /// Requests that are being answered.
    running: u32,
    /// Whether there was a request ever.
    used: bool,
    /// When the first byte since the last request came.
    head: Option<Instant>,
    /// When bytes went or came.
    moved: Instant,
    /// When the last request came or was answered.
    request: Instant,
    /// HTTP/2 has traffic that belongs to no request.
    multiplexed: bool,
}

/// What is to be done with a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It may go on; look again then.
    Wait(Instant),
    /// It rested long enough: it may finish what it does.
    Close,
    /// It is too slow.
    Cut,
}

impl Progress {
    /// A new connection.
    pub fn new(now: Instant, multiplexed: bool) -> Self {
        Self { opened: now, running: 0, used: false, head: None, moved: now, request: now, multiplexed }
    }

    /// Bytes came.
    pub fn read(&mut self, now: Instant) {
        self.moved = now;
        if self.running == 0 && !self.multiplexed {
            self.head.get_or_insert(now);
        }
    }

    /// Bytes went.
    pub fn wrote(&mut self, now: Instant) {
        self.moved = now;
    }

    /// A request came.
    pub fn begin(&mut self, now: Instant) {
        (self.running, self.used, self.head, self.request) = (self.running + 1, true, None, now);
    }

    /// A request has its answer, or was given up.
    pub fn end(&mut self, now: Instant) {
        (self.running, self.request) = (self.running.saturating_sub(1), now);
    }

    /// What to do now. Looks come at least every [`HEAD`], so that headers that begin meanwhile are not given more.
    pub fn verdict(&self, now: Instant) -> Verdict {
        let next = now + HEAD;
        if self.running > 0 {
            return Verdict::Wait(next);
        }
        let head = if self.used { self.head } else { Some(self.opened) };
        if let Some(end) = head.map(|start| start + HEAD) {
            return if now < end { Verdict::Wait(end) } else { Verdict::Cut };
        }
        // Pings of HTTP/2 move bytes for ever.
        let end = if self.multiplexed { self.request } else { self.moved } + REST;
        if now < end { Verdict::Wait(end.min(next)) } else { Verdict::Close }
    }

    /// Whether a connection that was told to close at `told` keeps others waiting for nothing.
    pub fn is_left_over(&self, told: Instant, now: Instant) -> bool {
        self.running == 0 && now >= told.max(self.moved).max(self.request) + LAST_CALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The verdict if nothing more happens: what it is and after how long from `now`.
    fn end(progress: &Progress, mut now: Instant) -> (Verdict, Duration) {
        let start = now;
        for _ in 0..100 {
            match progress.verdict(now) {
                Verdict::Wait(until) => {
                    assert!(until > now && until <= now + HEAD);
                    now = until;
                }
                verdict => return (verdict, now - start),
            }
        }
        (Verdict::Wait(now), now - start)
    }

    #[test]
    fn headers_have_their_time_from_the_first_byte_however_they_dribble() {
        for multiplexed in [false, true] {
            let start = Instant::now();
            let mut progress = Progress::new(start, multiplexed);
            assert_eq!(end(&progress, start), (Verdict::Cut, HEAD), "nothing comes");
            progress.read(start + seconds(9));
            assert_eq!(end(&progress, start + seconds(9)), (Verdict::Cut, seconds(1)), "it dribbles");
        }
        let start = Instant::now();
        let mut progress = Progress::new(start, false);
        progress.begin(start);
        progress.end(start);
        for second in 20..25 {
            progress.read(start + seconds(second));
        }
        assert_eq!(end(&progress, start + seconds(25)), (Verdict::Cut, seconds(5)), "the second request does");
    }

    #[test]
    fn a_poll_may_wait_and_a_connection_may_rest_between_requests() {
        for multiplexed in [false, true] {
            let start = Instant::now();
            let mut progress = Progress::new(start, multiplexed);
            progress.read(start);
            progress.begin(start);
            assert!(matches!(end(&progress, start).0, Verdict::Wait(_)), "a poll is never cut");
            let later = start + seconds(55);
            progress.end(later);
            progress.wrote(later);
            assert_eq!(end(&progress, later), (Verdict::Close, REST));
        }
    }

    #[test]
    fn pings_keep_no_connection() {
        let start = Instant::now();
        let mut progress = Progress::new(start, true);
        progress.begin(start);
        progress.end(start);
        for second in 1..70 {
            progress.read(start + seconds(second));
            progress.wrote(start + seconds(second));
        }
        assert_eq!(end(&progress, start + seconds(70)), (Verdict::Close, seconds(5)));
    }

    #[test]
    fn at_the_end_only_what_runs_or_moves_is_waited_for() {
        let told = Instant::now();
        let mut progress = Progress::new(told, false);
        assert!(!progress.is_left_over(told, told));
        assert!(progress.is_left_over(told, told + LAST_CALL));
        progress.begin(told);
        assert!(!progress.is_left_over(told, told + REST));
        progress.end(told + seconds(5));
        progress.wrote(told + seconds(6));
        assert!(!progress.is_left_over(told, told + seconds(6)));
        assert!(progress.is_left_over(told, told + seconds(6) + LAST_CALL));
    }
}
