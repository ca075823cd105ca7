// The table of datacenters, and the row of numbers above.

import { byId, el, show, svg } from "./dom.js";
import { placeClass } from "./places.js";
import { STATES, count, percent, plural, rate, sign, span, stateClass, sum } from "./text.js";

const BAR = 90;

// Returns a bar with a part for each state.
export function bar(counts) {
    const all = sum(counts);
    let x = 0;
    const parts = STATES.filter(([field]) => counts[field] > 0).map(([field, state]) => {
        const width = (counts[field] / all) * BAR;
        const part = svg("rect", { class: stateClass(state), x: x.toFixed(2), width: Math.max(width - 0.8, 0.4).toFixed(2), height: 8 });
        x += width;
        return part;
    });
    return svg("svg", { class: "bar", viewBox: `0 0 ${BAR} 8`, "aria-hidden": "true" }, parts);
}

// Returns the states except `up`, in words.
export function words(counts) {
    const others = STATES.slice(1).filter(([field]) => counts[field] > 0);
    return others.map(([field, state]) => el("span", { class: `state ${stateClass(state)}` },
        el("i", { "aria-hidden": "true" }, sign(state)), `${counts[field]} ${state}`));
}

// `rates` has the answers per second of each datacenter. It is null until the counters were read twice.
export function showDatacenters(datacenters, rates) {
    const total = datacenters.reduce((all, datacenter) => all + (rates?.get(datacenter.name) ?? datacenter.answers), 0);
    const hasLoad = datacenters.some(({ load }) => load);
    const heads = ["Datacenter", "Endpoints", hasLoad ? "Load" : null, rates ? "Answers/s" : "Answers", "Share", "Orders"].filter(Boolean);
    show(byId("datacenters-table"),
        el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", {}, datacenters.map((datacenter) => {
            const { name, endpoints, load, answers } = datacenter;
            const now = rates ? (rates.get(name) ?? 0) : answers;
            return el("tr", { "data-key": name },
                el("th", { scope: "row" }, el("span", { class: `chip ${placeClass(name)}` }, el("i", { "aria-hidden": "true" }), name)),
                el("td", {}, bar(endpoints), el("span", { class: "number" }, `${endpoints.up + endpoints.degraded} of ${sum(endpoints)}`), words(endpoints)),
                hasLoad ? el("td", { class: "number" }, load ? (load.capacity ? percent(load.used / load.capacity) : count(load.used)) : "–") : null,
                el("td", { class: "number" }, rates ? rate(now) : count(now)),
                el("td", { class: "number" }, total > 0 ? percent(now / total) : "–"),
                el("td", {}, el("button", { type: "button", class: "quiet", "data-action": "order", "data-target": `dc:${name}`, "aria-label": `Drain ${name}` }, "Drain…")));
        })));
}

export function showTiles(overview, queries) {
    const { endpoints, traffic } = overview;
    const all = sum(endpoints);
    const lost = traffic.dropped_queries + traffic.limited_responses;
    const tiles = [
        ["Queries/s", queries === null ? "–" : rate(queries), `${count(overview.responses)} since the start`],
        ["Endpoints up", `${endpoints.up}/${all}`, endpoints.unconfirmed > 0 ? `${endpoints.unconfirmed} unconfirmed` : "all confirmed"],
        ["Pools usable", `${overview.pools.filter((pool) => pool.usable).length}/${overview.pools.length}`, plural(overview.datacenters.length, "datacenter")],
        ["Names steered", count(overview.names.reduce((total, { names, more }) => total + names.length + more, overview.more_names)), plural(overview.zones, "zone")],
        ["Connections", count(traffic.connections), `of ${count(traffic.most_connections)}`],
        ["Lost", count(lost), "dropped or rate limited"],
        ["Running", span(overview.uptime), `generation ${overview.generation}`],
    ];
    show(byId("tiles"), tiles.map(([name, value, more]) => el("div", {}, el("dt", {}, name), el("dd", {}, value), el("dd", { class: "note" }, more))));
}
