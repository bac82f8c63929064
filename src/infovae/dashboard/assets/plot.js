// What the charts share: colours, axes, and text that plotly doesn't take for markup.

const LIGHT = ["#2563b8", "#d2691e", "#2b8a3e", "#c2255c", "#6741d9", "#0b7285", "#8a6d1d", "#5c6670", "#e03131", "#1098ad"];
const DARK = ["#74a9f0", "#f2a65a", "#69c97e", "#f27ba5", "#a58bf5", "#5cc8d7", "#d9bb58", "#a9b4be", "#ff8787", "#66d9e8"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "x"];
const MOST_GROUPS = 40;

function isDark() {
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

function colour(position) {
  const colours = isDark() ? DARK : LIGHT;
  return colours[position % colours.length];
}

/** One of a list for each round of the colours, so that no two groups look alike: DASHES of lines, SYMBOLS of points. */
function ofRound(list, position) {
  return list[Math.floor(position / LIGHT.length) % list.length];
}

function transparent(hex, opacity) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  return `rgba(${red}, ${green}, ${blue}, ${opacity})`;
}

/** Plotly reads a few tags and entities in labels: text from run folders gets none. */
function plotText(text, most = 70) {
  const cut = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return cut.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function legendText(group) {
  return plotText(group.label, innerWidth < 700 ? 42 : 60);
}

function wrapped(text, width = 60) {
  return text.match(new RegExp(`.{1,${width}}`, "gsu"))?.map((line) => plotText(line)).join("<br>") ?? "";
}

const groupsOf = new Map(); // all groups by the keys: charts and the table ask again and again

/** The groups of all runs, and their positions by each run's number. */
function allGroups(keys) {
  const name = keys.join("\n");
  if (!groupsOf.has(name)) {
    const groups = groupRuns(allRuns(), keys);
    const positions = new Map(groups.flatMap((group, position) => group.runs.map((run) => [run.id, position])));
    groupsOf.set(name, { groups, positions });
  }
  return groupsOf.get(name);
}

/** The colour, the dash and the symbol that a run's group has in every chart. */
function lookOf(run, keys) {
  const { groups, positions } = allGroups(keys);
  const position = positions.get(run.id);
  return { colour: groupColour(groups[position]) ?? colour(position), dash: ofRound(DASHES, position), symbol: ofRound(SYMBOLS, position) };
}

/** Groups of the runs, with labels that tell what differs among them, and their looks. */
function colouredGroups(runs, without) {
  const keys = groupKeys().filter((name) => name !== without);
  return groupRuns(runs, keys).map((group) => ({ ...group, ...lookOf(group.runs[0], keys) }));
}

/** More groups than a legend holds: all beyond become one, in grey. */
function fewGroups(groups) {
  if (groups.length <= MOST_GROUPS) return groups;
  const rest = groups.slice(MOST_GROUPS);
  const label = `${rest.length} further groups`;
  return [...groups.slice(0, MOST_GROUPS), { name: label, label, runs: rest.flatMap(({ runs }) => runs), colour: "#8b949e", dash: "solid", symbol: "circle", isRest: true }];
}

function axis(title, more = {}) {
  const style = getComputedStyle(document.documentElement);
  const line = style.getPropertyValue("--line").trim();
  return {
    title: { text: innerWidth < 700 ? wrapped(title, 26) : plotText(title), standoff: 12 },
    gridcolor: line,
    linecolor: line,
    zerolinecolor: line,
    automargin: true,
    exponentformat: "power",
    ...more,
  };
}

function layout(traces, more) {
  const style = getComputedStyle(document.documentElement);
  const [text, card, line] = ["--text", "--card", "--line"].map((name) => style.getPropertyValue(name).trim());
  const narrow = innerWidth < 700;
  return {
    paper_bgcolor: card,
    plot_bgcolor: card,
    font: { family: "system-ui, sans-serif", size: 13, color: text },
    hoverlabel: { bgcolor: card, bordercolor: line, font: { color: text }, align: "left", namelength: -1 },
    margin: { l: 56, r: 16, t: 36, b: 48 }, // the toolbar stands on top, and covers neither points nor the legend
    hovermode: "closest",
    legend: narrow ? { orientation: "h", y: -0.3, yanchor: "top", font: { size: 10 } } : { font: { size: 12 } },
    height: narrow ? 420 + 18 * traces.filter(({ showlegend }) => showlegend !== false).length : 460,
    ...more,
  };
}

const CONFIG = {
  displaylogo: false,
  responsive: true,
  showSendToCloud: false,
  modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
  toImageButtonOptions: { format: "svg" },
};

/** Draw; a click on a point that stands for a run chooses it. */
async function draw(id, traces, look) {
  const plot = byId(id);
  await Plotly.react(plot, traces, layout(traces, look), CONFIG);
  if (plot.dataset.clicks) return;
  plot.dataset.clicks = "yes";
  plot.on("plotly_click", ({ points }) => {
    const number = points[0].customdata;
    if (state.runs.has(number)) toggleRun(number);
  });
}

/** A group's runs as points; x, y and what is told of one by functions of the run. */
function pointsTrace(group, x, y, tell) {
  return {
    x: group.runs.map(x),
    y: group.runs.map(y),
    name: legendText(group),
    mode: "markers",
    marker: runMarkers(group),
    customdata: group.runs.map((run) => run.id),
    text: group.runs.map((run) => `${describeRun(run)}<br>${tell(run)}`),
    hoverinfo: "text",
  };
}

/** Points of runs: filled where finished, ringed where chosen. */
function runMarkers(group) {
  const { runs, symbol } = group;
  return {
    symbol: runs.map((run) => (run.status === "finished" ? symbol : `${symbol}-open`)),
    color: runs.map((run) => runColour(run, group)),
    opacity: 0.9,
    size: runs.map((run) => (state.chosen.has(run.id) ? 12 : 8)),
    line: { width: runs.map((run) => (state.chosen.has(run.id) ? 2 : 0.5)), color: isDark() ? "#ffffff" : "#111111" },
  };
}

function describeRun(run) {
  return `${wrapped(state.paths.get(run.id))}<br>${plotText(run.status)}`;
}

function note(id, parts) {
  byId(id).textContent = parts.filter(Boolean).join(" ");
}
