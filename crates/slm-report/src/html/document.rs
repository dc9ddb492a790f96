//! The file: head, style, summary, data and script.

use serde_json::Value;

use super::escape::escape;
use super::payload::{HtmlError, encode, source_of};

const STYLE: &str = include_str!("viewer/style.css");

/// The parts of the script, in their order.
const SCRIPT: [&str; 6] = [
    include_str!("viewer/decode.js"),
    include_str!("viewer/diff.js"),
    include_str!("viewer/charts.js"),
    include_str!("viewer/table.js"),
    include_str!("viewer/detail.js"),
    include_str!("viewer/main.js"),
];

/// The parts of a page.
pub(super) struct Document<'a> {
    pub(super) title: &'a str,
    /// HTML.
    pub(super) body: &'a str,
    /// What the viewer reads first.
    pub(super) index: &'a Value,
    /// What it reads when it is needed: the element's id, and the encoded text.
    pub(super) blocks: &'a [(String, String)],
}

impl Document<'_> {
    pub(super) fn render(&self) -> Result<String, HtmlError> {
        let script = format!("(() => {{\n\"use strict\";\n{}}})();\n", SCRIPT.concat());
        let policy = format!(
            "default-src 'none'; script-src {}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
            source_of(&script)
        );
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"referrer\" content=\"no-referrer\">\n\
             <title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{}",
            escape(self.title),
            self.body,
        );
        let mut data = |id: &str, text: &str| {
            page.push_str("<script type=\"text/plain\" id=\"");
            page.push_str(id);
            page.push_str("\">");
            page.push_str(text);
            page.push_str("</script>\n");
        };
        data("index", &encode(self.index)?);
        for (id, text) in self.blocks {
            data(id, text);
        }
        page.push_str("<script>");
        page.push_str(&script);
        page.push_str("</script>\n</body>\n</html>\n");
        Ok(page)
    }
}
