//! Passwords written in the program.
//!
//! A name is suspicious if one of its parts between underscores is a word such as `password`, `pwd` or `token`. bandit
//! reports any string assigned to one, compared with one or passed as one, the empty string included.

use super::super::finding::{Rule, Severity};
use super::super::report::Report;
use super::call::Call;
use super::folded::folded;
use super::rule::rule;
use crate::ast::{self, Expr, Ranged, TextRange};

static PASSWORD_STRING: Rule = rule(
    "hardcoded-password-string",
    "bandit B105",
    "A string is assigned to, or compared with, a name that suggests a password",
    20.0,
);
static PASSWORD_ARGUMENT: Rule = rule(
    "hardcoded-password-argument",
    "bandit B106",
    "A string is passed as an argument whose name suggests a password",
    20.0,
);
static PASSWORD_DEFAULT: Rule = rule(
    "hardcoded-password-default",
    "bandit B107",
    "A parameter whose name suggests a password has a string as its default",
    20.0,
);

pub(super) static RULES: [&Rule; 3] = [&PASSWORD_STRING, &PASSWORD_ARGUMENT, &PASSWORD_DEFAULT];

/// Returns whether a part of `name` between underscores, or the whole of it, is a word for a password.
fn is_suspicious(name: &str) -> bool {
    // As for `$` in a regular expression, a last line end does not count.
    let name = folded(name.strip_suffix('\n').unwrap_or(name));
    name.split(|byte| *byte == b'_').any(is_password_word)
}

/// Returns whether `word` is `pas+wo?r?d|pass(phrase)?|pwd|token|secrete?`.
fn is_password_word(word: &[u8]) -> bool {
    if matches!(
        word,
        b"pass" | b"passphrase" | b"pwd" | b"token" | b"secret" | b"secrete"
    ) {
        return true;
    }
    let Some(rest) = word.strip_prefix(b"pas") else {
        return false;
    };
    let end = rest.iter().position(|byte| *byte != b's');
    end.is_some_and(|end| matches!(&rest[end..], b"wd" | b"wod" | b"wrd" | b"word"))
}

fn report_string(report: &mut Report<'_>, string: &Expr) {
    report.add(
        &PASSWORD_STRING,
        Severity::Low,
        string.range(),
        "the program contains a string that may be a password",
    );
}

/// Returns whether the target of an assignment has a suspicious name.
fn is_suspicious_place(expr: &Expr) -> bool {
    match expr {
        Expr::Name(name) => is_suspicious(&name.id),
        Expr::Attribute(attribute) => is_suspicious(&attribute.attr),
        _ => false,
    }
}

/// Reports strings assigned to suspicious names, attributes and keys.
pub(super) fn check_assign(assign: &ast::StmtAssign, report: &mut Report<'_>) {
    if !assign.value.is_string_literal_expr() {
        return;
    }
    if assign.targets.iter().any(is_suspicious_place) {
        report_string(report, &assign.value);
    }
    for target in &assign.targets {
        let Expr::Subscript(subscript) = target else {
            continue;
        };
        for part in [&subscript.value, &subscript.slice] {
            if let Expr::StringLiteral(key) = part.as_ref()
                && is_suspicious(key.value.to_str())
            {
                report_string(report, part);
            }
        }
    }
}

/// Reports the suspicious keys of a dictionary whose values are constants.
pub(super) fn check_dict(dict: &ast::ExprDict, report: &mut Report<'_>) {
    for item in &dict.items {
        let Some(key @ Expr::StringLiteral(name)) = &item.key else {
            continue;
        };
        if item.value.is_literal_expr() && is_suspicious(name.value.to_str()) {
            report_string(report, key);
        }
    }
}

/// Reports the strings in a comparison of a suspicious name with a string.
pub(super) fn check_compare(compare: &ast::ExprCompare, report: &mut Report<'_>) {
    let is_first_string = compare
        .comparators
        .first()
        .is_some_and(Expr::is_string_literal_expr);
    if is_first_string && is_suspicious_place(&compare.left) {
        for string in compare
            .comparators
            .iter()
            .filter(|e| e.is_string_literal_expr())
        {
            report_string(report, string);
        }
    }
}

/// Reports the first string that is passed as a suspicious argument.
pub(super) fn check_call(call: &Call<'_, '_>, report: &mut Report<'_>) {
    for keyword in &call.node.arguments.keywords {
        if !keyword.value.is_string_literal_expr() {
            continue;
        }
        let Some(name) = &keyword.arg else {
            // `**"text"`: bandit fails there.
            return;
        };
        if is_suspicious(name) {
            let range = TextRange::new(keyword.value.start(), call.node.end());
            let message = format!("the argument `{}` may be a password", shortened(name));
            report.add(&PASSWORD_ARGUMENT, Severity::Low, range, message);
            return;
        }
    }
}

/// Reports a function at `range` if a suspicious parameter has a string as default.
///
/// Defaults are counted as bandit does, which mixes up the parameters if those before a `/` have defaults, too.
pub(super) fn check_function(
    function: &ast::StmtFunctionDef,
    range: TextRange,
    report: &mut Report<'_>,
) {
    let parameters = &function.parameters;
    let defaults: Vec<&Expr> = parameters
        .posonlyargs
        .iter()
        .chain(&parameters.args)
        .filter_map(|parameter| parameter.default.as_deref())
        .collect();
    let without = parameters.args.len().saturating_sub(defaults.len());
    for (parameter, default) in parameters.args.iter().skip(without).zip(defaults) {
        let name = parameter.name();
        if default.is_string_literal_expr() && is_suspicious(name) {
            let message = format!("the default of `{}` may be a password", shortened(name));
            report.add(&PASSWORD_DEFAULT, Severity::Low, range, message);
            return;
        }
    }
}

/// Returns the start of a name for a message.
fn shortened(name: &str) -> &str {
    &name[..name.floor_char_boundary(64)]
}
