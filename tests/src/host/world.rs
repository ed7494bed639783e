//! What all VMs of one Envoy process share: clock, environment, random bytes, shared data and queues, metrics, clusters, logs.
//!
//! Nothing here reads the machine's clock or randomness: a test that ran once runs the same for ever.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::status::{LogLevel, Status};

/// A log line of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Number of the VM that wrote it, in order of start, from 0.
    pub vm: usize,
    /// Level.
    pub level: LogLevel,
    /// Text; bytes that are not UTF-8 are replaced.
    pub message: String,
}

/// A metric, summed over all VMs, as Envoy's stats show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Grows only.
    Counter(u64),
    /// Set, or moved up and down.
    Gauge(u64),
    /// All recorded values, in order.
    Histogram(Vec<u64>),
}

/// A name within a VM id.
type Scoped = (Vec<u8>, Vec<u8>);

#[derive(Debug)]
struct Queue {
    key: Scoped,
    data: VecDeque<Vec<u8>>,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) clock_ns: u64,
    pub(crate) environment: Vec<(String, String)>,
    random: u64,
    pub(crate) clusters: BTreeSet<Vec<u8>>,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) vm_id: Vec<u8>,
    pub(crate) vm_configuration: Vec<u8>,
    shared_data: BTreeMap<Scoped, (Vec<u8>, u32)>,
    last_cas: u32,
    queues: Vec<Queue>,
    pub(crate) metrics: BTreeMap<String, Metric>,
    pub(crate) logs: Vec<LogLine>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            // 2026-01-01T00:00:00Z: any fixed moment will do.
            clock_ns: 1_767_225_600_000_000_000,
            environment: Vec::new(),
            random: 1,
            clusters: BTreeSet::new(),
            properties: BTreeMap::new(),
            vm_id: Vec::new(),
            vm_configuration: Vec::new(),
            shared_data: BTreeMap::new(),
            last_cas: 0,
            queues: Vec::new(),
            metrics: BTreeMap::new(),
            logs: Vec::new(),
        }
    }

    pub(crate) fn seed(&mut self, seed: u64) {
        self.random = seed;
    }

    /// Next bytes of the sequence: `SplitMix64` (Steele, Lea, Flood 2014).
    pub(crate) fn random_bytes(&mut self, len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + 8);
        while out.len() < len {
            self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.random;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            out.extend_from_slice(&(z ^ (z >> 31)).to_le_bytes());
        }
        out.truncate(len);
        out
    }

    pub(crate) fn shared_get(&self, key: &[u8]) -> Option<(Vec<u8>, u32)> {
        self.shared_data.get(&(self.vm_id.clone(), key.to_vec())).cloned()
    }

    /// `cas` 0 overwrites; another must be that of the present value. A new key is written whatever the `cas`.
    pub(crate) fn shared_set(&mut self, key: &[u8], value: &[u8], cas: u32) -> Status {
        let key = (self.vm_id.clone(), key.to_vec());
        if let Some((_, present)) = self.shared_data.get(&key)
            && cas != 0
            && cas != *present
        {
            return Status::CasMismatch;
        }
        self.last_cas += 1;
        self.shared_data.insert(key, (value.to_vec(), self.last_cas));
        Status::Ok
    }

    pub(crate) fn queue_register(&mut self, name: &[u8]) -> u32 {
        let vm_id = self.vm_id.clone();
        self.queue_resolve(&vm_id, name).unwrap_or_else(|| {
            self.queues.push(Queue { key: (vm_id, name.to_vec()), data: VecDeque::new() });
            u32::try_from(self.queues.len()).unwrap_or(u32::MAX)
        })
    }

    pub(crate) fn queue_resolve(&self, vm_id: &[u8], name: &[u8]) -> Option<u32> {
        let at = self.queues.iter().position(|q| q.key.0 == vm_id && q.key.1 == name)?;
        u32::try_from(at + 1).ok()
    }

    pub(crate) fn queue_push(&mut self, token: u32, data: &[u8]) -> Status {
        match self.queue(token) {
            Some(queue) => {
                queue.data.push_back(data.to_vec());
                Status::Ok
            }
            None => Status::NotFound,
        }
    }

    pub(crate) fn queue_pop(&mut self, token: u32) -> Result<Vec<u8>, Status> {
        let queue = self.queue(token).ok_or(Status::NotFound)?;
        queue.data.pop_front().ok_or(Status::Empty)
    }

    fn queue(&mut self, token: u32) -> Option<&mut Queue> {
        self.queues.get_mut(usize::try_from(token.checked_sub(1)?).ok()?)
    }

    /// Moves a counter up or a gauge either way. A counter takes no zero and no negative number, as in Envoy.
    pub(crate) fn metric_increment(&mut self, name: &str, offset: i64) -> Status {
        match self.metrics.get_mut(name) {
            Some(Metric::Counter(value)) => match u64::try_from(offset) {
                Ok(offset) if offset > 0 => {
                    *value = value.wrapping_add(offset);
                    Status::Ok
                }
                _ => Status::BadArgument,
            },
            Some(Metric::Gauge(value)) => {
                *value = value.wrapping_add_signed(offset);
                Status::Ok
            }
            Some(Metric::Histogram(_)) => Status::BadArgument,
            None => Status::NotFound,
        }
    }

    /// Sets a gauge, adds to a counter, records in a histogram.
    pub(crate) fn metric_record(&mut self, name: &str, recorded: u64) -> Status {
        match self.metrics.get_mut(name) {
            Some(Metric::Counter(value)) => *value = value.wrapping_add(recorded),
            Some(Metric::Gauge(value)) => *value = recorded,
            Some(Metric::Histogram(values)) => values.push(recorded),
            None => return Status::NotFound,
        }
        Status::Ok
    }
}
