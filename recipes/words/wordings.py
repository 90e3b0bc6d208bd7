"""How people say what a picture shows: for every value of every factor, wordings by their place in a sentence.

`alone` stands by itself, `adjective` before the noun, `noun` is what the picture is of, `thing` follows "with", and `tail`
ends a sentence. Wordings are divided by bars. All words of the model's vocabulary come from here and from photos.csv.
"""

# fmt: off
WORDINGS = {
    "season": {
        "winter": {
            "alone": "winter|wintertime|a winter day|cold winter|winter landscape|frost and cold|freezing cold|a frozen world|frosty|wintry",
            "adjective": "winter|wintry|cold|frozen|icy|frosty|freezing",
            "tail": "in winter|in the depth of winter|on a cold winter day|in the cold|in january|in frost",
        },
        "spring": {
            "alone": "spring|springtime|fresh spring green|spring landscape|a spring day|blossom|new leaves",
            "adjective": "spring|fresh|green spring|springlike|blossoming",
            "tail": "in spring|in springtime|on a spring day|in fresh green|in april|in may",
        },
        "summer": {
            "alone": "summer|summertime|a summer day|high summer|summer landscape|warm summer",
            "adjective": "summer|summery|lush|warm",
            "tail": "in summer|on a summer day|in summertime|in the height of summer|in july",
        },
        "autumn": {
            "alone": "autumn|fall|fall colours|autumn colors|autumn foliage|autumn leaves|indian summer|red and orange leaves|golden october",
            "adjective": "autumn|autumnal|fall|golden autumn|rust colored|orange",
            "tail": "in autumn|in fall|in autumn colours|in october|in the fall|with orange leaves|with red and yellow foliage",
        },
    },
    "snow": {
        "ground": {
            "alone": "snow|deep snow|fresh snow|snow covered land|white snow|snowscape|snowfield|snow everywhere|all white with snow|snowy|powder snow|snowfall|snow landscape",
            "adjective": "snowy|snow covered|white|snowbound|snow clad",
            "thing": "snow on the ground|deep snow|fresh snow|snow everywhere",
            "tail": "covered in snow|under snow|blanketed with snow|in the snow|after a snowfall",
        },
        "peaks": {
            "alone": "snow on the peaks|snow on the summits|snowcapped mountains|snow capped peaks|white summits|white mountain tops|snowy peaks",
            "adjective": "snow capped|snowcapped",
            "thing": "snow on the summits|snow on the peaks|white peaks|some snow high up",
            "tail": "under snow capped peaks|topped with snow",
        },
        "none": {
            "alone": "no snow|without snow|snowless|free of snow|not a trace of snow",
            "adjective": "snowless|snow free",
            "thing": "no snow",
            "tail": "without snow|without any snow|free of snow",
        },
    },
    "hour": {
        "day": {
            "alone": "day|daytime|daylight|broad daylight|midday|noon|bright day|in the daytime|afternoon",
            "adjective": "daytime|bright|daylit",
            "tail": "by day|in daylight|at noon|at midday|in broad daylight|in the afternoon|during the day",
        },
        "sunset": {
            "alone": "sunset|golden sunset|sundown|dusk|golden hour|evening|evening glow|warm evening light|low golden sun|red sunset|orange sky|glowing evening sky|the sun goes down|golden light|twilight|afterglow|crimson sky|red sky|setting sun|red evening sky|golden evening|glowing sky",
            "adjective": "sunset|evening|golden|glowing|warm golden|crimson|reddish",
            "thing": "an orange sky|a glowing sky|low golden sun|golden light|warm evening light",
            "tail": "at sunset|at dusk|in the evening|in the golden hour|in golden light|in the light of the setting sun|under an orange sky|as the sun sets|at sundown|in low golden sun",
        },
        "dawn": {
            "alone": "dawn|sunrise|daybreak|early morning|morning|pale morning light|first light|pink morning sky|the sun rises|pastel sky|rosy morning|rising sun|soft pink light|morning light",
            "adjective": "dawn|morning|early morning|pastel|rosy",
            "thing": "a pink sky|pale morning light|a pastel sky|soft morning light",
            "tail": "at dawn|at sunrise|at daybreak|in the early morning|in the first light|in pale morning light|under a pink sky|as the sun rises",
        },
        "night": {
            "alone": "night|night time|nighttime|darkness|moonlight|moonlit night|at night|dark night|midnight|night sky|by moonlight|after dark|moon|full moon|nightfall|moonlit|dark|moonlit landscape",
            "adjective": "dark|night|moonlit|nocturnal|nighttime",
            "thing": "a dark sky|a night sky|moonlight",
            "tail": "at night|by night|by moonlight|in the dark|after dark|at midnight|in moonlight|under the moon|under a dark sky",
        },
    },
    "sky": {
        "clear": {
            "alone": "clear sky|cloudless sky|no clouds|clear weather|cloudless|without a cloud|not a cloud in the sky|an empty sky|fine weather|clear skies|cloudfree",
            "adjective": "cloudless|clear",
            "thing": "a clear sky|a cloudless sky|no clouds|not a cloud in the sky",
            "tail": "under a clear sky|under a cloudless sky|without a cloud|without clouds|in clear weather|in fine weather",
        },
        "clouds": {
            "alone": "clouds|cloudy|scattered clouds|fair weather clouds|fluffy clouds|white clouds|a few clouds|partly cloudy|broken clouds|puffy clouds|cloud|passing clouds|cumulus clouds|clouds in the sky",
            "adjective": "cloudy|partly cloudy",
            "thing": "clouds|scattered clouds|white clouds|some clouds in the sky|fluffy clouds|a cloudy sky|drifting clouds",
            "tail": "under scattered clouds|under white clouds|under a cloudy sky|with clouds in the sky|with clouds drifting by",
        },
        "overcast": {
            "alone": "overcast|overcast sky|grey sky|gray sky|dull weather|dull grey day|covered sky|flat grey light|leaden sky|gloomy weather|dreary weather|bleak weather|drab and grey|gloomy",
            "adjective": "overcast|dull|grey|gray|gloomy|bleak|dreary|drab",
            "thing": "an overcast sky|a grey sky|a gray sky|flat light",
            "tail": "under an overcast sky|under a grey sky|on a grey day|on a dull day|on an overcast day|under a blanket of cloud",
        },
        "storm": {
            "alone": "storm|stormy|thunderstorm|storm clouds|dark clouds|stormy weather|bad weather|rain clouds|threatening sky|heavy clouds|tempest|rainstorm|rain|gale|dramatic sky|moody sky|thunder|dark sky before the storm",
            "adjective": "stormy|dark and stormy|rainy|windswept|dramatic|moody|menacing|tempestuous",
            "thing": "storm clouds|dark clouds|heavy clouds|a threatening sky|a stormy sky",
            "tail": "in a storm|under storm clouds|under dark clouds|before the storm|in stormy weather|in bad weather|in rough weather",
        },
    },
    "sun": {
        "yes": {
            "alone": "sunny|sunshine|sunny day|blue sky|bright sunshine|sun|nice weather|beautiful weather|a deep blue sky",
            "adjective": "sunny|sun drenched",
            "thing": "a blue sky|bright sunshine|sunshine",
            "tail": "in the sun|in bright sunshine|under a blue sky|on a sunny day|in sunshine",
        },
        "none": {
            "alone": "no sun|no sunshine|without sun|sunless|no blue sky",
            "adjective": "sunless",
            "thing": "no sun|no sunshine",
            "tail": "without sunshine|without sun",
        },
    },
    "fog": {
        "yes": {
            "alone": "fog|mist|foggy|misty|haze over the ground|thick fog|morning mist|veils of mist|low fog|haze|a foggy day|murky air|mists|dense fog|misty morning",
            "adjective": "foggy|misty|hazy|veiled|murky|fogbound",
            "thing": "fog|mist|low mist|veils of fog|mist over the ground",
            "tail": "in fog|in the mist|in thick fog|wrapped in mist|shrouded in fog|veiled by mist",
        },
        "none": {
            "alone": "no fog|no mist|clear air|without fog|crisp air|good visibility|far view",
            "adjective": "crisp",
            "thing": "no fog|clear air",
            "tail": "without fog|without mist|in clear air|in crisp air",
        },
    },
    "place": {
        "mountains": {
            "alone": "mountains|mountain|steep mountains|alpine peaks|alps|mountain range|rugged mountains|high peaks|summits|alpine landscape|rocky peaks|crags|ridges|summit|rocky ridge|alpine|high mountains|a mountain|mountain peak",
            "adjective": "mountainous|alpine",
            "noun": "mountains|mountain range|mountain landscape|alpine valley|peaks|rugged mountains|massif|mountain valley|summits|highlands|mountain scenery|mountain|crags|rocky peaks|ridges|high mountains|mountain country",
        },
        "hills": {
            "alone": "hills|low hills|gentle hills|hilly country|rolling hills|soft hills|hillside|hill|slopes|gentle slopes|downs|knolls",
            "adjective": "hilly|gently rolling",
            "noun": "hills|low hills|hill country|hilly landscape|gentle hills|hillsides|uplands|rolling hills|slopes|hill|knolls|downs",
        },
        "coast": {
            "alone": "coast|seaside|shore|cliffs by the sea|coastline|seashore|headland|rocky coast|coastal cliffs|bay|cliff|cove|cliffs|promontory|coastal landscape|beach and sea",
            "adjective": "coastal",
            "noun": "coast|seashore|coastline|cliffs|bay|coastal landscape|sea cliffs|headland|rocky shore|seascape|cove|shore|promontory|rocky coast|beach",
        },
        "islands": {
            "alone": "islands|island|island in the sea|archipelago|isles|an island far out|islands in the ocean|small island|rocky island|an island",
            "adjective": "island",
            "noun": "islands|island|archipelago|isle|isles|group of islands",
        },
        "dunes": {
            "alone": "dunes|sand dunes|dune|dune field|smooth dunes|waves of sand|sand|sandy dunes|sand sea",
            "adjective": "dune",
            "noun": "dunes|sand dunes|dune landscape|dune field|smooth dunes",
        },
        "fields": {
            "alone": "fields|farmland|meadows|open fields|rolling farmland|pasture|plain|countryside|grassland|green meadow|field|prairie|meadow|crops|agricultural land|farm fields|flat country",
            "adjective": "rural|open",
            "noun": "fields|farmland|meadows|countryside|plain|pastures|grassland|open country|meadow|rolling fields|prairie|field|crop fields|green fields",
        },
        "mesas": {
            "alone": "mesas|mesa|table mountains|buttes|flat topped mountains|rock towers|tablelands|plateau|monument valley|butte|table mountain|red rock towers|cliffs with flat tops",
            "adjective": "flat topped",
            "noun": "mesas|buttes|table mountains|rock towers|tableland|plateau|flat topped hills",
        },
        "canyon": {
            "alone": "canyon|gorge|ravine|red rock canyon|rock walls|slot canyon|sandstone|canyons|canyon walls",
            "noun": "canyon|gorge|red rock canyon|sandstone canyon|rock walls",
        },
        "heights": {
            "alone": "only sky|sky|nothing but sky|clouds from above|above the clouds|sky and nothing else",
            "noun": "sky|sea of clouds|sky full of clouds",
        },
        "closeup": {
            "alone": "close up|closeup|macro|detail|a close look|seen from very near|blurred background",
            "noun": "close up|detail|macro photo",
        },
    },
    "water": {
        "none": {
            "alone": "no water|dry land|without water|waterless|dry ground|no lake and no sea|dry|land without water|inland",
            "adjective": "dry|waterless",
            "thing": "no water|no lake|dry ground",
            "tail": "without water|without a lake|on dry land|far from water",
        },
        "lake": {
            "alone": "lake|a lake|mountain lake|lakeside|lake shore|a clear lake|pond|still lake|lakes|tarn|loch|reservoir|water|lake water",
            "adjective": "lakeside",
            "thing": "a lake|a clear lake|a wide lake|a lake in front|water in the valley|a lake in the foreground|a mountain lake|a blue lake|water|a pond",
            "tail": "by a lake|beside a lake|at the lake|on the shore of a lake|around a lake|above a lake|on a lake",
        },
        "sea": {
            "alone": "sea|ocean|open sea|the sea|salt water|wide ocean|sea water|gulf|atlantic|pacific|blue sea|water|sea view",
            "adjective": "ocean|maritime",
            "thing": "the sea|the ocean|open sea|the sea in front|the blue sea|water|a wide ocean|the ocean in front",
            "tail": "by the sea|beside the ocean|at the sea|in the sea|in the ocean|on the sea|by the ocean",
        },
        "river": {
            "alone": "river|stream|brook|creek|running water|waterfall|rapids|rivers|waterfalls|brooks|small stream|boats on a river",
            "thing": "a river|a stream|a brook|running water|a waterfall",
            "tail": "along a river|by a stream",
        },
    },
    "surface": {
        "calm": {
            "alone": "calm water|still water|smooth water|mirror like water|reflections|reflections in the water|glassy water|quiet water|calm|peaceful water|serene water|mirror|reflection|calm lake|calm sea|tranquil water",
            "adjective": "calm|quiet|tranquil|still|peaceful|serene|mirror smooth",
            "thing": "calm water|still water|smooth water|reflections in the water|water like a mirror|glassy water",
            "tail": "reflected in the water|mirrored in still water|over calm water",
        },
        "waves": {
            "alone": "waves|choppy water|rough water|rough sea|surf|wind on the water|rippled water|whitecaps|wave|breakers|swell|ripples|wind|windy day|wavy water",
            "adjective": "windy|rough|wavy|wind swept",
            "thing": "waves|choppy water|rough water|surf|ripples on the water|whitecaps",
            "tail": "with waves on the water|in the wind|with wind on the water",
        },
        "ice": {
            "alone": "ice|frozen water|frozen lake|ice on the water|icy water|ice sheet|frozen|ice floes|frozen sea|ice cover|pack ice",
            "adjective": "ice covered|iced",
            "thing": "ice|ice on the water|frozen water|floating ice",
            "tail": "with ice on the water|frozen over|under ice",
        },
    },
    "trees": {
        "none": {
            "alone": "no trees|treeless|without trees|bare land|bare|without a single tree|barren|no tree|no forest|no trees at all|stark and bare",
            "adjective": "treeless|bare|barren|naked",
            "thing": "no trees|not a single tree",
            "tail": "without trees|without a tree|without any trees|without forest|without woods",
        },
        "few": {
            "alone": "few trees|a few trees|scattered trees|some trees|trees here and there|lone trees|sparse trees|trees|tree|bushes and trees",
            "adjective": "sparsely wooded",
            "thing": "a few trees|scattered trees|some trees|few trees|trees here and there",
            "tail": "dotted with trees|with some trees",
        },
        "forest": {
            "alone": "forest|woods|dense forest|many trees|woodland|thick woods|trees everywhere|deep forest|wooded slopes|trees|lots of trees|thicket|forests|a forest|woody",
            "adjective": "forested|wooded|woodland",
            "thing": "a forest|dense woods|many trees|forests|wooded slopes|thick forest|woodland",
            "tail": "covered with forest|full of trees|among forests|behind a forest",
        },
    },
    "kind": {
        "conifers": {
            "alone": "conifers|firs|spruces|pines|fir trees|pine trees|pine forest|evergreens|spruce forest|fir|pine|spruce|evergreen forest|fir forest|needle trees|pine woods",
            "thing": "conifers|firs|pines|spruces|fir trees|pine trees|dark conifers|evergreen trees",
            "tail": "among firs|among pine trees|between conifers",
        },
        "palms": {
            "alone": "palms|palm trees|coconut palms|palm|palm grove|palm beach|palm tree",
            "thing": "palms|palm trees|some palms|coconut palms",
            "tail": "under palms|among palm trees|lined with palms",
        },
        "leafy": {
            "alone": "broadleaf trees|leafy trees|deciduous trees|beeches and oaks|foliage|round trees|oaks|maples|beech forest|green foliage|leafy woods",
            "thing": "leafy trees|broadleaf trees|deciduous trees|round green trees",
            "tail": "among leafy trees",
        },
    },
    "climate": {
        "desert": {
            "alone": "desert|arid land|hot desert|sand and rock|sandy desert|dry desert|red desert|sandy ground|wasteland|badlands|sahara|cracked earth|sandy|arid",
            "adjective": "desert|arid|sandy|parched",
            "thing": "sand|bare sand|red sand and rock|sandy ground",
            "tail": "in the desert|in a dry land|in the sand|in a hot desert",
        },
        "tropical": {
            "alone": "tropical|tropics|paradise|turquoise water|tropical beach|lagoon|caribbean|south seas|white beach|jungle|hawaii|maldives|polynesia|tropical island|turquoise sea|turquoise lagoon",
            "adjective": "tropical|exotic|caribbean",
            "thing": "turquoise water|tropical plants|a white beach|rich green",
            "tail": "in the tropics|in the south seas|near the equator",
        },
        "savanna": {
            "alone": "savanna|savannah|steppe|dry grass|yellow grass|african plain|acacia trees|acacias|africa|dry grassland|serengeti|bush country|sunburnt grass|golden grass|dry yellow meadow",
            "adjective": "savanna|african|dry golden",
            "thing": "dry grass|yellow grass|acacias|acacia trees|umbrella trees",
            "tail": "in the savanna|in africa|in the dry season|on the steppe",
        },
        "volcanic": {
            "alone": "volcanic|volcanic land|lava|black rock|black sand|volcano|lava field|dark rock|ash|basalt|cinders|iceland|black lava|volcanoes|black land",
            "adjective": "volcanic|black|lava",
            "thing": "black rock|lava|dark lava rock|black sand|volcanic ash",
            "tail": "of lava|on volcanic ground|in a volcanic land|of black rock",
        },
    },
    "backlight": {
        "yes": {
            "alone": "backlit|against the light|backlight|sun in front|silhouette|facing the sun|against the sun|silhouettes|sun ahead|low sun in front|sun rays|contre jour",
            "adjective": "backlit",
            "thing": "the sun in the picture|the sun ahead|the sun shining into the lens|long shadows towards us",
            "tail": "against the light|against the sun|facing the sun|in backlight|in silhouette",
        },
        "none": {
            "alone": "front light|sun from behind|frontal light|sunlit|the sun behind us",
            "adjective": "sunlit|brightly lit",
            "thing": "the sun behind the camera|frontal light",
            "tail": "lit from the front|with the sun at our back|with the light from behind us",
        },
    },
    "stars": {
        "yes": {
            "alone": "stars|starry sky|starry night|starlight|starlit night|star filled sky|thousands of stars|star|starry|milky way|stars in the sky",
            "adjective": "starry|starlit",
            "thing": "stars|a starry sky|stars in the sky|thousands of stars",
            "tail": "under the stars|under a starry sky|by starlight|beneath the stars",
        },
        "none": {
            "alone": "no stars|starless|without stars",
            "adjective": "starless",
            "thing": "no stars",
            "tail": "without stars",
        },
    },
    "aurora": {
        "yes": {
            "alone": "aurora|northern lights|polar lights|aurora borealis|green lights in the sky|curtains of light",
            "thing": "northern lights|an aurora|polar lights|green curtains of light|green lights in the sky",
            "tail": "under the northern lights|under an aurora|under polar lights",
        },
        "none": {
            "alone": "no aurora|no northern lights|without northern lights",
            "thing": "no aurora|no northern lights",
            "tail": "without an aurora|without northern lights",
        },
    },
    "flowers": {
        "yes": {
            "alone": "flowers|wildflowers|blooming meadow|flowering meadow|blossoms|flower meadow|in bloom|flower|blossom|poppies|daisies|colourful flowers|colorful flowers",
            "adjective": "blooming|flowering|flowery",
            "thing": "flowers|wildflowers|blossoms|many flowers|flowers in the grass",
            "tail": "in bloom|in flower|full of flowers",
        },
        "none": {
            "alone": "no flowers|without flowers|flowerless",
            "thing": "no flowers",
            "tail": "without flowers",
        },
    },
    "boulders": {
        "yes": {
            "alone": "boulders|rocks|big stones|stones|rocks in the foreground|scattered boulders|stony ground|boulder|stone|big rocks|rocks|stones in front",
            "adjective": "stony|boulder strewn",
            "thing": "boulders|rocks in the foreground|big stones|scattered boulders|stones in front",
            "tail": "strewn with boulders|littered with stones|between boulders",
        },
        "none": {
            "alone": "no boulders|no stones|without boulders",
            "thing": "no boulders|no stones",
            "tail": "without boulders|without stones",
        },
    },
    "tree": {
        "yes": {
            "alone": "big tree|a single tree|single tree|lone tree|solitary tree|a large tree in front|one tall tree|one tree|large tree|big old tree|an oak|a tall tree in front",
            "thing": "a big tree|a single tree|a lone tree in the foreground|a large tree in front|one tall tree|a solitary tree",
            "tail": "behind a big tree|framed by a large tree",
        },
        "none": {
            "alone": "no big tree|no tree in front|no tree in the foreground",
            "thing": "no big tree|no tree in front|no tree in the foreground",
            "tail": "without a tree in the foreground|without a big tree",
        },
    },
    "count": {
        "one": {
            "alone": "one island|a single island|a lone island|only one island",
            "noun": "single island|lone island|solitary island",
        },
        "few": {
            "alone": "two islands|three islands|a few islands|a couple of islands|some islands",
            "noun": "two islands|three islands|a few islands|some islands",
        },
        "many": {
            "alone": "many islands|several islands|lots of islands|a whole archipelago|a chain of islands|four islands|five islands|dozens of islands",
            "noun": "many islands|several islands|lots of islands|chain of islands",
        },
    },
}
# fmt: on
PARTS = ("alone", "adjective", "noun", "thing", "tail")
HEADS = "landscape|view|scene|scenery|land|nature|panorama|place|country|vista|wilderness|outdoors"
OPENINGS = "a photo of|a picture of|a photograph of|an image of|a view of|we see|this is|here is|a wide view of"


def wordings(factor: str, value: str, part: str) -> list[str]:
    """The wordings of one value for one place in a sentence."""
    return WORDINGS[factor][value].get(part, "").split("|") if WORDINGS[factor][value].get(part) else []
