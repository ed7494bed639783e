//! Markdown as an HTML page.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The style sheet of every page.
pub const STYLE: &str = "\
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 52rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; display: block; overflow-x: auto }
th, td { border: 1px solid #8886; padding: .3rem .6rem; text-align: left; vertical-align: top }
code { font: .9em ui-monospace, monospace }
pre { overflow-x: auto; padding: .8rem; border: 1px solid #8886 }
h2, h3 { margin-top: 2.5rem }
";

/// The page. The Markdown is Keyplane's own, so that HTML in it is taken as it is.
pub fn page(title: &str, markdown: &str) -> String {
    let mut body = String::new();
    // Pictures are for who has no control plane before them: they are not compiled in.
    let mut in_picture = false;
    let events = Parser::new_ext(markdown, Options::ENABLE_TABLES).filter(|event| match event {
        Event::Start(Tag::Image { .. }) => {
            in_picture = true;
            false
        }
        Event::End(TagEnd::Image) => {
            in_picture = false;
            false
        }
        _ => !in_picture,
    });
    pulldown_cmark::html::push_html(&mut body, events);
    let title = title.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <link rel=\"stylesheet\" href=\"/docs/style.css\">\n<p><a href=\"/docs\">Keyplane</a></p>\n{body}</html>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_tables_become_html_and_a_title_cannot_end_itself() {
        let page = page("</title>", "# A\n\n| a | b |\n|---|---|\n| `x<y` | [z](/z) |\n");
        assert!(page.contains("<td><code>x&lt;y</code></td><td><a href=\"/z\">z</a></td>"), "{page}");
        assert_eq!(page.matches("</title>").count(), 1);
        let page = self::page("a", "![A list](images/list.png) after");
        assert!(page.contains("<p> after</p>"), "{page}");
    }
}
