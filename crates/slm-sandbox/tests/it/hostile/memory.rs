//! Exhausts memory: in Python, in C, in the kernel, and in many processes at once.

use slm_sandbox::{Limits, Verdict};

use super::{STRONGEST, WALLED, answer, calls_of, check, ends_as, short, told};

/// Memory is exhausted, in Python or so deep inside C that the process ends, or time is.
const FULL: &[Verdict] = &[Verdict::Memory, Verdict::Error, Verdict::Timeout];

#[test]
fn a_large_array_is_refused() {
    ends_as(
        &[Verdict::Memory],
        &short(),
        "def f():\n    return len(bytearray(1 << 40))",
    );
}

#[test]
fn repeated_text_is_refused() {
    ends_as(
        &[Verdict::Memory],
        &short(),
        "def f():\n    return len('x' * (1 << 35))",
    );
}

#[test]
fn a_growing_list_is_ended() {
    let limits = Limits {
        memory_bytes: 256 << 20,
        ..Limits::default()
    };
    ends_as(
        FULL,
        &limits,
        "def f():\n    keep = []\n    while True:\n        keep.append(keep[:] + [1])",
    );
}

#[test]
fn doubling_text_is_refused() {
    ends_as(
        FULL,
        &short(),
        "def f():\n    x = 'x'\n    while True:\n        x = x.replace('x', 'xx')",
    );
}

#[test]
fn a_bomb_of_compressed_data_is_refused() {
    ends_as(
        FULL,
        &short(),
        "import zlib
def f():
    compress = zlib.compressobj(1)
    part = b''.join([compress.compress(bytes(1 << 20)) for _ in range(64)] + [compress.flush()])
    return len(b''.join(zlib.decompress(part) for _ in range(100)))",
    );
}

#[test]
fn memory_taken_by_c_code_is_refused() {
    ends_as(
        &[Verdict::Error],
        &short(),
        "import ctypes
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def f():
    taken = 0
    while libc.malloc(ctypes.c_size_t(64 << 20)):
        taken += 64 << 20
    if taken < 4 << 30:
        raise RuntimeError('refused after %d' % taken)
    return 1",
    );
}

#[test]
fn memory_in_files_without_a_name_is_refused() {
    harmless_kernel_memory(
        "import os
def attempt():
    taken = 0
    for _ in range(60):
        try:
            fd = os.memfd_create('x')
            for _ in range(16):
                taken += os.write(fd, bytes(1 << 20))
        except OSError:
            break
    return 'much' if taken > 256 << 20 else 'little'",
    );
}

#[test]
fn memory_in_segments_of_the_kernel_is_refused() {
    harmless_kernel_memory(
        "import ctypes
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
libc.shmdt.argtypes = [ctypes.c_void_p]
def attempt():
    taken = 0
    for _ in range(8):
        number = libc.shmget(0, 64 << 20, 0o1600)
        address = libc.shmat(number, None, 0) if number >= 0 else None
        if address in (None, 2**64 - 1):
            break
        ctypes.memset(address, 1, 64 << 20)
        libc.shmdt(address)
        taken += 64 << 20
    return 'much' if taken > 256 << 20 else 'little'",
    );
}

#[test]
fn memory_in_queues_of_the_kernel_is_refused() {
    harmless_kernel_memory(
        "import ctypes
libc = ctypes.CDLL(None)
def attempt():
    made = 0
    for _ in range(2000):
        if libc.msgget(0, 0o600) < 0:
            break
        made += 1
    return 'much' if made > 1000 else 'little'",
    );
}

/// Runs an `attempt()` that fills memory which no process limit counts.
fn harmless_kernel_memory(program: &str) {
    check(
        WALLED,
        &calls_of(&told(program)),
        &Limits::default(),
        |outcome| {
            assert!(answer(outcome).contains("little"), "{outcome:#?}");
        },
    );
}

#[test]
fn processes_together_take_no_more_than_one_may() {
    // Ten children with 200 MB each, where one process may have 512 MB.
    let limits = Limits {
        memory_bytes: 512 << 20,
        ..Limits::default()
    };
    let job = calls_of(
        "import os, time
def attack():
    reader, writer = os.pipe()
    for _ in range(10):
        if os.fork() == 0:
            keep = bytearray(os.urandom(1 << 20)) * 200
            os.write(writer, b'x')
            time.sleep(30)
    full = b''
    while len(full) < 10:
        full += os.read(reader, 10)
    return 'all at once'",
    );
    check(STRONGEST, &job, &limits, |outcome| {
        assert_ne!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
    });
}

#[test]
fn memory_that_children_share_is_counted_once() {
    let limits = Limits {
        memory_bytes: 512 << 20,
        ..Limits::default()
    };
    let job = calls_of(
        "import os, time
keep = bytearray(os.urandom(1 << 20)) * 150
def attack():
    children = []
    for _ in range(8):
        try:
            child = os.fork()
        except PermissionError:
            break
        if child == 0:
            time.sleep(0.5)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    return 'done'",
    );
    check(STRONGEST, &job, &limits, |outcome| {
        assert_eq!(outcome.verdict, Verdict::Passed, "{outcome:#?}");
    });
}
