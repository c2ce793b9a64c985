"""The questions at the end of chapter 01."""

from __future__ import annotations

from recsys_lab.exercises.exercise import Choice, Question

QUESTIONS = (
    Question(
        "You raise the weight of the category from 1 to 10. What has to be computed again?",
        (
            Choice(
                "The vectors of all products: the weight is part of them.",
                right=False,
                why="The stored rows hold no weights. If they did, every wish of every shopper would need an index of"
                " its own.",
            ),
            Choice(
                "The question's row, and the product of the matrix with it.",
                right=True,
                why="Weights act on the question alone. That is why a slider, a sentence or a shopper can have"
                " weights of their own without touching a product.",
            ),
            Choice(
                "Nothing: the order of the products stays as it is.",
                right=False,
                why="The order does change; the table with weight 1 and 10 showed it. Only the number that we divide"
                " by, ‖w‖√k, has no part in the order.",
            ),
            Choice(
                "The vectors of the category's products, since only they are concerned.",
                right=False,
                why="No product is touched, of this category or another one.",
            ),
        ),
    ),
    Question(
        "With weight 1 the text 'women clothing jackets' let other things into the first ten, while category and"
        " department with weight 1 did not. Why?",
        (
            Choice(
                "The encoder does not know the word jacket.",
                right=False,
                why="It does: jackets for women came first among all kinds, and coats for women right after them.",
            ),
            Choice(
                "A text vector has many more components than a category, so each counts for less.",
                right=False,
                why="Only the similarity enters the sum, one number an aspect, whatever it was computed from.",
            ),
            Choice(
                "Texts are less important to shoppers than categories.",
                right=False,
                why="Nobody's opinion was asked. The difference is in the numbers that are added.",
            ),
            Choice(
                "As texts, all kinds of clothing are rather similar. A category says 1 or 0.",
                right=True,
                why="What an aspect can do is its weight times how much its similarities differ. What gets in is what"
                " comes nearest: in the text it is only a little behind, in the category by all of 1. The same holds"
                " for 'near 178', whose similarities hardly differ at all.",
            ),
        ),
    ),
    Question(
        "A colleague left the price out of `ColdStart`; the paired difference in NDCG@10 has an interval that holds"
        " zero. What may the colleague say?",
        (
            Choice(
                "On this board and in these two weeks, we saw no effect of the price.",
                right=True,
                why="An interval that holds zero leaves room for a small gain and for a small loss. And it speaks of"
                " this board: another shop, or a question for something cheap, is another matter.",
            ),
            Choice(
                "Shoppers do not care about prices.",
                right=False,
                why="That is much more than was measured. Popularity may already know which prices are liked.",
            ),
            Choice(
                "The price does harm and should be taken out.",
                right=False,
                why="Harm would be an interval on one side of zero.",
            ),
            Choice(
                "The price needs a higher weight, then its effect will be seen.",
                right=False,
                why="Then it will have an effect; whether it is a good one, nobody knows. Weights are chosen in the"
                " tuning week, never by trying on the test weeks until something is seen.",
            ),
        ),
    ),
)
