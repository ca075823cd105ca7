// Draws the countries of the world for the page of the admin server, and writes them into src/admin/page/world.js.
//
//     cd geoip && npm install --no-save --prefix FOLDER world-atlas@2.0.2 i18n-iso-countries@7.14.0 && node outline.mjs FOLDER
//
// The borders are Natural Earth's (naturalearthdata.com, public domain) at 1:110 million, by way of the npm package
// `world-atlas` (ISC), as arcs that neighbours share. Each arc is projected, rounded to a grid and thinned once, so that
// neighbours still fit. `i18n-iso-countries` (MIT) gives the letters of the numeric country codes.

import { createRequire } from "node:module";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";

// Node.js takes a file of this name for a module only if a package.json says so; a data URL needs none.
const projection = readFileSync(new URL("../src/admin/page/projection.js", import.meta.url), "utf8");
const { project, HEIGHT, WIDTH } = await import(`data:text/javascript,${encodeURIComponent(projection)}`);

const FILE = new URL("../src/admin/page/world.js", import.meta.url);

// Steps of the grid in a unit of the drawing.
const GRID = 2;

// A point goes if the triangle with its neighbours is smaller than this, in squares of the grid.
const LEAST_TRIANGLE = 1.6;

// A ring other than a country's largest one goes if it is smaller than this, in squares of the grid.
const LEAST_RING = 14;

// Natural Earth gives these areas no number of their own. Somaliland is drawn as a part of Somalia.
const BY_NAME = { Kosovo: "XK", "N. Cyprus": "CY", Somaliland: "SO" };

const require = createRequire(join(resolve(process.argv[2] ?? "."), "package.json"));
const atlas = require("world-atlas/countries-110m.json");
const codes = require("i18n-iso-countries");

const onGrid = ([longitude, latitude]) => project(latitude, longitude).map((units) => Math.round(units * GRID));

const triangle = ([ax, ay], [bx, by], [cx, cy]) => Math.abs((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)) / 2;

// Visvalingam's algorithm, for points in degrees. The ends of an arc stay, because other arcs begin there.
function thin(points) {
    const kept = [...points];
    for (;;) {
        let least = LEAST_TRIANGLE;
        let at = -1;
        for (let place = 1; place < kept.length - 1; place++) {
            const area = triangle(...kept.slice(place - 1, place + 2).map(onGrid));
            if (area < least) [least, at] = [area, place];
        }
        if (at < 0) return kept;
        kept.splice(at, 1);
    }
}

const { scale, translate } = atlas.transform;
const arcs = atlas.arcs.map((arc) => {
    let [x, y] = [0, 0];
    const points = arc.map(([dx, dy]) => {
        [x, y] = [x + dx, y + dy];
        return [x * scale[0] + translate[0], y * scale[1] + translate[1]];
    });
    return thin(points);
});

function ring(numbers) {
    const points = [];
    for (const number of numbers) {
        const arc = number < 0 ? [...arcs[~number]].reverse() : arcs[number];
        points.push(...(points.length > 0 ? arc.slice(1) : arc));
    }
    return points.slice(0, -1);
}

// The part of a ring to one side of a meridian (Sutherland and Hodgman), moved by whole turns.
function beside(points, meridian, side, turn) {
    const isIn = ([longitude]) => (longitude - meridian) * side >= 0;
    return points.flatMap((point, place) => {
        const next = points[(place + 1) % points.length];
        const here = isIn(point) ? [point] : [];
        if (isIn(point) === isIn(next)) return here;
        const part = (meridian - point[0]) / (next[0] - point[0]);
        return [...here, [meridian, point[1] + part * (next[1] - point[1])]];
    }).map(([longitude, latitude]) => [longitude + turn, latitude]);
}

// A ring that crosses the edge of the map becomes two, one at each side.
function cut(points) {
    let turn = 0;
    const whole = points.map(([longitude, latitude], place) => {
        const before = points[place - 1]?.[0] ?? longitude;
        if (longitude - before > 180) turn -= 360;
        if (longitude - before < -180) turn += 360;
        return [longitude + turn, latitude];
    });
    const longitudes = whole.map(([longitude]) => longitude);
    if (Math.max(...longitudes) > 180) return [beside(whole, 180, -1, 0), beside(whole, 180, 1, -360)];
    if (Math.min(...longitudes) < -180) return [beside(whole, -180, 1, 0), beside(whole, -180, -1, 360)];
    return [whole];
}

// Points of the grid, each different from the one before.
function drawnOf(points) {
    return points.map(onGrid).filter((point, place, all) => place === 0 || String(point) !== String(all[place - 1]));
}

const area = (points) => Math.abs(points.reduce((sum, [x, y], place) => {
    const [nextX, nextY] = points[(place + 1) % points.length];
    return sum + x * nextY - nextX * y;
}, 0)) / 2;

function path(points) {
    const [first, ...rest] = points;
    let [x, y] = first;
    const steps = rest.map(([nextX, nextY]) => {
        const step = [nextX - x, nextY - y];
        [x, y] = [nextX, nextY];
        return step;
    });
    const numbers = steps.flat().map(String);
    return `M${first[0]} ${first[1]}l${numbers.map((text, place) => (place > 0 && !text.startsWith("-") ? ` ${text}` : text)).join("")}z`;
}

const drawn = {};
for (const { id, properties, type, arcs: lists } of atlas.objects.countries.geometries) {
    const code = codes.numericToAlpha2(id) ?? BY_NAME[properties.name];
    if (code === "AQ") continue;
    if (!code) throw new Error(`${properties.name} has no code`);
    const rings = (type === "Polygon" ? [lists] : lists).flat().map(ring).flatMap(cut).map(drawnOf).filter((points) => points.length > 2);
    rings.sort((one, other) => area(other) - area(one));
    const kept = rings.filter((points, place) => place === 0 || area(points) >= LEAST_RING);
    drawn[code] = (drawn[code] ?? "") + kept.map(path).join("");
}

const lines = Object.entries(drawn).sort(([one], [other]) => (one < other ? -1 : 1));
writeFileSync(FILE, `// The countries of the world as SVG paths, in steps of 1/${GRID} of the map's units. Written by geoip/outline.mjs from
// Natural Earth (naturalearthdata.com, public domain).

export const GRID = ${GRID};

export const COUNTRIES = {
${lines.map(([code, text]) => `    ${code}: "${text}",`).join("\n")}
};
`);
console.log(`${lines.length} countries on ${WIDTH} x ${HEIGHT}`);
