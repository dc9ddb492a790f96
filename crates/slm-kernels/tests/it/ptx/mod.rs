//! Every kernel compiled to PTX and assembled by `ptxas`, without a GPU.
//!
//! `$PTXAS` names the assembler (from PyPI's `nvidia-cuda-nvcc-cu12`), `$CUDA_PATH` the folder that holds
//! `nvvm/libdevice`. Without `$PTXAS` the test is skipped, unless `REQUIRE_PTXAS=1`.

#![allow(
    clippy::print_stdout,
    reason = "a skipped test prints the reason, and a run prints its table"
)]

mod arithmetic;
pub(crate) mod assemble;
pub(crate) mod emulate;
pub(crate) mod program;

use assemble::{Assembled, Ptx, Ptxas, assemble, ptx_of};
use slm_kernels::inventory::kernels;

/// Ampere, Ada and Hopper.
const ARCHITECTURES: [u32; 3] = [80, 89, 90];

#[test]
fn every_kernel_assembles_without_spills_or_local_memory() {
    let Some(ptxas) = Ptxas::find() else {
        return;
    };
    let mut faults = Vec::new();
    println!("| kernel | sm | registers | shared bytes | spill bytes | PTX lines |");
    println!("|---|---|---|---|---|---|");
    for architecture in ARCHITECTURES {
        for entry in kernels() {
            let name = format!("{} for sm_{architecture}", entry.name);
            let Ptx { text, shared_bytes } = ptx_of(&*entry.kernel, architecture);
            let Assembled {
                registers,
                spill_bytes,
                stack_bytes,
            } = assemble(&ptxas, &text);
            println!(
                "| {} | {architecture} | {registers} | {shared_bytes} | {spill_bytes} | {} |",
                entry.name,
                text.lines().count()
            );
            if spill_bytes > 0 || stack_bytes > 0 {
                faults.push(format!(
                    "{name}: spills {spill_bytes}, stack {stack_bytes} bytes"
                ));
            }
            if text.contains(".local") {
                faults.push(format!("{name}: local memory"));
            }
            if entry.wide_loads && !has_wide_load(&text) {
                faults.push(format!("{name}: no load of 16 bytes"));
            }
            if entry.tensor_cores && !text.contains("mma.sync") {
                faults.push(format!("{name}: no mma.sync"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Whether a load from global memory moves 16 bytes.
fn has_wide_load(ptx: &str) -> bool {
    let wide = |line: &str| {
        line.contains("ld.global")
            && [
                "v4.b32", "v4.u32", "v4.f32", "v2.b64", "v2.u64", "v8.b16", "b128",
            ]
            .iter()
            .any(|shape| line.contains(shape))
    };
    ptx.lines().any(wide)
}
