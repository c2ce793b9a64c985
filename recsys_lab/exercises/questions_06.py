"""The questions at the end of chapter 06."""

from __future__ import annotations

from recsys_lab.exercises.exercise import Choice, Question

QUESTIONS = (
    Question(
        "A ranker has an AUC of 0.99 on held-out rows and is of no use on the page. One of its features is the number"
        " of clicks on the product in this visit. What do you look at first?",
        (
            Choice(
                "When the feature is read: before the event updates it, or after.",
                right=True,
                why="Read after the update, the feature holds the label: what was clicked has a click. On the page"
                " nothing is clicked yet, and what the model has learned of the other features may even point the wrong"
                " way: the one of this chapter was worse than chance.",
            ),
            Choice(
                "The size of the model: it has learned the training rows by heart.",
                right=False,
                why="Then it would be bad on held-out rows. They have the same leak as the training rows, so they say"
                " nothing against it, and only the page does.",
            ),
            Choice(
                "The age of the state: the page may read numbers that are hours old.",
                right=False,
                why="Stale numbers cost something, and you measured how much. They do not turn 0.99 into chance or"
                " worse.",
            ),
        ),
    ),
    Question(
        "Two machines count clicks: each reads the number, adds one, and writes it back. Counts are a little too low."
        " What do you change?",
        (
            Choice(
                "Send every event twice, so that one of the two gets through.",
                right=False,
                why="Then some count twice and some once. Nothing was lost on the way: it was overwritten.",
            ),
            Choice(
                "Let only the faster machine count.",
                right=False,
                why="That is right until it has two threads, and it fails with that machine.",
            ),
            Choice(
                "Have the store add one, in one step, instead of writing a number that was read before.",
                right=True,
                why="Adding is the same in any order, so nobody has to wait for a number that somebody else has read."
                " HINCRBY and n = n + 1 do it.",
            ),
            Choice(
                "Add up at night from the log, and leave the counters as they are.",
                right=False,
                why="The night's sum is right, and it is a good check. All day the numbers on the page would still be"
                " wrong.",
            ),
        ),
    ),
    Question(
        "An event arrives that happened two hours ago: a phone was in a tunnel. What should it change?",
        (
            Choice(
                "Nothing: it is too late to be of use.",
                right=False,
                why="It is a real click. Without it counts are too low, and a replay of the log, which has it, would"
                " lead to another state.",
            ),
            Choice(
                "All that it would have changed in time; and it makes no training row.",
                right=True,
                why="The state comes out as if it had been on time. But what had come before it may be what followed"
                " from it, so its features may know its label.",
            ),
            Choice(
                "The same as an event of now, since that is when the shop heard of it.",
                right=False,
                why="Then the last product of the shopper is one that they left two hours ago, and what is trending"
                " depends on tunnels.",
            ),
        ),
    ),
)
