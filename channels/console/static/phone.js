// One phone: its number, its screen and keys, and what it hears from the networks.

import { Line } from "./line.js";
import * as network from "./network.js";
import { KEYS } from "./typing.js";
import { Compose, Dialling, Idle, Inbox, LastPage, Notice, Page, Prompt, Waiting } from "./views.js";

const COMPUTER_KEYS = {
  Enter: "left", Escape: "end", Backspace: "clear", Delete: "clear", ArrowUp: "up", ArrowDown: "down",
};
const KEY_NAMES = { "*": "key.star", "#": "key.hash" };

export class Phone {
  inbox = [];
  carrier = "";
  holder = "";

  constructor(number, desk, say, dialect) {
    this.number = number;
    this.desk = desk;
    this.say = say;
    this.read = null; // ids of the messages that were there at first, or were opened since
    this.element = document.getElementById("phone").content.cloneNode(true).querySelector("figure");
    this.lcd = this.element.querySelector(".lcd");
    this.body = this.element.querySelector(".phone");
    this.line = new Line(this, desk.dialects, dialect);
    this.makeKeys();
    this.show(new Idle(this));
  }

  makeKeys() {
    const keypad = this.element.querySelector(".keypad");
    for (const [key, letters] of KEYS) {
      const button = document.createElement("button");
      button.dataset.key = key;
      if (KEY_NAMES[key]) button.dataset.label = KEY_NAMES[key];
      button.append(key, Object.assign(document.createElement("small"), { textContent: letters.replace(" ", "␣") }));
      keypad.append(button);
    }
    this.body.addEventListener("click", (event) => {
      const button = event.target.closest("[data-key]");
      if (button) this.press(button.dataset.key);
    });
    this.body.addEventListener("keydown", (event) => this.keydown(event));
  }

  // -- keys

  keydown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const onButton = event.target.matches("button") && (event.key === "Enter" || event.key === " ");
    if (onButton || (event.key.length > 1 && !COMPUTER_KEYS[event.key])) return;
    event.preventDefault();
    if (COMPUTER_KEYS[event.key]) this.press(COMPUTER_KEYS[event.key]);
    else this.view.type(event.key);
  }

  press(key) {
    const keys = {
      left: () => this.view.doLeft(),
      right: () => this.view.doRight(),
      up: () => this.view.move(-1),
      down: () => this.view.move(1),
      call: () => this.view.call(),
      end: () => this.view.end(),
      clear: () => this.view.erase(),
    };
    if (keys[key]) keys[key]();
    else this.view.press(key);
  }

  // -- screen

  show(view) {
    this.view = view;
    this.redraw();
    this.lcd.scrollTop = 0;
  }

  redraw() {
    this.paint(this.view.draw());
    this.lcd.querySelector(".input")?.scrollIntoView({ block: "nearest" });
    const [left, right] = this.element.querySelectorAll(".soft span");
    left.textContent = this.view.left ? this.say(this.view.left) : "";
    right.textContent = this.view.right ? this.say(this.view.right) : "";
    this.element.querySelector(".mode").textContent = this.view.mode;
    this.element.querySelector(".carrier").textContent = this.carrier;
    this.element.querySelector("time").textContent = this.time();
    this.body.classList.toggle("has-mail", this.unread > 0);
    this.line.redraw();
  }

  // Replace only what changed, so that a screen reader hears the new line and not the whole page again.
  paint(lines) {
    lines.forEach((line, index) => {
      const old = this.lcd.children[index];
      if (!old) this.lcd.append(line);
      else if (!old.isEqualNode(line)) old.replaceWith(line);
    });
    while (this.lcd.children.length > lines.length) this.lcd.lastChild.remove();
  }

  time(instant = new Date()) {
    return instant.toLocaleTimeString("fr", { hour: "2-digit", minute: "2-digit", timeZone: "Africa/Douala" });
  }

  // -- messages

  get unread() {
    return this.inbox.filter((message) => this.isNew(message)).length;
  }

  isNew(message) {
    return !this.read?.has(message.id);
  }

  markRead(message) {
    this.read.add(message.id);
  }

  // -- the networks

  // Run `talk`; whatever goes wrong with it ends up on the screen.
  async during(talk) {
    try {
      await talk();
    } catch (problem) {
      if (!(problem instanceof network.Refused)) throw problem;
      const text = { 0: "trouble.network", 422: "trouble.number" }[problem.status] ?? "trouble.code";
      this.show(new Notice(this, this.say(text)));
    }
  }

  dial(dialled) {
    return this.talk(() => network.dial(this.number, dialled, this.line.dialect, this.line.delay));
  }

  keyIn(session, input) {
    return this.talk(() => network.keyIn(session, input, this.line.delay));
  }

  talk(ask) {
    const waiting = new Waiting(this);
    this.show(waiting);
    return this.during(async () => {
      const screen = await ask();
      this.line.show(screen);
      if (this.view === waiting) this.show(screen.open ? new Page(this, screen) : new LastPage(this, screen.text));
      else if (screen.open) await network.hangUp(screen.session); // the caller left while the network was busy
    });
  }

  hangUp(session) {
    return this.during(() => network.hangUp(session));
  }

  sendSms(text) {
    this.show(new Waiting(this));
    return this.during(async () => {
      await network.sendSms(this.number, this.desk.short_code, text);
      this.show(new Notice(this, this.say("compose.sent")));
    });
  }

  lookForPrompt() {
    this.show(new Notice(this, this.say("prompt.none")));
    return this.look();
  }

  answerPrompt(yes) {
    this.show(new Waiting(this));
    return this.during(async () => {
      const prompt = await (yes ? network.approve(this.number) : network.reject(this.number));
      this.show(new Notice(this, this.say(`prompt.${prompt.state}`)));
      await this.look();
    });
  }

  // See what arrived: messages make a sound for the eyes, a prompt takes the screen unless a session holds it.
  async look() {
    const seen = await network.look(this.number).catch(() => null);
    this.body.classList.toggle("no-signal", !seen);
    if (!seen) return;
    const arrived = this.read && seen.sms.some((message) => !this.inbox.some((known) => known.id === message.id));
    this.read ??= new Set(seen.sms.map((message) => message.id));
    Object.assign(this, { inbox: seen.sms, carrier: seen.carrier.toUpperCase(), holder: seen.name });
    this.describe(seen);
    if (arrived) this.buzz();
    this.offer(seen.prompts[0]);
    if (this.view instanceof Idle || this.view instanceof Inbox) this.redraw();
  }

  offer(prompt) {
    const shown = this.view instanceof Prompt ? this.view.prompt.id : undefined;
    if (shown && shown !== prompt?.id) this.show(new Idle(this));
    const taken = this.view instanceof Page || this.view instanceof Waiting || this.view instanceof Compose;
    if (!prompt || taken || shown === prompt.id) return;
    this.show(new Prompt(this, prompt));
    this.buzz();
  }

  buzz() {
    this.body.classList.remove("buzz");
    void this.body.offsetWidth; // restarts the animation
    this.body.classList.add("buzz");
  }

  describe(seen) {
    const balance = seen.balance_xaf.toLocaleString("fr").replace(/\s/g, " ");
    this.element.querySelector(".holder").textContent = `${this.say("balance")}: ${balance} F`;
  }

  startDial(dialled) {
    this.show(new Dialling(this, dialled));
    this.body.focus();
  }

  startSms(text) {
    this.show(new Compose(this, text));
    this.body.focus();
  }
}
