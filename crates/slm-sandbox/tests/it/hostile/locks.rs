//! Locks and watches on files that several boxes read, and a program's locks on its own files.

use super::{denied, harmless};

#[test]
fn no_lock_passes_from_box_to_box() {
    for lock in [
        "fcntl.flock(file, fcntl.LOCK_EX)",
        "fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        "fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)",
        "fcntl.fcntl(file, fcntl.F_GETLEASE)",
        "fcntl.fcntl(file, fcntl.F_NOTIFY, fcntl.DN_ACCESS)",
    ] {
        denied(
            &format!(
                "import fcntl, sys\ndef attempt():\n    file = open(sys.executable, 'rb')\n    return {lock}"
            ),
            || true,
        );
    }
}

#[test]
fn nobody_sees_the_locks_of_another_box() {
    // Type, whence, start, length and process, as passed; a lock of another process would replace them.
    harmless(
        "import fcntl, struct, sys
def attempt():
    file = open(sys.executable, 'rb')
    fcntl.lockf(file, fcntl.LOCK_SH)
    question = struct.pack('hhqqixxxx', fcntl.F_WRLCK, 0, 0, 0, 0)
    # The second is F_OFD_GETLK.
    return [fcntl.fcntl(file, command, question) == question for command in (fcntl.F_GETLK, 36)]",
        |answer| answer == "came through: [True, True]",
    );
}

#[test]
fn nobody_watches_which_shared_files_another_box_opens() {
    denied(
        "import ctypes, os, sys
def attempt():
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(0)
    if watch < 0:
        raise OSError(ctypes.get_errno(), 'inotify')
    return libc.inotify_add_watch(watch, sys.executable.encode(), 0x20)",
        || true,
    );
}

#[test]
fn locks_of_a_program_on_its_own_files_work() {
    harmless(
        "import fcntl, mailbox, sqlite3, tempfile
def attempt():
    for mode in ('delete', 'truncate', 'persist'):
        for _ in range(2):
            with sqlite3.connect(mode + '.db') as db:
                db.execute('pragma journal_mode=' + mode)
                db.execute('create table if not exists t (x)')
                db.execute('insert into t values (1)')
                db.commit()
                db.execute('insert into t values (2)')
                db.rollback()
            db.close()
    box = mailbox.mbox('mail')
    box.lock()
    box.add('From: a\\n\\nb')
    box.flush()
    box.unlock()
    with tempfile.NamedTemporaryFile() as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
    return len(mailbox.mbox('mail'))",
        |answer| answer == "came through: 1",
    );
}
