//! The operator's debug token in a real Envoy: the answer says why, to its holder alone.

use super::fixture::{Loose, PATH, envoy_settings, eventually, project};
use secrecy::ExposeSecret;
use serde_json::json;
use xtask::stack::{Envoy, Response};

const TOKEN: &str = "kp_debug_0123456789";

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
    let plugin = json!({ "control_plane": { "cluster": "keyplane" } });
    let settings = envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &plugin);
    // In the test's configuration; an operator names it in `host_env_keys` and keeps it in Envoy's environment.
    let keys = "host_env_keys: [KEYPLANE_PROXY_TOKEN]";
    let with_token = format!("{keys}\n                            key_values: {{ KEYPLANE_DEBUG_TOKEN: \"{TOKEN}\" }}");
    let envoy = Envoy::start_with(settings, &[(keys, with_token)], loose.folder.path(), "envoy").unwrap();
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
}
