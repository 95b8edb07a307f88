"""Two at once, no locks, clocks, locales, names, links, and what is no file."""
import filecmp, os, pathlib, shutil, subprocess, time
from world import RUN, TRAIN, MERGE, fresh, litter, same


def two_at_once(w):
    held = tried = 0
    for args, base, sign in ((RUN, 'run', 'results.jsonl'), (TRAIN, 'train', 'history.jsonl')):
        for second in (args, MERGE) if base == 'run' else (args,):
            fresh('k')
            p = w.start(args + ['-o', 'k'])
            while p.poll() is None and not os.path.exists(f'k/{sign}'):
                time.sleep(0.005)
            code, err = w.call(second + ['-o', 'k'])
            first = p.wait()
            tried += 1
            refused = code == 4 and 'writing here' in err
            good = first == 0 and (refused or code in (0, 2)) and w.call(args + ['-o', 'k'])[0] == 0
            if second is MERGE and code == 0:  # it came after the end, and brought the samples of its shards along
                good = good and all(filecmp.cmp(f'k/{f}', f'run/{f}', False) for f in ('results.jsonl', 'summary.csv', 'scenario.json')) and not litter('k')
            else:
                good = good and same('k', base)
            held += good
            if not good:
                print(f'{second[0]} beside {args[0]}: exit {first} and {code}: {err[-200:]}', flush=True)
    w.row('two processes in one folder', 'the second is refused, exit 4; the first ends as ever', tried, held)


def no_locks(w):
    held = 0
    for args, base in ((RUN, 'run'), (TRAIN, 'train'), (MERGE, 'merged')):
        fresh('k')
        code, err = w.call(args + ['-o', 'k'], {'LD_PRELOAD': w.libs['no_locks']})
        held += code == 0 and 'no locks' in err and same('k', base)
    w.row('a file system without locks (ENOLCK)', '`run`, `train`, `merge`: a warning', 3, held)


def clocks(w):
    held = 0
    for args, base in ((RUN, 'run'), (TRAIN, 'train')):
        fresh('k')
        held += w.call(args + ['-o', 'k'], {'LD_PRELOAD': w.libs['clock_jumps']})[0] == 0 and same('k', base)
    w.row('the clock jumps by years, back and forth', '`run`, `train`: the same bytes', 2, held)


def commas(w):
    name = 'a locale with decimal commas'
    os.makedirs('locales', exist_ok=True)
    made = shutil.which('localedef') and subprocess.run(['localedef', '-i', 'de_DE', '-f', 'UTF-8', 'locales/de_DE.UTF-8'],
                                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    if not os.path.exists('locales/de_DE.UTF-8'):
        return w.skip(name, 'localedef cannot make de_DE (Debian: locales)')
    held = 0
    for args, base in ((RUN, 'run'), (TRAIN, 'train'), (MERGE, 'merged')):
        fresh('k')
        env = {'LC_ALL': 'de_DE.UTF-8', 'LANG': 'de_DE.UTF-8', 'LOCPATH': str(w.folder / 'locales')}
        held += w.call(args + ['-o', 'k'], env)[0] == 0 and same('k', base)
    w.row(name, 'the same bytes', 3, held)


ODD = ('-o', 'a b', "it's", 'a"b', '%n%s', 'a\nb', '$(touch PWN)', '`touch PWN`', ';touch PWN', '|touch PWN', '\u00e4\u4e2d', '*', '\x1b[2J', 'x' * 200)


def names(w):
    """Folders and files of odd names: run, compare with a picture, report."""
    held = tried = 0
    os.makedirs('odd', exist_ok=True)
    for n in ODD:
        os.makedirs('odd/in', exist_ok=True)
        for f in ('small.yaml', 'half-8.xml'):
            shutil.copy(f, 'odd/in')
        shutil.copy('star-8.xml', f'odd/in/{n}.xml')
        text = pathlib.Path('small.yaml').read_text()
        quoted = '"' + n.replace('\\', '\\\\').replace('"', '\\"').replace('\n', '\\n').replace('\x1b', '\\e') + '.xml"'
        pathlib.Path('odd/in/small.yaml').write_text(text.replace('star-8.xml', quoted))
        out = f'odd/{n}' if not n.startswith('-') else f'./odd/{n}'
        code, err = w.call(['run', 'odd/in/small.yaml', '--set', 'repeats=2', '--progress', 'never', '-j2', f'--output={out}'])
        tried += 1
        good = code == 0 and os.path.exists(f'odd/{n}/results.jsonl') or code == 3 and 'error' in err
        if code == 0 and not w.pictures:
            good = good and w.call(['compare', out, f'--plot={out}/p.svg'])[0] == 0 and w.call(['report', out])[0] == 0
        good = good and not os.path.exists('PWN') and '\x1b' not in err
        held += good
        if not good:
            print(f'name {n!r}: exit {code}: {err[-200:]}', flush=True)
        shutil.rmtree('odd/in'), shutil.rmtree(f'odd/{n}', ignore_errors=True)
    w.row('odd names of files and folders', '`run`, `compare --plot`, `report`: as any other, no shell, no format; or refused, exit 3', tried, held)


def links(w):
    held = tried = 0
    for args, base in ((RUN, 'run'), (TRAIN, 'train')):
        fresh('real'), fresh('k')
        os.mkdir('real'), os.symlink('real', 'k')
        held += w.call(args + ['-o', 'k'])[0] == 0 and same('real', base) and os.path.islink('k')
        os.unlink('k')
        tried += 1
    w.row('a link as results folder', '`run`, `train`: followed, never replaced', tried, held)
    held = tried = 0
    fresh('k', 'run'), fresh('elsewhere')
    os.mkdir('elsewhere'), os.rename('k/results.jsonl', 'elsewhere/r'), os.symlink('../elsewhere/r', 'k/results.jsonl')
    with open('elsewhere/r', 'rb') as f:
        before = f.read()
    pathlib.Path('elsewhere/r').write_bytes(before[:len(before) // 2])
    held += w.call(RUN + ['-o', 'k'])[0] == 0 and os.path.islink('k/results.jsonl') and pathlib.Path('elsewhere/r').read_bytes() == before
    os.path.exists('loop') or os.symlink('loop', 'loop')
    os.path.lexists('nowhere') or os.symlink('not-there', 'nowhere')
    held += w.call(['check', 'loop'])[0] in (3, 4)
    held += w.call(['check', 'nowhere'])[0] == 3
    held += w.call(RUN + ['-o', 'loop'])[0] in (3, 4)
    w.row('links: a linked results.jsonl, a loop, one to nowhere', 'followed and kept; refused', 4, held)


def no_files(w):
    os.path.exists('pipe') or os.mkfifo('pipe')
    tries = [['check', 'pipe'], ['compare', 'pipe'], ['profile', '/dev/zero'], ['compare', '/dev/zero'], ['train', 'pipe', '-o', 'k'],
             ['check', 'small.yaml', '--set', 'routing={source: matrix, matrix: /dev/zero}'], ['platform', 'show', 'pipe'],
             ['evaluate', 'train/checkpoint', '--text', '/dev/zero'], ['train', 'tiny.yaml', '-o', 'k', '--set', 'train.data.text=[/dev/zero]']]
    held = sum(w.call(a, timeout=30)[0] == 3 for a in tries)
    w.row('a pipe or a device where a file is meant', 'refused, exit 3', len(tries), held)


def strangers(w):
    pathlib.Path('esc.csv').write_bytes(b'layer_id,expert_id,count\n0,0,\x1b]0;pwned\x07\x1b[2J\n')
    code, err = w.call(['check', 'small.yaml', '--set', 'routing={source: trace, trace: esc.csv}'])
    w.row('control characters in a file', 'nothing of it reaches the terminal', 1, int(code == 3 and '\x1b' not in err and '\x07' not in err))
    pathlib.Path('key.pem').write_text('-----BEGIN SECRET KEY-----\nSECRET+aBc\nSECRET=\n-----END SECRET KEY-----\n')
    pathlib.Path('env').write_text('SECRET_TOKEN: SECRET\nSECRET: SECRET\n')
    held = tried = 0
    for f in ('key.pem', 'env'):
        for args in (['check', f], ['run', f, '-o', 'k'], ['train', f, '-o', 'k'], ['compare', f], ['profile', f], ['place', f], ['platform', 'show', f],
                     ['fidelity', f], ['calibrate', f, '-o', 'x.yaml'], ['platform', 'import', f], ['convert', f, 'x.csv'],
                     ['check', 'small.yaml', '--set', f'routing={{source: trace, trace: {f}}}'],
                     ['check', 'small.yaml', '--set', f'routing={{source: matrix, matrix: {f}}}'],
                     ['check', 'small.yaml', '--set', f'hardware=./{f}'], ['check', 'small.yaml', '--set', f'model={{config: {f}}}'],
                     ['check', 'small.yaml', '--set', f'placement={{strategy: file, map: {f}}}']):
            code, err = w.call(args)
            tried += 1
            good = code in (2, 3, 4) and 'SECRET' not in err
            held += good
            if not good:
                print(f'{args}: exit {code}: {err[-200:]}', flush=True)
    w.row('a file of another kind, such as a key, as any input', 'refused; nothing of it is quoted', tried, held)
    big = (['workload.tokens_per_rank=1000000000', 'workload.steps=1000000', 'repeats=1000000'], ['repeats=1000000', 'model.moe_layers=100000'],
           ['workload.ranks=1000000000'], ['workload.groups=1000000'], ['model.experts=65534', 'model.moe_layers=100000', 'repeats=1000'])
    held = tried = 0
    for sets in big:
        code, err = w.call(['check', 'small.yaml'] + [a for s in sets for a in ('--set', s)], timeout=60)
        tried += 1
        held += code == 3 and any(c.isdigit() for c in err)
    for s in ('train.batch=1048576', 'train.model.hidden=65536', 'train.model={layers: 256, hidden: 16384, experts: 4096}'):
        code, err = w.call(TRAIN + ['-o', 'k', '--set', s], timeout=60)
        tried += 1
        held += code == 3 and 'memory' in err
    w.row('absurd sizes', 'refused by estimate, exit 3, with numbers, before memory is taken', tried, held)
