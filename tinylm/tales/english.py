"""The grammar of the default stories, as plain data to read and to change; `tinylm.tales.grammar` says how to read it.

A story has one hero, or two, and then every pronoun and every verb is plural; one thing, which may be a plural too;
one place, and an animal that lives there. What a model has to carry over a distance: who the hero is, and whether
it is he, she or they; which thing it was, and whether it "was" or "were"; where it happens, and so which animals may
come and where things may lie; which animal it is, and so what it eats and what noise it makes.
"""

from tinylm.tales.grammar import GrammarData

__all__ = ["ENGLISH"]

ALONE = {"were": "was", "i": "I", "me": "me", "my": "my", "keep": "keeps"}
GIRL = {"they": "she", "them": "her", "their": "her", **ALONE}
BOY = {"they": "he", "them": "him", "their": "his", **ALONE}
TWO = {"they": "they", "them": "them", "their": "their", "were": "were", "i": "we", "me": "us", "my": "our",
       "keep": "keep"}  # fmt: skip
ONE = {"they": "it", "them": "it", "were": "was", "are": "is", "that": "that"}
SOME = {"they": "they", "them": "them", "were": "were", "are": "are", "that": "those"}

ENGLISH: GrammarData = {
    "story": [(1, "{opening} {plot}\n")],
    "plot": [
        (3, "{losing} {finding} {keeping}"),
        (2, "{wishing} {helping} {keeping}"),
        (2, "{seeing} {returning} {parting}"),
    ],
    "opening": [
        (3, "Once upon a time {hero.who} lived {home}."),
        (2, "{hero.Who} lived {home}."),
        (2, "Long ago, {home}, there lived {hero.who}."),
        (1, "This is the story of {hero}, who lived {home}."),
    ],
    "home": [
        (3, "by a river"),
        (2, "near a mill"),
        (2, "in a little town"),
        (2, "next to a church"),
        (1, "in a house with a green door"),
        (1, "at the end of a long road"),
        (1, "under a tin roof"),
    ],
    "time": [(4, "one day"), (2, "one morning"), (2, "one rainy day"), (1, "on a Sunday"), (1, "when spring came"),
             (1, "before breakfast")],
    # a thing is lost, and an animal knows where it is
    "losing": [
        (2, "{hero.They} had {thing.a} and {loving}. {Time} {hero.they} went {place.to}, and there {hero.they} "
            "lost {thing.them}. {crying}"),
        (1, "{Time} {hero.they} took {thing.a} {place.to}, but when {hero.they} came home, {thing.the} {thing.were} "
            "gone. {crying}"),
    ],
    "loving": [
        (2, "loved {thing.them} dearly"),
        (1, "took {thing.them} everywhere"),
        (1, "would not sleep without {thing.them}"),
    ],
    "crying": [
        (2, '"Where {thing.are} {hero.my} {thing}?" cried {hero}.'),
        (1, "{hero} sat down and wept."),
        (1, '"Who will help {hero.me}?" {hero.they} asked.'),
    ],
    "finding": [
        (2, '{place.animal.A} heard {hero.them}. "Look {place.spot}!" {place.animal.said} {place.animal}. '
            "{place.Spot} {thing.were} {thing.the}!"),
        (1, '"I saw {thing.them} {place.spot}," {place.animal.said} {place.animal.a}. And there {thing.they} '
            "{thing.were}! {hero.They} gave {place.animal} {place.animal.food}."),
    ],
    # an animal is fed, and a wish comes true
    "wishing": [
        (2, "{hero.They} wished for {thing.a}, {but}. {Time} {hero.they} went {place.to} and met {place.animal.a}."),
        (1, '"{hero.I} want {thing.a}," {hero.they} said every night. {Time} {hero.they} met {place.animal.a} '
            "{place.at}."),
    ],
    "but": [(2, "but had no money"), (1, "but told nobody"), (1, "day and night")],
    "helping": [
        (2, '"I am hungry," {place.animal.said} {place.animal}. {hero.They} gave {place.animal} '
            '{place.animal.food}. "{thanks}! Now look {place.spot}." {place.Spot} {hero.they} found {thing.the}.'),
        (1, '{hero.They} shared {place.animal.food} with {place.animal}, who {place.animal.said}: "{thanks}! '
            'The {thing} {place.spot} {thing.are} yours."'),
    ],
    "thanks": [(2, "Thank you"), (1, "How kind"), (1, "That was good")],
    "keeping": [
        (2, "{hero} ran home with {thing.the} and {hero.were} happy."),
        (2, "To this day {hero.they} {hero.keep} {thing.the} under {hero.their} pillow."),
        (1, "From then on {hero} and {place.animal} were friends."),
        (1, "{hero} never let go of {thing.the} again."),
    ],
    # a thing is found, and goes back to its owner
    "seeing": [
        (2, "{Time} {hero.they} went {place.to}, and {place.spot} {hero.they} saw {thing.a}."),
        (1, "{Time} {hero.they} found {thing.a} {place.at}."),
    ],
    "returning": [
        (2, '{place.animal.A} came by. "{thing.That} {thing.are} mine," {place.animal.said} {place.animal}. '
            '"I lost {thing.them} {when}." So {hero.they} gave {thing.them} back.'),
        (1, '"{thing.Are} {thing.they} yours?" {hero.they} asked {place.animal.a}. "Yes," {place.animal.said} '
            '{place.animal}, "I have looked for {thing.them} since {when}."'),
    ],
    "when": [(2, "last winter"), (1, "last summer"), (1, "yesterday")],
    "parting": [
        (2, "From then on {hero} and {place.animal} were friends."),
        (1, "{place.Animal} was so glad about {thing.the} that {hero.they} got {place.animal.food}."),
        (1, "{hero} went home without {thing.the}, but {hero.were} happy."),
    ],
    "hero": [
        *[(3, {"name": name, "who": f"a girl called {name}", **GIRL})
          for name in ("Mia", "Ada", "Zoe", "Ruth", "Ines", "Pia")],
        *[(3, {"name": name, "who": f"a boy called {name}", **BOY})
          for name in ("Tom", "Ben", "Hugo", "Sam", "Emil", "Paul")],
        *[(2, {"name": name, "who": f"two friends called {name}", **TWO})
          for name in ("Nia and Jon", "Kim and Lou", "Ella and Finn", "Bo and Liv")],
    ],
    "thing": [
        *[(2, {"name": name.split()[-1], "a": f"a {name}", "the": f"the {name}", **ONE})
          for name in ("red kite", "silver key", "little drum", "wooden horse", "blue ball", "golden ring",
                       "paper boat", "tin whistle", "woolly scarf")],
        *[(2, {"name": name.split()[-1], "a": f"some {name}", "the": f"the {name}", **SOME})
          for name in ("glass beads", "new boots", "white feathers", "warm mittens", "round marbles")],
    ],
    "place": [
        (3, {"at": "in the forest", "to": "into the forest", "animal": "{forest_animal}", "spot": "{forest_spot}"}),
        (2, {"at": "by the sea", "to": "down to the sea", "animal": "{sea_animal}", "spot": "{sea_spot}"}),
        (2, {"at": "on the hill", "to": "up the hill", "animal": "{hill_animal}", "spot": "{hill_spot}"}),
        (2, {"at": "at the farm", "to": "to the farm", "animal": "{farm_animal}", "spot": "{farm_spot}"}),
    ],
    "forest_animal": [
        (2, {"name": "the fox", "a": "a fox", "said": "barked", "food": "a bit of cheese"}),
        (2, {"name": "the owl", "a": "an owl", "said": "hooted", "food": "a slice of ham"}),
        (1, {"name": "the bear", "a": "a bear", "said": "growled", "food": "a spoon of honey"}),
        (1, {"name": "the squirrel", "a": "a squirrel", "said": "chattered", "food": "a nut"}),
    ],
    "sea_animal": [
        (2, {"name": "the gull", "a": "a gull", "said": "screamed", "food": "a crust of bread"}),
        (1, {"name": "the seal", "a": "a seal", "said": "coughed", "food": "a herring"}),
        (1, {"name": "the crab", "a": "a crab", "said": "clicked", "food": "a shrimp"}),
    ],
    "hill_animal": [
        (2, {"name": "the goat", "a": "a goat", "said": "bleated", "food": "a thistle"}),
        (1, {"name": "the raven", "a": "a raven", "said": "croaked", "food": "a cherry"}),
        (1, {"name": "the wolf", "a": "a wolf", "said": "howled", "food": "a sausage"}),
    ],
    "farm_animal": [
        (2, {"name": "the hen", "a": "a hen", "said": "clucked", "food": "a handful of corn"}),
        (2, {"name": "the cow", "a": "a cow", "said": "mooed", "food": "a bunch of clover"}),
        (1, {"name": "the mouse", "a": "a mouse", "said": "squeaked", "food": "a crumb of cake"}),
    ],
    "forest_spot": [(2, {"name": "under the ferns"}), (1, {"name": "behind an oak"}), (1, {"name": "in the moss"})],
    "sea_spot": [(2, {"name": "under the old boat"}), (1, {"name": "among the shells"}), (1, {"name": "on a rock"})],
    "hill_spot": [(2, {"name": "behind the big stone"}), (1, {"name": "in the heather"}), (1, {"name": "in a cave"})],
    "farm_spot": [(2, {"name": "in the hay"}), (1, {"name": "behind the barn"}), (1, {"name": "under the cart"})],
}  # fmt: skip
