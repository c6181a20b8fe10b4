// The doors of the simulated networks, as the web process forwards them.

export class Refused extends Error {
  constructor(status) {
    super(`refused: ${status}`);
    this.status = status; // 0: nobody answered
  }
}

async function ask(method, path, body) {
  let answer;
  try {
    answer = await fetch(`/simulator${path}`, {
      method,
      headers: { "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
  } catch {
    throw new Refused(0);
  }
  if (!answer.ok) throw new Refused(answer.status >= 500 ? 0 : answer.status);
  return answer.json();
}

export const dial = (from, dialled, dialect, delay_seconds) =>
  ask("POST", "/ussd", { from, dial: dialled, dialect, delay_seconds });
export const keyIn = (session, input, delay_seconds) => ask("POST", `/ussd/${session}`, { input, delay_seconds });
export const repeat = (session) => ask("POST", `/ussd/${session}/repeat`);
export const hangUp = (session) => ask("DELETE", `/ussd/${session}`);
export const look = (number) => ask("GET", `/phones/${number}`);
export const sendSms = (from, to, text) => ask("POST", "/sms", { from, to, text });
export const approve = (number) => ask("POST", `/prompts/${number}/approve`);
export const reject = (number) => ask("POST", `/prompts/${number}/reject`);
