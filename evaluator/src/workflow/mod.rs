//! Ways to come from a task to a program, a file each.
//!
//! A workflow sees a task's public side alone; hidden tests are opened only after it is done, by
//! [`crate::judge`].

pub(crate) mod single;
