//! Connections over a network, or over local sockets.

use std::io::ErrorKind;
use std::net::{TcpListener, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};

use super::{Outside, denied, harmless, nonce, quoted};

/// A server that accepts any connection.
fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.set_nonblocking(true).expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

fn saw_nobody(listener: &TcpListener) -> bool {
    listener
        .accept()
        .is_err_and(|error| error.kind() == ErrorKind::WouldBlock)
}

#[test]
fn a_server_on_this_machine_is_out_of_reach() {
    let (listener, port) = listener();
    denied(
        &format!(
            "import socket\ndef attempt():\n    socket.create_connection(('127.0.0.1', {port}), 3)"
        ),
        || saw_nobody(&listener),
    );
}

#[test]
fn a_server_of_ipv6_is_out_of_reach() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        return super::tell("skipped: no IPv6 on this machine");
    };
    listener.set_nonblocking(true).expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    denied(
        &format!("import socket\ndef attempt():\n    socket.create_connection(('::1', {port}), 3)"),
        || saw_nobody(&listener),
    );
}

#[test]
fn a_datagram_does_not_get_out() {
    let receiver = UdpSocket::bind(("127.0.0.1", 0)).expect("a port");
    receiver.set_nonblocking(true).expect("a socket");
    let port = receiver.local_addr().expect("an address").port();
    denied(
        &format!(
            "import socket
def attempt():
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'out', ('127.0.0.1', {port}))"
        ),
        || receiver.recv(&mut [0; 8]).is_err(),
    );
}

#[test]
fn a_raw_call_makes_no_socket() {
    let (listener, port) = listener();
    denied(
        &format!(
            "import ctypes, struct, platform
def attempt():
    libc = ctypes.CDLL(None, use_errno=True)
    socket, connect = (41, 42) if platform.machine() == 'x86_64' else (198, 203)
    fd = libc.syscall(socket, 2, 1, 0)
    address = struct.pack('<H', 2) + struct.pack('>H', {port}) + bytes([127, 0, 0, 1]) + bytes(8)
    if fd < 0 or libc.syscall(connect, fd, address, 16) < 0:
        raise OSError(ctypes.get_errno(), 'raw socket')"
        ),
        || saw_nobody(&listener),
    );
}

#[test]
fn no_family_of_sockets_can_be_had() {
    harmless(
        "import socket
def attempt():
    made = []
    for family in range(1, 50):
        for kind in (1, 2, 3, 5):
            try:
                socket.socket(family, kind).close()
                made.append((family, kind))
            except OSError:
                pass
    return made",
        |answer| answer == "came through: []",
    );
}

#[test]
fn a_named_local_server_is_out_of_reach() {
    let outside = Outside::new();
    let path = outside.folder.path().join("server");
    let server = UnixListener::bind(&path).expect("a server");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).expect("permissions");
    server.set_nonblocking(true).expect("a socket");
    denied(
        &format!(
            "import socket\ndef attempt():\n    socket.socket(socket.AF_UNIX).connect({})",
            quoted(&path)
        ),
        || server.accept().is_err(),
    );
}

#[test]
fn a_nameless_local_server_is_out_of_reach() {
    let name = nonce();
    let address = SocketAddr::from_abstract_name(&name).expect("an address");
    let server = UnixListener::bind_addr(&address).expect("a server");
    server.set_nonblocking(true).expect("a socket");
    denied(
        &format!(
            "import socket\ndef attempt():\n    socket.socket(socket.AF_UNIX).connect('\\0{name}')"
        ),
        || server.accept().is_err(),
    );
}

/// Half of a socket pair, which event loops need, sends to another address.
fn pair_sends_to(address: &str, receiver: &UnixDatagram) {
    receiver.set_nonblocking(true).expect("a socket");
    harmless(
        &format!(
            "import socket
def attempt():
    sent = []
    kinds = (socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_RDM, socket.SOCK_SEQPACKET, socket.SOCK_STREAM)
    for kind in [kind | flags for kind in kinds for flags in (0, socket.SOCK_CLOEXEC, socket.SOCK_NONBLOCK)]:
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, kind)
        except OSError:
            continue
        for send in (lambda: ours.sendto(b'out', {address}), lambda: ours.connect({address}),
                     lambda: ours.sendmsg([b'out'], [], 0, {address})):
            try:
                send()
                sent.append(kind)
            except OSError:
                pass
    return sent"
        ),
        |_| receiver.recv(&mut [0; 8]).is_err(),
    );
}

#[test]
fn a_pair_of_sockets_sends_to_no_named_server() {
    let outside = Outside::new();
    let path = outside.folder.path().join("server");
    let receiver = UnixDatagram::bind(&path).expect("a server");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).expect("permissions");
    pair_sends_to(&quoted(&path), &receiver);
}

#[test]
fn a_pair_of_sockets_sends_to_no_nameless_server() {
    let name = nonce();
    let address = SocketAddr::from_abstract_name(&name).expect("an address");
    let receiver = UnixDatagram::bind_addr(&address).expect("a server");
    pair_sends_to(&format!("'\\0{name}'"), &receiver);
}

#[test]
fn a_pair_of_sockets_is_a_stream_or_none() {
    denied(
        "import socket
def attempt():
    found = []
    for kind in [*range(16), 1 << 4, 3 | 1 << 8]:
        try:
            socket.socketpair(socket.AF_UNIX, kind)
            if kind != socket.SOCK_STREAM:
                found.append(kind)
        except OSError as error:
            refused = error
    return found or (_ for _ in ()).throw(refused)",
        || true,
    );
}

#[test]
fn an_event_loop_still_finds_its_pair_of_sockets() {
    harmless(
        "import asyncio
async def work():
    await asyncio.sleep(0)
    return 'done'
def attempt():
    return asyncio.run(work())",
        |answer| answer == "came through: 'done'",
    );
}

#[test]
fn another_program_has_no_network_either() {
    let (listener, port) = listener();
    super::check(
        super::WALLED,
        &super::calls_of(&format!(
            "import os
def attack():
    os.execv('/bin/bash', ['bash', '-c', 'echo out > /dev/tcp/127.0.0.1/{port}'])"
        )),
        &super::short(),
        |outcome| {
            assert_ne!(
                outcome.verdict,
                slm_sandbox::Verdict::Passed,
                "{outcome:#?}"
            );
            assert!(saw_nobody(&listener));
        },
    );
}

#[test]
fn names_of_hosts_cannot_be_looked_up() {
    denied(
        "import socket\ndef attempt():\n    return socket.getaddrinfo('localhost.invalid', 80)",
        || true,
    );
}
