//! The names that a module's imports define, as bandit tracks them: in the order of the syntax tree, without scopes,
//! and never removed by an assignment.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::ast;

/// Parts of qualified names that rules search for.
const PARTS: [&str; 5] = ["crypt", "hashlib", "jinja2", "mako", "yaml"];
/// Texts that rules search for in the last part of a qualified name.
const LAST_TEXTS: [&str; 2] = ["chmod", "extractall"];
/// Modules that rules require to be imported by exactly this name.
const EXACT: [&str; 3] = ["tarfile", "torch", "yaml"];
/// Texts that rules require in the name of an import.
const LIKE: [&str; 3] = ["django.db.models", "flask", "paramiko"];

/// The longest qualified name that is written out; no name that a rule knows is longer.
const MAX_TEXT: usize = 128;

/// The imports before the current node.
#[derive(Default)]
pub(super) struct Imports<'a> {
    aliases: HashMap<&'a str, Rc<Target<'a>>>,
    exact: HashSet<&'static str>,
    like: HashSet<&'static str>,
}

/// What a name refers to: a module, or a member of one.
struct Target<'a> {
    source: Rc<Source<'a>>,
    member: Option<&'a str>,
    /// The elements of [`LAST_TEXTS`] in the last part.
    last_texts: Vec<&'static str>,
}

/// The dotted name of a module; what rules ask of it is computed once, since a hostile name may be long and used often.
struct Source<'a> {
    text: &'a str,
    first: &'a str,
    last: &'a str,
    parts: Vec<&'static str>,
}

impl<'a> Source<'a> {
    fn new(text: &'a str) -> Self {
        let parts = PARTS.into_iter();
        Self {
            text,
            first: text.split('.').next().unwrap_or_default(),
            last: text.rsplit('.').next().unwrap_or_default(),
            parts: parts
                .filter(|part| text.split('.').any(|own| own == *part))
                .collect(),
        }
    }
}

impl<'a> Target<'a> {
    fn new(source: Rc<Source<'a>>, member: Option<&'a str>) -> Self {
        let last = member.unwrap_or(source.last);
        let texts = LAST_TEXTS.into_iter();
        Self {
            last_texts: texts.filter(|text| last.contains(text)).collect(),
            source,
            member,
        }
    }
}

impl<'a> Imports<'a> {
    /// Records `import ...`.
    pub(super) fn add_import(&mut self, names: &'a [ast::Alias]) {
        for alias in names {
            let name = alias.name.as_str();
            if let Some(known) = EXACT.into_iter().find(|known| *known == name) {
                self.exact.insert(known);
            }
            self.mention(name);
            if let Some(short) = &alias.asname {
                let target = Target::new(Rc::new(Source::new(name)), None);
                self.aliases.insert(short, Rc::new(target));
            }
        }
    }

    /// Records `from ... import ...`; a relative import without a module counts as `import ...`.
    pub(super) fn add_import_from(&mut self, import: &'a ast::StmtImportFrom) {
        let Some(module) = &import.module else {
            return self.add_import(&import.names);
        };
        let source = Rc::new(Source::new(module));
        self.mention(module);
        let end = tail(module, LIKE[0].len());
        for alias in &import.names {
            let name = alias.name.as_str();
            self.mention(name);
            self.mention(&format!("{end}.{}", head(name, LIKE[0].len())));
            let bound = alias.asname.as_ref().unwrap_or(&alias.name);
            let target = Target::new(Rc::clone(&source), Some(name));
            self.aliases.insert(bound, Rc::new(target));
        }
    }

    fn mention(&mut self, text: &str) {
        self.like
            .extend(LIKE.into_iter().filter(|like| text.contains(like)));
    }

    /// Returns whether the module `name` was imported by its own name.
    pub(super) fn has_exact(&self, name: &str) -> bool {
        debug_assert!(EXACT.contains(&name), "{name} is not recorded");
        self.exact.contains(name)
    }

    /// Returns whether the name of an import contains `text`.
    pub(super) fn has_like(&self, text: &str) -> bool {
        debug_assert!(LIKE.contains(&text), "{text} is not recorded");
        self.like.contains(text)
    }

    /// Returns the qualified name of a called expression; all before the last call or subscript in it is unknown.
    pub(super) fn qualify(&self, function: &'a ast::Expr) -> QualifiedName<'a> {
        let mut attributes = Vec::new();
        let mut base = function;
        while let ast::Expr::Attribute(attribute) = base {
            attributes.push(attribute.attr.as_str());
            base = &attribute.value;
        }
        attributes.reverse();
        let base = match base {
            ast::Expr::Name(name) => name.id.as_str(),
            _ => "",
        };
        QualifiedName::new(base, self.aliases.get(base).map(Rc::as_ref), &attributes)
    }
}

/// The dotted name of a called function, with imported names resolved.
pub(super) struct QualifiedName<'a> {
    /// The whole name; `None` if it is longer than any that a rule knows.
    text: Option<String>,
    first: &'a str,
    last: &'a str,
    parts: Vec<&'static str>,
    last_texts: Vec<&'static str>,
    is_dotted: bool,
}

impl<'a> QualifiedName<'a> {
    fn new(base: &'a str, target: Option<&Target<'a>>, attributes: &[&'a str]) -> Self {
        let (source, member) = match target {
            Some(target) => (target.source.text, target.member),
            None => (base, None),
        };
        let rest = || member.iter().chain(attributes);
        let length = source.len() + rest().map(|part| part.len() + 1).sum::<usize>();
        let text = (length <= MAX_TEXT).then(|| {
            rest().fold(source.to_owned(), |mut text, part| {
                text.push('.');
                text.push_str(part);
                text
            })
        });
        let mut parts = target.map_or_else(Vec::new, |target| target.source.parts.clone());
        let own = rest().chain(target.is_none().then_some(&base));
        parts.extend(own.filter_map(|own| PARTS.into_iter().find(|part| part == own)));
        let last_of_target = target.map(|target| member.unwrap_or(target.source.last));
        let last = attributes
            .last()
            .copied()
            .or(last_of_target)
            .unwrap_or(base);
        let last_texts = match target {
            Some(target) if attributes.is_empty() => target.last_texts.clone(),
            _ => {
                let texts = LAST_TEXTS.into_iter();
                texts.filter(|text| last.contains(text)).collect()
            }
        };
        Self {
            text,
            first: target.map_or(base, |target| target.source.first),
            last,
            parts,
            last_texts,
            is_dotted: rest().next().is_some()
                || target.is_some_and(|target| target.source.first != target.source.text),
        }
    }

    /// Returns the whole name; `None` if it is longer than any that a rule knows.
    pub(super) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Returns whether the whole name is `name`.
    pub(super) fn is(&self, name: &str) -> bool {
        debug_assert!(name.len() <= MAX_TEXT, "{name} is too long");
        self.text() == Some(name)
    }

    /// Returns whether the whole name is one of `names`.
    pub(super) fn is_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.is(name))
    }

    /// Returns the part before the first dot.
    pub(super) fn first(&self) -> &'a str {
        self.first
    }

    /// Returns the part after the last dot.
    pub(super) fn last(&self) -> &'a str {
        self.last
    }

    /// Returns whether the name has a dot.
    pub(super) fn is_dotted(&self) -> bool {
        self.is_dotted
    }

    /// Returns whether one of the parts between dots is `part`.
    pub(super) fn has_part(&self, part: &str) -> bool {
        debug_assert!(PARTS.contains(&part), "{part} is not recorded");
        self.parts.contains(&part)
    }

    /// Returns whether the last part contains `text`.
    pub(super) fn last_contains(&self, text: &str) -> bool {
        debug_assert!(LAST_TEXTS.contains(&text), "{text} is not recorded");
        self.last_texts.contains(&text)
    }
}

/// Returns the first bytes of `text`, at most `length`.
fn head(text: &str, length: usize) -> &str {
    &text[..text.floor_char_boundary(length)]
}

/// Returns the last bytes of `text`, at most `length`.
fn tail(text: &str, length: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(length))..]
}
