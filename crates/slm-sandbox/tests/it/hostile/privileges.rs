//! Root privileges, namespaces, and system calls that have no use in a box.

use std::fs;
use std::process::{Command, Stdio};

use slm_sandbox::{Level, Limits};

use super::{Outside, WALLED, answer, calls_of, check, denied, harmless, quoted, told, violates};

/// Returns an `attempt()` that makes a system call by its numbers on x86-64 and elsewhere.
fn raw(x86: u32, elsewhere: u32, arguments: &str) -> String {
    format!(
        "import ctypes, os, platform
def attempt():
    libc = ctypes.CDLL(None, use_errno=True)
    number = {x86} if platform.machine() == 'x86_64' else {elsewhere}
    result = libc.syscall(number, {arguments})
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result"
    )
}

#[test]
fn nobody_becomes_root() {
    harmless(
        "import os
def attempt():
    for call in (lambda: os.setuid(0), lambda: os.setreuid(0, 0), lambda: os.setresuid(0, 0, 0), lambda: os.seteuid(0),
                 lambda: os.setgid(0), lambda: os.setresgid(0, 0, 0), lambda: os.setgroups([0])):
        try:
            call()
        except OSError:
            pass
    return 0 in (*os.getresuid(), *os.getresgid(), *os.getgroups())",
        |answer| answer == "came through: False",
    );
}

#[test]
fn no_capability_is_left_or_can_be_had() {
    harmless(
        "import ctypes, platform
def attempt():
    libc = ctypes.CDLL(None, use_errno=True)
    capget, capset = (125, 126) if platform.machine() == 'x86_64' else (90, 91)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    everything = (ctypes.c_uint32 * 6)(*[0xffffffff] * 6)
    libc.syscall(capset, header, everything)
    found = (ctypes.c_uint32 * 6)()
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    if libc.syscall(capget, header, found) < 0:
        return 'unknown'
    effective, permitted = (found[0], found[3]), (found[1], found[4])
    return effective, permitted",
        |answer| answer == "came through: ((0, 0), (0, 0))",
    );
}

#[test]
fn a_program_with_rights_of_its_owner_gains_none() {
    harmless(
        "import ctypes
def attempt():
    libc = ctypes.CDLL(None)
    no_new_privileges, filtered = libc.prctl(39, 0, 0, 0, 0), libc.prctl(21, 0, 0, 0, 0)
    return no_new_privileges, filtered",
        |answer| answer == "came through: (1, 2)",
    );
}

#[test]
fn a_file_system_cannot_be_mounted() {
    violates(&raw(165, 40, "b'none', b'/tmp', b'tmpfs', 0, 0"));
}

#[test]
fn a_file_system_cannot_be_unmounted() {
    violates(&raw(166, 39, "b'/tmp', 2"));
}

#[test]
fn a_file_system_cannot_be_mounted_the_new_way() {
    violates(&raw(430, 430, "b'tmpfs', 0"));
}

#[test]
fn the_root_folder_cannot_be_changed() {
    violates("import os\ndef attempt():\n    os.chroot('.')");
}

#[test]
fn the_root_folder_cannot_be_exchanged() {
    violates(&raw(155, 41, "b'.', b'.'"));
}

#[test]
fn a_namespace_of_users_cannot_be_made() {
    violates(&raw(272, 97, "0x10000000"));
}

#[test]
fn a_child_in_a_namespace_of_users_cannot_be_made() {
    violates(&raw(56, 220, "0x10000000 | 17, 0, 0, 0, 0"));
}

#[test]
fn a_child_in_a_namespace_cannot_be_made_by_the_newer_call() {
    denied(
        &raw(
            435,
            435,
            "(ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, 17), 88",
        ),
        || true,
    );
}

#[test]
fn a_namespace_cannot_be_entered() {
    violates(&raw(308, 268, "0, 0"));
}

#[test]
fn the_rings_of_io_uring_are_shut() {
    violates(&raw(425, 425, "8, (ctypes.c_uint32 * 30)()"));
}

#[test]
fn no_program_gets_into_the_kernel() {
    violates(&raw(321, 280, "0, (ctypes.c_uint64 * 16)(), 128"));
}

#[test]
fn no_module_gets_into_the_kernel() {
    violates(&raw(313, 273, "0, b'', 0"));
}

#[test]
fn the_counters_of_the_processor_are_shut() {
    violates(&raw(298, 241, "(ctypes.c_uint64 * 16)(), 0, -1, -1, 0"));
}

#[test]
fn the_keys_of_the_user_are_shut() {
    violates(&raw(250, 219, "0, -3, 1"));
}

#[test]
fn page_faults_cannot_be_handled_here() {
    violates(&raw(323, 282, "0"));
}

#[test]
fn files_cannot_be_opened_by_handle() {
    violates(&raw(304, 265, "-100, b'', 0"));
}

#[test]
fn the_clock_cannot_be_set() {
    violates("import time\ndef attempt():\n    time.clock_settime(time.CLOCK_REALTIME, 0)");
}

#[test]
fn the_machine_cannot_be_renamed() {
    violates("import socket\ndef attempt():\n    socket.sethostname('mine')");
}

#[test]
fn the_name_of_the_machine_cannot_be_read() {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
    let name = name.trim();
    // Without namespaces, only root can hide it.
    let levels: &[Level] = if rustix::process::geteuid().is_root() {
        WALLED
    } else {
        &[Level::A]
    };
    let program = "import platform, os, socket, uuid
def attempt():
    return os.uname().nodename, platform.node(), socket.gethostname(), platform.system()";
    check(
        levels,
        &calls_of(&told(program)),
        &Limits::default(),
        |outcome| {
            let answer = answer(outcome);
            assert_eq!(
                answer, "came through: ('box', 'box', 'box', 'Linux')",
                "{outcome:#?}"
            );
            assert_ne!(name, "box");
        },
    );
}

#[test]
fn mounts_of_the_machine_cannot_be_listed() {
    // statmount and listmount, of the root mount.
    for call in [457, 458] {
        denied(
            &raw(
                call,
                call,
                "(ctypes.c_uint64 * 4)(32, 0xffffffffffffffff, 0, 0), (ctypes.c_uint64 * 512)(), 4096, 0",
            ),
            || true,
        );
    }
}

#[test]
fn calls_that_no_list_names_do_not_exist() {
    for call in [
        // lsm_list_modules, quotactl_fd, and two numbers that no kernel defines.
        461, 443, 600, 1000,
    ] {
        denied(&raw(call, call, "0, 0, 0, 0, 0"), || true);
    }
}

#[test]
fn the_machine_cannot_be_restarted() {
    // With wrong magic numbers: without a filter the call fails by itself.
    violates(&raw(169, 142, "0, 0, 0, 0"));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn numbers_of_x32_do_not_slip_through_the_filter() {
    violates(&raw(0x4000_0000 + 41, 0, "2, 1, 0"));
    violates(&raw(0x4000_0000 + 39, 0, "0"));
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_32_bits_do_not_slip_through_the_filter() {
    // mov eax, 20 (getpid); int 0x80; ret
    violates(
        "import ctypes, mmap
def attempt():
    code = bytes([0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3])
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()",
    );
}

#[test]
fn a_program_out_of_memory_keeps_the_walls() {
    // Written to an anonymous file and executed from there: the sandbox remains in force.
    let outside = Outside::new();
    let program = format!(
        "import os, sys
def attack():
    try:
        fd = os.memfd_create('program')
        with open('/bin/cat', 'rb') as source:
            os.write(fd, source.read())
        os.execve(fd, ['cat', {}], {{}})
    except OSError as error:
        return 'denied: %r' % error",
        quoted(&outside.file())
    );
    check(WALLED, &calls_of(&program), &super::short(), |outcome| {
        let printed = String::from_utf8_lossy(&outcome.output);
        assert!(!printed.contains(&outside.secret), "{outcome:#?}");
        assert!(
            !format!("{outcome:?}").contains(&outside.secret),
            "{outcome:#?}"
        );
    });
}

#[test]
fn limits_cannot_be_raised() {
    harmless(
        "import resource
def attempt():
    raised = []
    for name in ('CPU', 'AS', 'FSIZE', 'NOFILE', 'NPROC', 'CORE'):
        limit = getattr(resource, 'RLIMIT_' + name)
        _, hard = resource.getrlimit(limit)
        for value in (hard + 1, resource.RLIM_INFINITY):
            try:
                resource.setrlimit(limit, (value, value))
                raised.append(name)
            except (OSError, ValueError):
                pass
    return raised",
        |answer| answer == "came through: []",
    );
}

#[test]
fn no_image_of_memory_is_left_by_a_crash() {
    harmless(
        "import resource
def attempt():
    return resource.getrlimit(resource.RLIMIT_CORE)",
        |answer| answer == "came through: (0, 0)",
    );
}

/// A System V shared memory segment that any user may attach.
struct Segment(String);

impl Segment {
    const MAKE: &str = "import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
number = libc.shmget(0, 4096, 0o1666)
ctypes.memmove(libc.shmat(number, None, 0), b'shared secret', 13)
print(number)";

    fn new() -> Self {
        Self(python(Self::MAKE))
    }

    fn text(&self) -> String {
        python(&format!(
            "import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
address = libc.shmat({}, None, 0)
print('gone' if address in (None, 2**64 - 1) else ctypes.string_at(address, 13).decode())",
            self.0
        ))
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        python(&format!(
            "import ctypes; ctypes.CDLL(None).shmctl({}, 0, None)",
            self.0
        ));
    }
}

/// Returns what a trusted snippet prints outside all boxes.
fn python(code: &str) -> String {
    let output = Command::new(super::SYSTEM_PYTHON)
        .args(["-c", code])
        .stdin(Stdio::null())
        .output()
        .expect("python3");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[test]
fn shared_memory_of_others_can_neither_be_attached_nor_removed() {
    let segment = Segment::new();
    assert_eq!(segment.text(), "shared secret");
    let program = format!(
        "import ctypes, os
def attempt():
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    libc.shmctl({0}, 0, None)
    address = libc.shmat({0}, None, 0)
    if address in (None, 2**64 - 1):
        raise OSError(ctypes.get_errno(), 'shmat')
    return ctypes.string_at(address, 13)",
        segment.0
    );
    check(
        WALLED,
        &calls_of(&told(&program)),
        &super::short(),
        |outcome| {
            assert!(
                !format!("{outcome:?}").contains("shared secret"),
                "{outcome:#?}"
            );
            assert_eq!(segment.text(), "shared secret");
        },
    );
}
