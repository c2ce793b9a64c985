"""The questions at the end of chapter 03."""

from __future__ import annotations

from recsys_lab.exercises.exercise import Choice, Question

QUESTIONS = (
    Question(
        "item2vec is asked for the products *like* this one (cosine of the vectors of products), and for those that"
        " come *next to* it (vector times output vector). Why do the two lists differ?",
        (
            Choice(
                "The output vectors are an older copy of the product vectors.",
                right=False,
                why="The two are trained together, from the same pairs, and end as different vectors: one for the"
                " product as what is asked from, one for the product as a neighbour.",
            ),
            Choice(
                "Two products are alike when they have the same neighbours. They need not be neighbours themselves.",
                right=True,
                why="Two boots of the same kind may hardly ever share a visit, and yet both are seen beside the same"
                " coats: alike, but not next to each other. Training makes the product with the *output* vector large"
                " for what does share a visit.",
            ),
            Choice(
                "They differ only in length: the cosine divides by it, and the order stays the same.",
                right=False,
                why="The lengths do matter, but the output vectors also point elsewhere. On the shop's next board the"
                " two ways to ask are far apart.",
            ),
        ),
    ),
    Question(
        "A colleague's item2vec recommends products that have nothing to do with the one that is open. Training"
        " ended without an error, and the loss went down. What do you look at first?",
        (
            Choice(
                "Whether more epochs help.",
                right=False,
                why="Too few epochs make weak neighbours, hardly absurd ones. And it costs an hour to find out what a"
                " look at the ids tells in a minute.",
            ),
            Choice(
                "Whether the vectors are long enough: 64 numbers may be too few for so many products.",
                right=False,
                why="Ten numbers are enough for the clickstream's products to have neighbours of their own category.",
            ),
            Choice(
                "Whether the negatives are drawn by popularity.",
                right=False,
                why="That shifts popular products up or down. It does not tear all neighbours apart.",
            ),
            Choice(
                "Whether each row has its own id: the ids have to come from the trained model's own list.",
                right=True,
                why="A model sorts its words by count, not as they came in. Paired with any other list, all vectors"
                " are fine and all labels wrong, and nothing complains; neighbours of mixed categories give it away.",
            ),
        ),
    ),
    Question(
        "On a log with many clicks on each product, item2vec loses to counting what came next. What is it still good"
        " for?",
        (
            Choice(
                "Nothing: the better number on the next board decides.",
                right=False,
                why="It decides for that place on the site. A vector can be used in places where a count cannot.",
            ),
            Choice(
                "Where counts are thin or missing: rarely clicked products, and new ones by way of their content. And"
                " as vectors: in an index, in clusters, as a feature of a ranker.",
                right=True,
                why="A count says nothing of two products that never met. Vectors compare any two, and they fit into"
                " the index of the chapters before beside text and categories.",
            ),
            Choice(
                "For the same place, once it has been trained for longer.",
                right=False,
                why="Another epoch sees the same pairs again. What is not in the pairs cannot be learned from them,"
                " however long it takes.",
            ),
        ),
    ),
)
