//! What each feature brings along: no server in a client, no client in a service, and so many crates at most as the README says.

use std::collections::BTreeSet;
use std::process::Command;

/// Names of the crates that a build with these features has, the SDK and its contract included, with the features of each.
fn crates(features: &str) -> BTreeSet<(String, String)> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut tree = Command::new(cargo);
    tree.args(["tree", "--locked", "--package", "keyplane-sdk", "--no-default-features", "--features", features]);
    tree.args(["--target", "x86_64-unknown-linux-gnu", "--edges", "normal,build", "--prefix", "none", "--no-dedupe"]);
    let output = tree.args(["--format", "{p};{f}"]).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines = lines.lines().filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (package, features) = line.split_once(';').unwrap();
            (package.split(' ').next().unwrap().to_owned(), features.to_owned())
        })
        .collect()
}

fn names(features: &str) -> BTreeSet<String> {
    crates(features).into_iter().map(|(name, _)| name).collect()
}

/// The number that the README's table has for these features.
fn stated(features: &str) -> usize {
    let readme = include_str!("../README.md");
    let start = format!("| `{features}` |");
    let row = readme.lines().find(|line| line.starts_with(&start)).unwrap_or_else(|| panic!("no row for {features}"));
    row.trim_end_matches(" |").rsplit(" | ").nth(1).unwrap().parse().unwrap()
}

#[test]
fn each_feature_brings_as_many_crates_as_the_readme_says() {
    for features in ["client", "rustls", "tower", "axum"] {
        let found = names(features);
        assert_eq!(found.len(), stated(features), "{features}: {found:?}");
    }
    assert!(names("").len() < names("tower").len() && names("tower").len() < 40, "a layer is a small thing");
}

#[test]
fn a_client_has_no_server_and_a_service_no_client() {
    for features in ["client", "rustls"] {
        let found = crates(features);
        for server in ["axum", "axum-core", "hyper-server", "sqlx", "sqlx-core", "utoipa", "wasmtime", "h2"] {
            assert!(!found.iter().any(|(name, _)| name == server), "{features} brings {server}");
        }
        let hyper = found.iter().find(|(name, _)| name == "hyper").expect("reqwest rests on hyper");
        assert!(hyper.1.split(',').all(|feature| feature != "server"), "{features}: {}", hyper.1);
    }
    for features in ["", "tower", "axum"] {
        let found = names(features);
        for client in ["reqwest", "hyper", "hyper-util", "tokio", "url", "rustls", "jiff"] {
            assert!(!found.contains(client), "{features} brings {client}");
        }
    }
}
