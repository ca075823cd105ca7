// Numbers, times and states in a form for people.

const pad = (number) => String(number).padStart(2, "0");

// 14:03:22 for a time of today; with the date for others. In UTC, as in logs.
export function clock(seconds, now = Date.now() / 1000) {
    const date = new Date(seconds * 1000);
    const time = `${pad(date.getUTCHours())}:${pad(date.getUTCMinutes())}:${pad(date.getUTCSeconds())}`;
    const isToday = Math.floor(seconds / 86400) === Math.floor(now / 86400);
    return isToday ? time : `${date.getUTCFullYear()}-${pad(date.getUTCMonth() + 1)}-${pad(date.getUTCDate())} ${time}`;
}

// 42 s, 3 m 20 s, 5 h 12 m, 3 d 4 h.
export function span(seconds) {
    const whole = Math.max(0, Math.round(seconds));
    if (whole < 60) return `${whole} s`;
    if (whole < 3600) return `${Math.floor(whole / 60)} m ${whole % 60} s`;
    if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} m`;
    return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

// 950, 12.3k, 4.5M.
export function count(number) {
    if (number < 10_000) return String(Math.round(number));
    if (number < 1_000_000) return `${(number / 1000).toFixed(1)}k`;
    return `${(number / 1_000_000).toFixed(1)}M`;
}

export function rate(number) {
    return number < 10 ? number.toFixed(1) : count(number);
}

// 37 %, 5.3 %; with `isExact` also 52.5 %.
export function percent(share, isExact = false) {
    const hundredths = share * 100;
    if (isExact) return `${Math.round(hundredths * 10) / 10} %`;
    return `${hundredths >= 10 || Number.isInteger(hundredths) ? Math.round(hundredths) : hundredths.toFixed(1)} %`;
}

export function milliseconds(ms) {
    return ms >= 100 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`;
}

// "one", "one and two", "one, two and 3 more".
export function some(list, more = 0) {
    if (more > 0) return `${list.join(", ")} and ${more} more`;
    if (list.length < 2) return list.join("");
    return `${list.slice(0, -1).join(", ")} and ${list.at(-1)}`;
}

export function plural(number, one, several = `${one}s`) {
    return `${count(number)} ${number === 1 ? one : several}`;
}

// Names without the final dot.
export function bare(name) {
    return name.endsWith(".") && name.length > 1 ? name.slice(0, -1) : name;
}

// Each state has a sign besides its colour.
const SIGNS = {
    up: "●", degraded: "◐", "held back": "‖", draining: "◇", drained: "◇", down: "▼", "forced down": "✕", pending: "…", unknown: "?",
};

export function sign(state) {
    return SIGNS[state] ?? "•";
}

// Returns the part of a class name that stands for a state.
export function stateClass(state) {
    return `state-${state.replace(" ", "-")}`;
}

// The states of an endpoint, with the fields of the counts.
export const STATES = [
    ["up", "up"], ["degraded", "degraded"], ["held_back", "held back"], ["draining", "draining"], ["down", "down"],
    ["forced_down", "forced down"], ["pending", "pending"],
];

// The number of all endpoints in these counts.
export function sum(counts) {
    return STATES.reduce((total, [field]) => total + counts[field], 0);
}
