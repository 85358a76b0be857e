import Foundation
import TestSupport
import Testing

/// `batch --engine slurm` beside a made-up `sbatch`, `squeue` and `scontrol` that stand in a folder on `PATH`.
@Suite(.serialized) struct SlurmCommandTests {
    private static let model = Fixtures.path("tiny-sd")

    /// Writes down its arguments, one a line, then does what Slurm would: every element of an array, one after the
    /// other, and then the merge.
    private static let sbatch = #"""
        #!/bin/bash
        here=$(dirname "$0")
        printf '%s\n' "$@" '' >>"$here/sbatch.log"
        elements=1
        while [ "${1#--}" != "$1" ]; do
            case $1 in --array=1-*) elements=${1#--array=1-}; elements=${elements%%%*} ;; esac
            shift
        done
        script=$1
        shift
        number=$(($(cat "$here/number" 2>/dev/null || echo 40) + 1))
        echo "$number" >"$here/number"
        if [ ! -e "$here/lazy" ]; then
            for element in $(seq "$elements"); do
                SLURM_ARRAY_JOB_ID=$number SLURM_ARRAY_TASK_ID=$element bash "$script" "$@" >>"$here/jobs.log" 2>&1
            done
        fi
        echo "$number;cluster"

        """#

    private func install(_ folder: URL) throws {
        for (name, text) in [
            ("sbatch", Self.sbatch),
            ("squeue", "#!/bin/bash\ncat \"$(dirname \"$0\")/queue\" 2>/dev/null || exit 1\n"),
            ("scontrol", "#!/bin/bash\necho \"$@\" >>\"$(dirname \"$0\")/scontrol.log\"\n"),
        ] {
            let path = folder.appending(path: name).path
            try Data(text.utf8).write(to: URL(filePath: path))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
        }
    }

    /// - Parameters:
    ///   - isAlone: whether nothing but the tools is on `PATH`.
    ///   - configuration: the file that tells Slurm's commands where their cluster is.
    private func process(
        _ executable: URL, _ arguments: [String], tools: URL?, isAlone: Bool = false, configuration: String? = nil
    ) -> Process {
        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        var environment = ProcessInfo.processInfo.environment
        if let tools {
            environment["PATH"] = isAlone ? tools.path : tools.path + ":" + (environment["PATH"] ?? "/usr/bin:/bin")
        }
        environment["SLURM_CONF"] = configuration
        process.environment = environment
        return process
    }

    private func run(
        _ arguments: [String], executable: URL = CommandLineTests.executable, tools: URL? = nil, isAlone: Bool = false,
        configuration: String? = nil
    ) throws -> CommandLineTests.Outcome {
        let process = process(executable, arguments, tools: tools, isAlone: isAlone, configuration: configuration)
        let (output, errors) = (Pipe(), Pipe())
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        return .init(code: process.terminationStatus, output: text, errors: complaint)
    }

    private func writeJobs(_ folder: URL, count: Int, steps: Int = 2, name: String = "jobs.yaml") throws -> String {
        let path = folder.appending(path: name)
        try Data(
            """
            model: \(Self.model)
            template: {steps: \(steps), width: 32, height: 32, sampler: euler, prompt: a cat}
            matrix: {seed: [\((0..<count).map(String.init).joined(separator: ", "))]}
            """.utf8
        ).write(to: path)
        return path.path
    }

    private func pictures(_ folder: URL) throws -> [String: Data] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasSuffix(".png") }
        return Dictionary(
            uniqueKeysWithValues: try names.map { ($0, try Data(contentsOf: folder.appending(path: $0))) })
    }

    /// The arguments of every call of `sbatch`.
    private func calls(_ tools: URL) throws -> [[String]] {
        let log = try String(contentsOf: tools.appending(path: "sbatch.log"), encoding: .utf8)
        return log.split(separator: "\n", omittingEmptySubsequences: false).split(separator: "").map {
            $0.map(String.init)
        }
    }

    @Test func `the shards of an array make what one run makes, byte for byte`() throws {
        try inTemporaryFolder { folder throws in
            let tools = folder.appending(path: "tools")
            try FileManager.default.createDirectory(at: tools, withIntermediateDirectories: true)
            try install(tools)
            let list = try writeJobs(folder, count: 7)
            // A name that a shell would take apart.
            let (whole, out) = (folder.appending(path: "whole"), folder.appending(path: "out $(touch no) 5%"))
            var run = try run(["batch", list, "-o", whole.path], tools: nil)
            #expect(run.code == 0, "\(run.errors)")
            let submit = [
                "batch", list, "-o", out.path, "--engine", "slurm", "--shards", "3", "--at-once", "2", "-t", "1",
                "--slurm=--partition=short",
            ]
            run = try self.run(submit, tools: tools)
            #expect(run.code == 0 && run.output == "array job 41 of 3 shards, then job 42 merges\n", "\(run.errors)")
            #expect(try pictures(out) == pictures(whole) && pictures(whole).count == 7)
            let journal = try String(contentsOf: out.appending(path: "journal.jsonl"), encoding: .utf8)
            #expect(journal.split(separator: "\n").count == 7)
            let jobs = try String(contentsOf: tools.appending(path: "jobs.log"), encoding: .utf8)
            #expect(jobs.contains("3 made, 0 done before, 0 failed") && jobs.contains("7 done, 0 failed, 0 not done"))

            // What was asked of Slurm, word for word.
            let calls = try calls(tools)
            let hash = try #require(calls.first?.dropLast(3).last)
            let slurm = out.appending(path: ".slurm").path
            let logs = slurm.replacingOccurrences(of: "%", with: "%%")
            let program = [CommandLineTests.executable.resolvingSymlinksInPath().path, list, out.path, hash]
            #expect(hash.count == 64)
            #expect(
                calls == [
                    [
                        "--parsable", "--job-name=atelier-\(hash.prefix(8))", "--array=1-3%2",
                        "--output=\(logs)/shard-%a.log", "--open-mode=append", "--requeue", "--signal=B:TERM@60",
                        "--export=PATH,HOME,ATELIER_ASSETS", "--cpus-per-task=1", "--partition=short",
                        "\(slurm)/shard.sh",
                    ] + program + ["3", "--threads", "1"],
                    [
                        "--parsable", "--job-name=atelier-\(hash.prefix(8))-merge", "--dependency=afterany:41",
                        "--output=\(logs)/merge.log", "--open-mode=append", "--requeue",
                        "--export=PATH,HOME,ATELIER_ASSETS", "--partition=short", "\(slurm)/merge.sh",
                    ] + program,
                ])
            #expect(try String(contentsOfFile: "\(slurm)/shard.sh", encoding: .utf8) == Self.shardScript)
            #expect(try String(contentsOfFile: "\(slurm)/merge.sh", encoding: .utf8) == Self.mergeScript)

            // Again: everything is done, nothing is submitted.
            run = try self.run(submit, tools: tools)
            #expect(run.code == 0 && run.output == "all 7 jobs are done; nothing submitted\n", "\(run.errors)")
            // One output is gone: it alone is made again.
            try FileManager.default.removeItem(at: out.appending(path: "00004.png"))
            run = try self.run(submit, tools: tools)
            #expect(run.output.hasPrefix("array job 43"), "\(run.errors)")
            #expect(try pictures(out) == pictures(whole))
            let again = try String(contentsOf: tools.appending(path: "jobs.log"), encoding: .utf8).dropFirst(jobs.count)
            #expect(again.contains("1 made, 1 done before") && again.contains("0 made, 3 done before"))
            // Another list wants another folder, at submission and in the shards.
            let changed = try writeJobs(folder, count: 8)
            run = try self.run(submit, tools: tools)
            #expect(run.code == 1 && run.errors.contains("a changed list wants a folder of its own"))
            run = try self.run(["batch", changed, "-o", out.path, "--expect", hash, "--shard", "1/3"], tools: nil)
            #expect(run.code == 1 && run.errors.contains("expected the list that was submitted"))
            #expect(try self.calls(tools).count == 4 && pictures(out).count == 7)
        }
    }

    @Test func `while elements are at work nothing is submitted, and bad options are refused`() throws {
        try inTemporaryFolder { folder throws in
            let tools = folder.appending(path: "tools")
            try FileManager.default.createDirectory(at: tools, withIntermediateDirectories: true)
            try install(tools)
            try Data().write(to: tools.appending(path: "lazy"))
            let list = try writeJobs(folder, count: 4)
            let submit = ["batch", list, "-o", folder.appending(path: "out").path, "--engine", "slurm"]
            let without = try self.run(submit, tools: folder, isAlone: true)
            #expect(without.code == 1 && without.errors.contains("sbatch: expected Slurm's command on PATH"))
            #expect(!FileManager.default.fileExists(atPath: folder.appending(path: "out").path))
            for (more, words) in [
                (["--slurm=--wrap=rm"], "--partition=short"), (["--slurm=x"], "--partition=short"),
                // sbatch takes beginnings of names.
                (["--slurm=--arra=1-9"], "whole or shortened"), (["--slurm=--outp=x"], "whole or shortened"),
                (["--slurm=--o=x"], "whole or shortened"), (["--slurm=--=x"], "--partition=short"),
                (["--slurm=--open-mode=truncate"], "--open-mode"), (["--slurm=--sig=B:USR1@9"], "--signal"),
                (["--shards", "5"], "1 to 4"), (["--shards", "0"], "1 to 4"), (["--at-once", "0"], "1 or more"),
                (["--shard", "1/2"], "neither --shard"),
            ] {
                let run = try run(submit + more, tools: tools)
                #expect(run.code != 0 && run.errors.contains(words), "\(more): \(run.errors)")
            }
            #expect(!FileManager.default.fileExists(atPath: tools.appending(path: "sbatch.log").path))
            var run = try run(submit, tools: tools)
            #expect(run.output == "array job 41 of 4 shards, then job 42 merges\n", "\(run.errors)")
            try Data("41_2\n42\n".utf8).write(to: tools.appending(path: "queue"))
            run = try self.run(submit, tools: tools)
            #expect(run.code == 0 && run.output == "array job 41 is still at work; nothing submitted\n")
            // The queue is empty and nothing was done: what is left is submitted.
            try FileManager.default.removeItem(at: tools.appending(path: "queue"))
            #expect(try self.run(submit, tools: tools).output.hasPrefix("array job 43"))
            #expect(try calls(tools).count == 4)
            // A scheduler that refuses.
            try Data("#!/bin/bash\necho 'no such partition' >&2\nexit 1\n".utf8).write(
                to: tools.appending(path: "sbatch"))
            run = try self.run(submit, tools: tools)
            #expect(run.code == 1 && run.errors.contains("exit code 1: no such partition"))
        }
    }

    @Test func `a line that cannot be read fails alone, in its shard and in the merge`() throws {
        try inTemporaryFolder { folder throws in
            let tools = folder.appending(path: "tools")
            try FileManager.default.createDirectory(at: tools, withIntermediateDirectories: true)
            try install(tools)
            try Data(
                """
                {"model": "\(Self.model)", "template": {"steps": 1, "width": 32, "height": 32, "prompt": "a cat"}}
                {"seed": 1}
                {"sede": 2}
                {"seed": 3}
                """.utf8
            ).write(to: folder.appending(path: "jobs.jsonl"))
            let submit = ["batch", "jobs.jsonl", "-o", "out", "--engine", "slurm", "--shards", "2", "-t", "1"]
            func submitted(_ more: [String]) throws -> CommandLineTests.Outcome {
                // By a path that the shards are not given.
                try run(
                    ["-c", "cd \"$0\" && exec \"$@\"", folder.path, CommandLineTests.executable.path] + submit + more,
                    executable: URL(filePath: "/bin/bash"), tools: tools)
            }
            let strict = try submitted([])
            #expect(strict.code == 1 && strict.errors.contains("jobs.jsonl line 3: sede"), "\(strict.errors)")
            let loose = try submitted(["--keep-going"])
            #expect(loose.code == 0, "\(loose.errors)")
            let jobs = try String(contentsOf: tools.appending(path: "jobs.log"), encoding: .utf8)
            #expect(
                jobs.contains("2 made, 0 done before, 0 failed") && jobs.contains("0 made, 0 done before, 1 failed"))
            #expect(jobs.contains("2 done, 1 failed, 0 not done"), "\(jobs)")
            #expect(try pictures(folder.appending(path: "out")).keys.sorted() == ["00000.png", "00002.png"])
        }
    }

    @Test func `an element that is told to stop saves, ends with 75 and is put back`() throws {
        try inTemporaryFolder { folder throws in
            let tools = folder.appending(path: "tools")
            try FileManager.default.createDirectory(at: tools, withIntermediateDirectories: true)
            try install(tools)
            try Data().write(to: tools.appending(path: "lazy"))
            let list = try writeJobs(folder, count: 28, steps: 3)
            let (whole, out) = (folder.appending(path: "whole"), folder.appending(path: "out"))
            #expect(try run(["batch", list, "-o", whole.path], tools: nil).code == 0)
            #expect(
                try run(["batch", list, "-o", out.path, "--engine", "slurm", "--shards", "2"], tools: tools).code == 0)
            let call = try #require(try calls(tools).first)
            let script = try #require(call.firstIndex { $0.hasSuffix("/shard.sh") })
            func element(restarts: Int) -> Process {
                let element = process(
                    URL(filePath: "/usr/bin/env"), ["--default-signal=TERM", "bash"] + call[script...], tools: tools)
                element.environment?["SLURM_ARRAY_JOB_ID"] = "41"
                element.environment?["SLURM_ARRAY_TASK_ID"] = "2"
                element.environment?["SLURM_RESTART_COUNT"] = "\(restarts)"
                element.standardOutput = FileHandle.nullDevice
                element.standardError = FileHandle.nullDevice
                return element
            }
            let journal = out.appending(path: "journal-2-of-2.jsonl")
            func lines() -> Int {
                (try? String(contentsOf: journal, encoding: .utf8))?.split(separator: "\n").count ?? 0
            }
            let first = element(restarts: 0)
            try first.run()
            let start = ContinuousClock.now
            while lines() < 2, first.isRunning, ContinuousClock.now - start < .seconds(20) {
                Thread.sleep(forTimeInterval: 0.005)
            }
            let status = try String(contentsOfFile: "/proc/\(first.processIdentifier)/status", encoding: .utf8)
            let signals = status.split(separator: "\n").filter { $0.hasPrefix("Sig") }
            kill(first.processIdentifier, SIGTERM)
            first.waitUntilExit()
            let code = first.terminationStatus
            #expect(first.terminationReason == .exit && code == 75, "\(code) after \(lines()) pictures, \(signals)")
            let asked = tools.appending(path: "scontrol.log")
            #expect(try String(contentsOf: asked, encoding: .utf8) == "requeue 41_2\n")
            let before = lines()
            #expect(before >= 2 && before < 14)
            // Put back, it goes on.
            let second = element(restarts: 1)
            try second.run()
            second.waitUntilExit()
            #expect(second.terminationStatus == 0 && lines() == 14)
            #expect(try run(["batch", list, "-o", out.path, "--shard", "1/2"], tools: nil).code == 0)
            #expect(
                try run(["batch", list, "-o", out.path, "--merge"], tools: nil).output
                    == "28 done, 0 failed, 0 not done\n")
            #expect(try pictures(out) == pictures(whole))
        }
    }

    /// A cluster of one host, with its real daemons, whose files all lie in the test's folder.
    ///
    /// `cluster.sh` ends the daemons when its standard input ends: with this test, or with this process if it is killed.
    @Test(
        .enabled(
            if: ["/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/sbin/munged", "/usr/bin/sbatch"].allSatisfy {
                FileManager.default.isExecutableFile(atPath: $0)
            }, "wants slurmctld, slurmd, munged and sbatch, which are not installed"), .timeLimit(.minutes(5)))
    func `a real cluster of one host does the same, and goes on with an element that was told to stop`() throws {
        // On a busy machine Slurm may start an element again before its first life is over in its books, and then gives it up:
        // the element's second life is a second submission, unless Slurm's own is asked for.
        let requeues = ProcessInfo.processInfo.environment["ATELIER_TEST_SLURM"] == "1"
        try inTemporaryFolder { folder throws in
            let list = try writeJobs(folder, count: 24, steps: 8)
            let (whole, out) = (folder.appending(path: "whole"), folder.appending(path: "out"))
            #expect(try run(["batch", list, "-o", whole.path], tools: nil).code == 0)

            let home = folder.appending(path: "cluster")
            try FileManager.default.createDirectory(at: home, withIntermediateDirectories: false)
            let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .appending(path: "Fixtures/slurm/cluster.sh").path
            let cluster = process(URL(filePath: "/bin/bash"), [script, home.path], tools: nil)
            let (input, output, errors) = (Pipe(), Pipe(), Pipe())
            (cluster.standardInput, cluster.standardOutput, cluster.standardError) = (input, output, errors)
            try cluster.run()
            defer {
                try? input.fileHandleForWriting.close()
                // For the case that a neighbour's child holds the pipe, too.
                cluster.terminate()
                cluster.waitUntilExit()
                for name in ["slurmd", "slurmctld", "munged"] {
                    #expect(isGone(name, of: home), "\(name) is still there")
                }
            }
            guard output.fileHandleForReading.availableData == Data("ready\n".utf8) else {
                let words = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
                try Test.cancel("Slurm's daemons do not start here: \(words)")
            }
            let configuration = home.appending(path: "slurm.conf").path
            func slurm(_ name: String, _ arguments: [String]) throws -> CommandLineTests.Outcome {
                try self.run(arguments, executable: URL(filePath: "/usr/bin/\(name)"), configuration: configuration)
            }
            func wait(_ what: String, _ isDone: () throws -> Bool) throws {
                let start = ContinuousClock.now
                while try !isDone() {
                    try #require(ContinuousClock.now - start < .seconds(120), "\(what) within two minutes")
                    Thread.sleep(forTimeInterval: 0.02)
                }
            }

            func isEmpty() throws -> Bool { try slurm("squeue", ["--noheader", "--states=PD,R,CG"]).output.isEmpty }

            let submit = ["batch", list, "-o", out.path, "--engine", "slurm", "--shards", "2", "-t", "1"]
            var run = try run(submit, tools: nil, configuration: configuration)
            try #require(run.output.hasPrefix("array job 1 of 2 shards"), "\(run.output)\(run.errors)")
            // `array job 1 of 2 shards, then job 3 merges`
            let jobs = run.output.split(separator: " ").filter { Int($0) != nil }.map(String.init)
            let journal = out.appending(path: "journal-1-of-2.jsonl")
            func lines() -> Int {
                (try? String(contentsOf: journal, encoding: .utf8))?.split(separator: "\n").count ?? 0
            }
            try wait("two pictures of the first element") { lines() >= 2 }
            run = try self.run(submit, tools: nil, configuration: configuration)
            #expect(run.output == "array job 1 is still at work; nothing submitted\n", "\(run.errors)")
            func log(_ name: String) -> String {
                (try? String(contentsOf: out.appending(path: ".slurm/\(name).log"), encoding: .utf8)) ?? "no log"
            }
            // As a time limit or a busier partition would.
            #expect(try slurm("scancel", ["--batch", "--signal=TERM", "1_1"]).code == 0)
            try wait("the element's last word") { log("shard-1").contains("stopped; the same line goes on") }
            // What the program said with its code, 75, its script told Slurm.
            var before = 0
            if requeues {
                // It waits for its time once its first life is over in Slurm's books, too; before that, an end that is reported
                // late would count for the second.
                try wait("the element in the queue again") {
                    try slurm("squeue", ["--noheader", "--format=%T %r", "--jobs=1_1"]).output == "PENDING BeginTime\n"
                }
                before = lines()
                #expect(before < 12)
                // Slurm would wait two minutes.
                try wait("the element's new start") {
                    try slurm("scontrol", ["update", "JobId=1_1", "StartTime=now"]).code == 0
                }
            } else {
                // What is still completing is not cancelled, and would be put back.
                try wait("the element in the queue again") {
                    try slurm("squeue", ["--noheader", "--format=%T", "--jobs=1_1"]).output == "PENDING\n"
                }
                try wait("an empty queue") {
                    if try isEmpty() { return true }
                    _ = try slurm("scancel", [jobs[0], jobs[jobs.count - 1]])
                    return false
                }
                before = lines()
                #expect(before >= 2 && before < 12)
                run = try self.run(submit, tools: nil, configuration: configuration)
                try #require(run.output.hasPrefix("array job "), "\(run.output)\(run.errors)")
                #expect(!run.output.contains("still at work"))
            }
            try wait("an empty queue") { try isEmpty() }
            #expect(try pictures(out) == pictures(whole), "\(log("shard-1"))\(log("shard-2"))\(log("merge"))")
            // The log has both lives of the element.
            let second = "\(12 - before) made, \(before) done before, 0 failed"
            #expect(log("shard-1").contains(second), "\(log("shard-1"))")
            #expect(log("merge").contains("24 done, 0 failed, 0 not done"), "\(log("merge"))")
            run = try self.run(submit, tools: nil, configuration: configuration)
            #expect(run.output == "all 24 jobs are done; nothing submitted\n", "\(run.errors)")
        }
    }

    /// Whether the daemon that wrote its number into a cluster's folder has ended.
    private func isGone(_ name: String, of home: URL) -> Bool {
        guard let text = try? String(contentsOf: home.appending(path: "run/\(name).pid"), encoding: .utf8),
            let number = Int(text.trimmingCharacters(in: .whitespacesAndNewlines)),
            let arguments = try? Data(contentsOf: URL(filePath: "/proc/\(number)/cmdline"))
        else { return true }
        return !String(decoding: arguments, as: UTF8.self).contains(home.path)
    }

    // The scripts as they were agreed on: what an administrator reads.
    private static let shardScript = #"""
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
    private static let mergeScript = #"""
        #!/bin/bash
        # Joins the journals of all shards and reports.
        # Arguments: the program, the list, the folder, the list's content hash, further options.
        set -u
        program=$1 list=$2 folder=$3 hash=$4
        shift 4
        exec "$program" batch "$list" --output "$folder" --expect "$hash" --merge "$@"

        """#
}
