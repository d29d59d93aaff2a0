"""What the figures are called and what they say, for people: the report, the model card and the commands share the words."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contracts.records import Figure


@dataclass(frozen=True)
class Meaning:
    """`percent` figures are shares, shown as such; the others keep their unit."""

    label: str
    says: str
    percent: bool = False


MARKS = {
    **dict.fromkeys(("gap_closed", "gap_closed_raw", "gap_closed_masked"), (0.0, 1.0)),
    **dict.fromkeys(("delta_nll", "delta_nll_reference", "specificity", "verification_gained"), (0.0,)),
    **dict.fromkeys(("copy_excess", "forgetting"), (0.0,)),
    **dict.fromkeys(("specificity_auc", "distinguishability", "distinguishability_human", "told_apart"), (0.5,)),
    **dict.fromkeys(("verification_auc", "verification_auc_raw", "verification_auc_masked"), (0.7,)),
    "length_ratio": (1.0,),
}
"""The values that a line stands at where a figure is drawn: what an untrained model, chance or the author would have."""

CONDITIONS = {
    "others": "other authors (the floor)",
    "base": "base model",
    "base+retrieval": "base model with passages",
    "adapter": "adapter",
    "adapter+retrieval": "adapter with passages (as it answers)",
    "folds": "over folds",
    "human": "your own held-out posts (the ceiling)",
}

MEANINGS = {
    "gap_closed": Meaning(
        "gap closed", "how far from the base model to your own writing; over 120 % is imitation overdone", percent=True
    ),
    "gap_closed_raw": Meaning(
        "gap closed, texts as they are", "the same with greetings, links and names left in", percent=True
    ),
    "gap_closed_masked": Meaning(
        "gap closed, topics masked", "the same without the words of the subject", percent=True
    ),
    "delta_nll": Meaning("ΔNLL", "how much less your held-out posts surprise the adapter than its base model"),
    "delta_nll_reference": Meaning("ΔNLL of others", "the same on other authors' posts: what it learned of the genre"),
    "specificity": Meaning("specificity", "ΔNLL of yours minus that of others: it learned you, not the genre"),
    "specificity_auc": Meaning(
        "specificity AUC", "chance that a post of yours gains more than one of others; 0.5 is none"
    ),
    "verification": Meaning("V", "mean verification score"),
    "verification_raw": Meaning(
        "V, texts as they are", "mean verification score with greetings, links and names left in"
    ),
    "verification_masked": Meaning("V, topics masked", "mean verification score without the words of the subject"),
    "verification_gained": Meaning(
        "V against the champion's", "by how much nearer to you than the champion's its texts are, for the same posts"
    ),
    "verification_auc": Meaning(
        "verifier's AUC", "how well the verifier tells your held-out posts from others'; under 0.7 it judges nothing"
    ),
    "verification_auc_raw": Meaning(
        "verifier's AUC, texts as they are", "the same with greetings, links and names left in"
    ),
    "verification_auc_masked": Meaning("verifier's AUC, topics masked", "the same without the words of the subject"),
    "verification_c_at_1": Meaning("verifier's c@1", "its share of right decisions, undecided ones counted fairly"),
    "verification_f05u": Meaning("verifier's F0.5u", "the same, with wrong claims of authorship weighing more"),
    "verification_brier": Meaning("verifier's Brier score", "how far its probabilities are from the truth; 0 is best"),
    "distinguishability": Meaning(
        "distinguishability", "how well a classifier tells its texts from your posts; 0.5 is not at all"
    ),
    "distinguishability_human": Meaning("the same, you against you", "your own posts in two halves, to compare with"),
    "told_apart": Meaning(
        "told from you by people", "share of blind guesses that found your real passage; 50 % is chance", percent=True
    ),
    "copy_excess": Meaning(
        "copy excess", "share of texts with 12 words in a row of a known post, minus your own such share", percent=True
    ),
    "longest_copy_words": Meaning(
        "longest copy", "words in a row shared with a post that it learned from or was shown"
    ),
    "forgetting": Meaning("forgetting", "how much worse it reads ordinary text than its base model does"),
    "distinct_3": Meaning("distinct 3-grams", "share of different three-word runs: few mean that it repeats itself"),
    "distinct_3_human": Meaning("distinct 3-grams of yours", "the same of your own held-out posts"),
    "length_ratio": Meaning("length ratio", "length of its texts to that of yours"),
    "fluency_in_band": Meaning(
        "fluency in your range", "share of texts as fluent as 5 to 95 % of your own posts", percent=True
    ),
    "strange": Meaning(
        "stranger than yours", "share of texts that are less fluent than 95 % of your own posts", percent=True
    ),
    "taken_for_the_author": Meaning(
        "taken for yours",
        "share of pools of 150 words that pass for yours: near, as fluent, and no copies",
        percent=True,
    ),
    "entities_kept": Meaning(
        "names and numbers kept", "share of the instruction's names and numbers that it uses", percent=True
    ),
    "instruction_similarity": Meaning("nearness to the instruction", "similarity of its texts to what was asked"),
}


def meaning(name: str) -> Meaning:
    """Of a figure's name, such as `delta_nll` or `copy_excess/adapter`; one that is not known speaks for itself."""
    group, _, condition = name.partition("/")
    known = MEANINGS.get(group, Meaning(group.replace("_", " "), ""))
    if not condition:
        return known
    return replace(known, label=f"{known.label}, {CONDITIONS.get(condition, condition)}", says="")


def value(name: str, number: float) -> str:
    """A number of that figure as people write it: `62 %`, `0.0578`, `4`."""
    percent = meaning(name).percent
    shown = f"{100 * number:.1f}" if percent else f"{number:.4f}"
    plain = shown.rstrip("0").rstrip(".").replace("-", "−")
    return ("0" if plain == "−0" else plain) + " %" * percent


def said(name: str, figure: Figure) -> str:
    """The value with its interval and sample size, or why there is none: `0.0578 [0.0543, 0.062] nats/byte, n = 40`."""
    if figure.value is None:
        return f"cannot measure: {figure.note}"
    unit = "" if meaning(name).percent or not figure.unit else f" {figure.unit}"
    return f"{with_interval(name, figure.value, figure)}{unit}, n = {figure.n}"


def with_interval(name: str, known: float, figure: Figure) -> str:
    """The figure's value, which is known, and its interval where it has one."""
    if figure.low is None or figure.high is None:
        return value(name, known)
    return f"{value(name, known)} [{value(name, figure.low)}, {value(name, figure.high)}]"


def headline(figures: dict[str, Figure]) -> str:
    """How much the version sounds like its author, in a sentence."""
    gap = figures.get("gap_closed")
    if gap is None:
        return "How much it sounds like you was not measured for this version."
    if gap.value is None:
        return f"Cannot measure how much it sounds like you: {gap.note}"
    taken = figures.get("taken_for_the_author/adapter")
    none = " None of its texts would be taken for yours." if taken and taken.value == 0 else ""
    interval = f" [{100 * gap.low:.0f}, {100 * gap.high:.0f}]" if gap.low is not None and gap.high is not None else ""
    sounds = f"{100 * gap.value:.0f} % of the way from the base model to your own writing{interval}".replace("-", "−")
    if gap.value > 1.2:
        return f"Sounds more like you than you do: {sounds}. That is imitation overdone."
    if gap.low is not None and gap.low <= 0:
        return f"Does not provably sound more like you than the base model does: {sounds}."
    return f"Sounds like you: {sounds}.{none}"
