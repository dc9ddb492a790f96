//! The program `evaluator`.

fn main() -> std::process::ExitCode {
    evaluator::run()
}
