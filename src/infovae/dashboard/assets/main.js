// Brings the parts together: reads the data, draws, listens, and asks a live server for more.

const VIEWS = { curves: drawCurves, against: drawAgainst, spread: drawSpread, parallel: drawParallel, pareto: drawPareto, compare: drawCompare, pictures: drawPictures };

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
  document.querySelector(".scope").hidden = ["compare", "pictures"].includes(name); // which are of the chosen runs anyway
  byId("chart-csv").hidden = name === "pictures";
  saveViewSoon();
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

function item(prefix) {
  return (value) => ({ value: prefix + value, label: value });
}

function toggled(list, value, on) {
  return on ? [...list, value] : list.filter((other) => other !== value);
}

/** Config keys that differ and aren't among the telling ones. */
function furtherKeys() {
  const { telling, differing } = state.description;
  return differing.map(({ key }) => key).filter((key) => !telling.includes(key));
}

function fillGroupMenu() {
  const sections = [
    { title: "Tell runs apart", items: state.description.telling.map(item("")) },
    { title: "Differ as well", items: furtherKeys().map(item("")) },
  ];
  fillMenu("group-keys", sections, groupKeys, (keys) => {
    state.groupKeys = keys;
    saveViewSoon();
    drawAll();
  });
}

function fillColumnMenu() {
  const { telling, keys, metrics } = state.description;
  const differing = [...telling, ...furtherKeys()];
  const sections = [
    { title: "Config that differs", items: differing.map(item("config:")) },
    { title: "Metrics", items: metrics.map(item("metric:")) },
    { title: "Config that doesn't", items: keys.filter((key) => !differing.includes(key)).map(item("config:")) },
  ];
  fillMenu("columns", sections, columnFields, (fields) => {
    state.columns = fields;
    saveViewSoon();
    drawAll();
  });
}

function fillAxesMenu() {
  const { telling, metrics } = state.description;
  const sections = [
    { title: "Config", items: telling.map(item("config:")) },
    { title: "Metrics", items: metrics.map(item("metric:")) },
  ];
  fillMenu("parallel-axes", sections, parallelAxes, (fields) => {
    parallel.axes = fields;
    saveViewSoon();
    drawViewsSoon();
  });
}

function fillChartsMenu() {
  const items = state.description.curves.filter((metric) => metric !== byId("curves-metric").value).map(item(""));
  fillMenu("curves-charts", [{ title: "Further charts", items }], () => curves.further, (metrics) => {
    curves.further = metrics ?? [];
    saveViewSoon();
    drawViewsSoon();
  });
}

/** Checkboxes that set a list; undefined sets it to what it is by default. */
function fillMenu(id, sections, current, set) {
  const reset = () => {
    set(undefined);
    fillMenu(id, sections, current, set);
  };
  checkboxes(byId(id), sections, (value) => current().includes(value), (value, on) => set(toggled(current(), value, on)), reset);
}

function listenToMenus() {
  const menus = { "group-keys": fillGroupMenu, columns: fillColumnMenu, "parallel-axes": fillAxesMenu, "curves-charts": fillChartsMenu };
  for (const [id, fill] of Object.entries(menus)) {
    const menu = byId(id).closest("details");
    menu.addEventListener("toggle", () => menu.open && fill()); // only then: what is open keeps its focus and place
  }
}

let drawn = Promise.resolve();

/** Draw everything, after what is being drawn: building a table takes several turns. */
function drawAll() {
  drawn = drawn.catch(() => {}).then(drawOnce);
  return drawn;
}

async function drawOnce() {
  drawCensus();
  takeLinkedChoice();
  await drawTable();
  noteChoice();
  drawViewsSoon();
  openLinkedDetails();
}

function listen() {
  listenToTabs();
  listenToMenus();
  listenToView();
  closeMenusOutside();
  followLinks();
  listenToDownloads();
  listenToEnlarged();
  byId("play").addEventListener("click", playFilm);
  for (const radio of document.querySelectorAll("input[name=rows]")) radio.addEventListener("change", drawAll);
  byId("search").addEventListener("input", search);
  byId("clear-choice").addEventListener("click", () => {
    state.chosen.clear();
    showChoice();
  });
  byId("scope").addEventListener("change", drawViewsSoon);
  for (const control of document.querySelectorAll(".bar [id^=curves-], .bar [id^=against-], .bar [id^=pareto-], .bar [id^=spread-], #compare-differing, #parallel-colour")) {
    control.addEventListener("change", drawViewsSoon);
  }
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawViewsSoon);
}

/** Ask for what changed, again and again; a server that was started anew numbers its runs anew. */
async function follow(instance, seconds) {
  let waiting = false; // for the rest of what changed, to draw it all at once
  for (;;) {
    try {
      const answer = await fetch(`data?since=${state.version}`);
      if (!answer.ok) throw new Error(answer.statusText);
      const data = await answer.json();
      if (data.instance !== instance) return location.reload();
      waiting = takeIn(data) || waiting;
      if (data.more) continue; // the server sends many runs in parts
      if (waiting || !table) await drawAll();
      waiting = false;
      const read = state.runs.size;
      byId("freshness").textContent = read < data.found ? `live, has read ${formatNumber(read)} of ${formatNumber(data.found)} runs` : "live";
      byId("freshness").title = `last asked ${new Date().toLocaleTimeString()}`;
    } catch (problem) {
      if (!(problem instanceof TypeError)) console.error(problem);
      byId("freshness").textContent = "the server doesn't answer";
    }
    await new Promise((done) => setTimeout(done, 1000 * seconds));
  }
}

/** The JSON in a block of gzip in base64. */
async function unpack(block) {
  const letters = atob(block.textContent);
  const bytes = new Uint8Array(letters.length);
  for (let at = 0; at < letters.length; at++) bytes[at] = letters.charCodeAt(at); // ten times faster than Uint8Array.from
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}

async function main() {
  const about = JSON.parse(byId("about").textContent);
  const data = await unpack(byId("data"));
  state.live = about.live;
  state.instance = data.instance;
  state.embedding = about.pictures;
  listen();
  restoreView();
  takeIn(data);
  if (about.live) return follow(data.instance, about.poll_seconds);
  byId("freshness").textContent = `as of ${about.built}`;
  await drawAll();
}

main();
