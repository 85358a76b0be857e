internal import CKernels
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The one thread that runs kernels, and its helpers for work that is independent from end to end.
///
/// OpenMP keeps a team of workers for each thread that opens a parallel region. Were kernels called from many threads,
/// each would get its own team; so every kernel hops to this thread, and its team is the only one. Work that is
/// already here runs directly: wrap a whole loop in `run` to hop once.
///
/// Small kernels gain little from a team, for each of them waits for its slowest member. `concurrently` runs whole
/// pieces of work side by side instead, on helpers (lanes) that share out the threads while this one waits.
public final class ComputeThread: Sendable {
    public static let shared = ComputeThread()

    private let main = Lane(number: 1)
    private let helpers = Mutex<[Lane]>([])

    private init() {}

    /// Runs `body` on the compute thread and waits for it.
    public func run<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        if tk_lane() != 0 { return try body() }
        var outcome: Swift.Result<Result, Failure>?
        withoutActuallyEscaping({
            do throws(Failure) { outcome = .success(try body()) } catch { outcome = .failure(error) }
        }) { work in
            main.queue.start(work).wait()
        }
        guard let outcome else { preconditionFailure("the compute thread dropped a job") }
        return try outcome.get()
    }

    /// Runs `body` on the compute thread while the caller is suspended.
    public func perform<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            main.queue.submit { continuation.resume(with: Swift.Result { try body() }) }
        }
    }

    /// Runs `body(0)` to `body(count - 1)` side by side, each with a share of the threads, and waits for all of them.
    ///
    /// Pieces must not depend on each other. With one thread, or within such a piece, they run one after the other. The
    /// bits of a piece do not depend on how many run at once.
    ///
    /// - Returns: the results in order. Throws the error of the first piece that failed.
    public func concurrently<Result: Sendable>(
        _ count: Int, _ body: @Sendable (_ index: Int) throws -> Result
    ) throws -> [Result] {
        try run {
            let threads = Int(tk_threads())
            let laneCount = min(count, threads)
            guard laneCount > 1, tk_lane() == 1 else { return try (0..<count).map(body) }
            let lanes = helpers.withLock { helpers in
                while helpers.count < laneCount { helpers.append(Lane(number: helpers.count + 2)) }
                return Array(helpers.prefix(laneCount))
            }
            let outcomes = Mutex([Swift.Result<Result, any Error>?](repeating: nil, count: count))
            withoutActuallyEscaping(body) { body in
                let flags = lanes.enumerated().map { position, lane in
                    lane.queue.start {
                        let share = threads / laneCount + (position < threads % laneCount ? 1 : 0)
                        if tk_threads() != share { tk_set_threads(share) }
                        for index in stride(from: position, to: count, by: laneCount) {
                            let outcome = Swift.Result { try body(index) }
                            outcomes.withLock { $0[index] = outcome }
                        }
                    }
                }
                for flag in flags { flag.wait() }
            }
            return try outcomes.withLock { try $0.compactMap { try $0?.get() } }
        }
    }

    /// `concurrently` in groups of as many pieces as there are threads, for long work that shows how far it is and can be
    /// stopped.
    ///
    /// - Parameter progress: gets the number of pieces done after each group; what it throws ends the work.
    public func concurrently<Result: Sendable>(
        _ count: Int, progress: (_ done: Int) throws -> Void, _ body: @Sendable (_ index: Int) throws -> Result
    ) throws -> [Result] {
        var results: [Result] = []
        results.reserveCapacity(count)
        while results.count < count {
            let first = results.count
            results += try concurrently(min(threadCount, count - first)) { try body(first + $0) }
            try progress(results.count)
        }
        return results
    }

    /// The number of threads that kernels use, at least 1.
    public var threadCount: Int {
        get { run { Int(tk_threads()) } }
        set { run { tk_set_threads(max(newValue, 1)) } }
    }
}

/// A thread that may call kernels, and the jobs that wait for it.
private struct Lane: Sendable {
    let queue = JobQueue()

    /// Starts the thread. It lives as long as the process.
    init(number: Int) {
        startThread(stackByteCount: 64 << 20) { [queue] in
            tk_set_lane(number)
            while true { queue.next().run() }
        }
    }
}

/// A first-in first-out list of jobs that one thread takes from.
private final class JobQueue: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private var jobs: [Job] = []
    private var head = 0

    init() {
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    func submit(_ work: @escaping @Sendable () -> Void) { append(Job(work, done: nil)) }

    /// - Returns: what is raised when the work is done.
    func start(_ work: @escaping () -> Void) -> Flag {
        let done = Flag()
        append(Job(work, done: done))
        return done
    }

    func next() -> Job {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while head == jobs.count { pthread_cond_wait(condition, mutex) }
        let job = jobs[head]
        head += 1
        if head == jobs.count {
            jobs.removeAll(keepingCapacity: true)
            head = 0
        }
        return job
    }

    private func append(_ job: Job) {
        pthread_mutex_lock(mutex)
        jobs.append(job)
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }
}

/// Work for the compute thread. It lets go of the work before it raises `done`: the one who waits may have lent a
/// closure that must not be referenced any more when the wait is over.
private final class Job: @unchecked Sendable {
    private var work: (() -> Void)?
    private let done: Flag?

    init(_ work: @escaping () -> Void, done: Flag?) {
        self.work = work
        self.done = done
    }

    func run() {
        runWork()
        done?.raise()
    }

    // Never inlined, so that its last reference to the work ends with it.
    @inline(never)
    private func runWork() {
        let work = work
        self.work = nil
        work?()
    }
}

/// Blocks a thread until another raises it.
private final class Flag: @unchecked Sendable {
    private let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        semaphore = .allocate(capacity: 1)
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    func raise() { sem_post(semaphore) }

    func wait() {
        while sem_wait(semaphore) != 0 {}
    }
}

/// Starts a thread that runs `body`.
private func startThread(stackByteCount: Int, _ body: @escaping @Sendable () -> Void) {
    final class Start {
        let body: @Sendable () -> Void; init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, stackByteCount)
    defer { pthread_attr_destroy(&attributes) }
    var handle = pthread_t()
    let argument = Unmanaged.passRetained(Start(body)).toOpaque()
    let status = pthread_create(
        &handle, &attributes,
        { argument in
            if let argument { Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body() }
            return nil
        }, argument)
    precondition(status == 0, "a compute thread could not start (error \(status))")
}
