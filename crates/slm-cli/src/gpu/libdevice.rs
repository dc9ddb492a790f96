//! libdevice, the library of mathematical functions that CUDA kernels are linked with when they are compiled.
//!
//! The NVIDIA driver does not contain it. It is part of CUDA toolkits and of NVIDIA's package `nvidia-cuda-nvcc-cu12`.

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use slm_artifacts::{publish, sha256_of_file};
use slm_model::source::{self, FetchRequest, ModelSource, Progress, SourceError};

/// Path below the root of a toolkit.
const FILE: &str = "nvvm/libdevice/libdevice.10.bc";
/// Roots that CubeCL tries without `CUDA_PATH`, see cubecl-llvm 0.11.3, `nvptx/libdevice.rs`.
const ROOTS: [&str; 4] = ["/usr/local/cuda", "/opt/cuda", "/usr/lib/cuda", "/usr"];
const PACKAGE: &str = "nvidia-cuda-nvcc-cu12==12.9.86";
/// The root of the toolkit inside the package.
const ROOT_IN_PACKAGE: &str = "nvidia/cuda_nvcc";
/// Roots inside Python's packages `nvidia.*`: those for CUDA 12 and 13.
const ROOTS_IN_PYTHON: [&str; 3] = ["cuda_nvcc", "cu13", "cu12"];
/// Path inside the package `triton`.
const FILE_IN_TRITON: &str = "backends/nvidia/lib/libdevice.10.bc";
/// Path of the note with the hash of a copy, below its root.
const HASH_OF_COPY: &str = "libdevice.10.bc.sha256";
const HINT_OF_CACHE: &str = "hint: set SLM_CACHE to a folder that can be written";
const HINT_OF_TOOLKIT: &str = "hint: a CUDA toolkit contains it: set CUDA_PATH to the toolkit's folder, which contains \
                               nvvm/libdevice/libdevice.10.bc";
const SHA256: &str = "9e84b504f25d26ec775ef91f7122e68dac77fa1f776f1044128f5028356265d8";
/// Of the wheels by architecture of the CPU; the library itself is the same in both.
const WHEELS_SHA256: [(&str, &str); 2] = [
    (
        "x86_64",
        "5d6a0d32fdc7ea39917c20065614ae93add6f577d840233237ff08e9a38f58f0",
    ),
    (
        "aarch64",
        "44e1eca4d08926193a558d2434b1bf83d57b4d5743e0c431c0c83d51da1df62b",
    ),
];

/// Where libdevice is, if not where CubeCL looks.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Below this root, which `CUDA_PATH` has to name.
    Below(PathBuf),
    /// A file outside of a toolkit.
    Alone(PathBuf),
}

/// Where to look for libdevice, and how to fetch it.
#[derive(Debug)]
pub(super) struct Search {
    /// The value of `CUDA_PATH`.
    pub(super) cuda_path: Option<PathBuf>,
    /// Roots that need no `CUDA_PATH`.
    roots: Vec<PathBuf>,
    /// The folder for downloads.
    pub(super) cache: PathBuf,
    /// The Python whose packages may contain it, and whose pip fetches it.
    pub(super) python: PathBuf,
    sha256: String,
    /// The architecture of the CPU, which selects the wheel.
    architecture: String,
}

impl Search {
    pub(super) fn new(cuda_path: Option<PathBuf>, cache: PathBuf, python: PathBuf) -> Self {
        Self {
            cuda_path,
            roots: ROOTS.map(PathBuf::from).to_vec(),
            cache,
            python,
            sha256: SHA256.to_owned(),
            architecture: ARCH.to_owned(),
        }
    }

    /// Whether CubeCL finds libdevice without help.
    pub(super) fn is_in_place(&self) -> bool {
        let root = self.in_place();
        root.is_some_and(|root| root.join(FILE).is_file())
    }

    /// Looks for libdevice where CubeCL does not find it: in toolkits, in the cache, and in Python's packages.
    pub(super) fn find(&self) -> Option<Found> {
        let is_root = |root: &PathBuf| root.join(FILE).is_file();
        let toolkit = self.roots.iter().find(|root| is_root(root)).cloned();
        let below = toolkit.or_else(|| self.verified_download());
        let below = below.or_else(|| self.verified_copy());
        below.map(Found::Below).or_else(|| self.in_python())
    }

    /// Returns the root of an earlier download, unless the file is damaged.
    fn verified_download(&self) -> Option<PathBuf> {
        let root = self.in_cache()?;
        let found = sha256_of_file(&root.join(FILE)).ok()?;
        (found == self.sha256).then_some(root)
    }

    /// Returns the root of an earlier copy, unless the file is damaged.
    fn verified_copy(&self) -> Option<PathBuf> {
        let root = self.copied();
        let found = sha256_of_file(&root.join(FILE)).ok()?;
        let noted = fs::read_to_string(root.join(HASH_OF_COPY)).ok()?;
        (found == noted).then_some(root)
    }

    /// Copies a file outside of a toolkit into the cache, and returns the root of the copy.
    ///
    /// # Errors
    /// The cache cannot be written.
    pub(super) fn copy(&self, file: &Path) -> Result<PathBuf, String> {
        let to = self.copied().join(FILE);
        let part = to.with_extension(format!("{}.part", std::process::id()));
        let copied = fs::create_dir_all(to.parent().unwrap_or(&self.cache))
            .and_then(|()| fs::copy(file, &part))
            .and_then(|_| publish(&part, &to))
            .and_then(|()| sha256_of_file(file))
            .and_then(|hash| fs::write(self.copied().join(HASH_OF_COPY), hash));
        copied
            .map(|()| self.copied())
            .map_err(|error| format!("cannot write {}: {error}\n{HINT_OF_CACHE}", to.display()))
    }

    /// The root of [`Self::copy`].
    fn copied(&self) -> PathBuf {
        self.cache.join("copied")
    }

    /// Returns the one root in which CubeCL looks.
    fn in_place(&self) -> Option<&PathBuf> {
        let mut roots = self.roots.iter();
        self.cuda_path
            .as_ref()
            .or_else(|| roots.find(|root| root.join("nvvm/libdevice").is_dir()))
    }

    fn wheel_sha256(&self) -> Option<&'static str> {
        let mut wheels = WHEELS_SHA256.into_iter();
        wheels.find_map(|(name, hash)| (name == self.architecture).then_some(hash))
    }

    fn in_cache(&self) -> Option<PathBuf> {
        let folder = PACKAGE.replace("==", "-");
        let digits = &self.wheel_sha256()?[..16];
        let folder = self.cache.join(format!("{folder}-{digits}"));
        Some(folder.join(ROOT_IN_PACKAGE))
    }

    /// Looks into the packages of the configured Python: NVIDIA's, and Triton, which comes with PyTorch.
    fn in_python(&self) -> Option<Found> {
        const PROGRAM: &str = "import importlib.util as u\n\
                               for name in ('nvidia', 'triton'):\n\
                               \x20   s = u.find_spec(name)\n\
                               \x20   print(*(s.submodule_search_locations if s else []), sep='\\n')";
        // A path such as ./venv/bin/python is relative to the current folder, a bare name is on the search path.
        let program = if self.python.components().count() > 1 {
            std::path::absolute(&self.python).unwrap_or_else(|_| self.python.clone())
        } else {
            self.python.clone()
        };
        let output = Command::new(program)
            .args(["-c", PROGRAM])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            // Python imports modules from the current folder, where a user may have an importlib.py.
            .current_dir("/")
            .output();
        let text = output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).into_owned(),
        );
        let folders: Vec<&Path> = text.lines().map(Path::new).collect();
        let mut roots = folders
            .iter()
            .flat_map(|folder| ROOTS_IN_PYTHON.map(|root| folder.join(root)));
        let root = roots.find(|root| root.join(FILE).is_file());
        root.map(Found::Below).or_else(|| {
            let mut files = folders.iter().map(|folder| folder.join(FILE_IN_TRITON));
            files.find(|file| file.is_file()).map(Found::Alone)
        })
    }

    /// Downloads NVIDIA's package with the user's pip, extracts libdevice into the cache, and returns its root.
    ///
    /// # Errors
    /// pip fails, or the file is another one than expected; the text names what to do.
    pub(super) fn fetch(&self, progress: &mut dyn FnMut(Progress)) -> Result<PathBuf, String> {
        let Some(wheel_sha256) = self.wheel_sha256() else {
            return Err(format!(
                "the CUDA backend needs libdevice.10.bc to compile its kernels; it is not on this machine, and \
                 {PACKAGE} does not exist for {}\n{HINT_OF_TOOLKIT}",
                self.architecture
            ));
        };
        let name = format!("pip:{PACKAGE}#{ROOT_IN_PACKAGE}/{FILE}");
        let request = |source| FetchRequest {
            source,
            sha256: Some(self.sha256.clone()),
            wheel_sha256: Some(wheel_sha256.to_owned()),
            cache_dir: self.cache.clone(),
            python: self.python.clone(),
        };
        let file = ModelSource::parse(&name)
            .map(request)
            .and_then(|request| source::fetch(&request, progress))
            .map_err(|error| problem(&error))?;
        root_of(&file)
    }
}

/// Returns the root above `file`, in which CubeCL finds it.
fn root_of(file: &Path) -> Result<PathBuf, String> {
    let root = file.ancestors().nth(Path::new(FILE).components().count());
    root.filter(|root| root.join(FILE).is_file())
        .map(Path::to_owned)
        .ok_or_else(|| {
            format!(
                "pip has fetched libdevice, but {} is no file {FILE}\n{HINT_OF_TOOLKIT}",
                file.display()
            )
        })
}

/// Describes why libdevice is missing; the hints of the download are those of a model, and are replaced.
fn problem(error: &SourceError) -> String {
    let reason = error.to_string();
    let reason: Vec<&str> = reason
        .lines()
        .filter(|line| !line.starts_with("hint: "))
        .collect();
    let reason = reason.join("\n");
    let hint = match error {
        SourceError::CacheUnusable { .. } | SourceError::DiskFull { .. } => {
            HINT_OF_CACHE.to_owned()
        }
        _ => format!(
            "hint: where there is a network: python3 -m pip download --no-deps --only-binary :all: {PACKAGE}; unpack \
             the wheel with unzip, and set CUDA_PATH to its folder {ROOT_IN_PACKAGE}\n{HINT_OF_TOOLKIT}"
        ),
    };
    format!(
        "the CUDA backend needs libdevice.10.bc to compile its kernels; it is not on this machine, and the download \
         failed: {}\n{hint}",
        reason.trim_end()
    )
}

#[cfg(test)]
/// A machine with nothing on it but a Python whose pip fails.
pub(super) struct Scene {
    folder: tempfile::TempDir,
    pub(super) search: Search,
}

#[cfg(test)]
impl Scene {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let fake =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../slm-model/src/source/fake_python.sh");
        std::os::unix::fs::symlink(fake, path("python")).expect("a link");
        fs::write(path("behaviour"), "exit 1").expect("written");
        let search = Search {
            roots: vec![path("local"), path("opt")],
            ..Search::new(None, path("cache"), path("python"))
        };
        Self { folder, search }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn place(root: &Path) {
        let file = root.join(FILE);
        fs::create_dir_all(file.parent().expect("a parent")).expect("created");
        fs::write(file, "BC").expect("written");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of the two bytes that replace the library.
    const SHA256_OF_BC: &str = "768921a22b8e190c2cfafeb0688f0d58a5f76ee4c7fb369758a208c7ba5e9acb";

    #[test]
    fn a_toolkit_is_found_where_cubecl_looks() {
        let mut scene = Scene::new();
        assert!(!scene.search.is_in_place());
        assert_eq!(scene.search.find(), None);
        let toolkit = scene.path("opt");
        Scene::place(&toolkit);
        assert!(scene.search.is_in_place());
        // CubeCL uses a CUDA_PATH without the file, and finds nothing there.
        scene.search.cuda_path = Some(scene.path("empty"));
        assert!(!scene.search.is_in_place());
        assert_eq!(scene.search.find(), Some(Found::Below(toolkit)));
        let named = scene.path("empty");
        Scene::place(&named);
        assert!(scene.search.is_in_place());
    }

    #[test]
    fn a_folder_without_the_file_does_not_hide_the_next_one() {
        let scene = Scene::new();
        fs::create_dir_all(scene.path("local/nvvm/libdevice")).expect("created");
        let toolkit = scene.path("opt");
        Scene::place(&toolkit);
        assert!(!scene.search.is_in_place());
        assert_eq!(scene.search.find(), Some(Found::Below(toolkit)));
    }

    #[test]
    fn the_packages_of_python_are_searched_after_the_cache() {
        let mut scene = Scene::new();
        scene.search.sha256 = SHA256_OF_BC.to_owned();
        let site = scene.path("site/nvidia");
        fs::write(scene.path("behaviour"), r#"echo "$here/site/nvidia""#).expect("written");
        assert_eq!(scene.search.find(), None);
        let alone = site.join(FILE_IN_TRITON);
        fs::create_dir_all(alone.parent().expect("a parent")).expect("created");
        fs::write(&alone, "BC").expect("written");
        assert_eq!(scene.search.find(), Some(Found::Alone(alone.clone())));
        Scene::place(&site.join("cu13"));
        assert_eq!(scene.search.find(), Some(Found::Below(site.join("cu13"))));
        let copied = scene.search.copy(&alone).expect("copied");
        assert_eq!(scene.search.find(), Some(Found::Below(copied)));
        let cached = scene.search.in_cache().expect("a wheel for this CPU");
        Scene::place(&cached);
        assert_eq!(scene.search.find(), Some(Found::Below(cached)));
    }

    #[test]
    fn a_failed_download_names_the_command_and_the_variable() {
        let scene = Scene::new();
        let error = scene.search.fetch(&mut |_| ()).expect_err("pip fails");
        for part in [
            "needs libdevice.10.bc",
            "pip cannot download nvidia-cuda-nvcc-cu12==12.9.86",
            "hint: where there is a network: python3 -m pip download",
            "CUDA_PATH",
        ] {
            assert!(error.contains(part), "{part} in {error}");
        }
        assert!(!error.contains("model.name_or_path"), "{error}");
    }

    #[test]
    fn a_download_is_extracted_into_the_cache_and_found_there() {
        let mut scene = Scene::new();
        Scene::place(&scene.path("wheel").join(ROOT_IN_PACKAGE));
        // Without a folder for wheels, the call is the search in Python's packages.
        let pack = r#"[ -n "$wheels" ] || exit 1
            cd "$here/wheel" && python3 -m zipfile -c "$wheels/tiny.whl" nvidia"#;
        fs::write(scene.path("behaviour"), pack).expect("written");
        let damaged = scene.search.fetch(&mut |_| ()).expect_err("another file");
        assert!(damaged.contains("has the wrong SHA-256"), "{damaged}");
        assert_eq!(scene.search.find(), None);

        scene.search.sha256 = SHA256_OF_BC.to_owned();
        let root = scene.search.fetch(&mut |_| ()).expect("fetched");
        assert_eq!(scene.search.find(), Some(Found::Below(root.clone())));
        assert!(root.starts_with(scene.path("cache")));
    }

    #[test]
    fn a_truncated_file_in_the_cache_is_not_used() {
        let mut scene = Scene::new();
        scene.search.sha256 = SHA256_OF_BC.to_owned();
        let source = scene.path("triton.bc");
        fs::write(&source, "BC").expect("written");
        let copied = scene.search.copy(&source).expect("copied");
        assert_eq!(scene.search.find(), Some(Found::Below(copied.clone())));
        let cached = scene.search.in_cache().expect("a wheel for this CPU");
        Scene::place(&cached);
        assert_eq!(scene.search.find(), Some(Found::Below(cached.clone())));
        fs::write(cached.join(FILE), "B").expect("truncated");
        assert_eq!(scene.search.find(), Some(Found::Below(copied.clone())));
        fs::write(copied.join(FILE), "B").expect("truncated");
        assert_eq!(scene.search.find(), None);
        scene.search.copy(&source).expect("copied again");
        assert_eq!(scene.search.find(), Some(Found::Below(copied)));
    }

    #[test]
    fn the_wheel_of_the_cpu_is_pinned_and_another_cpu_is_refused() {
        let mut scene = Scene::new();
        let requirements = r#"[ -n "$requirements" ] && cp "$requirements" "$here/wanted"; exit 1"#;
        fs::write(scene.path("behaviour"), requirements).expect("written");
        for (architecture, hash) in WHEELS_SHA256 {
            scene.search.architecture = architecture.to_owned();
            scene.search.fetch(&mut |_| ()).expect_err("pip fails");
            let wanted = fs::read_to_string(scene.path("wanted")).expect("requirements");
            assert_eq!(wanted, format!("{PACKAGE} --hash=sha256:{hash}\n"));
        }
        scene.search.architecture = "riscv64".to_owned();
        fs::remove_file(scene.path("wanted")).expect("removed");
        let error = scene.search.fetch(&mut |_| ()).expect_err("no wheel");
        assert!(
            error.contains("does not exist for riscv64\nhint: "),
            "{error}"
        );
        assert!(!scene.path("wanted").exists(), "pip is not called");
        assert_eq!(scene.search.find(), None);
    }

    #[test]
    fn a_cache_folder_that_cannot_be_written_is_named_with_its_variable() {
        let mut scene = Scene::new();
        fs::write(scene.path("file"), "").expect("written");
        scene.search.cache = scene.path("file/cuda");
        let error = scene.search.fetch(&mut |_| ()).expect_err("no folder");
        assert!(error.contains("cannot use the cache folder"), "{error}");
        assert!(error.ends_with(HINT_OF_CACHE), "{error}");
    }

    #[test]
    fn a_fetched_file_at_another_place_is_no_root() {
        let scene = Scene::new();
        let root = scene.path("opt");
        Scene::place(&root);
        assert_eq!(root_of(&root.join(FILE)), Ok(root));
        for other in ["opt/nvvm/libdevice.10.bc", "libdevice.10.bc", "a/b/c/d.bc"] {
            let error = root_of(&scene.path(other)).expect_err("no root");
            assert!(error.contains(other), "{error}");
        }
    }
}
