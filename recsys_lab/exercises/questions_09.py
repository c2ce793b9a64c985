"""The questions at the end of chapter 09."""

from __future__ import annotations

from recsys_lab.exercises.exercise import Choice, Question

QUESTIONS = (
    Question(
        "A nightly job takes an hour. 60 % of it is one part that can be spread over machines, the rest cannot."
        " Somebody offers a hundred machines. How long will the job take?",
        (
            Choice(
                "About half a minute: a hundredth of an hour.",
                right=False,
                why="Only 60 % of it becomes a hundred times faster. The other 24 minutes stay as they are.",
            ),
            Choice(
                "About 24 minutes, and with a thousand machines about 4.",
                right=False,
                why="The first half is right. But a thousand machines leave the same 24 minutes that cannot be spread.",
            ),
            Choice(
                "About 24 minutes, and a thousand machines would hardly change that.",
                right=True,
                why="Amdahl's law: the 36 minutes shrink to seconds, the 24 stay. Whoever measures first works on the"
                " 24 minutes.",
            ),
            Choice(
                "Longer than an hour: a hundred machines have to be started.",
                right=False,
                why="To start them costs something, but 36 minutes that shrink to seconds pay for a lot of starting.",
            ),
        ),
    ),
    Question(
        "The new index of a million products answers in a fiftieth of the time, with a recall of .99: measured with 500"
        " of its own products as the questions. What do you do before it goes to the shop?",
        (
            Choice(
                "Measure again: with shoppers as questions, and the pages' filters.",
                right=True,
                why="A product is an easy question: it lies right among its neighbours. Shoppers lie between the"
                " groups, and a filter leaves few of the candidates.",
            ),
            Choice(
                "Measure again with 50,000 of its products: 500 are too few to trust two digits.",
                right=False,
                why="The interval would be narrower around the wrong number: these are still easier than what the shop"
                " will ask.",
            ),
            Choice(
                "Nothing: one percent of ten products is a tenth of a product.",
                right=False,
                why="That is what the average would mean if it held. It was measured with questions that the shop does"
                " not ask.",
            ),
            Choice(
                "Raise the effort until the recall is 1, then measure the time.",
                right=False,
                why="A recall of 1 on the wrong questions is no recall of 1 either, and the time that was won is"
                " spent.",
            ),
        ),
    ),
    Question(
        "Products are spread over four shards. Each shard scores with 'share of this shard's clicks' as one of its"
        " terms, and answers with its best ten; the lists are merged by score. What is wrong with the page?",
        (
            Choice(
                "Nothing, as long as each shard gives its best ten and the merge sorts them all.",
                right=False,
                why="That would be so if the scores could be compared. Here a product's score depends on who else"
                " lies on its shard.",
            ),
            Choice(
                "The shards should give their best three only, so that each has its fair part of the page.",
                right=False,
                why="Then the page is wrong even where scores are right: the best ten may all lie on one shard.",
            ),
            Choice(
                "The shards are of different size. With shards of the same number of products all is well.",
                right=False,
                why="Equal numbers of products do not have equal numbers of clicks: one shard may hold the"
                " best-sellers.",
            ),
            Choice(
                "Products of a quiet shard score too high: count over the whole shop.",
                right=True,
                why="The check: move a product to another shard, and its score must not change. Count over all shards,"
                " and give each the same table.",
            ),
        ),
    ),
    Question(
        "A nightly job takes 2 minutes for 10,000 products, 8 for 20,000 and 32 for 40,000. The shop is going to have a"
        " million. How long will it take then?",
        (
            Choice(
                "About 200 minutes: a hundred times the products, a hundred times the time.",
                right=False,
                why="That would be an exponent of 1. Here twice the products take four times as long.",
            ),
            Choice(
                "About two weeks: twice the products take four times as long.",
                right=True,
                why="The exponent is 2, so a hundred times the products take 100² times the 2 minutes. Do not buy"
                " machines for it: ask whether every product has to meet every other one.",
            ),
            Choice(
                "About 20 hours: the last 20,000 products took 24 minutes more, and so will the next.",
                right=False,
                why="The 20,000 before them took far less than 24 minutes. It is the ratio that stays, not the"
                " difference.",
            ),
            Choice(
                "Nobody can say before there are a million products.",
                right=False,
                why="Three sizes give an exponent, and with it a plan. Measure it again at larger sizes, while there is"
                " still time.",
            ),
        ),
    ),
)
