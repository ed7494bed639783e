//! The golden vectors in `contract/vectors`: what is on the wire today must be read for ever.
//!
//! Each file holds bytes in hexadecimal and, in words, what they say. The tests write them anew and compare, and read them and
//! compare. `BLESS=1 cargo test -p keyplane-contract` writes the files; a change there is a change of the protocol.

use keyplane_contract::code::Reason;
use keyplane_contract::digest::Digest;
use keyplane_contract::id::Id;
use keyplane_contract::key::{self, KeyParts, Prefix};
use keyplane_contract::sync::{
    Account, Environment, Gone, Key, KeyState, Metadata, Page, PageWriter, Policy, Project, Record, SourceUsage,
    SourcesRecord, SyncError, UsageBatch, UsageRecord, UsageWriter, User,
};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::PathBuf;

const EPOCH: Id = Id([0xe0; 16]);

// Short, and far from any hot path.
#[allow(clippy::format_collect)]
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// Compares `made` with the file of this name, or writes the file.
fn golden(name: &str, made: &Value) -> Value {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, serde_json::to_string_pretty(made).unwrap() + "\n").unwrap();
    }
    let kept: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(&kept, made, "{} differs: the protocol would change", path.display());
    kept
}

fn records() -> Vec<Record<'static>> {
    let key = Key {
        revision: 5,
        digest: Digest::of(b"uk_live_example"),
        id: Id([0xa1; 16]),
        project: 7,
        user: 0,
        policy: 3,
        expires_at: 1_893_456_000_000,
        environment: Environment::Live,
        state: KeyState::Active,
        flags: Key::REPORT_SOURCES,
    };
    vec![
        Record::Account(Account {
            revision: 1,
            id: Id([0xac; 16]),
            no: 2,
            suspended: true,
            name: "Ac\u{fc}me",
            external_id: "org_1",
        }),
        Record::Project(Project { revision: 2, id: Id([0xb0; 16]), no: 7, account: 2 }),
        Record::User(User { revision: 3, id: Id([0xc0; 16]), no: 9, account: 2 }),
        Record::Policy(Policy {
            revision: 4,
            no: 3,
            scopes: "jobs:read jobs:write",
            networks: &[0x11; 34],
            metadata: Metadata::from_bytes(b"\x04plan\x03\x00pro\x04tier\x01\x003"),
        }),
        Record::Key(key),
        Record::Key(Key {
            revision: 6,
            state: KeyState::Revoked,
            project: 0,
            user: 9,
            policy: 0,
            expires_at: 0,
            ..key
        }),
        Record::Gone(Gone { revision: 8, digest: Digest::of(b"uk_live_old") }),
    ]
}

/// The same as the first writers of version 1 told it, without the fields that came later.
fn first_records() -> Vec<Record<'static>> {
    let without_later = |record| match record {
        Record::Account(account) => Record::Account(Account { name: "", external_id: "", ..account }),
        Record::Policy(policy) => Record::Policy(Policy { metadata: Metadata::NONE, ..policy }),
        other => other,
    };
    records().into_iter().map(without_later).collect()
}

fn writer(records: &[Record<'_>]) -> PageWriter {
    let mut writer = PageWriter::new(0);
    for record in records {
        assert!(writer.push(record).unwrap());
    }
    writer
}

#[test]
fn pages_are_written_and_read_as_ever() {
    let last = writer(&records()).finish_last(EPOCH, 9, 1, true);
    let more = writer(&records()[..2]).finish_more(EPOCH, 9);
    let empty = PageWriter::new(9).finish_last(EPOCH, 9, 1, false);
    let kept = golden("pages.json", &json!({ "last": hex(&last), "more": hex(&more), "empty": hex(&empty) }));

    let bytes = unhex(kept["last"].as_str().unwrap());
    let page = Page::decode(&bytes).unwrap();
    assert_eq!((page.header.after, page.header.until, page.header.head, page.header.live), (0, 9, 9, 1));
    assert!(page.header.last && page.header.shrink_allowed && page.header.epoch == EPOCH);
    assert_eq!(page.records().collect::<Result<Vec<_>, _>>().unwrap(), records());

    let bytes = unhex(kept["more"].as_str().unwrap());
    let page = Page::decode(&bytes).unwrap();
    assert!(!page.header.last && page.header.until == 2 && page.records().count() == 2);

    let bytes = unhex(kept["empty"].as_str().unwrap());
    let page = Page::decode(&bytes).unwrap();
    assert!(page.header.last && page.header.after == 9 && page.records().count() == 0);
}

/// `pages_first.json` is never written again.
#[test]
fn pages_of_the_first_writers_are_read_as_ever() {
    let kept: Value = serde_json::from_str(include_str!("../vectors/pages_first.json")).unwrap();
    let bytes = unhex(kept["last"].as_str().unwrap());
    let page = Page::decode(&bytes).unwrap();
    assert_eq!(page.records().collect::<Result<Vec<_>, _>>().unwrap(), first_records());
    let bytes = unhex(kept["more"].as_str().unwrap());
    assert_eq!(Page::decode(&bytes).unwrap().verify(), Ok(()));
}

#[test]
fn usage_is_written_and_read_as_ever() {
    let mut writer = UsageWriter::new(Id([0xd0; 16]), 42);
    assert!(writer.push(Id([0xa1; 16]), 1_700_000_000_123, [(Reason::Allowed, 7), (Reason::Expired, 1)]));
    assert!(writer.push(Id([0xa2; 16]), 1_700_000_000_456, []));
    // Below, the same with a record that came later: what an older writer sends stays as it was.
    let batch = writer.finish();
    let mut writer = UsageWriter::new(Id([0xd0; 16]), 43);
    assert!(writer.push(Id([0xa1; 16]), 1_700_000_000_456, [(Reason::Allowed, 5)]));
    assert!(writer.push_sources(Id([0xa1; 16]), sources()));
    let kept = golden("usage.json", &json!({ "batch": hex(&batch), "with_sources": hex(&writer.finish()) }));
    let batch = UsageBatch::decode(&unhex(kept["batch"].as_str().unwrap())).unwrap();
    let counts = vec![(Reason::Allowed, 7), (Reason::Expired, 1)];
    let expected = UsageBatch {
        worker: Id([0xd0; 16]),
        sequence: 42,
        records: vec![
            UsageRecord { key: Id([0xa1; 16]), last_seen: 1_700_000_000_123, counts },
            UsageRecord { key: Id([0xa2; 16]), last_seen: 1_700_000_000_456, counts: vec![] },
        ],
        sources: vec![],
    };
    assert_eq!(batch, expected);
    let batch = UsageBatch::decode(&unhex(kept["with_sources"].as_str().unwrap())).unwrap();
    assert_eq!(batch.sources, [SourcesRecord { key: Id([0xa1; 16]), sources: sources().to_vec() }]);
    assert_eq!((batch.sequence, batch.records.len()), (43, 1));
}

fn sources() -> [SourceUsage; 3] {
    let of = |address, count| SourceUsage { address, count, last_seen: 1_700_000_000_456 };
    [
        of("::ffff:192.0.2.7".parse::<std::net::Ipv6Addr>().unwrap().octets(), 2),
        of("2001:db8::7".parse::<std::net::Ipv6Addr>().unwrap().octets(), 1),
        of(SourceUsage::OTHER, 2),
    ]
}

#[test]
fn keys_are_assembled_masked_and_hashed_as_ever() {
    let of = |prefix: &str, secret: &[u8; 32]| {
        let key = key::assemble(&Prefix::parse(prefix).unwrap(), secret).unwrap();
        let mask = KeyParts::parse(&key).ok().unwrap().mask();
        json!({ "key": key, "mask": mask, "digest": hex(Digest::of(key.as_bytes()).as_bytes()) })
    };
    let made = json!([
        of("uk_live", b"00000000000000000000000000000000"),
        of("ugen_sk", b"abcdefghijklmnopqrstuvwxyzABCDEF"),
        of("gen_pat", b"Zz9Yy8Xx7Ww6Vv5Uu4Tt3Ss2Rr1Qq0Pp"),
    ]);
    golden("keys.json", &made);
}

/// A page written by hand, to say what [`PageWriter`] cannot.
fn by_hand(header_extra: &[u8], records: &[u8], count: u32) -> Vec<u8> {
    let template = writer(&records_of_one()).finish_last(EPOCH, 9, 1, false);
    let mut bytes = template[..64].to_vec();
    bytes[6..8].copy_from_slice(&u16::try_from(64 + header_extra.len()).unwrap().to_le_bytes());
    bytes[56..60].copy_from_slice(&count.to_le_bytes());
    bytes[60..64].copy_from_slice(&u32::try_from(records.len()).unwrap().to_le_bytes());
    bytes.extend_from_slice(header_extra);
    bytes.extend_from_slice(records);
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

fn records_of_one() -> [Record<'static>; 1] {
    [Record::Account(Account { revision: 1, id: Id([0xac; 16]), no: 2, suspended: false, name: "", external_id: "" })]
}

#[test]
fn an_old_reader_reads_a_newer_writer() {
    let mut record = Vec::new();
    records_of_one()[0].encode(&mut record).unwrap();
    // Fields added behind the known ones, in the header and in the record, and a record kind that may be ignored.
    let mut longer = record.clone();
    longer.extend_from_slice(&[0xff; 5]);
    let length = u16::try_from(longer.len() - 4).unwrap();
    longer[2..4].copy_from_slice(&length.to_le_bytes());
    let ignorable = [0x81, 0, 2, 0, 0xff, 0xff];
    let bytes = by_hand(&[0xff; 8], &[longer.as_slice(), &ignorable].concat(), 2);
    let page = Page::decode(&bytes).unwrap();
    assert_eq!(page.records().collect::<Result<Vec<_>, _>>().unwrap(), records_of_one());
    // A kind that may be a restriction is not stepped over.
    let restricting = [0x20, 0, 2, 0, 0xff, 0xff];
    let bytes = by_hand(&[], &[record.as_slice(), &restricting].concat(), 2);
    assert_eq!(Page::decode(&bytes).unwrap().verify(), Err(SyncError::Kind(0x20)));
}

#[test]
fn fields_that_came_later_may_be_absent_but_not_cut_off() {
    let verify = |record: &Record<'_>, kept: usize| {
        let mut bytes = Vec::new();
        record.encode(&mut bytes).unwrap();
        bytes.truncate(4 + kept);
        bytes[2..4].copy_from_slice(&u16::try_from(kept).unwrap().to_le_bytes());
        Page::decode(&by_hand(&[], &bytes, 1)).unwrap().verify()
    };
    let records = records();
    // Where each may end: before the name, before the external id, and after it; before the metadata, and after it.
    for (record, ends) in [(&records[0], &[29, 37, 44][..]), (&records[3], &[70, 90])] {
        let whole = ends[ends.len() - 1];
        let mut bytes = Vec::new();
        record.encode(&mut bytes).unwrap();
        assert_eq!(bytes.len(), 4 + whole);
        let kind = bytes[0];
        for kept in 12..=whole {
            let expected = if ends.contains(&kept) { Ok(()) } else { Err(SyncError::Record { kind }) };
            assert_eq!(verify(record, kept), expected, "kind {kind} with {kept} bytes");
        }
    }
}

#[test]
fn a_page_that_contradicts_itself_is_refused() {
    let mut record = Vec::new();
    records_of_one()[0].encode(&mut record).unwrap();
    let verify = |bytes: &[u8]| Page::decode(bytes).and_then(|page| page.verify());
    assert_eq!(verify(&by_hand(&[], &record, 1)), Ok(()));
    assert_eq!(verify(&by_hand(&[], &record, 2)), Err(SyncError::Length));
    assert_eq!(verify(&by_hand(&[], &record, 0)), Err(SyncError::Length));
    assert_eq!(verify(&by_hand(&[], &[record.as_slice(), &record].concat(), 2)), Err(SyncError::Header), "twice");
    let mut beyond = record.clone();
    beyond[4..12].copy_from_slice(&10_u64.to_le_bytes());
    assert_eq!(verify(&by_hand(&[], &beyond, 1)), Err(SyncError::Header), "beyond until");
    let good = by_hand(&[], &record, 1);
    assert_eq!(verify(&[good.as_slice(), &[0]].concat()), Err(SyncError::Checksum));
    assert_eq!(verify(b"KPUSxxxxxxxx"), Err(SyncError::Magic));
}

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(mut bytes: Vec<u8>, usage: bool) {
        // With magic and checksum right, so that the search gets beyond them.
        let magic: &[u8] = if usage { b"KPUS\x01" } else { b"KPSY\x01" };
        bytes.splice(..magic.len().min(bytes.len()), magic.iter().copied());
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        let _ = UsageBatch::decode(&bytes);
        let _ = Page::decode(&bytes).and_then(|page| page.verify());
    }

    #[test]
    fn every_account_and_policy_reads_back(
        name in ".{0,100}", external_id in ".{0,255}", suspended: bool, no: u32, scopes in "[a-z ]{0,40}",
        networks in proptest::collection::vec(any::<[u8; Policy::NETWORK_LEN]>(), 0..32),
        pairs in proptest::collection::vec(("[a-z]{1,20}", ".{0,200}"), 0..16),
    ) {
        let metadata = Metadata::encode(pairs.iter().map(|(name, value)| (name.as_str(), value.as_str()))).unwrap();
        let metadata = Metadata::from_bytes(&metadata);
        let networks = networks.as_flattened();
        let rows = [
            Record::Account(Account { revision: 1, id: EPOCH, no, suspended, name: &name, external_id: &external_id }),
            Record::Policy(Policy { revision: 2, no, scopes: &scopes, networks, metadata }),
        ];
        let bytes = writer(&rows).finish_last(EPOCH, 2, 0, false);
        prop_assert_eq!(Page::decode(&bytes).unwrap().records().collect::<Result<Vec<_>, _>>().unwrap(), rows);
    }

    #[test]
    fn every_key_record_reads_back(revision in 1_u64.., digest: [u8; 32], id: [u8; 16], numbers: [u32; 3], expires_at: u64, flags: u16, live: bool, state in 1_u8..4) {
        let key = Key {
            revision,
            digest: Digest::from_bytes(digest),
            id: Id(id),
            project: numbers[0],
            user: numbers[1],
            policy: numbers[2],
            expires_at,
            environment: if live { Environment::Live } else { Environment::Test },
            state: KeyState::from_number(state).unwrap(),
            flags,
        };
        let bytes = writer(&[Record::Key(key)]).finish_last(EPOCH, revision, 1, false);
        let page = Page::decode(&bytes).unwrap();
        prop_assert_eq!(page.records().collect::<Result<Vec<_>, _>>().unwrap(), vec![Record::Key(key)]);
    }
}

proptest! {
    #[test]
    fn every_usage_batch_reads_back(
        sequence in 1_u64..,
        counts in proptest::collection::vec((any::<[u8; 16]>(), any::<u64>(), proptest::collection::vec((proptest::sample::select(Reason::ALL.to_vec()), any::<u32>()), 0..20)), 0..20),
        sources in proptest::collection::vec((any::<[u8; 16]>(), proptest::collection::vec((any::<[u8; 16]>(), any::<u32>(), any::<u64>()), 0..20)), 0..20),
    ) {
        let mut writer = UsageWriter::new(EPOCH, sequence);
        let mut expected = UsageBatch { worker: EPOCH, sequence, records: Vec::new(), sources: Vec::new() };
        for (key, last_seen, counts) in counts {
            prop_assert!(writer.push(Id(key), last_seen, counts.iter().copied()));
            expected.records.push(UsageRecord { key: Id(key), last_seen, counts });
        }
        for (key, sources) in sources {
            let of = |(address, count, last_seen)| SourceUsage { address, count, last_seen };
            let sources: Vec<_> = sources.into_iter().map(of).collect();
            prop_assert!(writer.push_sources(Id(key), sources.iter().copied()));
            expected.sources.push(SourcesRecord { key: Id(key), sources });
        }
        prop_assert_eq!(UsageBatch::decode(&writer.finish()), Ok(expected));
    }
}

#[test]
fn a_record_of_sources_that_is_cut_short_is_refused() {
    let mut writer = UsageWriter::new(EPOCH, 1);
    assert!(writer.push_sources(Id([1; 16]), sources()));
    let good = writer.finish();
    let mut bytes = good[..good.len() - 4].to_vec();
    // One more source than there is.
    bytes[36 + 4 + 16] += 1;
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    assert_eq!(UsageBatch::decode(&bytes), Err(SyncError::Record { kind: 129 }));
}

#[test]
fn a_full_batch_refuses_the_record_and_stays_whole() {
    let mut writer = UsageWriter::new(EPOCH, 1);
    let mut taken = 0_u64;
    while writer.push_sources(Id(u128::from(taken).to_be_bytes()), sources()) {
        taken += 1;
    }
    assert!(!writer.push_sources(Id([1; 16]), sources()));
    let bytes = writer.finish();
    assert!(bytes.len() <= keyplane_contract::sync::MAX_BYTES);
    assert_eq!(UsageBatch::decode(&bytes).unwrap().sources.len() as u64, taken);
}

#[test]
fn a_full_page_refuses_the_record_and_stays_whole() {
    let mut writer = PageWriter::new(0);
    let mut taken = 0;
    loop {
        let Record::Key(key) = records()[4] else { unreachable!("the fifth record is a key") };
        if !writer.push(&Record::Key(Key { revision: taken + 1, ..key })).unwrap() {
            break;
        }
        taken += 1;
    }
    let bytes = writer.finish_more(EPOCH, taken + 1);
    assert!(
        bytes.len() <= keyplane_contract::sync::MAX_BYTES && bytes.len() > keyplane_contract::sync::MAX_BYTES - 100
    );
    assert_eq!(Page::decode(&bytes).unwrap().records().count() as u64, taken);
}
