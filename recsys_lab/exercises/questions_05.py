"""The questions at the end of chapter 05."""

from __future__ import annotations

from recsys_lab.exercises.exercise import Choice, Question

QUESTIONS = (
    Question(
        "In your tests a filtered search gave the same list as a full scan, to the last product. In production, with"
        " thirty times the rows, shoppers in the smallest group get poor lists, and there is no error. What do you look"
        " at first?",
        (
            Choice(
                "The model: it was trained on too few events of that small group.",
                right=False,
                why="Perhaps it was, but the list differs from the same vectors' own full scan. Compare with that"
                " first: it needs no new training.",
            ),
            Choice(
                "The plan: is an index asked first, and what it hands over filtered after that?",
                right=True,
                why="That is what EXPLAIN showed in this chapter: an index scan, then a filter, and hardly any rows"
                " left. On the small table the same statement was answered by a full scan.",
            ),
            Choice(
                "The filter: one that passes few rows is slow, so some of them time out.",
                right=False,
                why="A strict filter is the fast case for a full scan. And a time-out is an error: you would see it.",
            ),
            Choice(
                "The limit: ask for twice as many products and keep the first ten.",
                right=False,
                why="If the index hands over forty rows and two pass the filter, a higher limit still gets two: the"
                " forty come from hnsw.ef_search, not from LIMIT.",
            ),
        ),
    ),
    Question(
        "The nightly job drops the collection, makes it again and fills it. It takes four seconds, at three in the"
        " morning. What is wrong with that?",
        (
            Choice(
                "For four seconds readers get errors and short lists; after a failed job, all night.",
                right=True,
                why="Build beside it, check it, switch the alias in one step: readers see the old version or the new"
                " one, and a job that fails changes nothing.",
            ),
            Choice(
                "Nothing, as long as readers try again after an error: at three there are few.",
                right=False,
                why="After the errors come answers from a collection that is half full. They look like any other"
                " answer, so nobody tries again.",
            ),
            Choice(
                "It needs the memory of two versions, the old one and the one that is being filled.",
                right=False,
                why="It is the other way round: building beside the old version is what needs room for both. That is"
                " the price, and usually a small one.",
            ),
        ),
    ),
    Question(
        "On the purchase log, what a customer bought most often beats every single model, and a blend of models beats"
        " it. What goes on the home page of that shop?",
        (
            Choice(
                "What they bought most often: it is the best simple list, and a cheap one.",
                right=False,
                why="It has nothing that the customer does not know. On products that are new to them it is no better"
                " than the best-sellers.",
            ),
            Choice(
                "ALS: its vectors can be asked in a database, with any filter.",
                right=False,
                why="It lost to what they bought most by a margin that leaves zero out. That it can be asked quickly"
                " makes it a good source of candidates, and not a good page.",
            ),
            Choice(
                "The blend of models, in one list: it is the best on both boards.",
                right=False,
                why="It leads on both, but one list cannot serve both: what will be bought again crowds out what could"
                " be tried. They are two different questions.",
            ),
            Choice(
                "Two surfaces: buy it again, and beside it products they do not own yet.",
                right=True,
                why="Repeat purchase is a question of its own, with an answer that is hard to beat. With owned products"
                " left out of the other list, both can do what they are good at.",
            ),
        ),
    ),
)
