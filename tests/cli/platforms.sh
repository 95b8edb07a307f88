#!/usr/bin/env bash
# The shipped platforms come back byte for byte from tools/make-platforms and pass their check; bad ones exit 3, say their
# message, and take less than a second; the command line of `platform` behaves.
# Usage: platforms.sh MOESIM SOURCE
set -u
moesim=$(realpath "$1") source=$(realpath "$2") failed=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "FAIL: $*"; failed=1; }

"$source/tools/make-platforms" "$moesim" "$tmp" || fail "make-platforms"
for f in "$tmp"/platforms/*.xml "$tmp"/tests/data/platforms/*.xml "$tmp"/scenarios/questions/*.xml; do
    cmp "$f" "$source/${f#"$tmp"/}" || fail "$f is not what is shipped"
done
[ "$(cd "$tmp/platforms" && ls)" = "$(cd "$source/platforms" && ls *.xml)" ] || fail "platforms/ holds other files"
"$moesim" platform check "$source"/platforms/*.xml >"$tmp/out" 2>"$tmp/err" || fail "a shipped platform is bad"
[ -s "$tmp/err" ] && fail "a shipped platform has warnings: $(cat "$tmp/err")"

cd "$source/tests/data/bad/platforms" || exit 1
for f in *.xml; do
    start=$(cut -d' ' -f16,17 /proc/$$/stat)
    "$moesim" check "$f" >"$tmp/out" 2>"$tmp/err"
    code=$? ticks=$(cut -d' ' -f16,17 /proc/$$/stat) # of the children that were waited for, user and system
    ms=$((10 * (${ticks% *} + ${ticks#* } - ${start% *} - ${start#* })))
    [ $code = 3 ] || fail "$f: exit $code, not 3"
    [ $ms -lt 1000 ] || fail "$f: $ms ms"
    grep "^$f:" "$tmp/err" | cmp - "${f%.xml}.expected" || fail "$f: message"
done

cd "$tmp" || exit 1
"$moesim" platform generate star --nodes 4 --gpus-per-node 2 -o a.xml || fail "generate"
"$moesim" platform generate --gpus-per-node=2 --nodes=4 star >b.xml || fail "generate to stdout"
cmp a.xml b.xml || fail "the order of options matters"
"$moesim" platform show a.xml --route gpu0 gpu7 | grep -q nic_7_DOWN || fail "show --route"
"$moesim" platform show --route gpu0 gpu7 a.xml --format json | grep -q '"links":\["nic_0_UP","nic_7_DOWN"\]' || fail "show json"
"$moesim" platform show a.xml --svg - | grep -q '</svg>' || fail "show --svg -"
for words in "generate" "generate strar" "generate star --nodes 0" "generate star --nodes many" "generate star --levels 3" \
    "frobnicate" "check" "show" "show a.xml --route gpu0"; do
    # shellcheck disable=SC2086
    "$moesim" platform $words >"$tmp/out" 2>"$tmp/err"
    code=$?
    [ $code = 2 ] || fail "platform $words: exit $code, not 2"
    [ -s "$tmp/err" ] || fail "platform $words: says nothing"
done
"$moesim" platform generate fat-tree --switch-ports 8 >/dev/null 2>"$tmp/err"
[ $? = 3 ] || fail "an impossible fabric exits 3"
"$moesim" platform show missing.xml >/dev/null 2>&1
[ $? = 3 ] || fail "a missing file exits 3"
"$moesim" platform show a.xml --route gpu0 gpu99 >/dev/null 2>&1
[ $? = 3 ] || fail "an unknown host exits 3"
"$moesim" platform generate star -o /nonexistent/x.xml 2>/dev/null
[ $? = 4 ] || fail "an unwritable file exits 4"
for words in "" generate check show "generate rail" "generate dragonfly-plus"; do
    # shellcheck disable=SC2086
    "$moesim" platform $words --help | head -1 | grep -q Examples || fail "platform $words --help starts with an example"
done

# An oversubscription of 2 is 2, leaves being even; where they are not it is said, and so is what a dragonfly has instead.
for t in rail fat-tree; do
    "$moesim" platform generate $t --nodes 64 --nic-bandwidth 100GBps --oversubscription 2 -o even.xml 2>"$tmp/err" || fail "$t"
    [ -s "$tmp/err" ] && fail "$t: $(cat "$tmp/err")"
    "$moesim" platform show even.xml | grep -q ' 50 GB/s a GPU' || fail "$t: an oversubscription of 2 is not 2"
done
"$moesim" platform generate fat-tree --nodes 61 -o odd.xml 2>&1 | grep -q "leaves are not even (8 to 32 GPUs)" || fail "uneven leaves are not said"
"$moesim" platform generate dragonfly --oversubscription 2 2>&1 | grep -q -- "with --local-cables and --global-cables" || fail "dragonfly's knobs"

# Shared NICs and a wrong affinity, on every topology: GPUs of a node still meet over NVLink, others over the NIC they have.
for t in star rail rail-only "rail --cross-rail nvlink" fat-tree dragonfly dragonfly-plus torus multi-plane hyperx "fat-tree --multipath dmodk"; do
    # shellcheck disable=SC2086
    for nics in "--nics-per-node 4 nic_[0-3]_UP" "--nic-of 0,0,0,0,0,0,0,0 nic_0_UP"; do
        "$moesim" platform generate $t --nodes 4 ${nics% *} -o nics.xml 2>"$tmp/err" || fail "$t $nics: $(cat "$tmp/err")"
        "$moesim" platform check --quiet nics.xml 2>"$tmp/err" || fail "$t $nics: $(cat "$tmp/err")"
        "$moesim" platform show nics.xml --route gpu7 gpu0 | grep -q nvl_7_UP || fail "$t $nics: a node's GPUs do not meet over NVLink"
        "$moesim" platform show nics.xml --route gpu7 gpu31 | grep -q "${nics##* }" || fail "$t $nics: another NIC"
    done
done
"$moesim" platform generate star --nic-of 0,1 >/dev/null 2>"$tmp/err"
[ $? = 3 ] || fail "a short --nic-of exits 3"

# Everything drawn is inside the picture.
for words in "rail --nodes 48" "rail --nodes 12 --nodes-per-leaf 5"; do
    # shellcheck disable=SC2086
    "$moesim" platform generate $words -o wide.xml 2>/dev/null
    "$moesim" platform show wide.xml --svg - | awk -v words="$words" '
        /viewBox/ { split($0, v, "\""); for (i in v) if (v[i] ~ /^0 0 /) { split(v[i], b, " "); width = b[3] } }
        /<rect x=/ { match($0, /<rect x="[-0-9.]+"/); x = substr($0, RSTART + 9, RLENGTH - 10); match($0, /width="[0-9.]+"/)
            w = substr($0, RSTART + 7, RLENGTH - 8); if (x < 0 || x + w > width) { print words ": " x " + " w " > " width; bad = 1 } }
        END { exit bad }' || fail "a switch outside the picture"
done

# A pair without a route matters only where two ranks need it, and cluster.hosts says which hosts are ranks.
printf '0,1\n1,0\n' >m.csv
scenario() { printf 'name: s\nrepeats: 1\ntwin: false\nplatform: %s\ncluster: {gpus_per_node: 1, hosts: %s}\nrouting: {source: matrix, matrix: m.csv}\n' "$source/tests/data/platforms/foreign/$1.xml" "$2" >s.yaml; }
scenario route-missing '["a", "[b]"]'
"$moesim" run s.yaml -o joined --progress=never >/dev/null 2>"$tmp/err" || fail "two joined hosts: $(cat "$tmp/err")"
scenario route-missing '"[ac]"'
"$moesim" check s.yaml 2>"$tmp/err"
[ $? = 3 ] || fail "ranks without a route exit 3"
grep -q "no route from 'a' (rank 0) to 'c' (rank 1)" "$tmp/err" || fail "ranks without a route: $(cat "$tmp/err")"
scenario route-missing '"gpu*"'
"$moesim" check s.yaml 2>"$tmp/err"
grep -q "cluster.hosts: 'gpu\*' matches none of the 3 hosts" "$tmp/err" || fail "hosts that match nothing: $(cat "$tmp/err")"
scenario plain-numbers '"*"' # bytes a second and seconds, as SimGrid reads them: 11618875 bytes take a second and 147 us
printf '0,11618875\n0,0\n' >m.csv
"$moesim" run s.yaml --set hardware=none --format csv -o plain --progress=never >"$tmp/out" 2>"$tmp/err" || fail "plain numbers: $(cat "$tmp/err")"
grep -qE "1000147|1000146.99" "$tmp/out" || fail "plain numbers: $(cat "$tmp/out")"
"$moesim" platform check "$source/tests/data/platforms/foreign/plain-numbers.xml" 2>&1 | grep -q "plain-numbers.xml:7: warning: .*2 bandwidths or latencies without a unit" ||
    fail "plain numbers are read without a word"
printf '0,1\n1,0\n' >m.csv
scenario config '"h*"' # a copy without plugin=help is loaded, and freed once
"$moesim" run s.yaml -o copied --progress=never >/dev/null 2>"$tmp/err" || fail "a cleaned copy: $(cat "$tmp/err")"
# Links next to a host that others' routes use: a shared wire, not transit, in a file that knows no nodes.
"$moesim" platform check "$source/tests/data/platforms/foreign/shared-links.xml" 2>&1 | grep -q "third host" && fail "a shared link is called transit"

# GPUs that share a NIC: checked, and drawn with an edge each.
"$moesim" platform generate star --nodes 2 --gpus-per-node 4 --nics-per-node 2 -o "$tmp/shared.xml" || fail "shared NICs"
"$moesim" platform show "$tmp/shared.xml" --svg - | grep -q '</svg>' || fail "shared NICs are not drawn"
exit $failed
