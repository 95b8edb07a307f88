"""Every allocation fails once, and less address space than is needed."""
import pathlib, resource
from world import RUN, fresh, same

SMALL = ['run', 'small.yaml', '--set', 'repeats=2', '--set', 'sweep={platform: [star-8.xml, half-8.xml]}', '--progress', 'never', '-j1']
VERBS = (('check', ['check', 'small.yaml'], None), ('check of a bad platform', ['check', 'bad.xml'], None), ('platform show', ['platform', 'show', 'star-8.xml'], None), ('compare', ['compare', 'run'], None),
         ('run', SMALL + ['-o', 'k'], 'nothing'), ('resume', SMALL + ['-o', 'k'], 'tiny'), ('report', ['report', 'k', '--no-pictures'], 'tiny'),
         ('merge', ['merge', 'part1', 'part2', '-o', 'k'], 'nothing'))
AFTER = {'run': 'tiny', 'resume': 'tiny', 'report': 'tiny-reported', 'merge': 'merged'}


def ended_well(name, code, err):
    """Out of memory is said, in the parent or of the case; or the allocation was none that mattered and the result is right."""
    if name == 'check of a bad platform':
        return code == 3 and 'spede' in err or code == 5 and 'out of memory' in err
    if code == 0:
        return name not in AFTER or same('k', AFTER[name])
    return code == 5 and 'out of memory' in err or code == 1 and ('out of memory' in err or 'memory ran out' in err)


def allocations(w):
    assert w.call(SMALL + ['-o', 'tiny'])[0] == 0
    pathlib.Path('bad.xml').write_text(pathlib.Path('star-8.xml').read_text().replace('speed=', 'spede='))
    fresh('k', 'tiny')  # a page names its folder
    assert w.call(['report', 'k', '--no-pictures'])[0] == 0
    fresh('tiny-reported', 'k')
    for name, args, like in VERBS:
        prepare = lambda: like and fresh('k', None if like == 'nothing' else like)
        prepare()
        w.call(args, {'LD_PRELOAD': w.libs['fail_alloc'], 'FAIL_COUNT': str(w.folder / 'count')})
        total = int(pathlib.Path('count').read_text())
        held = tried = 0
        for n in range(1, total + 1, max(1, total // (4 * w.rounds))):
            prepare()
            code, err = w.call(args, {'LD_PRELOAD': w.libs['fail_alloc'], 'FAIL_AT': str(n)})
            good = ended_well(name, code, err)
            if good and code and like:  # nothing wrong was written: the same command goes on to the right end
                good = w.call(args)[0] == 0 and same('k', AFTER[name])
            if not good:
                print(f'allocation {n} of {name}: exit {code}: {err[-200:]}', flush=True)
            tried += 1
            held += good
        w.row(f'an allocation fails in `{name}`', f'exit 5, out of memory; run again ({tried} of {total})', tried, held)


def address_space(w):
    held = tried = 0
    for kib in range(60000, 320000, 20000):
        for args in (['check', 'small.yaml'], RUN + ['-o', 'k']):
            fresh('k')
            tried += 1
            code, err = w.call(args, limit=lambda: resource.setrlimit(resource.RLIMIT_AS, (kib << 10, kib << 10)), timeout=60)
            held += code in (0, 1, 5, 127) or 'memory' in err
    w.row('60 to 300 MB of address space (ulimit -v)', '`check` and `run` work, or out of memory; never hang', tried, held)
