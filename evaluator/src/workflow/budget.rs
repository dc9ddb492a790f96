//! The budget of one sample of one task; the engine enforces it.

use slm_report::Spending;

/// The part of the budget that is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exhausted {
    CompletionTokens,
    Calls,
    Executions,
}

/// A budget and the part of it that is left.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    budget: Spending,
    left: Spending,
}

impl Ledger {
    pub(crate) fn new(budget: Spending) -> Self {
        Self {
            budget,
            left: budget,
        }
    }

    /// Returns what is neither spent nor reserved.
    pub(crate) fn left(&self) -> Spending {
        self.left
    }

    pub(crate) fn spent(&self) -> Spending {
        Spending {
            completion_tokens: self.budget.completion_tokens - self.left.completion_tokens,
            calls: self.budget.calls - self.left.calls,
            executions: self.budget.executions - self.left.executions,
            lookups: self.budget.lookups - self.left.lookups,
        }
    }

    /// Pays for a call and reserves its tokens: `wanted`, or the rest of the budget if that is less.
    pub(crate) fn call(&mut self, wanted: usize) -> Result<usize, Exhausted> {
        if self.left.calls == 0 {
            return Err(Exhausted::Calls);
        }
        if self.left.completion_tokens == 0 {
            return Err(Exhausted::CompletionTokens);
        }
        let granted = wanted.min(self.left.completion_tokens);
        self.left.calls -= 1;
        self.left.completion_tokens -= granted;
        Ok(granted)
    }

    /// Releases the tokens that an answer did not use of its reserve.
    pub(crate) fn answered(&mut self, granted: usize, used: usize) {
        assert!(used <= granted, "{used} tokens of {granted} granted");
        self.left.completion_tokens += granted - used;
    }

    /// Pays for a program run.
    pub(crate) fn execution(&mut self) -> Result<(), Exhausted> {
        if self.left.executions == 0 {
            return Err(Exhausted::Executions);
        }
        self.left.executions -= 1;
        Ok(())
    }

    /// Pays for a lookup. Returns whether one was left.
    pub(crate) fn lookup(&mut self) -> bool {
        let one_less = self.left.lookups.checked_sub(1);
        self.left.lookups = one_less.unwrap_or_default();
        one_less.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(completion_tokens: usize, calls: usize, executions: usize) -> Ledger {
        Ledger::new(Spending {
            completion_tokens,
            calls,
            executions,
            lookups: 1,
        })
    }

    #[test]
    fn the_last_call_is_shortened_to_what_is_left() {
        let mut ledger = ledger(100, 9, 0);
        assert_eq!(ledger.call(60), Ok(60));
        ledger.answered(60, 59);
        assert_eq!(ledger.call(60), Ok(41));
        ledger.answered(41, 41);
        assert_eq!(ledger.call(60), Err(Exhausted::CompletionTokens));
        assert_eq!(ledger.spent().completion_tokens, 100);
        assert_eq!(ledger.spent().calls, 2);
    }

    #[test]
    fn a_reserve_is_not_spent_twice_and_what_it_leaves_comes_back() {
        let mut ledger = ledger(100, 9, 0);
        assert_eq!(ledger.call(100), Ok(100));
        assert_eq!(ledger.call(1), Err(Exhausted::CompletionTokens));
        ledger.answered(100, 10);
        assert_eq!(ledger.call(100), Ok(90));
    }

    #[test]
    fn calls_executions_and_lookups_are_counted_to_the_last() {
        let mut ledger = ledger(100, 1, 2);
        assert_eq!(ledger.call(1), Ok(1));
        assert_eq!(ledger.call(1), Err(Exhausted::Calls));
        assert_eq!(ledger.execution(), Ok(()));
        assert_eq!(ledger.execution(), Ok(()));
        assert_eq!(ledger.execution(), Err(Exhausted::Executions));
        assert!(ledger.lookup());
        assert!(!ledger.lookup() && !ledger.lookup());
        assert_eq!((ledger.left().lookups, ledger.spent().lookups), (0, 1));
    }
}
