// What the reader chose, in the part of the address after #: a reload keeps it, and a link shares it.

const MOST_LINKED = 100; // chosen runs: an address can't be of any length
const view = {
  touched: new Set(), // controls that the reader set: only these are in the address
  wanted: new Map(), // values of selects whose options aren't there yet
  chosen: [], // runs that aren't read yet
  sort: [],
  filters: [],
};

/** The controls above the table and the charts, by id; radio buttons go by their name. */
function viewControls() {
  return [...document.querySelectorAll(".bar > :is(label, .choice) :is(select, input):not(#epoch), .bar > fieldset input[name]")];
}

function controlName(control) {
  return control.id || control.name;
}

function controlValue(control) {
  return control.type === "checkbox" ? String(Number(control.checked)) : control.value;
}

/** Write the address anew, soon after whatever the reader did. */
const saveViewSoon = (() => {
  let saving;
  return () => {
    clearTimeout(saving);
    saving = setTimeout(saveView, 150);
  };
})();

function saveView() {
  const told = new URLSearchParams();
  const run = new URLSearchParams(location.hash.slice(1)).get("run");
  if (run !== null) told.set("run", run);
  if (currentView() !== "curves") told.set("tab", currentView());
  for (const control of viewControls()) {
    if (!view.touched.has(controlName(control)) || (control.type === "radio" && !control.checked)) continue;
    told.set(controlName(control), controlValue(control));
  }
  const lists = { group: state.groupKeys, columns: state.columns, axes: parallel.axes };
  const marked = { charts: curves.further, hidden: [...marks.hidden], pinned: [...marks.pinned], colours: [...marks.colours] };
  for (const [name, list] of Object.entries(marked)) if (list.length) lists[name] = list.slice(0, MOST_LINKED);
  for (const [name, list] of Object.entries(lists)) if (list) told.set(name, JSON.stringify(list));
  if (view.sort.length) told.set("sort", JSON.stringify(view.sort));
  if (view.filters.length) told.set("filters", JSON.stringify(view.filters));
  const chosen = [...state.chosen].slice(0, MOST_LINKED).map((number) => state.runs.get(number)?.path).filter(Boolean);
  if (chosen.length || view.chosen.length) told.set("chosen", JSON.stringify([...chosen, ...view.chosen]));
  const hash = told.toString();
  history.replaceState(null, "", hash ? `#${hash}` : location.pathname + location.search);
}

/** A list from the address; undefined for anything else that somebody wrote there. */
function linkedList(told, name, isEntry = (entry) => typeof entry === "string") {
  try {
    const list = JSON.parse(told.get(name));
    return Array.isArray(list) && list.every(isEntry) ? list : undefined;
  } catch {
    return undefined;
  }
}

/** Set the controls as the address says; before anything is drawn. */
function restoreView() {
  const told = new URLSearchParams(location.hash.slice(1));
  for (const control of viewControls()) {
    const value = told.get(controlName(control));
    if (value === null) continue;
    view.touched.add(controlName(control));
    if (control.type === "checkbox") control.checked = value === "1";
    else if (control.type === "radio") control.checked = control.value === value;
    else if (control.tagName === "SELECT" && ![...control.options].some((option) => option.value === value)) view.wanted.set(control.id, value);
    else control.value = value;
  }
  state.groupKeys = linkedList(told, "group");
  state.columns = linkedList(told, "columns", (entry) => /^(config|metric):/.test(entry));
  parallel.axes = linkedList(told, "axes", (entry) => /^(config|metric):/.test(entry));
  curves.further = linkedList(told, "charts") ?? [];
  marks.hidden = new Set(linkedList(told, "hidden"));
  marks.pinned = new Set(linkedList(told, "pinned"));
  const isColour = (entry) => typeof entry?.[0] === "string" && /^#[0-9a-f]{6}$/.test(entry[1]);
  marks.colours = new Map(linkedList(told, "colours", isColour));
  const isPlaced = (entry) => typeof entry?.column === "string" && ["asc", "desc"].includes(entry.dir);
  view.sort = linkedList(told, "sort", isPlaced) ?? [];
  view.filters = linkedList(told, "filters", (entry) => typeof entry?.field === "string" && typeof entry.value === "string") ?? [];
  view.chosen = linkedList(told, "chosen") ?? [];
  const tab = told.get("tab");
  showView(Object.hasOwn(VIEWS, tab) ? tab : "curves");
}

/** Choose the runs that the address names, as they are read. */
function takeLinkedChoice() {
  if (!view.chosen.length) return;
  const numbers = new Map(allRuns().map((run) => [run.path, run.id]));
  for (const path of view.chosen) if (numbers.has(path)) state.chosen.add(numbers.get(path));
  view.chosen = view.chosen.filter((path) => !numbers.has(path));
}

function listenToView() {
  for (const control of viewControls()) {
    for (const kind of ["input", "change"]) {
      control.addEventListener(kind, () => {
        view.touched.add(controlName(control));
        saveViewSoon();
      });
    }
  }
}
