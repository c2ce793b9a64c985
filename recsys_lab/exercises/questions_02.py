"""The questions at the end of chapter 02."""

from __future__ import annotations

from recsys_lab.exercises.exercise import Choice, Question

QUESTIONS = (
    Question(
        "With the default settings a shopper has clicked on forty products and bought none. The list is nearly the one"
        " from the day of registration. Why?",
        (
            Choice(
                "Forty clicks are too few to know anybody.",
                right=False,
                why="The same forty clicks, normalised *and* with an influence of 0.9, change most of the list.",
            ),
            Choice(
                "The events have decayed.",
                right=False,
                why="By default nothing decays: floor is 1, and a click of last year counts like one of today.",
            ),
            Choice(
                "The mean of clicks is at most 0.2 long, and it is mixed with a base of length 1: the base speaks five"
                " times as loud, or more.",
                right=True,
                why="And the more the clicks differ from each other, the shorter their mean. Dividing by the weights"
                " and a higher influence let them be heard.",
            ),
            Choice(
                "Clicks have a weight of 0.",
                right=False,
                why="They weigh 0.2, so they do pull. Look at what they are mixed with.",
            ),
        ),
    ),
    Question(
        "Rules with a floor of 1 get two logs. Both have the same events in the same order, one spread over a year, the"
        " other over an hour. How do the two vectors differ?",
        (
            Choice(
                "They do not: with a floor of 1 no timestamp enters.",
                right=True,
                why="m is 1 whatever the ages are. A parameter that is called decay is not a decay that is on: squeeze"
                " some of the times together, keep the order, and see whether anything moves.",
            ),
            Choice(
                "In the year's log the first events count less.",
                right=False,
                why="They would with a floor below 1 and a max_age. Here a = age / max_age is worked out and multiplied"
                " by 1 - floor, which is 0.",
            ),
            Choice(
                "It depends on the temperature.",
                right=False,
                why="The temperature weighs by order: first, second, third. The order is the same in both logs.",
            ),
        ),
    ),
    Question(
        "Fast decay makes the home list worse and the next click in a visit far better. What do you ship?",
        (
            Choice(
                "No decay: taste is what lasts.",
                right=False,
                why="It is, and the home list shows it. In a visit the last click says far more, and without decay it"
                " is one voice among all.",
            ),
            Choice(
                "Two sets of rules, one for each question.",
                right=True,
                why="The events are kept once; a second vector for each shopper is a few hundred numbers. Each is"
                " measured on its own board.",
            ),
            Choice(
                "A decay in the middle, which is fair to both.",
                right=False,
                why="It loses on both boards: too short for the taste, too long for the intent.",
            ),
            Choice(
                "Whatever is best on the mean of both boards.",
                right=False,
                why="A mean of a hit rate and an NDCG has no meaning, and no visit asks both questions at once.",
            ),
        ),
    ),
)
