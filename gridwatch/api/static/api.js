// Talks to the server. The session is in an HttpOnly cookie that this script cannot read.

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.remedy ? `${problem.detail} ${problem.remedy}` : `The server answered ${status}.`);
    this.status = status;
  }
}

let offset = 0; // server time minus ours: clocks of cases are judged by the server's time

export const serverNow = () => Date.now() + offset;

async function call(method, path, body) {
  const options = { method, credentials: "same-origin", cache: "no-store" };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(path, options);
  const date = Date.parse(answer.headers.get("date"));
  if (!Number.isNaN(date)) offset = date - Date.now();
  if (!answer.ok) {
    const problem = await answer.json().catch(() => ({}));
    throw new Refused(answer.status, problem);
  }
  return answer;
}

export async function get(path, params = []) {
  const query = new URLSearchParams(params).toString();
  return (await call("GET", query ? `${path}?${query}` : path)).json();
}

export async function getBlob(path, params) {
  return (await call("GET", `${path}?${new URLSearchParams(params)}`)).blob();
}

export async function post(path, body) {
  return (await call("POST", path, body)).json();
}

export async function remove(path) {
  await call("DELETE", path);
}
