//! Standard library features that a box must allow.

use slm_sandbox::Verdict;

use crate::check;

#[test]
fn what_honest_programs_use_of_the_standard_library_works() {
    let program = "
import asyncio, concurrent.futures, glob, io, json, locale, logging, mmap, multiprocessing, os, pathlib, pickle, platform
import queue, random, resource, secrets, select, selectors, shelve, shutil, signal, socket, statistics, string, subprocess
import sys, tempfile, threading, time, uuid, warnings, xml.etree.ElementTree, zipfile, zlib

def f():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, 'a', 'b.txt')
        path.parent.mkdir(parents=True)
        path.write_text('one')
        shutil.copy2(path, path.with_suffix('.copy'))
        shutil.copytree(path.parent, pathlib.Path(folder, 'c'))
        os.replace(path, path.with_suffix('.new'))
        os.truncate(path.with_suffix('.new'), 2)
        with zipfile.ZipFile(pathlib.Path(folder, 'z.zip'), 'w') as archive:
            archive.writestr('x', 'y' * 1000)
        with open(pathlib.Path(folder, 'map'), 'w+b') as file:
            file.truncate(8192)
            with mmap.mmap(file.fileno(), 8192) as mapped:
                mapped[0:3] = b'abc'
                mapped.flush()
            os.fsync(file.fileno())
        with shelve.open(os.path.join(folder, 'shelf')) as shelf:
            shelf['a'] = [1]
        assert sorted(os.listdir(folder))[0] == 'a' and len(glob.glob(folder + '/**', recursive=True)) > 5
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda x: x * x, range(8)))[-1] == 49
    async def wait():
        await asyncio.sleep(0.001)
        return await asyncio.get_running_loop().run_in_executor(None, sum, [1, 2])
    assert asyncio.run(wait()) == 3
    ours, theirs = multiprocessing.Pipe()
    ours.send([1])
    assert theirs.recv() == [1]
    a, b = socket.socketpair()
    a.sendall(b'x')
    assert select.select([b], [], [], 1)[0] == [b] and b.recv(1) == b'x'
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.001)
    time.sleep(0.003)
    assert uuid.uuid4() != uuid.uuid4() and secrets.token_bytes(4) and random.SystemRandom().random() < 1
    assert platform.system() and os.cpu_count() and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert os.sched_getaffinity(0) and os.times() and os.getloadavg and os.get_terminal_size
    assert not os.isatty(0) and os.umask(0o22) is not None and os.stat('.').st_mode and os.access('.', os.W_OK)
    if hasattr(os, 'fork'):
        try:
            pid = os.fork()
        except PermissionError:
            return 1
        if pid == 0:
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
        assert subprocess.run([sys.executable, '-S', '-c', 'print(2)'], capture_output=True, text=True).stdout == '2\\n'
        assert subprocess.check_output('echo a | cat', shell=True) == b'a\\n'
    return 1
";
    check(program, &["assert f() == 1"], Verdict::Passed, "");
}
