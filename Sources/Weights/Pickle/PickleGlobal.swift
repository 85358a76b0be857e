/// The classes and functions that a checkpoint may name; each stands for something this reader does itself.
///
/// The table is the whole list: whatever is not in it is refused, known to be dangerous or not. Lists of dangerous
/// names are never complete.
enum PickleGlobal: Equatable {
    case orderedDictionary
    /// A set or frozen set, read as a list.
    case set
    case bytes
    /// `torch.Size`, a tuple.
    case size
    case device
    /// `_codecs.encode`, how protocol 2 spells bytes.
    case encode
    /// `torch._utils._rebuild_tensor`, `_v2` and `_v3`.
    case rebuildTensor(version: Int)
    /// `torch._utils._rebuild_parameter` and the form with attributes, which are dropped.
    case rebuildParameter
    /// A class of storages; nil is the one that holds plain bytes.
    case storage(SafetensorsDType?)
    case dtype(SafetensorsDType)
    /// `torch.nn.ParameterDict`, in which textual inversion kept its embeddings.
    case parameterDictionary
    case numpyType
    case numpyScalar
    case numpyArray
    case numpyReconstruct
    /// The name of a class that may be mentioned, as Lightning does with its callbacks, and never called.
    case mention(String)

    /// The entry of a name, or nil when it is not allowed.
    init?(module: String, name: String) {
        let full = "\(module).\(name)"
        if let known = Self.table[full] {
            self = known
            return
        }
        guard Self.callbackModules.contains(where: { module == $0 || module.hasPrefix($0 + ".") }) else { return nil }
        self = .mention(full)
    }

    private static let callbackModules = ["pytorch_lightning.callbacks", "lightning.pytorch.callbacks"]

    private static let table: [String: PickleGlobal] = {
        var table: [String: PickleGlobal] = [
            "collections.OrderedDict": .orderedDictionary,
            "torch.Size": .size,
            "torch.device": .device,
            "_codecs.encode": .encode,
            "torch._utils._rebuild_tensor": .rebuildTensor(version: 1),
            "torch._utils._rebuild_tensor_v2": .rebuildTensor(version: 2),
            "torch._utils._rebuild_tensor_v3": .rebuildTensor(version: 3),
            "torch._utils._rebuild_parameter": .rebuildParameter,
            "torch._utils._rebuild_parameter_with_state": .rebuildParameter,
            "torch.storage.UntypedStorage": .storage(nil),
            "torch.UntypedStorage": .storage(nil),
            "torch.nn.modules.container.ParameterDict": .parameterDictionary,
            "numpy.dtype": .numpyType,
            "numpy.ndarray": .numpyArray,
        ]
        for builtins in ["__builtin__", "builtins"] {
            table["\(builtins).set"] = .set
            table["\(builtins).frozenset"] = .set
            table["\(builtins).bytes"] = .bytes
        }
        for module in ["numpy.core.multiarray", "numpy._core.multiarray"] {
            table["\(module).scalar"] = .numpyScalar
            table["\(module)._reconstruct"] = .numpyReconstruct
        }
        let storages: [(String, SafetensorsDType)] = [
            ("Float", .f32), ("Double", .f64), ("Half", .f16), ("BFloat16", .bf16), ("Long", .i64), ("Int", .i32),
            ("Short", .i16), ("Char", .i8), ("Byte", .u8), ("Bool", .bool), ("ComplexFloat", .c64),
        ]
        for (name, dtype) in storages {
            table["torch.\(name)Storage"] = .storage(dtype)
            // Where tensors of a GPU were saved by old versions.
            table["torch.cuda.\(name)Storage"] = .storage(dtype)
        }
        let dtypes: [(String, SafetensorsDType)] = [
            ("float32", .f32), ("float64", .f64), ("float16", .f16), ("bfloat16", .bf16), ("int64", .i64),
            ("int32", .i32), ("int16", .i16), ("int8", .i8), ("uint8", .u8), ("uint16", .u16), ("uint32", .u32),
            ("uint64", .u64), ("bool", .bool), ("complex64", .c64), ("float8_e4m3fn", .f8e4m3),
            ("float8_e5m2", .f8e5m2), ("float8_e4m3fnuz", .f8e4m3fnuz), ("float8_e5m2fnuz", .f8e5m2fnuz),
            ("float8_e8m0fnu", .f8e8m0),
        ]
        for (name, dtype) in dtypes { table["torch.\(name)"] = .dtype(dtype) }
        return table
    }()

    /// How the name reads as a value, or as the key of a dictionary.
    var spelling: String {
        switch self {
        case .mention(let name): name
        case .dtype(let dtype): dtype.rawValue
        default: "\(self)"
        }
    }
}
