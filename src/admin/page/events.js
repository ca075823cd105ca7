// The list of events, the latest first. New events are added when they happen.

import { Problem, follow, get } from "./api.js";
import { byId, el, say, show } from "./dom.js";
import { bare, clock, plural, some } from "./text.js";

// Maximum number of events that are kept and shown.
const KEPT = 200;

// Age of the oldest event that is asked for.
const PAST = "7d";

// Pause before the stream is requested again, in milliseconds.
const AGAIN = 2000;

const events = [];
let last = 0;

// Returns the names of the monitors that an event is about, in brackets.
function by(monitors) {
    return monitors.length === 0 ? "" : ` (monitor${monitors.length === 1 ? "" : "s"} ${monitors.join(", ")})`;
}

// Returns what happened to a certificate of the node itself, and its rank.
function ownCertificate({ server, happening, names, expires, error }) {
    const whose = `the certificate of ${server === "admin" ? "the admin server" : "encrypted DNS"} (${names.join(", ")})`;
    const until = expires ? new Date(expires * 1000).toISOString() : "";
    switch (happening) {
        case "expires_soon": return ["warn", `${whose} expires soon: it is valid until ${until}`];
        case "expired": return ["bad", `${whose} has expired: it was valid until ${until}`];
        case "replaced": return ["good", `${whose} was replaced by one that is valid until ${until}`];
        case "not_loaded": return ["bad", `${whose} stays in use, because the new one cannot be loaded: ${error}`];
        default: return ["good", `${whose} can be loaded again`];
    }
}

// Returns what an event says, and its rank.
export function sentence(event) {
    switch (event.event) {
        case "start": return ["note", `${event.node} began to answer for ${plural(event.zones, "zone")}`];
        case "stop": return ["warn", "the node stops"];
        case "endpoint": return [event.to === "down" ? "bad" : event.to === "up" ? "good" : "warn", `${event.dependents ? plural(event.dependents, "endpoint") : event.endpoint} of ${event.pools.join(", ")} ${(event.dependents ?? 1) === 1 ? "is" : "are"} ${event.to}${by(event.monitors ?? [])}: ${event.seen}${event.fleet ? `; ${event.fleet}` : ""}`];
        case "pool": return [event.to === "down" ? "bad" : "good", `pool ${event.pool} is ${event.to}: ${event.down} of ${event.endpoints} endpoints down`];
        case "datacenter": return [event.to === "down" ? "bad" : "good", `datacenter ${event.datacenter} is ${event.to}: ${event.down} of ${event.endpoints} endpoints down`];
        case "hold": return event.held ? ["warn", `pool ${event.pool} is usable again, but failback holds it back`] : ["good", `failback no longer holds pool ${event.pool} back`];
        case "reload": return event.taken
            ? ["note", `configuration reloaded (${event.reason})${event.warnings > 0 ? `, with ${plural(event.warnings, "warning")}` : ""}`]
            : ["bad", `configuration not reloaded (${event.reason}): ${plural(event.errors, "error")}, the old one stays in use`];
        case "doubt": return event.began ? ["bad", "everything stopped answering at once: endpoints keep their last states"] : ["good", "endpoints no longer keep their last states: probes decide again"];
        case "override": return [["ended", "lifted"].includes(event.happening) ? "good" : "note", `${event.mode} ${event.target} ${event.happening}, by ${event.who}${event.reason ? `: ${event.reason}` : ""}`];
        case "rollout": return [event.happening === "rolled back" ? "warn" : "note", `roll-out of ${bare(event.name)} ${event.happening}: ${event.from} → ${event.to}, by ${event.who}${event.reason ? `: ${event.reason}` : ""}`];
        case "certificate": return ["warn", `the certificate of ${event.endpoint} for ${event.host} expires ${event.days > 0 ? `in ${plural(event.days, "day")}` : "within a day, or has expired"}`];
        case "own_certificate": return ownCertificate(event);
        case "store": return event.kept ? ["good", "state is kept again"] : ["bad", `state is not kept, so a restart would lose orders: ${event.error}`];
        case "remap": return ["note", `${plural(event.maps, "map")} rebuilt after a change of the ${event.by}, in ${event.took_ms} ms at most`];
        case "fleet": return [["connected", "heard", "left", "together", "counted", "right_clock", "shared", "zones"].includes(event.happening) ? "note" : event.happening === "name_taken" ? "bad" : "warn", event.detail];
        case "lease": return [event.happening === "refused" ? "warn" : "note", `lease of ${event.lease}${event.address ? ` (${event.address})` : ""} in pool ${event.pool} ${event.happening}${event.who ? `, by ${event.who}` : ""}${event.reason ? `: ${event.reason}` : ""}`];
        case "key": return [event.waits_for ? "warn" : "note", `key ${event.tag} (${event.algorithm}) of ${event.zone} is ${event.to}${event.waits_for ? ", and waits" : ""}`];
        case "register": return event.silent ? ["bad", event.why ? `the endpoints of pool ${event.pool} cannot be discovered, so the last ones are kept: ${event.why}` : `no lease of pool ${event.pool} is renewed any more: the last ones are kept`] : ["good", `leases of pool ${event.pool} no longer outlive their terms`];
        case "txt": return ["note", `TXT record of ${bare(event.name)} ${event.set ? "set" : "removed"}`];
        // A newer node may have events that this page does not know.
        default: return ["note", event.event];
    }
}

function keep(event) {
    last = event.id;
    events.unshift(event);
    events.length = Math.min(events.length, KEPT);
}

// Gets past events, also those of earlier runs.
async function recall() {
    const list = await get(`v1/events?since=${PAST}`);
    list.events.slice(-KEPT).forEach(keep);
    showEvents();
}

// Returns the moves of an impact as list items.
export function moves(impact, more = 0) {
    const items = impact.map((shift) => el("li", {}, el("b", {}, some(shift.clients)), ": ",
        some(shift.from), " → ", el("b", {}, some(shift.to)), el("span", { class: "note" }, ` for ${some(shift.names.map(bare), shift.more)}`)));
    return more > 0 ? [...items, el("li", {}, `${more} more names were not looked at`)] : items;
}

export function showEvents() {
    const kind = byId("events-kind").value;
    const meant = events.filter((event) => !kind || event.event === kind);
    show(byId("events-list"), meant.length === 0 ? el("li", { class: "note" }, "None yet.") : meant.map((event) => {
        const [rank, text] = sentence(event);
        return el("li", { "data-key": event.id, class: rank }, el("time", { datetime: new Date(event.time * 1000).toISOString() }, clock(event.time)),
            el("div", {}, text, event.impact?.length > 0 ? el("ul", {}, moves(event.impact, event.impact_more)) : null));
    }));
}

// Follows the events for ever. Calls `happened` after each new one. Calls `live` with true when the stream begins, and
// with false when it ends.
export async function followEvents(happened, live, needToken) {
    for (;;) {
        try {
            if (last === 0) await recall();
            await follow(last, () => live(true), (event) => {
                keep(event);
                const [rank, text] = sentence(event);
                if (rank !== "note") say(byId("announcement"), text);
                showEvents();
                happened();
            });
        } catch (problem) {
            if (problem instanceof Problem && problem.status === 401) await needToken(problem);
        }
        live(false);
        await new Promise((done) => setTimeout(done, AGAIN));
    }
}
