import ArgumentParser
import Foundation
import Imaging
import Interpretability
import TextModels
import Tokenizers

/// `atelier trace ...`: instruments that look inside models.
struct TraceCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "trace", abstract: "Look inside models: read, replace and differentiate their activations.",
        subcommands: [
            TraceLogitLens.self, TraceAttention.self, TracePatch.self, TraceCausal.self, TraceKnockout.self,
            TraceAttribution.self, TraceWords.self, TraceScan.self, TraceRun.self,
        ])
}

/// How a report is given out.
struct TraceOutput: ParsableArguments {
    @Option(name: [.short, .long], help: "Also draw a picture into this file, .png or .jpg, or write a page, .html.")
    var output: String?
    @Flag(help: "Print JSON instead of a table.")
    var json = false

    func check() throws {
        if let output, ImageFormat(path: output) == nil, !isPage {
            throw UsageError(
                description: "--output: expected a name that ends in .png, .jpg or .html, found \(output)")
        }
    }

    private var isPage: Bool { output?.lowercased().hasSuffix(".html") ?? false }

    func give(_ report: some TraceReport) throws {
        if json {
            print(try Self.json(report))
        } else {
            print(report.table)
        }
        guard let output else { return }
        guard isPage else { return try writeImage(report.picture(), to: output) }
        let page = try report.page()
        do {
            try Data(page.html.utf8).write(to: URL(filePath: output), options: .atomic)
        } catch {
            throw UsageError(description: "\(output): expected a place that can be written to, found none")
        }
    }

    static func json(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        // JSON has no infinity and no NaN: they become null, which is told.
        let mark = "atelier:no finite number"
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: mark, negativeInfinity: mark, nan: mark)
        let text = String(decoding: try encoder.encode(value), as: UTF8.self)
        guard text.contains("\"\(mark)\"") else { return text }
        complain("some numbers are infinite or not a number; they are null in the JSON")
        return text.replacing("\"\(mark)\"", with: "null")
    }
}

/// Numbers separated by commas, and ranges: `0,4,8-11`.
struct NumberList: ExpressibleByArgument {
    var numbers: [Int]

    init?(argument: String) {
        numbers = []
        for part in argument.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard ends.count <= 2, let first = ends[0], let last = ends[ends.count - 1], first <= last, last < 1 << 20
            else {
                return nil
            }
            numbers += first...last
        }
    }
}

extension TextModel {
    /// The one token that an answer begins with, as it follows a prompt.
    func answerToken(_ word: String) throws -> Int {
        let text = word.hasPrefix(" ") ? word : " " + word
        let isEmpty = word.allSatisfy(\.isWhitespace)
        guard !isEmpty, let first = tokenizer.encode(text, addsSpecials: false).first else {
            throw UsageError(description: "answer: expected a word, found \"\(word)\"")
        }
        return first.id
    }
}
