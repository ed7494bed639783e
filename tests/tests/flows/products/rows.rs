//! `docs/rows.md`, the tests and the scripts of `examples/products` say the same: each row is there, once, with what holds it, or with the reason why
//! nothing does yet.

use std::collections::{BTreeMap, BTreeSet};
use xtask::project::Project;

/// All rows: of each product its letter, and from which number to which; and the one of all products.
const ROWS: [(char, u32, u32); 6] = [('G', 1, 1), ('G', 3, 18), ('C', 1, 10), ('V', 1, 11), ('K', 1, 13), ('N', 1, 12)];
const OF_ALL: &str = "all";

/// The modules with the tests of rows.
const MODULES: [(&str, &str); 5] = [
    ("ugen", include_str!("ugen.rs")),
    ("ugc", include_str!("ugc.rs")),
    ("videogen", include_str!("videogen.rs")),
    ("uploadkit", include_str!("uploadkit.rs")),
    ("gen_pro", include_str!("gen_pro.rs")),
];

/// Flows of the dashboard, of which some hold rows too.
const PAGES: [(&str, &str); 2] = [
    ("dashboard::keys", include_str!("../dashboard/keys.rs")),
    ("dashboard::plain", include_str!("../dashboard/plain.rs")),
];

/// The scripts, each with the product whose test runs it.
const SCRIPTS: [(&str, &str); 5] = [
    ("ugen", include_str!("../../../../examples/products/ugen/run.sh")),
    ("ugc", include_str!("../../../../examples/products/ugc/run.sh")),
    ("videogen", include_str!("../../../../examples/products/videogen/run.sh")),
    ("uploadkit", include_str!("../../../../examples/products/uploadkit/run.sh")),
    ("gen", include_str!("../../../../examples/products/gen/run.sh")),
];
const RUNNERS: &str = include_str!("examples.rs");

/// Tests by row.
type Rows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn the_table_of_rows_the_tests_and_the_examples_agree() {
    let page = std::fs::read_to_string(Project::locate().unwrap().root().join("docs/rows.md")).unwrap();
    let (held, not_yet) = page.split_once("\n## Not yet\n").unwrap();
    let (table, missing, mut tests) = (of_page(held), missing_on(not_yet), of_tests());
    let mut said_missing = BTreeSet::new();
    for (product, script) in SCRIPTS {
        let test = format!("the_page_of_{product}_can_be_followed");
        assert!(RUNNERS.contains(&format!("#[test]\nfn {test}() {{")), "nothing runs {product}/run.sh");
        assert!(script.trim_end().ends_with("\nhygiene"), "{product}/run.sh does not look for secrets in the end");
        let (script_held, script_not_yet) = of_script(script);
        for row in script_held.into_iter().chain([OF_ALL.to_owned()]) {
            assert!(
                tests.entry(row.clone()).or_default().insert(format!("examples::{test}")),
                "{row} twice in {product}/run.sh"
            );
        }
        for row in script_not_yet {
            assert!(said_missing.insert(row.clone()), "{row} is not yet there twice");
        }
    }
    let all = ROWS.iter().flat_map(|(letter, first, last)| (*first..=*last).map(move |no| format!("{letter}{no}")));
    let all: BTreeSet<_> = all.chain([OF_ALL.to_owned()]).collect();
    let on_page: BTreeSet<_> = table.keys().chain(&missing).cloned().collect();
    assert_eq!(
        (on_page.len(), &on_page),
        (table.len() + missing.len(), &all),
        "rows of docs/rows.md, held and not yet"
    );
    for (row, named) in &table {
        assert_eq!(Some(named), tests.get(row), "tests of {row}: in docs/rows.md, and those that name it");
    }
    assert_eq!(tests.keys().collect::<Vec<_>>(), table.keys().collect::<Vec<_>>(), "a test names an unknown row");
    assert_eq!(said_missing, missing, "what the scripts say is not yet there, and docs/rows.md");
}

/// From the lines of tables: `| row, row | promise | test, test |`.
fn of_page(page: &str) -> Rows {
    let mut rows = Rows::new();
    for line in page.lines().filter(|line| line.starts_with("| ") && line.contains("::")) {
        let (ids, tests) = ids_and_last_cell(line);
        let tests: BTreeSet<_> = tests.split(", ").map(|test| test.trim_matches('`').to_owned()).collect();
        for id in ids {
            assert!(rows.insert(id.clone(), tests.clone()).is_none(), "{id} stands twice");
        }
    }
    rows
}

/// From the table of what is not there: `| row, row | promise | why |`.
fn missing_on(page: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| row "));
    lines
        .flat_map(|line| {
            let (ids, why) = ids_and_last_cell(line);
            assert!(!why.is_empty(), "no reason: {line}");
            ids
        })
        .collect()
}

fn ids_and_last_cell(line: &str) -> (Vec<String>, &str) {
    let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
    let [ids, promise, last] = cells[..] else { panic!("not three cells: {line}") };
    assert!(!promise.is_empty());
    (ids.split(", ").map(str::to_owned).collect(), last)
}

/// From the tests themselves: `/// row, row: promise` above `#[test]`.
fn of_tests() -> Rows {
    let mut rows = Rows::new();
    for (module, source) in MODULES.into_iter().chain(PAGES) {
        let lines: Vec<_> = source.lines().collect();
        for at in (0..lines.len()).filter(|at| lines[*at] == "#[test]") {
            let name = lines[at + 1].strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            let name = name.unwrap_or_else(|| panic!("no function after line {} of {module}", at + 1));
            let above = lines[..at].iter().rev().take_while(|line| line.starts_with("///")).count();
            let ids = lines[at - above].strip_prefix("/// ").and_then(|line| line.split_once(": "));
            let Some((ids, _)) = ids else {
                assert!(PAGES.iter().any(|(page, _)| *page == module), "{module}::{name} names no row");
                continue;
            };
            for id in ids.split(", ") {
                rows.entry(id.to_owned()).or_default().insert(format!("{module}::{name}"));
            }
        }
    }
    rows
}

/// The rows that a script says it holds, and those that it says are not there: `held row row -- what`, `not_yet row -- why`.
pub fn of_script(script: &str) -> (Vec<String>, Vec<String>) {
    let after = |word: &str| -> Vec<String> {
        let lines = script.lines().filter_map(|line| line.strip_prefix(word)?.split_once(" -- "));
        lines.flat_map(|(rows, _)| rows.split_whitespace().map(str::to_owned)).collect()
    };
    (after("held "), after("not_yet "))
}
