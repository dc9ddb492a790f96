//! Commands with their whole output, in `commands/`.

/// `TRYCMD=overwrite` rewrites the files; review the changes.
#[test]
fn help_reads_as_recorded() {
    trycmd::TestCases::new()
        .register_bin(
            "evaluator",
            std::path::Path::new(env!("CARGO_BIN_EXE_evaluator")),
        )
        .env("COLUMNS", "80")
        .env("NO_COLOR", "1")
        .case("tests/it/commands/*.trycmd");
}
