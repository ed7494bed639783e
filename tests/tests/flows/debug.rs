//! The operator's debug token in a real Envoy: the answer says why, to its holder alone.

use super::fixture::{Loose, PATH, envoy_settings, eventually, project};
use secrecy::ExposeSecret;
use serde_json::json;
use xtask::stack::{Envoy, Response};

const TOKEN: &str = "kp_debug_0123456789";

/// Beside `use_remote_address` of the sample.
const ACCESS_LOG: &str = r#"                access_log:
                  - name: envoy.access_loggers.stdout
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog
                      log_format:
                        text_format_source:
                          inline_string: "why rule=%FILTER_STATE(wasm.keyplane.rule:PLAIN)% reason=%FILTER_STATE(wasm.keyplane.reason:PLAIN)% revision=%FILTER_STATE(wasm.keyplane.revision:PLAIN)% age=%FILTER_STATE(wasm.keyplane.table_age:PLAIN)%\n""#;

fn told(answer: &Response) -> Vec<(String, String)> {
    let names = ["x-keyplane-rule", "x-keyplane-reason", "x-keyplane-revision", "x-keyplane-age"];
    let values = names.iter().flat_map(|name| answer.headers.get_all(*name).iter().map(move |value| (name, value)));
    values.map(|(name, value)| ((*name).to_owned(), value.to_str().unwrap().to_owned())).collect()
}

#[test]
fn an_answer_says_why_to_the_holder_of_the_debug_token_alone() {
    let loose = Loose::start();
    let api = loose.control_plane.api();
    let key = api.create_key(&project(&api), "debug").unwrap();
    let plugin = json!({
        "control_plane": { "cluster": "keyplane" },
        "rules": [{ "name": "hello", "paths": [PATH] }],
        "identity": { "filter_state": ["rule", "reason", "revision", "table_age"] },
    });
    let settings = envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &plugin);
    // In the test's configuration; an operator names it in `host_env_keys` and keeps it in Envoy's environment.
    let keys = "host_env_keys: [KEYPLANE_PROXY_TOKEN]";
    let with_token = format!("{keys}\n                            key_values: {{ KEYPLANE_DEBUG_TOKEN: \"{TOKEN}\" }}");
    let hops = "use_remote_address: true";
    let with_log = format!("{hops}\n{ACCESS_LOG}");
    let changes = [(keys, with_token), (hops, with_log)];
    let mut envoy = Envoy::start_with(settings, &changes, loose.folder.path(), "envoy").unwrap();
    let ask = |secret: &str, token: &str| {
        envoy.client().get(PATH, &[("x-api-key", secret), ("x-keyplane-debug", token)]).unwrap()
    };
    let secret = key.secret.expose_secret();
    // Each request is a new connection; so many in a row have met both workers.
    let mut row = 0;
    eventually("the key is accepted by both workers", || {
        row = if ask(secret, TOKEN).status == 200 { row + 1 } else { 0 };
        row >= 12
    });

    let allowed = ask(secret, TOKEN);
    let of = |answer: &Response, name: &str| {
        told(answer).into_iter().filter(|(told, _)| told == name).map(|(_, value)| value).collect::<Vec<_>>()
    };
    assert_eq!(of(&allowed, "x-keyplane-reason"), ["allowed"]);
    assert_eq!(of(&allowed, "x-keyplane-rule"), ["hello"]);
    assert!(of(&allowed, "x-keyplane-revision")[0].parse::<u64>().unwrap() > 0);
    assert!(of(&allowed, "x-keyplane-age")[0].parse::<u64>().is_ok());
    assert!(!allowed.text().contains("x-keyplane-debug"), "the upstream saw the token: {}", allowed.text());

    let refused = ask("not a key", TOKEN);
    assert_eq!((refused.status, of(&refused, "x-keyplane-reason")), (401, vec!["malformed".to_owned()]));
    assert_eq!(of(&refused, "x-keyplane-revision").len(), 1);

    for token in ["", "kp_debug_012345678", "kp_debug_0123456789x"] {
        assert_eq!(told(&ask(secret, token)), []);
        assert_eq!(told(&ask("not a key", token)), []);
    }
    // The access log says the same of every request, whoever asked. It is complete when Envoy has ended.
    let revision = of(&allowed, "x-keyplane-revision")[0].clone();
    envoy.stop().unwrap();
    let log = envoy.process().logged();
    assert!(!log.contains(TOKEN), "the log shows the token");
    let why = |reason: &str| format!("why rule=hello reason={reason} revision={revision} age=");
    for reason in ["allowed", "malformed"] {
        let lines: Vec<_> = log.lines().filter_map(|line| line.split(&why(reason)).nth(1)).collect();
        assert!(lines.len() >= 4 && lines.iter().all(|age| age.parse::<u64>().is_ok()), "{reason}: {lines:?} in {log}");
    }
}
