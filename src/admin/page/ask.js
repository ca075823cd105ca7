// "Ask why": shows the whole explanation of the answer to a client for a name.

import { get } from "./api.js";
import { byId, el, show } from "./dom.js";
import { placeClass } from "./places.js";
import { bare, milliseconds, percent } from "./text.js";

// Maximum number of outcomes of draws that are shown; the JSON has all.
const OUTCOMES = 12;

// Maximum number of endpoints of a pool that are listed because they get no clients.
const ABSENT = 8;

let datacenterOf = () => null;

// `find` returns the datacenter of a pool.
export function beginAsk(find) {
    datacenterOf = find;
    byId("ask-form").addEventListener("submit", (event) => {
        event.preventDefault();
        ask();
    });
}

// Puts a name into the form. Asks at once if the form has a client already.
export function askAbout(name) {
    const { elements } = byId("ask-form");
    elements.namedItem("name").value = name.replace(/^\*/, "any");
    elements.namedItem("client").focus();
    byId("ask").scrollIntoView({ block: "start" });
    if (elements.namedItem("client").value) ask();
}

async function ask() {
    const values = new FormData(byId("ask-form"));
    const parameters = new URLSearchParams();
    for (const key of ["name", "type", "client"]) parameters.set(key, values.get(key).trim());
    for (const down of values.get("down").split(/[\s,]+/).filter(Boolean)) parameters.append("down", down);
    const place = byId("ask-result");
    place.setAttribute("aria-busy", "true");
    try {
        show(place, explanation(await get(`v1/explain?${parameters}`)));
    } catch (problem) {
        show(place, el("p", { class: "problem" }, problem.message));
    }
    place.removeAttribute("aria-busy");
}

function explanation(told) {
    const { answer, client, down, hops, name, type } = told;
    const ttl = answer.ttl === null ? "" : `, TTL ${answer.ttl} s`;
    const scope = answer.scope === null ? "" : `, scope /${answer.scope}`;
    return [
        el("p", { class: "answer" }, el("strong", {}, answer.records.length > 0 ? `${type}:` : answer.rcode === "NOERROR" ? "No data" : answer.rcode),
            answer.records.map((record) => el("code", {}, ` ${record.split(/\s+/).slice(4).join(" ") || record}`)), el("span", { class: "note" }, `${ttl}${scope}`.replace(/^, /, " "))),
        down.length > 0 ? el("p", { class: "state state-draining" }, `as if ${down.join(", ")} were down`) : null,
        el("dl", { class: "facts" },
            fact("Asked", `${bare(name)} ${type} for ${client.network}`),
            fact("Client", `looked up as ${client.looked_up_as}, ${client.location}`),
            hops.length === 0 ? fact("Zone", "none here answers for the name") : hops.map(hop)),
        el("details", {}, el("summary", {}, "All of it, as JSON"), el("pre", { tabindex: "0" }, JSON.stringify(told, null, 2))),
    ];
}

function fact(name, ...value) {
    return [el("dt", {}, name), el("dd", {}, value)];
}

function hop(one, number) {
    const { region, region_match: match, zone, found, wildcard, target, steering } = one;
    return [
        number > 0 ? fact("Then", bare(one.name)) : null,
        fact("Zone", bare(zone), wildcard ? `, by ${bare(wildcard)}` : null),
        fact("Region", region ? `${region}${match ? `, by ${match}` : ", for clients that no region names"}` : "none"),
        steering ? null : fact("Found", typeof found === "string" ? found.replaceAll("-", " ") : Object.entries(found).flat().join(" "), target ? ` to ${bare(target)}` : null),
        steering ? steered(steering) : null,
    ];
}

function steered(steering) {
    const { steps, pools, rung, chosen, outcomes, exact, hashed, sticky, rollout } = steering;
    return [
        steps.map((step) => fact(`Step ${step.step}`, tiers(step.tiers), step.latency ? el("ul", { class: "note" }, step.latency.map(roundTrip)) : null)),
        fact("Pools", el("ul", {}, pools.map((pool) => el("li", {}, named(pool.pool), ` ${counts(pool)}`, absent(pool))))),
        rollout ? fact("Roll-out", `${percent(rollout.share)} of the clients to ${rollout.part.join(", ")}`) : null,
        sticky ? fact("Hash", `of ${sticky} and the name`) : null,
        fact("Chosen", chosen.length > 0 ? chosen.map(named) : "none", ` as ${rung}`,
            outcomes.length > 0 ? [` by a ${hashed ? "hash" : "draw"}${exact ? "" : ", about"}:`, el("ul", {}, outcomes.slice(0, OUTCOMES).map((one) =>
                el("li", {}, `${percent(one.probability)} `, one.chosen.length > 0 ? one.chosen.map(named) : "none")))] : null),
        fact("TTL", steering.why_ttl),
        fact("Scope", steering.why_scope),
    ];
}

// Returns the tiers, the best first: "fra > iad = sin".
function tiers(list) {
    if (list.length === 0) return "none";
    return list.map((tier, number) => [number > 0 ? el("span", { class: "then" }, " then ") : null, tier.map((pool, place) => [place > 0 ? " = " : null, named(pool)])]);
}

function named(pool) {
    return el("span", { class: `chip ${placeClass(datacenterOf(pool) ?? pool)}` }, el("i", { "aria-hidden": "true" }), pool);
}

// Returns the endpoints of a pool that get no clients, or fewer than their share, each with the reason.
function absent({ absent: endpoints }) {
    if (!endpoints) return null;
    const rest = endpoints.length - ABSENT;
    return el("ul", { class: "note" }, endpoints.slice(0, ABSENT).map(({ endpoint, why }) => el("li", {}, `${endpoint}: ${why}`)),
        rest > 0 ? el("li", {}, `and ${rest} more`) : null);
}

function counts({ open_v4: openV4, given_v4: givenV4, open_v6: openV6, given_v6: givenV6, held_back: held, order, weight, ramp }) {
    const families = [["A", openV4, givenV4], ["AAAA", openV6, givenV6]].filter(([, , given]) => given > 0);
    const told = families.map(([family, open, given]) => `${open} of ${given} ${family} open`);
    if (weight !== null) told.push(`weight ${weight}`);
    if (held) told.push("held back by failback");
    if (order) told.push(order);
    if (ramp !== null) told.push(`ramps: ${percent(ramp)}`);
    return told.join(", ");
}

function roundTrip({ datacenter, rtt_ms: rtt, source, clients, samples }) {
    return el("li", {}, `${datacenter} ${rtt === null ? "unknown" : milliseconds(rtt)}, ${source}${clients ? ` for ${clients}, ${samples} samples` : ""}`);
}
