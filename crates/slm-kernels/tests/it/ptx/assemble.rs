//! `CubeCL`'s compiler for NVPTX, and `ptxas`.

use std::ffi::CStr;
use std::path::PathBuf;
use std::process::Command;

use cubecl::Compiler;
use cubecl::CubeKernel;
use cubecl::ir::nvidia::SmArch;
use cubecl_llvm::nvptx::ptx_version::PtxVersion;
use cubecl_llvm::{LlvmTarget, PlironArtifact, PlironCompiler, PlironOptions};

/// A driver of CUDA 12.5: the newest PTX that the assembler of the test knows is at least as new.
const DRIVER: i32 = 12050;

/// The assembler's program.
pub(super) struct Ptxas(PathBuf);

impl Ptxas {
    /// Takes it from `$PTXAS`; prints why a test is skipped otherwise.
    pub(super) fn find() -> Option<Self> {
        if let Some(path) = std::env::var_os("PTXAS") {
            return Some(Self(path.into()));
        }
        let required = std::env::var("REQUIRE_PTXAS").is_ok_and(|value| value == "1");
        assert!(
            !required,
            "REQUIRE_PTXAS=1, but PTXAS does not name the assembler"
        );
        println!("SKIPPED: PTXAS does not name the assembler");
        None
    }
}

/// A kernel in PTX.
pub(crate) struct Ptx {
    pub(crate) text: String,
    /// Shared memory of a launch; `ptxas` does not know it, since it is allocated at the launch.
    pub(crate) shared_bytes: usize,
}

/// What `ptxas -v` reports about a kernel.
pub(super) struct Assembled {
    pub(super) registers: u32,
    pub(super) spill_bytes: u32,
    pub(super) stack_bytes: u32,
}

/// Compiles a kernel to PTX for `sm_{architecture}`.
pub(crate) fn ptx_of(kernel: &dyn CubeKernel, architecture: u32) -> Ptx {
    let mut compiler = PlironCompiler {
        target: LlvmTarget::Nvptx,
    };
    let options = PlironOptions {
        sm_arch: Some(SmArch::new(architecture, false)),
        ptx_version: PtxVersion::for_driver(DRIVER),
        ..Default::default()
    };
    let artifact = compiler
        .compile(kernel.define(), &options)
        .expect("the kernel compiles to PTX");
    let PlironArtifact::NvptxCode(module) = artifact else {
        panic!("the NVPTX target gives PTX");
    };
    let bytes: Vec<u8> = module.ptx.iter().map(|&byte| byte as u8).collect();
    let text = CStr::from_bytes_until_nul(&bytes).expect("the PTX ends with a NUL");
    Ptx {
        text: text.to_string_lossy().into_owned(),
        shared_bytes: module.shared_memory_size,
    }
}

/// Assembles PTX and reads the assembler's report.
pub(super) fn assemble(ptxas: &Ptxas, ptx: &str) -> Assembled {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let source = folder.path().join("kernel.ptx");
    std::fs::write(&source, ptx).expect("the PTX is written");
    let output = Command::new(&ptxas.0)
        .arg(format!("-arch={}", target_of(ptx)))
        .args(["-v", "-o"])
        .arg(folder.path().join("kernel.cubin"))
        .arg(&source)
        .output()
        .expect("ptxas runs");
    let report = String::from_utf8_lossy(&output.stderr).into_owned()
        + &String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "ptxas: {report}\n{ptx}");
    let before = |unit: &str| number_before(&report, unit);
    Assembled {
        registers: before(" registers").expect("ptxas reports registers"),
        spill_bytes: before(" bytes spill stores").expect("ptxas reports spills")
            + before(" bytes spill loads").expect("ptxas reports spills"),
        stack_bytes: before(" bytes stack frame").expect("ptxas reports the stack"),
    }
}

/// The architecture that the PTX names: `sm_80`, or `sm_90a` with the features of Hopper alone.
fn target_of(ptx: &str) -> &str {
    let line = ptx.lines().find_map(|line| line.strip_prefix(".target "));
    line.expect("PTX names its target").trim()
}

/// The number right before `unit`.
fn number_before(report: &str, unit: &str) -> Option<u32> {
    let end = report.find(unit)?;
    let digits: Vec<char> = report[..end]
        .chars()
        .rev()
        .take_while(char::is_ascii_digit)
        .collect();
    let number: String = digits.into_iter().rev().collect();
    number.parse().ok()
}
