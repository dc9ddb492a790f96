//! The program that gives up its rights inside a box and becomes Python; see `slm_sandbox::helper`.

fn main() -> std::process::ExitCode {
    slm_sandbox::helper::main(std::env::args_os().skip(1))
}
