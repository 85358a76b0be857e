import ArgumentParser
import Foundation
import TensorCore
import TextModels
import Weights

/// `atelier text ...`: language models.
struct TextCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "text", abstract: "Run language models.",
        subcommands: [TextGenerate.self, TextChat.self, TextPerplexity.self])
}

/// Which model, and how it is loaded.
struct TextModelOptions: ParsableArguments {
    @Option(
        name: [.short, .long],
        help: "A folder of transformers, a GGUF file, or a file's name in the cache (~/.cache/atelier, ATELIER_CACHE).")
    var model: String
    @Flag(help: "Widen all weights to 32 bits, instead of computing with them as they are stored.")
    var full = false
    @Option(name: [.short, .long], parsing: .unconditional, help: "Threads (default: all cores).")
    var threads: Int?

    func load() throws -> TextModel {
        try useThreads(threads)
        return try Self.load(model, full: full)
    }

    static func load(_ model: String, full: Bool) throws -> TextModel {
        let loaded = try TextModel(path: path(model), floatingPoint: full ? .float32 : nil)
        if !loaded.report.unused.isEmpty { complain("unused: \(loaded.report)") }
        return loaded
    }

    /// Whether a name is that of a language model: a GGUF file or a folder of transformers.
    static func isLanguageModel(_ name: String) -> Bool {
        let path = path(name)
        return path.lowercased().hasSuffix(".gguf") || FileManager.default.fileExists(atPath: path + "/config.json")
    }

    /// A path as it is where something is there; else a file of the cache whose name begins so.
    static func path(_ name: String) -> String {
        if FileManager.default.fileExists(atPath: name) || name.contains("/") { return name }
        let folder = cacheFolder
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        let found = files.sorted().first { $0 == name || $0.lowercased().hasPrefix(name.lowercased()) }
        return found.map { folder.appending(path: $0).path } ?? name
    }

    /// Where `make models` puts models.
    static var cacheFolder: URL {
        if let named = ProcessInfo.processInfo.environment["ATELIER_CACHE"] { return URL(filePath: named) }
        return FileManager.default.homeDirectoryForCurrentUser.appending(path: ".cache/atelier")
    }
}

/// How tokens are drawn.
struct SamplingArguments: ParsableArguments {
    @Option(parsing: .unconditional, help: "0 always takes the likeliest token; higher is more varied.")
    var temperature: Float = 0
    @Option(parsing: .unconditional, help: "Only the likeliest tokens count; 0 for all.")
    var topK = 0
    @Option(parsing: .unconditional, help: "Only the likeliest tokens count that together have this probability.")
    var topP: Float = 1
    @Option(parsing: .unconditional, help: "Above 1, tokens that occurred become less likely.")
    var repetitionPenalty: Float = 1
    @Option(name: [.short, .long], parsing: .unconditional, help: "The seed of the draws.")
    var seed: UInt64 = 42
    @Option(name: [.customShort("n"), .long], parsing: .unconditional, help: "The most tokens to give.")
    var maxTokens = 128

    func options() throws -> SamplingOptions {
        func check(_ condition: Bool, _ option: String, _ expected: String, _ found: Any) throws {
            if !condition { throw UsageError(description: "--\(option): expected \(expected), found \(found)") }
        }
        try check(temperature >= 0 && temperature.isFinite, "temperature", "0 or more", temperature)
        try check(topK >= 0, "top-k", "0 or more", topK)
        try check(topP > 0 && topP <= 1, "top-p", "above 0 up to 1", topP)
        try check(
            repetitionPenalty > 0 && repetitionPenalty.isFinite, "repetition-penalty", "above 0", repetitionPenalty)
        try check((1...1_000_000).contains(maxTokens), "max-tokens", "1 to 1000000", maxTokens)
        var options = SamplingOptions()
        options.temperature = temperature
        options.topK = topK
        options.topP = topP
        options.repetitionPenalty = repetitionPenalty
        options.seed = seed
        return options
    }
}

/// Prints without waiting for the end of the line.
func show(_ text: String) { FileHandle.standardOutput.write(Data(text.utf8)) }
