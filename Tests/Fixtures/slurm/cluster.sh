#!/bin/bash
# A Slurm cluster of one host for tests, without systemd, MySQL or cgroups.
#
#   cluster.sh FOLDER
#
# Starts munged, slurmctld and slurmd with all of their files in FOLDER, an empty one, and prints `ready`. Then it waits for
# its standard input to end, cancels what jobs there are, and ends the three by the numbers that they wrote. So they go with
# whoever started them, killed or not; after five minutes they go in any case. Nothing is ever removed.
set -uo pipefail

refuse() {
    echo "cluster.sh: $1" >&2
    exit 2
}

home=${1:-}
case $home in
/*) ;;
*) refuse "expected the full path of an empty folder, found '$home'" ;;
esac
[ -d "$home" ] && [ -z "$(ls -A "$home")" ] || refuse "expected an empty folder, found $home"
# The path of a socket has room for 107 bytes.
[ ${#home} -le 80 ] || refuse "expected a path of at most 80 bytes, found ${#home} in $home"

port() { # a free port from $1 on
    local port=$1
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    echo "$port"
}

configure() {
    local host control node hardware memory
    mkdir "$home/state" "$home/spool" "$home/log" "$home/run" "$home/munge"
    chmod 755 "$home"
    chmod 700 "$home/munge"
    head -c 1024 /dev/urandom >"$home/munge/key"
    chmod 400 "$home/munge/key"
    host=$(hostname -s)
    # Clusters of two test runs at once begin to look in different places.
    control=$(port $((10000 + $$ % 20000)))
    node=$(port $((control + 1)))
    # `NodeName=... CPUs=2 ... RealMemory=... UpTime=...`
    hardware=$(slurmd -C 2>/dev/null | grep -oE '(CPUs|SocketsPerBoard|CoresPerSocket|ThreadsPerCore)=[0-9]+' | tr '\n' ' ')
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
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/filetxt
JobCompLoc=$home/log/completed.txt
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,bf_interval=1
ReturnToService=2
MpiDefault=none
KillWait=2
MinJobAge=300
NodeName=$host NodeAddr=127.0.0.1 $hardware RealMemory=$memory State=UNKNOWN
PartitionName=local Nodes=$host Default=YES MaxTime=INFINITE State=UP
CONF
}

# The number of a daemon that is alive, or nothing. The number is its own only while it has the daemon's name and our folder
# in its arguments: another process may have it by now.
daemon() {
    local number
    number=$(cat "$home/run/$1.pid" 2>/dev/null) || return 0
    [ "$(cat "/proc/$number/comm" 2>/dev/null)" = "$1" ] || return 0
    tr '\0' '\n' <"/proc/$number/cmdline" 2>/dev/null | grep -qF "$home" && echo "$number"
}

# Waits up to $1 tenths of a second until a command says nothing more.
until_quiet() {
    local tenths=$1
    shift
    while [ -n "$("$@" 2>/dev/null)" ]; do
        [ $((tenths -= 1)) -gt 0 ] || return 1
        sleep 0.1
    done
}

stop() {
    local name number
    trap '' INT TERM HUP
    kill "${reader:-}" 2>/dev/null
    if [ -n "$(daemon slurmctld)" ]; then
        timeout 5 scancel --user="$(id -un)" >&2
        until_quiet 150 timeout 5 squeue --noheader >&2
    fi
    for name in slurmd slurmctld munged; do
        number=$(daemon "$name")
        [ -n "$number" ] || continue
        kill "$number"
        until_quiet 100 daemon "$name" || kill -KILL "$number"
    done
}

# Daemons hold neither the pipe of the one who waits for `ready` nor the one whose end ends us.
start() {
    munged --key-file="$home/munge/key" --socket="$home/run/munge.socket" --pid-file="$home/run/munged.pid" \
        --log-file="$home/log/munged.log" --seed-file="$home/munge/seed" &&
        slurmctld -f "$SLURM_CONF" -i && slurmd -f "$SLURM_CONF"
}

cd "$home"
configure
export SLURM_CONF=$home/slurm.conf
# Whatever happens on the way, no daemon stays.
trap stop EXIT
trap 'exit 1' INT TERM HUP
state='no daemons'
if start </dev/null >"$home/log/start.log" 2>&1; then
    until [ "$state" = idle ] || [ $SECONDS -gt 20 ]; do
        sleep 0.25
        state=$(timeout 5 sinfo --noheader --format=%t 2>/dev/null)
    done
fi
if [ "$state" != idle ]; then
    echo "cluster.sh: expected an idle node within 20 seconds, found ${state:-none}" >&2
    tail -n 5 "$home"/log/*.log >&2
    exit 1
fi
echo ready
# In the background, for a signal is heard while bash waits, not while a command is in front.
timeout 300 cat <&0 >"$home/log/input" &
reader=$!
wait "$reader"
