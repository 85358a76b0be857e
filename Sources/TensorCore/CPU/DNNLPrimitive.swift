internal import COneDNN

/// The oneDNN engine and stream of the process. Used on compute threads only; a stream of the CPU engine has no state
/// of its own, so they may share it.
enum DNNL {
    nonisolated(unsafe) static let engine: dnnl_engine_t? = {
        var engine: dnnl_engine_t?
        check(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine")
        return engine
    }()

    nonisolated(unsafe) static let stream: dnnl_stream_t? = {
        var stream: dnnl_stream_t?
        check(dnnl_stream_create(&stream, engine, UInt32(dnnl_stream_default_flags.rawValue)), "stream")
        return stream
    }()

    /// Whether the processor multiplies bfloat16 numbers itself.
    static let hasBFloat16: Bool = {
        let isa = dnnl_get_effective_cpu_isa().rawValue
        return isa == dnnl_cpu_isa_avx512_core_bf16.rawValue
            || isa & dnnl_cpu_isa_avx512_core_bf16.rawValue
                == dnnl_cpu_isa_avx512_core_bf16.rawValue
    }()

    static func check(_ status: dnnl_status_t, _ what: String) {
        precondition(status == dnnl_success, "oneDNN: \(what) failed with status \(status.rawValue)")
    }

    static func type(_ dtype: DType) -> dnnl_data_type_t {
        switch dtype {
        case .float32: dnnl_f32
        case .bfloat16: dnnl_bf16
        case .float16: dnnl_f16
        case .int32: dnnl_s32
        case .uint8, .bool: dnnl_u8
        default: preconditionFailure("oneDNN has no \(dtype)")
        }
    }

    /// Describes memory by strides, or leaves its format for the primitive to choose when `strides` is nil.
    static func memory(_ shape: [Int], strides: [Int]?, _ dtype: DType = .float32) -> dnnl_memory_desc_t {
        var descriptor = dnnl_memory_desc_t()
        let dimensions = shape.map(Int64.init)
        if let strides {
            check(
                dnnl_memory_desc_init_by_strides(
                    &descriptor, Int32(shape.count), dimensions, type(dtype), strides.map(Int64.init)),
                "memory descriptor \(shape) \(strides)")
        } else {
            check(
                dnnl_memory_desc_init_by_tag(
                    &descriptor, Int32(shape.count), dimensions, type(dtype), dnnl_format_tag_any),
                "memory descriptor \(shape)")
        }
        return descriptor
    }

    static func equal(_ a: dnnl_memory_desc_t, _ b: dnnl_memory_desc_t) -> Bool {
        withUnsafePointer(to: a) { a in withUnsafePointer(to: b) { b in dnnl_memory_desc_equal(a, b) != 0 } }
    }

    /// The same memory of a matrix, read as its transpose.
    static func transposed(_ matrix: dnnl_memory_desc_t) -> dnnl_memory_desc_t {
        var (matrix, turned) = (matrix, dnnl_memory_desc_t())
        check(dnnl_memory_desc_permute_axes(&turned, &matrix, [1, 0]), "transposed")
        return turned
    }

    static func byteCount(_ descriptor: dnnl_memory_desc_t) -> Int {
        withUnsafePointer(to: descriptor) { dnnl_memory_desc_get_size($0) }
    }
}

/// A primitive descriptor: a chosen implementation of one operation for one problem.
final class DNNLPrimitiveDescriptor {
    let handle: dnnl_primitive_desc_t

    /// Nil when oneDNN has no implementation for the problem.
    init?(operation: UnsafeRawPointer, hint: DNNLPrimitiveDescriptor? = nil) {
        var attributes: dnnl_primitive_attr_t?
        DNNL.check(dnnl_primitive_attr_create(&attributes), "attributes")
        DNNL.check(dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user), "scratchpad mode")
        defer { dnnl_primitive_attr_destroy(attributes) }
        var handle: dnnl_primitive_desc_t?
        let status = dnnl_primitive_desc_create(&handle, operation, attributes, DNNL.engine, hint?.handle)
        guard status == dnnl_success, let handle else { return nil }
        self.handle = handle
    }

    deinit { dnnl_primitive_desc_destroy(handle) }

    func memory(_ query: dnnl_query_t) -> dnnl_memory_desc_t {
        guard let descriptor = dnnl_primitive_desc_query_md(handle, query, 0) else {
            preconditionFailure("oneDNN: the primitive has no memory \(query.rawValue)")
        }
        return descriptor.pointee
    }

    /// The implementation's name, such as `jit:avx2`.
    var implementation: String {
        var name: UnsafePointer<CChar>?
        dnnl_primitive_desc_query(handle, dnnl_query_impl_info_str, 0, &name)
        return name.map { String(cString: $0) } ?? "?"
    }
}

/// A compiled primitive with its memory objects; pointers are set for each execution.
final class DNNLPrimitive {
    private let handle: dnnl_primitive_t
    private var arguments: [dnnl_exec_arg_t] = []
    private let scratchByteCount: Int
    private var heldScratch: Storage?

    /// - Parameter arguments: argument numbers (`DNNL_ARG_...`) with the memory each expects, in the order in which
    ///   `execute` gets their pointers.
    init(_ descriptor: DNNLPrimitiveDescriptor, arguments: [(Int32, dnnl_memory_desc_t)]) {
        var handle: dnnl_primitive_t?
        DNNL.check(dnnl_primitive_create(&handle, descriptor.handle), "primitive")
        guard let handle else { preconditionFailure("oneDNN: no primitive") }
        self.handle = handle
        let scratch = descriptor.memory(dnnl_query_scratchpad_md)
        scratchByteCount = DNNL.byteCount(scratch)
        for (number, memory) in arguments { add(number, memory) }
        if scratchByteCount > 0 { add(DNNL_ARG_SCRATCHPAD, scratch) }
    }

    /// A copy from one format to another.
    init(reorder source: dnnl_memory_desc_t, to destination: dnnl_memory_desc_t) {
        var descriptor: dnnl_primitive_desc_t?
        var (source, destination) = (source, destination)
        DNNL.check(
            dnnl_reorder_primitive_desc_create(&descriptor, &source, DNNL.engine, &destination, DNNL.engine, nil),
            "reorder")
        defer { dnnl_primitive_desc_destroy(descriptor) }
        var handle: dnnl_primitive_t?
        DNNL.check(dnnl_primitive_create(&handle, descriptor), "reorder")
        guard let handle else { preconditionFailure("oneDNN: no reorder") }
        self.handle = handle
        scratchByteCount = 0
        add(DNNL_ARG_SRC, source)
        add(DNNL_ARG_DST, destination)
    }

    private func add(_ number: Int32, _ memory: dnnl_memory_desc_t) {
        var object: dnnl_memory_t?
        var memory = memory
        DNNL.check(dnnl_memory_create(&object, &memory, DNNL.engine, nil), "memory")
        arguments.append(dnnl_exec_arg_t(arg: number, memory: object))
    }

    deinit {
        for argument in arguments { dnnl_memory_destroy(argument.memory) }
        dnnl_primitive_destroy(handle)
    }

    /// Keeps one scratch memory for all executions instead of taking it from the pool for each.
    func holdScratch() {
        if scratchByteCount > 0 { heldScratch = Storage(byteCount: scratchByteCount) }
    }

    func execute(_ pointers: UnsafeRawPointer...) {
        var scratch: Storage?
        for (argument, pointer) in zip(arguments, pointers) {
            dnnl_memory_set_data_handle(argument.memory, UnsafeMutableRawPointer(mutating: pointer))
        }
        if scratchByteCount > 0, let last = arguments.last {
            let memory = heldScratch ?? Storage(byteCount: scratchByteCount)
            dnnl_memory_set_data_handle(last.memory, memory.pointer)
            scratch = memory
        }
        DNNL.check(dnnl_primitive_execute(handle, DNNL.stream, Int32(arguments.count), arguments), "execution")
        withExtendedLifetime(scratch) {}
    }
}
