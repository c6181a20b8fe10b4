// Text from twelve keys: digits, or letters by tapping a key several times.

export const KEYS = [
  ["1", ".,?!"], ["2", "abc"], ["3", "def"],
  ["4", "ghi"], ["5", "jkl"], ["6", "mno"],
  ["7", "pqrs"], ["8", "tuv"], ["9", "wxyz"],
  ["*", ""], ["0", " +"], ["#", ""],
];
const LETTERS = new Map(KEYS);
const SAME_LETTER_MS = 900;

export class Typing {
  constructor({ letters = false, limit = 160 } = {}) {
    this.text = "";
    this.letters = letters;
    this.limit = limit;
    this.last = { key: "", at: 0, tap: 0 };
  }

  // A key of the phone.
  press(key) {
    if (key === "#") this.letters = !this.letters;
    else if (this.letters && LETTERS.get(key)) this.tap(key);
    else this.add(key);
  }

  // A character of the computer's keyboard.
  add(character) {
    this.last = { key: "", at: 0, tap: 0 };
    if (this.text.length < this.limit) this.text += character;
  }

  tap(key) {
    const choices = LETTERS.get(key) + key;
    const again = key === this.last.key && performance.now() - this.last.at < SAME_LETTER_MS;
    const tap = again ? (this.last.tap + 1) % choices.length : 0;
    if (again) this.text = this.text.slice(0, -1);
    this.add(choices[tap]);
    this.last = { key, at: performance.now(), tap };
  }

  erase() {
    this.text = this.text.slice(0, -1);
  }
}
