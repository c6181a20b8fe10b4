// The line that a phone is on: which aggregator carries it, how slow it is, and what it is made to do wrong.

import * as network from "./network.js";
import { Notice, Page, Waiting } from "./views.js";

const DELAYS = [0, 1, 3, 5, 10]; // seconds; the service gives itself 4, the network 10

export class Line {
  screen = null; // the newest one, of a session that may be over
  told = null; // [key, values] of what stands under the phone

  constructor(phone, dialects, chosen) {
    this.phone = phone;
    this.dialects = this.find(".dialect");
    this.delays = this.find(".delay");
    this.meter = this.find(".meter");
    this.dialects.append(...dialects.map((name) => new Option(name, name, false, name === chosen)));
    this.delays.append(...DELAYS.map((seconds) => new Option(`+${seconds} s`, seconds)));
    this.find(".repeat").addEventListener("click", () => this.repeat());
    this.find(".drop").addEventListener("click", () => this.drop());
  }

  find(name) {
    return this.phone.element.querySelector(name);
  }

  get dialect() {
    return this.dialects.value;
  }

  get delay() {
    return Number(this.delays.value);
  }

  // A page has come: what the product calls it, how wide it is, how long it took.
  show(screen) {
    this.screen = screen;
    const values = { step: screen.step || screen.error || "?", count: screen.septets, ms: screen.round_trip_ms };
    this.tell("line.page", values);
  }

  tell(key, values = {}) {
    this.told = [key, values];
    this.redraw();
  }

  redraw() {
    this.meter.textContent = this.told ? this.phone.say(...this.told) : "";
  }

  // The network has missed the answer, and sends the same bytes again; the phone sees nothing of it.
  async repeat() {
    if (!this.screen) return;
    try {
      const { same } = await network.repeat(this.screen.session);
      this.tell(same ? "line.same" : "line.other");
    } catch (problem) {
      if (!(problem instanceof network.Refused)) throw problem;
      this.tell("trouble.network");
    }
  }

  // The connection is lost in the middle of a talk.
  async drop() {
    const { view } = this.phone;
    if (!(view instanceof Page || view instanceof Waiting)) return;
    this.phone.show(new Notice(this.phone, this.phone.say("line.dropped")));
    if (view instanceof Page) await this.phone.hangUp(view.screen.session);
  }
}
