//! Before the first table nothing passes, and a wrong configuration never opens the door.

use super::fixture::{Loose, PATH, eventually, project};
use secrecy::ExposeSecret;
use serde_json::json;
use xtask::stack::Client;

#[test]
fn a_proxy_without_a_table_holds_requests_and_then_answers_503() {
    let mut loose = Loose::start();
    let project = project(&loose.control_plane.api());
    let key = loose.control_plane.api().create_key(&project, "waiting").unwrap();
    loose.control_plane.stop().unwrap();
    let plugin = json!({ "control_plane": { "cluster": "keyplane" }, "hold": { "milliseconds": 1500 } });
    let envoy = loose.envoy(&plugin).unwrap();
    let header = [("x-api-key", key.secret.expose_secret())];

    let answer = envoy.client().get(PATH, &header).unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")));
    assert_eq!(answer.json()["code"], "table_not_ready");
    assert!(answer.took.as_millis() >= 1_400, "held for {} ms only", answer.took.as_millis());
    // Without a credential there is nothing to wait for.
    assert_eq!(envoy.client().get(PATH, &[]).unwrap().status, 401);

    // Held requests pass as soon as the table is there.
    let waiting = {
        let (client, secret) = (envoy.client(), key.secret.clone());
        std::thread::spawn(move || {
            let header = [("x-api-key", secret.expose_secret())];
            // One of these is held while the control plane starts.
            (0..20).map(|_| client.get(PATH, &header).unwrap().status).find(|status| *status != 503)
        })
    };
    loose.control_plane.start().unwrap();
    assert_eq!(waiting.join().unwrap(), Some(200));
}

#[test]
fn a_wrong_plugin_configuration_is_named_and_never_opens_the_door() {
    let loose = Loose::start();
    let plugin = json!({ "control_plane": { "cluster": "keyplane" }, "forward_credentials": true });
    match loose.envoy(&plugin) {
        // Envoy refuses to start: nothing listens.
        Err(error) => {
            assert!(format!("{error:#}").contains("forward_credentials"), "{error:#}");
            assert!(Client::new(loose.ports.proxy).get(PATH, &[]).is_err());
        }
        // Or it starts with the filter refusing everything.
        Ok(mut envoy) => {
            assert!(envoy.process().logged().contains("forward_credentials"));
            for _ in 0..12 {
                assert!(envoy.client().get(PATH, &[]).unwrap().status >= 500);
            }
        }
    }
}

#[test]
fn a_wrong_proxy_token_is_told_and_nothing_passes() {
    let loose = Loose::start();
    let project = project(&loose.control_plane.api());
    let key = loose.control_plane.api().create_key(&project, "unseen").unwrap();
    let plugin = json!({ "control_plane": { "cluster": "keyplane" }, "hold": { "milliseconds": 100 } });
    let mut settings = super::fixture::envoy_settings(&loose.parts, &loose.control_plane, loose.ports, &plugin);
    settings.proxy_token = "kp_proxy_wrong".to_owned().into();
    let mut envoy = xtask::stack::Envoy::start(settings, loose.folder.path(), "envoy").unwrap();
    eventually("the log says what is wrong", || envoy.process().logged().contains("KEYPLANE_PROXY_TOKEN"));
    let answer = envoy.client().get(PATH, &[("x-api-key", key.secret.expose_secret())]).unwrap();
    assert_eq!(answer.status, 503);
}
