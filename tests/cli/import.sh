#!/usr/bin/env bash
# `platform import`: the facts of small files of every format, refusals with their words, and fabrics that come back as they went:
# generated, printed as ibnetdiscover, imported, with the same bisection, routes and simulated exchange.
# Usage: import.sh MOESIM SOURCE
set -u
moesim=$(realpath "$1") data=$2/tests/data/import failed=0
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
fail() { echo "FAIL: $*"; failed=1; }
cd "$data" || exit 1

# says 'FILE…' 'what the report must hold' …; the result must pass its check and be drawn
says() {
    local words=$1
    shift
    # shellcheck disable=SC2086
    "$moesim" platform import $words -o "$tmp/p.xml" 2>"$tmp/err" || fail "import $words: $(cat "$tmp/err")"
    for fact; do grep -qF -- "$fact" "$tmp/err" || fail "import $words does not say: $fact"; done
    "$moesim" platform check "$tmp/p.xml" >"$tmp/out" 2>&1 || fail "$words: $(cat "$tmp/out")"
    "$moesim" platform show "$tmp/p.xml" --svg - | grep -q '</svg>' || fail "$words is not drawn"
}
holds() { grep -qF -- "$1" "$tmp/p.xml" || fail "the platform does not hold: $1"; }

says small.ib "3 switches, 8 CA records, 1 aggregation nodes, 7 NICs, 1 NICs without a host name, 3 hosts named" \
    "cables: 12 (7 to NICs, 4 between switches, 1 to aggregation nodes" "rate 4xNDR: 11 cables" "switches a level 1:2 2:1" \
    "1 cables whose ends print different rates" "1 ports of a switch are cabled to itself" "rails: 2 (mlx5_0 mlx5_1)" \
    "1 GPU a NIC" "parallel cables a switch pair (cables:pairs): 2:2"
holds '<host id="node2-gpu1"' # HCA-2 is mlx5_1
holds '<prop id="rail" value="1"/>'
holds '<link id="leaf_0" bandwidth="75GBps" latency="0.45us" sharing_policy="SPLITDUPLEX"><prop id="cables" value="2"/>'
says "small.ib node.xml" "joined: 3 nodes as in node.xml (1 by GUID, 2 by NIC name), 6 GPUs" \
    "gpu1 0000:02:00.0: PCIe 32.0 GT/s PCIe x16; 18 NVLinks; nearest NICs mlx5_0 (PIX, 1 bridges); matched mlx5_1" \
    "next to no GPU, so taken for storage or management: eth0" "up to 450 GB/s a GPU one way"
holds 'id="nvl_0" bandwidth="450GBps"'
says small.ports "rate 4x EDR: 2 cables" "4 records, 1 switches, 2 NICs, 2 hosts named" "1 ports down" "NIC rates, Gb/s:NICs: 100:2"
says small.simai "header 8 2 2 2 12 H100; 4 GPUs, 2 a server, 2 servers" "planes: 2" "1 blank lines" "400 Gb/s a GPU"
holds '<prop id="planes" value="2"/>'
says "tree.conf --link-rate 400Gbps --gpus-per-node 2 --oversubscription 2" "3 switches, 2 leaves, 1 roots, 2 levels (1:2 2:1), 6 nodes"
says "topologies.yaml --topology blocks --link-rate 400Gbps --gpus-per-node 4 --block-is nvlink --nvlink 900GBps" \
    "tree:tree blocks:block nothing:flat" "topology/block: 2 blocks, 3 nodes, 1 to 2 a block, block sizes 2" \
    "NVLink of a GPU: 900 GB/s each way, GPUs of a block together"
says "node.xml" "the node stands alone"
printf '%s\n' 'Switch 4 "S-1" # "a"' '[1] "H-1"[1] # "MT23108 InfiniHost" 4xSDR' '[2] "H-2"[1] # "MT23108 InfiniHost" 4xSDR' '[3] "S-2"[1] # "b" 4xSDR' \
    'Switch 4 "S-2" # "b"' '[1] "S-1"[3] # "a" 1xSDR' '[2] "H-3"[1] # "MT23108 InfiniHost" 4xSDR' 'Ca 1 "H-1" # "MT23108 InfiniHost"' '[1] "S-1"[1] # "a" 4xSDR' \
    'Ca 1 "H-2" # "MT23108 InfiniHost"' '[1] "S-1"[2] # "a" 4xSDR' 'Ca 1 "H-3" # "MT23108 InfiniHost"' '[1] "S-2"[2] # "b" 4xSDR' >"$tmp/nameless.ib"
says "$tmp/nameless.ib" "no NIC names a host, so each is a host of its own: 3 hosts" "switch levels: 1 (switches a level 1:2)" "leaf down/up cables x leaves: 1/0x1 2/0x1" \
    "the ends of the cable" "cables between leaves: NICs have 6 times their rate"
# GPUs linked with each other: a link a pair, as many as there are; AMD's links have a rate of their own
mesh() { # mesh 'ATTRIBUTES of gpu' ELEMENT 'a:b:count …': four GPUs, two to a CPU and NIC
    printf '<system version="1">'
    for c in 0 1; do
        printf '<cpu numaid="%s" arch="x86_64">' $c
        for g in $((2 * c)) $((2 * c + 1)); do
            printf '<pci busid="0000:1%s:00.0" class="0x030200"><gpu dev="%s" rank="%s" %s>' $g $g $g "$1"
            for l in $3; do
                IFS=: read -r a b n <<<"$l"
                [ "$a" = $g ] && printf '<%s target="0000:1%s:00.0" count="%s" tclass="0x030200"/>' "$2" "$b" "$n"
            done
            printf '</gpu></pci>'
        done
        printf '<pci busid="0000:8%s:00.0" class="0x020700"><nic><net name="mlx5_%s" dev="%s" speed="200000" port="1" guid="0x%sf"/></nic></pci></cpu>' $c $c $c $((c + 1))
    done
    echo '</system>'
}
bisection() { grep -q "bisection $1 GB/s a GPU" "$tmp/out" || fail "$2: not $1 GB/s a GPU: $(cat "$tmp/out")"; }
mesh 'sm="80"' nvlink '0:1:12 1:0:12 2:3:12 3:2:12' >"$tmp/bridges.xml"
says "$tmp/bridges.xml" "GPUs linked with each other, without a switch: 2 of 6 pairs; the others go over the network"
holds '<link id="peer_0_1" bandwidth="300GBps"'
bisection 12.5 "two bridges"
"$moesim" platform show "$tmp/p.xml" --route node0-gpu0 node0-gpu3 | grep -q nic_0_UP || fail "unlinked GPUs do not take the network"
mesh 'sm="94" gcn="gfx942"' xgmi '0:1:1 0:2:1 0:3:1 1:2:1 1:3:1 2:3:1' >"$tmp/xgmi.xml" # listed at one end
says "$tmp/xgmi.xml" "6 of 6 pairs" "an xGMI link carries 64 GB/s one way"
bisection 140.5 "four GPUs of xGMI" # 4 x 64 and 25 of a NIC, over 2 GPUs
# names by GUID, insides by pattern, and a scheduler's names beside cables
says guids.ib "6 NICs, 2 NICs without a host name, 2 hosts named" "2 NICs name no host (default descriptions): left out; --hosts FILE"
holds '<host id="n3-gpu1"' # a name without a device: nic0, nic1
holds '<prop id="nic" value="mlx5_1"/>' # n2.cluster HCA-2 (Mellanox HCA)
says "guids.ib --hosts hosts.map" "hosts.map: 2 NICs and 1 switches named by GUID" "1 GUIDs of hosts.map are not in the fabric, the first ffff000000000001" \
    "6 GPUs in 3 nodes"
says "guids.ib dual.xml --exclude n3" "2 NICs without a host's name have the GUIDs of dual.xml: host 'dual'" "(1 by GUID, 1 by NIC name), 4 GPUs" \
    "NIC rates, Gb/s:NICs: 400:6"
says "guids.ib --hosts hosts.map n[12]*=dual.xml n3=one.xml" "joined: 3 nodes as in 2 descriptions of a node" "one.xml stands for the nodes 'n3'"
says "guids.ib --hosts hosts.map n1=dual.xml joined.conf --partial" "1 hosts of the fabric are not in joined.conf: left out" \
    "no file stands for the inside of 1 nodes, the first 'n2.cluster'" \
    "hosts as in joined.conf: 2, on 1 leaves; on 1 of these all hosts share a switch"
says "guids.ib --hosts hosts.map n[12]*=dual.xml n3=one.xml blocks.conf --block-is nvlink" "a block of blocks.conf is an NVLink domain" "NVLink: 2 domains, up to 450 GB/s"
says "joined.conf dual.xml" "every NIC of a node is on the node's leaf" "NIC rates, Gb/s:NICs: 400:4" "NVLink: 2 domains, up to 450 GB/s"
says "fused.xml" "fused.xml: 2 hosts (host_hash), a node each" "4 GPUs in 2 nodes" "NVLink: 1 domains" "1 of 2 GPUs have no NVLink"

# refused 'FILE…' 'what the error must hold': exit 3
refused() {
    # shellcheck disable=SC2086
    "$moesim" platform import $1 -o "$tmp/no.xml" 2>"$tmp/err"
    code=$?
    [ $code = 3 ] || fail "import $1: exit $code, not 3"
    grep -qF -- "$2" "$tmp/err" || fail "import $1 does not say '$2' but: $(cat "$tmp/err")"
    [ -e "$tmp/no.xml" ] && fail "import $1 writes all the same"
}
bad() { printf '%b' "$1" >"$tmp/bad"; refused "$tmp/bad" "$2"; }
refused tree.conf "give --link-rate"
refused "tree.conf --link-rate 1Gbps --gpus-per-node 8" "give --oversubscription"
refused "guids.ib dual.xml" "4 NICs are not in the fabric, the first mlx5_0 of 'n3'"
refused "guids.ib n[12]*=dual.xml" "no file stands for the inside of 1 nodes, the first 'n3'"
refused "guids.ib joined.conf" "1 nodes are not in the fabric, the first 'n1'"
refused "n1=guids.ib" "only NCCL's topology of a node can have a pattern"
refused "small.simai --hosts hosts.map" "--hosts names InfiniBand's GUIDs"
refused "guids.ib --hosts tree.conf" "tree.conf:2: error: a line must be a GUID and a name"
refused "joined.conf tree.conf --link-rate 1Gbps --gpus-per-node 1 --oversubscription 1" "a second file of Slurm's"
refused topologies.yaml "several topologies: choose one with --topology"
refused "small.ib small.simai" "a second file with a fabric"
bad 'Switch 4 "S-1"\n[1] "S-2"[1] # "b" lid 1 4xWDR\n' "bad:2: error: '4xWDR' is not a rate I know"
bad 'Switch 4 "S-1"\nsrc/query.c: Connection timed out\n' "bad:2: error: 'src/query.c: Connection timed out' is no line"
bad 'Switch 4 "S-1"\n[1] "S-2\n' "bad:2: error: port [1] must name its peer"
bad 'Switch 4 "A"\ninclude other.net\n' "reaches out of the file"
bad 'Switch 4 "A"\n[1] "B"[1]\nHca 1 "B"\n[1] "A"[1]\nHca 1 "C"\n[1] "A"[2]\n' "give --link-rate"
bad '<graphs version="1"></graphs>' "rings and trees that NCCL chose"
bad '<system version="1"><cpu numaid="0"><pci busid="x"/></cpu></system>' "has no class and holds no gpu or net"
bad '<!DOCTYPE x><system version="1"></system>' "a DTD or an entity"
bad '<system version="1">' "not well-formed XML"
bad 'SwitchName=a Switches=b\nSwitchName=b Switches=a\n' "a cycle"
bad 'SwitchName=a Nodes=n1\nSwitchName=b Nodes=n1\n' "bad:2: error: node 'n1' is on 'a' and on 'b'"
bad 'SwitchName=a Nodes=n[1-\n' "a bracket is never closed"
bad 'SwitchName=a Nodes=n[3-1]\n' "ranges must look like [01-03,7]"
bad '3 1 2\n2\n0 2 100Gbps 1us 0\n' "the body has 1 links, but the header says 2"
bad '3 1 1\n2\n0 9 100Gbps 1us 0\n' "there are nodes 0 to 2"
bad 'Nodes 64\nTiers 2\nPodsize 64\n' "htsim"
bad '      GPU0  GPU1\nGPU0   X    NV12\n' "nvidia-smi topo -m"
bad '<topology version="3.0"/>' "hwloc"
bad '[{"links": [{"compounded_links": []}]}]' "NetQ"
bad 'infrastructure:\n  devices: []\n' "InfraGraph"
bad 'SwitchName=a Nodes=n1\ninclude other.conf\n' "reaches out of the file"
bad 'Ca\t: 0x2c900 ports 1 devid 0x1 vendid 0x2c9 "n1 HCA-1"\n' "which has no cables"
bad 'Switch 4 "S-1"\n[1] "S-2"[1] # "b" lid 1 4x???\n' "'4x???' is not a rate I know"
bad 'hello\n' "no description that I know"

# Same input, same bytes, whatever the order of records.
awk 'BEGIN{RS="caguid"} NR==1{head=$0; next} {r[NR]="caguid" $0} END{printf "%s", head; for(i=NR;i>1;i--) printf "%s", r[i]}' small.ib >"$tmp/small.ib"
"$moesim" platform import small.ib -q -o "$tmp/a.xml" && "$moesim" platform import "$tmp/small.ib" -q -o "$tmp/b.xml"
cmp "$tmp/a.xml" "$tmp/b.xml" || fail "the order of records matters"

cd "$tmp" || exit 1
round() { # words ranks
    # shellcheck disable=SC2086
    "$moesim" platform generate $1 --nic-bandwidth 50GBps -o generated.xml || fail "$1"
    "$moesim" platform show generated.xml --emit ibnetdiscover >fabric.ib || fail "$1: emit"
    "$moesim" platform import fabric.ib --nvlink 320GBps -q -o imported.xml || fail "$1: import"
    for p in generated imported; do
        "$moesim" platform check $p.xml | sed "s/$p//" >$p.check || fail "$1: check $p"
        printf 'name: s\nrepeats: 2\ntwin: false\nplatform: %s.xml\nworkload: {ranks: %d}\nrouting: {source: matrix, matrix: m.csv}\nhardware: none\nnetwork: {quantum: 0}\n' \
            $p "$2" >$p.yaml
        awk -v n="$2" 'BEGIN{for(a=0;a<n;a++){for(b=0;b<n;b++)printf "%s%d",b?",":"",a==b?0:10000+2500*((3*a+5*b)%7);print ""}}' >m.csv
        "$moesim" run $p.yaml -o $p.out --force --progress=never >/dev/null 2>$p.err || fail "$1: $(cat $p.err)"
        grep -o '"exchange":{[^}]*}' $p.out/results.jsonl >$p.exchange
    done
    cmp generated.check imported.check || fail "$1: the checks differ"
    cmp generated.exchange imported.exchange || fail "$1: $(cat generated.exchange imported.exchange)"
    [ "$(grep -c 'id="switches" value="'"$(sed -n 's/.*id="switches" value="\([0-9]*\)".*/\1/p' generated.xml)" imported.xml)" = 1 ] ||
        fail "$1: another number of switches"
}
round "fat-tree --nodes 8 --gpus-per-node 4 --oversubscription 2" 32
round "rail --nodes 6 --gpus-per-node 4 --nodes-per-leaf 3" 24
round "dragonfly-plus --nodes 8 --gpus-per-node 4" 32
exit $failed
