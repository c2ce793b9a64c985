"""The questions at the end of chapter 08."""

from __future__ import annotations

from recsys_lab.exercises.exercise import Choice, Question

QUESTIONS = (
    Question(
        "The server that keeps the live state is down for ten minutes. What should a shopper notice?",
        (
            Choice(
                "An error page: better no list than a wrong one.",
                right=False,
                why="A page without a row of recommendations still sells; an error page does not. And nothing that is"
                " shown is wrong: popular products are what somebody new sees anyway.",
            ),
            Choice(
                "Nothing, provided that the shop keeps asking the state until it answers.",
                right=False,
                why="Then each page waits for a time-out, and the servers in front fill up with requests that wait. Ask"
                " seldom after a failure.",
            ),
            Choice(
                "A plainer page, as fast as ever; later their clicks of those minutes are there.",
                right=True,
                why="Popular products in place of the personal list, said in a header for those who watch, and events"
                " that wait on the disk until the state is back.",
            ),
            Choice(
                "Nothing at all: the list of ten minutes ago is kept in memory and shown.",
                right=False,
                why="It may be good enough for a moment, but they will notice: it does not follow their clicks, and"
                " lists what lies in their cart.",
            ),
        ),
    ),
    Question(
        "A server answers 202 to an event, and writes its events to the disk every half second, all at once, for speed."
        " What is the matter?",
        (
            Choice(
                "Nothing: a crash loses half a second of clicks, and no list is the worse for it.",
                right=False,
                why="Of clicks, perhaps. But the sender was told that they are safe, and does not send again; and"
                " purchases come the same way.",
            ),
            Choice(
                "It answers before it has written. Write first, and let those who came in the meantime share a commit.",
                right=True,
                why="A 202 keeps its promise when the process is killed. It is slower than a promise without the disk,"
                " but the group commit does not queue under load: the more that comes, the larger the groups.",
            ),
            Choice(
                "Half a second is too long; a tenth of a second would do.",
                right=False,
                why="It loses a fifth of that, and still tells those senders that their events are safe.",
            ),
            Choice(
                "It should answer 200 and not 202.",
                right=False,
                why="Whatever the number, the sender takes it as: you need not send this again.",
            ),
        ),
    ),
    Question(
        "The page sends `user_id` with each event, from a script that everybody can read. Which change makes it safe?",
        (
            Choice(
                "Make the ids long and random, so that nobody can guess one.",
                right=False,
                why="That helps against guessing. But ids stand in logs, links and screenshots, and whoever has read"
                " one could still write into another's session.",
            ),
            Choice(
                "Sign the id in the script, so that a changed one is noticed.",
                right=False,
                why="Then the secret is in the script, which everybody can read.",
            ),
            Choice(
                "Check on the server that such a shopper exists, and refuse unknown ids.",
                right=False,
                why="The shopper that somebody pretends to be does exist.",
            ),
            Choice(
                "Take no id from the page. The server signs a cookie, and goes by that.",
                right=True,
                why="The browser sends it along and no script can read it (HttpOnly); without the server's secret"
                " nobody can make one for somebody else.",
            ),
        ),
    ),
)
