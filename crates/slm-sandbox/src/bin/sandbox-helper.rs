//! Drops its privileges inside a box and execs Python; see `slm_sandbox::helper`.

fn main() -> std::process::ExitCode {
    slm_sandbox::helper::main(std::env::args_os().skip(1))
}
