/// The two scripts of a submission. All that differs from one submission to another comes in as arguments, so nothing that
/// a user wrote is ever read by a shell.
enum SlurmScripts {
    /// One element of the array job: one shard.
    static let shard = #"""
        #!/bin/bash
        # One shard of a list of jobs, as one element of an array job.
        # Arguments: the program, the list, the folder, the list's content hash, the number of shards, further options.
        set -u
        program=$1 list=$2 folder=$3 hash=$4 shards=$5
        shift 5
        worker= stopped=
        # Slurm tells this shell alone (--signal=B:TERM); the worker saves what it has and ends with 75.
        trap 'stopped=1; [ -n "$worker" ] && kill -TERM "$worker" 2>/dev/null' TERM
        "$program" batch "$list" --output "$folder" --expect "$hash" --shard "$SLURM_ARRAY_TASK_ID/$shards" --keep-going "$@" &
        worker=$!
        [ -n "$stopped" ] && kill -TERM "$worker" 2>/dev/null
        wait "$worker"
        code=$?
        # A signal ends the wait, not the worker.
        while [ "$code" -gt 128 ] && [ -n "$stopped" ]; do
            stopped=
            wait "$worker"
            code=$?
        done
        if [ "$code" -eq 75 ] && [ "${SLURM_RESTART_COUNT:-0}" -lt 100 ]; then
            scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
        fi
        exit "$code"

        """#

    /// The reducer, which runs after all elements, however they ended.
    static let merge = #"""
        #!/bin/bash
        # Joins the journals of all shards and reports.
        # Arguments: the program, the list, the folder, the list's content hash, further options.
        set -u
        program=$1 list=$2 folder=$3 hash=$4
        shift 4
        exec "$program" batch "$list" --output "$folder" --expect "$hash" --merge "$@"

        """#
}
