// The map. Each country has the colour of the datacenter that its clients are sent to. Clients are circles with a line
// to the datacenter that they were sent to, and datacenters show their health. The tables beside the map have the same
// facts.

import { byId, el, show, svg } from "./dom.js";
import { placeClass } from "./places.js";
import { HEIGHT, WIDTH, project } from "./projection.js";
import { count, percent, sum } from "./text.js";
import { COUNTRIES, GRID } from "./world.js";

// Maximum number of lines from clients to datacenters. Lines with more clients come first.
const LINES = 60;

// The radius of the largest and of the smallest circle of clients.
const LARGEST = 13;
const SMALLEST = 2.2;

// The radius of a datacenter's ring.
const RING = 9;

const land = new Map();
let lines;
let circles;
let marks;

// Draws the countries once.
export function beginMap() {
    for (const [code, path] of Object.entries(COUNTRIES)) {
        land.set(code, svg("path", { d: path, class: "land" }, svg("title", {}, code)));
    }
    [lines, circles, marks] = ["lines", "clients", "marks"].map((name) => svg("g", { class: name }));
    byId("map").append(svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "The world: each country in the colour of its datacenter. The tables have the same." },
        svg("g", { transform: `scale(${1 / GRID})` }, [...land.values()]), lines, circles, marks));
}

// Colours the countries by the decisions for a name.
export function showCatchment(group) {
    const names = typeof Intl.DisplayNames === "function" ? new Intl.DisplayNames("en", { type: "region" }) : null;
    const places = new Map();
    for (const { countries, to } of group?.decisions ?? []) {
        for (const country of countries ?? []) places.set(country, to);
    }
    // If all clients have the same decision, it lists no countries.
    const everybody = group?.decisions.length === 1 && !group.decisions[0].countries ? group.decisions[0].to : null;
    for (const [code, path] of land) {
        const to = places.get(code) ?? everybody;
        const place = to?.[0]?.place ?? (to ? "nowhere" : null);
        path.setAttribute("class", place ? `land ${placeClass(place)}` : "land");
        const told = to?.map(({ place: name, share }) => (share < 0.9995 ? `${name} ${percent(share)}` : name)).join(", ");
        path.firstChild.textContent = `${names?.of(code) ?? code}${told ? ` → ${told}` : ""}`;
    }
}

// Shows datacenters and clients. `clients` are those of the last half minute, or those since the start.
export function showPlaces(datacenters, clients) {
    const at = new Map(datacenters.map(({ name, latitude, longitude }) => [name, project(latitude, longitude)]));
    const most = Math.max(1, ...clients.map((one) => one.count));
    const located = clients.filter((one) => one.latitude !== null && one.count > 0);
    const flows = located.flatMap((one) => one.sent.map((sent) => ({ from: one, ...sent })))
        .filter((flow) => flow.count > 0 && at.has(flow.datacenter)).sort((one, other) => other.count - one.count).slice(0, LINES);
    show(lines, flows.map(({ from, datacenter, count: size }) => {
        const [x, y] = project(from.latitude, from.longitude);
        const [toX, toY] = at.get(datacenter);
        // The line bends to the north. A longer line bends more.
        const bend = Math.hypot(toX - x, toY - y) * 0.18;
        return svg("path", {
            "data-key": `${from.country} ${datacenter}`, class: placeClass(datacenter),
            d: `M${x.toFixed(1)} ${y.toFixed(1)}Q${((x + toX) / 2).toFixed(1)} ${((y + toY) / 2 - bend).toFixed(1)} ${toX.toFixed(1)} ${toY.toFixed(1)}`,
            "stroke-width": (0.7 + 2.6 * Math.sqrt(size / most)).toFixed(2),
        });
    }));
    show(circles, located.map((one) => {
        const [x, y] = project(one.latitude, one.longitude);
        const radius = SMALLEST + (LARGEST - SMALLEST) * Math.sqrt(one.count / most);
        return svg("circle", { "data-key": one.country, cx: x.toFixed(1), cy: y.toFixed(1), r: radius.toFixed(1), class: placeClass(one.sent[0]?.datacenter ?? "other") },
            svg("title", {}, `${one.name}: ${count(one.count)} clients`));
    }));
    show(marks, datacenters.map((datacenter) => mark(datacenter, at.get(datacenter.name))));
}

function mark({ name, endpoints }, [x, y]) {
    const all = sum(endpoints);
    const good = endpoints.up + endpoints.degraded;
    const round = 2 * Math.PI * RING;
    const lost = endpoints.down + endpoints.forced_down;
    const state = all === 0 ? "empty" : good === 0 && lost > 0 ? "bad" : lost > 0 ? "warn" : good < all ? "part" : "good";
    const sideways = x > WIDTH - 90 ? { x: -RING - 4, "text-anchor": "end" } : { x: RING + 4 };
    return svg("g", { "data-key": name, class: `mark ${placeClass(name)} ${state}`, transform: `translate(${x.toFixed(1)} ${y.toFixed(1)})` },
        svg("title", {}, `${name}: ${good} of ${all} endpoints answer`),
        svg("circle", { class: "halo", r: RING + 3 }),
        svg("circle", { class: "track", r: RING }),
        svg("circle", { class: "ring", r: RING, transform: "rotate(-90)", "stroke-dasharray": `${(all > 0 ? (good / all) * round : 0).toFixed(1)} ${round.toFixed(1)}` }),
        svg("circle", { class: "core", r: RING - 4 }),
        state === "bad" ? svg("path", { class: "cross", d: "M-3.5-3.5l7 7m0-7l-7 7" }) : null,
        svg("text", { ...sideways, y: -1 }, name),
        svg("text", { ...sideways, y: 10, class: "small" }, `${good}/${all} up`));
}

export function showLegend(datacenters) {
    const entries = datacenters.map(({ name }) => el("li", {}, el("span", { class: `chip ${placeClass(name)}` }, el("i", { "aria-hidden": "true" }), name)));
    show(byId("legend"), entries, el("li", { class: "note" }, "A country has the colour of its datacenter; a circle is clients, a line leads to where they went."));
}

// Returns the same facts as a table.
export function showClients(clients, note) {
    show(byId("clients-table"),
        el("caption", {}, note),
        el("thead", {}, el("tr", {}, ["Country", "Clients", "Sent to"].map((head) => el("th", { scope: "col" }, head)))),
        el("tbody", {}, clients.slice(0, 100).map((one) => el("tr", { "data-key": one.country ?? "unknown" },
            el("th", { scope: "row" }, one.name ?? "not located"), el("td", { class: "number" }, count(one.count)),
            el("td", {}, one.sent.map((sent) => el("span", { class: `chip ${placeClass(sent.datacenter ?? "other")}` },
                el("i", { "aria-hidden": "true" }), sent.datacenter ?? "other", el("small", {}, ` ${count(sent.count)}`))))))));
}
