"""Kills at random moments, and signals."""
import os, random, signal, time
from world import RUN, TRAIN, MERGE, children, fresh, same


def kill(p, who):
    kids = children(p.pid)
    try:
        if who == 'child':
            os.kill(kids[0] if kids else p.pid, signal.SIGKILL)
        elif who == 'group':
            os.killpg(p.pid, signal.SIGKILL)
        else:
            p.kill()
    except ProcessLookupError:
        pass
    p.wait()


def kills(w, name, args, base, like=None):
    """The command is killed, then run again to the end."""
    held = 0
    for i in range(w.rounds):
        fresh('k', like)
        p = w.start(args, group=True)
        time.sleep(random.random() * w.took[base])
        kill(p, ('parent', 'child', 'group')[i % 3])
        held += w.call(args)[0] == 0 and same('k', base)
    w.row(f'kill -9 of `{name}`', 'parent, child, group in turn; run again: the bytes of an undisturbed run, nothing left over', w.rounds, held)


def all_kills(w):
    kills(w, 'run', RUN + ['-o', 'k'], 'run')
    kills(w, 'run --samples', RUN + ['--samples', '-o', 'k'], 'samples')
    kills(w, 'train', TRAIN + ['-o', 'k'], 'train')
    kills(w, 'merge', MERGE + ['-o', 'k'], 'merged')
    kills(w, 'report', ['report', 'k'] + w.pictures, 'reported', 'run')


def signals(w):
    for args, base in ((RUN, 'run'), (TRAIN, 'train')):
        held = tried = 0
        for sig, times in ((signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGTERM, 1), (signal.SIGHUP, 1)):
            fresh('k')
            p = w.start(args + ['-o', 'k'])
            time.sleep(0.7 * w.took[base])
            for _ in range(times):
                p.send_signal(sig)
            code = p.wait()
            tried += 1
            held += code in (0, 128 + sig, -sig) and w.call(args + ['-o', 'k'])[0] == 0 and same('k', base)
        w.row(f'SIGINT once and twice, SIGTERM, SIGHUP in `{args[0]}`', 'exit 130, 143, 129; run again', tried, held)
    stops(w)


def stop_a_child(w, args):
    """@return the process and its stopped child, None: it was too quick."""
    fresh('k')
    p = w.start(args + ['-o', 'k'])
    for _ in range(400):
        kids = children(p.pid)
        if kids:
            try:
                os.kill(kids[0], signal.SIGSTOP)
                return p, kids[0]
            except ProcessLookupError:
                pass
        if p.poll() is not None:
            break
        time.sleep(0.002)
    p.wait()
    return p, None


def stops(w):
    held = tried = 0
    for then in ('continue', 'timeout', 'interrupt'):
        tried += 1
        p, child = stop_a_child(w, RUN + (['--case-timeout', '2'] if then == 'timeout' else []))
        if child and then == 'continue':
            time.sleep(0.3)
            os.kill(child, signal.SIGCONT)
        if child and then == 'interrupt':
            time.sleep(0.3)
            p.send_signal(signal.SIGINT)
        right = {'continue': (0,), 'timeout': (0, 1), 'interrupt': (0, 130)}[then]
        code = p.wait(timeout=120)
        gone = not child or not os.path.exists(f'/proc/{child}')
        held += code in right and gone and w.call(RUN + ['-o', 'k'])[0] == 0 and same('k', 'run')
    w.row('SIGSTOP of a child', 'continued; given up by --case-timeout; interrupted: no child is left, run again', tried, held)
    fresh('k')
    code, err = w.call(RUN + ['-o', 'k'], {'LD_PRELOAD': w.libs['no_answer']})
    held = code == 1 and 'no answer' in err and w.call(RUN + ['-o', 'k'])[0] == 0 and same('k', 'run')
    w.row('a child that ends without a record', 'exit 1, the case failed; run again', 1, int(held))
