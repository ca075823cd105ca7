// The round trips from each region to each datacenter, as rankings use them.

import { byId, el, show } from "./dom.js";
import { placeClass } from "./places.js";
import { milliseconds } from "./text.js";

// The upper ends of the shades, in milliseconds. Longer round trips have one more shade.
const SHADES = [20, 50, 100, 150, 250];

// Maximum number of columns.
const COLUMNS = 16;

export function showLatency(matrix) {
    const columns = matrix.datacenters.slice(0, COLUMNS);
    const hidden = matrix.datacenters.length - columns.length + matrix.more;
    byId("latency-note").textContent = matrix.used
        ? "median by country, measured where clients or probes did, else estimated from the distance (~)"
        : "no name steers by round trips: all are estimated from the distance (~)";
    show(byId("latency-table"),
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Clients"), columns.map((name) =>
            el("th", { scope: "col" }, el("span", { class: `chip ${placeClass(name)}` }, el("i", { "aria-hidden": "true" }), name))))),
        el("tbody", {}, matrix.rows.map((row) => el("tr", { "data-key": `${row.zone} ${row.clients}` },
            el("th", { scope: "row", title: row.zone }, row.clients, el("small", {}, ` ${row.countries} countries`)),
            row.cells.slice(0, COLUMNS).map((cell) => shown(cell, row)))),
        hidden > 0 ? el("tr", {}, el("td", { class: "note", colspan: columns.length + 1 }, `${hidden} more are not shown`)) : null));
}

function shown(cell, row) {
    if (cell.median_ms === null) return el("td", { class: "shade" }, "–");
    const shade = SHADES.findIndex((end) => cell.median_ms < end);
    const probes = cell.by_vantage_points > 0 ? `; ${cell.by_vantage_points} by the probes of ${cell.vantage_points.join(", ")}` : "";
    const title = `from ${milliseconds(cell.lowest_ms)} to ${milliseconds(cell.highest_ms)}; measured for ${cell.measured} of ${row.countries} countries${probes}`;
    return el("td", { class: `shade shade-${shade < 0 ? SHADES.length : shade}`, title }, cell.measured === 0 ? "~" : null, milliseconds(cell.median_ms),
        cell.measured > 0 ? el("small", {}, ` ${cell.measured}/${row.countries}`) : null);
}
