"""The questions at the end of chapter 04."""

from __future__ import annotations

from recsys_lab.exercises.exercise import Choice, Question

QUESTIONS = (
    Question(
        "A colleague's ten clusters have a fine silhouette. You suspect that ids and vectors are paired in the wrong"
        " order. What would show it?",
        (
            Choice(
                "A lower silhouette.",
                right=False,
                why="The silhouette sees vectors and cluster numbers and no ids. It was the same to the last digit.",
            ),
            Choice(
                "Less stability from seed to seed.",
                right=False,
                why="Both runs cluster the same vectors under the same wrong ids, so they agree as well as before.",
            ),
            Choice(
                "Usefulness: the next click is no longer on the page of the cluster.",
                right=True,
                why="It is the one witness that compares the clusters with what people did, product by product.",
            ),
            Choice(
                "The map: its groups would not look tidy.",
                right=False,
                why="The dots lie where the vectors are, and the colours are those of the clusters: as tidy as ever."
                " Only whoever reads the names on it could notice.",
            ),
        ),
    ),
    Question(
        "The merchandiser insists on exactly ten pages. At K = 10 two seeds agree with an adjusted Rand index of 0.7,"
        " at K = 35 of nearly 1. What do you propose?",
        (
            Choice(
                "K = 10, and the seed with the highest silhouette.",
                right=False,
                why="That is one of several answers that are about as good. With next month's log another one may win,"
                " and many products change their page.",
            ),
            Choice(
                "Find the stable groups first, then let a person say which of them share a page.",
                right=True,
                why="The stable groups come back with the next log. Which of them belong on one page is a decision of"
                " the shop, and the vectors have no opinion on it.",
            ),
            Choice(
                "K = 10, with more starts, until two seeds agree.",
                right=False,
                why="More starts help a little. Where several groupings into ten are about equally good, the best of"
                " many starts changes with a few days more of data.",
            ),
        ),
    ),
    Question(
        "In a shop the page of a cluster holds 62 % of next clicks, the page of its menu's aisle 62 % too, the shop's"
        " best-sellers 6 %. What follows?",
        (
            Choice(
                "Launch the clusters: they are ten times better than the best-sellers.",
                right=False,
                why="They are, and so is the aisle, which is there already, has a name that people know, and needs no"
                " training. Compare with the simplest thing that does the job.",
            ),
            Choice(
                "The clusters are worthless: item2vec has learned nothing.",
                right=False,
                why="It learned the aisles without ever reading a label. Where there is no good label, that is worth a"
                " lot.",
            ),
            Choice(
                "Take more clusters, until they are better than the aisles.",
                right=False,
                why="The three witnesses were against it: more clusters stand less apart, change from seed to seed, and"
                " hold fewer next clicks.",
            ),
            Choice(
                "Take the aisle here; keep clusters for products and shops without such a column.",
                right=True,
                why="A cluster is worth what it adds to the columns that are there. On the clickstream, with four"
                " categories, it adds a lot.",
            ),
        ),
    ),
)
