// Makes elements, and updates the page without replacing elements that stay: so the focus, the scroll positions and the
// open details stay too.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
        if (value !== null && value !== undefined && value !== false) {
            element.setAttribute(name, value === true ? "" : String(value));
        }
    }
    // A string becomes a text node, never HTML.
    element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
    return element;
}

// Returns an HTML element. Attributes with null or false are left out, and so are such children.
export function el(tag, attributes, ...children) {
    return fill(document.createElement(tag), attributes, children);
}

// Returns an SVG element.
export function svg(tag, attributes, ...children) {
    return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function byId(id) {
    return document.getElementById(id);
}

// Shows these children in an element.
export function show(place, ...children) {
    const fresh = place.cloneNode(false);
    fill(fresh, {}, children);
    morphChildren(place, fresh);
}

// Sets a text. Does nothing if the text is the same, because screen readers would read it out again.
export function say(place, text) {
    if (place.textContent !== text) place.textContent = text;
}

function morph(old, fresh) {
    if (old.nodeName !== fresh.nodeName) {
        old.replaceWith(fresh);
        return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
        if (old.data !== fresh.data) old.data = fresh.data;
        return;
    }
    for (const { name, value } of fresh.attributes) {
        if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    for (const { name } of [...old.attributes]) {
        // Only the user opens and closes details.
        if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
    }
    morphChildren(old, fresh);
}

// Children with the same `data-key` are the same element, even at another position.
function morphChildren(old, fresh) {
    const keyed = new Map();
    for (const child of old.children) {
        if (child.dataset.key) keyed.set(child.dataset.key, child);
    }
    let at = old.firstChild;
    for (const next of [...fresh.childNodes]) {
        const key = next.dataset?.key;
        const same = key ? keyed.get(key) : at && !at.dataset?.key && at.nodeName === next.nodeName ? at : null;
        if (!same) {
            old.insertBefore(next, at);
            continue;
        }
        keyed.delete(key);
        if (same === at) at = at.nextSibling;
        else old.insertBefore(same, at);
        morph(same, next);
    }
    while (at) {
        const gone = at;
        at = at.nextSibling;
        gone.remove();
    }
}

// Gives a select these values and texts, and keeps the chosen value.
export function showOptions(select, options) {
    const same = select.options.length === options.length && options.every(([value], place) => select.options[place].value === value);
    if (same) return;
    const chosen = select.value;
    select.replaceChildren(...options.map(([value, text]) => el("option", { value }, text)));
    select.value = options.some(([value]) => value === chosen) ? chosen : (options[0]?.[0] ?? "");
}

// Calls `act` with the element that has this `data-action`, when it or something in it is clicked within `root`.
export function onAction(root, action, act) {
    root.addEventListener("click", (event) => {
        const element = event.target.closest(`[data-action="${action}"]`);
        if (element && root.contains(element)) act(element);
    });
}
