# %% [markdown] tags=["card"]
# title: Start here: a shop, a question, and a scoreboard
# question: Which ten products should this shopper see now, and how would we know that they were the right ones?
# method: time split, NDCG, intervals, simple baselines
# minutes: 35
# needs: Python and a little pandas
# reads: benchmarks/results/*.json

# %% [markdown]
# ## The shop's question
#
# A shopper opens our shop. The home page has room for ten products out of more than a thousand. Which ten?
#
# The obvious try is to build something clever right away, look at a few of its lists, and find them convincing. They nearly
# always are: a list of ten nice products looks good to anybody. It takes a measurement to see that many clever lists lose
# to a simple one, and a careful measurement to not fool ourselves on the way. So before any cleverness we need a shop, a
# way to measure, and the simple answers that every clever one has to beat.

# %%
from recsys_lab import charts

charts.enable()

# %% [markdown]
# ## The shop and its data
#
# The course has a shop of its own: a fashion shop, simulated, with ninety days of visits. It is simulated for a reason. We
# know what its shoppers really like, so we can say how good a recommender *could* be, and we can try lists that nobody was
# ever shown.

# %%
from recsys_lab.datasets import claim, load_shop

shop = load_shop()
print(f"{len(shop.products):,} products, {len(shop.shoppers):,} shoppers, {len(shop.events):,} events")
shop.products.filter(["item_id", "name", "category", "price", "review_rating"]).head()

# %% [markdown]
# Each product has a drawn picture and a text. Here are six of them.

# %%
# needs: picture, name, price
from html import escape

from IPython.display import HTML

box = "display:inline-block; width:120px; margin:6px; vertical-align:top; font-size:12px"
cards = [
    f'<figure style="{box}">{row.picture}<figcaption>{escape(row.name)}<br>{row.price:.2f}</figcaption></figure>'
    for row in shop.products.head(6).itertuples(name="Product", index=False)
]
HTML("".join(cards))

# %% [markdown]
# Most prices are low and a few are very high, as in most shops. Reviews are spread even less evenly, and a product without a review has no rating at all. Methods that take these numbers as they are
# will meet both facts again.

# %%
# needs: price, review_count, review_rating
import altair as alt
import numpy as np
import pandas as pd

numbers = shop.products[["price", "review_count", "review_rating"]]
middle = numbers["price"].median()
print(f"{numbers['review_rating'].isna().mean():.0%} of the products have no rating")
title = f"Half of all products cost less than {middle:.0f}, and few have many reviews"
bins = {"price": 20, "review_count": 20, "review_rating": np.arange(1.95, 5.1, 0.2)}
panels = []
for name, steps in bins.items():
    products, edges = np.histogram(numbers[name].dropna(), bins=steps)
    table = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "products": products})
    x = alt.X("from:Q", bin="binned", title=name.replace("_", " "))
    panels.append(alt.Chart(table).mark_bar().encode(x, x2="to", y="products:Q").properties(width=190, height=160))
alt.hconcat(*panels, title=title, description=title)

# %% [markdown]
# Everything that shoppers do is an **event**: somebody clicked on a product, put it into the cart, took it out again, or
# bought it. Its `timestamp` is in milliseconds since 1970.

# %%
shop.events[["user_id", "item_id", "event_type", "timestamp", "session_id"]].head()

# %% [markdown]
# Most clicks lead to nothing. A click, a place in the cart, a purchase: each is rarer than the one before, and a stronger
# sign that somebody likes a product. A removal from the cart is a sign of the opposite.

# %%
# needs: clicked_on, buy
funnel = shop.events["event_type"].value_counts().rename_axis("event").reset_index(name="events")
clicks, buys = (int(funnel.loc[funnel["event"] == kind, "events"].iloc[0]) for kind in ("clicked_on", "buy"))
title = f"{clicks:,} clicks and {buys:,} purchases: one for every {clicks / buys:.0f} clicks"
alt.Chart(funnel, title=title, description=title).mark_bar().encode(
    x=alt.X("events:Q", title="events in ninety days"), y=alt.Y("event:N", sort="-x", title=None)
).properties(height=alt.Step(30))

# %% [markdown]
# Visits are short, and a few are very long. Whatever we want to learn about a shopper within a visit, we have to learn
# from a handful of clicks.

# %%
# needs: clicked_on
clicked = shop.events[shop.events["event_type"] == "clicked_on"]
length = clicked.groupby("session_id").size()
lengths = length.clip(upper=30).value_counts().rename_axis("clicks").reset_index(name="visits")
title = f"Half of the visits have {length.median():.0f} clicks or fewer; the mean is {length.mean():.1f}"
alt.Chart(lengths, title=title, description=title).mark_bar().encode(
    x=alt.X("clicks:O", title="clicks in a visit (30: thirty or more)"), y=alt.Y("visits:Q")
)

# %% [markdown]
# ### Exercise 1: how often is the home page clicked?
#
# `shop.impressions` has one line for each time that the home page showed a product. A click made there is an event of type
# `clicked_on` whose column `surface` (where on the site it happened) is `home`. Which share of the products shown was clicked?

# %%
# needs: impressions
shop.impressions[["user_id", "item_id", "timestamp", "position"]].head(3)

# %% [markdown]
# Replace `____` by your code, run the cell, and then the one with `.check()`: it says right, not yet and why, or not
# attempted. Stuck? `exercise[1].hint()` gives a hint, and another one each time; `exercise[1].solution()` the solution.

# %%
from recsys_lab.exercises import ____, chapter

exercise = chapter("00")

# %% tags=["exercise-1"]
# needs: impressions, event.surface
home_clicks = ((shop.events["event_type"] == "clicked_on") & (shop.events["surface"] == "home")).sum()
click_rate = home_clicks / len(shop.impressions)  #= click_rate = ____

# %%
exercise[1].check()

# %% [markdown]
# ## Build it: a question with an answer
#
# We cut the log by time. The recommender learns from everything before the last two weeks. Then, at the start of each visit
# in those two weeks, we ask it for ten products, and look at what the shopper went on to do.

# %%
split = shop.split()
past, future = split.before_test.events, split.test.events
print(f"learn from {len(past):,} events, test on the {len(future):,} events of two weeks")

# %% [markdown]
# The simplest answer of all is the same for everybody: what is clicked most. (We call the most clicked products
# best-sellers; in a shop without clicks they are the most bought.)

# %%
# needs: clicked_on
counts = past.loc[past["event_type"] == "clicked_on", "item_id"].value_counts()
best_sellers = set(counts.head(10).index)
counts.head(3)

# %% [markdown]
# How good is it? For each visit of the two weeks, did the list hold anything that the visitor then clicked on? The share of
# visits for which it did is the **hit rate**, HR@10.

# %%
wanted = future[future["event_type"] == "clicked_on"].groupby("session_id")["item_id"].agg(set)
hits = wanted.map(lambda items: bool(items & best_sellers))
print(f"hit rate of the ten best-sellers: {hits.mean():.3f} of {len(hits):,} visits")

# %% [markdown]
# The package has the same thing with more care: a **board** asks the questions, a **recommender** answers, and `evaluate`
# measures. It must give the same number, and it does. The brackets hold the interval in which the true value lies 19 times
# out of 20.

# %%
from recsys_lab.baselines import Popular
from recsys_lab.evaluation import evaluate, home_board

board = home_board(split.before_test, split.test)
popular = evaluate(Popular(), board, "popular")

# %%
packaged = popular.summary()["HR@10 click"]
print(packaged)
assert abs(packaged.mean - hits.mean()) < 0.002

# %% [markdown]
# A hit rate treats all hits alike. But a purchase is worth more than a click, and a product at the top of the list more than
# one at the bottom. **NDCG** counts both: each product earns a gain (1 bought, 0.5 put into the cart, 0.2 clicked), divided
# by log2(place + 1), and the sum is divided by what the best possible list would have earned. A perfect list earns 1.
#
# ### Exercise 2: NDCG by hand
#
# Write it. `gains` are the gains of the listed products in order, `ideal` the gains of the best possible list; both are
# numpy arrays of the same length. Where there was nothing to find (`ideal` is all zeros), the answer is NaN: no list can
# be right or wrong about that visit.

# %% tags=["exercise-2"]
def ndcg(gains, ideal):
    discount = 1 / np.log2(np.arange(2, len(gains) + 2))  #= discount = ____
    if ideal.sum() == 0:
        return np.nan
    return (gains * discount).sum() / (ideal * discount).sum()  #= return ____

# %%
exercise[2].check()

# %% [markdown]
# ### Exercise 3: the best-sellers as a function
#
# `counts.head(10)` above has a hole: where two products have equally many clicks, which one comes first? An arbitrary order
# makes a number that nobody can reproduce. Write a function that returns the ids of the `k` most clicked products of
# `events` as a list, the most clicked first, equal ones by their id.

# %% tags=["exercise-3"]
def popular_ids(events, k):
    clicked = events[events["event_type"] == "clicked_on"]
    counts = clicked["item_id"].value_counts().sort_index()  #= counts = ____
    return counts.sort_values(ascending=False, kind="stable").head(k).index.tolist()  #= return ____

# %%
exercise[3].check()

# %% [markdown]
# ## Measure it: the floor
#
# Chance (*random*), what is clicked most (*popular*), what was in the last week (*recent*), and what this shopper bought
# before, filled up with what is popular (*repeat*). None of them is clever, and every method of this course is measured
# against them. `HR@10 click` counts visits with a hit among their clicks, `HR@10 purchase` among the visits that bought.

# %%
from recsys_lab.baselines import Random, Recent, RepeatPurchase
from recsys_lab.evaluation import Scoreboard

home = Scoreboard.of(board)
home.add(evaluate(Random(), board, "random"))
home.add(popular)
home.add(evaluate(Recent(days=7), board, "recent"))
home.add(evaluate(RepeatPurchase(), board, "repeat"))
home.to_table()[["NDCG@10", "HR@10 click", "HR@10 purchase", "NDCG@10 − popular"]]

# %%
times = home.metric("repeat").mean / home.metric("popular").mean
home.chart(title=f"What they bought before is worth {times:.1f} times what is popular")

# %% [markdown]
# The last column is the difference to *popular*, visit by visit. Where its interval holds zero, we do not know which of the two is better, and we will not say
# that we do.

# %%
difference = home.rows[2]["against_popular"]["NDCG@10"]
verdict = "no winner" if difference["low"] < 0 < difference["high"] else "a difference"
claim(verdict == "no winner", "no winner")
print(f"recent - popular: {difference['mean']:+.4f} [{difference['low']:+.4f}, {difference['high']:+.4f}]: {verdict}")

# %% [markdown]
# ## See it: how good could it be?
#
# Nobody can know what a shopper wants today. But the simulator knows what each shopper *likes*, and the recommender that
# knows this too is the ceiling, the row `truth`: exact on the board ab, a close estimate on the others. Its results are stored with those of every method of the course.

# %% [markdown]
# There are four boards in the shop: **home** (the start of a visit, NDCG@10), **next** (the next click inside a visit, HR@20), **basket** (the
# product that is missing from a basket, HR@10) and **ab** (purchases per 1,000 visits that each list would bring, by the truth).

# %%
from recsys_lab import measure

boards = measure.stored()

# %%
# needs: truth
names = ["home", "next", "basket", "ab"]
rows = {name: {row: boards[name].metric(row).mean for row in ("random", "popular", "truth")} for name in names}
room = pd.DataFrame(rows).T
room["share of the way"] = (room["popular"] - room["random"]) / (room["truth"] - room["random"])
room.round(4)

# %%
way = room["share of the way"].rename_axis("board").reset_index()
title = f"From chance to the ceiling, popularity comes {way['share of the way'].max():.0%} of the way at most"
alt.Chart(way, title=title, description=title).mark_bar().encode(
    x=alt.X("share of the way:Q", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
    y=alt.Y("board:N", sort=names, title=None),
).properties(height=alt.Step(30))

# %% [markdown]
# The rest of the course is about the room that is left.

# %% [markdown]
# ## Break it: five ways to fool yourself
#
# Each of these has been made in earnest, in code that others learned from. Each gives a better number than the method
# deserves, and each has a check in the package that catches it.
#
# ### 1. The random split
#
# Put events aside at random and learn from the rest. Then the recommender learns from the other events of the very visits
# that it is tested on. To see what that is worth, ask the same questions twice: about a random half of the events of the
# two weeks, once learning from the weeks before, once with the other half thrown in.

# %%
from recsys_lab.datasets import as_events
from recsys_lab.evaluation import Board, JudgementError, LeakageError, judge, metrics
from recsys_lab.evaluation.boards import visit_gains
from recsys_lab.recommender import Context

aside = np.random.default_rng(0).random(len(future)) < 0.5
leaky_past = shop.only(pd.concat([past, future[~aside]]))
visits = [as_events(rows) for _, rows in future[aside].groupby("session_id")]
contexts = [Context(visit[0].user_id, visit[0].timestamp) for visit in visits]
truth = [visit_gains(visit) for visit in visits]

score, kind = {}, past["event_type"].mode()[0]
for split_by, learned_from in {"time": split.before_test, "chance": leaky_past}.items():
    model = RepeatPurchase(event_type=kind).fit(learned_from)
    lists, _ = model.recommend_many(contexts, 10)
    score[split_by] = np.nanmean(metrics.ndcg(judge(lists, truth, shop.products["item_id"])))
did = "clicked on" if kind == "clicked_on" else "bought"
print(f"what this shopper {did} most: NDCG@10 {score['time']:.3f} split by time, {score['chance']:.3f} by chance")
claim(score["chance"] > 1.2 * score["time"], "the random split flatters")

# %% [markdown]
# A board refuses such data: all that is learned has to be older than the first question.

# %%
try:
    units = np.array([context.shopper_id for context in contexts])
    Board("random split", 10, leaky_past, contexts, truth, units, {"NDCG@10": metrics.ndcg})
except LeakageError as caught:
    print(caught)

# %% [markdown]
# ### 2. Candidates from the wrong range
#
# A recommender that ranks row numbers instead of products, or the rows of another table, still returns ten of something, and
# as long as all of them are numbers, nothing notices. Here ids are labels everywhere, and the judge knows all products.

# %%
wrong_range = np.array([[f"U{number:04d}" for number in range(1, 11)]], dtype=object)
try:
    judge(wrong_range, [{shop.products["item_id"][0]: 1.0}], shop.products["item_id"])
except JudgementError as caught:
    print(caught)

# %% [markdown]
# ### 3. A metric that is not what it is called
#
# Divide by the gains of *the list's own* products in their best order, instead of by the best possible list, and call it
# NDCG. It then only asks whether the hits stand at the top, not whether there are any to speak of.

# %%
popular_lists, _ = Popular().fit(board.train).recommend_many(board.contexts, 10)
judged = judge(popular_lists, board.truth, shop.products["item_id"])
discount = 1 / np.log2(np.arange(2, 12))
earned = (judged.gains * discount).sum(axis=1)
own_best = (np.sort(judged.gains, axis=1)[:, ::-1] * discount).sum(axis=1)
so_called = np.divide(earned, own_best, out=np.zeros_like(earned), where=own_best > 0).mean()
print(f"NDCG@10 of popular: {np.nanmean(metrics.ndcg(judged)):.3f}; so called: {so_called:.3f}")

# %% [markdown]
# The check is a case small enough to work by hand. One product of three was found, in first place; the best list would have
# found all three.

# %%
case = judge(np.array([["a", "x", "y"]], dtype=object), [{"a": 1.0, "b": 1.0, "c": 1.0}], {"a", "b", "c", "x", "y"})
by_hand = 1 / (1 + 1 / np.log2(3) + 1 / np.log2(4))
own = case.gains[0] @ (1 / np.log2(np.arange(2, 5)))
print(f"by hand {by_hand:.4f}, metrics.ndcg {metrics.ndcg(case)[0]:.4f}, so called {own:.4f}")
assert np.isclose(metrics.ndcg(case)[0], by_hand)

# %% [markdown]
# ### 4. A model that sees the future
#
# Fit on the whole log "to have more data", then test on its last two weeks.

# %%
class FittedOnEverything(RepeatPurchase):
    def fit(self, past):
        return super().fit(shop)


try:
    evaluate(FittedOnEverything(), board)
except LeakageError as caught:
    print(caught)

# %% [markdown]
# A model may hide better than that. In this shop there is a second net: the row of the truth is close to the best that
# anybody can do. A method far above it has almost surely read the future.

# %%
class KnowsTomorrow(Popular):
    def _question(self, context):
        return None

    def _score(self, contexts):
        scores = super()._score(contexts)
        for row, context in enumerate(contexts):
            scores[row, self.columns(tomorrow.get(context.shopper_id, []))] += 1e6
        return scores


tomorrow = future.groupby("user_id")["item_id"].agg(list).to_dict()
too_good = evaluate(KnowsTomorrow(), board).summary()["NDCG@10"]

# %%
# needs: truth
ceiling = boards["home"].metric("truth")
print(f"knows tomorrow: {too_good}, the truth itself: {ceiling}")
claim(too_good.low > ceiling.high, "who knows tomorrow is above the ceiling")

# %% [markdown]
# ### 5. The tie that flatters
#
# Give every product the same score. If the rank of the right answer is "one more than the number of products with a higher
# score", the right answer always comes first.

# %%
score = np.zeros(len(shop.products))
rank = 1 + (score > score[0]).sum()
print(f"the right product has rank {rank} of {len(score):,}: a hit rate of 100 %, from a model that knows nothing")

# %% [markdown]
# A real list has an order. Here ties always fall by popularity in the past, then by id, so a model that knows nothing earns
# exactly what popularity earns, no more and no less.

# %%
class Constant(Popular):
    def _score(self, contexts):
        return np.zeros((len(contexts), len(self.items_)))


constant = evaluate(Constant(), board).summary()["NDCG@10"]
print(f"constant {constant.mean:.4f}, popular {home.metric('popular').mean:.4f}")
assert constant == home.metric("popular")

# %% [markdown]
# ## Reality check
#
# A simulated shop does what it was built to do. So each chapter also measures on real logs. The first is the clickstream of
# a clothes shop from 2008 (UCI 553): given the clicks so far, which product comes next? HR@20 is the share of clicks that
# were among the twenty listed, MRR@20 the mean of 1 / place. Three methods of later chapters are there too: *markov* lists
# what most often came right after the product that is open, *sr* what came after it at any distance, *item-knn* what was
# seen in the same visits.

# %%
from recsys_lab.datasets import DataUnavailable, load_clickstream, load_retail

simple = ["random", "popular", "item-knn", "sr", "markov"]
try:
    real = next(measure.run(iter([measure.clickstream_contest(load_clickstream())]), methods=simple))
    print(", ".join(f"{count:,} {what}" for what, count in real.facts.items()))
except DataUnavailable as why:
    real = boards["clickstream"]
    print(f"Skipped, the stored numbers stand in: {why}")
real.to_table().loc[simple, ["HR@20", "MRR@20", "HR@20 − popular"]]

# %%
markov, best = real.metric("markov"), real.metric("popular")
title = f"What usually follows the last click holds {markov.mean:.0%} of next clicks, the popular list {best.mean:.0%}"
real.chart(title=title)

# %% [markdown]
# The second is the purchase log of a gift shop (UCI 352): what will each known customer buy in the last thirty days?

# %%
from recsys_lab.evaluation import retail_boards

try:
    bought, _ = retail_boards(load_retail())
    customers = Scoreboard.of(bought)
    for name, method in {"popular": Popular(), "recent": Recent(days=30), "repeat": RepeatPurchase()}.items():
        customers.add(evaluate(method, bought, name))
except DataUnavailable as why:
    customers = boards["retail_any"]
    print(f"Skipped, the stored numbers stand in: {why}")
customers.to_table()[["NDCG@10", "HR@10", "NDCG@10 − popular"]]

# %% [markdown]
# Here people order the same again and again, so what they bought before is hard to beat. And what sold lately says more
# than what sold ever.

# %%
repeat, recent, ever = (customers.metric(name).mean for name in ("repeat", "recent", "popular"))
claim(repeat > recent > ever, "what they bought before wins")
print(f"repeat {repeat:.3f} > last thirty days {recent:.3f} > all time {ever:.3f}")

# %% [markdown]
# ## What you now know
#
# - A recommender answers one question: which products, for this shopper, now.
# - It is measured on the future, against simple answers, with intervals; a difference is only a difference when its interval
#   leaves zero out.
# - There are cheap ways to look good, and a check for each.
#
# Three questions to see whether it stuck. Put a letter in place of `____`.

# %%
exercise.question[1].show()

# %%
exercise.question[1].answer("c")  #= exercise.question[1].answer(____)

# %%
exercise.question[2].show()

# %%
exercise.question[2].answer("b")  #= exercise.question[2].answer(____)

# %%
exercise.question[3].show()

# %%
exercise.question[3].answer("d")  #= exercise.question[3].answer(____)

# %% [markdown]
# The same boards, in the terminal: `python -m recsys_lab scoreboard`. In the next chapter somebody comes who has never been
# here before, and we have to show them something.
