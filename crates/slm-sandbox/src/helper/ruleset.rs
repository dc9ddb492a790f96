//! Landlock: which files are accessible, and no network or signals to the outside.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};

/// Restricts this process and its children, as far as the kernel's Landlock version supports it.
///
/// Paths that do not exist are skipped. The self-test finds what an old kernel does not enforce.
pub(super) fn apply(read: &[PathBuf], write: &[PathBuf]) -> Result<(), RulesetError> {
    let abi = ABI::V6;
    let ruleset = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(read, AccessFs::from_read(abi)))?
        .add_rules(path_beneath_rules(write, AccessFs::from_all(abi)))?
        .add_rules(path_beneath_rules(
            ["/dev/null", "/dev/zero", "/dev/urandom"],
            AccessFs::ReadFile | AccessFs::WriteFile,
        ))?;
    ruleset.restrict_self()?;
    Ok(())
}
