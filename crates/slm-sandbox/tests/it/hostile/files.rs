//! Files outside the box (reading, writing), and leftovers inside.

use std::fs;

use slm_sandbox::{Level, Limits, Verdict};

use super::{
    Outside, STRONGEST, WALLED, answer, asserts_of, calls_of, check, denied, harmless, quoted,
    sandbox_at, told,
};

/// Runs `attempt()` on a folder outside the box; it must be denied and change nothing.
fn denied_outside(program: &str) {
    let outside = Outside::new();
    denied(&(outside.names() + program), || outside.is_untouched());
}

#[test]
fn a_file_outside_cannot_be_read() {
    denied_outside("def attempt():\n    return open(FILE).read()");
}

#[test]
fn the_list_of_users_cannot_be_read() {
    denied(
        "def attempt():\n    return open('/etc/passwd').read()",
        || true,
    );
}

#[test]
fn the_home_folder_cannot_be_listed() {
    let home = std::env::home_dir().unwrap_or_else(|| "/root".into());
    let program = format!(
        "import os\ndef attempt():\n    return os.listdir({})",
        quoted(&home)
    );
    denied(&program, || true);
}

#[test]
fn the_folder_of_temporary_files_cannot_be_listed() {
    let outside = Outside::new();
    let name = outside
        .folder
        .path()
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let parent = quoted(outside.folder.path().parent().expect("a folder of folders"));
    harmless(
        &format!("import os\ndef attempt():\n    return os.listdir({parent})"),
        |answer| !answer.contains(&name),
    );
}

#[test]
fn variables_of_the_environment_do_not_come_in() {
    // The variables that cargo sets for a test serve as the secret.
    let secrets: Vec<String> = ["CARGO_MANIFEST_DIR", "USER", "SHELL", "PWD", "OLDPWD"]
        .iter()
        .filter_map(|name| std::env::var(name).ok().map(|_| format!("'{name}'")))
        .collect();
    assert!(!secrets.is_empty());
    harmless(
        "import ctypes, os
def attempt():
    environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), 'environ')
    raw, i = [], 0
    while environ and environ[i]:
        raw.append(environ[i].decode().partition('=')[0])
        i += 1
    return sorted(os.environ) + raw",
        |answer| secrets.iter().all(|name| !answer.contains(name)) && answer.contains("TZ"),
    );
}

#[test]
fn the_environment_of_the_harness_cannot_be_read() {
    denied(
        &format!(
            "def attempt():\n    return open('/proc/{}/environ').read()",
            std::process::id()
        ),
        || true,
    );
}

#[test]
fn the_memory_of_the_harness_cannot_be_opened() {
    denied(
        &format!(
            "def attempt():\n    return open('/proc/{}/mem', 'r+b')",
            std::process::id()
        ),
        || true,
    );
}

#[test]
fn the_files_that_the_harness_has_open_cannot_be_opened() {
    let outside = Outside::new();
    let _open = fs::File::open(outside.file()).expect("a file");
    let program = format!(
        "import os
def attempt():
    found = []
    for fd in range(200):
        try:
            found.append(open('/proc/{0}/fd/%d' % fd, 'rb').read(100))
        except OSError:
            pass
    if not found:
        raise PermissionError('none')
    return found",
        std::process::id()
    );
    denied(&program, || outside.is_untouched());
}

#[test]
fn the_root_of_another_process_is_no_way_around() {
    let outside = Outside::new();
    let program = format!(
        "def attempt():\n    return open('/proc/{}/root' + {}).read()",
        std::process::id(),
        quoted(&outside.file())
    );
    denied(&program, || outside.is_untouched());
}

#[test]
fn no_descriptor_of_the_harness_comes_in() {
    harmless(
        "import os
def attempt():
    found = []
    for fd in range(1024):
        try:
            os.fstat(fd)
            found.append(fd)
        except OSError:
            pass
    return found",
        // Standard streams, commands, results.
        |answer| answer == "came through: [0, 1, 2, 3, 4]",
    );
}

#[test]
fn standard_input_holds_nothing_and_leads_nowhere() {
    harmless(
        "import os, sys
def attempt():
    return os.read(0, 100), sys.stdin.read(), os.isatty(0)",
        |answer| answer == "came through: (b'', '', False)",
    );
}

#[test]
fn a_file_outside_cannot_be_written() {
    denied_outside("def attempt():\n    open(FILE, 'a').write('x')");
}

#[test]
fn a_file_outside_cannot_be_shortened() {
    denied_outside("import os\ndef attempt():\n    os.truncate(FILE, 0)");
}

#[test]
fn a_file_cannot_be_made_outside() {
    denied_outside("def attempt():\n    open(FOLDER + '/new', 'w').write('x')");
}

#[test]
fn a_folder_cannot_be_made_outside() {
    denied_outside("import os\ndef attempt():\n    os.mkdir(FOLDER + '/new')");
}

#[test]
fn a_file_outside_cannot_be_removed() {
    denied_outside("import os\ndef attempt():\n    os.unlink(FILE)");
}

#[test]
fn a_file_outside_cannot_be_renamed() {
    denied_outside("import os\ndef attempt():\n    os.rename(FILE, FOLDER + '/other')");
}

#[test]
fn a_file_outside_cannot_be_moved_into_the_box() {
    denied_outside(
        "import os\ndef attempt():\n    os.rename(FILE, 'mine')\n    return open('mine').read()",
    );
}

#[test]
fn a_symbolic_link_does_not_lead_out() {
    denied_outside(
        "import os\ndef attempt():\n    os.symlink(FILE, 'link')\n    return open('link', 'r+').read()",
    );
}

#[test]
fn a_hard_link_does_not_lead_out() {
    denied_outside(
        "import os\ndef attempt():\n    os.link(FILE, 'link')\n    return open('link', 'r+').read()",
    );
}

#[test]
fn a_link_to_a_folder_does_not_lead_out() {
    denied_outside(
        "import os\ndef attempt():\n    os.symlink(FOLDER, 'folder')\n    open('folder/new', 'w').write('x')",
    );
}

#[test]
fn climbing_up_from_an_open_folder_does_not_lead_out() {
    denied_outside(
        "import os
def attempt():
    here = os.open('.', os.O_PATH)
    return os.read(os.open('../' * 40 + FILE.lstrip('/'), os.O_RDONLY, dir_fd=here), 100)",
    );
}

#[test]
fn changing_folder_does_not_lead_out() {
    denied_outside(
        "import os\ndef attempt():\n    os.chdir(FOLDER)\n    return open('secret').read()",
    );
}

#[test]
fn the_mode_of_a_file_outside_cannot_be_changed() {
    denied_outside("import os\ndef attempt():\n    os.chmod(FILE, 0)");
}

#[test]
fn the_owner_of_a_file_outside_cannot_be_changed() {
    denied_outside("import os\ndef attempt():\n    os.chown(FILE, os.getuid(), os.getgid())");
}

#[test]
fn the_times_of_a_file_outside_cannot_be_changed() {
    let outside = Outside::new();
    let time = || {
        fs::metadata(outside.file())
            .and_then(|data| data.modified())
            .expect("a time")
    };
    let before = time();
    denied(
        &(outside.names() + "import os\ndef attempt():\n    os.utime(FILE, (1, 1))"),
        || time() == before,
    );
}

#[test]
fn attributes_of_a_file_outside_cannot_be_changed() {
    denied_outside("import os\ndef attempt():\n    os.setxattr(FILE, 'user.mark', b'x')");
}

#[test]
fn a_raw_call_opens_no_more_than_open_does() {
    denied_outside(
        "import ctypes, os, platform
def attempt():
    libc = ctypes.CDLL(None, use_errno=True)
    openat2 = 437
    how = (ctypes.c_uint64 * 3)(os.O_RDWR, 0, 0)
    if libc.syscall(openat2, -100, FILE.encode(), how, 24) < 0:
        raise OSError(ctypes.get_errno(), 'openat2')",
    );
}

#[test]
fn a_device_cannot_be_made() {
    denied(
        "import os, stat
def attempt():
    os.mknod('disk', stat.S_IFBLK | 0o666, os.makedev(8, 0))",
        || true,
    );
}

#[test]
fn devices_of_the_machine_are_out_of_reach() {
    denied(
        "import glob
def attempt():
    found = []
    for name in ['/dev/mem', '/dev/kmsg', '/dev/tty', '/dev/console', '/dev/kvm', '/dev/fuse', '/dev/vda', '/dev/sda',
                 '/dev/ptmx', '/dev/shm/x', '/dev/loop0', '/dev/full']:
        try:
            found.append(open(name, 'r+b'))
        except OSError:
            pass
    if not found:
        raise PermissionError('none')
    return found",
        || true,
    );
}

#[test]
fn settings_of_the_kernel_are_out_of_reach() {
    denied(
        "def attempt():
    for name in ['/proc/sys/kernel/core_pattern', '/sys/kernel/mm/transparent_hugepage/enabled',
                 '/proc/self/oom_score_adj', '/proc/sysrq-trigger']:
        try:
            return open(name, 'r+b').read()
        except OSError as error:
            last = error
    raise last",
        || true,
    );
}

#[test]
fn the_runner_of_later_programs_cannot_be_changed() {
    denied(
        "import os, sys
def attempt():
    path = sys.modules['__main__'].__file__
    last = None
    for change in (lambda: os.unlink(path), lambda: open(path, 'r+b'), lambda: os.rename(path, path + 'x'),
                   lambda: open(os.path.join(os.path.dirname(path), 'new.py'), 'w')):
        try:
            change()
            return path
        except OSError as error:
            last = error
    raise last",
        || true,
    );
    check(
        WALLED,
        &asserts_of("def f():\n    return 1", &["assert f() == 1"]),
        &Limits::default(),
        |outcome| {
            assert_eq!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
        },
    );
}

#[test]
fn the_standard_library_cannot_be_changed() {
    let path = std::env::temp_dir().join("unused");
    assert!(!path.exists());
    denied(
        "import os, json, sys
def attempt():
    last = None
    for path in (json.__file__, os.path.join(sys.prefix, 'new'), sys.executable):
        try:
            open(path, 'a').write('x = 1')
            return path
        except OSError as error:
            last = error
    raise last",
        || true,
    );
}

#[test]
fn what_one_program_writes_the_next_does_not_find() {
    let program = "import os
def attempt():
    found = sorted(os.listdir('.')) + sorted(os.listdir(os.environ['TMPDIR']))
    open('left', 'w').write('x')
    return found";
    for _ in 0..2 {
        harmless(program, |answer| answer == "came through: []");
    }
}

/// Returns the folders of this process's boxes, as seen outside them.
fn folders() -> Vec<String> {
    let prefix = format!("slm-sandbox-{}-", std::process::id());
    let mut names: Vec<String> = fs::read_dir(std::env::temp_dir())
        .expect("the folder of temporary files")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(&prefix))
        .collect();
    names.sort();
    names
}

/// Runs a program that leaves files in its folder, which it names by `os.getcwd()`; none may remain. Only level
/// B has folders outside the box.
fn leaves_nothing(program: &str) {
    check(
        &[Level::B],
        &calls_of(&told(program)),
        &Limits::default(),
        |outcome| {
            let answer = answer(outcome);
            let name = answer
                .rsplit_once('/')
                .map_or("", |(_, name)| name.trim_end_matches('\''));
            assert!(
                answer.starts_with("came through") && !name.is_empty(),
                "{outcome:#?}"
            );
            assert!(!folders().contains(&name.to_owned()), "{name} is left");
        },
    );
}

#[test]
fn folders_nested_too_deep_for_any_path_are_cleared_away() {
    // Deeper than the path limit and the limit of open files; Landlock checks all levels on each access.
    leaves_nothing(
        "import os
def attempt():
    top = os.getcwd()
    for _ in range(3000):
        os.mkdir('d')
        os.chdir('d')
    return top",
    );
}

#[test]
fn folders_that_nobody_may_open_are_cleared_away() {
    leaves_nothing(
        "import os
def attempt():
    os.makedirs('a/b')
    open('a/b/file', 'w').close()
    os.mkdir('a/closed', 0)
    os.mkdir('closed', 0)
    os.umask(0o777)
    open('file', 'w').close()
    return os.getcwd()",
    );
}

#[test]
fn odd_file_names_are_cleared_away() {
    leaves_nothing(
        "import os
def attempt():
    for name in (b'\\n', b'\\xff\\xfe', b'-rf', b' ', b'*', b'x' * 255, b'\\x1b[31m'):
        open(name, 'w').close()
        os.mkdir(b'folder ' + name[:200])
    return os.getcwd()",
    );
}

#[test]
fn clearing_away_does_not_follow_links() {
    let outside = Outside::new();
    leaves_nothing(
        &(outside.names()
            + "import os
def attempt():
    os.symlink(FOLDER, 'link')
    os.mkdir('inner')
    os.symlink(FOLDER, 'inner/link')
    os.symlink(FILE, 'inner/file')
    return os.getcwd()"),
    );
    assert!(outside.is_untouched());
}

#[test]
fn a_program_sees_no_tests_on_any_file_it_can_read() {
    let secret = super::nonce();
    let program = "import os, sys
def f():
    texts = []
    for top in ('/tmp', os.getcwd(), os.path.dirname(sys.modules['__main__'].__file__)):
        for folder, _, names in os.walk(top):
            for name in names:
                try:
                    texts.append(open(os.path.join(folder, name), 'rb').read(1 << 20).decode('latin-1'))
                except OSError:
                    pass
    print(texts)
    return 2";
    let test = format!("expected = '{secret}'\nassert f() == 1");
    check(
        STRONGEST,
        &asserts_of(program, &[&test]),
        &Limits::default(),
        |outcome| {
            assert_eq!(outcome.verdict, Verdict::Failed, "{outcome:#?}");
            assert!(!String::from_utf8_lossy(&outcome.output).contains(&secret));
        },
    );
}

#[test]
fn a_box_at_work_cannot_reach_the_folder_of_another() {
    let Some(sandbox) = sandbox_at(Level::B) else {
        return;
    };
    let victim = "import os, time
def attack():
    open('mine', 'w').write('untouched')
    for _ in range(40):
        time.sleep(0.05)
        if sorted(os.listdir('.')) != ['mine'] or open('mine').read() != 'untouched':
            return 'came through'
    return 'untouched'";
    let thief = told(&format!(
        "import os, time
def attempt():
    found = []
    for _ in range(30):
        time.sleep(0.05)
        try:
            names = os.listdir({0:?})
        except OSError:
            continue
        for name in names:
            if name.startswith('slm-sandbox') and name not in os.getcwd():
                try:
                    open(os.path.join({0:?}, name, 'thief'), 'w').close()
                    found.append(name)
                except OSError:
                    pass
    return found",
        std::env::temp_dir()
    ));
    std::thread::scope(|scope| {
        let run = |program: String| sandbox.run(&calls_of(&program), &Limits::default());
        let first = scope.spawn(move || run(victim.into()));
        let second = run(thief).expect("the harness works");
        let first = first.join().expect("no panic").expect("the harness works");
        assert_eq!(answer(&second), "came through: []");
        assert_eq!(answer(&first), "untouched", "{first:#?}");
    });
}
