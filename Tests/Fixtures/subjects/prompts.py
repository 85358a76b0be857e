"""The words that train the tiny vocabulary, and the prompts that test it."""

TRAINING_TEXT = """
a portrait of an old man with white hair, smiling. a portrait of a young woman with long red hair and green eyes.
a man with a beard and glasses, looking left. a girl with short black hair, blue eyes, a soft warm light from the right.
an elderly lady with grey hair, a wide smile, round glasses. a bald man with a thick brown beard, serious, dark skin.
a snowy mountain at night under a clear sky full of stars. a foggy valley at dawn with tall pine trees and a small house.
rolling green hills in summer at noon, light clouds. a rainy autumn forest with orange leaves in the evening.
a wooden house by the lake in winter, snow on the roof. a wide landscape with mountains, river and meadow at sunset.
a photo of a cat sitting on a red chair. a painting of a dog running through the snow. an astronaut riding a horse.
a close-up photograph of a flower, highly detailed, sharp focus, studio lighting, 8k. an oil painting in the style of
impressionism. a watercolor of a city street in the rain. a drawing of a castle on a hill, pencil sketch, black and white.
the man's hat isn't blue, they're smiling, we've seen it, i'm here, she'll come, he'd go. it's a dog's life.
beautiful digital art, trending, concept art, illustration, low quality, blurry, bad anatomy, worst quality, jpeg artifacts.
1 2 3 4 5 6 7 8 9 0 10 20 50 100 512 768 1024 2024. 35 mm f/1.4, iso 200!!! what?? really... (yes) [no] {maybe} -- - + = #
cafe caf\u00e9 na\u00efve fa\u00e7ade \u00fcber stra\u00dfe gar\u00e7on se\u00f1or ma\u00f1ana \u00e9t\u00e9
el ni\u00f1o peque\u00f1o. \u00fcber den wolken. d\u00e9j\u00e0 vu. \u043c\u043e\u0441\u043a\u0432\u0430 \u0433\u043e\u0440\u043e\u0434
\u65e5\u672c\u8a9e \u6771\u4eac \u5c71 \u732b \U0001f600 \U0001f600 \U0001f431 \u2764\ufe0f \u2764\ufe0f
young old man woman girl boy face smile eyes hair skin light warm cold left right top bottom day night morning evening
spring summer autumn winter sun moon stars cloud clouds rain snow fog mist storm clear hill hills mountain mountains
valley river lake sea tree trees pine oak house houses village field meadow sky blue green red yellow orange brown black
white grey golden bright dark very slightly large small wide narrow round open closed happy sad calm serious with without
"""

SUBJECTS = ["a cat", "an old man", "the young woman", "a snowy mountain", "two astronauts", "a red sports car",
            "a wooden house", "portrait of a girl", "an unphotogenic zebra", "a xylophone"]
SETTINGS = ["at night", "in the fog", "on Mars", "under a clear sky", "in the style of Hokusai", "with round glasses"]
MANNERS = ["", ", highly detailed", ", 8k, sharp focus!", " - oil painting", " (masterpiece:1.2)"]

SPECIAL = {
    "space": ["", " ", "   ", "\n", "\t\t", " a cat", "a cat ", "a  cat", "a\tcat", "a\ncat\r\n on\n\na mat",
              "a\u00a0cat", "a\u2003cat\u2009sat", "a\u3000cat", "a\u200bcat", "a\ufeffcat", "a\u2028cat\u2029", "\u0085a"],
    "case": ["A CAT", "A Cat On A MAT", "iPhone", "McDonald", "\u00c9T\u00c9", "STRASSE \u1e9e", "\u0130stanbul I\u0131i",
             "\u03a3\u03af\u03c3\u03c5\u03c6\u03bf\u03c2 \u03a3\u0391\u03a3", "\u01c5 \u01c4 \u01c6", "\u212b \u2126 \u212a",
             "\uff21\uff22\uff23 \uff41\uff42\uff43"],
    "contraction": ["it's", "isn't", "they're", "we've", "i'm", "she'll", "he'd", "IT'S", "Don't", "'s", "'t 're 've",
                    "dogs' bones", "rock'n'roll", "o'clock", "'sup", "it\u2019s a cat\u2019s life", "y'all'd've", "'", "''",
                    "'lls", "x'vex", "'M 'LL 'D"],
    "number": ["1", "12", "123", "2024", "3.14", "1,000,000", "50%", "f/1.4", "35mm", "4k", "8K", "1st 2nd 3rd", "0x1F",
               "\u00bd \u00bc \u00b2 \u00b3", "\u2160 \u2163 \u2169", "\u0663\u0664\u0665", "\uff11\uff12\uff13", "\u2460\u2461",
               "10^-5", "-7", "+7", "1e-5", "12:30", "2024-01-31"],
    "punctuation": ["!", "!!", "!!!", "?!?!", "...", "\u2026", ",", ", ,", "a,b", "a , b", "(a)", "((a))", "[a:b:0.5]",
                    "{a|b}", "a/b", "a\\b", "a_b", "snake_case_name", "__init__", "#hashtag", "@user", "a&b", "a+b=c", "a*b",
                    "<b>", "<|>", "<||>", "a|b", "~", "`code`", "\"quoted\"", "\u201cquoted\u201d", "\u00abguillemets\u00bb",
                    "\u2014 dash \u2013 dash - dash", "end.", "end.Start", "e.g. this", "www.example.org/a?b=c&d=e", "C++", "C#",
                    "$5 \u20ac5 \u00a35", "100\u00b0C", "\u00a9 \u00ae \u2122", "<lora:name:0.8> a cat", "a cat, (dog:1.3), BREAK"],
    "accent": ["caf\u00e9", "cafe\u0301", "na\u00efve", "nai\u0308ve", "\u00c5ngstr\u00f6m", "A\u030angstro\u0308m", "fa\u00e7ade",
               "ma\u00f1ana", "man\u0303ana", "\u1e69 s\u0323\u0307 s\u0307\u0323", "\u0301a", "a\u0301\u0302\u0303", "ph\u1edf", "Vi\u1ec7t Nam",
               "\ufb01ne \ufb02ower", "\u017f", "\u0133", "\u1100\u1161\u11a8", "\u0344", "\u2f8d4 \uf900"],
    "script": ["\u041c\u043e\u0441\u043a\u0432\u0430", "\u043a\u0440\u0430\u0441\u0438\u0432\u044b\u0439 \u0433\u043e\u0440\u043e\u0434",
               "\u65e5\u672c\u8a9e\u306e\u732b", "\u6771\u4eac\u30bf\u30ef\u30fc", "\uff76\uff9e", "\ud55c\uad6d\uc5b4 \uace0\uc591\uc774",
               "\u4e00\u53ea\u732b\uff0c\u5728\u5c71\u4e0a\u3002", "\u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645",
               "\u05e9\u05dc\u05d5\u05dd", "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35", "\u0928\u092e\u0938\u094d\u0924\u0947",
               "\u0b95\u0bcd\u0bb7", "\u1200\u120b", "\u10d2\u10d0\u10db\u10d0\u10e0", "\u10a0\u10a1", "\u13a0\uab70",
               "\U00010400\U00010428", "\U0001d400\U0001d41a", "\u03b1\u03b2\u03b3 \u0391\u0392\u0393"],
    "emoji": ["\U0001f600", "\U0001f600\U0001f600", "a \U0001f431 cat", "\u2764", "\u2764\ufe0f", "\U0001f44d\U0001f3fd",
              "\U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466", "\U0001f1eb\U0001f1f7\U0001f1e9\U0001f1ea", "1\ufe0f\u20e3",
              "\u2728magic\u2728", "\u2191\u2192\u2193", "\u2211\u222b\u221a", "\u2588\u2591", "\ufffd", "\U0010ffff", "\ue000"],
    "control": ["a\u0000b", "a\u0001b", "\u007f", "a\u001fb", "a\u000bb\u000cc", "a\u200db", "\u202eabc", "\u00adsoft\u00adhyphen"],
    "special": ["<|endoftext|>", "<|startoftext|>", "a <|endoftext|> b", "a<|endoftext|>b", "<|ENDOFTEXT|>",
                "<|startoftext|>a cat<|endoftext|>", "<|endoftext|><|endoftext|>", "<|endoftext|", "< |endoftext|>"],
    "long": ["cat " * 100, "a" * 300, "supercalifragilisticexpialidocious " * 12, "1234567890" * 10, "!" * 200, "! " * 90,
             "\u732b" * 40, "\U0001f600" * 30, " ".join(["portrait of an old man with white hair"] * 15),
             "pneumonoultramicroscopicsilicovolcanoconiosis", "cat" * 75, "x y " * 37 + "z", "x y " * 37 + "z w", "a " * 74,
             "a " * 75, "a " * 76, "a " * 77],
    "word": ["portrait", "portraits", "mountain", "mountainous", "smiling", "unsmiling", "qzxj", "zzz", "q", "th", "the",
             "thethe", "housesnow", "snowhouse", "antidisestablishmentarianism"],
}


def prompts():
    """(group, prompt) pairs in a fixed order."""
    rows = [("caption", f"{subject} {setting}{manner}")
            for row, subject in enumerate(SUBJECTS)
            for column, setting in enumerate(SETTINGS)
            for manner in [MANNERS[(row + column) % len(MANNERS)]]]
    rows += [(group, prompt) for group, texts in SPECIAL.items() for prompt in texts]
    rows += [("caption", line.strip()) for line in TRAINING_TEXT.strip().splitlines()]
    return rows
