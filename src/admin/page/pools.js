// Pools, and the endpoints of those that are open, with their history.

import { get } from "./api.js";
import { bar, words } from "./datacenters.js";
import { byId, el, onAction, show } from "./dom.js";
import { strip, timeShown } from "./history.js";
import { placeClass } from "./places.js";
import { count, percent, plural, sign, span, stateClass, sum } from "./text.js";

// Pools that are shown at first, and each time that more are asked for.
const PAGE = 60;

// Up to this number of endpoints, all pools are open at first. With more endpoints, only a few pools with a problem
// are.
const FEW_ENDPOINTS = 40;
const OPEN_AT_FIRST = 4;

// Maximum number of open pools whose endpoints are asked for, and maximum number of endpoints that are shown of each.
const OPEN = 12;
const ENDPOINTS = 100;

// Pools of several zones may have the same name.
const keyOf = ({ zone, pool }) => `${zone ?? ""} ${pool}`;

// The open pools, by key: the one that was opened first comes first.
const open = new Map();
let isFresh = true;
let shown = PAGE;
let overview;
let details = new Map();
let histories = new Map();

export function beginPools() {
    const table = byId("pools-table");
    onAction(table, "open-pool", ({ dataset: { key } }) => {
        const pool = overview.pools.find((one) => keyOf(one) === key);
        if (!open.delete(key) && pool) {
            open.set(key, pool);
            // The pool that has been open for the longest time is closed.
            if (open.size > OPEN) open.delete(open.keys().next().value);
        }
        draw();
        fetchOpen(true).catch(() => {});
    });
    byId("pools-filter").addEventListener("input", () => {
        shown = PAGE;
        draw();
    });
    byId("pools-more").addEventListener("click", () => {
        shown += PAGE;
        draw();
    });
}

export function showPools(latest) {
    overview = latest;
    if (isFresh) {
        isFresh = false;
        const isSmall = sum(overview.endpoints) <= FEW_ENDPOINTS;
        const first = isSmall ? overview.pools.slice(0, OPEN) : overview.pools.filter((pool) => rank(pool) < 3).slice(0, OPEN_AT_FIRST);
        first.forEach((pool) => open.set(keyOf(pool), pool));
    }
    draw();
}

// Asks for the endpoints of open pools. Asks for their history less often, because it changes slowly.
export async function fetchOpen(withHistory) {
    const asked = [...open].map(async ([key, { pool }]) => {
        const of = `pool=${encodeURIComponent(pool)}`;
        const status = await get(`v1/status?${of}&limit=0`);
        details.set(key, status.pools.find((one) => keyOf(one) === key)?.endpoints ?? []);
        if (withHistory || !histories.has(key)) histories.set(key, await get(`v1/history?${of}`));
    });
    await Promise.allSettled(asked);
    draw();
}

// Returns the rank of a pool in the list. Pools that cannot answer come first, then those with an endpoint that is
// down, then those with any other problem, then the others.
function rank({ usable, endpoints }) {
    if (!usable) return 0;
    if (endpoints.down + endpoints.forced_down > 0) return 1;
    return endpoints.up < sum(endpoints) ? 2 : 3;
}

function isMeant(pool, wanted) {
    const { endpoints } = pool;
    const states = [["down", endpoints.down], ["forced down", endpoints.forced_down], ["pending", endpoints.pending], ["draining", endpoints.draining], ["degraded", endpoints.degraded], ["held back", endpoints.held_back], ["up", endpoints.up]];
    const text = [pool.pool, pool.datacenter, pool.zone, ...states.filter(([, number]) => number > 0).map(([state]) => state)].join(" ").toLowerCase();
    return wanted.every((word) => text.includes(word));
}

function draw() {
    if (!overview) return;
    const filter = byId("pools-filter").value.toLowerCase().split(/\s+/).filter(Boolean);
    const meant = overview.pools.filter((pool) => isMeant(pool, filter)).sort((one, other) => rank(one) - rank(other));
    const rows = meant.slice(0, shown);
    const all = meant.reduce((total, pool) => total + sum(pool.endpoints), 0);
    byId("pools-note").textContent = `${plural(meant.length, "pool")} with ${plural(all, "endpoint")}${overview.more_pools > 0 ? `; ${overview.more_pools} more pools are not listed` : ""}`;
    byId("pools-more").hidden = meant.length <= shown;
    const total = overview.pools.reduce((answers, pool) => answers + pool.answers, 0);
    const heads = ["Pool, endpoint", "State", "Last probe", timeShown(overview.uptime), "Answers", "Orders"];
    show(byId("pools-table"),
        el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
        rows.map((pool) => el("tbody", { "data-key": keyOf(pool) }, poolRow(pool, total), open.has(keyOf(pool)) ? endpointRows(pool) : null)));
}

function poolRow(pool, total) {
    const { endpoints } = pool;
    const isOpen = open.has(keyOf(pool));
    return el("tr", { class: "pool" },
        el("th", { scope: "row" },
            el("button", { type: "button", class: "link", "data-action": "open-pool", "data-key": keyOf(pool), "aria-expanded": String(isOpen) }, el("span", { "aria-hidden": "true", class: "turn" }, isOpen ? "▾" : "▸"), pool.pool),
            pool.datacenter ? el("span", { class: `chip ${placeClass(pool.datacenter)}` }, el("i", { "aria-hidden": "true" }), pool.datacenter) : null),
        el("td", {}, bar(endpoints), el("span", { class: "number" }, `${endpoints.up + endpoints.degraded} of ${sum(endpoints)}`), words(endpoints), pool.usable ? null : el("span", { class: "state state-down" }, "not usable")),
        el("td", {}, pool.load ? load(pool.load) : null),
        el("td", {}),
        el("td", { class: "number" }, count(pool.answers), el("small", {}, total > 0 ? ` ${percent(pool.answers / total)}` : null)),
        el("td", {}, orderButton(`pool:${pool.pool}`, `Drain ${pool.pool}`)));
}

function load({ used, capacity, keep }) {
    const told = used === null ? "load unknown" : capacity ? `${percent(used / capacity)} of its capacity used` : `${count(used)} used`;
    return keep < 1 ? `${told}, keeps ${percent(keep)} of its clients` : told;
}

function endpointRows(pool) {
    const endpoints = details.get(keyOf(pool));
    if (!endpoints) return el("tr", { class: "endpoint" }, el("td", { colspan: 6, class: "note" }, "Asking…"));
    const history = histories.get(keyOf(pool));
    // Endpoints that are not up come first.
    const sorted = [...endpoints].sort((one, other) => (one.state === "up") - (other.state === "up"));
    const rows = sorted.slice(0, ENDPOINTS).map((endpoint) => endpointRow(pool, endpoint, history));
    const hidden = endpoints.length - rows.length;
    return hidden > 0 ? [rows, el("tr", { class: "endpoint" }, el("td", { colspan: 6, class: "note" }, `and ${hidden} more, see truenorth status`))] : rows;
}

function endpointRow(pool, endpoint, history) {
    const probe = endpoint.probes.find(({ state, inverted }) => inverted ? state !== "down" && state !== "unknown" : state === "down") ?? endpoint.probes[0];
    const past = history?.endpoints.find((one) => one.endpoint === endpoint.endpoint && one.zone === pool.zone);
    const drawn = past?.probes.find(({ monitor, target }) => monitor === probe?.monitor && target === probe?.target);
    // Several probes of an endpoint may have the same protocol, and not every probe is of the endpoint itself.
    const isPlain = endpoint.probes.length < 2 && !probe?.dependency && !probe?.inverted;
    const asked = isPlain ? probe?.check : `${probe.monitor} (${probe.check}${probe.dependency ? ` ${probe.target}` : ""}${probe.inverted ? ", inverted" : ""})`;
    const differs = endpoint.really !== endpoint.state && !["up", "down"].includes(endpoint.state);
    return el("tr", { class: "endpoint", "data-key": endpoint.endpoint },
        el("th", { scope: "row" }, endpoint.endpoint, endpoint.lease ? el("small", {}, ` ${endpoint.lease.id}${endpoint.lease.kept ? ", kept" : ""}`) : null, endpoint.weight !== 1 ? el("small", {}, ` weight ${endpoint.weight}`) : null),
        el("td", {},
            el("span", { class: `state ${stateClass(endpoint.state)}` }, el("i", { "aria-hidden": "true" }, sign(endpoint.state)), endpoint.state),
            differs ? el("small", {}, ` probes: ${endpoint.really}`) : null,
            endpoint.since ? el("small", {}, ` for ${span(overview.time - endpoint.since)}`) : null,
            endpoint.restless ? el("small", { class: "warn" }, " unconfirmed") : null,
            endpoint.ramp < 1 ? el("small", {}, ` ramp ${percent(endpoint.ramp)}`) : null),
        el("td", { class: "seen" }, probe ? `${asked}: ${probe.seen ?? "not probed yet"}` : "no monitor",
            endpoint.why && endpoint.state !== "down" ? el("small", { class: "why" }, endpoint.why) : null),
        el("td", { class: "past" }, drawn ? el("div", {}, strip(drawn, history, overview.uptime), turns(drawn)) : null),
        el("td", { class: "number" }, count(endpoint.first_answers)),
        el("td", {}, orderButton(`endpoint:${endpoint.endpoint}`, `Drain ${endpoint.endpoint} of ${pool.pool}`)));
}

function turns({ turns: all }) {
    if (all.length < 2) return null;
    const latest = [...all].reverse().slice(0, 8);
    return el("details", { class: "turns" }, el("summary", {}, plural(all.length - 1, "change")),
        el("ol", {}, latest.map(({ at, to, seen }) => el("li", {}, `${span(overview.time - at)} ago ${to}${seen ? `: ${seen}` : ""}`))));
}

function orderButton(target, label) {
    return el("button", { type: "button", class: "quiet", "data-action": "order", "data-target": target, "aria-label": label }, "Drain…");
}
