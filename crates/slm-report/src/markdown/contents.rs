//! The contents list of a page, made of its headings.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Returns a list with a link to each section of rendered Markdown, its subsections on the same line; empty without a
/// section.
pub(super) fn contents(page: &str) -> String {
    let mut list = String::new();
    let mut anchors = Anchors::default();
    let mut has_subsections = false;
    for (level, heading) in headings(page) {
        let anchor = anchors.next(heading);
        // Writing to a string cannot fail.
        let _ = match (level, has_subsections) {
            (2, _) => {
                let line_break = if list.is_empty() { "" } else { "\n" };
                write!(list, "{line_break}- [{heading}](#{anchor})")
            }
            (_, false) => write!(list, ": [{heading}](#{anchor})"),
            (_, true) => write!(list, " · [{heading}](#{anchor})"),
        };
        has_subsections = level > 2;
    }
    if !list.is_empty() {
        list.push('\n');
    }
    list
}

/// Returns level and text of the headings of level 2 and 3 outside of fenced blocks.
fn headings(page: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    // Number of backticks of the fence that is open.
    let mut fence = None;
    for line in page.lines() {
        let ticks = line.len() - line.trim_start_matches('`').len();
        match fence {
            Some(open) if ticks >= open && line.len() == ticks => fence = None,
            Some(_) => {}
            None if ticks >= 3 => fence = Some(ticks),
            None => {
                let section = line.strip_prefix("## ").map(|text| (2, text));
                found.extend(section.or_else(|| line.strip_prefix("### ").map(|text| (3, text))));
            }
        }
    }
    found
}

/// The anchors of a page's headings, as GitHub makes them: a heading that occurs again gets a number.
#[derive(Default)]
struct Anchors(BTreeMap<String, usize>);

impl Anchors {
    fn next(&mut self, heading: &str) -> String {
        let kept = heading.chars().filter_map(|c| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || "-_".contains(c) => Some(c),
            _ => None,
        });
        let anchor: String = kept.flat_map(char::to_lowercase).collect();
        let earlier = self.0.entry(anchor.clone()).or_default();
        *earlier += 1;
        match *earlier {
            1 => anchor,
            n => format!("{anchor}-{}", n - 1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::contents;

    #[test]
    fn each_section_is_a_line_with_links_to_its_subsections() {
        let page = "# Title\n\n## H1: base model, and others\n\n### Does it hold?\n\nx\n\n### Examples\n\n\
                    ```text\n## no heading\n```\n\n## Examples\n";
        assert_eq!(
            contents(page),
            "- [H1: base model, and others](#h1-base-model-and-others): [Does it hold?](#does-it-hold) · [Examples](#examples)\n\
             - [Examples](#examples-1)\n"
        );
        assert_eq!(contents("# Title\n"), "");
    }

    #[test]
    fn a_longer_fence_hides_a_shorter_one() {
        let page = "````text\n```\n## inside\n````\n## outside\n";
        assert_eq!(contents(page), "- [outside](#outside)\n");
    }
}
