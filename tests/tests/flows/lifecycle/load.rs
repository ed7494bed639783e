//! Callers that never stop: with a key that must be accepted, with one that must not, and with none.

use super::super::fixture::PATH;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use xtask::stack::Client;

/// A well-formed key that was never issued.
const UNKNOWN: &str = "uk_live_nobodynobodynobodynobodynobody12";

/// Callers at work.
pub struct Load {
    stop: Arc<AtomicBool>,
    served: Arc<AtomicUsize>,
    cut: Arc<AtomicUsize>,
    callers: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Starts them. `allowed` is what a valid key may get; without one, only a refusal of the filter's is right.
    pub fn start(port: u16, secret: &SecretString, allowed: &'static [u16], refused: &'static [u16]) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (served, cut) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let credentials = [Some(secret.clone()), Some(secret.clone()), Some(UNKNOWN.to_owned().into()), None];
        let callers = credentials.into_iter().enumerate().map(|(number, credential)| {
            let (stop, served, cut) = (Arc::clone(&stop), Arc::clone(&served), Arc::clone(&cut));
            let right = if number < 2 { allowed } else { refused };
            std::thread::spawn(move || {
                let client = Client::new(port);
                let mut wrong = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let header = credential.as_ref().map(|secret| ("x-api-key", secret.expose_secret()));
                    match client.get(PATH, header.as_slice()) {
                        Ok(answer) if right.contains(&answer.status) => {
                            served.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(answer) => wrong.push(format!("caller {number} got {}: {}", answer.status, answer.text())),
                        // A connection that Envoy ends with its drained listener; callers try again.
                        Err(_) => {
                            cut.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                }
                wrong
            })
        });
        Self { callers: callers.collect(), stop, served, cut }
    }

    /// Stops them. All answers must have been right, and nearly every request must have got one. Gives how many did.
    pub fn stop(self) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let wrong: Vec<_> = self.callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
        let (served, cut) = (self.served.load(Ordering::Relaxed), self.cut.load(Ordering::Relaxed));
        let shown = &wrong[..wrong.len().min(5)];
        assert!(wrong.is_empty(), "{served} were right, but {} were not: {shown:?}", wrong.len());
        assert!(served > 100 && cut <= served / 100, "{served} answered, {cut} cut off");
        served
    }
}
