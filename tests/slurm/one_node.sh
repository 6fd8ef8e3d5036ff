#!/bin/bash
# experiments/slurm on a Slurm of one node, started here and stopped at the end: four shards, of
# which one fails at its first try; the result must be that of a run without shards.
set -euo pipefail
cd "$(dirname "$0")/../.."
sparoa=$(realpath "${1:-build/release/sparoa}")
for p in munged slurmctld slurmd sbatch sqlite3; do
    if ! command -v $p >/dev/null; then
        echo "test-slurm: skipped, there is no $p (packages: slurmctld slurmd slurm-client munge sqlite3)"
        exit 0
    fi
done
if [ "$(id -u)" -ne 0 ]; then echo "test-slurm: skipped, starting Slurm needs root"; exit 0; fi

work=$(mktemp -d) pids=()
chmod 755 "$work"
cleanup() {
    for p in "${pids[@]}"; do kill "$p" 2>/dev/null || true; done
    for p in "${pids[@]}"; do wait "$p" 2>/dev/null || true; done
    rm -rf "$work"
}
trap cleanup EXIT

# ---- munge and Slurm, apart from what the machine may run
install -d -o munge -g munge -m 700 "$work/munge"
install -d -o munge -g munge -m 755 "$work/munge-run"
dd if=/dev/urandom of="$work/munge/key" bs=128 count=1 status=none
chown munge:munge "$work/munge/key"
chmod 400 "$work/munge/key"
setpriv --reuid=munge --regid=munge --clear-groups munged -F --key-file="$work/munge/key" \
    --socket="$work/munge-run/socket" --log-file="$work/munge/log" --pid-file="$work/munge/pid" \
    --seed-file="$work/munge/seed" >/dev/null 2>&1 &
pids+=($!)
for _ in $(seq 50); do [ -S "$work/munge-run/socket" ] && break; sleep 0.1; done

port=$((20000 + RANDOM % 10000))
mkdir -p "$work/state" "$work/spool"
cat >"$work/slurm.conf" <<CONF
ClusterName=test
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$work/munge-run/socket
CryptoType=crypto/munge
SlurmUser=root
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/ctld.pid
SlurmdPidFile=$work/d.pid
SlurmctldLogFile=$work/ctld.log
SlurmdLogFile=$work/d.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
ReturnToService=2
SchedulerParameters=sched_interval=1,bf_interval=1
MpiDefault=none
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$work/slurm.conf
slurmctld -D -f "$SLURM_CONF" >/dev/null 2>&1 &
pids+=($!)
slurmd -D -f "$SLURM_CONF" >/dev/null 2>&1 &
pids+=($!)
up=
for _ in $(seq 100); do sinfo -h -o %t 2>/dev/null | grep -q idle && up=1 && break; sleep 0.3; done
if [ -z "$up" ]; then
    echo "test-slurm: Slurm did not come up:" >&2
    tail -5 "$work/ctld.log" "$work/d.log" >&2
    exit 1
fi

# ---- an experiment in four shards; the program fails once
cat >"$work/parted.exp" <<EXP
[experiment]
name = parted
[factors]
models = $PWD/tests/data/tiny.graph.csv
devices = $PWD/tests/data/tiny.device
policies = cpu-only, gpu-only, heft, dp
launch = 1, 2, 4
[precision]
half_width = 0
max = 20
reference = cpu-only
EXP
cat >"$work/sparoa" <<SH
#!/bin/bash
case "\$*" in
*--shard\ 2/4*) if [ ! -e $work/failed ]; then touch $work/failed; exit 1; fi;;
esac
exec "$sparoa" "\$@"
SH
chmod +x "$work/sparoa"
"$sparoa" run "$work/parted.exp" --db "$work/whole.db" --quiet >/dev/null
SPAROA=$work/sparoa experiments/slurm/submit.sh "$work/parted.exp" 4 "$work/out" >/dev/null
for _ in $(seq 300); do [ -e "$work/out/finished" ] && break; sleep 0.3; done
if [ ! -e "$work/out/finished" ]; then
    echo "test-slurm: not finished after 90 s:" >&2
    squeue >&2
    tail -n 3 "$work"/out/logs/* >&2
    exit 1
fi
content="SELECT w.row, r.policy, m.name, m.value, c.difference, c.p_t_holm FROM experiment_row w
    JOIN run r ON r.id = w.run_id JOIN metric m ON m.run_id = r.id AND m.repeatable
    LEFT JOIN comparison c ON c.run_id = r.id ORDER BY 1, 3"
sqlite3 "$work/whole.db" "$content" >"$work/want"
sqlite3 "$work/out/results.db" "$content" >"$work/got"
cmp "$work/want" "$work/got"
rows=$(sqlite3 "$work/out/results.db" "SELECT count(*) FROM experiment_row")
test -e "$work/failed" -a -e "$work/out/logs/shard-2.try-2.log" -a "$rows" = 12
echo "test-slurm: 4 shards, one of them tried twice, $rows rows: equal to the run without shards"
