"""The questions at the end of chapter 10."""

from __future__ import annotations

from recsys_lab.exercises.exercise import Choice, Question

QUESTIONS = (
    Question(
        "On your shop the new model beats the best-sellers by +0.05 [+0.04, +0.06], and 'what they bought before' by"
        " +0.002 [-0.004, +0.008]. What do you put up?",
        (
            Choice(
                "The new model: it is the highest row, and its interval against the best-sellers lies far above zero.",
                right=False,
                why="So is the plain row. Between the two nobody has seen a difference, and one of them has to be"
                " trained, watched and explained.",
            ),
            Choice(
                "What they bought before, until a test shows that the model adds something.",
                right=True,
                why="The interval of the difference that matters holds zero. The simpler row costs and fails less.",
            ),
            Choice(
                "Neither, since one of the two intervals holds zero.",
                right=False,
                why="Both are seen to beat the best-sellers. To go on with those gives away what is certain.",
            ),
        ),
    ),
    Question(
        "An A/B test is planned for four weeks. On day nine the difference is significant (p = 0.03), and marketing"
        " wants to stop. What is right?",
        (
            Choice(
                "Stop: significant is significant, and each further day costs money on the side that loses.",
                right=False,
                why="Looked at each day, a test without any difference passes that limit on one day or another far more"
                " often than one time in twenty.",
            ),
            Choice(
                "Stop, but report the interval beside the p-value.",
                right=False,
                why="The interval of a day that was chosen because it looked good is flattered in the same way.",
            ),
            Choice(
                "Go on, and take the smallest p-value of the four weeks.",
                right=False,
                why="That is the same mistake with all days at once: the smallest of 28 looks.",
            ),
            Choice(
                "Go on to the end, unless a limit for daily looks was set before.",
                right=True,
                why="Either the length is fixed, or the limit is made for looking. Both are chosen before the start.",
            ),
        ),
    ),
    Question(
        "A vendor's dashboard says: stability index 0.12, 'drift, retrain'. Your shop has some hundred visits a week."
        " What first?",
        (
            Choice(
                "See how large it gets by chance: deal your own visits out at random.",
                right=True,
                why="It shrinks with the size of the weeks, and clicks of a visit go together. In a small shop chance"
                " alone may pass 0.1 often.",
            ),
            Choice(
                "Retrain; it cannot do harm.",
                right=False,
                why="If it was noise, the next alarm comes in a week or two. And a real change (a broken export, a"
                " category that is gone) is trained into the model before anybody has looked at it.",
            ),
            Choice(
                "Ignore it: the rule of thumb says that nothing has to be done below 0.25.",
                right=False,
                why="That is one number for a shop of hundred visits and one of a million, where 0.05 may be a lot.",
            ),
            Choice(
                "Compute it by click with the formula for independent data, which is exact.",
                right=False,
                why="Clicks are not independent: those of a visit are about the same thing. That formula rings nearly"
                " always.",
            ),
        ),
    ),
    Question(
        "In your test shoppers were dealt to two sides. Taken as independent, their visits give z = 2.3. The design"
        " effect is 1.8. What do you report?",
        (
            Choice(
                "A win: 2.3 is above 1.96.",
                right=False,
                why="That limit is for independent visits. The visits of one shopper are alike, so the difference"
                " spreads more than the formula thinks.",
            ),
            Choice(
                "A win, and a clear one: z is really 2.3 · 1.8.",
                right=False,
                why="The other way round: a design effect above 1 says that the visits are worth fewer than they are.",
            ),
            Choice(
                "No winner yet: z is really 2.3 / √1.8, which is 1.7.",
                right=True,
                why="The variance is 1.8 times what the formula takes it for, its root 1.3 times. The test should have"
                " had 1.8 times the visits.",
            ),
            Choice(
                "Nothing: visits should have been dealt, not shoppers.",
                right=False,
                why="Then one shopper would see both lists, and what the one did to her would count for the other. Deal"
                " shoppers, and count with the design effect.",
            ),
        ),
    ),
)
