//! Prepares a process for its device: CUDA needs libdevice, and finds it by `CUDA_PATH` alone.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use slm_model::DeviceChoice;

use super::libdevice::{Found, Search};
use super::{DeviceUse, kernel_folder};
use crate::environment::{cache_dir, python, text};
use crate::output::note;

/// The id of the process that has started again. `exec` keeps the id, and the children of the process have others.
const RESTARTED: &str = "SLM_RESTARTED";

/// Why the CUDA backend cannot compile kernels on this machine.
static WITHOUT_LIBDEVICE: OnceLock<String> = OnceLock::new();

/// How CUDA finds libdevice.
#[derive(Debug, PartialEq, Eq)]
enum Preparation {
    /// It does, or the command fails before it needs it.
    Ready,
    /// The program starts again, with `CUDA_PATH` naming this root.
    Restart(PathBuf),
    /// It cannot, for this reason.
    Without(String),
}

/// Prepares the process for `choice`, at the start of a command that uses it.
///
/// Compiled kernels are kept in the cache folder. If the command computes and CUDA is chosen, libdevice is found or
/// fetched; where CubeCL would not find it, the program starts again, once, with `CUDA_PATH` set. That is left out if
/// `can_run` returns false: the command then fails on its own, and needs no download to do so. A failure is reported by
/// [`super::open_device`].
pub fn prepare_device(choice: DeviceChoice, purpose: DeviceUse, can_run: impl FnOnce() -> bool) {
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    slm_model::set_visible_gpus(visible, text("CUDA_DEVICE_ORDER").as_deref());
    slm_model::keep_kernels(&kernel_folder());
    let has_cuda = DeviceChoice::built_in().any(|name| name == "cuda");
    if !has_cuda
        || purpose == DeviceUse::Describe
        || !matches!(choice, DeviceChoice::Auto | DeviceChoice::Cuda(_))
    {
        return;
    }
    let search = search();
    let wanted = match choice {
        DeviceChoice::Auto => DeviceChoice::Cuda(0),
        named => named,
    };
    if search.is_in_place() || wanted.open().is_err() {
        return;
    }
    let process = std::process::id().to_string();
    let has_restarted = text(RESTARTED).as_ref() == Some(&process);
    let problem = match preparation(&search, has_restarted, can_run) {
        Preparation::Ready => return,
        Preparation::Restart(root) => {
            let error = restarted(&root, std::env::args_os(), &process).exec();
            format!(
                "cannot start again with CUDA_PATH={}: {error}\nhint: set CUDA_PATH to this folder",
                root.display()
            )
        }
        Preparation::Without(problem) => problem,
    };
    // The process is prepared once.
    let _ = WITHOUT_LIBDEVICE.set(problem);
}

/// Returns why the CUDA backend cannot compile kernels, if the process is prepared and it cannot.
pub(super) fn why_without_libdevice() -> Option<&'static str> {
    WITHOUT_LIBDEVICE.get().map(String::as_str)
}

/// Where this process looks for libdevice. An empty `CUDA_PATH` counts as set: CubeCL then looks nowhere else.
fn search() -> Search {
    let cuda_path = std::env::var_os("CUDA_PATH").map(PathBuf::from);
    Search::new(cuda_path, cache_dir().join("cuda"), python())
}

fn preparation(
    search: &Search,
    has_restarted: bool,
    can_run: impl FnOnce() -> bool,
) -> Preparation {
    if search.is_in_place() {
        return Preparation::Ready;
    }
    if has_restarted {
        let found = search.cuda_path.as_ref();
        let found = found.map_or_else(
            || "is not set".to_owned(),
            |path| format!("is {:?}", path.display().to_string()),
        );
        return Preparation::Without(format!(
            "the program has started again with CUDA_PATH, for libdevice.10.bc, but CUDA_PATH {found}\n\
             hint: set CUDA_PATH to the folder of a CUDA toolkit"
        ));
    }
    if !can_run() {
        return Preparation::Ready;
    }
    let root = match search.find() {
        Some(Found::Below(root)) => Ok(root),
        Some(Found::Alone(file)) => search.copy(&file),
        None => fetch(search),
    };
    root.map_or_else(Preparation::Without, Preparation::Restart)
}

fn fetch(search: &Search) -> Result<PathBuf, String> {
    note(
        "libdevice          not on this machine; pip downloads it from NVIDIA's package (40 MB, once)",
    );
    let root = search.fetch(&mut |_| ())?;
    note(&format!("libdevice          kept in {}", root.display()));
    Ok(root)
}

/// Returns the command that runs this program again with the same arguments, and with `CUDA_PATH`.
///
/// CubeCL reads the variable where it compiles a kernel, and a variable of a running process with threads cannot be set
/// safely.
fn restarted(root: &Path, mut arguments: impl Iterator<Item = OsString>, process: &str) -> Command {
    // The kernel names a process after the file that it runs: by its link in /proc it would be `exe`.
    let file = std::env::current_exe().ok().filter(|file| file.is_file());
    let mut command = Command::new(file.unwrap_or_else(|| "/proc/self/exe".into()));
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    command
        .args(arguments)
        .env("CUDA_PATH", root)
        .env(RESTARTED, process);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gpu::libdevice::Scene;
    use std::ffi::OsStr;
    use std::fs;

    #[test]
    fn the_program_starts_again_under_its_name_with_its_arguments_and_cuda_path() {
        let words = ["trainer", "fit", "a b.yaml"].map(OsString::from);
        let command = restarted(Path::new("/cache/cuda"), words.into_iter(), "17");
        let arguments: Vec<&OsStr> = command.get_args().collect();
        assert_eq!(arguments, ["fit", "a b.yaml"]);
        let variables: Vec<_> = command.get_envs().collect();
        let expected = [("CUDA_PATH", "/cache/cuda"), (RESTARTED, "17")];
        let expected = expected.map(|(name, value)| (OsStr::new(name), Some(OsStr::new(value))));
        assert_eq!(variables, expected);
        let file = std::env::current_exe().expect("this test's program");
        assert_eq!(command.get_program(), file);
    }

    #[test]
    fn a_process_starts_again_only_once() {
        let mut scene = Scene::new();
        let root = scene.path("local");
        // CubeCL looks into CUDA_PATH alone, which lost its value on the way.
        scene.search.cuda_path = Some(PathBuf::new());
        Scene::place(&root);
        let first = preparation(&scene.search, false, || true);
        assert_eq!(first, Preparation::Restart(root.clone()));
        let second = preparation(&scene.search, true, || true);
        let Preparation::Without(problem) = second else {
            panic!("{second:?}");
        };
        assert!(problem.contains("CUDA_PATH is \"\""), "{problem}");
        scene.search.cuda_path = Some(root);
        let found = preparation(&scene.search, true, || true);
        assert_eq!(found, Preparation::Ready);
    }

    #[test]
    fn nothing_is_downloaded_twice_or_for_a_command_that_cannot_run() {
        let scene = Scene::new();
        let without = |has_restarted| {
            let found = preparation(&scene.search, has_restarted, || true);
            assert!(matches!(found, Preparation::Without(_)), "{found:?}");
            fs::remove_file(scene.path("calls")).is_ok()
        };
        let found = preparation(&scene.search, false, || false);
        assert_eq!(found, Preparation::Ready);
        assert!(!scene.path("calls").exists(), "Python is not started");
        assert!(without(false), "Python and pip are called");
        assert!(!without(true), "after a start with no library at its place");
    }

    #[test]
    fn an_empty_cuda_path_counts_as_set() {
        const NAME: &str = "gpu::start::tests::an_empty_cuda_path_counts_as_set";
        const CHILD: &str = "SLM_TEST_OF_CUDA_PATH";
        if std::env::var_os(CHILD).is_some() {
            assert_eq!(search().cuda_path, Some(PathBuf::new()));
            return;
        }
        let file = std::env::current_exe().expect("this test's program");
        let output = Command::new(file)
            .args(["--exact", NAME])
            .envs([("CUDA_PATH", ""), (CHILD, "1")])
            .output()
            .expect("started");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("1 passed"), "{text}");
    }
}
