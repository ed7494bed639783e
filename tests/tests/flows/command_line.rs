//! Daily work on the command line, over the API.

use super::fixture::{Flow, eventually, parts};
use secrecy::ExposeSecret;
use serde_json::Value;
use std::process::{Command, Output};

struct Shell<'a> {
    flow: &'a Flow,
    binary: std::path::PathBuf,
}

impl Shell<'_> {
    fn keyplane(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments).env_remove("KEYPLANE_API_KEY");
        command.env("KEYPLANE_URL", self.flow.stack.control_plane.client().base());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let key = self.flow.stack.control_plane.admin_key().expose_secret();
        self.keyplane(arguments).env("KEYPLANE_API_KEY", key).output().unwrap()
    }

    fn shown(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.shown(&[arguments, &["--json"]].concat())).unwrap()
    }

    fn error(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded");
        String::from_utf8(output.stderr).unwrap()
    }
}

#[test]
fn a_key_lives_its_whole_life_on_the_command_line() {
    let flow = Flow::start();
    let shell = Shell { flow: &flow, binary: parts().keyplane };
    let account = shell.json(&["accounts", "create", "Acme"]);
    let account = account["id"].as_str().unwrap();
    let create = ["projects", "create", "--account", account, "--live", "cl_live", "--test", "cl_test", "Shell"];
    let project = shell.json(&create);
    let project = project["id"].as_str().unwrap();
    let key = shell.json(&["keys", "create", "--project", project, "--scope", "files:read", "nightly job"]);
    let (id, secret) = (key["id"].as_str().unwrap(), key["key"].as_str().unwrap());
    assert!(secret.starts_with("cl_live_"));
    let call = || flow.proxy().get("/", &[("x-api-key", secret)]).unwrap().status;
    eventually("the key works", || call() == 200);

    let table = shell.shown(&["keys", "list", "--project", project]);
    assert!(table.starts_with("ID ") && table.contains("nightly job") && table.contains("active"), "{table}");
    assert!(!table.contains(secret));
    assert_eq!(shell.json(&["keys", "rename", id, "weekly job"])["name"], "weekly job");
    assert!(shell.shown(&["keys", "revoke", id]).contains("revoked"));
    eventually("the key is refused", || (0..12).all(|_| call() == 401));
    assert!(shell.shown(&["accounts", "list"]).contains("Acme"));
    assert!(shell.shown(&["projects", "get", project]).contains("cl_test"));
    // A person sees the key once, with a word of warning.
    let shown = shell.shown(&["keys", "create", "--project", project, "--environment", "test", "trial"]);
    assert!(shown.contains("\ncl_test_") && shown.contains("not shown again"), "{shown}");
}

#[test]
fn errors_on_the_command_line_say_the_next_step() {
    let flow = Flow::start();
    let shell = Shell { flow: &flow, binary: parts().keyplane };
    let without = shell.keyplane(&["accounts", "list"]).output().unwrap();
    assert!(String::from_utf8_lossy(&without.stderr).contains("KEYPLANE_API_KEY"));
    assert!(shell.error(&["keys", "get", "no-id"]).contains("no-id"));
    let unknown = shell.error(&["keys", "get", "01890a5d-ac96-774b-bcce-b302099a8057"]);
    assert!(unknown.contains("no key with this id"), "{unknown}");
    let name = shell.error(&["accounts", "create", ""]);
    assert!(name.contains("name"), "{name}");
    let away = shell.error(&["accounts", "list", "--url", "http://127.0.0.1:1"]);
    assert!(away.contains("127.0.0.1:1"), "{away}");
    assert!(shell.shown(&["completions", "bash"]).contains("keyplane"));
}
