//! Where a thread may run, and how much processor time a process has used: what the figures rest on.
//!
//! Linux only: elsewhere a process cannot be bound to a core, and without that the figures would be noise.

use std::time::Duration;

use anyhow::Result;

/// Two different cores, and a third where there is one.
#[derive(Debug, Clone, Copy)]
pub struct Cores {
    /// Where Envoy runs.
    pub envoy: usize,
    /// Where the generator runs.
    pub generator: usize,
    /// Where the server runs that `ext_authz` asks: a core of its own, or the generator's, which then gives way to it.
    pub server: usize,
}

#[cfg(target_os = "linux")]
mod linux {
    use anyhow::{Context, Result, bail};
    use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
    use nix::time::{ClockId, clock_getcpuclockid};
    use nix::unistd::Pid;
    use std::time::Duration;

    impl super::Cores {
        /// The first two cores that this program may use.
        pub fn choose() -> Result<Self> {
            let allowed = sched_getaffinity(Pid::from_raw(0)).context("cannot ask which cores may be used")?;
            let mut cores = (0..CpuSet::count()).filter(|core| allowed.is_set(*core).unwrap_or(false));
            match (cores.next(), cores.next()) {
                (Some(envoy), Some(generator)) => {
                    Ok(Self { envoy, generator, server: cores.next().unwrap_or(generator) })
                }
                _ => bail!("this needs two cores: one for Envoy, one for what sends the requests"),
            }
        }
    }

    fn bind(thread: Pid, core: usize) -> Result<()> {
        let mut set = CpuSet::new();
        set.set(core)?;
        sched_setaffinity(thread, &set).with_context(|| format!("cannot bind a thread to core {core}"))
    }

    /// Binds the calling thread, and all that it starts from now on.
    pub fn bind_this_thread(core: usize) -> Result<()> {
        bind(Pid::from_raw(0), core)
    }

    /// Binds all threads of a process. Those that they start later follow.
    pub fn bind_process(process: u32, core: usize) -> Result<()> {
        let path = format!("/proc/{process}/task");
        for thread in std::fs::read_dir(&path).with_context(|| format!("cannot read {path}"))? {
            let name = thread?.file_name();
            let id =
                name.to_str().and_then(|id| id.parse().ok()).with_context(|| format!("{path} holds no numbers"))?;
            bind(Pid::from_raw(id), core)?;
        }
        Ok(())
    }

    /// The processor time of all threads of a process.
    #[derive(Debug, Clone, Copy)]
    pub struct CpuClock(ClockId);

    impl CpuClock {
        pub fn of(process: u32) -> Result<Self> {
            let process = Pid::from_raw(i32::try_from(process).context("process id")?);
            Ok(Self(clock_getcpuclockid(process).context("cannot ask for the processor time of a process")?))
        }

        pub fn now(self) -> Result<Duration> {
            Ok(self.0.now().context("cannot read the processor time of a process")?.into())
        }
    }
}

#[cfg(target_os = "linux")]
pub use linux::{CpuClock, bind_process, bind_this_thread};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use anyhow::{Result, bail};
    use std::time::Duration;

    impl super::Cores {
        pub fn choose() -> Result<Self> {
            bail!("this measures by what Linux tells of a process; run it on Linux")
        }
    }

    pub fn bind_this_thread(_core: usize) -> Result<()> {
        bail!("only on Linux")
    }

    pub fn bind_process(_process: u32, _core: usize) -> Result<()> {
        bail!("only on Linux")
    }

    #[derive(Debug, Clone, Copy)]
    pub struct CpuClock;

    impl CpuClock {
        pub fn of(_process: u32) -> Result<Self> {
            bail!("only on Linux")
        }

        pub fn now(self) -> Result<Duration> {
            bail!("only on Linux")
        }
    }
}

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{CpuClock, bind_process, bind_this_thread};

/// What some work cost.
#[derive(Debug, Clone, Copy, Default)]
pub struct Used {
    /// Processor time of Envoy.
    pub envoy: Duration,
    /// Processor time of the server that Envoy asks, when there is one.
    pub server: Duration,
    /// Time.
    pub wall: Duration,
}

/// Processor time that `work` made Envoy use, and the server that it asks, and the time that it took.
///
/// The kernel books a thread's time when the thread rests, and Envoy rests a moment after its last answer: hence the pause,
/// which is outside the measured time. Meanwhile the core is given to whoever wants it, as the server does that shares it.
pub fn used(envoy: CpuClock, server: Option<CpuClock>, work: impl FnOnce() -> Result<()>) -> Result<Used> {
    const PAUSE: Duration = Duration::from_micros(100);
    let of_server = || server.map_or(Ok(Duration::ZERO), CpuClock::now);
    let before = (envoy.now()?, of_server()?);
    let started = std::time::Instant::now();
    work()?;
    let wall = started.elapsed();
    while started.elapsed() < wall + PAUSE {
        std::thread::yield_now();
    }
    let (envoy, server) = (envoy.now()?.saturating_sub(before.0), of_server()?.saturating_sub(before.1));
    Ok(Used { envoy, server, wall })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_clock_counts_what_a_process_does() {
        let clock = CpuClock::of(std::process::id()).unwrap();
        let mut sum = 0_u64;
        let work = || {
            (0..5_000_000_u64).for_each(|number| sum = std::hint::black_box(sum ^ number));
            Ok(())
        };
        let Used { envoy, server, wall } = used(clock, Some(clock), work).unwrap();
        // Five million additions are no faster than a millisecond; other tests of this process may run beside.
        let least = Duration::from_millis(1);
        assert!(envoy > least && server > least && wall > least, "{envoy:?} {server:?} {wall:?} {sum}");
    }

    #[test]
    fn a_thread_is_bound_to_its_core() {
        let Ok(cores) = Cores::choose() else { return };
        std::thread::spawn(move || {
            bind_this_thread(cores.generator).unwrap();
            let cores = Cores::choose();
            assert!(cores.is_err(), "{cores:?}");
        })
        .join()
        .unwrap();
    }
}
