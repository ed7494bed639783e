//! `examples/products`: each script, run as a reader runs it, follows its product's page step by step. What it holds, and what it says is not yet
//! there, is what `docs/rows.md` says.

use super::super::fixture::parts;
use super::rows::of_script;
use std::process::Command;
use xtask::node;
use xtask::project::Project;

/// Runs a product's script with the parts that are built, and compares the rows that it printed with those that stand in it.
fn follow(product: &str, script: &str) {
    let project = Project::locate().unwrap();
    let file = project.root().join("examples/products").join(product).join("run.sh");
    let output = Command::new(&file)
        .current_dir(project.root())
        .envs(parts().environment())
        .env("KEYPLANE_NODE", node::obtain(&project).unwrap())
        .output();
    let output = output.unwrap();
    let (shown, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {}\n{shown}{errors}", file.display(), output.status);
    let printed = |word: &str| -> Vec<String> {
        let lines = shown.lines().filter_map(|line| line.strip_prefix(word)?.split_once(": "));
        lines.flat_map(|(rows, _)| rows.split_whitespace().map(str::to_owned)).collect()
    };
    let (mut held, not_yet) = of_script(script);
    held.push("all".to_owned());
    assert_eq!((printed("ok "), printed("not yet ")), (held, not_yet), "{shown}");
}

#[test]
fn the_page_of_ugen_can_be_followed() {
    follow("ugen", include_str!("../../../../examples/products/ugen/run.sh"));
}

#[test]
fn the_page_of_ugc_can_be_followed() {
    follow("ugc", include_str!("../../../../examples/products/ugc/run.sh"));
}

#[test]
fn the_page_of_videogen_can_be_followed() {
    follow("videogen", include_str!("../../../../examples/products/videogen/run.sh"));
}

#[test]
fn the_page_of_uploadkit_can_be_followed() {
    follow("uploadkit", include_str!("../../../../examples/products/uploadkit/run.sh"));
}

#[test]
fn the_page_of_gen_can_be_followed() {
    follow("gen", include_str!("../../../../examples/products/gen/run.sh"));
}
