// Touch gestures on the picture: tap, double tap, swipe, pinch and pan. Reports them to `callbacks`;
// applies only the zoom itself.

const SWIPE_PX = 60;
const TAP_MS = 260;
const ZOOM_MAX = 6;

/**
 * @typedef {{tap(target: EventTarget | null): void, double(target: EventTarget | null): void, swipe(by:
 *   number): void, zoomed(): HTMLElement | null}} GestureCallbacks
 */

export class Gestures {
  /** @param {HTMLElement} surface @param {GestureCallbacks} callbacks */
  constructor(surface, callbacks) {
    this.surface = surface;
    this.callbacks = callbacks;
    /** @type {Map<number, {x: number, y: number}>} */
    this.fingers = new Map();
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.moved = false;
    this.lastTap = 0;
    surface.addEventListener("pointerdown", (event) => this.down(event));
    surface.addEventListener("pointermove", (event) => this.move(event));
    surface.addEventListener("pointerup", (event) => this.up(event));
    surface.addEventListener("pointercancel", (event) => this.fingers.delete(event.pointerId));
    surface.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
  }

  /** @param {PointerEvent} event */
  down(event) {
    if (/** @type {HTMLElement} */ (event.target).closest("button, a") || event.button > 0) return;
    this.surface.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (this.fingers.size === 1) {
      this.start = {
        x: event.clientX,
        y: event.clientY,
        at: event.timeStamp,
        target: document.elementFromPoint(event.clientX, event.clientY),
      };
      this.moved = false;
    } else this.moved = true;
  }

  /** @param {PointerEvent} event */
  move(event) {
    const before = this.fingers.get(event.pointerId);
    if (!before || !this.start) return;
    const now = { x: event.clientX, y: event.clientY };
    if (Math.hypot(now.x - this.start.x, now.y - this.start.y) > 10) this.moved = true;
    if (this.fingers.size === 2) this.pinch(event.pointerId, before, now);
    else if (this.scale > 1) this.pan(now.x - before.x, now.y - before.y);
    this.fingers.set(event.pointerId, now);
  }

  /** @param {number} id @param {{x: number, y: number}} before @param {{x: number, y: number}} now */
  pinch(id, before, now) {
    const other = [...this.fingers].find(([each]) => each !== id)?.[1];
    if (!other) return;
    const factor =
      Math.hypot(now.x - other.x, now.y - other.y) /
      Math.max(1, Math.hypot(before.x - other.x, before.y - other.y));
    this.zoomBy(factor, (now.x + other.x) / 2, (now.y + other.y) / 2);
    this.pan((now.x - before.x) / 2, (now.y - before.y) / 2);
  }

  /** @param {PointerEvent} event */
  up(event) {
    const single = this.fingers.size === 1;
    if (!this.fingers.delete(event.pointerId) || !single || !this.start) return;
    const dx = event.clientX - this.start.x;
    const dy = event.clientY - this.start.y;
    if (!this.moved) return this.tapped(event);
    if (this.scale === 1 && Math.abs(dx) > SWIPE_PX && Math.abs(dx) > 2 * Math.abs(dy))
      this.callbacks.swipe(dx < 0 ? 1 : -1);
  }

  /** @param {PointerEvent} event */
  tapped(event) {
    const target = this.start?.target ?? null;
    if (event.timeStamp - this.lastTap < TAP_MS) {
      this.lastTap = 0;
      return this.callbacks.double(target);
    }
    this.lastTap = event.timeStamp;
    this.callbacks.tap(target); // reported at once: a second tap reverses it
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    if (!event.ctrlKey) return;
    event.preventDefault();
    this.zoomBy(Math.exp(-event.deltaY / 200), event.clientX, event.clientY);
  }

  /** @param {number} factor @param {number} x @param {number} y */
  zoomBy(factor, x, y) {
    const element = this.callbacks.zoomed();
    if (!element) return;
    const box = /** @type {HTMLElement} */ (element.parentElement).getBoundingClientRect();
    const scale = Math.min(ZOOM_MAX, Math.max(1, this.scale * factor));
    const [cx, cy] = [x - box.left - box.width / 2, y - box.top - box.height / 2];
    this.x = cx - ((cx - this.x) * scale) / this.scale;
    this.y = cy - ((cy - this.y) * scale) / this.scale;
    this.scale = scale;
    this.draw(element, box);
  }

  /** @param {number} dx @param {number} dy */
  pan(dx, dy) {
    const element = this.callbacks.zoomed();
    if (!element) return;
    this.x += dx;
    this.y += dy;
    this.draw(element, /** @type {HTMLElement} */ (element.parentElement).getBoundingClientRect());
  }

  reset() {
    this.scale = 1;
    this.x = this.y = 0;
    const element = this.callbacks.zoomed();
    if (element) element.style.transform = "";
  }

  /** @param {HTMLElement} element @param {DOMRect} box */
  draw(element, box) {
    const limit = (/** @type {number} */ value, /** @type {number} */ size) =>
      (Math.max(-1, Math.min(1, value / ((size * (this.scale - 1)) / 2 || 1))) * (size * (this.scale - 1))) /
      2;
    this.x = limit(this.x, box.width);
    this.y = limit(this.y, box.height);
    element.style.transform =
      this.scale === 1 ? "" : `translate(${this.x}px, ${this.y}px) scale(${this.scale})`;
  }
}

/**
 * Follow a pointer from where it was pressed on a bar until it is released or cancelled; the first call gives
 * the start.
 * @param {HTMLElement} field
 * @param {PointerEvent} event
 * @param {(now: PointerEvent, phase: "begin" | "move" | "end") => void} tell
 */
export function follow(field, event, tell) {
  field.setPointerCapture(event.pointerId);
  const over = new AbortController();
  const end = (/** @type {PointerEvent} */ now) => {
    over.abort();
    tell(now, "end");
  };
  field.addEventListener("pointermove", (now) => tell(now, "move"), { signal: over.signal });
  field.addEventListener("pointerup", end, { signal: over.signal });
  field.addEventListener("pointercancel", end, { signal: over.signal });
  tell(event, "begin");
}
