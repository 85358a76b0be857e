import TensorCore
import Testing

/// Factorizations multiply back to their matrix, and say what is wrong with one that has none.
@Suite struct LinearAlgebraTests {
    private func normal(_ shape: [Int], seed: UInt64 = 1) -> Tensor {
        var random = TorchGenerator(seed: seed)
        return random.normal(shape)
    }

    private func largestDifference(_ a: Tensor, _ b: Tensor) -> Float {
        zip(a.floats, b.floats).map { abs($0 - $1) }.max() ?? 0
    }

    private func diagonal(_ values: Tensor) -> Tensor {
        let n = values.count
        var elements = [Float](repeating: 0, count: n * n)
        for (i, value) in values.floats.enumerated() { elements[i * n + i] = value }
        return Tensor(elements, shape: [n, n])
    }

    private func identity(_ n: Int) -> Tensor { diagonal(.full(1, shape: [n])) }

    @Test(arguments: [1, 3, 40]) func `a solution satisfies its equations`(_ n: Int) throws {
        let a = normal([n, n]).transposed(0, 1)
        let b = normal([n, 3], seed: 2)
        let x = try solve(a, b)
        #expect(x.shape == [n, 3])
        #expect(largestDifference(matmul(a, x), b) < 1e-4)
    }

    @Test func `a singular matrix is named as such`() {
        let a = Tensor([1, 2, 2, 4] as [Float], shape: [2, 2])
        #expect(throws: LinearAlgebraError.singular(row: 1)) { try solve(a, .zeros([2, 1])) }
    }

    @Test func `a Cholesky factor is lower triangular and multiplies back`() throws {
        let x = normal([12, 20])
        let a = matmul(x, x.transposed(0, 1))
        let factor = try cholesky(a)
        #expect(largestDifference(matmul(factor, factor.transposed(0, 1)), a) < 1e-4)
        let elements = factor.floats
        for row in 0..<12 { for column in row + 1..<12 { #expect(elements[row * 12 + column] == 0) } }
        #expect(throws: LinearAlgebraError.notPositiveDefinite(minor: 2)) {
            try cholesky(Tensor([1, 2, 2, 1] as [Float], shape: [2, 2]))
        }
    }

    @Test func `eigenvalues rise and eigenvectors multiply back`() throws {
        let x = normal([15, 15])
        let a = x + x.transposed(0, 1)
        let eigen = try symmetricEigen(a)
        let vectors = eigen.vectors
        #expect(eigen.values.floats == eigen.values.floats.sorted())
        #expect(largestDifference(matmul(vectors.transposed(0, 1), vectors), identity(15)) < 1e-5)
        let product = matmul(matmul(vectors, diagonal(eigen.values)), vectors.transposed(0, 1))
        #expect(largestDifference(product, a) < 1e-4)
    }

    @Test(arguments: [(7, 7), (20, 6), (6, 20), (1, 5)])
    func `singular values fall and their factors multiply back`(_ rows: Int, _ columns: Int) throws {
        let a = normal([rows, columns])
        let parts = try singularValueDecomposition(a)
        let k = min(rows, columns)
        #expect(parts.u.shape == [rows, k] && parts.vTransposed.shape == [k, columns])
        #expect(parts.values.floats == parts.values.floats.sorted(by: >) && parts.values.floats.allSatisfy { $0 >= 0 })
        #expect(largestDifference(matmul(parts.u.transposed(0, 1), parts.u), identity(k)) < 1e-5)
        let product = matmul(matmul(parts.u, diagonal(parts.values)), parts.vTransposed)
        #expect(largestDifference(product, a) < 1e-5)
    }

    @Test func `numbers that are not finite are refused, and empty matrices are not`() throws {
        let bad = Tensor([1, .nan, 0, 1] as [Float], shape: [2, 2])
        #expect(throws: LinearAlgebraError.self) { try singularValueDecomposition(bad) }
        #expect(throws: LinearAlgebraError.self) { try symmetricEigen(bad) }
        #expect(throws: LinearAlgebraError.self) { try cholesky(bad) }
        #expect(throws: LinearAlgebraError.self) { try solve(bad, .zeros([2, 1])) }
        #expect(try cholesky(.zeros([0, 0])).shape == [0, 0])
        #expect(try singularValueDecomposition(.zeros([3, 0])).u.shape == [3, 0])
    }
}
