"""Attacks on the machine, for the self-test: probe(name, target) returns True if one succeeded."""
import ctypes
import os
import socket
import subprocess
import threading


def probe(name, target):
    try:
        return bool(PROBES[name](target))
    except MemoryError:
        return False
    except Exception:
        return False


def read_file(path):
    with open(path) as file:
        return file.read()


def write_beside(path):
    with open(path + ".written", "w") as file:
        file.write("written")
    return True


def change_mode(path):
    os.chmod(path, 0o640)
    return True


def connect(port):
    with socket.create_connection(("127.0.0.1", port), timeout=2):
        return True


def open_socket(_):
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK, socket.AF_PACKET):
        try:
            socket.socket(family, socket.SOCK_DGRAM).close()
            return True
        except OSError:
            pass
    return False


def pair(_):
    """True if a socket pair can be created of which one half can send to any address."""
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            for half in socket.socketpair(socket.AF_UNIX, kind):
                half.close()
            return True
        except OSError:
            pass
    return False


def lock(_):
    """True if a file that other boxes read can be locked."""
    import fcntl
    import sys

    with open(sys.executable, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return True


def mounts(_):
    """True if the kernel lists mount points (listmount)."""
    libc = ctypes.CDLL(None)
    request = (ctypes.c_uint64 * 4)(32, 0xFFFFFFFFFFFFFFFF, 0, 0)
    return libc.syscall(458, request, (ctypes.c_uint64 * 64)(), 64, 0) >= 0


def signal(pid):
    os.kill(pid, 9)
    return True


def look_at(pid):
    with open("/proc/%d/environ" % pid, "rb") as file:
        return file.read()


def allocate(size):
    return bytearray(size)


def processes(most):
    """True if more than `most` processes can be started."""
    children = []
    try:
        while len(children) <= most:
            children.append(subprocess.Popen(["/bin/sleep", "10"]))
    except OSError:
        pass
    for child in children:
        child.kill()
    return len(children) > most


def threads(most):
    """True if more than `most` threads can be started."""
    done = threading.Event()
    started = 0
    try:
        while started <= most:
            threading.Thread(target=done.wait).start()
            started += 1
    except RuntimeError:
        pass
    done.set()
    return started > most


def large_file(size):
    with open("large", "wb") as file:
        file.seek(size)
        file.write(b"x")
    return True


def fill_folder(size):
    """True if `size` bytes can be written to the folder in files below the size limit."""
    for i in range(size >> 20):
        with open("part-%d" % i, "wb") as file:
            file.write(bytes(1 << 20))
    return True


def gain_root(_):
    for call in (os.setuid, os.seteuid):
        try:
            call(0)
            return os.geteuid() == 0
        except OSError:
            pass
    return False


def raise_limit(_):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard + 1, hard + 1))
    return True


def secret(name):
    return os.environ.get(name)


PROBES = {
    "read": read_file, "stat": os.stat, "list": os.listdir, "write": write_beside, "chmod": change_mode,
    "connect": connect, "socket": open_socket, "signal": signal, "look_at": look_at, "allocate": allocate,
    "processes": processes, "threads": threads, "large_file": large_file, "fill_folder": fill_folder,
    "pair": pair, "lock": lock, "mounts": mounts, "host_name": lambda name: os.uname().nodename == name,
    "gain_root": gain_root, "raise_limit": raise_limit, "secret": secret,
    "same_user": lambda user: os.getuid() == user,
}
