import Generation
import Testing

/// The text chunk that A1111-style programs read.
@Suite struct InfotextTests {
    @Test func `a text from another program is taken apart`() {
        let text = """
            a castle (on a hill:1.2),
            golden hour
            Negative prompt: blurry, low quality
            people
            Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 965400086, Size: 512x768, Model hash: 45dee52b03, \
            Lora hashes: "add_detail: 7c6bad76eb54, more: 12ab", Version: v1.7.0
            """
        let infotext = Infotext(parsing: text)
        #expect(infotext.prompt == "a castle (on a hill:1.2),\ngolden hour")
        #expect(infotext.negativePrompt == "blurry, low quality\npeople")
        #expect(infotext["Sampler"] == "DPM++ 2M Karras" && infotext["Size"] == "512x768")
        #expect(infotext["Lora hashes"] == "add_detail: 7c6bad76eb54, more: 12ab")
        #expect(infotext.fields.count == 8)
    }

    @Test(arguments: [
        "", "only a prompt", "a prompt: with a colon, and a comma", "one\ntwo: 2, three: 3",
        "Steps: 20", "Negative prompt: nothing else",
    ])
    func `a text without a field line is a prompt`(_ text: String) {
        #expect(Infotext(parsing: text).fields.isEmpty)
    }

    @Test(arguments: [
        "plain", "with, commas: and colons", "quotes \" and \\ backslashes", "two\nlines", "", "ünïcödé 🦊",
        "ends with \\",
    ])
    func `what is written is read back`(_ value: String) {
        let infotext = Infotext(
            prompt: "a fox (red:1.2), snow", negativePrompt: "text",
            fields: [.init("Steps", "20"), .init("Sampler", "ddim"), .init("Note", value), .init("Size", "128x128")])
        #expect(Infotext(parsing: infotext.text) == infotext)
    }
}
