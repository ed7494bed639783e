//! What pages are made of. Each takes texts and gives HTML; maud escapes all of them.

use crate::domain::key::Status;
use crate::domain::time::Time;
use keyplane_contract::sync::Environment;
use maud::{Markup, PreEscaped, html};
use std::time::Duration;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How a badge looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Look at it.
    Warn,
    /// Over.
    Bad,
    /// Neither.
    Quiet,
    /// Stands out: `live`.
    Strong,
}

/// A word with a colour. The word alone says all.
pub fn badge(tone: Tone, text: &str) -> Markup {
    let class = match tone {
        Tone::Good => "good",
        Tone::Warn => "warn",
        Tone::Bad => "bad",
        Tone::Quiet => "quiet",
        Tone::Strong => "strong",
    };
    html! { span.badge.(class) { (text) } }
}

/// `Live` or `Test`.
pub fn environment(environment: Environment) -> Markup {
    match environment {
        Environment::Live => badge(Tone::Strong, "Live"),
        Environment::Test => badge(Tone::Quiet, "Test"),
    }
}

/// Where a key stands.
pub fn status(status: Status) -> Markup {
    match status {
        Status::Active => badge(Tone::Good, "Active"),
        Status::Disabled => badge(Tone::Warn, "Disabled"),
        Status::Expired => badge(Tone::Warn, "Expired"),
        Status::Revoked => badge(Tone::Bad, "Revoked"),
    }
}

/// A time in words, with the exact one to be had.
pub fn time(at: Time, now: Time) -> Markup {
    html! { time datetime=(at) title=(at) { (in_words(at, now)) } }
}

/// `3 days ago`, `in 2 hours`.
pub fn in_words(at: Time, now: Time) -> String {
    let (distance, is_past) = if at <= now { (now.since(at), true) } else { (at.since(now), false) };
    // To the next minute: what ends in a day when it is set does not end in 23 hours a second later.
    let seconds = if is_past { distance.as_secs() } else { distance.as_secs().max(1).next_multiple_of(MINUTE) };
    let (number, unit) = match seconds {
        0..MINUTE if is_past => return "just now".to_owned(),
        0..HOUR => (seconds.div_ceil(MINUTE), "minute"),
        HOUR..DAY => (seconds / HOUR, "hour"),
        _ if distance < Duration::from_secs(60 * DAY) => (seconds / DAY, "day"),
        _ if distance < Duration::from_secs(730 * DAY) => (seconds / (30 * DAY), "month"),
        _ => (seconds / (365 * DAY), "year"),
    };
    let plural = if number == 1 { "" } else { "s" };
    if is_past { format!("{number} {unit}{plural} ago") } else { format!("in {number} {unit}{plural}") }
}

/// What is said of a field, and of what is wrong with it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Field<'a> {
    /// Its name in the form, and its id on the page.
    pub name: &'a str,
    /// What it is called.
    pub label: &'a str,
    /// What it is for, when the label does not say all.
    pub hint: &'a str,
    /// What is wrong with it: a sentence.
    pub error: Option<&'a str>,
}

impl Field<'_> {
    /// The ids of what describes the field, for `aria-describedby`.
    pub fn described_by(&self) -> Option<String> {
        let hint = (!self.hint.is_empty()).then(|| format!("{}-hint", self.name));
        let error = self.error.map(|_| format!("{}-error", self.name));
        let ids: Vec<_> = hint.into_iter().chain(error).collect();
        (!ids.is_empty()).then(|| ids.join(" "))
    }

    /// The field around its input, which has the field's name as id and [`Self::described_by`].
    pub fn around(&self, input: &Markup) -> Markup {
        html! {
            div.field.wrong[self.error.is_some()] {
                label for=(self.name) { (self.label) }
                @if !self.hint.is_empty() { p.hint id={ (self.name) "-hint" } { (self.hint) } }
                (input)
                @if let Some(error) = self.error { p.error id={ (self.name) "-error" } { (marked(error)) } }
            }
        }
    }

    /// A line of text.
    pub fn text(&self, value: &str, required: bool) -> Markup {
        self.around(&html! {
            input type="text" id=(self.name) name=(self.name) value=(value) required[required] autocomplete="off"
                aria-describedby=[self.described_by()] aria-invalid=[self.error.map(|_| "true")];
        })
    }

    /// Lines of text.
    pub fn area(&self, value: &str, rows: u8) -> Markup {
        self.around(&html! {
            textarea id=(self.name) name=(self.name) rows=(rows) spellcheck="false" autocomplete="off"
                aria-describedby=[self.described_by()] aria-invalid=[self.error.map(|_| "true")] { (value) }
        })
    }

    /// One of several: each with its value and its name.
    pub fn select(&self, options: &[(String, String)], chosen: &str) -> Markup {
        self.around(&html! {
            select id=(self.name) name=(self.name)
                aria-describedby=[self.described_by()] aria-invalid=[self.error.map(|_| "true")] {
                (self::options(options, chosen))
            }
        })
    }
}

/// A sentence in which what stands between backticks is to be typed as it is.
pub fn marked(text: &str) -> Markup {
    let is_whole = text.matches('`').count().is_multiple_of(2);
    html! {
        @if is_whole {
            @for (place, part) in text.split('`').enumerate() {
                @if place % 2 == 1 { code { (part) } } @else { (part) }
            }
        } @else {
            (text)
        }
    }
}

/// The options of a `select`: each with its value and its name.
pub fn options(options: &[(String, String)], chosen: &str) -> Markup {
    html! {
        @for (value, label) in options { option value=(value) selected[value == chosen] { (label) } }
    }
}

/// One of a few, all to be seen: each with its value, its name and what it means.
pub fn choices(name: &str, legend: &str, choices: &[(&str, &str, &str)], chosen: &str) -> Markup {
    html! {
        fieldset.choices {
            legend { (legend) }
            @for (value, label, meaning) in choices {
                label.choice {
                    input type="radio" name=(name) value=(value) checked[*value == chosen];
                    span { strong { (label) } @if !meaning.is_empty() { span.quiet { (meaning) } } }
                }
            }
        }
    }
}

/// Something that can be copied: shown, and with a button where there is JavaScript.
pub fn copyable(id: &str, label: &str, text: &str) -> Markup {
    html! {
        div.copyable {
            p.label id={ (id) "-label" } { (label) }
            div.line {
                code id=(id) tabindex="0" role="textbox" aria-readonly="true" aria-labelledby={ (id) "-label" } { (text) }
                button.copy type="button" data-copy={ "#" (id) } hidden { "Copy" span.unseen { " " (label) } }
            }
        }
    }
}

/// What is there when there is nothing: why, and what to do.
pub fn empty(title: &str, text: &Markup) -> Markup {
    html! { div.empty { h2 { (title) } (text) } }
}

/// Pages of a list: `page` from 0, `per_page` rows each, `total` rows; more than `most` are not counted.
pub fn pager(page: u32, per_page: u32, total: u32, most: u32, address: impl Fn(u32) -> String) -> Markup {
    let first = page.saturating_mul(per_page).saturating_add(1);
    let last = page.saturating_add(1).saturating_mul(per_page).min(total);
    html! {
        nav.pager aria-label="Pages of the list" {
            p { @if total == 0 { "Nothing found" } @else { (count(first)) " to " (count(last)) " of " (total_of(total, most)) } }
            div {
                @if page > 0 { a.button rel="prev" href=(address(page - 1)) { "Previous" } }
                @if last < total { a.button rel="next" href=(address(page + 1)) { "Next" } }
            }
        }
    }
}

/// A number that was counted up to `most`.
pub fn total_of(total: u32, most: u32) -> String {
    if total > most { format!("more than {}", count(most)) } else { count(total) }
}

/// A number with its thousands apart.
pub fn count(number: u32) -> String {
    large(u64::from(number))
}

/// The same of one that may be larger.
pub fn large(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The drawings of [`pencil`] and [`bin`], once on each page: lists show them in every row.
pub fn drawings() -> Markup {
    PreEscaped(
        r#"<svg hidden><symbol id="pencil" viewBox="0 0 16 16"><path d="M3 13l.8-3.2L10.6 3l2.4 2.4-6.8 6.8zM9.2 4.4l2.4 2.4"/></symbol><symbol id="bin" viewBox="0 0 16 16"><path d="M2.5 4.5h11M6 4.5v-2h4v2M4 4.5l.7 9h6.6l.7-9M6.7 7v4M9.3 7v4"/></symbol></svg>"#
            .to_owned(),
    )
}

/// A pencil, to rename.
pub fn pencil() -> Markup {
    drawing("#pencil")
}

/// A bin, to revoke.
pub fn bin() -> Markup {
    drawing("#bin")
}

fn drawing(id: &str) -> Markup {
    html! { svg.icon aria-hidden="true" { use href=(id) {} } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_words() {
        let now = Time::from_millis(1_000_000_000_000);
        let past = |seconds| in_words(now.before(Duration::from_secs(seconds)), now);
        let future = |seconds| in_words(now.after(Duration::from_secs(seconds)), now);
        assert_eq!([past(0), past(59), past(60), past(3_600)], ["just now", "just now", "1 minute ago", "1 hour ago"]);
        assert_eq!([past(86_400), past(59 * 86_400), past(90 * 86_400)], ["1 day ago", "59 days ago", "3 months ago"]);
        assert_eq!([future(30), future(7 * 86_400), future(900 * 86_400)], ["in 1 minute", "in 7 days", "in 2 years"]);
        assert_eq!([future(86_398), future(3_599)], ["in 1 day", "in 1 hour"]);
    }

    #[test]
    fn what_is_typed_as_it_is_stands_out_and_stays_text() {
        let marked = |text| marked(text).into_string();
        assert_eq!(marked("Scope 1 has `<b>`."), "Scope 1 has <code>&lt;b&gt;</code>.");
        assert_eq!(marked("One ` alone"), "One ` alone");
    }

    #[test]
    fn numbers_have_their_thousands_apart() {
        assert_eq!([1, 999, 1_000, 10_000, 1_234_567].map(count), ["1", "999", "1,000", "10,000", "1,234,567"]);
    }
}
