//! Imports between the modules of a crate, and import cycles (knots) among siblings.
//!
//! A path is resolved through re-exports and imports to the module that defines the item. It counts as an
//! import between the two siblings that contain the importing and the defining module, so a cycle is found at
//! any level.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::code_of;
use crate::tokens::{Path, declared_modules, defined_names, paths, tokens, without_tests};

/// Maximum number of imports that are followed to resolve a path.
const MAX_FOLLOWED: usize = 16;

/// Returns the import cycles of a crate: each a set of sibling modules that import each other, directly or in a
/// circle, with one import for each pair. Modules under `#[cfg(test)]` do not count.
///
/// `files` are the crate's files as (path below `src/`, text).
///
/// # Panics
/// If there is neither a `lib.rs` nor a `main.rs`, or a declared module has no file.
pub fn knots(files: &[(String, String)]) -> Vec<String> {
    let root = ["lib.rs", "main.rs"]
        .into_iter()
        .find(|name| files.iter().any(|(path, _)| path == name))
        .expect("lib.rs or main.rs");
    let mut modules = BTreeMap::new();
    read_module(files, root, Vec::new(), &mut modules);
    let tree = Tree { modules };
    tree.knots()
}

type Name = Vec<String>;

struct Module {
    children: Vec<String>,
    /// Names imported by `use`, with their paths from the crate's root.
    imports: BTreeMap<String, Vec<String>>,
    globs: Vec<Vec<String>>,
    defined: BTreeSet<String>,
    written: Vec<Path>,
}

fn read_module(
    files: &[(String, String)],
    path: &str,
    name: Name,
    modules: &mut BTreeMap<Name, Module>,
) {
    let (_, text) = files
        .iter()
        .find(|(of, _)| of == path)
        .unwrap_or_else(|| panic!("no file {path}"));
    let code = code_of(text);
    let all = tokens(&code);
    let kept = without_tests(&all);
    let children = declared_modules(&kept);
    let stem = path.strip_suffix(".rs").unwrap_or(path);
    let folder = match stem.rsplit_once('/') {
        Some((folder, "mod")) => format!("{folder}/"),
        None if name.is_empty() => String::new(),
        _ => format!("{stem}/"),
    };
    for child in &children {
        let beside = format!("{folder}{child}.rs");
        let inside = format!("{folder}{child}/mod.rs");
        let file = if files.iter().any(|(of, _)| *of == beside) {
            beside
        } else {
            inside
        };
        let child_name = name.iter().chain([child]).cloned().collect();
        read_module(files, &file, child_name, modules);
    }
    let mut module = Module {
        children,
        imports: BTreeMap::new(),
        globs: Vec::new(),
        defined: defined_names(&kept).into_iter().collect(),
        written: paths(&kept),
    };
    for path in &module.written {
        let Some(import) = &path.import else { continue };
        let Some(from_root) = from_root(&name, &module.children, &path.segments) else {
            continue;
        };
        if import == "*" {
            module.globs.push(from_root);
        } else {
            module.imports.insert(import.clone(), from_root);
        }
    }
    modules.insert(name, module);
}

/// Returns a path from the crate's root, if it begins with `crate`, `self`, `super` or a child of `module`.
fn from_root(module: &[String], children: &[String], segments: &[String]) -> Option<Vec<String>> {
    let mut base: Vec<String> = match segments.first()?.as_str() {
        "crate" => Vec::new(),
        "self" | "super" => module.to_vec(),
        first if children.iter().any(|child| child == first) => module.to_vec(),
        _ => return None,
    };
    for segment in segments {
        match segment.as_str() {
            "crate" | "self" => {}
            "super" => {
                base.pop();
            }
            _ => base.push(segment.clone()),
        }
    }
    Some(base)
}

struct Tree {
    modules: BTreeMap<Name, Module>,
}

impl Tree {
    /// Returns the module that defines the item of a path from the root.
    fn definer(&self, path: &[String], followed: usize) -> Name {
        let mut at: Name = Vec::new();
        for (depth, segment) in path.iter().enumerate() {
            let Some(module) = self.modules.get(&at) else {
                break;
            };
            if module.children.contains(segment) {
                at.push(segment.clone());
                continue;
            }
            if followed >= MAX_FOLLOWED || module.defined.contains(segment) {
                break;
            }
            let after = || path[depth + 1..].iter().cloned();
            if let Some(import) = module.imports.get(segment) {
                let target: Vec<String> = import.iter().cloned().chain(after()).collect();
                return self.definer(&target, followed + 1);
            }
            for glob in &module.globs {
                let source = self.definer(glob, followed + 1);
                let has = self.modules.get(&source).is_some_and(|of| {
                    of.defined.contains(segment)
                        || of.children.contains(segment)
                        || of.imports.contains_key(segment)
                });
                if has && source != at {
                    let target: Vec<String> = source
                        .into_iter()
                        .chain([segment.clone()])
                        .chain(after())
                        .collect();
                    return self.definer(&target, followed + 1);
                }
            }
            break;
        }
        at
    }

    /// Returns the imports between siblings: (parent, importing, imported), each with an example path.
    fn imports(&self) -> BTreeMap<Name, BTreeMap<(String, String), String>> {
        let mut found: BTreeMap<Name, BTreeMap<(String, String), String>> = BTreeMap::new();
        for (name, module) in &self.modules {
            for path in &module.written {
                let target = from_root(name, &module.children, &path.segments).or_else(|| {
                    let import = module.imports.get(path.segments.first()?)?;
                    Some(import.iter().chain(&path.segments[1..]).cloned().collect())
                });
                let Some(target) = target else { continue };
                let definer = self.definer(&target, 0);
                let common = name
                    .iter()
                    .zip(&definer)
                    .take_while(|(a, b)| a == b)
                    .count();
                if let (Some(from), Some(to)) = (name.get(common), definer.get(common)) {
                    found
                        .entry(name[..common].to_vec())
                        .or_default()
                        .entry((from.clone(), to.clone()))
                        .or_insert_with(|| {
                            format!("{} names {}", name.join("::"), path.segments.join("::"))
                        });
                }
            }
        }
        found
    }

    fn knots(&self) -> Vec<String> {
        let mut knots = Vec::new();
        for (parent, edges) in self.imports() {
            let reach = closure(edges.keys());
            let mutual = |a: &String, b: &String| {
                reach[a].contains(b) && reach.get(b).is_some_and(|of| of.contains(a))
            };
            let mut seen: BTreeSet<&String> = BTreeSet::new();
            for from in reach.keys() {
                let knot: BTreeSet<&String> =
                    reach[from].iter().filter(|to| mutual(from, to)).collect();
                if knot.is_empty() || seen.contains(from) {
                    continue;
                }
                seen.extend(&knot);
                let inside = edges
                    .iter()
                    .filter(|((a, b), _)| knot.contains(a) && knot.contains(b));
                let shown: Vec<String> = inside
                    .map(|((a, b), path)| format!("{a} -> {b} ({path})"))
                    .collect();
                knots.push(format!("in `{}`: {}", parent.join("::"), shown.join(", ")));
            }
        }
        knots
    }
}

/// Returns for each importing module all modules that it reaches.
fn closure<'a>(
    edges: impl Iterator<Item = &'a (String, String)>,
) -> BTreeMap<String, BTreeSet<String>> {
    let mut reach: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to) in edges {
        reach.entry(from.clone()).or_default().insert(to.clone());
    }
    loop {
        let mut grown = reach.clone();
        for targets in grown.values_mut() {
            for to in targets.clone() {
                targets.extend(reach.get(&to).into_iter().flatten().cloned());
            }
        }
        if grown == reach {
            return reach;
        }
        reach = grown;
    }
}

#[cfg(test)]
mod tests {
    use super::knots;

    fn check(files: &[(&str, &str)], expected: &[&str]) {
        let files: Vec<(String, String)> = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect();
        assert_eq!(knots(&files), expected);
    }

    #[test]
    fn modules_that_need_each_other_are_a_knot() {
        let files = [
            ("lib.rs", "mod a;\nmod b;"),
            ("a.rs", "use crate::b::B;\npub struct A;"),
            ("b.rs", "pub struct B(super::a::A);"),
        ];
        let expected = "in ``: a -> b (a names crate::b::B), b -> a (b names super::a::A)";
        check(&files, &[expected]);
    }

    #[test]
    fn a_knot_is_seen_through_a_re_export_in_a_circle_of_three() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\npub use c::C;"),
            ("a.rs", "use crate::b;\nfn f() { b::g() }"),
            ("b.rs", "pub fn g() { let _ = crate::C; }"),
            ("c/mod.rs", "mod inner;\npub use inner::*;"),
            ("c/inner.rs", "pub struct C;\nfn h() { crate::a::f() }"),
        ];
        let expected = "in ``: a -> b (a names crate::b), b -> c (b names crate::C), c -> a (c::inner names crate::a::f)";
        check(&files, &[expected]);
    }

    #[test]
    fn a_knot_is_seen_inside_a_folder() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a.rs", "mod x;\nmod y;\nuse x::X;"),
            ("a/x.rs", "pub struct X(super::y::Y);"),
            ("a/y.rs", "pub struct Y(Box<super::X>);"),
        ];
        let expected = "in `a`: x -> y (a::x names super::y::Y), y -> x (a::y names super::X)";
        check(&files, &[expected]);
    }

    #[test]
    fn a_parent_and_its_child_and_what_only_tests_need_are_no_knots() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\npub struct Root;"),
            ("a.rs", "mod x;\nuse crate::b::B;\npub struct A(x::X);"),
            ("a/x.rs", "pub struct X(super::A, crate::Root);"),
            (
                "b.rs",
                "pub struct B;\n#[cfg(test)]\nmod tests { use crate::a::A; }",
            ),
        ];
        check(&files, &[]);
    }
}
