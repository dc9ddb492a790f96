//! Commands with their complete output, in `commands/`.

/// `TRYCMD=overwrite` rewrites the files; review the differences.
#[test]
fn help_and_recipe_mistakes_read_as_recorded() {
    trycmd::TestCases::new()
        .register_bin(
            "trainer",
            std::path::Path::new(env!("CARGO_BIN_EXE_trainer")),
        )
        .env("COLUMNS", "80")
        .env("NO_COLOR", "1")
        .case("tests/it/commands/*.trycmd");
}
