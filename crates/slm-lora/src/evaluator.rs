//! The program `evaluator` of the wheel.

fn main() -> std::process::ExitCode {
    evaluator::run()
}
