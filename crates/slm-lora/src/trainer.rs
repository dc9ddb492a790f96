//! The program `trainer` of the wheel.

fn main() -> std::process::ExitCode {
    trainer::run()
}
