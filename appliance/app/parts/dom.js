// Creates elements. Text is always inserted as text, never as HTML; icons come from the list below.

/**
 * Create an element: properties, `on<event>` handlers, `data` and `aria-…` attributes, children.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K | string} tag
 * @param {Record<string, any>} [given]
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {K extends keyof HTMLElementTagNameMap ? HTMLElementTagNameMap[K] : HTMLElement}
 */
export function h(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") made.className = value;
    else if (name === "data") Object.assign(made.dataset, value);
    else if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for")
      made.setAttribute(name, value === true ? "" : String(value));
    else if (name in made) /** @type {any} */ (made)[name] = value;
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return /** @type {any} */ (made);
}

const ICONS = /** @type {Record<string, string>} */ ({
  play: "M7 4.5v15l12-7.5z",
  pause: "M8 5v14M16 5v14",
  star: "M12 3.5l2.6 5.4 5.9.8-4.3 4.1 1.1 5.9-5.3-2.9-5.3 2.9 1.1-5.9-4.3-4.1 5.9-.8z",
  trash: "M5 7h14M10 7V4.5h4V7M7 7l1 12.5h8L17 7M10.5 10.5v6M13.5 10.5v6",
  scissors:
    "M8.5 8.5L20 18M8.5 15.5L20 6" +
    "M6.5 9a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5zM6.5 20a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z",
  pencil: "M4 20l1-4.5L16.5 4l3.5 3.5L8.5 19zM14 6.5l3.5 3.5",
  expand: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  shrink: "M9 4v5H4M15 4v5h5M9 20v-5H4M15 20v-5h5",
  loop: "M4 12V9a3 3 0 0 1 3-3h11M15 3l3 3-3 3M20 12v3a3 3 0 0 1-3 3H6M9 21l-3-3 3-3",
  sound: "M4 10v4h3l5 4V6L7 10zM16 9a4 4 0 0 1 0 6M18.5 6.5a8 8 0 0 1 0 11",
  mute: "M4 10v4h3l5 4V6L7 10zM16 9.5l5 5M21 9.5l-5 5",
  menu: "M4 6.5h16M4 12h16M4 17.5h16",
  close: "M6 6l12 12M18 6L6 18",
  live:
    "M12 14a2 2 0 1 0 0-4 2 2 0 0 0 0 4z" +
    "M8 8a5.7 5.7 0 0 0 0 8M16 8a5.7 5.7 0 0 1 0 8M5 5a10 10 0 0 0 0 14M19 5a10 10 0 0 1 0 14",
  one: "M4 6h16v12H4z",
  two: "M3 6h18v12H3zM12 6v12",
  four: "M3 5h18v14H3zM12 5v14M3 12h18",
  next: "M7 5l9 7-9 7zM18.5 5v14",
  previous: "M17 5l-9 7 9 7zM5.5 5v14",
  frameNext: "M5 5v14M9.5 5.5v13L19 12z",
  frameBack: "M19 5v14M14.5 5.5v13L5 12z",
  undo: "M8 5L4 9l4 4M4 9h10a5.5 5.5 0 0 1 0 11h-3",
  help: "M9 9.2a3 3 0 1 1 4.4 2.7c-.9.5-1.4 1.1-1.4 2.1M12 17.5v.5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  down: "M6 9l6 6 6-6",
  download: "M12 4v11M7 10.5l5 5 5-5M5 19.5h14",
});

/**
 * An inline icon with one stroke width.
 * @param {string} name
 * @param {boolean} [filled]
 * @returns {SVGSVGElement}
 */
export function icon(name, filled = false) {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", filled ? "icon filled" : "icon");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name] ?? "");
  svg.append(path);
  return svg;
}

/**
 * Draw another icon into a button that has one. The element is kept: a browser drops the click when the
 * pressed element is removed before the release, and a button may be redrawn at any moment.
 * @param {Element} where
 * @param {string} name
 * @param {boolean} [filled]
 */
export function setIcon(where, name, filled = false) {
  const svg = where.querySelector("svg");
  svg?.setAttribute("class", filled ? "icon filled" : "icon");
  svg?.firstElementChild?.setAttribute("d", ICONS[name] ?? "");
}

/**
 * A button with an icon or text, and a label for screen readers.
 * @param {string} label
 * @param {Node | string} face
 * @param {(event: MouseEvent) => void} act
 * @param {Record<string, any>} [given]
 * @returns {HTMLButtonElement}
 */
export function button(label, face, act, given = {}) {
  return h("button", { type: "button", title: label, "aria-label": label, onclick: act, ...given }, face);
}

/**
 * Update a list in place: unchanged elements are not moved, so nothing shifts under a finger.
 * @template T
 * @param {Element} list
 * @param {readonly T[]} rows
 * @param {(row: T) => string} key
 * @param {(row: T, old: HTMLElement | undefined) => HTMLElement} make
 */
export function keyed(list, rows, key, make) {
  /** @type {Map<string | undefined, HTMLElement>} */
  const old = new Map();
  for (const each of /** @type {Iterable<HTMLElement>} */ (list.children)) old.set(each.dataset.key, each);
  const wanted = rows.map((row) => {
    const element = make(row, old.get(key(row)));
    element.dataset.key = key(row);
    old.delete(key(row));
    return element;
  });
  for (const gone of old.values()) gone.remove();
  wanted.forEach((element, at) => {
    if (list.children[at] !== element) list.insertBefore(element, list.children[at] ?? null);
  });
}

/**
 * Emit a bubbling event to the screen.
 * @param {HTMLElement} from
 * @param {string} name
 * @param {any} [detail]
 */
export function emit(from, name, detail) {
  from.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
}

/** Define a custom element once. @param {string} name @param {CustomElementConstructor} part */
export function define(name, part) {
  if (!customElements.get(name)) customElements.define(name, part);
}

/** Set text only where it differs, to avoid needless layout. @param {Element} where @param {string} text */
export function say(where, text) {
  if (where.textContent !== text) where.textContent = text;
}
