//! Builds the command that starts a runner in its box.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::folder::Folder;
use crate::helper::{self, Filter, HOST_NAME, KernelLimits, Policy};
use crate::limits::{FOLDER_BYTES, Limits};
use crate::runner::{Role, Runners};
use crate::{Interpreter, Level, SandboxError};

/// Paths inside a box of level A.
const BOX_HELPER: &str = "/sandbox-helper";
const BOX_RUNNERS: &str = "/sandbox-runners";
pub(crate) const BOX_FOLDER: &str = "/tmp";

/// User ids from here on are unassigned on ordinary systems; each box takes its own, so that boxes cannot touch
/// each other and the process limit counts one box alone.
const FIRST_USER: u32 = 1_700_000_000;
const USERS: u32 = 100_000_000;

/// `nobody`: used where only part of the ids is mapped, as in some containers.
const NOBODY: u32 = 65_534;

/// Everything needed to start a box, determined once.
#[derive(Debug)]
pub(crate) struct Launcher {
    pub(crate) level: Level,
    pub(crate) interpreter: Interpreter,
    helper: (PathBuf, Vec<&'static str>),
    bubblewrap: Option<Bubblewrap>,
    /// Whether each box switches to its own user id.
    changes_user: bool,
    runners: Runners,
}

/// How bubblewrap is started.
#[derive(Debug)]
struct Bubblewrap {
    program: PathBuf,
    /// The arguments common to all boxes.
    namespaces: Vec<OsString>,
    /// Folders that those arguments create.
    made: BTreeSet<PathBuf>,
}

/// A runner ready to be started.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) command: Command,
    /// The working folder, if it is outside the box.
    pub(crate) folder: Option<Folder>,
}

impl Launcher {
    /// Creates a launcher. At level A as root, `user_namespace` makes bubblewrap create a user namespace, which
    /// it always does for other users.
    pub(crate) fn new(
        level: Level,
        interpreter: Interpreter,
        user_namespace: bool,
    ) -> Result<Self, SandboxError> {
        let helper = helper::locate().map_err(SandboxError::io("find the sandbox helper"))?;
        let runners = Runners::compile(&interpreter)?;
        let is_root = rustix::process::geteuid().is_root();
        let changes_user = is_root && !(level == Level::A && user_namespace) && level != Level::C;
        let bubblewrap = match level {
            Level::A => {
                let program = find_bubblewrap().ok_or(SandboxError::NoBubblewrap)?;
                let (namespaces, made) =
                    namespaces(changes_user, &interpreter, &helper.0, runners.folder());
                Some(Bubblewrap {
                    program,
                    namespaces,
                    made,
                })
            }
            Level::B | Level::C => None,
        };
        Ok(Self {
            level,
            interpreter,
            helper,
            bubblewrap,
            changes_user,
            runners,
        })
    }

    /// Builds the command for a new box, which may read `tree`.
    pub(crate) fn launch(
        &self,
        role: Role,
        limits: &Limits,
        tree: Option<&Path>,
    ) -> Result<Launch, SandboxError> {
        if let Some(tree) = tree {
            check_tree(tree)?;
        }
        let user = self.changes_user.then(next_user);
        let folder = match self.level {
            Level::A => None,
            Level::B | Level::C => Some(Folder::new(user)?),
        };
        let inside = folder.as_ref().map_or(Path::new(BOX_FOLDER), Folder::path);
        let policy = self.policy(user, limits, inside, tree);
        let runner = match self.level {
            Level::A => Path::new(BOX_RUNNERS).join(role.file_name()),
            Level::B | Level::C => self.runners.folder().join(role.file_name()),
        };
        let (helper, leading) = &self.helper;
        let mut command = match &self.bubblewrap {
            Some(bubblewrap) => {
                let mut command = Command::new(&bubblewrap.program);
                command.args(&bubblewrap.namespaces);
                if let Some(tree) = tree {
                    command.args(bubblewrap.mount(tree, &readable(&self.interpreter)));
                }
                command.args(["--chdir", BOX_FOLDER, "--", BOX_HELPER]);
                command
            }
            None => Command::new(helper),
        };
        command
            .args(leading)
            .arg(policy.to_json())
            .arg(&self.interpreter.executable)
            // Not -I: it would make Python ignore PYTHONHASHSEED, so that the order of sets would be random.
            // The rest of -I is done otherwise: no user site (-s), our own environment, and the runner sets the
            // module path. -S: `site`'s result was queried once.
            .args(["-S", "-s", "-B", "-X", "utf8"])
            .arg(runner)
            .env_clear();
        Ok(Launch { command, folder })
    }

    fn policy(
        &self,
        user: Option<u32>,
        limits: &Limits,
        folder: &Path,
        tree: Option<&Path>,
    ) -> Policy {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let mut environment = vec![
            ("PYTHONHASHSEED".to_owned(), "0".to_owned()),
            ("OMP_NUM_THREADS".to_owned(), "1".to_owned()),
            ("TZ".to_owned(), "UTC".to_owned()),
            ("PATH".to_owned(), "/usr/bin:/bin".to_owned()),
            ("HOME".to_owned(), text(folder)),
            ("TMPDIR".to_owned(), text(folder)),
        ];
        // A Python built with a shared library must find its own, not an older one of the system.
        let libraries = self.interpreter.prefix.join("lib");
        if !libraries.starts_with("/usr") && libraries.is_dir() {
            environment.push(("LD_LIBRARY_PATH".to_owned(), text(&libraries)));
        }
        let is_direct = self.level != Level::A;
        let runners = match self.level {
            Level::A => PathBuf::from(BOX_RUNNERS),
            Level::B | Level::C => self.runners.folder().to_owned(),
        };
        let read = (self.level != Level::C).then(|| {
            let mut read = readable(&self.interpreter);
            read.push(runners);
            read.extend(tree.map(Path::to_owned));
            read
        });
        // The kernel counts all processes of a user: inside the namespaces those of bubblewrap, outside those
        // that the user already runs.
        let other_processes = match (self.level, user) {
            (Level::A, _) => 2,
            (_, Some(_)) => 0,
            (_, None) => tasks_of_user(),
        };
        Policy {
            user,
            limits: KernelLimits::new(limits, other_processes),
            read,
            write: vec![folder.to_owned()],
            filter: match self.level {
                Level::A => Filter::Namespaced,
                Level::B => Filter::Alone,
                Level::C => Filter::None,
            },
            is_direct,
            folder: folder.to_owned(),
            environment,
        }
    }
}

impl Bubblewrap {
    /// Returns the arguments that mount a folder read-only, unless one of `mounted` contains it.
    fn mount(&self, tree: &Path, mounted: &[PathBuf]) -> Vec<OsString> {
        let mut arguments = Vec::new();
        if !mounted.iter().any(|path| tree.starts_with(path)) {
            add_parents(&mut arguments, tree, &mut self.made.clone());
            arguments.push("--ro-bind".into());
            arguments.extend([tree.into(), tree.into()]);
        }
        arguments
    }
}

/// Refuses a tree that would hide the box's own folder, or that a box could not find under its path.
fn check_tree(tree: &Path) -> Result<(), SandboxError> {
    let is_above = Path::new(BOX_FOLDER).starts_with(tree);
    if !tree.is_absolute() || is_above || !tree.is_dir() {
        return Err(SandboxError::Tree {
            tree: tree.to_owned(),
        });
    }
    Ok(())
}

/// Adds the folders above `path` that were not made yet: bubblewrap would create them readable only for its own
/// user.
fn add_parents(arguments: &mut Vec<OsString>, path: &Path, made: &mut BTreeSet<PathBuf>) {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.retain(|folder| *folder != Path::new("/"));
    for folder in above.into_iter().rev() {
        if made.insert(folder.to_owned()) {
            arguments.extend(["--perms", "0755", "--dir"].map(OsString::from));
            arguments.push(folder.into());
        }
    }
}

/// Returns bubblewrap's arguments, and the folders that they create: all namespaces new, and only Python's files
/// mounted, read-only.
fn namespaces(
    changes_user: bool,
    interpreter: &Interpreter,
    helper: &Path,
    runners: &Path,
) -> (Vec<OsString>, BTreeSet<PathBuf>) {
    let mut arguments: Vec<OsString> = Vec::new();
    let word = OsStr::new;
    let mut add = |words: &[&OsStr]| arguments.extend(words.iter().map(OsString::from));
    for name in [
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--hostname",
        HOST_NAME,
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
    ] {
        add(&[word(name)]);
    }
    if changes_user {
        // Lets the helper limit the number of files and switch to another user, which drops them.
        for capability in ["CAP_SETUID", "CAP_SETGID", "CAP_SYS_ADMIN"] {
            add(&[word("--cap-add"), word(capability)]);
        }
    } else {
        let nobody = NOBODY.to_string();
        add(&[word("--unshare-user")]);
        add(&[word("--uid"), word(&nobody), word("--gid"), word(&nobody)]);
    }
    // Before the other paths, of which one may be below it: a virtual environment in a temporary folder.
    let size = FOLDER_BYTES.to_string();
    add(&[word("--perms"), word("1777"), word("--size"), word(&size)]);
    add(&[word("--tmpfs"), word(BOX_FOLDER)]);
    let mut made = BTreeSet::from([PathBuf::from(BOX_FOLDER)]);
    for path in readable(interpreter) {
        add_parents(&mut arguments, &path, &mut made);
        let mut add = |words: &[&OsStr]| arguments.extend(words.iter().map(OsString::from));
        match fs::read_link(&path) {
            // /lib and similar paths are links into /usr on most systems.
            Ok(target) if path.parent() == Some(Path::new("/")) => {
                add(&[word("--symlink"), target.as_os_str(), path.as_os_str()]);
            }
            _ => add(&[word("--ro-bind-try"), path.as_os_str(), path.as_os_str()]),
        }
    }
    let mut add = |words: &[&OsStr]| arguments.extend(words.iter().map(OsString::from));
    add(&[word("--ro-bind"), helper.as_os_str(), word(BOX_HELPER)]);
    add(&[word("--ro-bind"), runners.as_os_str(), word(BOX_RUNNERS)]);
    add(&[word("--perms"), word("0755"), word("--dir"), word("/dev")]);
    for device in ["/dev/null", "/dev/zero", "/dev/urandom"] {
        add(&[word("--dev-bind"), word(device), word(device)]);
    }
    (arguments, made)
}

/// Returns the paths that Python reads: the system's programs and libraries, and its own installation. A path
/// that contains the folder of temporary files is left out: a box has its own, and of the host's sees only the
/// files of the installation.
fn readable(interpreter: &Interpreter) -> Vec<PathBuf> {
    let system = [
        "/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/sbin",
    ];
    let settings = ["/etc/ld.so.cache", "/etc/alternatives"];
    let mut paths: Vec<PathBuf> = system
        .iter()
        .chain(&settings)
        .map(PathBuf::from)
        .filter(|path| path.exists())
        .collect();
    let installation: BTreeSet<&Path> = [&interpreter.prefix, &interpreter.executable]
        .into_iter()
        .chain(&interpreter.search_path)
        .map(PathBuf::as_path)
        .filter(|path| !Path::new(BOX_FOLDER).starts_with(path))
        .collect();
    for path in installation {
        let is_there = paths.iter().any(|other| path.starts_with(other));
        if !is_there && path.exists() {
            paths.push(path.to_owned());
        }
    }
    paths
}

/// Returns a user id that no other box of this machine has at the moment.
fn next_user() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let id = FIRST_USER
        + (std::process::id().wrapping_mul(1009) + NEXT.fetch_add(1, Ordering::Relaxed)) % USERS;
    let map = fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    let is_mapped = map.lines().any(|line| {
        let numbers: Vec<u64> = line
            .split_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect();
        matches!(numbers[..], [first, _, count] if (first..first + count).contains(&u64::from(id)))
    });
    if is_mapped { id } else { NOBODY }
}

/// Returns the number of processes and threads that the user already runs; 0 for root, who is exempt from the limit.
fn tasks_of_user() -> u64 {
    use std::os::unix::fs::MetadataExt;

    let user = rustix::process::getuid();
    if user.is_root() {
        return 0;
    }
    let Ok(processes) = fs::read_dir("/proc") else {
        return 0;
    };
    processes
        .flatten()
        .filter_map(|entry| fs::metadata(entry.path().join("task")).ok())
        .filter(|tasks| tasks.uid() == user.as_raw())
        // One subfolder for each thread, besides `.` and `..`.
        .map(|tasks| tasks.nlink().saturating_sub(2))
        .sum()
}

/// Finds bubblewrap in the system's folders: not on the search path, which others may control.
fn find_bubblewrap() -> Option<PathBuf> {
    [
        "/usr/bin",
        "/bin",
        "/usr/local/bin",
        "/run/current-system/sw/bin",
    ]
    .map(|folder| Path::new(folder).join("bwrap"))
    .into_iter()
    .find(|program| program.is_file())
}
