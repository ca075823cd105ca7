// Where clients are sent: a row for each group of names with equal decisions, a column for each group of clients.

import { byId, el, show } from "./dom.js";
import { chips } from "./places.js";
import { bare, plural, some } from "./text.js";

// Maximum number of columns. With more groups of clients, each row lists its own groups.
const COLUMNS = 8;

// Maximum number of rows.
const ROWS = 100;

export function showDecisions(groups, more) {
    const labels = [...new Set(groups.flatMap(({ decisions }) => decisions.map(({ clients }) => clients)))];
    const regions = labels.filter((label) => label !== "everybody");
    const isMatrix = regions.length <= COLUMNS;
    const columns = isMatrix ? (regions.length > 0 ? regions : ["everybody"]) : ["Clients"];
    const moved = groups.filter(({ decisions }) => decisions.some(({ usually }) => usually)).length;
    byId("decisions-note").textContent = moved > 0
        ? `${plural(moved, "group")} of names ${moved === 1 ? "sends" : "send"} clients elsewhere than usual` : "all as usual";
    // Names whose clients are moved come first.
    const order = ({ decisions }) => (decisions.some(({ usually, stranded }) => usually || stranded > 0) ? 0 : 1);
    const rows = [...groups].sort((one, other) => order(one) - order(other)).slice(0, ROWS);
    const hidden = groups.length - rows.length;
    show(byId("decisions-table"),
        el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "Name"), columns.map((column) => el("th", { scope: "col" }, column)))),
        el("tbody", {}, rows.map((group) => el("tr", { "data-key": group.names[0] }, head(group), cells(group, columns, isMatrix))),
            more + hidden > 0 ? el("tr", {}, el("td", { colspan: columns.length + 1, class: "note" }, `${plural(more + hidden, "more group or name", "more groups or names")} not shown`)) : null));
}

function head({ names, more, steer, mode }) {
    const [first, ...others] = names;
    return el("th", { scope: "row" }, el("button", { type: "button", class: "link", "data-action": "ask-name", "data-name": bare(first), title: "Ask about this name" }, bare(first)),
        others.length + more > 0 ? el("small", { title: some(others.map(bare), more) }, ` and ${others.length + more} more`) : null,
        el("small", { class: "steps" }, steer.join(" › ")), mode ? el("span", { class: "state state-forced-down" }, mode) : null);
}

function cells({ decisions }, columns, isMatrix) {
    if (!isMatrix) {
        const groups = new Map();
        for (const decision of decisions) groups.set(decision.clients, [...(groups.get(decision.clients) ?? []), decision]);
        return el("td", {}, el("dl", { class: "flow" }, [...groups].map(([clients, own]) =>
            el("div", { class: kind(own) }, el("dt", {}, clients), el("dd", {}, own.map((decision) => el("div", {}, cell(decision))))))));
    }
    if (decisions.every(({ clients }) => clients === "everybody")) {
        return el("td", { colspan: columns.length, class: kind(decisions) }, decisions.map(cell), el("small", {}, " for everybody"));
    }
    return columns.map((column) => {
        const own = decisions.filter(({ clients }) => clients === column);
        return el("td", { class: kind(own) }, own.length > 0 ? own.map((decision) => el("div", {}, cell(decision))) : "–");
    });
}

function kind(decisions) {
    if (decisions.some(({ stranded, to }) => stranded > 0 || to.length === 0 || to.some(({ place }) => place === "nowhere"))) return "bad";
    return decisions.some(({ usually }) => usually) ? "warn" : null;
}

function cell({ part, more, to, usually, stranded }) {
    return [
        chips(to),
        part.length > 0 ? el("small", {}, ` ${part.map((one) => one || "others").join(" ")}${more > 0 ? ` +${more}` : ""}`) : null,
        usually ? el("span", { class: "usually" }, " usually ", chips(usually, "gone")) : null,
        stranded > 0 ? el("span", { class: "state state-down" }, "all are down") : null,
    ];
}
