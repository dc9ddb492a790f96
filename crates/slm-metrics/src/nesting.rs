//! Estimates the depth of a source's syntax tree from its tokens, before parsing.
//!
//! Parsing, walking and dropping a tree all recurse, so a hostile source could overflow the stack. The estimate
//! is an upper bound on the tree's depth that needs one linear pass and no memory beyond the open brackets.

use crate::ast::token::TokenKind;

/// Bracket levels `CPython` allows (`MAXLEVEL` of its tokenizer).
const MAX_BRACKETS: usize = 200;
/// Indentation levels `CPython` allows, minus one (`MAXINDENT` of its tokenizer includes the module's own).
const MAX_INDENTS: usize = 99;
/// Maximum depth of an expression. radon itself fails near 330, where its visitor exceeds Python's recursion
/// limit, so there is no reference value beyond.
const MAX_DEPTH: usize = 4_000;

/// Why a source is rejected before parsing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TooDeep {
    #[error("too many nested parentheses")]
    Brackets,
    #[error("too many levels of indentation")]
    Indents,
    #[error("expression nested too deeply")]
    Expression,
}

/// The current contents of an open bracket (or of the statement itself).
#[derive(Debug, Clone, Copy, Default)]
struct Level {
    closer: Option<TokenKind>,
    /// Number of tokens since the last comma that may each add a level to the tree.
    run: usize,
    /// Number of tokens that add a level which no comma ends: `lambda a, b: lambda c, d: ...`.
    kept: usize,
}

/// The running estimate: pass every token to [`Nesting::push`], then read [`Nesting::deepest`].
#[derive(Debug)]
pub(crate) struct Nesting {
    levels: Vec<Level>,
    indents: usize,
    depth: usize,
    deepest: usize,
}

impl Nesting {
    pub(crate) fn new() -> Self {
        Self {
            levels: vec![Level::default()],
            indents: 0,
            depth: 0,
            deepest: 0,
        }
    }

    /// Returns the greatest depth seen, an upper bound on the depth of the syntax tree.
    pub(crate) fn deepest(&self) -> usize {
        self.deepest
    }

    /// Processes the next token.
    pub(crate) fn push(&mut self, kind: TokenKind) -> Result<(), TooDeep> {
        match kind {
            TokenKind::Indent => {
                self.indents += 1;
                if self.indents > MAX_INDENTS {
                    return Err(TooDeep::Indents);
                }
                self.depth += 1;
            }
            TokenKind::Dedent => {
                self.indents = self.indents.saturating_sub(1);
                self.depth = self.depth.saturating_sub(1);
            }
            TokenKind::Lpar => self.open(TokenKind::Rpar)?,
            TokenKind::Lsqb => self.open(TokenKind::Rsqb)?,
            TokenKind::Lbrace => self.open(TokenKind::Rbrace)?,
            TokenKind::FStringStart => self.open(TokenKind::FStringEnd)?,
            TokenKind::TStringStart => self.open(TokenKind::TStringEnd)?,
            TokenKind::Rpar
            | TokenKind::Rsqb
            | TokenKind::Rbrace
            | TokenKind::FStringEnd
            | TokenKind::TStringEnd => self.close(kind),
            TokenKind::Newline => self.end_run(true),
            TokenKind::Comma | TokenKind::Semi => self.end_run(false),
            TokenKind::Name
            | TokenKind::Int
            | TokenKind::Float
            | TokenKind::Complex
            | TokenKind::String
            | TokenKind::FStringMiddle
            | TokenKind::TStringMiddle
            | TokenKind::Comment
            | TokenKind::NonLogicalNewline
            | TokenKind::True
            | TokenKind::False
            | TokenKind::None
            | TokenKind::Ellipsis => {}
            TokenKind::Lambda => self.raise(true),
            // Outside brackets a colon may open a block on the same line, which no comma closes.
            TokenKind::Colon => self.raise(self.levels.len() == 1),
            _ => self.raise(false),
        }
        self.deepest = self.deepest.max(self.depth);
        if self.deepest > MAX_DEPTH {
            return Err(TooDeep::Expression);
        }
        Ok(())
    }

    fn top(&mut self) -> &mut Level {
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        let last = self.levels.len() - 1;
        &mut self.levels[last]
    }

    fn raise(&mut self, kept: bool) {
        let top = self.top();
        if kept {
            top.kept += 1;
        } else {
            top.run += 1;
        }
        self.depth += 1;
    }

    fn open(&mut self, closer: TokenKind) -> Result<(), TooDeep> {
        // A call or a subscript wraps the expression before it, so the bracket adds a level, too.
        self.raise(false);
        if self.levels.len() > MAX_BRACKETS {
            return Err(TooDeep::Brackets);
        }
        self.levels.push(Level {
            closer: Some(closer),
            ..Level::default()
        });
        Ok(())
    }

    /// Closes a bracket. A closer without its opener is ignored: the parser may recover into a deeper tree there.
    fn close(&mut self, kind: TokenKind) {
        if self.top().closer == Some(kind)
            && let Some(level) = self.levels.pop()
        {
            self.depth = self.depth.saturating_sub(level.run + level.kept);
        }
    }

    fn end_run(&mut self, statement: bool) {
        let top = self.top();
        let mut closed = std::mem::take(&mut top.run);
        if statement {
            closed += std::mem::take(&mut top.kept);
        }
        self.depth = self.depth.saturating_sub(closed);
    }
}
