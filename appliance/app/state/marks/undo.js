// The last actions of this device with their undo functions: one stack for all of them.

/** @typedef {{words: string, undo: () => unknown}} Action */

const DEPTH = 20;

export class Undo {
  /** @type {Action[]} */
  actions = [];

  /**
   * An action, described as in its notice.
   * @param {string} words
   * @param {() => unknown} undo
   * @returns {Action}
   */
  did(words, undo) {
    const action = { words, undo };
    this.actions = [...this.actions.slice(1 - DEPTH), action];
    return action;
  }

  /**
   * Undo this action, or the last one; nothing when it was already undone. Returns it.
   * @param {Action} [action]
   */
  back(action = this.actions.at(-1)) {
    if (!action || !this.actions.includes(action)) return undefined;
    this.actions = this.actions.filter((each) => each !== action);
    action.undo();
    return action;
  }
}
