//! The type of a key in words.

use crate::load::Names;
use crate::schema::Kind;

/// The type and the range of a value, in words: `whole number, 1 to 1024`. Words of the recipe are in backticks.
pub(super) fn type_name(kind: &Kind, benchmarks: Names) -> String {
    match kind {
        Kind::Section(_) => "section".to_owned(),
        Kind::Sections(_) => "list of sections".to_owned(),
        Kind::Bool => "`true` or `false`".to_owned(),
        Kind::Int(..) => format!("whole number, {}", kind.allowed()),
        Kind::Float(..) => format!("number, {}", kind.allowed()),
        Kind::Text(what) | Kind::AnyText(what) => format!("text: {what}"),
        Kind::Sha256 => format!("text: {}", kind.allowed()),
        Kind::Word(words) => {
            let names: Vec<_> = words()
                .iter()
                .map(|word| format!("`{}`", word.name))
                .collect();
            names.join(", ")
        }
        Kind::Benchmark => {
            let names: Vec<_> = benchmarks.iter().map(|name| format!("`{name}`")).collect();
            names.join(", ")
        }
        Kind::List {
            of, least, most, ..
        } => {
            let count = match (*least, *most) {
                (0, Kind::ANY) => String::new(),
                (least, Kind::ANY) => format!(", at least {least}"),
                (least, most) => format!(", {least} to {most}"),
            };
            format!("list of: {}{count}", type_name(of, benchmarks))
        }
        Kind::Map { to, each, .. } => {
            format!("mapping from {each} to: {}", type_name(to, benchmarks))
        }
        Kind::Either(kinds) => {
            let kinds: Vec<_> = kinds
                .iter()
                .map(|kind| type_name(kind, benchmarks))
                .collect();
            kinds.join("; or ")
        }
    }
}
