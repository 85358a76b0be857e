/// A piece of wording for one attribute value, and where in a sentence it can stand.
struct Fragment: Sendable {
    enum Slot: Sendable {
        /// Before the subject's noun: "old", "snowy".
        case adjective
        /// After "with": "glasses".
        case with
        /// After "wearing": "a red hat".
        case wearing
        /// On its own after the subject: "smiling", "at night".
        case tail
    }

    let slot: Slot
    let text: String
}

/// All wording: the fragments of every attribute value, and the nouns. Nothing that a caption says stands elsewhere.
enum Phrases {
    typealias Values = [String: [Fragment]]

    private static func adjective(_ texts: String...) -> [Fragment] {
        texts.map { Fragment(slot: .adjective, text: $0) }
    }
    private static func with(_ texts: String...) -> [Fragment] { texts.map { Fragment(slot: .with, text: $0) } }
    private static func wearing(_ texts: String...) -> [Fragment] { texts.map { Fragment(slot: .wearing, text: $0) } }
    private static func tail(_ texts: String...) -> [Fragment] { texts.map { Fragment(slot: .tail, text: $0) } }

    /// The words that stand before "hair"; "bald" is a fragment instead.
    static let hairWords: [Attribute: [String: [String]]] = [
        .hairLength: [
            "short": ["short", "cropped"], "medium": ["medium length", "shoulder length"], "long": ["long", "flowing"],
        ],
        .hairTexture: ["straight": ["straight", "smooth"], "curly": ["curly", "frizzy"]],
        .hairColor: [
            "black": ["black", "dark"], "brown": ["brown", "chestnut"], "red": ["red", "ginger"],
            "blond": ["blond", "golden"], "grey": ["grey", "silver"], "white": ["white", "snow white"],
        ],
    ]

    static let hats: [String: [String]] = [
        "beanie": ["beanie", "knitted cap", "woolly hat"], "brim": ["wide hat", "sun hat", "hat with a brim"],
    ]

    static let clothes = ["shirt", "sweater", "top", "clothes"]

    static let portrait: [Attribute: Values] = [
        .age: [
            "young": adjective("young", "youthful"), "middle": adjective("middle aged", "mature"),
            "old": adjective("old", "elderly", "aged"),
        ],
        .mood: [
            "sad": tail("sad", "frowning", "looking sad") + adjective("sad", "unhappy"),
            "neutral": tail("calm", "with a calm face") + adjective("serious", "calm"),
            "smiling": tail("smiling", "with a smile") + adjective("smiling", "happy"),
            "grinning": tail("grinning", "smiling broadly", "laughing") + adjective("laughing", "cheerful")
                + with("a big smile", "a broad grin"),
        ],
        .eyes: [
            "closed": with("closed eyes", "shut eyes") + tail("eyes closed", "asleep"),
            "small": with("small eyes", "narrow eyes"), "large": with("big eyes", "large eyes"),
        ],
        .turn: [
            "left": tail("looking left", "turned to the left", "facing left"),
            "right": tail("looking right", "turned to the right", "facing right"),
            "forward": tail("facing forward", "looking at us", "seen from the front"),
        ],
        .skin: [
            "light": with("light skin", "pale skin", "fair skin"), "brown": with("brown skin", "tanned skin"),
            "dark": with("dark skin", "deep brown skin"),
        ],
        .hairLength: ["bald": adjective("bald") + with("a bald head", "no hair")],
        .beard: [
            "none": tail("clean shaven"), "stubble": with("stubble", "a stubbly chin"),
            "beard": with("a beard", "a short beard") + adjective("bearded"),
            "long": with("a long beard", "a big beard"),
        ],
        .glasses: ["yes": with("glasses", "spectacles") + wearing("glasses", "spectacles")],
        .background: eachColor { color in
            tail("on \(article(color)) background", "in front of \(article(color)) wall", "against \(color)")
        },
        .lightSide: [
            "left": tail("lit from the left", "light from the left"),
            "right": tail("lit from the right", "light from the right"),
            "front": tail("lit from the front", "in even light"),
        ],
        .lightTone: [
            "warm": tail("in warm light", "in golden light"),
            "cool": tail("in cool light", "in cold light", "in bluish light"),
        ],
    ]

    static let landscape: [Attribute: Values] = [
        .time: [
            "night": tail("at night", "by night", "in the dark"), "dawn": tail("at dawn", "at sunrise", "at daybreak"),
            "day": tail("by day", "in daylight", "during the day"), "sunset": tail("at sunset", "at sundown"),
            "dusk": tail("at dusk", "at twilight", "after sunset"),
        ],
        .partOfDay: [
            "morning": tail("in the morning"), "noon": tail("at noon", "at midday"),
            "afternoon": tail("in the afternoon"),
        ],
        .weather: [
            "clear": tail("in clear weather", "in fine weather"),
            "cloud": tail("under clouds", "in cloudy weather") + adjective("cloudy"),
            "rain": tail("in the rain", "in rain") + adjective("rainy", "wet") + with("rain falling"),
            "snow": tail("in snowfall", "while it snows") + with("falling snow", "snowflakes"),
            "fog": tail("in fog", "in the mist") + adjective("foggy", "misty"),
        ],
        .clouds: [
            "none": tail("under a clear sky", "under an open sky", "without clouds") + with("a cloudless sky"),
            "few": with("a few clouds", "some clouds") + tail("under small clouds"),
            "cloudy": tail("under a cloudy sky", "under clouds") + with("many clouds"),
            "overcast": tail("under an overcast sky", "under heavy clouds") + adjective("overcast"),
        ],
        .season: [
            "winter": adjective("snowy", "winter", "wintry", "snow covered") + tail("in winter", "under snow"),
            "spring": adjective("spring", "blossoming") + tail("in spring"),
            "summer": adjective("summer") + tail("in summer"),
            "autumn": adjective("autumn", "autumnal") + tail("in autumn", "in the fall"),
        ],
        .trees: [
            "none": tail("without trees"), "few": with("a few trees", "some trees"),
            "many": with("many trees", "trees", "a forest", "woods"),
        ],
        .house: ["yes": with("a house", "a cottage", "a small house", "a home")],
    ]

    static let cactuses: Values = [
        "none": tail("without plants"), "few": with("a few cactuses", "some cactuses"),
        "many": with("many cactuses", "cactuses", "cacti"),
    ]

    /// Rain and snow with their strength, which replace the plain weather fragment.
    static let strongWeather: [String: [Fragment]] = [
        "light rain": tail("in light rain", "in a drizzle"), "heavy rain": tail("in heavy rain", "in pouring rain"),
        "light snow": tail("in light snowfall") + with("a few snowflakes"),
        "heavy snow": tail("in heavy snowfall", "in a snowstorm"),
    ]

    /// Nouns by presentation, then without it. The aged nouns name the age as well.
    static let people: [String: [String]] = [
        "man": ["man", "man", "man", "gentleman"], "woman": ["woman", "woman", "woman", "lady"],
        "": ["person", "face", "head"],
        "boy": ["boy", "little boy"], "girl": ["girl", "little girl"], "child": ["child", "kid"],
        "old man": ["grandfather"], "old woman": ["grandmother"],
    ]

    static let places: [String: [String]] = [
        "mountains": ["mountains", "a mountain", "peaks", "a mountain landscape"],
        "hills": ["hills", "rolling hills", "a hilly landscape", "meadows"],
        "sea": ["the sea", "the ocean", "a beach", "a coast", "a sea"],
        "desert": ["a desert", "sand dunes", "the desert", "dunes"], "": ["a landscape", "a view", "scenery"],
    ]

    static let portraitOpenings = [
        "", "", "", "a portrait of", "portrait of", "a picture of", "an illustration of", "a drawing of",
    ]
    static let landscapeOpenings = [
        "", "", "", "", "a picture of", "an illustration of", "a drawing of", "a painting of", "a view of",
    ]
    static let joiningWords = ["a", "an", "the", "with", "wearing", "and", "in", "hair", "portrait", "landscape"]

    private static func eachColor(_ make: (String) -> [Fragment]) -> Values {
        Dictionary(uniqueKeysWithValues: NamedColor.allCases.map { ($0.rawValue, make($0.rawValue)) })
    }

    /// `phrase` after "a" or "an".
    static func article(_ phrase: String) -> String {
        guard let first = phrase.first else { return phrase }
        return ("aeiou".contains(first) ? "an " : "a ") + phrase
    }
}
