// Brings the parts together: reads the data, draws, listens, and asks a live server for more.

const VIEWS = { curves: drawCurves, against: drawAgainst, parallel: drawParallel, pareto: drawPareto, pictures: drawPictures };

function currentView() {
  return document.querySelector("[role=tab][aria-selected=true]").id.slice("tab-".length);
}

let drawing;

/** Draw the view that is open, once for however many changes there are. */
function drawViewsSoon() {
  clearTimeout(drawing);
  drawing = setTimeout(() => VIEWS[currentView()](), 30);
}

function showView(name) {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const selected = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", selected);
    tab.tabIndex = selected ? 0 : -1;
    byId(tab.getAttribute("aria-controls")).hidden = !selected;
  }
  document.querySelector(".scope").hidden = name === "pictures"; // which are of the chosen runs anyway
  drawViewsSoon();
}

function listenToTabs() {
  const tabs = [...document.querySelectorAll("[role=tab]")];
  for (const [position, tab] of tabs.entries()) {
    tab.addEventListener("click", () => showView(tab.id.slice("tab-".length)));
    tab.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      const next = tabs[(position + step + tabs.length) % tabs.length];
      next.focus();
      next.click();
    });
  }
}

function drawCensus() {
  const count = new Map();
  for (const run of allRuns()) count.set(run.status, (count.get(run.status) ?? 0) + 1);
  const kinds = [...count].sort(([, one], [, other]) => other - one).map(([status, number]) => `${formatNumber(number)} ${status}`);
  byId("census").textContent = `${state.runs.size} ${state.runs.size === 1 ? "run" : "runs"}${kinds.length ? `: ${kinds.join(", ")}` : ""}`;
}

function drawMenus() {
  const { telling, differing, keys, metrics } = state.description;
  const rest = differing.map(({ key }) => key).filter((key) => !telling.includes(key));
  const item = (prefix) => (value) => ({ value: prefix + value, label: value });
  const toggled = (list, value, on) => (on ? [...list, value] : list.filter((other) => other !== value));
  const set = (name, value) => {
    state[name] = value;
    drawAll();
  };
  checkboxes(
    byId("group-keys"),
    [
      { title: "Tell runs apart", items: telling.map(item("")) },
      { title: "Differ as well", items: rest.map(item("")) },
    ],
    (key) => groupKeys().includes(key),
    (key, on) => set("groupKeys", toggled(groupKeys(), key, on)),
    () => set("groupKeys", undefined),
  );
  checkboxes(
    byId("columns"),
    [
      { title: "Metrics", items: metrics.map(item("metric:")) },
      { title: "Config that differs", items: [...telling, ...rest].map(item("config:")) },
      { title: "Config that doesn't", items: keys.filter((key) => !telling.includes(key) && !rest.includes(key)).map(item("config:")) },
    ],
    (field) => columnFields().includes(field),
    (field, on) => set("columns", toggled(columnFields(), field, on)),
    () => set("columns", undefined),
  );
}

async function drawAll() {
  drawCensus();
  if (!document.querySelector("details.menu[open]") || !state.live) drawMenus();
  await drawTable();
  noteChoice();
  drawViewsSoon();
}

function listen() {
  listenToTabs();
  closeMenusOutside();
  followLinks();
  for (const radio of document.querySelectorAll("input[name=rows]")) radio.addEventListener("change", drawAll);
  byId("search").addEventListener("input", search);
  byId("clear-choice").addEventListener("click", () => {
    state.chosen.clear();
    showChoice();
  });
  byId("scope").addEventListener("change", drawViewsSoon);
  for (const control of document.querySelectorAll(".bar [id^=curves-], .bar [id^=against-], .bar [id^=pareto-], #parallel-colour")) {
    control.addEventListener("change", drawViewsSoon);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawViewsSoon);
}

/** Ask for what changed, again and again; a server that was started anew numbers its runs anew. */
async function follow(instance, seconds) {
  for (;;) {
    try {
      const answer = await fetch(`data?since=${state.version}`);
      if (!answer.ok) throw new Error(answer.statusText);
      const data = await answer.json();
      if (data.instance !== instance) return location.reload();
      const changed = takeIn(data);
      if (changed || !table) await drawAll();
      byId("freshness").textContent = "live";
      byId("freshness").title = `last asked ${new Date().toLocaleTimeString()}`;
    } catch (problem) {
      if (!(problem instanceof TypeError)) console.error(problem);
      byId("freshness").textContent = "the server doesn't answer";
    }
    await new Promise((done) => setTimeout(done, 1000 * seconds));
  }
}

async function main() {
  const data = JSON.parse(byId("data").textContent);
  state.live = data.live;
  state.embedding = data.pictures;
  listen();
  showView("curves");
  takeIn(data);
  if (data.live) return follow(data.instance, data.poll_seconds);
  byId("freshness").textContent = `as of ${data.built}`;
  await drawAll();
  openLinkedDetails();
}

main();
