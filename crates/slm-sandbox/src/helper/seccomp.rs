//! seccomp: the system calls that a program may make.
//!
//! A call must be on the allow-list in calls.rs; any other, including one of a newer kernel, fails with ENOSYS,
//! as if the kernel had no such number. Of the listed ones, calls that no Python program needs and that reach
//! out of a box kill the process, so that they count as a violation; calls that libraries attempt without need
//! (sockets, chmod) fail with EPERM. Arguments are checked against lists, too, where a filter can read them.
//!
//! Locks: `flock` is refused, since it works on files that boxes share and that are open only for reading. So
//! are leases. Record locks stay allowed, since `sqlite3`, `mailbox` and `dbm` put them on their own files; on
//! a file open for reading they are all shared, so that only a query (`F_GETLK`) reveals them. That query
//! returns success without changing its argument, which means that another process has the lock: sqlite3 then
//! leaves an old journal alone, and of its modes only `wal` fails.

mod calls;

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter, sock_filter,
};

use super::Filter;

/// fcntl commands that libc does not define.
const F_SETSIG: i32 = 10;
const F_SETOWN_EX: i32 = 15;

/// ioctl requests that only change flags of a file or report its size: the terminal requests of `isatty` and
/// `os.get_terminal_size`, and those of pipes and sockets.
const REQUESTS: [u64; 7] = [
    libc::TCGETS,
    libc::TIOCGWINSZ,
    libc::FIONREAD,
    libc::FIONBIO,
    libc::FIOCLEX,
    libc::FIONCLEX,
    // FICLONE (copy by reference), which `cp` tries first.
    0x4004_9409,
];

/// prctl options that report on the process itself, or name it and its memory.
const OPTIONS: [u64; 9] = [
    libc::PR_GET_PDEATHSIG as u64,
    libc::PR_GET_DUMPABLE as u64,
    libc::PR_SET_NAME as u64,
    libc::PR_GET_NAME as u64,
    libc::PR_GET_SECCOMP as u64,
    libc::PR_CAPBSET_READ as u64,
    libc::PR_SET_NO_NEW_PRIVS as u64,
    libc::PR_GET_NO_NEW_PRIVS as u64,
    libc::PR_SET_VMA as u64,
];

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Restricts this process and its children.
pub(super) fn apply(filter: Filter) -> Result<(), seccompiler::Error> {
    if filter == Filter::None {
        return Ok(());
    }
    let arch = std::env::consts::ARCH.try_into()?;
    let refused = SeccompAction::Errno(libc::EPERM as u32);
    // ENOSYS makes the C library fall back from clone3 to clone, whose flags a filter can read.
    let unknown = SeccompAction::Errno(libc::ENOSYS as u32);
    let nothing_done = SeccompAction::Errno(0);
    let no_terminal = SeccompAction::Errno(libc::ENOTTY as u32);
    let install = |rules, otherwise, action| -> Result<(), seccompiler::Error> {
        let filter = SeccompFilter::new(rules, otherwise, action, arch)?;
        apply_filter(&BpfProgram::try_from(filter)?)
    };
    // Of several errno results the program sees that of the filter installed last.
    install(
        always(&calls::allowed()),
        unknown.clone(),
        SeccompAction::Allow,
    )?;
    for (rules, action) in [
        (fatal()?, SeccompAction::KillProcess),
        (unlisted(libc::SYS_ioctl, 1, &REQUESTS)?, no_terminal),
        (questions_after_locks()?, nothing_done),
        (refusals(filter)?, refused),
        (always(&[libc::SYS_clone3]), unknown),
    ] {
        install(rules, SeccompAction::Allow, action)?;
    }
    #[cfg(target_arch = "x86_64")]
    apply_filter(&no_x32())?;
    Ok(())
}

fn always(calls: &[i64]) -> Rules {
    calls.iter().map(|&call| (call, Vec::new())).collect()
}

/// Matches a value of one argument.
fn argument(index: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, BackendError> {
    let condition = SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)?;
    SeccompRule::new(vec![condition])
}

/// Matches the call with an argument value that is not listed.
fn unlisted(call: i64, index: u8, values: &[u64]) -> Result<Rules, BackendError> {
    Ok(Rules::from([(call, vec![none_of(index, values)?])]))
}

fn questions_after_locks() -> Result<Rules, BackendError> {
    let commands = [libc::F_GETLK, libc::F_OFD_GETLK]
        .map(|command| argument(1, SeccompCmpOp::Eq, command as u64));
    Ok(Rules::from([(
        libc::SYS_fcntl,
        commands.into_iter().collect::<Result<_, _>>()?,
    )]))
}

fn none_of(index: u8, values: &[u64]) -> Result<SeccompRule, BackendError> {
    let differs =
        |&value| SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value);
    SeccompRule::new(values.iter().map(differs).collect::<Result<_, _>>()?)
}

/// Calls that inspect other processes, change the machine or create namespaces.
fn fatal() -> Result<Rules, BackendError> {
    let mut rules = always(&[
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_process_madvise,
        libc::SYS_pidfd_getfd,
        libc::SYS_kcmp,
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_move_mount,
        libc::SYS_open_tree,
        libc::SYS_fsopen,
        libc::SYS_fsconfig,
        libc::SYS_fsmount,
        libc::SYS_fspick,
        libc::SYS_mount_setattr,
        libc::SYS_setns,
        libc::SYS_unshare,
        libc::SYS_bpf,
        libc::SYS_perf_event_open,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_delete_module,
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_swapoff,
        libc::SYS_acct,
        libc::SYS_quotactl,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_io_uring_register,
        libc::SYS_name_to_handle_at,
        libc::SYS_open_by_handle_at,
        libc::SYS_settimeofday,
        libc::SYS_clock_settime,
        libc::SYS_clock_adjtime,
        libc::SYS_adjtimex,
        libc::SYS_sethostname,
        libc::SYS_setdomainname,
        libc::SYS_syslog,
        libc::SYS_fanotify_init,
    ]);
    #[cfg(target_arch = "x86_64")]
    rules.extend(always(&[
        libc::SYS_iopl,
        libc::SYS_ioperm,
        libc::SYS_modify_ldt,
    ]));
    let namespaces = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ]
    .map(|flag| argument(0, SeccompCmpOp::MaskedEq(flag as u64), flag as u64));
    rules.insert(
        libc::SYS_clone,
        namespaces.into_iter().collect::<Result<_, _>>()?,
    );
    Ok(rules)
}

/// Calls that fail with EPERM.
fn refusals(filter: Filter) -> Result<Rules, BackendError> {
    let mut rules = always(&[
        libc::SYS_socket,
        libc::SYS_connect,
        libc::SYS_bind,
        libc::SYS_listen,
        libc::SYS_accept,
        libc::SYS_accept4,
        libc::SYS_flock,
        libc::SYS_setuid,
        libc::SYS_setgid,
        libc::SYS_setreuid,
        libc::SYS_setregid,
        libc::SYS_setresuid,
        libc::SYS_setresgid,
        libc::SYS_setgroups,
        libc::SYS_setfsuid,
        libc::SYS_setfsgid,
        libc::SYS_capset,
        // Memory that no process limit counts, and that other processes may share.
        libc::SYS_memfd_create,
        libc::SYS_memfd_secret,
        libc::SYS_shmget,
        libc::SYS_shmat,
        libc::SYS_shmctl,
        libc::SYS_semget,
        libc::SYS_semop,
        libc::SYS_semtimedop,
        libc::SYS_semctl,
        libc::SYS_msgget,
        libc::SYS_msgsnd,
        libc::SYS_msgrcv,
        libc::SYS_msgctl,
        libc::SYS_mq_open,
        libc::SYS_mq_unlink,
    ]);
    // An event loop wakes itself through a local socket pair. A half of a pair that is not a stream can send to
    // any other local address.
    let stream = libc::SOCK_STREAM;
    let kinds = [
        0,
        libc::SOCK_CLOEXEC,
        libc::SOCK_NONBLOCK,
        libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK,
    ]
    .map(|flags| (stream | flags) as u64);
    rules.insert(
        libc::SYS_socketpair,
        vec![
            none_of(0, &[libc::AF_UNIX as u64])?,
            none_of(1, &kinds)?,
            none_of(2, &[0])?,
        ],
    );
    let to_an_address = SeccompCondition::new(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
    rules.insert(
        libc::SYS_sendto,
        vec![SeccompRule::new(vec![to_an_address])?],
    );
    rules.extend(unlisted(libc::SYS_prctl, 0, &OPTIONS)?);
    let locks = [libc::F_SETLEASE, libc::F_GETLEASE, libc::F_NOTIFY]
        .map(|command| argument(1, SeccompCmpOp::Eq, command as u64));
    rules.insert(
        libc::SYS_fcntl,
        locks.into_iter().collect::<Result<_, _>>()?,
    );
    if filter == Filter::Alone {
        refuse_alone(&mut rules)?;
    }
    Ok(rules)
}

/// Adds calls that reach other processes where no namespaces hide them.
fn refuse_alone(rules: &mut Rules) -> Result<(), BackendError> {
    rules.extend(always(&[
        libc::SYS_kill,
        libc::SYS_tkill,
        libc::SYS_rt_sigqueueinfo,
        libc::SYS_rt_tgsigqueueinfo,
        libc::SYS_pidfd_send_signal,
        libc::SYS_ioprio_set,
        libc::SYS_sched_setattr,
        libc::SYS_move_pages,
        libc::SYS_migrate_pages,
        libc::SYS_setsid,
        libc::SYS_setpgid,
        libc::SYS_fchmod,
        libc::SYS_fchmodat,
        libc::SYS_fchownat,
        libc::SYS_fchown,
        libc::SYS_utimensat,
        libc::SYS_setxattr,
        libc::SYS_lsetxattr,
        libc::SYS_fsetxattr,
        libc::SYS_removexattr,
        libc::SYS_lremovexattr,
        libc::SYS_fremovexattr,
        // fchmodat2, which libc does not name yet on every architecture.
        452,
    ]));
    #[cfg(target_arch = "x86_64")]
    rules.extend(always(&[
        libc::SYS_fork,
        libc::SYS_vfork,
        libc::SYS_chmod,
        libc::SYS_chown,
        libc::SYS_lchown,
        libc::SYS_utime,
        libc::SYS_utimes,
        libc::SYS_futimesat,
    ]));
    // Arguments that are a process id: 0 is the caller itself.
    for (call, place) in [
        (libc::SYS_prlimit64, 0),
        (libc::SYS_sched_setaffinity, 0),
        (libc::SYS_sched_setscheduler, 0),
        (libc::SYS_sched_setparam, 0),
        (libc::SYS_setpriority, 1),
    ] {
        rules.insert(call, vec![argument(place, SeccompCmpOp::Ne, 0)?]);
    }
    // PRIO_USER: all processes of a user, where 0 is the caller's own.
    let user = argument(0, SeccompCmpOp::Eq, 2)?;
    rules.entry(libc::SYS_setpriority).or_default().push(user);
    // Such a box has one process, whose id does not change.
    let ours = u64::from(std::process::id());
    rules.insert(libc::SYS_tgkill, vec![argument(0, SeccompCmpOp::Ne, ours)?]);
    // Signals to a file's owner.
    let fcntl = rules.entry(libc::SYS_fcntl).or_default();
    for command in [libc::F_SETOWN, F_SETSIG, F_SETOWN_EX] {
        fcntl.push(argument(1, SeccompCmpOp::Eq, command as u64)?);
    }
    let threads = libc::CLONE_THREAD as u64;
    rules.insert(
        libc::SYS_clone,
        vec![argument(0, SeccompCmpOp::MaskedEq(threads), 0)?],
    );
    Ok(())
}

/// Kills a process that uses the x32 call numbers, which the rules above do not match.
#[cfg(target_arch = "x86_64")]
fn no_x32() -> BpfProgram {
    const X32_BIT: u32 = 0x4000_0000;
    let statement = |code: u32, k: u32, jt: u8| sock_filter {
        code: code as u16,
        jt,
        jf: 0,
        k,
    };
    vec![
        // The call number is the first field of the data.
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        statement(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, X32_BIT, 1),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0),
        statement(
            libc::BPF_RET | libc::BPF_K,
            libc::SECCOMP_RET_KILL_PROCESS,
            0,
        ),
    ]
}
