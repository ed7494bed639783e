//! One page for each error code, from the tables of `docs/errors.md`: code, status, meaning.

use super::pages;

/// A row of a table.
struct Row<'a> {
    /// The heading above the table: who answers so.
    from: &'a str,
    code: &'a str,
    status: &'a str,
    meaning: &'a str,
}

/// Every code, in the order of the page, each once.
pub fn codes() -> Vec<&'static str> {
    let mut codes = Vec::new();
    for row in rows() {
        if !codes.contains(&row.code) {
            codes.push(row.code);
        }
    }
    codes
}

/// The page of a code.
pub fn markdown(code: &str) -> Option<String> {
    let rows: Vec<_> = rows().filter(|row| row.code == code).collect();
    if rows.is_empty() {
        return None;
    }
    let sections = rows.iter().map(|row| format!("## {}: {}\n\n{}\n", row.from, row.status, row.meaning));
    let sections: Vec<_> = sections.collect();
    Some(format!("# {code}\n\n{}\n[All error codes](/docs/errors)\n", sections.join("\n")))
}

fn rows() -> impl Iterator<Item = Row<'static>> {
    let text = pages::PAGES.iter().find(|(name, _)| *name == "errors").map_or("", |(_, text)| text);
    let mut from = "";
    text.lines().filter_map(move |line| {
        if let Some(heading) = line.strip_prefix("## ") {
            from = heading;
        }
        let cells: Vec<_> = line.strip_prefix("| `")?.strip_suffix(" |")?.splitn(3, " | ").collect();
        let [code, status, meaning] = cells[..] else { return None };
        Some(Row { from, code: code.strip_suffix('`')?, status, meaning })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use keyplane_contract::code::Refusal;

    #[test]
    fn each_code_has_a_page_with_its_status() {
        let has = |from: &str, code: &str, status: u16| {
            assert!(
                rows().any(|row| row.from == from && row.code == code && row.status == status.to_string()),
                "docs/errors.md has no row `{code}` with status {status} under \"{from}\""
            );
            let page = markdown(code).unwrap();
            assert!(page.starts_with(&format!("# {code}\n")) && page.contains(&status.to_string()), "{page}");
        };
        for code in Code::ALL {
            has("From the control plane", code.name(), code.status());
        }
        for refusal in Refusal::ALL {
            has("From the filter, in Envoy", refusal.code(), refusal.status());
        }
    }

    #[test]
    fn no_page_tells_of_a_code_that_is_not_there() {
        for row in rows() {
            let control_plane = Code::ALL.iter().any(|code| code.name() == row.code);
            let filter = Refusal::ALL.iter().any(|refusal| refusal.code() == row.code);
            // The SDK's tests hold its own to the page.
            let service = ["identity_missing", "identity_invalid", "scope_missing", "environment_not_allowed"];
            let is_there = match row.from {
                "From the control plane" => control_plane,
                "From a Rust service behind Envoy" => service.contains(&row.code),
                _ => filter,
            };
            assert!(is_there, "{}: {}", row.from, row.code);
        }
        assert!(markdown("no_such_code").is_none());
    }
}
