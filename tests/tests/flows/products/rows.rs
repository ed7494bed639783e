//! `docs/rows.md` and the tests say the same: each row is there, once, with the tests that name it.

use std::collections::{BTreeMap, BTreeSet};
use xtask::project::Project;

/// The rows that hold: of each product its letter, and from which number to which.
const ROWS: [(char, u32, u32); 8] =
    [('G', 3, 3), ('G', 6, 16), ('G', 18, 18), ('C', 1, 7), ('V', 1, 5), ('V', 8, 9), ('K', 1, 13), ('N', 1, 11)];

/// The modules with the tests of rows.
const MODULES: [(&str, &str); 5] = [
    ("ugen", include_str!("ugen.rs")),
    ("ugc", include_str!("ugc.rs")),
    ("videogen", include_str!("videogen.rs")),
    ("uploadkit", include_str!("uploadkit.rs")),
    ("gen_pro", include_str!("gen_pro.rs")),
];

/// Tests by row.
type Rows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn the_table_of_rows_and_the_tests_agree() {
    let page = std::fs::read_to_string(Project::locate().unwrap().root().join("docs/rows.md")).unwrap();
    let (table, tests) = (of_page(&page), of_tests());
    let expected: BTreeSet<_> =
        ROWS.iter().flat_map(|(letter, first, last)| (*first..=*last).map(move |no| format!("{letter}{no}"))).collect();
    assert_eq!(table.keys().cloned().collect::<BTreeSet<_>>(), expected, "rows of docs/rows.md");
    for row in &expected {
        assert_eq!(table.get(row), tests.get(row), "tests of {row}: in docs/rows.md, and with it in their first line");
    }
    assert_eq!(tests.keys().collect::<Vec<_>>(), table.keys().collect::<Vec<_>>(), "a test names an unknown row");
}

/// From the lines of tables: `| row, row | promise | test, test |`.
fn of_page(page: &str) -> Rows {
    let mut rows = Rows::new();
    for line in page.lines().filter(|line| line.starts_with("| ") && line.contains("::")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [ids, promise, tests] = cells[..] else { panic!("not three cells: {line}") };
        assert!(!promise.is_empty());
        let tests: BTreeSet<_> = tests.split(", ").map(|test| test.trim_matches('`').to_owned()).collect();
        for id in ids.split(", ") {
            assert!(rows.insert(id.to_owned(), tests.clone()).is_none(), "{id} stands twice");
        }
    }
    rows
}

/// From the tests themselves: `/// row, row: promise` above `#[test]`.
fn of_tests() -> Rows {
    let mut rows = Rows::new();
    for (module, source) in MODULES {
        let lines: Vec<_> = source.lines().collect();
        for at in (0..lines.len()).filter(|at| lines[*at] == "#[test]") {
            let name = lines[at + 1].strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            let name = name.unwrap_or_else(|| panic!("no function after line {} of {module}", at + 1));
            let above = lines[..at].iter().rev().take_while(|line| line.starts_with("///")).count();
            let ids = lines[at - above].strip_prefix("/// ").and_then(|line| line.split_once(": "));
            let (ids, _) = ids.unwrap_or_else(|| panic!("{module}::{name} names no row"));
            for id in ids.split(", ") {
                rows.entry(id.to_owned()).or_default().insert(format!("{module}::{name}"));
            }
        }
    }
    rows
}
