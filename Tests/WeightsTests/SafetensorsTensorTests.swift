import Foundation
import TensorCore
import Testing
import Weights

/// Tensors through files: every dtype, any shape, wherever the bytes begin.
@Suite struct SafetensorsTensorTests {
    private let folder: TemporaryFolder
    private let path: String

    init() throws {
        folder = try TemporaryFolder()
        path = folder("t.safetensors")
    }

    private func tensor(_ dtype: DType, _ shape: [Int]) -> Tensor {
        Tensor.filled(shape: shape, dtype: dtype) { bytes in
            for index in bytes.indices { bytes[index] = dtype == .bool ? UInt8(index % 2) : UInt8(index * 5 % 119) }
        }
    }

    private func bytes(_ tensor: Tensor) -> [UInt8] { tensor.count == 0 ? [] : tensor.withUnsafeBytes { Array($0) } }

    @Test(arguments: DType.allCases)
    func everyDTypeComesBack(dtype: DType) throws {
        let tensors = [
            "scalar": tensor(dtype, []), "empty": tensor(dtype, [3, 0, 2]), "vector": tensor(dtype, [7]),
            "four": tensor(dtype, [2, 3, 1, 5]),
        ]
        try writeSafetensors(tensors, to: path)
        let file = try SafetensorsFile(path: path)
        #expect(try file.tensors().count == 4)
        for (name, original) in tensors {
            let read = try #require(try file.tensor(name))
            #expect(read.dtype == dtype)
            #expect(read.shape == original.shape)
            #expect(bytes(read) == bytes(original))
            #expect(read.storage.isFrozen)
        }
        #expect(try file.tensor("other") == nil)
    }

    @Test func dtypesOfAFileKeepTheirSpelling() {
        for dtype in DType.allCases { #expect(SafetensorsDType(dtype).dtype == dtype) }
        #expect(SafetensorsDType.allCases.filter { $0.dtype != nil }.count == DType.allCases.count)
    }

    @Test func alignedTensorsAreMapped() throws {
        try writeSafetensors(["a": Tensor([1, 2, 3] as [Float])], to: path)
        let file = try SafetensorsFile(path: path)
        let address = file.withBytes(of: "a") { UInt(bitPattern: $0.baseAddress) }
        #expect(try file.tensor("a")?.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) } == address)
    }

    /// Data that begins at every remainder of 8, as files of other writers do.
    @Test(arguments: 0..<8)
    func unalignedTensorsAreCopied(padding: Int) throws {
        let json =
            "{" + entry("byte", "U8", "1", "0,1") + "," + entry("a", "F32", "2", "1,9") + ","
            + entry("b", "I64", "1", "9,17") + "}" + String(repeating: " ", count: padding)
        let values = withUnsafeBytes(
            of: (Float(1.5).bitPattern.littleEndian, Float(-2).bitPattern.littleEndian), Array.init)
        let integer = withUnsafeBytes(of: Int64(-3).littleEndian, Array.init)
        try folder.write(fileBytes(json.utf8, data: [9] + values + integer), to: "t.safetensors")
        let file = try SafetensorsFile(path: path)
        let a = try #require(try file.tensor("a"))
        #expect(a.floats == [1.5, -2])
        #expect(a.storage.isFrozen)
        #expect(try file.tensor("b")?.integers == [-3])
        #expect(try file.tensor("byte")?.array(of: UInt8.self) == [9])
        let isAligned = file.withBytes(of: "a") { UInt(bitPattern: $0.baseAddress) % 4 == 0 }
        let isMapped = try file.withBytes(of: "a") { bytes in
            UInt(bitPattern: bytes.baseAddress) == a.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) }
        }
        #expect(isMapped == isAligned)
    }

    @Test func booleansAreZeroOrOne() throws {
        let json = "{" + entry("a", "BOOL", "4", "0,4") + "}"
        try folder.write(fileBytes(json.utf8, data: [0, 1, 2, 255]), to: "t.safetensors")
        let a = try #require(try SafetensorsFile(path: path).tensor("a"))
        #expect(bytes(a) == [0, 1, 1, 1])
    }

    @Test func dtypesThatAreNotComputedWith() throws {
        let json = "{" + entry("a", "F8_E4M3", "1", "0,1") + "}"
        try folder.write(fileBytes(json.utf8, data: [0]), to: "t.safetensors")
        let file = try SafetensorsFile(path: path)
        #expect(throws: SafetensorsError.self) { try file.tensor("a") }
    }

    @Test func tensorsOutliveTheFileObject() throws {
        try writeSafetensors(["a": Tensor([1, 2, 3] as [Float])], to: path)
        var read: Tensor?
        do { read = try SafetensorsFile(path: path).tensor("a") }
        try FileManager.default.removeItem(atPath: path)
        #expect(read?.floats == [1, 2, 3])
    }

    @Test func viewsAreWrittenInRowMajorOrder() throws {
        let x = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])
        try writeSafetensors(["t": x.transposed(0, 1), "n": x.narrowed(1, start: 1, count: 2)], to: path)
        let file = try SafetensorsFile(path: path)
        #expect(try file.tensor("t")?.floats == [1, 4, 2, 5, 3, 6])
        #expect(try file.tensor("n")?.floats == [2, 3, 5, 6])
    }

    @Test(arguments: [DType.bfloat16, .float16])
    func floatsCanBeStoredInSixteenBits(dtype: DType) throws {
        let x = Tensor([1, -0.5, 3.0625] as [Float])
        try writeSafetensors(["x": x, "i": Tensor([7] as [Int64])], floatingPoint: dtype, to: path)
        let file = try SafetensorsFile(path: path)
        #expect(file.header["x"]?.dtype == SafetensorsDType(dtype))
        #expect(file.header["i"]?.dtype == .i64)
        #expect(try file.tensor("x")?.floats == [1, -0.5, 3.0625])

        let set = try SafetensorsSet(WeightFiles(file: path))
        let stored = try SafetensorsSource(set).tensor("x", shape: nil, initial: nil)
        #expect(stored?.dtype == dtype)
        let widened = try SafetensorsSource(set, floatingPoint: .float32).tensor("x", shape: nil, initial: nil)
        #expect(widened?.dtype == .float32)
        #expect(widened?.storage.isFrozen == true)
        #expect(widened?.floats == [1, -0.5, 3.0625])
        let integers = try SafetensorsSource(set, floatingPoint: .float32).tensor("i", shape: nil, initial: nil)
        #expect(integers?.dtype == .int64)
    }
}
