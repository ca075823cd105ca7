// The probes of one endpoint in the last hour as a small drawing. It has a bar for each span of time. The height of a
// bar is the duration of the probes, and its colour is their outcome.

import { svg } from "./dom.js";
import { clock, milliseconds, plural } from "./text.js";

const WIDTH = 180;
const HEIGHT = 22;

// Number of bars. Each is one slot of the last quarter of an hour, or four slots of the hour.
const BARS = 60;

// The height of a bar whose probes all failed, and the minimum height of other bars, as parts of the whole height.
const FAILED = 1;
const LEAST = 0.12;

// Returns how much time the drawing shows, in words, for a node that runs for this many seconds.
export function timeShown(uptime) {
    return isYoung(uptime) ? "The last 15 minutes" : "The last hour";
}

const isYoung = (uptime) => uptime < 900;

// Returns the drawing for a probe's history; `history` has the times.
export function strip(probe, history, uptime) {
    const width = isYoung(uptime) ? 1 : 4;
    const bars = [];
    for (let first = probe.ms.length - BARS * width; first < probe.ms.length; first += width) {
        let [good, bad, total] = [0, 0, 0];
        for (let slot = first; slot < first + width; slot++) {
            good += probe.successes[slot];
            bad += probe.failures[slot];
            total += (probe.ms[slot] ?? 0) * probe.successes[slot];
        }
        bars.push({ at: history.from + first * history.slot, good, bad, ms: good > 0 ? total / good : null });
    }
    const highest = Math.max(...bars.map((bar) => bar.ms ?? 0), 0.001);
    const step = WIDTH / bars.length;
    const drawn = bars.map((bar, number) => {
        if (bar.good + bar.bad === 0) return null;
        const share = bar.ms === null ? FAILED : Math.max(LEAST, bar.ms / highest);
        const kind = bar.good === 0 ? "bad" : bar.bad > 0 ? "mixed" : "good";
        const height = share * HEIGHT;
        return svg("rect", {
            class: kind, x: (number * step).toFixed(2), width: (step - 0.6).toFixed(2), y: (HEIGHT - height).toFixed(2),
            height: height.toFixed(2),
        });
    });
    const probed = bars.filter((bar) => bar.good + bar.bad > 0);
    return svg("svg", { class: "strip", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${timeShown(uptime)}: ${words(probed, highest)}` },
        svg("rect", { class: "ground", width: WIDTH, height: HEIGHT }), drawn);
}

function words(bars, highest) {
    if (bars.length === 0) return "not probed";
    const failed = bars.reduce((sum, bar) => sum + bar.bad, 0);
    const all = bars.reduce((sum, bar) => sum + bar.good + bar.bad, 0);
    const lastFailure = bars.findLast((bar) => bar.bad > 0);
    const times = highest > 0.001 ? `, in ${milliseconds(highest)} at most on average` : "";
    const when = lastFailure ? `, the last after ${clock(lastFailure.at)} UTC` : "";
    return `${plural(all, "probe")}, ${failed} failed${when}${times}`;
}
