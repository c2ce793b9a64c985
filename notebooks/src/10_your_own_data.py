# %% [markdown] tags=["card"]
# title: Your own data: from an export to a decision
# question: How do I use all of this on my shop, and how do I know that it pays there?
# method: import with a report, paired differences by chapter, keyed pseudonyms, drift, power analysis
# minutes: 60
# needs: chapter 00; of the others whatever your shop has data for
# reads: benchmarks/results/*.json

# %% [markdown]
# ## The shop's question
#
# Ten chapters on a shop that was made for them. Its tables are clean, its ids fit, its clock is right. Yours comes as an
# export: somebody has pressed a button in a till, a shop system or a spreadsheet, and there is a file.
#
# The obvious try: `pd.read_csv`, rename some columns until `fit` does not complain, and look at the first list. It will run.
# Nearly everything that is wrong with an export runs. So this chapter takes a file as shops have them, first by hand and then
# with the package, asks which chapter pays on *that* shop, and goes through what has to be settled before customers see a list.
#
# To run all of it on your data: import them (`python -m recsys_lab import --help`), and start the notebooks from the same terminal:
# `RECSYS_LAB_SHOP=/path/to/my_shop make lab` (on Windows `set RECSYS_LAB_SHOP=C:\path\my_shop` first). A notebook that is open
# already does not notice it. Then `shop` is yours, and what a cell needs that your shop lacks is said in a line. Without it, the
# part of the course's shop that we export and import here stands in for yours.

# %%
import os
import tempfile
import zlib
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd

from recsys_lab import charts
from recsys_lab.datasets import DAY_MS, DataError, Shop, claim
from recsys_lab.datasets.simulated import open_shop, shop_folder

charts.enable()
folder = tempfile.TemporaryDirectory(prefix="own-", ignore_cleanup_errors=True)
here = Path(folder.name)


def part_of(shop, most):
    """The events of some shoppers, each with all of theirs; which ones depends on their ids alone."""
    counts = shop.events["user_id"].value_counts()
    users = sorted(counts.index, key=lambda user: (zlib.crc32(user.encode()), user))
    kept = set(np.array(users, dtype=object)[np.cumsum(counts.loc[users].to_numpy()) <= most])
    return shop if len(shop.events) <= most else shop.only(shop.events[shop.events["user_id"].isin(kept)])

# %%
from recsys_lab.datasets import load_shop

shop = load_shop(impressions=False)
yours = bool(os.environ.get("RECSYS_LAB_SHOP", "").strip())
print("your own shop" if yours else "the course's shop stands in for yours:", f"{len(shop.events):,} events")

# %% [markdown]
# ## A messy export
#
# Here is one. The shop system has its own names for everything, the spreadsheet that it went through is a European one
# (semicolons, decimal commas), article numbers begin with zeros, shoppers are e-mail addresses, and time is in seconds.

# %%
course = part_of(open_shop(shop_folder(), impressions=False) if yours else shop, 60_000)
number = {item: f"{at:05d}" for at, item in enumerate(sorted(course.products["item_id"]), start=1)}
action = {"clicked_on": "look", "put_to_cart": "add to cart", "removed_from_cart": "remove from cart", "buy": "order"}


def comma(values):
    return values.map(lambda value: "" if pd.isna(value) else f"{value:.2f}".replace(".", ","))


goods = course.products
articles = pd.DataFrame({
    "ArticleNo": goods["item_id"].map(number), "Title": goods["name"], "Vendor": goods["brand"], "Section": goods["department"],
    "Type": goods["category"], "Color": goods["colour"], "Fabric": goods["material"], "Style": goods["style"],
    "Text": goods["description"], "Price": comma(goods["price"]), "Rating": comma(goods["review_rating"]),
    "Reviews": goods["review_count"].astype(int), "Available": goods["in_stock"].map({True: "yes", False: "no"}),
    "Launched": pd.to_datetime(goods["launched_at"], unit="ms").dt.strftime("%d.%m.%Y")})
log = course.events
actions = pd.DataFrame({
    "Customer": log["user_id"].str.lower() + "@mail.example", "ArticleNo": log["item_id"].map(number),
    "Action": log["event_type"].map(action), "When": (log["timestamp"] // 1000).astype(str), "Visit": log["session_id"],
    "Price": comma(log["price"])})

# %% [markdown]
# And things have happened to it: a batch was exported twice, the till sends returns, the mail tool writes into the same log,
# somebody from IT has tested the checkout, and one article number is a spreadsheet's formula.

# %%
rng = np.random.default_rng(10)
some = actions.iloc[np.sort(rng.choice(len(actions), 620, replace=False))].reset_index(drop=True)
mess = [some[:300],  # the same rows again
        some[300:400].assign(Action="return"), some[400:460].assign(Action="newsletter opened"),
        some[460:500].assign(Customer=""), some[500:525].assign(ArticleNo="TEST-1", Action="order", Customer="it@shop.example", Visit="IT"),
        some[525:526].assign(ArticleNo='=HYPERLINK("http://evil.example","Sale")'), some[526:528].assign(When="2893449600"),
        some[528:533].assign(When="0"), some[533:540].assign(When="soon")]
export = pd.concat([actions, *mess], ignore_index=True)
export.to_csv(here / "actions.csv", sep=";", index=False, encoding="utf-8-sig")
articles.to_csv(here / "articles.csv", sep=";", index=False, encoding="utf-8-sig")
print(*(here / "actions.csv").read_text(encoding="utf-8-sig").splitlines()[:4], sep="\n")

# %% [markdown]
# What `pd.read_csv` makes of it when it is not told anything:

# %%
try:
    pd.read_csv(here / "actions.csv")
except pd.errors.ParserError as error:
    print("actions.csv:", str(error).strip())
told = pd.read_csv(here / "articles.csv", sep=";")
print(f"articles.csv: the first article is {told['ArticleNo'].iloc[0].item()!r}, and its price {told['Price'].iloc[0]!r}")

# %% [markdown]
# The first error is the good one: it is loud (a decimal comma looks like a second column). Once pandas knows the semicolon, it
# is quiet: article 00001 has become the number 1, and the price is a text.
#
# ## By hand
#
# The rule that saves most trouble: **read everything as text**, and let each column become something else in a step that you
# can see. The second: never drop a row without counting it.

# %%
raw = pd.read_csv(here / "actions.csv", sep=";", dtype=str, keep_default_na=False, encoding="utf-8-sig")
ours = {"Customer": "user_id", "ArticleNo": "item_id", "Action": "event_type", "When": "timestamp", "Visit": "session_id", "Price": "price"}
rows, counted = raw.rename(columns=ours), {}


def drop(bad, why):
    """Leave rows out, and say how many and why."""
    global rows
    counted[why] = int(bad.sum())
    rows = rows[~bad]


drop(rows["user_id"] == "", "no shopper")
kinds = {theirs: kind for kind, theirs in action.items()}
drop(rows["event_type"] == "return", "a return")
drop(~rows["event_type"].isin(list(kinds)), "no event of the course")
rows = rows.assign(event_type=rows["event_type"].map(kinds))

# %% [markdown]
# **Times.** What is the unit? A number of ten digits counts seconds since 1970, one of thirteen milliseconds. The course wants
# milliseconds. What cannot be read goes, and so does what cannot be: before there were shops on the net, or after the export.

# %%
exported_at = int(course.events["timestamp"].max()) + 3_600_000
seconds = pd.to_numeric(rows["timestamp"], errors="coerce")
drop(seconds.isna(), "no time")
rows = rows.assign(timestamp=seconds.dropna().astype("int64") * 1000)
drop(rows["timestamp"] < pd.Timestamp("1990-01-01").value // 1_000_000, "before 1990")
drop(rows["timestamp"] > exported_at + DAY_MS, "in the future")

# %% [markdown]
# **Prices, doubles, products.** An event that is there twice, down to the last value, is taken once. And what happened to a
# product that the catalogue does not have cannot be recommended.

# %%
rows = rows.assign(price=pd.to_numeric(rows["price"].str.replace(",", "."), errors="coerce"))
drop(rows.duplicated(), "the same again")
known = pd.read_csv(here / "articles.csv", sep=";", dtype=str, encoding="utf-8-sig")["ArticleNo"]
drop(~rows["item_id"].isin(known), "no such product")
by_hand = rows.sort_values("timestamp", kind="stable", ignore_index=True)
assert len(raw) == len(by_hand) + sum(counted.values())
print(f"{len(raw):,} rows, {len(by_hand):,} events;", ", ".join(f"{many} {why}" for why, many in counted.items()))

# %% [markdown]
# The test orders went because nobody had put TEST-1 into the catalogue. Had somebody, they would still be there: that is one
# for the next conversation with IT, and no program can know it.
#
# ### Exercise 1: which unit is it?
#
# Write `to_ms`: `time` is a whole number of seconds, milliseconds, microseconds or nanoseconds since 1970. You know that
# nothing happened before 1990, nor from 2100 on. So only one unit can be right: answer with whole milliseconds, and with 0
# where none fits.

# %%
from recsys_lab.exercises import ____, chapter

exercise = chapter("10")

# %% tags=["exercise-1"]
EARLIEST, LATEST = 631_152_000_000, 4_102_444_800_000  # 1990 and 2100, in milliseconds


def to_ms(time):
    for factor in (1000, 1, 1 / 1000, 1 / 1_000_000):
        ms = int(time * factor)  #= ms = ____
        if EARLIEST <= ms < LATEST:
            return ms
    return 0  #= return ____

# %%
exercise[1].check()

# %% [markdown]
# ## The packaged import
#
# `import_shop` does the same, for files in most dresses: it finds the separator, the encoding, the decimal comma and the unit
# of times, guesses what it can from the names of columns, and asks where it must not guess. Two names it cannot know, so we say
# them: `When` is the time, and "look" is a click.

# %%
from recsys_lab.own import chapters_for, import_shop, scoreboard

imported, report = import_shop(
    here / "actions.csv", here / "my_shop", products=here / "articles.csv", columns={"When": "timestamp"},
    event_map={"look": "clicked_on"}, now_ms=exported_at)
pd.testing.assert_frame_equal(imported.events[by_hand.columns], by_hand, check_dtype=False)
assert report.rows_dropped("events") == sum(counted.values())
print(f"the same {len(imported.events):,} events as by hand, to the last value")

# %% [markdown]
# In the terminal that is `python -m recsys_lab import --events actions.csv --products articles.csv --out my_shop --map
# When=timestamp --event-map look=clicked_on`. What it writes beside the tables is worth more than the tables: the **report**.
# Read it as the owner of the shop would: what did I lose, what was assumed, and is that true?

# %%
for finding in report.dropped:
    print(f"{finding.rows:>4} rows: {finding.what}; such as {finding.examples[0][1]!r}", f"({finding.advice})" if finding.advice else "")
print(*["", "assumed:", *report.assumed], sep="\n  ")
print(*["", "you should know:", *(report.noticed or ["nothing stood out"])], sep="\n  ")

# %% [markdown]
# The owner's answers might be: the newsletter's opens are not clicks on products, so leave them out. Prices with a comma:
# right. Times "in UTC": that one has to be checked, since nothing in the file says it (a wrong zone moves every "evening"). And
# that formula? It is a text to us, but the report goes to somebody with a spreadsheet, so it is written in a way that no
# spreadsheet runs:

# %%
written = (here / "my_shop" / "dropped.csv").read_text(encoding="utf-8")
line = next(line for line in written.splitlines() if "HYPERLINK" in line)
print(line)
assert ",=" not in written and ',"=' not in written

# %% [markdown]
# ## What can this shop learn from?
#
# From here on we work on `mine`: your shop where you have named one (a part of it, if it is large), else the one that we have
# just imported. Which chapters have what they need?

# %%
mine = part_of(shop, 60_000) if yours else imported
pd.DataFrame(chapters_for(mine)).set_index("number")

# %% [markdown]
# ## Measure it: which chapter pays here?
#
# Four questions: *home* (ten products at the start of a visit), *next* (the next click), *basket* (what is missing in it), *owned*
# (what they buy again). NDCG@10 and HR@20 say how far up, and how often, the right product stood in the list: 0 is never, 1 always.
# To *pay* means a better list here, not money yet: that is the A/B test below. Rows: *popular* are the best-sellers, *repeat* what
# they bought before, *event-weighted* what is near to their last events, *stan* what visits like this one went on to, *als tuned* a
# model of who takes what. All learn from the past and are tested on the last days. To stay within a minute we take the row of each chapter that did best on the course's shop; `python -m recsys_lab scoreboard
# --shop my_shop` measures all of them (and with `--methods ranker` those of chapter 07, which take minutes to fit).

# %%
CANDIDATES = {
    "home": ["popular", "repeat", "cold start", "event-weighted", "with behaviour", "als tuned"],
    "next": ["popular", "cold start", "event-weighted", "markov", "stan", "cluster"],
    "basket": ["popular", "repeat", "item-knn", "also bought"],
    "owned": ["popular", "most frequent", "buy again"]}
own = {name: next(scoreboard(mine, [name], methods, most_visits=1_000 if name == "next" else 1_500))
       for name, methods in CANDIDATES.items()}
for board in own.values():
    print(board.verdict())
print(*own["home"].told, sep="; ")

# %% [markdown]
# That is the highest row. Is it the chapter that *pays*? For that, each chapter's best row is compared twice, case by case:
# with the plain best-sellers (`more`), and with the best row of the chapters before it (`adds`): what you get for going on,
# when you already have the simpler thing.

# %%
from recsys_lab.own.pays import pays

paid = {name: pays(board.scores) for name, board in own.items() if board.scores is not None}
headings = {"more": "more than popular", "adds": "adds to the chapters before"}


def with_interval(row, what):
    return "" if pd.isna(row[what]) else f"{row[what]:+.3f} [{row[f'{what} low']:+.3f}, {row[f'{what} high']:+.3f}]"


for name, table in paid.items():
    spans = {heading: table.apply(with_interval, axis=1, what=what) for what, heading in headings.items()}
    metric = next(iter(own[name].scores.rows[0]["metrics"]))
    shown = table[["chapter", "method", "mean"]].rename(columns={"mean": metric}).round(3)
    display(shown.assign(**spans).set_index("chapter").rename_axis(f"{name}: chapter"))

# %% [markdown]
# An interval that holds zero means: on this shop, with these weeks, nobody has seen a difference. Then the simpler row is the
# better buy. Compare the top row once with each simpler one; do not go down step by step, for two steps that nobody sees may
# together be one that can be seen. (And the best of several rows is always flattered a little, for it was chosen on the cases that it is judged by.
# When it matters, choose on the week before the test, as the settings of the course's methods were chosen.)

# %%
def in_words(name, table):
    """Which chapter stands highest, and what it adds to those before it."""
    top = table.iloc[0]
    if pd.isna(top["adds"]):
        return f"{name}: chapter {top['chapter']} ({top['method']}) is highest; none of the later rows tried here does better"
    seen = "it adds" if top["adds low"] > 0 else "not seen to add anything:"
    return (f"{name}: chapter {top['chapter']} ({top['method']}) is highest; to the chapters before, {seen} {top['adds']:+.3f}"
            f" [{top['adds low']:+.3f}, {top['adds high']:+.3f}]")


print(*(in_words(name, table) for name, table in paid.items()), sep="\n")

# %% [markdown]
# ## See it

# %%
drawn = pd.concat([table.assign(board=name) for name, table in paid.items()])
drawn["row"] = drawn["chapter"] + " " + drawn["method"]
long = pd.concat([
    pd.DataFrame({"board": drawn["board"], "row": drawn["row"], "against": label, "mean": drawn[name], "low": drawn[f"{name} low"],
                  "high": drawn[f"{name} high"]})
    for name, label in (("more", "popular"), ("adds", "the best of the chapters before"))]).dropna()
sure = [name for name, table in paid.items() if len(table) and table.iloc[0]["adds low"] > 0]
title = [f"On {len(sure)} of {len(paid)} boards the highest row is seen to beat all chapters before it"
         + (f" ({', '.join(sure)});" if sure else ";"), "on the others no gain over an earlier chapter is seen"]
told_by = charts.apart("against", ["popular", "the best of the chapters before"], title="compared with",
                       legend=alt.Legend(orient="bottom", labelLimit=300))
panels = []
for name in paid:
    here_rows = long[long["board"] == name]
    base = alt.Chart(here_rows).encode(
        y=alt.Y("row:N", sort=list(dict.fromkeys(here_rows["row"])), title=None, axis=alt.Axis(labelLimit=200)),
        yOffset=alt.YOffset("against:N", sort=["popular", "the best of the chapters before"]),
        color=told_by["color"])
    zero = alt.Chart(pd.DataFrame({"x": [0]})).mark_rule(color=charts.INK, strokeDash=[3, 3]).encode(x="x:Q")
    panels.append(alt.layer(
        zero, base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=f"{name}: difference, with 95 % interval"), x2="high:Q"),
        base.mark_point(filled=True, size=55, opacity=1).encode(x="mean:Q", shape=told_by["shape"])).properties(width=240, height=alt.Step(14)))
words = " ".join(title) + ": " + "; ".join(in_words(name, table) for name, table in paid.items())
alt.concat(*panels, columns=2, title=alt.Title(title), description=words)

# %% [markdown]
# ## Reality check: two real shops
#
# The question "which chapter should I build first?" has no answer for shops in general. Two real logs, a part of each: a gift
# shop of which only the purchases are known (UCI 352), and a clothes shop of which only the clicks are (UCI 553).

# %%
from recsys_lab.datasets import DataUnavailable, load_clickstream, load_retail

real = {}
for label, load, surface, methods in (
        ("purchases alone", load_retail, "home", ["popular", "repeat", "cold start", "als tuned"]),
        ("clicks alone", load_clickstream, "next", ["popular", "cold start", "event-weighted", "markov", "cluster"])):
    try:
        real_log = part_of(load(), 60_000)
        result = next(scoreboard(real_log, [surface], methods, most_visits=1_000))
        if result.scores is not None:
            real[label] = pays(result.scores)
            print(in_words(f"{label} ({surface})", real[label]))
        else:
            print(result.verdict())
    except DataUnavailable as why:
        print(f"Skipped: {why}")

# %% [markdown]
# On the home page, what they bought before is the highest of the rows tried here on both shops that know purchases (on the gift
# shop a blend of models, chapter 05, still adds to it). Where only clicks are known it has nothing to say, and what follows the
# last click does the work. So it depends on what your log holds. Measure yours.

# %%
tops = {name: f"chapter {table.iloc[0]['chapter']} ({table.iloc[0]['method']})" for name, table in {**paid, **real}.items()}
claim(len(set(tops.values())) > 1, "which chapter pays most differs from board to board")
if "purchases alone" in real:
    claim(tops["purchases alone"] == "chapter 00 (repeat)", "re-orders: what they bought before")
if "clicks alone" in real:
    claim(tops["clicks alone"] == "chapter 03 (markov)", "clicks: what follows the last one")
print(f"{len(set(tops.values()))} different rows stand highest on {len(tops)} boards:",
      "; ".join(f"{name}: {top}" for name, top in tops.items()))

# %% [markdown]
# ## Break it: what really happens to exports
#
# Six mistakes that have been made with real data more than once. Each runs, and each has a check of one line.
#
# ### 1. Seconds, read as milliseconds
#
# The whole log then lies in January 1970, in the right order, and ninety days become two hours. A split by days finds nothing
# to split.

# %%
from recsys_lab.evaluation.board import Board, LeakageError

events = mine.events
wrong = events.assign(timestamp=events["timestamp"] // 1000)
dates = pd.to_datetime(wrong["timestamp"].agg(["min", "max"]), unit="ms").dt.strftime("%d %B %Y, %H:%M")
print(f"from {dates['min']} to {dates['max']}")


def refused(attempt, *args, **options):
    """The words with which something is refused."""
    try:
        attempt(*args, **options)
    except (DataError, LeakageError) as caught:
        print("refused:", str(caught).replace(folder.name + os.sep, ""))


refused(mine.only(wrong).split)
refused(Shop.from_frames, mine.products, wrong)

# %% [markdown]
# ### 2. Ids that have been through a spreadsheet
#
# Open the catalogue in a spreadsheet, save it, and 00042 is 42. Then nothing in the log is in the catalogue. A left join says
# nothing about it and fills in blanks.

# %%
few = pd.read_csv(here / "actions.csv", sep=";", dtype=str, nrows=2_000, encoding="utf-8-sig")
through_excel = pd.read_csv(here / "articles.csv", sep=";").drop(columns=["Text"])
through_excel.to_csv(here / "mangled.csv", sep=";", index=False)
few.to_csv(here / "few.csv", sep=";", index=False)
joined = few.merge(through_excel.assign(ArticleNo=through_excel["ArticleNo"].astype(str)), on="ArticleNo", how="left")
print(f"a left join keeps all {len(joined):,} rows, and {joined['Title'].notna().mean():.0%} of them have a product's name")
refused(import_shop, here / "few.csv", products=here / "mangled.csv", columns={"When": "timestamp"},
        event_map={"look": "clicked_on"}, now_ms=exported_at)

# %% [markdown]
# ### 3. Two clocks
#
# Clicks come from the web server, in UTC; purchases from the till, in local time, and somebody has taken both for the same. A
# till that is behind sells before anybody has looked; one that is ahead makes everybody think it over for hours. The check: of
# the purchases whose product was clicked in the same visit, how many come after the first such click, and how long after?

# %%
# needs: clicked_on, buy
first_click = events[events["event_type"] == "clicked_on"].groupby(["session_id", "item_id"])["timestamp"].min()
sold = events[events["event_type"] == "buy"].join(first_click.rename("clicked"), on=["session_id", "item_id"])
sold = sold.dropna(subset="clicked")
in_order = {}
for hours in (0, -2, 2):
    minutes = (sold["timestamp"] - sold["clicked"]) / 60_000 + 60 * hours
    in_order[hours] = (minutes >= 0).mean()
    print(f"till {hours:+d} h: {in_order[hours]:.1%} of purchases come after their click;"
          f" the median purchase comes {minutes.median():+.0f} minutes from it")
claim(in_order[0] > 0.99 > 0.1 > in_order[-2], "the order of click and purchase shows a till that is behind")

# %% [markdown]
# ### 4. One reseller
#
# Somebody's program looks at ten products, again and again. They become the best-sellers, and everybody is shown them. The
# checks: the share of the busiest shopper, and how much of the top ten is left when each shopper counts once for each product.

# %%
kind = "clicked_on" if (events["event_type"] == "clicked_on").any() else "buy"
looks = events[events["event_type"] == kind]
pairs = looks[["user_id", "item_id"]]
top = looks["item_id"].value_counts().head(10)
targets = sorted(mine.products["item_id"])[:10]
program = pd.DataFrame({"user_id": "reseller", "item_id": np.tile(targets, int(top.iloc[0]) + 1)})
with_program = pd.concat([pairs, program])


def top_ten(rows):
    return set(rows["item_id"].value_counts(sort=False).sort_index().sort_values(ascending=False, kind="stable").head(10).index)


taken = len(top_ten(with_program) & set(targets))
once = len(top_ten(with_program.drop_duplicates()) & top_ten(pairs.drop_duplicates()))
busiest = with_program["user_id"].value_counts(normalize=True).iloc[0]
usual = looks["user_id"].value_counts(normalize=True).iloc[0]
claim(taken == 10 and once >= 8, "one program fills the top ten; counting shoppers undoes it")
print(f"its {len(program):,} looks fill {taken} of the ten best-sellers; its share of all looks is {busiest:.0%} (before, the busiest had"
      f" {usual:.1%});\ncounting shoppers in place of looks, {once} of ten are those of before")

# %% [markdown]
# The import names shoppers with more than a thousand events on one day, and `drop_bots=True` leaves them out.
#
# ### 5. The same batch twice
#
# An export that is started twice and appended. Popular products stay the same ones, so no list looks wrong. But whatever asks
# "did they buy it *again*?" is told yes.

# %%
# needs: buy
def bought_again(rows):
    """The share of products bought by somebody that they bought more than once."""
    return (rows[rows["event_type"] == "buy"].groupby(["user_id", "item_id"]).size() > 1).mean()


half = events[events["timestamp"] > events["timestamp"].median()]
doubled = pd.concat([events, half])
said, true_share = bought_again(doubled), bought_again(events)
claim(said > 3 * true_share, "doubles look like loyalty")
print(f"bought again: {true_share:.1%}; with half of the log twice: {said:.1%}; rows that are there twice:"
      f" {doubled.duplicated().mean():.1%} (before: {events.duplicated().mean():.1%})")

# %% [markdown]
# ### 6. The random split
#
# `train_test_split` is at hand, and it is wrong here: of a visit, some clicks are then learned from and others asked about
# (chapter 00 has measured how that flatters). The check: how many of the visits that are asked about are in the training data
# too?

# %%
from recsys_lab.evaluation import evaluate, home_board

split = mine.split()
past, future = split.before_test, split.test
at_random = np.random.default_rng(0).random(len(events)) < 0.2
for how, learned, asked in (("by time", past.events, future.events), ("at random", events[~at_random], events[at_random])):
    both_sides = asked.drop_duplicates("session_id")["session_id"].isin(set(learned["session_id"])).mean()
    print(f"split {how}: {both_sides:.0%} of the visits that are asked about were learned from")
board = home_board(past, future)
refused(Board, "random", 10, mine.only(events[~at_random]), board.contexts, board.truth, board.units, board.measures)

# %% [markdown]
# ## Before customers see it: a checklist, measured
#
# The rest is not about models. The whole list stands alone in `docs/production.md`; here are the points that can be measured,
# each with its number.
#
# ### Names: pseudonyms by a keyed hash
#
# The recommender does not need to know who anybody is, only that it is the same one as before. A plain hash of an e-mail
# address does not hide it: addresses can be guessed, hashed and compared.
#
# ### Exercise 2: a pseudonym
#
# Write `pseudonym`: the first sixteen hexadecimal letters of an HMAC with SHA-256 of a shopper's id. That is a hash which also needs
# a secret key, so that nobody without the key can repeat it. The same person
# must get the same one each time, also when the address is written with capitals or with a blank at the end. (A hash is made
# of bytes, which `.encode()` makes of a text; `hmac.new(key, …, hashlib.sha256)` has a `.hexdigest()` of 64 letters.)

# %% tags=["exercise-2"]
import hashlib
import hmac


def pseudonym(shopper, key):
    clean = shopper.strip().lower()  #= clean = ____
    return hmac.new(key, clean.encode(), hashlib.sha256).hexdigest()[:16]  #= return ____

# %%
exercise[2].check()

# %% [markdown]
# What an attacker with a list of addresses makes of a table with plain hashes, and of one with keyed hashes:

# %%
KEY = b"kept apart from the data, and never in the repository"


def keyed(shopper):
    return hmac.new(KEY, shopper.strip().lower().encode(), hashlib.sha256).hexdigest()[:16]


people = sorted(events["user_id"].unique())
plain = {hashlib.sha256(one.encode()).hexdigest()[:16] for one in people}
secret = {keyed(one) for one in people}
addresses = people if yours else [f"u{at:04d}@mail.example" for at in range(10_000)]
guesses = {hashlib.sha256(one.encode()).hexdigest()[:16] for one in addresses}
guessed = {name: len(held & guesses) / len(held) for name, held in (("plain hash", plain), ("keyed hash", secret))}
claim(len(secret) == len(people) and guessed["keyed hash"] == 0, "each has a pseudonym, and none is guessed")
print("found by guessing addresses:", ", ".join(f"{name} {share:.0%}" for name, share in guessed.items()))

# %% [markdown]
# This is *pseudonymous* and not anonymous: who has the key, or enough of somebody's purchases, finds the person. So it is still
# personal data, with all that follows from it.
#
# ### Consent: what does a no cost?
#
# Only events of shoppers who have agreed may be used. Say that 30 % have not. They are then strangers each time: nothing of
# theirs is learned from, and they get what a stranger gets. What does that cost, and whom? The same questions twice, once with
# everybody's data and once without theirs. (Only a course may measure this. A real shop must not test on those who have said no
# either.)

# %%
from dataclasses import replace

from recsys_lab.evaluation import paired
from recsys_lab.methods import ROWS

said_no = {one for one in people if int(keyed(one)[:8], 16) % 100 < 30}
agreed = past.only(past.events[~past.events["user_id"].isin(said_no)])
strangers = [replace(one, shopper_id=None, history=()) if one.shopper_id in said_no else one for one in board.contexts]
asked_fairly = replace(board, train=agreed, contexts=strangers)
best = paid["home"].iloc[0]["method"] if "home" in paid else "popular"
strange = np.isin(board.units, list(said_no))
measured = [] if own["home"].scores is None else [row["method"] for row in own["home"].scores.rows]
cost = []
for method in dict.fromkeys(name for name in ("popular", best, "event-weighted") if name in measured):
    before, after = (evaluate(ROWS["home"][method](), one, method).cases[board.main] for one in (board, asked_fairly))
    for who, mask in (("all", np.full(len(strange), True)), ("said yes", ~strange), ("said no", strange)):
        change = paired(np.where(mask, after, np.nan), before, board.units)
        cost.append({"method": method, "shoppers": who, "with all": np.nanmean(before[mask]), "change": change.mean,
                     "low": change.low, "high": change.high})
cost = pd.DataFrame(cost)
print(f"{len(said_no) / len(people):.0%} said no; {board.main}:")
cost.round(4)

# %%
yes = cost[(cost["shoppers"] == "said yes") & (cost["method"] == best)].iloc[0]
no = cost[(cost["shoppers"] == "said no") & (cost["method"] == best)].iloc[0]
claim(no["high"] < 0 and abs(yes["change"]) < abs(no["change"]) / 4, "those who said no pay; the others hardly notice")
print(f"{best}: those who said no lose {-no['change'] / no['with all']:.0%} of their {board.main}; for the others it changes by"
      f" {yes['change'] / yes['with all']:+.1%} [{yes['low'] / yes['with all']:+.1%}, {yes['high'] / yes['with all']:+.1%}]")

# %% [markdown]
# ### Deletion
#
# "Delete what you have on me" is a sentence that will come. Where does a shopper lie? In the tables; in the log and the live
# state of chapter 06; in vectors; and in places that nobody thinks of: the examples in the report of the import are rows of the
# file. So we take a shopper who stands in one of those examples.

# %%
from recsys_lab.datasets import as_events
from recsys_lab.own import erase
from recsys_lab.realtime import Live

leaving = report.why("was there before").examples[0][1].split(";")[0]
staying = next(one for one in imported.events["user_id"] if one != leaving)
theirs = imported.events[imported.events["user_id"].isin([leaving, staying])]
with Live(f"sqlite://{folder.name}/live.db") as live:
    live.take_many(as_events(theirs))
    kept = sum(event.user_id == staying for event in live.log())
    done = erase(leaving, folder=here / "my_shop", live=live)
    again = erase(leaving, folder=here / "my_shop", live=live)
    assert kept == sum(event.user_id == staying for event in live.log()) and not live.visit(leaving, exported_at).own
print(done.to_text())
assert done.total > 0 == again.total

# %% [markdown]
# A count is what the program says. Better: look for the address in every file that was written, byte by byte, and in the
# tables.

# %%
remaining = open_shop(here / "my_shop")
texts = [path for path in [*(here / "my_shop").iterdir(), *here.glob("live.db*")] if path.suffix != ".parquet"]
left = [path.name for path in texts if leaving.encode() in path.read_bytes()]
assert not left and leaving not in set(remaining.events["user_id"]) | set(remaining.shoppers["user_id"])
print(f"{len(texts)} files and {len(remaining.events):,} events: she is in none of them. (The export itself still has her: "
      f"{leaving.encode() in (here / 'actions.csv').read_bytes()}. It is yours to delete, and so are backups.)")

# %% [markdown]
# ### Drift: is this week still like the weeks that we learned from?
#
# A model learns from the past, and the shop goes on: a season begins, a category sells out, a campaign brings other people. The
# number that most tools show for it is the **population stability index** of some shares, say of the clicks by category: with
# `before` and `now` as shares, the sum of (now − before) · ln(now / before). Rules of thumb say: below 0.1 nothing, above 0.25
# act.
#
# ### Exercise 3: the stability index
#
# `before` and `now` are counts by category (arrays of one length). Where a category has no clicks, its logarithm has no value:
# add a half to each count before you make shares of them.

# %% tags=["exercise-3"]
def psi(before, now):
    before, now = np.asarray(before) + 0.5, np.asarray(now) + 0.5
    before = before / before.sum()  #= before = ____
    now = now / now.sum()  #= now = ____
    return ((now - before) * np.log(now / before)).sum()  #= return ____

# %%
exercise[3].check()

# %% [markdown]
# How large is it when *nothing* has changed? Put the visits of two neighbouring weeks into one pot, and split it at random into two
# "weeks", a thousand times. Every index that comes out is chance. (Whole visits, not clicks: the clicks of one visit are mostly about
# one thing.) The value that only one in a hundred of them passes is our limit. Then a thousand new splits count how often each limit
# raises an alarm ("rings") although nothing has changed: ours, the two rules of thumb, and a textbook limit that takes all clicks for
# independent and is meant to ring one time in a hundred.

# %%
# needs: category
group = mine.products.set_index("item_id")["category"].astype(str)
counts = pd.crosstab(looks["session_id"], looks["item_id"].map(group))
begun = looks.groupby("session_id")["timestamp"].min().reindex(counts.index)
week = ((begun - int(events["timestamp"].min())) // (7 * DAY_MS)).to_numpy()
table = counts.to_numpy(dtype=float)
whole = [at for at in np.unique(week) if (week == at).sum() >= 20][:-1]  # the last week may have begun only


def stability(before, now):
    """The index of rows of counts, [n, categories] each."""
    before, now = ((one + 0.5) / (one + 0.5).sum(axis=-1, keepdims=True) for one in (before, now))
    return ((now - before) * np.log(now / before)).sum(axis=-1)


def dealt_out(first, second, times, rng):
    """The index when the visits of two weeks are dealt out at random to two weeks of the same sizes."""
    both = np.vstack([first, second])
    into_second = rng.permuted(np.tile(np.arange(len(both)) < len(second), (times, 1)), axis=1).astype(np.float32)
    now = into_second @ both
    return stability(both.sum(axis=0) - now, now)

# %%
# needs: category
from scipy.stats import chi2

dealer = np.random.default_rng(11)
drift = []
for earlier, later in zip(whole, whole[1:]):
    early, late = table[week == earlier], table[week == later]
    own_limit = np.quantile(dealt_out(early, late, 1_000, dealer), 0.99)
    fresh = dealt_out(early, late, 1_000, dealer)  # others than those that made the limit
    formula = chi2.ppf(0.99, table.shape[1] - 1) * (1 / early.sum() + 1 / late.sum())
    rates = {"0.1": 0.1, "0.25": 0.25, "a formula for independent clicks": formula, "your own visits": own_limit}
    drift.append({"week": int(later) + 1, "index": stability(early.sum(axis=0), late.sum(axis=0)), "limit": own_limit,
                  **{name: (fresh > value).mean() for name, value in rates.items()}})
drift = pd.DataFrame(drift)
rung = drift[list(rates)].mean()
claim(rung.iloc[2] > 0.1 and rung.iloc[3] < 0.02, "clicks of a visit are not independent; dealing visits out is as it should be")
rung.map("{:.1%}".format).rename_axis("limit from").to_frame("weeks that ring when nothing has changed")

# %% [markdown]
# And were this shop smaller? The last two weeks again, with a third of their visits:

# %%
# needs: category
third, rings = np.random.default_rng(16).random(len(table)) < 1 / 3, {}
for size, taken_in in (("all visits", np.full(len(table), True)), ("a third", third)):
    early, late = table[(week == whole[-2]) & taken_in], table[(week == whole[-1]) & taken_in]
    rings[size] = (dealt_out(early, late, 1_000, dealer) > 0.1).mean()
claim(rings["a third"] > rings["all visits"] + 0.3, "a fixed limit is another one in a smaller shop")
print("by chance alone 'above 0.1' rings with", ", with ".join(f"{name} in {share:.0%} of weeks" for name, share in rings.items()))

# %% [markdown]
# Two lessons. A fixed threshold is one thing in a small shop and another in a large one: this number shrinks as weeks get
# fuller. And the textbook limit counts each click as news, although the clicks of a visit are mostly about the same thing. So
# take the limit from your own visits. Would it see something real? In the last week, let the visits to the most clicked
# category stay away: some, then more.

# %%
# needs: category
early, late = table[week == whole[-2]], table[week == whole[-1]]
largest = int(table.sum(axis=0).argmax())
last_limit = drift["limit"].iloc[-1]
stay = np.random.default_rng(15).random(len(late))
missed = next((share for share in np.arange(0.1, 1.01, 0.1)
               if stability(early.sum(axis=0), late[(stay >= share) | (late[:, largest] == 0)].sum(axis=0)) > last_limit), np.nan)
claim(missed <= 1, "a category that is gone is seen")
alarms = drift[drift["index"] > drift["limit"]]
drift_title = [f"{len(alarms)} of {len(drift)} weeks pass the limit that chance passes once in a hundred;",
               "where a point stands above its tick" if len(alarms) else "all points lie below their ticks"]
print(f"of visits to {counts.columns[largest]!r}, {missed:.0%} would have to stay away before it rings")
by_week = alt.Chart(drift).encode(x=alt.X("week:O", title="week of the log, compared with the one before", axis=alt.Axis(labelAngle=0)))
alt.layer(
    by_week.mark_tick(thickness=3, size=26, opacity=1, color=charts.PALETTE[1]).encode(
        y=alt.Y("limit:Q", title="stability index by category")),
    by_week.mark_point(filled=True, size=80, opacity=1).encode(y="index:Q"),
    title=drift_title, description=" ".join(drift_title) + ". Points: the index; ticks: the limit of that week.",
).properties(width=460, height=200)

# %% [markdown]
# The points are the weeks, the ticks what chance alone passes once in a hundred. Silence is no proof: in a small
# shop a week has to change a good deal before it shows. (The course's shop has seasons and trends
# built in, and from one week to the next they are smaller than chance.) And an alarm is
# not an order: look at what has changed, and only then fit anew.
#
# ### Strangers and novelties: the cold start share
#
# How much of the next two weeks is about somebody, or something, that the model has never seen? And how fast does that grow?

# %%
known_people, known_items = set(past.events["user_id"]), set(past.events["item_id"])
visits = future.events.drop_duplicates("session_id")
visits = visits.assign(day=(visits["timestamp"] - int(future.events["timestamp"].min())) // DAY_MS)
halves = {}
for name, (low, high) in {"first half of the test days": (0, 0.5), "second half": (0.5, 1.01)}.items():
    length = visits["day"].max() + 1
    these = visits[(visits["day"] >= low * length) & (visits["day"] < high * length)]
    clicks = future.events[future.events["session_id"].isin(these["session_id"])]
    halves[name] = {"visits of strangers": 1 - these["user_id"].isin(known_people).mean(),
                    "events on unknown products": 1 - clicks["item_id"].isin(known_items).mean()}
pd.DataFrame(halves).T.map("{:.1%}".format)

# %% [markdown]
# These two shares say how much chapter 01 (texts, categories) matters, and for whom. When one of them has doubled since the
# last fit, fit.
#
# ### Guardrails: what must not get worse
#
# A list can win on its own metric and hurt the shop. So beside the number that should rise stand some that must not fall: how
# much of the catalogue is ever shown, products that cannot be bought, the time that an answer takes, and complaints. There is
# no button for complaints in the log; what comes nearest is a product that is taken out of the cart again. (The time to answer
# is measured in chapter 08, beside an endpoint that does nothing.)

# %%
# needs: in_stock
sellable = mine.products.set_index("item_id")["in_stock"]
guard = {}
for method in dict.fromkeys(["popular", best]):
    model = ROWS["home"][method]().fit(past)
    lists, _ = model.recommend_many(board.contexts, 10)
    shown = lists[lists != ""]
    guard[method] = {"catalogue shown": len(set(shown)) / len(mine.products), "of them out of stock": 1 - sellable[shown].mean(),
                     "lists with one": np.mean([not sellable[[item for item in row if item]].all() for row in lists])}
pd.DataFrame(guard).T.map("{:.1%}".format)

# %% [markdown]
# The model knows nothing of stock; a filter at the door does (`Context(where=field("in_stock") == True)`, chapters 01 and 08).
#
# And removals. Is "not significantly worse" good enough for a guardrail? Turn it round: how many products put into
# carts would it take to *see* that one tenth more of them are taken out again? (`design_effect`, explained below, makes up for one
# shopper filling many carts. A test is the whole shop's, so from here on we count in all events of `shop`.)

# %%
everything = shop.events
days = int(everything["timestamp"].max()) // DAY_MS - int(everything["timestamp"].min()) // DAY_MS + 1

# %%
# needs: put_to_cart, removed_from_cart
from recsys_lab.evaluation import interval
from recsys_lab.own.power import design_effect, sample_size

carts = everything[everything["event_type"] == "put_to_cart"].drop_duplicates(["session_id", "item_id"])
taken_out = everything.loc[everything["event_type"] == "removed_from_cart", ["session_id", "item_id"]].drop_duplicates().assign(out=1.0)
carts = carts.merge(taken_out, on=["session_id", "item_id"], how="left").fillna({"out": 0.0})
removed = interval(carts["out"].to_numpy(), carts["user_id"].to_numpy())
cart_effect = design_effect(carts["out"].to_numpy(), carts["user_id"].to_numpy())
enough = sample_size(removed.mean, 0.10, design_effect=cart_effect)
print(f"taken out again: {removed}; to see a tenth more takes {enough:,} products put into carts on each side: {2 * enough / len(carts) * days:,.0f} days")

# %% [markdown]
# If that is longer than your test, a quiet guardrail says nothing. Then look at the interval: does it leave out what you could
# not live with?
#
# ## The A/B test: how long?
#
# The scoreboard looks back at visits that saw *other* lists. Whether shoppers buy more when they see these, only a test says:
# half of the shoppers get the old list, half the new. How many visits does it take?
#
# The share of visits with a purchase is `p` on one side and p·(1 + uplift) on the other. By chance alone the difference of two
# shares, of n visits each, spreads with the root of 2·p̄(1−p̄)/n. An alarm is what lies 1.96 of these away from zero (5 % of
# the time when nothing is there). We want the true difference to lie so far out that it rings 80 % of the time, and solve for
# n:
#
# n = ( 1.96·√(2p̄(1−p̄)) + 0.84·√(p(1−p) + q(1−q)) )² / (q − p)²,  with q = p·(1 + uplift) and p̄ in the middle.
#
# ### Exercise 4: the size of a test
#
# Write it: visits on *each* side, rounded up. `uplift` is relative: 0.1 is a tenth more. `alpha` is the share of
# false alarms, half of it at each end: `NormalDist().inv_cdf(1 - alpha / 2)` is the 1.96. `power` is how often a true difference rings:
# `NormalDist().inv_cdf(power)` is the 0.84. Use the names, not the numbers: the check tries others.

# %% tags=["exercise-4"]
import math
from statistics import NormalDist


def visits_needed(p, uplift, power=0.8, alpha=0.05):
    q = p * (1 + uplift)  #= q = ____
    middle = (p + q) / 2
    z_alarm = NormalDist().inv_cdf(1 - alpha / 2)  #= z_alarm = ____
    z_power = NormalDist().inv_cdf(power)  #= z_power = ____
    wide = z_alarm * math.sqrt(2 * middle * (1 - middle)) + z_power * math.sqrt(p * (1 - p) + q * (1 - q))
    return math.ceil((wide / (p * uplift)) ** 2)  #= return ____

# %%
exercise[4].check()

# %% [markdown]
# The package has it as `sample_size`. Is the formula right? Ten thousand tests of that size, drawn by chance: first with the
# same share on both sides (A/A: each alarm is false), then with the uplift.

# %%
from recsys_lab.own.power import power, sample_size

buys = everything["event_type"] == "buy"
by_visit = everything.groupby("session_id").agg(user=("user_id", "first"), start=("timestamp", "min"), items=("item_id", "nunique"))
success, by_visit["bought"] = "buys", by_visit.index.isin(everything.loc[buys, "session_id"])
if by_visit["bought"].nunique() == 1:  # a log of clicks alone, or of purchases alone: another sign of a good visit
    success, by_visit["bought"] = "takes three products or more", by_visit["items"] >= 3
p = by_visit["bought"].mean()
UPLIFT = 0.10
n = sample_size(p, UPLIFT)


def z_of(bought_a, visits_a, bought_b, visits_b):
    """The difference of two shares in units of its spread, as if all visits were independent."""
    pooled = (bought_a + bought_b) / (visits_a + visits_b)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / visits_a + 1 / visits_b))
    difference = bought_b / visits_b - bought_a / visits_a
    return np.divide(difference, spread, out=np.zeros_like(spread), where=spread > 0)


rng = np.random.default_rng(0)
same, more = (z_of(rng.binomial(n, p, 10_000), n, rng.binomial(n, p * (1 + lift), 10_000), n) for lift in (0, UPLIFT))
false, seen = (np.abs(same) > 1.96).mean(), (more > 1.96).mean()
claim(abs(false - 0.05) < 0.01 and abs(seen - power(p, UPLIFT, n)) < 0.02, "the formula is right")
print(f"in {p:.1%} of visits somebody {success}; to see {UPLIFT:.0%} more takes {n:,} visits on each side"
      f"\n10,000 tests without a difference: {false:.1%} ring; with it: {seen:.1%} do")

# %% [markdown]
# ### The same shoppers come again
#
# The formula takes each visit for news. But *shoppers* are sent to a side, and a shopper who buys often does so in each of her
# visits. Let us deal out this shop's real shoppers, ten thousand times, to two sides that get the same:

# %%
from recsys_lab.own.power import design_effect, smallest_uplift


def shares_dealt(rows, times, rng):
    """z of A/A tests on real visits: each shopper (of at most 10,000) goes to one side with all of their visits."""
    each = rows.groupby("user")["bought"].agg(["sum", "size"]).to_numpy(dtype=np.float32)[:10_000]
    z = []
    for _ in range(10):
        side = rng.random((times // 10, len(each)), dtype=np.float32) < 0.5
        (bought_b, visits_b), (bought, visits) = (side.astype(np.float32) @ each).T.astype(float), each.sum(axis=0)
        z.append(z_of(bought - bought_b, visits - visits_b, bought_b, visits_b))
    return np.concatenate(z)


effect = design_effect(by_visit["bought"].to_numpy(), by_visit["user"].to_numpy())
z = shares_dealt(by_visit, 10_000, np.random.default_rng(13))
naive, corrected = (np.abs(z) > 1.96).mean(), (np.abs(z) / np.sqrt(effect) > 1.96).mean()
claim(naive > 0.07 and abs(corrected - 0.05) < 0.01, "visits of a shopper are not independent")
print(f"design effect {effect:.2f}: with nothing to find, {naive:.1%} of tests ring when visits are taken for independent,"
      f" {corrected:.1%} when z is divided by √{effect:.2f}")

# %% [markdown]
# The **design effect** is how many times the variance really is what the formula thinks; `design_effect` computes it from sums
# by shopper. The test needs that many times the visits. And it grows with the length of a test, because the same shoppers keep
# coming:

# %%
lengths = []
for weeks in (1, 2, 4, 8):
    end = int(by_visit["start"].max())
    inside = by_visit[by_visit["start"] > end - weeks * 7 * DAY_MS]
    if (inside["start"].min() < end - (weeks - 1) * 7 * DAY_MS or weeks == 1) and inside["bought"].any():
        here_effect = design_effect(inside["bought"].to_numpy(), inside["user"].to_numpy())
        seen_from = {f"visits count as {name}": smallest_uplift(p, len(inside) / 2, design_effect=one)
                     for name, one in (("independent", 1.0), ("they are", here_effect))}
        lengths.append({"weeks": weeks, "visits": len(inside), "shoppers": inside["user"].nunique(), "design effect": here_effect,
                        **seen_from})
lengths = pd.DataFrame(lengths).set_index("weeks")
first, last = lengths.iloc[0], lengths.iloc[-1]
print(f"from {lengths.index[0]} to {lengths.index[-1]} weeks the visits are {last['visits'] / first['visits']:.1f} times as many,"
      f" the shoppers {last['shoppers'] / first['shoppers']:.1f} times; the smallest uplift that is seen:")
claim(last["design effect"] > first["design effect"], "it grows with the length of the test")
lengths.round(3)

# %% [markdown]
# ### Looking every day
#
# Nobody waits for four weeks without looking. And when the number is significant on day 9, why go on? Ten thousand A/A tests
# over 28 days; on each day somebody looks at z, the difference of the two shares divided by its usual spread, and stops at the first
# alarm:

# %%
DAYS = 28
daily = max(20, len(by_visit) // days // 2)
rng = np.random.default_rng(14)
both = [rng.binomial(daily, p, (10_000, DAYS)).cumsum(axis=1) for _ in range(2)]
upto = daily * np.arange(1, DAYS + 1)
path = z_of(both[0], upto, both[1], upto)
stopped = np.maximum.accumulate(np.abs(path), axis=1)
bound = np.quantile(stopped[:, -1], 0.95)
peek = pd.DataFrame([{"day": day, "stop at": name, "share": (stopped[:, day - 1] > limit).mean()}
                     for name, limit in (("1.96, looking daily", 1.96), (f"{bound:.2f}, looking daily", bound))
                     for day in range(1, DAYS + 1)])
ever, once = (stopped[:, -1] > 1.96).mean(), (np.abs(path[:, -1]) > 1.96).mean()
claim(ever > 3 * once, "who looks daily rings the alarm far more often")
peek_title = [f"Of tests without any difference, {ever:.0%} are 'won' or 'lost' by day {DAYS} if somebody looks daily;",
              f"with a limit of {bound:.2f} in place of 1.96 it is {(stopped[:, -1] > bound).mean():.0%}"]
print(f"looked at once, at the end: {once:.1%} of them")
alt.Chart(peek, title=peek_title, description=" ".join(peek_title)).mark_line(strokeWidth=2.5).encode(
    x=alt.X("day:Q", title="day of the test"), y=alt.Y("share:Q", title="stopped by a false alarm", axis=alt.Axis(format="%")),
    **charts.apart("stop at", ["1.96, looking daily", f"{bound:.2f}, looking daily"], title="stop when |z| is above", dash=True),
).properties(height=200)

# %% [markdown]
# So decide on a length, write it down, and judge at the end; or look daily with a stricter limit (this one is for so many looks, and for a z
# that was divided by the root of the design effect first), and pay for it with a longer test.
#
# ### How long, on this shop?
#
# Which uplift may one expect? The board does not say, and there is no honest way to make it: it looks at purchases that were
# made with another list. What it gives is a most. Say that of 100 visits with a purchase the best-sellers' list held something of it in
# 16, and the best row's list in 34. If all 18 between had bought only because of the list, sales would rise by 18 %. Most of the 18
# would have found the product anyway: so take a share.

# %%
hit = "HR@10 purchase" if buys.any() else "HR@10 click"
list_held = {row["method"]: row["metrics"][hit]["mean"] for row in own["home"].scores.rows}
most = list_held[best] - list_held["popular"]
if most <= 0:
    most = 0.2
    print("no row holds more than the best-sellers here, so a fifth stands in for it")
most = min(most, 0.9 * (1 - p) / p)  # no share is above 1
week_effect = lengths["design effect"].iloc[min(2, len(lengths) - 1)]
traffic = len(by_visit) / days
plan = []
for share in (1.0, 0.5, 0.25, 0.1, 0.05):
    lift = share * most
    needed = sample_size(p, lift, design_effect=week_effect)
    plan.append({"of those visits bought because of the list": f"{share:.0%}", "uplift": lift, "visits on each side": needed,
                 "weeks": max(2, math.ceil(2 * needed / traffic / 7))})
print(f"of the visits with a {hit.split()[-1]}, popular's list held something of it in {list_held['popular']:.1%},"
      f" {best}'s in {list_held[best]:.1%}; {traffic:,.0f} visits a day, design effect {week_effect:.2f}")
plan = pd.DataFrame(plan)
plan.assign(uplift=plan["uplift"].map("{:+.1%}".format), weeks=plan["weeks"].map("{:,.0f}".format), **{
    "visits on each side": plan["visits on each side"].map("{:,.0f}".format)}).set_index(plan.columns[0])

# %% [markdown]
# Long tests need still more than this: the design effect here is that of a few weeks, and it grows.

# %%
possible = plan[plan["weeks"] <= 8]
smallest = plan["weeks"].iloc[-1]
claim(len(possible) and smallest > 26, "the large effects are quick to see, the likely ones are not")
if len(possible):
    print(f"the smallest uplift of this table that can be seen within eight weeks is {possible['uplift'].min():+.1%}; for {plan['uplift'].iloc[-1]:+.1%}"
          f" it would take {smallest:,.0f} weeks, which is to say: it cannot be tested here")
else:
    print("no uplift of this table is seen within eight weeks")

# %% [markdown]
# Whole weeks, two at least: weekends are other people. If the answer is "a year", that is a result too. Test something bolder,
# on a page with more visits, or with a measure that moves more (clicks on the list). And read nothing into a test that is too
# small. Here are ten thousand of them: eight weeks, with a true uplift of a tenth of that most.

# %%
true_lift, side_visits = 0.1 * most, int(traffic * 56 / 2 / week_effect)
rng = np.random.default_rng(17)
old, new = rng.binomial(side_visits, p, 10_000), rng.binomial(side_visits, p * (1 + true_lift), 10_000)
won = z_of(old, side_visits, new, side_visits) > 1.96
seen_lift = (new / old - 1)[won]
claim(won.mean() < 0.5 and seen_lift.mean() > 2 * true_lift, "the winners of small tests exaggerate")
print(f"true uplift {true_lift:+.1%}: {won.mean():.0%} of the tests are won, and the winners report {seen_lift.mean():+.1%} on average,"
      f" {seen_lift.mean() / true_lift:.1f} times the truth")

# %% [markdown]
# ## Clean up

# %%
folder.cleanup()
assert not here.exists()
print("the export, the shop and the state that this chapter wrote are deleted")

# %% [markdown]
# ## Looking back: the course in one table
#
# These are the stored rows of the course's shop, measured on all of its shoppers: chance, the best-sellers of chapter 00, the
# best row of the chapters up to 05, the ranker of chapter 07, and the truth.

# %%
from recsys_lab import measure

boards = measure.stored()
summary = []
for board_name in ("home", "next", "basket", "ab"):
    held = {row["method"]: next(iter(row["metrics"].values()))["mean"] for row in boards[board_name].rows}
    rivals = {method: mean for method, mean in held.items() if method not in ("random", "popular", "truth", "ranker", "ranker logistic")}
    champion = max(rivals, key=rivals.get)
    room = held["truth"] - held["random"]
    summary.append({"board": board_name, "random": held["random"], "popular": held["popular"], "best before 07": rivals[champion],
                    "which": champion, "ranker (07)": held.get("ranker", np.nan), "truth": held["truth"],
                    "of the way: popular": (held["popular"] - held["random"]) / room,
                    "best": (max(rivals[champion], held.get("ranker", 0)) - held["random"]) / room})
summary = pd.DataFrame(summary).set_index("board")
claim((summary["best"] > 2 * summary["of the way: popular"]).all(), "twice as far as the best-sellers on each board")
champions = ", ".join(f"{name}: {row['which']}" for name, row in summary.iterrows())
plain_way, best_way = summary["of the way: popular"], summary["best"]
print(f"From chance to the truth the best-sellers come {plain_way.min():.0%} to {plain_way.max():.0%} of the way, the best rows"
      f" {best_way.min():.0%} to {best_way.max():.0%};\nbefore chapter 07 {summary['which'].nunique()} different rows lead four boards"
      f" ({champions})")
summary.round(3)

# %% [markdown]
# No method won everywhere. What carried over from chapter to chapter was the other half of the work: a split by time, a plain
# rival on the same cases, an interval, a look at what is left out, a check that can fail.
#
# ### What to do on Monday
#
# 1. **Export** two months of what people did. Import it, and read the report with somebody who knows the till.
# 2. **Measure** the plain rows first: best-sellers, bought before, seen together. Put up what wins. Often that is most of the gain.
# 3. **Write down what is shown**, and where in the list, from the first day on. It cannot be had later, and chapter 07 lives on it.
# 4. **Settle** consent, keys and deletion before the first list, not after the first letter.
# 5. **Size the test** before it starts. If it would take a year, test something bolder or decide without one, and say so.
# 6. Then build the chapter that stood highest on *your* board, and keep the plain row running as its fallback and its rival.
#
# ## What you now know
#
# - An export is read as text, each row that goes is counted, and a report says what was assumed.
# - Which method pays depends on the shop; the comparison is with the plain rows, case by case, with intervals.
# - Thresholds from a book are made for data that nobody has: take the noise from your own shop by dealing out visits or shoppers.
# - Visits of a shopper are not independent, looking every day is not free, and the size of a test is known before it starts.
#
# Four last questions. Put a letter in place of `____`.

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
# That was the course. The shop is yours now.
