// The status page: what the daemon's own interface tells, kept current. No data is ever made markup:
// texts are texts, and the daemon's drawings are parsed as SVG, for which no script may run.

const STATUS_MS = 5_000, SIGNS_MS = 15_000, PLOTS_MS = 60_000, FEED_MOST = 40, PERSON_MOST = 8;
const LATELY_MS = 900_000;
const CALLS = ["unconfirmed", "not_dispatched", "rejected", "undelivered"];
const TONES = {confirmed: "good", presumed: "unsure", cancelled: "quiet", superseded: "quiet"};
const STATES = ["queued", "sending", "awaiting", "in_doubt"];
const OUTCOMES = ["confirmed", "presumed", ...CALLS, "cancelled", "superseded"];
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, REF = /^cv_[0-9a-f]{12}$/;

const $ = id => document.getElementById(id);
const words = word => String(word).replaceAll("_", " ");
const tone = outcome => TONES[outcome] ?? "bad";
// As a terminal would, this page shows what steers or turns a text around, and does not obey it.
const plain = text => String(text).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
  c => `\\u${c.codePointAt(0).toString(16).padStart(4, "0")}`);

function el(name, props = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (key === "data") Object.assign(made.dataset, value);
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter(child => child !== null));
  return made;
}

// ---------------------------------------------------------------------------------------- times

const AGO = [[86_400_000, "d"], [3_600_000, "h"], [60_000, "min"], [1_000, "s"]];
function lasting(ms) {
  const [unit, name] = AGO.find(([unit]) => ms >= unit) ?? [1, "ms"];
  return `${Math.floor(ms / unit)} ${name}`;
}
// All clocks in UTC, as the log's, the command line's and the drawings' are.
const clock = at => new Date(at).toISOString().slice(11, 19);
const day = at => new Date(at).toISOString().slice(5, 10);
const age = at => Math.max(0, Date.now() - Date.parse(at));
function ago(at) {
  const ms = age(at);
  return ms < 1_000 ? "now" : `${lasting(ms)} ago`;
}
function when(at) {
  if (!at) return "";
  return el("time", {dateTime: at, title: at, data: {ago: ""}}, ago(at));
}
function since(at) {
  return el("time", {dateTime: at, title: at, data: {since: ""}}, lasting(age(at)));
}
setInterval(() => {
  for (const shown of document.querySelectorAll("time[data-ago]")) shown.textContent = ago(shown.dateTime);
  for (const shown of document.querySelectorAll("time[data-since]")) shown.textContent = lasting(age(shown.dateTime));
}, 1_000);

// ------------------------------------------------------------------------------ asking the daemon

let token = sessionStorage.getItem("token");
let asked = null;

class Refused extends Error {}

async function ask(path, more = {}) {
  for (;;) {
    if (asked || !token) await anotherToken("");
    const sent = token, headers = {...more.headers, Authorization: `Bearer ${token}`};
    const answer = await fetch(path, {...more, headers, cache: "no-store", redirect: "error"});
    if (answer.status === 401 || answer.status === 403) {
      // Others that asked with it meanwhile wait for the same answer.
      if (sent === token) await anotherToken(answer.status === 403 ? "That token may not read." : "That is not its token.");
      continue;
    }
    if (!answer.ok && answer.status !== 503) {
      const told = await answer.json().catch(() => ({}));
      throw new Refused(told.detail ?? `the daemon answered ${answer.status}`);
    }
    return answer;
  }
}

// One dialog, however many ask at once.
function anotherToken(said) {
  if (said) $("ask-said").textContent = said;
  asked ??= new Promise(done => {
    const dialog = $("ask");
    if (!dialog.open) dialog.showModal();
    $("ask-form").onsubmit = event => {
      event.preventDefault();
      token = $("token").value.trim();
      sessionStorage.setItem("token", token);
      $("token").value = $("ask-said").textContent = "";
      dialog.close();
      asked = null;
      done();
    };
    dialog.oncancel = event => event.preventDefault();
  });
  return asked;
}

const json = async path => (await ask(path)).json();

// ---------------------------------------------------------------------------------------- status

let status = null, lostSince = null, signs = [];
const HEALS = ["sending", "readings"];
const CHANGES = / for \d[\d.]* \w+( \d+ \w+)?|,? (until|since|next try) .*$/g;
const LOUD = {"submission.closed": "updates that ended without their event"};

function verdict() {
  if (lostSince !== null) {
    return ["bad", `The daemon does not answer since ${clock(lostSince)} UTC. Trying again.`];
  }
  if (status === null) return ["quiet", "Asking the daemon…"];
  const open = Object.values(status.open).reduce((sum, n) => sum + n, 0);
  const waiting = open ? `${open} open` : "nothing open";
  const failing = status.checks.filter(check => !check.ok && !(check.name === "sending" && status.paused_since));
  if (status.draining) return ["unsure", "The daemon is on its way out: it finishes what is under way, and takes nothing new."];
  const stops = failing.find(check => check.required);
  if (stops) return ["bad", `Nothing is accepted. ${stops.name}: ${plain(stops.detail)}.`];
  if (failing.length) {
    // Without what changes each time: it is read aloud.
    const told = failing.map(check => `${check.name}: ${plain(check.detail).replace(CHANGES, "")}`).join("; ");
    // What the upstream asked for, and what waits for its records, ends by itself.
    const calm = status.gate !== "circuit" && failing.every(check => HEALS.includes(check.name));
    return [calm ? "unsure" : "bad", `Accepting, but not all is well. ${told}. ${waiting}.`];
  }
  if (status.paused_since) return ["unsure", `Sending is paused since ${clock(status.paused_since)} UTC: ${open} open.`];
  const lately = signs.filter(one => one.level !== "warning" && age(one.last_at) < LATELY_MS);
  if (lately.length) {
    const how = lately.some(one => one.level === "critical") ? "bad" : "unsure";
    const told = [...new Set(lately.map(one => LOUD[one.event] ?? one.event))].join("; ");
    return [how, `Listening, ${waiting}. Needs a person, of the last ${lasting(LATELY_MS)}: ${told}.`];
  }
  return ["good", `All is well: listening, ${waiting}.`];
}

function showVerdict() {
  const [how, said] = verdict();
  $("verdict").dataset.tone = how;
  // Said again only where it changes: it is read aloud.
  if ($("sentence").textContent !== said) $("sentence").textContent = said;
  document.title = `${{good: "✓", unsure: "…", bad: "✗", quiet: "?"}[how]} cv-listener`;
}

const figure = (name, count, how) => el("div", {data: {tone: count ? how : "", zero: !count}},
  el("dt", {}, words(name)), el("dd", {}, count.toLocaleString()));

function showStatus() {
  showVerdict();
  if (status === null) return;
  $("version").textContent = status.version;
  $("checks").replaceChildren(...status.checks.map(check =>
    el("li", {data: {ok: check.ok}}, `${check.ok ? "✓" : "✗"} ${check.name}: ${plain(check.detail)}`)));
  const oldest = status.oldest_open_at;
  $("board").replaceChildren(
    ...STATES.map(state => figure(state, status.open[state] ?? 0, state === "in_doubt" ? "unsure" : "")),
    figure("on the wire", status.in_flight, ""),
    el("div", {data: {zero: !oldest}}, el("dt", {}, "oldest"), el("dd", {}, oldest ? since(oldest) : "—")));
  $("closed").replaceChildren(...OUTCOMES.filter(name => status.closed[name] || name === "confirmed")
    .map(name => figure(name, status.closed[name] ?? 0, tone(name))));
}

// -------------------------------------------------------------------------- what needs a person

const opener = (id, shown) => el("button", {type: "button", className: "open", data: {opens: id}, onclick: () => tell(id)}, shown);
const openerOf = (list, id) => [...list.querySelectorAll("button")].find(one => one.dataset.opens === id);

// What has not changed stays: whoever is on it with the keyboard keeps the place.
const drawn = {};
function draw(name, rows, made) {
  const told = JSON.stringify(rows), list = $(name);
  if (drawn[name] === told) return;
  drawn[name] = told;
  const held = list.contains(document.activeElement) ? document.activeElement.dataset.opens : null;
  list.replaceChildren(...rows.map(made));
  if (held) openerOf(list, held)?.focus();
}

async function showPerson() {
  const {submissions} = await json(`v1/submissions?needs_person=true&limit=${PERSON_MOST}`);
  const found = submissions.sort((a, b) => Date.parse(b.closed_at) - Date.parse(a.closed_at));
  draw("person", found, one => el("li", {},
    el("span", {}, el("strong", {className: `tone-${tone(one.outcome)}`}, words(one.outcome)), " ", opener(one.id, one.cv_ref)),
    when(one.closed_at),
    el("p", {className: "more"}, words(one.reason ?? ""))));
}

async function showIncidents() {
  const {incidents} = await json("v1/incidents");
  signs = incidents;
  showVerdict();
  draw("incidents", incidents.filter(one => one.event !== "submission.closed").slice(0, 12), one => el("li", {},
    el("span", {},
      el("strong", {className: one.level === "warning" ? "tone-unsure" : "tone-bad"}, one.event),
      one.reason ? ` ${words(plain(one.reason))}` : "",
      one.count > 1 ? el("span", {className: "quiet"}, ` × ${one.count.toLocaleString()}`) : null),
    when(one.last_at),
    el("p", {className: "more"}, plain(one.what_to_do))));
}

async function showPlot(name) {
  const answer = await ask(`v1/plots/${name}?hours=${$("hours").value}`);
  const drawn = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
  if (drawn.localName !== "svg") return;
  const title = drawn.querySelector("title")?.textContent ?? "";
  $(`plot-${name}`).replaceChildren(el("figcaption", {}, title), document.importNode(drawn, true));
}

// ----------------------------------------------------------------------------- one submission

const row = (name, value) => el("div", {}, el("dt", {}, name), el("dd", {}, value));

function fill(parts) {
  for (const [id, text] of Object.entries(parts)) {
    $(id).textContent = text ?? "";
    $(id).hidden = !text;
  }
}

let opened = null;

async function tell(id) {
  opened = id;
  const told = await json(`v1/submissions/${id}/story`);
  const one = told.submission;
  fill({
    "story-heading": one.cv_ref,
    "story-outcome": one.outcome ? `${words(one.outcome)}${one.late ? ", late" : ""}` : words(one.state),
    "story-said": plain(told.explanation),
    "story-means": plain(told.means ?? ""),
    "story-do": told.what_to_do && tone(one.outcome) === "bad" ? `What to do: ${plain(told.what_to_do)}` : "",
    "story-title": `What happened, in UTC${told.story.length ? ` from ${told.story[0].at.slice(0, 10)} on` : ""}`,
  });
  $("story-outcome").className = one.outcome ? `tone-${tone(one.outcome)}` : "";
  const jobs = Object.entries(one.dispatch ?? {}).map(([job, how]) => row(job, `${words(how.verdict)}${how.evidence.length ? `, by ${how.evidence.map(words).join(", ")}` : ""}`));
  $("story-facts").replaceChildren(row("id", one.id), ...jobs, row("attempts", String(one.attempts)),
    row("deaf", one.deaf_ms ? lasting(one.deaf_ms) : "no"));
  const first = told.story.length ? day(told.story[0].at) : "";
  $("story-steps").replaceChildren(...told.story.map(step => el("li", {},
    el("time", {dateTime: step.at, title: step.at}, day(step.at) === first ? clock(step.at) : `${day(step.at)} ${clock(step.at)}`),
    el("span", {}, plain(step.words)))));
  $("story-list").replaceChildren();
  show();
}

async function list(ref) {
  const {submissions} = await json(`v1/submissions?cv_ref=${ref}&limit=20`);
  if (!submissions.length) throw new Refused("There is none of that cv_ref.");
  fill({"story-heading": ref, "story-outcome": "", "story-said": `${submissions.length} submissions of this code, the newest first.`,
    "story-means": "", "story-do": "", "story-title": ""});
  $("story-facts").replaceChildren();
  $("story-steps").replaceChildren();
  $("story-list").replaceChildren(...submissions.map(one => el("li", {},
    el("span", {}, el("strong", {className: one.outcome ? `tone-${tone(one.outcome)}` : ""}, words(one.outcome ?? one.state)), " ", opener(one.id, one.id)),
    when(one.created_at))));
  show();
}

function show() {
  if (!$("story").open) $("story").showModal();
  $("story").scrollTop = 0;
  $("story-heading").focus();
}

$("story").onclose = () => {
  // Its opener may have been drawn anew meanwhile.
  if (document.activeElement === document.body) (openerOf($("person"), opened) ?? openerOf($("feed"), opened))?.focus();
};
$("story-close").onclick = () => $("story").close();
$("find").onsubmit = async event => {
  event.preventDefault();
  const wanted = $("wanted").value.trim();
  $("find-said").textContent = "";
  try {
    if (ID.test(wanted)) await tell(wanted.toLowerCase());
    else if (REF.test(wanted)) await list(wanted);
    else throw new Refused("Expected the id of a submission, or cv_ and 12 digits; found another form.");
  } catch (error) {
    $("find-said").textContent = error instanceof Refused ? error.message : "The daemon does not answer.";
  }
};

// ------------------------------------------------------------------------------ as it happens

let place = null;

function happened(name, fact) {
  const at = fact.at ?? new Date().toISOString();
  const how = fact.outcome ?? fact.result ?? fact.disposition ?? "";
  const item = el("li", {className: "fresh"},
    el("span", {}, `${words(name.replace(".", ": "))} `,
      how ? el("span", {className: fact.outcome ? `tone-${tone(fact.outcome)}` : "quiet"}, `${words(plain(how))} `) : null,
      fact.submission_id ? opener(fact.submission_id, fact.cv_ref ?? fact.submission_id) : null),
    when(at));
  $("feed").prepend(item);
  while ($("feed").children.length > FEED_MOST) $("feed").lastChild.remove();
  soon("status", 500);
  if (fact.outcome && tone(fact.outcome) === "bad") soon("signs", 500);
}

async function* frames(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const {value, done} = await reader.read();
    if (done) return;
    rest += value;
    for (let end; (end = rest.indexOf("\n\n")) >= 0; rest = rest.slice(end + 2)) {
      const frame = {};
      for (const line of rest.slice(0, end).split("\n")) {
        const colon = line.indexOf(":");
        if (colon > 0) frame[line.slice(0, colon)] = line.slice(colon + 1).trimStart();
      }
      yield frame;
    }
  }
}

function linked(live) {
  lostSince = live ? null : lostSince ?? Date.now();
  $("link").dataset.state = live ? "live" : "lost";
  $("link").textContent = live ? "live" : `reconnecting since ${clock(lostSince)} UTC`;
  showVerdict();
}

async function follow() {
  for (let tries = 0; ; tries++) {
    try {
      const headers = place === null ? {} : {"Last-Event-ID": place};
      const answer = await ask("v1/events", {headers});
      if (!answer.ok || !answer.body) throw new Error("no stream");
      linked(true);
      tries = 0;
      refresh();
      for await (const frame of frames(answer.body)) {
        if (frame.id) place = frame.id;
        if (frame.event && frame.data && frame.event !== "stream.reset") happened(frame.event, JSON.parse(frame.data));
      }
    } catch { /* told below: it does not answer, and will be asked again */ }
    linked(false);
    await new Promise(done => setTimeout(done, Math.min(8_000, 500 * 2 ** tries)));
  }
}

// ---------------------------------------------------------------------------------- kept current

const KEEP = {
  status: [STATUS_MS, async () => {
    const before = $("verdict").dataset.tone;
    status = await json("v1/status");
    showStatus();
    if ($("verdict").dataset.tone !== before) {
      soon("signs", 200);
      soon("plots", 1_000);
    }
  }],
  signs: [SIGNS_MS, () => Promise.all([showPerson(), showIncidents()])],
  plots: [PLOTS_MS, () => Promise.all([showPlot("latency"), showPlot("deaf")])],
};
const timers = {};

function soon(name, ms) {
  const due = Date.now() + ms;
  if (timers[name]?.due <= due) return;
  clearTimeout(timers[name]?.timer);
  timers[name] = {due, timer: setTimeout(() => keep(name), ms)};
}

async function keep(name) {
  delete timers[name];
  const [every, look] = KEEP[name];
  // Nobody looks: it is asked again once somebody does.
  if (document.hidden) return;
  try {
    await look();
  } catch { /* the stream tells whether the daemon answers */ }
  soon(name, every);
}

const refresh = () => Object.keys(KEEP).forEach(name => soon(name, 0));

document.addEventListener("visibilitychange", () => document.hidden || refresh());
$("hours").onchange = () => soon("plots", 0);
refresh();
follow();
