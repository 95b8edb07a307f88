"""Output that cannot be written: full, read-only, limited, closed; and few descriptors."""
import os, pathlib, resource, shutil, subprocess
from world import RUN, TRAIN, MERGE, fresh, same

WRITERS = ((RUN, 'run'), (RUN + ['--samples'], 'samples'), (TRAIN, 'train'), (MERGE, 'merged'))


def verbs():
    of_run = [['run', 'small.yaml', '-o', 'run', '--set', 'repeats=6', '-f', f] for f in ('table', 'csv', 'jsonl')]
    of_compare = [['compare', 'run', '-f', f] for f in ('table', 'csv', 'json', 'markdown', 'latex')]
    return of_run + of_compare + [
        ['list', 'keys'], ['schema'], ['check', 'small.yaml'], ['platform', 'show', 'star-8.xml'], ['--help'], ['--version'],
        ['platform', 'generate', 'star', '--nodes', '2', '--gpus-per-node', '2'], ['traffic', 'small.yaml'], ['run', 'small.yaml', '-n'],
        ['evaluate', 'train/checkpoint', '--text', 'numbers.txt'], ['profile', 'train/loads.csv'], ['report', 'run', '--no-pictures', '-o', 'page'],
        ['explain', 'run', '--case', 'c0000'], ['fidelity', '--help'], ['run', 'small.yaml', '--emit', 'slurm']]


def standard_output(w):
    held = tried = 0
    for args in verbs():
        tried += 1
        with open('/dev/full', 'w') as full:
            held += w.call(args, stdout=full)[0] == 4
    w.row('a full standard output', 'every verb and format: exit 4', tried, held)
    held = tried = 0
    for args in verbs():
        tried += 1
        r, out = os.pipe()
        os.close(r)
        held += w.call(args, stdout=out)[0] == 0
        os.close(out)
    w.row('a reader of standard output that has gone', 'as with `head`: every verb and format goes on to its end, exit 0', tried, held)
    held = tried = 0
    for closed in ((0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)):
        for args, base in ((RUN, 'run'), (TRAIN, 'train')):
            fresh('k')
            tried += 1
            code, _ = w.call(args + ['-o', 'k'], limit=lambda: [os.close(fd) for fd in closed] and None)
            held += code in (0, 4) and w.call(args + ['-o', 'k'])[0] == 0 and same('k', base)
    w.row('standard input, output, error closed at the start', '`run`, `train`: nothing of the talk gets into a file', tried, held)


def file_size(w):
    held = tried = 0
    for args, base in WRITERS:
        for n in (0, 100, 1000, 4096, 20000):
            fresh('k')
            code, err = w.call(args + ['-o', 'k'], limit=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n, n)))
            tried += 1
            held += (code == 4 and 'too large' in err or code == 0) and w.call(args + ['-o', 'k'])[0] == 0 and same('k', base)
    w.row('RLIMIT_FSIZE (a file that may not grow)', '`run`, `train`, `merge`: exit 4 with a message; run again', tried, held)


def mounted(size):
    os.makedirs('mount', exist_ok=True)
    return subprocess.run(['mount', '-t', 'tmpfs', '-o', f'size={size}', 'none', 'mount'], stderr=subprocess.DEVNULL).returncode == 0


def unmount():
    subprocess.run(['umount', 'mount'], check=True)


def full_disk(w):
    name = 'a full disk (tmpfs)'
    if os.geteuid() != 0 or not mounted('4k'):
        return w.skip(name, 'mounting needs root')
    unmount()
    held = tried = 0
    for args, base in WRITERS:
        for kib in (4, 8, 16, 32, 64, 128):
            fresh('k')
            mounted(f'{kib}k')
            code, err = w.call(args + ['-o', 'mount/k'])
            os.path.isdir('mount/k') and shutil.copytree('mount/k', 'k')
            unmount()
            tried += 1
            held += (code == 4 and 'No space' in err or code == 0) and w.call(args + ['-o', 'k'])[0] == 0 and same('k', base)
    w.row(name, '`run`, `run --samples`, `train`, `merge`: exit 4 with a message; run again where there is space', tried, held)


def read_only(w):
    name = 'a read-only folder'
    if os.geteuid() != 0 or not mounted('4m'):
        return w.skip(name, 'mounting needs root')
    held = tried = 0
    for args, base in WRITERS:
        shutil.copytree(base, f'mount/{base}')
    subprocess.run(['mount', '-o', 'remount,ro', 'mount'], check=True)
    for args, base in WRITERS:
        for out in (base, 'new'):
            code, err = w.call(args + ['-o', f'mount/{out}'])
            tried += 1
            held += code == 4 and 'Read-only' in err
    tried += 1
    code, err = w.call(['report', 'mount/run', '--no-pictures'])
    held += code == 4 and 'Read-only' in err
    held += w.call(['compare', 'mount/run'])[0] == 0
    tried += 1
    unmount()
    w.row(name, 'exit 4 with a message; `compare` reads it', tried, held)


def descriptors(w):
    held = tried = 0
    for args, base in ((RUN, 'run'), (TRAIN, 'train')):
        for n in range(3, 33):
            fresh('k')
            code, err = w.call(args + ['-o', 'k'], limit=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (n, n)))
            tried += 1
            held += (code == 0 or len(err) > 10) and w.call(args + ['-o', 'k'])[0] == 0 and same('k', base)
    w.row('3 to 32 file descriptors', '`run` and `train` work, or say why not; run again', tried, held)
