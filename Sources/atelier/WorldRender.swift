public import ArgumentParser
import Imaging
import Recipes
public import World

/// `atelier world render`: one scene with the attributes asked for.
struct WorldRender: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "render", abstract: "Draw one scene from named attributes.")

    @Option(name: [.short, .long], help: "The scene, \"family=portrait,age=0.8,hat=beanie\"; see --describe.")
    var attributes: String?
    @Option(help: "A YAML file of attributes, one name: value a line; --attributes go over it.")
    var file: String?
    @Option(help: "The style: \(SceneStyle.names).")
    var style: SceneStyle = .plain
    @Option(name: [.short, .long], help: "Seeds what no attribute names.")
    var seed: UInt64 = 0
    @Option(help: "Width and height in pixels.")
    var size = 128
    @Option(name: [.short, .long], help: "The file to write, .png or .jpg.")
    var output = "scene.png"
    @Flag(help: "List every attribute with the values it takes, and draw nothing.")
    var describe = false

    func validate() throws {
        guard (32...1024).contains(size) else { throw ValidationError("--size: expected 32 to 1024, found \(size)") }
        guard describe || attributes != nil || file != nil else {
            throw ValidationError("expected --attributes, --file or --describe, found none of them")
        }
    }

    func run() throws {
        if describe {
            print("family: portrait, landscape")
            for info in Scene.attributes { print("\(info.family) \(info.name): \(info.expected)") }
            return
        }
        var values: [(name: String, value: String)] = []
        if let file {
            let read = try decodeRecipe([String: Scalar].self, at: file)
            values = read.map { (name: $0.key, value: $0.value.text) }.sorted { $0.name < $1.name }
        }
        if let attributes { values += try Scene.attributes(in: attributes) }
        try writeImage(World.render(Scene(attributes: values, detailSeed: seed), style: style, size: size), to: output)
        print(output)
    }

    /// A value of the file, whatever its type, as its text.
    private struct Scalar: Decodable {
        let text: String

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            if let number = try? value.decode(Double.self) {
                text = number == number.rounded() && abs(number) < 1e15 ? "\(Int(number))" : "\(number)"
            } else if let flag = try? value.decode(Bool.self) {
                text = flag ? "yes" : "no"
            } else {
                text = try value.decode(String.self)
            }
        }
    }
}

/// `atelier world held-out`: the combinations that training never sees.
struct WorldHeldOut: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "held-out", abstract: "List the attribute combinations that training never sees.")

    func run() { for combination in HeldOut.all { print(combination) } }
}

extension SceneStyle: ExpressibleByArgument {
    static var names: String { allCases.map(\.rawValue).joined(separator: ", ") }
}
