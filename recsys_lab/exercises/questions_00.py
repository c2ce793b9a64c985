"""The questions at the end of chapter 00."""

from __future__ import annotations

from recsys_lab.exercises.exercise import Choice, Question

QUESTIONS = (
    Question(
        "Why do we split the log by time, and not at random?",
        (
            Choice(
                "A random split leaves too few events to learn from.",
                right=False,
                why="Both splits can put aside as much or as little as we like. What matters is which events.",
            ),
            Choice(
                "By time, train and test have the same products and the same seasons.",
                right=False,
                why="They have not, and that is the point: tomorrow has new products and another season, and a"
                " method has to cope with that.",
            ),
            Choice(
                "A shop recommends before it knows what comes next. A random split lets the method learn from later"
                " events, often from the very visit that it is tested on.",
                right=True,
                why="The chapter's random split gave the same method a much better number for that reason alone.",
            ),
            Choice(
                "A split by time gives better numbers.",
                right=False,
                why="It mostly gives worse ones. They are the ones that hold when the method goes live.",
            ),
        ),
    ),
    Question(
        "The first method has an NDCG@10 of 0.061 [0.058, 0.064], the second 0.063 [0.060, 0.066]. Visit by visit,"
        " second minus first is +0.002 [+0.001, +0.003]. Which is better?",
        (
            Choice(
                "Nobody can say: the two intervals overlap.",
                right=False,
                why="Each of the two intervals also holds how much visits differ from each other, and that is the"
                " same for both methods. The paired difference takes it out, and decides.",
            ),
            Choice(
                "The second: the interval of the paired difference leaves zero out.",
                right=True,
                why="Both were asked the same questions, so their difference is known far better than either of"
                " them. It is small, but it is there; whether it is worth its cost is another question.",
            ),
            Choice(
                "The second: 0.063 is more than 0.061.",
                right=False,
                why="The right method for a wrong reason. Two numbers always differ; with a paired interval of"
                " [-0.001, +0.005] the same two would have said nothing.",
            ),
            Choice(
                "The first: its interval is nearer to zero, so it is more certain.",
                right=False,
                why="The two intervals are equally wide, so both are known equally well, and a higher NDCG is better.",
            ),
        ),
    ),
    Question(
        "On the simulated shop a new method scores above the row `truth`, by more than chance. What is the"
        " likeliest reason?",
        (
            Choice(
                "The method is better than the truth: it has more parameters.",
                right=False,
                why="The truth knows what each shopper likes. However many parameters a method has, it can only"
                " guess at that from the log.",
            ),
            Choice(
                "The simulator is wrong, so its truth is no ceiling.",
                right=False,
                why="The same simulator made the events of the test weeks from that truth. Suspect what is new"
                " first: the method.",
            ),
            Choice(
                "Chance. Another seed would put it back below.",
                right=False,
                why="It is above by more than chance: that is what its interval says.",
            ),
            Choice(
                "It reads the future: something from the test weeks has found its way into what it learned.",
                right=True,
                why="Only who has seen what a shopper did can beat who knows what the shopper likes. Look for the"
                " leak, and do not celebrate.",
            ),
        ),
    ),
)
