//! Landlock: which files stay within reach, and no way out by network or signal.

use std::path::PathBuf;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, Scope, path_beneath_rules,
};

/// Restricts this process and all that it becomes, as far as the kernel's Landlock goes.
///
/// Paths that do not exist are left out. What is missing in an old kernel the self-test finds.
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
