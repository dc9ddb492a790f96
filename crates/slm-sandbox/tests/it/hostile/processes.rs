//! Other processes: signalling them, inspecting them, and processes that would outlive the box.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use slm_sandbox::{Level, Limits, Verdict};

use super::{
    STRONGEST, WALLED, asserts_of, calls_of, check, denied, harmless, has_vanished, is_running,
    nonce, short, violates,
};

/// A process outside all boxes, of the same user.
struct Victim(Child);

impl Victim {
    fn new() -> Self {
        let child = Command::new("sleep")
            .arg("600")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("sleep");
        Self(child)
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    /// Fields of /proc/PID/stat after the name: state, parent and so on.
    fn stat(&self) -> Vec<String> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap_or_default();
        let (_, rest) = stat.rsplit_once(')').unwrap_or_default();
        rest.split_whitespace().map(str::to_owned).collect()
    }

    fn lives(&self) -> bool {
        self.stat().first().is_some_and(|state| state == "S")
    }

    fn nice(&self) -> Option<String> {
        self.stat().get(16).cloned()
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs `attempt()`, with `PID` and `LIBC` defined, on a process outside; it must be denied.
fn denied_victim(program: &str) {
    let victim = Victim::new();
    denied(&for_victim(&victim, program), || victim.lives());
}

fn for_victim(victim: &Victim, program: &str) -> String {
    format!(
        "import ctypes, os, platform, signal
PID = {}
HARNESS = {}
X86 = platform.machine() == 'x86_64'
LIBC = ctypes.CDLL(None, use_errno=True)
def raw(x86, arm, *arguments):
    result = LIBC.syscall(x86 if X86 else arm, *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
{program}",
        victim.id(),
        std::process::id()
    )
}

#[test]
fn a_process_outside_cannot_be_killed() {
    denied_victim("def attempt():\n    os.kill(PID, 9)");
}

#[test]
fn the_harness_cannot_be_killed() {
    denied_victim("def attempt():\n    os.kill(HARNESS, 9)");
}

#[test]
fn killing_the_parent_kills_nothing_outside() {
    let victim = Victim::new();
    let program = for_victim(
        &victim,
        "def attack():\n    os.kill(os.getppid(), 9)\n    os.kill(0, 9)\n    return 'done'",
    );
    check(WALLED, &calls_of(&program), &Limits::default(), |outcome| {
        assert_ne!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
        assert!(victim.lives());
    });
}

#[test]
fn killing_everyone_kills_nobody_outside() {
    let victim = Victim::new();
    let program = for_victim(
        &victim,
        "def attack():
    for number in (-1, *range(2, PID + 1)):
        if number != os.getpid():
            try:
                os.kill(number, 9)
            except OSError:
                pass
    return 'done'",
    );
    check(WALLED, &calls_of(&program), &Limits::default(), |_| {
        assert!(victim.lives());
    });
}

#[test]
fn a_thread_outside_cannot_be_signalled() {
    denied_victim("def attempt():\n    raw(234, 131, PID, PID, 9)");
}

#[test]
fn a_signal_cannot_be_queued_for_a_process_outside() {
    denied_victim(
        "def attempt():\n    info = ctypes.create_string_buffer(128)\n    raw(129, 138, PID, 9, info)",
    );
}

#[test]
fn no_signal_goes_by_the_handle_of_a_process() {
    denied_victim("def attempt():\n    signal.pidfd_send_signal(os.pidfd_open(PID), 9)");
}

#[test]
fn the_owner_of_a_file_gets_no_signal() {
    // A readable pipe can notify its owner by any chosen signal (F_SETSIG).
    let victim = Victim::new();
    let program = for_victim(
        &victim,
        "import fcntl
def attempt():
    reader, writer = os.pipe()
    for set_owner in (lambda: fcntl.fcntl(reader, fcntl.F_SETOWN, PID),):
        set_owner()
    fcntl.fcntl(reader, 10, 9)
    fcntl.fcntl(reader, fcntl.F_SETFL, fcntl.fcntl(reader, fcntl.F_GETFL) | os.O_ASYNC)
    os.write(writer, b'x')
    return 'asked'",
    );
    harmless(&program, |_| victim.lives());
}

#[test]
fn a_process_outside_cannot_be_traced() {
    let victim = Victim::new();
    violates(&for_victim(
        &victim,
        "def attempt():\n    raw(101, 117, 16, PID, 0, 0)",
    ));
    assert!(victim.lives());
}

#[test]
fn the_harness_cannot_be_read_by_its_memory() {
    let secret = Box::new(*b"in the memory of the harness");
    let victim = Victim::new();
    let program = format!(
        "def attempt():
    local = ctypes.create_string_buffer(32)
    ours = (ctypes.c_uint64 * 2)(ctypes.addressof(local), 28)
    theirs = (ctypes.c_uint64 * 2)({}, 28)
    raw(310, 270, HARNESS, ours, 1, theirs, 1, 0)
    print(local.raw)",
        secret.as_ptr().addr()
    );
    check(
        WALLED,
        &calls_of(&super::told(&for_victim(&victim, &program))),
        &Limits::default(),
        |outcome| {
            assert_eq!(outcome.verdict, Verdict::Violation, "{outcome:#?}");
            assert!(!outcome.output.windows(9).any(|part| part == b"in the me"));
        },
    );
}

#[test]
fn a_file_of_another_process_cannot_be_taken() {
    let victim = Victim::new();
    violates(&for_victim(
        &victim,
        "def attempt():\n    raw(438, 438, raw(434, 434, HARNESS, 0) if 0 else 0, 0, 0)",
    ));
}

#[test]
fn the_priority_of_others_cannot_be_changed() {
    let victim = Victim::new();
    let own = fs::read_to_string("/proc/self/stat").expect("our own numbers");
    let before = victim.nice();
    let program = for_victim(
        &victim,
        "def attempt():
    done = []
    for which, who in ((0, PID), (0, HARNESS), (1, PID), (2, 0), (2, os.getuid())):
        try:
            os.setpriority(which, who, 19)
            done.append((which, who))
        except OSError:
            pass
    return done",
    );
    harmless(&program, |_| victim.nice() == before);
    let nice = |stat: &str| {
        stat.rsplit(')')
            .next()
            .and_then(|rest| rest.split_whitespace().nth(16).map(str::to_owned))
    };
    let now = fs::read_to_string("/proc/self/stat").expect("our own numbers");
    assert_eq!(nice(&now), nice(&own), "the harness was made slow");
}

#[test]
fn the_turn_at_the_disk_of_others_cannot_be_changed() {
    let victim = Victim::new();
    let program = for_victim(
        &victim,
        "def attempt():
    done = []
    for which, who in ((1, PID), (1, HARNESS), (2, PID), (3, os.getuid())):
        try:
            raw(251, 30, which, who, 3 << 13)
            done.append((which, who))
        except OSError:
            pass
    if not done:
        raise PermissionError('none')
    return done",
    );
    // Namespaces hide all other processes at level A.
    check(
        &[Level::B],
        &calls_of(&super::told(&program)),
        &Limits::default(),
        |outcome| {
            assert!(super::answer(outcome).starts_with("denied"), "{outcome:#?}");
        },
    );
}

#[test]
fn limits_of_others_cannot_be_changed() {
    let victim = Victim::new();
    let limits = || fs::read_to_string(format!("/proc/{}/limits", victim.id())).expect("limits");
    let before = limits();
    let program = "import resource
def attempt():
    return resource.prlimit(PID, resource.RLIMIT_NOFILE, (5, 5))";
    denied(&for_victim(&victim, program), || limits() == before);
}

#[test]
fn processors_of_others_cannot_be_chosen() {
    denied_victim("def attempt():\n    os.sched_setaffinity(PID, [0])");
}

#[test]
fn the_way_others_are_scheduled_cannot_be_changed() {
    denied_victim(
        "def attempt():\n    os.sched_setscheduler(PID, os.SCHED_IDLE, os.sched_param(0))",
    );
}

#[test]
fn memory_of_others_cannot_be_moved() {
    denied_victim(
        "def attempt():\n    raw(256, 238, PID, 1, ctypes.byref(ctypes.c_ulong(1)), ctypes.byref(ctypes.c_ulong(1)))",
    );
}

/// Runs a program that starts processes with a mark among their arguments; none may remain.
fn leaves_none(levels: &[Level], limits: &Limits, program: &str) {
    let mark = nonce();
    let program = format!(
        "import os, signal, subprocess, sys, threading, time
MARK = {mark:?}
SLEEP = [sys.executable, '-c', 'import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(300)', MARK]
def start():
    try:
        return subprocess.Popen(SLEEP)
    except OSError:
        return None
{program}"
    );
    check(levels, &calls_of(&program), limits, |outcome| {
        assert!(has_vanished(&mark), "{outcome:#?}");
        // The program ran: the absence of processes is not due to a mistake in it.
        let is_mistaken = ["SyntaxError", "NameError"]
            .iter()
            .any(|name| outcome.detail.contains(name));
        assert!(!is_mistaken, "{outcome:#?}");
    });
}

#[test]
fn the_search_for_marked_processes_finds_one() {
    let mark = nonce();
    let mut child = Command::new("sleep")
        .arg0(&mark)
        .arg("60")
        .spawn()
        .expect("sleep");
    // The kernel shows the arguments with a short delay.
    let has_appeared = (0..500).any(|_| {
        thread::sleep(Duration::from_millis(10));
        is_running(&mark)
    });
    assert!(has_appeared);
    child.kill().expect("our own child");
    child.wait().expect("our own child");
    assert!(!is_running(&mark));
}

#[test]
fn a_child_does_not_outlive_the_box() {
    leaves_none(
        WALLED,
        &Limits::default(),
        "def attack():\n    start()\n    return 'done'",
    );
}

#[test]
fn a_child_that_holds_the_pipes_does_not_hold_up_the_harness() {
    leaves_none(
        WALLED,
        &Limits::default(),
        "def attack():
    try:
        subprocess.Popen(SLEEP, close_fds=False)
    except OSError:
        pass
    os._exit(0)",
    );
}

#[test]
fn a_daemon_does_not_outlive_the_box() {
    leaves_none(
        WALLED,
        &Limits::default(),
        "def attack():
    try:
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                os.closerange(0, 100)
                os.execv(SLEEP[0], SLEEP)
            os._exit(0)
    except OSError:
        pass
    time.sleep(0.2)
    return 'done'",
    );
}

#[test]
fn a_fork_bomb_burns_out_in_its_box() {
    leaves_none(
        WALLED,
        &short(),
        "def attack():
    while True:
        try:
            if os.fork() == 0:
                start()
        except OSError:
            time.sleep(0.01)",
    );
}

#[test]
fn a_storm_of_threads_stays_below_its_limit() {
    check(
        WALLED,
        &calls_of(
            "import threading, time
def attack():
    started = 0
    for _ in range(500):
        try:
            threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
            started += 1
        except RuntimeError:
            break
    return 'few' if started < 40 else 'many: %d' % started",
        ),
        &Limits::default(),
        |outcome| assert_eq!(super::answer(outcome), "few", "{outcome:#?}"),
    );
}

#[test]
fn becoming_another_program_ends_with_the_box() {
    leaves_none(
        WALLED,
        &Limits {
            wall_s: 1.0,
            ..short()
        },
        "def attack():\n    os.execv(SLEEP[0], SLEEP)",
    );
}

#[test]
fn a_thread_that_becomes_another_program_ends_with_the_box() {
    leaves_none(
        WALLED,
        &Limits {
            wall_s: 1.0,
            ..short()
        },
        "def attack():
    threading.Thread(target=os.execv, args=(SLEEP[0], SLEEP)).start()
    time.sleep(30)",
    );
}

#[test]
fn a_stopped_program_is_ended_by_the_clock() {
    let program = "import signal, threading
def attack():
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    while True:
        pass";
    check(
        WALLED,
        &calls_of(program),
        &Limits {
            wall_s: 1.0,
            ..short()
        },
        |outcome| {
            assert_ne!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
        },
    );
}

#[test]
fn at_level_b_no_process_can_be_started_by_any_call() {
    check(
        &[Level::B],
        &calls_of(&super::told(
            "import ctypes, os, platform
def attempt():
    libc = ctypes.CDLL(None, use_errno=True)
    arguments = (ctypes.c_uint64 * 11)(*[0] * 4, 17)
    calls = [(435, arguments, 88), (56, 17, 0, 0, 0, 0), (57,), (58,)] if platform.machine() == 'x86_64' else [
        (435, arguments, 88), (220, 17, 0, 0, 0, 0)]
    for call in calls:
        child = libc.syscall(*call)
        if child == 0:
            os._exit(0)
        if child > 0:
            return call[0]
    raise OSError(ctypes.get_errno(), 'none')",
        )),
        &Limits::default(),
        |outcome| assert!(super::answer(outcome).starts_with("denied"), "{outcome:#?}"),
    );
}

#[test]
fn a_box_of_level_a_shows_no_other_processes() {
    check(
        &[Level::A],
        &calls_of(
            "import os
def attack():
    found = []
    for number in range(3, 5000):
        try:
            os.kill(number, 0)
        except ProcessLookupError:
            continue
        except OSError:
            pass
        found.append(number)
    return 'only we' if found in ([], [os.getpid()]) else repr(found)",
        ),
        &Limits::default(),
        |outcome| assert_eq!(super::answer(outcome), "only we", "{outcome:#?}"),
    );
}

#[test]
fn all_children_of_a_timeout_are_ended() {
    leaves_none(
        STRONGEST,
        &Limits {
            wall_s: 1.0,
            ..short()
        },
        "def attack():
    for _ in range(8):
        start()
    time.sleep(60)",
    );
    // The same with the tests waiting in a separate process.
    let mark = nonce();
    let program = format!(
        "import subprocess, time\ndef f():\n    subprocess.Popen(['/bin/sh', '-c', 'sleep 300; sleep 300', {mark:?}])\n    time.sleep(60)"
    );
    let limits = Limits {
        wall_s: 1.0,
        ..short()
    };
    check(
        STRONGEST,
        &asserts_of(&program, &["assert f() == 1"]),
        &limits,
        |outcome| {
            assert_eq!(outcome.verdict, Verdict::Timeout, "{outcome:#?}");
            assert!(has_vanished(&mark));
        },
    );
}
