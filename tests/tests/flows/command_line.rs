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
    assert!(shell.shown(&["projects", "rename", project, "Terminal"]).contains("Terminal"));
    // A person sees the key once, with a word of warning.
    let shown = shell.shown(&["keys", "create", "--project", project, "--environment", "test", "trial"]);
    assert!(shown.contains("\ncl_test_") && shown.contains("not shown again"), "{shown}");
}

fn id(object: &Value) -> &str {
    object["id"].as_str().unwrap()
}

#[test]
fn a_key_is_rotated_restricted_and_counted_on_the_command_line() {
    let flow = Flow::start();
    let shell = Shell { flow: &flow, binary: parts().keyplane };
    let account = shell.json(&["accounts", "create", "--plan", "pro", "Acme"]);
    let create = ["projects", "create", "--account", id(&account), "--live", "cr_live", "--test", "cr_test", "Shell"];
    let project = shell.json(&create);
    let create = ["keys", "create", "--project", id(&project), "--cidr", "127.0.0.0/8", "--expires", "30d", "job"];
    let old = shell.json(&create);
    assert_eq!(old["allowed_cidrs"], serde_json::json!(["127.0.0.0/8"]));
    let rotated = shell.shown(&["keys", "rotate", id(&old), "--retire-when-idle", "48"]);
    assert!(rotated.contains("\ncr_live_") && rotated.contains("48 hours") && rotated.contains(id(&old)), "{rotated}");

    let secret = old["key"].as_str().unwrap();
    let call = || flow.proxy().get("/", &[("x-api-key", secret)]).unwrap().status;
    eventually("the old key works", || call() == 200);
    let usage = ["usage", "--by", "key", "--project", id(&project)];
    let counted = || shell.shown(&usage).lines().any(|line| line.contains(id(&old)) && !line.contains(" 0  0"));
    eventually("its use is counted", counted);
    // Proxies tell addresses from the moment on at which they hear of the rotation.
    let told = || call() == 200 && shell.shown(&["keys", "sources", id(&old)]).contains("127.0.0.1");
    eventually("its source is told", told);
    assert!(shell.shown(&["keys", "revoke", id(&old), "--reason", "moved"]).contains("revoked"));
    let log = shell.shown(&["audit", "--object", id(&old), "--since", "1h"]);
    let at = |action: &str| log.find(action).unwrap_or_else(|| panic!("no {action} in {log}"));
    assert!(at("key.revoke") < at("key.rotate") && at("key.rotate") < at("key.create"), "newest first: {log}");
    let next = shell.json(&["keys", "create", "--project", id(&project), "second"]);
    let rotated = shell.shown(&["keys", "rotate", id(&next), "--grace", "0s", "--wait", "20s"]);
    assert!(rotated.contains("The old key is revoked.\n\nKnown to the one live proxy after "), "{rotated}");
    assert_eq!(statuses(&flow, next["key"].as_str().unwrap()), [401; 12], "no worker takes it any more");
    assert!(shell.shown(&["accounts", "update", id(&account), "--suspend"]).contains("suspended"));
    assert!(shell.shown(&["accounts", "update", id(&account), "--resume"]).contains("active"));
    let third = shell.json(&["keys", "create", "--project", id(&project), "third"]);
    let rotated = shell.json(&["keys", "rotate", id(&third), "--grace", "1h", "--wait", "20s"]);
    assert!(rotated["replaces"]["replaced_by"] == rotated["id"] && rotated["grace_ends_at"].is_string(), "{rotated}");
    assert_eq!((&rotated["receipt"]["proxies"], &rotated["receipt"]["applied"]), (&1.into(), &1.into()));
}

/// What a credential is answered, often enough to meet each worker.
fn statuses(flow: &Flow, secret: &str) -> Vec<u16> {
    (0..12).map(|_| flow.proxy().get("/", &[("x-api-key", secret)]).unwrap().status).collect()
}

#[test]
fn each_command_that_takes_a_right_away_waits_for_the_proxies_and_says_who_has_it() {
    let flow = Flow::start();
    let shell = Shell { flow: &flow, binary: parts().keyplane };
    let account = shell.json(&["accounts", "create", "Acme"]);
    let create = ["projects", "create", "--account", id(&account), "--live", "cw_live", "--test", "cw_test", "Shell"];
    let project = shell.json(&create);
    let key = shell.json(&["keys", "create", "--project", id(&project), "job"]);
    let create = ["users", "create", "--account", id(&account), "--email", "ada@example.com", "Ada"];
    let user = shell.json(&create);
    let token = |name| shell.json(&["tokens", "create", "--user", id(&user), name]);
    let (laptop, desk) = (token("laptop"), token("desk"));
    let secret = |object: &Value| object["key"].as_str().unwrap().to_owned();
    let answers = |object: &Value| statuses(&flow, &secret(object));
    for known in [&key, &laptop, &desk] {
        eventually("it works", || answers(known) == [200; 12]);
    }

    let waited = |arguments: &[&str]| {
        let shown = shell.shown(&[arguments, &["--wait", "20s"]].concat());
        let (table, receipt) = shown.rsplit_once("\n\n").unwrap_or_else(|| panic!("no receipt: {shown}"));
        assert!(table.starts_with("ID ") && receipt.contains(" the one live proxy after "), "{shown}");
        receipt.split(" the one ").next().unwrap().to_owned()
    };
    assert_eq!(waited(&["keys", "disable", id(&key)]), "Refused by");
    assert_eq!(answers(&key), [401; 12]);
    assert_eq!(waited(&["keys", "enable", id(&key)]), "Known to");
    assert_eq!(answers(&key), [200; 12]);
    assert_eq!(waited(&["accounts", "update", id(&account), "--suspend"]), "Its keys are refused by");
    assert!(!answers(&key).contains(&200) && !answers(&laptop).contains(&200));
    assert_eq!(waited(&["accounts", "update", id(&account), "--resume"]), "Known to");
    assert_eq!((answers(&key), answers(&laptop)), (vec![200; 12], vec![200; 12]));
    assert_eq!(waited(&["keys", "update", id(&key), "--cidr", "203.0.113.0/24"]), "Known to");
    assert_eq!(answers(&key), [403; 12]);
    assert_eq!(waited(&["keys", "update", id(&key), "--any-network", "--scope", "a", "--name", "b"]), "Known to");
    assert_eq!(answers(&key), [200; 12]);
    let edited = shell.shown(&["keys", "get", id(&key)]);
    assert!(edited.contains("Scopes       a\nNetworks     any\n"), "{edited}");
    let edited = shell.json(&["keys", "get", id(&key)]);
    assert_eq!((&edited["scopes"], &edited["name"]), (&serde_json::json!(["a"]), &"b".into()));
    assert_eq!(waited(&["tokens", "revoke", id(&laptop), "--reason", "lost"]), "Refused by");
    assert_eq!((answers(&laptop), answers(&desk)), (vec![401; 12], vec![200; 12]));
    assert_eq!(waited(&["users", "remove", id(&user)]), "Their tokens are refused by");
    assert_eq!(answers(&desk), [401; 12]);
    let revoked = shell.json(&["keys", "revoke", id(&key), "--wait", "20s"]);
    assert_eq!((&revoked["receipt"]["proxies"], &revoked["receipt"]["applied"]), (&1.into(), &1.into()));
    assert_eq!(answers(&key), [401; 12]);
    assert!(shell.error(&["keys", "disable", id(&key), "--wait", "2m"]).contains("at most 55s"));
}

#[test]
fn people_and_credentials_are_managed_on_the_command_line() {
    let flow = Flow::start();
    let shell = Shell { flow: &flow, binary: parts().keyplane };
    let account = shell.json(&["accounts", "create", "Acme"]);
    let create = ["users", "create", "--account", id(&account), "--email", "ada@example.com", "--role", "owner", "Ada"];
    let user = shell.json(&create);
    let token = shell.json(&["tokens", "create", "--user", id(&user), "laptop"]);
    let own = token["key"].as_str().unwrap();
    // A person works with their own token, and sees their own things.
    let output = shell.keyplane(&["tokens", "list"]).env("KEYPLANE_API_KEY", own).output().unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert!(listed.contains("laptop") && !listed.contains(own), "{listed}");
    assert_eq!(shell.json(&["tokens", "rename", id(&token), "desktop"])["name"], "desktop");
    assert_eq!(shell.json(&["tokens", "get", id(&token)])["name"], "desktop");
    assert!(shell.shown(&["users", "update", id(&user), "--role", "member"]).contains("member"));
    assert!(shell.shown(&["tokens", "revoke", id(&token)]).contains("revoked"));
    assert!(shell.shown(&["users", "list", "--account", id(&account)]).contains("ada@example.com"));
    shell.shown(&["users", "remove", id(&user)]);

    let admin = shell.json(&["admin-keys", "create", "--access", "read", "watcher"]);
    let key = admin["key"].as_str().unwrap();
    let as_watcher = |arguments: &[&str]| shell.keyplane(arguments).env("KEYPLANE_API_KEY", key).output().unwrap();
    assert!(as_watcher(&["accounts", "list"]).status.success());
    assert!(String::from_utf8_lossy(&as_watcher(&["accounts", "create", "x"]).stderr).contains("forbidden"));
    shell.shown(&["admin-keys", "revoke", id(&admin)]);
    assert!(!as_watcher(&["accounts", "list"]).status.success());
    assert!(shell.shown(&["admin-keys", "list"]).contains("first"));

    let first = shell.json(&["proxy-tokens", "list"]);
    let next = shell.json(&["proxy-tokens", "create", "next"]);
    assert!(next["key"].as_str().unwrap().starts_with("kp_proxy_"));
    let refused = shell.error(&["proxy-tokens", "create", "third"]);
    assert!(refused.contains("revoke the older") && refused.contains(id(&first)), "{refused}");
    assert!(shell.shown(&["proxy-tokens", "revoke", id(&next)]).contains("revoked"));
    // The whole log as lines, each an entry.
    let log = shell.shown(&["audit", "--all", "--json"]);
    let actions: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for action in ["user.create", "user.remove", "admin_key.revoke", "proxy_token.create", "proxy_token.revoke"] {
        assert!(actions.iter().any(|entry| entry["action"] == action), "{action}");
    }
    assert!(!log.contains(&key[14..40]) && !log.contains(&own[12..38]));
}

/// The commands under this one, as its help lists them; none for one that does something itself.
fn subcommands(help: &str) -> Vec<&str> {
    let list = help.split_once("\nCommands:\n").map_or("", |(_, rest)| rest.split("\n\n").next().unwrap());
    // Lines that go on with a text begin further right.
    let names = list.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    names.map(|line| line.split_whitespace().next().unwrap()).filter(|name| *name != "help").collect()
}

/// The examples in a command's help, without what stands beside them.
fn examples(help: &str) -> Vec<String> {
    let rest = help.split_once("\nExample").map_or("", |(_, rest)| rest);
    let examples = rest.lines().skip(1).take_while(|line| !line.is_empty());
    let command = |line: &str| {
        // Else the line was too long, and was broken.
        assert!(line.starts_with("  keyplane ") || line.starts_with("  source "), "{line} in {help}");
        line.trim_start().split("  ").next().unwrap().to_owned()
    };
    examples.map(command).collect()
}

#[test]
fn the_help_of_each_command_is_short_of_no_word_and_its_examples_work() {
    let flow = Flow::start();
    let shell = Shell { flow: &flow, binary: parts().keyplane };
    let help = |path: &[&str]| shell.shown(&[path, &["--help"]].concat());
    let top = help(&[]);
    let mut commands: Vec<Vec<&str>> = subcommands(&top).into_iter().map(|name| vec![name]).collect();
    let groups: Vec<_> = commands.iter().map(|path| (path[0], help(path))).collect();
    commands
        .extend(groups.iter().flat_map(|(group, help)| subcommands(help).into_iter().map(|name| vec![*group, name])));
    assert!(commands.len() > 40 && commands.contains(&vec!["keys", "revoke"]), "{commands:?}");

    let folder = tempfile::tempdir().unwrap();
    let programs = shell.binary.parent().unwrap().display();
    let admin = format!("http://127.0.0.1:{}", flow.stack.envoy.settings().admin_port);
    let mut tried = 0;
    for path in commands {
        let help = help(&path);
        assert!(help.lines().all(|line| line.chars().count() <= 110), "{path:?}: a line is long:\n{help}");
        for example in examples(&help) {
            // Each has all that it may name, anew: the one before may have ended it.
            let account = shell.json(&["accounts", "create", "Acme"]);
            let create =
                ["projects", "create", "--account", id(&account), "--live", "ex_live", "--test", "ex_test", "Help"];
            let project = shell.json(&create);
            let key = shell.json(&["keys", "create", "--project", id(&project), "job"]);
            let mail = format!("{tried}@example.com");
            let user = shell.json(&["users", "create", "--account", id(&account), "--email", &mail, "Grace"]);
            let token = shell.json(&["tokens", "create", "--user", id(&user), "desk"]);
            let objects =
                [("account", &account), ("project", &project), ("key", &key), ("user", &user), ("token", &token)];

            let mut bash = Command::new("bash");
            let script = example.replace("http://127.0.0.1:9901", &admin);
            let script = script.replace("--data-dir keyplane-data", "--data-dir first");
            bash.args(["-euo", "pipefail", "-c", &script]).current_dir(folder.path());
            bash.envs(objects.map(|(name, object)| (name, id(object))));
            bash.env("PATH", format!("{programs}:{}", std::env::var("PATH").unwrap()));
            bash.env("KEYPLANE_URL", flow.stack.control_plane.client().base());
            bash.env("KEYPLANE_API_KEY", flow.stack.control_plane.admin_key().expose_secret());
            let output = bash.output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{path:?}: {example}: {said}");
            tried += 1;
        }
    }
    assert!(tried >= 25, "only {tried} examples");
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
    assert!(shell.error(&["audit", "--since", "yesterday"]).contains("24h"));
    assert!(shell.error(&["accounts", "update", "01890a5d-ac96-774b-bcce-b302099a8057"]).contains("--suspend"));
    assert!(shell.shown(&["completions", "bash"]).contains("proxy-tokens"));
}
