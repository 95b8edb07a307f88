#!/usr/bin/env python3
"""What `run --dry-run` says a case takes, beside what it takes: time and memory, and the worst factor between them.

Usage: tools/bench_estimates.py PROGRAM [--small] [--only WORDS] [--most FACTOR]
  --small   cases of up to 256 ranks: some seconds
  --only    cases whose name has one of these words (comma)
  --most    exit 1 where a factor is larger

Time is the CPU time of the whole program with -j1 without that of its --dry-run, which does not depend on what else the machine does;
memory is the peak of the simulating process. Short cases are run three times, and the fastest counts."""
import argparse, json, math, os, re, resource, shutil, subprocess, sys, tempfile

RAIL, STAR, FT2, FT3 = 'rail', 'star', 'fat-tree', 'fat-tree --levels 3'
DRAGONFLY = 'dragonfly'
EXCHANGE = {'repeats': 1, 'twin': 'false', 'workload.tokens_per_rank': 128, 'workload.layers': 1, 'network.quantum': 0.01}
STEP = {'repeats': 1, 'model.preset': 'deepseek-v3'}


def case(name, platform, nodes, algorithm, sets, per_node=8, experts=None, small=False):
    sets = dict(sets)
    sets['exchange.algorithm'] = algorithm
    if 'model.preset' not in sets:
        ranks = sets.get('workload.ranks', nodes * per_node)
        sets = {'model.experts': experts or max(ranks, 16), 'model.top_k': 8, 'model.hidden': 7168, **sets}
    return name, platform, nodes, per_node, sets, small


def cases():
    out = []
    tiny = {'repeats': 1, 'workload.tokens_per_rank': 64, 'workload.layers': 1, 'model.top_k': 2, 'model.hidden': 1024}
    out.append(case('8 ranks, tiny', STAR, 8, 'direct', tiny, 1, small=True))
    for algorithm in 'direct', 'low_latency', 'hierarchical', 'pairwise':
        out.append(case(f'64 ranks {algorithm}', RAIL, 8, algorithm, EXCHANGE, small=True))
    for platform in RAIL, FT3, DRAGONFLY:
        for algorithm in 'direct', 'hierarchical':
            small = platform != FT3
            out.append(case(f'256 ranks {algorithm} {platform.split()[0]}', platform, 32, algorithm, EXCHANGE, small=small))
    out.append(case('256 ranks low_latency two-level', FT2, 32, 'low_latency', EXCHANGE))
    out.append(case('256 ranks pairwise', RAIL, 32, 'pairwise', EXCHANGE))
    out.append(case('256 ranks direct star, twin', STAR, 256, 'direct', {**EXCHANGE, 'twin': 'true'}, 1))
    for platform in RAIL, FT3:
        for algorithm in 'direct', 'low_latency', 'hierarchical':
            out.append(case(f'1024 ranks {algorithm} {platform.split()[0]}', platform, 128, algorithm, EXCHANGE))
    out.append(case('1024 ranks direct dragonfly', DRAGONFLY, 128, 'direct', EXCHANGE))
    out.append(case('1024 ranks pairwise', RAIL, 128, 'pairwise', EXCHANGE))
    for platform in RAIL, FT3:
        for algorithm in 'direct', 'low_latency', 'hierarchical':
            out.append(case(f'4096 ranks {algorithm} {platform.split()[0]}', platform, 512, algorithm, EXCHANGE))
    cm02 = {**EXCHANGE, 'network.model': 'cm02'}
    del cm02['network.quantum']
    out.append(case('16 ranks cm02', STAR, 16, 'direct', cm02, 1, small=True))
    out.append(case('64 ranks cm02', RAIL, 8, 'direct', cm02))
    out.append(case('64 ranks cm02 hierarchical', RAIL, 8, 'hierarchical', cm02))
    out.append(case('128 ranks cm02', STAR, 128, 'direct', cm02, 1))
    out.append(case('4 layers, 16 repeats', RAIL, 8, 'direct', {**EXCHANGE, 'workload.layers': 4, 'repeats': 16}, small=True))
    out.append(case('64 ranks, 1000 repeats', STAR, 64, 'direct', {**EXCHANGE, 'repeats': 1000}, 1))
    out.append(case('DeepSeek-V3 step hierarchical', RAIL, 8, 'hierarchical', {**STEP, 'workload.tokens_per_rank': 4096}))
    out.append(case('DeepSeek-V3 step direct', RAIL, 8, 'direct', {**STEP, 'workload.tokens_per_rank': 4096}))
    out.append(case('DeepSeek-V3 training', RAIL, 8, 'hierarchical', {**STEP, 'workload.tokens_per_rank': 1024,
                                                                     'workload.layers': 8, 'workload.pass': 'training'}))
    groups = {**STEP, 'workload.tokens_per_rank': 4096, 'workload.layers': 1, 'workload.ranks': 64}
    out.append(case('32 groups of 64', FT3, 256, 'hierarchical', {**groups, 'workload.groups': 32}))
    out.append(case('256 groups of 64', FT3, 2048, 'hierarchical',
                    {**groups, 'workload.groups': 256, 'routing.popularity.law': 'zipf'}))
    return out


def platform_file(program, folder, platform, nodes, per_node):
    path = f'{folder}/{platform.replace(" ", "").replace("--", "-")}-{nodes}x{per_node}.xml'
    if not os.path.exists(path):
        nvlink = ['--no-nvlink'] if per_node == 1 else []
        subprocess.run([program, 'platform', 'generate', *platform.split(), '--nodes', str(nodes), '--gpus-per-node', str(per_node),
                        *nvlink, '-o', path], check=True, stderr=subprocess.DEVNULL)
    return path


def cpu_s(command, **how):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = subprocess.run(command, check=True, **how).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, text


def said(command):
    plan_s, text = cpu_s(command + ['--dry-run'], capture_output=True, text=True)
    time, memory = re.search(r'^c0000 .*?([\d.e+-]+) s +([\d.]+) MB$', text, re.M).groups()
    return plan_s, (float(time), float(memory))


def seen(command, folder):
    shutil.rmtree(folder, ignore_errors=True)
    run_s, _ = cpu_s(command + ['-o', folder, '-j1', '-q'])
    with open(folder + '/timing.jsonl') as f:
        timing = json.loads(f.readline())
    return run_s, timing['peak_rss_kib'] * 1024 / 1e6


def measured(command, folder):
    """What the case takes beyond its plan, and what is said of it."""
    runs = []
    for _ in range(3):
        plan_s, say = said(command)
        run_s, memory = seen(command, folder)
        runs.append((run_s - plan_s, memory))
        if run_s > 2:
            break
    return say, min(runs)


def factor(a, b):
    return max(a / b, b / a) if a > 0 and b > 0 else math.inf


def main():
    p = argparse.ArgumentParser()
    p.add_argument('program')
    p.add_argument('--small', action='store_true')
    p.add_argument('--only', default='')
    p.add_argument('--most', type=float, default=math.inf)
    opt = p.parse_args()
    program, worst = os.path.abspath(opt.program), 0
    print(f'{"":38} {"said_s":>8} {"cpu_s":>8} {"times":>6}   {"said_MB":>8} {"MB":>8} {"times":>6}')
    with tempfile.TemporaryDirectory() as folder:
        empty = folder + '/empty.yaml'
        with open(empty, 'w') as f:
            f.write('name: estimates\n')
        for name, platform, nodes, per_node, sets, small in cases():
            if (opt.small and not small) or not any(w in name for w in opt.only.split(',')):
                continue
            sets['platform'] = platform_file(program, folder, platform, nodes, per_node)
            command = [program, 'run', empty]
            for key, value in sets.items():
                command += ['--set', f'{key}={value}']
            say, see = measured(command, folder + '/results')
            f = [factor(say[k], see[k]) for k in (0, 1)]
            worst = max(worst, *f)
            print(f'{name:38} {say[0]:8.3g} {see[0]:8.3g} {f[0]:6.2f}   {say[1]:8.0f} {see[1]:8.0f} {f[1]:6.2f}', flush=True)
    print(f'worst factor {worst:.2f}')
    return 1 if worst > opt.most else 0


sys.exit(main())
