//! Whether an expression is a literal, or a call whose arguments are.

use crate::ast::{Expr, Stmt, UnaryOp};
use crate::parser::{Fstrings, with_module};

/// Returns whether `source` is one literal: a number with or without a sign, a text, `True`, `False`, `None`, or a list,
/// tuple, set or dictionary of literals.
pub fn is_literal(source: &str) -> bool {
    expression(source, literal)
}

/// Returns whether `source` is one call of `function` whose arguments are literals.
pub fn is_call_with_literals(source: &str, function: &str) -> bool {
    expression(source, |expression| {
        let Expr::Call(call) = expression else {
            return false;
        };
        let named = matches!(&*call.func, Expr::Name(name) if name.id == *function);
        let arguments = &call.arguments;
        named
            && arguments.args.iter().all(literal)
            && arguments
                .keywords
                .iter()
                .all(|keyword| keyword.arg.is_some() && literal(&keyword.value))
    })
}

fn expression(source: &str, holds: impl Fn(&Expr) -> bool) -> bool {
    let found = with_module(source.trim(), Fstrings::Pep701, |module| {
        match module.body() {
            [Stmt::Expr(statement)] => holds(&statement.value),
            _ => false,
        }
    });
    found.unwrap_or(false)
}

fn literal(expression: &Expr) -> bool {
    match expression {
        Expr::NumberLiteral(_)
        | Expr::StringLiteral(_)
        | Expr::BytesLiteral(_)
        | Expr::BooleanLiteral(_)
        | Expr::NoneLiteral(_) => true,
        Expr::UnaryOp(signed) => {
            matches!(signed.op, UnaryOp::USub | UnaryOp::UAdd)
                && matches!(&*signed.operand, Expr::NumberLiteral(_))
        }
        Expr::List(list) => list.elts.iter().all(literal),
        Expr::Tuple(tuple) => tuple.elts.iter().all(literal),
        Expr::Set(set) => set.elts.iter().all(literal),
        Expr::Dict(dict) => dict
            .items
            .iter()
            .all(|item| item.key.as_ref().is_some_and(literal) && literal(&item.value)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_what_python_calls_so() {
        for source in [
            "1",
            "-1.5",
            "'a'",
            "None",
            "[1, (2, 'b')]",
            "{'a': {1}}",
            "()",
            " True ",
        ] {
            assert!(is_literal(source), "{source}");
        }
        for source in [
            "", "x", "1 + 1", "f(1)", "[x]", "{**a}", "f'{x}'", "1 2", "x = 1", "--1", "[1",
        ] {
            assert!(!is_literal(source), "{source}");
        }
    }

    #[test]
    fn a_call_has_the_name_and_literals() {
        for source in ["f()", "f(1, 'a')", "f([1], k=-2)"] {
            assert!(is_call_with_literals(source, "f"), "{source}");
        }
        for source in [
            "g(1)",
            "f(x)",
            "f(*[1])",
            "f(**{})",
            "f",
            "f(1)(2)",
            "f(1) == 2",
            "a.f(1)",
        ] {
            assert!(!is_call_with_literals(source, "f"), "{source}");
        }
    }
}
