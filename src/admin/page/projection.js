// The position of a place on the map: the Natural Earth projection (Šavrič, Jenny, Patterson, Petrovič and Hurni 2011,
// "A polynomial equation for the Natural Earth projection"), without Antarctica.

// The size of the map.
export const WIDTH = 1000;
export const HEIGHT = 438;

// The latitudes of its upper and lower edge.
const NORTH = 84;
const SOUTH = -58;

const RADIANS = Math.PI / 180;

function plane(latitude, longitude) {
    const [phi, lambda] = [latitude * RADIANS, longitude * RADIANS];
    const two = phi * phi;
    const four = two * two;
    const x = lambda * (0.8707 - 0.131979 * two + four * (-0.013791 + four * (0.003971 * two - 0.001529 * four)));
    const y = phi * (1.007226 + two * (0.015085 + four * (-0.044475 + 0.028874 * two - 0.005916 * four)));
    return [x, y];
}

const EAST = plane(0, 180)[0];
const TOP = plane(NORTH, 0)[1];
const BOTTOM = plane(SOUTH, 0)[1];

// Returns the units from the left and from the top of a place, given in degrees north and east.
export function project(latitude, longitude) {
    const [x, y] = plane(Math.min(Math.max(latitude, SOUTH), NORTH), longitude);
    return [((x / EAST + 1) / 2) * WIDTH, ((TOP - y) / (TOP - BOTTOM)) * HEIGHT];
}
