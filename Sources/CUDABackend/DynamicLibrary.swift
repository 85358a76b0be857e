#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A shared library that is opened when it is needed, so that nothing of it is needed to build or to start.
struct DynamicLibrary: Sendable {
    let name: String
    private let library: SharedHandle

    /// The folders that `ATELIER_CUDA_LIBRARIES` names, separated by colons.
    static var folders: [String] {
        getenv("ATELIER_CUDA_LIBRARIES").map { String(cString: $0).split(separator: ":").map(String.init) } ?? []
    }

    /// - Parameters:
    ///   - candidates: file names, the first that opens is taken.
    ///   - folders: where to look before the system's own folders.
    ///   - hint: what the user can do when there is none.
    init(_ name: String, candidates: [String], in folders: [String], hint: String) throws(CUDAError) {
        let paths = folders.flatMap { folder in candidates.map { "\(folder)/\($0)" } } + candidates
        for path in paths {
            if let handle = dlopen(path, RTLD_NOW | RTLD_GLOBAL) {
                self.name = name
                library = SharedHandle(handle: handle)
                return
            }
        }
        throw .libraryMissing(name: name, tried: paths, hint: hint)
    }

    /// The function of a name, as a C function type.
    func function<Function>(_ symbol: String, as type: Function.Type) throws(CUDAError) -> Function {
        guard let address = dlsym(library.handle, symbol) else {
            throw .symbolMissing(library: name, symbol: symbol)
        }
        return unsafeBitCast(address, to: type)
    }
}
