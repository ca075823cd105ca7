// The page: asks the node regularly, and at once after an event, and shows the answers.
//
//   /v1/overview, orders, roll-outs ──► what is wrong, numbers, map, datacenters, names, pools
//   /v1/decisions of the chosen name ─► the colours of the map
//   /v1/status and /v1/history ───────► the endpoints of open pools
//   /v1/events ───────────────────────► the list of events; after an event, all of the above is asked again

import { Problem, get, hasToken, keepToken } from "./api.js";
import { askAbout, beginAsk } from "./ask.js";
import { showDatacenters, showTiles } from "./datacenters.js";
import { byId, el, onAction, say, show, showOptions } from "./dom.js";
import { followEvents, showEvents } from "./events.js";
import { showLatency } from "./latency.js";
import { beginMap, showCatchment, showClients, showLegend, showPlaces } from "./map.js";
import { showDecisions } from "./names.js";
import { beginOrders, showOrders, targets } from "./orders.js";
import { learnPlaces } from "./places.js";
import { beginPools, fetchOpen, showPools } from "./pools.js";
import { beginRollouts, fetchPools, showRollouts } from "./rollouts.js";
import { bare } from "./text.js";
import { showVerdict } from "./verdict.js";

// Time between two updates in milliseconds. It is longer if the answers are long.
const EVERY = 2000;
const EVERY_IF_MANY = 6000;
const MANY_ENDPOINTS = 500;

// Time after an event until the next update, in milliseconds. Changes within this time are shown together.
const SOON = 200;

// Number of updates from one request for histories and round trips to the next.
const SELDOM = 8;

// The circles of the map show the clients of this time, in milliseconds.
const WINDOW = 30_000;

const state = { overview: null, overrides: [], rollouts: [], decided: null };
const samples = [];
let looks = 0;
let timer = null;
let isLooking = false;
let isWanted = false;
let knownGeneration = null;

async function look() {
    // A hidden tab asks nothing. It asks again when it is shown.
    if (document.visibilityState === "hidden") return;
    if (isLooking) {
        isWanted = true;
        return;
    }
    clearTimeout(timer);
    isLooking = true;
    isWanted = false;
    try {
        await lookOnce();
        document.body.dataset.state = "known";
    } catch (problem) {
        if (problem instanceof Problem && (problem.status === 401 || problem.status === 403)) await askForToken(problem);
        else {
            document.body.dataset.state = "lost";
            live(false);
        }
    }
    isLooking = false;
    const isMany = state.overview && state.overview.pools.reduce((sum, { endpoints }) => sum + endpoints.up + endpoints.down, 0) > MANY_ENDPOINTS;
    timer = setTimeout(look, isWanted ? SOON : isMany ? EVERY_IF_MANY : EVERY);
}

async function lookOnce() {
    const [overview, { overrides }, { rollouts }] = await Promise.all([get("v1/overview"), get("v1/overrides"), get("v1/rollouts")]);
    Object.assign(state, { overview, overrides, rollouts });
    sample(overview);
    learnPlaces(overview.datacenters);
    await fetchPools(rollouts);
    showAll();
    if (knownGeneration !== overview.generation || state.decided === null) {
        await showChosenName();
        knownGeneration = overview.generation;
    }
    const isSeldom = looks % SELDOM === 0;
    looks += 1;
    await fetchOpen(isSeldom);
    if (isSeldom) showLatency(await get("v1/latency"));
}

// Keeps the counters of the last half minute, from which the present rates are computed.
function sample(overview) {
    const at = performance.now();
    const before = samples.at(-1);
    // A node that was restarted counts from the beginning.
    if (before && before.overview.responses > overview.responses) samples.length = 0;
    samples.push({ at, overview });
    while (samples.length > 2 && at - samples[1].at > WINDOW) samples.shift();
}

// Returns the counters of a few seconds ago, for rates; null at the first update.
function recent() {
    const last = samples.at(-1);
    return samples.findLast(({ at }) => last.at - at >= 4000) ?? (samples.length > 1 ? samples[0] : null);
}

function rates(overview) {
    const before = recent();
    if (!before) return { queries: null, answers: null };
    const seconds = Math.max(0.5, (samples.at(-1).at - before.at) / 1000);
    const earlier = new Map(before.overview.datacenters.map(({ name, answers }) => [name, answers]));
    const answers = new Map(overview.datacenters.map(({ name, answers: now }) => [name, Math.max(0, now - (earlier.get(name) ?? now)) / seconds]));
    return { queries: (overview.responses - before.overview.responses) / seconds, answers };
}

// Returns the clients of the last half minute. Without any, returns those since the start of the node.
function currentClients(overview) {
    const before = new Map(samples[0].overview.clients.map((one) => [one.country, new Map(one.sent.map((sent) => [sent.datacenter, sent.count]))]));
    const clients = overview.clients.map((one) => {
        const earlier = before.get(one.country);
        const sent = one.sent.map(({ datacenter, count }) => ({ datacenter, count: Math.max(0, count - (earlier?.get(datacenter) ?? 0)) }))
            .filter(({ count }) => count > 0).sort((a, b) => b.count - a.count);
        return { ...one, sent, count: sent.reduce((sum, { count }) => sum + count, 0) };
    }).filter(({ count }) => count > 0).sort((a, b) => b.count - a.count);
    if (samples.length > 1 && clients.length > 0) return [clients, "Clients of the last half minute, as they are counted"];
    return [overview.clients, "Clients since the start of the node, as they are counted"];
}

function showAll() {
    const { overview, overrides, rollouts } = state;
    say(byId("node"), overview.node);
    say(byId("facts"), `truenorth ${overview.version}`);
    const { queries, answers } = rates(overview);
    showVerdict(state);
    showTiles(overview, queries);
    const [clients, note] = currentClients(overview);
    showPlaces(overview.datacenters, clients);
    showLegend(overview.datacenters);
    showClients(clients, note);
    showDatacenters(overview.datacenters, answers);
    showDecisions(overview.names, overview.more_names);
    showPools(overview);
    showOrders(overrides, overview.time);
    showRollouts(rollouts, overview.time);
    const names = overview.names.flatMap((group) => group.names).slice(0, 500);
    show(byId("names"), names.map((name) => el("option", { value: bare(name) })));
    showOptions(byId("map-name"), names.map((name) => [name, bare(name)]));
    show(byId("targets"), targets(overview));
}

// Colours the map for the chosen name.
async function showChosenName() {
    const name = byId("map-name").value;
    state.decided = name ? await get(`v1/decisions?name=${encodeURIComponent(name)}`).catch(() => null) : null;
    showCatchment(state.decided);
}

function live(isLive) {
    byId("live").dataset.state = isLive ? "live" : "lost";
    say(byId("live-text"), isLive ? "live" : "no connection to the node");
}

let asking = null;
let isDismissed = false;

// Asks the user for a token, once for all requests that need one. Ends when the dialog is closed. A user who closed it
// without a token is asked again only after a click on the button.
async function askForToken(problem) {
    if (problem && isDismissed) {
        say(byId("live-text"), "a token is needed");
        return;
    }
    isDismissed = true;
    asking ??= new Promise((done) => {
        if (hasToken() && problem) say(byId("token-why"), `${problem.message}.`);
        const dialog = byId("token-dialog");
        if (!dialog.open) dialog.showModal();
        dialog.addEventListener("close", () => {
            asking = null;
            done();
        }, { once: true });
    });
    await asking;
}

function beginToken() {
    const form = byId("token-form");
    byId("token").addEventListener("click", () => askForToken(null));
    byId("token-forget").addEventListener("click", () => {
        keepToken(null);
        byId("token-dialog").close();
    });
    form.addEventListener("submit", (event) => {
        event.preventDefault();
        keepToken(new FormData(form).get("token").trim());
        isDismissed = false;
        form.reset();
        byId("token-dialog").close();
        look();
    });
}

const THEMES = ["auto", "light", "dark"];

function beginTheme() {
    const button = byId("theme");
    const put = (theme) => {
        document.documentElement.dataset.theme = theme;
        say(button, `Theme: ${theme}`);
    };
    put(THEMES.includes(localStorage.getItem("truenorth-theme")) ? localStorage.getItem("truenorth-theme") : "auto");
    button.addEventListener("click", () => {
        const next = THEMES[(THEMES.indexOf(document.documentElement.dataset.theme) + 1) % THEMES.length];
        localStorage.setItem("truenorth-theme", next);
        put(next);
    });
}

beginTheme();
beginToken();
beginMap();
beginPools();
beginAsk((pool) => state.overview?.pools.find((one) => one.pool === pool)?.datacenter);
beginOrders(look);
beginRollouts();
showEvents();
byId("events-kind").addEventListener("change", showEvents);
byId("map-name").addEventListener("change", showChosenName);
onAction(byId("decisions-table"), "ask-name", ({ dataset }) => askAbout(dataset.name));
document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") look();
});
followEvents(() => setTimeout(look, SOON), (isLive) => {
    live(isLive);
    if (isLive) look();
}, askForToken);
look();
