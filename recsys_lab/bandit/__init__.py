"""Contextual bandits for a slot of the page, and what a log says of policies that did not run (chapter 07)."""

from recsys_lab.bandit.features import TasteFeatures
from recsys_lab.bandit.off_policy import (
    Estimate,
    Logged,
    PropensityError,
    WeightWarning,
    check_weights,
    compare,
    direct,
    doubly_robust,
    importance,
    ips,
    reward_model,
    snips,
    without_propensities,
)
from recsys_lab.bandit.policies import (
    Choice,
    EpsilonGreedy,
    LinUCB,
    Policy,
    Ranked,
    Uniform,
    probabilities_of,
)
from recsys_lab.bandit.slot_log import SlotLog, click_rates, examination, impressions, slot_log
from recsys_lab.bandit.state import BanditError, BanditState, Sums

__all__ = [
    "BanditError",
    "BanditState",
    "Choice",
    "EpsilonGreedy",
    "Estimate",
    "LinUCB",
    "Logged",
    "Policy",
    "PropensityError",
    "Ranked",
    "SlotLog",
    "Sums",
    "TasteFeatures",
    "Uniform",
    "WeightWarning",
    "check_weights",
    "click_rates",
    "compare",
    "direct",
    "doubly_robust",
    "examination",
    "importance",
    "impressions",
    "ips",
    "probabilities_of",
    "reward_model",
    "slot_log",
    "snips",
    "without_propensities",
]
