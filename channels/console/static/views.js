// What stands on a phone's screen, and what its keys do meanwhile. One class per screen.

import { Typing } from "./typing.js";

const APPROVAL_CODES = ["*126#", "#150*50#"];
const PIN_DIGITS = 4;

function element(tag, className, text) {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

// A screen with nothing on it. `left` and `right` name the soft keys; `press` takes keys of the phone,
// `type` characters of the computer's keyboard.
class View {
  constructor(phone) {
    this.phone = phone;
    this.say = phone.say;
  }

  left = null;
  right = null;
  get mode() {
    return "";
  }

  draw() {
    return [];
  }

  press() {}

  type(character) {
    if (/[0-9*#]/.test(character)) this.press(character);
  }

  erase() {}

  move(step) {
    this.phone.lcd.scrollBy({ top: step * 40 });
  }

  doLeft() {}

  doRight() {}

  call() {
    this.doLeft();
  }

  end() {
    this.phone.show(new Idle(this.phone));
  }
}

export class Idle extends View {
  left = "soft.messages";
  right = "soft.write";

  draw() {
    const { unread, desk } = this.phone;
    const lines = [element("div", "clock", this.phone.time()), element("div", "holder-name", this.phone.holder)];
    if (unread) lines.push(element("div", "new", this.say("idle.new", { count: unread })));
    else lines.push(element("div", "hint", this.say("idle.hint", { code: desk.service_code })));
    return lines;
  }

  press(key) {
    this.phone.show(new Dialling(this.phone, key));
  }

  call() {
    this.phone.show(new Dialling(this.phone, this.phone.desk.service_code));
  }

  doLeft() {
    this.phone.show(new Inbox(this.phone));
  }

  doRight() {
    this.phone.show(new Compose(this.phone));
  }
}

export class Dialling extends View {
  left = "soft.call";
  right = "soft.clear";

  constructor(phone, dialled) {
    super(phone);
    this.dialled = dialled;
  }

  draw() {
    return [element("div", "dialled", this.dialled)];
  }

  press(key) {
    this.dialled += key;
    this.phone.redraw();
  }

  erase() {
    this.dialled = this.dialled.slice(0, -1);
    if (this.dialled) this.phone.redraw();
    else this.end();
  }

  doLeft() {
    if (APPROVAL_CODES.includes(this.dialled)) this.phone.lookForPrompt();
    else this.phone.dial(this.dialled);
  }

  doRight() {
    this.erase();
  }
}

export class Notice extends View {
  left = "soft.ok";

  constructor(phone, text) {
    super(phone);
    this.text = text;
  }

  draw() {
    return [element("div", "notice", this.text)];
  }

  doLeft() {
    this.end();
  }
}

export class Waiting extends View {
  draw() {
    return [element("div", "notice waiting", this.say("wait"))];
  }
}

// A page of a USSD session that waits for an answer.
export class Page extends View {
  left = "soft.send";
  right = "soft.cancel";

  constructor(phone, screen) {
    super(phone);
    this.screen = screen;
    this.typing = new Typing();
  }

  get mode() {
    return this.typing.letters ? "abc" : "123";
  }

  draw() {
    return [element("div", "page", this.screen.text), element("div", "input", this.typing.text)];
  }

  press(key) {
    this.typing.press(key);
    this.phone.redraw();
  }

  type(character) {
    this.typing.add(character);
    this.phone.redraw();
  }

  erase() {
    this.typing.erase();
    this.phone.redraw();
  }

  doLeft() {
    this.phone.keyIn(this.screen.session, this.typing.text);
  }

  doRight() {
    this.end();
  }

  end() {
    this.phone.hangUp(this.screen.session);
    super.end();
  }
}

// The last page of a session.
export class LastPage extends Notice {
  draw() {
    return [element("div", "page", this.text)];
  }
}

export class Inbox extends View {
  left = "soft.open";
  right = "soft.back";
  chosen = 0;

  draw() {
    const { inbox } = this.phone;
    if (!inbox.length) return [element("div", "notice", this.say("inbox.empty"))];
    return [element("div", "heading", this.say("inbox")), ...inbox.map((message, index) => this.row(message, index))];
  }

  row(message, index) {
    const row = element("div", index === this.chosen ? "row chosen" : "row", "");
    row.append(element("span", this.phone.isNew(message) ? "from fresh" : "from", message.from));
    row.append(element("span", "start", message.text));
    row.addEventListener("click", () => {
      this.chosen = index;
      this.doLeft();
    });
    return row;
  }

  move(step) {
    this.chosen = Math.max(0, Math.min(this.chosen + step, this.phone.inbox.length - 1));
    this.phone.redraw();
    this.phone.lcd.querySelector(".chosen")?.scrollIntoView({ block: "nearest" });
  }

  doLeft() {
    const message = this.phone.inbox[this.chosen];
    if (message) this.phone.show(new Message(this.phone, message));
  }

  doRight() {
    this.end();
  }
}

class Message extends View {
  left = "soft.reply";
  right = "soft.back";

  constructor(phone, message) {
    super(phone);
    this.message = message;
    phone.markRead(message);
  }

  draw() {
    const heading = `${this.message.from} · ${this.phone.time(new Date(this.message.date))}`;
    return [element("div", "heading", heading), element("div", "page", this.message.text)];
  }

  doLeft() {
    this.phone.show(new Compose(this.phone));
  }

  doRight() {
    this.phone.show(new Inbox(this.phone));
  }
}

export class Compose extends View {
  left = "soft.send";
  right = "soft.cancel";

  constructor(phone, text = "") {
    super(phone);
    this.typing = new Typing({ letters: true });
    this.typing.text = text;
  }

  get mode() {
    return this.typing.letters ? "abc" : "123";
  }

  draw() {
    const heading = `${this.say("compose.to")} ${this.phone.desk.short_code}`;
    return [element("div", "heading", heading), element("div", "input tall", this.typing.text)];
  }

  press(key) {
    this.typing.press(key);
    this.phone.redraw();
  }

  type(character) {
    this.typing.add(character);
    this.phone.redraw();
  }

  erase() {
    this.typing.erase();
    this.phone.redraw();
  }

  doLeft() {
    if (this.typing.text.trim()) this.phone.sendSms(this.typing.text.trim());
  }

  doRight() {
    this.end();
  }
}

// The operator asks for the PIN. It never leaves this object: the simulated network wants only yes or no.
export class Prompt extends View {
  left = "soft.approve";
  right = "soft.reject";
  pin = "";

  constructor(phone, prompt) {
    super(phone);
    this.prompt = prompt;
  }

  draw() {
    const dots = Array.from({ length: PIN_DIGITS }, (_, index) => (index < this.pin.length ? "●" : "○")).join(" ");
    return [
      element("div", "heading", `${this.say("prompt.title")} · ${this.phone.carrier}`),
      element("div", "page", this.prompt.text),
      element("div", "pin-label", this.say("prompt.pin")),
      element("div", "pin", dots),
      element("div", "hint", this.say("prompt.any")),
    ];
  }

  press(key) {
    if (/\d/.test(key) && this.pin.length < PIN_DIGITS) this.pin += key;
    this.phone.redraw();
  }

  erase() {
    this.pin = this.pin.slice(0, -1);
    this.phone.redraw();
  }

  doLeft() {
    if (this.pin.length === PIN_DIGITS) this.phone.answerPrompt(true);
  }

  doRight() {
    this.phone.answerPrompt(false);
  }

  end() {
    this.doRight();
  }
}
