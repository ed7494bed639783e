//! Cold caches: what a request pays when others ran on its core since the last one.
//!
//! A benchmark that sends one request after the other keeps Envoy and the filter in the core's own caches, which few proxies
//! enjoy that also do something else. So figures are taken a second time with this thread on Envoy's core, which reads more
//! memory than these caches hold before each request. Both are extremes; a proxy in use lies between.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::cores;

/// The line of a cache, in bytes.
const LINE: usize = 64;
/// The size of the core's own caches where the system does not tell it.
const USUAL: usize = 2 << 20;
/// How long it may take: another program holds the core.
const LIMIT: Duration = Duration::from_secs(10);

/// A thread that makes caches cold when asked to, and sleeps else.
#[derive(Debug)]
pub struct Cold {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    asked: u64,
}

#[derive(Debug, Default)]
struct Shared {
    asked: AtomicU64,
    done: AtomicU64,
    ended: AtomicBool,
}

impl Cold {
    /// Starts the thread on `core`; without one it runs anywhere and only takes time. Comes back when it is there: whoever
    /// calls may never let go of its own core from then on.
    pub fn start(core: Option<usize>) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        let memory = vec![1_u8; 2 * own_cache(core.unwrap_or_default())];
        let (there, wait) = mpsc::channel();
        let thread = std::thread::Builder::new().name("cold".into()).spawn(move || {
            let bound = core.map_or(Ok(()), cores::bind_this_thread);
            // Whoever started it waits.
            let _ = there.send(bound);
            of_thread.serve(&memory);
        })?;
        wait.recv().context("a thread did not start")??;
        Ok(Self { shared, thread: Some(thread), asked: 0 })
    }

    /// Makes them cold, and waits for it.
    ///
    /// # Errors
    /// When the thread does not get to it for long.
    pub fn chill(&mut self) -> Result<()> {
        self.asked += 1;
        self.shared.asked.store(self.asked, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
        let started = Instant::now();
        while self.shared.done.load(Ordering::Acquire) < self.asked {
            if started.elapsed() > LIMIT {
                bail!("Envoy's core was taken by others for {} s", LIMIT.as_secs());
            }
            std::hint::spin_loop();
        }
        Ok(())
    }
}

impl Shared {
    fn serve(&self, memory: &[u8]) {
        let mut done = 0;
        while !self.ended.load(Ordering::Acquire) {
            let asked = self.asked.load(Ordering::Acquire);
            if asked == done {
                std::thread::park();
                continue;
            }
            let sum = memory.iter().step_by(LINE).fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
            std::hint::black_box(sum);
            done = asked;
            self.done.store(done, Ordering::Release);
        }
    }
}

impl Drop for Cold {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It cannot panic, and if it did there would be nothing to do about it.
            let _ = thread.join();
        }
    }
}

/// Bytes of the largest cache that a core has for itself: the second level.
fn own_cache(core: usize) -> usize {
    let path = format!("/sys/devices/system/cpu/cpu{core}/cache/index2/size");
    let size = std::fs::read_to_string(path).unwrap_or_default();
    let kilobytes: Option<usize> = size.trim().strip_suffix('K').and_then(|size| size.parse().ok());
    kilobytes.map_or(USUAL, |size| size << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_each_time_and_ends_when_dropped() {
        let mut cold = Cold::start(None).unwrap();
        for _ in 0..20 {
            cold.chill().unwrap();
        }
        assert_eq!(cold.shared.done.load(Ordering::Acquire), 20);
        let shared = Arc::clone(&cold.shared);
        drop(cold);
        assert_eq!(Arc::strong_count(&shared), 1);
    }
}
