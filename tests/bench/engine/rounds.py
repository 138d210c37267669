#   rounds.py - interleaved rounds of subjects, and what is read from them: time at a recall, ratios, percentiles
#   SPDX-License-Identifier: Apache-2.0
#
#   In each round every subject asks all queries once at each of its settings, in turns, so that all meet the same machine. Round 0
#   warms up, finds the recalls, and is discarded. Where rounds are short there are more of them: a machine that others use too drifts.
import time

import numpy as np

from subjects import Asking

ENOUGH = 0.9965     #   no setting is tried beyond the first that reaches this recall
USEFUL = 0.80       #   nor timed below this one
MORE, MORE_S = 8, 45     #   times as many rounds at most, if they take so many seconds together


class Curve:
    """Settings of one subject with their recalls and, round by round, seconds per query."""

    def __init__(self, subject):
        self.subject, self.settings, self.recalls, self.seconds, self.compared = subject, [], [], [], []

    def front(self):
        """Settings that no other beats in both recall and median time, by recall."""
        medians = np.median(np.array(self.seconds), axis=1)
        kept, best = [], np.inf
        for place in sorted(range(len(medians)), key=lambda place: (-self.recalls[place], medians[place])):
            if medians[place] < best:
                kept.append(place)
                best = medians[place]
        return kept[::-1]

    def at(self, recall, column=None):
        """Seconds per query at a recall, by round: interpolated between neighbouring settings; null if it is never reached."""
        front = self.front()
        table = np.array(self.seconds)
        for low, high in zip(front, front[1:]):
            if self.recalls[low] <= recall <= self.recalls[high]:
                share = (recall - self.recalls[low]) / (self.recalls[high] - self.recalls[low])
                return table[low] + share * (table[high] - table[low])
        #   The cheapest setting is better than asked: its time is an upper bound
        return table[front[0]] if front and self.recalls[front[0]] >= recall else None

    def setting_at(self, recall):
        """Place of the first setting that reaches a recall; null if there is none."""
        reached = [place for place in self.front() if self.recalls[place] >= recall]
        return reached[0] if reached else None

    def recall_in(self, seconds):
        """The recall that a time per query buys, interpolated."""
        front = self.front()
        medians = np.median(np.array(self.seconds), axis=1)
        times = [medians[place] for place in front]
        return float(np.interp(seconds, times, [self.recalls[place] for place in front]))


def first_round(subject, data, asking):
    """Tries the settings in order and keeps the useful ones."""
    curve = Curve(subject)
    enough = {}
    for setting in subject.settings:
        #   Settings with a second number sweep each value of it by itself
        group = setting[1:] if isinstance(setting, tuple) else ()
        if enough.get(group):
            continue
        subject.ask(setting, asking)
        recall = data.recall(asking.rows)
        enough[group] = recall >= ENOUGH
        curve.settings.append(setting)
        curve.recalls.append(recall)
        curve.compared.append(getattr(subject, 'compared', 0))
    useful = [place for place, recall in enumerate(curve.recalls) if recall >= USEFUL]
    #   One below, to interpolate from
    if useful and not isinstance(curve.settings[0], tuple) and useful[0] > 0:
        useful.insert(0, useful[0] - 1)
    for column in ('settings', 'recalls', 'compared'):
        setattr(curve, column, [getattr(curve, column)[place] for place in useful])
    curve.seconds = [[] for _ in useful]
    return curve


def turns(count):
    """Numbers of rounds: `count`, and more as long as they are short."""
    began, turn = time.monotonic(), 0
    while turn < count or (turn < MORE * count and time.monotonic() - began < MORE_S):
        yield turn
        turn += 1


def run(subjects, data, queries, numbers, say):
    """Curves of the subjects over rounds of these numbers."""
    asking, warm = Asking(data.queries[:queries]), Asking(data.queries[queries // 2:queries // 2 + queries // 5])
    curves = []
    for subject in subjects:
        curves.append(first_round(subject, data, asking))
        recalls = curves[-1].recalls
        say('%s: %d settings, recall@10 %.4f .. %.4f' % (subject.name, len(recalls), recalls[0] if recalls else 0,
                                                        recalls[-1] if recalls else 0))
    for _ in numbers:
        for slot in range(max(len(curve.settings) for curve in curves)):
            for curve in curves:
                if slot < len(curve.settings):
                    #   Others were here in between: the index comes back to the caches first
                    curve.subject.ask(curve.settings[slot], warm)
                    seconds = curve.subject.ask(curve.settings[slot], asking)
                    curve.seconds[slot].append(seconds / asking.count)
    return curves


def ratio(slow, fast):
    """How many times faster: ratio of medians, and the least and greatest ratio of a round. Null if either is missing."""
    if slow is None or fast is None:
        return None
    by_round = np.array(slow) / np.array(fast)
    return float(np.median(slow) / np.median(fast)), float(by_round.min()), float(by_round.max())


def latencies(subject, setting, data, queries):
    """Microseconds at p50, p95 and p99 of one query per call; null where the subject is not asked query by query."""
    asking = Asking(data.queries[:queries], latency=True)
    samples = []
    for _ in range(3):
        subject.ask(setting, asking)
        samples.append(asking.ns.copy())
    times = np.array(samples[1:]).min(0) / 1000
    return [float(np.percentile(times, share)) for share in (50, 95, 99)] if times.any() else None
