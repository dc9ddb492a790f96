//! A call with its qualified name, and the values of its arguments as far as they are literal.

use super::imports::{Imports, QualifiedName};
use crate::ast::{self, Expr, Number, Ranged, TextRange};

/// A call, in the state of the imports before it.
pub(super) struct Call<'a, 'i> {
    pub(super) node: &'a ast::ExprCall,
    pub(super) name: QualifiedName<'a>,
    pub(super) imports: &'i Imports<'a>,
}

/// The value of an expression, as bandit reads it.
#[derive(Debug, Clone, Copy)]
pub(super) enum Value<'a> {
    /// The argument is missing or not literal.
    Unknown,
    /// A string, a name, the last part of a dotted name, or `True`, `False` and `None`: bandit makes no difference.
    Word(&'a str),
    /// A number.
    Number(&'a Number),
    /// Another literal that counts as false in a condition, such as an empty list.
    Empty,
    /// Another literal.
    Other,
}

impl<'a> Value<'a> {
    /// Returns the value of `expr`.
    pub(super) fn of(expr: &'a Expr) -> Self {
        let collection = |is_empty| if is_empty { Self::Empty } else { Self::Other };
        match expr {
            Expr::Attribute(attribute) => Self::Word(&attribute.attr),
            Expr::Name(name) => Self::Word(&name.id),
            Expr::StringLiteral(string) => Self::Word(string.value.to_str()),
            Expr::BooleanLiteral(boolean) => {
                Self::Word(if boolean.value { "True" } else { "False" })
            }
            Expr::NoneLiteral(_) => Self::Word("None"),
            Expr::NumberLiteral(number) => Self::Number(&number.value),
            Expr::BytesLiteral(bytes) => collection(bytes.value.is_empty()),
            Expr::List(list) => collection(list.elts.is_empty()),
            Expr::Tuple(tuple) => collection(tuple.elts.is_empty()),
            Expr::Dict(dict) => collection(dict.items.is_empty()),
            Expr::Set(_) | Expr::EllipsisLiteral(_) => Self::Other,
            _ => Self::Unknown,
        }
    }

    /// Returns whether bandit sees no value.
    pub(super) fn is_unknown(self) -> bool {
        matches!(self, Self::Unknown)
    }

    /// Returns the value as a word.
    pub(super) fn word(self) -> Option<&'a str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }

    /// Returns whether the value is the word `word`.
    pub(super) fn is(self, word: &str) -> bool {
        self.word() == Some(word)
    }

    /// Returns whether the value counts as true in a condition.
    pub(super) fn is_true(self) -> bool {
        match self {
            Self::Unknown | Self::Empty => false,
            Self::Word(word) => !word.is_empty(),
            Self::Number(number) => !is_zero(number),
            Self::Other => true,
        }
    }

    /// Returns this value if it counts as true, otherwise `other`.
    pub(super) fn or(self, other: Self) -> Self {
        if self.is_true() { self } else { other }
    }
}

/// Returns whether `number` is zero.
pub(super) fn is_zero(number: &Number) -> bool {
    match number {
        Number::Int(int) => int.as_u64() == Some(0),
        Number::Float(float) => *float == 0.0,
        Number::Complex { real, imag } => *real == 0.0 && *imag == 0.0,
    }
}

impl<'a, 'i> Call<'a, 'i> {
    pub(super) fn new(node: &'a ast::ExprCall, imports: &'i Imports<'a>) -> Self {
        Self {
            node,
            name: imports.qualify(&node.func),
            imports,
        }
    }

    /// Returns the positional arguments.
    pub(super) fn args(&self) -> &'a [Expr] {
        &self.node.arguments.args
    }

    /// Returns the value of the positional argument `index`, counted from 0.
    pub(super) fn value_at(&self, index: usize) -> Value<'a> {
        self.args().get(index).map_or(Value::Unknown, Value::of)
    }

    /// Returns the expression of the keyword argument `name`.
    pub(super) fn keyword(&self, name: &str) -> Option<&'a Expr> {
        let mut keywords = self.node.arguments.keywords.iter();
        let keyword = keywords.find(|keyword| keyword.arg.as_deref() == Some(name))?;
        Some(&keyword.value)
    }

    /// Returns the value of the keyword argument `name`.
    pub(super) fn value(&self, name: &str) -> Value<'a> {
        self.keyword(name).map_or(Value::Unknown, Value::of)
    }

    /// Returns the place of the call.
    pub(super) fn range(&self) -> TextRange {
        self.node.range()
    }

    /// Returns the place of the call from the value of the keyword argument `name`, if it has one.
    pub(super) fn range_at(&self, name: &str) -> TextRange {
        let start = self.keyword(name).map_or(self.node.start(), Ranged::start);
        TextRange::new(start, self.node.end())
    }
}
