// The last actions of this device and how each is taken back: one stack for all of them.

/** @typedef {{words: string, undo: () => unknown}} Action */

const DEPTH = 20;

export class Undo {
  /** @type {Action[]} */
  actions = [];

  /** What was done, as its notice names it. @param {string} words @param {() => unknown} undo @returns {Action} */
  did(words, undo) {
    const action = { words, undo };
    this.actions = [...this.actions.slice(1 - DEPTH), action];
    return action;
  }

  /** Take this action back, or the last one; nothing when it was taken back already. Returns it.
   * @param {Action} [action] */
  back(action = this.actions.at(-1)) {
    if (!action || !this.actions.includes(action)) return undefined;
    this.actions = this.actions.filter((each) => each !== action);
    action.undo();
    return action;
  }
}
