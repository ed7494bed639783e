//! Envoy as a child process, configured by `examples/envoy/envoy.yaml`.
//!
//! The sample itself is what runs: its ports, module path and plugin configuration are replaced by text, each exactly where
//! it stands. So the file that users copy is the file that the tests prove.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::http::Client;
use super::{Process, START_LIMIT, STOP_LIMIT};

const SAMPLE: &str = include_str!("../../../examples/envoy/envoy.yaml");

/// What an [`Envoy`] is started with.
#[derive(Debug, Clone)]
pub struct EnvoySettings {
    /// The Envoy binary.
    pub binary: PathBuf,
    /// The filter.
    pub wasm: PathBuf,
    /// Passed in the environment only, as `KEYPLANE_PROXY_TOKEN`.
    pub proxy_token: SecretString,
    /// The filter's configuration, any JSON value (a wrong one is how refusals are tested).
    pub plugin: Value,
    /// Envoy's `--concurrency`: the number of workers.
    pub workers: u32,
    /// How many proxies before this one it trusts to tell the caller's address in `X-Forwarded-For`; 0 for none, as in the sample.
    pub trusted_hops: u32,
    /// Where it takes requests.
    pub proxy_port: u16,
    /// Envoy's admin interface.
    pub admin_port: u16,
    /// The control plane's sync listener.
    pub sync_port: u16,
    /// The upstream.
    pub upstream_port: u16,
}

impl EnvoySettings {
    /// The sample with these settings in place.
    pub fn render(&self) -> Result<String> {
        let mut replacements = self.replacements()?;
        replacements.push(("{\"control_plane\": {\"cluster\": \"keyplane\"}}", self.plugin.to_string()));
        render(SAMPLE, &replacements)
    }

    /// Another sample of `examples/envoy` with these settings in place, but for the plugin's configuration, which is the sample's own.
    pub fn render_other(&self, sample: &str) -> Result<String> {
        render(sample, &self.replacements()?)
    }

    /// What every sample holds, and what takes its place.
    fn replacements(&self) -> Result<Vec<(&'static str, String)>> {
        let port = |port: u16| format!("port_value: {port} }}");
        let hops = match self.trusted_hops {
            0 => String::new(),
            hops => format!("\n                xff_num_trusted_hops: {hops}"),
        };
        // A JSON string is also a YAML string.
        let wasm = Value::from(self.wasm.to_str().context("the path of the filter is not UTF-8")?);
        Ok(vec![
            ("port_value: 9901 }", port(self.admin_port)),
            ("port_value: 10000 }", port(self.proxy_port)),
            ("port_value: 8081 }", port(self.sync_port)),
            ("port_value: 9000 }", port(self.upstream_port)),
            ("use_remote_address: true", format!("use_remote_address: true{hops}")),
            ("filename: \"target/keyplane.wasm\"", format!("filename: {wasm}")),
        ])
    }
}

/// Replaces each text, which must stand in the sample exactly once, so that an edit of the sample cannot silently leave a
/// setting out. Only the sample is searched, never what was put in.
fn render(sample: &str, replacements: &[(&str, String)]) -> Result<String> {
    let mut places = Vec::with_capacity(replacements.len());
    for (text, new) in replacements {
        let found: Vec<usize> = sample.match_indices(text).map(|(at, _)| at).collect();
        let [at] = found[..] else {
            bail!("the sample holds `{text}` {} times instead of once", found.len());
        };
        places.push((at, text.len(), new));
    }
    places.sort_unstable_by_key(|(at, ..)| *at);
    let mut rendered = String::with_capacity(sample.len() + 256);
    let mut rest = 0;
    for (at, length, new) in places {
        rendered.push_str(&sample[rest..at]);
        rendered.push_str(new);
        rest = at + length;
    }
    rendered.push_str(&sample[rest..]);
    Ok(rendered)
}

/// A running Envoy.
#[derive(Debug)]
pub struct Envoy {
    process: Process,
    settings: EnvoySettings,
}

impl Envoy {
    /// Starts one and waits until its admin interface says that it is live. Its configuration is `folder/<name>.yaml` and
    /// its log `folder/<name>.log`: several may share a folder.
    ///
    /// # Errors
    /// When it refuses the configuration or ends early, with the end of its log.
    pub fn start(settings: EnvoySettings, folder: &Path, name: &str) -> Result<Self> {
        Self::start_with(settings, &[], folder, name)
    }

    /// The same with changes of the sample: in each pair the first text, which stands in it once, becomes the second.
    pub fn start_with(settings: EnvoySettings, changes: &[(&str, String)], folder: &Path, name: &str) -> Result<Self> {
        let configuration = render(&settings.render()?, changes)?;
        Self::start_rendered(settings, &configuration, &[], folder, name)
    }

    /// The same with another sample of `examples/envoy`; see [`EnvoySettings::render_other`].
    pub fn start_other(
        settings: EnvoySettings,
        sample: &str,
        changes: &[(&str, String)],
        folder: &Path,
        name: &str,
    ) -> Result<Self> {
        let configuration = render(&settings.render_other(sample)?, changes)?;
        Self::start_rendered(settings, &configuration, &[], folder, name)
    }

    /// The same with a whole configuration, made from these settings, and with more arguments for Envoy.
    pub fn start_rendered(
        settings: EnvoySettings,
        rendered: &str,
        arguments: &[&str],
        folder: &Path,
        name: &str,
    ) -> Result<Self> {
        let configuration = folder.join(format!("{name}.yaml"));
        std::fs::write(&configuration, rendered)
            .with_context(|| format!("cannot write {}", configuration.display()))?;
        let mut command = Command::new(&settings.binary);
        command
            .arg("--config-path")
            .arg(&configuration)
            .args(["--concurrency", &settings.workers.to_string()])
            // Several Envoys run side by side here; they share nothing.
            .arg("--disable-hot-restart")
            .args(["--log-level", "warn", "--component-log-level", "wasm:info"])
            .args(arguments)
            .env("KEYPLANE_PROXY_TOKEN", settings.proxy_token.expose_secret());
        let mut process = Process::start("Envoy", command, &folder.join(format!("{name}.log")))?;
        let admin = Client::new(settings.admin_port);
        process.wait_until(START_LIMIT, || admin.get("/ready", &[]).is_ok_and(|answer| answer.status == 200))?;
        Ok(Self { process, settings })
    }

    /// `envoy --mode validate` on the configuration that these settings give. Envoy also starts the filter for it.
    pub fn validate(settings: &EnvoySettings, folder: &Path) -> Result<()> {
        let configuration = folder.join("validate.yaml");
        std::fs::write(&configuration, settings.render()?)
            .with_context(|| format!("cannot write {}", configuration.display()))?;
        let mut command = Command::new(&settings.binary);
        command
            .args(["--mode", "validate", "--config-path"])
            .arg(&configuration)
            .env("KEYPLANE_PROXY_TOKEN", settings.proxy_token.expose_secret());
        crate::run::read(command).map(drop)
    }

    /// Requests through the proxy, without a credential.
    pub fn client(&self) -> Client {
        Client::new(self.settings.proxy_port)
    }

    /// Envoy's admin interface.
    pub fn admin(&self) -> Client {
        Client::new(self.settings.admin_port)
    }

    /// What it was started with.
    pub fn settings(&self) -> &EnvoySettings {
        &self.settings
    }

    /// The process, with its log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// `SIGSTOP`: it keeps its connections and answers nothing.
    pub fn freeze(&self) -> Result<()> {
        self.process.signal(Signal::SIGSTOP)
    }

    /// `SIGCONT`: it goes on.
    pub fn thaw(&self) -> Result<()> {
        self.process.signal(Signal::SIGCONT)
    }

    /// Counters and gauges whose name contains `part`.
    pub fn stats(&self, part: &str) -> Result<BTreeMap<String, u64>> {
        let text = self.admin().get("/stats", &[])?.text();
        Ok(parse_stats(&text).filter(|(name, _)| name.contains(part)).collect())
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    /// When it had to be killed or its status is not 0, as after a crash.
    pub fn stop(&mut self) -> Result<()> {
        let status = self.process.stop(STOP_LIMIT)?;
        if !status.success() {
            bail!("Envoy ended with {status}; its log is {}", self.process.log().display());
        }
        Ok(())
    }
}

/// Lines of `name: value`; histograms and text values have no single number and are left out.
fn parse_stats(text: &str) -> impl Iterator<Item = (String, u64)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.split_once(": ")?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> EnvoySettings {
        EnvoySettings {
            binary: "envoy".into(),
            wasm: "/with \"quotes\"/keyplane.wasm".into(),
            proxy_token: "kp_proxy_secret".to_owned().into(),
            plugin: serde_json::json!({ "hold": { "milliseconds": 9000 } }),
            workers: 2,
            trusted_hops: 0,
            proxy_port: 9000,
            admin_port: 10000,
            sync_port: 1,
            upstream_port: 8081,
        }
    }

    #[test]
    fn every_setting_lands_in_its_own_place() {
        let rendered = settings().render().unwrap();
        let after = |name: &str, text: &str| rendered.split(name).nth(1).unwrap().contains(text);
        assert!(after("\nadmin:", "port_value: 10000 }"));
        assert!(after("- name: proxy\n", "port_value: 9000 }"));
        assert!(after("- name: keyplane\n      type: STATIC", "port_value: 1 }"));
        assert!(after("- name: upstream\n", "port_value: 8081 }"));
        assert!(rendered.contains(r#"filename: "/with \"quotes\"/keyplane.wasm""#));
        assert!(rendered.contains(r#"{"hold":{"milliseconds":9000}}"#));
        assert_eq!(rendered.matches("port_value:").count(), 4);
    }

    #[test]
    fn trusted_hops_stand_beside_the_remote_address() {
        let hops = "use_remote_address: true\n                xff_num_trusted_hops: 2\n";
        assert!(EnvoySettings { trusted_hops: 2, ..settings() }.render().unwrap().contains(hops));
        assert!(!settings().render().unwrap().contains("\n                xff_num_trusted_hops"));
    }

    #[test]
    fn the_proxy_token_is_in_no_configuration_and_no_debug_text() {
        assert!(!settings().render().unwrap().contains("kp_proxy_secret"));
        assert!(!format!("{:?}", settings()).contains("kp_proxy_secret"));
    }

    #[test]
    fn a_sample_without_a_setting_is_refused() {
        assert!(render("nothing", &[("port", "1".into())]).is_err());
        assert!(render("port port", &[("port", "1".into())]).is_err());
        assert_eq!(render("a b", &[("b", "a".into()), ("a", "b".into())]).unwrap(), "b a");
    }

    #[test]
    fn counters_are_read_and_histograms_left_out() {
        let text = "wasm.keyplane: 3\nhttp.p.rq: P0(nan,1) P50(nan,2)\nserver.live: 1\n";
        let stats: BTreeMap<_, _> = parse_stats(text).collect();
        assert_eq!(stats, BTreeMap::from([("wasm.keyplane".into(), 3), ("server.live".into(), 1)]));
    }
}
