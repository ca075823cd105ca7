// The present problems as sentences, the worst first. An engineer who was woken by an alert should have to read only
// this.

import { byId, el, say, show } from "./dom.js";
import { bare, clock, plural, some, span, sum } from "./text.js";

// Maximum numbers of names and of groups of clients in a sentence.
const FEW = 4;

const RANKS = ["bad", "warn", "note"];

export function showVerdict({ overview, overrides, rollouts }) {
    const lines = overview ? [...findings(overview), ...orders(overrides, overview.time), ...canaries(rollouts)] : [];
    lines.sort((one, other) => RANKS.indexOf(one.rank) - RANKS.indexOf(other.rank));
    const worst = lines[0]?.rank ?? "good";
    byId("verdict").dataset.rank = worst;
    say(byId("verdict-head"), headline(overview, lines, worst));
    show(byId("verdict-list"), lines.map(({ rank, text, more }) =>
        el("li", { class: rank }, el("strong", {}, text), more ? ` ${more}` : null)));
    document.title = `${worst === "good" ? "" : worst === "note" ? "· " : "▼ "}${overview.node} · truenorth`;
}

function headline(overview, lines, worst) {
    const all = sum(overview.endpoints);
    const { up, down, forced_down: forced } = overview.endpoints;
    if (worst === "bad" || worst === "warn") {
        const missing = down + forced;
        return missing > 0 ? `${plural(missing, "endpoint")} of ${all} down` : "Something needs you";
    }
    const state = up === all ? `All ${plural(all, "endpoint")} up` : `${up} of ${plural(all, "endpoint")} up`;
    return lines.length > 0 ? state : `${state}, and every client gets its usual datacenter`;
}

function findings(overview) {
    const lines = [];
    if (overview.held_until) {
        lines.push({ rank: "bad", text: "Everything stopped answering at once: this node may be the sick one.",
            more: `It keeps the last states until ${clock(overview.held_until)} UTC at the latest.` });
    }
    if (overview.files_have_errors) {
        lines.push({ rank: "warn", text: "The files on disk have errors: an older configuration is served.", more: "Run truenorth check." });
    }
    for (const pool of overview.silent ?? []) {
        lines.push({ rank: "bad", text: `No lease of pool ${pool} is renewed any more.`,
            more: "The last ones are kept, and their probes decide. Look at the way from the endpoints to this node." });
    }
    lines.push(...fleet(overview));
    lines.push(...byPlace(overview));
    lines.push(...moves(overview.names));
    if (overview.endpoints.unconfirmed > 0) {
        lines.push({ rank: "note", text: `${plural(overview.endpoints.unconfirmed, "endpoint")} gave an outcome that is not confirmed yet.` });
    }
    return lines;
}

// What is wrong with the fleet: the connection, and nodes whose probes do not count.
function fleet({ fleet, time }) {
    if (!fleet) {
        return [];
    }
    const lines = fleet.vantage_points.filter(({ weight }) => weight !== "counts").map(({ node, weight }) => ({
        rank: "warn", text: `The probes of node ${node} do not count.`,
        more: weight === "doubts" ? "It does not trust them itself." : "It alone sees everything down.",
    }));
    if (!fleet.connected) {
        const since = fleet.since > 0 ? `For ${span(time - fleet.since)}: ` : "";
        lines.push({ rank: "warn", text: "This node is not connected to its fleet.", more: `${since}${fleet.link}.` });
    }
    if (fleet.connected && fleet.orders && !fleet.orders.shared) {
        lines.push({ rank: "warn", text: "Orders are not shared with the fleet.", more: `${fleet.orders.why}.` });
    }
    for (const { zones } of fleet.vantage_points) {
        if (zones?.refuses) {
            const { version, why } = zones.refuses;
            lines.push({ rank: "warn", text: `${zones.node} does not serve version ${version} of the zones.`, more: `${why}.` });
        }
    }
    if (fleet.overruled > 0) {
        lines.push({ rank: "note", text: `The fleet overrules ${plural(fleet.overruled, "probe")} of this node.` });
    }
    return lines;
}

// Returns the endpoints that are down, by datacenter: a datacenter that is down as a whole is one line.
function byPlace({ troubles, datacenters, time }) {
    const places = new Map();
    for (const trouble of troubles.filter(({ state }) => state === "down")) {
        const place = trouble.datacenter ?? `pool ${trouble.pool}`;
        places.set(place, [...(places.get(place) ?? []), trouble]);
    }
    return [...places].map(([place, list]) => {
        const datacenter = datacenters.find(({ name }) => name === place);
        const down = datacenter?.endpoints.down ?? list.length;
        const all = datacenter ? sum(datacenter.endpoints) : list.length;
        const first = list[0];
        const since = Math.min(...list.map((trouble) => trouble.since ?? time));
        const which = down === all && datacenter ? `${place} is down: all ${plural(all, "endpoint")}` :
            down === 1 ? `${first.endpoint} in ${place} is down` : `${down} of ${plural(all, "endpoint")} in ${place} are down`;
        const told = first.seen ? `: ${first.seen}` : "";
        return { rank: "bad", text: `${which}.`, more: `For ${span(time - since)}${told}.` };
    });
}

// Returns the clients that are not sent to their usual place: a line for each place that loses clients, for all names
// together.
function moves(groups) {
    const lines = new Map();
    for (const { names, more, decisions } of groups) {
        for (const decision of decisions) {
            const told = tell(decision);
            if (!told) continue;
            const line = lines.get(told.key) ?? { ...told, gained: new Set(), clients: new Set(), names: new Set(), more: new Map() };
            told.gains.forEach((place) => line.gained.add(place));
            line.clients.add(decision.part.length > 0 ? `a part of ${decision.clients}` : decision.clients);
            names.forEach((name) => line.names.add(bare(name)));
            line.more.set(names[0], more);
            lines.set(told.key, line);
        }
    }
    return [...lines.values()].map(({ rank, words, gained, clients, names, more }) => {
        const further = [...more.values()].reduce((sum, number) => sum + number, 0);
        const whose = clients.has("everybody") ? "everybody" : few([...clients].sort((one, other) => one.length - other.length));
        return { rank, text: words(some([...gained])), more: `For ${whose}, at ${few([...names], further)}.` };
    });
}

// Returns what is unusual about a decision; null if nothing is.
function tell({ to, usually, stranded }) {
    if (to.length === 0 || to.every(({ place }) => place === "nowhere")) {
        return { rank: "bad", key: "nowhere", gains: [], words: () => "Clients get no endpoint." };
    }
    if (stranded > 0) {
        return { rank: "bad", key: "stranded", gains: [], words: () => "Clients get endpoints that are down, because no others are left." };
    }
    if (!usually) return null;
    const share = (list, place) => list.find((one) => one.place === place)?.share ?? 0;
    const losses = usually.filter(({ place, share: before }) => share(to, place) < before).map(({ place }) => place);
    const gains = to.filter(({ place, share: now }) => share(usually, place) < now).map(({ place }) => place);
    return { rank: "warn", key: losses.join(" "), gains, words: (places) => `Clients of ${some(losses)} go to ${places} instead.` };
}

// Returns the first items of a list, and the number of the others.
function few(list, further = 0) {
    return some(list.slice(0, FEW), further + Math.max(0, list.length - FEW));
}

function orders(overrides, now) {
    return (overrides ?? []).filter((order) => order.in_force).map(({ mode, target, until, who, reason }) => ({
        rank: "note",
        text: `${mode} ${target} is in force${until ? `, ${span(until - now)} left` : ", until it is lifted"}.`,
        more: `By ${who}${reason ? `: ${reason}` : ""}.`,
    }));
}

function canaries(rollouts) {
    return (rollouts ?? []).filter(({ kind, phase }) => kind === "canary" && phase === "back").map(({ name, pool, why }) => ({
        rank: "warn", text: `The canary ${pool} of ${bare(name)} was taken back.`, more: why ? `${why}.` : null,
    }));
}
