#!/bin/sh
# A Slurm of one node on this machine, for tests: daemons, keys, sockets and ports of its own,
# beside any other. Needs root and Debian's packages slurm-wlm and munge.
#
# scripts/slurm-local.sh start DIR then, with SLURM_CONF=DIR/slurm.conf: sbatch, squeue, scancel,
# ... scripts/slurm-local.sh stop DIR ends its jobs and its daemons
#
# DIR should be short (sockets lie in it) and writable for root alone.
set -eu
dir=$(mkdir -p "$2" && cd "$2" && pwd -P)
conf=$dir/slurm.conf

start() {
    mkdir -p "$dir/state" "$dir/spool" "$dir/log"
    chmod 755 "$dir"
    host=$(hostname -s 2>/dev/null || hostname)
    # Free ones: another Slurm may be there.
    ports=$(python3 -c '
import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets:
    s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))')
    (umask 077 && head -c 1024 /dev/urandom >"$dir/munge.key")
    munged --force --key-file="$dir/munge.key" --socket="$dir/munge.sock" --pid-file="$dir/munged.pid" \
        --log-file="$dir/log/munged.log" --seed-file="$dir/munge.seed" --num-threads=1
    # A requeued job waits until the credential of its first run has expired: 120 s, if nothing else
    # is said. MaxArraySize is small to show that larger arrays are split.
    cat >"$conf" <<CONF
ClusterName=local
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=${ports% *}
SlurmdPort=${ports#* }
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$dir/munge.sock,cred_expire=5
CredType=cred/munge
StateSaveLocation=$dir/state
SlurmdSpoolDir=$dir/spool
SlurmctldPidFile=$dir/slurmctld.pid
SlurmdPidFile=$dir/slurmd.pid
SlurmctldLogFile=$dir/log/slurmctld.log
SlurmdLogFile=$dir/log/slurmd.log
MaxArraySize=6
KillWait=5
MinJobAge=300
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2
ReturnToService=2
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
    export SLURM_CONF="$conf"
    slurmctld
    slurmd
    for _ in $(seq 60); do
        if sinfo --noheader --format=%T 2>/dev/null | grep -q idle; then
            return
        fi
        sleep 0.5
    done
    echo "no idle node after 30 s; the logs of the daemons are in $dir/log" >&2
    tail -n 5 "$dir"/log/*.log >&2
    exit 1
}

# Ends a daemon by its pid file and waits for it.
end() {
    pid=$(cat "$dir/$1.pid" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || return 0
    for _ in $(seq 100); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
}

stop() {
    export SLURM_CONF="$conf"
    jobs=$(timeout 10 squeue --noheader --format=%A 2>/dev/null | sort -u)
    if [ -n "$jobs" ]; then
        # shellcheck disable=SC2086
        timeout 10 scancel $jobs || true
        for _ in $(seq 60); do
            [ -n "$(timeout 10 squeue --noheader 2>/dev/null)" ] || break
            sleep 0.5
        done
    fi
    end slurmd
    end slurmctld
    end munged
}

"$1"
