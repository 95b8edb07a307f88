"""The world in which moesim is hurt: a folder of inputs, undisturbed results to compare with, the program under limits, and the table."""
import filecmp, os, pathlib, random, shutil, signal, subprocess, sys, tempfile, time

DATA = pathlib.Path(__file__).resolve().parent.parent / 'data'
RUN = ['run', 'small.yaml', '--set', 'repeats=6', '--progress', 'never', '-j2']
TRAIN = ['train', 'tiny.yaml', '-q', '-j1']
MERGE = ['merge', 'part1', 'part2']


class World:
    def __init__(self, opt):
        self.rounds, self.only, self.rows, self.bad, self.skipped = opt.rounds, opt.only, [], [], []
        self.moesim = os.path.realpath(opt.moesim)
        self.libs = {pathlib.Path(p).stem: os.path.realpath(p) for p in opt.libraries}
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='moesim-fault-'))
        os.chdir(self.folder)
        for f in (DATA / 'run').iterdir():
            shutil.copy(f, self.folder)
        shutil.copy(DATA / 'train/tiny.yaml', self.folder)
        pathlib.Path('numbers.txt').write_text(''.join(f'{i}\n' for i in range(1, 3001)))
        random.seed(7)
        self.took = {}
        for name, args in (('run', RUN), ('samples', RUN + ['--samples']), ('train', TRAIN)):
            self.undisturbed(name, args)
        for k in (1, 2):
            assert self.call(RUN + ['--samples', '--shard', f'{k}/2', '-o', f'part{k}'])[0] == 0
        self.undisturbed('merged', MERGE)
        self.pictures = [] if shutil.which('gnuplot') else ['--no-pictures']
        shutil.copytree('run', 'k')  # a page names its folder
        start = time.time()
        assert self.call(['report', 'k'] + self.pictures)[0] == 0
        self.took['reported'] = time.time() - start
        shutil.move('k', 'reported')

    def undisturbed(self, name, args):
        start = time.time()
        code, err = self.call(args + ['-o', name])
        assert code == 0, err
        self.took[name] = time.time() - start

    def wanted(self, word):
        return any(w in word for w in self.only.split(','))

    def call(self, args, env=None, limit=None, stdout=subprocess.PIPE, timeout=240, cwd=None, stdin=subprocess.DEVNULL):
        """@return exit code and stderr; 'never ends' as code where it does not."""
        p = subprocess.Popen([self.moesim] + [str(a) for a in args], env=dict(os.environ, **(env or {})), stdout=stdout, stderr=subprocess.PIPE,
                             stdin=stdin, preexec_fn=limit, cwd=cwd)
        try:
            _, err = p.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            p.kill(), p.wait()
            return 'never ends', ''
        return p.returncode, err.decode(errors='replace')

    def start(self, args, group=False):
        return subprocess.Popen([self.moesim] + args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
                                start_new_session=group,
                                preexec_fn=lambda: [signal.signal(s, signal.SIG_DFL) for s in (signal.SIGINT, signal.SIGHUP)] and None)

    def row(self, name, how, tried, held, note=''):
        self.rows.append(name)
        if held != tried:
            self.bad.append(name)
        print(f'| {name} | {how} | {tried} | {held} |{" " + note if note else ""}', flush=True)

    def skip(self, name, why):
        self.skipped.append(name)
        print(f'| {name} | SKIP: {why} | 0 | 0 |', flush=True)

    def end(self):
        os.chdir('/')
        shutil.rmtree(self.folder, ignore_errors=True)
        print(f'{len(self.rows)} faults, {len(self.bad)} not survived' + (': ' + ', '.join(self.bad) if self.bad else '')
              + (f'; {len(self.skipped)} skipped' if self.skipped else ''))
        return 1 if self.bad or not self.rows else 0


def fresh(name, like=None):
    if os.path.islink(name):
        os.unlink(name)
    shutil.rmtree(name, ignore_errors=True)
    if like:
        shutil.copytree(like, name)


def litter(folder):
    return [str(p) for p in pathlib.Path(folder).rglob('*') if 'moesim-part' in p.name or p.name in ('checkpoint.new', 'checkpoint.old')]


def same(a, b):
    """Equal trees but for times and the lock; no temporaries."""
    files = lambda d: sorted(str(p.relative_to(d)) for p in pathlib.Path(d).rglob('*') if p.is_file() and p.name not in ('timing.jsonl', '.lock'))
    return files(a) == files(b) and all(filecmp.cmp(f'{a}/{f}', f'{b}/{f}', False) for f in files(a)) and not litter(a)


def children(pid):
    try:
        return [int(k) for k in pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split()]
    except FileNotFoundError:
        return []


def flip(path, at=None):
    b = bytearray(pathlib.Path(path).read_bytes())
    b[random.randrange(len(b)) if at is None else at] ^= 1 << random.randrange(8)
    pathlib.Path(path).write_bytes(b)
