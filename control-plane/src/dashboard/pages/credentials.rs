//! The table that lists of the operator's own credentials have in common.

use crate::dashboard::components::{Tone, badge, bin, time};
use crate::dashboard::forms::Named;
use crate::dashboard::view::View;
use crate::domain::rights::Access;
use crate::domain::time::Time;
use maud::{Markup, html};

/// A credential, as it may be shown.
pub struct Row<'a> {
    pub id: String,
    pub name: &'a str,
    pub mask: &'a str,
    /// What an admin key may do.
    pub access: Option<Access>,
    pub created_at: Time,
    pub revoked_at: Option<Time>,
    /// Whether who looks is signed in with it.
    pub is_own: bool,
}

/// The table. `label` and `path` are the page's, `kind` is what a credential is called.
pub fn table(view: &View, label: &str, path: &str, kind: &str, rows: &[Row<'_>], changes: bool) -> Markup {
    let has_access = rows.iter().any(|row| row.access.is_some());
    html! {
        div.scroll tabindex="0" role="region" aria-label=(label) {
            table.cards {
                thead { tr {
                    th scope="col" { "Name" }
                    th scope="col" { "Secret" }
                    @if has_access { th scope="col" { "May" } }
                    th scope="col" { "Created" }
                    th scope="col" { "Status" }
                    @if changes { th scope="col" { span.unseen { "Actions" } } }
                } }
                tbody {
                    @for row in rows {
                        tr {
                            th scope="row" data-label="Name" {
                                (Named { kind, id: &row.id, name: row.name, rename: &format!("{path}/{}/rename", row.id), back: (path, label) }.shown(changes))
                                @if row.is_own { span.quiet.below { "You are signed in with it" } }
                            }
                            td data-label="Secret" { code { (row.mask) } }
                            @if has_access {
                                td data-label="May" { @match row.access { Some(Access::Read) => "Look only", _ => "Look and change" } }
                            }
                            td data-label="Created" { (time(row.created_at, view.now)) }
                            td data-label="Status" {
                                @match row.revoked_at {
                                    Some(at) => { (badge(Tone::Bad, "Revoked")) " " span.quiet { (time(at, view.now)) } }
                                    None => (badge(Tone::Good, "Valid")),
                                }
                            }
                            @if changes {
                                td.tools {
                                    @if row.revoked_at.is_none() {
                                        a.tool.danger href=(format!("{path}/{}/revoke", row.id)) data-dialog { (bin()) span.unseen { "Revoke " (row.name) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
