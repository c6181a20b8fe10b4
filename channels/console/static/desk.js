// The desk: which phones stand on it, in which language, and how often they listen.

import { Phone } from "./phone.js";

const LISTEN_MS = 1500;
const desk = JSON.parse(document.getElementById("desk").textContent);
const address = new URL(location);
const phones = new Map();
let language = address.searchParams.get("lang") === "en" ? "en" : "fr";

function say(key, values = {}) {
  return desk.texts[language][key].replace(/{(\w+)}/g, (_, name) => values[name]);
}

// What a phone is for, by the demo's numbers, with something to start with.
const ROLES = [
  [/^237671000/, "restaurant", [{ dial: deep("9") }, { text: "1" }, { text: "SOLDE" }]],
  [/^237672000/, "driver", [{ dial: deep("9") }, { text: "ON AKWA" }, { text: "GAIN" }]],
  [/^237670000|^237690000/, "customer", [{ dial: desk.service_code }, { dial: deep("3") }, { text: "SOLDE" }]],
  [/./, "other", [{ dial: desk.service_code }]],
];

function deep(rest) {
  return `${desk.service_code.slice(0, -1)}*${rest}#`;
}

function roleOf(number) {
  const [, role, starts] = ROLES.find(([pattern]) => pattern.test(number));
  return { role, starts };
}

// `690 00 00 02`, `+237690000002` -> `237690000002`; null when it is no number.
function normalise(raw) {
  const digits = raw.replace(/\D/g, "").replace(/^00/, "");
  if (/^[26]\d{8}$/.test(digits)) return `237${digits}`;
  return /^237[26]\d{8}$/.test(digits) ? digits : null;
}

function pretty(number) {
  return `+${number.slice(0, 3)} ${number[3]} ${number.slice(4).match(/../g).join(" ")}`;
}

function add(number, dialect = desk.dialects[0]) {
  if (phones.has(number)) {
    phones.get(number).body.focus();
    return;
  }
  const phone = new Phone(number, desk, say, dialect);
  const { role, starts } = roleOf(number);
  phone.element.dataset.role = role;
  phone.element.querySelector(".number").textContent = pretty(number);
  phone.element.querySelector(".remove").addEventListener("click", () => remove(number));
  phone.element.querySelector(".chips").append(...starts.map((start) => chip(phone, start)));
  phone.element.querySelector(".dialect").addEventListener("change", remember);
  phones.set(number, phone);
  document.getElementById("phones").append(phone.element);
  label(phone);
  phone.look();
}

function chip(phone, { dial, text }) {
  const button = document.createElement("button");
  button.textContent = dial ?? `✉ ${text}`;
  button.addEventListener("click", () => (dial ? phone.startDial(dial) : phone.startSms(text)));
  return button;
}

function remove(number) {
  phones.get(number).element.remove();
  phones.delete(number);
  remember();
}

function label(phone) {
  const role = say(`role.${roleOf(phone.number).role}`);
  phone.element.querySelector(".role").textContent = role;
  phone.body.setAttribute("aria-label", `${role} ${pretty(phone.number)}`);
  translate(phone.element);
  phone.redraw();
}

function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) {
    element.textContent = say(element.dataset.text, { code: desk.service_code });
  }
  for (const element of root.querySelectorAll("[data-label]")) {
    element.setAttribute("aria-label", say(element.dataset.label));
    element.title = say(element.dataset.label);
  }
}

function speak(chosen) {
  language = chosen;
  document.documentElement.lang = chosen;
  document.title = `Mboa · ${say("title")}`;
  translate(document);
  phones.forEach(label);
}

// The address says what is on the desk, so that it can be reloaded and shared.
function remember() {
  address.searchParams.set("phones", [...phones.values()].map(({ number, line }) => `${number}.${line.dialect}`).join(","));
  address.searchParams.set("lang", language);
  history.replaceState(null, "", address);
}

document.getElementById("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const input = document.getElementById("number");
  const number = normalise(input.value);
  input.setCustomValidity(number ? "" : say("trouble.number"));
  input.reportValidity();
  if (!number) return;
  input.value = "";
  add(number);
  remember();
});
document.getElementById("number").addEventListener("input", (event) => event.target.setCustomValidity(""));
document.getElementById("language").addEventListener("click", () => {
  speak(language === "fr" ? "en" : "fr");
  remember();
});

speak(language);
for (const asked of address.searchParams.get("phones")?.split(",") ?? desk.phones) {
  const [raw, dialect] = asked.split(".");
  const number = normalise(raw);
  if (number) add(number, desk.dialects.includes(dialect) ? dialect : undefined);
}
setInterval(() => document.hidden || phones.forEach((phone) => phone.look()), LISTEN_MS);
