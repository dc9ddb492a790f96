//! The program that gives up its rights inside a box and becomes Python; see `sandbox::helper`.

fn main() -> std::process::ExitCode {
    sandbox::helper::main(std::env::args_os().skip(1))
}
