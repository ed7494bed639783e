//! The printed defaults are a settings file, and whoever set something wrong is told where.

use crate::fixture::{command, done, keyplane, refused, text};

#[test]
fn the_printed_defaults_are_taken_as_a_settings_file() {
    let folder = tempfile::tempdir().unwrap();
    let printed = done(&keyplane(&["config"]));
    let file = folder.path().join("all.toml");
    std::fs::write(&file, printed).unwrap();
    let data = folder.path().join("nothing");
    // It gets as far as the database, which is not there.
    let any = "127.0.0.1:0";
    let serve = ["serve", "--config", text(&file), "--data-dir", text(&data), "--listen", any, "--sync-listen", any];
    let said = refused(&keyplane(&serve));
    assert!(said.contains("there is no database"), "{said}");
}

#[test]
fn a_wrong_setting_is_told_with_the_file_or_the_variable_that_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = text(folder.path());
    let said = refused(&command(&["serve", "--data-dir", data]).env("KEYPLANE_LISTEN", "nowhere").output().unwrap());
    assert!(said.contains("`listen`") && said.contains("KEYPLANE_LISTEN"), "{said}");
    std::fs::write(folder.path().join("keyplane.toml"), "sync_listen = 'nowhere'").unwrap();
    let said = refused(&keyplane(&["serve", "--data-dir", data]));
    assert!(said.contains("`sync_listen`") && said.contains("keyplane.toml"), "{said}");
}

#[test]
fn what_clients_and_secrets_are_set_with_is_no_setting() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["url", "api_key", "admin_key", "proxy_token"] {
        std::fs::write(folder.path().join("keyplane.toml"), format!("{name} = 'canary-4711'")).unwrap();
        let said = refused(&keyplane(&["serve", "--data-dir", text(folder.path())]));
        assert!(said.contains(name) && said.contains("keyplane.toml") && !said.contains("canary"), "{said}");
        assert!(!done(&keyplane(&["config"])).contains(&format!("\n{name} =")));
    }
}

#[test]
fn metadata_for_proxies_are_chosen_in_the_environment_too_and_wrong_names_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let any = "127.0.0.1:0";
    let serve = ["serve", "--data-dir", text(folder.path()), "--listen", any, "--sync-listen", any];
    let said = |names: &str| refused(&command(&serve).env("KEYPLANE_PROXY_METADATA", names).output().unwrap());
    assert!(said(r#"["plan", "customer tier"]"#).contains("there is no database"));
    for wrong in [r#"[""]"#, "plan", "[1]"] {
        let said = said(wrong);
        assert!(said.contains("proxy_metadata") && !said.contains("there is no database"), "{wrong}: {said}");
    }
}
