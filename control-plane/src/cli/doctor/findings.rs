//! What each check makes of what was found: pure.

use super::probe::{Certificate, Port, Proxies};
use crate::domain::time::Time;
use crate::listen::{SOON, TlsError, Validity};
use crate::store::{Examination, OpenError};
use serde::Serialize;
use std::fmt;
use std::net::SocketAddr;

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Ok,
    /// Works, but look at it.
    Warn,
    /// Does not work, or soon will not.
    Fail,
    /// Could not be looked at.
    Skip,
}

/// What a check found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// Name of the check.
    pub check: &'static str,
    /// How bad it is.
    pub level: Level,
    /// What was found and what to do.
    pub message: String,
}

impl Finding {
    /// What a check found.
    pub fn new(check: &'static str, level: Level, message: impl Into<String>) -> Self {
        Self { check, level, message: message.into() }
    }

    /// A check that was not made.
    pub fn skip(check: &'static str, message: impl Into<String>) -> Self {
        Self::new(check, Level::Skip, message)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Ok => "ok",
            Level::Warn => "warn",
            Level::Fail => "FAIL",
            Level::Skip => "skip",
        };
        write!(f, "{level:<5} {:<13} {}", self.check, self.message)
    }
}

const MIB: u64 = 1024 * 1024;

/// The file and its pages.
pub fn database(examined: &Result<Examination, OpenError>) -> Finding {
    let name = "database";
    match examined {
        Ok(found) => Finding::new(name, Level::Ok, format!("{} MiB, its pages are in order", found.bytes / MIB)),
        Err(error @ OpenError::Damaged { .. }) => {
            Finding::new(name, Level::Fail, format!("{error}; stop the server and `keyplane restore` a backup"))
        }
        Err(error) => Finding::new(name, Level::Fail, error.to_string()),
    }
}

/// A backup and the log want as much space again.
pub fn disk(free: Option<u64>, examined: Option<&Examination>) -> Finding {
    let name = "disk";
    let Some(free) = free else { return Finding::skip(name, "the free space is not known here") };
    let wanted = examined.map_or(0, |found| found.bytes).max(256 * MIB);
    let found = format!("{} MiB free", free / MIB);
    if free < 64 * MIB {
        Finding::new(name, Level::Fail, format!("{found}: changes will soon be refused; make room"))
    } else if free < wanted {
        Finding::new(name, Level::Warn, format!("{found}, less than a copy of the database wants; make room"))
    } else {
        Finding::new(name, Level::Ok, found)
    }
}

/// Entries from the future mean that the clock went back, or was wrong before.
pub fn clock(now: Time, newest: Option<Time>) -> Finding {
    let name = "clock";
    match newest {
        Some(newest) if newest.millis() > now.millis() + 60_000 => {
            let message = format!(
                "it is {now} here, but the newest entry of the audit log is of {newest}; set the clock, or keys end too late"
            );
            Finding::new(name, Level::Fail, message)
        }
        _ => Finding::new(name, Level::Ok, format!("it is {now}, after all that was recorded")),
    }
}

/// Who may come in.
pub fn tokens(found: &Examination) -> Finding {
    let name = "tokens";
    let (admins, proxies) = (found.admin_keys, found.proxy_tokens);
    let counts = format!("valid admin keys: {admins}, valid proxy tokens: {proxies}");
    match (admins, proxies) {
        (0, _) => Finding::new(name, Level::Fail, format!("{counts}; nobody can manage keys")),
        (_, 0) => Finding::new(
            name,
            Level::Fail,
            format!("{counts}; no proxy can sync: set KEYPLANE_PROXY_TOKEN and start the server again"),
        ),
        (_, 1) => Finding::new(name, Level::Ok, counts),
        _ => Finding::new(
            name,
            Level::Warn,
            format!("{counts}; revoke the older token once every proxy has the new one"),
        ),
    }
}

/// An address that the server listens on, or wants to.
pub fn port(setting: &'static str, address: SocketAddr, port: &Port) -> Finding {
    match port {
        Port::Keyplane => Finding::new(setting, Level::Ok, format!("keyplane answers on {address}")),
        Port::WantsCertificate => {
            let found = format!("keyplane answers on {address} and wants a certificate of its clients");
            Finding::new(setting, Level::Ok, found)
        }
        Port::TakesEverybody => Finding::new(
            setting,
            Level::Fail,
            format!("keyplane on {address} takes clients without a certificate; start it again with `sync_client_ca`"),
        ),
        Port::OtherCertificate => Finding::new(
            setting,
            Level::Fail,
            format!(
                "whoever has {address} shows another certificate than the settings name; \
                 if it is keyplane, its log says why it did not take the new one"
            ),
        ),
        Port::Free => {
            Finding::new(setting, Level::Warn, format!("nobody listens on {address}; start `keyplane serve`"))
        }
        Port::Other => Finding::new(
            setting,
            Level::Fail,
            format!(
                "whoever has {address} does not answer as a ready keyplane; choose another address with `{setting}`"
            ),
        ),
        Port::Unusable(why) => Finding::new(
            setting,
            Level::Fail,
            format!("cannot listen on {address}: {why}; change the setting `{setting}`"),
        ),
    }
}

/// The certificate of a listener; `None`: it speaks plain HTTP, which is for this machine only.
pub fn certificate(
    setting: &'static str,
    address: SocketAddr,
    found: &Result<Option<Certificate>, TlsError>,
    now: Time,
) -> Finding {
    let new = |level, message: String| Finding::new(setting, level, message);
    match found {
        Err(error) => new(Level::Fail, error.to_string()),
        Ok(None) if address.ip().is_loopback() => new(Level::Ok, "none; plain HTTP, on this machine only".to_owned()),
        Ok(None) => new(Level::Warn, format!("none: {address} speaks plain HTTP to other machines")),
        Ok(Some(Certificate { validity: None, .. })) => {
            Finding::skip(setting, "the end of the certificate cannot be read")
        }
        Ok(Some(Certificate { validity: Some(Validity { begins, ends }), exposed_key, .. })) => {
            if now >= *ends {
                new(Level::Fail, format!("the certificate ended at {ends}; renew it"))
            } else if now < *begins {
                new(Level::Fail, format!("the certificate begins at {begins} only; look at the clock, or renew it"))
            } else if now.after(SOON) >= *ends {
                new(Level::Warn, format!("the certificate ends at {ends}; renew it"))
            } else if let Some(exposed) = exposed_key {
                new(Level::Warn, exposed.clone())
            } else {
                new(Level::Ok, format!("the certificate ends at {ends}"))
            }
        }
    }
}

/// How far the proxies are.
pub fn proxies(found: Result<Proxies, String>) -> Finding {
    let name = "proxies";
    let found = match found {
        Ok(found) => found,
        Err(why) => return Finding::new(name, Level::Fail, format!("cannot be asked for: {why}")),
    };
    let lagging: Vec<_> = found.lagging().map(|proxy| format!("`{}`", proxy.name)).collect();
    if found.data.is_empty() {
        Finding::new(name, Level::Warn, "none has polled lately; look at `keyplane_sync_faults` of Envoy's statistics")
    } else if lagging.is_empty() {
        Finding::new(name, Level::Ok, format!("{} have revision {}", found.data.len(), found.revision))
    } else {
        let message = format!("without revision {}: {}; look at their logs", found.revision, lagging.join(", "));
        Finding::new(name, Level::Fail, message)
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe::Proxy;
    use super::*;

    fn examination(admin_keys: u64, proxy_tokens: u64, bytes: u64) -> Examination {
        Examination { newest: None, proxy_tokens, admin_keys, bytes }
    }

    #[test]
    fn each_check_fails_where_something_stops_working() {
        let time = Time::from_millis;
        assert_eq!(clock(time(1_000_000), Some(time(1_060_000))).level, Level::Ok);
        assert_eq!(clock(time(1_000_000), Some(time(1_060_001))).level, Level::Fail);
        for (admins, proxies, level) in
            [(0, 1, Level::Fail), (1, 0, Level::Fail), (1, 1, Level::Ok), (1, 2, Level::Warn)]
        {
            assert_eq!(tokens(&examination(admins, proxies, 0)).level, level, "{admins} {proxies}");
        }
        let large = examination(1, 1, 1024 * MIB);
        for (free, level) in [(63, Level::Fail), (1023, Level::Warn), (1024, Level::Ok)] {
            assert_eq!(disk(Some(free * MIB), Some(&large)).level, level, "{free} MiB");
        }
    }

    #[test]
    fn a_proxy_that_lags_or_has_no_table_is_named() {
        let proxy = |name: &str, revision| Proxy { name: name.to_owned(), revision };
        let found = |data| proxies(Ok(Proxies { revision: 7, data }));
        assert_eq!(found(vec![proxy("a", Some(7))]).level, Level::Ok);
        assert_eq!(found(vec![]).level, Level::Warn);
        let lagging = found(vec![proxy("a", Some(7)), proxy("b", Some(6)), proxy("c", None)]);
        assert_eq!(lagging.level, Level::Fail);
        assert!(lagging.message.contains("`b`, `c`") && !lagging.message.contains("`a`"), "{}", lagging.message);
    }
}
