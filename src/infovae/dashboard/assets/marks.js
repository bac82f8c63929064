// What the reader puts on single runs: an eye that hides them in charts, a pin that keeps them on top, a colour.

const marks = { hidden: new Set(), pinned: new Set(), colours: new Map() }; // by the run's path

/** The runs of a row of the table. */
function rowRuns(row) {
  return (row.members ?? [row.id]).map((number) => state.runs.get(number)).filter(Boolean);
}

/** The colour of a run in charts: the reader's own, else that of its group. */
function runColour(run, group) {
  return marks.colours.get(run.path) ?? group.colour;
}

/** The one colour that the reader gave to all of a group's runs, if there is one. */
function groupColour(group) {
  const given = new Set(group.runs.map((run) => marks.colours.get(run.path)));
  return given.size === 1 ? [...given][0] : undefined;
}

function showMarks(cell) {
  const row = cell.getRow();
  const runs = rowRuns(row.getData());
  const name = rowsMode() === "runs" ? state.paths.get(row.getData().id) : "group";
  return element("span", { class: "marks", children: [
    toggle("eye", marks.hidden, runs, `Hide ${name} in charts`, () => row.reformat()),
    toggle("pin", marks.pinned, runs, `Keep ${name} on top`, () => keepOnTop(row)),
    swatch(runs, `Colour of ${name}`),
  ] });
}

function toggle(kind, set, runs, label, then) {
  const isOn = runs.length > 0 && runs.every((run) => set.has(run.path));
  const button = element("button", { type: "button", class: `mark ${kind}`, "aria-label": label, title: label, "aria-pressed": isOn });
  button.addEventListener("click", (event) => {
    event.stopPropagation(); // it doesn't choose the row
    for (const run of runs) isOn ? set.delete(run.path) : set.add(run.path);
    then();
    saveViewSoon();
    drawViewsSoon();
  });
  return button;
}

function swatch(runs, label) {
  const input = element("input", { type: "color", class: "mark", "aria-label": label, title: label });
  if (runs.length) input.value = runColour(runs[0], lookOf(runs[0], groupKeys()));
  input.addEventListener("click", (event) => event.stopPropagation());
  input.addEventListener("change", () => {
    for (const run of runs) marks.colours.set(run.path, input.value);
    table.redraw(true); // a group may have the colour now
    saveViewSoon();
    drawViewsSoon();
  });
  return input;
}

function isPinned(row) {
  const runs = rowRuns(row);
  return runs.length > 0 && runs.every((run) => marks.pinned.has(run.path));
}

function keepOnTop(row) {
  isPinned(row.getData()) ? row.freeze() : row.unfreeze();
  row.reformat();
}
