import Foundation
import Synchronization

/// Whether Ctrl-C (or a polite kill) has arrived; long work asks between steps.
enum Interrupt {
    private static let flag = Atomic<Bool>(false)
    private static let termination = Atomic<Bool>(false)

    static var isRequested: Bool { flag.load(ordering: .relaxed) }

    /// Whether it was a polite kill, as schedulers send it.
    static var isTermination: Bool { termination.load(ordering: .relaxed) }

    /// From here on an interrupt sets the flag instead of ending the process; a second one ends it.
    static func watch() {
        for number in [SIGINT, SIGTERM] {
            signal(number) { number in
                if number == SIGTERM { Interrupt.termination.store(true, ordering: .relaxed) }
                Interrupt.flag.store(true, ordering: .relaxed)
                signal(number, SIG_DFL)
            }
        }
    }
}
