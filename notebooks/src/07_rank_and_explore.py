# %% [markdown] tags=["card"]
# title: Rank and explore: many sources, one list, and a share of chance
# question: Ten methods each have a list. Which products of which list do we show, and how do we learn of the others?
# method: candidates, listwise ranking, LambdaMART, position bias, LinUCB, off-policy estimates
# minutes: 60
# needs: chapters 00 to 05; of chapter 06 the idea that a feature is read before the event that it is to predict
# reads: benchmarks/results/*.json, benchmarks/bandit_trials.json

# %% [markdown]
# ## The shop's question
#
# By now we have a dozen ways to make a list: what is popular, what came next, what similar visits clicked, what is like the
# product on the page, what factors say. Each is the best for somebody. The page has room for one list.
#
# The obvious try: take the method with the best row on the scoreboard and drop the others. The order of the page is then one
# opinion, which knows nothing of prices, of what is in stock, of what this shopper has had. The next try is to add up the scores
# with weights set by hand, and there the trouble starts: one method's scores are counts, another's are cosines, and a weight
# that is right for a visit of ten clicks is wrong for one of two.
#
# What shops do instead has two steps. **Sources** nominate candidates, many more than the page has room for. A **ranker** then
# orders them by all that is known, and it has learned from the log whom to believe, and when. Which of the two steps earns what,
# is a question that this chapter measures: the answer is not the one that most would give. One hole is left: a log tells only
# of what was shown. So the chapter's second half shows a little by chance, on purpose, and counts what that costs and what it
# is worth.

# %%
from recsys_lab import charts
from recsys_lab.datasets import claim, load_shop
from recsys_lab.ranking.models import INSTALL

charts.enable()
shop = load_shop()

# %%
split = shop.split()
past = split.before_test
try:
    import lightgbm
except (ModuleNotFoundError, OSError):
    lightgbm = None
    print(f"Skipped: boosted trees, which need LightGBM. {INSTALL}")

# %% [markdown]
# ## Candidates
#
# The question first: inside a visit, which product is clicked next? (Chapter 03's board *next*, twenty places.) To keep the
# chapter short we ask it for some of the shoppers of the test weeks.

# %%
from functools import partial

import numpy as np

from recsys_lab.evaluation import evaluate, next_board

coming = np.sort(split.test.events["user_id"].unique())
shuffled = np.random.default_rng(0).permutation(coming)


def only(users):
    """The test weeks of some shoppers."""
    return split.test.only(split.test.events[split.test.events["user_id"].isin(set(users))])


# %%
# needs: clicked_on
board = next_board(past, only(shuffled[: max(len(coming) // 45, 50)]))
print(", ".join(f"{count:,} {what}" for what, count in board.facts.items()))

# %% [markdown]
# Seven sources. Five are models of earlier chapters. *backoff* looks at what followed the last two products together, and at the
# last one where it knows too little; *seen* is what this shopper had before. (The package's own ranker has twice as many, among
# them item2vec, factors and clusters, which take longer to fit. They are in the stored rows below.)

# %%
from recsys_lab.ranking import SOURCES, Source, Stage
from recsys_lab.ranking.sources import Backoff

names = ["popular", "markov", "backoff", "item-knn", "stan", "seen", "event-weighted"]
sources = {name: SOURCES["next"][name] for name in names}
sources["backoff"] = Source(partial(Backoff, order=2))
assert len(SOURCES["next"]) == 2 * len(names)

# %%
# needs: clicked_on
serving = Stage(sources, each=30).fit(past)
lists = {name: model.recommend_many(board.contexts, 350)[0] for name, model in serving.sources_.models_.items()}

# %% [markdown]
# At which place does each source have the product that was clicked? Now put the first few of every source into one pool: how
# often is the product in it? A pool of seven lists is larger than one list, so the fair question is: how often would a
# single source have had it, with *as many* products?

# %%
import pandas as pd

wanted = np.array([next(iter(gains)) for gains in board.truth], dtype=object)
found = {name: ids == wanted[:, None] for name, ids in lists.items()}
place = pd.DataFrame({name: np.where(hit.any(axis=1), hit.argmax(axis=1) + 1, 1_000) for name, hit in found.items()})


def together(each):
    """How many different products the first `each` of all sources make, for every question."""
    return np.array([len(set().union(*(ids[row, :each] for ids in lists.values()))) for row in range(len(wanted))])


pools = {each: together(each) for each in (5, 10, 20, 30, 50)}
inside = {each: place.le(size, axis=0).assign(together=place.min(axis=1) <= each) for each, size in pools.items()}
recall = pd.DataFrame({each: held.mean() for each, held in inside.items()}).T.rename_axis("from each")
recall.insert(0, "products", [size.mean() for size in pools.values()])
recall.round(3)

# %% [markdown]
# The column *together* beside two others, question by question: the source with most at ninety products, and the one with most
# at twenty.

# %%
from recsys_lab.evaluation.bootstrap import interval

broad, best = recall.loc[30, names].astype(float).idxmax(), (place <= 20).mean().idxmax()
ahead = {}
for each, held in inside.items():
    for other in dict.fromkeys([broad, best]):
        span = ahead[each, other] = interval(held["together"] * 1.0 - held[other], board.units)
        print(f"{pools[each].mean():3.0f} products: together - {other} {span.mean:+.3f} [{span.low:+.3f}, {span.high:+.3f}]")
claim(all(ahead[each, broad].high < 0 for each in (5, 10, 20, 30)), "up to ninety products one good source holds more")
claim(ahead[50, broad].low <= 0 <= ahead[50, broad].high, "with more the seven are level with the best source")
claim(ahead[50, best].low > 0, "and hold more than another good one")

# %%
import altair as alt

small_pool, large_pool = (recall.loc[each] for each in (20, 50))
title = [f"With {small_pool['products']:.0f} products seven sources hold {small_pool['together']:.0%} of next clicks,"
         f" {broad} alone {small_pool[broad]:.0%};",
         f"with {large_pool['products']:.0f} it is {large_pool['together']:.0%} and {large_pool[broad]:.0%}"]
curves = recall.reset_index().melt(["from each", "products"], var_name="source", value_name="recall")
drawn = ["together", *dict.fromkeys([broad, best, "markov", "popular"])]
alt.Chart(curves[curves["source"].isin(drawn)], title=title, description=" ".join(title)).mark_line(point=True).encode(
    x=alt.X("products:Q", title="products in the pool, on average"),
    y=alt.Y("recall:Q", title="share of next clicks in it", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
    **charts.apart("source", drawn, title=None),
)

# %% [markdown]
# So several sources do not make a better pool of the same size: forty more products of a good source hold more than the first
# twenty of six others. What they do give:
#
# - **Reach.** A source runs out of what it knows: *markov* has only what followed before, and its curve goes flat. As the pool
#   grows, the seven catch up with the best and pass the others.
# - **Safety.** Nobody says beforehand which source is the good one. The best at twenty products is another than the best at
#   ninety, and who had picked *popular* would have little. A large pool of seven is about as good as the best, whichever it is.
# - **Opinions.** Each source can be asked about the candidates of the others. Whether that helps, we shall measure.
#
# The curve of a pool is a **ceiling**: what is not in it, no ranker can show. So a wanted product is lost in one of two places,
# and they are mended in different ways: by a better pool, or by a better ranker. Never look at one number for both.
#
# ### Exercise 1: where was it lost?
#
# For each question there is a list (what was shown), a pool (what was nominated) and the one product that was wanted. Answer
# with three shares of *all* questions: shown, lost by the ranker (nominated, and not shown), lost by the candidates
# (not even nominated).

# %%
from recsys_lab.exercises import ____, chapter

exercise = chapter("07")

# %% tags=["exercise-1"]
def where_lost(lists, pools, wanted):
    shown = np.array([item in ids for item, ids in zip(wanted, lists)])
    nominated = np.array([item in ids for item, ids in zip(wanted, pools)])  #= nominated = ____
    hit = shown.mean()
    by_ranker = (nominated & ~shown).mean()  #= by_ranker = ____
    by_candidates = (~nominated).mean()  #= by_candidates = ____
    return hit, by_ranker, by_candidates

# %%
exercise[1].check()

# %% [markdown]
# ## Build it: a ranker by hand
#
# ### Examples by replay
#
# What should the ranker learn from? From questions that the log itself asked. We cut the past once more: the sources learn all
# that was before the cut, and are then asked about the visits after it, for which the log knows the answer. Nothing in such an
# example is younger than its question.

# %%
# needs: clicked_on
from recsys_lab.ranking import cut_at, replay

cut = cut_at(past, share=0.03)
earlier, later = past.between(None, cut), past.between(cut, None)
asked = replay(earlier, later, "next").sample(800)
training = Stage(sources, each=30).fit(earlier)
print(f"{len(asked.contexts):,} questions of the last 3 % of the visits")

# %% [markdown]
# For each question the sources nominate a pool, and each candidate gets a row of numbers: what every source says of it, and
# more. A pool without the wanted product teaches nothing, and is left out.

# %%
def tables_of(stage, asked, forced=None):
    """Features [candidates, names], gains [candidates], and where each list starts."""
    tables, gains, lengths, first = [], [], [], 0
    for pool, table in stage.tables(asked.contexts, forced):
        count = len(pool.start) - 1
        gain = stage.gains(pool, asked.gains[first : first + count])
        good = np.bincount(pool.context, gain, minlength=count) > 0
        tables.append(table[good[pool.context]])
        gains.append(gain[good[pool.context]])
        lengths.append(np.diff(pool.start)[good])
        first += count
    return np.concatenate(tables), np.concatenate(gains), np.concatenate([[0], np.cumsum(np.concatenate(lengths))])


# %%
x, gains, start = tables_of(training, asked)
feature_names = list(training.features_.names_)
print(f"{len(start) - 1:,} lists of {len(x) / (len(start) - 1):.0f} candidates on average, {x.shape[1]} features")
a_few = ["markov: score", "stan: score", "sources", "category in visit", "price"]
pd.DataFrame(x[: start[1]], columns=feature_names).filter(a_few).head(4)

# %% [markdown]
# ### What to learn: who of this list?
#
# We need a score for each candidate, and only their order within a list counts. So let the candidates of a list compete for
# it: a candidate's chance is its share in a **softmax** over the list, and the loss is small when the wanted product has a
# large share:
#
# $$P(i) = \frac{e^{w\cdot x_i}}{\sum_j e^{w\cdot x_j}}, \qquad \text{loss} = -\sum_i g_i \log P(i)$$
#
# with the gains g of a list divided by their sum. This is the conditional logit (McFadden 1974: which of the things on offer does
# somebody choose?), in ranking known as the loss of ListNet. Its slope is easy to remember: (what the model gives − what was
# wanted), times the features.
#
# ### Exercise 2: the loss and its slope
#
# Write both for one list: `x` [candidates, features], `gains` [candidates], `w` [features]. (The largest score is subtracted
# before `exp`, so that no number overflows; it cancels in the share.)

# %% tags=["exercise-2"]
def listwise(x, gains, w):
    score = x @ w
    chance = np.exp(score - score.max())
    chance = chance / chance.sum()  #= chance = ____
    wanted = gains / gains.sum()  #= wanted = ____
    loss = -(wanted @ np.log(chance))
    slope = (chance - wanted) @ x  #= slope = ____
    return loss, slope

# %%
exercise[2].check()

# %% [markdown]
# All lists at once, features in standard deviations, and a small price on large weights. `np.add.reduceat` adds up list by list.

# %%
from scipy.optimize import minimize

mean, spread = x.mean(axis=0, dtype=float), x.std(axis=0, dtype=float)
spread = np.where(spread > 1e-9, spread, 1.0)
z = (x - mean) / spread
lengths = np.diff(start)
want = gains / np.repeat(np.add.reduceat(gains, start[:-1]), lengths)


def total_loss(w, price=20.0):
    score = z @ w
    score -= np.repeat(np.maximum.reduceat(score, start[:-1]), lengths)
    total = np.add.reduceat(np.exp(score), start[:-1])
    chance = np.exp(score) / np.repeat(total, lengths)
    return np.log(total).sum() - want @ score + price * w @ w, (chance - want) @ z + 2 * price * w


by_hand = minimize(total_loss, np.zeros(z.shape[1]), jac=True, method="L-BFGS-B")
print(f"loss {total_loss(np.zeros(z.shape[1]))[0] / len(lengths):.2f} a list before, {by_hand.fun / len(lengths):.2f} after")

# %% [markdown]
# The packaged `ListwiseLogistic` minimises the same loss by Newton's method, which uses the curvature beside the slope and needs
# only a few steps. The same weights:

# %%
from recsys_lab.ranking import ListwiseLogistic

line = ListwiseLogistic().fit(x, gains, start)
claim(np.allclose(line.weights_, by_hand.x, atol=0.02), "the same weights")
claim(abs(total_loss(line.weights_)[0] / by_hand.fun - 1) < 1e-4, "the same loss")
print(f"largest weight {np.abs(line.weights_).max():.2f}, largest difference {np.abs(line.weights_ - by_hand.x).max():.4f}")

# %% [markdown]
# ### Serving
#
# To serve, the sources learn the whole past (that is the stage `serving` above), and the weights stay. The package has all of it
# in one: `Ranker("next", sources, each=30).fit(past)` replays, learns and refits. Here the parts exist already, so we only put
# them together.

# %%
from recsys_lab.ranking import Ranker, losses


class Ready(Ranker):
    """A ranker of a stage and a model that are fitted already."""

    def __init__(self, stage, model):
        super().__init__(each=stage.each)
        self.stage, self.model = stage, model

    def _learn(self, shop):
        self.stage_, self.model_ = self.stage, self.model

    @property
    def names_(self):
        return self.stage_.features_.names_


ranker = Ready(serving, line).fit(past)
lost = losses(ranker, board.contexts[::3], board.truth[::3], k=20)
print(f"A third of the questions, {lost.pool:.0f} candidates each. Shown {lost.hit:.3f}, "
      f"lost by the ranker {lost.lost_by_ranker:.3f}, lost by the candidates {lost.lost_by_candidates:.3f}")
lost.sources.round(3)

# %% [markdown]
# *Nominated*: the share of wanted products that a source put into the pool; *alone*: that it alone put there. Sources overlap,
# so most of them could go without lowering the ceiling much.
#
# ## Measure it
#
# What if we keep one source only? It nominates as many products as the seven did, and the same kind of line orders them, by
# the same features, except that no other source has a say. We take the source that held most at this size.

# %%
from copy import copy


def of_one(stage, name, each):
    """A fitted stage with one of its sources alone, which nominates more."""
    one, own = copy(stage), copy(stage.sources_)
    own.sources, own.models_, own.each = {name: own.sources[name]}, {name: own.models_[name]}, each
    one.sources_, one.features_, one.each = own, copy(stage.features_), each
    return one


many = round(lost.pool)
one_line = ListwiseLogistic().fit(*tables_of(of_one(training, broad, many), asked))
one_source = Ready(of_one(serving, broad, many), one_line)
print(f"{many} products of {broad}, {len(one_line.weights_)} features instead of {len(line.weights_)}")

# %% [markdown]
# Beside it the ranker, and the best single source as it is (by HR@20), question by question:

# %%
from recsys_lab.baselines import Popular
from recsys_lab.evaluation import Scoreboard

ranked = evaluate(ranker, board, "ranker logistic")
one_ranked = evaluate(one_source, board, "one source, ranked")
single = evaluate(sources[best].make(), board, best)
following = Scoreboard.of(board)
for result in (evaluate(Popular(), board, "popular"), single, one_ranked, ranked):
    following.add(result)


def beats(result, other, metric):
    """Print and return the paired difference."""
    span = result.against(other, metric)
    sure = "" if span.low > 0 or span.high < 0 else " (no winner)"
    print(f"{metric}: {result.method} - {other.method} {span.mean:+.4f} [{span.low:+.4f}, {span.high:+.4f}]{sure}")
    return span


for metric in ("HR@20", "MRR@20"):
    claim(beats(ranked, single, metric).low > 0, "the ranker beats the best single source")
    claim(beats(one_ranked, single, metric).low > 0, "so does one source, ranked")
    claim(beats(ranked, one_ranked, metric).low <= 0, "seven sources are not better than one, ranked")
following.to_table()[["HR@20", "MRR@20", "HR@20 − popular"]]

# %% [markdown]
# To order by features is worth a lot, and here one source with a ranker gets all of it: the seven are not ahead of it, and what
# their opinions add is too little for this sample to show. (We picked that one source by its recall in these very questions, a
# little luck on its side.) So build the ranker first, over one broad source; then add sources, and measure what each brings.
#
# That was a sample: some shoppers, half of the sources, and few examples. The stored rows have all of them, and beside the line
# *ranker*: boosted trees, which come later in this chapter. *truth* is the simulated shop's own list, the best there could be.
# One source, ranked, is not among them; so they do not tell which part of their gain the many sources have.

# %%
from recsys_lab import measure

boards = measure.stored()


def beside(live, stored, metric, rows):
    """A metric in this chapter's sample, and the stored one of the whole test."""
    both = {f"{metric} here": live.to_table()[metric]} if live else {}
    both[f"{metric} stored"] = stored.to_table()[metric]
    return pd.DataFrame(both).reindex(rows).fillna("")


def stored_means(name, *methods):
    """Print and return stored means of a board's main metric, and how far rankers are from the best source."""
    means = [boards[name].metric(method).mean for method in methods]
    print(f"{name}: " + ", ".join(f"{method} {mean:.3f}" for method, mean in zip(methods, means)))
    for row in boards[name].rows:
        if "against_best" in row:
            span = next(span for metric, span in row["against_best"].items() if metric != "method")
            print(f"    {row['method']} - {row['against_best']['method']} {span['mean']:+.4f} "
                  f"[{span['low']:+.4f}, {span['high']:+.4f}]")
    return means


# %%
alone, of_line, of_trees, at_best = stored_means("next", "stan", "ranker logistic", "ranker", "truth")
claim(alone < of_line < of_trees < at_best, "trees, line, the best single source: in this order")
rows = ["popular", "markov", "item-knn", "stan", "one source, ranked", "ranker logistic", "ranker", "truth"]
beside(following, boards["next"], "HR@20", rows)

# %% [markdown]
# ## See it: what it uses
#
# Each score is a sum, so it can be taken apart: what did each feature add, counted from the mean of the list? (Of trees the
# package gives Shapley values: what a feature adds on average over all orders in which the tree could have learned of them. They
# add up as well.) For one list of the next clicks:

# %%
products = shop.products.set_index("item_id")
called = products.get("name", products.index.to_series())
context = board.contexts[min(3, len(board.contexts) - 1)]
listed = ranker.recommend(context, 3)
parts = pd.DataFrame(listed.parts, index=list(listed.item_ids)).T
assert np.allclose(parts.sum(), listed.scores)
headings = {item: f"{at}. {called[item]}" for at, item in enumerate(listed.item_ids, start=1)}
print(f"open: {called[context.viewed]}. Over all features, each column adds up to the product's score.")
largest = parts.abs().max(axis=1).sort_values(ascending=False, kind="stable").index[:8]
parts.loc[largest].rename(columns=headings).round(2)

# %%
some = [board.contexts[at] for at in np.linspace(0, len(board.contexts) - 1, 40).astype(int)]
uses = ranker.importance(some).rename_axis("feature").reset_index(name="size").head(12)
title = [f"What the ranker listens to most is “{uses['feature'][0]}”:",
         f"it moves a candidate's score by {uses['size'][0]:.2f} on average"]
alt.Chart(uses, title=title, description=" ".join(title)).mark_bar().encode(
    x=alt.X("size:Q", title="mean size of what the feature adds to a score"),
    y=alt.Y("feature:N", sort=None, title=None, axis=alt.Axis(labelLimit=260)),
)

# %% [markdown]
# Read such a chart with care. Sources that say nearly the same share one weight in some arbitrary way, so a short bar does not
# mean a useless source. The honest test is to fit without it.

# %% [markdown]
# ## Break it: two mistakes of rankers
#
# ### 1. Candidates that serving never sees
#
# This one is found in many training pipelines. Some lists have no wanted product in the pool, which looks like waste, so the
# wanted product is **put in**. Now there are more examples, and in all of them the answer is there. To see it clearly let each
# source nominate only ten, so that there is much to put in:

# %%
# `serving` asks a fitted ranker with pools of another size
small, small_serving = (Ready(stage, line).fit(past).serving(each=10).stage_ for stage in (training, serving))
target = [list(gains) for gains in asked.gains]
x_ten, gains_ten, start_ten = tables_of(small, asked, forced=target)
known_by = feature_names.index("sources")
honest = x_ten[gains_ten > 0, known_by] > 0  # what was put in was nominated by no source
sizes = np.diff(start_ten)
keep, honest_start = np.repeat(honest, sizes), np.concatenate([[0], np.cumsum(sizes[honest])])
fits = {
    "honest pools": ListwiseLogistic().fit(x_ten[keep], gains_ten[keep], honest_start),
    "target put in": ListwiseLogistic().fit(x_ten, gains_ten, start_ten),
}
print(f"{len(honest_start) - 1} examples in honest pools, {len(start_ten) - 1} with the target put in")

# %%
forced = {name: evaluate(Ready(small_serving, fitted), board, name) for name, fitted in fits.items()}
pools = Scoreboard.of(board)
for result in forced.values():
    pools.add(result)
for metric in ("HR@20", "MRR@20"):
    claim(beats(forced["target put in"], forced["honest pools"], metric).high < 0, "putting the target in is worse")
pools.to_table()[["HR@20", "MRR@20"]]

# %% [markdown]
# With more examples it is worse. Why? In the lists that were repaired the wanted product is one that *no source knows*. So the
# model learns that to be known is no good sign, and in the shop it no longer prefers what many sources nominate. Look at its
# lists:

# %%
from itertools import pairwise

known, few = {}, list(small_serving.tables(board.contexts[::4]))
for name, fitted in fits.items():
    firsts = []
    for pool, table in few:
        score = fitted.score(table, pool.start)
        firsts += [table[a:b, known_by][np.argsort(-score[a:b])[:5]].mean() for a, b in pairwise(pool.start)]
    known[name] = np.mean(firsts)
    print(f"{name}: of the first five products each was nominated by {known[name]:.1f} sources")
print(f"of the whole pool: by {np.concatenate([table[:, known_by] for _, table in few]).mean():.1f}")
claim(known["target put in"] < known["honest pools"] - 1, "it no longer prefers what many sources know")

# %% [markdown]
# The larger the pools, the less there is to put in. With thirty from each source, as above, the same mistake:

# %%
repaired = tables_of(training, asked, forced=target)
put_in = evaluate(Ready(serving, ListwiseLogistic().fit(*repaired)), board, "target put in, thirty from each")
print(f"put in: {len(repaired[2]) - len(start)} of {len(asked.contexts)} lists, with ten from each {(~honest).sum()}")
harm = beats(put_in, ranked, "HR@20")
del repaired

# %% [markdown]
# There the harm is too small to measure in a sample like this one. That makes it the more treacherous: nothing shows.
#
# The check: pools for training come from the very code that serves, and the share of examples whose product is in the pool is
# the candidate recall, not 100 %. (`Ranker.learned_from_` has both numbers.)
#
# ### 2. Features from the future
#
# The sources of the stage `serving` were fitted on the whole past, the examples' own visits among it. To train on them saves
# fitting the sources twice, and the training loss is wonderful.

# %%
def hits_in_training(model, x, gains, start):
    """The share of the training questions with the wanted product among the first twenty; of all, also without a pool."""
    score, at = model.score(x, start), np.repeat(np.arange(len(start) - 1), np.diff(start))
    rank = pd.Series(score).groupby(at).rank(ascending=False, method="first").to_numpy()
    return ((rank <= 20) & (gains > 0)).sum() / len(asked.contexts)


leaked = tables_of(serving, asked)
from_future = ListwiseLogistic().fit(*leaked)
leaky = evaluate(Ready(serving, from_future), board, "features from the future")
both = (("honest", line, (x, gains, start), ranked), ("from the future", from_future, leaked, leaky))
for name, fitted, examples, result in both:
    print(f"{name}: {hits_in_training(fitted, *examples):.3f} of the {len(asked.contexts)} training questions,"
          f" {result.summary()['HR@20']} in the test")
claim(hits_in_training(from_future, *leaked) > hits_in_training(line, x, gains, start) + 0.1, "wonderful in training")
claim(beats(leaky, ranked, "HR@20").high < 0, "worse in the test")

# %% [markdown]
# In training, a source that counts exact pairs has seen the very click that it is asked about, and the model learns to
# trust it blindly. The check is the order of chapter 06: a feature is read *before* the event goes into it. `Ranker` keeps two
# fits apart for this reason: one before the examples, to learn from, and one of everything, to serve. And a training number far
# above the test's is an alarm, not a success.

# %%
del serving, training, small, small_serving, fits, ranker, asked, board, x, z, want, leaked, examples, lists, found  # memory
del few, one_source

# %% [markdown]
# ## The home page, and trees
#
# At the start of a visit the question is another one, and so are the sources. Now all of it by the package. Beside the line
# there is **LambdaMART** (Burges 2010): boosted trees that learn from pairs of candidates, each pair weighed by the NDCG that
# swapping it would change. A tree can say *if*: "if this shopper has bought before, then …". The package's trees start from the
# line's scores, so the line comes with them. (Here with six sources, factors of 64 numbers and 1,200 examples, for some of the
# shoppers. With `refit=False` the sources are not fitted a second time on the whole past: that saves time, and they know nothing
# of the last 5 % of the visits.)

# %%
from recsys_lab.evaluation import home_board
from recsys_lab.factors import Factors
from recsys_lab.ranking import LambdaMART, Source
from recsys_lab.ranking.sources import SALES

home = home_board(past, only(shuffled[: max(len(coming) // 12, 200)]))
home_names = ["popular", "seen", "repeat", "event-weighted", "item-knn"]
home_sources = {name: SOURCES["home"][name] for name in home_names}
factors = partial(Factors, 64, regularization=10.0, base=0.0, weights=SALES)
home_sources["als"] = Source(factors, "likeness")
model = LambdaMART(trees=60, threads=1) if lightgbm else ListwiseLogistic()
home_ranker = Ranker("home", home_sources, model, each=30, share=0.05, examples=1_200, refit=False)
trees = evaluate(home_ranker, home, "ranker" if lightgbm else "ranker logistic")
print(home_ranker.learned_from_)

# %%
from recsys_lab.baselines import RepeatPurchase

its_line = home_ranker.model_.line_ if lightgbm else home_ranker.model_
home_line = Ready(home_ranker.stage_, its_line)
linear = evaluate(home_line, home, "ranker logistic")
als, repeat = evaluate(factors(), home, "als, 64 tuned"), evaluate(RepeatPurchase(), home, "repeat")

# %% [markdown]
# And once more one source, ranked: the factors with three times as many candidates, and the examples that
# the ranker learned from.

# %%
home_cut = home_ranker.cut_
home_asked = replay(past.between(None, home_cut), past.between(home_cut, None), "home").sample(1_200)
of_factors = of_one(home_ranker.stage_, "als", 90)
one_at_home = Ready(of_factors, ListwiseLogistic().fit(*tables_of(of_factors, home_asked)))
one_home = evaluate(one_at_home, home, "one source, ranked")

# %%
entrance = Scoreboard.of(home)
for result in [evaluate(Popular(), home, "popular"), repeat, als, one_home, linear] + [trees] * bool(lightgbm):
    entrance.add(result)
best_home = max((als, repeat), key=lambda result: result.summary()["NDCG@10"].mean)
claim(beats(linear, best_home, "NDCG@10").low > 0, "the line beats the best single source")
claim(beats(linear, one_home, "NDCG@10").low <= 0, "six sources are not better than one, ranked")
if lightgbm:
    claim(beats(trees, best_home, "NDCG@10").low > 0, "the trees beat the best single source")
    beats(trees, linear, "NDCG@10")
entrance.to_table()[["NDCG@10", "HR@10 click", "HR@10 purchase", "NDCG@10 − popular"]]

# %% [markdown]
# Here too the line gains by ordering, and five more sources add nothing that this sample could show. Trees have far more to learn
# than a line, and want more examples than this notebook has time for. The stored rows have them: up to 12,000 examples, all
# sources, factors of 256 numbers (*als tuned*), and the whole test.

# %%
alone, of_line, of_trees, at_best = stored_means("home", "als tuned", "ranker logistic", "ranker", "truth")
claim(alone < of_line < of_trees < at_best, "with all examples the trees are ahead")
rows = ["popular", "repeat", "als, 64 tuned", "als tuned", "one source, ranked", "ranker logistic", "ranker", "truth"]
beside(entrance, boards["home"], "NDCG@10", rows)

# %% [markdown]
# ## The list as a whole
#
# The ranker scores products one by one. A page is more than that: ten coats in one colour are one idea, and what is sold out
# helps nobody. `Calibrated` rearranges a list: each place goes to the product with the best (1 − d)·relevance − d·likeness to
# the most alike product above it, and rules say what goes last or not at all.

# %%
from recsys_lab.evaluation import judge, metrics
from recsys_lab.ranking import Calibrated

products = shop.products.set_index("item_id")
visits_here = home.contexts[:400]
deep, _ = home_line.recommend_many(visits_here, 50)
bought = {name: set(items) for name, items in past.events[past.events["event_type"] == "buy"].groupby("user_id")["item_id"]}
owned = [bought.get(context.shopper_id, set()) for context in visits_here]


def rearranged(**settings):
    """The home lists after the rules."""
    rules = Calibrated(Popular(), **settings).fit(past)
    return np.array([rules.arrange(list(row), mine, 10) for row, mine in zip(deep, owned)], dtype=object)


# %%
# needs: category, in_stock
pages = {
    "as ranked": deep[:, :10],
    "sold out: dropped": rearranged(out_of_stock="drop"),
    "and d = 0.2": rearranged(out_of_stock="drop", diversity=0.2),
    "and d = 0.4": rearranged(out_of_stock="drop", diversity=0.4),
    "sold out and bought: dropped": rearranged(out_of_stock="drop", bought="drop"),
}
rows = {}
for name, page in pages.items():
    rows[name] = {
        "NDCG@10": np.nanmean(metrics.ndcg(judge(page, home.truth[:400], products.index))),
        "categories on a page": np.mean([products["category"][row].nunique() for row in page]),
        "sold out": 1 - products["in_stock"][page.ravel()].mean(),
        "bought before": np.mean([[item in mine for item in row] for row, mine in zip(page, owned)]),
    }
calibrated = pd.DataFrame(rows).T
kinds = calibrated["categories on a page"]
claim(calibrated["NDCG@10"].iloc[-1] < 0.7 * calibrated["NDCG@10"].iloc[0], "dropping what was bought is dear")
claim(kinds["and d = 0.4"] > kinds["and d = 0.2"] > kinds["sold out: dropped"], "more kinds on a page")
calibrated.round(3)

# %% [markdown]
# What variety costs in NDCG stands beside what it gives. How much a page should have is the shop's decision, and NDCG cannot
# make it alone: it asks whether the list held what *was* clicked, in a shop that showed something else. (It charges for dropping
# what is sold out, too, because this simulated shop goes on selling it. A real one does not.) The last row says that in a shop
# where things are bought again, dropping what was bought is dear. That is a matter of surfaces: chapter 05's *buy it again*.
#
# ## A simulated A/B test of every policy so far
#
# In the simulated shop we need not guess what a list would have sold. The board *ab* shows each list to the visits of the test
# weeks and counts purchases per 1,000 visits by the truth. Some shoppers, live. (Variety is not in the contest, since it could
# not win: in this shop what a list sells is the sum over its places, and nobody tires of a tenth coat. What variety is worth to
# people, only people can say.)

# %%
# needs: truth
from recsys_lab.evaluation.truth import TruthForSales, ab_board, load_truth

world = load_truth(shop)
ab = ab_board(past, only(shuffled[: len(coming) // 28]), world)

# %%
tested = {"popular": Popular(), "repeat": RepeatPurchase(), "als, 64 tuned": factors(), "ranker logistic": home_line}
if lightgbm:
    tested["ranker"] = Ready(home_ranker.stage_, home_ranker.model_)
tested["truth"] = TruthForSales(world)
sales = {name: evaluate(method, ab, name) for name, method in tested.items()}
sold = Scoreboard.of(ab)
for result in sales.values():
    sold.add(result)
sells = beats(sales["ranker logistic"], sales["als, 64 tuned"], "purchases per 1,000 visits")
claim(sells.low > 0, "the ranker sells more than the factors")
if lightgbm:
    beats(sales["ranker"], sales["ranker logistic"], "purchases per 1,000 visits")
best_possible = sales["truth"].summary()["purchases per 1,000 visits"].mean
for name in ("popular", "ranker logistic"):
    print(f"{name}: {sales[name].summary()['purchases per 1,000 visits'].mean / best_possible:.0%} of what could be sold at best")
del home, home_ranker, home_line, its_line, tested, ab, deep, of_factors, one_at_home  # they hold a good part of the log

# %%
rows = ["popular", "repeat", "als, 64 tuned", "als tuned", "ranker logistic", "ranker", "truth"]
beside(sold, boards["ab"], "purchases per 1,000 visits", rows)

# %% [markdown]
# All stored policies, over the whole test:

# %%
stored_ab = boards["ab"]
rows = [row["method"] for row in stored_ab.rows if row["method"] != "random"]
spans = pd.DataFrame([{"method": name, **vars(stored_ab.metric(name))} for name in rows]).sort_values("mean", kind="stable")
ceiling = stored_ab.metric("truth").mean
first = spans[spans["method"] != "truth"].iloc[-1]
least = stored_ab.metric("popular").mean
title = f"Of what could be sold at best, “{first['method']}” sells {first['mean'] / ceiling:.0%}, popular {least / ceiling:.0%}"
charts.intervals(spans, "method", "purchases per 1,000 visits", title)

# %%
sells = spans.set_index("method")["mean"]
lone = sells.drop(["ranker logistic", "ranker", "truth"])
for before_step, after_step in (("als", "als tuned"), (lone.idxmax(), "ranker logistic"), ("ranker logistic", "ranker")):
    gained = sells[after_step] - sells[before_step]
    print(f"from {before_step} to {after_step}: {gained:+.0f} purchases per 1,000 visits")
claim(sells["als tuned"] - sells["als"] > sells["ranker"] - lone.max(), "tuning one method brought more than ranking")

# %% [markdown]
# What was learned? The rankers sell most. But to tune one good method (chapter 05's factors) brought more than line and trees
# together add to it: do that first. And even the best list leaves a good part of what could be sold.
#
# ## The place a product stood in
#
# The ranker learns from clicks. But what stands first is looked at most, so it is clicked most, so it goes on standing first.
# How much is the place, and how much the product? In an ordinary list nobody can tell: good products and good places go
# together. But this shop draws a share of its lists **at random**. There every place has held the same goods on average, and a
# difference between places is the places' own.

# %%
# needs: impressions, event.position, event.propensity
from recsys_lab import bandit

looks = bandit.examination(shop)
last = looks["relative"].iloc[-1]
title = f"In lists drawn at random the last place gets {last:.0%} of the clicks of the first"
base = alt.Chart(looks).encode(x=alt.X("position:O", title="place in the list", axis=alt.Axis(labelAngle=0)))
lines = base.mark_rule(strokeWidth=2, color=charts.PALETTE[0]).encode(
    y=alt.Y("low:Q", title="clicks each time shown", axis=alt.Axis(format="%")), y2="high:Q")
points = base.mark_point(filled=True, size=60, opacity=1).encode(y="rate:Q")
alt.layer(lines, points, title=title, description=title).properties(width=alt.Step(40))

# %% [markdown]
# What that does: one list for everybody, ten products in an order that means nothing, and many visits. Which of the ten do people
# like? The simulated shop knows how likely each is to be clicked once it is looked at.

# %%
# needs: truth
from recsys_lab.evaluation.exploration import open_slot, play
from recsys_lab.recommender import Context

seen = split.test.impressions.drop_duplicates("session_id")
visits = [Context(user, int(now)) for user, now in zip(seen["user_id"], seen["timestamp"])]
features = bandit.TasteFeatures(one_hots=True).fit(past)
opening = min(visit.now_ms for visit in visits)
there = products["launched_at"] <= opening
pool = [item for item in past.tie_order if there[item]][:200]

rng = np.random.default_rng(0)
twenty = [pool[at] for at in np.sort(rng.choice(len(pool), 20, replace=False))]  # the most clicked first
slot = open_slot(world, [visits[at] for at in rng.permutation(len(visits))[:1_500]], twenty, features)
fixed = [twenty[at] for at in np.random.default_rng(0).permutation(20)[:10]]
clicks, come = np.zeros(10), slot.contexts[:800]
for row, visit in enumerate(come):
    answer = world.respond(visit.shopper_id, fixed, visit.now_ms, np.random.default_rng([0, row]))
    for event in answer:
        if event.event_type == "clicked_on":
            clicks[int(event.event_attr["position"]) - 1] += 1

# %%
liked = slot.chance[: len(come), [slot.arms.index(item) for item in fixed]].mean(axis=0)
one_list = pd.DataFrame({"liked": liked, "clicks": clicks, "clicks a look": clicks / looks["relative"].to_numpy()})
one_list.index = pd.RangeIndex(1, 11, name="place")
agree = one_list.corr(method="spearman")["liked"]
print(f"agreement of ranks with what people like: clicks {agree['clicks']:.2f}, clicks a look {agree['clicks a look']:.2f}")
claim(agree["clicks a look"] > agree["clicks"], "clicks a look tell more than clicks")
one_list.round(3)

# %% [markdown]
# *Clicks a look* are the clicks divided by what the random lists said of the place. One list is luck, and this one shows a
# strong contrast; so the finding is the mean of twenty lists, which are stored (`python -m benchmarks.bandit_trials`):

# %%
import json
from pathlib import Path

file = Path(measure.__file__).resolve().parents[1] / "benchmarks" / "bandit_trials.json"
trials = json.loads(file.read_text(encoding="utf-8"))
for how, (middle, low, high) in trials["places"].items():
    print(f"{how}: rank agreement {middle:.3f} [{low:.3f}, {high:.3f}]")
assert trials["places"]["by clicks"][2] < trials["places"]["by clicks a look"][1]

# %% [markdown]
# So, what to do about places: show a few lists at random and measure what a place is worth; count clicks a *look*
# (`bandit.click_rates(shop, looks)`), in features and in labels; and never learn what a product is worth from where it was put.
#
# ## Explore: a bandit for one place
#
# Random lists are honest and expensive: most of what they show nobody wants. A **bandit** explores where it may pay. One place
# of the page, twenty products (its *arms*), visit after visit: choose one, see whether it is clicked, learn, go on. What it
# loses against somebody who knows every shopper's chances is its **regret**.
#
# **LinUCB** (Li, Chu, Langford and Schapire 2010) is a ridge regression of the clicks on features (least squares with a price λ on
# large weights), with optimism: where it knows little, it believes the best that the data allow.
#
# $$\text{value} = \theta\cdot x + \alpha\sqrt{x^\top A^{-1} x}, \qquad A = \lambda I + \sum x x^\top, \qquad \theta = A^{-1} \sum r\, x$$
#
# In about ten lines, with λ = 1 and one model for all arms:

# %%
class TenLines:
    def __init__(self, dim, alpha=1.0):
        self.A, self.b, self.alpha = np.eye(dim), np.zeros(dim), alpha

    def choose(self, x):
        inverse = np.linalg.inv(self.A)
        bonus = np.sqrt(((x @ inverse) * x).sum(axis=1))
        return int(np.argmax(np.round(x @ inverse @ self.b + self.alpha * bonus, 9)))

    def update(self, x, reward):
        self.A += np.outer(x, x)
        self.b += reward * x


# %% [markdown]
# The features of a shopper and a product: how popular it is, how much more of the shopper's clicks than of everybody's went to
# its department, category, style, colour and brand, and a column for each product. Do the ten lines choose as the packaged
# `LinUCB` does?

# %%
order = np.random.default_rng(2).permutation(len(slot.contexts))
played = play(bandit.LinUCB(shared=True), slot, order[:300], seed=0)
ten_lines = TenLines(slot.x.shape[2])
for row, arm, reward in zip(played.order, played.shown, played.rewards):
    at = ten_lines.choose(slot.x[row])
    assert slot.arms[at] == arm
    ten_lines.update(slot.x[row, at], reward)
print(f"the same product in each of {len(played.order)} visits")

# %% [markdown]
# ### Exercise 3: how good could it be?
#
# An arm with a model of its own was shown n times, with the features `X` [n, d], and earned `r` [n]. Write its upper confidence
# bound for a visit with the features `x` [d]. `alpha` and `ridge` are the α and the λ of the formula.

# %% tags=["exercise-3"]
def upper_bound(X, r, x, alpha, ridge):
    A = ridge * np.eye(len(x)) + X.T @ X  #= A = ____
    theta = np.linalg.inv(A) @ X.T @ r  #= theta = ____
    return theta @ x + alpha * np.sqrt(x @ np.linalg.inv(A) @ x)  #= return ____

# %%
exercise[3].check()

# %% [markdown]
# Now a contest. *Popular* shows what was clicked most before. *ε-greedy* shows what was clicked best so far, and in one visit of
# ten anything. *Linear ε-greedy* has the regression, and explores blindly; LinUCB has the bonus. All meet the same visits and
# the same luck. How many clicks has each missed, after how many visits?

# %%
policies = {
    "popular": lambda arms: bandit.Ranked(arms),
    "ε-greedy .1": lambda arms: bandit.EpsilonGreedy(0.1),
    "linear ε-greedy .1": lambda arms: bandit.LinUCB(alpha=0.0, shared=True, epsilon=0.1),
    "LinUCB": lambda arms: bandit.LinUCB(shared=True),
}


def regret_of(make):
    """The regret of a policy after each of `moments`."""
    missed = play(make(slot.arms), slot, np.arange(len(slot.contexts)), seed=0).regret.cumsum()
    return [missed[min(visit, len(missed)) - 1] for visit in moments]


moments = [250, 500, 1_000, 1_500]
regret = pd.DataFrame({name: regret_of(make) for name, make in policies.items()}, index=moments).T
claim((regret.drop("LinUCB") > regret.loc["LinUCB"])[1_500].all(), "LinUCB regrets least in the end")
regret.round(0)

# %% [markdown]
# And twenty slots, stored. Among the policies there: linear ε-greedy with less blind exploration, and *linear greedy*, which shows
# what its regression likes best and never explores on purpose.

# %%
finals = {row["policy"]: row["regret"] for row in trials["regret"]}
more = trials["more regret than LinUCB"]
assert min(low for _, low, _ in more.values()) > 0
contest = ["popular", "ε-greedy .1", "linear greedy", "linear ε-greedy .05", "LinUCB"]
for name in ("linear ε-greedy .1", "linear ε-greedy .05", "linear greedy"):
    print(f"{name} misses {more[name][0]:.0f} [{more[name][1]:.0f}, {more[name][2]:.0f}] clicks more than LinUCB")
blind, never = more["linear ε-greedy .05"], more["linear greedy"]
mine, theirs = finals["LinUCB"][0], finals["popular"][0]
title = [f"In {trials['visits']:,} visits LinUCB misses {mine:,.0f} clicks, “popular” {theirs:,.0f};",
         f"exploring blindly (ε .05) costs {blind[0]:.0f} more than LinUCB, never exploring {never[0]:.0f}"]
curves = pd.DataFrame(trials["curves"])
curves = curves[curves["policy"].isin(contest)]
x = alt.X("visit:Q", title="visits", axis=alt.Axis(tickCount=6))
told_by = charts.apart("policy", contest, title=None, dash=True)
lines = alt.Chart(curves).mark_line().encode(x, alt.Y("regret:Q", title="clicks missed so far, with 95 % interval"),
                                            **told_by)
some = curves[curves["visit"].isin(curves["visit"].unique()[5::6])]
spans = alt.Chart(some).mark_rule(strokeWidth=4).encode(x, y="low:Q", y2="high:Q", color=told_by["color"])
alt.layer(spans, lines, title=title, description=" ".join(title))

# %% [markdown]
# ### Exercise 4: Thompson sampling
#
# Another way to be curious: instead of a bonus, *draw* what might be true. What the regression knows is a normal distribution
# with mean θ and covariance scale² · A⁻¹ (a bell curve in all directions at once; the covariance says how wide it is in each, and how
# they hang together). Draw one θ from it, show the arm that is best by the drawn θ, and next time draw
# again (Thompson 1933). `x` is [arms, features]; answer with the row of the arm. `rng.multivariate_normal(mean, covariance)`
# draws.

# %% tags=["exercise-4"]
def thompson(theta, inverse, x, scale, rng):
    drawn = rng.multivariate_normal(theta, scale**2 * inverse)  #= drawn = ____
    return int(np.argmax(x @ drawn))  #= return ____

# %%
verdict = exercise[4].check()

# %% [markdown]
# If yours is right, it plays in the same visits now.

# %%
class Thompson(bandit.LinUCB):
    """LinUCB's sums, with a draw in place of the bonus. With which probability it chose, it cannot say."""

    def choose(self, arms, x, rng):
        theta, inverse = self.posterior("", x.shape[1])
        return bandit.Choice(arms[thompson(theta, inverse, x, 0.3, rng)], np.nan)


if verdict.kind == "right":
    regret.loc["Thompson, scale .3"] = regret_of(lambda arms: Thompson(shared=True))
    print(regret.round(0).to_string())
    thompson_missed, bonus_missed = (regret.loc[name, 1_500] for name in ("Thompson, scale .3", "LinUCB"))
    print(f"With this scale and on this one slot Thompson sampling misses {thompson_missed:.0f}, LinUCB {bonus_missed:.0f}.")
else:
    print("Skipped: exercise 4 is not solved yet.")

# %% [markdown]
# One slot decides little between them: the scale is a guess, and the draws change the luck. What counts for the next section is
# the `nan`. LinUCB shows its arm with probability 1, Thompson sampling with one that nobody has computed. Both leave logs that
# say little of any other policy.
#
# ## What would another policy have earned?
#
# A new policy is ready, and trying it costs real visits. Can the old log tell how it would have done? The log has rewards for
# what the *old* policy showed. The probability with which it chose what it showed, in this very visit, is the **propensity**.
# If that was written down, we can weigh: what the new policy would show three times as often counts three times.
#
# $$\text{IPS} = \frac1n \sum w\, r, \qquad \text{SNIPS} = \frac{\sum w\, r}{\sum w}, \qquad w = \frac{\text{probability by the new policy}}{\text{propensity}}$$
#
# (*Inverse propensity scoring*, and the same *self-normalised*.)
#
# ### Exercise 5: from the log of another
#
# `target` [n]: the probability with which the new policy would have shown what was shown. `logged` [n]: that of the old one.
# `rewards` [n]. Answer with both estimates.

# %% tags=["exercise-5"]
def off_policy(target, logged, rewards):
    weights = target / logged  #= weights = ____
    ips = (weights * rewards).mean()  #= ips = ____
    snips = (weights * rewards).sum() / weights.sum()  #= snips = ____
    return ips, snips

# %%
exercise[5].check()

# %% [markdown]
# LinUCB learns on half of the visits. Then it stands still and makes a log from the other half: in one of five it shows any product,
# and it writes down with which probability. What would *popular* have earned in them? The shop's truth knows. Beside IPS and
# SNIPS the package has three more:
#
# - *no propensities*: the mean click of the rows where both policies agree. What is wrong with it, comes below.
# - **direct**: a regression r̂, learned from the log, says what would have happened.
# - **doubly robust** (DR): the same, corrected by the weighted errors that it makes on the log.
#
# $$\text{direct} = \frac1n \sum_i \sum_a \pi(a \mid x_i)\, \hat r(x_i, a), \qquad \text{DR} = \text{direct} + \frac1n \sum_i w_i \left(r_i - \hat r(x_i, a_i)\right)$$
#
# with π the new policy's probabilities and aᵢ what was shown.

# %%
running = bandit.LinUCB(shared=True, epsilon=0.2)
play(running, slot, order[: len(order) // 2], seed=1)
rng = np.random.default_rng(3)
held = rng.choice(order[len(order) // 2 :], 4_000)
chosen = [running.choose(slot.arms, slot.x[row], rng) for row in held]  # it has stopped learning
columns = [slot.arms.index(choice.arm) for choice in chosen]
clicked = (rng.random(len(held)) < slot.chance[held, columns]).astype(float)
propensities = [choice.propensity for choice in chosen]
log = bandit.Logged(slot.arms, [choice.arm for choice in chosen], clicked, propensities, held)  # intervals draw visits
target = bandit.probabilities_of(bandit.Ranked(slot.arms), slot.arms, slot.x[held])
truth = (target * slot.chance[held]).sum(axis=1).mean()
print(f"{len(held):,} draws from {len(np.unique(held)):,} visits")

# %%
import warnings

with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always", bandit.WeightWarning)
    estimates = bandit.compare(log, target, bandit.reward_model(log, slot.x[held])).set_index("estimator")
for one in told:
    print(f"Warning: {one.message}")
weights = target[np.arange(len(held)), columns] / log.propensities
assert np.isclose((weights * clicked).mean(), estimates.loc["IPS", "value"])
assert np.isclose((weights * clicked).sum() / weights.sum(), estimates.loc["SNIPS", "value"])
mean_weight = bandit.Estimate("mean weight", weights, np.ones(len(log)), weights, log.units).interval()
print(f"mean weight {mean_weight}; on average over logs it is 1")
print(f"The truth is {truth:.3f}. IPS and SNIPS by hand are the same as here:")
estimates.round(3)

# %% [markdown]
# *Effective choices* is what the rows are worth, after weighing: few, because the running policy seldom shows what is popular.
# Hence the width. And this log is an unlucky one: a few rows with large weights came up more often than they should, so the mean
# weight is well above 1, and IPS too high by as much. SNIPS divides by it, and is nearer. The mean weight is worth printing for
# this reason: on average it is 1, and where its interval leaves 1 out, IPS is not to be trusted.
#
# One log is luck; two hundred are stored, with the **bias** (how far off on average), the **spread** (how far from each other) and
# the **rmse** (both together: the usual distance from the truth) of every estimator. All are of one slot and one running policy,
# so they say how estimators behave there, and not which is best everywhere.

# %%
errors = pd.DataFrame(trials["off-policy"])
errors = errors[(errors["log of"] == "LinUCB with ε .2") & (errors["policy"] == "popular")].set_index("estimator")
fair = errors.loc[["IPS", "SNIPS", "DR"]]
naive = errors.loc["no propensities"]
assert naive["bias low"] > 0 and (fair["bias low"] < 0).all() and (fair["bias high"] > 0).all()
assert 1.8 < 1 + naive["bias"] / naive["truth"] < 2  # nearly twice the truth
print(f"{trials['logs']} logs of 2,000 draws from {trials['test visits'] // 2:,} visits")
errors[["truth", "bias", "bias low", "bias high", "spread", "rmse", "interval holds truth", "effective choices"]].round(3)

# %%
title = [f"Without propensities the estimate is {naive['bias']:.2f} too high, on a truth of {naive['truth']:.2f};",
         "IPS, SNIPS and the doubly robust are right on average, and spread widely"]
drawn = errors.reset_index()
drawn["estimate"] = drawn["truth"] + drawn["bias"]
drawn["from"], drawn["to"] = drawn["estimate"] - drawn["spread"], drawn["estimate"] + drawn["spread"]
base = alt.Chart(drawn).encode(y=alt.Y("estimator:N", sort=None, title=None))
spans = base.mark_rule(strokeWidth=2, color=charts.PALETTE[0]).encode(
    x=alt.X("from:Q", title="clicks a visit: mean ± spread over 200 logs (dashed: the truth)"), x2="to:Q")
points = base.mark_point(filled=True, size=70, opacity=1).encode(x="estimate:Q")
rule = alt.Chart(drawn.head(1)).mark_rule(strokeDash=[4, 4], color=charts.PALETTE[5]).encode(x="truth:Q")
alt.layer(rule, spans, points, title=title, description=" ".join(title)).properties(height=alt.Step(28))

# %% [markdown]
# Now the intervals: each should hold the truth 19 times out of 20. Those of IPS, SNIPS and DR do so a little too seldom: with so
# few effective choices a bootstrap is optimistic. The direct method's hold it hardly ever. Its interval counts only the visits,
# and not how uncertain the regression itself is, which comes out differently from log to log. By rmse it is the nearest
# of all here; elsewhere its bias may be anything, and nothing in the log tells which.

# %%
assert errors["rmse"].idxmin() == "direct" and errors.loc["direct", "interval holds truth"] < 0.2
assert (fair["interval holds truth"] > 0.85).all() and (fair["interval holds truth"] < 0.95).all()
evenly_logged = pd.DataFrame(trials["off-policy"]).set_index(["log of", "policy", "estimator"])
one = evenly_logged.loc[("uniform", "popular", "direct")]
print(f"direct, from logs that show every product evenly: bias {one['bias']:+.3f}, spread {one['spread']:.3f}, "
      f"interval holds the truth in {one['interval holds truth']:.1%} of the logs")

# %% [markdown]
# So it is not the bias that spoils its interval: where it has next to none, the interval fails as often.
#
# ### The shop's own random lists
#
# The same on the log that the shop really has: its random lists, with their propensities. The arms are shelves (a department
# and category); a policy chooses the shelf for a place. A regression learns each shopper's taste for shelves from the first two
# months. What would it have earned in the third?

# %%
# needs: impressions, event.propensity, department, category
from recsys_lab.datasets import DAY_MS

first, last = (int(shop.events["timestamp"].agg(end)) // DAY_MS for end in ("min", "max"))
month = (first + (last + 1 - first) * 2 // 3) * DAY_MS  # the third third begins
old, new = shop.between(None, month), shop.between(month, None)
before, after = (bandit.slot_log(part, ("department", "category")) for part in (old, new))
shelves = after.logged.arms
known = products.loc[list(old.tie_order)[::-1], ["department", "category"]].agg(" · ".join, axis=1)
stars = {shelf: item for item, shelf in known.items()}  # a shelf is told by its most clicked product
taste = bandit.TasteFeatures(("department", "category")).fit(old)


def tastes(part):
    """Features of each product shown and each shelf; made once a list, since its products have one shopper and one time."""
    lists = {context: at for at, context in enumerate(dict.fromkeys(part.contexts))}
    return taste(list(lists), [stars[arm] for arm in shelves])[[lists[context] for context in part.contexts]]


# %%
rows, asked_rows = tastes(before), tastes(after)
learner = bandit.LinUCB(alpha=0.0, shared=True)
for row, column, reward in zip(rows, before.logged.at, before.logged.rewards):
    learner.update(shelves[column], row[column], reward)
evenly = after.available / after.available.sum(axis=1, keepdims=True)
by_taste = bandit.probabilities_of(learner, shelves, asked_rows)

# %%
true_values = {row["policy"]: row["truth"] for row in trials["random lists"]}  # of the simulated shop
simulated = shop.name == "simulated shop"


def asks(log, target, name, stored):
    """SNIPS with its interval beside the stored truth, and what `check_weights` has to say."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", bandit.WeightWarning)
        bandit.check_weights(log, target)
    print(f"{name}: {bandit.snips(log, target)}." + (f" Truth {true_values[stored]:.4f}" if simulated else ""))
    for one in told:
        print(f"    warning: {str(one.message).partition(';')[0]}")
    return bandit.snips(log, target).interval()


print(f"{len(after.logged):,} products shown by chance, from {len(shelves)} shelves. Clicks for each product shown:")
even = asks(after.logged, evenly, "any shelf", "shelf: as drawn")
tasteful = asks(after.logged, by_taste, "shelf by taste", "shelf: linear greedy")
claim(tasteful.low > even.high, "a shelf by taste is clicked more")
claim(not simulated or all(span.low < true_values[name] < span.high for span, name in
          ((even, "shelf: as drawn"), (tasteful, "shelf: linear greedy"))), "both intervals hold the truth")
one_product = bandit.slot_log(new).logged
always = np.tile(np.array(one_product.arms) == old.tie_order[0], (len(one_product), 1)).astype(float)
asks(one_product, always, "always the most clicked product", "product: most clicked")
del always, one_product  # large

# %% [markdown]
# Among so few shelves the question can be answered: all the rows are worth a few hundred choices of the new policy, which is
# enough to know it within a third, and to know it better than chance. Among a thousand products it cannot: hardly any row shows
# the one that is asked about, and `check_weights` says so.

# %% [markdown]
# ## Break it: clicks that the policy caused
#
# You saw its numbers above. Take the visits in which the log happens to agree with the new policy, and average their clicks. It
# needs no propensities, and nothing looks wrong. But the running policy showed the popular product *to those who would like it*:

# %%
agree_rows = np.array(columns) == 0
like_it, everybody = slot.chance[held[agree_rows], 0].mean(), slot.chance[held, 0].mean()
print(f"the most popular product: liked with {like_it:.3f} where it was shown, {everybody:.3f} in all visits")
claim(like_it > everybody, "it was shown to those who like it")
try:
    bandit.Logged(slot.arms, log.shown, clicked, np.full(len(held), np.nan), log.units)
except bandit.PropensityError as caught:
    print(caught)

# %% [markdown]
# A log without propensities is refused, and no formula can add them afterwards, unless the policy of that moment was kept and can
# be asked again. The mean weight is the second check: with right propensities it is 1 on average, so print it with its interval,
# and remember the log above: once in a while bad luck looks like a mistake.
#
# ## Reality check
#
# The clickstream of a real clothes shop from 2008 (UCI 553) has a few hundred products and no shoppers, only sessions. Four
# counting sources (*layout*: which kinds of product follow each other on its pages), 1,000 examples, and a quarter of the test
# sessions:

# %%
del past, split, earlier, later, old, new, before, after, rows, asked_rows  # room for another log

# %%
from dataclasses import replace

from recsys_lab.baselines import Markov
from recsys_lab.datasets import DataUnavailable, load_clickstream

few = ("markov", "item-knn", "layout")
counting = {name: SOURCES["clickstream"][name] for name in few} | {"backoff": sources["backoff"]}
try:
    contest_board = measure.clickstream_contest(load_clickstream()).board
except DataUnavailable as why:
    contest_board = real = None
    print(f"Skipped, the stored numbers stand below: {why}")

# %%
if contest_board:
    units = np.asarray(contest_board.units)
    some = np.flatnonzero(np.isin(units, np.unique(units)[::4]))
    questions, answers = ([of[at] for at in some] for of in (contest_board.contexts, contest_board.truth))
    clickstream = replace(contest_board, units=units[some], contexts=questions, truth=answers)
    real = Scoreboard.of(clickstream)
    real_ranker = Ranker("clickstream", counting, each=30, share=0.2, examples=1_000)
    methods = {"popular": Popular(), "markov": Markov(), "backoff": sources["backoff"].make()}
    methods["ranker logistic"] = real_ranker
    results = {name: evaluate(method, clickstream, name) for name, method in methods.items()}
    for result in results.values():
        real.add(result)
    for other in ("markov", "backoff"):
        claim(beats(results["ranker logistic"], results[other], "HR@20").low > 0, "it has more hits than counting")
        first_places = beats(results["ranker logistic"], results[other], "MRR@20")
    claim(first_places.low <= 0, "by MRR backoff is as good")
    display(real.to_table()[["HR@20", "MRR@20", "HR@20 − popular"]])

# %% [markdown]
# More hits than any single source, on a log that we did not make. By MRR one of its own sources, *backoff*, is as good: the first
# places are decided by what followed the last two pages, and there is little to add.
#
# The stored rows have all test sessions, eleven sources, and every product as a candidate, since there are so few. To remember:
# item2vec *alone* loses to counting on this log. The intervals of the means overlap, since sessions differ; the paired differences
# say who wins.

# %%
assert len(SOURCES["clickstream"]) == 11
vectors, counted, of_line, of_trees = stored_means("clickstream", "item2vec", "markov", "ranker logistic", "ranker")
claim(vectors < counted < of_line < of_trees, "item2vec alone loses to counting, the ranker does not")
rows = ["popular", "item2vec", "stan", "sr", "markov", "backoff", "ranker logistic", "ranker"]
beside(real, boards["clickstream"], "HR@20", rows)

# %% [markdown]
# ## What you now know
#
# - Sources nominate, a ranker orders. What no source nominates is lost before the ranker sees it: look at both losses apart.
# - Most of what our rankers gained comes from ordering by features: one broad source was enough for it. Several sources give a
#   large pool more reach, and safety against the wrong choice.
# - A ranker learns from replayed questions, with pools and features made by the code that serves, from what was known then.
# - What a place is worth can only be told from lists that were drawn by chance.
# - A bandit explores where it may pay. LinUCB's bonus is large where it knows little.
# - Write down the propensity of what you show. With it a log can answer for policies that never ran; without it, for none. (What we
#   saw of the estimators was on one slot, with one running policy.)
#
# Four questions to see whether it stuck. Put a letter in place of `____`.

# %%
exercise.question[1].show()

# %%
exercise.question[1].answer("b")  #= exercise.question[1].answer(____)

# %%
exercise.question[2].show()

# %%
exercise.question[2].answer("d")  #= exercise.question[2].answer(____)

# %%
exercise.question[3].show()

# %%
exercise.question[3].answer("a")  #= exercise.question[3].answer(____)

# %%
exercise.question[4].show()

# %%
exercise.question[4].answer("c")  #= exercise.question[4].answer(____)

# %% [markdown]
# All parts are there now: products that are found, shoppers who are known as they click, sources, a ranker, a share of chance.
# The next chapter puts them together in one live shop.
