#!/bin/bash
# A Slurm cluster of one host for tests, without systemd, MySQL or cgroups.
#
#   cluster.sh start        makes a folder, starts munged, slurmctld and slurmd from it, and prints its name
#   cluster.sh stop FOLDER  ends the three by the numbers that they wrote there; the folder stays for whoever looks at it
#
# Everything lies in the one folder that mktemp made. Nothing is ever removed.
set -euo pipefail

port() { # a free port from $1 on
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

start() {
    local host control node memory
    home=$(mktemp -d "${TMPDIR:-/tmp}/atelier-slurm.XXXXXXXX")
    # Whatever fails on the way, no daemon stays.
    trap 'stop "$home"' EXIT
    chmod 755 "$home"
    mkdir "$home/state" "$home/spool" "$home/log" "$home/run" "$home/munge"
    chmod 700 "$home/munge"
    head -c 1024 /dev/urandom >"$home/munge/key"
    chmod 400 "$home/munge/key"
    host=$(hostname -s)
    control=$(port 16817)
    node=$(port $((control + 1)))
    memory=$(($(awk '/^MemTotal/ { print $2 }' /proc/meminfo) / 1024 * 8 / 10))
    cat >"$home/slurm.conf" <<CONF
ClusterName=atelier
SlurmctldHost=$host(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket=$home/run/munge.socket
CredType=cred/munge
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
SlurmctldPort=$control
SlurmdPort=$node
SlurmctldPidFile=$home/run/slurmctld.pid
SlurmdPidFile=$home/run/slurmd.pid
SlurmctldLogFile=$home/log/slurmctld.log
SlurmdLogFile=$home/log/slurmd.log
StateSaveLocation=$home/state
SlurmdSpoolDir=$home/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$home/log/completed.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=sched_interval=2,bf_interval=5
ReturnToService=2
MpiDefault=none
KillWait=5
MinJobAge=300
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 SocketsPerBoard=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=$memory State=UNKNOWN
PartitionName=local Nodes=$host Default=YES MaxTime=INFINITE State=UP DefMemPerCPU=$((memory / 4))
CONF
    export SLURM_CONF=$home/slurm.conf
    munged --key-file="$home/munge/key" --socket="$home/run/munge.socket" --pid-file="$home/run/munged.pid" \
        --log-file="$home/log/munged.log" --seed-file="$home/munge/seed" >&2
    slurmctld -f "$SLURM_CONF" -i >&2
    slurmd -f "$SLURM_CONF" >&2
    for _ in $(seq 60); do
        if [ "$(sinfo --noheader --format=%t 2>/dev/null)" = idle ]; then
            trap - EXIT
            echo "$home"
            return
        fi
        sleep 0.5
    done
    echo "cluster.sh: expected an idle node within 30 seconds, found none; see $home/log" >&2
    return 1
}

stop() {
    local folder=$1 name number
    case $folder in
    /*/atelier-slurm.????????) ;;
    *)
        echo "cluster.sh: expected the folder that start printed, found '$folder'" >&2
        return 2
        ;;
    esac
    for name in slurmd slurmctld munged; do
        number=$(cat "$folder/run/$name.pid" 2>/dev/null || true)
        # Only the daemon that wrote the number: another process may have it by now.
        if [ -n "$number" ] && [ "$(cat "/proc/$number/comm" 2>/dev/null)" = "$name" ] &&
            tr '\0' '\n' <"/proc/$number/cmdline" | grep -qF "$folder"; then
            kill "$number" || true
        fi
    done
}

case ${1:-} in
start) start ;;
stop) stop "${2:?the folder that start printed}" ;;
*)
    echo "usage: cluster.sh start | stop FOLDER" >&2
    exit 2
    ;;
esac
