"""The questions at the end of chapter 07."""

from __future__ import annotations

from recsys_lab.exercises.exercise import Choice, Question

QUESTIONS = (
    Question(
        "Of a hundred wanted products your list shows 30, the pool holds 40 more, and 30 were never nominated. A"
        " colleague wants to replace the ranker by a larger one. What is the most that can win?",
        (
            Choice(
                "70 more: everything that is not shown today.",
                right=False,
                why="30 of those are in no pool. A ranker can only order what it is given.",
            ),
            Choice(
                "40 more: what is in the pool and not on the list.",
                right=True,
                why="That is the ranker's share of the loss, and its ceiling. The other 30 want another source, or more"
                " candidates from each.",
            ),
            Choice(
                "Nothing: with 30 products never nominated the sources have to be mended first.",
                right=False,
                why="Both losses are there, and each can be mended alone. The ranker's is even the larger one here.",
            ),
            Choice(
                "It depends on the ranker, so only a test can say.",
                right=False,
                why="How much it will win, only a test can say. The most it could win stands in these numbers.",
            ),
        ),
    ),
    Question(
        "A ranker finds 96 of 100 wanted products in its training questions, and 54 of 100 in the test weeks. Another,"
        " with the same sources and features, finds 69 and 60. What has most likely happened?",
        (
            Choice(
                "It learned its examples by heart, and needs a stronger price on its weights.",
                right=False,
                why="Sixty weights cannot learn a thousand lists by heart. And the price is the same in both.",
            ),
            Choice(
                "Shoppers changed between training and test.",
                right=False,
                why="Then the other ranker would have lost as much. It was asked in the same weeks.",
            ),
            Choice(
                "The wanted product was missing in many training pools.",
                right=False,
                why="Then they would be missed in training as well, and the 96 would be lower. Both rankers were asked"
                " the same questions, and misses of the pool are counted.",
            ),
            Choice(
                "In training its features had already counted the clicks that it was asked about.",
                right=True,
                why="The sources were fitted on a log that holds the examples. In the test nothing tells the answer,"
                " and the trust in it was learned for nothing.",
            ),
        ),
    ),
    Question(
        "For a month your best policy has run without any chance in it. Now you would like to know from its log what"
        " another policy would have earned. What do you do?",
        (
            Choice(
                "Let the running policy choose at random in a few visits from now on, log with which probability, and"
                " ask again in some weeks.",
                right=True,
                why="What was never shown has no reward in the log, and no weight can make one. A little chance that is"
                " written down opens the log for every later question.",
            ),
            Choice(
                "Use SNIPS: it does without exact propensities.",
                right=False,
                why="It divides by the sum of the same weights. Where the old policy never showed a product, there are"
                " no rows to weigh.",
            ),
            Choice(
                "Take the visits in which both would have shown the same, and average their clicks.",
                right=False,
                why="Those visits were picked by the running policy, for shoppers who would like what it showed. On"
                " this chapter's slot that came out at nearly twice the truth.",
            ),
            Choice(
                "Estimate the propensities afterwards from how often each product was shown.",
                right=False,
                why="How often over all is not with which probability in this visit. In each single visit the policy"
                " without chance showed one product with probability 1 and all others with 0.",
            ),
        ),
    ),
    Question(
        "A product has stood at the first place of the page for a month, and is the most clicked one of the shop."
        " Should it stay there?",
        (
            Choice(
                "Yes: it has the most clicks, and clicks are what people want.",
                right=False,
                why="The first place is looked at most, whatever stands there. Some of these clicks are the place's.",
            ),
            Choice(
                "No: after a month at the top people have seen it often enough.",
                right=False,
                why="Perhaps, perhaps not. Nothing in its clicks tells whether they came for the place or for the"
                " product.",
            ),
            Choice(
                "Perhaps: hold its clicks against what the place gets in lists drawn at random.",
                right=True,
                why="In those lists every place has held the same goods on average, so what differs between places is"
                " the places' own. Clicks a look can be compared, clicks cannot.",
            ),
            Choice(
                "Nobody can know: what stands at the top is clicked for standing there.",
                right=False,
                why="It can be known, as soon as a small share of the lists is drawn at random and written down.",
            ),
        ),
    ),
)
