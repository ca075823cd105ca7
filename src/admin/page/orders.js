// Orders of operators: lists those in force, and shows the effect of a new one before it is given.

import { order } from "./api.js";
import { byId, el, onAction, show } from "./dom.js";
import { moves } from "./events.js";
import { bare, some, span } from "./text.js";

const LOST = "The order is in force, but not on disk: a restart would lose it.";

let changed = () => {};

// `done` is called after each order.
export function beginOrders(done) {
    changed = done;
    onAction(document.body, "order", ({ dataset }) => openOrder(dataset.target));
    onAction(byId("orders-table"), "lift", ({ dataset }) => lift(dataset));
    byId("order-new").addEventListener("click", () => openOrder(""));
    byId("order-cancel").addEventListener("click", () => byId("order-dialog").close());
    byId("order-preview").addEventListener("click", preview);
    const form = byId("order-form");
    // The effect that was shown is that of another order.
    form.addEventListener("input", () => {
        show(byId("order-effect"));
        byId("order-give").disabled = true;
    });
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        give();
    });
    beginChange();
}

export function showOrders(overrides, now) {
    const heads = ["Order", "State", "By", "Reason", ""];
    show(byId("orders-table"), overrides.length === 0
        ? el("tbody", {}, el("tr", {}, el("td", { class: "note" }, "No order is in force: states follow the probes.")))
        : [el("thead", {}, el("tr", {}, heads.map((head) => el("th", { scope: "col" }, head || el("span", { class: "unseen" }, "Lift"))))),
            el("tbody", {}, overrides.map((item) => row(item, now)))]);
}

function row(item, now) {
    const { override: number, mode, target, from, until, over, who, reason, in_force: isInForce } = item;
    const state = from > now ? `in ${span(from - now)}` : !isInForce ? "over" : until ? `${span(until - now)} left` : "until lifted";
    const isWindow = number.startsWith("window-");
    return el("tr", { "data-key": number },
        el("th", { scope: "row" }, `${mode} ${target}`, over ? el("small", {}, ` over ${span(over)}`) : null),
        el("td", {}, state), el("td", {}, who), el("td", {}, reason),
        el("td", {}, isWindow ? el("small", {}, "a window of the server file")
            : el("button", { type: "button", class: "quiet", "data-action": "lift", "data-number": number, "data-what": `${mode} ${target}`, "aria-label": `Lift ${mode} ${target}` }, "Lift…")));
}

function openOrder(target) {
    const form = byId("order-form");
    form.elements.namedItem("target").value = target;
    for (const key of ["for", "over", "reason"]) form.elements.namedItem(key).value = "";
    form.elements.namedItem("mode").value = "drain";
    show(byId("order-effect"));
    byId("order-give").disabled = true;
    byId("order-dialog").showModal();
    form.elements.namedItem(target ? "for" : "target").focus();
}

function written() {
    const values = new FormData(byId("order-form"));
    const body = { mode: values.get("mode"), target: values.get("target").trim() };
    for (const key of ["for", "over", "reason", "who"]) {
        const value = values.get(key).trim();
        if (value) body[key] = value;
    }
    return body;
}

// Shows the effect of the order. Only then can the order be given.
async function preview() {
    if (!byId("order-form").reportValidity()) return;
    const place = byId("order-effect");
    try {
        show(place, effect(await order("POST", "v1/overrides", { ...written(), dry_run: true })));
    } catch (problem) {
        show(place, refusal(problem));
        return;
    }
    byId("order-give").disabled = false;
}

async function give() {
    if (byId("order-give").disabled) return;
    try {
        const { kept } = await order("POST", "v1/overrides", written());
        byId("order-give").disabled = true;
        // The node executes an order even if it cannot write it to the disk. A restart would lose it.
        if (kept === false) show(byId("order-effect"), el("p", { class: "problem" }, LOST));
        else byId("order-dialog").close();
    } catch (problem) {
        show(byId("order-effect"), refusal(problem));
    }
    changed();
}

// Returns what a reply says about the clients that move.
export function effect({ impact, impact_more: more, emptied, emptied_more: moreEmptied }) {
    // The node serves no configuration yet.
    if (!impact) return el("p", {}, "The effect is not known yet.");
    return [
        emptied?.length > 0 ? el("p", { class: "problem" }, `No usable pool is left for ${some(emptied.map(bare), moreEmptied)}.`) : null,
        impact.length === 0 && !more ? el("p", {}, "No client is sent elsewhere.")
            : [el("p", {}, "Clients that move:"), el("ul", {}, moves(impact, more))],
    ];
}

// Returns what a refusal says.
export function refusal({ status, message }) {
    return el("p", { class: "problem" }, status === 401 || status === 403 ? `${message}. Set a token that may give orders with the button above.` : message);
}

let pending = null;

function beginChange() {
    byId("change-cancel").addEventListener("click", () => byId("change-dialog").close());
    byId("change-form").addEventListener("submit", async (event) => {
        event.preventDefault();
        const values = new FormData(byId("change-form"));
        try {
            const { kept } = await pending({ reason: values.get("reason").trim(), who: values.get("who").trim() });
            if (kept === false) show(byId("change-effect"), el("p", { class: "problem" }, LOST));
            else byId("change-dialog").close();
        } catch (problem) {
            show(byId("change-effect"), refusal(problem));
        }
        changed();
    });
}

// Asks for a reason and for confirmation, and then gives an order. `dryRun`, if there is one, returns its effect, which
// is shown before.
export async function confirm({ title, what, hasReason, give: act, dryRun }) {
    byId("change-title").textContent = title;
    byId("change-what").textContent = what;
    const form = byId("change-form");
    form.elements.namedItem("reason").closest("label").hidden = !hasReason;
    form.elements.namedItem("reason").value = "";
    show(byId("change-effect"));
    pending = act;
    byId("change-dialog").showModal();
    if (!dryRun) return;
    try {
        show(byId("change-effect"), effect(await dryRun()));
    } catch (problem) {
        show(byId("change-effect"), refusal(problem));
    }
}

function lift({ number, what }) {
    const body = (who) => ({ override: number, ...(who ? { who } : {}) });
    confirm({
        title: "Lift an order", what: `${what} ends now. States follow the probes again.`, hasReason: false,
        give: ({ who }) => order("DELETE", "v1/overrides", body(who)),
        dryRun: () => order("DELETE", "v1/overrides", { ...body(""), dry_run: true }),
    });
}

// Returns the targets that an order can name, as options of the list of suggestions.
export function targets({ datacenters, pools, names }) {
    const all = [
        ...datacenters.map(({ name }) => `dc:${name}`), ...pools.slice(0, 200).map(({ pool }) => `pool:${pool}`),
        ...names.flatMap((group) => group.names).slice(0, 200).map((name) => `name:${bare(name)}`),
    ];
    return all.map((value) => el("option", { value }));
}
