internal import CKernels

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The one thread that runs kernels.
///
/// OpenMP keeps a team of workers for each thread that opens a parallel region. Were kernels called from many threads,
/// each would get its own team; so every kernel hops to this thread, and its team is the only one. Work that is
/// already here runs directly: wrap a whole loop in `run` to hop once.
public final class ComputeThread: Sendable {
    public static let shared = ComputeThread()

    private let queue: JobQueue
    private let thread: ThreadIdentity

    private init() {
        let queue = JobQueue()
        self.queue = queue
        thread = ThreadIdentity.start(stackByteCount: 64 << 20) {
            while true { queue.next().run() }
        }
    }

    /// Runs `body` on the compute thread and waits for it.
    public func run<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        if thread.isCurrent { return try body() }
        var outcome: Swift.Result<Result, Failure>?
        withoutActuallyEscaping({
            do throws(Failure) { outcome = .success(try body()) } catch { outcome = .failure(error) }
        }) { work in
            queue.runAndWait(work)
        }
        guard let outcome else { preconditionFailure("the compute thread dropped a job") }
        return try outcome.get()
    }

    /// Runs `body` on the compute thread while the caller is suspended.
    public func perform<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            queue.submit { continuation.resume(with: Swift.Result { try body() }) }
        }
    }

    /// The number of threads that kernels use, at least 1.
    public var threadCount: Int {
        get { run { Int(tk_threads()) } }
        set { run { tk_set_threads(max(newValue, 1)) } }
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

    func runAndWait(_ work: @escaping () -> Void) {
        let done = Flag()
        append(Job(work, done: done))
        done.wait()
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

/// A started thread that can tell whether it is the current one.
private struct ThreadIdentity: @unchecked Sendable {
    private let handle: pthread_t

    var isCurrent: Bool { pthread_equal(pthread_self(), handle) != 0 }

    static func start(stackByteCount: Int, _ body: @escaping @Sendable () -> Void) -> ThreadIdentity {
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
        precondition(status == 0, "the compute thread could not start (error \(status))")
        return ThreadIdentity(handle: handle)
    }
}
