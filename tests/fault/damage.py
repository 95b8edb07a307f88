"""Bits that turn and files that are cut, at every kind of place."""
import os, pathlib
from world import RUN, TRAIN, MERGE, flip, fresh, same


def flips(w, what, how, n, args, base, files, right):
    held = 0
    for i in range(n):
        fresh('k', base)
        flip('k/' + files[i % len(files)])
        held += right(*w.call(args + ['-o', 'k']))
    w.row(f'one bit of {what}', how, n, held)


def cuts(w, what, how, args, base, file, right):
    whole, tried, held = pathlib.Path(base, file).read_bytes(), 0, 0
    for at in range(0, len(whole), max(1, len(whole) // min(20, w.rounds))):
        fresh('k', base)
        pathlib.Path('k', file).write_bytes(whole[:at])
        tried += 1
        held += right(*w.call(args + ['-o', 'k']))
    w.row(f'{what} cut anywhere', how, tried, held)


def again(base):
    return lambda code, err: code == 0 and same('k', base)


def refused(code, err):
    return code == 3 and 'not what was written' in err


def gone_on_or_refused(code, err):
    return code == 3 or code == 0 and same('k', 'train')


def damage(w):
    n = 120 if w.rounds >= 50 else w.rounds
    half = n // 2 or 1
    flips(w, 'results.jsonl', 'dropped with a warning, simulated again', n, RUN, 'run', ['results.jsonl'], again('run'))
    flips(w, 'a checkpoint file', 'refused by name, exit 3', half, TRAIN, 'train',
          ['checkpoint/' + f for f in sorted(os.listdir('train/checkpoint'))], refused)
    flips(w, 'history.jsonl or loads.csv', 'refused by name, exit 3', half, TRAIN, 'train', ['history.jsonl', 'loads.csv'], refused)
    samples = ['samples/' + f for f in sorted(os.listdir('samples/samples'))]
    flips(w, 'a file of samples', 'dropped with a warning, simulated again', half, RUN + ['--samples'], 'samples', samples, again('samples'))
    flips(w, 'scenario.json', 'refused, exit 3, or as it was', half, RUN, 'run', ['scenario.json'],
          lambda code, err: code in (2, 3) and 'scenario.json' in err or code == 0 and same('k', 'run'))
    flips(w, 'timing.jsonl or summary.csv', 'no result: written again', half, RUN, 'run', ['timing.jsonl', 'summary.csv'], again('run'))
    curves(w, half)
    shards(w, half)
    cuts(w, 'results.jsonl', 'simulated again', RUN, 'run', 'results.jsonl', again('run'))
    cuts(w, 'a file of samples', 'simulated again', RUN + ['--samples'], 'samples', samples[0], again('samples'))
    for f in sorted(os.listdir('train/checkpoint')):
        cuts(w, f'checkpoint/{f}', 'refused by name, exit 3', TRAIN, 'train', 'checkpoint/' + f, lambda code, err: code == 3 and 'checkpoint' in err)
    for f in ('history.jsonl', 'loads.csv'):
        cuts(w, f, 'refused by name, exit 3', TRAIN, 'train', f, lambda code, err: code == 3 and f in err)


def curves(w, n):
    """The page of a study of trainings draws no curve from a history that was changed."""
    args = ['train', 'tiny.yaml', '-q', '-j1', '--set', 'sweep={seed: [1, 2]}', '--set', 'train.steps=6', '-o', 'study']
    held = 0
    assert w.call(args)[0] == 0
    for i in range(n):
        fresh('k', 'study')
        flip(f'k/c000{i % 2}/history.jsonl')
        code, err = w.call(['report', 'k', '--no-pictures'])
        page = pathlib.Path('k/report.html').read_text()
        held += code == 0 and 'No curves of the training' in page and 'Cross-entropy of the batches' not in page
    w.row('one bit of a history that `report` draws', 'no curve, and the page says why', n, held)
    held = 0
    for i in range(n):
        fresh('k', 'study')
        flip('k/c0000/key.json')
        held += w.call(args[:-1] + ['k'])[0] == 0 and same('k', 'study')
    w.row("one bit of a training's key in a study", 'nothing of it is thrown away or trained again in vain', n, held)


def shards(w, n):
    """What a shard lost is named, and never joined."""
    held = 0
    for i in range(n):
        fresh('hurt', 'part1'), fresh('k')
        flip('hurt/results.jsonl')
        code, err = w.call(['merge', 'hurt', 'part2', '-o', 'k'])
        lost = code == 1 and 'shard 1/2 is missing' in err
        held += lost and w.call(MERGE + ['-o', 'k'])[0] == 0 and same('k', 'merged')
    w.row('one bit of a shard that `merge` reads', 'the shard is named, exit 1; merged again when whole', n, held)
