// The roll-outs of names: their state, and orders for them.

import { get, order } from "./api.js";
import { byId, el, onAction, show, svg } from "./dom.js";
import { confirm } from "./orders.js";
import { bare, milliseconds, percent, span } from "./text.js";

const WIDTH = 200;

// The pools of each blue-green name that the node has returned so far.
const pools = new Map();

export function beginRollouts() {
    onAction(byId("rollouts"), "roll", ({ dataset: { name, act } }) => ask(name, { action: act }, `${act} the canary of ${bare(name)}`));
    onAction(byId("rollouts"), "switch", ({ dataset: { name } }) => {
        const pool = byId("rollouts").querySelector(`select[data-name="${CSS.escape(name)}"]`).value;
        ask(name, { active: pool }, `switch ${bare(name)} to ${pool}`);
    });
}

function ask(name, body, what) {
    const path = `v1/rollouts/${encodeURIComponent(name)}`;
    const said = (text) => Object.fromEntries(Object.entries(text).filter(([, value]) => value));
    confirm({
        title: "Change a roll-out", what: `${what.charAt(0).toUpperCase()}${what.slice(1)}.`, hasReason: true,
        give: (text) => order("POST", path, { ...body, ...said(text) }),
        dryRun: () => order("POST", path, { ...body, dry_run: true }),
    });
}

// Asks for the pools that names can be switched to, once for each name.
export async function fetchPools(rollouts) {
    const unknown = rollouts.filter(({ kind, name }) => kind === "switch" && !pools.has(name));
    await Promise.all(unknown.map(async ({ name }) => {
        const told = await get(`v1/status?name=${encodeURIComponent(name)}`).catch(() => null);
        // A reload may have removed the name. It is asked for again later.
        if (!told) return;
        const all = told.names[0]?.pools ?? [];
        // `web` means all of `web/fra` and `web/iad`.
        pools.set(name, [...new Set([...all.map((pool) => pool.split("/")[0]), ...all])]);
    }));
}

export function showRollouts(rollouts, now) {
    show(byId("rollouts"), rollouts.map((one) => el("article", { "data-key": one.name, "aria-label": `Roll-out of ${bare(one.name)}` },
        el("h3", {}, bare(one.name), el("small", {}, one.kind === "canary" ? ` canary ${one.pool}` : " blue and green")),
        one.kind === "canary" ? canary(one, now) : blueGreen(one, now))));
}

function canary({ name, pool, share, steps, step, phase, since, next_at: next, why, signals }, now) {
    const state = `${percent(share)} of the clients, ${phase} for ${span(now - since)}${next ? `; the next step in ${span(next - now)}` : ""}${why ? `: ${why}` : ""}`;
    const seen = [
        signals.healthy !== null ? `${percent(signals.healthy)} of its endpoints are open` : null,
        signals.requests > 0 ? `${signals.errors} of ${signals.requests} requests failed` : null,
        signals.latency_ms !== null ? `probes take ${milliseconds(signals.latency_ms)}${signals.old_latency_ms !== null ? `, ${milliseconds(signals.old_latency_ms)} at the other pools` : ""}` : null,
    ].filter(Boolean);
    const acts = phase === "running" ? ["pause", "advance", "back"] : phase === "paused" ? ["resume", "back"] : phase === "complete" ? ["back"] : ["resume"];
    return [
        progress(share, steps, step),
        el("p", {}, state), seen.length > 0 ? el("p", { class: "note" }, seen.join("; ")) : null,
        el("p", { class: "row" }, acts.map((act) => el("button", { type: "button", class: "quiet", "data-action": "roll", "data-name": name, "data-act": act, "aria-label": `${act} the canary ${pool} of ${bare(name)}` }, `${act}…`))),
    ];
}

function progress(share, steps, step) {
    return svg("svg", { class: "progress", viewBox: `0 0 ${WIDTH} 14`, role: "img", "aria-label": `${percent(share)}${step ? `, step ${step} of ${steps.length}` : ""}` },
        svg("rect", { class: "ground", y: 4, width: WIDTH, height: 6, rx: 3 }),
        svg("rect", { class: "done", y: 4, width: (share * WIDTH).toFixed(1), height: 6, rx: 3 }),
        steps.map((one) => svg("circle", { class: one <= share ? "done" : "ground", cx: (one * (WIDTH - 8) + 4).toFixed(1), cy: 7, r: 3.5 })));
}

function blueGreen({ name, active, file, before, since }, now) {
    const all = [...new Set([...(pools.get(name) ?? []), active, file, before].filter(Boolean))];
    return [
        el("p", {}, "answers with ", el("b", {}, active), since ? `, for ${span(now - since)}${before ? `; before with ${before}` : ""}` : ", as the file says"),
        el("p", { class: "row" }, el("label", {}, "Switch to ", el("select", { "data-name": name }, all.filter((pool) => pool !== active).map((pool) => el("option", { value: pool }, pool)))),
            el("button", { type: "button", class: "quiet", "data-action": "switch", "data-name": name, "aria-label": `Switch ${bare(name)}` }, "Switch…")),
    ];
}
