//! A control plane in memory: rows with revisions, and the pages it would answer a filter's polls with.
//!
//! It follows docs/protocol.md, not the real server's code, so that filter and server are held to the same words apart.

use std::collections::BTreeMap;

use keyplane_contract::{
    digest::Digest,
    id::Id,
    key::{self, Prefix},
    network::Network,
    sync::{Account, Gone, Key, KeyState, Metadata, PageWriter, Policy, Project, Record},
};
use keyplane_tests::host::{Answer, Callout};

/// The token that the filter must present.
pub const TOKEN: &str = "kp_proxy_testtesttesttesttesttesttesttestAAAAAA";

pub const ACCOUNT: Id = Id([0xa1; 16]);
pub const PROJECT: Id = Id([0xb2; 16]);

/// A well-formed key, another for each number.
pub fn secret(number: u64) -> String {
    let part: [u8; 32] = format!("{number:032}").into_bytes().try_into().unwrap();
    key::assemble(&Prefix::parse("uk_live").unwrap(), &part).unwrap()
}

/// The id that `issue` gives the key of this number.
pub fn key_id(number: u64) -> Id {
    Id(u128::from(number + 1).to_be_bytes())
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    Account,
    Project,
    Policy(u32),
    Key(Digest),
}

/// What a row says now.
enum State {
    Account {
        suspended: bool,
    },
    Project,
    /// Number, scopes, networks.
    Policy(u32, &'static str, Vec<u8>),
    Key(Key),
    Gone(Digest),
}

pub struct ControlPlane {
    pub epoch: Id,
    pub head: u64,
    /// The most records in a page.
    pub page_size: usize,
    /// Whether the last page vouches for a table much smaller than before.
    pub shrink_allowed: bool,
    /// Added to the number of live rows that the last page claims: a lie.
    pub live_offset: u64,
    /// The metadata of every policy, as on the wire.
    pub metadata: Vec<u8>,
    rows: BTreeMap<Row, (u64, State)>,
}

impl ControlPlane {
    /// One account with one project, in the revision history of this number.
    pub fn new(epoch: u8) -> Self {
        let mut plane = Self {
            epoch: Id([epoch; 16]),
            head: 0,
            page_size: usize::MAX,
            shrink_allowed: false,
            live_offset: 0,
            metadata: Vec::new(),
            rows: BTreeMap::new(),
        };
        plane.set(Row::Account, State::Account { suspended: false });
        plane.set(Row::Project, State::Project);
        plane
    }

    fn set(&mut self, row: Row, state: State) -> u64 {
        self.head += 1;
        self.rows.insert(row, (self.head, state));
        self.head
    }

    /// Makes the key of a number, a live one without expiry, after `edit`.
    pub fn issue_with(&mut self, number: u64, edit: impl FnOnce(&mut Key)) -> u64 {
        let digest = Digest::of(secret(number).as_bytes());
        let mut key = Key::of_project(1, 0, key_id(number), digest);
        edit(&mut key);
        self.set(Row::Key(digest), State::Key(key))
    }

    pub fn issue(&mut self, number: u64) -> u64 {
        self.issue_with(number, |_| ())
    }

    pub fn revoke(&mut self, number: u64) -> u64 {
        self.issue_with(number, |key| key.state = KeyState::Revoked)
    }

    /// A tombstone.
    pub fn remove(&mut self, number: u64) -> u64 {
        let digest = Digest::of(secret(number).as_bytes());
        self.set(Row::Key(digest), State::Gone(digest))
    }

    pub fn policy(&mut self, no: u32, scopes: &'static str) -> u64 {
        self.policy_with(no, scopes, &[])
    }

    /// A policy with networks, as `address/prefix`.
    pub fn policy_with(&mut self, no: u32, scopes: &'static str, networks: &[&str]) -> u64 {
        let network = |text: &&str| {
            let (address, prefix) = text.split_once('/').unwrap();
            Network::new(address.parse().unwrap(), prefix.parse().unwrap()).unwrap().to_bytes()
        };
        let networks = networks.iter().flat_map(network).collect();
        self.set(Row::Policy(no), State::Policy(no, scopes, networks))
    }

    /// Suspends the account, or lets it go on.
    pub fn suspend(&mut self, suspended: bool) -> u64 {
        self.set(Row::Account, State::Account { suspended })
    }

    /// The page that follows `after`.
    pub fn page(&self, after: u64) -> Vec<u8> {
        let mut rows: Vec<_> = self.rows.values().filter(|(revision, _)| *revision > after).collect();
        rows.sort_by_key(|(revision, _)| *revision);
        let more = rows.len() > self.page_size;
        let mut writer = PageWriter::new(after);
        for (revision, state) in rows.into_iter().take(self.page_size) {
            assert!(writer.push(&self.record(*revision, state)).unwrap(), "page over its size");
        }
        if more {
            return writer.finish_more(self.epoch, self.head);
        }
        let live = self.rows.values().filter(|(_, state)| matches!(state, State::Key(_))).count();
        let live = u64::try_from(live).unwrap() + self.live_offset;
        writer.finish_last(self.epoch, self.head, live, self.shrink_allowed)
    }

    fn record<'a>(&'a self, revision: u64, state: &'a State) -> Record<'a> {
        match state {
            State::Account { suspended } => Record::Account(Account {
                revision,
                id: ACCOUNT,
                no: 1,
                suspended: *suspended,
                name: "Acme",
                external_id: "org_1",
            }),
            State::Project => Record::Project(Project { revision, id: PROJECT, no: 1, account: 1 }),
            State::Policy(no, scopes, networks) => {
                let metadata = Metadata::from_bytes(&self.metadata);
                Record::Policy(Policy { revision, no: *no, scopes, networks, metadata })
            }
            State::Key(key) => Record::Key(Key { revision, ..*key }),
            State::Gone(digest) => Record::Gone(Gone { revision, digest: *digest }),
        }
    }

    /// Answers a poll as the real server would, but never waits.
    pub fn answer(&self, poll: &Callout) -> Answer {
        let poll = Poll::of(poll);
        let after = if poll.epoch == Some(self.epoch) && poll.after <= self.head { poll.after } else { 0 };
        page_answer(&self.page(after))
    }
}

/// A 200 with these bytes as a page.
pub fn page_answer(page: &[u8]) -> Answer {
    Answer::response(200, &[("content-type", "application/vnd.keyplane.sync")], page)
}

/// What a poll asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poll {
    pub epoch: Option<Id>,
    pub after: u64,
    pub wait: u64,
}

impl Poll {
    /// Reads a poll strictly: method, path, token and each parameter.
    pub fn of(callout: &Callout) -> Self {
        assert_eq!(callout.header(":method"), "GET");
        assert_eq!(callout.header("authorization"), format!("Bearer {TOKEN}"));
        let (path, query) = callout.header(":path").split_once('?').unwrap();
        assert_eq!(path, "/sync/v1/changes");
        let mut poll = Self { epoch: None, after: 0, wait: 0 };
        for pair in query.split('&') {
            match pair.split_once('=').unwrap() {
                ("epoch", value) => poll.epoch = Some(Id::parse(value.as_bytes()).unwrap()),
                ("after", value) => poll.after = value.parse().unwrap(),
                ("wait", value) => poll.wait = value.parse().unwrap(),
                // A table that is loaded may come from pages that are not quite new; here all are.
                ("closed", value) => assert_eq!(value, "1"),
                (other, _) => panic!("unknown parameter {other}"),
            }
        }
        poll
    }
}
