# %% [markdown] tags=["card"]
# title: Product clusters: pages that nobody has to curate
# question: Which groups of products can fill a page of their own, and how many groups are there?
# method: K-Means, silhouette, stability, usefulness
# minutes: 40
# needs: chapter 03 (item2vec: products as vectors)

# %% [markdown]
# ## The shop's question
#
# The merchandiser wants ten pages: ten groups of products that belong together, each good for a browse page, a campaign, or
# a list to fall back on. Nobody has the time to put them together by hand.
#
# The obvious try: take the product vectors of the last chapter, run K-Means with K = 10, colour a picture by group, and find
# it convincing. A picture of coloured dots nearly always is. But ten was decreed, not found; nobody has looked whether the
# next run gives the same groups; and nobody has measured what they are good for. In this chapter the vectors get a say in
# how many groups there are, and the pages have to earn their place.

# %%
from recsys_lab import charts

charts.enable()

# %% [markdown]
# ## The vectors
#
# We learn from everything before the two test weeks, and we choose K on the week before those: `train` to learn from, `tune`
# to choose on. CBOW is the quick kind of item2vec, good enough for groups, and two trainings of it fit into a chapter.

# %%
from recsys_lab.datasets import claim, load_shop
from recsys_lab.item2vec import Item2Vec

shop = load_shop()

# %%
kind = "buy" if "clicked_on" in shop.lacks else "clicked_on"  # a shop of your own may know purchases alone
train = shop.split().train
recipe = {"dim": 32, "window": 5, "shrink_windows": True, "skip_gram": False, "negative": 5, "epochs": 5}
vectors = Item2Vec(**recipe, event_type=kind).fit(train).vectors_
print(f"{len(vectors):,} of {len(shop.products):,} products have a vector of {vectors.dim} numbers")

# %% [markdown]
# First we bring every vector to length 1. Otherwise K-Means groups by length as much as by direction, and the length of an
# item2vec vector mostly says how popular the product is:

# %%
import numpy as np
import pandas as pd

length = pd.Series(np.linalg.norm(vectors.matrix, axis=1), index=list(vectors.ids))
by_popularity = length.corr(train.popularity.loc[length.index], method="spearman")
print(f"rank correlation of a vector's length with the product's clicks: {by_popularity:.2f}")
claim(by_popularity > 0.7, "length says popularity")
rows = vectors.unit

# %% [markdown]
# ## Build it: K-Means in two steps
#
# K-Means (Lloyd 1982) repeats two steps until nothing changes. Step one: each product goes to the nearest centre.

# %%
def nearest(rows, centres):
    square = ((rows[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    return square.argmin(axis=1), square.min(axis=1)

# %% [markdown]
# Step two: each centre moves to the mean of its products. It starts from K products that are drawn by chance. (A centre that
# lost all its products stays where it is.)

# %%
def lloyd(rows, k, seed):
    centres = rows[np.random.default_rng(seed).choice(len(rows), k, replace=False)]
    labels = np.full(len(rows), -1)
    while True:
        before, (labels, square) = labels, nearest(rows, centres)
        if (labels == before).all():
            return labels, square.mean()
        centres = np.array([rows[labels == c].mean(axis=0) if (labels == c).any() else centres[c] for c in range(k)])


losses = [lloyd(rows, 10, seed)[1] for seed in range(10)]
print("mean squared distance to the centre, from ten starts:", np.round(sorted(losses), 3))

# %% [markdown]
# The starts end at different results. That is no bug: K-Means finds *a* good grouping near its start, not the best. So one
# tries several starts and keeps the best one. scikit-learn does this, and chooses its starts better; our `Clusters` adds
# what a shop needs: labels by product id, numbers by size (0 is the largest), files that can be read again.

# %%
from recsys_lab.clusters import Clusters

ten = Clusters(k=10).fit(vectors)
ten.labels_.head(3)

# %% [markdown]
# Is it the same method? From the packaged centres, our two steps have to change nothing, and its loss has to be as good as
# our best.

# %%
labels, square = nearest(rows, ten.centres_)
assert (labels == ten.labels_.loc[list(vectors.ids)]).all()
assert np.allclose([rows[labels == c].mean(axis=0) for c in range(10)], ten.centres_)
print(f"packaged {square.mean():.4f}, our best {min(losses):.4f}")
claim(square.mean() < min(losses) + 0.005, "the package finds a result as good as ours")

# %% [markdown]
# ### Exercise 1: where does a new product go?
#
# Tomorrow a product gets its first vector. Nothing is learned again: it goes to the nearest centre. Write a function that
# returns, for each row of `new` (shape [n, d], vectors as they come from training), the number of the nearest row of
# `centres` (shape [k, d]). The centres were made from vectors of length 1; the new ones can have any length.

# %%
from recsys_lab.exercises import ____, chapter

exercise = chapter("04")

# %% tags=["exercise-1"]
def page_of(new, centres):
    unit = new / np.linalg.norm(new, axis=1, keepdims=True)  #= unit = ____
    distance = np.linalg.norm(unit[:, None, :] - centres, axis=2)
    return distance.argmin(axis=1)  #= return ____

# %%
exercise[1].check()

# %% [markdown]
# ## How many? Three witnesses
#
# **Do the groups stand apart?** The silhouette compares, for each product, the mean distance to its own group (a) with that
# to the nearest other group (b): (b − a) / max(a, b). 1 is far apart, 0 is touching.
#
# **Are they the same next time?** Run K-Means with another seed and compare. Cluster numbers are names and nothing else, so
# we compare *pairs*: are two products together in both runs, or apart in both?
#
# ### Exercise 2: agreement of two runs
#
# Write the Rand index: the share of all pairs of different products that both runs treat alike (together in both, or apart
# in both). `one` and `other` are numpy arrays of cluster numbers, product by product.

# %% tags=["exercise-2"]
def rand_index(one, other):
    together = one[:, None] == one[None, :]
    together_again = other[:, None] == other[None, :]  #= together_again = ____
    pairs = np.triu_indices(len(one), 1)  # each pair once, none with itself
    return (together == together_again)[pairs].mean()  #= return ____

# %%
exercise[2].check()

# %% [markdown]
# With many groups most pairs are apart in any two runs, so the Rand index is high even by chance. The **adjusted** Rand
# index takes that off: 1 is the same grouping, 0 is chance.

# %%
from sklearn.metrics import adjusted_rand_score, rand_score

rng = np.random.default_rng(0)
by_chance = rng.integers(0, 10, len(vectors)), rng.integers(0, 10, len(vectors))
print(f"two random groupings: Rand {rand_score(*by_chance):.2f}, adjusted {adjusted_rand_score(*by_chance):.2f}")
other = Clusters(k=10, random_state=1).fit(vectors)
agreement = adjusted_rand_score(ten.labels_.sort_index(), other.labels_.sort_index())
print(f"ten clusters, seed 0 against seed 1: adjusted {agreement:.2f}")

# %% [markdown]
# **Are they good for anything?** A page of a group should hold what its visitors look at next. Put the most clicked twenty
# products of each group on its page. For the clicks of the tuning week: how often is the next product on the page of the
# group that the shopper is in? (That is HR@20 for a very simple recommender; the product that is open is left out.)

# %%
split = shop.split()
visits = split.tune.sequences(kind)
same_visit = visits["session_id"].to_numpy()[:-1] == visits["session_id"].to_numpy()[1:]
here, there = visits["item_id"][:-1][same_visit], visits["item_id"].shift(-1)[:-1][same_visit]
clicks = train.popularity


def on_the_page(groups, size=20):
    place = clicks.reindex(groups.index).groupby(groups).rank(ascending=False, method="first")
    above = here.map(place) < there.map(place)  # the open product leaves its place to the next one
    return ((here.map(groups) == there.map(groups)) & (there.map(place) - above <= size)).mean()


print(f"ten clusters: {on_the_page(ten.labels_):.3f}")

# %% [markdown]
# All three for a range of K, as a mean over three seeds:

# %%
from recsys_lab.clusters import choose_k

sizes = [k for k in (5, 10, 15, 20, 25, 30, 35, 40, 50) if k < len(vectors)]
table = choose_k(vectors, sizes, useful=lambda found: on_the_page(found.labels_))
table.drop(columns="seconds").round(3)

# %% [markdown]
# `loss` falls with every cluster more and would fall to zero with one cluster for each product. It cannot choose; it is
# there because the "elbow" of this curve is what many pictures choose K by. The three witnesses can turn down again.

# %%
witnesses = table[["silhouette", "stability", "useful"]]
K = int(witnesses.rank().sum(axis=1).idxmax())
print(f"most silhouette at {witnesses['silhouette'].idxmax()}, stability at {witnesses['stability'].idxmax()}, "
      f"usefulness at {witnesses['useful'].idxmax()}; by their ranks together: K = {K}")
claim(30 <= K <= 40, "far more than ten")
claim(witnesses.loc[K, "stability"] > witnesses.loc[10, "stability"] + 0.1, "ten is not stable")

# %%
import altair as alt

words = {"silhouette": "silhouette", "stability": "stability (adjusted Rand)", "useful": "next click on the page"}
long = witnesses.rename(columns=words).reset_index().melt("k", var_name="witness", value_name="value")
long["choice"] = long["k"].map({10: "decreed: 10", K: f"chosen: {K}"}).fillna("other")
title = (f"Two runs with ten pages agree {witnesses.loc[10, 'stability']:.2f}, and a page holds "
         f"{witnesses.loc[10, 'useful']:.0%} of next clicks; with {K}, {witnesses.loc[K, 'stability']:.2f} "
         f"and {witnesses.loc[K, 'useful']:.0%}")
x = alt.X("k:Q", title="number of clusters", scale=alt.Scale(domain=[0, 52]))
line = alt.Chart(long).mark_line().encode(x, y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=[0, 1])))
colours = alt.Scale(domain=["decreed: 10", f"chosen: {K}", "other"],
                    range=[charts.PALETTE[5], charts.PALETTE[2], charts.PALETTE[0]])
point = line.mark_point(filled=True, size=70, opacity=1).encode(
    color=alt.Color("choice:N", scale=colours, title=None, legend=alt.Legend(orient="bottom")),
    shape=alt.Shape("choice:N", scale=alt.Scale(domain=["decreed: 10", f"chosen: {K}", "other"]), title=None,
                    legend=alt.Legend(orient="bottom")),
)
alt.layer(line, point).properties(width=190, height=180).facet(
    alt.Column("witness:N", title=None, sort=list(words.values()), header=alt.Header(labelColor=charts.INK)),
    title=title,
).properties(description=f"{title}. All three curves rise up to about {K} clusters and fall after it.")

# %% [markdown]
# Ten pages would have depended on the seed: another seed, and a good part of the products stand on other pages. That is a poor promise to somebody who prints a catalogue
# from them. This does not mean that ten pages are forbidden. It means that somebody has to say which groups to put together,
# and that the vectors do not know.
#
# ## See it: what the clusters are
#
# From here on we learn from everything before the test weeks, with the K that we chose.

# %%
past = split.before_test
vectors = Item2Vec(**recipe, event_type=kind).fit(past).vectors_
clusters = Clusters(K).fit(vectors)

# %% [markdown]
# A card for each: a name from the words that *mark* the cluster (common here, rare elsewhere), its size and its prices.

# %%
from recsys_lab.clusters import cards

columns = [column for column in ("department", "category", "name") if column in shop.products][:2]
named = cards(clusters, shop.products, columns=columns, words=2)
named.drop(columns=["examples", "pictures"], errors="ignore").head(8)

# %%
# needs: picture, price
from html import escape

from IPython.display import HTML

box = "display:inline-block; width:96px; margin:4px; vertical-align:top"
pages = []
for _, card in named.iloc[:13:6].iterrows():
    pictures = "".join(f'<span style="{box}">{picture}</span>' for picture in card["pictures"])
    pages.append(f"<h4>{escape(card['name'])}: {card['products']} products, "
                 f"{card['price_low']:.0f} to {card['price_high']:.0f}</h4>{pictures}")
HTML("".join(pages))

# %% [markdown]
# The map of chapter 03, coloured by the model's own clusters. (Colours repeat; the larger clusters have their names on it.)

# %%
from sklearn.neighbors import NearestNeighbors

from recsys_lab.item2vec import Vectors, product_map

dots = product_map(vectors)
dots["cluster"] = dots["item_id"].map(clusters.labels_)
plane = dots[["x", "y"]].to_numpy(dtype=float)
near = NearestNeighbors(n_neighbors=6).fit(plane).kneighbors(plane, return_distance=False)[:, 1:]
alike = (dots["cluster"].to_numpy()[near] == dots["cluster"].to_numpy()[:, None]).mean()
middle = dots.groupby("cluster")[["x", "y"]].median().join(named[["name", "products"]]).reset_index()

# %%
title = f"On the map, {alike:.0%} of a product's five nearest neighbours are of its own cluster"
dots["colour"] = dots["cluster"] % 6  # below: as many dots as a chart may hold
axis = {"axis": None, "scale": alt.Scale(zero=False, nice=False, padding=25)}
dot = alt.Chart(dots.head(5000)).mark_circle(size=22, opacity=0.7).encode(
    alt.X("x:Q", **axis), alt.Y("y:Q", **axis), alt.Color("colour:N", legend=None)
)
large = alt.Chart(middle[middle["products"] >= 30])
text = large.mark_text(fontSize=10, fontWeight="bold", color=charts.INK, dy=-14).encode(x="x:Q", y="y:Q", text="name:N")
alt.layer(dot, text, title=title).properties(
    width=640, height=480, description=f"A map of all products with {K} named clusters. {title}."
)

# %% [markdown]
# The names give it away: "dresses, women", "t-shirts, men". Is there anything in these clusters that the shop did not know?
# It has a menu with departments and categories. Call a category of a department an aisle.

# %%
# needs: category
products = shop.products.set_index("item_id")
menu = [column for column in ("department", "category") if column in products]
aisle = products[menu].agg(" / ".join, axis=1)
known = aisle.loc[clusters.labels_.index]
agreement = adjusted_rand_score(clusters.labels_, known)
print(f"{aisle.nunique()} aisles, {K} clusters: adjusted Rand index {agreement:.2f}")
print(f"next click on the page of the tuning week: clusters {witnesses.loc[K, 'useful']:.3f}, "
      f"aisles {on_the_page(aisle):.3f}, categories {on_the_page(products['category']):.3f}")
claim(agreement > 0.9, "the clusters are the aisles")

# %% [markdown]
# Here the honest advice to the merchandiser is: **you have these pages already**. Shoppers walk along the aisles, item2vec
# learns what is seen together, and K-Means finds the aisles again. That it finds them without ever reading a label is a
# good sign for the method, and no reason to build it in a shop whose labels are good.
#
# Where are clusters worth having then? Where there is no such column, where it is coarse or wrong (the real log below is such a
# case), and where a grouping of some kind is needed by another method: a cluster number is a feature that any model can take.
#
# ### New products
#
# Products that nobody has clicked have no vector, so no cluster. Chapter 03 lent them the mean vector of the products with
# the most similar text (`fill_cold`), and `assign` puts them on a page.

# %%
# needs: description
from recsys_lab.item2vec import fill_cold
from recsys_lab.spaces import SentenceEncoder

texts = SentenceEncoder().encode(shop.products["description"].tolist())
content = Vectors(tuple(shop.products["item_id"]), texts.astype(float))
filled = fill_cold(vectors, content)
new = [item for item in filled.ids if item not in vectors]
placed = clusters.assign(filled).loc[new]
usual = known.groupby(clusters.labels_).agg(lambda values: values.mode()[0])
right = (placed.map(usual) == aisle.loc[new]).mean()
print(f"{len(new)} products without a click; {right:.0%} are put on the page of their own aisle")
claim(right > 0.4, "far more than chance")

# %% [markdown]
# Far more than chance would with so many pages, and no match for the menu, which has every product in its aisle from the first
# day.
#
# ### What is kept
#
# Members, centres and settings, as numbers and JSON, with a hash that is checked when they are read.

# %%
from pathlib import Path
from tempfile import TemporaryDirectory

with TemporaryDirectory() as folder:
    files = [path.name for path in clusters.save(Path(folder))]
    assert Clusters.load(Path(folder)).members_ == clusters.members_
print(f"kept as {files[0]} and {files[1]}, and read again")

# %% [markdown]
# ## Measure it
#
# Ways to use a cluster inside a visit, at a tenth of the test visits:
#
# - *in cluster*: the most clicked products of the cluster that the last product is in, the page from above (the cluster's
#   number as a feature, in its simplest form);
# - *near in cluster*: products of that cluster, the nearest to the last product first;
# - *drawn*: the same with variety, so that a page does not look the same each time. A draw in which near products are likely:
#   each place goes to a product with a probability proportional to exp(−distance / variety);
# - *drawn evenly*: any product of the cluster is as likely as any other; *evenly of ten* does that with ten clusters, as
#   a published notebook does.
#
# Beside them: *in aisle* (the same page from the shop's own columns), *near* (distance alone, no clusters), *markov* and
# *popular*. A page is popularity with a condition: ten lines.

# %%
from scipy import sparse

from recsys_lab.baselines import FromProducts


class PopularWithin(FromProducts):
    """What is most clicked in the group of the last product; after it, what is most clicked."""

    def __init__(self, groups):
        self.groups = groups

    def _learn(self, shop):
        member = sparse.csr_matrix(pd.get_dummies(self.groups.reindex(self.items_)).to_numpy(dtype=float))
        popular = sparse.diags(1.0 + shop.popularity.loc[self.items_].to_numpy())
        self.weights_ = member @ member.T @ popular  # together in a group, times popularity

# %%
from math import inf  # a variety without end: all are alike

from recsys_lab.baselines import Markov, Popular
from recsys_lab.clusters import ClusterRecommender
from recsys_lab.evaluation import Scoreboard, evaluate, next_board

sessions = np.sort(split.test.events["session_id"].unique())
sample = np.random.default_rng(0).choice(sessions, len(sessions) // 10, replace=False)
future = split.test.only(split.test.events[split.test.events["session_id"].isin(sample)])

# %%
# needs: clicked_on
board = next_board(past, future)
print(f"{len(board.contexts):,} questions from {len(sample):,} of {len(sessions):,} test visits")

# %%
methods = {"popular": Popular(), "in cluster": PopularWithin(clusters.labels_)}

# %%
# needs: category
methods["in aisle"] = PopularWithin(aisle)

# %%
more = {
    "near in cluster": ClusterRecommender(K, vectors=vectors),
    "drawn": ClusterRecommender(K, variety=0.03, vectors=vectors),
    "drawn evenly": ClusterRecommender(K, variety=inf, vectors=vectors),
    "evenly of ten": ClusterRecommender(10, variety=inf, vectors=vectors),
    "near": ClusterRecommender(1, vectors=vectors),
    "markov": Markov(),
}
results = {name: evaluate(method, board, name) for name, method in (methods | more).items()}
scores = Scoreboard.of(board)
for result in results.values():
    scores.add(result)
scores.to_table()[["HR@20", "MRR@20", "coverage"]]

# %%
def gap(one, other, metric="HR@20"):
    span = results[one].against(results[other], metric)
    sure = "" if span.low > 0 or span.high < 0 else " (no winner)"
    return f"{one} - {other}: {span.mean:+.3f} [{span.low:+.3f}, {span.high:+.3f}]{sure}"


for pair in [("in cluster", "popular"), ("in cluster", "in aisle"), ("near in cluster", "near"), ("drawn", "near"),
             ("drawn evenly", "near"), ("evenly of ten", "near"), ("in cluster", "markov")]:
    if results.keys() >= set(pair):
        print(gap(*pair))

# %%
page, ever = scores.metric("in cluster").mean, scores.metric("popular").mean
title = f"A page of the cluster holds {page:.0%} of next clicks, the shop's best-sellers {ever:.0%}"
scores.chart(title=title).properties(width=580)

# %% [markdown]
# Read it with care. The page of a cluster is many times better than the shop's best-sellers, and no better than the page of
# an aisle. (A little worse: the newest products are in an aisle from their first day, and in no cluster before their first
# click.) A list by distance gains nothing from staying inside the cluster: the nearest products are in it anyway. An even
# draw of a tight cluster costs little, for a list of twenty is most of it; an even draw of one of ten loose clusters costs
# most of the list. And in this simulated shop, where people stay in an aisle and take what stands in front, its page does
# as well as counting what came next. On the real log below that will not be so.

# %%
claim(results["in cluster"].against(results["popular"], "HR@20").low > 0.3, "the page is far above best-sellers")
claim(abs(scores.metric("near in cluster").mean - scores.metric("near").mean) < 0.01, "the cluster adds nothing")
claim(results["drawn evenly"].against(results["near"], "HR@20").high < 0, "an even draw loses")
claim(scores.metric("evenly of ten").mean < 0.5 * scores.metric("near").mean, "of ten clusters it loses most")

# %%
# needs: category
claim(abs(scores.metric("in cluster").mean - scores.metric("in aisle").mean) < 0.02, "cluster and aisle are alike")
in_a_cluster = np.array([context.viewed in clusters.labels_.index for context in board.contexts])
behind = pd.Series(results["in aisle"].cases["HR@20"] - results["in cluster"].cases["HR@20"])
behind = behind.groupby(in_a_cluster).mean().reindex([True, False])
print(f"aisle - cluster: {behind[True]:+.3f} after a product with a cluster, "
      f"{behind[False]:+.3f} after one without ({(~in_a_cluster).mean():.0%} of the questions)")

# %% [markdown]
# ### A list to fall back on, at the door
#
# The other use named at the start: somebody comes back, and the list is the page of what they looked at last, instead of the
# shop's best-sellers. Same visits, board *home*.

# %%
from recsys_lab.evaluation import home_board

door = home_board(past, future)
at_the_door = {name: methods[name] for name in ("popular", "in cluster", "in aisle") if name in methods}
home = Scoreboard.of(door)
doors = {name: evaluate(method, door, name) for name, method in at_the_door.items()}
for result in doors.values():
    home.add(result)
home.to_table()[["NDCG@10", "HR@10 click", "NDCG@10 − popular"]]

# %% [markdown]
# It does not help. By NDCG there is no winner, and fewer visits find something to click on: yesterday's aisle is not today's.
# As a fallback inside a visit the page of a cluster is strong, at the door it is not. "Is it useful?" needs a "for what?".

# %%
fewer = doors["in cluster"].against(doors["popular"], "HR@10 click")
print(f"visits with a hit, in cluster - popular: {fewer.mean:+.3f} [{fewer.low:+.3f}, {fewer.high:+.3f}]")
claim(fewer.high < 0, "fewer hits at the door")
claim(doors["in cluster"].against(doors["popular"], "NDCG@10").low < 0, "no better at the door")

# %% [markdown]
# ### A segment for a campaign
#
# The third use: write to those who like a group of products. Put each shopper into the group that they clicked most before the
# test weeks. Of those who come back in the test weeks, how many click on something of their group? And to compare: of *all*
# who come back, how many click on something of that group?

# %%
def segment_lift(groups):
    before, after = (
        part.events[part.events["event_type"] == kind]
        .assign(group=lambda rows: rows["item_id"].map(groups)).dropna(subset="group")
        for part in (past, split.test)
    )
    clicked = after.groupby("user_id")["group"].agg(set)
    segment = before.groupby("user_id")["group"].agg(lambda own: own.mode()[0]).reindex(clicked.index).dropna()
    assert len(segment), "nobody came back"
    own = np.mean([group in clicked[shopper] for shopper, group in segment.items()])
    share = {group: np.mean([group in items for items in clicked]) for group in segment.unique()}
    return own, segment.map(share).mean()


def lift_of(name, groups):
    own, anybody = segment_lift(groups)
    print(f"{name}: {own:.0%} click on their group again, {anybody:.0%} of all do: {own / anybody:.1f} times as many")
    return own / anybody


groups = {f"{K} clusters": clusters.labels_, "ten clusters": Clusters(10).fit(vectors).labels_}
lift = {name: lift_of(name, labels) for name, labels in groups.items()}
claim(lift[f"{K} clusters"] > max(2, lift["ten clusters"]), "a segment reaches those who care")

# %%
lift["aisles"] = lift_of("aisles", aisle)

# %% [markdown]
# So a segment works. With finer groups the lift is higher (smaller groups are clicked by fewer people anyway), but fewer
# click on their own again. Again the aisle would have done.
#
# ### Exercise 3: five similar products
#
# The box "similar products" on a product page. Write a function that returns the ids of the `k` products of the same cluster
# that are nearest to `item` by cosine, nearest first, as a list and without `item` itself. `unit` is a frame of vectors of
# length 1, indexed by product id; `labels` is a series of cluster numbers, by product id, in any order.

# %% tags=["exercise-3"]
def similar(item, unit, labels, k):
    own = labels.index[labels == labels[item]].drop(item)  #= own = ____
    cosine = unit.loc[own] @ unit.loc[item]  # of vectors of length 1
    return cosine.sort_values(ascending=False, kind="stable").head(k).index.tolist()  #= return ____

# %%
exercise[3].check()

# %% [markdown]
# ## Break it: four mistakes
#
# ### 1. Clusters of the picture
#
# Flatten the vectors to two dimensions, run K-Means on *that*, and show it as the model's clusters. The picture then has
# perfectly tidy borders, and it is not the model that is in production. (The clusters of this part have learned from the
# tuning week too, so its numbers flatter all of them alike: look at the differences.)

# %%
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA

order = list(vectors.ids)
flat = PCA(2).fit_transform(vectors.unit)
of_the_picture = pd.Series(KMeans(K, n_init=3, random_state=0).fit_predict(flat), index=order)
agreement = adjusted_rand_score(clusters.labels_.loc[order], of_the_picture)
print(f"clusters of the flat picture and those of the model: adjusted Rand {agreement:.2f}; "
      f"next click on the page {on_the_page(of_the_picture):.3f} instead of {on_the_page(clusters.labels_):.3f}")
claim(agreement < 0.8, "the picture has other clusters")

# %% [markdown]
# The check: draw `clusters.labels_` and nothing else. Some pictures are kinder than this one (the map above is), but none is the
# model: on an honest picture some dots may lie among strangers, because two dimensions cannot hold all distances.
#
# ### 2. Vectors as they come

# %%
as_they_come = pd.Series(KMeans(K, n_init=3, random_state=0).fit_predict(vectors.matrix), index=order)
length = pd.Series(np.linalg.norm(vectors.matrix, axis=1), index=order)
said = {name: length.groupby(groups).transform("mean").var() / length.var()
        for name, groups in {"as they come": as_they_come, "at length 1": clusters.labels_.loc[order]}.items()}
print(f"of the differences in length, clusters explain: {said['as they come']:.0%} of vectors as they come, "
      f"{said['at length 1']:.0%} at length 1")
claim(said["as they come"] > said["at length 1"] + 0.1, "length leaks into the clusters")

# %%
print(f"agreement with the aisles: {adjusted_rand_score(as_they_come, aisle.loc[order]):.2f} instead of "
      f"{adjusted_rand_score(clusters.labels_.loc[order], aisle.loc[order]):.2f}")

# %% [markdown]
# Length is popularity (the first thing that we looked at), so some of these clusters are "what sells" and "what does not".
# `Clusters` brings vectors to length 1 itself, and refuses a vector of zeros.
#
# ### 3. Ids beside the wrong vectors
#
# Pair the vectors with another order of ids, as a published notebook did. It is the worst mistake here, and the silhouette cannot
# see it: it never looks at ids. The page sees it at once.

# %%
from sklearn.metrics import silhouette_score

shuffled = Vectors(tuple(np.random.default_rng(0).permutation(np.array(order, dtype=object))), vectors.matrix)
mixed_up = Clusters(K).fit(shuffled)
for name, own, found in (("right ids", vectors, clusters), ("wrong ids", shuffled, mixed_up)):
    silhouette = silhouette_score(own.unit, found.labels_.loc[list(own.ids)])
    print(f"{name}: silhouette {silhouette:.3f}, next click on the page {on_the_page(found.labels_):.3f}")
claim(on_the_page(mixed_up.labels_) < 0.1 < on_the_page(clusters.labels_), "usefulness sees what the silhouette cannot")

# %% [markdown]
# ### 4. "Similar products" by an even draw
#
# Draw five of the cluster and call them similar. The row *drawn evenly* above has the price of it. In a picture: how far
# away are the five products that are shown?

# %%
from recsys_lab.recommender import Context

now = int(past.events["timestamp"].max())
questions = [Context("a shopper", now, cart=(item,)) for item in vectors.ids[:200]]
ranks = {question.cart[0]: vectors.nearest(question.cart[0], len(vectors)).item_ids for question in questions}
rows = []
for name, variety in {"nearest": 0.0, "drawn by distance": 0.03, "drawn evenly": inf}.items():
    lists, _ = ClusterRecommender(K, variety, vectors=vectors).fit(past).recommend_many(questions, 5)
    for question, shown in zip(questions, lists, strict=True):
        rows += [(name, 1 + ranks[question.cart[0]].index(item)) for item in shown]
shown = pd.DataFrame(rows, columns=["list", "rank"])
usual = shown.groupby("list")["rank"].median()
claim(usual["nearest"] < usual["drawn by distance"] < usual["drawn evenly"], "an even draw is far away")

# %%
title = (f"Half of what an even draw shows has {usual['drawn evenly'] - 1:.0f} nearer products or more; "
         f"of a draw by distance, {usual['drawn by distance'] - 1:.0f}")
alt.Chart(shown, title=title, description=title).mark_boxplot(extent="min-max", size=22).encode(
    x=alt.X("rank:Q", title="how near the shown product is (1: the nearest of all)", scale=alt.Scale(type="log")),
    y=alt.Y("list:N", sort=None, title=None),
).properties(height=alt.Step(36))

# %% [markdown]
# ## Reality check
#
# The clickstream of a clothes shop from 2008 (UCI 553): a handful of categories, and products without names. The vectors are
# made by the recipe of a published notebook: CBOW with ten dimensions.

# %%
from recsys_lab.datasets import DataUnavailable, load_clickstream

try:
    log = load_clickstream()
    kinds = log.products["category"].unique()
    print(f"{len(log.events):,} clicks on {len(log.products)} products of {len(kinds)} categories: {', '.join(kinds)}")
except DataUnavailable as why:
    log = None
    print(f"Skipped, and so are the cells below that need it: {why}")

# %%
if log is not None:
    real_split = log.split()
    ten_numbers = {**recipe, "dim": 10, "random_state": 1}
    real = Item2Vec(**ten_numbers).fit(real_split.before_test).vectors_
    real_table = choose_k(real, [2, 4, 6, 8, 10, 15, 20])
    print(real_table[["silhouette", "stability", "smallest"]].round(3))
    spread = real_table.loc[4:15, "silhouette"]
    claim(spread.max() - spread.min() < 0.05, "flat from 4 to 15")
    claim(real_table.loc[:10, "stability"].min() > real_table.loc[15:, "stability"].max(), "stable up to ten")
    most = real_table.index[real_table["stability"] > 0.95].max()
    print(f"from K = 4 to K = 15 the silhouette stays between {spread.min():.2f} and {spread.max():.2f}; "
          f"the most clusters that come back with another seed (over 0.95): {most}")

# %% [markdown]
# The silhouette alone chooses nothing here: from four clusters on it is flat. Stability speaks against more than ten. So what
# are they good for? The next click on the page, on the test sessions:

# %%
if log is not None:
    real_board = next_board(real_split.before_test, real_split.test, min_length=2, name="clickstream")
    found = {k: Clusters(k).fit(real) for k in (4, 10)}
    facts = log.products.set_index("item_id")
    place = facts["category"] + ", page " + facts["page"].astype(str)
    contest = {"popular": Popular(), "in category": PopularWithin(facts["category"])}
    contest |= {f"in cluster of {k}": PopularWithin(one.labels_) for k, one in found.items()}
    contest |= {"in category and page": PopularWithin(place), "drawn evenly of 10": ClusterRecommender(10, inf, real)}
    contest |= {"near in cluster of 10": ClusterRecommender(10, vectors=real), "markov": Markov()}
    real_scores = Scoreboard.of(real_board)
    for name, method in contest.items():
        real_scores.add(evaluate(method, real_board, name))
    display(real_scores.to_table()[["HR@20", "MRR@20", "coverage"]])

# %%
if log is not None:
    hit = {name: real_scores.metric(name).mean for name in contest}
    same = adjusted_rand_score(found[4].labels_, facts.loc[found[4].labels_.index, "category"])
    print(f"four clusters are the four categories (adjusted Rand {same:.2f}), so their page is as good: "
          f"{hit['in cluster of 4']:.3f} and {hit['in category']:.3f}")
    layout = adjusted_rand_score(found[10].labels_, place.loc[found[10].labels_.index])
    print(f"ten clusters: {hit['in cluster of 10']:.3f}; they roughly split each category into the pages of the site "
          f"(adjusted Rand {layout:.2f}), and category with page number is at least as good a guess: {hit['in category and page']:.3f}")
    claim(0.4 < layout < 0.9, "roughly the layout of the site")
    claim(hit["in cluster of 10"] > hit["in category"] + 0.05, "finer than the category")
    claim(hit["markov"] > max(value for name, value in hit.items() if name != "markov"), "counting wins")

# %%
if log is not None:
    title = (f"Ten clusters find {hit['in cluster of 10']:.0%} of next clicks, four categories "
             f"{hit['in category']:.0%}, counting what came next {hit['markov']:.0%}")
    display(real_scores.chart(title=title).properties(width=580))

# %% [markdown]
# This is the case for clusters: a shop whose own column is coarse. Without a person or a label the clusters find what the log
# shows, here mostly how the site was laid out. And it is the case against: on a list for the next click, plain counting wins,
# as in chapter 03.
#
# ### Product A13
#
# The published notebook asks for five products similar to A13, by an even draw from its cluster. Beside it, the five nearest of
# the cluster.

# %%
if log is not None:
    question = Context("a shopper", int(real_split.before_test.events["timestamp"].max()), cart=("A13",))
    columns = ["item_id", "category", "colour", "price", "page", "location", "rank"]
    order_of = {item: at for at, item in enumerate(real.nearest("A13", len(real)).item_ids, 1)}
    own = facts.loc["A13"]
    print(f"A13: {own['category']}, {own['colour']}, {own['price']:.0f} dollars, page {own['page']}; "
          f"its cluster of ten has {len(found[10].members(found[10].labels_['A13']))} products")
    for name, variety in {"drawn evenly": inf, "nearest": 0.0}.items():
        model = ClusterRecommender(10, variety, real).fit(real_split.before_test)
        five = model.recommend(question, 5).to_frame(log.products)
        five["rank"] = five["item_id"].map(order_of)
        print(f"\n{name}:")
        display(five[columns])
        claim((five["category"] == own["category"]).all() and (five["page"] == own["page"]).all(), "both look right")

# %% [markdown]
# The column `rank` says how near each is among all products. Both lists are trousers of the same page, so both look right; only
# the second one is A13's neighbourhood, and it is the same tomorrow.
#
# The mistake of the flat picture is at home here as well (at K = 10):

# %%
if log is not None:
    ids = list(real.ids)
    flat = PCA(2).fit_transform(real.unit)
    for k, one in found.items():
        again = KMeans(k, n_init=10, random_state=0).fit_predict(flat)
        print(f"K = {k}: clusters of the picture against the model's: "
              f"adjusted Rand {adjusted_rand_score(one.labels_.loc[ids], again):.2f}")

# %% [markdown]
# ## What you now know
#
# - K-Means groups vectors by direction if they have length 1, and by popularity too if they have not.
# - K is chosen by three witnesses: groups that stand apart, that come back with another seed, and that are of use. A number
#   that was decreed can fail all three.
# - A cluster is worth what it adds to the columns that a shop has. Ask for the row of the column before you celebrate.
# - Show the model's labels, keep ids with their vectors, and draw by distance if you have to draw.
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
# Up to here every search for neighbours compared one product with all others. That is fast for a thousand products. The next
# chapter puts the vectors where a shop keeps millions of them and asks from many places at once: a vector database.
