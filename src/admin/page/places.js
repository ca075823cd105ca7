// The places that clients are sent to: a datacenter, a pool without a datacenter, or nowhere. Each datacenter has a
// colour, and its name is always beside the colour.

import { el } from "./dom.js";
import { percent } from "./text.js";

// Number of colours in style.css. Further datacenters use the same colours again.
const COLOURS = 10;

const numbers = new Map();

// Gives colours to datacenters in the order of the configuration.
export function learnPlaces(datacenters) {
    numbers.clear();
    datacenters.forEach(({ name }, number) => numbers.set(name, number % COLOURS));
}

// Returns the class with the colour of a place.
export function placeClass(place) {
    if (place === "nowhere") return "place-nowhere";
    return numbers.has(place) ? `place-${numbers.get(place)}` : "place-pool";
}

// Returns the places that get the clients of a decision, the largest share first.
export function chips(to, more = "") {
    return to.map(({ place, share }) =>
        el("span", { class: `chip ${placeClass(place)} ${more}` }, el("i", { "aria-hidden": "true" }), place,
            share < 0.9995 ? el("small", {}, ` ${percent(share, true)}`) : null));
}
