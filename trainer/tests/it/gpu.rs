//! The first run on a GPU, without one: CubeCL's CPU runtime replaces it, or the driver is missing.

use std::path::Path;

#[cfg(feature = "cuda")]
#[test]
fn a_missing_cuda_device_names_the_driver_that_was_found() {
    use crate::support::{Project, finish, says};

    if Path::new("/dev/nvidiactl").exists() {
        // Past the capture of test output, so that it is seen.
        let _ = std::io::Write::write_all(
            &mut std::io::stderr(),
            b"SKIPPED: this machine has an NVIDIA driver\n",
        );
        return;
    }
    let project = Project::new();
    let fit = |path: &str| {
        let words = ["fit", "tiny.yaml", "--device", "cuda:1"];
        let mut command = project.command(env!("CARGO_BIN_EXE_trainer"), &words);
        let path = format!("{path}:{}", std::env::var("PATH").unwrap_or_default());
        // Vulkan's loader, which `wgpu` asks, prints another error without this folder.
        let command = command
            .env("PATH", path)
            .env("XDG_RUNTIME_DIR", std::env::temp_dir());
        finish(command).error(2)
    };
    says(
        &fit("/nowhere"),
        &[
            "no cuda:1 device found: there is no NVIDIA driver",
            "hint: install an NVIDIA driver, 550 or newer",
        ],
    );
    let stubs = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/stubs");
    says(
        &fit(&stubs.display().to_string()),
        &[
            "the NVIDIA driver 470.82.01 has a GPU, but CUDA cannot open it",
            "hint: update the driver to 550 or newer",
        ],
    );
    assert!(!project.path("checkpoints").exists(), "nothing is written");
    assert!(!project.path("cache/cuda").exists(), "nothing is fetched");
}

#[cfg(feature = "cube-cpu")]
mod on_the_cpu_runtime {
    use std::fs;

    use crate::run;
    use crate::support::{Finished, Project, finish};

    const PLAN: [&str; 12] = [
        "plan",
        "--shape",
        "tiny-qwen2",
        "--seq-length",
        "24",
        "--micro-batch-size",
        "1",
        "--measure",
        "1",
        "--device",
        "cube-cpu",
        "--json",
    ];

    /// Runs a measurement in `project`, and returns the number of products that were tuned.
    fn tuned(project: &Project, log: &str) -> usize {
        let mut command = project.command(env!("CARGO_BIN_EXE_trainer"), &PLAN);
        let log = project.path(log);
        let Finished { code, stderr, .. } = finish(command.env("CUBECL_DEBUG_LOG", &log));
        assert_eq!(code, Some(0), "{stderr}");
        let text = fs::read_to_string(log).expect("CubeCL's log");
        text.lines()
            .filter(|line| line.contains("Fastest result"))
            .count()
    }

    #[test]
    fn tuning_results_are_kept_in_the_cache_folder_and_found_by_the_next_process() {
        let project = Project::new();
        // By default, CubeCL writes to the `target` folder of a Rust project.
        project.write("Cargo.toml", "[package]\nname = \"around\"\n");
        assert!(tuned(&project, "first.log") > 0, "the first process tunes");
        let database = project.path("cache/kernels/default.db");
        assert!(database.is_file(), "{}", database.display());
        assert!(!project.path("target").exists());
        assert_eq!(
            tuned(&project, "second.log"),
            0,
            "the second finds the results"
        );
    }

    #[test]
    fn a_broken_kernel_is_named_and_replaced() {
        let project = Project::new();
        let measure = |device: &str, broken: &str| {
            let words = PLAN.map(|word| if word == "cube-cpu" { device } else { word });
            let mut command = project.command(env!("CARGO_BIN_EXE_trainer"), &words);
            let finished = finish(command.env("SLM_BREAK_KERNEL", broken));
            assert_eq!(finished.code, Some(0), "{}", finished.stderr);
            let plan: serde_json::Value =
                serde_json::from_str(&finished.stdout).expect("one JSON document");
            let loss = plan["measured"]["loss"].as_f64().expect("a loss");
            (finished.stderr, loss)
        };
        let (whole, loss) = measure("cube-cpu", "");
        assert!(!whole.contains("warning: "), "{whole}");
        let (broken, loss_without) = measure("cube-cpu", "swiglu");
        assert_eq!(broken.matches("warning: ").count(), 1, "{broken}");
        assert!(
            broken.contains("warning: the kernel `swiglu` is off: "),
            "{broken}"
        );
        let (_, expected) = measure("cpu", "");
        // The CPU computes in single precision, the other device in bf16.
        for found in [loss, loss_without] {
            assert!(
                (found - expected).abs() < 1e-2 * expected,
                "{found} {expected}"
            );
        }
    }

    #[test]
    fn a_validation_after_a_broken_update_is_never_the_best() {
        let project = Project::new();
        let words = [
            "fit",
            "tiny.yaml",
            "--device",
            "cube-cpu",
            "--set",
            "data.val_size=0.4",
            "--set",
            "train.eval_steps=1",
            "--set",
            "train.load_best_model_at_end=true",
            "--set",
            "train.max_steps=2",
        ];
        let mut command = project.command(env!("CARGO_BIN_EXE_trainer"), &words);
        let finished = finish(command.env("SLM_BREAK_KERNEL", "update"));
        let error = finished.error(1);
        assert!(
            error.contains("the backend of cube-cpu failed: CallError(broken on purpose)"),
            "{error}"
        );
        let validated = project.read("checkpoints/tiny/log.jsonl");
        assert_eq!(
            validated.matches("validation_loss").count(),
            1,
            "{validated}"
        );
        assert!(!project.path("checkpoints/tiny/best").exists());
    }

    #[test]
    fn the_doctor_trusts_the_device_and_lists_its_kernels() {
        let project = Project::new();
        let words = [
            "doctor",
            "--device",
            "cube-cpu",
            "--quick",
            "--timeout-s",
            "1800",
        ];
        let mut command = project.command(env!("CARGO_BIN_EXE_trainer"), &words);
        let finished = finish(command.env("SLM_BREAK_KERNEL", "rotary"));
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let lines = |start: &str| {
            let lines = finished.stdout.lines();
            lines.filter(|line| line.starts_with(start)).count()
        };
        assert!(
            lines("on                 kernel norm, ") > 0,
            "{}",
            finished.stdout
        );
        assert_eq!(lines("OFF"), lines("OFF                kernel rotary, "));
        assert!(lines("OFF") > 0, "{}", finished.stdout);
        assert!(finished.stdout.contains("cube-cpu can be trusted"));
    }

    #[test]
    fn a_cache_folder_that_cannot_be_written_costs_a_warning() {
        let project = Project::new();
        project.write("cache", "a file");
        let finished = run(&project, &PLAN);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let warnings = finished.stderr.matches("warning: ").count();
        assert_eq!(warnings, 1, "{}", finished.stderr);
        assert!(finished.stderr.contains("warning: cannot write"));
        assert!(finished.stderr.contains("hint: set SLM_CACHE"));
    }
}
