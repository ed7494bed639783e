//! What Envoy's admin interface tells of the filter, and what is wrong with it, in words: is it in the configuration, is it safe, does it run, does it
//! reach the control plane. Reading is apart from judging.

use super::findings::{Finding, Level};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long Envoy may take for an answer; a large configuration takes a while.
const PATIENCE: Duration = Duration::from_secs(10);
/// A table is known to be the control plane's at least each time that a poll ends, after 55 s at most.
const OLD_MILLISECONDS: u64 = 60_000;
const TOKEN: &str = "KEYPLANE_PROXY_TOKEN";
/// Is there, 0 or 1, once a VM has taken the filter's settings.
const SYNCED: &str = "wasmcustom.keyplane_synced";
/// The kinds of failed polls, the telling ones first, each with what to do.
const FAULTS: [(&str, &str); 4] = [
    (
        "unauthorized",
        "the control plane does not accept the token in KEYPLANE_PROXY_TOKEN; give this Envoy a valid one and start it again",
    ),
    ("status", "something answers with an error status; is it the port of `sync_listen`, and not the API's?"),
    (
        "unreachable",
        "the control plane does not answer; look at the cluster's address, port, TLS and firewalls, and whether `keyplane serve` runs",
    ),
    ("page", "a page is damaged or newer than this filter reads; give Envoy the filter of the control plane's version"),
];

/// What the admin interface answered.
#[derive(Debug, Default)]
pub struct Answers {
    /// `/stats` of WebAssembly: the numbers by name.
    pub stats: BTreeMap<String, u64>,
    /// `/clusters`, as text.
    pub clusters: String,
    /// `/config_dump`.
    pub dump: Value,
}

/// Asks Envoy at this address: `http://...`, or the path of a Unix socket.
pub async fn ask(admin: &str) -> Result<Answers, String> {
    let (builder, base) = way(admin);
    let client = builder.timeout(PATIENCE).build().map_err(|error| error.to_string())?;
    let get = async |path: &str| {
        let answer = client.get(format!("{base}{path}")).send().await.and_then(reqwest::Response::error_for_status);
        let answer = answer.map_err(|error| why(&error))?;
        answer.text().await.map_err(|error| why(&error))
    };
    let dump = get("/config_dump").await?;
    Ok(Answers {
        // All of a mesh's would be many megabytes.
        stats: numbers(&get("/stats?filter=wasm").await?),
        clusters: get("/clusters").await?,
        dump: serde_json::from_str(&dump).map_err(|_| "its /config_dump is no JSON".to_owned())?,
    })
}

/// How to get there, and what requests begin with.
fn way(admin: &str) -> (reqwest::ClientBuilder, &str) {
    let builder = reqwest::Client::builder().no_proxy();
    #[cfg(unix)]
    if admin.starts_with('/') {
        return (builder.unix_socket(admin), "http://envoy");
    }
    (builder, admin.trim_end_matches('/'))
}

/// The innermost cause says most.
fn why(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Lines of `name: value`; histograms and texts are left out.
fn numbers(stats: &str) -> BTreeMap<String, u64> {
    let parse = |line: &str| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    };
    stats.lines().filter_map(parse).collect()
}

/// What is wrong with the proxy, or that it could not be asked.
pub fn findings(answers: &Result<Answers, String>) -> Vec<Finding> {
    let answers = match answers {
        Ok(answers) => answers,
        Err(why) => {
            let message = format!("Envoy's admin interface cannot be asked: {why}");
            return vec![Finding::new("envoy", Level::Fail, message)];
        }
    };
    let mut filters = Vec::new();
    collect(&answers.dump, &mut filters);
    if filters.is_empty() {
        let message = "no filter of Keyplane is in the configuration: requests pass without a key; was it accepted, and \
                       does its selector or target name this proxy?";
        return vec![Finding::new("filter", Level::Fail, message)];
    }
    let mut found = vec![filter(&filters), token(&filters)];
    found.extend(clusters(&filters, &answers.clusters));
    let module = module(&filters, &answers.stats);
    let runs = module.level != Level::Fail;
    found.push(module);
    if runs {
        found.push(table(&answers.stats));
    }
    found
}

/// A filter in the dump: its configuration, and its settings.
struct Filter<'a> {
    config: &'a Value,
    settings: Value,
}

/// All that are Keyplane's: filters of WebAssembly whose settings name a control plane.
fn collect<'a>(value: &'a Value, found: &mut Vec<Filter<'a>>) {
    match value {
        Value::Object(fields) => {
            let config = &value["config"];
            if value["@type"].as_str().is_some_and(|kind| kind.ends_with("filters.http.wasm.v3.Wasm"))
                && let Some(settings) = settings(&config["configuration"]["value"])
                && settings["control_plane"]["cluster"].is_string()
            {
                found.push(Filter { config, settings });
            }
            fields.values().for_each(|field| collect(field, found));
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, found)),
        _ => {}
    }
}

/// JSON as a text, or the same as a `google.protobuf.Struct`.
fn settings(value: &Value) -> Option<Value> {
    value.as_str().map_or_else(|| Some(value.clone()), |text| serde_json::from_str(text).ok())
}

fn filter(filters: &[Filter]) -> Finding {
    let name = "filter";
    let opens = |filter: &&Filter| filter.config["failure_policy"] == "FAIL_OPEN" || filter.config["fail_open"] == true;
    if filters.iter().any(|filter| opens(&filter)) {
        return Finding::new(
            name,
            Level::Fail,
            "its failure policy is FAIL_OPEN: after a fault every request passes; set FAIL_RELOAD",
        );
    }
    if filters.iter().any(|filter| filter.config["failure_policy"] != "FAIL_RELOAD") {
        let message = "its failure policy is not FAIL_RELOAD: after a fault it refuses until Envoy starts anew";
        return Finding::new(name, Level::Warn, message);
    }
    Finding::new(name, Level::Ok, "in the configuration; a fault refuses and starts it anew")
}

fn token(filters: &[Filter]) -> Finding {
    let name = "token";
    let variables = |filter: &Filter| filter.config["vm_config"]["environment_variables"].clone();
    if filters.iter().any(|filter| variables(filter)["key_values"].get(TOKEN).is_some()) {
        let message = format!(
            "{TOKEN} is in `key_values`, so /config_dump shows it; name it in `host_env_keys`, and replace the token"
        );
        return Finding::new(name, Level::Fail, message);
    }
    let listed = |filter: &Filter| {
        let names = variables(filter);
        names["host_env_keys"].as_array().is_some_and(|names| names.iter().any(|name| name == TOKEN))
    };
    if filters.iter().all(listed) {
        Finding::new(name, Level::Ok, format!("read from {TOKEN} of Envoy's environment"))
    } else {
        let message =
            format!("the filter cannot see {TOKEN}; name it in `vm_config.environment_variables.host_env_keys`");
        Finding::new(name, Level::Fail, message)
    }
}

fn clusters(filters: &[Filter], clusters: &str) -> Vec<Finding> {
    let mut wanted: Vec<_> =
        filters.iter().filter_map(|filter| filter.settings["control_plane"]["cluster"].as_str()).collect();
    wanted.sort_unstable();
    wanted.dedup();
    let check = |cluster: &str| {
        // A name may hold `::` itself, so only its beginning tells.
        let start = format!("{cluster}::");
        if clusters.lines().any(|line| line.starts_with(&start)) {
            Finding::new("cluster", Level::Ok, format!("`{cluster}` is there"))
        } else {
            let message = format!(
                "`control_plane.cluster` names `{cluster}`, and this Envoy has no such cluster; add it, or look at what hides it"
            );
            Finding::new("cluster", Level::Fail, message)
        }
    };
    wanted.into_iter().map(check).collect()
}

fn module(filters: &[Filter], stats: &BTreeMap<String, u64>) -> Finding {
    let name = "module";
    let active: u64 = stats.iter().filter(|(name, _)| is_active(name)).map(|(_, count)| count).sum();
    // Other modules may run here too.
    if active == 0 || !stats.contains_key(SYNCED) {
        let failures = stats.get("wasm.remote_load_fetch_failures").copied().unwrap_or_default();
        let what = if failures > 0 {
            "it could not be fetched, so requests get 503; look at the address, cluster and `sha256` of `code.remote`"
        } else {
            "no VM runs it, so requests get 503; Envoy's log says why it was not loaded"
        };
        return Finding::new(name, Level::Fail, what);
    }
    let reloads = filters.iter().filter_map(|filter| filter.config["name"].as_str()).flat_map(|filter| {
        ["success", "failure"].map(|result| stats.get(&format!("wasm.{filter}.vm_reload_{result}")).copied())
    });
    let reloads: u64 = reloads.flatten().sum();
    if reloads > 0 {
        let message =
            format!("it runs, but was started anew {reloads} times after a fault: please report what Envoy's log says");
        return Finding::new(name, Level::Warn, message);
    }
    Finding::new(name, Level::Ok, "it runs")
}

/// `wasm.envoy.wasm.runtime.v8.active`
fn is_active(name: &str) -> bool {
    name.starts_with("wasm.") && name.ends_with(".active")
}

fn table(stats: &BTreeMap<String, u64>) -> Finding {
    let name = "table";
    let stat = |name: &str| stats.get(&format!("wasmcustom.keyplane_{name}")).copied().unwrap_or_default();
    let told = FAULTS.iter().find(|(fault, _)| stat(&format!("sync_faults_{fault}")) > 0).map(|(_, what)| *what);
    if stat("synced") == 0 {
        let what = told.unwrap_or("it has not polled yet; look at Envoy's log");
        return Finding::new(name, Level::Fail, format!("no keys, so requests with a key get 503: {what}"));
    }
    let (keys, revision, age) = (stat("table_keys"), stat("revision"), stat("table_age_milliseconds"));
    let found = format!("{keys} keys at revision {revision}");
    if age > OLD_MILLISECONDS {
        let what = told.unwrap_or("the control plane does not answer");
        let message = format!("{found}, but nothing was heard for {} s, so no revocation arrives: {what}", age / 1000);
        return Finding::new(name, Level::Fail, message);
    }
    Finding::new(name, Level::Ok, format!("{found}, heard of {} s ago", age / 1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn healthy() -> Answers {
        let stats = "wasm.envoy.wasm.runtime.v8.active: 4\nwasm.keyplane.vm_reload_success: 0\nwasmcustom.keyplane_synced: 1\n\
                     wasmcustom.keyplane_table_keys: 7\nwasmcustom.keyplane_table_age_milliseconds: 900\nx: P0(1,2)\n";
        Answers {
            stats: numbers(stats),
            clusters: "up::observability_name::up\noutbound|8081||k.svc::default_priority::x\n".to_owned(),
            dump: json!({ "configs": [{ "listeners": [{
                "@type": "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm",
                "config": {
                    "name": "keyplane",
                    "failure_policy": "FAIL_RELOAD",
                    "configuration": { "value": r#"{"control_plane": {"cluster": "outbound|8081||k.svc"}}"# },
                    "vm_config": { "environment_variables": { "host_env_keys": [TOKEN] } },
                },
            }] }] }),
        }
    }

    /// What fails, as `check: message`.
    fn failed(answers: Answers) -> Vec<String> {
        let found = findings(&Ok(answers));
        let bad = found.iter().filter(|finding| finding.level == Level::Fail);
        bad.map(|finding| format!("{}: {}", finding.check, finding.message)).collect()
    }

    fn with(edit: impl FnOnce(&mut Answers)) -> Vec<String> {
        let mut answers = healthy();
        edit(&mut answers);
        failed(answers)
    }

    /// One thing fails: this check, with this word.
    fn one(failed: &[String], check: &str, word: &str) {
        assert!(failed.len() == 1 && failed[0].starts_with(check) && failed[0].contains(word), "{failed:?}");
    }

    #[test]
    fn each_thing_that_is_wrong_is_told_apart_from_the_others() {
        assert!(failed(healthy()).is_empty());
        let config = |answers: &mut Answers| std::mem::take(&mut answers.dump["configs"][0]["listeners"][0]["config"]);
        let edit = |edit: fn(&mut Value)| {
            with(|answers| {
                let mut changed = config(answers);
                edit(&mut changed);
                answers.dump["configs"][0]["listeners"][0]["config"] = changed;
            })
        };
        one(&with(|answers| answers.dump = json!({})), "filter", "no filter");
        one(&edit(|config| config["failure_policy"] = "FAIL_OPEN".into()), "filter", "FAIL_OPEN");
        one(&edit(|config| config["fail_open"] = true.into()), "filter", "FAIL_OPEN");
        one(&edit(|config| config["vm_config"] = json!({})), "token", "host_env_keys");
        let structured = |config: &mut Value| {
            config["configuration"] = json!({ "value": { "control_plane": { "cluster": "none" } } });
        };
        one(&edit(structured), "cluster", "`none`");
        let shown =
            |config: &mut Value| config["vm_config"]["environment_variables"]["key_values"] = json!({ TOKEN: "x" });
        one(&edit(shown), "token", "key_values");
        one(
            &with(|answers| answers.clusters = "outbound|8081||k::a\n".to_owned()),
            "cluster",
            "`outbound|8081||k.svc`",
        );
        for stat in ["wasm.envoy.wasm.runtime.v8.active", SYNCED] {
            let without = |answers: &mut Answers| answers.stats.retain(|name, _| name != stat);
            one(&with(without), "module", "no VM");
        }
        let mut reloaded = healthy();
        reloaded.stats.insert("wasm.keyplane.vm_reload_success".to_owned(), 2);
        let found = findings(&Ok(reloaded));
        assert!(found.iter().any(|finding| finding.level == Level::Warn && finding.message.contains("anew 2 times")));
        let fault = |fault: &str| {
            with(|answers| {
                answers.stats.insert("wasmcustom.keyplane_synced".to_owned(), 0);
                answers.stats.insert(format!("wasmcustom.keyplane_sync_faults_{fault}"), 3);
            })
        };
        one(&fault("unauthorized"), "table", "KEYPLANE_PROXY_TOKEN");
        one(&fault("unreachable"), "table", "does not answer");
        let old = |answers: &mut Answers| {
            answers.stats.insert("wasmcustom.keyplane_table_age_milliseconds".to_owned(), 61_000);
        };
        one(&with(old), "table", "61 s");
        assert_eq!(findings(&Err("connection refused".to_owned())).len(), 1);
    }
}
