//! The option `--wait` of commands whose change proxies must hear of, and the receipt that it asks for, in words.

use super::time::wait;
use super::{Row, Show, when};
use crate::cli::Failure;
use keyplane_sdk::{Account, Key, PersonalToken, Receipt, User};
use std::fmt::Write as _;
use std::time::Duration;

/// Whether and how long to wait for the proxies.
#[derive(clap::Args, Clone, Copy, Debug)]
pub struct Wait {
    /// Wait until every live proxy has the change, for at most so long (5s, 500ms; 55s at most), and tell which lag. The
    /// change is made either way
    #[arg(long, value_name = "TIME", value_parser = wait)]
    pub wait: Option<Duration>,
}

/// What a change answers with: the object, and a receipt if one was asked for.
pub(super) trait Changed: Row {
    fn receipt(&self) -> Option<&Receipt>;
}

impl Changed for Account {
    fn receipt(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }
}

impl Changed for Key {
    fn receipt(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }
}

impl Changed for PersonalToken {
    fn receipt(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }
}

impl Changed for User {
    fn receipt(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }
}

impl Show {
    /// Shows a changed object, and the receipt if there is one. `done` is what the proxies named in it do: `Refused by`.
    pub(super) fn changed(self, object: &impl Changed, done: &str) -> Result<(), Failure> {
        self.one(object)?;
        self.receipt(done, object.receipt());
        Ok(())
    }

    /// Shows a receipt to a person. Scripts have it in the object.
    pub(super) fn receipt(self, done: &str, receipt: Option<&Receipt>) {
        if let Some(receipt) = receipt.filter(|_| !self.json) {
            println!("\n{}", in_words(done, receipt));
        }
    }
}

/// Says who has a change, and who may lack it.
fn in_words(done: &str, receipt: &Receipt) -> String {
    let Receipt { revision, proxies, applied, elapsed_ms, .. } = receipt;
    let mut text = match (proxies, applied) {
        (0, _) => "No proxy is live, so there was none to wait for.".to_owned(),
        (1, 1) => format!("{done} the one live proxy after {elapsed_ms} ms."),
        (all, some) if all == some => format!("{done} all {all} live proxies after {elapsed_ms} ms."),
        (all, some) => format!("{done} {some} of {all} live proxies after {elapsed_ms} ms."),
    };
    let _ = write!(text, " Revision {revision}.");
    for proxy in receipt.lagging.iter().flatten() {
        let name = if proxy.name.is_empty() { "without a name" } else { &proxy.name };
        let seen = proxy.workers.iter().map(|worker| worker.last_seen_at).max();
        let workers = match proxy.workers.len() {
            1 => "1 worker".to_owned(),
            many => format!("{many} workers"),
        };
        let _ = write!(text, "\nLags: proxy {name}, {workers}, last seen {}.", when(seen));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(proxies: u64, applied: u64, lagging: &serde_json::Value) -> String {
        let receipt = json!({
            "revision": 7, "proxies": proxies, "applied": applied, "lagging": lagging, "elapsed_ms": 12
        });
        in_words("Refused by", &serde_json::from_value(receipt).unwrap())
    }

    #[test]
    fn a_receipt_says_how_many_have_the_change_and_names_each_that_may_lack_it() {
        assert_eq!(said(0, 0, &json!([])), "No proxy is live, so there was none to wait for. Revision 7.");
        assert_eq!(said(1, 1, &json!([])), "Refused by the one live proxy after 12 ms. Revision 7.");
        assert_eq!(said(3, 3, &json!([])), "Refused by all 3 live proxies after 12 ms. Revision 7.");
        // Tenants are not told which proxies there are.
        assert_eq!(said(3, 2, &json!(null)), "Refused by 2 of 3 live proxies after 12 ms. Revision 7.");
        let worker = |id: u64, time: &str| json!({ "id": format!("01890a5d-ac96-774b-bcce-{id:012}"), "revision": 6, "last_seen_at": time });
        let edge = [worker(1, "2030-01-02T03:04:05.678Z"), worker(2, "2030-01-02T03:04:07Z")];
        let lagging = json!([{ "name": "edge-2", "workers": edge }, { "name": "", "workers": [edge[0]] }]);
        assert_eq!(
            said(3, 1, &lagging),
            "Refused by 1 of 3 live proxies after 12 ms. Revision 7.\n\
             Lags: proxy edge-2, 2 workers, last seen 2030-01-02 03:04:07Z.\n\
             Lags: proxy without a name, 1 worker, last seen 2030-01-02 03:04:05Z."
        );
    }
}
