/// Where tensors live.
extension Tensor {
    /// The same numbers in the memory of a backend; itself when they are there.
    public func moved(to backend: any Backend) -> Tensor {
        if storage.backend === backend { return self }
        let origin = storage.backend
        let moved = backend.copiedFromHost(onHost())
        return (storage.isFrozen ? moved.frozen() : moved).recorded(from: [self]) { [$0.moved(to: origin)] }
    }

    /// The same numbers, without history, where the processor can read them.
    func onHost() -> Tensor {
        storage.isOnHost ? detached : storage.backend.copiedToHost(detached)
    }
}

/// The backend that an operation on these tensors runs on: that of the first one that a device holds.
///
/// So weights on a device draw everything that meets them there, and constants need not be moved by hand.
func sharedBackend(_ tensors: Tensor?...) -> any Backend { sharedBackend(tensors) }

func sharedBackend(_ tensors: [Tensor?]) -> any Backend {
    for case let tensor? in tensors where !tensor.storage.isOnHost { return tensor.storage.backend }
    for case let tensor? in tensors { return tensor.storage.backend }
    return CPUBackend.shared
}
