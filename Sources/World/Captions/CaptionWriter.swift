/// Builds one caption: collects fragments by slot, then joins them around the subject.
struct CaptionWriter {
    let scene: Scene
    let wanted: Set<Attribute>
    let order: [Attribute]
    var random: SplitMix64

    private var opening = ""
    private var subject = ""
    private var adjectives: [String] = []
    private var with: [String] = []
    private var wearing: [String] = []
    private var tails: [String] = []
    private var named: [NamedAttribute] = []

    init(scene: Scene, wanted: Set<Attribute>, order: [Attribute], random: SplitMix64) {
        self.scene = scene
        self.wanted = wanted
        self.order = order
        self.random = random
        name(.family)
    }

    private mutating func name(_ attribute: Attribute) {
        guard let value = scene.label(of: attribute), !named.contains(where: { $0.attribute == attribute }) else {
            return
        }
        named.append(NamedAttribute(attribute, value))
    }

    private mutating func use(_ fragments: [Fragment]?, adjectivesAllowed: Bool = true) {
        let fitting = (fragments ?? []).filter { adjectivesAllowed || $0.slot != .adjective }
        guard !fitting.isEmpty else { return }
        let fragment = random.pick(fitting)
        switch fragment.slot {
        case .adjective: adjectives.append(fragment.text)
        case .with: with.append(fragment.text)
        case .wearing: wearing.append(fragment.text)
        case .tail: tails.append(fragment.text)
        }
    }

    // MARK: portraits

    mutating func writePortrait() {
        opening = random.pick(Phrases.portraitOpenings)
        choosePerson()
        writeHair()
        writeClothes()
        let special: Set<Attribute> = [
            .presentation, .age, .hairColor, .hairTexture, .hat, .hatColor, .clothing,
        ]
        for attribute in order where !special.contains(attribute) {
            guard let value = scene.label(of: attribute) else { continue }
            if attribute == .hairLength, value != "bald" { continue }
            name(attribute)
            // One adjective besides the age is enough before a noun.
            use(Phrases.portrait[attribute]?[value], adjectivesAllowed: adjectives.count < 2)
        }
    }

    private mutating func choosePerson() {
        let sex = scene.label(of: .presentation) ?? ""
        let age = scene.label(of: .age) ?? ""
        let gendered = wanted.contains(.presentation) || random.chance(0.6)
        let key: String
        if age == "child" {
            // A child is never called a man or woman, so the age is named whether wanted or not.
            key = gendered ? (sex == "man" ? "boy" : "girl") : "child"
            name(.age)
        } else if age == "old", wanted.contains(.age), gendered, random.chance(0.12) {
            key = "old " + sex
            name(.age)
        } else {
            key = gendered ? sex : ""
            if wanted.contains(.age) {
                name(.age)
                use(Phrases.portrait[.age]?[age])
            }
        }
        if gendered { name(.presentation) }
        subject = random.pick(Phrases.people[key] ?? ["person"])
    }

    private mutating func writeHair() {
        var words: [String] = []
        for attribute in [Attribute.hairLength, .hairTexture, .hairColor] where wanted.contains(attribute) {
            guard let value = scene.label(of: attribute), let choices = Phrases.hairWords[attribute]?[value] else {
                continue
            }
            words.append(random.chance(0.7) ? choices[0] : random.pick(choices))
            name(attribute)
        }
        if !words.isEmpty { with.append((words + ["hair"]).joined(separator: " ")) }
    }

    private mutating func writeClothes() {
        if wanted.contains(.clothing), let color = scene.label(of: .clothing) {
            name(.clothing)
            let noun = random.pick(Phrases.clothes)
            let phrase = noun == "clothes" ? color + " clothes" : Phrases.article(color + " " + noun)
            if random.chance(0.6) || noun == "clothes" { wearing.append(phrase) } else { tails.append("in " + phrase) }
        }
        if !wanted.isDisjoint(with: [.hat, .hatColor]), let hat = scene.label(of: .hat), let nouns = Phrases.hats[hat] {
            name(.hat)
            var phrase = random.pick(nouns)
            if wanted.contains(.hatColor), let color = scene.label(of: .hatColor) {
                name(.hatColor)
                phrase = color + " " + phrase
            }
            if random.chance(0.5) {
                wearing.append(Phrases.article(phrase))
            } else {
                with.append(Phrases.article(phrase))
            }
        }
    }

    // MARK: landscapes

    mutating func writeLandscape() {
        opening = random.pick(Phrases.landscapeOpenings)
        let terrain = scene.label(of: .terrain) ?? ""
        let place = wanted.contains(.terrain) || random.chance(0.8)
        if place { name(.terrain) }
        subject = random.pick(Phrases.places[place ? terrain : ""] ?? ["a landscape"])
        if opening == "a view of", !place { opening = "" }

        for attribute in order {
            guard let value = scene.label(of: attribute) else { continue }
            switch attribute {
            case .terrain: continue
            case .clouds where wanted.contains(.weather), .partOfDay where wanted.contains(.time):
                // Said by the other one of the pair.
                continue
            case .weather, .weatherStrength:
                writeWeather()
            case .trees:
                name(.trees)
                use(terrain == "desert" ? Phrases.cactuses[value] : Phrases.landscape[.trees]?[value])
            default:
                name(attribute)
                use(Phrases.landscape[attribute]?[value], adjectivesAllowed: adjectives.isEmpty)
            }
        }
    }

    private mutating func writeWeather() {
        guard !named.contains(where: { $0.attribute == .weather }), let weather = scene.label(of: .weather) else {
            return
        }
        name(.weather)
        if wanted.contains(.weatherStrength), let strength = scene.label(of: .weatherStrength) {
            name(.weatherStrength)
            use(Phrases.strongWeather["\(strength) \(weather)"])
        } else {
            use(Phrases.landscape[.weather]?[weather], adjectivesAllowed: adjectives.isEmpty)
        }
    }

    // MARK: joining

    mutating func finished() -> Caption {
        let text = random.chance(0.14) ? tags() : sentence()
        return Caption(text: text, attributes: named)
    }

    /// The subject with its adjectives and, unless it is bare or has one, an article.
    private func nounPhrase() -> String {
        var words = subject.split(separator: " ").map(String.init)
        let bare = ["mountains", "peaks", "hills", "meadows", "dunes", "scenery"].contains(words[words.count - 1])
        if ["a", "an", "the"].contains(words[0]) {
            let the = words.removeFirst() == "the" && adjectives.isEmpty
            let phrase = (adjectives + words).joined(separator: " ")
            return the ? "the " + phrase : Phrases.article(phrase)
        }
        let phrase = (adjectives + words).joined(separator: " ")
        return bare ? phrase : Phrases.article(phrase)
    }

    private mutating func sentence() -> String {
        var text = opening.isEmpty ? nounPhrase() : opening + " " + nounPhrase()
        var clauses: [(joiner: String, text: String)] = []
        if !with.isEmpty { clauses.append((" with ", list(random.shuffled(with)))) }
        if !wearing.isEmpty { clauses.append((" wearing ", list(random.shuffled(wearing)))) }
        if clauses.count == 2, random.chance(0.4) { clauses.swapAt(0, 1) }
        for (index, clause) in clauses.enumerated() { text += (index > 0 ? "," : "") + clause.joiner + clause.text }
        for (index, tail) in random.shuffled(tails).enumerated() {
            let comma = index > 0 || clauses.count > 0 || !isPlace(tail)
            text += (comma && !(index == 0 && isPlace(tail) && random.chance(0.5)) ? ", " : " ") + tail
        }
        return text
    }

    /// Whether a tail reads well straight after a noun: "a man in warm light", "hills at dawn".
    private func isPlace(_ tail: String) -> Bool {
        ["in", "on", "at", "by", "under", "against", "during", "with", "without", "after"].contains {
            tail.hasPrefix($0 + " ")
        }
    }

    /// Comma-separated key words.
    private mutating func tags() -> String {
        let family = scene.label(of: .family) ?? ""
        let parts = random.shuffled(with + wearing + tails)
        let lead = random.chance(0.5) ? [family] : []
        return (lead + [nounPhrase()] + parts).joined(separator: ", ")
    }

    private func list(_ items: [String]) -> String {
        guard items.count > 1 else { return items.first ?? "" }
        return items.dropLast().joined(separator: ", ") + " and " + items[items.count - 1]
    }
}
