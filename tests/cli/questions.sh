#!/usr/bin/env bash
# The shipped questions are good scenarios, and the one about a user's own fabric is answered from its three files by the commands that
# stand in it (made small).
# Usage: questions.sh MOESIM SOURCE
set -u
moesim=$(realpath "$1") questions=$(realpath "$2")/scenarios/questions failed=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "FAIL: $*"; failed=1; }

cp -r "$questions"/. "$tmp" && cd "$tmp" || exit 1
ln -s "$questions/../../platforms" platforms
sed -i 's|\.\./\.\./platforms|platforms|' ./*.yaml
# The commands of our-fabric.yaml, as they stand there.
import=$(sed -n 's/^#   moesim \(platform import .*\)/\1/p' our-fabric.yaml)
[ -n "$import" ] || fail "our-fabric.yaml has no import"
# shellcheck disable=SC2086
"$moesim" $import 2>report || fail "$(cat report)"
grep -q "oversubscription of level 1: 2" report || fail "import says $(cat report)"
for f in *.yaml; do
    "$moesim" check "$f" >out 2>err || fail "$f: $(cat err)"
    [ -s err ] && fail "$f warns: $(cat err)"
    grep -qE '[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+#[0-9]+' "$f" || [ "$f" = our-fabric.yaml ] || fail "$f names no issue"
done
"$moesim" run our-fabric.yaml --set repeats=10 --set workload.layers=1 -o our --progress=never >/dev/null 2>err || fail "$(cat err)"
"$moesim" compare our >out || fail "compare"
grep -q '^layer.p50_us against plan contiguous + 0' out || fail "not by the zip: $(cat out)"
grep -q '^eplb + 32 .*faster' out || fail "32 spare experts are not worth it: $(cat out)"
exit $failed
